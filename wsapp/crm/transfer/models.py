"""Imports with what they did, exports, and the remembered meanings of columns."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

OBJECTS = ("customer", "follow_up")
SKIP, FILL, UPDATE, ADD, FAIL = "skip", "fill", "update", "add", "fail"
ON_DUPLICATE = (SKIP, FILL, UPDATE, ADD, FAIL)
DRAFT, QUEUED, RUNNING, DONE, FAILED = "draft", "queued", "running", "done", "failed"
UNDOING, UNDONE = "undoing", "undone"
ASKING, REFUSED = "asking", "refused"  # of exports that need somebody's consent
FORMATS = ("xlsx", "csv")


class ImportJob(CorpScoped, Base):
    """An import (导入). `offset` is how far into its rows it is; its counts are those of the batches so far.

    `mapping` has one field key a column, "" for columns that are left out. `heading` is the heading's row number.
    """

    __tablename__ = "import_job"
    __table_args__ = (corp_key("member_id", "member"), sa.Index("ix_import_job_member", "corp_id", "member_id", "id"))

    member_id: Mapped[str] = mapped_column(sa.String(40))
    object: Mapped[str] = mapped_column(sa.String(20))
    file_name: Mapped[str] = mapped_column(sa.String(200))
    format: Mapped[str] = mapped_column(sa.String(8))
    on_duplicate: Mapped[str] = mapped_column(sa.String(8), default=SKIP)
    dry_run: Mapped[bool] = mapped_column(default=False)
    owner_id: Mapped[str | None] = mapped_column(sa.String(40))  # of rows that name none; None: the pool's
    pool_id: Mapped[str | None] = mapped_column(sa.String(40))
    headings: Mapped[list[str]] = mapped_column(Json, default=list)
    heading: Mapped[int] = mapped_column(default=1)
    mapping: Mapped[list[str]] = mapped_column(Json, default=list)
    state: Mapped[str] = mapped_column(sa.String(10), default=DRAFT)
    begins: Mapped[int] = mapped_column(default=0)  # byte offset of the first row below the heading
    offset: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    created: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    undone: Mapped[int] = mapped_column(default=0)
    kept: Mapped[int] = mapped_column(default=0)  # rows that somebody touched since, so they stay
    fault: Mapped[str] = mapped_column(sa.String(300), default="")
    created_at: Mapped[datetime] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    undone_at: Mapped[datetime | None] = mapped_column(Moment)


class ImportBatch(CorpScoped, Base):
    """What became of some rows of an import, in one row: what tells them, and what undoes them.

    `entries`: `{"row", "outcome": created|updated|skipped|failed, "id"?, "errors"?: [[field, message]], "before"?,
    "after"?, "tags"?: that are new to the corp, "kept"?: why it stays}`.
    """

    __tablename__ = "import_batch"
    __table_args__ = (
        corp_key("job_id", "import_job", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "job_id", "number"),
    )

    job_id: Mapped[str] = mapped_column(sa.String(40))
    number: Mapped[int]
    entries: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)
    at: Mapped[datetime] = mapped_column(Moment)
    undone: Mapped[bool] = mapped_column(default=False)


class ImportMapping(CorpScoped, Base):
    """What a heading means to somebody: chosen once, remembered. Its id is a digest of object, member and heading."""

    __tablename__ = "import_mapping"

    field: Mapped[str] = mapped_column(sa.String(60))
    updated_at: Mapped[datetime] = mapped_column(Moment)


class ExportJob(CorpScoped, Base):
    """An export (导出): which list, narrowed how, for whom, and until when the file may be fetched."""

    __tablename__ = "export_job"
    __table_args__ = (corp_key("member_id", "member"), sa.Index("ix_export_job_member", "corp_id", "member_id", "id"))

    member_id: Mapped[str] = mapped_column(sa.String(40))
    object: Mapped[str] = mapped_column(sa.String(20))
    format: Mapped[str] = mapped_column(sa.String(8))
    filter: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    columns: Mapped[list[str]] = mapped_column(Json, default=list)  # in their order; empty: all
    state: Mapped[str] = mapped_column(sa.String(10), default=QUEUED)
    total: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(sa.String(200), default="")  # why it needs consent
    decider_id: Mapped[str | None] = mapped_column(sa.String(40))
    decided_at: Mapped[datetime | None] = mapped_column(Moment)
    fault: Mapped[str] = mapped_column(sa.String(300), default="")
    created_at: Mapped[datetime] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)
