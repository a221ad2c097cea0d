"""The engine in one process: starts at once, keeps leases alive, stops in time, lets nobody hold up the others."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from wsapp import clock, leases, outbox
from wsapp.connectors.base import BadCredentials, HostError, Refused, TryLater
from wsapp.crm.org.models import Member
from wsapp.db import corp_scope, current_corp, db
from wsapp.jobs import handlers
from wsapp.jobs.breakers import FAILURES, Breakers
from wsapp.jobs.pace import PACE, Pace
from wsapp.jobs.runner import Desk
from wsapp.jobs.worker import Engine
from wsapp.leases import Claim
from wsapp.outbox import Outbox

NEVER = 3600.0
Start = Callable[..., Engine]


@pytest.fixture
def start(here: Flask) -> Iterator[Start]:
    """`start(pace, threads=…)` starts an engine, which is stopped with the test."""
    with ExitStack() as stack:

        def begin(pace: Pace = PACE, *, threads: int = 4) -> Engine:
            db.session.rollback()
            engine = Engine(here, threads=threads, pace=pace, queue_url="")
            engine.start()
            stack.callback(lambda: engine.stopping.is_set() or engine.stop())
            return engine

        yield begin


def _pace(**changes: float) -> Pace:
    return PACE.compressed(1, **changes)


def _handle(monkeypatch: pytest.MonkeyPatch, kind: str, act: Callable[[Claim], None]) -> None:
    monkeypatch.setitem(handlers.HANDLERS, kind, lambda claim, desk: act(claim))


def _enqueue(kind: str, count: int = 1, **payload: object) -> None:
    for _number in range(count):
        outbox.enqueue(kind, dict(payload))
    db.session.commit()


def _states() -> dict[str, int]:
    db.session.rollback()
    return dict(db.session.execute(sa.select(Outbox.state, sa.func.count()).group_by(Outbox.state)).all())


@contextmanager
def _gate() -> Iterator[threading.Event]:
    """An event that handlers wait for; opened at the end in any case."""
    gate = threading.Event()
    try:
        yield gate
    finally:
        gate.set()


def test_work_of_this_process_starts_without_a_look(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    _handle(monkeypatch, "act", lambda claim: done.set())
    start(_pace(poll=NEVER))
    _enqueue("act")
    assert done.wait(5)


def test_work_of_another_process_starts_at_the_next_look(
    here: Flask, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()
    _handle(monkeypatch, "act", lambda claim: done.set())
    start(_pace(poll=0.2))
    now = clock.now()
    row = {"corp_id": current_corp(), "kind": "act", "lane": "home", "key": "k", "payload": {}, "due_at": now}
    row |= {"state": "ready", "created_at": now, "attempts": 0, "crashes": 0}
    with db.engine.begin() as connection:  # past the session: nobody here is told
        connection.execute(sa.insert(Outbox.__table__), row)
    assert done.wait(5)


def test_work_starts_at_its_time_not_at_the_look_after(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    late: list[float] = []
    done = threading.Event()

    def act(claim: Claim) -> None:
        late.append((clock.now() - claim.due_at).total_seconds())
        done.set()

    _handle(monkeypatch, "act", act)
    start(_pace(poll=5))
    outbox.enqueue("act", {}, due_at=clock.now() + timedelta(seconds=0.7))
    db.session.commit()
    assert done.wait(4)
    assert 0 <= late[0] < 1


def test_what_follows_from_work_follows_at_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    _handle(monkeypatch, "act", lambda claim: outbox.enqueue("more", {}))  # type: ignore[arg-type,return-value]
    _handle(monkeypatch, "more", lambda claim: done.set())
    start(_pace(poll=NEVER))
    _enqueue("act")
    assert done.wait(5)


def test_the_lease_of_long_work_is_kept(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    running = threading.Event()
    with _gate() as gate:

        def act(claim: Claim) -> None:
            db.session.rollback()
            runs.append(claim.id)
            running.set()
            gate.wait(30)

        _handle(monkeypatch, "act", act)
        engine = start(_pace(lease=1, beat=0.1, poll=0.1))
        _enqueue("act")
        assert running.wait(5)
        until = clock.wall() + timedelta(seconds=2)  # two leases
        while clock.wall() < until:
            lease_until = db.session.scalar(sa.select(Outbox.lease_until).where(Outbox.state == "running"))
            db.session.rollback()
            assert lease_until
            assert lease_until > clock.wall() - timedelta(seconds=0.3)
            time.sleep(0.1)
        gate.set()
        assert engine.stop()
    assert len(runs) == 1
    assert _states() == {"done": 1}


def test_a_stop_waits_for_what_runs_and_gives_back_the_rest(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running, ended = threading.Event(), []
    with _gate() as gate:

        def act(claim: Claim) -> None:
            running.set()
            gate.wait(30)
            ended.append(claim.id)

        _handle(monkeypatch, "act", act)
        engine = start(_pace(poll=0.1), threads=1)
        _enqueue("act", 12)
        assert running.wait(5)
        stopper = threading.Thread(target=engine.stop)
        stopper.start()
        assert engine.stopping.wait(1)
        gate.set()
        stopper.join(10)
        assert not stopper.is_alive()
    assert len(ended) == 1
    assert _states() == {"done": 1, "ready": 11}
    untouched = sa.select(Outbox.attempts, Outbox.crashes, Outbox.lease_until).where(Outbox.state == "ready")
    assert set(db.session.execute(untouched).all()) == {(0, 0, None)}


def test_a_stop_does_not_wait_for_ever(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running = threading.Event()
    with _gate() as gate:

        def act(claim: Claim) -> None:
            db.session.rollback()
            running.set()
            gate.wait(60)

        _handle(monkeypatch, "act", act)
        engine = start(_pace(stop=0.5), threads=1)
        _enqueue("act")
        assert running.wait(5)
        began = time.monotonic()
        assert not engine.stop()
        assert time.monotonic() - began < 30
        assert _states() == {"ready": 1}


def test_a_corp_whose_host_hangs_holds_up_nobody_else(
    start: Start, ivy: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = threading.Event()
    with _gate() as gate:

        def act(claim: Claim) -> None:
            db.session.rollback()
            if claim.corp_id == ivy.corp_id:
                theirs.set()
            else:
                gate.wait(30)

        _handle(monkeypatch, "member.check", act)
        start(_pace(poll=0.1), threads=4)
        _enqueue("member.check", 40)
        with corp_scope(ivy.corp_id):
            _enqueue("member.check")
        assert theirs.wait(5)


def test_a_corp_whose_host_fails_is_left_alone_and_then_probed(
    start: Start, ivy: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = threading.Event()
    _handle(monkeypatch, "member.check", lambda claim: theirs.set())
    engine = start(_pace(poll=0.1))
    engine.desk.breakers.stop(current_corp(), NEVER)
    _enqueue("member.check", 3)
    with corp_scope(ivy.corp_id):
        _enqueue("member.check")
    assert theirs.wait(5)
    db.session.rollback()
    assert db.session.scalar(sa.select(sa.func.count()).where(Outbox.state == "ready")) == 3


def test_breakers_open_close_and_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("wsapp.jobs.breakers.time.monotonic", lambda: now[0])
    breakers = Breakers()
    for _failure in range(FAILURES - 1):
        breakers.failed(1, 30)
    assert breakers.room(1, 4) == 4
    breakers.succeeded(1)
    for _failure in range(FAILURES):
        breakers.failed(1, 30)
    assert (breakers.room(1, 4), breakers.is_open(1), breakers.room(2, 4)) == (0, True, 4)
    now[0] += 31
    assert breakers.room(1, 4) == 1
    breakers.failed(1, 30)
    assert breakers.room(1, 4) == 0
    now[0] += 31
    breakers.succeeded(1)
    assert breakers.room(1, 4) == 4


@pytest.mark.parametrize(
    ("error", "room"),
    [
        (None, 4),
        (Refused("no"), 4),
        (TryLater("busy"), 4),
        (TryLater("ban", after=300), 0),
        (BadCredentials("x"), 0),
    ],
)
def test_a_desk_learns_from_calls(error: Exception | None, room: int) -> None:
    desk = Desk()
    with suppress(HostError), desk.calling(7):
        if error:
            raise error
    assert desk.breakers.room(7, 4) == room


def test_the_database_may_go_and_come(here: Flask, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    done, failed = threading.Event(), threading.Event()
    _handle(monkeypatch, "act", lambda claim: done.set())
    claim = leases.claim

    def away(*args: object, **options: object) -> list[Claim]:
        if not failed.is_set():
            failed.set()
            raise sa.exc.OperationalError("select", {}, Exception("gone"))
        return claim(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(leases, "claim", away)
    start(_pace(poll=0.1))
    _enqueue("act")
    assert failed.wait(5)
    assert done.wait(10)
