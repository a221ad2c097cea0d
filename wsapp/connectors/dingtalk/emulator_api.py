"""The emulated new host (`/v1.0/…`): tokens, the signed-in person, tickets, cards, failed pushes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response

from wsapp.connectors.dingtalk.emulator_gate import Handler, json_response, new_error, read_body
from wsapp.connectors.dingtalk.emulator_world import App, HostError

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator

CARD_WRITE = "Card.Instance.Write"
ROBOT_SEND = "qyapi_robot_sendmsg"

# (method, path) → (handler, permission)
API: dict[tuple[str, str], tuple[Handler, str]] = {}


def api(method: str, path: str, permission: str = "qyapi_base") -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        API[method, path] = (handler, permission)
        return handler

    return register


@api("POST", "/v1.0/oauth2/jsapiTickets")
def jsapi_ticket(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    life = emulator.knobs["ticket_life"]
    return {"jsapiTicket": emulator.world.issue_ticket(app, emulator.clock.time(), life), "expireIn": life}


@api("POST", "/v1.0/card/instances/createAndDeliver", CARD_WRITE)
def create_and_deliver(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    return emulator.chat.cards.create_and_deliver(app, body)


@api("PUT", "/v1.0/card/instances", CARD_WRITE)
def update_card(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    return emulator.chat.cards.update(app, body)


@api("POST", "/v1.0/card/callbacks/register", CARD_WRITE)
def register_route(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    return emulator.chat.cards.register_route(app, body)


@api("POST", "/v1.0/robot/oToMessages/batchSend", ROBOT_SEND)
def robot_single(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    with emulator.lock:
        return emulator.robots.single(app, body)


@api("POST", "/v1.0/robot/groupMessages/send", ROBOT_SEND)
def robot_group(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    with emulator.lock:
        return emulator.robots.group(app, body)


@api("GET", "/v1.0/robot/oToMessages/readStatus", ROBOT_SEND)
def robot_read_status(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    return emulator.robots.read_status(app, body)


@api("POST", "/v1.0/robot/otoMessages/batchRecall", ROBOT_SEND)
def robot_recall(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    with emulator.lock:
        return emulator.robots.recall(app, body)


@api("GET", "/v1.0/event/callbacks/failedResults")
def failed_pushes(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    rows, more = emulator.events.take_failed(app)
    return {"failedList": [one.new() for one in rows], "hasMore": more}


@api("POST", "/v1.0/contact/users/search", "qyapi_addresslist_search")
def search_users(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    word, offset, size = str(body.get("queryWord") or ""), int(body.get("offset") or 0), int(body.get("size") or 10)
    members = app.corp.members.values()
    found = [one.userid for one in members if word in one.name and emulator.world.sees_member(app, one)]
    return {"hasMore": offset + size < len(found), "totalCount": len(found), "list": found[offset : offset + size]}


# --- without an app token -------------------------------------------------------------------------------------


class TokenApi:
    """Calls that fetch tokens, and the one that takes a person's own."""

    def __init__(self, emulator: "DingTalkEmulator") -> None:
        self.emulator = emulator

    def add_to(self, app: Flask) -> None:
        app.post("/v1.0/oauth2/accessToken")(self._guard(self.access_token))
        app.post("/v1.0/oauth2/userAccessToken")(self._guard(self.user_access_token))
        app.get("/v1.0/contact/users/me")(self._guard(self.me))

        @app.post("/v1.0/oauth2/<corp_id>/token")
        def unified(corp_id: str) -> Response:
            try:
                return json_response(self.unified_token(corp_id))
            except HostError as error:
                return new_error(error)

    def _guard(self, make: Callable[[], dict[str, Any]]) -> Callable[[], Response]:
        def view() -> Response:
            try:
                return json_response(make())
            except HostError as error:
                return new_error(error)

        view.__name__ = make.__name__
        return view

    def access_token(self) -> dict[str, Any]:
        body = read_body()
        app = self.emulator.world.app_by_secret(body.get("appKey"), body.get("appSecret"), "invalidClientIdOrSecret")
        return {"accessToken": self._issue(app), "expireIn": self.emulator.knobs["token_life"]}

    def unified_token(self, corp_id: str) -> dict[str, Any]:
        body = read_body()
        if body.get("grant_type") != "client_credentials":
            raise HostError("unsupported.grant.type", "不支持的grant_type")
        app = self.emulator.world.app_by_secret(body.get("client_id"), body.get("client_secret"), "invalid.client")
        if corp_id != app.corp.corp_id:
            raise HostError("unknownError", "未知错误")
        return {"access_token": self._issue(app), "expires_in": self.emulator.knobs["token_life"]}

    def _issue(self, app: App) -> str:
        with self.emulator.lock:
            return self.emulator.world.issue_token(app, self.emulator.clock.time(), self.emulator.knobs["token_life"])

    def user_access_token(self) -> dict[str, Any]:
        body, world, now = read_body(), self.emulator.world, self.emulator.clock.time()
        app = world.app_by_secret(body.get("clientId"), body.get("clientSecret"), "invalidClientIdOrSecret")
        if body.get("grantType") == "refresh_token":
            grant = world.refresh_tokens.get(str(body.get("refreshToken")))
            if grant is None or grant.app is not app or now >= grant.until:
                raise HostError("invalidParameter.refreshToken.notFound", "不合法的refreshToken")
            unionid, corp_scope = grant.unionid, True
        else:
            code = world.take_code(body.get("code"), "oauth", app, now)
            if code is None:
                raise HostError("invalidParameter.authCode.notFound", "不存在的authCode")
            unionid, corp_scope = code.person, code.corp_scope
        life = self.emulator.knobs["token_life"]
        token, refresh = world.issue_user_token(app, unionid, now, life)
        answer = {"accessToken": token, "refreshToken": refresh, "expireIn": life}
        stranger = world.strangers.get(unionid, {})
        return answer | ({"corpId": stranger.get("corp_id", app.corp.corp_id)} if corp_scope else {})

    def me(self) -> dict[str, Any]:
        token = self.emulator.gate.user()
        if "Contact.User.Read" in token.app.missing_permissions:
            code, scopes = "Forbidden.AccessDenied.AccessTokenPermissionDenied", ["Contact.User.Read"]
            raise HostError(code, "应用尚未开通所需的权限", accessdenieddetail={"requiredScopes": scopes})
        member = self.emulator.world.by_unionid(token.app.corp, token.unionid)
        stranger = self.emulator.world.strangers.get(token.unionid)
        if member is None and stranger is None:
            raise HostError("invalidParameter.user.notFound", "找不到该用户", status=404)
        name = member.name if member else str((stranger or {}).get("name", ""))
        answer = {"nick": name, "unionId": token.unionid, "openId": f"OP{token.unionid[2:]}"}
        if member and member.mobile and "Contact.User.mobile" not in token.app.missing_permissions:
            answer |= {"mobile": member.mobile, "stateCode": "86"}
        return answer | ({"avatarUrl": member.avatar} if member and member.avatar else {})
