"""Tasks: what is planned, dropped, repeated, handed over; each thing once."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.notifications.reminders import fire_due
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.actions import (
    assign_task,
    cancel_task,
    change_task,
    complete_task,
    create_task,
    snooze_moment,
    snooze_task,
)
from wsapp.crm.tasks.models import Reminder, Task
from wsapp.crm.tasks.queries import find_task
from wsapp.db import db
from wsapp.outbox import Outbox
from wsapp.problems import Forbidden, Invalid, NotFound, Stale

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 3, 4, 12, 0, tzinfo=SHANGHAI)  # a Wednesday


def own(member: Member) -> Member:
    return db.session.merge(member)


def planned(task: Task) -> list[tuple[str, datetime]]:
    db.session.flush()
    found = db.session.scalars(
        sa.select(Reminder).where(Reminder.task_id == task.id, Reminder.state == "planned").order_by(Reminder.fire_at)
    )
    return [(one.kind, one.fire_at.astimezone(SHANGHAI)) for one in found]


def make(actor: Member, **more: object) -> Task:
    return create_task({"title": "回访", "due_at": NOON + timedelta(hours=3), **more}, actor=own(actor))


@time_machine.travel(NOON, tick=False)
def test_each_reminder_is_planned_to_the_minute_with_its_alarm(here: Flask, ali: Member) -> None:
    task = make(ali, reminders=[0, 15, 60])
    due = NOON + timedelta(hours=3)
    assert planned(task) == [
        ("due", due - timedelta(hours=1)),
        ("due", due - timedelta(minutes=15)),
        ("due", due),
        ("overdue", datetime(2026, 3, 5, 9, 0, tzinfo=SHANGHAI)),
    ]
    alarms = db.session.scalars(sa.select(Outbox.due_at).where(Outbox.kind == "remind")).all()
    assert {alarm.astimezone(SHANGHAI) for alarm in alarms} == {at for _kind, at in planned(task)}


@time_machine.travel(NOON, tick=False)
def test_all_day_tasks_ring_at_half_past_eight(here: Flask, ali: Member) -> None:
    task = make(ali, due_at=NOON + timedelta(days=2), all_day=True)
    assert planned(task)[0] == ("due", datetime(2026, 3, 6, 8, 30, tzinfo=SHANGHAI))
    assert task.due_at.astimezone(SHANGHAI) == datetime(2026, 3, 6, 0, 0, tzinfo=SHANGHAI)
    assert not task.is_overdue


@time_machine.travel(NOON, tick=False)
def test_moving_the_due_time_plans_anew_and_finishing_drops_all(here: Flask, ali: Member) -> None:
    task = make(ali)
    change_task(task, {"due_at": NOON + timedelta(hours=5)}, actor=own(ali))
    assert [at for kind, at in planned(task) if kind == "due"] == [NOON + timedelta(hours=5)]
    assert complete_task(task, actor=own(ali), note="已签单")
    assert planned(task) == []
    assert not complete_task(task, actor=own(ali))
    assert (task.state, task.done_note, task.done_by) == ("done", "已签单", ali.id)


@time_machine.travel(NOON, tick=False)
def test_a_snoozed_task_rings_once_at_its_new_time(here: Flask, ali: Member) -> None:
    task = make(ali)
    until = snooze_moment("snooze_tomorrow")
    assert until == datetime(2026, 3, 5, 9, 0, tzinfo=SHANGHAI)
    assert snooze_moment("snooze_monday") == datetime(2026, 3, 9, 9, 0, tzinfo=SHANGHAI)
    assert snooze_moment("snooze_60") == NOON + timedelta(hours=1)
    assert snooze_task(task, until, actor=own(ali))
    assert planned(task)[0] == ("snooze", until)
    with pytest.raises(Invalid):
        snooze_task(task, NOON - timedelta(minutes=1), actor=own(ali))
    cancel_task(task, actor=own(ali))
    assert not snooze_task(task, until, actor=own(ali))


@time_machine.travel(NOON, tick=False)
def test_an_edit_of_a_snoozed_task_leaves_it_its_hour(here: Flask, ali: Member, bob: Member) -> None:
    task, until = make(ali, reminders=[0, 60]), NOON + timedelta(hours=1)
    snooze_task(task, until, actor=own(ali))
    change_task(task, {"note": "带上样品"}, actor=own(ali))
    assign_task(task, bob.id, actor=own(ali))
    assert [one for one in planned(task) if one[0] != "overdue"] == [("snooze", until)]
    change_task(task, {"due_at": NOON + timedelta(hours=5)}, actor=own(bob))
    assert [kind for kind, _at in planned(task)] == ["due", "due", "overdue"]


def test_what_rang_does_not_ring_again_after_an_edit(here: Flask, ali: Member) -> None:
    with time_machine.travel(NOON, tick=False) as traveller:
        task = make(ali, reminders=[0, 15])
        traveller.move_to(NOON + timedelta(hours=3))
        assert fire_due() == 2
        traveller.shift(30)
        change_task(task, {"note": "带上样品"}, actor=own(ali))
        assert [kind for kind, _at in planned(task)] == ["overdue"]


@time_machine.travel(NOON, tick=False)
def test_on_monday_the_next_monday_is_a_week_away(here: Flask) -> None:
    with time_machine.travel(datetime(2026, 3, 9, 8, 0, tzinfo=SHANGHAI), tick=False):
        assert snooze_moment("snooze_monday") == datetime(2026, 3, 16, 9, 0, tzinfo=SHANGHAI)


@time_machine.travel(NOON, tick=False)
def test_finishing_a_repeating_task_makes_the_next_once(here: Flask, ali: Member) -> None:
    task = make(ali, repeat="weekly", reminders=[15])
    assert complete_task(task, actor=own(ali))
    assert not complete_task(task, actor=own(ali))
    following = db.session.scalars(sa.select(Task).where(Task.source == "repeat")).one()
    assert following.due_at.astimezone(SHANGHAI) == NOON + timedelta(days=7, hours=3)
    assert (following.state, following.series_id, following.reminders) == ("open", task.id, [15])
    assert planned(following)[0][0] == "due"


@time_machine.travel(NOON, tick=False)
def test_a_series_ends_at_its_end(here: Flask, ali: Member) -> None:
    task = make(ali, repeat="weekly", repeat_until=NOON + timedelta(days=3))
    complete_task(task, actor=own(ali))
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Task)) == 1


def test_who_may_do_what(here: Flask, ali: Member, bob: Member, cha: Member) -> None:
    due = clock.now() + timedelta(hours=1)
    task = create_task({"title": "报价", "due_at": due, "assignee": ali.id}, actor=own(bob))
    assert task.assignee_id == ali.id
    assert find_task(task.id, actor=own(ali)) is task
    with pytest.raises(NotFound):
        find_task(task.id, actor=own(cha))
    with pytest.raises(Forbidden):
        complete_task(task, actor=own(cha))
    with pytest.raises(Invalid):
        create_task({"title": "报价", "due_at": due, "assignee": cha.id}, actor=own(ali))
    assert create_task({"title": "请审", "due_at": due, "assignee": bob.id}, actor=own(ali)).assignee_id == bob.id
    assign_task(task, bob.id, actor=own(bob))
    assert task.assignee_id == bob.id


def test_an_edit_of_something_older_shows_the_difference(here: Flask, ali: Member) -> None:
    task = create_task({"title": "报价", "due_at": clock.now() + timedelta(hours=1)}, actor=own(ali))
    change_task(task, {"title": "寄样"}, actor=own(ali), version=1)
    with pytest.raises(Stale) as caught:
        change_task(task, {"title": "电话"}, actor=own(ali), version=1)
    assert caught.value.changes == {"title": ("寄样", "电话")}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "长" * 121}, "title"),
        ({"due_at": None}, "due_at"),
        ({"due_at": datetime(2099, 1, 1, tzinfo=SHANGHAI)}, "due_at"),
        ({"reminders": [0, 5, 15, 30]}, "reminders"),
        ({"reminders": [-1]}, "reminders"),
        ({"reminders": [20000]}, "reminders"),
        ({"kind": "x"}, "kind"),
        ({"repeat": "hourly"}, "repeat"),
        ({"customer": "nobody"}, "customer"),
        ({"assignee": "nobody"}, "assignee"),
    ],
)
def test_wrong_input_names_its_field(here: Flask, ali: Member, values: dict[str, object], field: str) -> None:
    good = {"title": "报价", "due_at": clock.now() + timedelta(hours=1)}
    with pytest.raises(Invalid) as caught:
        create_task({**good, **values}, actor=own(ali))
    assert field in caught.value.fields


def test_a_follow_up_with_a_next_date_makes_the_task_and_the_customers_date(here: Flask, ali: Member) -> None:
    actor = own(ali)
    customer = create_customer({"name": "华星科技"}, actor=actor)
    next_at = clock.now().replace(microsecond=0, second=0) + timedelta(days=1)
    log_follow_up(customer, {"text": "报价已发", "next_at": next_at, "next_action": "问结果"}, actor=actor)
    db.session.commit()
    task = db.session.scalars(sa.select(Task)).one()
    assert (task.title, task.customer_id, task.due_at, task.source) == ("问结果", customer.id, next_at, "follow_up")
    assert customer.next_follow_at == next_at
    assert customer.stage == "contacted"
    complete_task(task, actor=actor)
    assert customer.next_follow_at is None
