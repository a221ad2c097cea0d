"""The event table."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment


class Event(CorpScoped, Base):
    """Something that happened: `kind` from `kinds.py`, to `subject`, by `actor` (None: the system itself).

    `changes` maps field → [before, after]; `data` holds what listeners and the timeline show.
    """

    __tablename__ = "event"
    __table_args__ = (
        sa.Index("ix_event_customer", "corp_id", "customer_id", "at", "id"),
        sa.Index("ix_event_subject", "corp_id", "subject_id", "at"),
        sa.Index("ix_event_at", "corp_id", "at", "id"),
        sa.Index("ix_event_seq", "corp_id", "seq"),
        sa.Index("ix_event_actor", "corp_id", "actor_id", "at"),
        sa.Index(
            "ix_event_unsealed",
            "corp_id",
            "id",
            sqlite_where=sa.column("seq").is_(None),
            postgresql_where=sa.column("seq").is_(None),
        ),
    )

    kind: Mapped[str] = mapped_column(sa.String(40))
    subject_type: Mapped[str] = mapped_column(sa.String(20))
    subject_id: Mapped[str] = mapped_column(sa.String(40))
    customer_id: Mapped[str | None] = mapped_column(sa.String(40))
    actor_id: Mapped[str | None] = mapped_column(sa.String(40))
    at: Mapped[datetime] = mapped_column(Moment)
    changes: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    data: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    via: Mapped[str] = mapped_column(sa.String(10), default="", server_default="")  # see `origin.py`
    ip: Mapped[str] = mapped_column(sa.String(45), default="", server_default="")
    request_id: Mapped[str] = mapped_column(sa.String(64), default="", server_default="")
    reason: Mapped[str] = mapped_column(sa.String(200), default="", server_default="")
    # The audit chain, filled in soon after the commit, see `crm/audit`
    seq: Mapped[int | None] = mapped_column(sa.BigInteger)
    prev: Mapped[str | None] = mapped_column(sa.String(64))
    mac: Mapped[str | None] = mapped_column(sa.String(64))
