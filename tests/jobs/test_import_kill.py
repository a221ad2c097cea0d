"""A worker killed in the middle of an import: the next one goes on, and every row is there once."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.crm.transfer.conftest import csv_bytes
from wsapp.crm.customers.models import Customer, CustomerPhone
from wsapp.crm.events.models import Event
from wsapp.crm.org.models import Member
from wsapp.crm.transfer import imports, running
from wsapp.crm.transfer.models import DONE, ImportBatch, ImportJob
from wsapp.db import db, reading

ROOT = Path(__file__).parents[2]
PACE = {"lease": 2, "beat": 0.5, "poll": 0.05, "crash_pause": 0.5, "threads": 2}
ROWS, FRESH = 6_000, 5_900  # the last hundred repeat the first: of those the killed worker knew, nobody else does

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]


def start_worker(folder: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.soak.processes", "worker", str(folder / "data" / "config.toml")]
    return subprocess.Popen([*command, json.dumps(PACE)], cwd=ROOT, env=dict(os.environ), stdout=subprocess.DEVNULL)


def wait_for(until: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)


def how_far(job_id: str) -> tuple[str, int]:
    db.session.rollback()
    with reading():  # or the worker would wait for us
        state, done = db.session.execute(sa.select(ImportJob.state, ImportJob.done).where(ImportJob.id == job_id)).one()
        db.session.rollback()
    return state, done


def count(*what: sa.ColumnElement[bool], of: type) -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(of).where(*what)) or 0


def test_every_row_is_there_once(here: Flask, ali: Member, tmp_path: Path) -> None:
    own = db.session.merge(ali)
    rows = [(f"青岛第{n % FRESH}家塑胶机械有限公司", f"138{n % FRESH:08}") for n in range(ROWS)]
    job = imports.upload(io.BytesIO(csv_bytes([("客户名称", "手机"), *rows], "gbk")), "客户.csv", actor=own)
    imports.prepare(job, actor=own)
    imports.start(job)
    db.session.commit()
    job_id = job.id
    worker = start_worker(tmp_path)
    try:
        wait_for(lambda: how_far(job_id)[1] > 0, "the first lot")
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
        state, done = how_far(job_id)
        assert state == "running"
        assert 0 < done < ROWS, "it was over before it could be killed"
        worker = start_worker(tmp_path)
        wait_for(lambda: how_far(job_id)[0] == DONE, "the end of the import")
    finally:
        worker.kill()
        worker.wait(10)
    found = running.held(job_id)
    assert found is not None
    assert (found.done, found.created, found.skipped, found.failed) == (ROWS, FRESH, ROWS - FRESH, 0)
    assert [one["row"] for one in imports.told(found, ("skipped",))] == list(range(FRESH + 2, ROWS + 2))
    assert imports.told(found, ("skipped",))[0]["message"] == "与第 2 行重复"
    assert (count(of=Customer), count(of=CustomerPhone)) == (FRESH, FRESH)
    assert count(Event.kind == "customer.created", of=Event) == FRESH
    assert count(Event.kind == "import.finished", of=Event) == 1
    numbers = list(db.session.scalars(sa.select(ImportBatch.number).order_by(ImportBatch.number)))
    assert numbers == list(range(len(numbers)))
