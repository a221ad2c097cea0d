"""The console's page: opens at once, fills itself, asks one thing again, shows no secret; the phone's own page."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import DINGTALK_AGENT, WECOM_AGENT, Cast
from tests.doctor.conftest import ADMINS, Clinic
from tests.h5.test_queries import statements
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member_by_userid
from wsapp.db import corp_scope, db
from wsapp.doctor import rounds

TICKET = re.compile(r"/h5/probe\?ticket=([\w.-]+)")


def _client(clinic: Clinic, host: str) -> FlaskClient:
    """The administrator of a sample firm, signed in."""
    cast = Cast.__new__(Cast)
    cast.app = clinic.app
    with clinic.app.app_context(), corp_scope(clinic.corp(host).id):
        member = member_by_userid(ADMINS[host], fold=host == "wecom")
        assert member is not None
        db.session.expunge(member)
    client = cast.sign_in(member, agent=WECOM_AGENT if host == "wecom" else DINGTALK_AGENT)
    client.environ_base["HTTP_HOST"] = clinic.front.url.removeprefix("http://")
    return client


def _csrf(client: FlaskClient) -> str:
    page = client.get("/admin/doctor").text
    return page.split('name="csrf-token" content="')[1].split('"')[0]


def _post(client: FlaskClient, path: str, **form: str) -> int:
    return client.post(path, data={"csrf_token": _csrf(client), **form}).status_code


@pytest.mark.parametrize("host", ["wecom", "dingtalk"])
def test_the_page_opens_at_once_and_fills_itself(clinic: Clinic, host: str) -> None:
    client = _client(clinic, host)
    empty = client.get("/admin/doctor").text
    assert 'hx-post="/admin/doctor/rounds"' in empty  # asks by itself
    assert "等待检查" in empty

    assert _post(client, "/admin/doctor/rounds", sends="1") == 303
    rounds.wait()

    page = client.get("/admin/doctor").text
    assert "等待检查" not in page.replace("未检查", "")
    assert 'hx-post="/admin/doctor/rounds"' not in page
    assert "还没有备份" in page
    assert "有问题" not in page


def test_while_a_round_runs_the_page_asks_again(clinic: Clinic) -> None:
    client = _client(clinic, "wecom")
    with clinic.app.app_context():
        corp_id = clinic.corp("wecom").id
        db.session.rollback()
        assert rounds._claim(corp_id)
    page = client.get("/admin/doctor").text
    assert 'hx-get="/admin/doctor"' in page
    with clinic.app.app_context():
        assert not rounds.start(clinic.corp("wecom"), me="ZhaoMin")  # one round at a time


def test_one_thing_is_asked_again_after_it_was_mended(clinic: Clinic) -> None:
    client = _client(clinic, "wecom")
    app = next(iter(clinic.emulators["wecom"].corps.values())).apps
    one = next(iter(app.values()))
    one.home_url = ""
    _post(client, "/admin/doctor/rounds")
    rounds.wait()
    page = client.get("/admin/doctor").text
    assert "没有设置应用主页" in page
    assert "应用管理 › 你的应用 › 应用主页" in page

    one.home_url = f"{clinic.front.url}/h5/"
    assert _post(client, "/admin/doctor/rounds", check="home_url") == 303
    rounds.wait()
    assert "没有设置应用主页" not in client.get("/admin/doctor").text
    assert _post(client, "/admin/doctor/rounds", check="none") == 404


def test_the_page_asks_the_database_little_and_writes_nothing(clinic: Clinic) -> None:
    client = _client(clinic, "wecom")
    _post(client, "/admin/doctor/rounds")
    rounds.wait()
    with statements(clinic.app) as seen:
        assert client.get("/admin/doctor").status_code == 200
    assert len(seen) <= 8
    assert not [one for one in seen if one.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE"))]


def test_no_secret_is_shown(clinic: Clinic) -> None:
    for host in ("wecom", "dingtalk"):
        secrets = [value for value in _secret_values(clinic, host) if value]
        client = _client(clinic, host)
        for broken in (False, True):
            if broken:
                clinic.emulators[host].faults.clear()
                with clinic.app.app_context():
                    clinic.change(host, **{"app_secret" if host == "wecom" else "client_secret": secrets[0][::-1]})
            _post(client, "/admin/doctor/rounds", sends="1")
            rounds.wait()
            page = client.get("/admin/doctor").text
            assert not [one for one in (*secrets, secrets[0][::-1]) if one in page]


def _secret_values(clinic: Clinic, host: str) -> list[str]:
    from wsapp.connectors import connector_class

    plain = next(one for one in clinic.app.extensions["wsapp"].settings.corps if one.host == host)
    return [str(plain.values.get(one.key, "")) for one in connector_class(host).credential_fields if one.secret]


def test_sellers_are_kept_out(clinic: Clinic, sign_in_seller: Callable[[], FlaskClient]) -> None:
    assert sign_in_seller().get("/admin/doctor").status_code == 403


@pytest.fixture
def sign_in_seller(app: Flask, cast: Cast, ali: Member) -> Callable[[], FlaskClient]:
    return lambda: cast.sign_in(ali)


# --- the phone ----------------------------------------------------------------------------------------------------


def test_a_phone_proves_the_signature_once(clinic: Clinic) -> None:
    client = _client(clinic, "dingtalk")
    ticket = _ticket(client)
    page = client.get(f"/h5/probe?ticket={ticket}")
    assert "data-probe=" in page.text

    refused = {"worked": False, "code": "52013", "message": "签名校验失败", "device": "iPhone · DingTalk/7.8.1"}
    assert _report(client, ticket, **refused) == 200
    assert _report(client, ticket, worked=True) == 409  # one report for each code
    shown = client.get("/admin/doctor").text
    assert "52013" in shown
    assert "sha1" in shown  # what to do about this code

    assert _report(client, _ticket(client), worked=True, device="iPhone · DingTalk/7.8.1") == 200
    assert "接受了签名" in client.get("/admin/doctor").text


def _ticket(client: FlaskClient) -> str:
    found = TICKET.search(client.get("/admin/doctor").text)
    assert found
    return found.group(1)


def _report(client: FlaskClient, ticket: str, **said: object) -> int:
    page = client.get("/admin/doctor").text
    csrf = page.split('name="csrf-token" content="')[1].split('"')[0]
    return client.post(f"/h5/probe?ticket={ticket}", json=said, headers={"X-CSRF-Token": csrf}).status_code


def test_a_code_of_another_corp_or_age_is_refused(clinic: Clinic) -> None:
    ours, theirs = _client(clinic, "wecom"), _client(clinic, "dingtalk")
    ticket = _ticket(theirs)
    assert ours.get(f"/h5/probe?ticket={ticket}").status_code == 404
    assert _report(ours, ticket, worked=True) == 404
    assert theirs.get(f"/h5/probe?ticket={ticket}x").status_code == 404


def test_the_button_of_the_test_card_calls_back(clinic: Clinic) -> None:
    import requests

    for host, user in (("wecom", "ZhaoMin"), ("dingtalk", "qianwei")):
        client, emulator = _client(clinic, host), clinic.emulators[host]
        _post(client, "/admin/doctor/rounds", sends="1")
        rounds.wait()
        card = next(one for one in emulator.chats(user) if any(key["key"] == "doctor" for key in one["buttons"]))
        assert "按钮的回调到达后这里变绿" in client.get("/admin/doctor").text
        with emulator.start() as running:
            body = {"user": user, "card": card["card"], "key": "doctor", "wait": True}
            assert requests.post(f"{running.url}/phone/press", json=body, timeout=20).ok
        assert "按钮的回调已到达" in client.get("/admin/doctor").text
