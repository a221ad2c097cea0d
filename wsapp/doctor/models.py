"""What the doctor remembers: the last outcome of each check, and what came in at the callback doors."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment

RUNNING = "running"


class DoctorResult(CorpScoped, Base):
    """The last outcome of one check for one corp; `id` is the check's key. The row "round" is the round itself."""

    __tablename__ = "doctor_result"

    state: Mapped[str] = mapped_column(sa.String(10))
    data: Mapped[dict[str, Any]] = mapped_column(Json)  # see Finding.as_data
    checked_at: Mapped[datetime] = mapped_column(Moment)
    last_ok_at: Mapped[datetime | None] = mapped_column(Moment)


class CallbackHeard(CorpScoped, Base):
    """What came in at one callback door; `id` is the tail of its address, "-" where that is empty."""

    __tablename__ = "callback_heard"

    verified_at: Mapped[datetime | None] = mapped_column(Moment)
    refused_at: Mapped[datetime | None] = mapped_column(Moment)
    reason: Mapped[str] = mapped_column(sa.String(40), default="")
