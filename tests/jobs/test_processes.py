"""Real worker processes and real signals: a stop in time, and a worker that wakes after somebody took its rows."""

import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.soak.world import people_for, world
from wsapp import outbox
from wsapp.db import db
from wsapp.leases import MAX_CRASHES
from wsapp.outbox import Outbox

COUNT = 40
PACE = {"lease": 2, "beat": 0.5, "poll": 0.1, "crash_pause": 2}

pytestmark = [pytest.mark.server, pytest.mark.timeout(400)]


def test_sigterm_lets_messages_under_way_arrive_and_gives_back_the_rest(tmp_path: Path, database_url: str) -> None:
    with world(tmp_path, database_url, people=people_for(COUNT)) as soak:
        for host in soak.hosts.values():
            host.post("faults", {"api": "*", "fault": "delay", "seconds": 0.7, "times": 10**9})
        soak.plan(COUNT)
        worker = soak.start("worker", lease=60)
        soak.wait(lambda: soak.posts() >= 6, 60, "the sixth post")
        began = time.monotonic()
        soak.kill(worker, signal.SIGTERM)
        assert time.monotonic() - began < 30
        assert worker.returncode == 0
        with soak.app.app_context():
            rows = db.session.execute(sa.select(Outbox.state, Outbox.lease_until, Outbox.crashes)).all()
        assert not [row for row in rows if row.state == "running" or row.lease_until or row.crashes]
        states = soak.ledger()
        assert states["accepted"] == soak.posts()  # what left is written down; what did not waits, untouched
        assert states["planned"] == COUNT - states["accepted"]
        assert states["planned"] > 0
        soak.start("worker", **PACE)
        soak.wait(lambda: soak.unsettled() == 0, 60, "the last message")
        assert soak.verdict() == {"lost": 0, "twice": 0}
        assert soak.posts() == COUNT


def test_a_row_that_kills_its_worker_is_parked_and_the_others_go_on(tmp_path: Path, database_url: str) -> None:
    with world(tmp_path, database_url, people=people_for(COUNT)) as soak:
        soak.plan(COUNT)
        with soak.app.app_context():
            outbox.enqueue("poison", {}, corp=False)
            db.session.commit()
        deaths = 0
        worker = soak.start("worker", **PACE)

        def parked() -> bool:
            nonlocal worker, deaths
            if worker.poll() is not None:
                assert worker.returncode == -signal.SIGSEGV
                deaths += 1
                soak.processes.remove(worker)
                worker = soak.start("worker", **PACE)
            with soak.app.app_context():
                return db.session.scalar(sa.select(Outbox.state).where(Outbox.kind == "poison")) == "dead"

        soak.wait(parked, 240, "the end of the poison")
        assert deaths == MAX_CRASHES + 1  # once in company, then on its own
        soak.wait(lambda: soak.unsettled() == 0, 60, "the last message")
        assert worker.poll() is None
        assert soak.verdict() == {"lost": 0, "twice": 0}


def test_a_worker_that_was_frozen_settles_nothing_of_what_others_took(tmp_path: Path, database_url: str) -> None:
    with world(tmp_path, database_url, people=people_for(COUNT), cards=False) as soak:
        for host in soak.hosts.values():
            host.post("faults", {"api": "*", "fault": "delay", "seconds": 0.3, "times": 10**9})
        soak.plan(COUNT)
        frozen = soak.start("worker", threads=1, **PACE)  # so it stops in the middle of a post
        soak.wait(lambda: soak.posts() >= 5, 60, "the fifth post")
        soak.wait(lambda: freeze(frozen.pid, database_url), 20, "a stop that leaves the database free")
        soak.start("worker", **PACE)
        soak.wait(lambda: soak.unsettled() == 0, 60, "the last message")  # also those that the frozen one had
        before = soak.ledger()
        os.kill(frozen.pid, signal.SIGCONT)
        soak.kill(frozen, signal.SIGTERM)
        assert frozen.returncode == 0
        assert sum(soak.ledger().values()) == sum(before.values()) == COUNT
        assert soak.unsettled() == 0
        assert soak.verdict() == {"lost": 0, "twice": 0}


def freeze(pid: int, database_url: str) -> bool:
    """Stop a process, unless that takes a lock of the database with it.

    SQLite's one lock nobody could ever have again; PostgreSQL ends what is idle within a transaction after a minute.
    """
    os.kill(pid, signal.SIGSTOP)
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.001)
    if is_free(database_url):
        return True
    os.kill(pid, signal.SIGCONT)
    return False


def is_free(database_url: str) -> bool:
    """Say whether nobody holds anything in a database."""
    if database_url.startswith("sqlite"):
        return is_file_free(database_url.removeprefix("sqlite:///"))
    others = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND xact_start IS NOT NULL AND backend_type = 'client backend'"
    )
    engine = sa.create_engine(database_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return connection.scalar(others) == 0


def is_file_free(path: str) -> bool:
    """Say whether a database file can be written to."""
    with closing(sqlite3.connect(path, timeout=0.2, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
    return True
