"""The recycle bin: what is deleted is nowhere, and comes back as it was."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.cast import Cast
from tests.jobs.conftest import run_due
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import Contact, Customer
from wsapp.crm.customers.queries import customer_with_phone, find_customer
from wsapp.crm.deletions.actions import Conflicting, delete, purge, purge_old, restore
from wsapp.crm.deletions.models import DONE, UNDONE, Deletion, DeletionRun
from wsapp.crm.deletions.moving import models
from wsapp.crm.deletions.queries import find_deletion, find_run, visible_deletions
from wsapp.crm.deletions.runs import begin_run, undo_run
from wsapp.crm.events.models import Event
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import set_rules
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.tasks.models import Reminder, Task
from wsapp.crm.visits.actions import log_visit
from wsapp.crm.visits.models import Visit
from wsapp.db import corp_scope, db, new_id
from wsapp.problems import Conflict, Forbidden, Invalid, NotFound

LEFT_BEHIND = {"event", "deletion", "corp_rule", "outbox"}  # they tell of the deletion itself
ANEW = {"customer_key"}  # made of the rest, by the rules of the day of restoring


@pytest.fixture
def actor(here: Flask, ali: Member) -> Member:
    return db.session.merge(ali)


@pytest.fixture
def huaxing(actor: Member) -> Customer:
    """A customer with one of everything."""
    customer = create_customer(
        {"name": "佛山市华星家具有限公司", "phones": ["13800138000"], "tags": ["老客户"]}, actor=actor
    )
    now = clock.now()
    contact = {"id": new_id(), "customer_id": customer.id, "name": "王经理", "created_at": now, "updated_at": now}
    db.session.add(Contact(**contact, version=1))
    log_follow_up(customer, {"text": "谈了价格", "next_at": now + timedelta(days=3)}, actor=actor)
    log_visit(customer, {"note": "看了样品", "no_fix_reason": "室内"}, actor=actor)
    create_task({"title": "送报价单", "customer": customer.id, "due_at": now + timedelta(days=2)}, actor=actor)
    create_customer({"name": "华星家具顺德分公司", "parent": customer.id}, actor=actor)
    db.session.commit()
    return customer


def everything() -> dict[str, list[Any]]:
    """Return all rows of the corp's tables, but for those that tell of a deletion."""
    found = {}
    for name, model in models().items():
        if name not in LEFT_BEHIND:
            columns = sorted(sa.inspect(model).local_table.columns, key=lambda one: one.name)
            columns = [one for one in columns if one.name != "id" or name not in ANEW]
            rows = db.session.execute(sa.select(*columns).where(columns[0].table.c.corp_id.is_not(None))).all()
            found[name] = sorted(map(repr, rows))
    return found


def test_a_customer_goes_with_everything_and_comes_back_as_it_was(actor: Member, huaxing: Customer) -> None:
    before = everything()
    customer_id = huaxing.id
    deletion = delete("customer", customer_id, actor=actor, reason="重复录入")
    db.session.commit()
    assert deletion.counts == {"contact": 1, "follow_up": 1, "visit": 1, "task": 2}
    for model in (FollowUp, Visit, Task, Reminder, Contact):
        assert db.session.scalar(sa.select(sa.func.count()).select_from(model)) == 0
    assert customer_with_phone("13800138000") is None
    with pytest.raises(NotFound):
        find_customer(customer_id, actor=actor)
    child = db.session.scalars(sa.select(Customer)).one()
    assert (child.name, child.parent_id) == ("华星家具顺德分公司", None)
    assert restore(find_deletion(customer_id, actor=actor), actor=actor) > 8
    db.session.commit()
    assert everything() == before
    assert find_customer(customer_id, actor=actor).phones == ["13800138000"]
    kinds = db.session.scalars(sa.select(Event.kind).where(Event.subject_id == customer_id)).all()
    assert {"customer.deleted", "customer.restored"} <= set(kinds)


def test_a_phone_that_somebody_took_meanwhile_is_said_and_left_out_on_demand(actor: Member, huaxing: Customer) -> None:
    customer_id = huaxing.id
    delete("customer", customer_id, actor=actor)
    create_customer({"name": "东莞宏远家私厂", "phones": ["13800138000"]}, actor=actor)
    db.session.commit()
    with pytest.raises(Conflicting, match="13800138000"):
        restore(find_deletion(customer_id, actor=actor), actor=actor)
    db.session.rollback()
    restore(find_deletion(customer_id, actor=actor), actor=actor, anyway=True)
    db.session.commit()
    assert find_customer(customer_id, actor=actor).phones == []
    taken = customer_with_phone("13800138000")
    assert taken is not None
    assert taken.name == "东莞宏远家私厂"


def test_dates_follow_from_what_is_left(actor: Member, huaxing: Customer) -> None:
    first_log = db.session.scalars(sa.select(FollowUp)).one()
    visit = db.session.scalars(sa.select(Visit)).one()
    visit_id, log_id = visit.id, first_log.id
    delete("visit", visit_id, actor=actor)
    db.session.commit()
    customer = find_customer(huaxing.id, actor=actor)
    assert customer.last_visited_at is None
    assert customer.last_followed_at == first_log.happened_at
    soonest, later = sorted(db.session.scalars(sa.select(Task)), key=lambda one: one.due_at)
    assert customer.next_follow_at == soonest.due_at
    due_later = later.due_at
    delete("task", soonest.id, actor=actor)
    delete("follow_up", log_id, actor=actor)
    db.session.commit()
    customer = find_customer(huaxing.id, actor=actor)
    assert (customer.last_followed_at, customer.next_follow_at) == (None, due_later)
    shown = db.session.scalars(sa.select(Event.kind).where(Event.customer_id == huaxing.id)).all()
    assert not {"visit.checked_in", "follow_up.logged"} & set(shown)
    restore(find_deletion(log_id, actor=actor), actor=actor)
    db.session.commit()
    shown = db.session.scalars(sa.select(Event.kind).where(Event.customer_id == huaxing.id)).all()
    assert "follow_up.logged" in shown
    assert find_customer(huaxing.id, actor=actor).last_followed_at is not None


def test_what_belongs_to_a_deleted_customer_waits_for_it(actor: Member, huaxing: Customer) -> None:
    log_id = db.session.scalars(sa.select(FollowUp.id)).one()
    delete("follow_up", log_id, actor=actor)
    delete("customer", huaxing.id, actor=actor)
    db.session.commit()
    with pytest.raises(Invalid, match="请先恢复客户"):
        restore(find_deletion(log_id, actor=actor), actor=actor)
    db.session.rollback()
    restore(find_deletion(huaxing.id, actor=actor), actor=actor)
    restore(find_deletion(log_id, actor=actor), actor=actor)
    db.session.commit()
    assert db.session.scalars(sa.select(FollowUp.id)).one() == log_id


def test_only_who_may_deletes_and_sees_the_bin(actor: Member, huaxing: Customer, cha: Member, bob: Member) -> None:
    stranger, boss = db.session.merge(cha), db.session.merge(bob)
    with pytest.raises(NotFound):
        delete("customer", huaxing.id, actor=stranger)
    log_follow_up(huaxing, {"text": "主管补充"}, actor=boss)
    theirs = db.session.scalars(sa.select(FollowUp.id).where(FollowUp.author_id == boss.id)).one()
    with pytest.raises(Forbidden):
        delete("follow_up", theirs, actor=actor)
    db.session.rollback()
    customer_id = huaxing.id
    delete("customer", customer_id, actor=db.session.merge(bob))
    db.session.commit()
    for who, sees in ((actor, True), (boss, True), (stranger, False)):
        found = db.session.scalars(sa.select(Deletion.id).where(visible_deletions(db.session.merge(who)))).all()
        assert (customer_id in found) is sees
    with pytest.raises(NotFound):
        find_deletion(customer_id, actor=db.session.merge(cha))


def test_what_was_kept_long_enough_is_gone_for_good(actor: Member, huaxing: Customer, guan: Member) -> None:
    log_id, customer_id = db.session.scalars(sa.select(FollowUp.id)).one(), huaxing.id
    delete("follow_up", log_id, actor=actor)
    delete("customer", customer_id, actor=actor)
    earlier = clock.now() - timedelta(days=29)
    db.session.execute(sa.update(Deletion).where(Deletion.id == log_id).values(deleted_at=earlier))
    assert purge_old() == 0
    set_rules({"bin.days": 28})
    assert purge_old() == 1
    with pytest.raises(Invalid):
        purge(find_deletion(customer_id, actor=actor), actor=db.session.merge(guan), reason=" ")
    purge(find_deletion(customer_id, actor=actor), actor=db.session.merge(guan), reason="客户要求删除")
    db.session.commit()
    assert db.session.scalars(sa.select(Deletion.id)).all() == []
    why = {one.subject_id: one.reason for one in db.session.scalars(sa.select(Event).where(Event.kind == "bin.purged"))}
    assert why == {log_id: "保留期已过", customer_id: "客户要求删除"}


def test_many_are_deleted_in_the_background_by_who_may(app: Flask, cast: Cast, bob: Member, actor: Member) -> None:
    ids = [create_customer({"name": f"批量客户{number:03}"}, actor=actor).id for number in range(45)]
    boss = db.session.merge(bob)
    theirs = create_customer({"name": "主管的客户"}, actor=boss).id
    db.session.commit()
    with pytest.raises(Invalid, match="46"):
        begin_run("customer", [*ids, theirs], typed="45", actor=actor)
    with pytest.raises(Invalid, match="500"):
        begin_run("customer", [new_id() for _ in range(501)], typed="501", actor=actor)
    run = begin_run("customer", [*ids, theirs], typed="46", actor=actor)
    db.session.commit()
    run_id = run.id
    while run_due(app, kinds=("bin.run",)):
        pass
    with app.app_context(), corp_scope(cast.corp_id):
        run = db.session.scalars(sa.select(DeletionRun).where(DeletionRun.id == run_id)).one()
        assert (run.state, run.done, run.total) == (DONE, 46, 46)
        assert [one for one, _why in run.errors] == [theirs]
        assert db.session.scalars(sa.select(Customer.id)).all() == [theirs]


def test_many_that_were_deleted_come_back_with_one_press(app: Flask, cast: Cast, actor: Member) -> None:
    """What was restored meanwhile stays; what somebody else has by now says why it does not come."""
    values = [{"name": f"批量客户{number:03}", "phones": [f"138{number:08}"]} for number in range(25)]
    ids = [create_customer(one, actor=actor).id for one in values]
    run = begin_run("customer", ids, typed="25", actor=actor)
    with pytest.raises(Conflict):
        undo_run(run)
    db.session.commit()
    run_id = run.id
    while run_due(app, kinds=("bin.run",)):
        pass
    with app.app_context(), corp_scope(cast.corp_id):
        mine = db.session.get_one(Member, (actor.corp_id, actor.id))
        assert db.session.scalars(sa.select(Customer.id)).all() == []
        restore(find_deletion(ids[0], actor=mine), actor=mine)
        taken = create_customer({"name": "后来的客户", "phones": values[1]["phones"]}, actor=mine).id
        undo_run(find_run(run_id, actor=mine))
        db.session.commit()
    while run_due(app, kinds=("bin.run",)):
        pass
    with app.app_context(), corp_scope(cast.corp_id):
        run = db.session.scalars(sa.select(DeletionRun).where(DeletionRun.id == run_id)).one()
        assert (run.state, run.done) == (UNDONE, 25)
        assert [one for one, _why in run.errors] == [ids[1]]
        assert set(db.session.scalars(sa.select(Customer.id))) == {*ids, taken} - {ids[1]}
        with pytest.raises(Conflict):
            undo_run(run)
