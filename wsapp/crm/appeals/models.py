"""The appeal table."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

HELP, OFFER, DELAY, MOVE = "help", "offer", "delay", "move"
WISHES = (HELP, OFFER, DELAY, MOVE)
OPEN, GRANTED, REFUSED, WITHDRAWN, OVER = "open", "granted", "refused", "withdrawn", "over"


class Appeal(CorpScoped, Base):
    """One colleague asks another for something, who answers once (请求).

    help    work along on a customer: `facts` {"may_edit", "until": day or null}
    offer   take a task over
    delay   more time for an overdue task: {"due_at"}
    move    another place for a customer: {"before": [lat, lng], "after": [lat, lng] or null, "metres"}

    `owner_id` is whose the customer or task was when it was asked. open; granted, refused: answered; withdrawn: by the
    asker; over: there was nothing left to decide.
    """

    __tablename__ = "appeal"
    __table_args__ = (
        corp_key("customer_id", "customer", ondelete="CASCADE"),
        corp_key("task_id", "task", ondelete="CASCADE"),
        corp_key("asker_id", "member", ondelete="CASCADE"),
        corp_key("reader_id", "member", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "guard"),  # what is asked once at a time; NULL once it is settled
        sa.Index("ix_appeal_asker", "corp_id", "asker_id", "created_at"),
        sa.Index("ix_appeal_reader", "corp_id", "reader_id", "created_at"),
        sa.Index("ix_appeal_customer", "corp_id", "customer_id", "state"),
        sa.Index("ix_appeal_task", "corp_id", "task_id", "state"),
    )

    wish: Mapped[str] = mapped_column(sa.String(10))
    customer_id: Mapped[str | None] = mapped_column(sa.String(40))
    task_id: Mapped[str | None] = mapped_column(sa.String(40))
    asker_id: Mapped[str] = mapped_column(sa.String(40))
    reader_id: Mapped[str] = mapped_column(sa.String(40))  # who is asked
    decider_id: Mapped[str | None] = mapped_column(sa.String(40))
    owner_id: Mapped[str | None] = mapped_column(sa.String(40))
    note: Mapped[str] = mapped_column(sa.String(200), default="")
    reason: Mapped[str] = mapped_column(sa.String(200), default="")  # why it was refused
    facts: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    guard: Mapped[str | None] = mapped_column(sa.String(140))
    state: Mapped[str] = mapped_column(sa.String(10), default=OPEN)
    created_at: Mapped[datetime] = mapped_column(Moment)
    decided_at: Mapped[datetime | None] = mapped_column(Moment)
