"""Free days as quiet as nights, for whoever wants that."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("preference", sa.Column("quiet_days", sa.Boolean()))


def downgrade() -> None:
    with op.batch_alter_table("preference") as table:
        table.drop_column("quiet_days")
