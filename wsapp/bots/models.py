"""What the robot was asked to write, until the person confirms it."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

OPEN, DONE, CANCELLED, REFUSED = "open", "done", "cancelled", "refused"
LOG, REMIND = "log", "remind"


class BotDraft(CorpScoped, Base):
    """One follow-up or task that somebody dictated (待确认). Written by its member's own confirmation, once.

    `content` is the neutral form of what will be written: {"text", "at" (RFC 3339 or null), "is_day", "action",
    "customers": [ids to choose from], "asks": what to look at again}.
    """

    __tablename__ = "bot_draft"
    __table_args__ = (
        corp_key("member_id", "member"),
        sa.Index("ix_bot_draft_created", "corp_id", "created_at"),
    )

    member_id: Mapped[str] = mapped_column(sa.String(40))
    kind: Mapped[str] = mapped_column(sa.String(10))  # log, remind
    content: Mapped[dict[str, Any]] = mapped_column(Json)
    state: Mapped[str] = mapped_column(sa.String(10), default=OPEN)
    reason: Mapped[str] = mapped_column(sa.String(300), default="")  # why it was refused
    record: Mapped[str] = mapped_column(sa.String(60), default="")  # path of the page of what was written
    created_at: Mapped[datetime] = mapped_column(Moment)
    settled_at: Mapped[datetime | None] = mapped_column(Moment)
