"""The page /demo: two phones side by side, a clock that can be moved, and what to try."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, abort, current_app, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from wsapp import clock, hosts
from wsapp.connectors import connector_class
from wsapp.crm.org.queries import admin_names
from wsapp.db import corp_scope, db
from wsapp.demo.forward import forward
from wsapp.demo.layout import Layout
from wsapp.house import house, local, local_now
from wsapp.texts import _
from wsapp.web import posted_json

LAYOUT = "demo_layout"
README = ("README.zh-CN.md", "README.md")
ROOT = Path(__file__).parents[2]
NINE = {"hour": 9, "minute": 0, "second": 0, "microsecond": 0}

bp = Blueprint("demo", __name__)


def install(app: Flask, layout: Layout) -> None:
    """Register the page; only the demo does."""
    app.extensions["wsapp"].extra[LAYOUT] = layout
    app.register_blueprint(bp)


def _layout() -> Layout:
    found: Layout = house().extra[LAYOUT]
    return found


@bp.get("/demo")
def show() -> Any:
    """The page itself. Under another name of this machine the phones' cookies would be another site's: move over."""
    layout = _layout()
    if request.host_url.rstrip("/") != layout.url:
        return redirect(f"{layout.url}/demo")
    phones = [
        {"host": part.host, "label": connector_class(part.host).label, "url": f"{part.emulator_url}/phone?bare=1"}
        for part in layout.parts
    ]
    answer = Response(
        render_template(
            "demo/demo.html",
            phones=phones,
            now=clock.now(),
            shown=_words(local_now()),
            admins=_admins(),
            readme=_readme(),
        )
    )
    framed = " ".join(part.emulator_url for part in layout.parts)
    answer.headers["Content-Security-Policy"] = f"{_policy()}; frame-src {framed}"
    return answer


def _admins() -> list[str]:
    """Who may open the console: by name and host."""
    found = []
    for corp in hosts.enabled_corps():
        with corp_scope(corp.id):
            label = connector_class(corp.host).label
            found += [_("%(name)s（%(host)s）", name=name, host=label) for name in admin_names()]
    db.session.rollback()
    return found


def _policy() -> str:
    policy: str = current_app.config["CONTENT_SECURITY_POLICY"]
    return policy


@bp.get("/demo/clock")
def read_clock() -> Response:
    """The product's time: {"now": RFC 3339, "shown": words, "offset": seconds ahead}."""
    return jsonify(_clock())


@bp.post("/demo/clock")
def move_clock() -> Response | tuple[Response, int]:
    """Move the product's time, and the hosts' with it: {"move": "10m", "1h", "tomorrow" or "monday"}."""
    ahead = _ahead(str(posted_json().get("move", "")))
    if ahead is None:
        abort(400)
    forward(clock.now() + ahead)
    return jsonify(_clock())


def _ahead(move: str) -> timedelta | None:
    now = local_now()
    if move == "10m":
        return timedelta(minutes=10)
    if move == "1h":
        return timedelta(hours=1)
    if move == "tomorrow":
        return (now + timedelta(days=1)).replace(**NINE) - now  # type: ignore[arg-type]
    if move == "monday":
        return (now + timedelta(days=7 - now.weekday())).replace(**NINE) - now  # type: ignore[arg-type]
    return None


def _clock() -> dict[str, Any]:
    now = clock.now()
    return {"now": now.isoformat(), "shown": _words(local(now)), "offset": clock.offset().total_seconds()}


def _words(there: datetime) -> str:
    weekdays = (_("周一"), _("周二"), _("周三"), _("周四"), _("周五"), _("周六"), _("周日"))
    day = _("%(month)d月%(day)d日 %(weekday)s", month=there.month, day=there.day, weekday=weekdays[there.weekday()])
    return f"{day} {there:%H:%M}"


# --- what the project says of itself ------------------------------------------------------------------------------


def _readme() -> Path | None:
    return next((ROOT / name for name in README if (ROOT / name).is_file()), None)


@bp.get("/demo/readme")
def readme() -> BaseResponse:
    """The README of this checkout, as plain text."""
    found = _readme()
    if found is None:
        abort(404)
    return Response(found.read_text(encoding="utf-8"), content_type="text/plain; charset=utf-8")
