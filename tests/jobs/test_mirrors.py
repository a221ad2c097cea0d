"""Tasks in the host's own lists: they appear, follow, end and come back from there; nothing is shown twice."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
import time_machine

from tests.jobs.conftest import Firm, make_due, run_due
from tests.jobs.mirrors import COLLEAGUES, LISTS, Desk, listening, tomorrow_at
from wsapp import arrivals, clock
from wsapp.connectors.emulator import Fault
from wsapp.crm.mirrors.actions import create_again, leave_out, look_at_everybody
from wsapp.crm.mirrors.merge import MAX_CORRECTIONS
from wsapp.crm.mirrors.models import ASKING, GONE, OFF, REFUSED, THERE
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Corp
from wsapp.crm.tasks.actions import cancel_task, change_task, complete_task
from wsapp.db import db
from wsapp.house import local, local_now
from wsapp.problems import NotFound


@pytest.fixture
def desk(firm: Firm) -> Iterator[Desk]:
    with listening(firm.app, firm.emulator):
        yield Desk(firm)


def _needs_todos(desk: Desk) -> None:
    if "todo" not in LISTS[desk.firm.host]:
        pytest.skip("this host keeps no to-dos for apps")


def test_nothing_goes_to_the_host_until_somebody_wants_it(desk: Desk) -> None:
    desk.firm.task(due_in=timedelta(days=1))
    desk.settle()
    assert desk.items() == []
    assert desk.calls() == 0


def test_a_task_appears_with_a_link_back_and_is_told_once(desk: Desk) -> None:
    desk.switch(*LISTS[desk.firm.host])
    task = desk.firm.task("回访深圳市森林木业有限公司", due_in=timedelta(days=1), note="带样品册")
    desk.settle()
    for kind in LISTS[desk.firm.host]:
        item = desk.item(kind)
        assert item["title"] == "回访深圳市森林木业有限公司"
        assert item["at"] == task.due_at.timestamp()
        assert f"/h5/tasks/{task.id}?corp=" in item["url"]
    before = desk.calls()
    assert {one.state for one in desk.mirrors()} == {THERE}
    desk.settle()
    assert desk.calls() == before


def test_switching_on_brings_open_tasks_and_off_takes_them_away(desk: Desk) -> None:
    task = desk.firm.task(due_in=timedelta(days=1))
    done = desk.firm.task("已做完", due_in=timedelta(days=1))
    complete_task(done, actor=desk.firm.seller())
    db.session.commit()
    desk.switch(*LISTS[desk.firm.host])
    assert {one["title"] for one in desk.items()} == {task.title}
    assert len(desk.items()) == len(LISTS[desk.firm.host])
    desk.switch()
    assert desk.items() == []
    assert {one.state for one in desk.mirrors()} == {GONE}
    assert desk.task(task.id).is_open


def test_moving_here_moves_there_and_the_reverse(desk: Desk) -> None:
    desk.switch(*LISTS[desk.firm.host])
    task = desk.firm.task(due_in=timedelta(days=1))
    desk.settle()
    there = tomorrow_at(16, days=2)
    change_task(desk.task(task.id), {"due_at": there}, actor=desk.firm.seller())
    db.session.commit()
    desk.settle()
    assert {one["at"] for one in desk.items()} == {there.timestamp()}
    for number, kind in enumerate(LISTS[desk.firm.host]):
        there = tomorrow_at(9 + number, days=3)
        desk.tap(kind, "move", there)
        assert desk.task(task.id).due_at == there
        assert {one["at"] for one in desk.items()} == {there.timestamp()}


def test_done_in_the_host_is_done_here_and_the_reverse(desk: Desk) -> None:
    _needs_todos(desk)
    desk.switch("todo", "entry")
    first, second = (desk.firm.task(title, due_in=timedelta(days=1)) for title in ("先做", "后做"))
    desk.settle()
    desk.act(next(one for one in desk.items("todo") if one["title"] == "先做"), "complete")
    desk.settle()
    done = desk.task(first.id)
    assert (done.state, done.done_by) == ("done", desk.firm.seller_id)
    complete_task(desk.task(second.id), actor=desk.firm.seller())
    db.session.commit()
    desk.settle()
    assert all(one["done"] for one in desk.items("todo"))
    assert {one["title"] for one in desk.items("entry")} == {"✓ 先做", "✓ 后做"}


def test_done_here_shows_in_the_calendar(desk: Desk) -> None:
    desk.switch("entry")
    task = desk.firm.task("寄样品", due_in=timedelta(days=1))
    desk.settle()
    complete_task(desk.task(task.id), actor=desk.firm.seller())
    db.session.commit()
    desk.settle()
    assert desk.item("entry")["title"] == "✓ 寄样品"


def test_a_cancelled_task_leaves_the_host(desk: Desk) -> None:
    desk.switch(*LISTS[desk.firm.host])
    task = desk.firm.task(due_in=timedelta(days=1))
    desk.settle()
    cancel_task(desk.task(task.id), actor=desk.firm.seller())
    db.session.commit()
    desk.settle()
    assert desk.items() == []


def test_a_task_handed_over_moves_to_the_other_persons_lists(desk: Desk) -> None:
    corp = db.session.execute(sa.select(Corp).where(Corp.id == desk.firm.corp_id)).scalar_one()
    db.session.commit()
    colleague = arrivals.arrive(corp, COLLEAGUES[desk.firm.host])
    from wsapp.crm.mirrors.actions import choose

    choose(colleague, todos=False, entries=True)
    desk.switch(*LISTS[desk.firm.host])
    task = desk.firm.task(due_in=timedelta(days=1))
    desk.settle()
    row = desk.task(task.id)
    row.creator_id = colleague.id
    change_task(row, {"title": "换人"}, actor=desk.firm.seller())
    row.assignee_id = colleague.id
    from wsapp.crm.events.actions import record

    record("task.assigned", row, actor=colleague, assignee=colleague.id, before=desk.firm.seller_id)
    db.session.commit()
    desk.settle()
    assert desk.items() == []
    (theirs,) = desk.items(user=COLLEAGUES[desk.firm.host])
    assert (theirs["list"], theirs["title"]) == ("entry", "换人")


def test_deleted_in_the_host_asks_and_can_come_back(desk: Desk) -> None:
    kind = LISTS[desk.firm.host][0]
    desk.switch(kind)
    task = desk.firm.task(due_in=timedelta(days=1))
    desk.settle()
    desk.tap(kind, "delete")
    assert desk.task(task.id).is_open
    (mirror,) = desk.mirrors()
    assert mirror.state == ASKING
    told = db.session.scalars(sa.select(Notification).where(Notification.kind == "task.unlinked")).one()
    assert told.recipient_id == desk.firm.seller_id
    create_again(desk.task(task.id), mirror.id, actor=desk.firm.seller())
    db.session.commit()
    desk.settle()
    assert desk.item(kind)["title"] == task.title
    desk.tap(kind, "delete")
    again = next(one for one in desk.mirrors() if one.state == ASKING)
    leave_out(desk.task(task.id), again.id, actor=desk.firm.seller())
    db.session.commit()
    change_task(desk.task(task.id), {"title": "改名"}, actor=desk.firm.seller())
    db.session.commit()
    desk.settle()
    assert desk.items() == []
    assert OFF in {one.state for one in desk.mirrors()}
    with pytest.raises(NotFound):
        create_again(desk.task(task.id), again.id, actor=desk.firm.seller())


def test_lost_events_are_found_by_the_nightly_look(desk: Desk) -> None:
    desk.switch(*LISTS[desk.firm.host])
    titles = ("一", "二", "三")
    tasks = {title: desk.firm.task(title, due_in=timedelta(days=1)) for title in titles}
    desk.settle()
    kind, there = LISTS[desk.firm.host][0], tomorrow_at(10, days=5)
    desk.firm.emulator.knobs["callbacks_to_lose"] = 100
    items = {one["title"]: one for one in desk.items(kind)}
    desk.act(items["一"], "move", there)
    desk.act(items["二"], "delete")
    if kind == "todo":
        desk.act(items["三"], "complete")
    desk.firm.emulator.knobs["callbacks_to_lose"] = 0
    before = desk.calls()
    desk.settle()
    assert desk.calls() == before
    look_at_everybody(local_now())
    db.session.commit()
    desk.settle()
    assert desk.task(tasks["一"].id).due_at == there
    assert ASKING in {one.state for one in desk.mirrors() if one.task_id == tasks["二"].id}
    assert desk.task(tasks["三"].id).state == ("done" if kind == "todo" else "open")


def test_a_quiet_night_costs_one_call_a_list(desk: Desk) -> None:
    desk.switch(*LISTS[desk.firm.host])
    for number in range(5):
        desk.firm.task(f"第 {number} 件", due_in=timedelta(days=1 + number))
    desk.settle()
    before = desk.calls()
    look_at_everybody(local_now())
    look_at_everybody(local_now())
    db.session.commit()
    desk.settle()
    assert desk.calls() - before == len(LISTS[desk.firm.host])


@pytest.mark.parametrize("fault", ["reset_after", "truncate", "reset_before"])
def test_a_create_in_doubt_makes_one_item(desk: Desk, fault: str) -> None:
    kind = LISTS[desk.firm.host][0]
    desk.switch(kind)
    desk.firm.task("先有一件，日历已建好", due_in=timedelta(days=9))
    desk.settle()
    desk.firm.task("只出现一次", due_in=timedelta(days=1))
    run_due(desk.firm.app, kinds=("event",))
    desk.firm.emulator.faults.append(Fault("*", fault))
    make_due("mirror")
    desk.settle()
    make_due("mirror")
    desk.settle()
    assert [one["title"] for one in desk.items(kind)].count("只出现一次") == 1


def test_a_move_in_doubt_is_not_taken_for_the_hosts(desk: Desk) -> None:
    kind = LISTS[desk.firm.host][0]
    desk.switch(kind)
    task = desk.firm.task(due_in=timedelta(days=1))
    desk.settle()
    first, second = tomorrow_at(10, days=2), tomorrow_at(11, days=3)
    change_task(desk.task(task.id), {"due_at": first}, actor=desk.firm.seller())
    db.session.commit()
    run_due(desk.firm.app, kinds=("event",))
    make_due("mirror")
    desk.firm.emulator.faults.append(Fault("*", "reset_after"))
    desk.settle()
    change_task(desk.task(task.id), {"due_at": second}, actor=desk.firm.seller())
    db.session.commit()
    make_due("mirror")
    desk.settle()
    make_due("mirror")
    desk.settle()
    assert desk.task(task.id).due_at == second
    assert desk.item(kind)["at"] == second.timestamp()


def test_of_two_new_dates_ours_wins_and_done_there_wins_over_all(desk: Desk) -> None:
    kind = LISTS[desk.firm.host][0]
    desk.switch(kind)
    task = desk.firm.task(due_in=timedelta(days=1))
    desk.settle()
    ours, theirs = tomorrow_at(10, days=2), tomorrow_at(11, days=3)
    change_task(desk.task(task.id), {"due_at": ours}, actor=desk.firm.seller())
    db.session.commit()
    desk.act(desk.item(kind), "move", theirs)
    desk.settle()
    assert desk.task(task.id).due_at == ours
    assert desk.item(kind)["at"] == ours.timestamp()
    if kind == "todo":
        change_task(desk.task(task.id), {"due_at": theirs}, actor=desk.firm.seller())
        db.session.commit()
        desk.act(desk.item(kind), "complete")
        desk.settle()
        assert desk.task(task.id).state == "done"


def test_a_new_title_here_leaves_their_unheard_date_and_tick_alone(desk: Desk) -> None:
    kind = LISTS[desk.firm.host][0]
    desk.switch(kind)
    tasks = [desk.firm.task(title, due_in=timedelta(days=1)) for title in ("改期的", "打勾的")]
    desk.settle()
    items = {one["title"]: one for one in desk.items(kind)}
    desk.firm.emulator.knobs["callbacks_to_lose"] = 2
    there = tomorrow_at(15, days=4)
    desk.act(items["改期的"], "move", there)
    if kind == "todo":
        desk.act(items["打勾的"], "complete")
    desk.firm.emulator.knobs["callbacks_to_lose"] = 0
    for task in tasks:
        change_task(desk.task(task.id), {"title": f"新的{task.title}"}, actor=desk.firm.seller())
        db.session.commit()
    desk.settle()
    shown = {one["title"]: one for one in desk.items(kind)}
    assert shown["新的改期的"]["at"] == there.timestamp()
    assert shown["新的打勾的"]["done"] == (kind == "todo")
    look_at_everybody(local_now())
    db.session.commit()
    desk.settle()
    assert desk.task(tasks[0].id).due_at == there
    assert desk.task(tasks[1].id).state == ("done" if kind == "todo" else "open")


def test_somebody_who_insists_at_the_host_is_not_argued_with_for_ever(desk: Desk) -> None:
    kind = LISTS[desk.firm.host][0]
    desk.switch(kind)
    desk.firm.task("回访", due_in=timedelta(days=1))
    desk.settle()
    began, read = clock.now(), 0
    for turn in range(1, 10):  # minutes apart: what is told twice within a second counts once
        before = desk.calls()
        with time_machine.travel(began + timedelta(minutes=2 * turn)):
            desk.tap(kind, "rename")
        read = desk.calls() - before
    assert desk.item(kind)["title"] != "回访"
    assert read == 1  # and nothing more
    assert [one.corrections for one in desk.mirrors()] == [MAX_CORRECTIONS]


def test_a_refusal_is_shown_and_tried_again_at_night(desk: Desk) -> None:
    kind = LISTS[desk.firm.host][0]
    _forbid(desk, True)
    desk.switch(kind)
    desk.firm.task(due_in=timedelta(days=1))
    desk.settle()
    (mirror,) = desk.mirrors()
    assert mirror.state == REFUSED
    assert mirror.code
    _forbid(desk, False)
    look_at_everybody(local_now())
    db.session.commit()
    desk.settle()
    assert len(desk.items(kind)) == 1


def _forbid(desk: Desk, on: bool) -> None:
    emulator = desk.firm.emulator
    if desk.firm.host == "wecom":
        for corp in emulator.corps.values():
            for app in corp.apps.values():
                app.forbidden = {"oa/schedule/add"} if on else set()
    else:
        for app in emulator.world.apps.values():
            app.missing_permissions = {"Todo.Todo.Write"} if on else set()


def test_whole_days_stay_whole_days(desk: Desk) -> None:
    desk.switch(*LISTS[desk.firm.host])
    task = desk.firm.task(due_in=timedelta(days=2), all_day=True)
    desk.settle()
    entry = desk.item("entry")
    assert entry["all_day"]
    assert entry["at"] == task.due_at.timestamp()
    there = local(task.due_at) + timedelta(days=3)
    desk.tap("entry", "move", there)
    moved = desk.task(task.id)
    assert (moved.due_at, moved.all_day) == (there, True)
    if "todo" in LISTS[desk.firm.host]:
        assert local(clock.now().fromtimestamp(desk.item("todo")["at"], there.tzinfo)).date() == there.date()


def test_a_calendar_that_was_deleted_is_made_anew(desk: Desk) -> None:
    if desk.firm.host != "wecom":
        pytest.skip("only this host has a calendar of the app's own")
    desk.switch("entry")
    task = desk.firm.task("旧的", due_in=timedelta(days=1))
    desk.settle()
    (calendar,) = desk.firm.emulator.calendars.calendars.values()
    with desk.firm.emulator.lock:
        desk.firm.emulator.calendars.delete_calendar(desk.user, calendar.id)
    desk.settle()
    assert [one.state for one in desk.mirrors() if one.task_id == task.id] == [ASKING]
    desk.firm.task("新的", due_in=timedelta(days=1))
    desk.settle()
    make_due("mirror")
    desk.settle()
    assert [one["title"] for one in desk.items()] == ["新的"]


def test_the_hundred_and_first_entry_waits_for_tomorrow_and_holds_up_nothing(desk: Desk) -> None:
    if desk.firm.host != "dingtalk":
        pytest.skip("only this host counts the entries of a day")
    desk.firm.emulator.knobs["entries_per_day"] = 1
    desk.switch("entry", "todo")
    for title in ("一", "二"):
        desk.firm.task(title, due_in=timedelta(days=1))
    desk.settle()
    assert len(desk.items("entry")) == 1
    assert len(desk.items("todo")) == 2
