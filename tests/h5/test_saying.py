"""A sentence fills the form of a follow-up; nothing is written before it is saved, and nobody unseen is named."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from tests.h5.conftest import Book
from tests.h5.test_queries import statements
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.contacts import add_contact
from wsapp.crm.customers.models import Customer
from wsapp.crm.fields.definitions import add_field
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.models import Task
from wsapp.crm.visits.models import Visit
from wsapp.db import corp_scope, db

HERE = ZoneInfo("Asia/Shanghai")
MOST_STATEMENTS = 40
SAID = "/h5/follow-ups/new"


@pytest.fixture
def wang(app: Flask, book: Book, ali: Member) -> str:
    """王建国 of 华星木业."""
    with app.app_context(), corp_scope(ali.corp_id):
        customer = db.session.get_one(Customer, (ali.corp_id, book.customer))
        contact = add_contact(customer, {"name": "王建国", "title": "总经理"}, actor=db.session.merge(ali))
        db.session.commit()
        return str(contact.id)


def local_now() -> datetime:
    return clock.now().astimezone(HERE)


def values(page: str) -> dict[str, str]:
    """What the inputs of a page hold, by name."""
    found = dict(re.findall(r'<input class="weui-input" id="[^"]*" name="([^"]*)" type="[^"]*" value="([^"]*)"', page))
    found |= {name: text.strip() for name, text in re.findall(r'<textarea[^>]* name="([^"]*)"[^>]*>([^<]*)<', page)}
    found |= dict(re.findall(r'<input type="radio" name="([^"]*)" value="([^"]*)" checked', page))
    for name, options in re.findall(r'<select[^>]* name="([^"]*)"[^>]*>(.*?)</select>', page, re.S):
        found[name] = "".join(re.findall(r'value="([^"]*)" selected', options))
    return found


def test_a_sentence_fills_the_form_beside_what_was_typed(
    book: Book, wang: str, ali: Member, post: Callable[..., Any], rows_of: Callable[..., list[Any]]
) -> None:
    before = len(rows_of(FollowUp, ali)), len(rows_of(Task, ali))
    path = f"/h5/customers/{book.customer}/follow-ups"
    typed = {"text": "仓库很大。", "said": "微信上跟王总聊了，对方同意试用，后天下午三点带样品上门"}
    answer = post(ali, f"{path}/draft", typed)
    assert answer.status_code == 200
    form = values(answer.text)
    due = (local_now() + timedelta(days=2)).strftime("%Y-%m-%dT15:00")
    assert (form["kind"], form["contact"], form["outcome"]) == ("wechat", wang, "同意试用")
    assert (form["next_at"], form["next_action"]) == (due, "带样品上门")
    assert form["text"] == "仓库很大。\n微信上跟王总聊了，对方同意试用"
    assert answer.text.count("data-heard") == 6
    assert (len(rows_of(FollowUp, ali)), len(rows_of(Task, ali))) == before
    saved = post(ali, path, {name: form[name] for name in form if name != "said"})
    assert saved.status_code == 303
    newest = rows_of(FollowUp, ali)[-1]
    assert (newest.text, newest.outcome, newest.contact_id) == (form["text"], "同意试用", wang)
    assert f"{newest.next_at.astimezone(HERE):%Y-%m-%dT%H:%M}" == due


def test_without_a_customer_it_is_found_by_its_name(
    app: Flask, book: Book, ali: Member, post: Callable[..., Any], see: Callable[..., str]
) -> None:
    assert 'name="said"' in see(ali, SAID)
    page = post(ali, SAID, {"said": "嗯那个华星木业报价已发，下个月5号回访"}).text
    assert f'action="/h5/customers/{book.customer}/follow-ups"' in page
    assert values(page)["outcome"] == "已报价"
    with app.app_context(), corp_scope(ali.corp_id):
        create_customer({"name": "佛山华星家具有限公司"}, actor=db.session.merge(ali))
        db.session.commit()
    asked = post(ali, SAID, {"said": "华星那边报价已发"})
    assert "有几位客户都像" in asked.text
    assert asked.text.count('name="customer" value=') == 2
    assert values(asked.text)["said"] == "华星那边报价已发"
    chosen = post(ali, SAID, {"said": "华星那边报价已发", "customer": book.customer}).text
    assert f'action="/h5/customers/{book.customer}/follow-ups"' in chosen
    named = post(ali, SAID, {"said": "那边报价已发", "name": "华星家具"}).text
    assert "佛山华星家具有限公司" in named
    assert post(ali, SAID, {"said": "那边报价已发", "name": "不存在的客户"}).status_code == 422
    assert post(ali, SAID, {"said": ""}).status_code == 422


def test_who_may_not_see_a_customer_is_told_of_nobody(book: Book, cha: Member, post: Callable[..., Any]) -> None:
    for more in ({}, {"name": "华星木业"}, {"name": "13800138000"}):
        page = post(cha, SAID, {"said": "华星木业报价已发，周五回访", **more}).text
        assert "没有听出是哪位客户" in page
        assert book.customer not in page
    assert post(cha, SAID, {"said": "报价已发", "customer": book.customer}).status_code == 404
    assert post(cha, f"/h5/customers/{book.customer}/follow-ups/draft", {"said": "报价已发"}).status_code == 404


def test_a_doubtful_date_is_asked_about(book: Book, ali: Member, post: Callable[..., Any]) -> None:
    path = f"/h5/customers/{book.customer}/follow-ups/draft"
    impossible = post(ali, path, {"said": "2月30号再联系"}).text
    assert "没有“2月30号”这一天，请选择时间" in impossible
    assert values(impossible)["next_at"] == ""
    weekday = "一二三四五六日"[local_now().weekday()]
    today = post(ali, path, {"said": f"周{weekday}晚上再打电话"}).text
    assert "请核对时间" in today
    vague = post(ali, path, {"said": "过几天再问"}).text
    assert "“过几天”没有说清是什么时候，请选择时间" in vague
    weekend = post(ali, path, {"said": "周末再联系"}).text
    assert weekend.count("data-fill=") == 1  # Sunday, one tap away


def test_money_goes_into_the_corps_own_field(
    app: Flask, book: Book, ali: Member, guan: Member, post: Callable[..., Any]
) -> None:
    path = f"/h5/customers/{book.customer}/follow-ups/draft"
    assert "120,000 元" in post(ali, path, {"said": "报价十二万"}).text
    with app.app_context(), corp_scope(ali.corp_id):
        add_field({"object": "follow_up", "type": "money", "label": "报价金额"}, actor=db.session.merge(guan))
        db.session.commit()
    page = post(ali, path, {"said": "报价三四十万"}).text
    assert 'value="400000.00"' in page
    assert "是大概的数，请核对金额" in page


def test_a_sentence_fills_a_visit_beside_the_position(
    book: Book, ali: Member, post: Callable[..., Any], rows_of: Callable[..., list[Any]]
) -> None:
    path, before = f"/h5/customers/{book.customer}/visits", len(rows_of(Visit, ali))
    typed = {"said": "看了仓库，报价三四十万，2月30号再来签合同", "lat": "22.5431", "lng": "114.0579", "accuracy": "30"}
    page = post(ali, f"{path}/draft", typed).text
    assert values(page)["note"] == "看了仓库，报价三四十万"
    assert values(page)["next_action"] == "来签合同"
    assert "没有“2月30号”这一天，请选择时间" in page
    assert "是大概的数，请核对金额" in page
    assert 'name="lat" value="22.5431"' in page
    assert len(rows_of(Visit, ali)) == before
    assert post(ali, f"{path}/draft", {"said": " "}).status_code == 422


def test_naming_nobody_costs_little(app: Flask, book: Book, ali: Member, post: Callable[..., Any]) -> None:
    """All pieces of a sentence are asked at once, then a few by ear: no more statements for a longer one."""
    for said in (
        "昨天见了白云物流的许文强",
        "昨天见了一个做跨境电商的新客户，给他介绍了产品，他觉得很合适，周五再约" * 5,
    ):
        with statements(app) as seen:
            assert post(ali, SAID, {"said": said}).status_code == 200
        assert len(seen) <= MOST_STATEMENTS


def test_another_customer_in_the_sentence_is_pointed_out(
    app: Flask, book: Book, ali: Member, post: Callable[..., Any]
) -> None:
    with app.app_context(), corp_scope(ali.corp_id):
        create_customer({"name": "上海森林木业有限公司"}, actor=db.session.merge(ali))
        db.session.commit()
    page = post(ali, f"/h5/customers/{book.customer}/follow-ups/draft", {"said": "森林木业报价已发"}).text
    assert "这句话提到“上海森林木业有限公司”，请核对客户" in page
