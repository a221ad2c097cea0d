"""At home in both hosts: what the directory, the channels, to-dos, robots and the set-up need to remember."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _add_set_up()
    _add_preferences()
    _add_directory()
    _add_bot_drafts()
    _add_mirrors()
    _add_streams()
    _add_doctor()
    _add_groups()
    _add_message_care()


def downgrade() -> None:
    _drop_message_care()
    _drop_groups()
    _drop_doctor()
    _drop_streams()
    _drop_mirrors()
    _drop_bot_drafts()
    _drop_set_up()
    _drop_preferences()
    _drop_directory()


# --- directory ----------------------------------------------------------------------------------------------------


def _add_directory() -> None:
    op.create_table(
        "directory_run",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("cause", sa.String(20), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("stage", sa.String(12), nullable=False),
        sa.Column("running", sa.Boolean(), nullable=True),
        sa.Column("accept_leavers", sa.Boolean(), nullable=False),
        sa.Column("top", sa.String(40), nullable=False),
        sa.Column("roots", sa.Integer(), nullable=False),
        sa.Column("departments", sa.Integer(), nullable=False),
        sa.Column("departments_read", sa.Integer(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("joined", sa.Integer(), nullable=False),
        sa.Column("returned", sa.Integer(), nullable=False),
        sa.Column("leavers", sa.Integer(), nullable=False),
        sa.Column("known", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(60), nullable=False),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.Column("holder", sa.String(40), nullable=True),
        sa.Column("held_until", MOMENT, nullable=True),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_directory_run_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_directory_run")),
        sa.UniqueConstraint("corp_id", "running", name=op.f("uq_directory_run_corp_id_running")),
    )
    op.create_index("ix_directory_run_started", "directory_run", ["corp_id", "started_at"])
    op.create_table(
        "directory_step",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("cursor", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_directory_step_corp_id_corp")),
        sa.ForeignKeyConstraint(
            ["corp_id", "run_id"],
            ["directory_run.corp_id", "directory_run.id"],
            name=op.f("fk_directory_step_corp_id_run_id_directory_run"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_directory_step")),
        sa.UniqueConstraint(
            "corp_id", "run_id", "kind", "target", name=op.f("uq_directory_step_corp_id_run_id_kind_target")
        ),
    )
    op.create_index("ix_directory_step_next", "directory_step", ["corp_id", "run_id", "rank", "id"])
    op.add_column("corp", sa.Column("leaving_held_at", MOMENT, nullable=True))
    op.add_column("department", sa.Column("run_id", sa.String(40), nullable=True))
    op.add_column("department", sa.Column("gone_at", MOMENT, nullable=True))
    op.add_column("member", sa.Column("run_id", sa.String(40), nullable=True))
    op.add_column("member", sa.Column("left_at", MOMENT, nullable=True))
    op.create_index("ix_member_left", "member", ["corp_id", "left_at"])


def _drop_directory() -> None:
    op.drop_index("ix_member_left", "member")
    op.drop_column("member", "left_at")
    op.drop_column("member", "run_id")
    op.drop_column("department", "gone_at")
    op.drop_column("department", "run_id")
    op.drop_column("corp", "leaving_held_at")
    op.drop_table("directory_step")
    op.drop_table("directory_run")


# --- preferences --------------------------------------------------------------------------------------------------

CHOSEN_KINDS = ("task.due", "task.snooze", "task.bundle")  # messages of a minute that a person chose, until now


def _add_preferences() -> None:
    op.create_table(
        "preference",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("member_id", sa.String(40), nullable=True),
        sa.Column("channels", JSON, nullable=False),
        sa.Column("quiet_hours", sa.String(11), nullable=True),
        sa.Column("digest_after", sa.Integer(), nullable=True),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["corp_id", "member_id"],
            ["member.corp_id", "member.id"],
            name=op.f("fk_preference_corp_id_member_id_member"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_preference_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_preference")),
    )
    with op.batch_alter_table("notification") as batch:
        batch.add_column(sa.Column("chosen", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch.add_column(sa.Column("held", sa.String(10), nullable=False, server_default=""))
        batch.add_column(sa.Column("merged_into", sa.String(40), nullable=True))
    notification = sa.table("notification", sa.column("kind", sa.String), sa.column("chosen", sa.Boolean))
    op.execute(sa.update(notification).where(notification.c.kind.in_(CHOSEN_KINDS)).values(chosen=True))


def _drop_preferences() -> None:
    with op.batch_alter_table("notification") as batch:
        batch.drop_column("merged_into")
        batch.drop_column("held")
        batch.drop_column("chosen")
    op.drop_table("preference")


# --- set-up of corps ----------------------------------------------------------------------------------------------


def _add_set_up() -> None:
    with op.batch_alter_table("corp") as batch:
        batch.add_column(sa.Column("former", sa.Text(), nullable=True))
        batch.add_column(sa.Column("former_until", MOMENT, nullable=True))
    op.create_table(
        "corp_set_up",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("host", sa.String(20), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("connected_id", sa.Integer(), nullable=True),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("touched_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["connected_id"], ["corp.id"], name=op.f("fk_corp_set_up_connected_id_corp"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["corp.id"], name=op.f("fk_corp_set_up_owner_id_corp"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corp_set_up")),
    )
    op.create_index("ix_corp_set_up_touched", "corp_set_up", ["touched_at"])
    op.create_table(
        "ownership_file",
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("content", sa.String(200), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["corp.id"], name=op.f("fk_ownership_file_owner_id_corp"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_ownership_file")),
    )


def _drop_set_up() -> None:
    op.drop_table("ownership_file")
    op.drop_index("ix_corp_set_up_touched", "corp_set_up")
    op.drop_table("corp_set_up")
    with op.batch_alter_table("corp") as batch:
        batch.drop_column("former_until")
        batch.drop_column("former")


# --- bots ---------------------------------------------------------------------------------------------------------


def _add_bot_drafts() -> None:
    op.create_table(
        "bot_draft",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.Column("record", sa.String(60), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_bot_draft_corp_id_corp")),
        sa.ForeignKeyConstraint(
            ["corp_id", "member_id"],
            ["member.corp_id", "member.id"],
            name=op.f("fk_bot_draft_corp_id_member_id_member"),
        ),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_bot_draft")),
    )
    op.create_index("ix_bot_draft_created", "bot_draft", ["corp_id", "created_at"])


def _drop_bot_drafts() -> None:
    op.drop_table("bot_draft")


# --- mirrors: to-dos and calendar entries at the hosts ------------------------------------------------------------


def _add_mirrors() -> None:
    op.create_table(
        "mirror_choice",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("todos", sa.Boolean(), nullable=False),
        sa.Column("entries", sa.Boolean(), nullable=False),
        sa.Column("home", sa.String(200), nullable=False),
        sa.Column("lease", sa.String(32), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("looked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["corp_id", "id"],
            ["member.corp_id", "member.id"],
            name=op.f("fk_mirror_choice_corp_id_id_member"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_mirror_choice_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_mirror_choice")),
    )
    op.create_table(
        "task_mirror",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("task_id", sa.String(40), nullable=False),
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("host_id", sa.String(200), nullable=False),
        sa.Column("had", JSON, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("corrections", sa.Integer(), nullable=False),
        sa.Column("unsure", sa.Boolean(), nullable=False),
        sa.Column("wants_look", sa.Boolean(), nullable=False),
        sa.Column("echoes", sa.Integer(), nullable=False),
        sa.Column("echoes_until", MOMENT, nullable=True),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("lease", sa.String(32), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("code", sa.String(120), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("synced_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["corp_id", "task_id"],
            ["task.corp_id", "task.id"],
            name=op.f("fk_task_mirror_corp_id_task_id_task"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["corp_id", "member_id"],
            ["member.corp_id", "member.id"],
            name=op.f("fk_task_mirror_corp_id_member_id_member"),
        ),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_task_mirror_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_task_mirror")),
        sa.UniqueConstraint(
            "corp_id", "task_id", "kind", "is_current", name=op.f("uq_task_mirror_corp_id_task_id_kind_is_current")
        ),
    )
    op.create_index("ix_task_mirror_host", "task_mirror", ["corp_id", "kind", "host_id"])
    op.create_index("ix_task_mirror_member", "task_mirror", ["corp_id", "member_id", "is_current", "state"])


def _drop_mirrors() -> None:
    op.drop_index("ix_task_mirror_member", "task_mirror")
    op.drop_index("ix_task_mirror_host", "task_mirror")
    op.drop_table("task_mirror")
    op.drop_table("mirror_choice")


# --- streams ------------------------------------------------------------------------------------------------------


def _add_streams() -> None:
    op.create_table(
        "host_stream",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(80), nullable=True),
        sa.Column("held_until", MOMENT, nullable=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.Column("since", MOMENT, nullable=True),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.Column("listened_at", MOMENT, nullable=True),
        sa.Column("last_event_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_host_stream_corp_id_corp"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("corp_id", name=op.f("pk_host_stream")),
    )


def _drop_streams() -> None:
    op.drop_table("host_stream")


# --- doctor -------------------------------------------------------------------------------------------------------


def _add_doctor() -> None:
    op.create_table(
        "doctor_result",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("checked_at", MOMENT, nullable=False),
        sa.Column("last_ok_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_doctor_result_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_doctor_result")),
    )
    op.create_table(
        "callback_heard",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("verified_at", MOMENT, nullable=True),
        sa.Column("refused_at", MOMENT, nullable=True),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_callback_heard_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_callback_heard")),
    )


def _drop_doctor() -> None:
    op.drop_table("callback_heard")
    op.drop_table("doctor_result")


# --- groups -------------------------------------------------------------------------------------------------------


def _add_groups() -> None:
    op.create_table(
        "group_robot",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("department_id", sa.String(40), nullable=True),
        sa.Column("events", JSON, nullable=False),
        sa.Column("hours", sa.String(11), nullable=False),
        sa.Column("language", sa.String(5), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("fault", sa.String(300), nullable=False),
        sa.Column("busy_until", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_group_robot_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_group_robot")),
    )
    op.create_table(
        "group_note",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("robot_id", sa.String(40), nullable=False),
        sa.Column("key", sa.String(120), nullable=False),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("message", JSON, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("post_id", sa.String(40), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_group_note_corp_id_corp")),
        sa.ForeignKeyConstraint(
            ["corp_id", "robot_id"],
            ["group_robot.corp_id", "group_robot.id"],
            name=op.f("fk_group_note_corp_id_robot_id_group_robot"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_group_note")),
        sa.UniqueConstraint("corp_id", "robot_id", "key", name=op.f("uq_group_note_corp_id_robot_id_key")),
    )
    op.create_index("ix_group_note_waiting", "group_note", ["corp_id", "robot_id", "state", "created_at"])
    op.create_table(
        "group_post",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("robot_id", sa.String(40), nullable=False),
        sa.Column("notes", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("unknown", sa.Boolean(), nullable=False),
        sa.Column("host_code", sa.String(60), nullable=False),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("tried_at", MOMENT, nullable=True),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_group_post_corp_id_corp")),
        sa.ForeignKeyConstraint(
            ["corp_id", "robot_id"],
            ["group_robot.corp_id", "group_robot.id"],
            name=op.f("fk_group_post_corp_id_robot_id_group_robot"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f("pk_group_post")),
    )
    op.create_index("ix_group_post_robot", "group_post", ["corp_id", "robot_id", "created_at"])
    op.create_index("ix_group_post_tried", "group_post", ["corp_id", "robot_id", "tried_at"])


def _drop_groups() -> None:
    op.drop_table("group_post")
    op.drop_table("group_note")
    op.drop_table("group_robot")


# --- recall, allowances -------------------------------------------------------------------------------------------


def _add_message_care() -> None:
    op.add_column("notification", sa.Column("recalled_at", MOMENT, nullable=True))
    op.create_table(
        "host_usage",
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("meter", sa.String(20), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f("fk_host_usage_corp_id_corp"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("corp_id", "month", "meter", name=op.f("pk_host_usage")),
    )


def _drop_message_care() -> None:
    op.drop_table("host_usage")
    with op.batch_alter_table("notification") as batch:
        batch.drop_column("recalled_at")
