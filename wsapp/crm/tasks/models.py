"""Tasks and the reminders planned for them."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp import clock
from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

KINDS = ("follow_up", "visit", "call", "other")
OPEN, DOING, DONE, CANCELLED = "open", "doing", "done", "cancelled"
STATES = (OPEN, DOING, DONE, CANCELLED)
REPEATS = ("", "daily", "weekly", "monthly")
FREE_DAYS = ("keep", "skip", "move")  # a repeat on a free day: stays there, is left out, waits for a working day
PRIORITIES = ("normal", "high")

PLANNED, FIRED, DROPPED = "planned", "fired", "dropped"


class Task(CorpScoped, Base):
    """A task (待办). `due_at` is a minute, or with `all_day` the start of the day on the corp's clock."""

    __tablename__ = "task"
    __table_args__ = (
        corp_key("customer_id", "customer"),
        corp_key("assignee_id", "member"),
        corp_key("creator_id", "member"),
        sa.Index("ix_task_assignee_due", "corp_id", "assignee_id", "state", "due_at", "id"),
        # What is open, in the order in which it is due; everything closed has a `done_at`.
        sa.Index(
            "ix_task_open",
            "corp_id",
            "assignee_id",
            "due_at",
            "id",
            sqlite_where=sa.column("done_at").is_(None),
            postgresql_where=sa.column("done_at").is_(None),
        ),
        sa.Index("ix_task_due", "corp_id", "state", "due_at", "id"),
        sa.Index("ix_task_customer", "corp_id", "customer_id", "due_at", "id"),
        sa.Index("ix_task_done", "corp_id", "assignee_id", "done_at"),
        sa.UniqueConstraint("corp_id", "series_id", "due_at"),  # a repeat is made once
    )

    title: Mapped[str] = mapped_column(sa.String(120))
    note: Mapped[str] = mapped_column(sa.String(1000), default="")
    customer_id: Mapped[str | None] = mapped_column(sa.String(40))
    kind: Mapped[str] = mapped_column(sa.String(12), default="follow_up")
    due_at: Mapped[datetime] = mapped_column(Moment)
    all_day: Mapped[bool] = mapped_column(default=False)
    reminders: Mapped[list[int]] = mapped_column(Json, default=list)  # minutes before, at most three
    assignee_id: Mapped[str] = mapped_column(sa.String(40))
    creator_id: Mapped[str | None] = mapped_column(sa.String(40))
    priority: Mapped[str] = mapped_column(sa.String(10), default="normal")
    repeat: Mapped[str] = mapped_column(sa.String(10), default="")
    repeat_until: Mapped[datetime | None] = mapped_column(Moment)
    repeat_every: Mapped[int] = mapped_column(default=1, server_default="1")  # of so many days, weeks or months one
    # Weekly: weekdays, 1 is Monday. Monthly: days, -1 is the last. Empty: the first task's own day.
    repeat_days: Mapped[list[int]] = mapped_column(Json, default=list, server_default="[]")
    repeat_times: Mapped[int | None]  # how many tasks the series has at most
    repeat_number: Mapped[int] = mapped_column(default=1, server_default="1")  # of this task in its series
    repeat_free: Mapped[str] = mapped_column(sa.String(5), default="keep", server_default="keep")  # see FREE_DAYS
    series_id: Mapped[str | None] = mapped_column(sa.String(40))  # the first task of a repeating series
    state: Mapped[str] = mapped_column(sa.String(10), default=OPEN)
    snoozed_until: Mapped[datetime | None] = mapped_column(Moment)
    source: Mapped[str] = mapped_column(sa.String(12), default="manual")  # manual, follow_up, visit, repeat
    source_id: Mapped[str | None] = mapped_column(sa.String(40))
    done_at: Mapped[datetime | None] = mapped_column(Moment)
    done_by: Mapped[str | None] = mapped_column(sa.String(40))
    done_note: Mapped[str] = mapped_column(sa.String(500), default="")
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    version: Mapped[int] = mapped_column(default=1)
    custom: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)

    @property
    def is_open(self) -> bool:
        return self.state in (OPEN, DOING)

    @property
    def overdue_from(self) -> datetime:
        """The moment from which the task is overdue: an all-day task has its whole day."""
        return self.due_at + timedelta(days=1) if self.all_day else self.due_at

    @property
    def is_overdue(self) -> bool:
        return self.is_open and clock.now() >= self.overdue_from


class Reminder(CorpScoped, Base):
    """That a task's people are to be told at a minute. `kind`: "due", "snooze" or "overdue".

    An "overdue" one is a rung of the ladder (`rung`, the first is 0) that is climbed from `due_at`; see `ladder`.
    `plan` is the task's version when this was planned: re-planning drops the older rows, so nothing old ever fires.
    """

    __tablename__ = "reminder"
    __table_args__ = (
        corp_key("task_id", "task", ondelete="CASCADE"),
        sa.Index("ix_reminder_due", "corp_id", "state", "fire_at", "id"),
        sa.Index("ix_reminder_task", "corp_id", "task_id", "state"),
    )

    task_id: Mapped[str] = mapped_column(sa.String(40))
    kind: Mapped[str] = mapped_column(sa.String(10))
    fire_at: Mapped[datetime] = mapped_column(Moment)
    state: Mapped[str] = mapped_column(sa.String(10), default=PLANNED)
    plan: Mapped[int]
    rung: Mapped[int] = mapped_column(default=0, server_default="0")
    due_at: Mapped[datetime | None] = mapped_column(Moment)  # of the task, when a rung was planned
    fired_at: Mapped[datetime | None] = mapped_column(Moment)
