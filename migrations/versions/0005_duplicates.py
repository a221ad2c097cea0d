"""Keys for duplicates, merged customers, requests to share."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("customer", sa.Column("credit_code", sa.String(18), nullable=False, server_default=""))
    op.add_column("customer", sa.Column("keyed", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("customer", sa.Column("merged_into_id", sa.String(40)))
    op.create_index("ix_customer_keyed", "customer", ["corp_id", "keyed"])
    with op.batch_alter_table("customer_phone") as batch:
        batch.add_column(sa.Column("twin", sa.String(40), nullable=False, server_default=""))
        batch.drop_constraint("uq_customer_phone_corp_id_number", type_="unique")
        batch.create_unique_constraint("uq_customer_phone_corp_id_number_twin", ["corp_id", "number", "twin"])
    _add(
        "customer_key",
        sa.Column("customer_id", sa.String(40), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.Column("guard", sa.String(200)),
        _key("customer_key", "customer_id", "customer", cascade=True),
        sa.UniqueConstraint("corp_id", "guard", name=op.f("uq_customer_key_corp_id_guard")),
    )
    op.create_index("ix_customer_key_value", "customer_key", ["corp_id", "value", "customer_id"])
    op.create_index("ix_customer_key_customer", "customer_key", ["corp_id", "customer_id"])
    _add(
        "binned_key",
        sa.Column("record_id", sa.String(40), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.Column("facts", JSON, nullable=False),
    )
    op.create_index("ix_binned_key_value", "binned_key", ["corp_id", "value"])
    op.create_index("ix_binned_key_record", "binned_key", ["corp_id", "record_id"])
    _add(
        "duplicate_ask",
        sa.Column("told", JSON, nullable=False),
        _key("duplicate_ask", "id", "member", cascade=True),
    )
    _add(
        "customer_merge",
        sa.Column("winner_id", sa.String(40), nullable=False),
        sa.Column("loser_id", sa.String(40), nullable=False),
        sa.Column("actor_id", sa.String(40)),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("undone_at", MOMENT),
        sa.Column("kept", JSON, nullable=False),
        _key("customer_merge", "actor_id", "member"),
    )
    op.create_index("ix_customer_merge_winner", "customer_merge", ["corp_id", "winner_id", "at"])
    op.create_index("ix_customer_merge_loser", "customer_merge", ["corp_id", "loser_id", "at"])
    _add(
        "share_request",
        sa.Column("customer_id", sa.String(40), nullable=False),
        sa.Column("asker_id", sa.String(40), nullable=False),
        sa.Column("owner_id", sa.String(40), nullable=False),
        sa.Column("manager_id", sa.String(40)),
        sa.Column("decider_id", sa.String(40)),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("is_open", sa.Boolean()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("decided_at", MOMENT),
        _key("share_request", "customer_id", "customer", cascade=True),
        *(_key("share_request", one, "member") for one in ("asker_id", "owner_id", "manager_id", "decider_id")),
        sa.UniqueConstraint(
            "corp_id",
            "customer_id",
            "asker_id",
            "is_open",
            name=op.f("uq_share_request_corp_id_customer_id_asker_id_is_open"),
        ),
    )
    op.create_index("ix_share_request_asker", "share_request", ["corp_id", "asker_id", "created_at"])
    op.create_index("ix_share_request_owner", "share_request", ["corp_id", "owner_id", "state"])


def downgrade() -> None:
    for table in ("share_request", "customer_merge", "duplicate_ask", "binned_key", "customer_key"):
        op.drop_table(table)
    # A number that several have stays with the first of them.
    op.execute(
        "DELETE FROM customer_phone WHERE EXISTS (SELECT 1 FROM customer_phone AS other WHERE other.number ="
        " customer_phone.number AND other.corp_id = customer_phone.corp_id AND other.id < customer_phone.id)"
    )
    with op.batch_alter_table("customer_phone") as batch:
        batch.drop_constraint("uq_customer_phone_corp_id_number_twin", type_="unique")
        batch.create_unique_constraint("uq_customer_phone_corp_id_number", ["corp_id", "number"])
        batch.drop_column("twin")
    op.drop_index("ix_customer_keyed", "customer")
    with op.batch_alter_table("customer") as batch:
        for column in ("merged_into_id", "keyed", "credit_code"):
            batch.drop_column(column)


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


def _key(table: str, column: str, other: str, *, cascade: bool = False) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["corp_id", column],
        [f"{other}.corp_id", f"{other}.id"],
        name=op.f(f"fk_{table}_corp_id_{column}_{other}"),
        ondelete="CASCADE" if cascade else None,
    )
