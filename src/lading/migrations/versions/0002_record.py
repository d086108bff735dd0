"""Diffs, and the record: verdicts by table and by column."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "diffs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("started", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("diff", sa.Text, nullable=False),
    )
    op.create_table(
        "verdicts",
        sa.Column("run", sa.Text, nullable=False, index=True),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("started", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("source_table", sa.Text, nullable=False),
        sa.Column("target_table", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("rows_source", sa.BigInteger, nullable=False),
        sa.Column("rows_target", sa.BigInteger, nullable=False),
        sa.Column("rejected", sa.BigInteger, nullable=False),
        sa.Column("only_source", sa.BigInteger),
        sa.Column("only_target", sa.BigInteger),
        sa.Column("changed", sa.BigInteger),
        sa.Column("narrowed", sa.BigInteger, nullable=False),
        sa.Column("not_compared", sa.Integer, nullable=False),
        sa.Column("root_source", sa.Text, nullable=False),
        sa.Column("root_target", sa.Text, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("run", "place"),
    )
    op.create_table(
        "verdict_columns",
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("column_name", sa.Text, nullable=False),
        sa.Column("differing", sa.BigInteger, nullable=False),
        sa.Column("narrowed", sa.BigInteger, nullable=False),
        sa.Column("policy", sa.BigInteger, nullable=False),
        sa.Column("not_compared", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run", "place", "column_name"),
    )
