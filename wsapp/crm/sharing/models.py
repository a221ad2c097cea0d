"""Requests to share a customer."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Moment, corp_key

OPEN, READ, EDIT, HANDED, REFUSED, OVER = "open", "read", "edit", "handed", "refused", "over"


class ShareRequest(CorpScoped, Base):
    """Somebody asks the owner of a customer that they may not see to share it (申请共享).

    open     nobody has answered yet        read, edit   shared, to look at or to work on
    handed   the asker is the owner now     refused      no;  over: there was nothing left to decide
    """

    __tablename__ = "share_request"
    __table_args__ = (
        corp_key("customer_id", "customer", ondelete="CASCADE"),
        corp_key("asker_id", "member"),
        corp_key("owner_id", "member"),
        corp_key("manager_id", "member"),
        corp_key("decider_id", "member"),
        sa.UniqueConstraint("corp_id", "customer_id", "asker_id", "is_open"),  # NULL once it is settled
        sa.Index("ix_share_request_asker", "corp_id", "asker_id", "created_at"),
        sa.Index("ix_share_request_owner", "corp_id", "owner_id", "state"),
    )

    customer_id: Mapped[str] = mapped_column(sa.String(40))
    asker_id: Mapped[str] = mapped_column(sa.String(40))
    owner_id: Mapped[str] = mapped_column(sa.String(40))
    manager_id: Mapped[str | None] = mapped_column(sa.String(40))  # who may answer, too, once the owner did not
    decider_id: Mapped[str | None] = mapped_column(sa.String(40))
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
    state: Mapped[str] = mapped_column(sa.String(10), default=OPEN)
    is_open: Mapped[bool | None] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    decided_at: Mapped[datetime | None] = mapped_column(Moment)
