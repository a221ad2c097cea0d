"""Shared by the web doors: which client is asking, who is asking, what we answer around the page."""

import re
import secrets
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, abort, g, make_response, redirect, render_template, request, session, url_for
from flask.templating import Environment
from flask_babel import Babel
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf import CSRFProtect
from werkzeug.wrappers import Response as BaseResponse

from wsapp import assets, clock, headers, hosts, logs, metrics, outbox, refusals, sessions
from wsapp.connectors import connector_class, connector_classes
from wsapp.crm.events.origin import OPERATOR, comes_from
from wsapp.crm.org.access import SESSION_LIFE, SESSION_TOUCH, Login, find_session, touch_session
from wsapp.crm.org.models import Corp, Member
from wsapp.crm.org.queries import corp_at_host
from wsapp.db import db, enter_corp, start_reading, writing
from wsapp.house import house
from wsapp.texts import LOCALES

log = logs.get_logger()
babel = Babel()
csrf = CSRFProtect()


class LimiterOfViews(Limiter):
    """A limiter that looks only at the views that carry a limit: there are no limits for all, to be checked before."""

    def _check_request_limit(self, callable_name: str | None = None, in_middleware: bool = True) -> None:
        if not in_middleware:
            super()._check_request_limit(callable_name, in_middleware)


limiter = LimiterOfViews(get_remote_address, storage_uri="memory://")

MAX_BODY = 16 * 1024 * 1024
MAX_JSON = 64 * 1024
MAX_NEXT = 900
RECHECK_AFTER = timedelta(minutes=15)
FRESH = timedelta(minutes=5)  # since the host said who it is: so long what asks for it is done without asking again
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
UNKEPT = frozenset({"lat", "lng", "accuracy", "fixed_at"})  # of an address: where somebody is

KEPT_AT_SIGN_IN = ("connected",)  # of the cookie: in which set-ups this browser connected a corp

View = Callable[..., Any]


def writes(view: View) -> View:
    """Mark a view that writes although it answers GET (a sign-in that comes back from the host)."""
    view.writes = True  # type: ignore[attr-defined]
    return view


def takes_up_to(most_bytes: int) -> Callable[[View], View]:
    """Mark a view that takes more bytes than the others (an upload of a whole book)."""

    def mark(view: View) -> View:
        view.most_bytes = most_bytes  # type: ignore[attr-defined]
        return view

    return mark


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


def load_member(*, off_too: bool = False) -> Member | None:
    """Return the signed-in member of this request and set the corp; None when nobody is.

    `off_too`: also of a corp that is switched off, whose administrator may switch it on again.
    """
    if "member" in g:
        found: Member | None = g.member
        return found
    g.member = g.login = None
    corp_id, token = session.get("corp"), session.get("token")
    if not isinstance(corp_id, int) or not isinstance(token, str):
        return None
    enter_corp(corp_id)
    row = find_session(token, off_too=off_too)
    if row is None:
        enter_corp(None)
        return None
    g.login, g.member = row
    logs.bind(corp=corp_id, user=g.member.id)
    _keep_alive(g.login, g.member)
    return row[1]


def _keep_alive(login: Login, member: Member) -> None:
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
    if wanted and request.method in SAFE_METHODS and sessions.switch_to(wanted):
        return redirect(request.full_path)
    if request.method not in SAFE_METHODS or request.headers.get("HX-Request"):
        abort(401)
    g.member = None
    return redirect(sign_in_address(wanted))


def demand_fresh_sign_in(back: str) -> None:
    """Go on only for who signed in at the host a moment ago; others get a page that has the host say so again.

    Whoever holds no more than a cookie gets no rights, secrets or lists by it. `back` is the own path of the form, to
    which they come back, and send it again. htmx would show nothing of a refusal: it is led to the page.
    """
    if clock.now() - g.login.began_at <= FRESH:
        return
    db.session.rollback()
    answer = make_response(identity_page(back), 403)
    if request.headers.get("HX-Request"):
        answer.headers["HX-Redirect"] = url_for("me.identity", next=safe_path(back))
    abort(answer)


def identity_page(back: str) -> str:
    """Return the page from which the member has the host say who they are, and comes back to a path of ours."""
    corp = current_corp_row()
    start = "signin.start" if g.client.host == corp.host else "signin.web"
    again = url_for(start, host=corp.host, corp_id=corp.host_corp_id, next=safe_path(back))
    return render_template("errors/again.html", again=again, back=safe_path(back))


def current_corp_row() -> Corp:
    """Return the corp of the signed-in member."""
    corp: Corp = g.member.corp
    return corp


def _come_back_to() -> str:
    """Return this page's own path, to come back to after signing in. Where somebody is does not go along: the way there
    is kept for a while, and whoever it is has not been asked."""
    if request.method != "GET":
        return "/h5/"
    if not UNKEPT & request.args.keys():
        return safe_path(request.full_path.rstrip("?"))
    kept = [pair for pair in request.args.items(multi=True) if pair[0] not in UNKEPT]
    return safe_path(f"{request.path}?{urlencode(kept)}" if kept else request.path)


def sign_in_address(wanted: str = "") -> str:
    """Return where this client signs in: silently in its host's web view, else a page with the hosts' web sign-in."""
    next_path = _come_back_to()
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
    """Put a fresh session into the cookie; those of the same person in other corps stay beside it (see `sessions`)."""
    held = sessions.beside(corp, token)
    kept = {name: session[name] for name in KEPT_AT_SIGN_IN if name in session}
    session.clear()
    session.update(kept)
    session["corp"], session["token"] = corp.id, token
    sessions.hold(held)
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


# --- around every request -----------------------------------------------------------------------------------------


def _before() -> None:
    logs.clear()
    g.request_id = logs.request_id(request.headers.get("X-Request-Id"))
    logs.bind(request_id=g.request_id)
    comes_from(_door_of(request.path), request.remote_addr or "")
    g.started = clock.wall()
    enter_corp(None)
    view = request.endpoint and g_app().view_functions.get(request.endpoint)
    start_reading(request.method in SAFE_METHODS and not getattr(view, "writes", False))
    if most_bytes := getattr(view, "most_bytes", 0):
        request.max_content_length = most_bytes
    g.client = client_of_request()
    if "\x00" in request.path:
        abort(404)  # no database and no file system takes it as a name


def _door_of(path: str) -> str:
    """Return what the audit log calls the way in: api, card, callback, or web."""
    if path.startswith("/callbacks/"):
        return "card" if path.endswith("/card") else "callback"
    return "api" if path.startswith("/api/") else "web"


def g_app() -> Flask:
    found: Flask = hosts.app_object()
    return found


def _after(response: Response) -> Response:
    if not request.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")
    headers.stay_here(response)
    headers.add_security_headers(response)
    response.headers["X-Request-Id"] = g.get("request_id", "")
    headers.compress(response)
    took = (clock.wall() - g.started).total_seconds() if "started" in g else 0.0
    rule = request.url_rule.rule if request.url_rule else "unknown"
    metrics.request_answered(rule, request.method, response.status_code, took)
    if response.status_code == 403:
        metrics.AUTHZ_DENIED.labels(rule).inc()
    if not rule.startswith(("/static", "/healthz", "/metrics")):
        log.info("request", route=rule, method=request.method, status=response.status_code, ms=round(took * 1000, 1))
    return response


def _teardown(error: BaseException | None) -> None:
    comes_from(OPERATOR.via)
    enter_corp(None)
    start_reading(False)


# --- assembly -----------------------------------------------------------------------------------------------------


class Pages(Environment):
    """Jinja's environment with its globals copied into each template when it is loaded.

    Jinja keeps them as a chain of two dicts, which every page walks through once for each import: a tenth of a list.
    """

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        return {**self.globals, **(d or {})}


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
        CONTENT_SECURITY_POLICY=headers.content_security_policy(house().origins),
    )
    app.jinja_environment = Pages
    app.before_request(_before)
    app.before_request(_check_origin)
    babel.init_app(app, locale_selector=choose_locale, timezone_selector=lambda: settings.notifications.timezone)
    csrf.init_app(app)
    limiter.init_app(app)
    app.after_request(_after)
    app.teardown_request(_teardown)
    refusals.install(app)
    assets.install(app)
    app.jinja_env.add_extension("jinja2.ext.do")
    app.context_processor(lambda: {"client": g.get("client"), "member": g.get("member")})


def _check_origin() -> None:
    """Refuse unsafe requests that a page of another site sent; those without an Origin carry a token or signature."""
    origin = request.headers.get("Origin", "")
    if request.method in SAFE_METHODS or not origin or request.path.startswith(("/api/", "/callbacks/")):
        return
    if not is_own_origin(origin):
        abort(403)
