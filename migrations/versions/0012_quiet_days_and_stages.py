"""Free days as quiet as nights, for whoever wants that; customers counted by stage."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("preference", sa.Column("quiet_days", sa.Boolean()))
    op.create_index("ix_customer_stage", "customer", ["corp_id", "stage", "owner_id", "deleted_at"])


def downgrade() -> None:
    op.drop_index("ix_customer_stage", "customer")
    with op.batch_alter_table("preference") as table:
        table.drop_column("quiet_days")
