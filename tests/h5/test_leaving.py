"""The pages about customers that leave: the clock on the record, the list, asking for more time and answering."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.cast import Cast
from tests.h5.test_queries import statements
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import Customer
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.org.role_actions import copy_role, give_roles, save_role
from wsapp.crm.org.rules import set_rules
from wsapp.crm.pools.models import OwnerClock, OwnerRequest
from wsapp.db import corp_scope, db

MOST = 4  # the session, the list, and what the menu counts


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
def idle(work: Any, ali: Member) -> Callable[..., str]:
    """`idle(days)` → id of a customer of 阿丽's that nobody touched for so long."""

    def make(days: int, name: str = "佛山市华星家具有限公司") -> str:
        def deed() -> str:
            made = create_customer({"name": name}, actor=db.session.merge(ali))
            made.created_at = clock.now() - timedelta(days=days)
            return made.id

        found: str = work(deed)
        return found

    return make


def test_the_record_says_when_it_leaves_and_why(see: Any, idle: Any, ali: Member, bob: Member) -> None:
    calm, soon = idle(2), idle(13, "江门红木博览城")
    assert "还有 14 天" in see(ali, f"/h5/customers/{calm}")
    assert "申请延期" not in see(ali, f"/h5/customers/{calm}")
    page = see(ali, f"/h5/customers/{soon}")
    assert "还有 3 天回收到公海：15 天未跟进" in page
    assert f'action="/h5/customers/{soon}/extension"' in page
    assert f'action="/h5/customers/{soon}/extension"' not in see(bob, f"/h5/customers/{soon}")
    why = see(bob, f"/h5/customers/{soon}/clock")
    for words in ("为什么会离开", "15 天未跟进", "写一条跟进或去拜访", "锁定，不回收"):
        assert words in why


def test_one_tap_asks_and_the_manager_answers(
    see: Any, post: Any, work: Any, idle: Any, ali: Member, bob: Member, cha: Member, sign_in: Any
) -> None:
    soon = idle(13)
    answer = post(ali, f"/h5/customers/{soon}/extension", {})
    assert (answer.status_code, answer.location) == (303, f"/h5/customers/{soon}")
    assert "延期申请中" in see(ali, f"/h5/customers/{soon}")
    request = work(lambda: db.session.scalar(sa.select(OwnerRequest.id)))
    assert "佛山市华星家具有限公司" in see(bob, "/h5/extensions")
    page = see(bob, f"/h5/extensions/{request}")
    assert "同意延期" in page
    assert "同意延期" not in see(ali, f"/h5/extensions/{request}")
    assert sign_in(cha).get(f"/h5/extensions/{request}").status_code == 404
    post(bob, f"/h5/extensions/{request}/answer", {"answer": "clock_grant"})
    assert "还有 10 天" in see(ali, f"/h5/customers/{soon}")
    kinds = work(lambda: set(db.session.scalars(sa.select(Notification.kind))))
    assert kinds >= {"extension.asked", "extension.answered"}
    post(ali, f"/h5/customers/{soon}/extension", {})  # not soon any more
    assert work(lambda: db.session.scalar(sa.select(sa.func.count()).select_from(OwnerRequest))) == 1


def test_the_list_shows_what_leaves_within_a_week(
    see: Any, idle: Any, app: Flask, sign_in: Any, ali: Member, bob: Member, cha: Member
) -> None:
    idle(2, "中山红木家具厂")
    idle(10, "江门红木博览城")
    idle(40, "顺德龙江家具厂")
    page = see(ali, "/h5/customers/leaving")
    assert "中山红木家具厂" not in page
    assert page.index("顺德龙江家具厂") < page.index("江门红木博览城")
    assert "江门红木博览城" not in see(bob, "/h5/customers/leaving")
    assert "阿丽" in see(bob, "/h5/customers/leaving?scope=team")
    assert "没有即将回收的客户" in see(cha, "/h5/customers/leaving?scope=team")
    client = sign_in(ali)
    client.get("/h5/customers/leaving")
    with statements(app) as few:
        client.get("/h5/customers/leaving")
    for number in range(5):
        idle(20, f"顺德第{number:02d}家具有限公司")
    with statements(app) as seen:
        client.get("/h5/customers/leaving")
    assert len(seen) == len(few) <= MOST, seen


def test_a_lock_keeps_it(see: Any, post: Any, work: Any, idle: Any, ali: Member) -> None:
    soon = idle(13)
    post(ali, f"/h5/customers/{soon}/lock", {"locked": "1"})
    assert "已锁定" in see(ali, f"/h5/customers/{soon}")
    assert "没有即将回收的客户" in see(ali, "/h5/customers/leaving")
    post(ali, f"/h5/customers/{soon}/lock", {"locked": ""})
    assert work(lambda: db.session.scalars(sa.select(OwnerClock.locked_at)).all()) == [None]
    assert "还有 3 天" in see(ali, f"/h5/customers/{soon}")


def test_whoever_may_not_read_the_dates_sees_no_clock(
    see: Any, work: Any, idle: Any, ali: Member, guan: Member
) -> None:
    soon = idle(13)
    assert "公海回收" in see(ali, f"/h5/customers/{soon}")

    def hide() -> None:
        boss = db.session.merge(guan)
        key = copy_role("seller", name="看不到跟进日期", actor=boss)
        grants = {"customer": {"see": {"scope": "self"}}}
        save_role(
            key, name="看不到跟进日期", grants=grants, fields={"customer": {"last_followed_at": "hidden"}}, actor=boss
        )
        give_roles(db.session.merge(ali), [key], actor=boss)

    work(hide)
    page = see(ali, f"/h5/customers/{soon}")
    assert "佛山市华星家具有限公司" in page
    assert "公海回收" not in page
    assert "未跟进" not in see(ali, f"/h5/customers/{soon}/clock")
    assert "没有即将回收的客户" in see(ali, "/h5/customers/leaving")


def test_the_clock_costs_one_statement(app: Flask, idle: Any, work: Any, sign_in: Any, ali: Member) -> None:
    soon = idle(13)
    client = sign_in(ali)
    client.get(f"/h5/customers/{soon}")
    with statements(app) as seen:
        client.get(f"/h5/customers/{soon}")
    assert sum("owner_clock" in one for one in seen) == 1
    work(lambda: db.session.execute(sa.update(Customer).values(owner_id=None)))


def test_a_release_is_asked_for_on_its_page_where_the_corp_wants_that(
    see: Any, post: Any, work: Any, idle: Any, ali: Member, bob: Member
) -> None:
    work(lambda: set_rules({"pool.release_approval": True}))
    one = idle(2)
    assert "须主管同意" in see(ali, f"/h5/customers/{one}/release")
    answer = post(ali, f"/h5/customers/{one}/release", {"reason": "no_need"})
    assert answer.status_code == 303
    page = see(bob, answer.location)
    assert "没有需求" in page
    assert "部门的默认公海" in page
    post(bob, f"{answer.location}/answer", {"answer": "clock_grant"})
    assert "已同意退回 · 老鲍" in see(ali, answer.location)
    assert "退回申请" in see(ali, "/h5/extensions")
    assert work(lambda: db.session.scalar(sa.select(Customer.owner_id).where(Customer.id == one))) is None
