"""Repeating tasks: the rule against days picked one by one from the calendar, and each next task made once."""

import calendar
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wsapp.crm.org.models import Member
from wsapp.crm.org.workdays import set_days
from wsapp.crm.tasks.actions import change_task, complete_task, create_task
from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.repeat import Repeat, next_due
from wsapp.db import db
from wsapp.problems import Invalid

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = timedelta(days=1)
NOON = datetime(2026, 3, 4, 12, 0, tzinfo=SHANGHAI)  # a Wednesday
# 2026 as the State Council has it, as far as these tests look: Labour Day, Dragon Boat, and what is worked instead.
FREE = {date(2026, 5, 1) + n * DAY for n in range(5)} | {date(2026, 6, 19) + n * DAY for n in range(3)}
MADE_UP = {date(2026, 5, 9)}
BEGIN, END = date(2026, 4, 20), date(2026, 7, 20)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("repeat", "first", "after", "expected"),
    [
        (Repeat("daily"), "2026-03-04 15:00", "2026-03-04 15:00", "2026-03-05 15:00"),
        (Repeat("daily"), "2026-03-04 15:00", "2026-03-10 16:00", "2026-03-11 15:00"),
        (Repeat("daily", 3), "2026-03-04 15:00", "2026-03-04 15:00", "2026-03-07 15:00"),
        (Repeat("weekly"), "2026-03-04 15:00", "2026-03-04 12:00", "2026-03-11 15:00"),
        (Repeat("weekly", 2, (1, 5)), "2026-03-04 15:00", "2026-03-06 15:00", "2026-03-16 15:00"),
        (Repeat("monthly"), "2026-01-31 09:00", "2026-01-31 10:00", "2026-02-28 09:00"),
        (Repeat("monthly"), "2026-01-31 09:00", "2026-02-28 10:00", "2026-03-31 09:00"),
        (Repeat("monthly"), "2026-01-31 09:00", "2027-12-31 10:00", "2028-01-31 09:00"),
        (Repeat("monthly", 1, (-1,)), "2026-04-15 09:00", "2026-04-15 09:00", "2026-04-30 09:00"),
        (Repeat("monthly", 3, (10, 25)), "2026-01-12 09:00", "2026-01-25 09:00", "2026-04-10 09:00"),
        (Repeat("daily", free="skip"), "2026-04-30 09:00", "2026-04-30 09:00", "2026-05-06 09:00"),
        (Repeat("weekly", free="move"), "2026-04-24 09:00", "2026-04-24 09:00", "2026-05-06 09:00"),
        (Repeat("weekly", free="skip"), "2026-04-24 09:00", "2026-04-24 09:00", "2026-05-08 09:00"),
        (Repeat("weekly", 1, (6,), "skip"), "2026-05-02 09:00", "2026-05-02 09:00", "2026-05-09 09:00"),
        (Repeat("monthly", 12, (1,), "skip"), "2025-01-01 09:00", "2025-01-01 09:00", None),
    ],
)
def test_the_next_one(here: Flask, repeat: Repeat, first: str, after: str, expected: str | None) -> None:
    found = next_due(repeat, at(after), at(first))
    if expected is None:  # New Year's Day is always free: what is known reaches to this year, then come weekdays
        assert found is not None
        assert found.year > 2026
    else:
        assert found == at(expected)


def _works(day: date) -> bool:
    return day in MADE_UP or (day.weekday() < 5 and day not in FREE)


def _in_series(repeat: Repeat, first: date, day: date) -> bool:
    if repeat.kind == "daily":
        return (day - first).days % repeat.every == 0
    if repeat.kind == "weekly":
        weeks = ((day - day.weekday() * DAY) - (first - first.weekday() * DAY)).days // 7
        return weeks % repeat.every == 0 and day.isoweekday() in (repeat.days or (first.isoweekday(),))
    months = (day.year - first.year) * 12 + day.month - first.month
    last = calendar.monthrange(day.year, day.month)[1]
    wanted = {last if one == -1 else min(one, last) for one in repeat.days or (first.day,)}
    return months % repeat.every == 0 and day.day in wanted


def _predicted(repeat: Repeat, first: date) -> list[date]:
    days = []
    for offset in range(1, (END - first).days):
        day = first + offset * DAY
        if not _in_series(repeat, first, day) or (repeat.free == "skip" and not _works(day)):
            continue
        while repeat.free == "move" and not _works(day):
            day += DAY
        if day not in days:
            days.append(day)
    return days


@st.composite
def repeats(draw: st.DrawFn) -> Repeat:
    kind = draw(st.sampled_from(["daily", "weekly", "monthly"]))
    of = {"weekly": st.integers(1, 7), "monthly": st.sampled_from([-1, *range(1, 32)])}.get(kind)
    days = draw(st.sets(of, max_size=3)) if of is not None else set()
    return Repeat(kind, draw(st.integers(1, 3)), tuple(sorted(days)), draw(st.sampled_from(["keep", "skip", "move"])))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(repeat=repeats(), offset=st.integers(0, 40))
def test_a_series_is_what_the_calendar_says(here: Flask, repeat: Repeat, offset: int) -> None:
    first = BEGIN + offset * DAY
    due = datetime.combine(first, time(9, 30), SHANGHAI)
    found: list[date] = []
    moment: datetime | None = due
    while moment is not None and moment.date() <= END:
        moment = next_due(repeat, moment, due)
        found += [moment.date()] if moment else []
    near = END - 35 * DAY  # beyond, the last one may have been moved over the end
    assert [day for day in found if day < near] == [day for day in _predicted(repeat, first) if day < near]


def _make(actor: Member, **more: object) -> Task:
    return create_task({"title": "周报", "due_at": NOON + timedelta(hours=3), **more}, actor=db.session.merge(actor))


def _open_one() -> Task | None:
    return db.session.scalars(sa.select(Task).where(Task.done_at.is_(None))).one_or_none()


@time_machine.travel(NOON, tick=False)
def test_a_series_ends_after_so_many(here: Flask, ali: Member) -> None:
    task: Task | None = _make(ali, repeat="daily", repeat_times=3)
    made = 0
    while task is not None:
        made += 1
        assert complete_task(task, actor=db.session.merge(ali))
        assert not complete_task(task, actor=db.session.merge(ali))
        task = _open_one()
    assert made == 3


@time_machine.travel(NOON, tick=False)
def test_a_changed_rule_begins_another_series(here: Flask, ali: Member) -> None:
    actor = db.session.merge(ali)
    complete_task(_make(ali, repeat="weekly", repeat_days=[3]), actor=actor)
    second = _open_one()
    assert second is not None
    assert (second.repeat_number, second.repeat_days) == (2, [3])
    change_task(second, {"repeat": "monthly", "repeat_days": [-1], "repeat_free": "move"}, actor=actor)
    assert (second.series_id, second.repeat_number) == (second.id, 1)
    set_days(date(2026, 3, 31), date(2026, 3, 31), works=False, note="盘点")
    complete_task(second, actor=actor)
    third = _open_one()
    assert third is not None
    assert third.due_at.astimezone(SHANGHAI) == datetime(2026, 4, 1, 15, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"repeat": "weekly", "repeat_days": [0]}, "repeat_days"),
        ({"repeat": "weekly", "repeat_days": [8]}, "repeat_days"),
        ({"repeat": "monthly", "repeat_days": [0]}, "repeat_days"),
        ({"repeat": "monthly", "repeat_days": ["1"]}, "repeat_days"),
        ({"repeat_every": 0}, "repeat_every"),
        ({"repeat_every": True}, "repeat_every"),
        ({"repeat_times": 1000}, "repeat_times"),
        ({"repeat_free": "never"}, "repeat_free"),
    ],
)
def test_what_no_calendar_knows_is_refused(here: Flask, ali: Member, values: dict[str, object], field: str) -> None:
    with time_machine.travel(NOON, tick=False), pytest.raises(Invalid) as caught:
        _make(ali, **values)
    assert list(caught.value.fields) == [field]
