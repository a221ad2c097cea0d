"""Co-workers, stages and leads over REST."""

from collections.abc import Callable

from flask import Flask

from tests.api.conftest import Rest
from tests.cast import Cast
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import set_rules
from wsapp.db import corp_scope, db


def made(client: Rest) -> str:
    return str(client.made("/customers", {"name": "佛山市华星家具有限公司"})["id"])


def test_a_coworker_reads_or_edits_until_removed(rest: Callable[..., Rest], ali: Member, cha: Member) -> None:
    owner, friend = rest(ali), rest(cha)
    customer = made(owner)
    assert friend.get(f"/customers/{customer}").status_code == 404
    shared = owner.made(f"/customers/{customer}/coworkers", {"member": "cha"})
    assert [(one["member"], one["access"]) for one in shared["items"]] == [("cha", "read")]
    assert friend.get(f"/customers/{customer}").status_code == 200
    assert friend.patch(f"/customers/{customer}", {"note": "改"}).status_code == 403
    assert friend.post(f"/customers/{customer}/contacts", {"name": "陈"}).status_code == 403
    owner.made(f"/customers/{customer}/coworkers", {"member": "cha", "access": "edit"})
    assert friend.patch(f"/customers/{customer}", {"note": "改"}).status_code == 200
    assert friend.post(f"/customers/{customer}/contacts", {"name": "陈"}).status_code == 201
    assert friend.post(f"/customers/{customer}/coworkers", {"member": "bob"}).status_code == 403
    left = owner("DELETE", f"/customers/{customer}/coworkers/cha")
    assert left.status_code == 200
    assert left.get_json()["items"] == []
    assert friend.get(f"/customers/{customer}").status_code == 404
    assert owner("DELETE", f"/customers/{customer}/coworkers/cha").status_code == 404


def test_a_coworker_may_leave(rest: Callable[..., Rest], ali: Member, cha: Member) -> None:
    owner, friend = rest(ali), rest(cha)
    customer = made(owner)
    owner.made(f"/customers/{customer}/coworkers", {"member": "cha"})
    assert friend("DELETE", f"/customers/{customer}/coworkers/cha").status_code == 200
    assert friend.get(f"/customers/{customer}").status_code == 404


def test_the_owner_and_strangers_are_no_coworkers(rest: Callable[..., Rest], ali: Member) -> None:
    owner = rest(ali)
    customer = made(owner)
    for userid in ("ali", "nobody", "ivy"):
        assert owner.post(f"/customers/{customer}/coworkers", {"member": userid}).status_code == 422


def test_the_lifecycle_keeps_who_and_how_long(rest: Callable[..., Rest], ali: Member) -> None:
    client = rest(ali)
    customer = made(client)
    client.made(f"/customers/{customer}/follow-ups", {"text": "谈价"})
    assert client.patch(f"/customers/{customer}", {"stage": "dealt"}).status_code == 200
    steps = client.items(f"/customers/{customer}/stages")
    assert [(one["before"], one["after"], one["actor"]) for one in steps] == [
        ("contacted", "dealt", "ali"),
        ("new", "contacted", "ali"),
    ]
    record = client.get(f"/customers/{customer}").get_json()
    assert record["last_deal_at"] == record["stage_since"] == steps[0]["at"]


def test_a_corp_may_allow_only_steps_forward(
    app: Flask, cast: Cast, rest: Callable[..., Rest], ali: Member, bob: Member
) -> None:
    client = rest(ali)
    customer = made(client)
    with app.app_context(), corp_scope(cast.corp_id):
        set_rules({"stages.steps": "next"})
        db.session.commit()
    assert client.patch(f"/customers/{customer}", {"stage": "dealt"}).status_code == 422
    assert client.patch(f"/customers/{customer}", {"stage": "contacted"}).status_code == 200
    assert client.patch(f"/customers/{customer}", {"stage": "new"}).status_code == 422
    assert client.patch(f"/customers/{customer}", {"stage": "lost"}).status_code == 200
    assert rest(bob).patch(f"/customers/{customer}", {"stage": "new"}).status_code == 200  # their leader may


def test_parents_never_turn_in_circles(rest: Callable[..., Rest], ali: Member) -> None:
    client = rest(ali)
    top, middle, low = (str(client.made("/customers", {"name": name})["id"]) for name in ("集团甲", "公司乙", "分部丙"))
    assert client.patch(f"/customers/{middle}", {"parent": top}).status_code == 200
    assert client.patch(f"/customers/{low}", {"parent": middle}).status_code == 200
    for wrong in (top, middle, low):
        assert client.patch(f"/customers/{top}", {"parent": wrong}).status_code == 422


def test_a_lead_keeps_everything_when_it_is_converted(rest: Callable[..., Rest], ali: Member) -> None:
    client = rest(ali)
    lead = client.made("/leads", {"name": "东莞市明辉五金", "phones": ["13900139000"], "source": "转介绍"})
    assert (lead["state"], lead["owner"], lead["responded_at"]) == ("new", "ali", None)
    assert lead["respond_by"] is not None
    client.made(f"/customers/{lead['id']}/follow-ups", {"text": "谈价"})
    followed = client.get(f"/leads/{lead['id']}").get_json()
    assert followed["state"] == "working"
    assert followed["responded_at"]
    assert followed["score"] > lead["score"]
    assert client.post(f"/leads/{lead['id']}/state", {"state": "converted"}).get_json()["state"] == "converted"
    record = client.get(f"/customers/{lead['id']}").get_json()
    assert (record["lead"], record["stage"], record["phones"]) == ("converted", "intent", ["13900139000"])
    assert len(client.items(f"/customers/{lead['id']}/follow-ups")) == 1
    assert client.post(f"/leads/{lead['id']}/state", {"state": "invalid", "reason": "other"}).status_code == 422


def test_an_invalid_lead_needs_a_reason_and_may_come_back(rest: Callable[..., Rest], ali: Member, cha: Member) -> None:
    client = rest(ali)
    lead = client.made("/leads", {"name": "东莞市明辉五金"})
    assert client.post(f"/leads/{lead['id']}/state", {"state": "invalid"}).status_code == 422
    ended = client.post(f"/leads/{lead['id']}/state", {"state": "invalid", "reason": "no_need"}).get_json()
    assert (ended["state"], ended["invalid_reason"], ended["stage"]) == ("invalid", "no_need", "lost")
    back = client.post(f"/leads/{lead['id']}/state", {"state": "working"}).get_json()
    assert (back["state"], back["invalid_reason"], back["stage"]) == ("working", "", "contacted")
    assert rest(cha).items("/leads") == []
    assert rest(cha).get(f"/leads/{lead['id']}").status_code == 404


def test_a_lead_is_checked_for_duplicates_like_any_customer(rest: Callable[..., Rest], ali: Member) -> None:
    client = rest(ali)
    client.made("/customers", {"name": "东莞市明辉五金", "phones": ["13900139000"]})
    assert client.post("/leads", {"name": "明辉", "phones": ["139 0013 9000"]}).status_code == 409
    (warned,) = client.made("/leads", {"name": "东莞明辉五金有限公司"})["warnings"]
    assert (warned["field"], warned["type"]) == ("name", "duplicate")
