"""The gallery: every macro with realistic data, on a small server of its own. For looking and for browser tests.

`python frontend/gallery/app.py` serves it on port 8099; `python frontend/gallery/shots.py FOLDER` takes pictures.
"""

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flask import Flask, Response, g, jsonify, redirect, render_template, request
from flask_babel import Babel
from jinja2 import ChoiceLoader, FileSystemLoader
from sample import LONG, customers, tasks, timeline
from werkzeug.serving import WSGIRequestHandler, make_server

from wsapp import texts

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "wsapp/static/vendor"
SHANGHAI = timezone(timedelta(hours=8))
POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'"
)
HOST_SCRIPT = """
window.WsHost = {name: %s, ready: () => Promise.resolve(),
  signInCode: () => fetch("/host/code").then((r) => r.ok ? r.text() : Promise.reject({code: "x", message: "no code"})),
  position: () => fetch("/host/position").then((r) => r.ok ? r.json() : Promise.reject({code: "timeout", message: ""})),
  choosePhotos: () => Promise.resolve(null), setTitle: () => Promise.resolve(),
  openMap: () => Promise.resolve(), scan: () => Promise.reject({code: "cancel"}), close: () => Promise.resolve()};
"""


@dataclass
class State:
    """What the gallery was asked, and how it is to answer. `seen`: (path, fields) of each POST; `status`: (method,
    path) → an answer without a page; `position`, `code`: whether the host gives one; `gate`: POSTs wait for it."""

    seen: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    uploads: list[tuple[str, bytes]] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    status: dict[tuple[str, str], int] = field(default_factory=dict)
    position: bool = True
    code: bool = True
    gate: threading.Event = field(default_factory=threading.Event)


def create_gallery() -> Flask:
    app = Flask("gallery", static_folder=str(ROOT / "wsapp/static"), template_folder=str(ROOT / "templates_h5"))
    app.secret_key = secrets.token_bytes(16)
    app.jinja_loader = ChoiceLoader([FileSystemLoader(ROOT / "templates_h5"), FileSystemLoader(Path(__file__).parent)])
    Babel(app, default_locale="zh_Hans_CN")
    texts.install(app)
    manifest = json.loads((VENDOR / "manifest.json").read_text())
    app.jinja_env.globals |= {
        "asset": lambda name: f"/static/vendor/{manifest[name]}" if name in manifest else f"/{name}",
        "csrf_token": lambda: "token-of-the-gallery",
    }
    state = app.extensions["gallery"] = State()
    state.gate.set()
    _pages(app)
    _posts(app)
    return app


def _pages(app: Flask) -> None:
    state = app.extensions["gallery"]

    @app.before_request
    def remember() -> Response | None:
        g.nonce = secrets.token_urlsafe(12)
        status = state.status.get((request.method, request.path))
        if request.method == "POST":
            state.gate.wait(10)
            state.seen.append((request.path, request.form.to_dict(flat=False)))
        return Response(status=status) if status else None

    @app.after_request
    def guard(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY.format(nonce=g.nonce)
        return response

    def page(name: str, **values: Any) -> str:
        now = datetime.now(SHANGHAI)
        host, theme = request.args.get("host", "browser"), request.args.get("theme", "")
        language = request.args.get("language", "zh")
        client = SimpleNamespace(host=host, theme=theme, language=language, is_desktop="desktop" in request.args)
        rows = app.jinja_env.get_template("_ui/rows.html").module
        member = SimpleNamespace(name="阿丽", role="seller", corp_name="示例新能源科技（北京）有限公司", language="")
        return render_template(
            name,
            client=client,
            member=member,
            csp_nonce=g.nonce,
            now=now,
            customers=[rows.customer(**one) for one in customers(now)],
            tasks=tasks(now, state.done),
            timeline=timeline(now),
            long=LONG,
            task_count=3,
            **values,
        )

    @app.get("/<any(lists, form, record, signin, states):name>")
    def gallery(name: str) -> str:
        return page(f"{name}.html", errors={}, version=3)

    @app.get("/error/<int:status>")
    def error(status: int) -> str:
        g.request_id = "7f3a9c21"
        return page("errors/error.html", status=status, title="记录不存在或无权查看", detail="")

    @app.get("/refused")
    def refused() -> str:
        steps = ["打开 工作台 → 应用管理 → 客户管理", "把您所在的部门加入“可见范围”"]
        words = {"title": "您不在应用的可见范围内", "detail": "请联系企业管理员开通。"}
        return page("errors/signin.html", steps=steps, retry="/refused", **words)

    @app.get("/h5/customers")
    def more() -> str:
        return page("lists.html", second_page="cursor" in request.args)

    @app.get("/h5/tasks")
    def task_list() -> str:
        return page("lists.html")

    @app.get("/host/<host>.js")
    def host_script(host: str) -> Response:
        return Response(HOST_SCRIPT % json.dumps(host.removesuffix(".js")), content_type="text/javascript")

    @app.get("/host/position")
    def position() -> Response:
        if not state.position:
            return Response(status=503)
        fixed_at = datetime.now(SHANGHAI).timestamp() * 1000
        return jsonify(lat=39.99, lng=116.48, accuracy=35, fixed_at=fixed_at, coordinate="gcj02")

    @app.get("/host/code")
    def code() -> Response:
        return Response("code-1" if state.code else "", status=200 if state.code else 503)

    @app.get("/photo/<int:n>")
    def photo(n: int) -> Response:
        colours = ("#7aa5d8", "#c9a37a", "#88b58d")
        rect = f'<rect width="4" height="3" fill="{colours[n % 3]}"/>'
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 3">{rect}</svg>'
        return Response(svg, content_type="image/svg+xml")

    app.extensions["page"] = page


def _posts(app: Flask) -> None:
    state, page = app.extensions["gallery"], app.extensions["page"]

    @app.post("/form")
    def save() -> Any:
        if request.form.get("name") == "conflict":
            return page("form.html", errors={}, typed=request.form, version=4, conflict=True), 409
        if not request.form.get("name"):
            errors = {"name": "请填写客户名称", "phones": "号码 13800138000 已被使用"}
            return page("form.html", errors=errors, typed=request.form, version=3), 422
        return redirect("/record")

    @app.post("/h5/tasks/<id>/completion")
    def done(id: str) -> Any:
        state.done.add(id)
        return redirect("/h5/tasks")

    @app.post("/h5/photos")
    def photos() -> Any:
        sent = request.files["file"]
        state.uploads.append((sent.content_type or "", sent.read()))
        return jsonify(id=f"file-{len(state.uploads)}", url="/photo/1")

    @app.post("/signin/code")
    def sign_in() -> Any:
        return jsonify(next="/lists")


class Quiet(WSGIRequestHandler):
    """Says nothing of each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextmanager
def serving(app: Flask, port: int = 0) -> Iterator[str]:
    """Serve on a free port of the loopback; yields the base URL."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(5)


if __name__ == "__main__":
    create_gallery().run("127.0.0.1", 8099)
