"""The result file of an import: the rows that were not taken, as they were, with one more column that says why."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import sqlalchemy as sa

from wsapp.crm.transfer import storage
from wsapp.crm.transfer.cells import Unreadable, text_of
from wsapp.crm.transfer.lines import FAILED, SKIPPED
from wsapp.crm.transfer.models import ImportBatch, ImportJob
from wsapp.crm.transfer.reading import read_rows
from wsapp.crm.transfer.writing import write
from wsapp.db import db
from wsapp.texts import _


def write_result(job: ImportJob) -> Path:
    """Write the result file; returns where it lies."""
    path = storage.place(job.id, storage.RESULT)
    write(path, _rows(job, _reasons(job)), format="xlsx")
    return path


def _reasons(job: ImportJob) -> dict[int, str]:
    found = {}
    for entries in db.session.scalars(sa.select(ImportBatch.entries).where(ImportBatch.job_id == job.id)):
        for entry in entries:
            if entry["outcome"] in (FAILED, SKIPPED):
                found[int(entry["row"])] = _("；").join(words for _field, words in entry["errors"])
    return found


def _rows(job: ImportJob, reasons: dict[int, str]) -> Iterator[Sequence[str]]:
    yield [*job.headings, _("未导入的原因")]
    width = len(job.headings)
    for number, cells, _next in read_rows(storage.place(job.id, storage.ROWS), job.begins):
        if number not in reasons:
            continue
        texts = [_text(cell) for cell in cells[:width]]
        yield [*texts, *[""] * (width - len(texts)), reasons[number]]


def _text(cell: object) -> str:
    try:
        return text_of(cell)
    except Unreadable:
        return str(cell.get("n", "")) if isinstance(cell, dict) else ""
