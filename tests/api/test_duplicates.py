"""Duplicates over REST: 409 and warnings, what is told of hidden customers and how often, merging and undoing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import sqlalchemy as sa
from flask import Flask

from tests.api.conftest import Rest
from tests.cast import Cast
from wsapp.crm.customers.models import Customer
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import set_rules
from wsapp.db import corp_scope, db

MakeRest = Callable[..., Rest]
CODE = "91110000600037341L"  # valid by its check digit


def rules(app: Flask, cast: Cast, **values: Any) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        set_rules({f"duplicates.{key}": value for key, value in values.items()})
        db.session.commit()


def test_a_taken_phone_answers_409_and_tells_strangers_little(
    rest: MakeRest, cha: Member, bob: Member, huaxing: dict[str, Any]
) -> None:
    answer = rest(cha).post("/customers", {"name": "探子公司", "phones": ["+86 13800138000"]})
    assert answer.status_code == 409
    assert [one["field"] for one in answer.get_json()["errors"]] == ["phones"]
    assert "佛***司（华南销售部、30 天以上没有跟进）" in answer.text
    assert "华星" not in answer.text
    assert "阿丽" not in answer.text
    assert huaxing["id"] not in answer.text
    seen = rest(bob).post("/customers", {"name": "别名", "phones": ["13800138000"]})
    assert seen.status_code == 409
    assert "佛山市华星家具有限公司" in seen.text


def test_names_that_are_alike_are_warned_of(rest: MakeRest, cha: Member, me: Rest, huaxing: dict[str, Any]) -> None:
    for name in ("佛山华星家具", "华星家具有限责任公司", "佛山市华星家俱有限公司", "广东省佛山市华星家具（南海）公司"):
        made = me.made("/customers", {"name": name})
        told = {one["id"]: one for one in made["warnings"]}
        assert told[huaxing["id"]]["field"] == "name", name
        assert told[huaxing["id"]]["type"] == "duplicate"
    for name in ("深圳市华星家具有限公司", "佛山市红木世家有限公司", "佛山华润家居"):
        warnings = me.made("/customers", {"name": name})["warnings"]
        assert huaxing["id"] not in [one["id"] for one in warnings], name
    hidden = rest(cha).made("/customers", {"name": "佛山华星家具厂"})["warnings"]
    assert hidden
    assert all(one["id"] is None and "华星" not in one["name"] for one in hidden)


def test_a_name_may_block_alone_or_with_its_city(app: Flask, cast: Cast, me: Rest, huaxing: dict[str, Any]) -> None:
    rules(app, cast, name="off", name_city="block")
    me.patch(f"/customers/{huaxing['id']}", {"city": "佛山"})
    assert me.post("/customers", {"name": "华星家具", "city": "中山"}).status_code == 201
    answer = me.post("/customers", {"name": "佛山华星家具", "city": "佛山"})
    assert answer.status_code == 409
    assert answer.get_json()["errors"][0]["field"] == "name"
    rules(app, cast, name="block", name_city="off")
    assert me.post("/customers", {"name": "佛山华星家具有限公司"}).status_code == 409


def test_credit_codes_are_checked_and_unique(app: Flask, cast: Cast, me: Rest, huaxing: dict[str, Any]) -> None:
    wrong = me.post("/customers", {"name": "某公司", "credit_code": "91110000600037341X"})
    assert wrong.status_code == 422
    assert wrong.get_json()["errors"][0]["field"] == "credit_code"
    made = me.made("/customers", {"name": "某公司", "credit_code": CODE.lower()})
    assert made["credit_code"] == CODE
    answer = me.post("/customers", {"name": "另一家", "credit_code": CODE})
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (409, "credit_code")
    assert me.patch(f"/customers/{huaxing['id']}", {"credit_code": CODE}).status_code == 409
    me.patch(f"/customers/{made['id']}", {"credit_code": ""})
    assert me.patch(f"/customers/{huaxing['id']}", {"credit_code": CODE}).status_code == 200
    rules(app, cast, code="warn")
    warned = me.made("/customers", {"name": "第三家", "credit_code": CODE})["warnings"]
    assert [(one["field"], one["id"]) for one in warned] == [("credit_code", huaxing["id"])]


def test_asking_finds_by_every_key(me: Rest, huaxing: dict[str, Any]) -> None:
    me.patch(f"/customers/{huaxing['id']}", {"credit_code": CODE, "website": "https://www.huaxing.example.cn/about"})
    for query in ("phone=138-0013-8000", f"credit_code={CODE}", "website=huaxing.example.cn", "name=佛山华星家具"):
        found = me.get(f"/customers/duplicates?{query}").get_json()["items"]
        assert [one["id"] for one in found] == [huaxing["id"]], query
    assert me.get(f"/customers/duplicates?phone=13800138000&customer={huaxing['id']}").get_json()["items"] == []
    assert me.get("/customers/duplicates?city=佛山").status_code == 422


def test_hidden_customers_are_told_of_so_often_an_hour(
    app: Flask, cast: Cast, rest: MakeRest, cha: Member, me: Rest
) -> None:
    rules(app, cast, hourly_asks=4)
    for n in range(8):
        me.made("/customers", {"name": f"第{n}家大企业名录", "phones": [f"1380013800{n}"]})
    spy = rest(cha)
    assert len(spy.get("/customers/duplicates?phone=13800138000").get_json()["items"]) == 1
    for _again in range(5):
        assert spy.get("/customers/duplicates?phone=13800138000").status_code == 200  # the same question is free
    assert spy.post("/customers", {"name": "探子", "phones": ["13800138001"]}).status_code == 409
    assert spy.get("/customers/duplicates?phone=13800138002").status_code == 200
    assert spy.get("/customers/duplicates?phone=13900000000").get_json()["items"] == []  # tells nothing hidden
    assert spy.post("/customers", {"name": "探子", "phones": ["13800138003"]}).status_code == 409
    refused = spy.get("/customers/duplicates?phone=13800138004")
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    # Whether the number is taken or not, the answer is the same.
    answers = {
        spy.post("/customers", {"name": "探子", "phones": [one]}).status_code for one in ("13800138005", "13911110000")
    }
    assert answers == {429}
    assert spy.made("/customers", {"name": "第7家大企业名录"})["warnings"] == []
    assert me.get("/customers/duplicates?phone=13800138004").status_code == 200


def test_twenty_saves_of_one_phone_leave_one_customer(app: Flask, cast: Cast, rest: MakeRest, ali: Member) -> None:
    clients = [rest(ali) for _one in range(20)]

    def save(n: int) -> Any:
        return clients[n].post(
            "/customers", {"name": f"第{n}家同时保存", "phones": ["13800138000"], "credit_code": CODE}
        )

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(save, range(20)))
    assert sorted(one.status_code for one in answers) == [201] + [409] * 19
    winner = next(one.get_json()["name"] for one in answers if one.status_code == 201)
    assert all(winner in one.text for one in answers)
    with app.app_context(), corp_scope(cast.corp_id):
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Customer)) == 1


def test_twenty_saves_of_one_code_leave_one_customer(app: Flask, cast: Cast, rest: MakeRest, ali: Member) -> None:
    clients = [rest(ali) for _one in range(20)]

    def save(n: int) -> Any:
        return clients[n].post("/customers", {"name": f"第{n}家同时保存", "credit_code": CODE})

    with ThreadPoolExecutor(20) as pool:
        codes = sorted(answer.status_code for answer in pool.map(save, range(20)))
    assert codes == [201] + [409] * 19


def test_merge_and_undo(me: Rest, huaxing: dict[str, Any]) -> None:
    other = me.made(
        "/customers",
        {"name": "华星家具佛山总店", "phones": ["13900139000"], "level": "A", "tags": ["展会"], "credit_code": CODE},
    )
    log = me.made(f"/customers/{other['id']}/follow-ups", {"text": "谈了价格"})
    contact = me.made(f"/customers/{other['id']}/contacts", {"name": "王经理"})
    before = {one: me.get(f"/customers/{one}").get_json() for one in (huaxing["id"], other["id"])}

    answer = me.post(f"/customers/{other['id']}/merge", {"into": huaxing["id"]})
    assert answer.status_code == 200, answer.text
    merged = answer.get_json()
    assert merged["id"] == huaxing["id"]
    assert (merged["name"], merged["level"], merged["tags"]) == (huaxing["name"], "A", ["展会"])
    assert merged["phones"] == ["13800138000", "13900139000"]
    assert merged["credit_code"] == CODE
    assert me.get(f"/customers/{other['id']}").get_json()["id"] == huaxing["id"]
    assert [one["id"] for one in me.items("/customers")] == [huaxing["id"]]
    assert [one["id"] for one in me.items(f"/customers/{huaxing['id']}/follow-ups")] == [log["id"]]
    assert [one["id"] for one in me.items(f"/customers/{huaxing['id']}/contacts")] == [contact["id"]]
    for old_id in (f"/customers/{other['id']}/follow-ups", f"/follow-ups?customer={other['id']}"):
        assert [one["id"] for one in me.items(old_id)] == [log["id"]], old_id
    assert [one["id"] for one in me.items(f"/contacts?customer={other['id']}")] == [contact["id"]]
    assert me.post("/customers", {"name": "又一家", "phones": ["13900139000"]}).status_code == 409

    undone = me("DELETE", f"/customers/{other['id']}/merge")
    assert undone.status_code == 200, undone.text
    unimportant = {"version", "updated_at"}
    for customer_id, was in before.items():
        now = me.get(f"/customers/{customer_id}").get_json()
        assert {k: v for k, v in now.items() if k not in unimportant} == {
            k: v for k, v in was.items() if k not in unimportant
        }
    assert [one["id"] for one in me.items(f"/customers/{other['id']}/follow-ups")] == [log["id"]]
    assert me("DELETE", f"/customers/{other['id']}/merge").status_code == 404


def test_merging_takes_rights_and_the_version_seen(
    rest: MakeRest, cha: Member, me: Rest, huaxing: dict[str, Any]
) -> None:
    other = me.made("/customers", {"name": "华星家具佛山总店"})
    assert rest(cha).post(f"/customers/{other['id']}/merge", {"into": huaxing["id"]}).status_code == 404
    theirs = rest(cha).made("/customers", {"name": "财务部的客户"})
    assert me.post(f"/customers/{other['id']}/merge", {"into": theirs["id"]}).status_code == 404
    assert me.post(f"/customers/{other['id']}/merge", {"into": other["id"]}).status_code == 422
    stale = me.post(f"/customers/{other['id']}/merge", {"into": huaxing["id"]}, headers={"If-Match": '"7"'})
    assert stale.status_code in (409, 412)
