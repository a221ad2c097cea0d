"""Many customers change hands: dealing, weights, load, territory, leavers, and taking it all back."""

from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.api.test_pools import crowd, put_into_pool
from tests.cast import Cast
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.coworkers import add_coworker
from wsapp.crm.customers.models import Coworker, Customer
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.actions import shut_out
from wsapp.crm.org.models import LEFT, Member
from wsapp.crm.pools.actions import claim_customer
from wsapp.crm.pools.belongings import MOST_HANDED, belongings_of
from wsapp.crm.pools.dealing import LOAD, TERRITORY, TURN, WEIGHT, deal
from wsapp.crm.pools.handovers import LOT, deal_out, go_on, hand_over, hand_over_list, undo
from wsapp.crm.pools.models import DONE, RUNNING, UNDONE, Handover, Ownership
from wsapp.crm.pools.queries import FIRST_POOL, make_first_pool, pool_for
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.tasks.models import Task
from wsapp.db import db
from wsapp.problems import Conflict, Forbidden, Invalid


def names(count: int, *, start: int = 0) -> list[str]:
    return [f"c{number:03d}" for number in range(start, start + count)]


def owners() -> dict[str, str | None]:
    db.session.expire_all()
    return {row.id: row.owner_id for row in db.session.execute(sa.select(Customer.id, Customer.owner_id))}


# --- dealing ------------------------------------------------------------------------------------------------------


def test_in_turn_goes_on_where_the_last_deal_stopped(here: Flask) -> None:
    takers = {"a": 1, "b": 1, "c": 1}
    first, credits = deal(names(4), takers, way=TURN)
    second, _credits = deal(names(5, start=4), takers, way=TURN, credits=credits)
    assert Counter(taker for _customer, taker in first + second) == {"a": 3, "b": 3, "c": 3}
    turns = [taker for _customer, taker in first + second]
    assert turns == turns[:3] * 3


def test_by_weight_everybody_gets_their_part(here: Flask) -> None:
    plan, _credits = deal(names(60), {"a": 3, "b": 2, "c": 1}, way=WEIGHT)
    assert Counter(taker for _customer, taker in plan) == {"a": 30, "b": 20, "c": 10}


def test_by_load_whoever_has_least_gets_most(here: Flask, ali: Member, bob: Member) -> None:
    for number in range(4):
        create_customer({"name": f"阿丽第{number}客户"}, actor=db.session.merge(ali))
    db.session.flush()
    plan, _credits = deal(names(6), {ali.id: 1, bob.id: 1}, way=LOAD)
    assert Counter(taker for _customer, taker in plan) == {bob.id: 5, ali.id: 1}


def test_by_territory_the_neighbours_get_it(here: Flask, ali: Member, bob: Member) -> None:
    create_customer({"name": "佛山一号", "city": "佛山市"}, actor=db.session.merge(ali))
    create_customer({"name": "中山一号", "city": "中山市"}, actor=db.session.merge(bob))
    db.session.flush()
    foshan, zhongshan = put_into_pool(2)
    db.session.execute(sa.update(Customer).where(Customer.id == foshan).values(city="佛山市"))
    db.session.execute(sa.update(Customer).where(Customer.id == zhongshan).values(city="中山市"))
    plan, _credits = deal([zhongshan, foshan], {ali.id: 1, bob.id: 1}, way=TERRITORY)
    assert plan == [[zhongshan, bob.id], [foshan, ali.id]]


# --- out of a pool ------------------------------------------------------------------------------------------------


@pytest.fixture
def boss(ali: Member, bob: Member, cha: Member, guan: Member, ivy: Member, here: Flask) -> Member:
    make_first_pool()
    db.session.commit()
    return db.session.get_one(Member, (guan.corp_id, guan.id))


def run_all(row: Handover) -> None:
    """Do one lot after the other, each in its own transaction."""
    for _round in range(20):
        if row.state not in (RUNNING, "undoing"):
            return
        go_on(row.id)
        db.session.commit()
        db.session.refresh(row)
    raise AssertionError("it never ends")


def test_a_pool_is_dealt_out_and_taken_back(here: Flask, boss: Member, ali: Member, bob: Member, cha: Member) -> None:
    customers = put_into_pool(LOT + 20)
    db.session.commit()
    pool = pool_for(FIRST_POOL, actor=boss)
    row = deal_out(pool, {ali.id: 1, bob.id: 1}, way=TURN, count=500, actor=boss)
    db.session.commit()
    go_on(row.id)
    db.session.commit()
    assert (row.state, row.done, row.total) == (RUNNING, LOT, LOT + 20)
    waiting = sorted(set(customers) - {one for one, owner in owners().items() if owner})
    claim_customer(waiting[0], actor=db.session.merge(cha))  # somebody is quicker than the last lot
    db.session.commit()
    run_all(row)
    found = Counter(owners().values())
    assert found[cha.id] == 1
    assert found[ali.id] + found[bob.id] == LOT + 19
    assert abs(found[ali.id] - found[bob.id]) <= 2
    told = {one.recipient_id for one in db.session.scalars(sa.select(Notification))}
    assert told == {ali.id, bob.id}
    undo(row, actor=boss)
    db.session.commit()
    run_all(row)
    assert (row.state, Counter(owners().values())) == (UNDONE, {None: LOT + 19, cha.id: 1})
    assert set(db.session.scalars(sa.select(Customer.pool_id).where(Customer.owner_id.is_(None)))) == {FIRST_POOL}
    with pytest.raises(Conflict):
        undo(row, actor=boss)


def test_a_week_later_nothing_is_taken_back(here: Flask, boss: Member, ali: Member) -> None:
    put_into_pool(1)
    row = deal_out(pool_for(FIRST_POOL, actor=boss), {ali.id: 1}, way=TURN, count=1, actor=boss)
    run_all(row)
    row.undo_until = clock.now() - timedelta(seconds=1)
    with pytest.raises(Conflict):
        undo(row, actor=boss)


def test_who_does_not_manage_the_pool_deals_nothing(here: Flask, boss: Member, ali: Member, ivy: Member) -> None:
    put_into_pool(1)
    seller = db.session.merge(ali)
    with pytest.raises(Forbidden):
        deal_out(pool_for(FIRST_POOL, actor=seller), {ali.id: 1}, way=TURN, count=1, actor=seller)
    for takers, way, count in (({}, TURN, 1), ({ivy.id: 1}, TURN, 1), ({ali.id: 0}, WEIGHT, 1), ({ali.id: 1}, "x", 1)):
        with pytest.raises(Invalid):
            deal_out(pool_for(FIRST_POOL, actor=boss), takers, way=way, count=count, actor=boss)
    with pytest.raises(Invalid):
        deal_out(pool_for(FIRST_POOL, actor=boss), {ali.id: 1}, way=TURN, count=501, actor=boss)


# --- leavers ------------------------------------------------------------------------------------------------------


def test_what_a_leaver_had_goes_to_others_and_comes_back(
    app: Flask, cast: Cast, here: Flask, boss: Member, ali: Member, bob: Member
) -> None:
    db.session.rollback()
    crowd(app, cast, 1)
    taker = db.session.scalars(sa.select(Member).where(Member.userid == "s0")).one()
    leaver = db.session.merge(ali)
    kept = [create_customer({"name": f"阿丽第{number}客户"}, actor=leaver).id for number in range(3)]
    due = clock.now() + timedelta(days=2)
    about = create_task({"title": "寄样品", "due_at": due, "customer": kept[0]}, actor=leaver).id
    other = create_task({"title": "写周报", "due_at": due}, actor=leaver).id
    shut_out(leaver, LEFT)
    db.session.commit()
    leader = db.session.merge(bob)
    row = hand_over(leaver, {taker.id: 1}, way=LOAD, actor=leader)
    db.session.commit()
    run_all(row)
    assert (row.state, set(owners().values())) == (DONE, {taker.id})

    def assignees() -> dict[str, str]:
        db.session.expire_all()
        return {row.id: row.assignee_id for row in db.session.execute(sa.select(Task.id, Task.assignee_id))}

    assert assignees() == {about: taker.id, other: bob.id}
    ended = db.session.scalars(sa.select(Ownership.owner_id).where(Ownership.until.is_not(None))).all()
    assert set(ended) == {ali.id}
    undo(row, actor=leader)
    db.session.commit()
    run_all(row)
    assert set(owners().values()) == {ali.id}
    assert assignees() == {about: ali.id, other: ali.id}


def test_a_leaders_reach_ends_at_their_department(here: Flask, boss: Member, bob: Member, cha: Member) -> None:
    leader, stranger = db.session.merge(bob), db.session.merge(cha)
    with pytest.raises(Forbidden):
        hand_over(stranger, {leader.id: 1}, way=LOAD, actor=leader)


def test_a_list_is_handed_over_with_tasks_and_readers_and_comes_back(
    here: Flask, boss: Member, ali: Member, bob: Member, cha: Member
) -> None:
    seller, other, leader = db.session.merge(ali), db.session.merge(cha), db.session.merge(bob)
    mine = [create_customer({"name": f"阿丽第{number}客户"}, actor=seller) for number in range(2)]
    beyond = create_customer({"name": "小查的客户"}, actor=other)
    due = clock.now() + timedelta(days=2)
    task = create_task({"title": "寄样品", "due_at": due, "customer": mine[0].id}, actor=seller)
    add_coworker(mine[1], other, may_edit=True, actor=seller)
    db.session.commit()
    ids = [one.id for one in (*mine, beyond)]
    with pytest.raises(Invalid):
        hand_over_list([*ids, *names(MOST_HANDED)], {bob.id: 1}, way=LOAD, actor=leader)
    with pytest.raises(Invalid):
        hand_over_list([beyond.id], {bob.id: 1}, way=LOAD, actor=leader)
    assert belongings_of(ids, actor=leader).tasks == 1
    row = hand_over_list(ids, {bob.id: 1}, way=LOAD, actor=leader, stays=True)
    run_all(row)
    assert owners() == {mine[0].id: bob.id, mine[1].id: bob.id, beyond.id: cha.id}

    def readers() -> set[tuple[str, str, bool]]:
        columns = (Coworker.customer_id, Coworker.member_id, Coworker.may_edit)
        return {tuple(one) for one in db.session.execute(sa.select(*columns))}

    assert readers() == {(one.id, ali.id, False) for one in mine} | {(mine[1].id, cha.id, True)}
    assert db.session.scalar(sa.select(Task.assignee_id).where(Task.id == task.id)) == bob.id
    undo(row, actor=leader)
    run_all(row)
    assert owners() == {mine[0].id: ali.id, mine[1].id: ali.id, beyond.id: cha.id}
    assert readers() == {(mine[1].id, cha.id, True)}
    assert db.session.scalar(sa.select(Task.assignee_id).where(Task.id == task.id)) == ali.id


def test_tasks_stay_where_they_are_if_one_wishes(here: Flask, boss: Member, ali: Member, bob: Member) -> None:
    seller = db.session.merge(ali)
    one = create_customer({"name": "阿丽第一客户"}, actor=seller)
    create_task({"title": "寄样品", "due_at": clock.now() + timedelta(days=2), "customer": one.id}, actor=seller)
    row = hand_over(seller, {bob.id: 1}, way=LOAD, actor=db.session.merge(bob), with_tasks=False)
    run_all(row)
    assert owners() == {one.id: bob.id}
    assert db.session.scalars(sa.select(Task.assignee_id)).all() == [ali.id]
