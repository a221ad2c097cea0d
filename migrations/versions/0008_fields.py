"""Custom fields and forms; what they hold on contacts, follow-ups, visits and tasks; documents."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

MOMENT = sa.DateTime(timezone=True)
SORTED = sa.String(160).with_variant(sa.String(160, collation="C"), "postgresql")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
CARRIERS = ("contact", "follow_up", "visit", "task")

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    _add(
        "custom_field",
        sa.Column("object", sa.String(20), nullable=False),
        sa.Column("key", sa.String(40), nullable=False),
        sa.Column("label", sa.String(60), nullable=False),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("options", JSON, nullable=False),
        sa.Column("settings", JSON, nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("unique", sa.Boolean(), nullable=False),
        sa.Column("indexed", sa.Boolean(), nullable=False),
        sa.Column("indexing", sa.Boolean(), nullable=False),
        sa.Column("blanks", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False),
        sa.Column("hidden_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.UniqueConstraint("corp_id", "object", "key", name=op.f("uq_custom_field_corp_id_object_key")),
    )
    _add(
        "custom_value",
        sa.Column("field_id", sa.String(40), nullable=False),
        sa.Column("record_id", sa.String(40), nullable=False),
        sa.Column("sort_key", SORTED, nullable=False),
        sa.Column("unique_key", sa.String(64), nullable=True),
        sa.ForeignKeyConstraint(
            ["corp_id", "field_id"],
            ["custom_field.corp_id", "custom_field.id"],
            name=op.f("fk_custom_value_corp_id_field_id_custom_field"),
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "corp_id", "field_id", "unique_key", name=op.f("uq_custom_value_corp_id_field_id_unique_key")
        ),
    )
    op.create_index("ix_custom_value_found", "custom_value", ["corp_id", "field_id", "sort_key", "record_id"])
    op.create_index("ix_custom_value_record", "custom_value", ["corp_id", "record_id", "field_id", "sort_key"])
    if op.get_bind().dialect.name == "postgresql":
        # Which values are frequent depends on the field; without this the planner takes yes for a rare word.
        op.execute("CREATE STATISTICS st_custom_value_found (mcv) ON corp_id, field_id, sort_key FROM custom_value")

    with op.batch_alter_table("stored_file") as table:
        table.add_column(sa.Column("part", sa.String(60), nullable=False, server_default=""))
        table.add_column(sa.Column("name", sa.String(120), nullable=False, server_default=""))
        table.alter_column("content_type", existing_type=sa.String(40), type_=sa.String(100), existing_nullable=False)
    for carrier in CARRIERS:
        op.add_column(carrier, sa.Column("custom", JSON, nullable=False, server_default="{}"))


def downgrade() -> None:
    for carrier in CARRIERS:
        with op.batch_alter_table(carrier) as table:
            table.drop_column("custom")
    op.execute("UPDATE stored_file SET content_type = 'image/jpeg' WHERE length(content_type) > 40")
    with op.batch_alter_table("stored_file") as table:
        table.alter_column("content_type", existing_type=sa.String(100), type_=sa.String(40), existing_nullable=False)
        table.drop_column("name")
        table.drop_column("part")
    for table in ("custom_value", "custom_field"):
        op.drop_table(table)


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
