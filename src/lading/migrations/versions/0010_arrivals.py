"""Files that arrived, and those that were expected."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "arrivals",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("gone", sa.Text, nullable=False),
        sa.Column("mark", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("modified", sa.Text, nullable=False),
        sa.Column("seen", sa.Text, nullable=False),
        sa.Column("looks", sa.Integer, nullable=False),
        sa.Column("looked", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("changed", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("rows", sa.BigInteger),
        sa.Column("lot", sa.Text, nullable=False, index=True),
        sa.Column("run", sa.Text, nullable=False, index=True),
        sa.Column("bill", sa.Text, nullable=False),
        sa.Column("says", sa.Text, nullable=False),
        sa.UniqueConstraint("pipeline", "step", "place", "name", "gone"),
    )
    op.create_index("ix_arrivals_state", "arrivals", ["pipeline", "step", "state"])
    op.create_index("ix_arrivals_hash", "arrivals", ["pipeline", "step", "hash"])
