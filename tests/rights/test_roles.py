"""Actions are refused where the role does not reach; deputies and roles change what is seen at once."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.rights.conftest import Give, post
from wsapp import clock
from wsapp.crm.customers.models import Coworker, Customer
from wsapp.crm.customers.reasons import reasons
from wsapp.crm.org.access import end_all_sessions
from wsapp.crm.org.actions import set_role
from wsapp.crm.org.models import ADMIN, SELLER, ApiToken, LoginSession, Member
from wsapp.crm.org.rights import forget_sights
from wsapp.crm.org.role_actions import (
    copy_role,
    end_delegations,
    give_roles,
    name_deputy,
    remove_role,
    save_role,
)
from wsapp.crm.org.roles import BUILT_IN, Role
from wsapp.crm.org.rules import set_rules
from wsapp.crm.org.standing import changed
from wsapp.crm.transfer.models import ExportJob
from wsapp.db import corp_scope, db, first, rows
from wsapp.problems import Forbidden

SEES_ALL = {obj: {"see": "all"} for obj in ("customer", "follow_up", "visit", "task")}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/customers/{customer}", {"industry": "家具"}),
        ("POST", "/customers/{customer}/assignment", {"owner": "cha"}),
        ("POST", "/customers", {"name": "新来的公司"}),
        ("POST", "/customers/{customer}/follow-ups", {"text": "打过电话"}),
        ("POST", "/customers/{customer}/visits", {"note": "路过"}),
        ("POST", "/tasks", {"title": "打电话", "due_at": "2030-01-01T09:00:00+08:00"}),
    ],
)
def test_whoever_only_reads_writes_nothing(
    app: Flask, cast: Cast, cha: Member, huaxing: str, give: Give, method: str, path: str, body: dict[str, Any]
) -> None:
    give(cha, grants=SEES_ALL)
    headers = {"Authorization": f"Bearer {cast.token(cha)}"}
    client = app.test_client()
    assert client.get(f"/api/v1/customers/{huaxing}", headers=headers).status_code == 200
    address = "/api/v1" + path.format(customer=huaxing)
    assert client.open(address, method=method, json=body, headers=headers).status_code == 403


@pytest.mark.parametrize("may_edit", [True, False])
def test_a_co_worker_edits_only_where_they_may(
    app: Flask, cast: Cast, cha: Member, huaxing: str, may_edit: bool
) -> None:
    client, headers = app.test_client(), {"Authorization": f"Bearer {cast.token(cha)}"}
    address = f"/api/v1/customers/{huaxing}"
    assert client.get(address, headers=headers).status_code == 404
    with app.app_context(), corp_scope(cast.corp_id):
        db.session.add(Coworker(customer_id=huaxing, member_id=cha.id, may_edit=may_edit, since=clock.now()))
        db.session.commit()
    assert client.get(address, headers=headers).status_code == 200
    changed = client.patch(address, json={"industry": "家具"}, headers=headers)
    assert changed.status_code == (200 if may_edit else 403)


def test_a_deputy_stands_in_until_it_ends(app: Flask, cast: Cast, ali: Member, cha: Member, huaxing: str) -> None:
    client, headers = app.test_client(), {"Authorization": f"Bearer {cast.token(cha)}"}
    address = f"/api/v1/customers/{huaxing}"
    assert client.get(address, headers=headers).status_code == 404
    with app.app_context(), corp_scope(cast.corp_id):
        absent, deputy = db.session.merge(ali), db.session.merge(cha)
        name_deputy(absent, deputy, starts_at=None, ends_at=clock.now() + timedelta(days=3), actor=absent)
        db.session.commit()
    assert client.patch(address, json={"industry": "家具"}, headers=headers).status_code == 200
    with app.app_context(), corp_scope(cast.corp_id):
        absent = db.session.merge(ali)
        assert end_delegations(absent, actor=absent) == 1
        db.session.commit()
    assert client.get(address, headers=headers).status_code == 404


def test_one_names_ones_own_deputy_on_the_phone(
    app: Flask, cast: Cast, ali: Member, cha: Member, huaxing: str, sign_in: Callable[..., FlaskClient]
) -> None:
    page = sign_in(ali)
    assert post(page, "/h5/me/deputy", {"deputy": "nobody", "ends_at": "2099-01-01T09:00"}).status_code == 422
    ends = (clock.now() + timedelta(days=5)).strftime("%Y-%m-%dT%H:%M")
    assert post(page, "/h5/me/deputy", {"deputy": "cha", "ends_at": ends}).status_code == 303
    assert "小查" in page.get("/h5/me/deputy").text
    stands_in = sign_in(cha).get("/h5/me/deputy").text
    assert "我正在代理" in stands_in
    assert "阿丽" in stands_in
    assert sign_in(cha).get(f"/h5/customers/{huaxing}").status_code == 200


def test_an_administrator_makes_a_role_and_gives_it(
    app: Flask, cast: Cast, guan: Member, cha: Member, huaxing: str, sign_in: Callable[..., FlaskClient]
) -> None:
    console = sign_in(guan)
    made = post(console, "/admin/roles", {"source": "seller", "name": "财务查看"})
    assert made.status_code == 303
    key = made.headers["Location"].rpartition("/")[2]
    form = {"name": "财务查看", "grant.customer.see": "all", "field.customer.phones": "masked"}
    assert post(console, f"/admin/roles/{key}", form).status_code == 303
    assert post(console, f"/admin/members/{cha.id}/roles", {"roles": key}).status_code == 303
    client, headers = app.test_client(), {"Authorization": f"Bearer {cast.token(cha)}"}
    record = client.get(f"/api/v1/customers/{huaxing}", headers=headers).json
    assert record["phones"] == ["138****5678"]
    why = console.get(f"/admin/roles/why?member=cha&customer={huaxing}").text
    assert "小查 能看到 华星木业有限公司" in why
    assert "财务查看" in why
    assert post(console, f"/admin/roles/{key}/removal").status_code == 422  # somebody holds it


def test_whoever_is_given_something_to_do_sees_it_whatever_their_role(
    app: Flask, cast: Cast, guan: Member, ali: Member, bob: Member, sign_in: Callable[..., FlaskClient]
) -> None:
    console = sign_in(guan)
    key = post(console, "/admin/roles", {"source": "seller", "name": "外协"}).headers["Location"].rpartition("/")[2]
    form = {"name": "外协", "grant.customer.see": "self", "grant.task.see": "none"}
    assert post(console, f"/admin/roles/{key}", form).status_code == 303
    assert '<option value="none"' not in console.get(f"/admin/roles/{key}").text.split('name="grant.task.see"')[1][:400]
    assert post(console, f"/admin/members/{ali.id}/roles", {"roles": key}).status_code == 303
    headers = {"Authorization": f"Bearer {cast.token(bob)}"}
    body = {"title": "送样品", "due_at": "2030-01-01T09:00:00+08:00"}
    given = app.test_client().post("/api/v1/tasks", json={**body, "assignee": "ali"}, headers=headers).json
    other = app.test_client().post("/api/v1/tasks", json=body, headers=headers).json
    browser = sign_in(ali)
    assert "送样品" in browser.get("/h5/tasks").text
    assert browser.get(f"/h5/tasks/{given['id']}").status_code == 200
    assert browser.get(f"/h5/tasks/{other['id']}").status_code == 404


def test_a_role_reaches_by_what_stands_in_a_field(
    app: Flask, cast: Cast, guan: Member, cha: Member, huaxing: str, sign_in: Callable[..., FlaskClient]
) -> None:
    """华星's source is 展会. It is seen, changed, exported and given away by whom the role says so for this source."""
    console, page = sign_in(guan), sign_in(cha)
    key = post(console, "/admin/roles", {"source": "seller", "name": "展会渠道"}).headers["Location"].rpartition("/")[2]
    form = {
        "name": "展会渠道",
        "value_field": "source",
        "values": " 展会 \n\n展会\n官网",
        **{f"grant.customer.{deed}": "value" for deed in ("see", "edit", "transfer", "export")},
        "grant.follow_up.see": "shared",
    }
    for wrong in ({"values": " \n"}, {"value_field": "name"}, {"grant.task.see": "value"}):
        assert post(console, f"/admin/roles/{key}", form | wrong).status_code == 422, wrong
    assert post(console, f"/admin/roles/{key}", form).status_code == 303
    shown = console.get(f"/admin/roles/{key}").text
    assert "展会\n官网</textarea>" in shown
    assert post(console, f"/admin/members/{cha.id}/roles", {"roles": key}).status_code == 303
    page, client = sign_in(cha), app.test_client()
    headers = {"Authorization": f"Bearer {cast.token(cha)}"}
    assert huaxing in page.get("/h5/customers?scope=team").text
    assert "报价已经发过去了" in page.get(f"/h5/customers/{huaxing}").text
    assert "客户的来源是“展会”" in page.get(f"/h5/customers/{huaxing}/why").text
    assert page.get(f"/h5/customers/{huaxing}/assignment").status_code == 200
    address = f"/api/v1/customers/{huaxing}"
    assert client.patch(address, json={"industry": "家具"}, headers=headers).status_code == 200
    assert client.patch(address, json={"source": "老客户"}, headers=headers).status_code == 200
    assert client.get(address, headers=headers).status_code == 404
    assert huaxing not in page.get("/h5/customers?scope=team").text
    why = console.get(f"/admin/roles/why?member=cha&customer={huaxing}").text
    assert "小查 看不到 华星木业有限公司" in why


def test_a_denied_field_is_hidden_from_whoever_else_they_are(
    app: Flask, cast: Cast, guan: Member, cha: Member, huaxing: str, give: Give
) -> None:
    for person in (guan, cha):
        give(person, fields={"customer": {"note": "denied", "address": "masked"}})
    with app.app_context(), corp_scope(cast.corp_id):
        db.session.merge(cha).roles = ["own_cha", "director"]
        db.session.commit()
    for person in (guan, cha):
        headers = {"Authorization": f"Bearer {cast.token(person)}"}
        record = app.test_client().get(f"/api/v1/customers/{huaxing}", headers=headers).json
        assert "note" not in record
        assert record["address"] == "龙岗区坂田街道五和大道"  # the widest of several roles


def test_nobody_else_gives_roles(ali: Member, bob: Member, sign_in: Callable[..., FlaskClient]) -> None:
    for path in ("/admin/roles", f"/admin/members/{ali.id}/roles"):
        assert post(sign_in(bob), path, {"roles": "director", "source": "seller", "name": "x"}).status_code == 403


def test_a_stranger_is_told_why_by_the_console_and_nothing_by_the_page(
    guan: Member, cha: Member, ali: Member, huaxing: str, sign_in: Callable[..., FlaskClient]
) -> None:
    assert sign_in(cha).get(f"/h5/customers/{huaxing}/why").status_code == 404
    assert "是这位客户的负责人" in sign_in(ali).get(f"/h5/customers/{huaxing}/why").text
    why = sign_in(guan).get(f"/admin/roles/why?member=cha&customer={huaxing}").text
    assert "小查 看不到 华星木业有限公司" in why
    assert "不是这位客户的协作人" in why


def test_rights_are_given_only_by_who_signed_in_a_moment_ago(
    app: Flask, cast: Cast, guan: Member, cha: Member, sign_in: Callable[..., FlaskClient]
) -> None:
    console = sign_in(guan)
    deeds = (
        ("/admin/roles", {"source": "seller", "name": "财务查看"}),
        ("/admin/roles/seller", {"grant.customer.see": "all"}),
        ("/admin/roles/seller/removal", {}),
        (f"/admin/members/{cha.id}/role", {"role": "admin"}),
        (f"/admin/members/{cha.id}/roles", {"roles": "director"}),
        (f"/admin/members/{cha.id}/deputy", {"deputy": "ali", "ends_at": "2099-01-01T09:00"}),
        ("/admin/corps", {"own": "1"}),
        ("/admin/tokens", {"scope": "read", "days": "30"}),
    )
    before = _rights(app, cast)
    _began(app, cast, guan, ago=timedelta(minutes=6))
    for path, form in deeds:
        answer = post(console, path, form)
        assert answer.status_code == 403, path
        assert "/signin/wecom/" in answer.text, path
    assert _rights(app, cast) == before
    _began(app, cast, guan, ago=timedelta(minutes=4))
    assert post(console, *deeds[4]).status_code == 303
    assert _rights(app, cast) != before


def test_lists_leave_only_with_who_signed_in_a_moment_ago(
    app: Flask, cast: Cast, ali: Member, huaxing: str, sign_in: Callable[..., FlaskClient]
) -> None:
    page = sign_in(ali)
    wanted = {"object": "customer", "format": "xlsx", "whose": "mine", "q": "华星", "stage": "", "level": "A"}
    _began(app, cast, ali, ago=timedelta(minutes=6))
    refused = post(page, "/h5/exports", wanted)
    assert refused.status_code == 403
    assert "/signin/wecom/" in refused.text
    back = refused.text.split('class="more__link" href="')[1].split('"')[0].replace("&amp;", "&")
    form = page.get(back).text
    assert 'value="华星"' in form
    token = form.split('name="csrf-token" content="')[1].split('"')[0]
    by_htmx = page.post("/h5/exports", data={"csrf_token": token, **wanted}, headers={"HX-Request": "true"})
    assert by_htmx.status_code == 403
    led = page.get(by_htmx.headers["HX-Redirect"]).text
    assert "请确认身份" in led
    assert "/signin/wecom/" in led
    with app.app_context(), corp_scope(cast.corp_id):
        assert rows(sa.select(ExportJob)) == []
    _began(app, cast, ali, ago=timedelta(minutes=4))
    assert post(page, "/h5/exports", wanted).status_code == 303


def test_a_reason_names_the_owner_as_the_duplicate_check_does(
    app: Flask, cast: Cast, ali: Member, cha: Member, guan: Member, huaxing: str
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        customer = first(sa.select(Customer).where(Customer.id == huaxing))
        stranger, boss = db.session.merge(cha), db.session.merge(guan)
        assert "阿丽" in str(reasons(customer, stranger, reader=boss))
        assert "阿丽" not in str(reasons(customer, stranger, reader=stranger))
        set_rules({"duplicates.owner": "1"})
        assert "阿丽" in str(reasons(customer, stranger, reader=stranger))
        db.session.rollback()


def test_only_administrators_change_who_may_what(
    app: Flask, cast: Cast, ali: Member, cha: Member, guan: Member
) -> None:
    """Each deed by which rights change × each role that may try it × each role of whom it would change."""
    with app.app_context(), corp_scope(cast.corp_id):
        changed()
        tried = db.session.merge(ali)
        target = db.session.merge(cha)
        deeds: dict[str, Callable[[str], Any]] = {
            "administrator": lambda role: set_role(target, ADMIN, actor=tried),
            "seller": lambda role: set_role(target, SELLER, actor=tried),
            "roles": lambda role: give_roles(target, [role], actor=tried),
            "scopes": lambda role: save_role(role, name="x", grants={}, fields={}, actor=tried),
            "copy": lambda role: copy_role(role, name="x", actor=tried),
            "removal": lambda role: remove_role(role, actor=tried),
            "deputy": lambda role: name_deputy(target, tried, starts_at=None, ends_at=None, actor=tried),
            "sign-out": lambda role: end_all_sessions(target, actor=tried),
        }
        before = _rights_here()
        own = [key for key in BUILT_IN if key != ADMIN]
        for actors, aims in itertools.product(own, own):
            tried.roles, target.roles = [actors], [aims]
            db.session.flush()
            forget_sights(tried)
            for name, deed in deeds.items():
                with pytest.raises(Forbidden):
                    deed(aims)
                assert target.roles == [aims], name
        db.session.rollback()
        assert _rights_here() == before


def _began(app: Flask, cast: Cast, member: Member, *, ago: timedelta) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        for one in rows(sa.select(LoginSession).where(LoginSession.member_id == member.id)):
            one.created_at = clock.now() - ago
        db.session.commit()


def _rights(app: Flask, cast: Cast) -> list[Any]:
    with app.app_context(), corp_scope(cast.corp_id):
        return [*_rights_here(), rows(sa.select(ApiToken.id))]


def _rights_here() -> list[Any]:
    roles = [(one.key, one.grants) for one in rows(sa.select(Role))]
    return [roles, [(one.userid, one.role, one.roles) for one in rows(sa.select(Member).order_by(Member.id))]]
