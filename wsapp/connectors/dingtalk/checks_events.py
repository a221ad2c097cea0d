"""The doctor's questions about events: the mode, our own address tried as the console tries it, what really came in."""

import json
import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wsapp.connectors.base import BadCallback
from wsapp.connectors.checks import OWN_NONCE, Ground, Result, Text, fail, ok, skip, warn
from wsapp.connectors.dingtalk.crypto import EventCrypto
from wsapp.connectors.dingtalk.messages import dump
from wsapp.connectors.http import parse_object
from wsapp.texts import lazy

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.connector import DingTalkConnector

TOKEN_SHAPE = re.compile(r"[0-9A-Za-z]{3,32}")
KEY_SHAPE = re.compile(r"[0-9A-Za-z]{43}")


class EventQuestions:
    """The checks of one connector's events."""

    def __init__(self, connector: "DingTalkConnector") -> None:
        self.connector = connector
        self.account = connector.account

    @property
    def _streams(self) -> bool:
        return str(self.account["event_mode"]) == "stream"

    def event_mode(self, ground: Ground) -> Result:
        if self._streams:
            return ok(lazy("Stream：不需要公网入口"))
        token, key = str(self.account["callback_token"]), str(self.account["callback_aes_key"])
        if not token and not key:
            return warn(
                lazy("HTTP 推送，但没有填写 token 与 aes_key：收不到离职、调岗事件"),
                lazy("请在事件订阅里生成并填到本系统，或改用 Stream。"),
            )
        if not TOKEN_SHAPE.fullmatch(token) or not KEY_SHAPE.fullmatch(key):
            return fail(
                lazy("token 应为 3–32 位、aes_key 应为 43 位字母数字"), lazy("请从控制台重新复制，不要带空格。")
            )
        return ok(lazy("HTTP 推送"))

    def callback(self, ground: Ground) -> Result:
        """check_url as the console sends it, through our own public address."""
        if self._streams or not self.account["callback_token"]:
            return skip(lazy("不使用 HTTP 推送"))
        owner = str(self.account["client_id"])
        crypto = EventCrypto(self.account["callback_token"], self.account["callback_aes_key"], (owner,))
        timestamp, nonce = str(int(self.connector.now().timestamp() * 1000)), OWN_NONCE + secrets.token_hex(8)
        sealed = crypto.seal(json.dumps({"EventType": "check_url"}), owner, timestamp, nonce)
        path = f"/callbacks/dingtalk/{self.account.corp_id}"
        params = {"signature": sealed["msg_signature"], "timestamp": timestamp, "nonce": nonce}
        body = dump({"encrypt": sealed["encrypt"]})
        found = ground.fetch(path, params=params, data=body, content_type="application/json")
        if found.status != 200 or not _is_success(crypto, found.body):
            return fail(
                lazy("自测请求 %(path)s 得到状态 %(status)s", path=path, status=found.status),
                lazy("反向代理须把 /callbacks/ 下的地址连同查询参数和请求体原样转给本系统。"),
            )
        return ok(lazy("加密、签名与应答都正确"))

    def callback_heard(self, ground: Ground) -> Result:
        if self._streams or not self.account["callback_token"]:
            return skip(lazy("不使用 HTTP 推送"))
        heard = ground.heard.get("")
        if heard is None or (heard.verified_at is None and heard.refused_at is None):
            return skip(lazy("平台还没有推送过事件：请到事件订阅点“保存”"))
        if heard.verified_at is None:
            return fail(_why(heard.reason), lazy("请把控制台上的 token 与 aes_key 和本系统的逐字核对后重新保存。"))
        if heard.refused_at and heard.refused_at > heard.verified_at:
            return warn(_why(heard.reason), lazy("若最近在控制台换过 token 或 aes_key，请在本系统同步更新。"))
        return ok(lazy("最近一次验证通过：%(at)s", at=f"{heard.verified_at:%Y-%m-%d %H:%M} UTC"))

    def stream(self, ground: Ground) -> Result:
        if not self._streams:
            return skip(lazy("不使用 Stream"))
        if ground.line is None:
            return fail(lazy("没有建立连接"), lazy("请确认后台进程（worker）在运行，并能访问外网的 wss 地址。"))
        if str(ground.line):
            return fail(ground.line, lazy("请确认服务器能访问外网的 wss 地址，控制台选择了 Stream 模式并已发布版本。"))
        if ground.line_heard_at is None:
            return ok(lazy("已连接，还没有收到过推送"))
        return ok(lazy("已连接，最近一次推送：%(at)s", at=f"{ground.line_heard_at:%Y-%m-%d %H:%M} UTC"))


def _is_success(crypto: EventCrypto, body: bytes) -> bool:
    """Whether our own door answered as the host wants it: the word "success", sealed."""
    answer: Mapping[str, Any] = parse_object(body) or {}
    values = [answer.get(name) for name in ("encrypt", "msg_signature", "timeStamp", "nonce")]
    if not all(isinstance(value, str) for value in values):
        return False
    try:
        return crypto.open(*(str(value) for value in values)).message == b"success"
    except BadCallback:
        return False


def _why(reason: str) -> Text:
    """What a refusal says: behind a good signature only somebody who knows the token stands."""
    if reason == "signature":
        return lazy("收到过推送，但签名不符：token 与控制台的不一致")
    if reason in ("padding", "frame", "ciphertext length", "message", "base64", "no key"):
        return lazy("收到过推送，签名正确但无法解密：aes_key 与控制台的不一致")
    if reason in ("owner key", "another corp"):
        return lazy("收到过别的应用的推送：Client ID 或 CorpId 不一致")
    return lazy("收到过无法识别的推送")
