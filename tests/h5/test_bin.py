"""The recycle bin on the phone and in the console."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.admin.test_console import post
from tests.cast import Cast
from tests.jobs.conftest import run_due
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.coworkers import add_coworker
from wsapp.crm.customers.models import Customer
from wsapp.crm.deletions.models import Deletion
from wsapp.crm.events.models import Event
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.org.models import Member
from wsapp.db import corp_scope, db


@pytest.fixture
def browser(sign_in: Callable[..., FlaskClient], ali: Member) -> FlaskClient:
    return sign_in(ali)


@pytest.fixture
def customer_id(app: Flask, cast: Cast, ali: Member) -> str:
    with app.app_context(), corp_scope(cast.corp_id):
        actor = db.session.merge(ali)
        customer = create_customer({"name": "佛山市华星家具有限公司", "phones": ["13800138000"]}, actor=actor)
        log_follow_up(customer, {"text": "谈了价格"}, actor=actor)
        db.session.commit()
        return customer.id


def submit(client: FlaskClient, path: str, **fields: Any) -> Any:
    """Post a form of ours with the page's token."""
    found = re.search(r'name="csrf-token" content="([^"]+)"', client.get("/h5/me").get_data(as_text=True))
    assert found
    return client.post(path, data={"csrf_token": found.group(1), **fields})


def test_a_customer_is_deleted_after_a_question_and_restored(browser: FlaskClient, customer_id: str) -> None:
    ask = f"/h5/bin/new/customer/{customer_id}"
    assert f'href="{ask}"' in browser.get(f"/h5/customers/{customer_id}/edit").get_data(as_text=True)
    assert "联系人、跟进、拜访和待办会一起移到回收站" in browser.get(ask).get_data(as_text=True)
    answer = submit(browser, ask, reason="重复录入")
    assert (answer.status_code, answer.location) == (303, "/h5/customers")
    assert browser.get(f"/h5/customers/{customer_id}").status_code == 404
    assert "华星" not in browser.get("/h5/customers").get_data(as_text=True)
    assert "华星" in browser.get("/h5/bin").get_data(as_text=True)
    page = browser.get(f"/h5/bin/{customer_id}").get_data(as_text=True)
    assert "1 条跟进" in page
    assert "重复录入" in page
    answer = submit(browser, f"/h5/bin/{customer_id}/restoration")
    assert (answer.status_code, answer.location) == (303, f"/h5/customers/{customer_id}")
    assert "谈了价格" in browser.get(f"/h5/customers/{customer_id}").get_data(as_text=True)


def test_a_follow_up_is_deleted_from_the_timeline_by_whoever_may(
    app: Flask,
    cast: Cast,
    browser: FlaskClient,
    customer_id: str,
    ali: Member,
    cha: Member,
    sign_in: Callable[..., FlaskClient],
) -> None:
    here = f"/h5/customers/{customer_id}"
    ask = re.findall(r'href="(/h5/bin/new/follow_up/[^"]+)"', browser.get(here).text)
    assert len(ask) == 1
    with app.app_context(), corp_scope(cast.corp_id):
        customer = db.session.get_one(Customer, (cast.corp_id, customer_id))
        add_coworker(customer, db.session.merge(cha), may_edit=True, actor=db.session.merge(ali))
        db.session.commit()
    theirs = sign_in(cha)
    assert "谈了价格" in theirs.get(here).text
    assert ask[0] not in theirs.get(here).text
    assert submit(theirs, ask[0]).status_code == 403
    answer = submit(browser, ask[0])
    assert (answer.status_code, answer.location) == (303, here)
    assert "谈了价格" not in browser.get(here).text
    assert submit(browser, ask[0].replace("new/follow_up/", "") + "/restoration").location == here
    assert "谈了价格" in browser.get(here).text


def test_a_conflict_is_shown_and_can_be_left_out(
    app: Flask, cast: Cast, ali: Member, browser: FlaskClient, customer_id: str
) -> None:
    submit(browser, f"/h5/bin/new/customer/{customer_id}")
    with app.app_context(), corp_scope(cast.corp_id):
        create_customer({"name": "东莞宏远家私厂", "phones": ["13800138000"]}, actor=db.session.merge(ali))
        db.session.commit()
    answer = submit(browser, f"/h5/bin/{customer_id}/restoration")
    assert answer.status_code == 409
    page = answer.get_data(as_text=True)
    assert "已被其他客户使用的电话：13800138000" in page
    assert 'name="anyway" value="1"' in page
    assert submit(browser, f"/h5/bin/{customer_id}/restoration", anyway="1").status_code == 303


def test_many_need_their_number_typed_and_show_how_far_they_are(
    app: Flask, cast: Cast, ali: Member, browser: FlaskClient, customer_id: str
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        actor = db.session.merge(ali)
        ids = [create_customer({"name": f"批量客户{number}"}, actor=actor).id for number in range(3)]
        db.session.commit()
    assert "3 条记录" in browser.get("/h5/bin/runs/new?" + "&".join(f"ids={one}" for one in ids)).get_data(as_text=True)
    refused = submit(browser, "/h5/bin/runs", object="customer", ids=ids, typed="2")
    assert refused.status_code == 422
    assert "请输入要删除的条数 3 以确认" in refused.get_data(as_text=True)
    answer = submit(browser, "/h5/bin/runs", object="customer", ids=ids, typed="3")
    assert answer.status_code == 303
    assert "0 / 3" in browser.get(answer.location).get_data(as_text=True)
    with app.app_context(), corp_scope(cast.corp_id):
        run_due(app, kinds=("bin.run",))
        assert db.session.scalars(sa.select(Customer.id)).all() == [customer_id]
    page = browser.get(answer.location).get_data(as_text=True)
    assert "3 / 3" in page
    assert "every 2s" not in page
    assert f'action="{answer.location}/undo"' in page
    assert submit(browser, f"{answer.location}/undo").location == answer.location
    assert "正在恢复" in browser.get(answer.location).get_data(as_text=True)
    with app.app_context(), corp_scope(cast.corp_id):
        run_due(app, kinds=("bin.run",))
        assert set(db.session.scalars(sa.select(Customer.id))) == {customer_id, *ids}
    page = browser.get(answer.location).get_data(as_text=True)
    assert "已恢复" in page
    assert f"{answer.location}/undo" not in page


def test_administrators_delete_for_good_with_a_reason(
    app: Flask, cast: Cast, browser: FlaskClient, sign_in: Callable[..., FlaskClient], guan: Member, customer_id: str
) -> None:
    submit(browser, f"/h5/bin/new/customer/{customer_id}")
    desk = sign_in(guan)
    assert "华星" in desk.get("/admin/bin").get_data(as_text=True)
    assert desk.get(f"/admin/bin/{customer_id}").status_code == 200
    status, page = post(desk, f"/admin/bin/{customer_id}/purge", reason="")
    assert (status, "请填写原因" in page) == (422, True)
    assert post(desk, f"/admin/bin/{customer_id}/purge", reason="客户要求删除资料")[0] == 303
    with app.app_context(), corp_scope(cast.corp_id):
        assert db.session.scalars(sa.select(Deletion)).all() == []
        event = db.session.scalars(sa.select(Event).where(Event.kind == "bin.purged")).one()
        assert (event.reason, event.via, event.ip) == ("客户要求删除资料", "web", "127.0.0.1")
    assert browser.get(f"/admin/bin/{customer_id}").status_code == 403
