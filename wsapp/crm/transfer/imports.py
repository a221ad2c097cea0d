"""What people do with imports: upload, say what the columns mean, rehearse, start, take back."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.events.actions import record
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member
from wsapp.crm.org.rights import Sight, sight
from wsapp.crm.org.rules import rule
from wsapp.crm.transfer import rules as _rules  # noqa: F401 - declares them
from wsapp.crm.transfer import storage
from wsapp.crm.transfer.cells import Unreadable, text_of
from wsapp.crm.transfer.headings import NEEDED, columns_for, find_heading, guess, remember
from wsapp.crm.transfer.lines import is_watermark, may_be_watermark
from wsapp.crm.transfer.models import (
    DONE,
    DRAFT,
    OBJECTS,
    ON_DUPLICATE,
    QUEUED,
    SKIP,
    UNDOING,
    UNDONE,
    ImportBatch,
    ImportJob,
)
from wsapp.crm.transfer.reading import WALL_SECONDS, Book, read_book, read_rows
from wsapp.crm.transfer.running import start_over
from wsapp.crm.transfer.undo import undo_batch
from wsapp.db import db, first, new_id, rows
from wsapp.documents import clean_name
from wsapp.problems import Forbidden, Invalid, NotFound
from wsapp.texts import _

PREVIEW = 20
UNDO_WITHIN = timedelta(hours=24)
MEGABYTE = 1024 * 1024


# --- who may ------------------------------------------------------------------------------------------------------


def importable(actor: Member, obj: str = "customer") -> Sight:
    """Return for whom the actor may import. Raises Forbidden for nobody."""
    found = sight(actor, obj, "import")
    if found.people is not None and not found.people:
        raise Forbidden(_("您没有导入的权限，请联系管理员"))
    return found


def may_import(actor: Member, obj: str = "customer") -> bool:
    found = sight(actor, obj, "import")
    return found.people is None or bool(found.people)


def find_import(job_id: str, *, actor: Member) -> ImportJob:
    """Return an import of the actor's own; administrators find all. Raises NotFound."""
    wanted = sa.select(ImportJob).where(ImportJob.id == job_id)
    if not actor.is_admin:
        wanted = wanted.where(ImportJob.member_id == actor.id)
    found: ImportJob | None = first(wanted)
    if found is None:
        raise NotFound(_("没有这次导入，或无权查看"))
    return found


def imports_of(actor: Member, limit: int = 20) -> Sequence[ImportJob]:
    """Return the newest imports of the actor."""
    mine = sa.select(ImportJob).where(ImportJob.member_id == actor.id)
    return rows(mine.order_by(ImportJob.id.desc()).limit(limit))


# --- uploading ----------------------------------------------------------------------------------------------------


def most_bytes() -> int:
    return int(rule("import.megabytes")) * MEGABYTE


@dataclass(frozen=True)
class Received:
    """An uploaded spreadsheet whose rows lie in a file of ours, and which is nobody's import yet."""

    job_id: str
    rows: Path
    book: Book
    name: str


def receive(file: IO[bytes], name: str, *, most: int, wall: float = WALL_SECONDS) -> Received:
    """Read an uploaded spreadsheet of at most `most` bytes, without a look at the database. Raises Invalid.

    Doors end their transaction before: reading takes a while, and nobody is to wait for it.
    """
    job_id = new_id()
    source, parsed = storage.place(job_id, storage.UPLOAD), storage.place(job_id, storage.ROWS)
    try:
        _keep(file, source, most)
        book = read_book(source, parsed, wall=wall)
    except Invalid:
        storage.forget(job_id)
        raise
    source.unlink(missing_ok=True)  # its rows are all that is needed
    return Received(job_id, parsed, book, clean_name(name) or "import")


def draft(received: Received, *, actor: Member, obj: str = "customer") -> ImportJob:
    """Make a draft of an import, its columns' meanings guessed. Raises Invalid."""
    if obj not in OBJECTS:
        raise Invalid({"object": _("请从列表中选择")})
    importable(actor, obj)
    try:
        job = _draft(received.job_id, received.rows, actor, obj)
    except Invalid:
        storage.forget(received.job_id)
        raise
    job.file_name, job.format = received.name, received.book.format
    db.session.add(job)
    db.session.flush()
    return job


def upload(file: IO[bytes], name: str, *, actor: Member, obj: str = "customer") -> ImportJob:
    """Do both at once, for whoever has the machine to themselves. Raises Invalid, Forbidden."""
    importable(actor, obj)
    return draft(receive(file, name, most=most_bytes()), actor=actor, obj=obj)


def rehearsed(job: ImportJob) -> None:
    """Take a rehearsed import in earnest: as it was prepared, from its first row. Raises Invalid."""
    if job.state != DONE or not job.dry_run:
        raise Invalid({"": _("这次导入已经开始")})
    start_over(job)
    job.dry_run, job.finished_at, job.state = False, None, QUEUED
    outbox.enqueue("import.run", {"job": job.id}, key=f"import:{job.id}:1")


def _keep(file: IO[bytes], source: Path, most: int) -> None:
    with source.open("wb") as out:
        shutil.copyfileobj(file, out, 256 * 1024)
        size = out.tell()
        out.flush()
        os.fsync(out.fileno())
    if size > most:
        raise Invalid({"file": _("文件超过 %(most)d MB，请拆成几个文件再上传", most=most // MEGABYTE)})


def _draft(job_id: str, parsed: Path, actor: Member, obj: str) -> ImportJob:
    sample = [(number, cells) for number, cells, _next in read_rows(parsed, limit=PREVIEW)]
    index = find_heading(sample, obj)
    heading, cells = sample[index]
    headings = [_heading(cell) for cell in cells]
    begins, total = _below(parsed, index)
    most = int(rule("import.rows"))
    if total > most:
        raise Invalid({"file": _("文件有 %(n)d 行，一次最多导入 %(most)d 行，请拆成几个文件", n=total, most=most)})
    if total == 0:
        raise Invalid({"file": _("文件里只有标题，没有数据")})
    return ImportJob(
        id=job_id,
        member_id=actor.id,
        object=obj,
        owner_id=actor.id,
        headings=headings,
        heading=heading,
        mapping=guess(headings, obj, actor),
        begins=begins,
        offset=begins,
        total=total,
        created_at=clock.now(),
        state=DRAFT,
        on_duplicate=SKIP,
    )


def _below(parsed: Path, index: int) -> tuple[int, int]:
    """Return the byte offset of the first row below the heading, and how many rows there are but for watermarks."""
    begins = total = 0
    with parsed.open("rb") as file:
        for position, line in enumerate(file):
            if position <= index:
                begins += len(line)
            elif not may_be_watermark(line) or not is_watermark(json.loads(line)[1]):
                total += 1
    return begins, total


def _heading(cell: Any) -> str:
    try:
        return text_of(cell)[:120]
    except Unreadable:
        return ""


def preview(job: ImportJob, most: int = PREVIEW) -> list[tuple[int, list[str]]]:
    """Return the first rows below the heading as (row number, texts)."""
    found = []
    for number, cells, _next in read_rows(storage.place(job.id, storage.ROWS), job.begins, limit=most):
        found.append((number, [_heading(cell) for cell in cells]))
    return found


# --- starting -----------------------------------------------------------------------------------------------------


def prepare(
    job: ImportJob,
    *,
    actor: Member,
    mapping: Sequence[str] | None = None,
    on_duplicate: str = SKIP,
    dry_run: bool = False,
    owner_id: str | None = None,
    pool_id: str | None = None,
) -> None:
    """Say how a draft is to be taken. Raises Invalid, Forbidden."""
    if job.state != DRAFT:
        raise Invalid({"": _("这次导入已经开始")})
    errors: dict[str, str] = {}
    if on_duplicate not in ON_DUPLICATE:
        errors["on_duplicate"] = _("请从列表中选择")
    if mapping is not None:
        job.mapping = _checked_mapping(job, mapping, actor, errors)
    for key in NEEDED[job.object]:
        if key not in job.mapping:
            title = next(str(one.title) for one in columns_for(job.object, actor) if one.key == key)
            errors["mapping"] = _("请指定哪一列是“%(field)s”", field=title)
    if errors:
        raise Invalid(errors)
    job.owner_id, job.pool_id = _target(job, actor, owner_id, pool_id)
    job.on_duplicate, job.dry_run = on_duplicate, dry_run
    if mapping is not None:
        remember(job.headings, job.mapping, job.object, actor)


def _checked_mapping(job: ImportJob, mapping: Sequence[str], actor: Member, errors: dict[str, str]) -> list[str]:
    allowed = {one.key: one for one in columns_for(job.object, actor)}
    chosen = [key if key in allowed else "" for key in mapping][: len(job.headings)]
    chosen += [""] * (len(job.headings) - len(chosen))
    for key in set(chosen) - {""}:
        if chosen.count(key) > 1 and not allowed[key].several:
            errors["mapping"] = _("“%(field)s”只能对应一列", field=str(allowed[key].title))
    return chosen


def _target(job: ImportJob, actor: Member, owner_id: str | None, pool_id: str | None) -> tuple[str | None, str | None]:
    covered = importable(actor, job.object)
    if pool_id:
        from wsapp.crm.pools.queries import pool_for

        return None, pool_for(pool_id, actor=actor).id
    owner = member(owner_id) if owner_id else actor
    if owner is None or not owner.is_active or not (owner.id == actor.id or covered.covers(owner.id)):
        raise Invalid({"owner": _("找不到这位成员，或不在您可以导入的范围内")})
    return owner.id, None


def start(job: ImportJob) -> None:
    """Put a prepared import in line."""
    job.state = QUEUED
    outbox.enqueue("import.run", {"job": job.id}, key=f"import:{job.id}:0")


# --- taking back --------------------------------------------------------------------------------------------------


def may_undo(job: ImportJob) -> bool:
    """Say whether an import can still be taken back."""
    if job.state != DONE or job.dry_run or job.finished_at is None or not job.created + job.updated:
        return False
    return bool(clock.now() - job.finished_at < UNDO_WITHIN)


def ask_undo(job: ImportJob, *, actor: Member) -> None:
    """Put the roll-back of an import in line. Raises Invalid when it is too late."""
    if not may_undo(job):
        raise Invalid({"": _("导入完成 24 小时内才能撤销")})
    job.state = UNDOING
    record("import.undone", job, actor=actor, object=job.object, file=job.file_name, rows=job.created + job.updated)
    outbox.enqueue("import.undo", {"job": job.id}, key=f"import:{job.id}:undo")


def undo_next(job: ImportJob) -> bool:
    """Undo the newest batch that is not undone, in the caller's transaction; says whether more are left."""
    mine = sa.select(ImportBatch).where(ImportBatch.job_id == job.id, ImportBatch.undone.is_(False))
    batch: ImportBatch | None = first(mine.order_by(ImportBatch.number.desc()).limit(1))
    if batch is None:
        job.state, job.undone_at = UNDONE, clock.now()
        return False
    undone, kept = undo_batch(job, batch)
    job.undone += undone
    job.kept += kept
    db.session.flush()
    return True


# --- what became of it --------------------------------------------------------------------------------------------


def told(job: ImportJob, outcomes: Sequence[str] = ("failed",), limit: int = 0) -> list[dict[str, Any]]:
    """Return what is wrong with rows, as `{"row", "field", "message"}` in the order of the sheet."""
    found: list[dict[str, Any]] = []
    wanted = sa.select(ImportBatch.entries).where(ImportBatch.job_id == job.id).order_by(ImportBatch.number)
    for entries in db.session.scalars(wanted):
        for entry in entries:
            if entry["outcome"] in outcomes:
                found += [{"row": entry["row"], "field": field, "message": words} for field, words in entry["errors"]]
                if limit and len(found) >= limit:
                    return found[:limit]
    return found


def kept_rows(job: ImportJob) -> list[Mapping[str, Any]]:
    """Return the rows that a roll-back left as they are: `{"row", "id", "kept"}`."""
    wanted = sa.select(ImportBatch.entries).where(ImportBatch.job_id == job.id).order_by(ImportBatch.number)
    return [entry for entries in db.session.scalars(wanted) for entry in entries if "kept" in entry]
