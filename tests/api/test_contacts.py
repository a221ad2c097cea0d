"""Contacts over REST: fields, the main one, who sees them, versions."""

import io
from collections.abc import Callable
from typing import Any

from tests.api.conftest import Rest
from wsapp.crm.org.models import Member

CHEN = {
    "name": " 陈 志远 ",
    "title": "采购总监",
    "role": "decides",
    "phones": ["+86 138-0013-8000", "13800138000"],
    "wechat": "chen_zy",
    "mail": "chen@example.com",
    "birthday": "1988-05-03",
    "tags": ["老客户"],
}


def made(client: Rest) -> str:
    return str(client.made("/customers", {"name": "佛山市华星家具有限公司"})["id"])


def test_a_contact_is_kept_with_its_customer(rest: Callable[..., Rest], ali: Member) -> None:
    client = rest(ali)
    customer = made(client)
    contact = client.made(f"/customers/{customer}/contacts", CHEN)
    assert contact["phones"] == ["13800138000"]
    assert (contact["name"], contact["role"], contact["birthday"]) == ("陈 志远", "decides", "1988-05-03")
    assert contact["is_primary"] is True
    assert contact["customer"] == customer
    assert [one["id"] for one in client.items(f"/customers/{customer}/contacts")] == [contact["id"]]
    assert contact.pop("warnings") == []
    assert client.get(f"/contacts/{contact['id']}").get_json() == contact
    assert [one["id"] for one in client.items(f"/contacts?customer={customer}&q=志远")] == [contact["id"]]


def test_one_contact_is_the_main_one(rest: Callable[..., Rest], ali: Member) -> None:
    client = rest(ali)
    customer = made(client)
    first = client.made(f"/customers/{customer}/contacts", {"name": "陈志远"})
    second = client.made("/contacts", {"name": "黄敏", "customer": customer})
    assert second["is_primary"] is False
    answer = client.patch(f"/contacts/{second['id']}", {"is_primary": True})
    assert answer.get_json()["is_primary"] is True
    mains = {one["id"]: one["is_primary"] for one in client.items(f"/customers/{customer}/contacts")}
    assert mains == {first["id"]: False, second["id"]: True}


def test_a_birthday_may_lack_its_year(rest: Callable[..., Rest], ali: Member) -> None:
    client = rest(ali)
    customer = made(client)
    for typed, kept in (
        ("02-29", "02-29"),
        ("--12-31", "12-31"),
        ("1990/1/2", None),
        ("02-30", None),
        ("2999-01-01", None),
    ):
        answer = client.post(f"/customers/{customer}/contacts", {"name": "陈", "birthday": typed})
        if kept is None:
            assert answer.status_code == 422
            assert answer.get_json()["errors"][0]["field"] == "birthday"
        else:
            assert answer.get_json()["birthday"] == kept


def test_what_is_wrong_is_named(rest: Callable[..., Rest], ali: Member) -> None:
    client = rest(ali)
    customer = made(client)
    wrong = {"name": "", "phones": ["12"], "mail": "nobody"}
    answer = client.post(f"/customers/{customer}/contacts", wrong)
    assert answer.status_code == 422
    assert {one["field"] for one in answer.get_json()["errors"]} == {"name", "phones", "mail"}


def test_strangers_see_no_contact(rest: Callable[..., Rest], ali: Member, bob: Member, cha: Member) -> None:
    client, boss, stranger = rest(ali), rest(bob), rest(cha)
    customer = made(client)
    contact = client.made(f"/customers/{customer}/contacts", CHEN)
    assert boss.get(f"/contacts/{contact['id']}").status_code == 200
    assert stranger.get(f"/contacts/{contact['id']}").status_code == 404
    assert stranger.patch(f"/contacts/{contact['id']}", {"name": "改"}).status_code == 404
    assert stranger.get(f"/customers/{customer}/contacts").status_code == 404
    assert stranger.post("/contacts", {"name": "探", "customer": customer}).status_code == 422
    assert stranger.items("/contacts") == []


def test_a_stale_version_answers_the_present_record(rest: Callable[..., Rest], ali: Member) -> None:
    client = rest(ali)
    customer = made(client)
    contact = client.made(f"/customers/{customer}/contacts", CHEN)
    assert (
        client.patch(f"/contacts/{contact['id']}", {"title": "总经理"}, headers={"If-Match": '"1"'}).status_code == 200
    )
    answer = client.patch(f"/contacts/{contact['id']}", {"title": "董事长"}, headers={"If-Match": '"1"'})
    assert answer.status_code == 412
    assert answer.get_json()["current"]["title"] == "总经理"


def test_a_follow_up_names_a_contact_of_its_own_customer_only(rest: Callable[..., Rest], ali: Member) -> None:
    client = rest(ali)
    customer, other = made(client), str(client.made("/customers", {"name": "广州森林木业"})["id"])
    contact = client.made(f"/customers/{customer}/contacts", CHEN)
    logged = client.made(f"/customers/{customer}/follow-ups", {"text": "谈价", "contact": contact["id"]})
    assert logged["contact"] == contact["id"]
    answer = client.post(f"/customers/{other}/follow-ups", {"text": "谈价", "contact": contact["id"]})
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == "contact"


def test_what_is_no_lead_has_no_state(me: Rest, huaxing: dict[str, Any]) -> None:
    assert me.get(f"/leads/{huaxing['id']}").status_code == 404
    assert me.post(f"/leads/{huaxing['id']}/state", {"state": "valid"}).status_code == 404


def test_an_object_may_be_named_as_its_collection(me: Rest, huaxing: dict[str, Any]) -> None:
    assert me.made("/exports", {"object": "customers", "format": "csv"})["object"] == "customer"
    assert me.items("/fields?object=follow-ups") == []
    sheet = {"file": (io.BytesIO("客户名称\n恒昌家具厂\n".encode()), "a.csv"), "object": "customers"}
    assert me("POST", "/imports", data=sheet).get_json()["object"] == "customer"
    assert me.get("/fields?object=customerz").status_code == 422


def test_others_who_are_reached_by_its_numbers_are_warned_of(
    rest: Callable[..., Rest], ali: Member, cha: Member
) -> None:
    client, stranger = rest(ali), rest(cha)
    customer = made(client)
    client.made(f"/customers/{customer}/contacts", CHEN)
    other = str(client.made("/customers", {"name": "广州森林木业"})["id"])
    shared = client.made("/contacts", {"name": "陈志远", "phones": ["13800138000"], "customer": other})
    (warned,) = shared["warnings"]
    assert (warned["field"], warned["type"], warned["id"]) == ("phones", "duplicate", customer)
    changed = client.patch(f"/contacts/{shared['id']}", {"phones": ["13800138000", "13900139000"]}).get_json()
    assert changed["warnings"] == []  # only what is new is asked about
    theirs = str(stranger.made("/customers", {"name": "小查的公司"})["id"])
    contact = stranger.made(f"/customers/{theirs}/contacts", {"name": "李工"})
    told = stranger.patch(f"/contacts/{contact['id']}", {"phones": ["13800138000"]}).get_json()["warnings"]
    assert {(one["id"], one["name"]) for one in told} == {(None, "佛***司"), (None, "广***业")}
