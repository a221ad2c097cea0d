"""The recycle bin and the audit chain."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
UNSEALED = sa.text("seq IS NULL")
SEALED = (
    ("seq", sa.BigInteger(), None),
    ("prev", sa.String(64), None),
    ("mac", sa.String(64), None),
    ("via", sa.String(10), ""),
    ("ip", sa.String(45), ""),
    ("request_id", sa.String(64), ""),
    ("reason", sa.String(200), ""),
)

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    _add(
        "deletion",
        sa.Column("object", sa.String(12), nullable=False),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("customer_id", sa.String(40)),
        sa.Column("owner_id", sa.String(40)),
        sa.Column("actor_id", sa.String(40)),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("contents", JSON, nullable=False),
        sa.Column("loose", JSON, nullable=False),
        sa.Column("counts", JSON, nullable=False),
        sa.Column("deleted_at", MOMENT, nullable=False),
    )
    op.create_index("ix_deletion_recent", "deletion", ["corp_id", "deleted_at", "id"])
    op.create_index("ix_deletion_owner", "deletion", ["corp_id", "owner_id", "deleted_at"])
    op.create_index("ix_deletion_actor", "deletion", ["corp_id", "actor_id", "deleted_at"])
    op.create_index("ix_deletion_customer", "deletion", ["corp_id", "customer_id"])
    _add(
        "deletion_run",
        sa.Column("object", sa.String(12), nullable=False),
        sa.Column("ids", JSON, nullable=False),
        sa.Column("actor_id", sa.String(40), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("errors", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
    )
    op.create_index("ix_deletion_run_actor", "deletion_run", ["corp_id", "actor_id", "created_at"])
    for name, kind, default in SEALED:
        empty = {"nullable": True} if default is None else {"nullable": False, "server_default": default}
        op.add_column("event", sa.Column(name, kind, **empty))
    op.create_index("ix_event_seq", "event", ["corp_id", "seq"])
    op.create_index("ix_event_actor", "event", ["corp_id", "actor_id", "at"])
    op.create_index("ix_event_unsealed", "event", ["corp_id", "id"], sqlite_where=UNSEALED, postgresql_where=UNSEALED)
    _add(
        "audit_chain",
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("first_prev", sa.String(64), nullable=False),
        sa.Column("base_mac", sa.String(64), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_mac", sa.String(64), nullable=False),
        sa.Column("sealed_at", MOMENT, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("audit_chain")
    for index in ("ix_event_unsealed", "ix_event_actor", "ix_event_seq"):
        op.drop_index(index, "event")
    with op.batch_alter_table("event") as batch:
        for name, _kind, _default in SEALED:
            batch.drop_column(name)
    op.drop_table("deletion_run")
    op.drop_table("deletion")


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
