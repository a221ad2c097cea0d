"""The follow-up table."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

KINDS = ("phone", "wechat", "visit", "mail", "meeting", "other")


class FollowUp(CorpScoped, Base):
    """A follow-up (跟进): what was said to a customer, and what comes next. Photos are stored files of this record."""

    __tablename__ = "follow_up"
    __table_args__ = (
        corp_key("customer_id", "customer"),
        corp_key("author_id", "member"),
        corp_key("contact_id", "contact"),
        sa.Index("ix_follow_up_customer", "corp_id", "customer_id", "happened_at", "id"),
        sa.Index("ix_follow_up_author", "corp_id", "author_id", "happened_at", "id"),
        sa.Index("ix_follow_up_recent", "corp_id", "happened_at", "id"),
    )

    customer_id: Mapped[str] = mapped_column(sa.String(40))
    author_id: Mapped[str] = mapped_column(sa.String(40))
    contact_id: Mapped[str | None] = mapped_column(sa.String(40))  # whom of the customer's people it was with
    kind: Mapped[str] = mapped_column(sa.String(10), default="phone")
    text: Mapped[str] = mapped_column(sa.Text)
    outcome: Mapped[str] = mapped_column(sa.String(60), default="")
    happened_at: Mapped[datetime] = mapped_column(Moment)
    next_at: Mapped[datetime | None] = mapped_column(Moment)
    next_action: Mapped[str] = mapped_column(sa.String(120), default="")
    custom: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    recorded_at: Mapped[datetime | None] = mapped_column(Moment)  # on a phone without network; came at `created_at`
    created_at: Mapped[datetime] = mapped_column(Moment)
    version: Mapped[int] = mapped_column(default=1)
