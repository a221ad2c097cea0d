"""The emulator's front gate: secrets, tokens, tickets, permissions, IPs and rates (wecom.md §12, 1–4 and 20)."""

import hashlib
import random
import secrets
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request

from wsapp.connectors.emulator import dump
from wsapp.connectors.wecom.emulator_org import App, Corp

if TYPE_CHECKING:
    from wsapp.connectors.wecom.emulator import WeComEmulator

# Short texts as reported; what follows them is the same for all codes.
TEXTS = {
    -1: "system busy",
    40001: "invalid credential",
    40007: "invalid media_id",
    40008: "invalid message type",
    40013: "invalid corpid",
    40014: "invalid access_token",
    40029: "invalid code",
    40033: "invalid charset",
    40056: "invalid agentid",
    40058: "invalid Request Parameter",
    40091: "invalid secret",
    41001: "access_token missing",
    41002: "corpid missing",
    41004: "corpsecret missing",
    41008: "missing code",
    42001: "access_token expired",
    42014: "invalid task_id",
    42052: "msgid expired",
    43012: "callback url required",
    44004: "empty content",
    45009: "api freq out of limit",
    45033: "api concurrent out of limit",
    48002: "api forbidden",
    48009: "api forbidden for new ip",
    50001: "redirect_url domain unauthorized",
    50003: "app disabled",
    60003: "department not found",
    60011: "no privilege to access/modify contact/party/agent",
    60020: "not allow to access from your ip",
    60111: "userid not found",
    60140: "invalid response_code",
    81013: "user & party & tag all invalid",
    82001: "no receivers",
    91040: "invalid ticket type",
    301002: "not allow operate another agent with this accesstoken",
}
HOUR = 3600.0
CONTACT_SYNC_APIS = {"user/list_id", "department/simplelist"}
CONTACT_DETAIL_APIS = {"user/get", "user/list", "user/simplelist", "department/list", "department/get"}
UNCOUNTED = {"message/send", "auth/getuserinfo"}  # have limits of their own, or none


class Refusal(Exception):
    """The emulated host answers with this return code."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message or TEXTS.get(code, "error")


@dataclass
class Grant:
    """What an access token stands for; `app` is None for contact sync."""

    token: str
    corp: Corp
    app: App | None
    until: float

    @property
    def own_app(self) -> App:
        if self.app is None:
            raise Refusal(48002)
        return self.app


@dataclass
class Ticket:
    value: str
    corp: Corp
    app: App | None  # None: the corp's ticket
    until: float


class Rate:
    """Calls of one kind in a window; going over it blocks for the window's own length."""

    def __init__(self) -> None:
        self.started = 0.0
        self.count = 0
        self.blocked_until = 0.0

    def take(self, now: float, limit: int, window: float) -> bool:
        if now < self.blocked_until:
            return False
        if now - self.started >= window:
            self.started, self.count = now, 0
        self.count += 1
        if limit and self.count > limit:
            self.blocked_until = now + window
            return False
        return True


class Access:
    """Tokens and everything that stands between a request and an API."""

    def __init__(self, emulator: "WeComEmulator") -> None:
        self.emulator = emulator
        self.grants: dict[str, Grant] = {}
        self.newest: dict[tuple[str, str], Grant] = {}  # (corp id, secret)
        self.tickets: dict[tuple[str, int | None], Ticket] = {}
        self.wrong_secrets: dict[str, deque[float]] = {}
        self.barred: dict[str, float] = {}
        self.rates: dict[tuple[Any, ...], Rate] = {}
        self.running: dict[tuple[str, str], int] = {}
        self.counter = threading.Lock()

    # --- tokens ----------------------------------------------------------------------------------------------

    def grant_token(self, corp_id: str, secret: str, ip: str) -> dict[str, Any]:
        now, knobs = self.emulator.clock.time(), self.emulator.knobs
        if not corp_id:
            raise Refusal(41002)
        if not secret:
            raise Refusal(41004)
        if now < self.barred.get(ip, 0):
            raise Refusal(45009)
        corp = self.emulator.corps.get(corp_id)
        if corp is None:
            raise Refusal(40013)
        known, app = self._secret(corp, secret)
        if not known:
            self._wrong_secret(ip, now)
            elsewhere = any(self._secret(other, secret)[0] for other in self.emulator.corps.values())
            raise Refusal(40091 if elsewhere else 40001)
        if knobs["gettoken_checks_ip"] and app is not None:
            self.check_ip(app, ip, now)
        return self._answer_token(corp, app, secret, now)

    def _answer_token(self, corp: Corp, app: App | None, secret: str, now: float) -> dict[str, Any]:
        knobs = self.emulator.knobs
        found = self.newest.get((corp.corp_id, secret))
        if found is None or found.until <= now or knobs["gettoken_repeats"] == "new":
            if found is not None and not knobs["old_token_lives"]:
                self.grants.pop(found.token, None)
            found = Grant(secrets.token_urlsafe(64), corp, app, now + knobs["token_seconds"])
            self.grants[found.token] = self.newest[corp.corp_id, secret] = found
        life = found.until - now if knobs["expires_in"] == "remaining" else knobs["token_seconds"]
        return {"access_token": found.token, "expires_in": max(1, int(life))}

    def _secret(self, corp: Corp, secret: str) -> tuple[bool, App | None]:
        for app in corp.apps.values():
            if secrets.compare_digest(app.secret.encode(), secret.encode()):
                return True, app
        return bool(corp.contacts_secret) and corp.contacts_secret == secret, None

    def _wrong_secret(self, ip: str, now: float) -> None:
        tries = self.wrong_secrets.setdefault(ip, deque())
        tries.append(now)
        while tries and tries[0] < now - HOUR:
            tries.popleft()
        if len(tries) >= self.emulator.knobs["wrong_secrets_per_hour"]:
            self.barred[ip] = now + HOUR

    def revoke(self, corp_id: str = "") -> int:
        """Kill every token (of one corp) at once."""
        doomed = [token for token, one in self.grants.items() if corp_id in ("", one.corp.corp_id)]
        for token in doomed:
            grant = self.grants.pop(token)
            self.newest = {key: one for key, one in self.newest.items() if one is not grant}
        return len(doomed)

    def drop(self, corp_id: str) -> None:
        """Forget the tokens and tickets of a corp that is no more, or no more the same."""
        self.revoke(corp_id)
        self.tickets = {key: one for key, one in self.tickets.items() if key[0] != corp_id}

    def forgive(self) -> None:
        """Forget who called too often or with wrong secrets."""
        self.rates.clear()
        self.wrong_secrets.clear()
        self.barred.clear()

    # --- an API call -----------------------------------------------------------------------------------------

    def enter(self, api: str) -> Grant:
        """Check the token, app, IP, permission and rates of this request. Raises Refusal."""
        now, ip = self.emulator.clock.time(), request.remote_addr or ""
        token = request.args.get("access_token", "")
        if not token:
            raise Refusal(41001)
        grant = self.grants.get(token)
        if grant is None:
            raise Refusal(40014)
        if grant.until <= now:
            raise Refusal(int(self.emulator.knobs["expired_token_code"]))
        if grant.app is not None:
            if grant.app.disabled:
                raise Refusal(50003)
            self.check_ip(grant.app, ip, now)
            if api in grant.app.forbidden or api == "user/list_id":
                raise Refusal(48002)
        else:
            self._check_contact_sync(grant, api, ip)
        self._check_rates(grant, api, ip, now)
        return grant

    def _check_contact_sync(self, grant: Grant, api: str, ip: str) -> None:
        if api in CONTACT_SYNC_APIS:
            return
        if api in CONTACT_DETAIL_APIS:
            if ip in grant.corp.contacts_ips:
                return
            raise Refusal(48009)
        raise Refusal(50001 if api == "auth/getuserinfo" else 48002)

    def check_ip(self, app: App, ip: str, now: float) -> None:
        if not app.ips:
            return
        since = app.ips.get(ip)
        if since is None or now < since:
            raise Refusal(60020)

    def _check_rates(self, grant: Grant, api: str, ip: str, now: float) -> None:
        if api in UNCOUNTED:
            return
        knobs = self.emulator.knobs
        for scope, name in (((grant.corp.corp_id, api), "corp"), ((ip, api), "ip")):
            for window, tail in ((60.0, "minute"), (HOUR, "hour")):
                rate = self.rates.setdefault((*scope, tail), Rate())
                if not rate.take(now, int(knobs[f"{name}_{tail}"]), window):
                    raise Refusal(45009)

    @contextmanager
    def concurrent(self, corp_id: str, api: str) -> Iterator[None]:
        """Count the calls of one API that a corp has under way; 45033 beyond the knob."""
        limit, key = int(self.emulator.knobs["concurrent_calls"]), (corp_id, api)
        with self.counter:
            self.running[key] = self.running.get(key, 0) + 1
            over = bool(limit) and self.running[key] > limit
        try:
            if over:
                raise Refusal(45033)
            yield
        finally:
            with self.counter:
                self.running[key] -= 1

    # --- tickets ---------------------------------------------------------------------------------------------

    def ticket(self, grant: Grant, app: App | None) -> dict[str, Any]:
        now = self.emulator.clock.time()
        key = (grant.corp.corp_id, app.agent_id if app else None)
        limit = self.emulator.knobs["app_tickets_per_hour" if app else "corp_tickets_per_hour"]
        if not self.rates.setdefault(("ticket", *key), Rate()).take(now, int(limit), HOUR):
            raise Refusal(45009)
        found = self.tickets.get(key)
        if found is None or found.until <= now:
            value = secrets.token_urlsafe(64)
            found = self.tickets[key] = Ticket(value, grant.corp, app, now + self.emulator.knobs["token_seconds"])
        return {"ticket": found.value, "expires_in": max(1, int(found.until - now))}

    def page_signature(self, corp_id: str, agent_id: int | None, nonce: str, timestamp: str, url: str) -> str:
        """What a page must be signed with, by the ticket of the corp or (with `agent_id`) of the app; else empty."""
        found = self.tickets.get((corp_id, agent_id))
        if found is None or found.until <= self.emulator.clock.time():
            return ""
        text = f"jsapi_ticket={found.value}&noncestr={nonce}&timestamp={timestamp}&url={url}"
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def answer(emulator: "WeComEmulator", body: dict[str, Any]) -> Response:
    """A success of the host, with the oddities that the knobs ask for."""
    whole = {"errcode": 0, "errmsg": "ok", **body}
    if emulator.knobs["omit_errcode"]:
        del whole["errcode"], whole["errmsg"]
    if emulator.knobs["extra_fields"]:
        whole["x_unknown"] = {"list": [1, None, "新字段"]}
    made = Response(dump(whole), content_type="application/json; charset=UTF-8")
    made.headers["error-code"], made.headers["error-msg"] = "0", "ok"
    return made


def refusal_answer(code: int, message: str, ip: str) -> Response:
    """An error of the host: HTTP 200, the code, and the tail that all its errors have."""
    hint = "".join(random.choices("0123456789", k=24))
    more = f"more info at https://open.work.weixin.qq.com/devtool/query?e={code}"
    text = f"{message}, hint: [{hint}], from ip: {ip}, {more}"
    made = Response(dump({"errcode": code, "errmsg": text}), content_type="application/json; charset=UTF-8")
    made.headers["error-code"], made.headers["error-msg"] = str(code), message
    return made


def add_routes(emulator: "WeComEmulator", app: Flask) -> None:
    @app.get("/cgi-bin/gettoken")
    def gettoken() -> Response:
        with emulator.lock:
            args = request.args
            found = emulator.access.grant_token(
                args.get("corpid", ""), args.get("corpsecret", ""), request.remote_addr or ""
            )
        return answer(emulator, found)

    @app.get("/cgi-bin/get_jsapi_ticket")
    def get_jsapi_ticket() -> Response:
        with emulator.entered("get_jsapi_ticket") as grant:
            return answer(emulator, emulator.access.ticket(grant, None))

    @app.get("/cgi-bin/ticket/get")
    def ticket_get() -> Response:
        with emulator.entered("ticket/get") as grant:
            if request.args.get("type") != "agent_config":
                raise Refusal(91040)
            return answer(emulator, emulator.access.ticket(grant, grant.own_app))

    @app.get("/cgi-bin/getcallbackip")
    def getcallbackip() -> Response:
        with emulator.entered("getcallbackip"):
            return Response(dump({"ip_list": ["127.0.0.1"]}), content_type="application/json; charset=UTF-8")

    @app.post("/_emulator/tokens")
    def tokens() -> dict[str, Any]:
        with emulator.lock:
            return {"revoked": emulator.access.revoke((request.get_json(silent=True) or {}).get("corp", ""))}
