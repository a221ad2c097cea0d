"""The emulator's chats: a message as it was sent, as one person has it, and as the data that a phone shows."""

from dataclasses import dataclass, field
from typing import Any

from wsapp.connectors.wecom.emulator_org import App, User


@dataclass
class Sent:
    """A message as the app sent it."""

    msgid: str
    app: App
    at: float
    kind: str
    content: dict[str, Any]
    task_id: str = ""
    deliveries: dict[str, "Delivery"] = field(default_factory=dict)  # by folded userid
    recalled: bool = False


@dataclass
class Delivery:
    """A message as one person has it. `content` changes when the card is updated."""

    number: int
    sent: Sent
    user: User
    content: dict[str, Any]
    state: str = ""
    dropped: str = ""  # "minute" or "hour": accepted, never shown, and the app is not told


def chat(delivery: Delivery) -> dict[str, Any]:
    """One message as data, in the shape that the emulators share."""
    sent, content = delivery.sent, delivery.content
    shown = {
        "id": f"{sent.msgid}/{delivery.number}",
        "user": delivery.user.userid,
        "at": sent.at,
        "kind": sent.kind,
        "card": sent.task_id,
        "dropped": delivery.dropped,
        "recalled": sent.recalled,
        "corp": sent.app.corp.corp_id,
        "agent": sent.app.agent_id,
        "app": sent.app.name,
        "msgid": sent.msgid,
    }
    if sent.kind == "template_card":
        return {**shown, "card_type": content.get("card_type"), **card_view(content, delivery.state)}
    return {**shown, "card_type": "", **plain_view(sent.kind, content)}


def card_view(card: dict[str, Any], state: str) -> dict[str, Any]:
    """What a template card shows; `state` is what the host put in place of its buttons."""
    title, quote = card.get("main_title") or {}, card.get("quote_area") or {}
    state = state or card.get("replace_text") or quote.get("quote_text", "")
    rows = card.get("horizontal_content_list") or []
    text = "\n".join(one for one in (title.get("desc", ""), card.get("sub_title_text", "")) if one)
    figure = card.get("emphasis_content") or {}
    return {
        "title": title.get("title", ""),
        "text": text,
        "lines": [[row.get("keyname", ""), row.get("value", "")] for row in rows],
        "buttons": [] if state else buttons_of(card),
        "url": (card.get("card_action") or {}).get("url", ""),
        "state": state,
        "source": (card.get("source") or {}).get("desc", ""),
        "figure": [figure.get("title", ""), figure.get("desc", "")] if figure else [],
        "questions": [] if state else questions_of(card),
    }


def questions_of(card: dict[str, Any]) -> list[dict[str, Any]]:
    """The choices of a vote or a card with selections."""
    box = card.get("checkbox")
    found = [box] if box else card.get("select_list") or []
    return [
        {
            "key": one["question_key"],
            "title": one.get("title", ""),
            "many": one.get("mode") == 1,
            "options": [[option["id"], option["text"]] for option in one["option_list"]],
        }
        for one in found
    ]


def buttons_of(card: dict[str, Any]) -> list[dict[str, Any]]:
    """What can be pressed on a card: callback buttons carry a key, the others a url."""
    buttons = [
        {
            "key": one.get("key", ""),
            "text": one.get("text", ""),
            "url": one.get("url", ""),
            "style": "primary" if one.get("style", 1) == 1 else "plain",
        }
        for one in card.get("button_list") or []
    ]
    jumps = [
        {"key": "", "text": one["title"], "url": one.get("url", ""), "style": "plain"}
        for one in card.get("jump_list") or []
    ]
    menu = [
        {"key": one["key"], "text": one.get("text", ""), "url": "", "style": "plain"}
        for one in (card.get("action_menu") or {}).get("action_list", [])
    ]
    submit = card.get("submit_button")
    last = [{"key": submit["key"], "text": submit["text"], "url": "", "style": "primary"}] if submit else []
    return [*buttons, *jumps, *menu, *last]


def plain_view(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """What a message of a plain kind shows."""
    text = content.get("content") or content.get("description") or ""
    return {
        "title": content.get("title", ""),
        "text": text,
        "lines": [],
        "buttons": [],
        "url": content.get("url", ""),
        "state": "",
        "source": "",
        "media": content.get("media_id", ""),
        "articles": [
            {
                "title": one.get("title", ""),
                "text": one.get("description", ""),
                "url": one.get("url", ""),
                "picture": one.get("picurl", ""),
            }
            for one in content.get("articles") or []
        ],
    }
