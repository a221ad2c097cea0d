"""Work reports, and who they were handed to."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

DAY, WEEK = "day", "week"
KINDS = (DAY, WEEK)


class WorkReport(CorpScoped, Base):
    """A report of somebody's day or week: one for each person, kind and period.

    `day` is the day, or the Monday of the week. `figures` are what was counted when it was written, `items` the ids of
    the records behind them by section (see `content`): who may see which is asked of each reader. `history` holds the
    texts of before each change, oldest first: [{"at", "summary", "trouble", "outlook"}].
    """

    __tablename__ = "work_report"
    __table_args__ = (
        corp_key("member_id", "member"),
        sa.UniqueConstraint("corp_id", "member_id", "kind", "day"),
        sa.Index("ix_work_report_day", "corp_id", "kind", "day", "id"),
        sa.Index("ix_work_report_sent", "corp_id", "sent_at", "id"),
    )

    member_id: Mapped[str] = mapped_column(sa.String(40))
    kind: Mapped[str] = mapped_column(sa.String(5))
    day: Mapped[date]
    summary: Mapped[str] = mapped_column(sa.Text, default="")
    trouble: Mapped[str] = mapped_column(sa.Text, default="")
    outlook: Mapped[str] = mapped_column(sa.Text, default="")
    figures: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    items: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    history: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)
    sent_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    version: Mapped[int] = mapped_column(default=1)


class ReportReader(CorpScoped, Base):
    """That a report was handed to somebody: the manager, or a copy (`copied`); and when they opened it."""

    __tablename__ = "report_reader"
    __table_args__ = (
        corp_key("report_id", "work_report", ondelete="CASCADE"),
        corp_key("member_id", "member", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "report_id", "member_id"),
        sa.Index("ix_report_reader_member", "corp_id", "member_id", "report_id"),
    )

    report_id: Mapped[str] = mapped_column(sa.String(40))
    member_id: Mapped[str] = mapped_column(sa.String(40))
    copied: Mapped[bool] = mapped_column(default=False)
    read_at: Mapped[datetime | None] = mapped_column(Moment)
