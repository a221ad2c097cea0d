"""Reminders: who is told, once, and when nobody is."""

from datetime import timedelta

import sqlalchemy as sa
from flask import Flask

from wsapp import clock
from wsapp.crm.events.models import Event
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.recipients import on_event
from wsapp.crm.notifications.reminders import fire_due, press, unwanted
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.actions import assign_task, complete_task, create_task
from wsapp.crm.tasks.models import Reminder, Task
from wsapp.db import db


def _task(actor: Member, *, due_in: timedelta, **more: object) -> Task:
    actor = db.session.merge(actor)
    task = create_task({"title": "回访森林木业", "due_at": clock.now() + due_in, **more}, actor=actor)
    db.session.commit()
    return task


def _make_due(task: Task, *, late: timedelta = timedelta()) -> None:
    """Let the task's planned reminders be due since `late`."""
    db.session.execute(
        sa.update(Reminder)
        .where(Reminder.task_id == task.id, Reminder.kind == "due")
        .values(fire_at=clock.now() - late)
    )
    db.session.commit()


def _told() -> list[Notification]:
    return list(db.session.scalars(sa.select(Notification).order_by(Notification.id)))


def test_a_due_reminder_becomes_one_message(here: Flask, ali: Member) -> None:
    task = _task(ali, due_in=timedelta(minutes=5))
    _make_due(task)
    assert fire_due() == 1
    db.session.commit()
    assert fire_due() == 0
    (told,) = _told()
    assert (told.recipient_id, told.kind, told.message["title"]) == (ali.id, "task.due", "回访森林木业")
    assert [button["key"] for button in told.message["buttons"]] == [
        "done",
        "snooze_60",
        "snooze_tomorrow",
        "snooze_monday",
    ]


def test_a_minute_that_is_over_before_it_is_saved_still_rings(here: Flask, ali: Member) -> None:
    _task(ali, due_in=timedelta(seconds=-30))  # kept as the start of its minute: up to 90 s past
    assert fire_due() == 1
    _task(ali, due_in=timedelta(minutes=-10))
    db.session.commit()
    assert fire_due() == 0
    assert [one.kind for one in _told()] == ["task.due"]


def test_a_finished_task_never_rings(here: Flask, ali: Member) -> None:
    task = _task(ali, due_in=timedelta(minutes=5))
    _make_due(task)
    assert complete_task(task, actor=db.session.merge(ali))
    db.session.commit()
    assert fire_due() == 0
    assert _told() == []


def test_what_is_late_comes_in_one_card(here: Flask, ali: Member) -> None:
    tasks = [_task(ali, due_in=timedelta(minutes=5)) for _ in range(5)]
    for task in tasks:
        _make_due(task, late=timedelta(hours=3))
    assert fire_due(limit=2) == 5
    db.session.commit()
    (told,) = _told()
    assert told.kind == "task.bundle"
    assert sorted(told.task_ids) == sorted(task.id for task in tasks)


def test_only_the_assignees_press_counts_and_only_once(here: Flask, ali: Member, cha: Member) -> None:
    task = _task(ali, due_in=timedelta(minutes=5))
    _make_due(task)
    fire_due()
    db.session.commit()
    (told,) = _told()
    assert not press(told.card, "cha", "done", fold=True).counted
    assert press(told.card, "ALI", "done", fold=True).counted
    assert not press(told.card, "ali", "done", fold=True).counted
    db.session.commit()
    assert task.state == "done"
    assert told.shown.startswith("已完成 · 阿丽")
    assert press("nothing-of-ours", "ali", "done", fold=True) is None


def test_who_had_a_task_hears_where_it_went(here: Flask, ali: Member, bob: Member, guan: Member) -> None:
    """And the message is still wanted when it goes out, though the task is somebody else's by then."""
    task = _task(ali, due_in=timedelta(hours=1))
    assign_task(task, bob.id, actor=db.session.merge(guan))
    on_event(db.session.scalars(sa.select(Event).where(Event.kind == "task.assigned")).one())
    told = db.session.scalars(sa.select(Notification).where(Notification.subject_id == task.id)).all()
    assert {one.recipient_id: one.kind for one in told} == {bob.id: "task.assigned", ali.id: "task.handed_over"}
    assert unwanted(told) == {}
