"""Sample data: as many as asked for, whole, owned by people who are there, and silent."""

import pytest
import sqlalchemy as sa

from wsapp import clock, seeding
from wsapp.connectors.emulator import Fault
from wsapp.crm.customers.models import Customer, CustomerPhone
from wsapp.crm.events.models import Event
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.models import Corp, Member
from wsapp.crm.tasks.models import OPEN, Reminder, Task
from wsapp.crm.visits.models import Visit
from wsapp.db import corp_scope, db
from wsapp.outbox import Outbox

COUNT = 1_200


def count(model, *conditions):
    return db.session.execute(sa.select(sa.func.count()).select_from(model).where(*conditions)).scalar_one()


@pytest.fixture
def seeded(here, cast):
    corp = db.session.get(Corp, cast.corp_id)
    before = count(Outbox)
    steps = []
    assert seeding.seed(corp, COUNT, progress=steps.append) == COUNT
    assert sum(steps) == COUNT
    assert len(steps) == 2  # in batches, so that a million does not sit in memory
    return before


def test_there_are_as_many_as_asked_with_their_history(seeded):
    assert count(Customer) == COUNT
    activities = count(FollowUp) + count(Visit) + count(Task)
    assert 3 * COUNT < activities < 7 * COUNT
    assert count(Event, Event.kind == "customer.created") == COUNT
    assert count(Event) >= COUNT + activities
    assert count(CustomerPhone) > COUNT / 2


def test_nobody_is_told_of_it(seeded):
    assert count(Outbox) == seeded
    assert count(Reminder) == 0
    assert count(Task, Task.state == OPEN, Task.due_at <= clock.now()) == 0


def test_the_last_dates_agree_with_the_history(seeded):
    newest = (
        sa.select(Customer.last_visited_at, sa.func.max(Visit.checked_in_at))
        .join(Visit, sa.and_(Visit.customer_id == Customer.id, Visit.corp_id == Customer.corp_id))
        .group_by(Customer.corp_id, Customer.id, Customer.last_visited_at)
        .limit(50)
    )
    found = db.session.execute(newest).all()
    assert len(found) == 50
    assert all(last == visited for last, visited in found)


def test_a_second_helping_comes_on_top_and_stays_in_its_corp(here, cast, seeded):
    corp = db.session.get(Corp, cast.corp_id)
    assert seeding.seed(corp, 10) == 10
    assert count(Customer) == COUNT + 10
    with corp_scope(cast.other_corp_id):
        assert count(Customer) == 0


def test_where_nobody_is_known_the_host_is_asked(here, cast):
    empty = next(one for one in db.session.execute(sa.select(Corp)).scalars() if one.id not in cast.corp_ids.values())
    with corp_scope(empty.id):
        assert seeding.seed(empty, 20) == 20
        owners = db.session.execute(sa.select(Member.name).join(Customer, Customer.owner_id == Member.id)).scalars()
        assert set(owners) <= {"林晓燕", "陈子豪", "王建国", "赵敏", "周小雨", "吴磊", "孙丽华", "钱伟"}


def test_somebody_must_be_there_to_own_them(here, cast, wecom):
    wecom.emulator.faults.append(Fault("*", "status", times=1_000, options={"status": 503}))
    wanted = sa.select(Corp).where(Corp.host == "wecom", Corp.id.not_in(cast.corp_ids.values()))
    empty = db.session.execute(wanted).scalar_one()
    with corp_scope(empty.id), pytest.raises(seeding.NobodyThere, match="its host shows none"):
        seeding.seed(empty, 1)
