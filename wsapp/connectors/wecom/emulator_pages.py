"""The emulator's sign-in pages: silent authorisation, web sign-in, and the codes they hand out (wecom.md §12, 5–8)."""

import json
import re
import secrets
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from flask import Flask, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from wsapp.connectors.wecom.emulator_access import Grant, Refusal, answer
from wsapp.connectors.wecom.emulator_org import App, Corp

if TYPE_CHECKING:
    from wsapp.connectors.wecom.emulator import WeComEmulator

STATE = re.compile(r"[a-zA-Z0-9]{0,128}")
CODE_SECONDS, TICKET_SECONDS = 300, 1800
COOKIE = "wecom_phone_user"
CLIENT = re.compile(r"wxwork/|micromessenger/", re.IGNORECASE)


@dataclass
class Code:
    """A sign-in code: one use, five minutes, one app."""

    app: App
    who: str  # userid, or "external:<openid>", or "linked:<CorpId>/<userid>"
    until: float
    private: bool = False
    used: bool = False


@dataclass
class UserTicket:
    app: App
    userid: str
    until: float


class PageError(Exception):
    """What the member sees instead of being sent on; `code` as the host names it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class SignIn:
    """Codes and who is behind them. Callers hold the emulator's lock."""

    def __init__(self, emulator: "WeComEmulator") -> None:
        self.emulator = emulator
        self.codes: dict[str, Code] = {}
        self.user_tickets: dict[str, UserTicket] = {}

    def drop(self, corp_id: str) -> None:
        """Forget the codes of a corp that is no more, or no more the same."""
        self.codes = {key: one for key, one in self.codes.items() if one.app.corp.corp_id != corp_id}
        self.user_tickets = {key: one for key, one in self.user_tickets.items() if one.app.corp.corp_id != corp_id}

    def app_for(self, corp_id: str, agent_id: str, redirect_uri: str) -> App:
        """The app that asks, if the address to return to is on one of its trusted domains. Raises PageError."""
        corp = self.emulator.corps.get(corp_id)
        if corp is None:
            raise PageError(40013, "企业不存在（appid）")
        app = self._agent(corp, agent_id)
        target = urlsplit(redirect_uri)
        if target.scheme not in ("http", "https") or target.netloc not in app.trusted_domains:
            raise PageError(50001, f"redirect_uri 与可信域名不一致：{target.netloc}")
        return app

    def _agent(self, corp: Corp, agent_id: str) -> App:
        if not agent_id and self.emulator.knobs["agentid_optional"] and corp.apps:
            return next(iter(corp.apps.values()))
        app = corp.apps.get(int(agent_id)) if agent_id.isdigit() else None
        if app is None:
            raise PageError(40056, "应用不存在（agentid）")
        return app

    def new_code(self, app: App, who: str, *, private: bool = False) -> str:
        code = secrets.token_urlsafe(32)
        now = self.emulator.clock.time()
        self.codes = {key: one for key, one in self.codes.items() if one.until > now - 3600}
        self.codes[code] = Code(app, who, now + CODE_SECONDS, private)
        return code

    def who_is(self, grant: Grant, value: str) -> dict[str, Any]:
        """auth/getuserinfo. The visible range does not matter here, as at the host. Raises Refusal."""
        if not value:
            raise Refusal(41008)
        code = self.codes.get(value)
        if code is None or code.used or code.until <= self.emulator.clock.time():
            raise Refusal(40029)
        if code.app is not grant.own_app:
            raise Refusal(50001)
        code.used = True
        kind, _, name = code.who.partition(":")
        if kind == "external" and name:
            external = grant.corp.externals.get(name, "")
            return {"openid": name, **({"external_userid": external} if external else {})}
        if kind == "linked" and name:
            return {"userid": name}
        return {"userid": code.who, **self._user_ticket(code)}

    def _user_ticket(self, code: Code) -> dict[str, str]:
        user = code.app.corp.user(code.who)
        if not code.private or user is None or not code.app.sees(user):
            return {}
        value = secrets.token_urlsafe(48)
        until = self.emulator.clock.time() + TICKET_SECONDS
        self.user_tickets[value] = UserTicket(code.app, user.userid, until)
        return {"user_ticket": value}

    def detail(self, grant: Grant, body: dict[str, Any]) -> dict[str, Any]:
        """auth/getuserdetail: the seven private fields, where the administrator's ticks allow them."""
        ticket = self.user_tickets.get(str(body.get("user_ticket", "")))
        if ticket is None or ticket.app is not grant.own_app:
            raise Refusal(84015, "invalid user_ticket")
        if ticket.until <= self.emulator.clock.time():
            raise Refusal(84014, "user_ticket expired")
        user = grant.corp.user(ticket.userid)
        if user is None:
            raise Refusal(60111)
        allowed = set(self.emulator.knobs["private_fields"])
        shown = {key: value for key, value in user.private.items() if key in allowed}
        return {"userid": user.userid, "gender": "0", **shown}

    def person_here(self, app: App) -> str:
        """Who holds this phone: `?user=` or the cookie, if there is such a person; else empty."""
        who = request.args.get("user") or request.cookies.get(COOKIE, "")
        if who.startswith(("external:", "linked:")):
            return who
        user = app.corp.user(who) if who else None
        return user.userid if user is not None and user.status != 5 else ""


def back_to(redirect_uri: str, **extra: str) -> str:
    """The return address with code and state added to whatever query it has."""
    parts = urlsplit(redirect_uri)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *extra.items()])
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, parts.fragment))


def page(title: str, body: str, status: int = 200) -> Response:
    style = (
        "body{font:16px/1.6 sans-serif;margin:0;background:#f5f6f7;color:#1f2329}"
        "main{max-width:420px;margin:0 auto;padding:24px}h1{font-size:20px}"
        "a{display:block;padding:14px 16px;margin:8px 0;background:#fff;border-radius:8px;"
        "color:#267ef0;text-decoration:none}small{color:#646a73}"
    )
    html = (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style><main><h1>{escape(title)}</h1>{body}</main></html>"
    )
    return Response(html, status, content_type="text/html; charset=utf-8")


def chooser(title: str, app: App, *, refusal: str = "") -> Response:
    """A page to choose who holds the phone; each choice is the same address with `user` added."""
    base = f"{request.path}?{request.query_string.decode()}"
    people = "".join(
        f'<a data-user="{escape(user.userid)}" href="{escape(base)}&amp;user={quote(user.userid)}">'
        f"{escape(user.name)} <small>{escape(user.userid)}</small></a>"
        for user in app.corp.users.values()
        if user.status != 5
    )
    refuse = f'<a data-refuse href="{escape(refusal)}">拒绝</a>' if refusal else ""
    return page(title, f"<p>{escape(app.corp.name)} · {escape(app.name)}</p>{people}{refuse}")


def loaded_twice(target: str) -> Response:
    """A client that loads the return address once to itself, and then again to show it: the code comes twice."""
    script = (
        f"const to = {json.dumps(target)};"
        'fetch(to, {mode: "no-cors", credentials: "include"}).finally(() => location.replace(to));'
    )
    return Response(f"<!doctype html><script>{script}</script>", content_type="text/html; charset=utf-8")


def add_routes(emulator: "WeComEmulator", app: Flask) -> None:
    sign_in = emulator.sign_in

    def sent_on(target: str) -> AnyResponse:
        made: AnyResponse = loaded_twice(target) if emulator.knobs["loads_twice"] else redirect(target)
        if request.args.get("user"):
            made.set_cookie(COOKIE, request.args["user"], samesite="Lax")
        return made

    @app.errorhandler(PageError)
    def page_error(error: PageError) -> Response:
        return page("出错了", f"<p>{escape(error.text)}</p><small>错误码 {error.code}</small>", 400)

    @app.get("/connect/oauth2/authorize")
    def authorize() -> AnyResponse:
        args, state = request.args, request.args.get("state", "")
        if emulator.knobs["client_only"] and not CLIENT.search(request.headers.get("User-Agent", "")):
            raise PageError(0, "请在企业微信客户端打开链接")
        private = args.get("scope") == "snsapi_privateinfo"
        if args.get("response_type") != "code" or args.get("scope") not in ("snsapi_base", "snsapi_privateinfo"):
            raise PageError(40058, "scope 或 response_type 参数错误")
        if not STATE.fullmatch(state):
            raise PageError(40058, "state 只能是 128 个以内的字母数字")
        with emulator.lock:
            target = sign_in.app_for(args.get("appid", ""), args.get("agentid", ""), args.get("redirect_uri", ""))
            who = sign_in.person_here(target)
            if not who:
                return chooser("选择成员", target)
            user = target.corp.user(who)
            if private and (user is None or not target.sees(user)):
                raise PageError(60011, "成员不在应用可见范围内")
            code = sign_in.new_code(target, who, private=private)
        return sent_on(back_to(args["redirect_uri"], code=code, state=state))

    @app.get("/wwlogin/sso/login")
    def web_login() -> AnyResponse:
        args, state = request.args, request.args.get("state", "")
        if args.get("login_type") != "CorpApp":
            raise PageError(40058, "login_type 参数错误")
        with emulator.lock:
            target = sign_in.app_for(args.get("appid", ""), args.get("agentid", ""), args.get("redirect_uri", ""))
            who = sign_in.person_here(target) if request.args.get("user") else ""
            if not who:
                refusal = back_to(args["redirect_uri"], state=state)
                return chooser("企业微信扫码登录", target, refusal=refusal)
            code = sign_in.new_code(target, who)
        return redirect(back_to(args["redirect_uri"], code=code, state=state, appid=args["appid"]))

    @app.get("/cgi-bin/auth/getuserinfo")
    def getuserinfo() -> Response:
        with emulator.entered("auth/getuserinfo") as grant:
            return answer(emulator, sign_in.who_is(grant, request.args.get("code", "")))

    @app.get("/cgi-bin/user/getuserinfo")
    def legacy_getuserinfo() -> Response:
        """The older path, which wechatpy calls: the same facts under names with capitals."""
        with emulator.entered("auth/getuserinfo") as grant:
            found = sign_in.who_is(grant, request.args.get("code", ""))
            names = {"userid": "UserId", "openid": "OpenId"}
            return answer(emulator, {"DeviceId": "", **{names.get(key, key): found[key] for key in found}})

    @app.post("/cgi-bin/auth/getuserdetail")
    def getuserdetail() -> Response:
        with emulator.entered("auth/getuserdetail") as grant:
            return answer(emulator, sign_in.detail(grant, request.get_json(silent=True) or {}))
