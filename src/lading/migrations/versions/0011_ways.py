"""From which table into which a load's rows came, whatever its mode and key."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("loads", sa.Column("way", sa.Text))
    op.create_index("ix_loads_way", "loads", ["way"])
