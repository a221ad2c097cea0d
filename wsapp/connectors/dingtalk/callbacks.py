"""What DingTalk sends us: encrypted event push, card presses, messages to the robot. Verified before it is read.

Order of checks: method, size, fields (each once), key, signature, decryption, frame, owner. Whatever fails in
between ends in the same BadCallback.
"""

import hashlib
import hmac
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wsapp.connectors.base import (
    Account,
    BadCallback,
    Callback,
    CallbackReply,
    CallbackRequest,
    HostEvent,
    fresh_timestamp,
)
from wsapp.connectors.dingtalk.codes import as_dict, as_list, as_text
from wsapp.connectors.dingtalk.crypto import EventCrypto, card_signature, robot_signature
from wsapp.connectors.dingtalk.messages import dump
from wsapp.connectors.http import parse_object

MAX_BODY = 64 * 1024
MAX_IDS = 5000
NONCE = re.compile(r"[\x21-\x7e]{1,64}")
CARD = re.compile(r"[0-9a-z_-]{1,64}")
JSON_TYPE = "application/json; charset=utf-8"

# Event names (contact events, page of 2026-06) → our kinds.
EVENT_KINDS: Mapping[str, str] = {
    "user_add_org": "member.changed",
    "user_modify_org": "member.changed",
    "user_active_org": "member.changed",
    "user_leave_org": "member.left",
    "org_admin_add": "member.changed",
    "org_admin_remove": "member.changed",
    "org_dept_create": "department.changed",
    "org_dept_modify": "department.changed",
    "org_dept_remove": "department.changed",
    "inner_app_scopes_change": "range.changed",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CallbackReader:
    """Reads the callbacks of one corp's app."""

    account: Account
    now: Callable[[], datetime]

    def read(self, request: CallbackRequest) -> Callback:
        """Return what happened. Raises BadCallback for anything that is not beyond doubt from the host."""
        readers = {"": self._event, "card": self._card, "robot": self._robot}
        try:
            if request.method != "POST" or request.kind not in readers or len(request.body) > MAX_BODY:
                raise BadCallback("request")
            return readers[request.kind](request)
        except BadCallback:
            raise
        except Exception as error:  # noqa: BLE001
            # One answer for every cause: no oracle, no 500, however clever the bytes are (T04).
            logger.warning("dingtalk callback unreadable: %s", type(error).__name__)
            raise BadCallback("unreadable") from None

    # --- event push ------------------------------------------------------------------------------------------

    def _event(self, request: CallbackRequest) -> Callback:
        signature, timestamp, nonce = self._query(request.query)
        encrypt = (parse_object(request.body) or {}).get("encrypt")
        if not isinstance(encrypt, str) or not encrypt:
            raise BadCallback("body")
        crypto = self._crypto()
        opened = crypto.open(encrypt, signature, timestamp, nonce)
        message = parse_object(opened.message)
        if message is None:
            raise BadCallback("message")
        event = _lower(message)
        corp = event.get("corpid")
        if corp is not None and corp != self.account.corp_id:
            raise BadCallback("another corp")
        which = "client_id" if opened.owner == self.account["client_id"] else "corp_id"
        logger.debug("dingtalk event verified with owner key %s", which)
        sealed = crypto.seal("success", opened.owner, str(int(self.now().timestamp() * 1000)))
        return Callback(
            digest=opened.digest,
            events=(host_event(event, hashlib.sha256(opened.message).hexdigest()),),
            reply=CallbackReply(body=dump(sealed), content_type=JSON_TYPE),
        )

    def _query(self, query: Mapping[str, Any]) -> tuple[str, str, str]:
        """Return (signature, timestamp, nonce). Both names of the signature are in use; with both, they must agree."""
        names = [name for name in ("signature", "msg_signature") if name in query]
        values = {name: query[name] for name in (*names, "timestamp", "nonce") if name in query}
        complete = names and "timestamp" in values and "nonce" in values
        if not complete or any(len(found) != 1 for found in values.values()):
            raise BadCallback("query")
        signature, timestamp, nonce = values[names[0]][0], values["timestamp"][0], values["nonce"][0]
        if any(values[name][0] != signature for name in names) or not NONCE.fullmatch(nonce):
            raise BadCallback("query")
        if not re.fullmatch(r"[0-9a-f]{40}", signature) or not fresh_timestamp(timestamp, self.now()):
            raise BadCallback("query")
        return signature, timestamp, nonce

    def _crypto(self) -> EventCrypto:
        owners = (self.account["client_id"], self.account.corp_id)
        return EventCrypto(self.account["callback_token"], self.account["callback_aes_key"], owners)

    # --- card press ------------------------------------------------------------------------------------------

    def _card(self, request: CallbackRequest) -> Callback:
        """POST to the registered route (event-callback-card). The host signs the timestamp only, so the window and
        the digest of timestamp and body are what limit a replay."""
        timestamp = request.headers.get("x-ddpaas-signature-timestamp", "")
        self._same(request.headers.get("x-ddpaas-signature", ""), card_signature(self._secret(), timestamp))
        self._fresh(timestamp)
        body = _lower(parse_object(request.body) or {})
        self._same_corp(body.get("corpid"))
        userid, card = as_text(body.get("userid"), 64), body.get("outtrackid")
        if body.get("type", "actionCallback") != "actionCallback" or not userid:
            raise BadCallback("card")
        if not isinstance(card, str) or not CARD.fullmatch(card):
            raise BadCallback("card")
        digest = hashlib.sha256(timestamp.encode() + request.body).hexdigest()
        event = HostEvent("card.pressed", digest, userids=(userid,), card=card, action=_action(body))
        return Callback(digest, (event,), CallbackReply(body=b"{}", content_type=JSON_TYPE))

    # --- message to the robot --------------------------------------------------------------------------------

    def _robot(self, request: CallbackRequest) -> Callback:
        timestamp = request.headers.get("timestamp", "")
        self._same(request.headers.get("sign", ""), robot_signature(self._secret(), timestamp))
        self._fresh(timestamp)
        body = parse_object(request.body) or {}
        message_id = as_text(body.get("msgId"), 200)
        if not message_id:
            raise BadCallback("body")
        self._same_corp(body.get("chatbotCorpId"))
        digest = hashlib.sha256(timestamp.encode() + request.body).hexdigest()
        userid = as_text(body.get("senderStaffId"), 64)
        data = {
            "text": as_text(as_dict(body.get("text")).get("content"), 5000).strip(),
            "conversation": as_text(body.get("conversationId"), 200),
            "group": as_text(body.get("conversationType")) == "2",
        }
        event = HostEvent("robot.message", message_id, userids=(userid,) if userid else (), data=data)
        return Callback(digest, (event,), CallbackReply())

    # --- shared checks ---------------------------------------------------------------------------------------

    def _secret(self) -> str:
        secret = self.account["client_secret"]
        if not secret:
            raise BadCallback("no key")
        return str(secret)

    def _same(self, given: str, expected: str) -> None:
        if not hmac.compare_digest(given.encode(), expected.encode()):
            raise BadCallback("signature")

    def _fresh(self, timestamp: str) -> None:
        if not fresh_timestamp(timestamp, self.now()):
            raise BadCallback("timestamp")

    def _same_corp(self, corp: Any) -> None:
        if corp not in (None, "", self.account.corp_id):
            raise BadCallback("another corp")


def host_event(event: Mapping[str, Any], fallback_id: str) -> HostEvent:
    """Return the event in our words. `event` has lower-case keys: the host's own casing differs by channel."""
    name = as_text(event.get("eventtype"), 100)
    return HostEvent(
        EVENT_KINDS.get(name, "other"),
        as_text(event.get("eventid"), 200) or fallback_id,
        userids=_ids(event, "userid", "userids", "staffid"),
        data={"event": name, "departments": list(_ids(event, "deptid", "deptids"))},
    )


def _ids(event: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    """Return the ids under the first of `names` that is there: a list, or one id."""
    for name in names:
        value = event.get(name)
        if value is None:
            continue
        rows = value if isinstance(value, list) else [value]
        return tuple(text for one in rows[:MAX_IDS] if (text := as_text(one, 64)))
    return ()


def _action(body: Mapping[str, Any]) -> str:
    """Return which button was pressed: the template's own parameter "action", else the id of the component."""
    content = body.get("content") or body.get("value")
    inside = parse_object(content.encode()) if isinstance(content, str) else None
    private = as_dict((inside or {}).get("cardPrivateData"))
    named = as_text(as_dict(private.get("params")).get("action"), 100)
    ids = as_list(private.get("actionIds"))
    return named or (as_text(ids[0], 100) if ids else "")


def _lower(message: Mapping[str, Any]) -> dict[str, Any]:
    return {key.lower(): value for key, value in message.items()}
