"""Public pools, claims and hand-overs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("customer", sa.Column("owned_since", MOMENT))
    op.add_column("customer", sa.Column("pooled_at", MOMENT))
    op.add_column("customer", sa.Column("rests_until", sa.Date()))
    op.add_column("customer", sa.Column("clock_at", MOMENT))
    op.create_index("ix_customer_pool", "customer", ["corp_id", "pool_id", "pooled_at", "id"])
    _add(
        "pool",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("departments", JSON, nullable=False),
        sa.Column("people", JSON, nullable=False),
        sa.Column("roles", JSON, nullable=False),
        sa.Column("managers", JSON, nullable=False),
        sa.Column("hidden", JSON, nullable=False),
        sa.Column("rules", JSON, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("ruled_at", MOMENT),
    )
    _add(
        "ownership",
        sa.Column("customer_id", sa.String(40), nullable=False),
        sa.Column("owner_id", sa.String(40), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT),
        sa.Column("pool_id", sa.String(40)),
        sa.Column("ending", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("kept", JSON),
        _key("ownership", "customer_id", "customer"),
        _key("ownership", "owner_id", "member"),
    )
    op.create_index("ix_ownership_customer", "ownership", ["corp_id", "customer_id", "until"])
    op.create_index("ix_ownership_owner", "ownership", ["corp_id", "owner_id", "until"])
    _add(
        "pool_day",
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("views", sa.Integer(), nullable=False),
        _key("pool_day", "member_id", "member"),
    )
    _add(
        "pool_view",
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("customer_id", sa.String(40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        _key("pool_view", "member_id", "member"),
        _key("pool_view", "customer_id", "customer"),
        sa.UniqueConstraint(
            "corp_id",
            "member_id",
            "day",
            "customer_id",
            name=op.f("uq_pool_view_corp_id_member_id_day_customer_id"),
        ),
    )
    op.create_index("ix_pool_view_day", "pool_view", ["corp_id", "day"])
    _add(
        "handover",
        sa.Column("actor_id", sa.String(40), nullable=False),
        sa.Column("cause", sa.String(12), nullable=False),
        sa.Column("leaver_id", sa.String(40)),
        sa.Column("with_tasks", sa.Boolean(), nullable=False),
        sa.Column("stays", sa.Boolean(), nullable=False),
        sa.Column("plan", JSON, nullable=False),
        sa.Column("moved", JSON, nullable=False),
        sa.Column("credits", JSON, nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("undo_until", MOMENT),
        _key("handover", "actor_id", "member"),
    )
    _add(
        "draw",
        sa.Column("customer_id", sa.String(40), nullable=False),
        sa.Column("pool_id", sa.String(40), nullable=False),
        sa.Column("winner_id", sa.String(40)),
        sa.Column("is_open", sa.Boolean()),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _key("draw", "customer_id", "customer"),
        sa.UniqueConstraint("corp_id", "customer_id", "is_open", name=op.f("uq_draw_corp_id_customer_id_is_open")),
    )
    _add(
        "draw_entry",
        sa.Column("draw_id", sa.String(40), nullable=False),
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _key("draw_entry", "draw_id", "draw"),
        _key("draw_entry", "member_id", "member"),
        sa.UniqueConstraint("corp_id", "draw_id", "member_id", name=op.f("uq_draw_entry_corp_id_draw_id_member_id")),
    )
    op.create_index("ix_handover_recent", "handover", ["corp_id", "actor_id", "created_at"])
    _recycling()


def _recycling() -> None:
    _add(
        "owner_clock",
        sa.Column("owner_id", sa.String(40), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("locked_at", MOMENT),
        sa.Column("kept_until", sa.Date()),
        sa.Column("warned_for", sa.Date()),
        sa.Column("warned_days", sa.Integer()),
        sa.Column("warned_on", sa.Date()),
        sa.Column("told", sa.Boolean(), nullable=False),
        _key("owner_clock", "id", "customer"),
        _key("owner_clock", "owner_id", "member"),
    )
    op.create_index("ix_owner_clock_untold", "owner_clock", ["corp_id", "told", "owner_id"])
    op.create_index("ix_owner_clock_owner", "owner_clock", ["corp_id", "owner_id"])
    _add(
        "recycle_run",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("after", sa.String(40), nullable=False),
        sa.Column("passes", sa.Integer(), nullable=False),
        sa.Column("moved", sa.Integer(), nullable=False),
        sa.Column("warned", sa.Integer(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
    )
    _add(
        "owner_request",
        sa.Column("customer_id", sa.String(40), nullable=False),
        sa.Column("owner_id", sa.String(40), nullable=False),
        sa.Column("manager_id", sa.String(40)),
        sa.Column("decider_id", sa.String(40)),
        sa.Column("wish", sa.String(10), nullable=False),
        sa.Column("leaves_on", sa.Date()),
        sa.Column("pool_id", sa.String(40)),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("kept_until", sa.Date()),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("is_open", sa.Boolean()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("decided_at", MOMENT),
        _key("owner_request", "customer_id", "customer"),
        _key("owner_request", "owner_id", "member"),
        sa.UniqueConstraint(
            "corp_id",
            "customer_id",
            "is_open",
            name=op.f("uq_owner_request_corp_id_customer_id_is_open"),
        ),
    )
    op.create_index("ix_owner_request_owner", "owner_request", ["corp_id", "owner_id", "created_at"])


def downgrade() -> None:
    for table in (
        "owner_request",
        "recycle_run",
        "owner_clock",
        "draw_entry",
        "draw",
        "handover",
        "pool_view",
        "pool_day",
        "ownership",
        "pool",
    ):
        op.drop_table(table)
    op.drop_index("ix_customer_pool", "customer")
    with op.batch_alter_table("customer") as batch:
        batch.drop_column("clock_at")
        batch.drop_column("rests_until")
        batch.drop_column("pooled_at")
        batch.drop_column("owned_since")


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
