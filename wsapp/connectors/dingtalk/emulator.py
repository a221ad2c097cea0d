"""DingTalk's emulator: both API hosts, the sign-in page and the phone behind one port.

Faithful to what the platform documents; what it leaves open is a knob, both positions of which are tested. What the
person sees is decided by the host's own rules (`emulator_chat`), not by what was asked of it.
"""

from collections.abc import Mapping
from typing import Any

from flask import Response, request

from wsapp.connectors.dingtalk import emulator_console
from wsapp.connectors.dingtalk.emulator_agenda import agenda
from wsapp.connectors.dingtalk.emulator_api import API, TokenApi
from wsapp.connectors.dingtalk.emulator_calendar import Calendars
from wsapp.connectors.dingtalk.emulator_chat import Chat
from wsapp.connectors.dingtalk.emulator_events import Events, People
from wsapp.connectors.dingtalk.emulator_gate import (
    PLATFORM_CODES,
    Gate,
    json_response,
    legacy_error,
    new_error,
)
from wsapp.connectors.dingtalk.emulator_oapi import OAPI
from wsapp.connectors.dingtalk.emulator_pages import WEST_LAKE, Pages
from wsapp.connectors.dingtalk.emulator_robots import Robots
from wsapp.connectors.dingtalk.emulator_robots import add_routes as add_robot_routes
from wsapp.connectors.dingtalk.emulator_stream import OPEN_PATH, Streams
from wsapp.connectors.dingtalk.emulator_talk import Talk
from wsapp.connectors.dingtalk.emulator_talk import add_routes as add_talk_routes
from wsapp.connectors.dingtalk.emulator_todos import Todos
from wsapp.connectors.dingtalk.emulator_world import App, HostError, Template, World
from wsapp.connectors.emulator import Emulator
from wsapp.connectors.emulator_groups import Groups

ROBOT_TOKEN = "5d1c8e70b94f4a2f9e63d7a15c08b2e4" * 2
ROBOT_SECRET = "SEC9b7e2a40c8d15f36e0a7c4d2b9f81356"


class DingTalkEmulator(Emulator):
    """An emulated DingTalk with any number of organisations and apps."""

    host = "dingtalk"
    hears_groups = True
    here = (WEST_LAKE["lat"], WEST_LAKE["lng"])
    phone_agent = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Mobile/15E148 AliApp(DingTalk/7.8.1) com.laiwang.DingTalk/40000000 Channel/201200 language/zh-Hans-CN WK"
    )
    # What the platform does not document, or documents twice, and limits that tests make small.
    knobs = {
        "token_life": 7200,  # seconds
        "ticket_life": 7200,
        "bad_credentials": 40096,  # or 40089, in older material
        "jsapi_hash": "either",  # sha1, sha256
        "jsapi_url": "decoded",  # raw, either
        "oauth_code_names": "both",  # authCode alone
        "code_outside_range": "refuse",  # by the client; or "allow": the server's calls refuse
        "outside_range": "failed",  # of a work notification; or "delivered"
        "oversize": "reject",  # a msg of more than 2,048 bytes; or "accept"
        "many_recipients": 41052,  # getsendresult of more than 100 people; or 15
        "send_seconds": 1.0,  # until getsendresult knows
        "full_lists": True,  # getsendresult with empty lists, or without them
        "duplicate_rule": True,  # same content, same person, same day: dropped
        "per_day": 500,
        "per_minute": 5000,
        "robot_minute": 20,  # posts of one group robot
        "card_delivery": "ok",  # else the errorMsg of every space, inside HTTP 200
        "press_params": True,  # a press carries the template's parameter "action", or only the button's id
        "press_seconds": 2.0,
        "signature_name": "both",  # signature, msg_signature
        "timestamp_digits": 13,  # 10
        "push_scale": 1.0,  # of the push deadline and of the pauses before retries
        "qps": 0,  # calls a second for one app and API; the standard edition has 20
        "global_limit": False,  # every API is throttled for the whole platform
        "monthly_limit": 0,  # billable calls of an organisation; the standard edition has 5,000
        "ip_calls": 0,  # calls from one address in 20 s before it is banned for 5 minutes; the host has 10,000
        "ban_page": "json",  # html
        "todos_tick": True,  # can an app's to-do be ticked in the list? Some clients only open its page
        "entries_per_day": 100,  # new calendar entries of one person
        "deleted_entry": "missing",  # when asked for; or "cancelled"
        "callback_copies": 1,
        "callbacks_to_lose": 0,
    }

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.gate = Gate(self)
        self.chat = Chat(self)
        self.groups = Groups(self)
        self.robots = Robots(self)
        self.talk = Talk(self)
        self.events = Events(self)
        self.streams = Streams(self)
        self.people = People(self)
        self.pages = Pages(self)
        self.todos = Todos(self)
        self.calendars = Calendars(self)
        self._add_routes()

    def load(self, org: Mapping[str, Any]) -> None:
        """Add organisations, see `World.load`."""
        with self.lock:
            self.world.load(org)
            self.groups.load({"corps": org.get("corps") or [org]})

    def set_template(self, app: App, template_id: str, published: bool, remove: bool = False) -> None:
        if remove:
            app.templates.pop(template_id, None)
        else:
            app.templates.setdefault(template_id, Template()).published = published

    # --- what the base asks for ------------------------------------------------------------------------------

    def error_answer(self, code: str, message: str) -> Response:
        """Words in the new host's envelope; numbers in the legacy one, inside 88 where the platform speaks."""
        if code == "88":  # the back end failed: no inner code
            return legacy_error("/topapi", HostError("BACKEND"))
        error = HostError(code, message)
        if not code.lstrip("-").isdigit():
            return new_error(error)
        return legacy_error("/topapi" if code in PLATFORM_CODES else "", error)

    def group_chats(self, user: str) -> list[dict[str, str]]:
        return self.groups.of(user)

    def chats(self, user: str = "") -> list[dict[str, Any]]:
        said = self.groups.items(user) if user else []
        own = self.chat.items(user)
        return sorted([*own, *said], key=lambda one: one["at"]) if said else own

    def agenda(self, user: str) -> list[dict[str, Any]]:
        found = self.world.member(user)
        return agenda(self, found[1].unionid) if found else []

    def act_on_item(self, user: str, kind: str, item_id: str, act: str, at: float) -> bool:
        found = self.world.member(user)
        if found is None or (act in ("complete", "reopen") and not self.knobs["todos_tick"]):
            return False
        book = self.todos if kind == "todo" else self.calendars
        return book.act(found[1].unionid, item_id, act, at)

    def forget(self) -> None:
        self.chat.forget()
        self.groups.forget()
        self.robots.forget()
        self.talk.forget()
        self.todos.forget()
        self.calendars.forget()
        self.events.forget()
        self.streams.forget()
        self.gate.forget()

    def close(self) -> None:
        self.streams.close()

    def trust(self, origin: str) -> None:
        for app in self.world.apps.values():
            app.redirect_urls.append(origin)

    def use_streams(self) -> None:
        for app in self.world.apps.values():
            app.event_mode = "stream"

    # --- routes ----------------------------------------------------------------------------------------------

    def _add_routes(self) -> None:
        app = self.app
        app.before_request(self._banned)
        TokenApi(self).add_to(app)
        self.pages.add_to(app)
        emulator_console.add_routes(self, app)
        self.todos.add_to(app)
        self.calendars.add_to(app)
        add_robot_routes(self, app)
        add_talk_routes(self, app)
        app.get("/gettoken")(self._old_token)
        app.post(OPEN_PATH)(self.streams.open)
        app.post("/_emulator/stream")(self.streams.switch)
        for path in OAPI:
            app.add_url_rule(path, endpoint=f"oapi{path}", view_func=self._legacy, methods=["GET", "POST"])
        app.add_url_rule("/topapi/<path:rest>", view_func=self._legacy, methods=["GET", "POST"])
        for method, path in API:
            app.add_url_rule(path, endpoint=f"{method}{path}", view_func=self._new, methods=[method])
        app.register_error_handler(404, self._unknown)
        app.register_error_handler(405, self._unknown)

    def _banned(self) -> Response | None:
        if request.path.startswith(("/_emulator", "/phone", "/webview", "/oauth2/auth")):
            return None
        return self.gate.ban()

    def _legacy(self, rest: str = "") -> Response:
        handler, permission = OAPI.get(request.path, (None, ""))
        return self.gate.legacy(request.path, handler, permission)

    def _new(self) -> Response:
        handler, permission = API[request.method, request.path]
        return self.gate.new(request.path, handler, permission)

    def _old_token(self) -> Response:
        """GET /gettoken: only the query counts."""
        key, secret = request.args.get("appkey"), request.args.get("appsecret")
        try:
            if not key or not secret:
                raise HostError(40035, "缺少参数 corpid or appkey")
            app = self.world.app_by_secret(key, secret, self.knobs["bad_credentials"])
        except HostError as error:
            return json_response({"errcode": int(error.code), "errmsg": "不合法的appKey或appSecret"})
        with self.lock:
            token = self.world.issue_token(app, self.clock.time(), self.knobs["token_life"])
        return json_response(
            {"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": self.knobs["token_life"]}
        )

    def _unknown(self, error: Exception) -> tuple[Response, int] | Response:
        """Paths of the new host without /v1.0 answer HTTP 200 with errcode 404."""
        if request.path.startswith(("/v1.0", "/v2.0")):
            return json_response({"code": "InvalidAction.NotFound", "requestid": "0", "message": "路径不存在"}, 404)
        return json_response({"errcode": 404, "errmsg": "请求的URI地址不存在"})


def demo_org(public_url: str) -> dict[str, Any]:
    """The sample firm 蓝海科技 (杭州) with one app, whose pages and callbacks are under `public_url`."""
    corp_id = "dingb1a5e0c3d7f92468"
    people = [
        ("zhouxiaoyu", "周小雨", "客户经理", [3], [], "sunlihua", "13900010001"),
        ("wulei", "吴磊", "客户经理", [3], [], "sunlihua", "13900010002"),
        ("sunlihua", "孙丽华", "销售总监", [2], [2], "qianwei", "13900010003"),
        ("qianwei", "钱伟", "信息化负责人", [4], [4], "", "13900010004"),
        ("simaxiangru", "司马相如", "法务顾问", [1], [], "", "13900010005"),
    ]
    users = [
        {
            "userid": userid,
            "name": name,
            "unionid": f"UN{userid}0001iEiE",
            "title": title,
            "departments": departments,
            "leads": leads,
            "manager": manager,
            "mobile": mobile,
            "admin": userid == "qianwei",
        }
        for userid, name, title, departments, leads, manager, mobile in people
    ]
    app = {
        "client_id": "dingdemoapp0key00001",
        "client_secret": "demo-Lanhai-app-secret-not-for-production-0001",
        "agent_id": 836390886,
        "name": "客户管理",
        "home_url": f"{public_url}/h5/",
        "robot_url": f"{public_url}/callbacks/dingtalk/{corp_id}/robot",
        "redirect_urls": [public_url],
        "visible": {"departments": [2, 4], "users": []},
        "templates": {"4f0c2a9e-demo-card.schema": {"published": True}},
        "callback": {
            "url": f"{public_url}/callbacks/dingtalk/{corp_id}",
            "token": "demoToken2026",
            "aes_key": "demoAESKey0123456789abcdefghijklmnopqrstuvw",
        },
    }
    corp = {
        "corp_id": corp_id,
        "name": "蓝海科技",
        "departments": [
            {"id": 1, "name": "蓝海科技"},
            {"id": 2, "name": "销售部", "parent": 1},
            {"id": 3, "name": "华东一组", "parent": 2},
            {"id": 4, "name": "客服部", "parent": 1},
        ],
        "users": users,
        "apps": [app],
        "groups": [
            {
                "id": "cidLanhaiSales0001",
                "name": "华东一组战报群",
                "members": ["zhouxiaoyu", "wulei", "sunlihua"],
                "robots": [{"key": ROBOT_TOKEN, "name": "客户动态", "secret": ROBOT_SECRET}],
            }
        ],
    }
    return {"corps": [corp]}


def demo_corp() -> dict[str, Any]:
    """The sample firm as a `[[corps]]` entry of the product's settings."""
    org = demo_org("")
    corp = org["corps"][0]
    return {"name": corp["name"], "host": "dingtalk", "corp_id": corp["corp_id"], **demo_values(org)}


def demo_values(org: Mapping[str, Any]) -> dict[str, Any]:
    """The credential values that connect the product to the first app of `org`, keyed as in config.toml."""
    app = org["corps"][0]["apps"][0]
    return {
        "agent_id": app["agent_id"],
        "client_id": app["client_id"],
        "client_secret": app["client_secret"],
        "card_template_id": next(iter(app["templates"])),
        "event_mode": "http",
        "callback_token": app["callback"]["token"],
        "callback_aes_key": app["callback"]["aes_key"],
    }


EMULATOR = DingTalkEmulator
