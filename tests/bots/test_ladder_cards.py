"""The overdue ladder at both hosts: what rings by itself, and what a leader does by presses on the card."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine

from tests.bots.conftest import Office
from tests.jobs.conftest import run_due
from wsapp import outbox
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.tasks.models import Task
from wsapp.db import db

SHANGHAI = ZoneInfo("Asia/Shanghai")
MONDAY = date(2027, 3, 1)  # no holidays for weeks
TITLE = "把含运费的报价单发给采购经理"


def at(days: int, hour: int, minute: int = 0) -> datetime:
    return datetime(MONDAY.year, MONDAY.month, MONDAY.day, hour, minute, tzinfo=SHANGHAI) + timedelta(days=days)


@pytest.fixture
def traveller(office: Office) -> Iterator[time_machine.Traveller]:
    """The whole world, the host's included, on Monday afternoon."""
    with time_machine.travel(at(0, 14), tick=True) as found:
        yield found


def go(office: Office, traveller: time_machine.Traveller, moment: datetime) -> None:
    traveller.move_to(moment)
    run_due(office.app)


def test_seller_and_leader_are_told_in_turn_and_the_leader_asks(
    office: Office, traveller: time_machine.Traveller
) -> None:
    actor = office.member(office.seller)
    create_task({"title": TITLE, "due_at": at(0, 15), "reminders": []}, actor=actor)
    db.session.commit()
    go(office, traveller, at(1, 8, 59))
    assert office.chat() == []
    go(office, traveller, at(1, 9, 0) + timedelta(seconds=1))
    assert [one["title"] for one in office.chat()] == [TITLE]
    assert office.chat(office.manager) == []
    go(office, traveller, at(3, 9, 0) + timedelta(seconds=1))
    assert [one["title"] for one in office.chat()] == [TITLE, TITLE]
    (card,) = office.chat(office.manager)
    keys = [one["key"] for one in card["buttons"]]
    assert keys[:3] == ["ladder_ask", "ladder_tomorrow", "ladder_monday"]
    office.press("ladder_ask", user=office.manager, card=card["card"])
    (after,) = office.chat(office.manager)
    assert (after["state"].startswith("已催办"), after["buttons"]) == (True, [])
    asked = office.last()
    assert "想知道这条待办的进展。" in office.words()
    office.press("done", card=asked["card"])
    assert [one.state for one in office.rows(Task)] == ["done"]
    go(office, traveller, at(7, 9, 0) + timedelta(seconds=1))
    assert len(office.chat(office.manager)) == 1


def test_a_silent_customer_is_told_of_once_by_the_mornings_work(
    office: Office, traveller: time_machine.Traveller
) -> None:
    create_customer({"name": "佛山市华星家具有限公司", "level": "A"}, actor=office.member(office.seller))
    db.session.commit()
    for days in (6, 7, 8):
        traveller.move_to(at(days, 8, 40))
        outbox.enqueue("remind.silence", {}, corp=False)
        db.session.commit()
        run_due(office.app)
    assert [one["title"] for one in office.chat()] == ["佛山市华星家具有限公司 已 7 天未跟进"]
