"""Who asked to end a run, and whose an attempt at a step is."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("runs", sa.Column("cancelled", sa.Text))
    op.add_column("step_runs", sa.Column("owner", sa.Text))
    op.add_column("step_runs", sa.Column("beat", sa.Text))
