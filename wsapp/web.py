"""Shared by the web doors: which client is asking, who is asking, what we answer around the page."""

import gzip
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from flask import Flask, Response, abort, g, redirect, render_template, request, session, url_for
from flask_babel import Babel
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from wsapp import clock, hosts, logs, metrics, outbox
from wsapp.connectors import connector_class, connector_classes
from wsapp.crm.org.access import SESSION_LIFE, SESSION_TOUCH, find_session, touch_session
from wsapp.crm.org.models import Corp, LoginSession, Member
from wsapp.crm.org.queries import corp_at_host
from wsapp.db import db, enter_corp, start_reading, writing
from wsapp.house import house
from wsapp.problems import Duplicate, Forbidden, Invalid, NotFound, Problem, Stale
from wsapp.texts import LOCALES, _

log = logs.get_logger()
babel = Babel()
csrf = CSRFProtect()
limiter = Limiter(get_remote_address, default_limits=[], storage_uri="memory://")

MAX_BODY = 16 * 1024 * 1024
MAX_JSON = 64 * 1024
MAX_NEXT = 900
RECHECK_AFTER = timedelta(minutes=15)
GZIP_FROM = 900  # bytes
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

View = Callable[..., Any]


def writes(view: View) -> View:
    """Mark a view that writes although it answers GET (a sign-in that comes back from the host)."""
    view.writes = True  # type: ignore[attr-defined]
    return view


# --- the client ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Client:
    """What is asking, as far as looks go: never a right. `host` is a connector's name or "browser"."""

    host: str
    is_desktop: bool
    language: str

    @property
    def theme(self) -> str:
        return ""  # follows the device; app.css listens to prefers-color-scheme


def client_of_request() -> Client:
    """Read the client from the User-Agent and the accepted languages."""
    agent = request.headers.get("User-Agent", "")[:1000]
    host = next((name for name, kind in connector_classes().items() if kind.user_agent.search(agent)), "browser")
    is_desktop = not re.search(r"Mobile|iPhone|iPad|Android|OpenHarmony", agent)
    return Client(host, is_desktop, _language_of(agent))


def _language_of(agent: str) -> str:
    told = re.search(r"language/([A-Za-z]{2})", agent, re.IGNORECASE)
    if told:
        return "zh" if told.group(1).lower() == "zh" else "en"
    best = request.accept_languages.best_match(["zh-CN", "zh", "zh-TW", "zh-HK", "en"], default="zh-CN")
    return "en" if best == "en" else "zh"


def choose_locale() -> str:
    """Return the locale of whoever is asking: their own choice, else their host's or browser's language."""
    member: Member | None = g.get("member")
    client: Client | None = g.get("client")
    language = (member.language if member else "") or (client.language if client else "") or "zh"
    return LOCALES[language if language in LOCALES else "zh"]


# --- addresses ----------------------------------------------------------------------------------------------------


def own_origin() -> str:
    """Return the origin under which this page was opened: the public URL, or another that is known to be ours."""
    here = f"{request.scheme}://{request.host}"
    return here if here in house().origins else house().settings.server.public_url


def is_own_origin(origin: str) -> bool:
    """Say whether an Origin header names one of our own addresses."""
    public = urlsplit(house().settings.server.public_url)
    return origin == f"{public.scheme}://{public.netloc}" or origin in house().origins


def posted_json() -> dict[str, Any]:
    """Return the small JSON object that a script of ours posted, empty when the body is none. Aborts with 413."""
    request.max_content_length = MAX_JSON
    try:
        found = request.get_json(silent=True)
    except RecursionError:  # nested as no script of ours does it
        return {}
    return found if isinstance(found, dict) else {}


def safe_path(text: str, *, default: str = "/h5/") -> str:
    """Return `text` when it is a path of our own, else the default: never another site, never a scheme."""
    if not text or len(text) > MAX_NEXT or not text.startswith("/") or text.startswith("//"):
        return default
    if "\\" in text or any(ord(char) < 0x21 or ord(char) == 0x7F for char in text):
        return default
    parts = urlsplit(text)
    if parts.scheme or parts.netloc or not parts.path.startswith(("/h5/", "/admin/")) or "//" in parts.path:
        return default
    return text


# --- who is asking ------------------------------------------------------------------------------------------------


def load_member() -> Member | None:
    """Return the signed-in member of this request and set the corp; None when nobody is."""
    if "member" in g:
        found: Member | None = g.member
        return found
    g.member = g.login = None
    corp_id, token = session.get("corp"), session.get("token")
    if not isinstance(corp_id, int) or not isinstance(token, str):
        return None
    enter_corp(corp_id)
    row = find_session(token)
    if row is None:
        enter_corp(None)
        return None
    g.login, g.member = row
    logs.bind(corp=corp_id, user=g.member.id)
    _keep_alive(g.login, g.member)
    return row[1]


def _keep_alive(login: LoginSession, member: Member) -> None:
    """Slide the session, and have the host asked again whether the member is still there: rarely, in the background."""
    now = clock.now()
    recheck = now - member.checked_at > RECHECK_AFTER
    if now - login.seen_at < SESSION_TOUCH and not recheck:
        return
    with writing():
        touch_session(login)
        if recheck:
            bucket = int(now.timestamp()) // int(RECHECK_AFTER.total_seconds())
            outbox.enqueue("member.check", {"userid": member.userid}, key=f"check:{member.id}:{bucket}")


def require_member() -> BaseResponse | None:
    """Let signed-in members through; send others to sign in and come back here. For a blueprint's before_request."""
    member = load_member()
    wanted = request.args.get("corp", "")
    if member is not None and (not wanted or wanted == current_corp_row().host_corp_id):
        return None
    if request.method not in SAFE_METHODS or request.headers.get("HX-Request"):
        abort(401)
    g.member = None
    return redirect(sign_in_address(wanted))


def current_corp_row() -> Corp:
    """Return the corp of the signed-in member."""
    if "corp_row" not in g:
        g.corp_row = db.session.get(Corp, g.member.corp_id)
    found: Corp = g.corp_row
    return found


def sign_in_address(wanted: str = "") -> str:
    """Return where this client signs in: silently in its host's web view, else a page with the hosts' web sign-in."""
    next_path = safe_path(request.full_path.rstrip("?") if request.method == "GET" else "/h5/")
    host = g.client.host
    found = [corp for corp in hosts.enabled_corps() if corp.host == host]
    if wanted:
        found = [corp for corp in found if corp.host_corp_id == wanted]
    if len(found) == 1:
        return url_for("signin.start", host=host, corp_id=found[0].host_corp_id, next=next_path)
    return url_for("signin.choose", next=next_path, corp=wanted or None)


def browser_nonce() -> str:
    """Return this browser's own nonce, which binds a sign-in to the browser that began it."""
    if "browser" not in session:
        session["browser"] = secrets.token_hex(16)
    nonce: str = session["browser"]
    return nonce


def start_session(corp: Corp, token: str) -> None:
    """Put a fresh session into the cookie; whatever was there before is gone."""
    session.clear()
    session["corp"], session["token"] = corp.id, token
    session.permanent = True


def corp_or_404(host: str, corp_id: str) -> Corp:
    """Return the enabled corp of an address, or answer 404."""
    try:
        connector_class(host)
    except KeyError:
        abort(404)
    corp = corp_at_host(host, corp_id)
    if corp is None or not corp.enabled:
        abort(404)
    return corp


# --- errors -------------------------------------------------------------------------------------------------------

STATUS: Mapping[type[Problem], int] = {NotFound: 404, Forbidden: 403, Invalid: 422, Duplicate: 409, Stale: 409}


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


def _on_problem(problem: Problem) -> Any:
    db.session.rollback()
    status = status_of(problem)
    fields = getattr(problem, "fields", {})
    if is_api() or request.accept_mimetypes.best == "application/json":
        errors = [{"field": field, "message": str(text)} for field, text in fields.items()]
        kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(problem).__name__).lower()
        return problem_json(
            status, kind, TITLES[status](), str(problem.detail), **({"errors": errors} if errors else {})
        )
    return render_template("errors/error.html", status=status, title=TITLES[status](), detail=problem.detail), status


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


def _on_http_error(error: HTTPException) -> Any:
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


def _on_database_error(error: OperationalError) -> Any:
    db.session.rollback()
    log.error("database unavailable", error=type(error.orig).__name__)
    answer = problem_json(503, "unavailable", TITLES[503]())
    answer.headers["Retry-After"] = "5"
    return answer


def _on_bug(error: Exception) -> Any:
    db.session.rollback()
    log.error("unhandled error", exc_info=error)
    if is_api():
        return problem_json(500, "bug", TITLES[500]())
    try:
        return render_template("errors/error.html", status=500, title=TITLES[500](), detail=""), 500
    except Exception:  # noqa: BLE001 - the error page itself is broken: plain words are left
        return Response(TITLES[500](), 500, mimetype="text/plain")


# --- around every request -----------------------------------------------------------------------------------------


def _before() -> None:
    logs.clear()
    g.request_id = logs.request_id(request.headers.get("X-Request-Id"))
    logs.bind(request_id=g.request_id)
    g.started = clock.wall()
    enter_corp(None)
    view = request.endpoint and g_app().view_functions.get(request.endpoint)
    start_reading(request.method in SAFE_METHODS and not getattr(view, "writes", False))
    g.client = client_of_request()


def g_app() -> Flask:
    found: Flask = hosts.app_object()
    return found


def _after(response: Response) -> Response:
    if not request.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")
    _stay_here(response)
    _add_security_headers(response)
    response.headers["X-Request-Id"] = g.get("request_id", "")
    _compress(response)
    took = (clock.wall() - g.started).total_seconds() if "started" in g else 0.0
    rule = request.url_rule.rule if request.url_rule else "unknown"
    metrics.request_answered(rule, request.method, response.status_code, took)
    if response.status_code == 403:
        metrics.AUTHZ_DENIED.labels(rule).inc()
    if not rule.startswith(("/static", "/healthz", "/metrics")):
        log.info("request", route=rule, method=request.method, status=response.status_code, ms=round(took * 1000, 1))
    return response


def _stay_here(response: Response) -> None:
    """The router's own redirects (a missing slash, a doubled one) name the Host that was asked for, which anybody can
    make up: only the path is kept."""
    if response.location and response.location.startswith(request.host_url):
        response.location = "/" + response.location[len(request.host_url) :].lstrip("/\\")
        response.set_data(b"")


def _add_security_headers(response: Response) -> None:
    policy = g_app().config["CONTENT_SECURITY_POLICY"]
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Permissions-Policy"] = "geolocation=(self), camera=(self), microphone=(self)"
    if house().settings.server.public_url.startswith("https://"):
        response.headers["Strict-Transport-Security"] = "max-age=31536000"


def content_security_policy(origins: frozenset[str]) -> str:
    """Return the policy of every page: nothing from elsewhere, framed only by the hosts (in the demo, its phones)."""
    framers = dict.fromkeys(["'self'", *sorted(origins)])
    for host, kind in connector_classes().items():
        framers |= dict.fromkeys(kind.frame_origins)
        for url in house().settings.hosts.get(host, {}).values():
            parts = urlsplit(url)
            framers[f"{parts.scheme}://{parts.netloc}"] = None
    return "; ".join(
        (
            "default-src 'self'",
            "img-src 'self' data: blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            f"frame-ancestors {' '.join(framers)}",
        )
    )


def _compress(response: Response) -> None:
    """Squeeze text for clients that can take it; pictures and streams pass."""
    if (
        response.direct_passthrough
        or response.is_streamed
        or "gzip" not in request.headers.get("Accept-Encoding", "")
        or "Content-Encoding" in response.headers
        or not re.search(r"^text/|json$|javascript$|xml$", response.mimetype or "")
    ):
        return
    body = response.get_data()
    if len(body) < GZIP_FROM:
        return
    response.set_data(gzip.compress(body, compresslevel=4, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")


def _teardown(error: BaseException | None) -> None:
    enter_corp(None)
    start_reading(False)


# --- static files -------------------------------------------------------------------------------------------------

STATIC = Path(__file__).parent / "static"


@cache
def _manifest() -> dict[str, str]:
    path = STATIC / "vendor" / "manifest.json"
    found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return found


@cache
def _static_body(path: Path) -> tuple[bytes, bytes, str]:
    body = path.read_bytes()
    return body, gzip.compress(body, 9, mtime=0), hashlib.sha256(body).hexdigest()[:12]


def _static_path(name: str) -> Path | None:
    """Return the file behind a static name; `host/<host>.js` is the connector's own script."""
    if name.startswith("host/"):
        kind = connector_classes().get(name[len("host/") : -len(".js")])
        path = kind.folder / "host.js" if kind else None
    else:
        path = (STATIC / name).resolve()
        if not path.is_relative_to(STATIC):
            return None
    return path if path is not None and path.is_file() else None


def asset(name: str) -> str:
    """Return the address of a static file that changes with its content; vendored ones by their plain name."""
    vendored = _manifest().get(name)
    if vendored:
        return f"/static/vendor/{vendored}"
    path = _static_path(name)
    return f"/static/{quote(name)}?v={_static_body(path)[2]}" if path else f"/static/{quote(name)}"


CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}


def static_file(name: str) -> Response:
    """Serve a static file, compressed once, cached by the client for a year when its address names its content."""
    path = _static_path(name)
    if path is None or path.suffix not in CONTENT_TYPES:
        abort(404)
    body, squeezed, mark = _static_body(path)
    gzipped = "gzip" in request.headers.get("Accept-Encoding", "") and path.suffix not in (".png", ".ico")
    response = Response(squeezed if gzipped else body, content_type=CONTENT_TYPES[path.suffix])
    if gzipped:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    forever = name.startswith("vendor/") or request.args.get("v") == mark
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if forever else "no-cache"
    response.set_etag(mark)
    response.make_conditional(request)
    return response


# --- assembly -----------------------------------------------------------------------------------------------------


def install(app: Flask) -> None:
    """Add what every web door shares to the app."""
    settings = house().settings
    secure = settings.server.public_url.startswith("https://")
    app.config.update(
        SECRET_KEY=house().vault.derive("cookies"),
        SESSION_COOKIE_NAME="__Host-wsapp" if secure else "wsapp",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=SESSION_LIFE,
        MAX_CONTENT_LENGTH=MAX_BODY,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,  # web views drop the Referer; the Origin is checked instead
        BABEL_DEFAULT_LOCALE=LOCALES["zh"],
        BABEL_TRANSLATION_DIRECTORIES=str(Path(__file__).parent / "translations"),
        RATELIMIT_HEADERS_ENABLED=False,
        CONTENT_SECURITY_POLICY=content_security_policy(house().origins),
    )
    app.before_request(_before)
    app.before_request(_check_origin)
    babel.init_app(app, locale_selector=choose_locale, timezone_selector=lambda: settings.notifications.timezone)
    csrf.init_app(app)
    limiter.init_app(app)
    app.after_request(_after)
    app.teardown_request(_teardown)
    app.register_error_handler(Problem, _on_problem)
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(OperationalError, _on_database_error)
    app.register_error_handler(Exception, _on_bug)
    app.add_url_rule("/static/<path:name>", "static_file", static_file)
    app.jinja_env.globals.update(asset=asset)
    app.jinja_env.add_extension("jinja2.ext.do")
    app.context_processor(lambda: {"client": g.get("client"), "member": g.get("member")})


def _check_origin() -> None:
    """Refuse unsafe requests that a page of another site sent; those without an Origin carry a token or signature."""
    origin = request.headers.get("Origin", "")
    if request.method in SAFE_METHODS or not origin or request.path.startswith(("/api/", "/callbacks/")):
        return
    if not is_own_origin(origin):
        abort(403)
