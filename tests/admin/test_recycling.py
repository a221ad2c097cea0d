"""Recycling in the console: changed rules are rehearsed before they are kept."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.admin.test_console import post
from tests.cast import Cast
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import rule
from wsapp.crm.pools.extensions import lock_customer
from wsapp.crm.pools.recycling import begin_run, go_on
from wsapp.db import corp_scope, db


@pytest.fixture
def desk(sign_in: Callable[..., FlaskClient], guan: Member) -> FlaskClient:
    return sign_in(guan)


@pytest.fixture
def work(app: Flask, cast: Cast) -> Callable[[Callable[[], Any]], Any]:
    """`work(f)` does something inside the cast's corp and commits."""

    def run(deed: Callable[[], Any]) -> Any:
        with app.app_context(), corp_scope(cast.corp_id):
            found = deed()
            db.session.commit()
            return found

    return run


@pytest.fixture
def book(work: Any, ali: Member, bob: Member) -> None:
    """Customers that nobody touched for 5 and 12 days (阿丽's), 9 (老鲍's), and 12, locked."""

    def deed() -> None:
        for owner, days, name in (
            (ali, 5, "华星家具"),
            (ali, 12, "江门红木"),
            (bob, 9, "中山红木"),
            (bob, 12, "顺德锁具"),
        ):
            made = create_customer({"name": f"{name}有限公司"}, actor=db.session.merge(owner))
            made.created_at = clock.now() - timedelta(days=days)
            if "锁" in name:
                lock_customer(made.id, locked=True, actor=db.session.merge(owner))

    work(deed)


def test_a_changed_rule_is_rehearsed_before_it_is_kept(desk: FlaskClient, book: None, work: Any) -> None:
    status, page = post(desk, "/admin/rules", **{"recycle.no_follow": "10", "log.text": "2000"})
    assert status == 200
    assert "今天到期 1 个客户，7 天内共 3 个，涉及 2 位负责人" in page
    assert "另有 1 个因锁定" in page
    assert "江门红木有限公司" in page
    assert page.index("江门红木有限公司") < page.index("中山红木有限公司") < page.index("华星家具有限公司")
    assert work(lambda: (rule("recycle.no_follow"), rule("log.text"))) == (15, 3000)
    assert 'name="rehearsed" value="1"' in page
    assert 'name="recycle.no_follow" value="10"' in page
    status, _page = post(desk, "/admin/rules", **{"recycle.no_follow": "10", "log.text": "2000", "rehearsed": "1"})
    assert status == 303
    assert work(lambda: (rule("recycle.no_follow"), rule("log.text"))) == (10, 2000)


def test_other_rules_need_no_rehearsal(desk: FlaskClient) -> None:
    assert post(desk, "/admin/rules", **{"log.text": "2000", "recycle.no_follow": "15"})[0] == 303


def test_the_page_shows_what_comes_and_what_was(desk: FlaskClient, book: None, work: Any) -> None:
    page = desk.get("/admin/recycling").text
    assert "今天到期 0 个客户，7 天内共 2 个" in page
    assert "还没有执行过" in page

    def night() -> None:
        run = begin_run()
        assert run is not None
        run_id = run.id
        while go_on(run_id):
            pass

    work(night)
    assert "回收 0 个，预警 0 个" in desk.get("/admin/recycling").text
