"""What the doctor asks about a DingTalk app, in the order of the developer console (setup.md).

Permissions cannot be listed at this host: each is proven by the cheapest call that needs it, where possible with an
argument that the host must refuse, so that nothing happens. A refusal for want of a permission names it.
"""

import json
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from wsapp.connectors.base import (
    BadCredentials,
    Button,
    Delivery,
    HostError,
    Identity,
    Message,
    Receipt,
    Refused,
)
from wsapp.connectors.checks import Check, Ground, Result, fail, ok, skip, warn
from wsapp.connectors.dingtalk import instructions as place
from wsapp.connectors.dingtalk.checks_events import EventQuestions
from wsapp.connectors.dingtalk.codes import as_dict, as_int, as_list, as_text, error, normalise
from wsapp.connectors.dingtalk.people import person_from
from wsapp.connectors.dingtalk.sending import CARDS, CONVERSATION, undelivered
from wsapp.connectors.todos import Keeper
from wsapp.texts import lazy

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.connector import DingTalkConnector

IP_CODES = ("60020", "Forbidden.AccessDenied.IpNotInWhiteList")
STOPPED = ("50003", "50005")
DELIVERY_SECONDS = 6.0  # the host says after a second or two what became of a notice
DELIVERY_STEP = 0.5
QUOTA = {"90020", "Forbidden.AccessDenied.ApiCountLimitForOrg", "45009", "90018", "90002"}
NOBODYS = "wsapp-doctor"  # an entry that nobody has
NOBODY = 1  # a task id that no app has

# Permissions of further calls: (key, title, method and path, body). Arguments that the host must refuse.
CARD_PERMISSION = ("PUT", CARDS, {"outTrackId": "wsapp-doctor", "cardData": {"cardParamMap": {"state": "-"}}})
DENIED = ("60011", "43007", "48002", "Forbidden.AccessDenied.AccessTokenPermissionDenied")


def checks(connector: "DingTalkConnector") -> Sequence[Check]:
    """Return every check of an internal app, as an administrator sets it up."""
    ask = _Questions(connector)
    app = ("enabled", "corp")
    return (
        Check("token", lazy("Client ID 与 Client Secret"), ask.token, ("reach",), place.CREDENTIALS),
        Check("corp", lazy("CorpId 与应用属于同一个企业"), ask.corp, ("token",), place.CORP_ID),
        Check("ip", lazy("服务器出口 IP"), ask.ip, ("token",), place.SAFETY),
        Check("enabled", lazy("应用已启用"), ask.enabled, ("ip",), place.RELEASE),
        Check("agent", lazy("AgentId 与 Client ID 属于同一个应用"), ask.agent, app, place.CREDENTIALS),
        Check("range", lazy("可使用范围不为空"), ask.range, app, place.RELEASE),
        Check("get_member", lazy("权限：成员信息读"), ask.get_member, ("range",), place.PERMISSIONS),
        Check("range_admin", lazy("您自己在可使用范围内"), ask.range_admin, ("range", "get_member"), place.RELEASE),
        Check("get_department", lazy("权限：部门信息读"), ask.get_department, ("range",), place.PERMISSIONS),
        Check("get_department_member", lazy("权限：部门成员读"), ask.members, ("range",), place.PERMISSIONS),
        Check("sign_in", lazy("权限：免登"), ask.sign_in, app, place.PERMISSIONS),
        Check("card_permission", lazy("权限：互动卡片"), ask.card_permission, app, place.PERMISSIONS),
        Check("todos", lazy("权限：待办"), ask.todos, ("range_admin",), place.PERMISSIONS),
        Check("calendar", lazy("权限：日程"), ask.calendar, ("range_admin",), place.PERMISSIONS),
        Check("ticket", lazy("页面脚本票据"), ask.ticket, app, place.WEB_APP),
        Check("event_mode", lazy("事件推送方式"), ask.event_mode, (), place.EVENTS),
        Check("callback", lazy("回调地址自测"), ask.callback, ("own.public", "event_mode"), place.EVENTS),
        Check("callback_heard", lazy("平台的真实事件"), ask.callback_heard, ("callback",), place.EVENTS),
        Check("stream", lazy("Stream 连接"), ask.stream, ("token",), place.EVENTS),
        Check("quota", lazy("接口与消息额度"), ask.quota, ("agent", "range_admin"), sends=True),
        Check("message", lazy("给自己发一条消息"), ask.message, ("agent", "range_admin"), place.RELEASE, sends=True),
        Check("card", lazy("互动卡片与按钮"), ask.card, ("agent", "range_admin", "card_permission"), place.CARDS, True),
    )


class _Questions(EventQuestions):
    """The checks of one connector."""

    def __init__(self, connector: "DingTalkConnector") -> None:
        super().__init__(connector)
        self.calls = connector.calls

    # --- credentials and the app -----------------------------------------------------------------------------

    def token(self, ground: Ground) -> Result:
        ground.renew("app", self.calls.fetch_token)
        return ok(lazy("平台发放了令牌"))

    def corp(self, ground: Ground) -> Result:
        """POST /v1.0/oauth2/{corpId}/token: the one call that refuses a CorpId which is not the app's."""
        body = {
            "client_id": self.account["client_id"],
            "client_secret": self.account["client_secret"],
            "grant_type": "client_credentials",
        }
        url = f"{self.calls.api_base}/v1.0/oauth2/{self.account.corp_id}/token"
        answer = self.connector.http.request("POST", url, json=body, api="/v1.0/oauth2/{corpId}/token")
        reply = normalise(answer)
        if not reply.code:
            return ok(self.account.corp_id)
        if answer.status >= 500 and reply.code != "unknownError":
            raise error(reply, status=answer.status)
        return fail(
            lazy("平台说这个应用不属于 %(corp)s", corp=self.account.corp_id),
            lazy("企业的 CorpId 不对，请重新复制。"),
            code=reply.code,
        )

    def _scopes(self, ground: Ground) -> dict[str, Any]:
        def ask() -> dict[str, Any]:
            return as_dict(self.calls.oapi_get("/auth/scopes").get("auth_org_scopes"))

        found: dict[str, Any] = ground.once("scopes", ask)
        return found

    def _answered(self, ground: Ground, *codes: str) -> Result:
        """Ok unless auth/scopes ended with one of `codes`; whatever else it says is another check's matter."""
        try:
            self._scopes(ground)
        except HostError as refusal:
            if refusal.code in codes or not isinstance(refusal, Refused | BadCredentials):
                raise
        return ok()

    def ip(self, ground: Ground) -> Result:
        return self._answered(ground, *IP_CODES)

    def enabled(self, ground: Ground) -> Result:
        return self._answered(ground, *STOPPED)

    def agent(self, ground: Ground) -> Result:
        """getsendprogress of a task that nobody sent: the host looks at the agent id first."""
        body = {"agent_id": as_int(self.account["agent_id"]) or 0, "task_id": NOBODY}
        return self._tried(lambda: self.calls.oapi(f"{CONVERSATION}/getsendprogress", body), "40056", *DENIED)

    def _tried(self, call: Callable[[], Any], *codes: str) -> Result:
        """Ok unless the call ends with one of `codes`, or without any clear answer."""
        try:
            call()
        except HostError as refusal:
            if refusal.code in codes or not isinstance(refusal, Refused):
                raise
        return ok(lazy("可以调用"))

    # --- who sees it, and what we may read -------------------------------------------------------------------

    def range(self, ground: Ground) -> Result:
        scopes = self._scopes(ground)
        departments, users = as_list(scopes.get("authed_dept")), as_list(scopes.get("authed_user"))
        if not departments and not users:
            return fail(lazy("没有任何部门或员工能使用应用"), lazy("请选择要使用本系统的部门，并重新发布版本。"))
        said = lazy("%(departments)s 个部门、%(users)s 个员工", departments=len(departments), users=len(users))
        if not departments:
            return warn(said, lazy("只选了个人：应用看不到他们的部门，主管的权限无法识别。请按部门选入。"))
        return ok(said)

    def _someone(self, ground: Ground) -> str:
        users = as_list(self._scopes(ground).get("authed_user"))
        return ground.me or as_text(users[0] if users else "", 64) or "wsapp-doctor"

    def get_member(self, ground: Ground) -> Result:
        call = ground.once
        return self._tried(lambda: call("user", lambda: self._user(self._someone(ground))), *DENIED, *IP_CODES)

    def range_admin(self, ground: Ground) -> Result:
        if not ground.me:
            return skip(lazy("还没有管理员登录过，登录后再检查"))
        found = ground.once("user", lambda: self._user(ground.me))
        person = person_from(as_dict(found.get("result")))
        if not person.phone:
            return ok(lazy("%(name)s；没有开通“手机号”权限，手机号留空", name=person.name))
        return ok(person.name)

    def _department(self, ground: Ground) -> int | None:
        found = as_list(self._scopes(ground).get("authed_dept"))
        return as_int(found[0]) if found else None

    def get_department(self, ground: Ground) -> Result:
        department = self._department(ground)
        if department is None:
            return skip(lazy("可使用范围里没有部门"))
        found = self.calls.oapi("/topapi/v2/department/listsub", {"dept_id": department})
        return ok(lazy("读到 %(n)s 个下级部门", n=len(as_list(found.get("result")))))

    def members(self, ground: Ground) -> Result:
        department = self._department(ground)
        if department is None:
            return skip(lazy("可使用范围里没有部门"))
        body = {"dept_id": department, "cursor": 0, "size": 10, "language": "zh_CN"}
        found = as_dict(self.calls.oapi("/topapi/v2/user/list", body).get("result"))
        return ok(lazy("读到 %(n)s 个成员", n=len(as_list(found.get("list")))))

    def sign_in(self, ground: Ground) -> Result:
        return self._tried(lambda: self._sign_in_with_nothing(), *DENIED, *IP_CODES)

    def _sign_in_with_nothing(self) -> None:
        try:
            self.calls.oapi("/topapi/v2/user/getuserinfo", {"code": "wsapp-doctor"})
        except HostError as refusal:
            if refusal.code not in ("40078", "40029", "41007"):
                raise

    def card_permission(self, ground: Ground) -> Result:
        method, path, body = CARD_PERMISSION
        if self.account["card_template_id"]:
            return self._tried(lambda: self.calls.api(method, path, body, write=True), *DENIED)
        try:
            found = self._tried(lambda: self.calls.api(method, path, body, write=True), *DENIED)
        except HostError:
            return skip(lazy("没有配置卡片模板，不需要这项权限"))
        return ok(lazy("已开通但没有用到：没有配置卡片模板")) if found.state == "ok" else found

    def todos(self, ground: Ground) -> Result:
        return self._optional(ground, self.connector.todos())

    def calendar(self, ground: Ground) -> Result:
        return self._optional(ground, self.connector.calendar())

    def _optional(self, ground: Ground, keeper: Keeper) -> Result:
        """Read and delete what nobody has: without the permissions the product works, but for those who want tasks at
        the host."""
        if not ground.me:
            return skip(lazy("还没有管理员登录过，登录后再检查"))
        found = ground.once("user", lambda: self._user(ground.me))
        unionid = as_text(as_dict(found.get("result")).get("unionid"), 128)
        owner = Identity(ground.me, unionid)
        try:
            keeper.read(owner, NOBODYS)
            keeper.delete(owner, NOBODYS)
        except Refused as refusal:
            if refusal.code in DENIED:
                said = lazy("平台返回 %(code)s：%(words)s", code=refusal.code, words=refusal.words)
                return warn(said, OPTIONAL, code=refusal.code, mine=True)
        return ok(lazy("可以调用"))

    def _user(self, userid: str) -> dict[str, Any]:
        return self.calls.oapi("/topapi/v2/user/get", {"userid": userid, "language": "zh_CN"})

    def ticket(self, ground: Ground) -> Result:
        ground.renew("jsapi.ticket", self.connector.fetch_ticket)
        return ok(lazy("平台发放了票据；请再用手机扫码验证签名"))

    # --- messages --------------------------------------------------------------------------------------------

    def _said(self, button: bool) -> Message:
        buttons = (Button("doctor", str(lazy("我收到了"))),) if button else ()
        card = f"doctor-{secrets.token_hex(12)}"
        # The host drops what somebody got today already: the mark makes each text a new one.
        text = str(lazy("收到这条消息，说明应用可以给您发送消息。编号 %(mark)s", mark=card[-6:]))
        return Message(card, str(TITLE), text, url=f"{self.connector.public_url}/h5/", buttons=buttons)

    def _sent(self, ground: Ground) -> dict[str, Any]:
        def send() -> dict[str, Any]:
            body = json.loads(self.connector.compose(self._said(False), [ground.me]).body)
            return self.calls.oapi(f"{CONVERSATION}/asyncsend_v2", body["notice"], write=True)

        found: dict[str, Any] = ground.once("message", send)
        return found

    def quota(self, ground: Ground) -> Result:
        if not ground.me:
            return skip(lazy("还没有管理员登录过，登录后再检查"))
        try:
            self._sent(ground)
        except HostError as refusal:
            if refusal.code in QUOTA:
                raise
        return ok(lazy("平台没有提示超限；每人每天 500 条，标准版每月 5000 次调用"))

    def message(self, ground: Ground) -> Result:
        if not ground.me:
            return skip(lazy("还没有管理员登录过，登录后再检查"))
        task = as_text(self._sent(ground).get("task_id"), 40)
        outcome = self._outcome(Receipt(task, {"task_id": task}), ground.me)
        if outcome.state == "dropped":
            return fail(lazy("平台接受了消息但没有送给您"), code=outcome.code)
        if outcome.state == "pending":
            return warn(lazy("已发送，平台还没有给出送达结果"), lazy("请看手机上是否收到；稍后再检查一次。"))
        return ok(lazy("平台确认已送达"))

    def _outcome(self, receipt: Receipt, me: str) -> Delivery:
        end = time.monotonic() + DELIVERY_SECONDS
        while True:
            found = self.connector.results(receipt, [me]).get(me, Delivery("pending"))
            if found.state != "pending" or time.monotonic() > end:
                return found
            time.sleep(DELIVERY_STEP)

    def card(self, ground: Ground) -> Result:
        if not ground.me:
            return skip(lazy("还没有管理员登录过，登录后再检查"))
        if not self.account["card_template_id"]:
            return skip(lazy("没有配置卡片模板：提醒以普通卡片发送，点击打开记录"))
        sender = self.connector.sender
        self.connector.tokens.get(sender.route_kind(), sender.register_route)
        body = json.loads(self.connector.compose(self._said(True), [ground.me]).body)
        try:
            answer = self.calls.api("POST", f"{CARDS}/createAndDeliver", body["card"], write=True)
        except Refused as refusal:
            if refusal.code == "param.openDeliverModelError":
                raise _renamed(refusal, "robot.notExist") from None
            raise
        if dropped := undelivered(answer, [ground.me]):
            return fail(lazy("卡片没有送到您的会话：%(why)s", why=next(iter(dropped.values()))), ROBOT_FIX)
        return skip(lazy("已发出互动卡片：请在手机上点“我收到了”，按钮的回调到达后这里变绿"))


OPTIONAL = lazy("不影响使用；要让成员把任务放进平台的待办或日程，请开通它并发布版本。")
TITLE = lazy("安装体检")
ROBOT_FIX = lazy("请确认应用开通了机器人能力、RobotCode 正确，并发布了版本。")


def _renamed(refusal: HostError, code: str) -> Refused:
    made = Refused(refusal.reason, code=code)
    made.told(refusal.words, refusal.request_id)
    return made
