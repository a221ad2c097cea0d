"""DingTalk's group robots: posts by webhook with signature, or by the app's own robot in a group.

Pages custom-robots-send-group-messages (2026-07-14) and robot groupMessages/send. A robot takes 20 posts a minute;
beyond that it is blocked for ten.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from wsapp.connectors.base import Account, CredentialField, Message, Refused, Transport, TryLater
from wsapp.connectors.dingtalk.allowance import ROBOT_API
from wsapp.connectors.dingtalk.calls import Calls
from wsapp.connectors.dingtalk.codes import NOT_UNDERSTOOD, as_text, error, normalise
from wsapp.connectors.dingtalk.messages import cut, dump, escape, one_line, own_url
from wsapp.connectors.grouprobots import GroupRobots, RobotAddress, RobotGone
from wsapp.texts import mark

TOKEN = re.compile(r"[0-9A-Za-z]{16,128}")
CONVERSATION = re.compile(r"cid[0-9A-Za-z+/=_-]{8,128}")
SECRET = re.compile(r"SEC[0-9A-Za-z]{8,128}")
MINUTE = 20
# Signature, keyword or address refused; token unknown; robot stopped, not in the group; group dissolved.
GONE = ("310000", "300005", "400101", "400102", "400106", "400013")
MAX_POST = 15_000  # bytes: what the app's robot takes; the webhook takes 20,000
MAX_TITLE, MAX_ROW = 60, 200  # characters
ROOM = 1000  # bytes kept for the title, the link and the JSON around the text
OPEN, NO_TITLE = "查看详情", "通知"
SAMPLES = {"actionCard": "sampleActionCard", "markdown": "sampleMarkdown"}  # webhook type → the app robot's template


class DingTalkGroupRobots(GroupRobots):
    """The group robots of an organisation."""

    account: Account
    http: Transport
    bases: dict[str, str]
    base_keys: ClassVar[Mapping[str, str]]
    calls: Calls
    now: Callable[[], datetime]
    public_url: str
    robot_minute = MINUTE
    robot_fields = (
        CredentialField(
            "webhook",
            mark("Webhook 地址"),
            secret=True,
            hint=mark("群设置 › 机器人 › 自定义 › 复制 Webhook；应用机器人填群会话 ID（cid 开头）"),
        ),
        CredentialField(
            "secret",
            mark("加签密钥"),
            required=False,
            secret=True,
            pattern=SECRET.pattern,
            hint=mark("安全设置选择“加签”时，SEC 开头"),
        ),
    )

    def robot_address(self, values: Mapping[str, str]) -> RobotAddress:
        """Take the token out of the address; the address itself must be this host's. Or take a conversation's id."""
        pasted, secret = values.get("webhook", "").strip(), values.get("secret", "").strip()
        if CONVERSATION.fullmatch(pasted):
            return RobotAddress("app", pasted)
        parts = urlsplit(pasted)
        homes = {urlsplit(base).netloc for base in (self.base_keys["oapi_base"], self.bases["oapi_base"])}
        token = (parse_qs(parts.query).get("access_token") or [""])[0]
        if parts.netloc not in homes or parts.path != ROBOT_API or not TOKEN.fullmatch(token):
            raise Refused("this is no webhook address of DingTalk's robots", code="webhook")
        if secret and not SECRET.fullmatch(secret):
            raise Refused("the signing secret begins with SEC", code="secret")
        return RobotAddress("webhook", token, secret)

    def compose_post(self, messages: Sequence[Message], post_id: str, *, heading: str = "") -> bytes:
        """An action card for one message, markdown for several, at most 15,000 bytes."""
        body = self._single(messages[0]) if len(messages) == 1 else self._merged(messages, heading)
        return dump({**body, "msgUuid": post_id})

    def _single(self, message: Message) -> dict[str, Any]:
        title = cut(one_line(message.title), MAX_TITLE) or NO_TITLE
        rows = [f"### {title}", *_rows(message)]
        card = {
            "title": title,
            "text": cut("  \n  ".join(rows), MAX_POST - ROOM, _in_json),
            "singleTitle": OPEN,
            "singleURL": own_url(message.url, self.public_url),
        }
        return {"msgtype": "actionCard", "actionCard": card}

    def _merged(self, messages: Sequence[Message], heading: str) -> dict[str, Any]:
        title = cut(one_line(heading), MAX_TITLE) or NO_TITLE
        entries = [self._entry(one) for one in messages]
        kept = list(entries)
        while True:
            missing = len(entries) - len(kept)
            tail = [f"… +{missing}"] if missing else []
            link = f"[{OPEN}]({own_url('', self.public_url)})"
            text = "\n\n".join([f"### {title}", *kept, *tail, link])
            body = {"msgtype": "markdown", "markdown": {"title": title, "text": text}}
            if len(dump(body)) <= MAX_POST - 100 or not kept:
                return body
            kept.pop()

    def _entry(self, message: Message) -> str:
        title = cut(one_line(message.title), MAX_TITLE) or OPEN
        entry = f"- [{title}]({own_url(message.url, self.public_url)})"
        rows = _rows(message)
        return f"{entry}  \n  {cut(rows[0], MAX_ROW)}" if rows else entry

    def post(self, address: RobotAddress, body: bytes) -> Mapping[str, Any]:
        """robot/send, or groupMessages/send for the app's robot. The webhook knows a repeat by its `msgUuid`."""
        if address.kind == "app":
            return self._post_as_app(address, json.loads(body))
        params = {"access_token": address.key, **self._signature(address)}
        url = self.bases["oapi_base"].rstrip("/") + ROBOT_API
        answer = self.http.request("POST", url, params=params, data=body, api=ROBOT_API)
        reply = normalise(answer)
        if reply.code:
            found = error(reply, write=True, status=answer.status)
            if found.code in GONE or not isinstance(found, TryLater | Refused):  # the robot's own, not the app's
                raise RobotGone(found.reason, code=found.code)
            raise found
        if "errcode" not in reply.data:
            raise TryLater("the answer carries no errcode", code=NOT_UNDERSTOOD, ambiguous=True)
        return {}

    def _signature(self, address: RobotAddress) -> dict[str, str]:
        """timestamp (ms) and base64(HMAC-SHA256(secret, timestamp + newline + secret)), good for an hour."""
        if not address.secret:
            return {}
        timestamp = str(int(self.now().timestamp() * 1000))
        return {"timestamp": timestamp, "sign": robot_sign(timestamp, address.secret)}

    def _post_as_app(self, address: RobotAddress, body: dict[str, Any]) -> Mapping[str, Any]:
        kind = body["msgtype"]
        request = {
            "robotCode": str(self.account["robot_code"] or self.account["client_id"]),
            "openConversationId": address.key,
            "msgKey": SAMPLES[kind],
            "msgParam": dump(body[kind]).decode(),
        }
        found = self.calls.api("POST", "/v1.0/robot/groupMessages/send", request, write=True)
        return {"process_query_key": as_text(found.get("processQueryKey"), 300)}


def robot_sign(timestamp: str, secret: str) -> str:
    """Return the signature of a webhook post (not yet escaped for the URL)."""
    mac = hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


def _in_json(text: str) -> int:
    """Bytes that a text takes inside JSON."""
    return len(dump(text))


def _rows(message: Message) -> list[str]:
    rows = [row for row in escape(message.text).split("\n") if row.strip()]
    return rows + [f"{one_line(label)}：{one_line(value)}" for label, value in message.lines]
