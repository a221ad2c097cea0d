"""Spreadsheets made for a test, and a way to run an import or export to its end."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import xlsxwriter
from flask import Flask

from wsapp.crm.org.models import Member
from wsapp.crm.transfer import imports, running
from wsapp.crm.transfer.models import ImportJob
from wsapp.db import db

Rows = Sequence[Sequence[Any]]


def csv_bytes(rows: Rows, encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(encoding)


def xlsx_bytes(rows: Rows, merged: Sequence[tuple[int, int, int, int, Any]] = ()) -> bytes:
    """Return a workbook; numbers are numbers, ("=…", value) are formulas with their last value."""
    body = io.BytesIO()
    with xlsxwriter.Workbook(body, {"in_memory": True, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet("客户")
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                if isinstance(value, tuple):
                    sheet.write_formula(number, column, value[0], None, value[1])
                elif hasattr(value, "year"):
                    sheet.write_datetime(number, column, value, day)
                elif isinstance(value, str):
                    sheet.write_string(number, column, value)
                elif value is not None:
                    sheet.write_number(number, column, value)
        for area in merged:
            sheet.merge_range(*area)
    return body.getvalue()


def run_import(job: ImportJob) -> ImportJob:
    """Take all rows of an import that is in line, committing each lot; returns it as the database has it."""
    lots = running.open_lots(job.id)
    db.session.commit()
    while lots is not None and running.run_batch(lots):
        db.session.commit()
    db.session.commit()
    found = running.held(job.id)
    assert found is not None
    db.session.commit()
    return found


@pytest.fixture
def bring(here: Flask) -> Callable[..., ImportJob]:
    """`bring(actor, bytes, …)` uploads a file, starts it and takes all its rows."""

    def act(actor: Member, body: bytes, *, name: str = "客户.csv", obj: str = "customer", **how: Any) -> ImportJob:
        own = db.session.merge(actor)
        job = imports.upload(io.BytesIO(body), name, actor=own, obj=obj)
        imports.prepare(job, actor=own, **how)
        imports.start(job)
        db.session.commit()
        return run_import(job)

    return act
