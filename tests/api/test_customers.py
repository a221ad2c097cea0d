"""Customers over REST: fields, duplicates, versions, owners."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from flask import Flask

from tests.api.conftest import Rest
from tests.cast import Cast
from wsapp.crm.org.models import Member

MakeRest = Callable[..., Rest]

WHOLE = {
    "name": "广东顺德宏兴不锈钢制品有限公司",
    "short_name": "宏兴",
    "kind": "company",
    "level": "B",
    "stage": "intent",
    "source": "展会",
    "industry": "制造",
    "size": "50-100",
    "province": "广东省",
    "city": "佛山市",
    "district": "顺德区",
    "address": "大良街道南国东路 88 号",
    "website": "https://hongxing.example.com",
    "note": "老板姓黄\n周末不接电话",
    "phones": ["+86 139-2345-6789", "0757-22223333 转 8"],
    "tags": ["重点", "不锈钢"],
    "location": {"lat": 22.84, "lng": 113.25},
}


def test_a_customer_keeps_every_field(me: Rest) -> None:
    made = me.made("/customers", WHOLE)
    expected = {**WHOLE, "phones": ["13923456789", "075722223333-8"]}
    assert {field: made[field] for field in expected} == expected
    assert (made["owner"], made["pool"], made["parent"], made["version"], made["custom"]) == ("ali", None, None, 1, {})
    assert made["warnings"] == []
    assert datetime.fromisoformat(made["created_at"]).tzinfo is not None
    answer = me.get(f"/customers/{made['id']}")
    assert answer.headers["ETag"] == '"1"'
    assert answer.get_json() == {field: value for field, value in made.items() if field != "warnings"}


def test_a_patch_changes_what_it_names_and_nothing_else(me: Rest) -> None:
    made = me.made("/customers", WHOLE)
    changed = me.patch(f"/customers/{made['id']}", {"level": None, "phones": [], "tags": ["新"]})
    assert changed.status_code == 200
    body = changed.get_json()
    different = {field for field in body if body[field] != made[field]}
    assert different == {"level", "phones", "tags", "version", "updated_at"}
    assert (body["level"], body["phones"], body["version"]) == (None, [], 2)
    assert changed.headers["ETag"] == '"2"'


def test_nothing_given_is_nothing_changed(me: Rest, huaxing: dict[str, Any]) -> None:
    answer = me.patch(f"/customers/{huaxing['id']}", {})
    assert answer.status_code == 200
    assert answer.get_json()["version"] == 1


# --- versions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ['"1"', "1", 'W/"1"', "*"])
def test_the_present_version_may_be_changed(me: Rest, huaxing: dict[str, Any], version: str) -> None:
    answer = me.patch(f"/customers/{huaxing['id']}", {"level": "A"}, headers={"If-Match": version})
    assert answer.status_code == 200


@pytest.mark.parametrize("version", ['"1"', '"3"', '"abc"', '"1", "2"', '"99999999999999"'])
def test_another_version_gets_the_current_record(me: Rest, huaxing: dict[str, Any], version: str) -> None:
    me.patch(f"/customers/{huaxing['id']}", {"level": "A"})
    answer = me.patch(f"/customers/{huaxing['id']}", {"level": "B"}, headers={"If-Match": version})
    assert answer.status_code == 412
    assert answer.content_type == "application/problem+json"
    assert answer.headers["ETag"] == '"2"'
    current = answer.get_json()["current"]
    assert current == me.get(f"/customers/{huaxing['id']}").get_json()
    assert current["level"] == "A"


def test_of_two_edits_at_once_one_is_told(app: Flask, me: Rest, huaxing: dict[str, Any]) -> None:
    def edit(level: str) -> int:
        other = Rest(app, me.token)
        return other.patch(f"/customers/{huaxing['id']}", {"level": level}, headers={"If-Match": '"1"'}).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(edit, "ABCD"))
    assert sorted(statuses) == [200, 412, 412, 412]
    assert me.get(f"/customers/{huaxing['id']}").get_json()["version"] == 2


# --- duplicates ---------------------------------------------------------------------------------------------------


def test_a_taken_phone_is_a_conflict(me: Rest, huaxing: dict[str, Any]) -> None:
    answer = me.post("/customers", {"name": "另一家公司", "phones": ["13800138000"]})
    body = answer.get_json()
    assert answer.status_code == 409
    assert [error["field"] for error in body["errors"]] == ["phones"]
    assert huaxing["name"] in body["detail"]


def test_a_taken_phone_tells_nothing_of_a_customer_out_of_sight(
    rest: MakeRest, cha: Member, huaxing: dict[str, Any]
) -> None:
    answer = rest(cha).post("/customers", {"name": "另一家公司", "phones": ["+8613800138000"]})
    text = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert answer.get_json()["errors"][0]["field"] == "phones"
    assert not any(word in text for word in ("华星", huaxing["id"], "阿丽", "ali"))


def test_a_taken_phone_is_a_conflict_in_a_patch_as_well(me: Rest, huaxing: dict[str, Any]) -> None:
    other = me.made("/customers", {"name": "另一家公司", "phones": ["13900139000"]})
    answer = me.patch(f"/customers/{other['id']}", {"phones": ["13800138000"], "level": "A"})
    assert answer.status_code == 409
    assert me.get(f"/customers/{other['id']}").get_json()["phones"] == ["13900139000"]


def test_of_many_simultaneous_saves_of_one_phone_one_wins(app: Flask, me: Rest) -> None:
    def save(number: int) -> int:
        body = {"name": f"同时录入的公司{number}", "phones": ["13700137000"]}
        return Rest(app, me.token).post("/customers", body).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(save, range(6)))
    assert sorted(statuses) == [201, 409, 409, 409, 409, 409]
    assert len(me.items("/customers")) == 1


def test_another_corp_may_have_the_same_phone(rest: MakeRest, ivy: Member, huaxing: dict[str, Any]) -> None:
    made = rest(ivy).made("/customers", {"name": "佛山市华星家具有限公司", "phones": ["13800138000"]})
    assert made["warnings"] == []


def test_a_similar_name_is_written_with_a_warning(me: Rest, huaxing: dict[str, Any]) -> None:
    made = me.made("/customers", {"name": "佛山市华星家具（总部）"})
    assert [(one["field"], one["type"], one["id"]) for one in made["warnings"]] == [
        ("name", "duplicate", huaxing["id"])
    ]


def test_a_similar_name_out_of_sight_is_masked(rest: MakeRest, cha: Member, huaxing: dict[str, Any]) -> None:
    (told,) = rest(cha).made("/customers", {"name": "佛山市华星家具"})["warnings"]
    assert (told["field"], told["type"]) == ("name", "duplicate")
    assert not {huaxing["id"], huaxing["name"], "13800138000", "阿丽", "ali"} & {str(one) for one in told.values()}
    assert "佛***司" in told["message"]
    assert "华星" not in told["message"]
    assert "阿丽" not in told["message"]


# --- owners and sight ---------------------------------------------------------------------------------------------


def test_a_leader_assigns_within_the_team(rest: MakeRest, bob: Member, me: Rest, huaxing: dict[str, Any]) -> None:
    path = f"/customers/{huaxing['id']}"
    boss = rest(bob)
    assert boss.post(f"{path}/assignment", {"owner": "bob"}).get_json()["owner"] == "bob"
    assert me.get(path).status_code == 404
    assert boss.post(f"{path}/assignment", {"owner": "ALI"}).get_json()["owner"] == "ali"
    for owner in ("cha", "nobody", "ivy"):
        answer = boss.post(f"{path}/assignment", {"owner": owner})
        assert answer.status_code == 422
        assert answer.get_json()["errors"][0]["field"] == "owner"
    changes = [one["changes"] for one in boss.items(f"/events?subject={huaxing['id']}&kind=customer.assigned")]
    assert changes == [{"owner": ["bob", "ali"]}, {"owner": ["ali", "bob"]}]


def test_an_owner_of_the_team_is_set_at_once(rest: MakeRest, bob: Member) -> None:
    assert rest(bob).made("/customers", {"name": "新客户", "owner": "ali"})["owner"] == "ali"


def test_everybody_sees_their_own_and_their_teams(
    rest: MakeRest, ali: Member, bob: Member, cha: Member, guan: Member, ivy: Member, huaxing: dict[str, Any]
) -> None:
    seen = {who.userid: len(rest(who).items("/customers")) for who in (ali, bob, cha, guan, ivy)}
    assert seen == {"ali": 1, "bob": 1, "cha": 0, "guan": 1, "ivy": 0}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/customers/{id}", None),
        ("PATCH", "/customers/{id}", {"level": "A"}),
        ("POST", "/customers/{id}/assignment", {"owner": "cha"}),
        ("GET", "/customers/{id}/visits", None),
        ("GET", "/customers/{id}/follow-ups", None),
        ("POST", "/customers/{id}/visits", {}),
        ("POST", "/customers/{id}/follow-ups", {"text": "谈了"}),
    ],
)
def test_strangers_find_no_such_customer(
    rest: MakeRest, cha: Member, ivy: Member, me: Rest, huaxing: dict[str, Any], method: str, path: str, body: Any
) -> None:
    missing = "0" * len(huaxing["id"])
    for who in (cha, ivy):
        stranger = rest(who)
        hidden = stranger(method, path.format(id=huaxing["id"]), json=body)
        absent = stranger(method, path.format(id=missing), json=body)
        assert hidden.status_code == absent.status_code == 404
        assert _told(hidden) == _told(absent)
    assert me.get(f"/customers/{huaxing['id']}").get_json()["version"] == 1


def _told(answer: Any) -> dict[str, Any]:
    return {field: value for field, value in answer.get_json().items() if field != "request_id"}


# --- filters ------------------------------------------------------------------------------------------------------


def test_filters_find_what_they_say(rest: MakeRest, bob: Member, me: Rest, cast: Cast) -> None:
    boss = rest(bob)
    first = me.made("/customers", {"name": "甲公司", "level": "A", "tags": ["重点", "VIP"], "stage": "intent"})
    second = boss.made("/customers", {"name": "乙公司", "level": "B", "tags": ["重"], "phones": ["13800138000"]})

    def found(query: str) -> list[str]:
        return [one["name"] for one in boss.items(f"/customers?{query}&sort=created_at")]

    assert found("owner=ali") == ["甲公司"]
    assert found("owner=BOB") == ["乙公司"]
    assert found("owner=cha") == []
    assert found("level=A") == ["甲公司"]
    assert found("stage=intent") == ["甲公司"]
    assert found("tag=重点") == ["甲公司"]
    assert found("tag=重") == ["乙公司"]
    assert found("pool=any") == []
    assert found("q=乙") == ["乙公司"]
    assert found("q=0138") == ["乙公司"]
    assert found("level=A&tag=重") == []
    me.patch(f"/customers/{first['id']}", {"note": "改过"})
    assert found(f"updated_since={second['updated_at'].replace('+', '%2B')}") == ["甲公司", "乙公司"]
    changed = me.get(f"/customers/{first['id']}").get_json()["updated_at"]
    assert found(f"updated_since={changed}") == ["甲公司"]  # the plus sign arrives as a space
