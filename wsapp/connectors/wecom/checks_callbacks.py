"""The doctor's questions about callbacks: keys, our own address tried as the console tries it, what really came in."""

import re
import secrets
from typing import TYPE_CHECKING

from wsapp.connectors.checks import OWN_NONCE, Ground, Result, Text, fail, ok, skip, warn
from wsapp.connectors.wecom import crypto
from wsapp.connectors.wecom.callbacks import KINDS
from wsapp.texts import lazy

if TYPE_CHECKING:
    from wsapp.connectors.wecom.connector import WeComConnector

KEY_SHAPES = (re.compile(r"[0-9A-Za-z]{3,32}"), crypto.AES_KEY)


class CallbackQuestions:
    """The checks of one connector's callbacks."""

    def __init__(self, connector: "WeComConnector") -> None:
        self.connector = connector
        self.account = connector.account

    def callback_keys(self, ground: Ground) -> Result:
        return self._keys("app")

    def _keys(self, door: str) -> Result:
        values = [str(self.account[name]) for name in KINDS[door]]
        if not any(values):
            return warn(lazy("没有填写：卡片上不显示按钮，也收不到离职通知"), lazy("生成两者并在控制台保存。"))
        if not all(shape.fullmatch(value) for shape, value in zip(KEY_SHAPES, values, strict=True)):
            return fail(
                lazy("Token 应为 3–32 位、EncodingAESKey 应为 43 位字母数字"), lazy("请从控制台重新复制，不要带空格。")
            )
        return ok(lazy("格式正确"))

    def callback(self, ground: Ground) -> Result:
        """URL verification as the console does it (page 90930), through our own public address."""
        if not self.account["callback_token"]:
            return skip(lazy("没有填写 Token"))
        return self._echo(ground, "app")

    def _echo(self, ground: Ground, door: str) -> Result:
        token, key = (str(self.account[name]) for name in KINDS[door])
        echo, nonce = secrets.token_hex(8), OWN_NONCE + secrets.token_hex(8)
        timestamp = str(int(self.connector.now().timestamp()))
        sealed = crypto.encrypt(key, echo.encode(), self.account.corp_id)
        params = {
            "msg_signature": crypto.sign(token, timestamp, nonce, sealed),
            "timestamp": timestamp,
            "nonce": nonce,
            "echostr": sealed,
        }
        path = f"/callbacks/wecom/{self.account.corp_id}/{door}"
        found = ground.fetch(path, params=params)
        if found.status != 200 or found.body != echo.encode():
            return fail(
                lazy("自测请求 %(path)s 得到状态 %(status)s", path=path, status=found.status),
                lazy("反向代理须把 /callbacks/ 下的地址连同查询参数原样转给本系统。"),
            )
        return ok(lazy("加密、签名与应答都正确"))

    def callback_heard(self, ground: Ground) -> Result:
        return _heard(ground, "app", bool(self.account["callback_token"]))

    def contacts_heard(self, ground: Ground) -> Result:
        if not self.account["contacts_callback_token"]:
            return skip(lazy("没有填写（可选）"))
        keys = self._keys("contacts")
        tested = keys if keys.state == "fail" else self._echo(ground, "contacts")
        return tested if tested.state == "fail" else _heard(ground, "contacts", True)


def _heard(ground: Ground, door: str, wanted: bool) -> Result:
    """What really came from the host. Once it was verified, a refusal proves nothing: anybody can send one."""
    heard = ground.heard.get(door)
    if not wanted:
        return skip(lazy("没有填写 Token"))
    if heard is None or (heard.verified_at is None and heard.refused_at is None):
        return skip(lazy("平台还没有回调过：请到控制台点“保存”"))
    if heard.verified_at is None:
        return fail(_why(heard.reason), lazy("请把控制台上的 Token 与 EncodingAESKey 和本系统的逐字核对后重新保存。"))
    if heard.refused_at and heard.refused_at > heard.verified_at:
        return warn(_why(heard.reason), lazy("若最近在控制台换过 Token 或 EncodingAESKey，请在本系统同步更新。"))
    return ok(lazy("最近一次验证通过：%(at)s", at=f"{heard.verified_at:%Y-%m-%d %H:%M} UTC"))


def _why(reason: str) -> Text:
    """What a refusal says: behind a good signature only somebody who knows the Token stands."""
    if reason == "signature":
        return lazy("收到过回调，但签名不符：Token 与控制台的不一致")
    if reason in ("padding", "length", "ciphertext", "key"):
        return lazy("收到过回调，签名正确但无法解密：EncodingAESKey 与控制台的不一致")
    if reason == "receiver":
        return lazy("收到过别的企业的回调：企业 ID 不一致")
    if reason == "timestamp":
        return lazy("收到过回调，但时间相差超过 5 分钟：请校准服务器时间")
    return lazy("收到过无法识别的回调")
