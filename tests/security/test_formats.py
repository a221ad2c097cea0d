"""Hostile names in every format of both hosts, through the emulators' checks (T31): no foreign link, no broken markup,
never over the host's byte limits, and nothing that the host would have to cut."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import PUBLIC_URL
from tests.connectors.test_channels import Line, _dingtalk, _wecom
from tests.security.card_texts import CARD_TEXTS as TEXTS
from tests.security.markup import Markup
from tests.security.test_cards import MENTION, assert_inert, assert_seen, decoded, strings
from wsapp.connectors.base import Button, Message
from wsapp.connectors.channels import Article, Question
from wsapp.connectors.emulator import RunningEmulator

HERE = f"{PUBLIC_URL}/h5/tasks/1?corp=c"
LINK = re.compile(r"\[([^\[\]]*)\]\(([^()\s]*)\)")
BYTES = {"text": 2048, "markdown": 2048, "notice": 2048, "group text": 2048, "group markdown": 4096, "group": 15_000}


@pytest.fixture(params=["wecom", "dingtalk"])
def line(request: pytest.FixtureRequest, wecom: RunningEmulator, dingtalk: RunningEmulator) -> Line:
    made = _wecom(wecom) if request.param == "wecom" else _dingtalk(dingtalk)
    made.emulator.knobs.update({"person_minute": 0, "person_hour": 0, "robot_minute": 0})
    if request.param == "dingtalk":
        made.emulator.knobs.update({"per_day": 10**6, "per_minute": 10**6})
    return made


def formats(text: str, number: int) -> Iterator[Message]:
    """The text in all places of a message of every form."""
    lines = tuple((text, text) for _row in range(9))
    whole = Message(f"c{number}", text, text, lines, text, source=text, state="")
    yield whole
    yield replace(whole, state=text)
    yield replace(whole, buttons=(Button("done", text), Button("open", text, url=text)))
    yield replace(whole, buttons=(Button("a", text, url=HERE), Button("b", text, url=text)))
    yield replace(whole, figure=(text, text))
    yield replace(whole, form="report")
    yield replace(whole, form="note")
    yield replace(whole, articles=(Article(text, text, text, text),))
    yield replace(whole, articles=(Article(text, text, HERE), Article(text, text, text)))
    yield replace(whole, questions=(Question("q", text, (("a", text), ("b", text)), many=True),))
    yield replace(whole, questions=tuple(Question(f"q{n}", text, (("a", text),)) for n in range(3)))


def assert_ours(url: str) -> None:
    assert url.startswith(f"{PUBLIC_URL}/"), url
    assert url.isascii()
    assert not re.search(r"[\s\\<>\"'()]", url), url


def assert_markdown(text: str, limit: int) -> None:
    """Within the limit; each link is ours; all else is inert words behind our own heading, list and quote marks."""
    assert len(text.encode()) <= limit
    for words, url in LINK.findall(text):
        assert_ours(url)
        assert_inert(words)
    for row in LINK.sub("", text).split("\n"):
        words = re.sub(r"^(#{1,6} |> ?|- |\*\*)+", "", row.strip()).removesuffix("**")
        assert_inert(words)


def check_wecom(kind: str, content: Any) -> None:
    if kind == "markdown":
        assert_markdown(content["content"], BYTES["markdown"])
    elif kind == "text":
        text = content["content"]
        assert len(text.encode()) <= BYTES["text"]
        page = Markup(text)
        assert [tag for tag, _names in page.skeleton] == ["a"]
        for _tag, _name, url in page.addresses:
            assert_ours(url)
    elif kind == "textcard":
        assert len(content["title"].encode()) <= 128
        assert len(content["description"].encode()) <= 512
        assert {tag for tag, _names in Markup(content["description"]).skeleton} <= {"br"}
        assert_ours(content["url"])
    elif kind == "news":
        for one in content["articles"]:
            assert len(one["title"].encode()) <= 128
            assert len(one["description"].encode()) <= 512
            assert_ours(one["url"])
            assert_ours(one.get("picurl", HERE))
    else:
        assert kind == "template_card"
        for name, url in fields(content):
            if name == "url":
                assert_ours(url)
    for text in strings(content):
        assert_seen(text)


def fields(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from fields(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from fields(one, name)
    elif isinstance(value, str):
        yield name, value


URLS = {"single_url", "action_url", "message_url", "pc_message_url", "messageUrl", "picUrl", "singleURL", "url"}


def check_dingtalk(msg: dict[str, Any]) -> None:
    assert len(json.dumps(msg, ensure_ascii=False, separators=(",", ":")).encode()) <= BYTES["notice"]
    for name, value in fields(msg):
        if name in URLS:
            assert_ours(value or HERE)
        elif name == "markdown" or (name == "text" and msg["msgtype"] == "markdown"):
            assert_markdown(value, BYTES["notice"])
        elif name == "content" and msg["msgtype"] == "text":
            words, _space, url = value.rpartition(" ")
            assert_ours(url)
            assert_inert(words)
        elif name not in ("msgtype", "bgcolor", "status_bg"):
            assert_inert(value)


def sent_contents(line: Line, body: bytes, channel: str) -> Iterator[tuple[str, Any]]:
    """What a parcel may show: (kind, content) of the best form and of each plainer one."""
    whole = decoded(body)
    if line.host == "wecom":
        for one in whole.get("tries", [whole]):
            yield one["msgtype"], one[one["msgtype"]]
        return
    yield channel, whole["notice"]["msg"]
    if "plainer" in whole:
        yield "action_card", whole["plainer"]


def test_hostile_names_in_every_format(line: Line) -> None:
    shown: set[str] = set()
    refused: list[str] = []
    number = 0
    for text in TEXTS:
        for message in formats(text, 0):
            number += 1
            parcel = line.connector.compose(replace(message, card=f"c{number}"), [line.user])
            for kind, content in sent_contents(line, parcel.body, parcel.channel):
                shown.add(kind)
                if line.host == "wecom":
                    check_wecom(kind, content)
                else:
                    check_dingtalk(content)
            receipt = line.connector.send(parcel)
            if line.host == "wecom" and receipt.handle["channel"] != parcel.channel:
                refused.append(parcel.channel)
    assert refused == []  # the host took the best form each time
    assert not line.emulator.faults
    wanted = {
        "wecom": {"template_card", "markdown", "news", "text", "textcard"},
        "dingtalk": {"notice", "card", "oa", "markdown", "link", "text", "action_card"},
    }[line.host]
    assert wanted <= shown
    if line.host == "wecom":
        assert len(line.chat()) == number
    assert len(TEXTS) >= 150


def test_hostile_names_in_groups(line: Line) -> None:
    address = line.connector.robot_address(line.robot)
    for number, text in enumerate(TEXTS):
        one = Message("g", text, text, ((text, text),) * 9, text)
        for messages in ((one,), (one,) * 12):
            body = line.connector.compose_post(messages, f"p{number}-{len(messages)}", heading=text)
            whole = decoded(body)
            if line.host == "wecom":
                markdown, plain = (one[one["msgtype"]]["content"] for one in whole["tries"])
                assert_markdown(markdown, BYTES["group markdown"])
                assert len(plain.encode()) <= BYTES["group text"]
                assert not MENTION.search(plain)
            else:
                assert len(body) <= BYTES["group"]
                inner = whole[whole["msgtype"]]
                assert_inert(inner["title"])
                assert_markdown(inner["text"], BYTES["group"])
                assert_ours(inner.get("singleURL", HERE))
            line.connector.post(address, body)
    assert len(line.group()) == 2 * len(TEXTS)


def test_the_checks_see_what_is_wrong() -> None:
    for bad in (f"[x](https://evil.example/){HERE}", f"[{HERE}](https://evil.example/)", "> @all", "**<b>x</b>**"):
        with pytest.raises(AssertionError):
            assert_markdown(bad, 4096)
    with pytest.raises(AssertionError):
        assert_markdown("字" * 700, 2048)
