"""Tasks over REST: reminders, verbs, and who may do what."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.api.conftest import Rest
from wsapp import clock
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.models import Reminder
from wsapp.db import db, every_corp

MakeRest = Callable[..., Rest]


def moment(**ahead: float) -> str:
    return (clock.now() + timedelta(**ahead)).replace(second=0, microsecond=0).isoformat()


@pytest.fixture
def task(me: Rest) -> dict[str, Any]:
    return me.made("/tasks", {"title": "回访华星家具", "due_at": moment(days=2), "reminders": [30, 0]})


def planned(app: Flask) -> list[tuple[str, datetime]]:
    with app.app_context(), every_corp():
        rows = db.session.execute(
            sa.select(Reminder.kind, Reminder.fire_at).where(Reminder.state == "planned").order_by(Reminder.fire_at)
        )
        return [(row.kind, row.fire_at) for row in rows]


def test_a_task_keeps_its_fields_and_plans_its_reminders(app: Flask, me: Rest, huaxing: dict[str, Any]) -> None:
    due = moment(days=3)
    made = me.made(
        "/tasks",
        {
            "title": "送样品",
            "note": "两套",
            "kind": "visit",
            "customer": huaxing["id"],
            "due_at": due,
            "reminders": [0, 60],
            "repeat": "weekly",
            "priority": "high",
        },
    )
    assert made["due_at"] == due
    assert (made["assignee"], made["creator"], made["customer"]) == ("ali", "ali", huaxing["id"])
    assert (made["state"], made["snoozed_until"], made["reminders"]) == ("open", None, [0, 60])
    assert (made["repeat"], made["kind"], made["all_day"], made["priority"]) == ("weekly", "visit", False, "high")
    at = datetime.fromisoformat(due)
    assert planned(app)[:2] == [("due", at - timedelta(minutes=60)), ("due", at)]
    assert [kind for kind, _at in planned(app)[2:]] == ["overdue"]
    assert me.get(f"/customers/{huaxing['id']}").get_json()["next_follow_at"] == due


def test_a_change_plans_anew(app: Flask, me: Rest, task: dict[str, Any]) -> None:
    due = moment(days=5)
    answer = me.patch(f"/tasks/{task['id']}", {"due_at": due, "reminders": []}, headers={"If-Match": '"1"'})
    assert answer.status_code == 200
    assert [kind for kind, _at in planned(app)] == ["overdue"]
    stale = me.patch(f"/tasks/{task['id']}", {"title": "别的"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert stale.get_json()["current"]["due_at"] == due


def test_of_two_edits_at_once_one_is_told(app: Flask, me: Rest, task: dict[str, Any]) -> None:
    def edit(title: str) -> int:
        other = Rest(app, me.token)
        return other.patch(f"/tasks/{task['id']}", {"title": title}, headers={"If-Match": '"1"'}).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(edit, ("一号", "二号", "三号", "四号")))
    assert sorted(statuses) == [200, 412, 412, 412]


def test_completion_happens_once_and_silences(app: Flask, me: Rest, task: dict[str, Any]) -> None:
    first = me.post(f"/tasks/{task['id']}/completion", {"note": "已确认"}).get_json()
    assert (first["state"], first["done_by"], first["done_note"]) == ("done", "ali", "已确认")
    again = me("POST", f"/tasks/{task['id']}/completion")
    assert again.status_code == 200
    assert again.get_json() == first
    assert planned(app) == []
    assert len(me.items(f"/events?subject={task['id']}&kind=task.done")) == 1


def test_a_repeating_task_makes_its_next_one(me: Rest) -> None:
    made = me.made("/tasks", {"title": "周报", "due_at": moment(minutes=5), "repeat": "daily"})
    me.post(f"/tasks/{made['id']}/completion")
    following = me.items("/tasks?state=open")
    expected = datetime.fromisoformat(made["due_at"]) + timedelta(days=1)
    assert [datetime.fromisoformat(one["due_at"]) for one in following] == [expected]


def test_a_repeat_in_full(me: Rest) -> None:
    rule = {"repeat": "weekly", "repeat_every": 2, "repeat_days": [5, 1], "repeat_times": 4, "repeat_free": "skip"}
    made = me.made("/tasks", {"title": "周报", "due_at": moment(days=1), **rule})
    assert {name: made[name] for name in rule} == {**rule, "repeat_days": [1, 5]}
    assert made["repeat_number"] == 1
    wrong = me.patch(f"/tasks/{made['id']}", {"repeat_days": [15]})
    assert (wrong.status_code, wrong.get_json()["errors"][0]["field"]) == (422, "repeat_days")
    changed = me.patch(f"/tasks/{made['id']}", {"repeat": "monthly"}).get_json()
    assert (changed["repeat"], changed["repeat_days"]) == ("monthly", [])


def test_snooze_rings_once_at_the_new_time(app: Flask, me: Rest, task: dict[str, Any]) -> None:
    before = clock.now()
    answer = me.post(f"/tasks/{task['id']}/snooze", {"minutes": 15})
    until = datetime.fromisoformat(answer.get_json()["snoozed_until"])
    assert before + timedelta(minutes=15) <= until <= clock.now() + timedelta(minutes=15)
    assert [kind for kind, _at in planned(app)] == ["snooze", "overdue"]


@pytest.mark.parametrize("minutes", [0, -1, 129601, "15", 1.5, True, None])
def test_bad_snoozes_are_refused(me: Rest, task: dict[str, Any], minutes: Any) -> None:
    answer = me.post(f"/tasks/{task['id']}/snooze", {"minutes": minutes})
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == "minutes"


def test_finished_tasks_cannot_be_snoozed_or_cancelled(me: Rest, task: dict[str, Any]) -> None:
    me.post(f"/tasks/{task['id']}/completion")
    for verb, body in (("snooze", {"minutes": 5}), ("cancellation", {})):
        answer = me.post(f"/tasks/{task['id']}/{verb}", body)
        assert answer.status_code == 409
        assert answer.get_json()["errors"][0]["field"] == "state"


def test_a_cancelled_task_is_not_completed(app: Flask, me: Rest, task: dict[str, Any]) -> None:
    assert me.post(f"/tasks/{task['id']}/cancellation", {"reason": "客户改期"}).get_json()["state"] == "cancelled"
    assert me.post(f"/tasks/{task['id']}/cancellation").status_code == 200
    assert me.post(f"/tasks/{task['id']}/completion").status_code == 409
    assert planned(app) == []


def test_a_task_is_handed_to_the_manager_and_back(rest: MakeRest, bob: Member, me: Rest, task: dict[str, Any]) -> None:
    assert me.post(f"/tasks/{task['id']}/assignment", {"assignee": "bob"}).get_json()["assignee"] == "bob"
    assert rest(bob).post(f"/tasks/{task['id']}/assignment", {"assignee": "ali"}).get_json()["assignee"] == "ali"
    for nobody in ("cha", "ivy", "nobody"):
        answer = me.post(f"/tasks/{task['id']}/assignment", {"assignee": nobody})
        assert answer.status_code == 422
        assert answer.get_json()["errors"][0]["field"] == "assignee"


def test_a_task_handed_out_of_sight_is_answered_once_more(rest: MakeRest, bob: Member, me: Rest) -> None:
    mine = rest(bob).made("/tasks", {"title": "请阿丽跟进", "due_at": moment(days=1), "assignee": "ali"})
    answer = me.post(f"/tasks/{mine['id']}/assignment", {"assignee": "bob"})
    assert answer.status_code == 200
    assert answer.get_json()["assignee"] == "bob"
    assert me.get(f"/tasks/{mine['id']}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"title": "改名"}),
        ("POST", "/completion", {}),
        ("POST", "/snooze", {"minutes": 5}),
        ("POST", "/assignment", {"assignee": "cha"}),
        ("POST", "/cancellation", {}),
    ],
)
def test_strangers_find_no_such_task(
    rest: MakeRest, cha: Member, ivy: Member, me: Rest, task: dict[str, Any], method: str, path: str, body: Any
) -> None:
    for who in (cha, ivy):
        assert rest(who)(method, f"/tasks/{task['id']}{path}", json=body).status_code == 404
    assert me.get(f"/tasks/{task['id']}").get_json() == task


def test_a_task_about_a_customer_out_of_sight_is_refused(rest: MakeRest, cha: Member, huaxing: dict[str, Any]) -> None:
    body = {"title": "打探", "due_at": moment(days=1), "customer": huaxing["id"]}
    answer = rest(cha).post("/tasks", body)
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == "customer"
    assert "华星" not in answer.get_data(as_text=True)


def test_filters_find_what_they_say(rest: MakeRest, bob: Member, me: Rest, huaxing: dict[str, Any]) -> None:
    boss = rest(bob)
    me.made("/tasks", {"title": "甲", "due_at": moment(hours=1), "customer": huaxing["id"]})
    boss.made("/tasks", {"title": "乙", "due_at": moment(days=9)})
    done = me.made("/tasks", {"title": "丙", "due_at": moment(days=1)})
    me.post(f"/tasks/{done['id']}/completion")

    def found(query: str) -> list[str]:
        return [one["title"] for one in boss.items(f"/tasks?{query}")]

    assert found("sort=due_at") == ["甲", "丙", "乙"]
    assert found("sort=-due_at") == ["乙", "丙", "甲"]
    assert found("assignee=ali") == ["甲", "丙"]
    assert found("state=done") == ["丙"]
    assert found(f"due_before={moment(days=2).replace('+', '%2B')}&state=open") == ["甲"]
    assert found(f"customer={huaxing['id']}") == ["甲"]
    assert found("q=乙") == ["乙"]
