"""What the doctor asks about a WeCom app, in the order of the console (setup.md).

Permissions cannot be listed at this host: each is proven by the cheapest call that needs it, where possible with an
argument that the host must refuse, so that nothing happens.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wsapp.connectors.base import BadCredentials, Button, HostError, Identity, Message, Person, Refused
from wsapp.connectors.checks import Check, Ground, Result, Text, fail, ok, skip, warn
from wsapp.connectors.wecom import instructions as place
from wsapp.connectors.wecom import people
from wsapp.connectors.wecom.checks_callbacks import CallbackQuestions
from wsapp.texts import lazy

if TYPE_CHECKING:
    from wsapp.connectors.wecom.connector import WeComConnector

DEPARTMENT_WANTED = "1"
DENIED = ("48001", "48002")
NOBODYS = "wsapp-doctor"  # an entry that nobody has

# api → (what it is good for, arguments that the host must refuse, codes that say "allowed, but not so").
PROBES: Mapping[str, tuple[Text, Mapping[str, str], frozenset[str]]] = {
    "auth/getuserinfo": (lazy("免登"), {"code": "doctor"}, frozenset({"40029", "42003", "42022"})),
    "media/get": (lazy("读取照片"), {"media_id": "doctor"}, frozenset({"40007"})),
}


def checks(connector: "WeComConnector") -> Sequence[Check]:
    """Return every check of a self-built app, as an administrator sets it up."""
    ask = _Questions(connector)
    app = ("enabled", "agent")
    return (
        Check("token", lazy("企业 ID 与应用 Secret"), ask.token, ("reach",), place.APP_SECRET),
        Check("ip", lazy("企业可信 IP"), ask.ip, ("token",), place.APP_IPS),
        Check("enabled", lazy("应用已启用"), ask.enabled, ("ip",), place.APP_PAGE),
        Check("agent", lazy("AgentId 与 Secret 属于同一个应用"), ask.agent, ("enabled",), place.APP_PAGE),
        Check("range", lazy("可见范围不为空"), ask.range, app, place.APP_RANGE),
        Check("range_admin", lazy("您自己在可见范围内"), ask.range_admin, ("range",), place.APP_RANGE),
        Check("departments", lazy("权限：读取部门"), ask.departments, ("range",), place.APP_RANGE),
        Check("members", lazy("权限：读取成员"), ask.members, ("range",), place.APP_RANGE),
        Check("sign_in", lazy("权限：免登"), lambda ground: ask.permission("auth/getuserinfo"), app, place.APP_PAGE),
        Check("media", lazy("权限：读取照片"), lambda ground: ask.permission("media/get"), app, place.APP_PAGE),
        Check("calendar", lazy("权限：日程"), ask.calendar, app, place.APP_PAGE),
        Check("home_url", lazy("应用主页"), ask.home_url, (*app, "own.public"), place.APP_HOME),
        Check("trusted_domain", lazy("可信域名"), ask.trusted_domain, (*app, "own.public"), place.APP_DOMAIN),
        Check("domain_file", lazy("域名校验文件"), ask.domain_file, ("own.public",), place.APP_DOMAIN),
        Check("ticket_corp", lazy("页面脚本票据（企业）"), ask.ticket_corp, app, place.APP_DOMAIN),
        Check("ticket_app", lazy("页面脚本票据（应用）"), ask.ticket_app, app, place.APP_DOMAIN),
        Check("callback_keys", lazy("接收消息的 Token 与 EncodingAESKey"), ask.callback_keys, (), place.APP_RECEIVE),
        Check("callback", lazy("回调地址自测"), ask.callback, ("own.public", "callback_keys"), place.APP_RECEIVE),
        Check("callback_heard", lazy("平台的真实回调"), ask.callback_heard, ("callback",), place.APP_RECEIVE),
        Check("contacts", lazy("通讯录同步 Secret"), ask.contacts, ("ip",), place.CONTACT_SYNC),
        Check("contacts_heard", lazy("通讯录回调"), ask.contacts_heard, ("own.public", "callback"), place.CONTACT_SYNC),
        Check("quota", lazy("调用与消息额度"), ask.quota, ("agent", "range_admin"), sends=True),
        Check("message", lazy("给自己发一条消息"), ask.message, ("agent", "range_admin"), place.APP_PAGE, sends=True),
        Check("card", lazy("卡片按钮"), ask.card, ("message",), place.APP_RECEIVE, sends=True),
    )


class _Questions(CallbackQuestions):
    """The checks of one connector."""

    def __init__(self, connector: "WeComConnector") -> None:
        super().__init__(connector)
        self.calls = connector.calls
        self.own = urlsplit(connector.public_url)

    # --- credentials and the app -----------------------------------------------------------------------------

    def token(self, ground: Ground) -> Result:
        ground.renew("app", lambda: self.calls.fetch_token("app"))
        return ok(lazy("平台发放了令牌"))

    def _agent(self, ground: Ground) -> dict[str, Any]:
        def ask() -> dict[str, Any]:
            return self.calls.get("agent/get", {"agentid": str(self.connector.agent_id)}, proof="agentid")

        found: dict[str, Any] = ground.once("agent", ask)
        return found

    def _answered(self, ground: Ground, *codes: str) -> Result:
        """Ok unless agent/get ended with one of `codes`; whatever else it says is another check's matter."""
        try:
            self._agent(ground)
        except HostError as error:
            if error.code in codes or not isinstance(error, Refused | BadCredentials):
                raise
        return ok()

    def ip(self, ground: Ground) -> Result:
        return self._answered(ground, "60020")

    def enabled(self, ground: Ground) -> Result:
        found = self._answered(ground, "50003", "48006", "48004")
        try:
            closed = self._agent(ground).get("close") == 1
        except HostError:
            return found
        return fail(lazy("应用处于停用状态"), code="50003") if closed else found

    def agent(self, ground: Ground) -> Result:
        return ok(lazy("应用名称：%(name)s", name=str(self._agent(ground).get("name", ""))[:40]))

    # --- who sees it -----------------------------------------------------------------------------------------

    def range(self, ground: Ground) -> Result:
        found = self._agent(ground)
        departments = people.visible_roots(found)
        users = people.rows(_dict(found.get("allow_userinfos")), "user")
        tags = _dict(found.get("allow_tags")).get("tagid") or []
        if not departments and not users and not tags:
            return fail(lazy("没有任何部门或成员能看到应用"), lazy("请选择要使用本系统的部门和成员。"))
        said = lazy("%(departments)s 个部门、%(users)s 个成员", departments=len(departments), users=len(users))
        if not departments:
            return warn(said, lazy("只选了个人：应用看不到他们的部门，负责人的权限无法识别。请按部门选入。"))
        return ok(said)

    def range_admin(self, ground: Ground) -> Result:
        if not ground.me:
            return skip(lazy("还没有管理员登录过，登录后再检查"))
        found = people.person(self.calls.get("user/get", {"userid": ground.me}, proof="userid"))
        missing = [str(name) for name, value in _private(found) if not value]
        if missing:
            return ok(lazy("%(name)s；平台不提供：%(fields)s，属正常", name=found.name, fields="、".join(missing)))
        return ok(found.name)

    def departments(self, ground: Ground) -> Result:
        roots = people.visible_roots(self._agent(ground))
        if not roots:
            return skip(lazy("可见范围里没有部门"))
        found = self.calls.get("department/list", {"id": roots[0]}, proof="department")
        return ok(lazy("读到 %(n)s 个部门", n=len(people.rows(found, "department"))))

    def members(self, ground: Ground) -> Result:
        roots = people.visible_roots(self._agent(ground))
        if not roots:
            return skip(lazy("可见范围里没有部门"))
        found = self.calls.get("user/list", {"department_id": roots[0]}, proof="userlist")
        return ok(lazy("读到 %(n)s 个成员", n=len(people.rows(found, "userlist"))))

    def permission(self, api: str) -> Result:
        """Call with arguments that are refused: which refusal it is tells whether the app may call at all."""
        _, params, allowed = PROBES[api]
        try:
            if api == "media/get":
                self.calls.file(api, params)
            else:
                self.calls.get(api, params, proof="userid")
        except HostError as error:
            if error.code not in allowed:
                raise
        return ok(lazy("可以调用"))

    def calendar(self, ground: Ground) -> Result:
        """Look for an entry that nobody has: without the permission everything else works."""
        try:
            self.connector.calendar().read(Identity(ground.me), NOBODYS)
        except Refused as refusal:
            if refusal.code in DENIED:
                said = lazy("平台返回 %(code)s：%(words)s", code=refusal.code, words=refusal.words)
                return warn(said, OPTIONAL, code=refusal.code, mine=True)
        return ok(lazy("可以调用"))

    # --- addresses -------------------------------------------------------------------------------------------

    def home_url(self, ground: Ground) -> Result:
        wanted = f"{self.connector.public_url}/h5/?corp={self.account.corp_id}"
        home = str(self._agent(ground).get("home_url") or "")
        advice = lazy("请填 %(url)s，电脑端同样。", url=wanted)
        if not home:
            return fail(lazy("没有设置应用主页"), advice)
        if urlsplit(home).netloc != self.own.netloc:
            return fail(lazy("应用主页指向别处：%(url)s", url=home[:120]), advice)
        return ok(home[:120])

    def trusted_domain(self, ground: Ground) -> Result:
        found = str(self._agent(ground).get("redirect_domain") or "")
        advice = lazy("请填 %(domain)s，与访问地址完全一致，端口也算。", domain=self.own.netloc)
        if not found:
            return fail(lazy("没有设置可信域名"), advice)
        if found.lower() != self.own.netloc.lower():
            return fail(lazy("可信域名是 %(found)s", found=found[:100]), advice)
        return ok(found[:100])

    def domain_file(self, ground: Ground) -> Result:
        if not ground.files:
            return skip(lazy("还没有上传校验文件；可信域名已通过校验时不需要"))
        for name, content in ground.files.items():
            found = ground.fetch(f"/{name}")
            if found.status != 200:
                return fail(
                    lazy("打开 /%(name)s 得到状态 %(status)s", name=name, status=found.status),
                    lazy("反向代理须把网站根目录下的校验文件原样转给本系统，不能跳转，不需要登录。"),
                )
            if found.body.strip() != content.encode().strip():
                return fail(
                    lazy("打开 /%(name)s 得到的内容与上传的不同", name=name),
                    lazy("请检查反向代理是否改动了内容，或重新下载校验文件并上传。"),
                )
        return ok("、".join(ground.files))

    # --- script of the pages ---------------------------------------------------------------------------------

    def ticket_corp(self, ground: Ground) -> Result:
        ground.renew("ticket.corp", lambda: self.connector.fetch_ticket("get_jsapi_ticket", {}))
        return ok(lazy("平台发放了票据；请再用手机扫码验证签名"))

    def ticket_app(self, ground: Ground) -> Result:
        ground.renew("ticket.app", lambda: self.connector.fetch_ticket("ticket/get", {"type": "agent_config"}))
        return ok(lazy("平台发放了票据"))

    def contacts(self, ground: Ground) -> Result:
        if not self.account["contacts_secret"]:
            return skip(lazy("没有填写（可选）：离职和调岗要等下次同步才知道"))
        try:
            ground.renew("contacts", lambda: self.calls.fetch_token("contacts"))
        except BadCredentials as error:
            return fail(
                lazy("平台拒绝了通讯录同步的 Secret"),
                lazy("请重新复制通讯录同步的 Secret，它与应用的 Secret 不同。"),
                place=place.CONTACT_SYNC,
                code=error.code,
                mine=True,
            )
        try:
            self.calls.get("department/list", {"id": DEPARTMENT_WANTED}, proof="department", family="contacts")
        except HostError as error:
            if error.code != "48009":
                raise
            return ok(lazy("可用；新 IP 只能读到编号（48009），属正常"))
        return ok(lazy("可用，能读取全公司的部门"))

    # --- messages --------------------------------------------------------------------------------------------

    def _post(self, ground: Ground, name: str, *, button: bool) -> dict[str, Any]:
        def send() -> dict[str, Any]:
            buttons = (Button("doctor", str(lazy("我收到了"))),) if button else ()
            card = f"doctor-{secrets.token_hex(12)}"
            message = Message(card, str(TITLE), str(TEXT), url=f"{self.connector.public_url}/h5/", buttons=buttons)
            parcel = self.connector.compose(message, [ground.me])
            return self.calls.post("message/send", parcel.body, proof="msgid")

        found: dict[str, Any] = ground.once(name, send)
        return found

    def quota(self, ground: Ground) -> Result:
        if not ground.me:
            return skip(lazy("还没有管理员登录过，登录后再检查"))
        try:
            self._post(ground, "message", button=False)
        except HostError as error:
            if error.code in ("45009", "45033", "45024", "45026"):
                raise
        return ok(lazy("平台没有提示超限；每人每分钟 30 条、每小时 1000 条"))

    def message(self, ground: Ground) -> Result:
        if not ground.me:
            return skip(lazy("还没有管理员登录过，登录后再检查"))
        found = self._post(ground, "message", button=False)
        dropped = self.connector.receipt(found, "template_card", (ground.me,)).dropped
        if code := next(iter(dropped.values()), ""):
            return fail(lazy("平台接受了消息但没有送给您"), code=code)
        return ok(lazy("已发送，请看企业微信"))

    def card(self, ground: Ground) -> Result:
        if not ground.me:
            return skip(lazy("还没有管理员登录过，登录后再检查"))
        if not self.connector.writer.buttons:
            return skip(lazy("没有填写接收消息的 Token，卡片不带按钮"))
        self._post(ground, "card", button=True)
        return skip(lazy("已发出带按钮的卡片：请在手机上点“我收到了”，按钮的回调到达后这里变绿"))


OPTIONAL = lazy("不影响使用；要让成员把任务放进平台的日程，请在控制台允许应用使用它。")
TITLE = lazy("安装体检")
TEXT = lazy("收到这条消息，说明应用可以给您发送消息。")


def _private(found: Person) -> tuple[tuple[Text, str], ...]:
    """What newer apps are not told of a person (2.3 of the host's notes since 2022-06-20)."""
    return ((lazy("头像"), found.avatar), (lazy("手机"), found.phone), (lazy("邮箱"), found.email))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
