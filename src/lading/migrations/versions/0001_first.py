"""Runs, loads, slices and rejects."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("started", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("beat", sa.Text, nullable=False),
        sa.Column("bill", sa.Text),
    )
    op.create_table(
        "loads",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("run", sa.Text, nullable=False, index=True),
        sa.Column("fingerprint", sa.Text, nullable=False, index=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("load", sa.Text, nullable=False),
        sa.Column("snapshot", sa.Text, nullable=False),
        sa.Column("rows", sa.BigInteger),
        sa.Column("cursor", sa.Text),
        sa.Column("bill", sa.Text),
        sa.Column("changed", sa.Text, nullable=False),
    )
    op.create_table(
        "slices",
        sa.Column("load", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("staged", sa.Boolean, nullable=False),
        sa.Column("line", sa.Text, nullable=False),
    )
    op.create_table(
        "rejects",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run", sa.Text, nullable=False, index=True),
        sa.Column("load", sa.Text, nullable=False),
        sa.Column("table", sa.Text, nullable=False),
        sa.Column("slice", sa.Integer, nullable=False),
        sa.Column("row", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
