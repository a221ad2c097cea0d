"""One change to many chosen customers: within what the actor may do, in lots, and undone where nobody came between."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from wsapp import clock
from wsapp.crm.bulk import actions
from wsapp.crm.bulk.models import DONE, UNDONE, BulkRun
from wsapp.crm.customers.actions import change_customer, create_customer, give_owner
from wsapp.crm.customers.coworkers import add_coworker
from wsapp.crm.customers.models import Coworker, Customer
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.pools.queries import make_first_pool, pools_of
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.tasks.models import Task
from wsapp.db import corp_scope, db
from wsapp.outbox import Outbox
from wsapp.problems import Conflict, Invalid, NotFound


def finish(run: BulkRun) -> None:
    """Do all lots, as the worker would."""
    for _lot in range(20):
        if run.state in (DONE, UNDONE):
            return
        actions.go_on(run.id)
        db.session.commit()
    raise AssertionError("the run does not end")


def levels() -> dict[str, int]:
    """Return how many customers have each level."""
    return dict(db.session.execute(sa.select(Customer.level, sa.func.count()).group_by(Customer.level)).all())


def test_many_are_changed_in_lots_and_put_back(here: Flask, ali: Member, cha: Member) -> None:
    owner, stranger = db.session.merge(ali), db.session.merge(cha)
    made = [create_customer({"name": f"第{number:03d}家", "level": "C"}, actor=owner) for number in range(60)]
    hers = create_customer({"name": "小查的客户", "level": "C"}, actor=stranger)
    run = actions.begin_bulk([*(one.id for one in made), hers.id], "level", "A", actor=owner)
    db.session.commit()
    actions.go_on(run.id)
    db.session.commit()
    assert run.done == actions.LOT
    finish(run)
    assert levels() == {"A": 60, "C": 1}
    assert [one for one, _why in run.failed] == [hers.id]
    change_customer(made[0], {"level": "B"}, actor=owner)
    db.session.commit()
    actions.undo_bulk(run)
    db.session.commit()
    finish(run)
    assert levels() == {"B": 1, "C": 60}
    assert run.kept == 1
    with pytest.raises(Conflict):
        actions.undo_bulk(run)
    with pytest.raises(NotFound):
        actions.find_bulk(run.id, actor=stranger)


def test_a_new_owner_is_told_once_and_undo_gives_back(here: Flask, ali: Member, bob: Member) -> None:
    seller, boss = db.session.merge(ali), db.session.merge(bob)
    made = [create_customer({"name": f"第{number}家"}, actor=boss) for number in range(3)]
    run = actions.begin_bulk([one.id for one in made], "owner", seller.id, actor=boss)
    db.session.commit()
    finish(run)
    owners = sa.select(Customer.owner_id).distinct()
    assert list(db.session.scalars(owners)) == [seller.id]
    told = sa.select(sa.func.count()).select_from(Notification).where(Notification.subject_id == run.id)
    assert db.session.scalar(told) == 1
    actions.undo_bulk(run)
    db.session.commit()
    finish(run)
    assert list(db.session.scalars(owners)) == [boss.id]


def test_tags_and_stages_and_what_is_refused(here: Flask, ali: Member, cha: Member) -> None:
    owner, stranger = db.session.merge(ali), db.session.merge(cha)
    customer = create_customer({"name": "华星木业", "tags": ["展会"]}, actor=owner)
    for action, value in (("tag", "重点"), ("stage", "intent")):
        run = actions.begin_bulk([customer.id], action, value, actor=owner)
        db.session.commit()
        finish(run)
        assert run.failed == []
    assert (customer.tags, customer.stage) == (["展会", "重点"], "intent")
    for ids, action, value in (
        ([], "level", "A"),
        ([customer.id], "level", "Z"),
        ([customer.id], "stage", "nothing"),
        ([customer.id], "tag", ""),
        ([customer.id], "name", "x"),
        ([customer.id], "owner", stranger.id),
        (["x"] * 1 + [str(number) for number in range(actions.MOST)], "level", "A"),
    ):
        with pytest.raises(Invalid):
            actions.begin_bulk(ids, action, value, actor=owner)
    run = actions.begin_bulk([customer.id], "level", "A", actor=owner)
    finish(run)
    run.undo_until = clock.now() - timedelta(seconds=1)
    with pytest.raises(Conflict):
        actions.undo_bulk(run)


def test_the_pages_choose_begin_and_show_the_progress(
    app: Flask, ali: Member, see: Callable[..., str], post: Callable[..., Any]
) -> None:
    with app.app_context(), corp_scope(ali.corp_id):
        owner = db.session.merge(ali)
        ids = [create_customer({"name": f"第{number}家", "source": "展会"}, actor=owner).id for number in range(3)]
        db.session.commit()
    assert see(ali, "/h5/customers/choose?source=展会").count('name="ids"') == 3
    assert see(ali, "/h5/customers/choose?source=官网").count('name="ids"') == 0
    refused = post(ali, "/h5/customers/bulk", {"action": "level", "level": ""}, htmx=True)
    assert refused.status_code == 422
    begun = post(ali, "/h5/customers/bulk", {"action": "level", "level": "A", "ids": ids})
    assert begun.status_code == 303
    address = begun.headers["Location"]
    assert "0/3" in see(ali, address)
    with app.app_context(), corp_scope(ali.corp_id):
        work = db.session.scalars(sa.select(Outbox).where(Outbox.kind == "bulk")).one()
        actions.go_on(work.payload["run"])
        db.session.commit()
    assert "3/3" in see(ali, address)
    assert post(ali, f"{address}/undo", {}).status_code == 303


def test_deleting_many_asks_in_the_bin(
    app: Flask, ali: Member, see: Callable[..., str], post: Callable[..., Any]
) -> None:
    with app.app_context(), corp_scope(ali.corp_id):
        owner = db.session.merge(ali)
        ids = [create_customer({"name": f"第{number}家"}, actor=owner).id for number in range(2)]
        db.session.commit()
    asked = post(ali, "/h5/customers/bulk", {"action": "delete", "ids": ids})
    assert asked.status_code == 303
    page = see(ali, asked.headers["Location"])
    assert "删除 2 条" in page
    assert all(one in page for one in ids)
    assert post(ali, "/h5/customers/bulk", {"action": "delete"}, htmx=True).status_code == 422


def test_into_a_pool_and_back(here: Flask, ali: Member, bob: Member) -> None:
    owner = db.session.merge(ali)
    make_first_pool()
    pool = pools_of(owner)[0]
    ids = [create_customer({"name": f"第{number}家"}, actor=owner).id for number in range(3)]
    with pytest.raises(Invalid):
        actions.begin_bulk(ids, "pool", "nowhere", actor=owner)
    task = create_task({"title": "寄样品", "due_at": clock.now() + timedelta(days=2), "customer": ids[1]}, actor=owner)
    customer = db.session.scalars(sa.select(Customer).where(Customer.id == ids[1])).one()
    add_coworker(customer, db.session.merge(bob), may_edit=True, actor=owner)
    db.session.commit()
    run = actions.begin_bulk(ids, "pool", pool.id, actor=owner)
    db.session.commit()
    finish(run)
    whose = sa.select(Customer.owner_id, Customer.pool_id).distinct()
    assert db.session.execute(whose).all() == [(None, pool.id)]
    state, coworkers = sa.select(Task.state).where(Task.id == task.id), sa.select(Coworker.member_id, Coworker.may_edit)
    assert (db.session.scalar(state), db.session.execute(coworkers).all()) == ("cancelled", [])
    give_owner(db.session.scalars(sa.select(Customer).where(Customer.id == ids[0])).one(), db.session.merge(bob))
    db.session.commit()
    actions.undo_bulk(run)
    finish(run)
    assert (run.kept, set(db.session.execute(whose).all())) == (1, {(owner.id, None), (bob.id, None)})
    assert (db.session.scalar(state), db.session.execute(coworkers).all()) == ("open", [(bob.id, True)])
