"""What every REST resource shares: who asks (tokens), how fast, how requests are read and answered."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, wraps
from typing import Any

import sqlalchemy as sa
from flask import Response, abort, current_app, g, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models import Tag
from limits import RateLimitItem, parse
from limits.storage import Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter

from wsapp import clock, idempotency, logs
from wsapp.api.strict_json import BadJson, is_storable, read_object
from wsapp.connectors import connector_class
from wsapp.crm.org.access import Pass, corp_of_token, find_token
from wsapp.crm.org.models import ApiToken, Member
from wsapp.crm.org.queries import may_see_member, member_by_userid
from wsapp.db import db, enter_corp, writing
from wsapp.house import house
from wsapp.problems import Invalid, Stale
from wsapp.refusals import TITLES, problem_json
from wsapp.texts import _
from wsapp.web import SAFE_METHODS

PREFIX = "/api/v1"
RATE = "600 per minute"  # a token; `API_RATE` in the app's config overrides it
TOUCH = timedelta(minutes=5)
KEY = re.compile(r"[\x21-\x7e]{1,255}")

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
PROBLEMS = {
    400: "Not JSON, or JSON that cannot be taken",
    401: "No valid token",
    403: "The token's scope or the user's rights do not reach this",
    404: "No such record, or none that the user may see",
    409: "Conflict: a duplicate, a finished record, a reused key",
    412: "The record is at another version; `current` holds it",
    413: "Too large",
    415: "Not application/json",
    422: "Bad input, unknown field, filter, sort or cursor",
    429: "Too fast; see Retry-After",
    500: "A fault of ours",
    503: "The database does not answer; see Retry-After",
}


def resource(name: str, title: str) -> APIBlueprint:
    """Return the blueprint of a REST resource, with everything that all of them share."""
    bp = APIBlueprint(
        f"api_{name}",
        __name__,
        url_prefix=PREFIX,
        abp_tags=[Tag(name=name, description=title)],
        abp_security=[{"token": []}],
        abp_responses={status: {"description": text, "content": PROBLEM} for status, text in PROBLEMS.items()},
        operation_id_callback=lambda *, bp_name, name, path, method: f"{bp_name.removeprefix('api_')}_{name}",
    )
    for step in (authenticate, slow_down, check_scope, check_address, read_body):
        bp.before_request(step)
    return bp


def refuse(
    status: int, kind: str, detail: str = "", *, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """Return a problem document."""
    answer = problem_json(status, kind, TITLES[status](), detail, **more)
    answer.headers.update(headers or {})
    return answer


def refuse_fields(fields: Mapping[str, str], kind: str = "invalid", status: int = 422) -> Response:
    """Return a problem document that names fields."""
    errors = [{"field": name, "message": text, "type": kind} for name, text in fields.items()]
    return refuse(status, kind, _("；").join(fields.values()), errors=errors)


# --- before the view ----------------------------------------------------------------------------------------------


def authenticate() -> Response | None:
    """Find the token's member; everything after this happens inside their corp and as them. Cookies are not read."""
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    corp_id = corp_of_token(token) if scheme.lower() == "bearer" else None
    g.member = None
    if corp_id is not None:
        enter_corp(corp_id)
        found = find_token(token)
        if found is not None:
            g.token, g.member = found
            logs.bind(corp=corp_id, user=g.member.id)
            return None
        enter_corp(None)
    challenge = 'Bearer realm="wsapp"' + (', error="invalid_token"' if token else "")
    detail = _("请在 Authorization 头中提供有效的 API 令牌")
    return refuse(401, "no_token", detail, headers={"WWW-Authenticate": challenge})


def slow_down() -> Response | None:
    """Let a token make its requests a minute and no more."""
    rate, limiter = _rate(current_app.config.get("API_RATE", RATE)), _limiter()
    if limiter.hit(rate, g.token.id):
        return None
    wait = max(1, int(limiter.get_window_stats(rate, g.token.id).reset_time - time.time()) + 1)
    detail = _("每分钟最多 %(most)d 次请求", most=rate.amount)
    return refuse(429, "too_fast", detail, headers={"Retry-After": str(wait)})


@cache
def _rate(text: str) -> RateLimitItem:
    return parse(text)


def _limiter() -> FixedWindowRateLimiter:
    """Return this app's limiter: shared where the queue is Redis, else each web process counts for itself."""
    extra = house().extra
    if "api_limiter" not in extra:
        url = house().settings.queue.url
        storage: Storage = storage_from_string(url if url.startswith("redis") else "memory://")  # type: ignore[assignment]
        extra["api_limiter"] = FixedWindowRateLimiter(storage)
    limiter: FixedWindowRateLimiter = extra["api_limiter"]
    return limiter


def check_scope() -> Response | None:
    """Refuse what the token's scopes do not reach; note, rarely, that the token is in use."""
    wanted = "read" if request.method in SAFE_METHODS else "write"
    if wanted not in g.token.scopes:
        return refuse(403, "missing_scope", _("令牌缺少 %(scope)s 权限", scope=wanted))
    _touch(g.token)
    return None


def _touch(token: Pass) -> None:
    now = clock.now()
    if token.used_at is not None and now - token.used_at < TOUCH:
        return
    with writing():
        db.session.execute(
            sa.update(ApiToken)
            .where(ApiToken.id == token.id)
            .values(used_at=now)
            .execution_options(synchronize_session=False)
        )


def check_address() -> Response | None:
    """Refuse addresses that no database could be asked about, and parameters that come twice."""
    if not all(is_storable(str(value)) for value in (request.view_args or {}).values()):
        return refuse(404, "not_found")
    for name, values in request.args.lists():
        if len(values) > 1:
            return refuse_fields({name[:60]: _("参数“%(name)s”重复", name=name[:60])}, "repeated")
        if not is_storable(name + values[0]):
            return refuse_fields({"".join(filter(str.isprintable, name))[:60]: _("参数中有无效字符")}, "bad_filter")
    return None


def read_body() -> Response | None:
    """Read a JSON body strictly and leave it where the view's validation looks for it."""
    view = current_app.view_functions[request.endpoint or ""]
    if request.method in SAFE_METHODS or getattr(view, "takes_form", False):
        return None
    raw = request.get_data(cache=True)
    if not raw and getattr(view, "may_be_empty", False):
        body: dict[str, Any] = {}
    elif raw and request.mimetype != "application/json":
        return refuse(415, "not_json", _("请使用 Content-Type: application/json"))
    else:
        try:
            body = read_object(raw)
        except BadJson as error:
            return refuse(400, "bad_json", str(error))
    request._cached_json = (body, body)
    g.body = body
    return None


def may_be_empty(view: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a view whose body has no required field: an empty body means `{}`."""
    view.may_be_empty = True  # type: ignore[attr-defined]
    return view


def takes_form(view: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a view that takes multipart/form-data."""
    view.takes_form = True  # type: ignore[attr-defined]
    return view


# --- the answer ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a view answers: a JSON body; for one record its version (the ETag) and, when new, its address."""

    body: Mapping[str, Any]
    status: int = 200
    version: int | None = None
    location: str = ""

    def headers(self) -> dict[str, str]:
        found = {"ETag": f'"{self.version}"'} if self.version is not None else {}
        return found | ({"Location": self.location} if self.location else {})


def respond(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, content_type="application/json", headers=dict(headers or {}))


def reads(view: Callable[..., Answer]) -> Callable[..., Response]:
    """Turn a reading view's Answer into the response."""

    @wraps(view)
    def run(**arguments: Any) -> Response:
        answer = view(**arguments)
        return respond(answer.body, answer.status, answer.headers())

    return run


def writes(view: Callable[..., Answer]) -> Callable[..., Response]:
    """Commit what a writing view did, together with its answer where the request carries an Idempotency-Key."""

    @wraps(view)
    def run(**arguments: Any) -> Response:
        key = request.headers.get("Idempotency-Key", "") if request.method == "POST" else ""
        if key and not KEY.fullmatch(key):
            return refuse_fields({"Idempotency-Key": _("幂等键应为 1–255 个可见 ASCII 字符")}, "bad_key")
        before = _stored(key)
        if before is not None:
            return before
        answer = view(**arguments)
        headers = answer.headers()
        if key:
            idempotency.keep(g.member, key, answer.status, {"body": answer.body, "headers": headers})
        db.session.commit()
        return respond(answer.body, answer.status, headers)

    return run


def _stored(key: str) -> Response | None:
    """Take the key, or return the answer that its first request got (409 when that was another request)."""
    if not key:
        return None
    try:
        kept = idempotency.begin(g.member, key, _fingerprint())
    except idempotency.KeyReused:
        db.session.rollback()
        return refuse(409, "key_reused", _("这个幂等键已用于另一个请求"))
    if kept is None:
        return None
    db.session.rollback()
    return respond(kept.answer["body"], kept.status, {**kept.answer["headers"], "Idempotent-Replayed": "true"})


def _fingerprint() -> str:
    """Return what makes two requests the same: address and content, whatever its spacing or multipart boundary."""
    mark = hashlib.sha256(f"{request.method} {request.path}\n".encode())
    if "body" in g:
        mark.update(json.dumps(g.body, sort_keys=True).encode())
        return mark.hexdigest()
    for name, value in sorted(request.form.items(multi=True)):
        mark.update(f"{name}={value}\n".encode("utf-8", "surrogatepass"))
    for name, upload in sorted(request.files.items(multi=True), key=lambda pair: pair[0]):
        mark.update(f"{name}:".encode("utf-8", "surrogatepass"))
        mark.update(hashlib.sha256(upload.stream.read()).digest())
        upload.stream.seek(0)
    return mark.hexdigest()


def wanted_version() -> int | None:
    """Return the version of the If-Match header; None without one (or with `*`). What is no version never matches."""
    text = request.headers.get("If-Match", "").strip()
    if not text or text == "*":
        return None
    found = re.fullmatch(r'(?:W/)?"?([0-9]{1,9})"?', text)
    return int(found.group(1)) if found else -1


@contextmanager
def current_when_stale(load: Callable[[], Answer]) -> Iterator[None]:
    """Answer 412 with the record as it is now (`load`) when the block finds its version stale."""
    try:
        yield
    except Stale as error:
        detail = error.detail
        db.session.rollback()
        answer = load()
        abort(refuse(412, "stale", detail, headers=answer.headers(), current=answer.body))


# --- people -------------------------------------------------------------------------------------------------------


def _folds() -> bool:
    """Say whether this corp's host ignores the case of userids."""
    member: Member = g.member
    return connector_class(member.corp.host).userid_case == "fold"


def userid_key(userid: str) -> str:
    """Return a userid in the form in which this corp's host compares it."""
    return userid.casefold() if _folds() else userid


def member_named(userid: str, *, name: str, in_team: bool = False) -> Member:
    """Return the member with a userid (with `in_team`, of the user's team). Raises Invalid for the field `name`."""
    found = member_by_userid(userid, fold=_folds())
    if found is None or (in_team and not may_see_member(g.member, found.id)):
        raise Invalid({name: _("找不到这位成员，或不在您的团队中")})
    return found
