"""What lies in the recycle bin, and deletions of many records at once."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment

QUEUED, RUNNING, DONE, UNDOING, UNDONE = "queued", "running", "done", "undoing", "undone"


class Deletion(CorpScoped, Base):
    """A deleted record with all that went along; `id` is the record's own, so that it lies here once.

    `contents` maps table → rows as they were (see `moving.py`); `loose` are references from records that stayed, as
    [table, id, column, value], which were emptied. The rows are in no other table, so no list, search or figure can
    show them, and their unique values are free for others.
    """

    __tablename__ = "deletion"
    __table_args__ = (
        sa.Index("ix_deletion_recent", "corp_id", "deleted_at", "id"),
        sa.Index("ix_deletion_owner", "corp_id", "owner_id", "deleted_at"),
        sa.Index("ix_deletion_actor", "corp_id", "actor_id", "deleted_at"),
        sa.Index("ix_deletion_customer", "corp_id", "customer_id"),
    )

    object: Mapped[str] = mapped_column(sa.String(12))
    title: Mapped[str] = mapped_column(sa.String(120))
    customer_id: Mapped[str | None] = mapped_column(sa.String(40))  # whose it was; of a customer its own id
    owner_id: Mapped[str | None] = mapped_column(sa.String(40))
    actor_id: Mapped[str | None] = mapped_column(sa.String(40))
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
    contents: Mapped[dict[str, list[dict[str, Any]]]] = mapped_column(Json)
    loose: Mapped[list[list[Any]]] = mapped_column(Json, default=list)
    counts: Mapped[dict[str, int]] = mapped_column(Json, default=dict)  # of what people know by name
    deleted_at: Mapped[datetime] = mapped_column(Moment)


class DeletionRun(CorpScoped, Base):
    """Many records deleted at once in the background, at most 500; `errors` are [id, why not].

    While it is undone, `done` and `errors` are those of the undoing.
    """

    __tablename__ = "deletion_run"
    __table_args__ = (sa.Index("ix_deletion_run_actor", "corp_id", "actor_id", "created_at"),)

    object: Mapped[str] = mapped_column(sa.String(12))
    ids: Mapped[list[str]] = mapped_column(Json)
    actor_id: Mapped[str] = mapped_column(sa.String(40))
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
    state: Mapped[str] = mapped_column(sa.String(10), default=QUEUED)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int]
    errors: Mapped[list[list[str]]] = mapped_column(Json, default=list)
    created_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
