"""The demo's data: both firms filled once, with people who were here before and work that falls due."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from wsapp import clock, config
from wsapp.app import create_app
from wsapp.connectors import connector_classes
from wsapp.crm.customers.dedupe import find_duplicates
from wsapp.crm.customers.models import Contact, Coworker, Customer, Tag
from wsapp.crm.deletions.models import Deletion
from wsapp.crm.fields.models import CustomField, CustomValue
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Corp, Member
from wsapp.crm.org.queries import corps, leads_others
from wsapp.crm.org.roles import Delegation, Role
from wsapp.crm.pools.models import Pool
from wsapp.crm.search.models import SavedView
from wsapp.crm.sharing.models import ShareRequest
from wsapp.crm.tasks.models import OPEN, PLANNED, Reminder, Task
from wsapp.crm.transfer.models import ImportJob
from wsapp.crm.visits.trust import VERIFIED_METRES
from wsapp.db import corp_scope, db, first, rows
from wsapp.demo import data
from wsapp.demo.layout import demo_settings, lay_out, make_emulator
from wsapp.demo.page import _ahead as ahead
from wsapp.geo import metres_between
from wsapp.outbox import Outbox

Demo = tuple[Any, dict[Any, Any]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo's app and emulators, nothing served."""
    tmp_path = tmp_path_factory.mktemp("demo")
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
    found: int = db.session.scalar(sa.select(sa.func.count()).select_from(model).where(*conditions)) or 0
    return found


def test_every_firm_is_filled(demo: Demo) -> None:
    assert [corp.name for corp in corps()] == ["森林木业", "蓝海科技"]
    for corp in corps():
        with corp_scope(corp.id):
            assert count(Customer) > data.CUSTOMERS
            people = rows(sa.select(Member))
            assert sum(one.is_admin for one in people) == 1
            assert sum(leads_others(one) and not one.is_admin for one in people) == 1
            owners = set(rows(sa.select(Customer.owner_id).where(Customer.owner_id.is_not(None))))
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


BOOK = (
    Contact,
    Coworker,
    CustomField,
    CustomValue,
    Deletion,
    Delegation,
    ImportJob,
    Role,
    SavedView,
    ShareRequest,
    Tag,
)


def test_the_whole_customer_book_is_shown(demo: Demo) -> None:
    for corp in corps():
        with corp_scope(corp.id):
            assert [model.__tablename__ for model in BOOK if count(model) == 0] == []
            pooled = [count(Customer, Customer.pool_id == one) for one in rows(sa.select(Pool.id))]
            assert len([one for one in pooled if one]) == 2
            assert set(rows(sa.select(Customer.lead))) == {"", "new", "working", "valid", "invalid", "converted"}
            assert count(Customer, Customer.parent_id.is_not(None)) == 2
            job = first(sa.select(ImportJob))
            assert (job.state, job.created, job.failed) == ("done", 4, 1)


def test_two_customers_are_alike(demo: Demo) -> None:
    for corp in corps():
        with corp_scope(corp.id):
            twin = first(sa.select(Customer).where(Customer.name.contains("华星精密制造有限责任公司")))
            seller = first(sa.select(Member).where(Member.id == twin.owner_id))
            (hit,) = find_duplicates({"name": twin.name}, actor=seller, but=twin.id)
            assert hit.visible


def test_nobody_is_told_of_what_was_long_ago(demo: Demo) -> None:
    """What waits in a chat is what a colleague asks today."""
    assert count(Outbox, Outbox.kind == "event") == 0
    assert clock.offset() == timedelta()
    for corp in corps():
        with corp_scope(corp.id):
            assert rows(sa.select(Notification.kind)) == ["share.asked"]


def test_the_second_start_finds_it_and_adds_nothing(demo: Demo) -> None:
    app, emulators = demo
    there: dict[int, int] = {}
    for corp in corps():
        with corp_scope(corp.id):
            there[corp.id] = count(Customer)
    db.session.rollback()
    data.prepare(app, emulators)
    for corp in corps():
        with corp_scope(corp.id):
            assert count(Customer) == there[corp.id]
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
