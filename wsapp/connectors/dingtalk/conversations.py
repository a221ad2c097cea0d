"""Conversations with the app's robot: what people said (接收消息), and answers by the conversation's own webhook.

Pages: receive-message (robot-message-type), custom-robots-send-group-messages for the shape of the answer. The webhook
of a conversation (sessionWebhook) lives about an hour and a half and needs no token, so it is a secret; only its
session is kept, and it is only ever used against the configured base URL of the host.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from wsapp.connectors.base import BadCredentials, HostError, Message, Refused, TryLater
from wsapp.connectors.dingtalk import messages
from wsapp.connectors.dingtalk.codes import as_dict, as_int, as_list, as_text

SESSION_PATH = "/robot/sendBySession"
SESSION = re.compile(r"[0-9A-Za-z_\-]{8,256}")
MAX_TEXT = 5000
MAX_LINES = 12
MAX_BYTES = 15_000  # of the text; the host's bound for robots is 20,000 for the whole body
BLOCKED = 300  # seconds: a robot that says too much is not let in for ten minutes
GROUP = "2"  # conversationType; "1" is a single chat


def words_of(body: Mapping[str, Any]) -> str:
    """Return the words of a message: of text, of rich text, of a voice message as the host heard it; of others none."""
    match body.get("msgtype"):
        case "richText":
            parts = as_list(as_dict(body.get("content")).get("richText"))
            return " ".join(as_text(as_dict(part).get("text"), MAX_TEXT) for part in parts)[:MAX_TEXT]
        case "audio":
            return as_text(as_dict(body.get("content")).get("recognition"), MAX_TEXT)
        case _:
            return as_text(as_dict(body.get("text")).get("content"), MAX_TEXT)


def reply_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what answers in this conversation: the session of the webhook, and until when (ms since 1970)."""
    address = as_text(body.get("sessionWebhook"), 1000)
    session = parse_qs(urlsplit(address).query).get("session", [""])[0] if address else ""
    until = as_int(body.get("sessionWebhookExpiredTime")) or 0
    if not SESSION.fullmatch(session):
        return {}
    return {"session": session, "until": until, "group": is_group(body)}


def is_group(body: Mapping[str, Any]) -> bool:
    """Say whether others read along."""
    return as_text(body.get("conversationType")) == GROUP


def is_open(reply: Mapping[str, Any], now: datetime) -> bool:
    """Say whether a conversation can still be answered in."""
    session, until = reply.get("session"), reply.get("until")
    alive = isinstance(until, int) and now.timestamp() * 1000 < until
    return isinstance(session, str) and SESSION.fullmatch(session) is not None and alive


def answer_body(message: Message, reply: Mapping[str, Any], userid: str, public_url: str) -> dict[str, Any]:
    """Return the body of an answer: markdown, in a group with the asker called by name. Pure.

    `msgUuid` lets the host recognise a repeat.
    """
    calls = bool(reply.get("group")) and bool(userid)
    text = _markdown(message, public_url)
    if calls:
        text = f"@{userid}\n\n{text}"
    body: dict[str, Any] = {
        "msgtype": "markdown",
        "markdown": {"title": messages.cut(messages.one_line(message.title), messages.MAX_TITLE), "text": text},
        "msgUuid": message.card,
    }
    if calls:
        body["at"] = {"atUserIds": [userid], "isAtAll": False}
    return body


def _markdown(message: Message, public_url: str) -> str:
    """Title, rows and words of a message, all inert, and the links of its buttons; too long, it loses rows."""
    head = f"#### {messages.cut(messages.one_line(message.title), messages.MAX_TITLE)}"
    rows = [
        f"- {messages.cut(messages.one_line(label), 30)}：{messages.cut(messages.one_line(value), 200)}"
        for label, value in message.lines[:MAX_LINES]
    ]
    words = messages.cut(messages.escape(message.text).strip(), 1500).replace("\n", "  \n")
    links = [_link(button.text, button.url, public_url) for button in message.buttons if button.url]
    links.append(_link("打开" if message.url else "打开应用", message.url, public_url))
    while True:
        text = "\n\n".join(part for part in (head, "\n".join(rows), words, "  \n".join(links)) if part)
        if len(text.encode()) <= MAX_BYTES or not rows:
            return text
        rows.pop()


def _link(text: str, url: str, public_url: str) -> str:
    words = messages.cut(messages.one_line(text), 40) or "打开"
    return f"[{words}]({messages.own_url(url, public_url)})"


def of_the_conversation(error: TryLater | BadCredentials) -> HostError:
    """Return what an error of one conversation's webhook means: a robot that is blocked there for minutes, or a session
    that is not taken, says nothing about the app's own line."""
    if isinstance(error, TryLater) and error.after < BLOCKED:
        return error
    return Refused(error.reason, code=error.code)


def refuse_late(reply: Mapping[str, Any], now: datetime) -> None:
    """Raise Refused when the conversation's webhook is over."""
    if not is_open(reply, now):
        raise Refused("the conversation can no longer be answered in", code="session.expired")
