"""The demo's data: both firms filled once, with people who were here before and work that falls due."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from wsapp import clock, config
from wsapp.app import create_app
from wsapp.connectors import connector_classes
from wsapp.crm.customers.models import Customer
from wsapp.crm.org.models import Corp, Member
from wsapp.crm.org.queries import corps, leads_others
from wsapp.crm.tasks.models import OPEN, PLANNED, Reminder, Task
from wsapp.crm.visits.geo import metres_between
from wsapp.crm.visits.trust import VERIFIED_METRES
from wsapp.db import corp_scope, db, first, rows
from wsapp.demo import data
from wsapp.demo.layout import demo_settings, lay_out, make_emulator
from wsapp.demo.page import _ahead as ahead
from wsapp.outbox import Outbox

Demo = tuple[Any, dict[Any, Any]]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """A demo's app and emulators, nothing served."""
    layout = lay_out(0)
    environ = {"WSAPP_SERVER_DATA_DIR": str(tmp_path)}
    settings = demo_settings(config.load(None, environ, connector_classes()), layout)
    settings.server.data_dir.mkdir(parents=True)
    emulators = {part: make_emulator(part, layout) for part in layout.parts}
    try:
        app = create_app(settings, origins=layout.origins, demo=True)
        data.prepare(app, emulators)
        with app.app_context():
            yield app, emulators
            db.session.remove()
            db.engine.dispose()
    finally:
        clock.disable_control()


def count(model: Any, *conditions: Any) -> int:
    found: int = db.session.scalar(sa.select(sa.func.count()).select_from(model).where(*conditions))
    return found


def test_every_firm_is_filled(demo: Demo) -> None:
    assert [corp.name for corp in corps()] == ["森林木业", "蓝海科技"]
    for corp in corps():
        with corp_scope(corp.id):
            assert count(Customer) == data.CUSTOMERS
            people = rows(sa.select(Member))
            assert sum(one.is_admin for one in people) == 1
            assert sum(leads_others(one) and not one.is_admin for one in people) == 1
            owners = set(rows(sa.select(Customer.owner_id)))
            assert owners == {one.id for one in people if not leads_others(one)}


def test_whatever_is_closed_says_when(demo: Demo) -> None:
    for corp in corps():
        with corp_scope(corp.id):
            assert count(Task, Task.state != OPEN, Task.done_at.is_(None)) == 0
            assert count(Task, Task.state != OPEN) > 0


def test_work_is_overdue_due_today_and_ahead(demo: Demo) -> None:
    now = clock.now()
    for corp in corps():
        with corp_scope(corp.id):
            due = rows(sa.select(Task.due_at).where(Task.state == OPEN))
            assert any(one < now for one in due)
            assert any(now < one < now + timedelta(hours=7) for one in due)
            assert any(one > now + timedelta(days=2) for one in due)
            planned = rows(sa.select(Reminder.fire_at).where(Reminder.state == PLANNED))
            assert planned
            assert all(one > now - timedelta(minutes=1) for one in planned)
            alarms = rows(sa.select(Outbox.due_at).where(Outbox.kind == "remind", Outbox.corp_id == corp.id))
            assert set(planned) <= set(alarms)


def test_a_customer_is_next_door(demo: Demo) -> None:
    """So that a visit to it counts as verified."""
    _app, emulators = demo
    for corp in corps():
        here = next(emulator.here for part, emulator in emulators.items() if part.host == corp.host)
        with corp_scope(corp.id):
            distances = [metres_between(here, one.place) for one in rows(sa.select(Customer)) if one.place]
            assert min(distances) < VERIFIED_METRES


def test_the_second_start_finds_it_and_adds_nothing(demo: Demo) -> None:
    app, emulators = demo
    data.prepare(app, emulators)
    for corp in corps():
        with corp_scope(corp.id):
            assert count(Customer) == data.CUSTOMERS
    assert first(sa.select(sa.func.count()).select_from(Corp)) == 2


def test_the_emulators_clock_is_the_products(demo: Demo) -> None:
    _app, emulators = demo
    one, other = emulators.values()
    clock.advance(600)
    assert abs(one.clock.time() - clock.now().timestamp()) < 1
    assert abs(one.clock.offset - 600) < 0.01
    other.clock.offset = 7200
    assert abs(one.clock.offset - 7200) < 0.01
    assert abs(clock.offset().total_seconds() - 7200) < 0.01


@pytest.mark.parametrize("move", ["10m", "1h", "tomorrow", "monday"])
def test_every_move_of_the_clock_goes_ahead(demo: Demo, move: str) -> None:
    step = ahead(move)
    assert step is not None
    assert timedelta() < step <= timedelta(days=8)
    there = clock.local(clock.now() + step, "Asia/Shanghai")
    if move in ("tomorrow", "monday"):
        assert (there.hour, there.minute) == (9, 0)
    if move == "monday":
        assert there.weekday() == 0


def test_an_unknown_move_is_none(demo: Demo) -> None:
    assert ahead("yesterday") is None
