"""Field work: drafts, working days, the overdue ladder, watchers, repeats in full."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    _follow_through_up()
    _visits_up()


def downgrade() -> None:
    _visits_down()
    _follow_through_down()


# --- follow-through -----------------------------------------------------------------------------------------------

REPEATS = (
    ("repeat_every", sa.Integer(), False, "1"),
    ("repeat_days", JSON, False, "[]"),
    ("repeat_times", sa.Integer(), True, None),
    ("repeat_number", sa.Integer(), False, "1"),
    ("repeat_free", sa.String(5), False, "keep"),
)


def _follow_through_up() -> None:
    _table(
        "corp_day",
        sa.Column("works", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(40), nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
    )
    op.add_column("reminder", sa.Column("rung", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("reminder", sa.Column("due_at", MOMENT))
    # What was planned before the ladder existed is its first rung.
    op.execute(
        "UPDATE reminder SET due_at = (SELECT task.due_at FROM task WHERE task.corp_id = reminder.corp_id"
        " AND task.id = reminder.task_id) WHERE kind = 'overdue'"
    )
    for name, kind, empty, default in REPEATS:
        op.add_column("task", sa.Column(name, kind, nullable=empty, server_default=default))
    _table(
        "watch",
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("customer_id", sa.String(40)),
        sa.Column("task_id", sa.String(40)),
        sa.Column("since", MOMENT, nullable=False),
        _key("watch", "member_id", "member"),
        _key("watch", "customer_id", "customer"),
        _key("watch", "task_id", "task"),
    )
    op.create_index("ix_watch_customer", "watch", ["corp_id", "customer_id", "member_id"])
    op.create_index("ix_watch_task", "watch", ["corp_id", "task_id", "member_id"])
    op.create_index("ix_watch_member", "watch", ["corp_id", "member_id", "since"])
    _table(
        "silence",
        sa.Column("owner_id", sa.String(40), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("told_on", sa.Date(), nullable=False),
        _key("silence", "id", "customer"),
        _key("silence", "owner_id", "member"),
    )


def _follow_through_down() -> None:
    op.drop_table("silence")
    op.drop_table("watch")
    with op.batch_alter_table("task") as batch:
        for name, _kind, _empty, _default in REPEATS:
            batch.drop_column(name)
    with op.batch_alter_table("reminder") as batch:
        batch.drop_column("due_at")
        batch.drop_column("rung")
    op.drop_table("corp_day")


# --- visits -------------------------------------------------------------------------------------------------------


def _visits_up() -> None:
    op.create_index("ix_customer_place", "customer", ["corp_id", "lat", "lng"])
    _table(
        "visit_plan",
        sa.Column("customer_id", sa.String(40), nullable=False),
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("purpose", sa.String(200), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("checklist", JSON, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(100), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _key("visit_plan", "customer_id", "customer"),
        sa.ForeignKeyConstraint(
            ["corp_id", "member_id"],
            ["member.corp_id", "member.id"],
            name=op.f("fk_visit_plan_corp_id_member"),
        ),
    )
    op.create_index("ix_visit_plan_member", "visit_plan", ["corp_id", "member_id", "starts_at", "id"])
    op.create_index("ix_visit_plan_customer", "visit_plan", ["corp_id", "customer_id", "starts_at"])
    op.create_index("ix_visit_plan_open", "visit_plan", ["corp_id", "state", "ends_at"])
    _table(
        "visit_participant",
        sa.Column("plan_id", sa.String(40), nullable=False),
        sa.Column("member_id", sa.String(40), nullable=False),
        _key("visit_participant", "plan_id", "visit_plan"),
        _key("visit_participant", "member_id", "member"),
        sa.UniqueConstraint(
            "corp_id", "plan_id", "member_id", name=op.f("uq_visit_participant_corp_id_plan_id_member_id")
        ),
    )
    op.create_index("ix_visit_participant_member", "visit_participant", ["corp_id", "member_id", "plan_id"])
    _table(
        "location_consent",
        sa.Column("given_at", MOMENT),
        sa.Column("withdrawn_at", MOMENT),
        sa.Column("way", sa.String(10), nullable=False),
        _key("location_consent", "id", "member"),
    )
    with op.batch_alter_table("visit") as batch:
        batch.add_column(sa.Column("plan_id", sa.String(40)))
        batch.create_foreign_key(
            op.f("fk_visit_corp_id_plan_id_visit_plan"), "visit_plan", ["corp_id", "plan_id"], ["corp_id", "id"]
        )
    op.create_index("ix_visit_plan", "visit", ["corp_id", "plan_id"])


def _visits_down() -> None:
    op.drop_index("ix_visit_plan", "visit")
    with op.batch_alter_table("visit") as batch:
        batch.drop_constraint(op.f("fk_visit_corp_id_plan_id_visit_plan"), type_="foreignkey")
        batch.drop_column("plan_id")
    op.drop_table("location_consent")
    op.drop_table("visit_participant")
    op.drop_table("visit_plan")
    op.drop_index("ix_customer_place", "customer")


def _table(name: str, *parts: sa.schema.SchemaItem) -> None:
    """Create a table of a corp: its key is (corp_id, id)."""
    op.create_table(
        name,
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        *parts,
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f(f"fk_{name}_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f(f"pk_{name}")),
    )


def _key(name: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    """A reference to another row of the same corp, which goes with it."""
    return sa.ForeignKeyConstraint(
        ["corp_id", column],
        [f"{target}.corp_id", f"{target}.id"],
        name=op.f(f"fk_{name}_corp_id_{target}"),
        ondelete="CASCADE",
    )
