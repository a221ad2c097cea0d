"""Signing in through WeCom: the real flow over HTTP against the emulator, and every way to abuse it."""

from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import WECOM_AGENT
from wsapp import clock
from wsapp.connectors.emulator import RunningEmulator
from wsapp.connectors.wecom.emulator import demo_org
from wsapp.crm.org.models import LoginSession, Member
from wsapp.db import db, every_corp

CORP_ID = demo_org("http://x")["corps"][0]["corp_id"]
START = f"/signin/wecom/{CORP_ID}"


def phone(app: Flask) -> FlaskClient:
    """A WeCom phone: a browser with WeCom's User-Agent, opening our public address."""
    client = app.test_client()
    client.environ_base |= {"HTTP_USER_AGENT": WECOM_AGENT, "HTTP_HOST": "127.0.0.1:8000"}
    return client


def code_for(wecom: RunningEmulator, address: str, user: str) -> str:
    """Open the host's authorize page as `user`; returns our return address with code and state."""
    answer = requests.get(address.split("#")[0] + f"&user={user}", allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    parts = urlsplit(answer.headers["Location"])
    assert f"{parts.scheme}://{parts.netloc}" == "http://127.0.0.1:8000"
    return f"{parts.path}?{parts.query}"


def sessions(app: Flask) -> int:
    with app.app_context(), every_corp():
        return db.session.scalar(sa.select(sa.func.count()).select_from(LoginSession)) or 0


def test_first_open_creates_the_member_and_lands_on_the_page_asked_for(app: Flask, wecom: RunningEmulator) -> None:
    client = phone(app)
    door = client.get("/h5/tasks?state=open")
    assert door.status_code == 302
    assert door.location == f"{START}?next=/h5/tasks?state%3Dopen"
    off = client.get(door.location)
    query = parse_qs(urlsplit(off.location).query)
    assert query["scope"] == ["snsapi_base"]
    assert query["state"][0].isalnum()
    back = client.get(code_for(wecom, off.location, "LinXiaoYan"))
    assert (back.status_code, back.location) == (302, "/h5/tasks?state=open")
    with app.app_context(), every_corp():
        (member,) = db.session.scalars(sa.select(Member).where(Member.userid == "LinXiaoYan"))
        assert (member.name, member.role, member.status) == ("林晓燕", "seller", "active")


def test_the_leader_of_the_root_is_administrator(app: Flask, wecom: RunningEmulator) -> None:
    client = phone(app)
    client.get(code_for(wecom, client.get(START).location, "ZhaoMin"))
    with app.app_context(), every_corp():
        (member,) = db.session.scalars(sa.select(Member).where(Member.userid == "ZhaoMin"))
        assert member.role == "admin"


def test_outside_the_visible_range_is_told_what_to_ask(app: Flask, wecom: RunningEmulator) -> None:
    client = phone(app)
    answer = client.get(code_for(wecom, client.get(START).location, "OuYangMuRong"))
    assert answer.status_code == 403
    assert "可见范围" in answer.text
    assert "森林木业" in answer.text
    assert sessions(app) == 0


@pytest.mark.parametrize("case", ["missing", "wrong", "reused", "other browser", "other corp"])
def test_a_state_that_is_not_this_browsers_own_opens_nothing(app: Flask, wecom: RunningEmulator, case: str) -> None:
    client = phone(app)
    back = code_for(wecom, client.get(START).location, "LinXiaoYan")
    state = parse_qs(urlsplit(back).query)["state"][0]
    thief = phone(app)
    if case == "missing":
        answer = client.get(back.replace(f"&state={state}", ""))
    elif case == "wrong":
        answer = client.get(back.replace(state, "0" * 32))
    elif case == "reused":
        client.get(back)
        thief.get(START)
        answer = thief.get(back)
        assert sessions(app) == 1
        assert answer.status_code == 403
        return
    elif case == "other browser":
        thief.get(START)
        answer = thief.get(back)
    else:
        answer = client.get(back.replace(CORP_ID, "ww00000000000000aa"))
    assert answer.status_code in (403, 404)
    assert sessions(app) == 0


def test_a_replayed_return_of_the_same_browser_just_goes_on(app: Flask, wecom: RunningEmulator) -> None:
    client = phone(app)
    back = code_for(wecom, client.get(START).location, "LinXiaoYan")
    assert client.get(back).location == "/h5/"
    assert client.get(back).location == "/h5/"
    assert sessions(app) == 1


@pytest.mark.parametrize(
    "next_path",
    [
        "https://evil.example/h5/",
        "//evil.example/h5/",
        "/\\evil.example",
        "/h5//evil.example/../",
        "/%09/evil.example",
        "\t//evil.example",
        "javascript:alert(1)",
        "/h5/\r\nSet-Cookie: a=b",
        "/signout",
        "/h5/" + "a" * 2000,
        "///evil.example",
        "http:/evil.example",
    ],
)
def test_after_sign_in_only_our_own_pages_open(app: Flask, wecom: RunningEmulator, next_path: str) -> None:
    client = phone(app)
    off = client.get(START, query_string={"next": next_path})
    back = client.get(code_for(wecom, off.location, "LinXiaoYan"))
    assert back.location == "/h5/"


def test_a_leaver_is_out_at_once(app: Flask, wecom: RunningEmulator) -> None:
    client = phone(app)
    client.get(code_for(wecom, client.get(START).location, "LinXiaoYan"))
    with app.app_context(), every_corp():
        from wsapp.crm.org.actions import shut_out

        (member,) = db.session.scalars(sa.select(Member).where(Member.userid == "LinXiaoYan"))
        shut_out(member, "left")
        db.session.commit()
    assert client.get("/h5/").location.startswith("/signin/")


def test_the_session_cookie_is_locked_down(app: Flask, wecom: RunningEmulator) -> None:
    client = phone(app)
    planted = client.get(START).headers["Set-Cookie"].split(";")[0]
    back = client.get(code_for(wecom, client.get(START).location, "LinXiaoYan"))
    cookie = back.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert cookie.split(";")[0] != planted


def test_who_confirms_who_they_are_comes_back_to_the_form_with_one_fresh_session(
    app: Flask, wecom: RunningEmulator
) -> None:
    client = phone(app)
    client.get(code_for(wecom, client.get(START).location, "ZhaoMin"))
    with app.app_context(), every_corp():
        db.session.execute(sa.update(LoginSession).values(created_at=clock.now() - timedelta(hours=2)))
        db.session.commit()
    token = client.get("/admin/roles/seller").text.split('name="csrf-token" content="')[1].split('"')[0]
    form = {"csrf_token": token, "grant.customer.see": "all"}
    headers = {"Origin": "http://127.0.0.1:8000"}
    refused = client.post("/admin/roles/seller", data=form, headers=headers)
    assert refused.status_code == 403
    again = unescape(refused.text.split('href="/signin/')[1].split('"')[0])
    back = client.get(code_for(wecom, client.get(f"/signin/{again}").location, "ZhaoMin"))
    assert (back.status_code, back.location) == (302, "/admin/roles/seller")
    form["csrf_token"] = client.get(back.location).text.split('name="csrf-token" content="')[1].split('"')[0]
    assert client.post("/admin/roles/seller", data=form, headers=headers).status_code == 303
    assert sessions(app) == 1
