"""Colleagues over REST: comments, likes, who is named, and places that need a leader's word."""

from collections.abc import Callable
from typing import Any

from tests.api.conftest import Rest
from wsapp.crm.org.models import Member

FAR_OFF = {"lat": 23.1491, "lng": 113.2644}


def test_comments_and_likes(
    rest: Callable[..., Rest], me: Rest, huaxing: dict[str, Any], bob: Member, cha: Member
) -> None:
    log = me.made(f"/customers/{huaxing['id']}/follow-ups", {"text": "报价已发", "mentions": ["bob"]})
    assert (log["mentions"], log["comments"], log["likes"]) == (["bob"], 0, 0)
    boss, stranger = rest(bob), rest(cha)
    path = f"/follow-ups/{log['id']}"
    said = boss.made(f"{path}/comments", {"text": "可以打九折", "mentions": ["ali"]})
    assert (said["author"], said["mentions"], said["edited_at"]) == ("bob", ["ali"], None)
    assert [one["text"] for one in me.items(f"{path}/comments")] == ["可以打九折"]
    assert boss.post(f"{path}/like").get_json() == {"likes": ["bob"]}
    assert me.get(path).get_json() | {"comments": 1, "likes": 1} == me.get(path).get_json()
    assert stranger.get(f"{path}/comments").status_code == 404
    assert stranger.post(f"{path}/comments", {"text": "打探"}).status_code == 404
    assert boss.post(f"{path}/comments", {"text": ""}).status_code == 422
    assert stranger("DELETE", f"/comments/{said['id']}").status_code == 404
    assert me("DELETE", f"/comments/{said['id']}").status_code == 200  # whoever may delete the follow-up
    assert me.items(f"{path}/comments") == []
    assert boss.post(f"{path}/like", {"on": False}).get_json() == {"likes": []}


def test_a_visit_is_talked_about_too(rest: Callable[..., Rest], me: Rest, huaxing: dict[str, Any], bob: Member) -> None:
    visit = me.made(f"/customers/{huaxing['id']}/visits", {"note": "到了", "no_fix_reason": "室内"})
    rest(bob).made(f"/visits/{visit['id']}/comments", {"text": "辛苦"})
    assert me.get(f"/visits/{visit['id']}").get_json()["comments"] == 1


def test_who_does_not_see_the_customer_is_named_before_anything_is_written(
    me: Rest, huaxing: dict[str, Any], cha: Member
) -> None:
    path = f"/customers/{huaxing['id']}/follow-ups"
    refused = me.post(path, {"text": "请核对", "mentions": ["cha"]})
    assert refused.status_code == 422
    assert refused.get_json()["errors"][0]["field"] == "mentions"
    assert me.items(path) == []
    assert me.made(path, {"text": "请核对", "mentions": ["cha"], "unseen": "skip"})["mentions"] == []
    assert me.made(path, {"text": "请核对", "mentions": ["cha"], "unseen": "invite"})["mentions"] == ["cha"]
    (coworker,) = me.items(f"/customers/{huaxing['id']}/coworkers")
    assert (coworker["member"], coworker["access"], coworker["until"]) == ("cha", "read", None)


def test_a_far_place_is_asked_for_with_202(
    rest: Callable[..., Rest], me: Rest, huaxing: dict[str, Any], bob: Member
) -> None:
    path = f"/customers/{huaxing['id']}"
    asked = me.patch(path, {"location": FAR_OFF, "level": "A"})
    assert asked.status_code == 202
    assert (asked.get_json()["location"], asked.get_json()["level"]) == (huaxing["location"], "A")
    moved = rest(bob).patch(path, {"location": FAR_OFF})
    assert moved.status_code == 200
    assert moved.get_json()["location"] == FAR_OFF
