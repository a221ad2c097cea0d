"""Morning briefs and evening wraps: who gets which, on which days, once, and what one tap does."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from wsapp.crm.customers.actions import create_customer
from wsapp.crm.dashboards.briefs import move_rest_of_today, press, send_briefs
from wsapp.crm.dashboards.rounds import due_rounds
from wsapp.crm.dashboards.worklists import LEAVING_DAYS
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.preferences import choose, declared
from wsapp.crm.org.models import Member
from wsapp.crm.org.role_actions import name_deputy
from wsapp.crm.org.rules import set_rules
from wsapp.crm.org.workdays import set_days
from wsapp.crm.tasks.actions import complete_task, create_task, snooze_task
from wsapp.crm.tasks.models import Task
from wsapp.crm.visits.plans import plan_visit
from wsapp.crm.visits.rules import visit_types
from wsapp.db import db

SHANGHAI = ZoneInfo("Asia/Shanghai")
MONDAY = date(2026, 3, 2)  # no holidays for five weeks
DAY = timedelta(days=1)
FRIDAY = MONDAY + 4 * DAY


def at(day: date, clock_time: time = time(8, 30)) -> datetime:
    return datetime.combine(day, clock_time, SHANGHAI)


@pytest.fixture
def traveller() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(at(MONDAY), tick=False) as found:
        yield found


def told(kind: str) -> list[Notification]:
    found = sa.select(Notification).where(Notification.kind == kind).order_by(Notification.due_at, Notification.id)
    return list(db.session.scalars(found))


def send(one: str) -> list[Notification]:
    """Let a round come twice; returns all that it ever told."""
    assert send_briefs(one) == ""
    assert send_briefs(one) == ""
    return told(f"brief.{one}")


# --- when ---------------------------------------------------------------------------------------------------------


def test_rounds_come_at_the_corps_times_on_working_days_and_not_too_late(here: Flask) -> None:
    def due(day: date, hour: int, minute: int) -> list[str]:
        return due_rounds(at(day, time(hour, minute)))

    assert due(MONDAY, 8, 29) == []
    assert due(MONDAY, 8, 30) == ["morning"]
    assert due(MONDAY, 9, 0) == ["morning", "weekly"]
    assert due(MONDAY, 12, 30) == ["weekly"]
    assert due(MONDAY + DAY, 9, 0) == ["morning"]
    assert due(MONDAY, 17, 59) == []
    assert due(MONDAY, 18, 30) == ["evening", "daily"]
    assert due(MONDAY + 5 * DAY, 18, 30) == []
    set_days(MONDAY, MONDAY, works=False, note="盘点")
    assert due(MONDAY, 9, 0) == []
    assert due(MONDAY + DAY, 9, 0) == ["morning", "weekly"]
    set_rules({"brief.morning": "07:00", "brief.evening": ""})
    assert due(MONDAY + DAY, 7, 0) == ["morning"]
    assert due(MONDAY + DAY, 18, 30) == ["daily"]


# --- the morning --------------------------------------------------------------------------------------------------


def test_a_morning_has_all_that_waits_and_says_whom_to_call_first(
    here: Flask, ali: Member, bob: Member, traveller: time_machine.Traveller
) -> None:
    me = db.session.merge(ali)
    traveller.move_to(at(MONDAY - 13 * DAY))
    leaves = create_customer({"name": "永泰建材", "level": "B"}, actor=me)  # after 15 days, in the night to the 6th
    huaxing, hengchang = (create_customer({"name": name}, actor=me) for name in ("华星五金", "恒昌木业"))
    traveller.move_to(at(MONDAY - 3 * DAY))
    for customer in (huaxing, hengchang):
        log_follow_up(customer, {"text": "电话里谈了价格"}, actor=me)
    create_task({"title": "送样品", "customer": huaxing.id, "due_at": at(MONDAY - DAY)}, actor=me)
    create_task({"title": "回访恒昌木业", "customer": hengchang.id, "due_at": at(MONDAY, time(15))}, actor=me)
    create_task({"title": "下周的事", "due_at": at(MONDAY + 7 * DAY)}, actor=me)
    asleep = create_task({"title": "放一放", "due_at": at(MONDAY - 2 * DAY)}, actor=me)
    traveller.move_to(at(MONDAY - DAY))
    snooze_task(asleep, at(MONDAY + 2 * DAY), actor=me)
    traveller.move_to(at(MONDAY))
    (card,) = (one.message for one in send("morning"))
    assert card["title"] == "今天：逾期 1 条，待办 1 条，即将回收 1 个客户"
    assert card["lines"] == [
        ["先联系", "永泰建材 · 3 天后回收到公海"],
        ["逾期", "送样品 · 华星五金"],
        ["回收", "3月5日 永泰建材"],
        ["15:00", "回访恒昌木业"],
    ]
    assert LEAVING_DAYS == 3
    assert leaves.owner_id == me.id
    assert told("brief.morning")[0].recipient_id == me.id  # 老鲍 has nothing, and hears nothing


def test_planned_visits_stand_in_their_order_with_those_who_go_along(
    here: Flask, ali: Member, bob: Member, traveller: time_machine.Traveller
) -> None:
    me, boss = db.session.merge(ali), db.session.merge(bob)
    kind = next(iter(visit_types()))
    first, second = (create_customer({"name": name}, actor=me) for name in ("华星五金", "恒昌木业"))
    for customer, hour, along in ((second, 14, [boss.id]), (first, 10, [])):
        window = {"starts_at": at(MONDAY, time(hour)), "ends_at": at(MONDAY, time(hour + 1)), "participants": along}
        plan_visit(customer, {"kind": kind, "purpose": "验货", **window}, actor=me)
    found = {one.recipient_id: one.message for one in send("morning")}
    assert found[me.id]["title"] == "今天：拜访 2 次"
    assert [line for line in found[me.id]["lines"] if line[0] == "拜访"] == [
        ["拜访", "10:00 华星五金 · 验货"],
        ["拜访", "14:00 恒昌木业 · 验货"],
    ]
    assert [line for line in found[boss.id]["lines"] if line[0] == "拜访"] == [["拜访", "14:00 恒昌木业 · 验货"]]


def test_a_long_list_of_overdue_tasks_hides_no_visit(
    here: Flask, ali: Member, traveller: time_machine.Traveller
) -> None:
    me = db.session.merge(ali)
    customer = create_customer({"name": "华星五金"}, actor=me)
    for number in range(8):
        create_task({"title": f"对账{number}", "due_at": at(MONDAY - DAY, time(9, number))}, actor=me)
    create_task({"title": "寄样册", "due_at": at(MONDAY, time(16))}, actor=me)
    window = {"starts_at": at(MONDAY, time(10)), "ends_at": at(MONDAY, time(11)), "participants": []}
    plan_visit(customer, {"kind": next(iter(visit_types())), "purpose": "验货", **window}, actor=me)
    (card,) = (one.message for one in send("morning"))
    assert [line[0] for line in card["lines"]] == ["先联系", "逾期", "逾期", "逾期", "拜访", "16:00"]
    assert card["text"] == "还有 5 条，点开查看"


def test_nobody_is_told_on_leave_in_quiet_hours_or_when_switched_off(
    here: Flask, ali: Member, bob: Member, cha: Member, guan: Member, traveller: time_machine.Traveller
) -> None:
    me, boss, stranger, admin = (db.session.merge(one) for one in (ali, bob, cha, guan))
    for one in (me, boss, stranger, admin):
        create_task({"title": "对账", "due_at": at(MONDAY, time(15))}, actor=one)
    name_deputy(me, boss, starts_at=at(MONDAY, time()), ends_at=at(MONDAY + DAY, time()), actor=admin)
    wishes: dict[str, Any] = {"channels": dict(declared().channels), "digest_after": None}
    choose(boss, **{**wishes, "quiet_hours": "18:00-09:00"}, actor=boss)
    off: dict[str, Any] = {**wishes, "channels": {**declared().channels, "briefs/message": False}, "quiet_hours": None}
    choose(stranger, **off, actor=stranger)
    found = {one.recipient_id: one for one in send("morning")}
    assert set(found) == {boss.id, stranger.id, admin.id}
    assert (found[boss.id].held, found[boss.id].due_at) == ("quiet", at(MONDAY, time(9)))
    assert (found[stranger.id].state, found[admin.id].state) == ("suppressed", "planned")
    traveller.move_to(at(MONDAY, time(18)))
    assert boss.id not in {one.recipient_id for one in send("evening")}  # his quiet hours end tomorrow


def test_a_full_day_does_not_swallow_the_evening(here: Flask, ali: Member, traveller: time_machine.Traveller) -> None:
    me = db.session.merge(ali)
    choose(me, channels=dict(declared().channels), quiet_hours=None, digest_after=1, actor=me)
    create_task({"title": "对账", "due_at": at(MONDAY, time(15))}, actor=me)
    send("morning")
    traveller.move_to(at(MONDAY, time(18)))
    (evening,) = send("evening")
    assert (evening.held, evening.due_at) == ("", at(MONDAY, time(18)))


# --- the evening --------------------------------------------------------------------------------------------------


@pytest.fixture
def friday(here: Flask, ali: Member, bob: Member, traveller: time_machine.Traveller) -> dict[str, Task]:
    """A Friday evening: one task of 阿丽's done, one overdue since Thursday, one due in an hour."""
    me, boss = db.session.merge(ali), db.session.merge(bob)
    tasks = {
        "done": create_task({"title": "打电话", "due_at": at(FRIDAY, time(9))}, actor=me),
        "late": create_task({"title": "送样品", "due_at": at(FRIDAY - DAY, time(15))}, actor=me),
        "today": create_task({"title": "发报价", "due_at": at(FRIDAY, time(19)), "assignee": me.id}, actor=boss),
        "monday": create_task({"title": "下周的事", "due_at": at(FRIDAY + 3 * DAY, time(9))}, actor=me),
    }
    traveller.move_to(at(FRIDAY, time(18)))
    complete_task(tasks["done"], actor=me)
    log_follow_up(create_customer({"name": "华星五金"}, actor=me), {"text": "谈了付款方式"}, actor=me)
    return tasks


def due(tasks: dict[str, Task], name: str) -> datetime:
    db.session.refresh(tasks[name])
    return tasks[name].due_at.astimezone(SHANGHAI)


def test_one_press_moves_the_rest_to_the_next_working_day(friday: dict[str, Task], ali: Member, bob: Member) -> None:
    (sent,) = [one for one in send("evening") if one.recipient_id == ali.id]
    assert sent.message["title"] == "今天完成 1 条，还剩 2 条"
    assert sent.message["text"] == "拜访 0 次，跟进 1 次"
    assert [line[1] for line in sent.message["lines"]] == ["送样品", "发报价"]
    db.session.flush()
    assert press(sent.card, bob.userid, "brief_rest", fold=True).counted is False  # type: ignore[union-attr]
    assert due(friday, "late") == at(FRIDAY - DAY, time(15))
    assert press(sent.card, ali.userid, "brief_rest", fold=True).counted  # type: ignore[union-attr]
    assert (sent.shown, sent.state) == ("已把 2 条挪到3月9日", "acted")
    monday = FRIDAY + 3 * DAY
    assert (due(friday, "late"), due(friday, "today")) == (at(monday, time(15)), at(monday, time(19)))
    assert due(friday, "monday") == at(monday, time(9))
    version = friday["late"].version
    assert press(sent.card, ali.userid, "brief_rest", fold=True).counted is False  # type: ignore[union-attr]
    db.session.refresh(friday["late"])
    assert friday["late"].version == version


def test_the_page_moves_the_rest_as_the_card_does(friday: dict[str, Task], ali: Member) -> None:
    assert move_rest_of_today(db.session.merge(ali)) == "已把 2 条挪到3月9日"
    assert move_rest_of_today(db.session.merge(ali)) == "没有需要挪动的待办"
    assert due(friday, "today") == at(FRIDAY + 3 * DAY, time(19))


def test_an_empty_day_is_not_spoken_of(here: Flask, traveller: time_machine.Traveller) -> None:
    assert send("morning") == []
    traveller.move_to(at(MONDAY, time(18)))
    assert send("evening") == []
