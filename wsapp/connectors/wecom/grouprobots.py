"""WeCom's group robots (群机器人, now 消息推送): posts by webhook (page 91770).

The key in the address is the whole secret; there is no signature. A robot takes 20 posts a minute; no post is known by
an id, so one that is repeated after an unclear end may stand there twice.
"""

import json
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from wsapp.connectors.base import BadCredentials, CredentialField, Message, Refused, Transport
from wsapp.connectors.grouprobots import GroupRobots, RobotAddress, RobotGone
from wsapp.connectors.wecom.calls import judge
from wsapp.connectors.wecom.codes import ContentRefused
from wsapp.connectors.wecom.formats import OPEN
from wsapp.connectors.wecom.messages import Writer, dump
from wsapp.connectors.wecom.texts import cut, cut_bytes, inert_markdown, one_line, plain
from wsapp.texts import mark

API = "webhook/send"
PATH = "/cgi-bin/webhook/send"
KEY = re.compile(r"[0-9A-Za-z_-]{8,64}")
MINUTE = 20
GONE = ("93000", "93004", "93008")  # bad key or robot removed, switched off, not in the group
MARKDOWN_BODY, TEXT_BODY = 4096, 2048  # bytes
TITLE, ROW = 120, 200  # characters of one message among several


class WeComGroupRobots(GroupRobots):
    """The group robots of a WeCom corp."""

    http: Transport
    bases: dict[str, str]
    base_keys: ClassVar[Mapping[str, str]]

    robot_fields = (
        CredentialField(
            "webhook",
            mark("Webhook 地址"),
            secret=True,
            hint=mark("群聊右上角 › 消息推送（群机器人）› 添加 › 复制 Webhook 地址"),
        ),
    )
    robot_minute = MINUTE

    @property
    @abstractmethod
    def writer(self) -> Writer: ...

    def robot_address(self, values: Mapping[str, str]) -> RobotAddress:
        """Take the key out of the address; the address itself must be this host's."""
        parts = urlsplit(values.get("webhook", "").strip())
        homes = {urlsplit(base).netloc for base in (self.base_keys["api_base"], self.bases["api_base"])}
        key = (parse_qs(parts.query).get("key") or [""])[0]
        if parts.netloc not in homes or parts.path != PATH or not KEY.fullmatch(key):
            raise Refused("this is no webhook address of WeCom's group robots", code="webhook")
        return RobotAddress("webhook", key)

    def compose_post(self, messages: Sequence[Message], post_id: str, *, heading: str = "") -> bytes:
        """Markdown of at most 4,096 bytes, and text of at most 2,048 for when markdown is refused."""
        writer = self.writer
        tries = [
            {"msgtype": "markdown", "markdown": {"content": _markdown(writer, messages, heading)}},
            {"msgtype": "text", "text": {"content": _text(messages, heading)}},
        ]
        return dump({"tries": tries})

    def post(self, address: RobotAddress, body: bytes) -> Mapping[str, Any]:
        refusal: Refused | None = None
        for one in json.loads(body)["tries"]:
            try:
                self._post(address, dump(one))
            except ContentRefused as error:
                refusal = error
                continue
            return {"channel": one["msgtype"]}
        raise refusal or Refused("nothing to post")

    def _post(self, address: RobotAddress, body: bytes) -> None:
        url = self.bases["api_base"].rstrip("/") + PATH
        answer = self.http.request("POST", url, params={"key": address.key}, data=body, api=API)
        try:
            judge(answer, API, proof="", writes=True)
        except (Refused, BadCredentials) as error:
            if error.code in GONE or isinstance(error, BadCredentials):  # the robot's own, not the app's
                raise RobotGone(error.reason, code=error.code) from None
            raise


def _markdown(writer: Writer, messages: Sequence[Message], heading: str) -> str:
    if len(messages) == 1:
        one = messages[0]
        link = f"\n[{OPEN}]({writer.link(one.url)})"
        rows = [f"**{inert_markdown(one_line(one.title))}**", *(f"> {inert_markdown(row)}" for row in _rows(one))]
        return cut_bytes("\n".join(rows), MARKDOWN_BODY - len(link.encode())) + link
    entries = [
        f"> [{inert_markdown(cut(one_line(one.title), TITLE)) or OPEN}]({writer.link(one.url)})"
        + "".join(f"\n> {inert_markdown(cut(row, ROW))}" for row in _rows(one)[:1])
        for one in messages
    ]
    return _fitting(
        f"**{inert_markdown(cut(one_line(heading), TITLE))}**", entries, MARKDOWN_BODY, f"\n[{OPEN}]({writer.link('')})"
    )


def _text(messages: Sequence[Message], heading: str) -> str:
    if len(messages) == 1:
        rows = [one_line(messages[0].title), *_rows(messages[0])]
        return cut_bytes("\n".join(inert_markdown(row) for row in rows), TEXT_BODY)
    entries = [inert_markdown(cut(one_line(one.title), TITLE)) for one in messages]
    return _fitting(inert_markdown(cut(one_line(heading), TITLE)), entries, TEXT_BODY, "")


def _fitting(head: str, entries: Sequence[str], limit: int, tail: str) -> str:
    """As many entries as fit, then how many are missing."""
    kept = list(entries)
    while True:
        missing = len(entries) - len(kept)
        more = f"\n… +{missing}" if missing else ""
        whole = "\n".join([head, *kept]) + more + tail
        if len(whole.encode()) <= limit or not kept:
            return whole
        kept.pop()


def _rows(message: Message) -> list[str]:
    rows = [row for row in plain(message.text).split("\n") if row]
    return rows + [f"{one_line(label)}：{one_line(value)}" for label, value in message.lines]
