"""What DingTalk tells us, in our words: events, card presses, messages to the robot, whichever way they came.

Both ways end here: the push to our address (`callbacks`) and the connection that we keep open (`stream`). They have
made sure that the host speaks; here only the content is read.
"""

import re
from collections.abc import Mapping
from typing import Any

from wsapp.connectors.base import Account, BadCallback, HostEvent
from wsapp.connectors.dingtalk.codes import as_dict, as_list, as_text
from wsapp.connectors.dingtalk.conversations import is_group, reply_of, words_of
from wsapp.connectors.http import parse_object

MAX_IDS = 5000
CARD = re.compile(r"[0-9a-z_-]{1,64}")

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
    "todo_task_update": "item.changed",
    "todo_task_delete": "item.changed",
    "calendar_event_change": "item.changed",
}


def host_event(account: Account, message: Mapping[str, Any], fallback_id: str) -> HostEvent:
    """Return an event of the organisation in our words; `fallback_id` stands in for an id that the host left out.

    Raises BadCallback when it is another organisation's.
    """
    event = _lower(message)  # the host's own casing differs by channel
    corp = event.get("corpid")
    if corp is not None and corp != account.corp_id:
        raise BadCallback("another corp")
    name = as_text(event.get("eventtype"), 100)
    return HostEvent(
        EVENT_KINDS.get(name, "other"),
        as_text(event.get("eventid"), 200) or fallback_id,
        userids=_ids(event, "userid", "userids", "staffid"),
        data={"event": name, "departments": list(_ids(event, "deptid", "deptids")), **_items(name, event)},
    )


def _items(name: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Which to-do or calendar entry an event is about. What is new there was made by ourselves or is not ours."""
    if name in ("todo_task_update", "todo_task_delete"):
        return {"list": "todo", "items": [as_text(event.get("taskid"), 200)]}
    if name == "calendar_event_change":
        is_new = as_text(event.get("changetype"), 40).lower() == "created"
        ids = [as_text(event.get(field), 200) for field in ("calendareventid", "legacycalendareventid")]
        return {"list": "entry", "items": [] if is_new else [one for one in ids if one]}
    return {}


def card_event(account: Account, message: Mapping[str, Any], digest: str) -> HostEvent:
    """Return the press of a card's button (event-callback-card). The host gives presses no id: `digest` is it.

    Raises BadCallback for another organisation's, or what is no press of a card of ours.
    """
    body = _lower(message)
    _same_corp(account, body.get("corpid"))
    userid, card = as_text(body.get("userid"), 64), body.get("outtrackid")
    if body.get("type", "actionCallback") != "actionCallback" or not userid:
        raise BadCallback("card")
    if not isinstance(card, str) or not CARD.fullmatch(card):
        raise BadCallback("card")
    return HostEvent("card.pressed", digest, userids=(userid,), card=card, action=_action(body))


def robot_event(account: Account, body: Mapping[str, Any]) -> HostEvent:
    """Return a message to the app's robot (robot-message-type). Raises BadCallback for another organisation's."""
    message_id = as_text(body.get("msgId"), 200)
    if not message_id:
        raise BadCallback("body")
    _same_corp(account, body.get("chatbotCorpId"))
    userid = as_text(body.get("senderStaffId"), 64)
    data = {
        "text": words_of(body).strip(),
        "conversation": as_text(body.get("conversationId"), 200),
        "group": is_group(body),
        "reply": reply_of(body),
    }
    return HostEvent("robot.message", message_id, userids=(userid,) if userid else (), data=data)


def _same_corp(account: Account, corp: Any) -> None:
    if corp not in (None, "", account.corp_id):
        raise BadCallback("another corp")


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
