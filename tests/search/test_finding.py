"""What is found by what, as soon as it is saved, and by whom."""

from collections.abc import Callable

import sqlalchemy as sa
from flask import Flask

from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.org.models import Member
from wsapp.crm.search import building
from wsapp.crm.search.queries import matching
from wsapp.db import corp_scope, db


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
