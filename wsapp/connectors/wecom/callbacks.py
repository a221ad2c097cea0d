"""Callbacks (回调): from what arrived at our door to verified events, in an order that trusts nothing early.

Rules: paths 90930 (接收消息与事件), 96238; events of contacts 96302, of cards 94943.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
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
from wsapp.connectors.wecom import crypto, xml

KINDS = {
    "app": ("callback_token", "callback_aes_key"),
    "contacts": ("contacts_callback_token", "contacts_callback_aes_key"),
}
FIELDS = {
    "GET": {"msg_signature", "timestamp", "nonce", "echostr"},
    "POST": {"msg_signature", "timestamp", "nonce"},
}
NONCE = re.compile(r"[0-9A-Za-z_\-]{1,64}")

# What people send to the app; a location is sent by the client itself, too, so it asks for nothing.
MESSAGES = {"text", "image", "voice", "video", "link"}
MAX_TEXT = 5000

CARD_EVENTS = {"template_card_event", "template_card_menu_event"}
# Event or, for contacts, ChangeType → our kind. Everything else is "other" and still answered with success.
MEMBER_EVENTS = {
    "subscribe": "member.changed",
    "unsubscribe": "member.left",  # left, disabled, or taken out of the visible range
    "create_user": "member.changed",
    "update_user": "member.changed",
    "delete_user": "member.left",
}
CALENDAR_EVENTS = {"modify_schedule", "delete_schedule", "delete_calendar"}
DEPARTMENT_EVENTS = {"create_party", "update_party", "delete_party"}


def read(request: CallbackRequest, account: Account, now: datetime) -> Callback:
    """Verify, decrypt and read one callback. Raises BadCallback, whatever was wrong with it."""
    try:
        return _read(request, account, now)
    except BadCallback:
        raise
    except Exception:  # noqa: BLE001
        # Whoever sends garbage must not learn which part of ours it reached.
        raise BadCallback("unreadable") from None


def _read(request: CallbackRequest, account: Account, now: datetime) -> Callback:
    if request.kind not in KINDS or request.method not in FIELDS:
        raise BadCallback("method")
    if len(request.body) > xml.MAX_BYTES:
        raise BadCallback("too large")
    query = _once_each(request.query, FIELDS[request.method])
    if not fresh_timestamp(query["timestamp"], now, digits=(10,)):
        raise BadCallback("timestamp")
    if not NONCE.fullmatch(query["nonce"]):
        raise BadCallback("nonce")
    token, aes_key = (str(account[name]) for name in KINDS[request.kind])
    if not crypto.AES_KEY.fullmatch(aes_key):
        raise BadCallback("key")
    encrypted = query["echostr"] if request.method == "GET" else _one_encrypt(request.body)
    if len(encrypted) > xml.MAX_BYTES or not crypto.is_signed(
        token, query["timestamp"], query["nonce"], encrypted, query["msg_signature"]
    ):
        raise BadCallback("signature")
    cipher = crypto.decode(encrypted)
    plain = crypto.decrypt(aes_key, cipher, account.corp_id)
    digest = hashlib.sha256(cipher).hexdigest()
    if request.method == "GET":
        return Callback(digest, (), CallbackReply(plain))
    return Callback(digest, (_event(plain),), CallbackReply())


def _once_each(query: Mapping[str, Sequence[str]], names: set[str]) -> dict[str, str]:
    if set(query) != names or any(len(values) != 1 for values in query.values()):
        raise BadCallback("query")
    return {name: values[0] for name, values in query.items()}


def _one_encrypt(body: bytes) -> str:
    encrypted = xml.read(body).text("Encrypt")
    if not encrypted:
        raise BadCallback("Encrypt")
    return encrypted


def _event(plain: bytes) -> HostEvent:
    root = xml.read(plain)
    message_id = root.text("MsgId")
    # No MsgId on events. The host's advice (sender and second) is too coarse: bulk changes share both.
    event_id = f"msg-{message_id}" if message_id else hashlib.sha256(plain).hexdigest()
    name = root.text("Event")
    if root.text("MsgType") != "event":
        return _said(root, event_id)
    if name in CARD_EVENTS:
        return _press(root, event_id)
    change = root.text("ChangeType") if name == "change_contact" else name
    read_change = _CHANGES.get(change, _other)
    return read_change(root, event_id, change)


def _said(root: xml.Element, event_id: str) -> HostEvent:
    """A message to the app (path 90239): the words of a text; of pictures, voice and the like none."""
    userids = _names(root.text("FromUserName"))
    if not root.text("AgentID") or root.text("MsgType") not in MESSAGES:
        return HostEvent("other", event_id, userids=userids)
    data = {"text": root.text("Content")[:MAX_TEXT], "conversation": "", "group": False, "reply": {}}
    return HostEvent("robot.message", event_id, userids=userids, data=data)


def _press(root: xml.Element, event_id: str) -> HostEvent:
    return HostEvent(
        "card.pressed",
        event_id,
        userids=_names(root.text("FromUserName")),
        card=root.text("TaskId"),
        action=root.text("EventKey"),
        data={
            "response_code": root.text("ResponseCode"),
            "card_type": root.text("CardType"),
            "selected": _selected(root),
        },
    )


def _selected(root: xml.Element) -> dict[str, list[str]]:
    """Chosen options by question. The sources spell the elements OptionIds and OpitonIds; both are read."""
    chosen: dict[str, list[str]] = {}
    for items in root.all("SelectedItems"):
        for item in items.all("SelectedItem"):
            ids = [one.content for some in item.all("OptionIds", "OpitonIds") for one in some.children]
            chosen[item.text("QuestionKey")] = ids
    return chosen


def _member(root: xml.Element, event_id: str, change: str) -> HostEvent:
    renamed = root.text("NewUserID")
    who = _names(root.text("UserID") or root.text("FromUserName"), renamed)
    data: dict[str, Any] = {"change": change}
    if renamed:
        data["renamed_to"] = renamed
    return HostEvent(MEMBER_EVENTS[change], event_id, userids=who, data=data)


def _department(root: xml.Element, event_id: str, change: str) -> HostEvent:
    return HostEvent("department.changed", event_id, data={"change": change, "departments": [root.text("Id")]})


def _item(root: xml.Element, event_id: str, change: str) -> HostEvent:
    """An entry of a calendar of ours, or the whole calendar, was changed or deleted by its owner (97729 to 97732)."""
    entry, home = root.text("ScheduleId"), root.text("CalId")
    data: dict[str, Any] = {"change": change, "list": "entry", "items": [entry] if entry else []}
    return HostEvent("item.changed", event_id, data=data if entry else {**data, "home": home})


def _other(root: xml.Element, event_id: str, change: str) -> HostEvent:
    return HostEvent("other", event_id, userids=_names(root.text("FromUserName")), data={"change": change})


_CHANGES: dict[str, Callable[[xml.Element, str, str], HostEvent]] = {
    **dict.fromkeys(MEMBER_EVENTS, _member),
    **dict.fromkeys(DEPARTMENT_EVENTS, _department),
    **dict.fromkeys(CALENDAR_EVENTS, _item),
}


def _names(*userids: str) -> tuple[str, ...]:
    return tuple(userid for userid in userids if userid and userid != "sys")
