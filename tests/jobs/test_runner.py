"""How rows end: done, later, dead, parked, or somebody else's."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.jobs.conftest import row, run_due
from wsapp import clock, leases, outbox, worklist
from wsapp.connectors.base import BadCredentials, Refused, TryLater
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.events.models import Event
from wsapp.crm.org.models import Corp, Member
from wsapp.db import corp_scope, current_corp, db
from wsapp.jobs import handlers
from wsapp.jobs.pace import PACE
from wsapp.jobs.runner import Desk, Later, Runner
from wsapp.jobs.worker import run_all
from wsapp.leases import MAX_CRASHES, Claim
from wsapp.outbox import Outbox


@pytest.fixture
def busy(here: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """An app with one row of a kind that writes a customer's name and then does as its payload says."""

    def act(claim: Claim, desk: Desk) -> None:
        db.session.execute(sa.update(Event).values(kind="touched").execution_options(synchronize_session=False))
        errors = {
            "later": Later("not yet", after=100),
            "quota": Later("too fast", after=100, counted=False),
            "host": TryLater("busy", after=50),
            "credentials": BadCredentials("wrong secret", code="40001"),
            "refused": Refused("no", code="1"),
            "bug": KeyError("oops"),
        }
        if error := errors.get(claim.payload["do"]):
            raise error

    monkeypatch.setitem(handlers.HANDLERS, "act", act)
    return here


def _put(do: str, **columns: object) -> None:
    db.session.add(Event(id="e1", kind="new", subject_type="x", subject_id="x", at=clock.now(), changes={}, data={}))
    outbox.enqueue("act", {"do": do}, key="act")
    if columns:
        db.session.execute(sa.update(Outbox).where(Outbox.key == "act").values(**columns))
    db.session.commit()


def _touched() -> bool:
    db.session.rollback()
    return db.session.scalar(sa.select(Event.kind)) == "touched"


def _run(app: Flask, *columns: str) -> tuple[object, ...]:
    run_due(app, kinds=("act",))
    found = row("act")
    return tuple(getattr(found, name) for name in columns)


def test_what_a_handler_writes_and_its_end_are_one_commit(busy: Flask) -> None:
    _put("nothing")
    assert _run(busy, "state", "attempts", "lease_until") == ("done", 0, None)
    assert _touched()


@pytest.mark.parametrize(("do", "attempts"), [("later", 1), ("quota", 0)])
def test_later_keeps_what_was_written(busy: Flask, do: str, attempts: int) -> None:
    _put(do)
    assert _run(busy, "state", "attempts") == ("ready", attempts)
    assert _touched()
    assert 95 <= (row("act").due_at - clock.now()).total_seconds() <= 100


def test_a_hosts_wait_is_kept_and_nothing_written(busy: Flask) -> None:
    _put("host")
    assert _run(busy, "state", "attempts", "error") == ("ready", 1, "busy")
    assert not _touched()
    assert 45 <= (row("act").due_at - clock.now()).total_seconds() <= 50


def test_wrong_credentials_are_not_counted_and_shown(busy: Flask) -> None:
    _put("credentials")
    assert _run(busy, "state", "attempts") == ("ready", 0)
    assert not _touched()
    fault = db.session.scalar(sa.select(Corp.fault).where(Corp.id == current_corp()))
    assert fault == "40001: wrong secret"


def test_what_a_host_refuses_is_dead(busy: Flask) -> None:
    _put("refused")
    assert _run(busy, "state", "error") == ("dead", "1: no")
    assert not _touched()


def test_a_mistake_of_ours_comes_back_and_dies(busy: Flask) -> None:
    _put("bug")
    assert _run(busy, "state", "attempts", "error") == ("ready", 1, "KeyError: 'oops'")
    assert not _touched()
    for _try in range(PACE.max_bugs - 1):
        db.session.execute(sa.update(Outbox).values(due_at=clock.now() - timedelta(seconds=1)))
        db.session.commit()
        run_due(busy, kinds=("act",))
    assert row("act").state == "dead"
    assert leases.revive(row("act").id)
    db.session.commit()
    assert row("act").state == "ready"


def test_a_kind_that_nobody_knows_is_not_lost(busy: Flask) -> None:
    outbox.enqueue("unheard", {})
    db.session.commit()
    run_due(busy)
    assert (row("unheard").state, row("unheard").error) == ("ready", "LookupError: no handler for unheard")


def test_whoever_lost_the_lease_writes_nothing(busy: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker was stopped for longer than its lease; when it goes on, another one has the row."""
    _put("nothing")
    other: list[list[Claim]] = []

    def slow(claim: Claim, desk: Desk) -> None:
        db.session.rollback()
        with busy.app_context():
            _expire()
            other.append(leases.claim(10))
        db.session.execute(sa.update(Event).values(kind="touched").execution_options(synchronize_session=False))

    monkeypatch.setitem(handlers.HANDLERS, "act", slow)
    (claim,) = leases.claim(10)
    Runner(busy, Desk()).run((claim.attempt_id, (claim.id,)))
    assert [one.id for one in other[0]] == [claim.id]
    assert not _touched()
    found = row("act")
    assert (found.state, found.attempt_id) == ("running", other[0][0].attempt_id)


def _expire() -> None:
    db.session.execute(
        sa.update(Outbox).where(Outbox.state == "running").values(lease_until=clock.wall() - timedelta(hours=1))
    )
    db.session.commit()


def test_a_row_whose_worker_dies_comes_back_after_its_lease(busy: Flask) -> None:
    _put("nothing")
    (first,) = leases.claim(10)
    assert leases.claim(10) == []
    _expire()
    (again,) = leases.claim(10)
    assert (again.id, again.crashes) == (first.id, 1)
    assert again.attempt_id != first.attempt_id
    assert leases.start([first.id], first.attempt_id) == []
    assert [one.id for one in leases.start([again.id], again.attempt_id)] == [first.id]


def test_a_row_that_kills_its_workers_is_parked_and_the_others_go_on(busy: Flask) -> None:
    _put("nothing")
    for death in range(MAX_CRASHES + 1):
        (claim,) = leases.claim(10)
        assert claim.crashes == death
        _expire()
    outbox.enqueue("act", {"do": "nothing"})
    db.session.commit()
    run_due(busy, kinds=("act",))
    db.session.rollback()
    found = db.session.execute(sa.select(Outbox).where(Outbox.key == "act")).scalar_one()
    assert (found.state, found.error) == ("dead", "its worker died repeatedly")
    assert row("act").state == "done"
    assert [one.id for one in worklist.rows_in("dead")] == [found.id]


def test_a_suspect_rests_before_it_is_lent_again(busy: Flask) -> None:
    _put("nothing")
    leases.claim(10)
    _expire()
    leases.claim(10)
    just_now = clock.wall() - timedelta(seconds=1)
    db.session.execute(sa.update(Outbox).where(Outbox.state == "running").values(lease_until=just_now))
    db.session.commit()
    assert leases.claim(10) == []
    assert len(leases.claim(10, crash_pause=timedelta(0))) == 1


def test_work_runs_in_its_own_corp_whatever_the_caller_is_in(
    busy: Flask, ivy: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setitem(handlers.HANDLERS, "act", lambda claim, desk: seen.append(current_corp()))
    here = current_corp()
    outbox.enqueue("act", {})
    with corp_scope(ivy.corp_id):
        outbox.enqueue("act", {})
    db.session.commit()
    run_due(busy, kinds=("act",))
    assert sorted(seen) == sorted([here, ivy.corp_id])
    assert current_corp() == here


def test_an_event_is_told_to_its_listeners_once(here: Flask, ali: Member, bob: Member) -> None:
    from wsapp.crm.notifications.models import Notification
    from wsapp.crm.visits.actions import log_visit

    actor = db.session.merge(ali)
    customer = create_customer({"name": "华星木业"}, actor=actor)
    log_visit(customer, {"note": "谈了价格"}, actor=actor)
    db.session.commit()
    run_due(here, kinds=("event",))
    run_due(here, kinds=("event",))
    (told,) = db.session.scalars(sa.select(Notification)).all()
    assert (told.recipient_id, told.message["title"]) == (bob.id, "阿丽 拜访了 华星木业")


def test_many_due_reminders_are_fired_lot_by_lot(here: Flask, ali: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    from wsapp.crm.notifications import reminders
    from wsapp.crm.notifications.models import Notification
    from wsapp.crm.tasks.actions import create_task

    monkeypatch.setattr(handlers, "BATCH", 3)
    monkeypatch.setattr(handlers, "fire_due", lambda: reminders.fire_due(3))
    actor = db.session.merge(ali)
    for number in range(7):
        create_task({"title": f"回访 {number}", "due_at": clock.now()}, actor=actor)
    db.session.commit()
    run_due(here, kinds=("remind",))
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Notification)) == 7


def test_everything_due_runs_without_a_worker(here: Flask) -> None:
    db.session.rollback()
    outbox.enqueue("event", {"event": "unknown"})
    db.session.commit()
    assert run_all(here) == 1
    assert run_all(here) == 0
