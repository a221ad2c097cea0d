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
    _reports_up()
    _drafts_up()
    _offline_up()
    _together_up()


def downgrade() -> None:
    _together_down()
    _offline_down()
    _drafts_down()
    _reports_down()
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
        sa.Column("left_at", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
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


# --- offline ------------------------------------------------------------------------------------------------------


def _offline_up() -> None:
    op.add_column("visit", sa.Column("recorded_at", MOMENT))
    op.add_column("follow_up", sa.Column("recorded_at", MOMENT))
    op.add_column("idempotency", sa.Column("keep_until", MOMENT))


def _offline_down() -> None:
    for table, column in (("idempotency", "keep_until"), ("follow_up", "recorded_at"), ("visit", "recorded_at")):
        with op.batch_alter_table(table) as batch:
            batch.drop_column(column)


# --- together -----------------------------------------------------------------------------------------------------


def _together_up() -> None:
    op.add_column("coworker", sa.Column("until", sa.Date()))
    op.create_index("ix_coworker_until", "coworker", ["corp_id", "until"])
    _table(
        "appeal",
        sa.Column("wish", sa.String(10), nullable=False),
        sa.Column("customer_id", sa.String(40)),
        sa.Column("task_id", sa.String(40)),
        sa.Column("asker_id", sa.String(40), nullable=False),
        sa.Column("reader_id", sa.String(40), nullable=False),
        sa.Column("decider_id", sa.String(40)),
        sa.Column("owner_id", sa.String(40)),
        sa.Column("note", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("guard", sa.String(140)),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("decided_at", MOMENT),
        _ref("appeal", "customer_id", "customer"),
        _ref("appeal", "task_id", "task"),
        _ref("appeal", "asker_id", "member"),
        _ref("appeal", "reader_id", "member"),
        _unique("appeal", "guard"),
    )
    op.create_index("ix_appeal_asker", "appeal", ["corp_id", "asker_id", "created_at"])
    op.create_index("ix_appeal_reader", "appeal", ["corp_id", "reader_id", "created_at"])
    op.create_index("ix_appeal_customer", "appeal", ["corp_id", "customer_id", "state"])
    op.create_index("ix_appeal_task", "appeal", ["corp_id", "task_id", "state"])
    _table(
        "comment",
        sa.Column("follow_up_id", sa.String(40)),
        sa.Column("visit_id", sa.String(40)),
        sa.Column("author_id", sa.String(40), nullable=False),
        sa.Column("text", sa.String(500), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("edited_at", MOMENT),
        _ref("comment", "follow_up_id", "follow_up"),
        _ref("comment", "visit_id", "visit"),
        _ref("comment", "author_id", "member", ondelete=None),
    )
    op.create_index("ix_comment_follow_up", "comment", ["corp_id", "follow_up_id", "id"])
    op.create_index("ix_comment_visit", "comment", ["corp_id", "visit_id", "id"])
    _table(
        "log_like",
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("follow_up_id", sa.String(40)),
        sa.Column("visit_id", sa.String(40)),
        _ref("log_like", "member_id", "member"),
        _ref("log_like", "follow_up_id", "follow_up"),
        _ref("log_like", "visit_id", "visit"),
        _unique("log_like", "follow_up_id", "member_id"),
        _unique("log_like", "visit_id", "member_id"),
    )
    _table(
        "mention",
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("follow_up_id", sa.String(40)),
        sa.Column("visit_id", sa.String(40)),
        sa.Column("comment_id", sa.String(40)),
        _ref("mention", "member_id", "member"),
        _ref("mention", "follow_up_id", "follow_up"),
        _ref("mention", "visit_id", "visit"),
        _ref("mention", "comment_id", "comment"),
        _unique("mention", "follow_up_id", "member_id"),
        _unique("mention", "visit_id", "member_id"),
        _unique("mention", "comment_id", "member_id"),
    )
    _table(
        "phrase",
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("text", sa.String(100), nullable=False),
        sa.Column("is_own", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer()),
        sa.Column("used", sa.Integer(), nullable=False),
        _ref("phrase", "member_id", "member"),
        _unique("phrase", "member_id", "text"),
    )


def _together_down() -> None:
    for table in ("phrase", "mention", "log_like", "comment", "appeal"):
        op.drop_table(table)
    op.drop_index("ix_coworker_until", "coworker")
    with op.batch_alter_table("coworker") as batch:
        batch.drop_column("until")


def _ref(name: str, column: str, target: str, ondelete: str | None = "CASCADE") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["corp_id", column],
        [f"{target}.corp_id", f"{target}.id"],
        name=op.f(f"fk_{name}_corp_id_{column}_{target}"),
        ondelete=ondelete,
    )


def _unique(name: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint("corp_id", *columns, name=op.f(f"uq_{name}_corp_id_{'_'.join(columns)}"))


# --- work reports -------------------------------------------------------------------------------------------------


def _reports_up() -> None:
    _table(
        "work_report",
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(5), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("outlook", sa.Text(), nullable=False),
        sa.Column("figures", JSON, nullable=False),
        sa.Column("items", JSON, nullable=False),
        sa.Column("history", JSON, nullable=False),
        sa.Column("sent_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["corp_id", "member_id"],
            ["member.corp_id", "member.id"],
            name=op.f("fk_work_report_corp_id_member"),
        ),
        sa.UniqueConstraint(
            "corp_id", "member_id", "kind", "day", name=op.f("uq_work_report_corp_id_member_id_kind_day")
        ),
    )
    op.create_index("ix_work_report_day", "work_report", ["corp_id", "kind", "day", "id"])
    op.create_index("ix_work_report_sent", "work_report", ["corp_id", "sent_at", "id"])
    _table(
        "report_reader",
        sa.Column("report_id", sa.String(40), nullable=False),
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("copied", sa.Boolean(), nullable=False),
        sa.Column("read_at", MOMENT),
        _key("report_reader", "report_id", "work_report"),
        _key("report_reader", "member_id", "member"),
        sa.UniqueConstraint(
            "corp_id", "report_id", "member_id", name=op.f("uq_report_reader_corp_id_report_id_member_id")
        ),
    )
    op.create_index("ix_report_reader_member", "report_reader", ["corp_id", "member_id", "report_id"])


def _reports_down() -> None:
    op.drop_table("report_reader")
    op.drop_table("work_report")


# --- drafts -------------------------------------------------------------------------------------------------------


def _drafts_up() -> None:
    _table(
        "draft_ask",
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("customer_id", sa.String(40), nullable=False),
        sa.Column("object", sa.String(10), nullable=False),
        sa.Column("with_text", sa.Boolean(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("answer", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _key("draft_ask", "member_id", "member"),
        _key("draft_ask", "customer_id", "customer"),
    )
    op.create_index("ix_draft_ask_created", "draft_ask", ["corp_id", "created_at"])


def _drafts_down() -> None:
    op.drop_table("draft_ask")


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
