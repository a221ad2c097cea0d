"""Correcting a logged follow-up over REST: what stays, whom it names, versions, and who may."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from tests.api.conftest import Rest
from wsapp import clock
from wsapp.crm.org.models import Member


@pytest.fixture
def log(me: Rest, huaxing: dict[str, Any]) -> dict[str, Any]:
    typed = {"text": "报价已发", "next_at": "2030-01-31T09:00:00+08:00", "mentions": ["bob"]}
    return me.made(f"/customers/{huaxing['id']}/follow-ups", typed)


def test_what_is_left_out_stays(me: Rest, log: dict[str, Any]) -> None:
    changed = me.patch(f"/follow-ups/{log['id']}", {"text": "报价已发 @铁锤", "kind": "wechat"})
    assert changed.status_code == 200
    now = changed.get_json()
    assert (now["text"], now["kind"], now["version"]) == ("报价已发 @铁锤", "wechat", 2)
    for field in ("customer", "author", "outcome", "happened_at", "next_at", "mentions", "photos", "created_at"):
        assert now[field] == log[field], field
    (event,) = me.items(f"/events?subject={log['id']}&kind=follow_up.changed")
    assert event["changes"]["text"] == ["报价已发", "报价已发 @铁锤"]
    assert me.patch(f"/follow-ups/{log['id']}", {"mentions": []}).get_json()["mentions"] == []


def test_an_old_version_is_refused_with_the_record_as_it_is(me: Rest, log: dict[str, Any]) -> None:
    path = f"/follow-ups/{log['id']}"
    assert me.patch(path, {"text": "报价已寄"}, headers={"If-Match": '"1"'}).status_code == 200
    stale = me.patch(path, {"text": "报价未发"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert stale.get_json()["current"]["text"] == "报价已寄"


@pytest.mark.parametrize(
    "body", [{"text": ""}, {"kind": "fax"}, {"contact": "nobody"}, {"happened_at": None}, {"x": 1}]
)
def test_bad_input_changes_nothing(me: Rest, log: dict[str, Any], body: dict[str, Any]) -> None:
    refused = me.patch(f"/follow-ups/{log['id']}", body)
    assert refused.status_code == 422
    assert refused.get_json()["errors"][0]["field"] == next(iter(body))
    assert me.get(f"/follow-ups/{log['id']}").get_json() == log


def test_after_a_day_it_is_for_the_leader(
    log: dict[str, Any], rest: Callable[..., Rest], ali: Member, bob: Member, cha: Member
) -> None:
    path, words = f"/follow-ups/{log['id']}", {"text": "报价未发"}
    assert rest(cha).patch(path, words).status_code == 404
    assert rest(bob, scopes=("read",)).patch(path, words).status_code == 403
    with time_machine.travel(clock.wall() + timedelta(hours=25)):
        late = rest(ali).patch(path, words)
        assert late.status_code == 403
        assert "24 小时" in late.get_json()["detail"]
        assert rest(bob).patch(path, words).get_json()["text"] == "报价未发"
