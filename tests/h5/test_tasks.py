"""What is done with tasks: finish, put off, hand over, cancel, from the page and from a list."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.h5.conftest import Book
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.models import Reminder, Task
from wsapp.house import House

Post = Callable[..., Any]
RowsOf = Callable[..., list[Any]]


def of(rows_of: RowsOf, member: Member, task_id: str) -> Task:
    (found,) = (one for one in rows_of(Task, member) if one.id == task_id)
    return found


def test_a_new_task_keeps_all_that_was_chosen(post: Post, rows_of: RowsOf, book: Book, ali: Member, see: Any) -> None:
    data = {
        "title": "签合同",
        "customer": book.customer,
        "kind": "visit",
        "due_at": "2030-01-02T15:30",
        "reminders": ["0", "60", "1440"],
        "priority": "high",
        "repeat": "weekly",
        "repeat_until": "2030-03-01",
        "note": "带公章",
    }
    answer = post(ali, "/h5/tasks", data)
    assert answer.status_code == 303
    task = of(rows_of, ali, answer.location.rsplit("/", 1)[1])
    assert task.due_at.isoformat() == "2030-01-02T07:30:00+00:00"
    assert task.repeat_until is not None
    assert task.repeat_until.isoformat() == "2030-03-01T15:59:00+00:00"
    assert (task.kind, task.reminders, task.priority, task.repeat) == ("visit", [0, 60, 1440], "high", "weekly")
    page = see(ali, answer.location)
    for words in ("签合同", "华星木业有限公司", "准时、1 小时前、1 天前", "每周，到 2030-03-01 为止", "带公章", "重要"):
        assert words in page, words


def test_an_all_day_task_is_due_the_whole_day(post: Post, rows_of: RowsOf, ali: Member) -> None:
    answer = post(ali, "/h5/tasks", {"title": "对账", "due_at": "2030-01-02T15:30", "all_day": "1", "reminders": "0"})
    task = of(rows_of, ali, answer.location.rsplit("/", 1)[1])
    assert task.all_day
    assert task.due_at.isoformat() == "2030-01-01T16:00:00+00:00"  # midnight in the corp's zone


def test_a_task_that_fails_keeps_everything(post: Post, rows_of: RowsOf, book: Book, ali: Member, cha: Member) -> None:
    before = len(rows_of(Task, ali))
    data = {
        "title": "",
        "customer": book.customer,
        "due_at": "",
        "reminders": ["0", "5", "15", "30"],
        "repeat": "daily",
        "note": "很长的备注",
    }
    answer = post(ali, "/h5/tasks", data)
    assert answer.status_code == 422
    for words in ("标题应为 1–120 个字", "请选择到期时间", "最多 3 个提醒", "很长的备注"):
        assert words in answer.text, words
    assert f'value="{book.customer}" selected' in answer.text
    assert 'value="daily" selected' in answer.text
    assert answer.text.count("checked") == 7  # four reminders, kind, priority, and what a free day means
    # a customer out of sight is refused, and not named
    hidden = post(cha, "/h5/tasks", {"title": "打听", "due_at": "2030-01-02T09:00", "customer": book.customer})
    assert hidden.status_code == 422
    assert "客户不存在或无权查看" in hidden.text
    assert "华星" not in hidden.text
    # nor can work be given to just anybody
    given = post(cha, "/h5/tasks", {"title": "给阿丽", "due_at": "2030-01-02T09:00", "assignee": ali.id})
    assert given.status_code == 422
    assert "只能交给自己团队的成员或自己的主管" in given.text
    assert len(rows_of(Task, ali)) == before


def test_done_with_a_line_happens_once(post: Post, rows_of: RowsOf, book: Book, ali: Member, see: Any) -> None:
    path = f"/h5/tasks/{book.overdue}"
    for _try in range(2):
        assert post(ali, f"{path}/completion", {"note": "已签收"}).status_code == 303
    task = of(rows_of, ali, book.overdue)
    assert (task.state, task.done_by, task.done_note) == ("done", ali.id, "已签收")
    assert len([one for one in rows_of(Task, ali) if one.series_id == task.id]) == 2  # itself and its next one
    page = see(ali, path)
    assert "已完成" in page
    assert "已签收" in page
    assert f"{path}/completion" not in page


def test_the_tick_in_a_list_answers_with_the_row(
    post: Post, rows_of: RowsOf, book: Book, sign_in: Any, ali: Member
) -> None:
    client = sign_in(ali)
    page = client.get("/h5/").text
    token = page.split('name="csrf-token" content="')[1].split('"')[0]
    headers = {"HX-Request": "true", "HX-Target": f"task-{book.overdue}"}
    answer = client.post(f"/h5/tasks/{book.overdue}/completion", data={"csrf_token": token}, headers=headers)
    assert answer.status_code == 200
    assert f'id="task-{book.overdue}"' in answer.text
    assert "row_done" in answer.text
    assert "<html" not in answer.text
    assert json.loads(answer.headers["HX-Trigger"]) == {"toast": "已完成"}
    assert answer.headers["HX-Trigger"].isascii()


def test_without_script_the_tick_leads_back_to_the_list(post: Post, book: Book, sign_in: Any, ali: Member) -> None:
    client = sign_in(ali)
    token = client.get("/h5/").text.split('name="csrf-token" content="')[1].split('"')[0]
    for referer, back in (
        ("http://127.0.0.1:8000/h5/tasks?scope=mine", "/h5/tasks?scope=mine"),
        ("https://evil.example/h5/", f"/h5/tasks/{book.today}"),
        ("", f"/h5/tasks/{book.today}"),
    ):
        answer = client.post(
            f"/h5/tasks/{book.today}/completion", data={"csrf_token": token}, headers={"Referer": referer}
        )
        assert (answer.status_code, answer.location) == (303, back)


@pytest.mark.parametrize("until", ["1h", "tomorrow", "monday"])
def test_put_off_rings_once_later(
    post: Post, rows_of: RowsOf, book: Book, ali: Member, see: Any, app: Any, until: str
) -> None:
    path = f"/h5/tasks/{book.overdue}"
    for _tap in range(2):
        answer = post(ali, f"{path}/snooze", {"until": until, "idempotency_key": f"nap {until}"})
        assert answer.status_code == 303
    task = of(rows_of, ali, book.overdue)
    assert task.snoozed_until is not None
    assert task.version == 2
    house: House = app.extensions["wsapp"]
    there = task.snoozed_until.astimezone(house.settings.notifications.zone)
    assert until == "1h" or (there.hour, there.minute) == (9, 0)
    assert until != "monday" or there.weekday() == 0
    planned = [one for one in rows_of(Reminder, ali) if one.task_id == task.id and one.state == "planned"]
    assert [one.fire_at for one in planned if one.kind == "snooze"] == [task.snoozed_until]
    assert "已推迟" in see(ali, "/h5/")


def test_an_unknown_time_to_put_off_is_refused(post: Post, rows_of: RowsOf, book: Book, ali: Member) -> None:
    assert post(ali, f"/h5/tasks/{book.overdue}/snooze", {"until": "1995"}).status_code == 422
    assert of(rows_of, ali, book.overdue).snoozed_until is None


def test_handed_over_to_the_team_and_to_the_manager(
    post: Post, rows_of: RowsOf, book: Book, ali: Member, bob: Member, cha: Member
) -> None:
    path = f"/h5/tasks/{book.today}/assignment"
    empty = post(ali, path, {"assignee": ""})
    assert empty.status_code == 422
    assert "请选择成员" in empty.text
    assert post(ali, path, {"assignee": cha.id}).status_code == 422
    assert post(ali, path, {"assignee": bob.id}).status_code == 303
    assert of(rows_of, ali, book.today).assignee_id == bob.id


def test_cancelled_with_a_reason(post: Post, rows_of: RowsOf, book: Book, ali: Member, see: Any) -> None:
    assert post(ali, f"/h5/tasks/{book.later}/cancellation", {"reason": "客户改期"}).status_code == 303
    task = of(rows_of, ali, book.later)
    assert (task.state, task.done_note) == ("cancelled", "客户改期")
    assert "客户改期" in see(ali, f"/h5/tasks/{book.later}")


def test_today_groups_what_is_overdue_due_and_next(see: Any, book: Book, ali: Member) -> None:
    page = see(ali, "/h5/")
    marks = [f'id="{name}"' for name in ("under-way", "overdue", "due", "later")]
    places = [page.index(mark) for mark in marks]
    assert places == sorted(places)
    assert places[1] < page.index(f"task-{book.overdue}") < places[2] < page.index(f"task-{book.today}") < places[3]
    assert page.index(f"task-{book.later}") > places[3]
    assert f"/h5/visits/{book.visit}" in page


def test_lists_tell_mine_given_and_the_teams(see: Any, book: Book, ali: Member, bob: Member) -> None:
    assert f"task-{book.given}" in see(ali, "/h5/tasks")
    assert f"task-{book.given}" not in see(bob, "/h5/tasks")
    assert f"task-{book.given}" in see(bob, "/h5/tasks?scope=given")
    assert f"task-{book.overdue}" not in see(bob, "/h5/tasks?scope=given")
    team = see(bob, "/h5/tasks?scope=team")
    for task_id in (book.given, book.overdue, book.today):
        assert f"task-{task_id}" in team
    assert "阿丽" in team
