"""What scanners look for is not there, and nothing tells of the inside (T59)."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.security.payloads import SCANNED
from tests.security.test_headers import assert_silent
from wsapp import __version__
from wsapp.crm.org.models import Member

PUBLIC = {
    *("/", "/signin/", "/signin/<host>/<corp_id>", "/signin/<host>/<corp_id>/web", "/signin/<host>/<corp_id>/return"),
    *("/signin/<host>/<corp_id>/web/return", "/signin/<host>/<corp_id>/code", "/signout", "/static/<path:name>"),
    *(
        "/callbacks/<host>/<corp_id>",
        "/callbacks/<host>/<corp_id>/<kind>",
        "/healthz",
        "/healthz/mark",
        "/readyz",
        "/metrics",
    ),
    *("/api/v1/openapi.json", "/api/docs", "/admin/first-run", "/h5/sw.js"),
}


@pytest.mark.parametrize("signed_in", [False, True])
def test_nothing_answers_to_scanners(app: Flask, sign_in: object, guan: Member, signed_in: bool) -> None:
    assert len(set(SCANNED)) >= 60
    client: FlaskClient = sign_in(guan) if signed_in else app.test_client()  # type: ignore[operator]
    for path in SCANNED:
        for raw in (False, True):
            overrides = {"PATH_INFO": path.split("?")[0], "QUERY_STRING": path.partition("?")[2]} if raw else {}
            answer = client.get("/" if raw else path, environ_overrides=overrides)
            assert answer.status_code in (302, 308, 400, 404, 405), f"{path}: {answer.status_code}"
            assert_silent(answer)


def test_health_and_readiness_tell_no_versions(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/healthz").text == "ok\n"
    ready = client.get("/readyz").text
    assert __version__ not in ready
    assert_silent(client.get("/readyz"))


def test_metrics_are_for_this_machine_alone(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/metrics").status_code == 200
    for address in ("10.0.0.7", "192.168.1.2", "203.0.113.9", "::ffff:10.0.0.7", "fe80::1"):
        assert client.get("/metrics", environ_overrides={"REMOTE_ADDR": address}).status_code == 404
    spoofed = {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
    assert client.get("/metrics", headers=spoofed, environ_overrides={"REMOTE_ADDR": "10.0.0.7"}).status_code == 404


def test_debugging_is_off(app: Flask) -> None:
    assert not app.debug
    assert not app.testing
    assert not app.config["PROPAGATE_EXCEPTIONS"]
    assert not app.config["TRAP_HTTP_EXCEPTIONS"]
    assert not app.jinja_env.auto_reload


def test_a_stranger_reaches_only_what_is_public(app: Flask, cast: object) -> None:
    """Everything else sends to sign in, or refuses: a new public address has to be named here."""
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        if rule.rule in PUBLIC or "GET" not in (rule.methods or ()):
            continue
        path = rule.rule
        for argument in rule.arguments:
            for shape in (f"<{argument}>", f"<key:{argument}>", f"<int:{argument}>", f"<path:{argument}>"):
                path = path.replace(shape, "1")
        answer = client.get(path)
        assert answer.status_code in (302, 401, 403, 404), f"{rule.rule}: {answer.status_code}"
        if answer.status_code == 302:
            assert answer.location.startswith(("/signin/", "/h5/")), rule.rule
