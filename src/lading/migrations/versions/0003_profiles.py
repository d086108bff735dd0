"""Profiles with their dates."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "profiles",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("system", sa.Text, nullable=False),
        sa.Column("table", sa.Text, nullable=False),
        sa.Column("taken", sa.Text, nullable=False),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Index("profiles_of_tables", "system", "table"),
    )
