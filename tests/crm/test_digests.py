"""The digests of those who lead: each figure as plain SQL counts it, exceptions first, nothing where nothing is."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from wsapp.crm.customers.actions import create_customer
from wsapp.crm.dashboards.digests import digest, send_digests
from wsapp.crm.dashboards.figures import Counted, scope_of
from wsapp.crm.fields.roles import rule_field
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.org.workdays import set_days
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.visits.models import Visit
from wsapp.db import Moment, db, new_id

SHANGHAI = ZoneInfo("Asia/Shanghai")
MONDAY = date(2026, 3, 30)  # a fifth Monday without a holiday
DAY = timedelta(days=1)
TRUSTS = ("verified", "near", "far", "no_fix", "stale")


def at(day: date, clock_time: time = time(18, 30)) -> datetime:
    return datetime.combine(day, clock_time, SHANGHAI)


@pytest.fixture
def traveller() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(at(MONDAY), tick=False) as found:
        yield found


@pytest.fixture
def months_work(
    here: Flask, ali: Member, bob: Member, cha: Member, guan: Member, traveller: time_machine.Traveller
) -> None:
    """Five weeks of 阿丽 and 小查, by chance: records at all hours, midnight among them."""
    chance = Random(5)
    for member in (ali, cha):
        me = db.session.merge(member)
        customer = create_customer({"name": f"{me.name}的客户"}, actor=me)
        customer.created_at = at(MONDAY - 60 * DAY)
        for number in range(120):
            when = at(MONDAY - chance.randrange(36) * DAY, time(chance.choice((0, 9, 23)), chance.choice((0, 59))))
            about = {"customer_id": customer.id, "created_at": when}
            if number % 2:
                db.session.add(FollowUp(id=new_id(), author_id=me.id, text="谈了价格", happened_at=when, **about))
            else:
                seen = {"trust": chance.choice(TRUSTS), "state": "done"}
                db.session.add(Visit(id=new_id(), member_id=me.id, checked_in_at=when, **seen, **about))
            if number % 10 == 0:
                create_customer({"name": f"{me.name}新客户{number}"}, actor=me).created_at = when
        for days in (1, 2):
            create_task({"title": "送样品", "due_at": at(MONDAY - days * DAY)}, actor=me)
    db.session.flush()


COUNTS = {
    "customers": "FROM customer WHERE deleted_at IS NULL AND {people:owner_id} AND created_at",
    "follow_ups": "FROM follow_up WHERE {people:author_id} AND happened_at",
    "visits": "FROM visit WHERE {people:member_id} AND checked_in_at",
    "verified": "FROM visit WHERE trust = 'verified' AND {people:member_id} AND checked_in_at",
    "far": "FROM visit WHERE trust = 'far' AND {people:member_id} AND checked_in_at",
}


def counted(figure: str, people: list[str] | None, begins: date, days: int = 1) -> int:
    """Count by plain SQL, past all that the product has for it."""
    where = COUNTS[figure]
    column = where.split("{people:")[1].split("}")[0]
    listed = ", ".join(f"'{one}'" for one in people or ())
    whose = f"{column} IN ({listed})" if people else "1 = 1"
    where = where.replace(f"{{people:{column}}}", whose)
    statement = sa.text(f"SELECT count(*) {where} >= :begins AND {where.split()[-1]} < :ends")
    typed = statement.bindparams(
        sa.bindparam("begins", at(begins, time()), type_=Moment),
        sa.bindparam("ends", at(begins + days * DAY, time()), type_=Moment),
    )
    return int(db.session.execute(typed).scalar_one())


def expected(people: list[str] | None, begins: date, days: int, before: list[date]) -> dict[str, Counted]:
    return {
        figure: Counted(
            counted(figure, people, begins, days),
            sum(counted(figure, people, one, days) for one in before) / len(before),
        )
        for figure in COUNTS
    }


def test_every_figure_is_what_plain_sql_counts(months_work: None, ali: Member, bob: Member, guan: Member) -> None:
    boss, admin = db.session.merge(bob), db.session.merge(guan)
    last_week = MONDAY - 7 * DAY
    for reader, people in ((boss, [ali.id, boss.id]), (admin, None)):
        scope = scope_of(reader)
        day = digest(scope, "daily", but=reader.id)
        assert day.figures == expected(people, MONDAY, 1, [MONDAY - 7 * number * DAY for number in range(1, 5)])
        week = digest(scope, "weekly", but=reader.id)
        before = [last_week - 7 * number * DAY for number in range(1, 5)]
        assert week.figures == expected(people, last_week, 7, before)
        assert day.overdue == ({"阿丽": 2} if people else {"阿丽": 2, "小查": 2})
    assert day.figures["follow_ups"].now > 0
    assert day.figures["far"].usual


def test_free_days_are_no_measure(months_work: None, ali: Member, bob: Member) -> None:
    boss = db.session.merge(bob)
    set_days(MONDAY - 7 * DAY, MONDAY - 7 * DAY, works=False, note="盘点")
    before = [MONDAY - 7 * number * DAY for number in (2, 3, 4)]
    assert digest(scope_of(boss), "daily").figures == expected([ali.id, boss.id], MONDAY, 1, before)


def told(kind: str) -> dict[str, Any]:
    found = db.session.scalars(sa.select(Notification).where(Notification.kind == kind))
    return {one.recipient_id: one.message for one in found}


def test_who_leads_is_told_once_of_exceptions_first(
    months_work: None, ali: Member, bob: Member, cha: Member, guan: Member, traveller: time_machine.Traveller
) -> None:
    db.session.execute(sa.delete(FollowUp).where(FollowUp.happened_at >= at(MONDAY, time())))
    db.session.execute(sa.delete(Visit).where(Visit.checked_in_at >= at(MONDAY, time())))
    for _twice in range(2):
        assert send_digests("daily") == ""
    cards = told("digest.daily")
    assert set(cards) == {bob.id, guan.id}
    lines = cards[bob.id]["lines"]
    assert lines[0] == ["逾期待办", "2 条：阿丽 2"]
    assert ["没有动静", "阿丽"] in lines
    assert [label for label, _value in lines][-3:] == ["新增客户", "跟进", "拜访"]
    assert lines[-2][1].startswith("0（平时 ")
    assert cards[bob.id]["url"].startswith(f"http://127.0.0.1:8000/h5/board?span=day&day={MONDAY}")
    assert cards[guan.id]["lines"][0] == ["逾期待办", "4 条：小查 2、阿丽 2"]
    traveller.move_to(at(MONDAY + 7 * DAY, time(9)))
    assert send_digests("weekly") == ""
    assert set(told("digest.weekly")) == {bob.id, guan.id}
    assert f"day={MONDAY}" in told("digest.weekly")[bob.id]["url"]


def test_nothing_to_say_nothing_sent(here: Flask, traveller: time_machine.Traveller) -> None:
    send_digests("daily")
    send_digests("weekly")
    assert (told("digest.daily"), told("digest.weekly")) == ({}, {})


def test_a_role_that_hides_positions_hides_the_figures_of_them(months_work: None, bob: Member, guan: Member) -> None:
    hidden = {"manager": "hidden", "seller": "hidden"}
    rule_field("visit", "location", hidden, actor=db.session.merge(guan))
    boss = db.session.merge(bob)
    db.session.flush()
    assert set(digest(scope_of(boss), "daily").figures) == {"customers", "follow_ups", "visits"}
