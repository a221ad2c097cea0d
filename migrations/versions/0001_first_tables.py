"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "corp",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("host", sa.String(length=20), nullable=False),
        sa.Column("host_corp_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("credentials", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("fault", sa.String(length=300), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corp")),
        sa.UniqueConstraint("host", "host_corp_id", name=op.f("uq_corp_host_host_corp_id")),
    )
    op.create_table(
        "first_run",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_first_run_only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_first_run")),
    )
    op.create_table(
        "department",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("parent_id", sa.String(length=40), nullable=True),
        sa.Column("path", sa.String(length=700), nullable=False),
        sa.Column("sort", sa.BigInteger(), nullable=False),
        sa.Column("checked_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_department_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_department")),
    )
    op.create_index("ix_department_path", "department", ["corp_id", "path"], unique=False)

    op.create_table(
        "event",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject_type", sa.String(length=20), nullable=False),
        sa.Column("subject_id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=True),
        sa.Column("actor_id", sa.String(length=40), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("changes", JSON, nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_event_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_event")),
    )
    op.create_index("ix_event_at", "event", ["corp_id", "at", "id"], unique=False)
    op.create_index("ix_event_customer", "event", ["corp_id", "customer_id", "at", "id"], unique=False)
    op.create_index("ix_event_subject", "event", ["corp_id", "subject_id", "at"], unique=False)

    op.create_table(
        "host_token",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.Column("value_hash", sa.String(length=64), nullable=True),
        sa.Column("fetched_at", MOMENT, nullable=True),
        sa.Column("refresh_at", MOMENT, nullable=True),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("blocked_until", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_host_token_corp_id_corp"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("corp_id", "kind", name=op.f("pk_host_token")),
    )
    op.create_table(
        "idempotency",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_idempotency_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_idempotency")),
    )
    op.create_index("ix_idempotency_created", "idempotency", ["created_at"], unique=False)

    op.create_table(
        "member",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("userid", sa.String(length=64), nullable=False),
        sa.Column("userid_key", sa.String(length=64), nullable=False),
        sa.Column("unionid", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("position", sa.String(length=120), nullable=False),
        sa.Column("phone", sa.String(length=32), nullable=False),
        sa.Column("avatar", sa.String(length=500), nullable=False),
        sa.Column("manager_userid", sa.String(length=64), nullable=False),
        sa.Column("main_department_id", sa.String(length=40), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("role_set_here", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(length=5), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("checked_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_member_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_member")),
        sa.UniqueConstraint("corp_id", "userid_key", name=op.f("uq_member_corp_id_userid_key")),
    )
    op.create_index("ix_member_unionid", "member", ["corp_id", "unionid"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("corp_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("lane", sa.String(length=6), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.String(length=32), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_outbox_corp_id_corp")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
    )
    op.create_index("ix_outbox_corp", "outbox", ["corp_id", "lane", "state", "due_at", "id"], unique=False)
    op.create_index("ix_outbox_done", "outbox", ["state", "done_at", "id"], unique=False)
    op.create_index("ix_outbox_due", "outbox", ["state", "due_at", "id"], unique=False)
    op.create_index("ix_outbox_lease", "outbox", ["state", "lease_until"], unique=False)

    op.create_table(
        "seen_callback",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["corp_id"], ["corp.id"], name=op.f("fk_seen_callback_corp_id_corp"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("corp_id", "digest", name=op.f("pk_seen_callback")),
    )
    op.create_index("ix_seen_callback_seen", "seen_callback", ["seen_at"], unique=False)

    op.create_table(
        "sign_in_state",
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=False),
        sa.Column("next", sa.String(length=1000), nullable=False),
        sa.Column("web", sa.Boolean(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_sign_in_state_corp_id_corp")),
        sa.PrimaryKeyConstraint("state", name=op.f("pk_sign_in_state")),
    )
    op.create_table(
        "stored_file",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("owner_id", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("media_id", sa.String(length=300), nullable=True),
        sa.Column("content_type", sa.String(length=40), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_stored_file_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_stored_file")),
    )
    op.create_index("ix_stored_file_orphan", "stored_file", ["record_id", "created_at"], unique=False)
    op.create_index("ix_stored_file_record", "stored_file", ["corp_id", "record_id"], unique=False)

    op.create_table(
        "api_token",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("member_id", sa.String(length=40), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["corp_id", "member_id"],
            ["member.corp_id", "member.id"],
            name=op.f("fk_api_token_corp_id_member_id_member"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_api_token_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_api_token")),
    )
    op.create_table(
        "customer",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("name_key", sa.String(length=120), nullable=False),
        sa.Column("short_name", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("level", sa.String(length=1), nullable=True),
        sa.Column("stage", sa.String(length=12), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("industry", sa.String(length=60), nullable=False),
        sa.Column("size", sa.String(length=30), nullable=False),
        sa.Column("province", sa.String(length=30), nullable=False),
        sa.Column("city", sa.String(length=30), nullable=False),
        sa.Column("district", sa.String(length=30), nullable=False),
        sa.Column("address", sa.String(length=300), nullable=False),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lng", sa.Double(), nullable=True),
        sa.Column("place_accuracy", sa.Double(), nullable=True),
        sa.Column("place_source", sa.String(length=10), nullable=False),
        sa.Column("website", sa.String(length=200), nullable=False),
        sa.Column("tags", JSON, nullable=False),
        sa.Column("note", sa.String(length=1000), nullable=False),
        sa.Column("owner_id", sa.String(length=40), nullable=True),
        sa.Column("department_id", sa.String(length=40), nullable=True),
        sa.Column("pool_id", sa.String(length=40), nullable=True),
        sa.Column("parent_id", sa.String(length=40), nullable=True),
        sa.Column("creator_id", sa.String(length=40), nullable=True),
        sa.Column("custom", JSON, nullable=False),
        sa.Column("last_followed_at", MOMENT, nullable=True),
        sa.Column("next_follow_at", MOMENT, nullable=True),
        sa.Column("last_visited_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["corp_id", "creator_id"],
            ["member.corp_id", "member.id"],
            name=op.f("fk_customer_corp_id_creator_id_member"),
        ),
        sa.ForeignKeyConstraint(
            ["corp_id", "owner_id"], ["member.corp_id", "member.id"], name=op.f("fk_customer_corp_id_owner_id_member")
        ),
        sa.ForeignKeyConstraint(
            ["corp_id", "parent_id"],
            ["customer.corp_id", "customer.id"],
            name=op.f("fk_customer_corp_id_parent_id_customer"),
        ),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_customer_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_customer")),
    )
    op.create_index("ix_customer_name", "customer", ["corp_id", "name_key"], unique=False)
    op.create_index("ix_customer_owner_next", "customer", ["corp_id", "owner_id", "next_follow_at", "id"], unique=False)
    op.create_index("ix_customer_owner_recent", "customer", ["corp_id", "owner_id", "updated_at", "id"], unique=False)
    op.create_index("ix_customer_recent", "customer", ["corp_id", "updated_at", "id"], unique=False)

    op.create_table(
        "login_session",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("member_id", sa.String(length=40), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("device", sa.String(length=80), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["corp_id", "member_id"],
            ["member.corp_id", "member.id"],
            name=op.f("fk_login_session_corp_id_member_id_member"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_login_session_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_login_session")),
    )
    op.create_index("ix_login_session_member", "login_session", ["corp_id", "member_id"], unique=False)

    op.create_table(
        "membership",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("member_id", sa.String(length=40), nullable=False),
        sa.Column("department_id", sa.String(length=40), nullable=False),
        sa.Column("leads", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["corp_id", "department_id"],
            ["department.corp_id", "department.id"],
            name=op.f("fk_membership_corp_id_department_id_department"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["corp_id", "member_id"],
            ["member.corp_id", "member.id"],
            name=op.f("fk_membership_corp_id_member_id_member"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_membership_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_membership")),
        sa.UniqueConstraint(
            "corp_id", "member_id", "department_id", name=op.f("uq_membership_corp_id_member_id_department_id")
        ),
    )
    op.create_index("ix_membership_department", "membership", ["corp_id", "department_id", "member_id"], unique=False)

    op.create_table(
        "notification",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column("subject_id", sa.String(length=40), nullable=True),
        sa.Column("task_ids", JSON, nullable=False),
        sa.Column("card", sa.String(length=64), nullable=False),
        sa.Column("message", JSON, nullable=False),
        sa.Column("channel", sa.String(length=30), nullable=False),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("unknown", sa.Boolean(), nullable=False),
        sa.Column("host_code", sa.String(length=60), nullable=False),
        sa.Column("host_id", sa.String(length=200), nullable=False),
        sa.Column("handle", JSON, nullable=False),
        sa.Column("shown", sa.String(length=200), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("tried_at", MOMENT, nullable=True),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["corp_id", "recipient_id"],
            ["member.corp_id", "member.id"],
            name=op.f("fk_notification_corp_id_recipient_id_member"),
        ),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_notification_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_notification")),
        sa.UniqueConstraint("corp_id", "card", name=op.f("uq_notification_corp_id_card")),
        sa.UniqueConstraint("corp_id", "key", name=op.f("uq_notification_corp_id_key")),
    )
    op.create_index("ix_notification_pace", "notification", ["corp_id", "recipient_id", "tried_at"], unique=False)
    op.create_index("ix_notification_recent", "notification", ["corp_id", "due_at", "id"], unique=False)
    op.create_index(
        "ix_notification_recipient", "notification", ["corp_id", "recipient_id", "due_at", "id"], unique=False
    )
    op.create_index("ix_notification_subject", "notification", ["corp_id", "subject_id", "state"], unique=False)
    op.create_index("ix_notification_tried", "notification", ["corp_id", "tried_at", "recipient_id"], unique=False)

    op.create_table(
        "customer_phone",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["corp_id", "customer_id"],
            ["customer.corp_id", "customer.id"],
            name=op.f("fk_customer_phone_corp_id_customer_id_customer"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_customer_phone_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_customer_phone")),
        sa.UniqueConstraint("corp_id", "number", name=op.f("uq_customer_phone_corp_id_number")),
    )
    op.create_index(
        "ix_customer_phone_customer", "customer_phone", ["corp_id", "customer_id", "position"], unique=False
    )

    op.create_table(
        "follow_up",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("author_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=60), nullable=False),
        sa.Column("happened_at", MOMENT, nullable=False),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("next_action", sa.String(length=120), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["corp_id", "author_id"],
            ["member.corp_id", "member.id"],
            name=op.f("fk_follow_up_corp_id_author_id_member"),
        ),
        sa.ForeignKeyConstraint(
            ["corp_id", "customer_id"],
            ["customer.corp_id", "customer.id"],
            name=op.f("fk_follow_up_corp_id_customer_id_customer"),
        ),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_follow_up_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_follow_up")),
    )
    op.create_index("ix_follow_up_author", "follow_up", ["corp_id", "author_id", "happened_at", "id"], unique=False)
    op.create_index("ix_follow_up_customer", "follow_up", ["corp_id", "customer_id", "happened_at", "id"], unique=False)
    op.create_index("ix_follow_up_recent", "follow_up", ["corp_id", "happened_at", "id"], unique=False)

    op.create_table(
        "task",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("note", sa.String(length=1000), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=True),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("all_day", sa.Boolean(), nullable=False),
        sa.Column("reminders", JSON, nullable=False),
        sa.Column("assignee_id", sa.String(length=40), nullable=False),
        sa.Column("creator_id", sa.String(length=40), nullable=True),
        sa.Column("priority", sa.String(length=10), nullable=False),
        sa.Column("repeat", sa.String(length=10), nullable=False),
        sa.Column("repeat_until", MOMENT, nullable=True),
        sa.Column("series_id", sa.String(length=40), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("snoozed_until", MOMENT, nullable=True),
        sa.Column("source", sa.String(length=12), nullable=False),
        sa.Column("source_id", sa.String(length=40), nullable=True),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.Column("done_by", sa.String(length=40), nullable=True),
        sa.Column("done_note", sa.String(length=500), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["corp_id", "assignee_id"], ["member.corp_id", "member.id"], name=op.f("fk_task_corp_id_assignee_id_member")
        ),
        sa.ForeignKeyConstraint(
            ["corp_id", "creator_id"], ["member.corp_id", "member.id"], name=op.f("fk_task_corp_id_creator_id_member")
        ),
        sa.ForeignKeyConstraint(
            ["corp_id", "customer_id"],
            ["customer.corp_id", "customer.id"],
            name=op.f("fk_task_corp_id_customer_id_customer"),
        ),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_task_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_task")),
        sa.UniqueConstraint("corp_id", "series_id", "due_at", name=op.f("uq_task_corp_id_series_id_due_at")),
    )
    op.create_index("ix_task_assignee_due", "task", ["corp_id", "assignee_id", "state", "due_at", "id"], unique=False)
    op.create_index("ix_task_customer", "task", ["corp_id", "customer_id", "due_at", "id"], unique=False)
    op.create_index(
        "ix_task_open",
        "task",
        ["corp_id", "assignee_id", "due_at", "id"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_index("ix_task_done", "task", ["corp_id", "assignee_id", "done_at"], unique=False)
    op.create_index("ix_task_due", "task", ["corp_id", "state", "due_at", "id"], unique=False)

    op.create_table(
        "visit",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("member_id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("result", sa.String(length=60), nullable=False),
        sa.Column("checked_in_at", MOMENT, nullable=True),
        sa.Column("checked_out_at", MOMENT, nullable=True),
        sa.Column("closed_by_system", sa.Boolean(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lng", sa.Double(), nullable=True),
        sa.Column("accuracy", sa.Double(), nullable=True),
        sa.Column("fixed_at", MOMENT, nullable=True),
        sa.Column("place_name", sa.String(length=200), nullable=False),
        sa.Column("distance", sa.Double(), nullable=True),
        sa.Column("trust", sa.String(length=10), nullable=False),
        sa.Column("no_fix_reason", sa.String(length=100), nullable=False),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["corp_id", "customer_id"],
            ["customer.corp_id", "customer.id"],
            name=op.f("fk_visit_corp_id_customer_id_customer"),
        ),
        sa.ForeignKeyConstraint(
            ["corp_id", "member_id"], ["member.corp_id", "member.id"], name=op.f("fk_visit_corp_id_member_id_member")
        ),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_visit_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_visit")),
    )
    op.create_index("ix_visit_customer", "visit", ["corp_id", "customer_id", "checked_in_at", "id"], unique=False)
    op.create_index("ix_visit_member", "visit", ["corp_id", "member_id", "checked_in_at", "id"], unique=False)
    op.create_index("ix_visit_open", "visit", ["corp_id", "state", "checked_in_at"], unique=False)
    op.create_index("ix_visit_recent", "visit", ["corp_id", "checked_in_at", "id"], unique=False)

    op.create_table(
        "reminder",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("task_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("fire_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("plan", sa.Integer(), nullable=False),
        sa.Column("fired_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["corp_id", "task_id"],
            ["task.corp_id", "task.id"],
            name=op.f("fk_reminder_corp_id_task_id_task"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_reminder_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_reminder")),
    )
    op.create_index("ix_reminder_due", "reminder", ["corp_id", "state", "fire_at", "id"], unique=False)
    op.create_index("ix_reminder_task", "reminder", ["corp_id", "task_id", "state"], unique=False)


def downgrade() -> None:

    op.drop_table("reminder")

    op.drop_table("visit")

    op.drop_table("task")

    op.drop_table("follow_up")

    op.drop_table("customer_phone")

    op.drop_table("notification")

    op.drop_table("membership")

    op.drop_table("login_session")

    op.drop_table("customer")
    op.drop_table("api_token")

    op.drop_table("stored_file")
    op.drop_table("sign_in_state")

    op.drop_table("seen_callback")

    op.drop_table("outbox")

    op.drop_table("member")

    op.drop_table("idempotency")
    op.drop_table("host_token")

    op.drop_table("event")

    op.drop_table("department")
    op.drop_table("first_run")
    op.drop_table("corp")
