"""When pipelines were due and what became of it, and when a run ended."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("runs", sa.Column("ended", sa.Text))
    op.create_index("ix_runs_ended", "runs", ["ended"])
    op.create_index("ix_runs_state", "runs", ["state"])
    op.create_table(
        "dues",
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("due", sa.Text, nullable=False),
        sa.Column("schedule", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False, index=True),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("lease", sa.Text, nullable=False),
        sa.Column("began", sa.Text, nullable=False),
        sa.Column("ended", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("says", sa.Text, nullable=False),
        sa.Column("late", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("pipeline", "due"),
    )
