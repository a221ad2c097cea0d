"""The phones' layer: who is asking decides the cookie jar, and the page gets what a client would bring."""

from typing import Any

import pytest
from flask import Flask, Response, request
from werkzeug.test import Client

from wsapp.connectors.dingtalk.emulator import DingTalkEmulator
from wsapp.connectors.wecom.emulator import WeComEmulator
from wsapp.demo.layout import HostPart
from wsapp.demo.phones import SCRIPT_PATH, Phones

POLICY = "default-src 'self'"
WECOM, DINGTALK = HostPart("wecom", 9101, 9103), HostPart("dingtalk", 9102, 9104)


@pytest.fixture
def client() -> Client:
    """A product that says what it sees, behind the layer."""
    app = Flask(__name__)

    @app.get("/cookies")
    def cookies() -> dict[str, str]:
        return dict(request.cookies)

    @app.get("/keep/<value>")
    def keep(value: str) -> Response:
        answer = Response("kept")
        answer.set_cookie("session", value, httponly=True, samesite="Lax")
        return answer

    @app.get("/page")
    def page() -> Response:
        agent = request.headers.get("User-Agent", "")
        body = f"<!doctype html><head><title>x</title></head><body>{agent}</body>"
        return Response(body, headers={"Content-Security-Policy": POLICY}, mimetype="text/html")

    layer = Phones(app.wsgi_app, {WECOM: WeComEmulator(), DINGTALK: DingTalkEmulator()})
    return Client(layer)


def get(client: Client, path: str, part: HostPart | None = None, holder: str = "") -> Any:
    """One request of a browser that keeps its cookies for the machine, whatever the port."""
    if part and holder:
        client.set_cookie(f"{part.host}_phone_user", holder, domain="127.0.0.1")
    return client.get(path, base_url=part.phone_url if part else "http://127.0.0.1:9100")


def test_each_persons_session_stays_their_own(client: Client) -> None:
    get(client, "/keep/ali", WECOM, "ali")
    get(client, "/keep/bob", WECOM, "bob")
    get(client, "/keep/zhou", DINGTALK, "zhou")
    get(client, "/keep/desk")
    assert get(client, "/cookies", WECOM, "ali").json == {"session": "ali"}
    assert get(client, "/cookies", WECOM, "bob").json == {"session": "bob"}
    assert get(client, "/cookies", DINGTALK).json == {"session": "zhou"}
    assert get(client, "/cookies").json["session"] == "desk"
    assert get(client, "/cookies", WECOM, "nobody").json == {}


def test_a_cookie_keeps_its_attributes(client: Client) -> None:
    kept = get(client, "/keep/ali", WECOM, "ali").headers["Set-Cookie"]
    assert kept.startswith("wecom-")
    assert "session=ali" in kept
    assert "HttpOnly" in kept
    assert "SameSite=Lax" in kept


def test_a_page_gets_the_clients_native_side(client: Client) -> None:
    answer = get(client, "/page", DINGTALK, "zhou")
    assert answer.text.startswith(f'<!doctype html><head><script src="{SCRIPT_PATH}"></script><title>')
    assert DingTalkEmulator.phone_agent in answer.text
    assert answer.headers["Content-Security-Policy"] == f"{POLICY}; connect-src 'self' {DINGTALK.emulator_url}"
    assert int(answer.headers["Content-Length"]) == len(answer.data)


def test_the_script_names_emulator_and_holder(client: Client) -> None:
    script = get(client, SCRIPT_PATH, WECOM, "LinXiaoYan")
    assert script.mimetype == "text/javascript"
    assert f'"base": "{WECOM.emulator_url}", "user": "LinXiaoYan"' in script.text
    assert "WeixinJSBridge" in script.text
    assert script.headers["Cache-Control"] == "no-store"


def test_a_holders_name_cannot_break_out_of_the_script(client: Client) -> None:
    script = get(client, SCRIPT_PATH, WECOM, '";alert(1);//').text
    assert '"user": "\\";alert(1);//"' in script


def test_the_products_own_address_is_left_alone(client: Client) -> None:
    answer = get(client, "/page")
    assert SCRIPT_PATH not in answer.text
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert "Set-Cookie" not in answer.headers
    assert get(client, SCRIPT_PATH).status_code == 404
