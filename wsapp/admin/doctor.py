"""The doctor (安装体检): the page opens at once with what is known, findings come in while a round is under way."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import segno
from flask import abort, g, request
from markupsafe import Markup

from wsapp import clock
from wsapp.admin.gate import go, pages, show
from wsapp.doctor import rounds
from wsapp.doctor.proofs import LIFE, make_ticket
from wsapp.house import house, local
from wsapp.texts import _
from wsapp.web import choose_locale, current_corp_row, limiter

bp = pages("doctor")

STALE = timedelta(minutes=10)  # older findings are asked for anew when the page opens
RATE = "20 per minute"
BADGES = {"ok": "done", "warn": "today", "fail": "overdue", "skip": "", "waiting": "", "running": "doing"}
OWN = "own."


@bp.get("/doctor")
def index() -> str:
    """Every check with its last finding."""
    checks, running, at = rounds.kept(current_corp_row())
    rows = [_row(one) for one in checks]
    stale = not running and (at is None or clock.now() - at > STALE)
    groups = [
        (_("本系统"), [one for one in rows if one["key"].startswith(OWN)]),
        (_("宿主平台"), [one for one in rows if not one["key"].startswith(OWN)]),
    ]
    query = urlencode({"ticket": make_ticket(), "corp": current_corp_row().host_corp_id})
    address = f"{house().settings.server.public_url}/h5/probe?{query}"
    return show(
        "doctor.html",
        "doctor",
        groups=groups,
        running=running,
        stale=stale,
        at=local(at) if at else None,
        counts={state: sum(one["state"] == state for one in rows) for state in ("ok", "warn", "fail")},
        qr=Markup(segno.make(address, error="m").svg_inline(scale=4, border=2, light="#fff")),
        probe_url=address,
        minutes=LIFE // 60,
    )


def _row(one: dict[str, Any]) -> dict[str, Any]:
    lang = "en" if choose_locale() == "en" else "zh"
    state = one["state"]
    words = {name: one.get(f"{name}_{lang}", "") for name in ("evidence", "fix", "place")}
    return {
        "key": one["check"],
        "title": one["title"],
        "state": state,
        "badge": (BADGES[state], _state_text(state)),
        "waits": one["waits"],
        "code": one["code"],
        "lookup": one["lookup"],
        "sends": one["sends"],
        "checked": local(one["checked_at"]) if one["checked_at"] else None,
        "last_ok": local(one["last_ok_at"]) if one["last_ok_at"] else None,
        **words,
    }


def _state_text(state: str) -> str:
    words = {
        "ok": _("正常"),
        "warn": _("注意"),
        "fail": _("有问题"),
        "skip": _("未检查"),
        "waiting": _("等待检查"),
    }
    return words.get(state, state)


@bp.post("/doctor/rounds")
@limiter.limit(RATE)
def begin() -> Any:
    """Begin a round; with `sends` the administrator gets test messages, too. With `check`, ask one thing alone."""
    corp, check = current_corp_row(), request.form.get("check", "")
    if check and check not in rounds.keys(corp):
        abort(404)
    # Whoever asks for one thing alone wants to see it done, messages and all.
    sends = bool(check or request.form.get("sends"))
    if not rounds.start(corp, me=g.member.userid, only=(check,) if check else (), sends=sends):
        return go("/admin/doctor", _("正在检查，请稍候"))
    return go(f"/admin/doctor#{check}" if check else "/admin/doctor")
