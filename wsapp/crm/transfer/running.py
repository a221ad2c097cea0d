"""Imports at work: lot by lot, each in the caller's transaction; whoever comes after a killed worker goes on."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.events.actions import record
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member
from wsapp.crm.transfer import storage
from wsapp.crm.transfer.customers import CustomerLots
from wsapp.crm.transfer.followups import FollowUpLots
from wsapp.crm.transfer.lines import Line, read_line
from wsapp.crm.transfer.models import DONE, FAILED, QUEUED, RUNNING, ImportBatch, ImportJob
from wsapp.crm.transfer.reading import read_rows
from wsapp.crm.transfer.results import write_result
from wsapp.db import db, first, new_id
from wsapp.texts import _

BATCH = 1_000  # rows in one transaction
TRIES = 3
LOTS: dict[str, Any] = {"customer": CustomerLots, "follow_up": FollowUpLots}


def open_lots(job_id: str) -> Any:
    """Return what takes the rows of an import, from its next row on (see `run_batch`); None when nothing is left.

    A rehearsal that was broken off begins anew: nothing of it was written that could tell the rows before.
    """
    job = held(job_id)
    if job is None or job.state not in (QUEUED, RUNNING):
        return None
    actor = member(job.member_id)
    if actor is None or not actor.is_active:
        job.state, job.fault, job.finished_at = FAILED, _("导入的人已离职"), clock.now()
        return None
    if job.dry_run and job.done:
        start_over(job)
    job.state = RUNNING
    lots = LOTS[job.object](job, actor)
    _recall(job, lots)
    return lots


def held(job_id: str) -> ImportJob | None:
    """Return an import as the database has it, locked for the rest of the transaction."""
    wanted = sa.select(ImportJob).where(ImportJob.id == job_id).with_for_update()
    found: ImportJob | None = first(wanted.execution_options(populate_existing=True))
    return found


def start_over(job: ImportJob) -> None:
    """Forget what an import did so far: of a rehearsal nothing else is there."""
    statement = sa.delete(ImportBatch).where(ImportBatch.job_id == job.id)
    db.session.execute(statement.execution_options(synchronize_session=False))
    job.offset = job.begins
    job.done = job.created = job.updated = job.skipped = job.failed = 0


def run_batch(lots: Any) -> bool:
    """Take the next rows of an import in the caller's transaction; says whether more are left."""
    job = held(lots.job.id)
    if job is None or job.state != RUNNING:
        return False
    number = _next_number(job)
    lines, offset, is_end = _next_lines(job)
    _take(lots, lines)
    _write_down(job, lines, number, lots.now)
    job.offset = offset
    if is_end:
        _finish(job, lots.actor)
    return not is_end


def _take(lots: Any, lines: Sequence[Line]) -> None:
    """Take rows. When somebody saved the same phone at this very moment, look again: then it is there."""
    before = [(dict(line.values), dict(line.errors), line.outcome) for line in lines]
    for attempt in range(1, TRIES + 1):
        try:
            with db.session.begin_nested():
                lots.take(lines)
            return
        except sa.exc.IntegrityError:
            if attempt == TRIES:
                raise
            lots.forget(lines)
            for line, (values, errors, outcome) in zip(lines, before, strict=True):
                line.start_over(dict(values), dict(errors), outcome)


def _recall(job: ImportJob, lots: Any) -> None:
    """After a restart: tell which row made which customer, so that the report says the same as without one."""
    for entries in db.session.scalars(sa.select(ImportBatch.entries).where(ImportBatch.job_id == job.id)):
        for entry in entries:
            if entry.get("id"):
                lots.rows_before.setdefault(entry["id"], entry["row"])


def _next_number(job: ImportJob) -> int:
    most = db.session.scalar(sa.select(sa.func.max(ImportBatch.number)).where(ImportBatch.job_id == job.id))
    return 0 if most is None else int(most) + 1


def _next_lines(job: ImportJob) -> tuple[list[Line], int, bool]:
    lines: list[Line] = []
    offset, read = job.offset, 0
    for number, cells, after in read_rows(storage.place(job.id, storage.ROWS), job.offset, limit=BATCH):
        offset, read = after, read + 1
        line = read_line(number, cells, job)
        if line is not None:
            lines.append(line)
    return lines, offset, read < BATCH


def _write_down(job: ImportJob, lines: Sequence[Line], number: int, at: datetime) -> None:
    if lines:
        entries = [line.entry() for line in lines]
        db.session.add(ImportBatch(id=new_id(), job_id=job.id, number=number, entries=entries, at=at))
    for line in lines:
        setattr(job, line.outcome, getattr(job, line.outcome) + 1)
    job.done += len(lines)
    db.session.flush()


def _finish(job: ImportJob, actor: Member) -> None:
    job.state, job.finished_at = DONE, clock.now()
    write_result(job)
    if not job.dry_run:
        record(
            "import.finished",
            job,
            actor=actor,
            object=job.object,
            file=job.file_name,
            **{name: getattr(job, name) for name in ("created", "updated", "skipped", "failed")},
        )
