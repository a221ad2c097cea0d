"""The same POST sent again, in turn or at once: written once, answered the same."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.api.conftest import Rest, picture
from wsapp import clock
from wsapp.crm.org.models import Idempotency, Member
from wsapp.db import db, every_corp

MakeRest = Callable[..., Rest]
KEY = {"Idempotency-Key": "order-7"}
BODY = {"name": "佛山市华星家具有限公司", "phones": ["13800138000"]}


def told(answer: Any) -> tuple[int, Any, str | None, str | None]:
    return answer.status_code, answer.get_json(), answer.headers.get("ETag"), answer.headers.get("Location")


def test_a_repeat_gets_the_first_answer_and_writes_nothing(me: Rest) -> None:
    first = me.post("/customers", BODY, headers=KEY)
    again = me("POST", "/customers", headers=KEY, json=dict(reversed(BODY.items())))
    assert told(first) == told(again)
    assert first.status_code == 201
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(me.items("/customers")) == 1


def test_another_body_or_address_with_the_same_key_is_a_conflict(me: Rest) -> None:
    me.post("/customers", BODY, headers=KEY)
    other_body = me.post("/customers", {**BODY, "level": "A"}, headers=KEY)
    due_at = (clock.now() + timedelta(days=1)).isoformat()
    other_place = me.post("/tasks", {"title": "回访", "due_at": due_at}, headers=KEY)
    for answer in (other_body, other_place):
        assert answer.status_code == 409
        assert answer.get_json()["type"].endswith("key_reused")
    assert me.items("/tasks") == []


def test_keys_belong_to_a_person(rest: MakeRest, me: Rest, bob: Member, ivy: Member) -> None:
    me.post("/customers", BODY, headers=KEY)
    for who in (bob, ivy):
        answer = rest(who).post("/customers", {"name": "别的公司"}, headers=KEY)
        assert answer.status_code == 201
        assert "Idempotent-Replayed" not in answer.headers


def test_a_failed_write_does_not_spend_the_key(me: Rest) -> None:
    assert me.post("/customers", {"name": ""}, headers=KEY).status_code == 422
    assert me.post("/customers", {"name": "x", "phones": ["1"]}, headers=KEY).status_code == 422
    assert me.post("/customers", BODY, headers=KEY).status_code == 201


def test_after_a_day_the_key_is_free_again(app: Flask, me: Rest) -> None:
    me.post("/customers", {"name": "甲公司"}, headers=KEY)
    with app.app_context(), every_corp():
        db.session.execute(sa.update(Idempotency).values(created_at=clock.now() - timedelta(hours=25)))
        db.session.commit()
    assert me.post("/customers", {"name": "乙公司"}, headers=KEY).status_code == 201
    assert len(me.items("/customers")) == 2


def test_many_at_once_write_once(app: Flask, me: Rest) -> None:
    def send(_number: int) -> Any:
        return told(Rest(app, me.token).post("/customers", BODY, headers=KEY))

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 201
    assert len(me.items("/customers")) == 1


def test_verbs_are_repeated_safely(me: Rest) -> None:
    task = me.made("/tasks", {"title": "回访", "due_at": (clock.now() + timedelta(days=1)).isoformat()})
    first = me.post(f"/tasks/{task['id']}/snooze", {"minutes": 5}, headers=KEY)
    assert told(me.post(f"/tasks/{task['id']}/snooze", {"minutes": 5}, headers=KEY)) == told(first)
    assert len(me.items(f"/events?subject={task['id']}&kind=task.snoozed")) == 1


def test_an_upload_is_recognised_whatever_its_boundary(me: Rest) -> None:
    first, again = me.upload(picture(), headers=KEY), me.upload(picture(), headers=KEY)
    assert told(first) == told(again)
    assert me.upload(picture("blue"), headers=KEY).status_code == 409
    other_name = me("POST", "/files", headers=KEY, data={"file": (io.BytesIO(picture()), "other.png")})
    assert told(other_name) == told(first)


@pytest.mark.parametrize("key", ["a" * 256, "with space", "中文", "\x7f"])
def test_bad_keys_are_refused(me: Rest, key: str) -> None:
    answer = me.post("/customers", BODY, headers={"Idempotency-Key": key.encode().decode("latin-1")})
    assert answer.status_code == 422
    assert me.items("/customers") == []
