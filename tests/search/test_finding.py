"""What is found by what, as soon as it is saved, and by whom."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.org.models import Member
from wsapp.crm.search import box, building, queries
from wsapp.crm.search.queries import matching
from wsapp.crm.tasks.actions import complete_task, create_task
from wsapp.db import corp_scope, db
from wsapp.h5.lists import tasks_like


def found(text: str, actor: Member) -> list[str]:
    statement = sa.select(Customer.name).where(visible_customers(actor), matching(text, actor=actor))
    return sorted(db.session.scalars(statement))


def test_a_customer_is_found_by_pieces_of_its_names_and_numbers(here: Flask, ali: Member) -> None:
    owner = db.session.merge(ali)
    customer = create_customer(
        {"name": "华星木业（深圳）有限公司", "short_name": "ABC-华星", "phones": ["13800138000"]}, actor=owner
    )
    other = create_customer({"name": "单于星华贸易", "phones": ["13912345678"]}, actor=owner)
    db.session.commit()
    building.spell("c", [customer.id, other.id])
    db.session.commit()
    only = ["华星木业（深圳）有限公司"]
    for text in (
        "华星",
        "业深",
        "深圳 木业",
        "木业(深圳)",
        "8000",
        "13800138000",
        "138 0013",
        "abc",
        "ab",
        "bc华",
        "huaxing",
        "huaxin",
        "hxmy",
        "HX",
        "xmysz",
        "muye",
        "shenzhen",
        "senzen",
    ):
        assert found(text, owner) == only, text
    for text in ("华星贸易", "4321", "hxx", "星木", "圳华"):
        assert found(text, owner) == (only if text == "星木" else []), text
    assert found("星", owner) == sorted([*only, "单于星华贸易"])
    for text in ("shanyu", "danyu", "chanyu", "sy", "dy"):
        assert found(text, owner) == ["单于星华贸易"], text


def test_an_edit_is_found_and_what_was_is_not(here: Flask, ali: Member) -> None:
    from wsapp.crm.customers.actions import change_customer

    owner = db.session.merge(ali)
    customer = create_customer({"name": "华星木业有限公司", "phones": ["13800138000"]}, actor=owner)
    db.session.commit()
    change_customer(customer, {"name": "恒泰建材商行", "phones": ["13911112222"]}, actor=owner)
    db.session.commit()
    assert found("华星", owner) == found("8000", owner) == []
    assert found("恒泰", owner) == found("2222", owner) == ["恒泰建材商行"]


def test_all_that_was_found_is_one_tap_away(app: Flask, see: Callable[..., str], ali: Member, bob: Member) -> None:
    with app.app_context(), corp_scope(ali.corp_id):
        for number in range(7):
            create_customer({"name": f"恒泰建材{number}号店"}, actor=db.session.merge(ali))
        db.session.commit()
    for who, count in ((ali, 7), (bob, 7)):
        link = see(who, "/h5/search?q=恒泰").split('href="/h5/customers?q=')[1].split('"')[0].replace("&amp;", "&")
        assert see(who, f"/h5/customers?q={link}").count("恒泰建材") >= count


@pytest.mark.parametrize("many", [0, queries.MANY], ids=["walked", "from the index"])
def test_follow_ups_and_tasks_are_found_by_two_characters_open_ones_first(
    here: Flask, ali: Member, cha: Member, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(queries, "MANY", many)
    owner, stranger = db.session.merge(ali), db.session.merge(cha)
    customer = create_customer({"name": "华星木业"}, actor=owner)
    log_follow_up(customer, {"kind": "phone", "text": "报价已经发出"}, actor=owner)
    made = [
        create_task({"title": f"跟进报价{day}", "due_at": clock.now() + timedelta(days=day)}, actor=owner)
        for day in range(1, 5)
    ]
    create_task({"title": "别人的报价", "due_at": clock.now() + timedelta(days=1)}, actor=stranger)
    complete_task(made[3], actor=owner)
    db.session.commit()
    assert [one.text for one in box.follow_ups("报价", actor=owner, limit=5)] == ["报价已经发出"]
    shown = [one.title for one in tasks_like(owner, "报价", 5)]
    assert shown == ["跟进报价3", "跟进报价2", "跟进报价1", "跟进报价4"]
    assert [one.title for one in tasks_like(owner, "报价", 2)] == shown[:2]
    assert list(box.follow_ups("报", actor=owner, limit=5)) == list(tasks_like(owner, "报", 5)) == []


def test_what_the_newest_have_in_another_order_is_found_among_the_older(
    here: Flask, ali: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = db.session.merge(ali)
    for name in ("森林木业", "林木森林", "森林林木"):
        create_customer({"name": name}, actor=owner)
    db.session.commit()
    for many in (0, 1, queries.MANY):
        monkeypatch.setattr(queries, "MANY", many)
        assert found("森林木", owner) == ["森林木业"]


def test_what_was_searched_lately_is_offered_until_it_is_cleared(
    app: Flask, ali: Member, sign_in: Callable[..., FlaskClient]
) -> None:
    with app.app_context(), corp_scope(ali.corp_id):
        create_customer({"name": "恒泰建材"}, actor=db.session.merge(ali))
        db.session.commit()
    client = sign_in(ali)
    for text in ("恒", "恒泰", "没有这家"):
        assert client.get(f"/h5/search?q={text}").status_code == 200
    page = client.get("/h5/search").text
    assert ">恒泰</a>" in page
    assert ">恒</a>" not in page, "what it grew from while it was typed"
    assert "没有这家" not in page
    token = page.split('name="csrf-token" content="')[1].split('"')[0]
    assert client.post("/h5/search/recent/removal", data={"csrf_token": token}).status_code == 303
    assert ">恒泰</a>" not in client.get("/h5/search").text
