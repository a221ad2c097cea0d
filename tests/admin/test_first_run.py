"""The first administrator: by the one-time code of the log, once."""

import io
import json
import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from wsapp import logs
from wsapp.admin.console import announce_first_run
from wsapp.crm.org import access
from wsapp.crm.org.models import SELLER, Member
from wsapp.crm.org.queries import admin_names, has_admin, member
from wsapp.db import corp_scope, db

SignIn = Callable[..., FlaskClient]


@pytest.fixture
def code(app: Flask, cast: Cast) -> str:
    """An installation without any administrator, and its one-time code."""
    for key in ("guan", "an"):
        found = cast.member(key)
        with app.app_context(), corp_scope(found.corp_id):
            stored = member(found.id)
            assert stored
            stored.role = SELLER
            db.session.commit()
    made = announce_first_run(app)
    assert made
    return made


def csrf_of(page: str) -> str:
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert found
    return found.group(1)


def post_code(client: FlaskClient, typed: str) -> tuple[int, str]:
    token = csrf_of(client.get("/admin/first-run").get_data(as_text=True))
    answer = client.post("/admin/first-run", data={"code": typed, "csrf_token": token})
    return answer.status_code, answer.get_data(as_text=True)


def test_the_code_stands_in_the_log_and_each_start_makes_a_new_one(app: Flask, cast: Cast) -> None:
    stream = io.StringIO()
    logs.setup(stream=stream)
    first, second = announce_first_run(app), announce_first_run(app)
    lines = [json.loads(line) for line in stream.getvalue().splitlines() if "first_run.code" in line]
    assert [one["one_time"] for one in lines] == [first, second]
    assert re.fullmatch(r"\d{8}", first or "")
    with app.app_context():
        assert not access.first_run_code_holds(access.hash_of_code(first or ""))
        assert access.first_run_code_holds(access.hash_of_code(second or ""))


def test_anonymous_visitors_are_asked_for_the_code_only_while_nobody_administers(
    app: Flask, cast: Cast, code: str, sign_in: SignIn
) -> None:
    answer = app.test_client().get("/admin/")
    assert answer.status_code == 200
    assert 'name="code"' in answer.get_data(as_text=True)
    with app.app_context(), corp_scope(cast.corp_id):
        access.use_first_run(access.hash_of_code(code), member=member(cast.member("ali").id))  # type: ignore[arg-type]
        db.session.commit()
    assert app.test_client().get("/admin/").status_code == 302


def test_a_signed_in_member_becomes_administrator_with_the_code(
    app: Flask, cast: Cast, code: str, sign_in: SignIn, ali: Member
) -> None:
    client = sign_in(ali)
    assert post_code(client, f" {code[:4]} {code[4:]} ")[0] == 303
    page = client.get("/admin/")
    assert page.status_code == 200
    assert "测试企业" in page.get_data(as_text=True)
    with app.app_context(), corp_scope(cast.corp_id):
        assert admin_names() == ["阿丽"]
    assert announce_first_run(app) is None


def test_the_code_works_once(app: Flask, cast: Cast, code: str, sign_in: SignIn, ali: Member, cha: Member) -> None:
    cha_client = sign_in(cha)
    token = csrf_of(cha_client.get("/admin/first-run").get_data(as_text=True))
    assert post_code(sign_in(ali), code)[0] == 303
    assert cha_client.post("/admin/first-run", data={"code": code, "csrf_token": token}).status_code == 422
    assert cha_client.get("/admin/").status_code == 403


def test_without_a_session_the_code_opens_the_set_up_and_asks_to_sign_in(
    app: Flask, cast: Cast, code: str, sign_in: SignIn, ali: Member
) -> None:
    client = app.test_client()
    assert post_code(client, code)[0] == 303
    page = client.get("/admin/first-run").get_data(as_text=True)
    assert "/signin/wecom/ww00000000000000aa/web" in page
    with app.app_context(), corp_scope(cast.corp_id):
        assert not has_admin()
    setup = client.get_cookie("wsapp-setup", path="/admin/")
    assert setup
    later = sign_in(ali)
    later.set_cookie("wsapp-setup", setup.value, path="/admin/")
    page = later.get("/admin/first-run").get_data(as_text=True)
    assert "阿丽" in page
    assert later.post("/admin/first-run", data={"csrf_token": csrf_of(page)}).status_code == 303
    assert later.get("/admin/").status_code == 200


def test_a_forged_set_up_is_no_set_up(app: Flask, cast: Cast, code: str, sign_in: SignIn, ali: Member) -> None:
    client = sign_in(ali)
    client.set_cookie("wsapp-setup", f'"{access.hash_of_code(code)}".abc.def', path="/admin/")
    token = csrf_of(client.get("/admin/first-run").get_data(as_text=True))
    assert client.post("/admin/first-run", data={"csrf_token": token}).status_code == 422


def test_after_ten_wrong_codes_the_right_one_is_dead_until_a_restart(
    app: Flask, cast: Cast, code: str, sign_in: SignIn, ali: Member
) -> None:
    client = sign_in(ali)
    token = csrf_of(client.get("/admin/first-run").get_data(as_text=True))
    wrong = f"{(int(code) + 1) % 10**8:08d}"
    for _try in range(10):
        assert client.post("/admin/first-run", data={"code": wrong, "csrf_token": token}).status_code == 422
    assert client.post("/admin/first-run", data={"code": code, "csrf_token": token}).status_code == 422
    assert client.get("/admin/").status_code == 403
    fresh = announce_first_run(app)
    assert client.post("/admin/first-run", data={"code": fresh, "csrf_token": token}).status_code == 303


def test_codes_are_not_tried_faster_than_twenty_a_minute(app: Flask, cast: Cast, code: str) -> None:
    client = app.test_client()
    token = csrf_of(client.get("/admin/first-run").get_data(as_text=True))
    statuses = [
        client.post("/admin/first-run", data={"code": "1", "csrf_token": token}).status_code for _try in range(21)
    ]
    assert statuses[:20] == [422] * 20
    assert statuses[20] == 429
