"""Customers whom nobody follows up: told of once a silence, together, on working days; and those who watch."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from wsapp.crm.customers.actions import change_customer, create_customer
from wsapp.crm.customers.merge import merge_customers
from wsapp.crm.customers.models import Customer
from wsapp.crm.events.models import Event
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.recipients import on_event
from wsapp.crm.org.models import Member
from wsapp.crm.org.role_actions import name_deputy
from wsapp.crm.org.rules import set_rules
from wsapp.crm.pools.recycling import begin_run, go_on
from wsapp.crm.pools.silence import tell_of_silence
from wsapp.crm.tasks.actions import complete_task, create_task
from wsapp.crm.watches.actions import unwatch, watch
from wsapp.crm.watches.models import Watch
from wsapp.crm.watches.queries import watched_by
from wsapp.db import db

SHANGHAI = ZoneInfo("Asia/Shanghai")
BEGIN = date(2026, 3, 2)  # a Monday; no holidays for five weeks
DAY = timedelta(days=1)


def at(day: date, clock_time: time = time(8, 40)) -> datetime:
    return datetime.combine(day, clock_time, SHANGHAI)


@pytest.fixture
def traveller() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(at(BEGIN), tick=False) as found:
        yield found


def told(kind: str = "customer.silent") -> list[Notification]:
    found = sa.select(Notification).where(Notification.kind == kind).order_by(Notification.due_at, Notification.id)
    return list(db.session.scalars(found))


def live(traveller: time_machine.Traveller, days: int, **happens: Any) -> list[date]:
    """Let the round come every morning of so many days; returns on which days somebody was told."""
    for offset in range(days):
        day = BEGIN + offset * DAY
        traveller.move_to(at(day))
        assert tell_of_silence(day) == ""
        assert tell_of_silence(day) == ""
        if f"on_{offset}" in happens:
            traveller.move_to(at(day, time(15)))
            happens[f"on_{offset}"]()
    return [one.due_at.astimezone(SHANGHAI).date() for one in told()]


def customers(actor: Member, **levels: str) -> dict[str, Customer]:
    return {name: create_customer({"name": name, "level": level}, actor=actor) for name, level in levels.items()}


def test_each_level_has_its_own_days_and_free_days_are_waited_out(
    here: Flask, ali: Member, traveller: time_machine.Traveller
) -> None:
    me = db.session.merge(ali)
    customers(me, 华星五金="A", 恒昌木业="A", 大成家具="B", 永泰建材="C")
    found = live(traveller, 33)
    # 7 days on are the 9th, 15 the 17th, 30 the 1st of April
    assert found == [date(2026, 3, 9), date(2026, 3, 17), date(2026, 4, 1)]
    first = told()[0].message
    assert first["title"] == "2 个客户长期未跟进"
    assert sorted(first["lines"]) == [["7 天未跟进", "华星五金"], ["7 天未跟进", "恒昌木业"]]
    assert told()[1].message["title"] == "大成家具 已 15 天未跟进"


def test_a_new_silence_is_told_of_again_and_a_weekend_waits_for_monday(
    here: Flask, ali: Member, traveller: time_machine.Traveller
) -> None:
    me = db.session.merge(ali)
    huaxing = customers(me, 华星五金="A")["华星五金"]

    def log() -> None:
        log_follow_up(huaxing, {"text": "电话沟通，下月再看"}, actor=me)

    # Told on the 9th; followed up on Saturday the 14th: seven days on are a Saturday, and Monday is the 23rd.
    assert live(traveller, 28, on_12=log) == [date(2026, 3, 9), date(2026, 3, 23)]


def test_leave_stops_the_clock(
    here: Flask, ali: Member, bob: Member, guan: Member, traveller: time_machine.Traveller
) -> None:
    me = db.session.merge(ali)
    customers(me, 华星五金="A")
    spell = {"starts_at": at(date(2026, 3, 5), time()), "ends_at": at(date(2026, 3, 10), time())}
    name_deputy(me, db.session.merge(bob), **spell, actor=db.session.merge(guan))
    assert live(traveller, 20) == [date(2026, 3, 16)]  # five days later is a Saturday


def test_leave_that_begins_on_the_morrow_puts_nothing_off(
    here: Flask, ali: Member, bob: Member, guan: Member, traveller: time_machine.Traveller
) -> None:
    me = db.session.merge(ali)
    customers(me, 华星五金="A")
    spell = {"starts_at": at(date(2026, 3, 10), time()), "ends_at": at(date(2026, 3, 20), time())}
    name_deputy(me, db.session.merge(bob), **spell, actor=db.session.merge(guan))
    assert live(traveller, 20) == [date(2026, 3, 9)]


def test_a_warning_of_the_pool_on_the_same_day_is_the_one_message(
    here: Flask, ali: Member, traveller: time_machine.Traveller
) -> None:
    """B: silent after 15 days, on the 17th; recycled in the night to the 18th, and warned of it one day before."""
    me = db.session.merge(ali)
    customers(me, 大成家具="B")

    for offset in range(18):
        day = BEGIN + offset * DAY
        traveller.move_to(at(day, time(2)))
        run = begin_run()
        while run is not None and go_on(run.id):
            pass
        traveller.move_to(at(day))
        tell_of_silence(day)
    warned = [one.due_at.astimezone(SHANGHAI).date() for one in told("pool.warning")]
    assert (warned, told()) == ([date(2026, 3, 15), date(2026, 3, 17)], [])


def test_no_rule_no_message(here: Flask, ali: Member, traveller: time_machine.Traveller) -> None:
    set_rules({f"silence.{level}": 0 for level in ("A", "B", "C", "D", "other")})
    customers(db.session.merge(ali), 华星五金="A")
    assert live(traveller, 10) == []


# --- watching -----------------------------------------------------------------------------------------------------


def happen() -> None:
    """Have everything that was recorded told to whom it concerns."""
    for event in db.session.scalars(sa.select(Event).order_by(Event.id)):
        on_event(event)


def watched() -> set[tuple[str, str]]:
    return {(one.recipient_id, one.message["title"]) for one in told("watched.changed")}


def test_watchers_hear_what_others_do_once_and_as_far_as_they_see_it(
    here: Flask, ali: Member, bob: Member, cha: Member
) -> None:
    me, boss, stranger = (db.session.merge(one) for one in (ali, bob, cha))
    huaxing = create_customer({"name": "华星五金"}, actor=me)
    task = create_task({"title": "送样品", "customer": huaxing.id, "due_at": at(BEGIN)}, actor=me)
    for one in (me, boss, stranger):
        assert watch(huaxing, actor=one)
        assert not watch(huaxing, actor=one)
    watch(task, actor=boss)
    change_customer(huaxing, {"source": "展会"}, actor=me)
    complete_task(task, actor=me)
    happen()
    happen()
    assert watched() == {(boss.id, "修改客户：华星五金"), (boss.id, "完成待办：送样品")}
    customers_of_boss, tasks_of_boss = watched_by(boss)
    assert ([one.name for one in customers_of_boss], [one.title for one in tasks_of_boss]) == (["华星五金"], ["送样品"])
    assert watched_by(stranger) == ([], [])


def test_who_stopped_watching_or_hears_of_it_anyway_is_left_alone(here: Flask, ali: Member, bob: Member) -> None:
    me, boss = db.session.merge(ali), db.session.merge(bob)
    task = create_task({"title": "送样品", "due_at": datetime.now(SHANGHAI) + DAY}, actor=boss)
    watch(task, actor=me)
    watch(task, actor=boss)
    create_task({"title": "对账", "due_at": datetime.now(SHANGHAI) + DAY, "assignee": me.id}, actor=boss)
    assert unwatch(task, actor=boss)
    assert not unwatch(task, actor=boss)
    complete_task(task, actor=boss)
    happen()
    assert watched() == set()  # she never saw the task, he did it himself


def test_a_merge_keeps_the_watchers_of_both(here: Flask, ali: Member, bob: Member) -> None:
    me, boss = db.session.merge(ali), db.session.merge(bob)
    winner, loser = (create_customer({"name": name}, actor=me) for name in ("华星五金", "华星五金制品"))
    watch(loser, actor=boss)
    watch(winner, actor=boss)
    merge_customers(loser, winner, actor=boss)
    db.session.flush()
    assert set(db.session.scalars(sa.select(Watch.customer_id))) == {winner.id}
    change_customer(winner, {"source": "展会"}, actor=me)
    happen()
    assert [title for _who, title in watched() if title.startswith("修改")] == ["修改客户：华星五金"]
