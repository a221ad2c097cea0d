"""The overdue ladder against a calendar worked out on its own: every rung predicted comes once, and no other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wsapp.crm.customers.actions import create_customer
from wsapp.crm.events.models import Event
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.notifications.escalations import press
from wsapp.crm.notifications.holding import plan_anew
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.preferences import choose, declared
from wsapp.crm.notifications.recipients import on_event
from wsapp.crm.notifications.reminders import fire_due
from wsapp.crm.org.models import CorpDay, Member, Membership
from wsapp.crm.org.roles import Delegation
from wsapp.crm.org.rules import set_rules
from wsapp.crm.org.standing import changed
from wsapp.crm.org.workdays import forget_day, is_workday, set_days
from wsapp.crm.tasks.actions import ask_about, change_task, complete_task, create_task, snooze_task
from wsapp.crm.tasks.ladder import replan
from wsapp.crm.tasks.models import PLANNED, Reminder, Task
from wsapp.db import db
from wsapp.outbox import Outbox

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = timedelta(days=1)
# The State Council's notice for 2026: Mid-Autumn and National Day, and the weekends worked instead.
HOLIDAYS = {date(2026, 9, 25) + n * DAY for n in range(3)} | {date(2026, 10, 1) + n * DAY for n in range(7)}
MADE_UP = {date(2026, 9, 20), date(2026, 10, 10)}
FIRST = date(2026, 9, 18)  # a Friday
SPAN = 40  # days that a world lasts
STEPS = (1, 3, 5, 7)


def at(day: date, clock_time: time = time(9)) -> datetime:
    return datetime.combine(day, clock_time, SHANGHAI)


@dataclass
class World:
    """What happens to one task: everything in days from FIRST."""

    due: int
    free: set[int] = field(default_factory=set)
    worked: set[int] = field(default_factory=set)
    away: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    snooze: tuple[int, int] | None = None  # on a day at noon, until another at noon
    done: int | None = None  # at noon
    moved: tuple[int, int] | None = None  # on a day at noon, to another

    def works(self, day: int) -> bool:
        there = FIRST + day * DAY
        if day in self.free:
            return False
        return day in self.worked or there in MADE_UP or (there.weekday() < 5 and there not in HOLIDAYS)

    def is_away(self, who: str, day: int) -> bool:
        return any(start <= day <= end for start, end in self.away.get(who, ()))

    def predicted(self) -> set[tuple[int, str]]:
        """Who is told on which day, by walking from day to day."""
        told = set()
        due, count, rung, put_off = self.due, 0, 0, -1
        for day in range(SPAN):
            if day > due and self.works(day) and not self.is_away("ali", day):
                count += 1
                if rung < len(STEPS) and count >= STEPS[rung] and day > put_off:
                    above = [who for who in ("bob", "guan") if not self.is_away(who, day)]
                    told |= {(day, "ali")} if rung < 2 else set()
                    told |= {(day, above[rung - 1])} if 0 < rung <= len(above) else set()
                    rung += 1
            if self.done == day:
                break
            if self.snooze and self.snooze[0] == day:
                put_off = self.snooze[1]
            if self.moved and self.moved[0] == day and self.moved[1] != due:
                due, count, rung, put_off = self.moved[1], 0, 0, -1
        return told


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """What happens lies near the ladder's days, where it counts."""
    due = draw(st.integers(0, 12))
    near = st.integers(due, due + 11)
    events = draw(st.sets(st.sampled_from(["free", "worked", "ali", "bob", "snooze", "done", "moved"]), min_size=1))
    on, moving = draw(near), draw(near)
    spell = st.tuples(near, st.integers(0, 4)).map(lambda pair: (pair[0], pair[0] + pair[1]))
    return World(
        due=due,
        free=draw(st.sets(near, max_size=4)) if "free" in events else set(),
        worked=draw(st.sets(near, max_size=4)) if "worked" in events else set(),
        away={who: [draw(spell)] for who in ("ali", "bob") if who in events},
        snooze=(on, on + draw(st.integers(1, 5))) if "snooze" in events else None,
        done=draw(near) if "done" in events else None,
        moved=(moving, moving + draw(st.integers(1, 6))) if "moved" in events else None,
    )


class Firm:
    """阿丽, whom 老鲍 leads, whom 管姐 leads; one task, and a clock that is moved from moment to moment."""

    def __init__(self, people: Sequence[Member]) -> None:
        self.people = {one.userid: db.session.merge(one) for one in people}
        root = sa.update(Membership).where(Membership.member_id == self.people["guan"].id)
        db.session.execute(root.values(leads=True))
        db.session.commit()

    def live(self, world: World) -> set[tuple[int, str]]:
        """Live through a world; returns who was told on which day, and makes sure that it was at nine."""
        db.session.rollback()  # the world before
        ali = self.people["ali"]
        with time_machine.travel(at(FIRST, time(8)), tick=False) as traveller:
            self._set_up(world)
            due = at(FIRST + world.due * DAY, time(15))
            task = create_task({"title": "回访森林木业", "kind": "other", "due_at": due, "reminders": []}, actor=ali)
            for day in range(SPAN):
                while (moment := first_alarm()) and moment <= at(FIRST + day * DAY, time(12)):
                    traveller.move_to(max(moment, at(FIRST + day * DAY, time())))
                    assert fire_due() == 1
                traveller.move_to(at(FIRST + day * DAY, time(12)))
                self._at_noon(world, task, day)
                if not task.is_open:
                    break
        names = {member.id: name for name, member in self.people.items()}
        found = [(one.due_at.astimezone(SHANGHAI), names[one.recipient_id]) for one in notifications(task)]
        assert {moment.time() for moment, _who in found} <= {time(9)}
        assert len(set(found)) == len(found)
        return {((moment.date() - FIRST).days, who) for moment, who in found}

    def _set_up(self, world: World) -> None:
        for works, which in ((False, world.free), (True, world.worked - world.free)):
            for day in which:
                db.session.add(CorpDay(id=(FIRST + day * DAY).isoformat(), works=works, updated_at=at(FIRST)))
        for who, leaves in world.away.items():
            for start, end in leaves:
                spell = {
                    "starts_at": at(FIRST + start * DAY),
                    "ends_at": at(FIRST + end * DAY, time(18)),
                    "created_at": at(FIRST),
                }
                absent, deputy = self.people[who].id, self.people["guan"].id
                db.session.add(Delegation(absent_id=absent, deputy_id=deputy, **spell))
        db.session.flush()
        changed()

    def _at_noon(self, world: World, task: Task, day: int) -> None:
        ali = self.people["ali"]
        if world.done == day:
            complete_task(task, actor=ali)
        elif world.snooze and world.snooze[0] == day:
            snooze_task(task, at(FIRST + world.snooze[1] * DAY, time(12)), actor=ali)
        if world.moved and world.moved[0] == day and task.is_open:
            change_task(task, {"due_at": at(FIRST + world.moved[1] * DAY, time(15))}, actor=ali)


def first_alarm() -> datetime | None:
    """The next moment at which the sender is woken for something that is planned."""
    moment = db.session.scalar(sa.select(sa.func.min(Reminder.fire_at)).where(Reminder.state == PLANNED))
    if moment is not None:
        assert db.session.scalar(sa.select(sa.exists().where(Outbox.kind == "remind", Outbox.due_at == moment)))
    return moment


KINDS = ("task.overdue", "team.overdue", "task.bundle", "team.bundle")


def notifications(task: Task) -> Sequence[Notification]:
    wanted = sa.select(Notification).where(Notification.subject_id == task.id, Notification.kind.in_(KINDS))
    return db.session.scalars(wanted.order_by(Notification.due_at, Notification.id)).all()


@pytest.fixture
def firm(here: Flask, ali: Member, bob: Member, guan: Member) -> Firm:
    return Firm((ali, bob, guan))


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=worlds())
def test_every_rung_that_the_calendar_predicts_comes_once_and_no_other(firm: Firm, world: World) -> None:
    assert firm.live(world) == world.predicted()


@pytest.mark.parametrize(("due", "steps"), [("2026-09-24", ("28", "30")), ("2026-09-30", ("08", "10"))])
def test_holidays_and_make_up_days_are_known(firm: Firm, due: str, steps: tuple[str, str]) -> None:
    """Mid-Autumn begins on a Friday; the Saturday after the National Day's week is worked."""
    told = sorted(day for day, _who in firm.live(World((date.fromisoformat(due) - FIRST).days)))
    assert tuple(f"{FIRST + day * DAY:%d}" for day in sorted(set(told))[:2]) == steps


def overdue_task(actor: Member, **more: object) -> Task:
    due = {"due_at": at(date(2026, 9, 21), time(15))}
    return create_task({"title": "回访森林木业", "reminders": [], **due, **more}, actor=actor)


def planned_for(task: Task) -> datetime:
    found = sa.select(Reminder.fire_at).where(Reminder.task_id == task.id, Reminder.state == PLANNED)
    return db.session.scalars(found).one().astimezone(SHANGHAI)


def test_a_change_of_the_calendar_or_of_a_rule_moves_what_is_planned(firm: Firm) -> None:
    with time_machine.travel(at(date(2026, 9, 21), time(16)), tick=False):
        task = overdue_task(firm.people["ali"])
        assert planned_for(task) == at(date(2026, 9, 22))
        (change,) = set_days(date(2026, 9, 22), date(2026, 9, 22), works=False, note="公司旅游")
        assert change.values == (None, False)
        moved, _after = replan()
        assert (moved, planned_for(task)) == ([at(date(2026, 9, 23))], at(date(2026, 9, 23)))
        forget_day("2026-09-22")
        set_rules({"task.ladder_at": "10:30"})
        replan()
        assert planned_for(task) == at(date(2026, 9, 22), time(10, 30))
        assert not is_workday(date(2026, 9, 26))
        set_rules({"task.ladder": []})
        assert replan() == ([], "")


def test_a_log_about_the_customer_answers_the_ladder(firm: Firm) -> None:
    ali = firm.people["ali"]
    with time_machine.travel(at(date(2026, 9, 21), time(8)), tick=False) as traveller:
        customer = create_customer({"name": "华星五金"}, actor=ali)
        task = overdue_task(ali, customer=customer.id, kind="call")
        traveller.move_to(at(date(2026, 9, 21), time(18)))
        log_follow_up(customer, {"text": "打过电话，下周再谈价格"}, actor=ali)
        traveller.move_to(at(date(2026, 9, 22)))
        assert fire_due() == 1
    assert not notifications(task)
    assert task.is_open


def test_what_a_stopped_product_missed_comes_together_on_a_working_day(firm: Firm) -> None:
    """Back on the Saturday of Mid-Autumn: nothing rings. Back on Monday afternoon: one card for each."""
    ali, bob = firm.people["ali"], firm.people["bob"]
    with time_machine.travel(at(date(2026, 9, 21), time(16)), tick=False) as traveller:
        tasks = [overdue_task(ali) for _number in range(3)]
        traveller.move_to(at(date(2026, 9, 22)))
        assert fire_due() == 3
        traveller.move_to(at(date(2026, 9, 26), time(11)))
        assert fire_due() == 3
        assert {planned_for(task) for task in tasks} == {at(date(2026, 9, 28))}
        traveller.move_to(at(date(2026, 9, 28), time(14)))
        assert fire_due() == 3
    bundles = db.session.scalars(sa.select(Notification).where(Notification.kind.in_(("task.bundle", "team.bundle"))))
    assert {(one.recipient_id, len(one.task_ids)) for one in bundles} == {(ali.id, 3), (bob.id, 3)}


def climbed_to_leader(firm: Firm, traveller: time_machine.Traveller) -> tuple[Task, Notification]:
    """A task whose second rung has told 老鲍, on Thursday the 24th."""
    task = overdue_task(firm.people["ali"])
    for day in (22, 24):
        traveller.move_to(at(date(2026, 9, day)))
        fire_due()
    to_bob = [one for one in notifications(task) if one.kind == "team.overdue"]
    return task, to_bob[0]


@pytest.fixture
def traveller() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(at(date(2026, 9, 21), time(16)), tick=False) as found:
        yield found


def test_a_leader_sets_a_new_date_on_the_card(firm: Firm, traveller: time_machine.Traveller) -> None:
    task, card = climbed_to_leader(firm, traveller)
    keys = [button["key"] for button in card.message["buttons"]]
    assert keys == ["ladder_ask", "ladder_tomorrow", "ladder_monday"]  # she has no colleague to hand it on to
    assert not press(card.card, "ali", "ladder_tomorrow", fold=True).counted  # not her card
    assert press(card.card, "bob", "ladder_tomorrow", fold=True).counted
    assert task.due_at.astimezone(SHANGHAI) == at(date(2026, 9, 28), time(15))  # tomorrow is Mid-Autumn
    assert card.shown.startswith("已改期到")
    assert planned_for(task) == at(date(2026, 9, 29))
    assert not press(card.card, "bob", "ladder_monday", fold=True).counted


def test_a_leader_asks_on_the_card(firm: Firm, traveller: time_machine.Traveller) -> None:
    task, card = climbed_to_leader(firm, traveller)
    assert press(card.card, "bob", "ladder_ask", fold=True).counted
    event = db.session.scalars(sa.select(Event).where(Event.kind == "task.asked")).one()
    on_event(event)
    asked = db.session.scalars(sa.select(Notification).where(Notification.kind == "task.asked")).one()
    assert (asked.recipient_id, asked.message["text"]) == (task.assignee_id, "老鲍 想知道这条待办的进展。")
    assert "done" in [button["key"] for button in asked.message["buttons"]]
    assert not ask_about(task, actor=firm.people["guan"])  # asked a moment ago


def test_a_leader_hands_the_task_on(firm: Firm, traveller: time_machine.Traveller) -> None:
    seen = {"checked_at": at(FIRST), "created_at": at(FIRST)}
    xiao = Member(userid="xw", userid_key="xw", name="王小明", main_department_id="2", **seen)
    db.session.add(xiao)
    db.session.flush()
    db.session.add(Membership(member_id=xiao.id, department_id="2"))
    db.session.flush()
    task, card = climbed_to_leader(firm, traveller)
    assert card.message["buttons"][-1] == {"key": f"ladder_hand_{xiao.id}", "text": "转给王小明", "style": "plain"}
    assert not press(card.card, "bob", f"ladder_hand_{firm.people['ali'].id}", fold=True).counted  # was not offered
    assert press(card.card, "bob", f"ladder_hand_{xiao.id}", fold=True).counted
    assert (task.assignee_id, card.shown) == (xiao.id, "已转给 王小明")
    assert planned_for(task) == at(date(2026, 9, 29))  # the third rung, and not the first once more


def test_a_finished_task_shows_on_the_leaders_card(firm: Firm, traveller: time_machine.Traveller) -> None:
    task, card = climbed_to_leader(firm, traveller)
    complete_task(task, actor=firm.people["ali"])
    assert not press(card.card, "bob", "ladder_ask", fold=True).counted
    assert card.shown.startswith("已完成 · 阿丽")


def test_quiet_hours_that_end_on_a_free_day_end_on_a_working_day(firm: Firm) -> None:
    """Friday at nine is quiet for her until Saturday at eight: it comes on Monday morning."""
    ali = firm.people["ali"]
    hours = "09:00-08:00"
    with time_machine.travel(at(date(2026, 9, 10), time(16)), tick=False) as traveller:
        choose(ali, channels=declared().channels, quiet_hours=hours, digest_after=None, actor=ali)
        task = overdue_task(ali, due_at=at(date(2026, 9, 10), time(15)))
        traveller.move_to(at(date(2026, 9, 11)))
        fire_due()
        (told,) = notifications(task)
        assert (told.due_at.astimezone(SHANGHAI), told.held) == (at(date(2026, 9, 14), time(8, 30)), "quiet")
        choose(ali, channels=declared().channels, quiet_hours="", digest_after=None, actor=ali)
        plan_anew(ali.id)
        assert told.due_at.astimezone(SHANGHAI) == at(date(2026, 9, 11))
