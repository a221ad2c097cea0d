"""Who watches what."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Moment, corp_key


class Watch(CorpScoped, Base):
    """That a member watches (关注) a customer or a task: one of both ids is set.

    Not unique in the database: of two customers that somebody watches, a merge makes one. Nobody hears twice for it.
    """

    __tablename__ = "watch"
    __table_args__ = (
        corp_key("member_id", "member", ondelete="CASCADE"),
        corp_key("customer_id", "customer", ondelete="CASCADE"),
        corp_key("task_id", "task", ondelete="CASCADE"),
        sa.Index("ix_watch_customer", "corp_id", "customer_id", "member_id"),
        sa.Index("ix_watch_task", "corp_id", "task_id", "member_id"),
        sa.Index("ix_watch_member", "corp_id", "member_id", "since"),
    )

    member_id: Mapped[str] = mapped_column(sa.String(40))
    customer_id: Mapped[str | None] = mapped_column(sa.String(40))
    task_id: Mapped[str | None] = mapped_column(sa.String(40))
    since: Mapped[datetime] = mapped_column(Moment)
