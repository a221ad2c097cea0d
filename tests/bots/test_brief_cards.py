"""Briefs and digests at both hosts: they come by themselves, once a day, and the rest moves by a press on the card."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine

from tests.bots.conftest import Office
from tests.jobs.conftest import run_due
from wsapp import outbox
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
    with time_machine.travel(at(0, 7), tick=True) as found:
        yield found


def tick(office: Office, traveller: time_machine.Traveller, moment: datetime) -> None:
    """Let the minute's sweep come twice, as with two schedulers, and do what it puts in line."""
    traveller.move_to(moment)
    for _scheduler in range(2):
        outbox.enqueue("sweep.briefs", {}, corp=False)
    db.session.commit()
    run_due(office.app)


def test_a_day_of_a_seller_and_their_manager(office: Office, traveller: time_machine.Traveller) -> None:
    create_task({"title": TITLE, "due_at": at(0, 16), "reminders": []}, actor=office.member(office.seller))
    db.session.commit()
    tick(office, traveller, at(0, 8, 29))
    assert office.chat() == []
    for minute in (30, 31, 45):
        tick(office, traveller, at(0, 8, minute))
    assert [one["title"] for one in office.chat()] == ["今天：待办 1 条"]
    tick(office, traveller, at(0, 18))
    assert [one["title"] for one in office.chat()] == ["今天：待办 1 条", "今天完成 0 条，还剩 1 条"]
    tick(office, traveller, at(0, 18, 30))
    (digest,) = office.chat(office.manager)
    assert digest["title"] == "团队日报 · 3月1日"
    office.press("brief_rest")
    assert office.last()["state"] == "已把 1 条挪到3月2日"
    (task,) = office.rows(Task)
    assert task.due_at == at(1, 16)
    tick(office, traveller, at(1, 8, 30))
    assert [one["title"] for one in office.chat()][2:] == ["今天：待办 1 条"]
