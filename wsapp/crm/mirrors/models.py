"""What a person wants mirrored, and what became of each mirrored task."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

TODO, ENTRY = "todo", "entry"
KINDS = (TODO, ENTRY)

WANTED, THERE, ASKING, OFF, REFUSED = "wanted", "there", "asking", "off", "refused"
LEAVING, GONE = "leaving", "gone"


class MirrorChoice(CorpScoped, Base):
    """Which lists of the host a member wants their tasks in; `id` is the member's. Both are off until they say so.

    `home` is the host's id of the calendar that holds their entries, where the host wants one.
    """

    __tablename__ = "mirror_choice"
    __table_args__ = (corp_key("id", "member", ondelete="CASCADE"),)

    todos: Mapped[bool] = mapped_column(default=False)
    entries: Mapped[bool] = mapped_column(default=False)
    home: Mapped[str] = mapped_column(sa.String(200), default="")
    lease: Mapped[str | None] = mapped_column(sa.String(32))  # one process makes the home, the others wait
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    looked_at: Mapped[datetime | None] = mapped_column(Moment)  # when the host was last asked for the whole list


class TaskMirror(CorpScoped, Base):
    """One task in one list of its assignee at the host. `id` is the source by which the host knows it.

    wanted   to be created                    asking   deleted at the host; the person is asked what they want
    there    at the host                      off      the person wants this task left out
    refused  the host says no (`code`)        leaving  to be taken away;  gone  over

    At most one row of a task and kind is current; those that are not have NULL there.
    """

    __tablename__ = "task_mirror"
    __table_args__ = (
        corp_key("task_id", "task", ondelete="CASCADE"),
        corp_key("member_id", "member"),
        sa.UniqueConstraint("corp_id", "task_id", "kind", "is_current"),
        sa.Index("ix_task_mirror_host", "corp_id", "kind", "host_id"),
        sa.Index("ix_task_mirror_member", "corp_id", "member_id", "is_current", "state"),
    )

    task_id: Mapped[str] = mapped_column(sa.String(40))
    member_id: Mapped[str] = mapped_column(sa.String(40))
    kind: Mapped[str] = mapped_column(sa.String(10))
    is_current: Mapped[bool | None] = mapped_column(default=True)
    state: Mapped[str] = mapped_column(sa.String(10), default=WANTED)
    host_id: Mapped[str] = mapped_column(sa.String(200), default="")
    had: Mapped[dict[str, Any] | None] = mapped_column(Json)  # what the host last had, as far as we know
    version: Mapped[int] = mapped_column(default=0)  # the task's, when the host was last told
    corrections: Mapped[int] = mapped_column(default=0)  # times that the host was told the same version again
    unsure: Mapped[bool] = mapped_column(default=False)  # a call may have had its effect: read before the next one
    wants_look: Mapped[bool] = mapped_column(default=False)  # something changed at the host
    echoes: Mapped[int] = mapped_column(default=0)  # events that the host is about to send for changes of our own
    echoes_until: Mapped[datetime | None] = mapped_column(Moment)
    turn: Mapped[int] = mapped_column(default=0)  # counts the tries, so that what waits is put in line once
    lease: Mapped[str | None] = mapped_column(sa.String(32))
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    code: Mapped[str] = mapped_column(sa.String(120), default="")  # the host's own, of its last refusal
    created_at: Mapped[datetime] = mapped_column(Moment)
    synced_at: Mapped[datetime | None] = mapped_column(Moment)
