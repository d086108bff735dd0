"""What an attempt at a step has of what there is only so much of."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("step_runs", sa.Column("shares", sa.Text))
    op.create_index("ix_step_runs_shares", "step_runs", ["shares"])
