"""Encrypted event push of the emulator (HTTP推送): retries with a new ciphertext, failed list, check_url."""

import base64
import hashlib
import json
import secrets
import string
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from wsapp.connectors.dingtalk.emulator_world import App, Corp, HostError, Member, Subscription
from wsapp.connectors.emulator import dump

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator

BLOCK = 32
PUSH_SECONDS, CHECK_SECONDS = 2.5, 1.5
PAUSES = (10.0, 30.0)
MAX_FAILED = 200
LETTERS = string.ascii_letters + string.digits


@dataclass
class FailedPush:
    event: dict[str, Any]
    corp_id: str
    at: int

    @property
    def tag(self) -> str:
        return str(self.event.get("EventType"))

    def legacy(self) -> dict[str, Any]:
        people = self.event.get("UserId") or self.event.get("DeptId") or []
        inner = {"corpid": self.corp_id, "userid": people}
        return {"call_back_tag": self.tag, "event_time": self.at, self.tag: inner}

    def new(self) -> dict[str, Any]:
        data = json.dumps(self.event, ensure_ascii=False)
        return {"callBackTag": self.tag, "callBackData": data, "corpId": self.corp_id, "eventTime": self.at}


class Events:
    """Pushes of one emulator."""

    def __init__(self, emulator: "DingTalkEmulator") -> None:
        self.emulator = emulator
        self.failed: dict[str, deque[FailedPush]] = {}
        self.pushed: list[dict[str, Any]] = []

    def forget(self) -> None:
        self.failed.clear()
        self.pushed.clear()

    def subscribe(self, app: App, body: Mapping[str, Any], owner: str) -> None:
        """Register a URL; the host checks it at once. Raises HostError 71009 when the answer is wrong."""
        url, token, aes_key = (str(body.get(name) or "") for name in ("url", "token", "aes_key"))
        if len(aes_key) != 43 or not url:
            raise HostError(400002, "无效的参数")
        before, app.subscription = app.subscription, Subscription(url, token, aes_key, owner)
        if not self.check_url(app):
            app.subscription = before
            raise HostError(71009, "回调地址校验失败")

    def check_url(self, app: App) -> bool:
        """What the console does on saving: one push that must be answered within 1.5 s."""
        result: list[bool] = []
        self._push(app, {"EventType": "check_url"}, tries=1, deadline=CHECK_SECONDS, result=result).join(10)
        return result == [True]

    def emit(self, corp: Corp, kind: str, **fields: Any) -> int:
        """Push one event to every app of a corp that subscribed. Returns to how many."""
        now = str(int(self.emulator.clock.time() * 1000))
        common = {"EventType": kind, "EventTime": now, "TimeStamp": now, "CorpId": corp.corp_id, "BizId": ""}
        event = common | {"eventId": secrets.token_hex(16)} | fields
        receivers = [app for app in corp.apps.values() if app.subscription.url or app.event_mode == "stream"]
        for app in [] if self._lost() else receivers:
            for _copy in range(int(self.emulator.knobs["callback_copies"])):
                self.push_raw(app, event)
        return len(receivers)

    def _lost(self) -> bool:
        """Whether the knob swallows this event; it counts down."""
        with self.emulator.lock:
            left = int(self.emulator.knobs["callbacks_to_lose"])
            self.emulator.knobs["callbacks_to_lose"] = max(0, left - 1)
        return left > 0

    def push_raw(self, app: App, event: dict[str, Any]) -> None:
        """Push any event as it is, over the way that the app has chosen."""
        if app.event_mode == "stream":
            self.emulator.streams.push(app, event)
            return
        self._push(app, event, tries=1 + len(PAUSES), deadline=PUSH_SECONDS)

    def _push(
        self, app: App, event: dict[str, Any], *, tries: int, deadline: float, result: list[bool] | None = None
    ) -> threading.Thread:
        scale = self.emulator.knobs["push_scale"]
        subscription = app.subscription
        self.pushed.append({"client_id": app.client_id, "event": event})

        def make() -> tuple[str, dict[str, str], bytes]:
            query, body = self.seal(subscription, event)
            joint = "&" if "?" in subscription.url else "?"
            return f"{subscription.url}{joint}{query}", {"Content-Type": "application/json"}, body

        def accepted(status: int, body: bytes) -> bool:
            good = status == 200 and is_success(subscription, body)
            if result is not None:
                result.append(good)
            return good

        def gave_up() -> None:
            at = int(self.emulator.clock.time() * 1000)
            queue = self.failed.setdefault(app.client_id, deque(maxlen=10_000))
            queue.append(FailedPush(event, app.corp.corp_id, at))

        pauses = [pause * scale for pause in PAUSES]
        return self.emulator.post_callback(
            make,
            tries=tries,
            deadline=deadline * min(1.0, max(scale, 0.4)),
            pause=pauses,
            accepted=accepted,
            gave_up=gave_up,
        )

    def take_failed(self, app: App) -> tuple[list[FailedPush], bool]:
        """At most 200 failed pushes; what was returned is gone."""
        with self.emulator.lock:
            queue = self.failed.get(app.client_id, deque())
            rows = [queue.popleft() for _ in range(min(MAX_FAILED, len(queue)))]
            return rows, bool(queue)

    # --- crypto, written apart from the connector's so that the two check each other ---------------------------

    def seal(self, subscription: Subscription, event: Mapping[str, Any]) -> tuple[str, bytes]:
        """Return (query, body) of a push: fresh random block, nonce and timestamp each time."""
        knobs = self.emulator.knobs
        encrypt = encrypt_frame(subscription, json.dumps(event, ensure_ascii=False))
        seconds = self.emulator.clock.time()
        timestamp = str(int(seconds * 1000) if knobs["timestamp_digits"] == 13 else int(seconds))
        nonce = "".join(secrets.choice(LETTERS) for _ in range(8))
        signature = sign(subscription.token, timestamp, nonce, encrypt)
        names = {"both": ("signature", "msg_signature")}.get(knobs["signature_name"], (knobs["signature_name"],))
        query = "&".join([f"{name}={signature}" for name in names] + [f"timestamp={timestamp}", f"nonce={nonce}"])
        return query, dump({"encrypt": encrypt})


def sign(token: str, timestamp: str, nonce: str, encrypt: str) -> str:
    return hashlib.sha1("".join(sorted([token, timestamp, nonce, encrypt])).encode()).hexdigest()


def encrypt_frame(subscription: Subscription, text: str) -> str:
    message = text.encode()
    frame = secrets.token_bytes(16) + len(message).to_bytes(4, "big") + message + subscription.owner.encode()
    pad = BLOCK - len(frame) % BLOCK
    key = base64.b64decode(subscription.aes_key + "=")
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(frame + bytes([pad]) * pad) + encryptor.finalize()).decode()


def is_success(subscription: Subscription, body: bytes) -> bool:
    """The answer must be the string "success", encrypted and signed the same way."""
    try:
        answer = json.loads(body)
        encrypt = answer["encrypt"]
        if answer["msg_signature"] != sign(subscription.token, str(answer["timeStamp"]), answer["nonce"], encrypt):
            return False
        key = base64.b64decode(subscription.aes_key + "=")
        decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
        frame = decryptor.update(base64.b64decode(encrypt)) + decryptor.finalize()
        frame = frame[: -frame[-1]]
        length = int.from_bytes(frame[16:20], "big")
        return frame[20 : 20 + length] == b"success" and frame[20 + length :] == subscription.owner.encode()
    except (ValueError, KeyError, TypeError, IndexError):
        return False


class People:
    """Changes of an organisation, each with the events that the host sends for it."""

    def __init__(self, emulator: "DingTalkEmulator") -> None:
        self.emulator = emulator

    def change(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out `{"userid", "action", …}`: leave, join, move, disable, enable, update. Returns the member."""
        action = str(body.get("action") or "update")
        corp, member = self._find(body, action)
        changes = {
            "leave": self._leave,
            "join": self._join,
            "move": self._update,
            "update": self._update,
            "disable": self._update,
            "enable": self._update,
        }
        if action not in changes:
            raise HostError(400002, f"unknown action {action}")
        with self.emulator.lock:
            member = changes[action](corp, member, self._fields(body, action))
            self.emulator.world.sync_leaders(corp)
        kind = {"leave": "user_leave_org", "join": "user_add_org"}.get(action, "user_modify_org")
        pushed = self.emulator.events.emit(corp, kind, UserId=[member.userid])
        return {"userid": member.userid, "departments": member.departments, "active": member.active, "pushed": pushed}

    def _find(self, body: Mapping[str, Any], action: str) -> tuple[Corp, Member]:
        userid, corp_id = str(body.get("userid") or ""), str(body.get("corp_id") or "")
        found = self.emulator.world.member(userid, corp_id)
        if found is not None:
            return found
        corps = self.emulator.world.corps
        corp = corps.get(corp_id) or next(iter(corps.values()), None)
        if action != "join" or corp is None or not userid:
            raise HostError(33012, "无效的USERID")
        return corp, corp.left.get(userid) or Member(userid, userid)

    def _fields(self, body: Mapping[str, Any], action: str) -> dict[str, Any]:
        known = set(Member.__dataclass_fields__) - {"userid"}
        fields = {name: value for name, value in body.items() if name in known}
        return fields | {"disable": {"active": False}, "enable": {"active": True}}.get(action, {})

    def _leave(self, corp: Corp, member: Member, fields: Mapping[str, Any]) -> Member:
        corp.left[member.userid] = corp.members.pop(member.userid)
        return member

    def _join(self, corp: Corp, member: Member, fields: Mapping[str, Any]) -> Member:
        """Somebody new, or who left before: the unionid of a person stays, whatever the userid."""
        row = {name: getattr(member, name) for name in Member.__dataclass_fields__} | dict(fields)
        return self.emulator.world.put_member(corp, row)

    def _update(self, corp: Corp, member: Member, fields: Mapping[str, Any]) -> Member:
        for name, value in fields.items():
            setattr(member, name, value)
        for department in corp.departments.values():
            if department.id not in member.leads:
                department.leaders = [one for one in department.leaders if one != member.userid]
        return member
