"""Strangers' text in a chat stays text (T31): no link but ours, no mention, no markup, valid UTF-8, within the limits.

Each host's formats are drawn by a small renderer that does what the clients are documented to do, and a little more.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.security.card_texts import CARD_TEXTS
from tests.security.markup import Markup
from tests.security.payloads import EVIL, XSS
from wsapp.connectors.base import Button, Message
from wsapp.connectors.dingtalk import messages as dingtalk
from wsapp.connectors.wecom.messages import Writer

PUBLIC = "https://crm.test"
TEXTS = (*CARD_TEXTS, *XSS)
HERE = f"{PUBLIC}/h5/tasks/1?corp=c"

# What clients make a link of without being told to: a scheme, or a name with a known ending.
AUTOMATIC = re.compile(
    r"(?i)\b[a-z][a-z0-9+.-]*://[^\s]+|\bwww\.\w[^\s]*|(?:mailto|tel):[^\s]+|[\w.-]+\.(?:com|cn|net|org|example|io)\b"
)
MARKDOWN_LINK = re.compile(r"!?\[[^\]]*\]\s*(?:\([^)]*\)|\[[^\]]*\])|^\s*\[[^\]]+\]:|<[^>]+>", re.MULTILINE)
MENTION = re.compile(r"@")
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\u2028\u2029\ud800-\udfff]"
)


def messages(text: str) -> Iterator[Message]:
    """The text in each place of a message, and in all at once."""
    buttons = (Button("done", "完成", "primary"), Button("open", "打开", url=HERE))
    plain: dict[str, Any] = {"card": "c1", "title": "寄样品", "url": HERE, "source": "待办提醒", "buttons": buttons}
    yield Message(**plain | {"title": text})
    yield Message(**plain | {"text": text})
    yield Message(**plain | {"lines": (("客户", text), ("备注", text))})
    yield Message(**plain | {"lines": ((text, "华星"),)})
    yield Message(**plain | {"source": text})
    yield Message(**plain | {"state": text})
    yield Message(**plain | {"buttons": (Button("done", text, "primary"), Button("open", text, url=HERE))})
    yield Message(**plain | {"url": text, "buttons": (Button("open", "打开", url=text),)})
    lines = tuple((text, text) for _row in range(9))
    both = (Button("done", text), Button("open", text, url=text))
    yield Message("c1", text, text, lines, text, both, text, "")
    yield Message("c1", text, text, lines, text, both, text, text)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from strings(one)


def decoded(body: bytes) -> Any:
    """The JSON of a body that is valid UTF-8 and hides nothing behind an escape."""
    text = body.decode("utf-8")
    assert not re.search(r"\\u[dD][89a-fA-F]", text)
    return json.loads(text)


def assert_ours(url: str) -> None:
    assert url.startswith(f"{PUBLIC}/"), url
    assert url.isascii(), url
    assert not re.search(r"[\s\\<>\"']", url), url


def assert_seen(text: str) -> None:
    """Nothing that a screen hides, and no half of a character."""
    assert not UNSEEN.search(text), repr(text)


def assert_inert(text: str) -> None:
    """No link, no mention, nothing that markdown or HTML would take for more than text."""
    assert_seen(text)
    assert not AUTOMATIC.search(text), repr(text)
    assert not MARKDOWN_LINK.search(text), repr(text)
    assert not MENTION.search(text), repr(text)
    assert "<" not in text
    assert "&" not in text
    assert "`" not in text


# --- WeCom --------------------------------------------------------------------------------------------------------

WRITERS = (Writer(1, PUBLIC, buttons=True), Writer(1, PUBLIC, buttons=False))


def check_template_card(card: dict[str, Any]) -> None:
    """A template card's fields are plain text; its links are the fields named url, and no others."""
    assert len(card["main_title"]["title"]) <= 36
    assert card["main_title"]["title"].strip()
    assert len(card.get("source", {}).get("desc", "")) <= 20
    assert len(card.get("sub_title_text", "")) <= 160
    assert len(card.get("quote_area", {}).get("quote_text", "")) <= 100
    assert len(card.get("horizontal_content_list", [])) <= 6
    for row in card.get("horizontal_content_list", []):
        assert set(row) == {"keyname", "value"}  # without a type: no link, no mention of a member
        assert len(row["keyname"]) <= 5
        assert len(row["value"]) <= 30
    for button in card.get("button_list", []):
        assert 0 < len(button["text"]) <= 10
    assert_ours(card["card_action"]["url"])
    for one in (*card.get("button_list", []), *card.get("jump_list", [])):
        if "url" in one:
            assert_ours(one["url"])
    for text in strings(card):
        assert_seen(text)


def check_textcard(card: dict[str, str]) -> None:
    assert 0 < len(card["title"].encode()) <= 128
    assert 0 < len(card["description"].encode()) <= 512
    assert_ours(card["url"])
    assert {tag for tag, _names in Markup(card["description"]).skeleton} <= {"br"}
    assert not AUTOMATIC.search(card["title"]), card["title"]
    assert not AUTOMATIC.search(card["description"]), card["description"]
    assert_seen(card["title"] + card["description"])


def check_text(content: str) -> None:
    assert len(content.encode()) <= 2048
    page = Markup(content)
    assert [tag for tag, _names in page.skeleton] == ["a"]
    for _tag, _name, url in page.addresses:
        assert_ours(url)
    words = re.sub(r'<a href="[^"]*">[^<]*</a>', "", content)
    assert "<" not in words
    assert not AUTOMATIC.search(words), words
    assert_seen(words)


CHECKS: dict[str, Callable[[Any], None]] = {
    "template_card": check_template_card,
    "textcard": check_textcard,
    "text": lambda body: check_text(body["content"]),
}


@pytest.mark.parametrize("writer", WRITERS, ids=["with callbacks", "without"])
def test_wecom_cards(writer: Writer) -> None:
    shown = set()
    for text in TEXTS:
        for message in messages(text):
            body = writer.message(message, ["LinXiaoYan"])
            for sent in (body, *writer.plainer(body)):
                envelope = decoded(sent)
                assert envelope["touser"] == "LinXiaoYan"
                kind = envelope["msgtype"]
                shown.add(kind)
                CHECKS[kind](envelope[kind])
            update = decoded(writer.update(message, "code", ["LinXiaoYan"]))
            assert update["userids"] == ["LinXiaoYan"]
            check_template_card(update["template_card"])
    assert shown == set(CHECKS)


# --- DingTalk -----------------------------------------------------------------------------------------------------


def check_action_card(msg: dict[str, Any]) -> None:
    assert len(json.dumps(msg, ensure_ascii=False, separators=(",", ":")).encode()) <= 2048
    card = msg["action_card"]
    assert set(card) == {"title", "markdown", "single_title", "single_url"}
    assert_ours(card["single_url"])
    assert card["title"].strip()
    head, _break, rest = card["markdown"].partition("\n")
    assert head.startswith("### ")
    assert_inert(head.removeprefix("### "))
    assert_inert(rest)
    assert_inert(card["title"])
    assert_inert(card["single_title"])
    for line in rest.split("\n"):
        assert not re.match(r"\s*(#|>|\* |- |\d+\. |```|---|\*\*\*|\|)", line) or plain_list(line), line


def plain_list(line: str) -> bool:
    """A dash or a number at the beginning makes a list of the line: its words stay what they are."""
    return bool(re.match(r"\s*(- |\d+\. |---)", line))


def check_card(params: dict[str, str]) -> None:
    for name, value in params.items():
        assert isinstance(value, str), name
        assert len(value.encode()) <= 1024, name
        if name == "url":
            assert_ours(value)
        elif name in ("lines", "buttons"):
            for text in strings(json.loads(value)):
                assert_inert(text)
        else:
            assert_inert(value)


def test_dingtalk_cards() -> None:
    for text in TEXTS:
        for message in messages(text):
            msg = dingtalk.action_card(message, PUBLIC)
            decoded(dingtalk.dump(msg))
            check_action_card(msg)
            body = dingtalk.card_request(
                message, ["zhouxiaoyu"], template="t", robot_code="r", route_key="k", public_url=PUBLIC
            )
            decoded(dingtalk.dump(body))
            assert body["openSpaceId"] == "dtv1.card//IM_ROBOT.zhouxiaoyu"
            check_card(body["cardData"]["cardParamMap"])
            assert_inert(body["imRobotOpenSpaceModel"]["lastMessageI18n"]["ZH_CN"])
            assert_inert(body["imRobotOpenSpaceModel"]["notification"]["alertContent"])
            check_card(dingtalk.card_update(message, PUBLIC)["cardData"]["cardParamMap"])


def test_the_renderers_see_what_is_wrong() -> None:
    """Each check fails on the unescaped text that it is there for."""
    for check, text in (
        (assert_inert, f"[看](https://{EVIL})"),
        (assert_inert, f"https://{EVIL}"),
        (assert_inert, EVIL),
        (assert_inert, "@all"),
        (assert_inert, "<b>x</b>"),
        (assert_seen, "a\u202eb"),
        (assert_seen, "\ud800"),
        (check_text, f'<a href="https://{EVIL}">x</a>'),
        (assert_ours, f"https://{EVIL}/"),
        (assert_ours, f"{PUBLIC}.{EVIL}/"),
        (assert_ours, f"{PUBLIC}@{EVIL}/"),
    ):
        with pytest.raises(AssertionError):
            check(text)
    assert len(CARD_TEXTS) >= 150
