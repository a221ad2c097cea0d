"""The queue through a real Redis and a real RabbitMQ: the same work, the same ends, whatever the broker does."""

import random
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.servers import RabbitServer, RedisServer
from tests.soak.world import people_for, world
from wsapp import clock, leases, outbox
from wsapp.db import db
from wsapp.jobs import handlers
from wsapp.jobs.pace import PACE
from wsapp.jobs.worker import Engine
from wsapp.outbox import Outbox

QUICK = PACE.compressed(1, lease=2, beat=0.5, poll=0.1, stop=5)

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def _redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def _rabbit() -> Iterator[RabbitServer]:
    with RabbitServer() as server:
        yield server


@pytest.fixture(params=["redis", "rabbit"])
def queue_url(request: pytest.FixtureRequest) -> str:
    """The URL of a running broker, each kind in turn."""
    server: RedisServer | RabbitServer = request.getfixturevalue(f"_{request.param}")
    return server.url


def test_two_workers_share_a_broker_and_one_is_killed(tmp_path: Path, database_url: str, queue_url: str) -> None:
    count = 80
    with world(tmp_path, database_url, people=people_for(count), queue_url=queue_url) as soak:
        for host in soak.hosts.values():
            host.post("faults", {"api": "*", "fault": "delay", "seconds": 0.05, "times": 10**9})
        soak.plan(count)
        workers = [soak.start("worker", lease=3, beat=1, poll=0.2, crash_pause=3) for _ in range(2)]
        soak.wait(lambda: soak.posts() >= count // 4, 60, "a quarter of the posts")
        soak.kill(random.choice(workers))
        soak.wait(lambda: soak.unsettled() == 0, 60, "the last message")
        assert soak.verdict() == {"lost": 0, "twice": 0}
        (left,) = [one for one in workers if one.poll() is None]
        soak.kill(left, signal.SIGTERM)
        assert left.returncode == 0


def test_a_message_lost_in_the_broker_is_covered_by_the_lease(
    here: Flask, queue_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()
    monkeypatch.setitem(handlers.HANDLERS, "act", lambda claim, desk: done.set())
    engine = Engine(here, threads=2, pace=QUICK, queue_url=queue_url)
    hand_over, lost = engine.queue.hand_over, []

    def lose_the_first(ids: list[int], attempt_id: str) -> None:
        if lost:
            hand_over(ids, attempt_id)
        lost.append(ids)

    monkeypatch.setattr(engine.queue, "hand_over", lose_the_first)
    outbox.enqueue("act", {}, key="act")
    db.session.commit()
    engine.start()
    try:
        assert done.wait(20)
    finally:
        engine.stop()
    assert len(lost) == 2
    db.session.rollback()
    assert db.session.scalar(sa.select(Outbox.state).where(Outbox.key == "act")) == "done"


def test_a_stale_message_does_nothing(here: Flask, queue_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    done = threading.Event()

    def act(claim: leases.Claim, desk: object) -> None:
        ran.append(claim.id)
        if claim.payload.get("last"):
            done.set()

    monkeypatch.setitem(handlers.HANDLERS, "act", act)
    outbox.enqueue("act", {}, key="first")
    outbox.enqueue("act", {"last": True}, key="last", due_at=clock.now() + timedelta(hours=1))
    db.session.commit()
    (claim,) = leases.claim(10)
    leases.release([(claim.attempt_id, (claim.id,))])
    engine = Engine(here, threads=1, pace=QUICK, queue_url=queue_url)
    engine.queue.hand_over([claim.id], claim.attempt_id)  # delivered late: the row is somebody else's by now
    engine.start()
    db.session.execute(sa.update(Outbox).where(Outbox.key == "last").values(due_at=clock.now()))
    db.session.commit()
    try:
        assert done.wait(20)
    finally:
        engine.stop()
    assert ran.count(claim.id) == 1


@pytest.mark.parametrize("queue_url", ["redis"], indirect=True)
def test_a_broker_that_comes_back_finds_the_work_waiting(
    here: Flask, queue_url: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    server: RedisServer = request.getfixturevalue("_redis")
    done = threading.Event()
    monkeypatch.setitem(handlers.HANDLERS, "act", lambda claim, desk: done.set())
    refused = threading.Event()
    engine = Engine(here, threads=1, pace=QUICK, queue_url=queue_url)
    hand_over = engine.queue.hand_over

    def noting(ids: list[int], attempt_id: str) -> None:
        try:
            hand_over(ids, attempt_id)
        except Exception:
            refused.set()
            raise

    monkeypatch.setattr(engine.queue, "hand_over", noting)
    server.stop()
    try:
        outbox.enqueue("act", {}, key="act")
        db.session.commit()
        engine.start()
        assert refused.wait(20)
    finally:
        server.start()
    try:
        assert done.wait(30)
    finally:
        engine.stop()
