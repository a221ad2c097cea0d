"""Recycling: warned in time and once, moved exactly when due, told together; extensions and locks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.coworkers import add_coworker
from wsapp.crm.customers.models import Coworker, Customer
from wsapp.crm.events.models import Event
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.org.role_actions import name_deputy
from wsapp.crm.org.rules import set_rules
from wsapp.crm.pools import recycling
from wsapp.crm.pools.actions import release_customer
from wsapp.crm.pools.answers import decide, press
from wsapp.crm.pools.clocks import Clock, clock_of_customer, today
from wsapp.crm.pools.extensions import ask_for_extension, lock_customer
from wsapp.crm.pools.models import GRANTED, REFUSED, Ownership, RecycleRun
from wsapp.crm.pools.queries import FIRST_POOL, make_first_pool
from wsapp.crm.pools.recycling import Fate, begin_run, fate_of, go_on
from wsapp.crm.pools.releases import release_or_ask
from wsapp.crm.pools.requests import find_request
from wsapp.crm.pools.settings import change_pool, make_pool
from wsapp.crm.pools.terms import Terms
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.tasks.models import CANCELLED, Task
from wsapp.db import db, rows
from wsapp.problems import Conflict, Forbidden, Invalid, NotFound


def own(member: Member) -> Member:
    return db.session.merge(member)


def customer(owner: Member, name: str = "佛山市华星家具有限公司", *, days: int) -> Customer:
    """Make a customer that was touched so many days ago."""
    made = create_customer({"name": name}, actor=own(owner))
    made.created_at = clock.now() - timedelta(days=days)
    db.session.commit()
    return made


def run() -> RecycleRun | None:
    """Do today's recycling as the worker does it."""
    found = begin_run()
    if found is None:
        return None
    run_id = found.id
    db.session.commit()
    while go_on(run_id):
        db.session.commit()
    db.session.commit()
    return db.session.get(RecycleRun, (found.corp_id, run_id))


@contextmanager
def nights(start: int, count: int) -> Iterator[None]:
    """Run so many nights, the first of them `start` days from now; inside, it is the last one's day."""
    for number in range(count):
        with time_machine.travel(clock.now() + timedelta(days=start + number), tick=True):
            run()
            if number == count - 1:
                yield


def told(member: Member, kind: str = "") -> Sequence[Notification]:
    wanted = sa.select(Notification).where(Notification.recipient_id == member.id)
    if kind:
        wanted = wanted.where(Notification.kind == kind)
    return rows(wanted.order_by(Notification.created_at, Notification.id))


def owner_of(one: Customer) -> str | None:
    return db.session.scalar(sa.select(Customer.owner_id).where(Customer.id == one.id))


# --- the nights ---------------------------------------------------------------------------------------------------


def test_the_owner_is_warned_three_days_and_one_day_before_and_then_it_goes(here: Flask, ali: Member) -> None:
    one = customer(ali, days=12)
    counts = []
    for night in range(6):
        with time_machine.travel(clock.now() + timedelta(days=night), tick=True):
            run()
            counts.append((len(told(ali, "pool.warning")), owner_of(one) is None))
    # touched 12 days ago, 15 allowed: it leaves in the night that begins the 16th day after
    assert counts == [(0, False), (1, False), (1, False), (2, False), (2, True), (2, True)]
    first, second = told(ali, "pool.warning")
    assert first.message["title"] == "佛山市华星家具有限公司 将在 3 天后回收到公海"
    assert second.message["title"] == "佛山市华星家具有限公司 将在 1 天后回收到公海"
    (lost,) = told(ali, "customer.lost")
    assert ["原因", "15 天未跟进"] in lost.message["lines"]
    gone = db.session.get_one(Customer, (one.corp_id, one.id), populate_existing=True)
    assert (gone.pool_id, gone.owned_since, gone.next_follow_at) == (FIRST_POOL, None, None)


def test_what_is_long_overdue_is_warned_first(here: Flask, ali: Member) -> None:
    one = customer(ali, days=90)
    run()
    assert owner_of(one) == ali.id
    (warning,) = told(ali, "pool.warning")
    assert "3 天后" in warning.message["title"]
    run()  # the same night once more: nothing is said twice
    assert len(told(ali, "pool.warning")) == 1
    with nights(1, 2):
        assert (len(told(ali, "pool.warning")), owner_of(one)) == (2, ali.id)
    with nights(3, 1):
        assert owner_of(one) is None


def test_a_late_warning_moves_the_day(here: Flask, ali: Member) -> None:
    one = customer(ali, days=90)
    run()
    with nights(5, 1):  # the product was down for the night of the second warning
        assert (len(told(ali, "pool.warning")), owner_of(one)) == (2, ali.id)
    with nights(6, 1):
        assert owner_of(one) is None
    two = customer(ali, "江门红木博览城", days=90)
    run_again()
    with nights(9, 1):  # down for so long that the warning is forgotten: it is said again
        assert owner_of(two) == ali.id
        assert "3 天后" in told(ali, "pool.warning")[-1].message["title"]


def run_again() -> None:
    found = begin_run(again=True)
    assert found is not None
    run_id = found.id
    while go_on(run_id):
        db.session.commit()
    db.session.commit()


def test_one_message_for_several_and_one_card_for_managers(here: Flask, ali: Member, bob: Member, guan: Member) -> None:
    made = [customer(ali, f"顺德第{number:02d}家具有限公司", days=90) for number in range(8)]
    customer(bob, "中山红木家具厂", days=90)
    create_task({"title": "寄样品", "customer": made[0].id, "due_at": clock.now()}, actor=own(ali))
    add_coworker(made[1], own(bob), may_edit=True, actor=own(ali))
    db.session.commit()
    run()
    (warning,) = told(ali, "pool.warning")
    assert warning.message["title"] == "8 个客户即将回收到公海"
    assert warning.message["url"].startswith("http://127.0.0.1:8000/h5/customers/leaving")
    assert len(warning.message["lines"]) == 6
    assert len(told(bob, "pool.warning")) == 1
    with nights(2, 2):
        assert [one.message["title"] for one in told(ali, "customer.lost")] == ["8 个客户已回收到公海"]
        (result,) = told(guan, "pool.recycled")
        assert result.message["lines"] == [["公司公海", "9 个客户，来自 2 人"]]
        found = db.session.get_one(RecycleRun, (made[0].corp_id, str(today())))
        assert (found.state, found.moved, found.warned) == ("done", 9, 0)
    task = rows(sa.select(Task))[0]
    assert task.state == CANCELLED
    assert rows(sa.select(Coworker)) == []
    assert [one.ending for one in rows(sa.select(Ownership))] == ["recycled"] * 9
    events = rows(sa.select(Event).where(Event.kind == "customer.recycled"))
    assert {one.subject_id for one in events} >= {one.id for one in made}
    assert all(one.actor_id is None and one.changes["pool"] == [None, FIRST_POOL] for one in events)


def test_who_follows_up_keeps_it(here: Flask, ali: Member) -> None:
    one = customer(ali, days=90)
    with nights(0, 3):
        log_follow_up(
            db.session.get_one(Customer, (one.corp_id, one.id)), {"text": "约好下周去看样板间"}, actor=own(ali)
        )
        db.session.commit()
    with nights(3, 1):
        assert owner_of(one) == ali.id
    with nights(4, 10):
        assert len(told(ali, "pool.warning")) == 2  # of the first time
    with nights(14, 2):
        assert len(told(ali, "pool.warning")) == 3


def test_modes_pauses_and_locks(here: Flask, ali: Member, bob: Member) -> None:
    locked, away = customer(ali, days=90), customer(bob, "中山红木家具厂", days=90)
    lock_customer(locked.id, locked=True, actor=own(ali))
    name_deputy(own(bob), own(ali), starts_at=None, ends_at=clock.now() + timedelta(days=3), actor=own(bob))
    db.session.commit()
    with nights(0, 4):
        assert not told(ali, "pool.warning")
        assert not told(bob, "pool.warning")
        lock_customer(locked.id, locked=False, actor=own(ali))
        set_rules({"recycle.mode": "warn"})
        db.session.commit()
    with nights(4, 8):
        assert (len(told(ali, "pool.warning")), len(told(bob, "pool.warning"))) == (2, 2)
        assert (owner_of(locked), owner_of(away)) == (ali.id, bob.id)
        set_rules({"recycle.mode": "off"})
        db.session.commit()
        assert begin_run() is None


def test_locks_have_a_limit_and_are_the_owners(here: Flask, ali: Member, cha: Member) -> None:
    set_rules({"pool.locked": 1})
    one, two = customer(ali, days=2), customer(ali, "中山红木家具厂", days=2)
    lock_customer(one.id, locked=True, actor=own(ali))
    with pytest.raises(Invalid):
        lock_customer(two.id, locked=True, actor=own(ali))
    with pytest.raises(NotFound):
        lock_customer(one.id, locked=True, actor=own(cha))
    lock_customer(one.id, locked=False, actor=own(ali))
    lock_customer(two.id, locked=True, actor=own(ali))


def test_without_warnings_a_changed_rule_takes_nothing_for_two_days(here: Flask, ali: Member) -> None:
    one = customer(ali, days=90)
    set_rules({"recycle.warn": []})
    db.session.commit()
    with nights(0, 3):
        assert owner_of(one) == ali.id
    with nights(3, 1):
        assert owner_of(one) is None
    assert not told(ali, "pool.warning")


SLOW = {"name": "财务公海", "departments": ["3"], "is_default": True, "enabled": True, "recycle.no_follow": "40"}


def test_a_pool_has_rules_of_its_own_for_what_falls_into_it(
    here: Flask, ali: Member, cha: Member, guan: Member
) -> None:
    make_first_pool()
    pool = make_pool(SLOW, actor=own(guan))
    quick, slow = customer(ali, days=38), customer(cha, "中山红木家具厂", days=38)
    run()
    assert [len(told(one, "pool.warning")) for one in (ali, cha)] == [1, 1]
    assert told(cha, "pool.warning")[0].message["title"] == "中山红木家具厂 将在 3 天后回收到公海"
    log_follow_up(slow, {"text": "下周一上门量尺寸"}, actor=own(cha))
    db.session.commit()
    with nights(1, 3):
        assert (owner_of(quick), owner_of(slow)) == (None, cha.id)
        _row, one = clock_of_customer(slow.id)
        assert one is not None
        assert (one.days, (one.leaves_on - today()).days) == (40, 38)
        change_pool(pool, {**SLOW, "recycle.no_follow": "0", "recycle.no_deal": "0"}, actor=own(guan))
        assert clock_of_customer(slow.id)[1] is None  # by no condition
        change_pool(pool, {**SLOW, "recycle.no_follow": ""}, actor=own(guan))
        assert clock_of_customer(slow.id)[1].days == 15  # type: ignore[union-attr]


def test_without_warnings_a_pools_changed_rules_take_nothing_for_two_days(
    here: Flask, cha: Member, guan: Member
) -> None:
    make_first_pool()
    one = customer(cha, days=90)
    set_rules({"recycle.warn": []})
    pool = make_pool({**SLOW, "recycle.no_follow": "100"}, actor=own(guan))
    db.session.commit()
    with nights(0, 5):
        change_pool(pool, SLOW, actor=own(guan))
        db.session.commit()
    with nights(5, 2):
        assert owner_of(one) == cha.id
    with nights(7, 1):
        assert owner_of(one) is None


@pytest.mark.parametrize(
    ("left", "warned_days", "warned_for", "expected"),
    [
        (4, None, None, None),
        (3, None, None, Fate(date(2026, 11, 25), 3)),
        (-20, None, None, Fate(date(2026, 11, 25), 3)),
        (2, 3, 2, None),
        (1, 3, 1, Fate(date(2026, 11, 23), 1)),
        (0, 3, 0, Fate(date(2026, 11, 23), 1)),
        (0, 1, 0, Fate(date(2026, 11, 22), None)),
        (1, 1, 1, None),
        (9, 1, 1, None),  # it was followed up since
        (-4, 1, -4, Fate(date(2026, 11, 25), 3)),
    ],
)
def test_the_fate_of_one(left: int, warned_days: int | None, warned_for: int | None, expected: Fate | None) -> None:
    from types import SimpleNamespace

    day = date(2026, 11, 22)
    rules = Terms("on", "or", {"": 15}, 0, 0, 0, 0, (3, 1))
    warned = None if warned_for is None else day + timedelta(days=warned_for)
    row: Any = SimpleNamespace(warned_for=warned, warned_days=warned_days, told=warned is not None)
    one = Clock(day + timedelta(days=left), "no_follow", 15, day, 0, "")
    assert fate_of(row, one, rules, day) == expected


# --- stopped and gone on ------------------------------------------------------------------------------------------


def test_a_run_that_was_stopped_goes_on(here: Flask, ali: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recycling, "LOT", 3)
    made = [customer(ali, f"顺德第{number:02d}家具有限公司", days=90) for number in range(7)]
    with nights(0, 3):
        pass
    with time_machine.travel(clock.now() + timedelta(days=3), tick=True):
        found = begin_run()
        assert found is not None
        run_id = found.id
        go_on(run_id)
        db.session.commit()
        go_on(run_id)
        db.session.rollback()  # killed in the middle of the second lot
        assert sum(owner_of(one) is None for one in made) == 3
        run()
        assert [owner_of(one) for one in made] == [None] * 7
        assert len(rows(sa.select(Event).where(Event.kind == "customer.recycled"))) == 7
        assert len(told(ali, "customer.lost")) == 1
        assert begin_run() is None  # done for today


# --- extensions ---------------------------------------------------------------------------------------------------


@pytest.fixture
def warned(here: Flask, ali: Member) -> Customer:
    one = customer(ali, days=90)
    run()
    return one


def leaves_in(one: Customer) -> int:
    _row, found = clock_of_customer(one.id)
    assert found is not None
    return (found.leaves_on - today()).days


def test_the_manager_grants_an_extension_on_the_card(warned: Customer, ali: Member, bob: Member, cha: Member) -> None:
    (warning,) = told(ali, "pool.warning")
    assert not press(warning.card, "bob", "clock_extend", fold=True).counted  # type: ignore[union-attr]
    assert press(warning.card, "ali", "clock_extend", fold=True).counted  # type: ignore[union-attr]
    db.session.commit()
    assert warning.shown == "已申请延期，等待主管答复"
    assert not press(warning.card, "ali", "clock_extend", fold=True).counted  # type: ignore[union-attr]
    with pytest.raises(Conflict):
        ask_for_extension(warned.id, actor=own(ali))
    (asked,) = told(bob, "extension.asked")
    assert asked.message["title"] == "阿丽 申请延期保留客户"
    assert ["回收原因", "15 天未跟进"] in asked.message["lines"]
    assert [one["key"] for one in asked.message["buttons"]] == ["clock_grant", "clock_refuse"]
    with nights(2, 1):  # while it waits nothing more is said
        assert len(told(ali, "pool.warning")) == 1
    assert not press(asked.card, "ali", "clock_grant", fold=True).counted  # type: ignore[union-attr]
    assert press(asked.card, "bob", "clock_grant", fold=True).counted  # type: ignore[union-attr]
    db.session.commit()
    assert not press(asked.card, "bob", "clock_refuse", fold=True).counted  # type: ignore[union-attr]
    assert asked.shown.startswith("已同意延期 · 老鲍")
    (answered,) = told(ali, "extension.answered")
    assert answered.message["title"].startswith("延期已同意，保留到")
    assert leaves_in(warned) == 10
    with nights(7, 1):
        assert len(told(ali, "pool.warning")) == 2  # warned anew of the new day
    request = find_request(asked.subject_id or "", actor=own(ali))
    assert request.state == GRANTED
    with pytest.raises(NotFound):
        find_request(request.id, actor=own(cha))


def test_a_refusal_leaves_the_day(warned: Customer, ali: Member, bob: Member) -> None:
    request = ask_for_extension(warned.id, actor=own(ali))
    assert not decide(request, "clock_grant", actor=own(ali))
    assert decide(request, "clock_refuse", actor=own(bob))
    db.session.commit()
    assert (request.state, leaves_in(warned)) == (REFUSED, 3)
    assert told(ali, "extension.answered")[0].message["title"].startswith("延期未获同意")


def test_extensions_are_limited_until_it_is_followed_up(warned: Customer, ali: Member, bob: Member) -> None:
    with pytest.raises(Forbidden):
        ask_for_extension(warned.id, actor=own(bob))
    for later in (0, 5):
        with time_machine.travel(clock.now() + timedelta(days=later), tick=True):
            assert decide(ask_for_extension(warned.id, actor=own(ali)), "clock_grant", actor=own(bob))
            db.session.commit()
    assert leaves_in(warned) == 17
    with pytest.raises(Invalid, match="近期不会被回收"):
        ask_for_extension(warned.id, actor=own(ali))
    with time_machine.travel(clock.now() + timedelta(days=12), tick=True), pytest.raises(Invalid, match="已延期 2 次"):
        ask_for_extension(warned.id, actor=own(ali))


def test_what_nobody_answers_lapses(warned: Customer, ali: Member) -> None:
    first = ask_for_extension(warned.id, actor=own(ali))
    db.session.commit()
    with time_machine.travel(clock.now() + timedelta(hours=73), tick=True):
        second = ask_for_extension(warned.id, actor=own(ali))
        db.session.refresh(first)
        assert (first.state, second.state) == ("over", "open")


# --- giving back, where the manager is asked ----------------------------------------------------------------------


def test_a_release_waits_for_the_managers_word(here: Flask, ali: Member, bob: Member, guan: Member) -> None:
    set_rules({"pool.release_approval": True})
    one = customer(ali, days=2)
    with pytest.raises(Invalid):
        release_or_ask(one, actor=own(ali), reason="")
    with pytest.raises(Conflict, match="须主管同意"):  # as a bulk action would
        release_customer(one, actor=own(ali), reason="busy")
    request = release_or_ask(one, actor=own(ali), reason="no_need")
    assert request is not None
    db.session.commit()
    assert owner_of(one) == ali.id
    with pytest.raises(Conflict, match="已经申请过"):
        release_or_ask(one, actor=own(ali), reason="busy")
    (asked,) = told(bob, "release.asked")
    assert asked.message["title"] == "阿丽 申请退回客户"
    assert asked.message["lines"][1:] == [["原因", "没有需求"], ["退回到", "公司公海"]]
    assert not press(asked.card, "ali", "clock_grant", fold=True).counted  # type: ignore[union-attr]
    assert press(asked.card, "bob", "clock_grant", fold=True).counted  # type: ignore[union-attr]
    db.session.commit()
    assert asked.shown.startswith("已同意退回 · 老鲍")
    assert owner_of(one) is None
    ended = db.session.execute(sa.select(Ownership.ending, Ownership.reason)).one()
    assert tuple(ended) == ("released", "没有需求")
    (answered,) = told(ali, "release.answered")
    assert answered.message["title"] == "退回已同意，客户已进入公海"


def test_a_refused_release_changes_nothing_and_leaders_need_no_word(
    here: Flask, ali: Member, bob: Member, guan: Member
) -> None:
    set_rules({"pool.release_approval": True})
    one, two = customer(ali, days=2), customer(ali, "中山红木家具厂", days=2)
    request = release_or_ask(one, actor=own(ali), reason="no_need")
    assert request is not None
    assert decide(request, "clock_refuse", actor=own(bob))
    assert owner_of(one) == ali.id
    assert told(ali, "release.answered")[0].message["title"] == "退回未获同意，客户仍由您负责"
    again = release_or_ask(one, actor=own(ali), reason="busy")
    assert again is not None
    assert release_or_ask(one, actor=own(bob), reason="busy") is None
    assert release_or_ask(two, actor=own(guan), reason="busy") is None
    db.session.commit()
    assert (owner_of(one), owner_of(two)) == (None, None)
    assert decide(again, "clock_grant", actor=own(bob))  # too late: there is nothing left to decide
    assert again.state == "over"
