"""Rights: roles, deputies, co-workers, and the rules of a corp."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("corp", sa.Column("standing", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("member", sa.Column("roles", JSON, nullable=False, server_default="[]"))
    _add(
        "role",
        sa.Column("key", sa.String(40), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("grants", JSON, nullable=False),
        sa.Column("fields", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.UniqueConstraint("corp_id", "key", name=op.f("uq_role_corp_id_key")),
    )
    _add(
        "delegation",
        sa.Column("absent_id", sa.String(40), nullable=False),
        sa.Column("deputy_id", sa.String(40), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _key("delegation", "absent_id", "member"),
        _key("delegation", "deputy_id", "member"),
    )
    op.create_index("ix_delegation_ends", "delegation", ["corp_id", "ends_at"])
    _add(
        "coworker",
        sa.Column("customer_id", sa.String(40), nullable=False),
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("may_edit", sa.Boolean(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        _key("coworker", "customer_id", "customer"),
        _key("coworker", "member_id", "member"),
        sa.UniqueConstraint(
            "corp_id", "customer_id", "member_id", name=op.f("uq_coworker_corp_id_customer_id_member_id")
        ),
    )
    op.create_index("ix_coworker_member", "coworker", ["corp_id", "member_id", "customer_id"])
    _add(
        "corp_rule",
        sa.Column("value", JSON, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
    )
    _add(
        "phone_reveal",
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        _key("phone_reveal", "member_id", "member"),
    )
    op.create_index("ix_phone_reveal_member", "phone_reveal", ["corp_id", "member_id", "day"])


def downgrade() -> None:
    for table in ("phone_reveal", "corp_rule", "coworker", "delegation", "role"):
        op.drop_table(table)
    with op.batch_alter_table("member") as batch:
        batch.drop_column("roles")
    with op.batch_alter_table("corp") as batch:
        batch.drop_column("standing")


def _add(table: str, *parts: sa.schema.SchemaItem) -> None:
    """Create a table of a corp: its key is (corp_id, id)."""
    op.create_table(
        table,
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        *parts,
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f(f"fk_{table}_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f(f"pk_{table}")),
    )


def _key(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["corp_id", column],
        [f"{other}.corp_id", f"{other}.id"],
        name=op.f(f"fk_{table}_corp_id_{column}_{other}"),
        ondelete="CASCADE",
    )
