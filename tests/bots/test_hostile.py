"""Strangers' text in an answer stays text: no link but ours, no mention but the asker's, within the host's limits."""

import re

import pytest

from tests.security.test_cards import AUTOMATIC, MARKDOWN_LINK, PUBLIC, TEXTS, UNSEEN, messages
from wsapp.connectors.dingtalk import messages as formats
from wsapp.connectors.dingtalk.conversations import answer_body

OURS = re.compile(rf"\[([^\[\]()]*)\]\({re.escape(PUBLIC)}/[!-'*-~]*\)")
REPLY = {"session": "0123456789abcdef", "until": 0, "group": True}
LIMIT = 20_000  # bytes


@pytest.mark.parametrize("text", TEXTS)
def test_answers_in_a_group(text: str) -> None:
    for message in messages(text):
        body = answer_body(message, REPLY, "wulei", PUBLIC)
        assert body["at"] == {"atUserIds": ["wulei"], "isAtAll": False}
        assert len(formats.dump(body)) <= LIMIT
        said = body["markdown"]["text"]
        assert said.startswith("@wulei\n\n")
        said = said.removeprefix("@wulei")
        assert OURS.search(said)
        for rest in (OURS.sub(lambda link: link.group(1), said), body["markdown"]["title"]):
            assert not MARKDOWN_LINK.search(rest), rest
            assert not AUTOMATIC.search(rest), rest
            assert not UNSEEN.search(rest), rest
            assert "@" not in rest
