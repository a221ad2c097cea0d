"""Ticks: one leader, one row a tick, and what was missed is caught up."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from tests.jobs.conftest import run_due
from tests.soak.world import world
from wsapp import clock, outbox
from wsapp.crm.org.access import begin_sign_in
from wsapp.crm.org.models import Corp, Member, SeenCallback, SignInState
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.tasks.models import Reminder
from wsapp.db import current_corp, db
from wsapp.files import StoredFile, path_of
from wsapp.jobs.leader import leadership
from wsapp.jobs.periodic import PERIODIC, Periodic, enqueue_ticks
from wsapp.jobs.scheduler import Scheduler
from wsapp.outbox import Outbox


def _ticks() -> list[str]:
    db.session.rollback()
    kinds = [one.kind for one in PERIODIC]
    found = list(db.session.scalars(sa.select(Outbox.key).where(Outbox.kind.in_(kinds)).order_by(Outbox.id)))
    db.session.rollback()
    return found


def test_a_tick_happens_once(here: Flask) -> None:
    with time_machine.travel(datetime(2026, 3, 4, 7, 0, 20, tzinfo=UTC), tick=False):
        first = enqueue_ticks()
        assert len(first) == len(PERIODIC)
        assert {
            "sweep.reminders:2026-03-04T15:00+0800",
            "close.visits:2026-03-04T00:05+0800",
            "directory.nightly:2026-03-04T02:30+0800",
            "prune:2026-03-04T03:20+0800",
        } <= set(first)
        assert enqueue_ticks() == []
    with time_machine.travel(datetime(2026, 3, 4, 7, 1, 0, tzinfo=UTC), tick=False):
        every_minute = [one.kind for one in PERIODIC if one.at is None and not one.hourly]
        assert enqueue_ticks() == [f"{kind}:2026-03-04T15:01+0800" for kind in every_minute]


def test_what_a_stopped_product_missed_is_caught_up_once(here: Flask) -> None:
    daily = Periodic("prune", at=datetime(2026, 1, 1, 3, 20).time())  # noqa: DTZ001 - a time of day
    zone = clock.now().tzinfo
    assert daily.last_tick(datetime(2026, 3, 4, 3, 19, tzinfo=zone)).day == 3
    assert daily.last_tick(datetime(2026, 3, 4, 3, 20, tzinfo=zone)).day == 4
    with time_machine.travel(datetime(2026, 3, 4, 7, 0, tzinfo=UTC), tick=False):
        enqueue_ticks()
    with time_machine.travel(datetime(2026, 3, 9, 7, 0, tzinfo=UTC), tick=False):
        assert len([key for key in enqueue_ticks() if key.startswith("prune")]) == 1


def test_one_process_leads_and_the_next_takes_over(here: Flask) -> None:
    first, second = leadership(), leadership()
    assert first.held()
    assert not second.held()
    assert first.held()
    first.resign()
    assert second.held()
    assert not first.held()
    second.resign()


def test_a_leader_whose_connection_is_cut_leads_no_more(here: Flask) -> None:
    if db.engine.dialect.name != "postgresql":
        pytest.skip("a file lock has no connection")
    first, second = leadership(), leadership()
    assert first.held()
    cut = sa.text(
        "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()"
    )
    db.session.execute(cut)
    db.session.rollback()
    assert not first.held()
    assert second.held()
    second.resign()


def test_two_schedulers_tick_once(here: Flask) -> None:
    db.session.rollback()
    one, other = Scheduler(here), Scheduler(here)
    assert [one.look(), other.look()] == [True, False]
    ticks = _ticks()
    other.tick()  # even one that wrongly thinks that it leads
    assert len(set(_ticks()) - set(ticks)) <= 1  # a minute may have begun meanwhile
    told = threading.Event()
    told.set()
    one.run(told)
    assert other.look()
    other.run(told)


@pytest.mark.server
def test_the_lead_outlives_its_holders_death(tmp_path: Path, database_url: str) -> None:
    with world(tmp_path, database_url, people=1) as soak:
        with soak.app.app_context():
            lead = leadership()
        scheduler = soak.start("scheduler")
        soak.wait(lambda: not _takes(lead), 30, "a leader")
        soak.kill(scheduler)
        soak.wait(lead.held, 10, "the lead to be free")
        lead.resign()


def _takes(lead: object) -> bool:
    held: bool = lead.held()  # type: ignore[attr-defined]
    lead.resign()  # type: ignore[attr-defined]
    return held


def test_a_reminder_whose_alarm_was_lost_rings_all_the_same(here: Flask, ali: Member) -> None:
    create_task({"title": "回访", "due_at": clock.now() + timedelta(minutes=2)}, actor=db.session.merge(ali))
    db.session.execute(sa.delete(Outbox))
    past = clock.now() - timedelta(minutes=1)
    db.session.execute(sa.update(Reminder).where(Reminder.kind == "due").values(fire_at=past))
    db.session.commit()
    outbox.enqueue("sweep.reminders", {}, corp=False)
    db.session.commit()
    run_due(here, kinds=("sweep.reminders", "remind"))
    assert db.session.scalar(sa.select(Reminder.state).where(Reminder.kind == "due")) == "fired"


def test_an_alarm_that_rang_rings_again_for_who_comes_late(here: Flask, ali: Member) -> None:
    """A task for this very minute, created after its alarm went off, has an alarm of its own."""
    minute = clock.now().replace(second=0, microsecond=0)
    for title in ("先来", "后到"):
        create_task({"title": title, "due_at": minute}, actor=db.session.merge(ali))
        db.session.commit()
        run_due(here, kinds=("remind",))
    fired = sa.select(sa.func.count()).select_from(Reminder).where(Reminder.state == "fired")
    assert db.session.scalar(fired) == 2


def test_visits_that_nobody_ended_are_closed(here: Flask, ali: Member) -> None:
    from wsapp.crm.customers.actions import create_customer
    from wsapp.crm.visits.actions import log_visit
    from wsapp.crm.visits.models import Visit

    actor = db.session.merge(ali)
    visit = log_visit(create_customer({"name": "华星木业"}, actor=actor), {"note": "来过"}, actor=actor)
    visit.checked_in_at = clock.now() - timedelta(days=1)
    db.session.commit()
    outbox.enqueue("close.visits", {}, corp=False)
    db.session.commit()
    run_due(here, kinds=("close.visits",))
    db.session.rollback()
    assert db.session.execute(sa.select(Visit.state, Visit.closed_by_system)).one() == ("done", True)


def test_pruning_throws_away_what_nobody_needs(here: Flask, ali: Member) -> None:
    old, fresh = clock.now() - timedelta(days=10), clock.now()
    corp = db.session.execute(sa.select(Corp).where(Corp.id == current_corp())).scalar_one()
    for digest, seen_at in (("old", old), ("fresh", fresh)):
        db.session.add(SeenCallback(corp_id=corp.id, digest=digest, seen_at=seen_at))
    with time_machine.travel(old):
        begin_sign_in(corp, browser="b", next_path="/", web=False)
    kept = []
    for file_id, record_id, at in (("orphan", None, old), ("young", None, fresh), ("used", "v1", old)):
        stored = StoredFile(id=file_id, owner_id=ali.id, record_id=record_id, created_at=at)
        db.session.add(stored)
        db.session.flush()
        path_of(stored).parent.mkdir(parents=True, exist_ok=True)
        path_of(stored).write_bytes(b"jpeg")
        kept.append(stored)
    outbox.enqueue("sweep.reminders", {}, key="a-tick", corp=False)
    outbox.enqueue("event", {"event": "x"}, key="an-event")
    db.session.execute(sa.update(Outbox).values(state="done", done_at=old))
    outbox.enqueue("prune", {}, corp=False)
    db.session.commit()
    paths = {one.id: path_of(one) for one in kept}
    run_due(here, kinds=("prune",))
    db.session.rollback()
    assert set(db.session.scalars(sa.select(SeenCallback.digest))) == {"fresh"}
    assert db.session.scalar(sa.select(sa.func.count()).select_from(SignInState)) == 0
    assert set(db.session.scalars(sa.select(StoredFile.id))) == {"young", "used"}
    assert {file_id for file_id, path in paths.items() if path.exists()} == {"young", "used"}
    assert set(db.session.scalars(sa.select(Outbox.key).where(Outbox.kind != "prune"))) == {"an-event"}
