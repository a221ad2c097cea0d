"""The WeCom connector: one self-built app (自建应用) of one corp."""

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from wsapp.connectors.base import (
    Account,
    BadCode,
    BadCredentials,
    Callback,
    CallbackRequest,
    Connector,
    DepartmentInfo,
    Identity,
    Message,
    NotAMember,
    OutOfRange,
    Parcel,
    Person,
    Receipt,
    Refused,
    SilentSignIn,
    TokenStore,
    Transport,
    TryLater,
)
from wsapp.connectors.channels import FileKind
from wsapp.connectors.checks import Check, Instruction
from wsapp.connectors.setup import Proof
from wsapp.connectors.todos import Keeper
from wsapp.connectors.wecom import callbacks, checks, crypto, instructions, media, people, setup
from wsapp.connectors.wecom.calendar import Calendar
from wsapp.connectors.wecom.calls import Calls, lasting
from wsapp.connectors.wecom.codes import CardRefused, ContentRefused, TaskIdReused
from wsapp.connectors.wecom.directory import WeComDirectory
from wsapp.connectors.wecom.grouprobots import WeComGroupRobots
from wsapp.connectors.wecom.messages import Writer, dump

MAX_CODE = 512  # bytes of a sign-in code
USERID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_\-@.]{0,63}")
# Reasons in Receipt.dropped: the host's codes for the same facts.
INVALID_USER, UNLICENSED_USER = "81013", "701008"
CALENDAR_NAME = "客户管理"  # of the calendar that each person gets from the app
PERSON_MINUTE, PERSON_HOUR = 25, 1000  # the host drops silently beyond 30 a minute and 1000 an hour


class WeComConnector(WeComGroupRobots, WeComDirectory, Connector):
    """WeCom (企业微信)."""

    host = "wecom"
    label = "企业微信"
    user_agent = re.compile(r"wxwork/[\d.]+", re.IGNORECASE)
    credential_fields = setup.FIELDS
    corp_id_field = setup.CORP_ID
    set_up_steps = setup.STEPS
    ownership_file = setup.OWNERSHIP_FILE
    at_fault = setup.AT_FAULT
    callback_kinds = ("app", "contacts")
    base_keys = {
        "api_base": "https://qyapi.weixin.qq.com",
        "oauth_base": "https://open.weixin.qq.com",
        "login_base": "https://login.work.weixin.qq.com",
    }
    # The desktop client's side bar and chat tool bar frame pages of apps.
    frame_origins = ("https://work.weixin.qq.com", "https://*.work.weixin.qq.com", "https://*.weixin.qq.com")
    userid_case = "fold"
    recall_within = 86_400.0
    media_life = 3 * 86_400.0
    folder = Path(__file__).parent
    lookup_url = instructions.LOOKUP

    def __init__(
        self,
        account: Account,
        *,
        bases: Mapping[str, str],
        http: Transport,
        tokens: TokenStore,
        now: Callable[[], datetime],
        public_url: str,
    ) -> None:
        super().__init__(account, bases=bases, http=http, tokens=tokens, now=now, public_url=public_url)
        self.calls = Calls(account, self.bases["api_base"], http, tokens)

    @property
    def agent_id(self) -> int:
        """The app's number. Raises BadCredentials when the setting is no number."""
        digits = str(self.account["agent_id"])
        if not digits.isascii() or not digits.isdigit():
            raise BadCredentials("agent_id is not a number")
        return int(digits)

    @property
    def writer(self) -> Writer:
        calls_back = bool(self.account["callback_token"] and self.account["callback_aes_key"])
        return Writer(self.agent_id, self.public_url, buttons=calls_back)

    # --- setting up -------------------------------------------------------------------------------------------

    def prove(self, step: str) -> Proof:
        """gettoken (91039) and agent/get (90227). Trusted IPs can only be entered once the steps before are done, so
        on the first page their absence is no fault yet."""
        if step == "contacts":
            return self._prove_contacts()
        self.calls.token()
        try:
            agent = self.calls.get("agent/get", {"agentid": str(self.agent_id)}, proof="agentid")
        except BadCredentials as error:
            if step == "app" and error.code == "60020":
                return Proof()
            raise
        if not people.visible_roots(agent) and not people.visible_people(agent):
            raise Refused("nobody is in the visible range", code="no_range")
        return Proof(app=str(agent.get("name") or ""))

    def _prove_contacts(self) -> Proof:
        if self.account["contacts_secret"]:
            try:
                self.calls.token("contacts")
            except BadCredentials as error:
                raise BadCredentials(error.reason, code="contacts_secret") from None
        return Proof()

    # --- checks ----------------------------------------------------------------------------------------------

    def checks(self) -> Sequence[Check]:
        return checks.checks(self)

    @classmethod
    def instruction(cls, code: str) -> Instruction | None:
        return instructions.instruction(code)

    # --- signing in (pages 91022, 91023, 98152) --------------------------------------------------------------

    def silent_sign_in(self, back: str, state: str) -> SilentSignIn:
        query = urlencode(
            {
                "appid": self.account.corp_id,
                "redirect_uri": back,
                "response_type": "code",
                "scope": "snsapi_base",
                "state": state,
                "agentid": self.agent_id,
            },
            quote_via=quote,
            safe="",
        )
        return SilentSignIn(redirect=f"{self.bases['oauth_base']}/connect/oauth2/authorize?{query}#wechat_redirect")

    def web_sign_in(self, back: str, state: str) -> str:
        query = urlencode(
            {
                "login_type": "CorpApp",
                "appid": self.account.corp_id,
                "agentid": self.agent_id,
                "redirect_uri": back,
                "state": state,
                "lang": "zh",
            },
            quote_via=quote,
            safe="",
        )
        return f"{self.bases['login_base']}/wwlogin/sso/login?{query}"

    def sign_in(self, code: str, *, web: bool = False) -> Identity:
        """auth/getuserinfo, the same for both kinds of code. It says nothing of the visible range: ask `person`."""
        if not code or not code.isascii() or not code.isprintable() or len(code) > MAX_CODE:
            raise BadCode("the sign-in code cannot be one of the host's")
        found = self.calls.get("auth/getuserinfo", {"code": code}, proof="userid")
        userid = found.get("userid")
        if not userid and (found.get("openid") or found.get("external_userid")):
            raise NotAMember("whoever signed in is no member of this corp")
        if not isinstance(userid, str):
            raise TryLater("the host's answer has no userid", code="malformed")
        if not USERID.fullmatch(userid):
            raise NotAMember("whoever signed in belongs to a linked corp")  # those come as CorpId/userid
        return Identity(userid)

    def js_config(self, url: str) -> dict[str, Any]:
        """Page 90506: the corp's ticket signs for config, the app's for agentConfig."""
        self.calls.token()  # so that fetching a ticket does not have to fetch a token inside
        corp_ticket = self.tokens.get("ticket.corp", lambda: self.fetch_ticket("get_jsapi_ticket", {}))
        app_ticket = self.tokens.get("ticket.app", lambda: self.fetch_ticket("ticket/get", {"type": "agent_config"}))
        timestamp, nonce = int(self.now().timestamp()), secrets.token_hex(8)
        return {
            "corp_id": self.account.corp_id,
            "agent_id": self.agent_id,
            "timestamp": timestamp,
            "nonce": nonce,
            "signature": crypto.page_signature(corp_ticket, nonce, timestamp, url),
            "agent_signature": crypto.page_signature(app_ticket, nonce, timestamp, url),
        }

    def fetch_ticket(self, api: str, params: Mapping[str, str]) -> tuple[str, float]:
        return lasting(self.calls.get(api, params, proof="ticket"), "ticket")

    # --- people ----------------------------------------------------------------------------------------------

    def person(self, userid: str) -> Person:
        """user/get. Of a member who is visible alone, without a department, contact sync may know the departments."""
        if not USERID.fullmatch(userid):
            raise OutOfRange("this cannot be a userid of the host", code="40003")
        found = people.person(self.calls.get("user/get", {"userid": userid}, proof="userid"))
        if found.departments:
            return found
        more = self._beyond_range("user/get", {"userid": userid}, proof="userid")
        return people.with_departments(found, more) if more else found

    def department(self, department_id: str) -> DepartmentInfo:
        """department/get, else the row of department/list; outside the visible range what contact sync may tell."""
        wanted = {"id": department_id}
        try:
            row = self.calls.get("department/get", wanted, proof="department").get("department")
        except OutOfRange:
            more = self._beyond_range("department/get", wanted, proof="department")
            if not more:
                raise
            row = more.get("department")
        except Refused:
            # Older and private deployments know only the list.
            found = self.calls.get("department/list", wanted, proof="department")
            row = next((one for one in people.rows(found, "department") if str(one.get("id")) == department_id), None)
        if not isinstance(row, dict):
            raise OutOfRange("the host does not show this department", code="60123")
        return people.department(row)

    def _beyond_range(self, api: str, params: Mapping[str, str], *, proof: str) -> dict[str, Any] | None:
        """Ask as contact sync (通讯录同步), which sees the whole corp; None where it is not set up or not let in.

        Since 2022-08-15 the host lets in only server IPs that were trusted before (48009).
        """
        if not self.account["contacts_secret"]:
            return None
        try:
            return self.calls.get(api, params, proof=proof, family="contacts")
        except (Refused, TryLater, BadCredentials):
            return None

    def departments(self) -> Iterator[DepartmentInfo]:
        """Pages 90227 and 90208: each root of the app's visible range with all below it; a subtree comes whole."""
        agent = self.calls.get("agent/get", {"agentid": str(self.agent_id)}, proof="agentid")
        seen: set[str] = set()
        for root in people.visible_roots(agent):
            if root in seen:
                continue
            try:
                found = self.calls.get("department/list", {"id": root}, proof="department")
            except OutOfRange:
                continue
            for row in people.rows(found, "department"):
                info = people.department(row)
                if info.id not in seen:
                    seen.add(info.id)
                    yield info

    def members(self, department_id: str) -> Iterator[Person]:
        found = self.calls.get("user/list", {"department_id": department_id}, proof="userlist")
        for row in people.rows(found, "userlist"):
            yield people.person(row)

    # --- messages --------------------------------------------------------------------------------------------

    def compose(self, message: Message, to: Sequence[str]) -> Parcel:
        everybody = tuple(dict.fromkeys(to))
        channel, body = self.writer.compose(message, everybody)
        return Parcel(channel, body, to=everybody)

    def send(self, parcel: Parcel) -> Receipt:
        """message/send with the duplicate check of four hours. What is refused goes out as a text card or text."""
        refusal: Refused | None = None
        for channel, body in self._attempts(parcel):
            try:
                found = self.calls.post("message/send", body, proof="msgid")
            except TaskIdReused:
                # Our ids are unique and well formed: the host can only know this one from an earlier try of ours.
                return Receipt(host_id="", handle={"channel": channel, "repeat": True})
            except (CardRefused, ContentRefused) as error:
                refusal = error
                continue
            return self.receipt(found, channel, parcel.to)
        raise refusal or Refused("nothing to send")

    def _attempts(self, parcel: Parcel) -> Iterator[tuple[str, bytes]]:
        if parcel.channel == "template_card":
            yield parcel.channel, parcel.body
            yield from zip(("textcard", "text"), self.writer.plainer(parcel.body), strict=True)
            return
        for envelope in json.loads(parcel.body)["tries"]:
            yield envelope["msgtype"], dump(envelope)

    def receipt(self, found: Mapping[str, Any], channel: str, to: Sequence[str]) -> Receipt:
        handle: dict[str, Any] = {"channel": channel}
        if isinstance(code := found.get("response_code"), str) and code:
            handle["response_code"] = code
        asked = {userid.lower(): userid for userid in to}
        dropped: dict[str, str] = {}
        for field, reason in (("invaliduser", INVALID_USER), ("unlicenseduser", UNLICENSED_USER)):
            for name in _names(found.get(field)):
                dropped[asked.get(name.lower(), name)] = reason
        return Receipt(host_id=str(found.get("msgid") or ""), handle=handle, dropped=dropped)

    def update_card(self, message: Message, receipt: Receipt, to: Sequence[str]) -> None:
        """Page 94945: with the newest response code, good for one update within 72 hours."""
        code = receipt.handle.get("response_code")
        if not isinstance(code, str) or not code:
            raise Refused("this message cannot be updated: the host gave no response code")
        self.calls.post("message/update_template_card", self.writer.update(message, code, to), proof="invaliduser")

    def recall(self, receipt: Receipt) -> None:
        """message/recall (page 94867): within 24 hours, in the clients of WeCom, not in WeChat's plug-in."""
        if not receipt.host_id:
            raise Refused("the host gave this message no id", code="no_msgid")
        self.calls.post("message/recall", dump({"msgid": receipt.host_id}), proof="")

    def upload(self, kind: FileKind, name: str, body: bytes) -> str:
        return media.upload(self.calls, kind, name, body)

    # --- the calendar ----------------------------------------------------------------------------------------

    def calendar(self) -> Keeper:
        """Entries in calendars of the app's own. A list of to-dos the host keeps for its clients' scripts only."""
        return Calendar(self.calls, self.agent_id, self.public_url, CALENDAR_NAME)

    # --- callbacks, devices ----------------------------------------------------------------------------------

    def read_callback(self, request: CallbackRequest) -> Callback:
        now = self.now()
        return self.account.accept(setup.CALLBACK_KEYS, lambda account: callbacks.read(request, account, now))

    def media(self, media_id: str) -> bytes:
        """media/get (page 90254): what the page's script uploaded, kept by the host for three days."""
        return self.calls.file("media/get", {"media_id": media_id})

    def quota(self) -> Mapping[str, int]:
        return {"person_minute": PERSON_MINUTE, "person_hour": PERSON_HOUR}


def _names(value: Any) -> list[str]:
    """A list of the host: names joined by "|", or, in some answers, a real list."""
    names = value.split("|") if isinstance(value, str) else value if isinstance(value, list) else []
    return [name for name in names if isinstance(name, str) and name]
