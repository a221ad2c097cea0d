"""DingTalk's connector: an internal enterprise app (企业内部应用) with web app, robot and event subscription."""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from wsapp.connectors.base import (
    Account,
    BadCode,
    BadCredentials,
    Callback,
    CallbackReply,
    CallbackRequest,
    Connector,
    Delivery,
    DepartmentInfo,
    HostError,
    Identity,
    Message,
    NotAMember,
    OutOfRange,
    Parcel,
    Person,
    Receipt,
    Refused,
    SilentSignIn,
    TryLater,
)
from wsapp.connectors.channels import FileKind
from wsapp.connectors.checks import Check, Instruction
from wsapp.connectors.dingtalk import checks, conversations, instructions, media, messages, setup
from wsapp.connectors.dingtalk.allowance import DingTalkAllowances
from wsapp.connectors.dingtalk.calendar import Calendar
from wsapp.connectors.dingtalk.callbacks import JSON_TYPE, CallbackReader
from wsapp.connectors.dingtalk.calls import Calls, token_and_life
from wsapp.connectors.dingtalk.codes import (
    as_bool,
    as_dict,
    as_list,
    as_text,
)
from wsapp.connectors.dingtalk.crypto import jsapi_signature
from wsapp.connectors.dingtalk.directory import PAGE, DingTalkDirectory, number_of
from wsapp.connectors.dingtalk.grouprobots import DingTalkGroupRobots
from wsapp.connectors.dingtalk.people import department_from, employee_userid, person_from
from wsapp.connectors.dingtalk.sending import Sender
from wsapp.connectors.dingtalk.todos import TodoList
from wsapp.connectors.setup import Proof
from wsapp.connectors.streams import StreamPort
from wsapp.connectors.todos import Keeper

MAX_CODE = 512
MAX_DEPARTMENTS = 20_000
TICKET_KIND = "jsapi.ticket"
# A ticket dies 24 h after its creation however often it was asked for, so it is asked for again soon.
TICKET_LIFE = 3600.0


class DingTalkConnector(DingTalkGroupRobots, DingTalkAllowances, DingTalkDirectory, Connector):
    """One corp's line to DingTalk. Facts after open.dingtalk.com/document/orgapp; pages are named per method."""

    host = "dingtalk"
    label = "钉钉"
    user_agent = re.compile(r"DingTalk", re.IGNORECASE)
    credential_fields = setup.FIELDS
    corp_id_field = setup.CORP_ID
    set_up_steps = setup.STEPS
    at_fault = setup.AT_FAULT
    callback_kinds = ("", "card", "robot")
    base_keys = {
        "oapi_base": "https://oapi.dingtalk.com",
        "api_base": "https://api.dingtalk.com",
        "login_base": "https://login.dingtalk.com",
    }
    frame_origins = ("https://*.dingtalk.com", "dingtalk:")
    userid_case = "exact"
    recall_within = 86_400.0
    folder = Path(__file__).parent
    lookup_url = instructions.LOOKUP

    def __init__(self, account: Account, **services: Any) -> None:
        super().__init__(account, **services)
        self.calls = Calls(account, self.bases, self.http, self.tokens)
        self.sender = Sender(account, self.calls, self.tokens, self.public_url)

    # --- setting up ------------------------------------------------------------------------------------------

    def prove(self, step: str) -> Proof:
        """The app's token, and the organisation's by the unified call (api-gettoken), which alone names the CorpId."""
        self.calls.token()
        if step == "permissions":
            return self._prove_range()
        grant = {"client_id": self.account["client_id"], "client_secret": self.account["client_secret"]}
        path = f"/v1.0/oauth2/{quote(self.account.corp_id, safe='')}/token"
        try:
            self.calls.plain(path, {**grant, "grant_type": "client_credentials"})
        except HostError as error:
            # To a CorpId that does not exist the live host says "unknownError" instead of "unauthorized.client".
            if error.code in ("unauthorized.client", "unknownError"):
                raise BadCredentials(error.reason, code="corp_id") from None
            raise
        self._prove_agent()
        return Proof()

    def _prove_agent(self) -> None:
        """Ask after a notification that nobody sent: only a wrong AgentId (40056) is of interest."""
        asked = {"agent_id": as_text(self.account["agent_id"]), "task_id": 1}
        try:
            self.calls.oapi("/topapi/message/corpconversation/getsendprogress", asked)
        except HostError as error:
            if error.code == "40056":
                raise

    def _prove_range(self) -> Proof:
        department = next(iter(self.departments()), None)
        if department is None:
            raise Refused("no department is visible", code="no_range")
        next(iter(self.members(department.id)), None)
        return Proof()

    # --- checks ----------------------------------------------------------------------------------------------

    def checks(self) -> Sequence[Check]:
        return checks.checks(self)

    @classmethod
    def instruction(cls, code: str) -> Instruction | None:
        return instructions.instruction(code)

    # --- signing in ------------------------------------------------------------------------------------------

    def silent_sign_in(self, back: str, state: str) -> SilentSignIn:
        """The page asks DingTalk's script for a code (enterprise-internal-application-logon-free)."""
        return SilentSignIn(script_config={"corpId": self.account.corp_id, "clientId": self.account["client_id"]})

    def web_sign_in(self, back: str, state: str) -> str:
        """OAuth2 page in any browser (obtain-identity-credentials)."""
        query = {
            "redirect_uri": back,
            "response_type": "code",
            "client_id": self.account["client_id"],
            "scope": "openid corpid",
            "prompt": "consent",
            "state": state,
        }
        return f"{self.bases['login_base'].rstrip('/')}/oauth2/auth?{urlencode(query, quote_via=quote)}"

    def sign_in(self, code: str, *, web: bool = False) -> Identity:
        """Exchange a code: topapi/v2/user/getuserinfo, or with `web` userAccessToken and the person's own data."""
        if not code or len(code.encode()) > MAX_CODE or not code.isprintable():
            raise BadCode("the sign-in code is empty or malformed")
        return self._web_identity(code) if web else self._silent_identity(code)

    def _silent_identity(self, code: str) -> Identity:
        result = as_dict(self.calls.oapi("/topapi/v2/user/getuserinfo", {"code": code}).get("result"))
        userid = as_text(result.get("userid"), 64)
        if not userid:
            raise NotAMember("the code belongs to no member of this organisation")
        return Identity(userid, as_text(result.get("unionid"), 128), as_text(result.get("name"), 200))

    def _web_identity(self, code: str) -> Identity:
        """Codes of the browser are exchanged for the person's token; only the mapping to an employee lets in."""
        me = self.calls.as_user("/v1.0/contact/users/me", self._user_token(code))
        unionid = as_text(me.get("unionId"), 128)
        if not unionid:
            raise NotAMember("the host did not say who signed in")
        try:
            answer = self.calls.oapi("/topapi/user/getbyunionid", {"unionid": unionid})
        except OutOfRange as error:
            raise NotAMember("this person is no employee of this organisation", code=error.code) from None
        userid = employee_userid(as_dict(answer.get("result")))
        return Identity(userid, unionid, as_text(me.get("nick"), 200))

    def _user_token(self, code: str) -> str:
        """POST /v1.0/oauth2/userAccessToken (obtain-user-token)."""
        body = {
            "clientId": self.account["client_id"],
            "clientSecret": self.account["client_secret"],
            "grantType": "authorization_code",
            "code": code,
        }
        try:
            answer = self.calls.plain("/v1.0/oauth2/userAccessToken", body)
        except Refused as error:
            raise BadCode(error.reason, code=error.code) from None
        if as_text(answer.get("corpId")) not in ("", self.account.corp_id):
            raise NotAMember("the person chose another organisation")
        return token_and_life(answer, "accessToken")[0]

    def js_config(self, url: str) -> dict[str, Any]:
        """Parameters of `dd.config` (jsapi-authentication), all from the server."""
        nonce, timestamp = secrets.token_hex(8), str(int(self.now().timestamp() * 1000))
        ticket = self.tokens.get(TICKET_KIND, self.fetch_ticket)
        digest = self.account["jsapi_hash"] or "sha256"
        return {
            "corpId": self.account.corp_id,
            "agentId": as_text(self.account["agent_id"]),
            "clientId": self.account["client_id"],
            "timeStamp": timestamp,
            "nonceStr": nonce,
            "signature": jsapi_signature(ticket, nonce, timestamp, url, digest),
        }

    def fetch_ticket(self) -> tuple[str, float]:
        """POST /v1.0/oauth2/jsapiTickets (create-a-jsapi-ticket)."""
        ticket, life = token_and_life(self.calls.api("POST", "/v1.0/oauth2/jsapiTickets", {}), "jsapiTicket")
        return ticket, min(life, TICKET_LIFE)

    # --- people ----------------------------------------------------------------------------------------------

    def person(self, userid: str) -> Person:
        """topapi/v2/user/get (query-user-details)."""
        answer = self.calls.oapi("/topapi/v2/user/get", {"userid": userid, "language": "zh_CN"})
        return person_from(as_dict(answer.get("result")))

    def department(self, department_id: str) -> DepartmentInfo:
        """topapi/v2/department/get (query-department-details0-v2)."""
        body = {"dept_id": number_of(department_id), "language": "zh_CN"}
        answer = self.calls.oapi("/topapi/v2/department/get", body)
        return department_from(as_dict(answer.get("result")))

    def departments(self) -> Iterator[DepartmentInfo]:
        """Walk from each authorised root (auth/scopes): the organisation's root is often not among them."""
        waiting = [as_text(one, 20) for one in as_list(self._scopes().get("authed_dept"))]
        seen: set[str] = set()
        while waiting and len(seen) < MAX_DEPARTMENTS:
            department_id = waiting.pop(0)
            if not department_id or department_id in seen:
                continue
            seen.add(department_id)
            try:
                yield self.department(department_id)
                below = self.calls.oapi("/topapi/v2/department/listsub", {"dept_id": number_of(department_id)})
            except OutOfRange:
                continue  # removed, or taken out of the range, while we walk
            waiting += [as_text(as_dict(row).get("dept_id"), 20) for row in as_list(below.get("result"))]

    def members(self, department_id: str) -> Iterator[Person]:
        """topapi/v2/user/list, direct members only. "" yields those who were authorised one by one."""
        if not department_id:
            for userid in as_list(self._scopes().get("authed_user")):
                try:
                    yield self.person(as_text(userid, 64))
                except OutOfRange:
                    continue
            return
        cursor: int | None = 0
        while cursor is not None:
            body = {"dept_id": number_of(department_id), "cursor": cursor, "size": PAGE, "language": "zh_CN"}
            result = as_dict(self.calls.oapi("/topapi/v2/user/list", body).get("result"))
            for row in as_list(result.get("list")):
                yield person_from(as_dict(row), department_id)
            following = result.get("next_cursor")
            more = as_bool(result.get("has_more")) and isinstance(following, int) and following > cursor
            cursor = following if more else None

    def _scopes(self) -> dict[str, Any]:
        return as_dict(self.calls.oapi_get("/auth/scopes").get("auth_org_scopes"))

    # --- messages --------------------------------------------------------------------------------------------

    def compose(self, message: Message, to: Sequence[str]) -> Parcel:
        """An interactive card where buttons call back and a template is configured, else a work notification.

        Raises ValueError for no or more than 100 recipients (results can be asked for up to 100).
        """
        return self.sender.compose(message, to)

    def send(self, parcel: Parcel) -> Receipt:
        return self.sender.send(parcel)

    def results(self, receipt: Receipt, to: Sequence[str]) -> dict[str, Delivery]:
        return self.sender.results(receipt, to)

    def update_card(self, message: Message, receipt: Receipt, to: Sequence[str]) -> None:
        self.sender.update(message, receipt)

    def may_recall(self, receipt: Receipt) -> bool:
        """Interactive cards cannot be: they are changed instead."""
        return super().may_recall(receipt) and "out_track_id" not in receipt.handle

    def recall(self, receipt: Receipt) -> None:
        self.sender.recall(receipt)

    def upload(self, kind: FileKind, name: str, body: bytes) -> str:
        return media.upload(self.calls, kind, name, body)

    # --- to-dos and calendar ----------------------------------------------------------------------------------

    def todos(self) -> Keeper:
        return TodoList(self.calls, self.public_url)

    def calendar(self) -> Keeper:
        return Calendar(self.calls, self.public_url)

    # --- callbacks -------------------------------------------------------------------------------------------

    def read_callback(self, request: CallbackRequest) -> Callback:
        return self.account.accept(setup.CALLBACK_KEYS, lambda one: CallbackReader(one, self.now).read(request))

    def answer_press(self, callback: Callback, message: Message) -> CallbackReply:
        """The card's new face in the reply itself, which the host takes within 2 s."""
        if not any(event.kind == "card.pressed" for event in callback.events):
            return callback.reply
        return CallbackReply(messages.dump(messages.card_update(message, self.public_url)), JSON_TYPE)

    # --- conversations ---------------------------------------------------------------------------------------

    def answers_in_place(self, reply: Mapping[str, Any]) -> bool:
        return conversations.is_open(reply, self.now())

    def answer_in_place(self, message: Message, reply: Mapping[str, Any], userid: str) -> None:
        """Markdown by the conversation's webhook (receive-message: sessionWebhook)."""
        conversations.refuse_late(reply, self.now())
        body = conversations.answer_body(message, reply, userid, self.public_url)
        try:
            self.calls.by_session(conversations.SESSION_PATH, reply["session"], body)
        except (TryLater, BadCredentials) as error:
            raise conversations.of_the_conversation(error) from None

    @property
    def streams(self) -> bool:
        return bool(self.account["event_mode"] == "stream")

    async def listen(self, port: StreamPort) -> None:
        """Events, presses and robot messages over one connection that we open (Stream mode)."""
        from wsapp.connectors.dingtalk import stream  # its packages are heavy, and one process of many needs them

        await stream.listen(self.account, self.calls, port)

    def quota(self) -> Mapping[str, int]:
        """Below the host's 5,000 recipients a minute; 500 messages a day for one person; calls by the edition."""
        return {"app_second": self.calls_a_second(), "app_minute": 4500, "person_day": 500}
