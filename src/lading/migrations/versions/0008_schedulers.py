"""Schedulers, and when each last said that it is at work."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "schedulers",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("began", sa.Text, nullable=False),
        sa.Column("beat", sa.Text, nullable=False),
    )
