"""The emulated gateway: what every call passes before its handler. Envelopes, tokens, permissions, limits, bans."""

import json
import secrets
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import Response, request

from wsapp.connectors.dingtalk.emulator_world import App, HostError, UserToken
from wsapp.connectors.emulator import dump

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator

TOKEN_HEADER = "x-acs-dingtalk-access-token"
JSON_TYPE = "application/json;charset=utf-8"

# Codes of the platform (not of a service): topapi wraps them in 88.
PLATFORM_CODES = frozenset(
    str(code)
    for code in (40000, 40001, 40014, 42001, 33009, 60011, 90001, 90002, 90003, 90004, 90005, 90006, 90018, 90020)
)
# New-style codes that do not come with HTTP 400.
STATUS_OF = {
    "Forbidden": 403,
    "unauthorized.client": 401,
    "system": 500,
    "server.error": 500,
    "unknownError": 500,
    "ServiceUnavailable": 504,
}
# Calls that count against nobody's month (tokens, sign-in, tickets, contacts).
FREE_PREFIXES = (
    "/topapi/v2/",
    "/topapi/user/",
    "/v1.0/oauth2",
    "/v1.0/contact",
    "/get",
    "/auth",
    "/user",
    "/department",
)

X5_BODY = {"status": 1111, "wait": 5, "source": "x5", "punish": "deny", "uuid": "0" * 32}
PUNISHED_SECONDS = 1

Handler = Callable[["DingTalkEmulator", App, dict[str, Any]], dict[str, Any]]
LegacyRoutes = dict[str, tuple[Handler, str]]  # path → (handler, permission)


def registrar(routes: LegacyRoutes) -> Callable[..., Callable[[Handler], Handler]]:
    """Return a decorator that enters a handler under its path."""

    def oapi(path: str, permission: str = "qyapi_base") -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            routes[path] = (handler, permission)
            return handler

        return register

    return oapi


def legacy_error(path: str, error: HostError) -> Response:
    """errcode at HTTP 200; platform codes inside 88 on topapi, bare on the old paths."""
    if error.code in PLATFORM_CODES and path.startswith("/topapi"):
        text = f"ding talk error[subcode={error.code},submsg={error.message}]"
        body: dict[str, Any] = {"errcode": 88, "sub_code": error.code, "sub_msg": error.message, "errmsg": text}
    elif error.code == "BACKEND":
        body = {"errcode": 88, "sub_code": "", "sub_msg": "", "errmsg": "ding talk error[subcode=,submsg=]"}
    else:
        body = {"errcode": int(error.code), "errmsg": error.message}
    return json_response({**body, **error.extra, "request_id": request_id()})


def new_error(error: HostError) -> Response:
    """HTTP 4xx/5xx with code, message and requestid."""
    status = next((found for start, found in STATUS_OF.items() if error.code.startswith(start)), error.status)
    body = {"code": error.code, "requestid": request_id().upper(), "message": error.message, **error.extra}
    return json_response(body, status)


def json_response(body: Mapping[str, Any], status: int = 200) -> Response:
    return Response(dump(body), status, content_type=JSON_TYPE)


def request_id() -> str:
    return secrets.token_hex(6)


class Gate:
    """Checks of one emulator, with the counters they need."""

    def __init__(self, emulator: "DingTalkEmulator") -> None:
        self.emulator = emulator
        self.second: Counter[tuple[str, str, int]] = Counter()
        self.month: Counter[tuple[str, str]] = Counter()
        self.from_ip: dict[str, deque[float]] = {}
        self.banned: dict[str, float] = {}

    def forget(self) -> None:
        self.second.clear()
        self.month.clear()
        self.from_ip.clear()
        self.banned.clear()

    # --- the whole host --------------------------------------------------------------------------------------

    def ban(self) -> Response | None:
        """The firewall's answer to an address that calls too often: HTML or JSON, for five minutes."""
        limit = self.emulator.knobs["ip_calls"]
        if not limit:
            return None
        now, address = self.emulator.clock.time(), request.remote_addr or ""
        recent = self.from_ip.setdefault(address, deque())
        recent.append(now)
        while recent and recent[0] <= now - 20:
            recent.popleft()
        if len(recent) > limit:
            self.banned[address] = now + 300
        if now >= self.banned.get(address, 0):
            return None
        if self.emulator.knobs["ban_page"] == "html":
            return Response("<html><body>deny by x5</body></html>", 200, content_type="text/html")
        return json_response(X5_BODY)

    # --- legacy ----------------------------------------------------------------------------------------------

    def legacy(self, path: str, handler: Handler | None, permission: str) -> Response:
        try:
            if handler is None:
                raise HostError(22, "Invalid method[submsg=不合法ApiName]")
            body = read_body()
            app = self._legacy_app(str(body.pop("access_token", "") or request.args.get("access_token", "")))
            self._check_ip(app, 60020)
            if app.stopped:
                raise HostError(50003, "应用已停用")
            self._check_permission(app, permission, legacy=True)
            self._check_rate(app, path, legacy=True)
            answer = handler(self.emulator, app, body)
        except HostError as error:
            return legacy_error(path, error)
        return json_response({"errcode": 0, "errmsg": "ok", **answer, "request_id": request_id()})

    def _legacy_app(self, token: str) -> App:
        if not token:
            raise HostError(40000, "access_token is blank")
        if token in self.emulator.world.user_tokens:
            raise HostError(33009, "access_token的授权类型不正确")
        app = self.emulator.world.tokens.get(token)
        if app is None:
            raise HostError(40014, "不合法的access_token")
        if self.emulator.clock.time() >= app.token_until:
            raise HostError(42001, "access_token超时")
        return app

    # --- new -------------------------------------------------------------------------------------------------

    def new(self, path: str, handler: Handler, permission: str) -> Response:
        try:
            token = request.headers.get(TOKEN_HEADER, "")
            if not token:
                raise HostError("AuthenticationFailed.MissingParameter", f"缺少参数：{TOKEN_HEADER}")
            app = self.emulator.world.tokens.get(token)
            if app is None or self.emulator.clock.time() >= app.token_until:
                raise HostError("InvalidAuthentication", "不合法的access_token")
            self._check_ip(app, "Forbidden.AccessDenied.IpNotInWhiteList")
            self._check_permission(app, permission, legacy=False)
            self._check_rate(app, path, legacy=False)
            return json_response(handler(self.emulator, app, read_body()))
        except HostError as error:
            return new_error(error)

    def user(self) -> UserToken:
        """The person behind a user token. Raises HostError for app tokens and strangers."""
        token = request.headers.get(TOKEN_HEADER, "")
        if not token:
            raise HostError("AuthenticationFailed.MissingParameter", f"缺少参数：{TOKEN_HEADER}")
        found = self.emulator.world.user_tokens.get(token)
        if found is None or self.emulator.clock.time() >= found.until:
            raise HostError("InvalidAuthentication", "不合法的access_token")
        return found

    # --- checks ----------------------------------------------------------------------------------------------

    def _check_ip(self, app: App, code: str | int) -> None:
        if app.ips and request.remote_addr not in app.ips:
            text = f"访问ip不在白名单之中,request ip={request.remote_addr} appKey({app.client_id})"
            raise HostError(code, text)

    def _check_permission(self, app: App, permission: str, *, legacy: bool) -> None:
        if permission not in app.missing_permissions:
            return
        text = f"应用尚未开通所需的权限：[{permission}]"
        if legacy:
            raise HostError(60011, text)
        code = "Forbidden.AccessDenied.AccessTokenPermissionDenied"
        raise HostError(code, text, accessdenieddetail={"requiredScopes": [permission]})

    def _check_rate(self, app: App, path: str, *, legacy: bool) -> None:
        now, knobs = self.emulator.clock.time(), self.emulator.knobs
        if knobs["global_limit"]:
            code = "90002" if legacy else "Forbidden.AccessDenied.QpsLimitForApi"
            raise HostError(code, f"当前接口的所有请求都被暂时禁用了, {self._penalty(path, now)}")
        if limit := knobs["qps"]:
            key = (app.client_id, path, int(now))
            with self.emulator.lock:
                self.second[key] += 1
                count = self.second[key]
                if len(self.second) > 10_000:
                    self.second = Counter({key: count})
            if count > limit:
                code = "90018" if legacy else "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"
                raise HostError(code, f"您的应用调用该接口次数过多, {self._penalty(path, now)}")
        self._check_month(app, path, now, legacy=legacy)

    def _check_month(self, app: App, path: str, now: float, *, legacy: bool) -> None:
        limit = self.emulator.knobs["monthly_limit"]
        if not limit or path.startswith(FREE_PREFIXES):
            return
        key = (app.corp.corp_id, datetime.fromtimestamp(now, UTC).strftime("%Y-%m"))
        with self.emulator.lock:
            self.month[key] += 1
            count = self.month[key]
        if count > limit:
            raise HostError("90020" if legacy else "Forbidden.AccessDenied.ApiCountLimitForOrg", "组织维度月调用量超限")

    def _penalty(self, path: str, now: float) -> str:
        begin, end = (datetime.fromtimestamp(at, UTC).strftime("%F %T") for at in (now, now + PUNISHED_SECONDS))
        return f"apiPath({path}), 从 {begin} 到 {begin} 请求总次数超过了限制, 处罚将在 {end} 结束."


def read_body() -> dict[str, Any]:
    """JSON, or a form whose nested values are JSON text."""
    if request.method == "GET":
        return dict(request.args)
    if request.form:
        return {name: _form_value(value) for name, value in request.form.items()}
    body = request.get_json(force=True, silent=True)
    return body if isinstance(body, dict) else {}


def _form_value(value: str) -> Any:
    if value[:1] in "[{":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
