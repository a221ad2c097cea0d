"""The same person in two corps: one browser holds both sessions, each shows its own corp and nothing else."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import CORP, OTHER_CORP, Cast
from wsapp import sessions
from wsapp.crm.org import access
from wsapp.crm.org.models import Corp, Member
from wsapp.crm.org.setups import switch_corp
from wsapp.db import corp_scope, db
from wsapp.web import start_session

SignIn = Callable[..., FlaskClient]


@pytest.fixture
def also(app: Flask) -> Callable[[FlaskClient, Member], None]:
    """`also(client, member)`: sign the browser in as this member, too, as the end of a sign-in does."""

    def sign_in(client: FlaskClient, member: Member) -> None:
        with app.app_context(), corp_scope(member.corp_id):
            token = access.open_session(db.session.merge(member), device="test")
            db.session.commit()
            corp = db.session.get_one(Corp, member.corp_id)
        with client.session_transaction() as cookie:
            before = dict(cookie)
        with app.test_request_context():
            from flask import session

            session.update(before)
            start_session(corp, token)
            after = dict(session)
        with client.session_transaction() as cookie:
            cookie.clear()
            cookie.update(after)

    return sign_in


def post(client: FlaskClient, path: str, **data: str) -> int:
    token = re.search(r'name="csrf-token" content="([^"]+)"', client.get("/h5/me").text)
    assert token
    return client.post(path, data={"csrf_token": token[1], **data}).status_code


def who(client: FlaskClient) -> str:
    page = client.get("/h5/me").text
    return "艾薇" if "<h1" in page and "艾薇" in page.split("<h1")[1][:200] else "阿丽"


def test_a_second_corp_is_beside_the_first_and_one_goes_to_and_fro(
    cast: Cast, sign_in: SignIn, also: Callable[..., None], ali: Member, ivy: Member
) -> None:
    client = sign_in(ali)
    assert "切换到" not in client.get("/h5/me").text
    also(client, ivy)
    assert who(client) == "艾薇"
    assert "切换到" in client.get("/h5/me").text
    assert post(client, "/h5/me/corp", corp=CORP) == 303
    assert who(client) == "阿丽"
    assert client.get(f"/h5/?corp={OTHER_CORP}").status_code == 302
    assert who(client) == "艾薇"


def test_each_corp_shows_its_own_records_only(
    cast: Cast, app: Flask, sign_in: SignIn, also: Callable[..., None], ali: Member, ivy: Member
) -> None:
    from wsapp.crm.customers.actions import create_customer

    with app.app_context(), corp_scope(ali.corp_id):
        create_customer({"name": "佛山市华星家具有限公司", "phones": ["13800138000"]}, actor=db.session.merge(ali))
        db.session.commit()
    client = sign_in(ali)
    also(client, ivy)
    assert "华星" not in client.get("/h5/customers").text
    assert "佛山市" not in client.get("/h5/search?q=华星").text
    post(client, "/h5/me/corp", corp=CORP)
    assert "华星" in client.get("/h5/customers").text


def test_a_corp_in_which_nobody_is_signed_in_asks_to_sign_in(cast: Cast, sign_in: SignIn, ali: Member) -> None:
    client = sign_in(ali)
    answer = client.get(f"/h5/?corp={OTHER_CORP}")
    assert answer.status_code == 302
    assert "/signin/wecom/" in answer.location
    token = re.search(r'name="csrf-token" content="([^"]+)"', client.get("/h5/me").text)
    assert token
    went = client.post("/h5/me/corp", data={"csrf_token": token[1], "corp": OTHER_CORP})
    assert "/signin/" in went.location


def test_somebody_else_of_the_same_corp_gets_none_of_the_held_sessions(
    cast: Cast, sign_in: SignIn, also: Callable[..., None], ali: Member, bob: Member, ivy: Member
) -> None:
    client = sign_in(ivy)
    also(client, ali)
    also(client, bob)
    assert "切换到" not in client.get("/h5/me").text
    with client.session_transaction() as cookie:
        assert sessions.HELD not in cookie


def test_a_dead_session_is_no_way_in(
    cast: Cast, app: Flask, sign_in: SignIn, also: Callable[..., None], ali: Member, ivy: Member
) -> None:
    client = sign_in(ali)
    also(client, ivy)
    with app.app_context(), corp_scope(ali.corp_id):
        member = db.session.merge(ali)
        access.end_all_sessions(member, actor=member)
        db.session.commit()
    assert "切换到" not in client.get("/h5/me").text
    assert "/signin/" in client.get(f"/h5/?corp={CORP}").location


def test_signing_out_ends_every_corp(
    cast: Cast, sign_in: SignIn, also: Callable[..., None], ali: Member, ivy: Member
) -> None:
    client = sign_in(ali)
    also(client, ivy)
    with client.session_transaction() as cookie:
        stolen = dict(cookie)
    assert post(client, "/signout") == 302
    with client.session_transaction() as cookie:
        cookie.update(stolen)
    assert client.get("/h5/me").status_code == 302
    assert client.get(f"/h5/me?corp={CORP}").location.startswith("/signin/")


def test_a_corp_that_is_switched_off_lets_nobody_in(
    cast: Cast, app: Flask, sign_in: SignIn, ali: Member, guan: Member
) -> None:
    client, admin = sign_in(ali), sign_in(guan)
    assert post(admin, "/admin/corps/switch", state="off") == 303
    for browser, path in ((client, "/h5/customers"), (admin, "/admin/members"), (client, "/admin/corps")):
        assert browser.get(path).status_code in (302, 403)
    assert client.get(f"/signin/wecom/{CORP}").status_code == 404
    page = admin.get("/admin/corps")
    assert page.status_code == 200
    token = re.search(r'name="csrf-token" content="([^"]+)"', page.text)
    assert token
    assert admin.post("/admin/corps/switch", data={"csrf_token": token[1], "state": "on"}).status_code == 303
    assert client.get("/h5/customers").status_code == 200


def test_only_administrators_switch_a_corp(cast: Cast, app: Flask, sign_in: SignIn, ali: Member) -> None:
    assert post(sign_in(ali), "/admin/corps/switch", state="off") == 403
    with app.app_context():
        assert db.session.get_one(Corp, ali.corp_id).enabled


def test_a_held_session_of_a_corp_that_is_off_is_no_way_in(
    cast: Cast, app: Flask, sign_in: SignIn, also: Callable[..., None], ali: Member, ivy: Member
) -> None:
    client = sign_in(ali)
    also(client, ivy)
    with app.app_context():
        switch_corp(db.session.get_one(Corp, ali.corp_id), False)
        db.session.commit()
    assert "切换到" not in client.get("/h5/me").text
