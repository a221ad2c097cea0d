"""The table of bulk actions."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

OWNER, TAG, LEVEL, STAGE, POOL = "owner", "tag", "level", "stage", "pool"
ACTIONS = (OWNER, TAG, LEVEL, STAGE, POOL)
RUNNING, DONE, UNDOING, UNDONE = "running", "done", "undoing", "undone"


class BulkRun(CorpScoped, Base):
    """One change to many customers: what (`action`, `value`), to whom (`ids`), and how far it is (`done`).

    `changed` lists [customer, before, after]: what it takes to put each back; `failed` lists [customer, why]. `kept`
    counts those that were changed again since, which an undo leaves alone.
    """

    __tablename__ = "bulk_run"
    __table_args__ = (
        corp_key("member_id", "member", ondelete="CASCADE"),
        sa.Index("ix_bulk_run_member", "corp_id", "member_id", "created_at"),
    )

    member_id: Mapped[str] = mapped_column(sa.String(40))
    action: Mapped[str] = mapped_column(sa.String(10))
    value: Mapped[str] = mapped_column(sa.String(60))
    ids: Mapped[list[str]] = mapped_column(Json, default=list)
    changed: Mapped[list[Any]] = mapped_column(Json, default=list)
    failed: Mapped[list[Any]] = mapped_column(Json, default=list)
    kept: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(sa.String(10), default=RUNNING)
    created_at: Mapped[datetime] = mapped_column(Moment)
    undo_until: Mapped[datetime] = mapped_column(Moment)

    @property
    def total(self) -> int:
        return len(self.changed) if self.state in (UNDOING, UNDONE) else len(self.ids)
