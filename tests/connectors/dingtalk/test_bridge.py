"""The host's real script, our host.js and the emulated native side, in a Chromium with DingTalk's user agent."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from flask import Flask, Response, jsonify, request
from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import make_server

from wsapp.connectors.dingtalk.connector import DingTalkConnector
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator
from wsapp.connectors.emulator import RunningEmulator

VENDOR = DingTalkConnector.folder.parents[1] / "static" / "vendor"
AGENTS = {
    row["expect"].removeprefix("dingtalk-"): row["ua"]
    for row in json.loads((DingTalkConnector.folder / "fixtures" / "user_agents.json").read_text())["strings"]
    if row["expect"].startswith("dingtalk-")
}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
PHONES = ("mobile-ios", "mobile-android")

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")]

PAGE = """<!doctype html><html lang="zh"><meta charset="utf-8"><meta name="csrf-token" content="csrf-1"><title>x</title>
<script src="/dd.js" defer></script><script src="/host.js" defer></script></html>"""


class Site:
    """A product of three addresses: a page, the signed parameters of the connector, the photo store."""

    def __init__(self, connector: DingTalkConnector) -> None:
        self.photos: list[tuple[bytes, str]] = []
        self.photo_status = 200
        self.connector = connector
        self.pages_signed: list[str] = []
        app = Flask("site")
        bundle = next(VENDOR.glob("dingtalk-jsapi.*.js")).read_text(encoding="utf-8")
        host_script = (connector.folder / "host.js").read_text(encoding="utf-8")
        app.get("/h5/", endpoint="page")(lambda: Response(PAGE, content_type="text/html", headers=self.headers()))
        app.get("/dd.js", endpoint="sdk")(lambda: Response(bundle, content_type="text/javascript"))
        app.get("/host.js", endpoint="host")(lambda: Response(host_script, content_type="text/javascript"))
        app.get("/h5/host-config")(self.host_config)
        app.post("/h5/photos")(self.store)
        self.server = make_server("127.0.0.1", 0, app, threaded=True)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def headers(self) -> dict[str, str]:
        return {"Content-Security-Policy": "script-src 'self'; style-src 'self'"}

    def host_config(self) -> Response:
        self.pages_signed.append(request.args["url"])
        return jsonify(self.connector.js_config(request.args["url"]))

    def store(self) -> tuple[Response, int]:
        if self.photo_status != 200:
            return jsonify({"detail": "照片太大"}), self.photo_status
        self.photos.append((request.files["file"].read(), request.headers.get("X-CSRF-Token", "")))
        return jsonify({"id": f"p{len(self.photos)}", "url": f"/h5/photos/p{len(self.photos)}"}), 200


@pytest.fixture
def site(connector: DingTalkConnector, emulator: DingTalkEmulator) -> Iterator[Site]:
    site = Site(connector)
    next(iter(emulator.world.apps.values())).redirect_urls.append(site.url)
    Thread(target=site.server.serve_forever, args=(0.02,), daemon=True).start()
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Any, site: Site, running: RunningEmulator) -> Iterator[Callable[..., Page]]:
    contexts: list[Any] = []

    def open_page(agent: str = "mobile-ios", path: str = "/h5/?a=%E5%BC%A0#top", **phone: Any) -> Page:
        context = browser.new_context(user_agent=AGENTS[agent], viewport={"width": 390, "height": 844})
        contexts.append(context)
        settings = json.dumps({"base": running.url, "user": "zhouxiaoyu", **phone})
        bridge = (DingTalkConnector.folder / "bridge.js").read_text(encoding="utf-8")
        context.add_init_script(f"window.__phone = {settings};\n{bridge}")
        page: Page = context.new_page()
        page.goto(site.url + path)
        page.wait_for_function("window.WsHost")
        return page

    yield open_page
    for context in contexts:
        context.close()


def outcome(page: Page, call: str) -> Any:
    """Run a call of WsHost: its value, or {"failed": {code, message}}."""
    return page.evaluate(f"() => Promise.resolve({call}).catch((error) => ({{failed: error}}))")


@pytest.mark.parametrize("agent", [*PHONES, "desktop-windows"])
def test_a_code_signs_in(open_page: Callable[..., Page], connector: DingTalkConnector, agent: str) -> None:
    config = json.dumps(connector.silent_sign_in("", "").script_config)
    code = outcome(open_page(agent), f"WsHost.signInCode({config})")
    assert connector.sign_in(code).userid == "zhouxiaoyu"


def test_an_old_client_uses_the_old_call(open_page: Callable[..., Page], connector: DingTalkConnector) -> None:
    config = json.dumps(connector.silent_sign_in("", "").script_config)
    page = open_page(missing=["runtime.permission.requestAuthCodeV2"])
    assert connector.sign_in(outcome(page, f"WsHost.signInCode({config})")).userid == "zhouxiaoyu"


def test_who_may_not_see_the_app_is_told(open_page: Callable[..., Page], connector: DingTalkConnector) -> None:
    config = json.dumps(connector.silent_sign_in("", "").script_config)
    failed = outcome(open_page(user="simaxiangru"), f"WsHost.signInCode({config})")["failed"]
    assert failed["code"] == "50002"
    assert "联系管理员" in failed["message"]


@pytest.mark.parametrize("agent", PHONES)
@pytest.mark.parametrize("digest", ["sha256", "sha1"])
def test_position_and_photo(
    open_page: Callable[..., Page], site: Site, emulator: DingTalkEmulator, make_connector: Any, agent: str, digest: str
) -> None:
    """dd.config is checked as the client does, for an address with a query and a fragment."""
    emulator.knobs["jsapi_hash"] = digest
    site.connector = make_connector(jsapi_hash=digest)
    emulator.pages.positions["zhouxiaoyu"] = {"lat": 30.1, "lng": 120.2, "accuracy": 12}
    page = open_page(agent, photos=2)
    fix = outcome(page, "WsHost.position()")
    assert (fix["lat"], fix["lng"], fix["accuracy"], fix["coordinate"]) == (30.1, 120.2, 12, "gcj02")
    assert abs(fix["fixed_at"] / 1000 - emulator.clock.time()) < 60
    photos = outcome(page, "WsHost.choosePhotos(3)")
    assert [one["file_id"] for one in photos] == ["p1", "p2"]
    assert photos[0]["preview"] == "/h5/photos/p1"
    data, csrf = site.photos[0]
    assert (data[:2], csrf) == (b"\xff\xd8", "csrf-1")
    assert len(site.pages_signed) == 1  # dd.config works once for a page
    assert "#" not in site.pages_signed[0]


def test_a_wrong_signature_gives_no_position(open_page: Callable[..., Page], emulator: DingTalkEmulator) -> None:
    emulator.knobs["jsapi_hash"] = "sha1"
    failed = outcome(open_page(), "WsHost.position()")["failed"]
    assert failed["code"] == "52013"


def test_a_desktop_has_no_picker(open_page: Callable[..., Page]) -> None:
    assert outcome(open_page("desktop-windows"), "WsHost.choosePhotos(3)") is None


def test_a_refused_upload_is_told(open_page: Callable[..., Page], site: Site) -> None:
    site.photo_status = 413
    assert outcome(open_page(), "WsHost.choosePhotos(1)")["failed"] == {"code": "upload_413", "message": "照片太大"}


@pytest.mark.parametrize("agent", [*PHONES, "desktop-windows"])
def test_title_and_close_reach_the_phone(open_page: Callable[..., Page], agent: str) -> None:
    page = open_page(agent)
    page.evaluate("() => { window.heard = []; window.addEventListener('phone', (event) => heard.push(event.detail)); }")
    outcome(page, "WsHost.setTitle('客户')")
    outcome(page, "WsHost.close()")
    assert page.evaluate("() => heard") == [{"phone": "title", "title": "客户"}, {"phone": "close"}]


def test_map_and_scan(open_page: Callable[..., Page]) -> None:
    page = open_page(scan="SN-1")
    page.evaluate("() => { window.heard = []; window.addEventListener('phone', (event) => heard.push(event.detail)); }")
    assert outcome(page, "WsHost.scan()") == "SN-1"
    outcome(page, "WsHost.openMap({lat: 30.1, lng: 120.2, name: '华星木业', address: ''})")
    assert page.evaluate("() => heard") == [{"phone": "map", "lat": 30.1, "lng": 120.2, "title": "华星木业"}]


def test_outside_of_the_host_everything_is_refused(browser: Any, site: Site) -> None:
    page = browser.new_page()
    page.goto(site.url + "/h5/")
    page.wait_for_function("window.WsHost")
    for call in ("ready()", "signInCode({})", "position()", "scan()", "setTitle('x')"):
        assert outcome(page, f"WsHost.{call}")["failed"]["code"] == "unsupported", call
    page.close()


def test_every_user_agent_is_told_apart() -> None:
    rows = json.loads((Path(DingTalkConnector.folder) / "fixtures" / "user_agents.json").read_text())["strings"]
    for row in rows:
        inside = DingTalkConnector.user_agent.search(row["ua"]) is not None
        assert inside == row["expect"].startswith("dingtalk"), row["expect"]
