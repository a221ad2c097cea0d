"""Contacts, lifecycle, tags, leads and groups of customers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0004"
down_revision = "0003"

CUSTOMER_COLUMNS = ("last_deal_at", "stage_since", "lead", "invalid_reason", "respond_by", "responded_at")


def upgrade() -> None:
    _widen_customer()
    _add_contact()
    with op.batch_alter_table("follow_up") as batch:
        batch.add_column(sa.Column("contact_id", sa.String(40), nullable=True))
        batch.create_foreign_key(
            op.f("fk_follow_up_corp_id_contact_id_contact"), "contact", ["corp_id", "contact_id"], ["corp_id", "id"]
        )
    _add(
        "stage_change",
        sa.Column("customer_id", sa.String(40), nullable=False),
        sa.Column("before", sa.String(12), nullable=False),
        sa.Column("after", sa.String(12), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", sa.String(40), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        _key("stage_change", "customer_id", "customer", ondelete="CASCADE"),
    )
    op.create_index("ix_stage_change_customer", "stage_change", ["corp_id", "customer_id", "at"])
    _add(
        "tag",
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("colour", sa.String(10), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.UniqueConstraint("corp_id", "name", name=op.f("uq_tag_corp_id_name")),
    )


def downgrade() -> None:
    with op.batch_alter_table("follow_up") as batch:
        batch.drop_constraint(op.f("fk_follow_up_corp_id_contact_id_contact"), type_="foreignkey")
        batch.drop_column("contact_id")
    for table in ("tag", "stage_change", "contact"):
        op.drop_table(table)
    for index in ("ix_customer_lead", "ix_customer_parent"):
        op.drop_index(index, "customer")
    with op.batch_alter_table("customer") as batch:
        for column in CUSTOMER_COLUMNS:
            batch.drop_column(column)


def _widen_customer() -> None:
    for column in ("last_deal_at", "stage_since", "respond_by", "responded_at"):
        op.add_column("customer", sa.Column(column, MOMENT, nullable=True))
    op.add_column("customer", sa.Column("lead", sa.String(10), nullable=False, server_default=""))
    op.add_column("customer", sa.Column("invalid_reason", sa.String(20), nullable=False, server_default=""))
    op.create_index("ix_customer_lead", "customer", ["corp_id", "lead", "updated_at", "id"])
    op.create_index("ix_customer_parent", "customer", ["corp_id", "parent_id"])


def _add_contact() -> None:
    _add(
        "contact",
        sa.Column("customer_id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("gender", sa.String(6), nullable=False),
        sa.Column("title", sa.String(60), nullable=False),
        sa.Column("role", sa.String(12), nullable=False),
        sa.Column("phones", JSON, nullable=False),
        sa.Column("wechat", sa.String(60), nullable=False),
        sa.Column("mail", sa.String(120), nullable=False),
        sa.Column("birth_day", sa.String(5), nullable=False),
        sa.Column("birth_year", sa.Integer(), nullable=True),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("tags", JSON, nullable=False),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("external_userid", sa.String(64), nullable=False),
        sa.Column("creator_id", sa.String(40), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        _key("contact", "customer_id", "customer", ondelete="CASCADE"),
        _key("contact", "creator_id", "member"),
    )
    op.create_index("ix_contact_customer", "contact", ["corp_id", "customer_id"])
    op.create_index("ix_contact_recent", "contact", ["corp_id", "updated_at", "id"])
    op.create_index("ix_contact_birth_day", "contact", ["corp_id", "birth_day"])


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


def _key(table: str, column: str, other: str, *, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["corp_id", column],
        [f"{other}.corp_id", f"{other}.id"],
        name=op.f(f"fk_{table}_corp_id_{column}_{other}"),
        ondelete=ondelete,
    )
