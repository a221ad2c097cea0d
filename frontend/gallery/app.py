"""The gallery: every macro with realistic data, on a small server of its own. For looking and for browser tests.

    .venv/bin/python frontend/gallery/app.py            serves it and prints the address
    .venv/bin/python frontend/gallery/shots.py FOLDER   takes pictures in both hosts' looks, light and dark
"""

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flask import Flask, Response, g, jsonify, redirect, render_template, request
from flask_babel import Babel
from jinja2 import ChoiceLoader, FileSystemLoader
from werkzeug.serving import WSGIRequestHandler, make_server

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

LONG = "北京森林里的华星新能源智能装备（集团）股份有限公司华东区域运营管理中心"


def customers(now: datetime) -> list[dict[str, Any]]:
    return [
        {"url": "/h5/customers/1", "name": LONG, "level": "A", "owner": "阿丽", "stage": "意向", "phone": "13800138000",
         "last": now - timedelta(minutes=7), "next": now + timedelta(days=1)},
        {"url": "/h5/customers/2", "name": "华星贸易", "level": "B", "owner": "欧阳明月·热合曼", "stage": "已联系",
         "phone": "01065123456", "last": now - timedelta(days=3), "next": now - timedelta(days=2), "next_late": True},
        {"url": "/h5/customers/3", "name": "王建国", "level": "C", "owner": "老鲍", "stage": "新客户", "phone": "",
         "last": None, "next": None},
        {"url": "/h5/customers/4", "name": "深圳市前海微光精密电子有限公司", "level": "D", "owner": "阿丽", "stage": "",
         "phone": "+8613912345678", "last": now - timedelta(days=40), "next": None},
    ]


def tasks(now: datetime, done: set[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"id": "t1", "title": "给华星发最终报价，附上三年质保条款和分期付款方案的说明文件", "due": now - timedelta(days=1, hours=2),
         "due_state": "overdue", "customer": LONG, "repeat": ""},
        {"id": "t2", "title": "电话回访", "due": now + timedelta(hours=1), "due_state": "today", "customer": "华星贸易",
         "assignee": "老鲍"},
        {"id": "t3", "title": "每周例会材料", "due": now + timedelta(days=2), "all_day": True, "due_state": "",
         "customer": "", "repeat": "每周"},
        {"id": "t4", "title": "寄样品", "due": now - timedelta(days=4), "due_state": "", "customer": "王建国", "state": "done"},
    ]
    for row in rows:
        row.setdefault("state", "done" if row["id"] in done else "open")
        row |= {"url": f"/h5/tasks/{row['id']}", "done_url": f"/h5/tasks/{row['id']}/completion"}
    return rows


def timeline(now: datetime) -> list[dict[str, Any]]:
    photos = [("/photo/1", "/photo/1"), ("/photo/2", "/photo/2")]
    return [
        {"icon": "visit", "what": "阿丽 拜访了客户", "at": now - timedelta(hours=2), "trust": "verified", "distance": 86,
         "place": "北京市朝阳区望京街道阜通东大街 6 号方恒国际中心 A 座", "text": "见到采购总监。\n价格还差 3%，下周一给答复。",
         "photos": photos, "url": "/h5/visits/1"},
        {"icon": "visit", "what": "阿丽 拜访了客户", "at": now - timedelta(days=1), "trust": "far", "distance": 5230},
        {"icon": "phone", "what": "老鲍 打了电话", "at": now - timedelta(days=2), "text": "对方在开会，约周三再聊。"},
        {"icon": "check", "tone": "done", "what": "阿丽 完成了待办：寄样品", "at": now - timedelta(days=4)},
        {"icon": "swap", "tone": "quiet", "what": "负责人由 小查 改为 阿丽", "at": now - timedelta(days=90)},
    ]


def create_gallery() -> Flask:
    app = Flask("gallery", static_folder=str(ROOT / "wsapp/static"), template_folder=str(ROOT / "templates_h5"))
    app.secret_key = secrets.token_bytes(16)
    app.jinja_loader = ChoiceLoader([FileSystemLoader(ROOT / "templates_h5"), FileSystemLoader(Path(__file__).parent)])
    Babel(app, default_locale="zh_Hans_CN")
    manifest = json.loads((VENDOR / "manifest.json").read_text())
    app.jinja_env.globals |= {
        "asset": lambda name: f"/static/vendor/{manifest[name]}" if name in manifest else f"/{name}",
        "csrf_token": lambda: "token-of-the-gallery",
    }
    app.extensions["gallery"] = SimpleNamespace(seen=[], done=set(), status={}, position=True, code=True, started=threading.Event())
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
            state.seen.append((request.path, request.form.to_dict(flat=False), dict(request.headers)))
        return Response(status=status) if status else None

    @app.after_request
    def guard(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY.format(nonce=g.nonce)
        return response

    def page(name: str, **values: Any) -> str:
        now = datetime.now(SHANGHAI)
        look = {key: request.args.get(key, default) for key, default in (("host", "browser"), ("theme", ""), ("lang", "zh-CN"))}
        client = SimpleNamespace(**look, is_desktop="desktop" in request.args)
        member = SimpleNamespace(name="阿丽", role="seller", corp_name="示例新能源科技（北京）有限公司")
        return render_template(
            name, client=client, member=member, csp_nonce=g.nonce, now=now, customers=customers(now),
            tasks=tasks(now, state.done), timeline=timeline(now), long=LONG, task_count=3, **values,
        )

    @app.get("/<any(lists, form, record, signin, states):name>")
    def gallery(name: str) -> str:
        return page(f"{name}.html", errors={}, version=3)

    @app.get("/errors/<name>")
    def error(name: str) -> str:
        return page(f"errors/{name}.html", request_id="7f3a9c21")

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
        return jsonify(lat=39.99, lng=116.48, accuracy=35, fixed_at=datetime.now().timestamp() * 1000, coordinate="gcj02")

    @app.get("/host/code")
    def code() -> Response:
        return Response("code-1" if state.code else "", status=200 if state.code else 503)

    @app.get("/photo/<int:n>")
    def photo(n: int) -> Response:
        colours = ("#7aa5d8", "#c9a37a", "#88b58d")
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 3"><rect width="4" height="3" fill="{colours[n % 3]}"/></svg>'
        return Response(svg, content_type="image/svg+xml")

    app.extensions["page"] = page


def _posts(app: Flask) -> None:
    state, page = app.extensions["gallery"], app.extensions["page"]

    @app.post("/form")
    def save() -> Any:
        if request.form.get("name") == "conflict":
            return page("form.html", errors={}, typed=request.form, version=4, conflict=True), 409
        if not request.form.get("name"):
            return page("form.html", errors={"name": "请填写客户名称", "phones": "号码 13800138000 已被使用"},
                        typed=request.form, version=3), 422
        return redirect("/record")

    @app.post("/h5/tasks/<id>/completion")
    def done(id: str) -> Any:
        state.done.add(id)
        answer = redirect("/h5/tasks")
        return answer

    @app.post("/h5/photos")
    def photos() -> Any:
        sent = request.files["file"]
        state.seen.append(("photo", sent.read(), sent.content_type))
        return jsonify(id=f"file-{len(state.seen)}", url="/photo/1")

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
    with serving(create_gallery(), 0) as url:
        print(f"{url}/lists  {url}/form  {url}/record  {url}/states  {url}/signin")
        threading.Event().wait()
