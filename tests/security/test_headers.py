"""What goes around every page: policy, framing, caching, cookies (T13, T17, T30, T56). Error pages included."""

import re
from collections.abc import Callable
from dataclasses import replace
from http.cookies import SimpleCookie
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import BROWSER_AGENT, CORP, DINGTALK_AGENT, WECOM_AGENT, Cast
from tests.security.markup import Markup
from tests.security.pages import World, pages_of
from wsapp.app import create_app
from wsapp.connectors import connector_classes
from wsapp.crm.org.models import Member
from wsapp.house import House

SignIn = Callable[..., FlaskClient]
AGENTS = (WECOM_AGENT, DINGTALK_AGENT, BROWSER_AGENT)
NEVER = ("'unsafe-inline'", "'unsafe-eval'", "*;", " * ", "data: 'self'", "http:;", "https:;")


def directives(answer: Any) -> dict[str, list[str]]:
    """The content security policy of an answer, by directive."""
    policies = answer.headers.getlist("Content-Security-Policy")
    assert len(policies) == 1, policies
    parts = [one.split() for one in policies[0].split(";") if one.strip()]
    return {name: values for name, *values in parts}


def check(answer: Any, what: str) -> None:
    """Assert what holds for each HTML answer."""
    policy = directives(answer)
    assert policy["default-src"] == ["'self'"], what
    assert policy["object-src"] == ["'none'"], what
    assert policy["base-uri"] == ["'none'"], what
    assert policy["form-action"] == ["'self'"], what
    assert set(policy.get("script-src", [])) <= {"'self'"}, what
    assert set(policy["img-src"]) <= {"'self'", "data:", "blob:"}, what
    assert policy["frame-ancestors"], what
    assert "*" not in policy["frame-ancestors"], what
    raw = answer.headers["Content-Security-Policy"]
    assert not [one for one in NEVER if one in f"{raw};"], what
    assert answer.headers["X-Content-Type-Options"] == "nosniff", what
    assert answer.headers["Referrer-Policy"] == "same-origin", what
    assert answer.headers["Cache-Control"] == "no-store", what
    assert re.fullmatch(r"[A-Za-z0-9-]{8,64}", answer.headers["X-Request-Id"]), what
    assert "charset=utf-8" in answer.content_type.lower(), what
    page = Markup(answer.text)
    assert page.scripts == [], what
    assert not [one for one in page.skeleton if "style" in one[1] or any(name.startswith("on") for name in one[1])], (
        what
    )


def test_every_page_of_everybody(world: World, sign_in: SignIn, ali: Member, guan: Member) -> None:
    for agent in AGENTS:
        for client in (sign_in(ali, agent=agent), sign_in(guan, agent=agent)):
            for path in pages_of(world):
                answer = client.get(path)
                assert answer.mimetype == "text/html", path
                check(answer, f"{path}: {answer.status_code}")


@pytest.fixture
def failing(app: Flask) -> Flask:
    """The product with a page that has a bug, and one whose database is away."""
    from sqlalchemy.exc import OperationalError

    @app.get("/security-test/bug")
    def bug() -> str:
        raise RuntimeError("password=hunter2-in-the-bug")

    @app.get("/api/security-test/bug")
    def bug_in_api() -> str:
        raise RuntimeError("password=hunter2-in-the-bug")

    @app.get("/security-test/away")
    def away() -> str:
        raise OperationalError("SELECT hunter2 FROM secrets", {}, Exception("hunter2"))

    return app


ERRORS = (
    ("GET", "/nowhere", 404),
    ("GET", "/h5/nowhere", 404),
    ("GET", "/h5/customers/nobody", 404),
    ("DELETE", "/h5/customers", 405),
    ("PUT", "/healthz", 405),
    ("POST", "/h5/customers", 400),  # without the page's token
    ("POST", "/signout", 400),
    ("POST", "/h5/photos", 400),
    ("GET", "/signin/wecom/nobody", 404),
    ("GET", "/signin/nohost/nobody", 404),
    ("GET", f"/signin/wecom/{CORP}/return?code=x&state=y", 302),
    ("GET", "/h5/customers?cursor=%00", 422),
    ("GET", "/admin/nowhere", 404),
    ("GET", "/security-test/bug", 500),
)


def test_every_error_page(failing: Flask, cast: Cast, sign_in: SignIn, guan: Member) -> None:
    signed_in, stranger = sign_in(guan), failing.test_client()
    stranger.environ_base["HTTP_HOST"] = "127.0.0.1:8000"
    for client in (signed_in, stranger):
        for method, path, status in ERRORS:
            answer = client.open(path, method=method)
            what = f"{method} {path}: {answer.status_code}"
            assert client is stranger or answer.status_code == status, what
            assert answer.mimetype == "text/html", what
            check(answer, what)
            assert_silent(answer)


def assert_silent(answer: Any) -> None:
    """An error says nothing of the inside."""
    for word in (
        "Traceback",
        "hunter2",
        'File "',
        "werkzeug",
        "Werkzeug",
        "sqlalchemy",
        "SELECT",
        "wsapp/",
        "jinja",
        "gunicorn",
    ):
        assert word not in answer.text, word
    server = answer.headers.get("Server", "")
    assert not re.search(r"\d", server), server


def test_bugs_and_missing_databases_say_nothing_of_the_inside(failing: Flask) -> None:
    client = failing.test_client()
    for path, status in (("/security-test/bug", 500), ("/api/security-test/bug", 500), ("/security-test/away", 503)):
        for accept in ("text/html", "application/json", "*/*"):
            answer = client.get(path, headers={"Accept": accept})
            assert answer.status_code == status
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert_silent(answer)
    assert client.get("/security-test/away").headers["Retry-After"]


def test_only_the_hosts_may_frame_a_page(app: Flask) -> None:
    framers = directives(app.test_client().get("/signin/"))["frame-ancestors"]
    house: House = app.extensions["wsapp"]
    bases = {base for table in house.settings.hosts.values() for base in table.values()}
    known = {one for kind in connector_classes().values() for one in kind.frame_origins}
    assert set(framers) <= {"'self'"} | house.origins | known | bases
    assert {"https://work.weixin.qq.com", "https://*.dingtalk.com"} <= set(framers)


def cookies_of(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in answer.headers.getlist("Set-Cookie"):
        found |= SimpleCookie(line)
    return found


@pytest.fixture
def over_https(app: Flask) -> Flask:
    """The same product with an https address behind a proxy."""
    settings = app.extensions["wsapp"].settings
    server = replace(settings.server, public_url="https://crm.test", trusted_proxies=1)
    return create_app(replace(settings, server=server))


def test_cookies_are_locked_down_over_https(over_https: Flask) -> None:
    client = over_https.test_client()
    headers = {
        "Host": "crm.test",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "127.0.0.1",
        "User-Agent": WECOM_AGENT,
    }
    answers = [
        client.get(path, headers=headers)
        for path in ("/signin/", "/admin/", f"/signin/wecom/{CORP}", "/h5/", "/nowhere")
    ]
    seen = 0
    for answer in answers:
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
        for name, cookie in cookies_of(answer).items():
            seen += 1
            assert name.startswith("__Host-"), name
            assert cookie["secure"], name
            assert cookie["httponly"], name
            assert cookie["samesite"] == "Lax", name
            assert cookie["path"] == "/", name
            assert not cookie["domain"], name
    assert seen


def test_the_set_ups_cookie_is_locked_down(over_https: Flask) -> None:
    from wsapp.admin.firstrun import announce_first_run

    code = announce_first_run(over_https)
    client = over_https.test_client()
    headers = {"Host": "crm.test", "X-Forwarded-Proto": "https", "Origin": "https://crm.test"}
    page = client.get("/admin/", headers=headers, base_url="https://crm.test")
    token = page.text.split('name="csrf-token" content="')[1].split('"')[0]
    answer = client.post(
        "/admin/first-run", data={"code": code, "csrf_token": token}, headers=headers, base_url="https://crm.test"
    )
    cookie = cookies_of(answer)["wsapp-setup"]
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/admin/"
    assert str(code) not in str(answer.headers)


def test_signing_out_clears_what_the_client_kept(app: Flask, sign_in: SignIn, ali: Member) -> None:
    client = sign_in(ali)
    token = client.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0]
    answer = client.post("/signout", data={"csrf_token": token})
    assert '"storage"' in answer.headers["Clear-Site-Data"]
    assert client.get("/h5/me").status_code == 302
