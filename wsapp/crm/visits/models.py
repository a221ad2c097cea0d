"""The visit table."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

IN, DONE = "in", "done"
STATES = ("planned", IN, DONE, "cancelled", "missed")


class Visit(CorpScoped, Base):
    """A visit (拜访): who was with which customer, when and where, and how far that can be trusted.

    Positions are GCJ-02. `distance` is metres to the customer's place, None when either is unknown.
    """

    __tablename__ = "visit"
    __table_args__ = (
        corp_key("customer_id", "customer"),
        corp_key("member_id", "member"),
        sa.Index("ix_visit_customer", "corp_id", "customer_id", "checked_in_at", "id"),
        sa.Index("ix_visit_member", "corp_id", "member_id", "checked_in_at", "id"),
        sa.Index("ix_visit_recent", "corp_id", "checked_in_at", "id"),
        sa.Index("ix_visit_open", "corp_id", "state", "checked_in_at"),
    )

    customer_id: Mapped[str] = mapped_column(sa.String(40))
    member_id: Mapped[str] = mapped_column(sa.String(40))
    state: Mapped[str] = mapped_column(sa.String(10), default=IN)
    note: Mapped[str] = mapped_column(sa.Text, default="")
    result: Mapped[str] = mapped_column(sa.String(60), default="")
    checked_in_at: Mapped[datetime | None] = mapped_column(Moment)
    checked_out_at: Mapped[datetime | None] = mapped_column(Moment)
    closed_by_system: Mapped[bool] = mapped_column(default=False)  # forgot to check out
    lat: Mapped[float | None]
    lng: Mapped[float | None]
    accuracy: Mapped[float | None]  # metres
    fixed_at: Mapped[datetime | None] = mapped_column(Moment)  # when the device found the position
    place_name: Mapped[str] = mapped_column(sa.String(200), default="")
    distance: Mapped[float | None]
    trust: Mapped[str] = mapped_column(sa.String(10))
    no_fix_reason: Mapped[str] = mapped_column(sa.String(100), default="")
    next_at: Mapped[datetime | None] = mapped_column(Moment)
    custom: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    created_at: Mapped[datetime] = mapped_column(Moment)
    version: Mapped[int] = mapped_column(default=1)
