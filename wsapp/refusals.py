"""How the doors say no: a problem document for programs, a page for people; never a stack trace."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import Flask, Response, g, render_template, request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from wsapp import clock, logs
from wsapp.crm.customers.asks import take_asks, too_many
from wsapp.crm.events.actions import record
from wsapp.db import db, writing
from wsapp.problems import Conflict, Duplicate, Forbidden, Invalid, NotFound, Problem, Stale, TooMany
from wsapp.texts import _

log = logs.get_logger()

STATUS: Mapping[type[Problem], int] = {
    NotFound: 404,
    Forbidden: 403,
    Invalid: 422,
    Duplicate: 409,
    Stale: 409,
    Conflict: 409,
    TooMany: 429,
}


def status_of(problem: Problem) -> int:
    """Return the HTTP status that a problem is answered with."""
    return next((status for kind, status in STATUS.items() if isinstance(problem, kind)), 400)


def is_api() -> bool:
    return request.path.startswith("/api/")


def problem_json(status: int, kind: str, title: str, detail: str = "", **more: Any) -> Response:
    """Answer in RFC 9457 form (application/problem+json)."""
    body = {"type": f"about:blank#{kind}", "title": title, "status": status, "detail": detail or title}
    body |= {"request_id": logs.current_request_id(), **more}
    return Response(json.dumps(body, ensure_ascii=False), status, content_type="application/problem+json")


def admitted(problem: Problem) -> Problem:
    """Return what may be answered after a rollback: that a record is taken which the actor may not see is told only so
    often an hour. Counts, and commits."""
    if not isinstance(problem, Duplicate) or not problem.asked or g.get("member") is None:
        return problem
    with writing():
        may_tell = take_asks(g.member, problem.asked)
    return problem if may_tell else too_many()


def on_problem(problem: Problem) -> Any:
    db.session.rollback()
    if isinstance(problem, Forbidden):
        note_refusal(problem)
    problem = admitted(problem)
    status = status_of(problem)
    fields = getattr(problem, "fields", {})
    if is_api() or request.accept_mimetypes.best == "application/json":
        errors = [{"field": field, "message": str(text)} for field, text in fields.items()]
        kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(problem).__name__).lower()
        more = {"errors": errors} if errors else {}
        answer = problem_json(status, kind, TITLES[status](), str(problem.detail), **more)
        if isinstance(problem, TooMany):
            answer.headers["Retry-After"] = str(problem.after)
        return answer
    return render_template("errors/error.html", status=status, title=TITLES[status](), detail=problem.detail), status


def note_refusal(problem: Problem) -> None:
    """Write down that somebody tried what they may not do. A hail of such tries is one line a minute and address."""
    member = g.get("member")
    route = f"{request.method} {request.url_rule.rule if request.url_rule else request.path}"
    if member is None or not _is_news((member.corp_id, member.id, route)):
        return
    with writing():
        record("access.refused", member, actor=member, route=route[:120], reason=str(problem.detail))


def _is_news(refusal: tuple[int, str, str]) -> bool:
    """Say whether this was not written down within the last minute by this process."""
    now = clock.now()
    for known in [one for one, at in list(_noted.items()) if now - at > QUIET]:
        _noted.pop(known, None)
    return _noted.setdefault(refusal, now) is now


_noted: dict[tuple[int, str, str], datetime] = {}
QUIET = timedelta(minutes=1)


TITLES: Mapping[int, Callable[[], str]] = {
    400: lambda: _("请求不正确"),
    401: lambda: _("需要登录"),
    403: lambda: _("没有权限"),
    404: lambda: _("记录不存在或无权查看"),
    405: lambda: _("不支持这种操作"),
    409: lambda: _("数据有冲突"),
    412: lambda: _("记录已被修改"),
    413: lambda: _("内容过大"),
    415: lambda: _("不支持这种格式"),
    422: lambda: _("填写有误"),
    429: lambda: _("操作太频繁，请稍后再试"),
    500: lambda: _("系统出错了，请稍后再试"),
    503: lambda: _("系统暂时不可用，请稍后再试"),
}


def on_http_error(error: HTTPException) -> Any:
    status = error.code or 500
    if isinstance(error.response, BaseResponse):
        return error.response
    db.session.rollback()
    title = TITLES.get(status, TITLES[400 if status < 500 else 500])()
    detail = _("页面已过期，请刷新后重试") if isinstance(error, CSRFError) else ""
    if is_api() or request.accept_mimetypes.best == "application/json":
        answer = problem_json(status, re.sub(r"\W+", "_", error.name.lower()), title, detail)
    else:
        answer = Response(
            render_template("errors/error.html", status=status, title=title, detail=detail),
            status,
            mimetype="text/html",
        )
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after"):
            answer.headers[name] = value
    return answer


def on_database_error(error: OperationalError) -> Any:
    db.session.rollback()
    log.error("database unavailable", error=type(error.orig).__name__)
    answer = problem_json(503, "unavailable", TITLES[503]())
    answer.headers["Retry-After"] = "5"
    return answer


def on_bug(error: Exception) -> Any:
    db.session.rollback()
    log.error("unhandled error", exc_info=error)
    if is_api():
        return problem_json(500, "bug", TITLES[500]())
    try:
        return render_template("errors/error.html", status=500, title=TITLES[500](), detail=""), 500
    except Exception:  # noqa: BLE001 - the error page itself is broken: plain words are left
        return Response(TITLES[500](), 500, mimetype="text/plain")


def install(app: Flask) -> None:
    """Have every error answered here."""
    app.register_error_handler(Problem, on_problem)
    app.register_error_handler(HTTPException, on_http_error)
    app.register_error_handler(OperationalError, on_database_error)
    app.register_error_handler(Exception, on_bug)
