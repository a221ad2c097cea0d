"""Signing in (免登、网页授权): silently inside a host, through the host's page from a browser; signing out."""

from typing import Any

from flask import Blueprint, abort, g, jsonify, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from wsapp import arrivals, hosts, logs, metrics, sessions
from wsapp.connectors.base import BadCode, BadCredentials, HostError, NotAMember, OutOfRange
from wsapp.crm.events.actions import record
from wsapp.crm.org import access
from wsapp.crm.org.access import BadState
from wsapp.crm.org.models import Corp, Member
from wsapp.crm.org.queries import admin_names
from wsapp.db import corp_scope, db, enter_corp
from wsapp.problems import Forbidden, Problem
from wsapp.texts import _
from wsapp.web import (
    browser_nonce,
    corp_or_404,
    csrf,
    is_own_origin,
    limiter,
    load_member,
    own_origin,
    posted_json,
    safe_path,
    start_session,
    writes,
)

bp = Blueprint("signin", __name__)
log = logs.get_logger()

MAX_CODE = 512
SIGN_IN_RATE = "60 per minute"  # an office shares one address; the state and the host's code are the real guard


@bp.get("/")
def root() -> BaseResponse:
    return redirect("/h5/")


@bp.get("/signin/")
def choose() -> Any:
    """The page of an ordinary browser, and of people with several corps: one button a corp."""
    next_path = safe_path(request.args.get("next", ""))
    found = hosts.enabled_corps()
    wanted = request.args.get("corp")
    found = [corp for corp in found if corp.host_corp_id == wanted] if wanted else found
    inside = [corp for corp in found if corp.host == g.client.host]
    choices = [(corp, _start_address(corp, next_path, silent=bool(inside))) for corp in inside or found]
    labels = {corp.host: _(hosts.connector_class(corp.host).label) for corp in found}
    return render_template("signin/choose.html", choices=choices, labels=labels, signed_out=request.args.get("bye"))


def _start_address(corp: Corp, next_path: str, *, silent: bool) -> str:
    endpoint = "signin.start" if silent else "signin.web"
    return url_for(endpoint, host=corp.host, corp_id=corp.host_corp_id, next=next_path)


@bp.get("/signin/<host>/<corp_id>")
@limiter.limit(SIGN_IN_RATE)
@writes
def start(host: str, corp_id: str) -> Any:
    """Silent sign-in: off to the host, or a page that asks the host's script for a code."""
    corp = corp_or_404(host, corp_id)
    state = _begin(corp, web=False)
    back = f"{own_origin()}{url_for('signin.come_back', host=host, corp_id=corp_id)}"
    silent = hosts.lines().of(corp).silent_sign_in(back, state)
    if silent.redirect:
        return redirect(silent.redirect)
    return render_template("signin/code.html", corp=corp, nonce=state, config=silent.script_config)


@bp.get("/signin/<host>/<corp_id>/web")
@limiter.limit(SIGN_IN_RATE)
@writes
def web(host: str, corp_id: str) -> BaseResponse:
    """Sign-in from an ordinary browser: off to the host's own page."""
    corp = corp_or_404(host, corp_id)
    state = _begin(corp, web=True)
    back = f"{own_origin()}{url_for('signin.web_come_back', host=host, corp_id=corp_id)}"
    return redirect(hosts.lines().of(corp).web_sign_in(back, state))


def _begin(corp: Corp, *, web: bool) -> str:
    next_path = safe_path(request.args.get("next", ""))
    state = access.begin_sign_in(corp, browser=browser_nonce(), next_path=next_path, web=web)
    db.session.commit()
    return state


@bp.get("/signin/<host>/<corp_id>/return")
@limiter.limit(SIGN_IN_RATE)
@writes
def come_back(host: str, corp_id: str) -> Any:
    """The host sends the browser back with a code."""
    return _finish(corp_or_404(host, corp_id), request.args.get("code", ""), web=False)


@bp.get("/signin/<host>/<corp_id>/web/return")
@limiter.limit(SIGN_IN_RATE)
@writes
def web_come_back(host: str, corp_id: str) -> Any:
    """The host's web sign-in sends the browser back; without a code when the person declined."""
    code = request.args.get("code") or request.args.get("authCode") or ""
    return _finish(corp_or_404(host, corp_id), code, web=True)


def _finish(corp: Corp, code: str, *, web: bool) -> Any:
    try:
        next_path = _sign_in(corp, code, request.args.get("state", ""), web=web)
    except BadState:
        # A refresh or the client's double load replays the address: whoever is signed in by now just goes on.
        member = load_member()
        if member is not None and member.corp_id == corp.id:
            return redirect("/h5/")
        return _refused(corp, "expired", 403)
    except (HostError, Problem) as error:
        return _refused(corp, *_explain(corp, error))
    return redirect(next_path)


@bp.post("/signin/<host>/<corp_id>/code")
@csrf.exempt
@limiter.limit(SIGN_IN_RATE)
def code(host: str, corp_id: str) -> Any:
    """The sign-in page posts the code that the host's script gave: JSON {code, nonce} → {next}."""
    corp = corp_or_404(host, corp_id)
    if not is_own_origin(request.headers.get("Origin", "")):
        abort(403)
    body = posted_json()
    if not all(isinstance(body.get(key), str) for key in ("code", "nonce")):
        return jsonify({"detail": _("请求不正确")}), 400
    try:
        next_path = _sign_in(corp, body["code"], body["nonce"], web=False)
    except BadState as error:
        return jsonify({"reason": "expired", "detail": error.detail}), 403
    except (HostError, Problem) as error:
        reason, status = _explain(corp, error)
        return jsonify({"reason": reason, "detail": _message(corp, reason)}), status
    return jsonify({"next": next_path})


def _sign_in(corp: Corp, code: str, state: str, *, web: bool) -> str:
    """Spend the state, exchange the code, create or refresh the member, open the session; returns where to go."""
    next_path = access.use_sign_in(state, corp=corp, browser=session.get("browser", ""), web=web)
    db.session.commit()
    if not code or len(code) > MAX_CODE:
        raise BadCode("no code came back")
    identity = hosts.lines().of(corp).sign_in(code, web=web)
    member = arrivals.arrive(corp, identity.userid)
    enter_corp(corp.id)
    if not member.is_active:
        record("member.sign_in_refused", member, actor=member, device=_device(), reason="disabled")
        db.session.commit()
        raise Forbidden("disabled")
    _end_former(corp, member)
    token = access.open_session(member, device=f"{g.client.host} · {_device()}")
    record("member.signed_in", member, actor=member, device=_device())
    db.session.commit()
    start_session(corp, token)
    metrics.LOGINS.labels(corp.host, "ok").inc()
    return next_path


def _end_former(corp: Corp, member: Member) -> None:
    """Whoever signs in again in the same browser has one session there, not two."""
    former = session.get("token")
    if session.get("corp") == corp.id and isinstance(former, str) and access.holder_of(former) == member.id:
        access.end_session(access.session_id(former), actor=member)


def _device() -> str:
    agent = request.headers.get("User-Agent", "")
    for mark, name in (
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("OpenHarmony", "HarmonyOS"),
        ("Windows", "Windows"),
        ("Macintosh", "Mac"),
    ):
        if mark in agent:
            return name
    return "Web"


def _explain(corp: Corp, error: Exception) -> tuple[str, int]:
    """Return (reason, status) of a failed sign-in and note it; the page says in words what to do."""
    db.session.rollback()
    known: tuple[tuple[type[Exception], str, int], ...] = (
        (OutOfRange, "out_of_range", 403),
        (NotAMember, "not_a_member", 403),
        (Forbidden, "disabled", 403),
        (BadCode, "bad_code", 403),
        (BadCredentials, "bad_credentials", 503),
    )
    reason, status = next(((name, code) for kind, name, code in known if isinstance(error, kind)), ("busy", 503))
    metrics.LOGINS.labels(corp.host, reason).inc()
    log.warning("sign-in refused", host=corp.host, corp=corp.id, reason=reason, err_code=getattr(error, "code", ""))
    return reason, status


def _refused(corp: Corp, reason: str, status: int) -> Any:
    """Show why and what to do. A try again may help unless the host or an administrator shut the person out."""
    again = url_for("signin.start", host=corp.host, corp_id=corp.host_corp_id)
    retry = "" if reason in ("not_a_member", "disabled") else again
    return render_template("errors/signin.html", detail=_message(corp, reason), retry=retry), status


def _message(corp: Corp, reason: str) -> str:
    with corp_scope(corp.id):
        names = "、".join(admin_names()) or _("您公司的管理员")
    db.session.rollback()
    words = {
        "expired": _("登录已过期，请从工作台重新打开应用"),
        "bad_code": _("登录码已失效，请关闭页面后从工作台重新打开应用"),
        "not_a_member": _("您不是“%(corp)s”的成员，无法使用本应用", corp=corp.name),
        "out_of_range": _(
            "您不在应用的可见范围内。请联系管理员（%(names)s），把您或您的部门加入应用“%(corp)s”的可见范围，再重新打开。",
            names=names,
            corp=corp.name,
        ),
        "disabled": _("您的账号已停用，请联系管理员（%(names)s）", names=names),
        "bad_credentials": _("应用的凭证有误，请联系管理员（%(names)s）检查应用设置", names=names),
    }
    return words.get(reason, _("宿主平台暂时没有回应，请稍后重试"))


@bp.post("/signout")
def sign_out() -> BaseResponse:
    member = load_member()
    if member is not None:
        access.end_session(g.login.id, actor=member)
    sessions.end_others()
    db.session.commit()
    session.clear()
    response = redirect(url_for("signin.choose", bye=1))
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response
