"""Robots of group chats, what they have to say, and what they posted."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

WAITING = "waiting"  # a note that stands in no post yet
POSTED = "posted"
DROPPED = "dropped"  # the robot was switched off, or the host took the post for refused
SENDING, SENT, FAILED = "sending", "sent", "failed"  # of posts


class GroupRobot(CorpScoped, Base):
    """A robot in one group chat at the host. `address` is sealed (see `wsapp.hosts`), and never shown again."""

    __tablename__ = "group_robot"

    name: Mapped[str] = mapped_column(sa.String(60))
    address: Mapped[str] = mapped_column(sa.Text)
    department_id: Mapped[str | None] = mapped_column(sa.String(40))  # whose work it tells of; None: everybody's
    events: Mapped[list[str]] = mapped_column(Json)
    hours: Mapped[str] = mapped_column(sa.String(11), default="")  # "08:00-21:00", empty: round the clock
    language: Mapped[str] = mapped_column(sa.String(5), default="zh")
    enabled: Mapped[bool] = mapped_column(default=True)
    fault: Mapped[str] = mapped_column(sa.String(300), default="")  # why the host refused its last post
    busy_until: Mapped[datetime | None] = mapped_column(Moment)  # one worker at a time posts for a robot
    created_at: Mapped[datetime] = mapped_column(Moment)


class GroupNote(CorpScoped, Base):
    """One thing that a robot has to say: a neutral card, and the post in which it was said."""

    __tablename__ = "group_note"
    __table_args__ = (
        corp_key("robot_id", "group_robot", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "robot_id", "key"),
        sa.Index("ix_group_note_waiting", "corp_id", "robot_id", "state", "created_at"),
    )

    robot_id: Mapped[str] = mapped_column(sa.String(40))
    key: Mapped[str] = mapped_column(sa.String(120))  # makes each occurrence one note
    kind: Mapped[str] = mapped_column(sa.String(30))
    message: Mapped[dict[str, Any]] = mapped_column(Json)
    state: Mapped[str] = mapped_column(sa.String(10), default=WAITING)
    post_id: Mapped[str | None] = mapped_column(sa.String(40))
    created_at: Mapped[datetime] = mapped_column(Moment)


class GroupPost(CorpScoped, Base):
    """One message in the group, of one note or of several. `body` is frozen before the first try."""

    __tablename__ = "group_post"
    __table_args__ = (
        corp_key("robot_id", "group_robot", ondelete="CASCADE"),
        sa.Index("ix_group_post_robot", "corp_id", "robot_id", "created_at"),
        sa.Index("ix_group_post_tried", "corp_id", "robot_id", "tried_at"),
    )

    robot_id: Mapped[str] = mapped_column(sa.String(40))
    notes: Mapped[int]  # how many it holds
    body: Mapped[str] = mapped_column(sa.Text)
    state: Mapped[str] = mapped_column(sa.String(10), default=SENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    unknown: Mapped[bool] = mapped_column(default=False)  # a try ended without an answer
    host_code: Mapped[str] = mapped_column(sa.String(60), default="")
    reason: Mapped[str] = mapped_column(sa.String(300), default="")
    created_at: Mapped[datetime] = mapped_column(Moment)
    tried_at: Mapped[datetime | None] = mapped_column(Moment)
    sent_at: Mapped[datetime | None] = mapped_column(Moment)
