"""The search index. What is there already is put into it by the worker, see `wsapp.crm.search.building`."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

GRAMS = postgresql.ARRAY(sa.Text()).with_variant(sa.Text(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
REBUILD = sa.text(
    "INSERT INTO outbox (corp_id, kind, lane, key, payload, due_at, state, "
    "attempts, crashes, created_at) "
    "SELECT id, 'search.rebuild', 'home', 'search.rebuild:0006:' || id, '{}', CURRENT_TIMESTAMP, 'ready', "
    "0, 0, CURRENT_TIMESTAMP FROM corp"
)


def upgrade() -> None:
    op.create_table(
        "search_entry",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(1), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("phones", sa.Text(), nullable=False),
        sa.Column("sounds", sa.Text(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("grams", GRAMS, nullable=True),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_search_entry_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_search_entry")),
    )
    op.create_index("ix_search_entry_number", "search_entry", ["number"], unique=True)
    op.create_table(
        "search_reading",
        sa.Column("char", sa.String(1), nullable=False),
        sa.Column("sounds", sa.String(60), nullable=False),
        sa.PrimaryKeyConstraint("char", name=op.f("pk_search_reading")),
    )
    op.create_table(
        "saved_view",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(30), nullable=False),
        sa.Column("query", JSON, nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_saved_view_corp_id_corp")),
        sa.ForeignKeyConstraint(
            ["corp_id", "member_id"],
            ["member.corp_id", "member.id"],
            name=op.f("fk_saved_view_corp_id_member_id_member"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_saved_view")),
    )
    op.create_table(
        "bulk_run",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("action", sa.String(10), nullable=False),
        sa.Column("value", sa.String(60), nullable=False),
        sa.Column("ids", JSON, nullable=False),
        sa.Column("changed", JSON, nullable=False),
        sa.Column("failed", JSON, nullable=False),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undo_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_bulk_run_corp_id_corp")),
        sa.ForeignKeyConstraint(
            ["corp_id", "member_id"],
            ["member.corp_id", "member.id"],
            name=op.f("fk_bulk_run_corp_id_member_id_member"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_bulk_run")),
    )
    op.create_index("ix_customer_created", "customer", ["corp_id", "created_at", "id"])
    op.create_index("ix_customer_by_name", "customer", ["corp_id", "name", "id"])
    op.create_index("ix_bulk_run_member", "bulk_run", ["corp_id", "member_id", "created_at"])
    op.create_index("ix_saved_view_member", "saved_view", ["corp_id", "member_id", "created_at"])
    op.create_index("ix_saved_view_shared", "saved_view", ["corp_id", "shared", "created_at"])
    op.create_table(
        "default_view",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("view_id", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_default_view_corp_id_corp")),
        sa.ForeignKeyConstraint(
            ["corp_id", "id"],
            ["member.corp_id", "member.id"],
            name=op.f("fk_default_view_corp_id_id_member"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["corp_id", "view_id"],
            ["saved_view.corp_id", "saved_view.id"],
            name=op.f("fk_default_view_corp_id_view_id_saved_view"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_default_view")),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE fts_search USING fts5(grams, content='', columnsize=0, detail='none', "
            "tokenize='unicode61 remove_diacritics 0')"
        )
    else:
        # A long list of pending entries is read through by every search.
        op.execute(
            "CREATE INDEX gin_search_entry_grams ON search_entry USING gin (grams) WITH (gin_pending_list_limit = 256)"
        )
    op.execute(REBUILD)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE fts_search")
    op.drop_index("ix_customer_by_name", "customer")
    op.drop_index("ix_customer_created", "customer")
    op.drop_table("bulk_run")
    op.drop_table("default_view")
    op.drop_table("saved_view")
    op.drop_table("search_reading")
    op.drop_table("search_entry")
    op.execute("DELETE FROM outbox WHERE kind LIKE 'search.%'")
