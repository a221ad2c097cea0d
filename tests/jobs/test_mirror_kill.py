"""A worker killed in the middle of telling a host: the item is there once, and both sides go on as if nothing was."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.jobs.conftest import Firm
from tests.jobs.mirrors import LISTS, Desk, listening
from wsapp import clock
from wsapp.connectors.emulator import Fault
from wsapp.crm.mirrors.models import THERE, TaskMirror
from wsapp.crm.tasks.actions import complete_task
from wsapp.db import db

ROOT = Path(__file__).parents[2]
PACE = {"lease": 2, "beat": 0.5, "poll": 0.1, "crash_pause": 1, "threads": 2}
SELLER_UNION = "UNzhouxiaoyu0001iEiE"
CREATE = {"wecom": "/cgi-bin/oa/schedule/add", "dingtalk": f"/v1.0/todo/users/{SELLER_UNION}/tasks"}

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]


def _start(tmp_path: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.soak.processes", "worker", str(tmp_path / "data/config.toml")]
    return subprocess.Popen([*command, json.dumps(PACE)], cwd=ROOT, env=dict(os.environ))


def _wait(until: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, f"waited in vain for {what}"
        db.session.rollback()
        time.sleep(0.05)


def test_a_worker_killed_while_the_host_creates(firm: Firm, tmp_path: Path) -> None:
    kind, desk = LISTS[firm.host][0], Desk(firm)
    with listening(firm.app, firm.emulator):
        desk.switch(kind)
        firm.emulator.faults.append(Fault(CREATE[firm.host], "delay", options={"seconds": 1.5}))
        task = firm.task("只出现一次", due_in=timedelta(days=1))
        worker = _start(tmp_path)
        try:
            _wait(lambda: firm.emulator.call_counts.get(CREATE[firm.host], 0) == 1, "the call")
            worker.send_signal(signal.SIGKILL)
            worker.wait(10)
            _wait(lambda: len(desk.items(kind)) == 1, "the item of the call that nobody waits for any more")
            (mirror,) = desk.mirrors()
            assert (mirror.host_id, mirror.unsure) == ("", True)
            if kind == "todo":  # while no worker lives, the person at the host goes on
                desk.act(desk.item(kind), "complete")
            _let_the_lease_run_out()
            worker = _start(tmp_path)
            _wait(lambda: desk.mirrors()[0].state == THERE, "the mirror")
            if kind == "todo":
                _wait(lambda: desk.task(task.id).state == "done", "the end of the task")
            else:
                complete_task(desk.task(task.id), actor=firm.seller())
                db.session.commit()
                _wait(lambda: desk.item(kind)["title"].startswith("✓"), "the mark in the calendar")
            assert len(desk.items(kind)) == 1
        finally:
            worker.kill()
            worker.wait(10)


def _let_the_lease_run_out() -> None:
    db.session.rollback()
    db.session.execute(sa.update(TaskMirror).values(lease_until=clock.wall() - timedelta(seconds=1)))
    db.session.commit()
