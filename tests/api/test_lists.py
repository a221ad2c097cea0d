"""Lists: pages that meet without gap or double, bounded work, and the smaller collections."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.api.conftest import Rest, picture
from tests.cast import Cast
from wsapp import clock
from wsapp.crm.notifications.actions import tell
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member
from wsapp.db import corp_scope, db

MakeRest = Callable[..., Rest]
MOST_STATEMENTS = 4
TALK = {"follow-ups": 3, "visits": 3}  # and who is named, how much was said, how many like it


@contextmanager
def counting() -> Iterator[list[str]]:
    """Collect the SQL that the block sends, without transaction control."""
    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if not statement.startswith(("BEGIN", "SAVEPOINT", "RELEASE", "PRAGMA")):
            sent.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


@pytest.fixture
def full(app: Flask, cast: Cast, me: Rest, ali: Member) -> Rest:
    """Something in every collection."""
    for number in range(6):
        customer = me.made("/customers", {"name": f"第{number}家公司", "phones": [f"1380013800{number}"]})
        photo = me.upload(picture()).get_json()["id"]
        me.made(f"/customers/{customer['id']}/visits", {"photos": [photo]})
        next_at = (clock.now() + timedelta(days=number + 1)).isoformat()
        me.made(f"/customers/{customer['id']}/follow-ups", {"text": f"第{number}次", "next_at": next_at})
    with app.app_context(), corp_scope(cast.corp_id):
        reader = member(ali.id)
        assert reader
        for number in range(6):
            card = {
                "title": f"第{number}条",
                "text": "",
                "lines": [],
                "url": "",
                "buttons": [],
                "source": "",
                "state": "",
            }
            tell(reader, "task.due", card, key=f"n{number}", subject_id=f"s{number}")
        db.session.commit()
    return me


LISTS = ("customers", "visits", "follow-ups", "tasks", "members", "departments", "events", "notifications")


@pytest.mark.parametrize("name", LISTS)
def test_pages_meet_without_gap_or_double(full: Rest, rest: MakeRest, guan: Member, name: str) -> None:
    boss = rest(guan)
    whole = boss.items(f"/{name}?limit=200")
    assert len(whole) >= 3
    found: list[dict[str, Any]] = []
    cursor = ""
    for _page in range(200):
        answer = boss.get(f"/{name}?limit=2&cursor={cursor}").get_json()
        found += answer["items"]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert found == whole


def test_a_page_stays_right_when_rows_come_in_between(me: Rest) -> None:
    for number in range(4):
        me.made("/customers", {"name": f"第{number}家公司"})
    first = me.get("/customers?sort=name&limit=2").get_json()
    me.made("/customers", {"name": "第00家公司"})
    second = me.get(f"/customers?sort=name&limit=2&cursor={first['next_cursor']}").get_json()
    assert [one["name"] for one in first["items"] + second["items"]] == [f"第{number}家公司" for number in range(4)]


@pytest.mark.parametrize("name", LISTS)
def test_a_page_costs_few_statements(
    full: Rest, rest: MakeRest, ali: Member, bob: Member, guan: Member, name: str
) -> None:
    for who in (ali, bob, guan):
        client = rest(who)
        client.get("/tasks?limit=1")  # the first call of a token notes its use
        with counting() as sent:
            assert client.get(f"/{name}?limit=5").status_code == 200
        # Of customers it is asked first whether one co-works on any: who does not has a list that an index orders.
        assert len(sent) <= MOST_STATEMENTS + (name == "customers") + TALK.get(name, 0), "\n".join(sent)


# --- members and departments --------------------------------------------------------------------------------------


def test_members_are_shown_as_far_as_one_may_see(
    rest: MakeRest, ali: Member, bob: Member, guan: Member, ivy: Member
) -> None:
    seen = {who.userid: {one["userid"] for one in rest(who).items("/members")} for who in (ali, bob, guan, ivy)}
    assert seen == {"ali": {"ali"}, "bob": {"ali", "bob"}, "guan": {"ali", "bob", "cha", "guan"}, "ivy": {"ivy"}}
    boss = rest(guan)
    assert boss.get("/members/BOB").get_json() == {
        "userid": "bob",
        "name": "老鲍",
        "position": "",
        "departments": ["2"],
        "status": "active",
        "is_leader_of": ["2"],
    }
    assert [one["userid"] for one in boss.items("/members?department=2&sort=-name")] in (["bob", "ali"], ["ali", "bob"])
    assert boss.items("/members?status=left") == []
    assert [one["userid"] for one in boss.items("/members?q=查")] == ["cha"]
    assert rest(ali).get("/members/bob").status_code == 404
    assert boss.get("/members/ivy").status_code == 404


def test_departments_are_shown_as_far_as_one_may_see(
    rest: MakeRest, ali: Member, bob: Member, cha: Member, guan: Member
) -> None:
    seen = {who.userid: {one["id"] for one in rest(who).items("/departments")} for who in (ali, bob, cha, guan)}
    assert seen == {"ali": {"2"}, "bob": {"2"}, "cha": {"3"}, "guan": {"1", "2", "3"}}
    south = {"id": "2", "name": "华南销售部", "parent": "1", "leaders": ["bob"]}
    assert rest(ali).get("/departments/2").get_json() == south
    assert rest(cha).get("/departments/2").status_code == 404


# --- events and notifications -------------------------------------------------------------------------------------


def test_events_tell_who_did_what_to_which_record(
    rest: MakeRest, bob: Member, cha: Member, ivy: Member, me: Rest, huaxing: dict[str, Any]
) -> None:
    me.patch(f"/customers/{huaxing['id']}", {"level": "A"})
    for reader in (me, rest(bob)):
        found = reader.items(f"/events?subject={huaxing['id']}")
        assert [one["kind"] for one in found] == ["customer.changed", "customer.created"]
        assert all(huaxing["id"] in one["subject"] and one["actor"] == "ali" for one in found)
        assert found[0]["changes"] == {"level": [None, "A"]}
        assert reader.items(f"/events?subject=customer/{huaxing['id']}&kind=customer.changed") == found[:1]
        assert reader.items(f"/events?subject=task/{huaxing['id']}") == []
        assert reader.get(f"/events/{found[0]['id']}").get_json() == found[0]
        assert found[0]["at"] in str(reader.items("/events?sort=at"))
    unknown = me.get("/events?kind=customer.chagned")
    assert (unknown.status_code, [one["field"] for one in unknown.get_json()["errors"]]) == (422, ["kind"])
    for stranger in (cha, ivy):
        assert rest(stranger).items(f"/events?subject={huaxing['id']}") == []
        assert rest(stranger).get(f"/events/{found[0]['id']}").status_code == 404


def test_the_events_of_a_task_given_to_me_are_mine_to_see(rest: MakeRest, bob: Member, me: Rest) -> None:
    due_at = (clock.now() + timedelta(days=1)).isoformat()
    task = rest(bob).made("/tasks", {"title": "请阿丽跟进", "due_at": due_at, "assignee": "ali"})
    assert {one["kind"] for one in me.items(f"/events?subject={task['id']}")} == {"task.created", "task.assigned"}


def test_the_ledger_shows_what_became_of_a_message(
    full: Rest, rest: MakeRest, bob: Member, cha: Member, ivy: Member
) -> None:
    for reader in (full, rest(bob)):
        found = reader.items("/notifications?kind=task.due&state=planned&recipient=ali")
        assert len(found) == 6
        assert (found[0]["recipient"], found[0]["attempts"], found[0]["host_code"]) == ("ali", 0, "")
        assert found[0]["title"].startswith("第")
        assert reader.get(f"/notifications/{found[0]['id']}").get_json() == found[0]
        assert reader.items("/notifications?state=failed") == []
    for stranger in (cha, ivy):
        assert rest(stranger).items("/notifications") == []
        assert rest(stranger).get(f"/notifications/{found[0]['id']}").status_code == 404
