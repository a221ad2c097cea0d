"""Our messages as the other kinds of work notification: markdown, OA, link, text, picture, file, card with links.

Page message-types-and-data-format. Everything fits into the host's 2,048 bytes a message: text gives way, then rows,
never the link. Strangers' text is inert in each kind.
"""

from collections.abc import Sequence
from typing import Any

from wsapp.connectors.base import Message
from wsapp.connectors.dingtalk.messages import (
    MAX_BUTTON_TITLE,
    MAX_TITLE,
    Row,
    action_card,
    card_words,
    cut,
    escape,
    fit,
    one_line,
    own_url,
    short_code,
)

MAX_LINK_TITLE, MAX_LINK_TEXT = 100, 500  # characters
MAX_OA_TITLE, MAX_OA_ROWS, MAX_OA_AUTHOR = 50, 6, 30
MAX_TEXT = 480  # characters: the page says "about 500"
MAX_ARTICLES, MAX_BUTTONS = 8, 5
HEAD_COLOUR = "FF1A66FF"
DONE_COLOUR, WAITING_COLOUR = "0xFF78C06E", "0xFFFF9D46"
OPEN, NO_TITLE = "查看详情", "通知"

Msg = dict[str, Any]


def notice_of(message: Message, public_url: str) -> Msg:
    """Return the `msg` of a work notification in the kind that suits what the message has."""
    if message.attachment:
        return {"msgtype": message.attachment.kind, message.attachment.kind: {"media_id": message.attachment.media_id}}
    if len(message.articles) == 1:
        return link(message, public_url)
    if message.articles or message.form == "report":
        return markdown(message, public_url)
    if message.form == "note":
        return text(message, public_url)
    if message.figure[0]:
        return oa(message, public_url)
    if sum(bool(button.url) for button in message.buttons) > 1:
        return link_card(message, public_url)
    return action_card(message, public_url)


def _title(message: Message) -> str:
    return cut(one_line(message.title), MAX_TITLE) or NO_TITLE


def _end(message: Message) -> str:
    """What makes each text unique: equal text is delivered once a day only."""
    return f"编号 {short_code(message.card)}"


def markdown(message: Message, public_url: str) -> Msg:
    title = _title(message)
    entries = [
        f"- [{cut(one_line(one.title), MAX_LINK_TITLE) or OPEN}]({own_url(one.url, public_url)})"
        for one in message.articles[:MAX_ARTICLES]
    ]

    def build(words: str, lines: Sequence[Row]) -> Msg:
        body = card_words(message, title, words, lines)
        parts = [body, *entries, f"[{OPEN}]({own_url(message.url, public_url)})"]
        return {"msgtype": "markdown", "markdown": {"title": title, "text": "\n\n".join(parts)}}

    while True:
        found = fit(build, message)
        if found or not entries:
            return found or action_card(message, public_url)
        entries.pop()


def oa(message: Message, public_url: str) -> Msg:
    """The kind with a large figure and a status that can change later."""
    number, unit = (one_line(one) for one in message.figure)
    url = own_url(message.url, public_url)

    def build(words: str, lines: Sequence[Row]) -> Msg:
        body: Msg = {
            "title": cut(_title(message), MAX_OA_TITLE),
            "form": [{"key": f"{label}：", "value": value} for label, value in lines[:MAX_OA_ROWS]],
            "rich": {"num": cut(number, 20), "unit": cut(unit, 20)},
            "content": "\n".join([words, _end(message)]).strip(),
        }
        if source := cut(one_line(message.source), MAX_OA_AUTHOR):
            body["author"] = source
        content: Msg = {"message_url": url, "pc_message_url": url, "head": {"bgcolor": HEAD_COLOUR, "text": "消息"}}
        if message.state:
            content["status_bar"] = status_bar(message)
        return {"msgtype": "oa", "oa": {**content, "body": body}}

    return fit(build, message) or action_card(message, public_url)


def status_bar(message: Message) -> dict[str, str]:
    state = cut(one_line(message.state), 30)
    return {"status_value": state or "待处理", "status_bg": DONE_COLOUR if state else WAITING_COLOUR}


def link(message: Message, public_url: str) -> Msg:
    article = message.articles[0]
    words = " ".join(one for one in (escape(article.text), escape(message.text)) if one)

    def build(text: str, _lines: Sequence[Row]) -> Msg:
        content = {
            "title": cut(one_line(article.title) or _title(message), MAX_LINK_TITLE),
            "text": f"{cut(text, MAX_LINK_TEXT - 20)} {_end(message)}".strip(),
            "messageUrl": own_url(article.url or message.url, public_url),
            "picUrl": own_url(article.picture, public_url) if article.picture else "",
        }
        return {"msgtype": "link", "link": content}

    return fit(build, message, words) or action_card(message, public_url)


def text(message: Message, public_url: str) -> Msg:
    url = own_url(message.url, public_url)

    def build(words: str, lines: Sequence[Row]) -> Msg:
        rows = [_title(message), words, *(f"{label}：{value}" for label, value in lines), one_line(message.state)]
        end = f"{_end(message)} {url}"
        whole = cut("\n".join(row for row in rows if row), MAX_TEXT - 20)
        return {"msgtype": "text", "text": {"content": f"{whole}\n{end}"}}

    return fit(build, message) or action_card(message, public_url)


def link_card(message: Message, public_url: str) -> Msg:
    """An action card with several buttons, each of which opens a page."""
    title = _title(message)
    buttons = [
        {
            "title": cut(one_line(button.text), MAX_BUTTON_TITLE) or OPEN,
            "action_url": own_url(button.url, public_url),
        }
        for button in message.buttons
        if button.url
    ][:MAX_BUTTONS]

    def build(words: str, lines: Sequence[Row]) -> Msg:
        card = {
            "title": title,
            "markdown": card_words(message, title, words, lines),
            "btn_orientation": "1" if len(buttons) == 2 else "0",
            "btn_json_list": buttons,
        }
        return {"msgtype": "action_card", "action_card": card}

    return fit(build, message) or action_card(message, public_url)
