"""Our messages as WeCom's plain kinds: text, text card, markdown, news, image, file (page 90236).

Every kind comes with the plainer ones to try when the host refuses it. Strangers' text is inert in each of them: no
tag, no link, no mention; what is too long is cut at a character's edge, the link never.
"""

from collections.abc import Iterator
from typing import Any

from wsapp.connectors.base import Article, Message
from wsapp.connectors.wecom.texts import cut_bytes, inert, inert_markdown, one_line, plain

TEXT_BODY, MARKDOWN_BODY = 2048, 2048  # bytes
TEXTCARD_TITLE, TEXTCARD_BODY = 128, 512  # bytes
ARTICLE_TITLE, ARTICLE_BODY, ARTICLES = 128, 512, 8
NO_TITLE = "通知"
OPEN = "查看详情"

Kind = tuple[str, dict[str, Any]]  # msgtype and its content


class Links:
    """Where a message may lead: pages of ours, marked with the card so that no two messages are the same."""

    def __init__(self, ours: Any, card: str) -> None:
        self.ours = ours
        self.card = card

    def to(self, url: str) -> str:
        return f"{self.ours(url)}#card-{self.card}"


def kinds_of(message: Message, links: Links) -> Iterator[Kind]:
    """What to send for a message that is no template card: the best kind first, text last."""
    if message.attachment:
        yield message.attachment.kind, {"media_id": message.attachment.media_id}
    elif message.articles:
        yield "news", {"articles": [_article(one, links) for one in message.articles[:ARTICLES]]}
    elif message.form == "report":
        yield "markdown", {"content": markdown(message, links)}
    if message.form != "note":
        yield "textcard", textcard(message, links)
    yield "text", {"content": text(message, links)}


def _article(one: Article, links: Links) -> dict[str, str]:
    article = {
        "title": cut_bytes(inert(one_line(one.title)), ARTICLE_TITLE) or NO_TITLE,
        "description": cut_bytes(inert(one_line(one.text)), ARTICLE_BODY),
        "url": links.to(one.url),
    }
    if one.picture:
        article["picurl"] = links.ours(one.picture)
    return article


def _title(message: Message) -> str:
    return one_line(message.title) or NO_TITLE


def _rows(message: Message) -> list[str]:
    """The words below the title, line by line."""
    number, counted = (one_line(one) for one in message.figure)
    rows = [f"{counted}：{number}" if counted else number] if number else []
    rows += plain(message.text).split("\n")
    rows += [f"{one_line(label)}：{one_line(value)}" for label, value in message.lines]
    rows += [one_line(one.title) for one in message.articles]
    rows += [question for one in message.questions if (question := one_line(one.title))]
    return [row for row in [*rows, one_line(message.state)] if row.strip()]


def markdown(message: Message, links: Links) -> str:
    """Heading, quoted lines, and the link."""
    link = f"\n[{OPEN}]({links.to(message.url)})"
    head = f"### {inert_markdown(_title(message))}"
    if source := one_line(message.source):
        head = f"{inert_markdown(source)}\n{head}"
    rows = "\n".join(f"> {inert_markdown(row)}" for row in _rows(message))
    return cut_bytes(f"{head}\n{rows}".rstrip(), MARKDOWN_BODY - len(link.encode())) + link


def textcard(message: Message, links: Links) -> dict[str, Any]:
    title = inert(_title(message))
    rows = cut_bytes("\n".join(inert(row) for row in _rows(message)), TEXTCARD_BODY // 2).replace("\n", "<br>")
    description = rows if len(rows.encode()) <= TEXTCARD_BODY else ""
    return {
        "title": cut_bytes(title, TEXTCARD_TITLE),
        "description": description or cut_bytes(title, TEXTCARD_BODY),
        "url": links.to(message.url),
    }


def text(message: Message, links: Links) -> str:
    link = f'\n<a href="{links.to(message.url)}">{OPEN}</a>'
    words = "\n".join(inert(row) for row in [_title(message), *_rows(message)])
    return cut_bytes(words, TEXT_BODY - len(link.encode())) + link
