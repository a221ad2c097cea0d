"""The emulator's robots: webhook posts with their checks, the app's robot in single and group chats, uploaded files."""

import base64
import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request

from wsapp.connectors.dingtalk.emulator_gate import json_response, legacy_error
from wsapp.connectors.dingtalk.emulator_world import App, HostError
from wsapp.connectors.emulator_groups import Robot

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator

HOUR, DAY = 3600, 86_400
BLOCK = 600  # seconds that a robot is blocked for after more than 20 posts a minute
MAX_POST, MAX_PARAM = 20_000, 15_000  # bytes
MAX_PEOPLE, MAX_RECALL = 20, 20
URL = re.compile(r"https?://\S+")
TYPES = ("text", "link", "markdown", "actionCard", "feedCard")
SAMPLES: dict[str, tuple[str, ...]] = {  # msgKey → the parameters that must be there
    "sampleText": ("content",),
    "sampleMarkdown": ("title", "text"),
    "sampleImageMsg": ("photoURL",),
    "sampleLink": ("title", "text", "messageUrl"),
    "sampleActionCard": ("title", "text", "singleTitle", "singleURL"),
    "sampleFile": ("mediaId", "fileName", "fileType"),
}
UPLOADS = {
    "image": (20 << 20, ("jpg", "jpeg", "gif", "png", "bmp")),
    "voice": (2 << 20, ("amr", "mp3", "wav")),
    "video": (20 << 20, ("mp4",)),
    "file": (20 << 20, ("doc", "docx", "xls", "xlsx", "ppt", "pptx", "zip", "pdf", "rar")),
}


@dataclass
class Upload:
    """A file that an app left here. Lives for ever."""

    corp_id: str
    kind: str
    name: str
    content_type: str
    body: bytes


@dataclass
class Said:
    """What the app's robot said to several people in their own chats."""

    app: App
    at: float
    shown: dict[str, Any] = field(default_factory=dict)  # userid → chat row


class Robots:
    """Webhooks, the app's robot, files. Callers hold the emulator's lock."""

    def __init__(self, emulator: "DingTalkEmulator") -> None:
        self.emulator = emulator
        self.files: dict[str, Upload] = {}
        self.said: dict[str, Said] = {}
        self.uuids: set[tuple[str, str]] = set()

    def forget(self) -> None:
        self.said.clear()
        self.uuids.clear()

    # --- webhooks --------------------------------------------------------------------------------------------

    def send(self, token: str, query: dict[str, str], body: Any) -> None:
        """robot/send. Raises HostError."""
        found = self.emulator.groups.robot(token)
        if found is None:
            raise HostError(300005, "token is not exist")
        group, robot = found
        if robot.disabled:
            raise HostError(400102, "机器人已停用")
        self._check_security(robot, query, body)
        now, most = self.emulator.clock.time(), int(self.emulator.knobs["robot_minute"])
        if not self.emulator.groups.in_pace(robot, now, most=most, block=BLOCK):
            raise HostError(660026, "send too fast, exceed 20 times per minute")
        if not isinstance(body, dict):
            raise HostError(40035, "缺少参数 json")
        view = webhook_view(body)
        uuid = str(body.get("msgUuid") or "")
        if uuid and (token, uuid) in self.uuids:
            return
        self.uuids.add((token, uuid))
        self.emulator.groups.say(group, robot.name, str(body["msgtype"]), view)

    def _check_security(self, robot: Robot, query: dict[str, str], body: Any) -> None:
        if robot.secret:
            stamp = query.get("timestamp", "")
            if not stamp.isdigit() or abs(int(stamp) / 1000 - self.emulator.clock.time()) > HOUR:
                raise HostError(310000, "invalid timestamp")
            right = hmac.new(robot.secret.encode(), f"{stamp}\n{robot.secret}".encode(), hashlib.sha256).digest()
            if not hmac.compare_digest(base64.b64encode(right).decode(), query.get("sign", "")):
                raise HostError(310000, "sign not match")
        if robot.keywords and not any(word in json.dumps(body, ensure_ascii=False) for word in robot.keywords):
            raise HostError(310000, "keywords not in content")

    # --- the app's robot -------------------------------------------------------------------------------------

    def single(self, app: App, body: dict[str, Any]) -> dict[str, Any]:
        """oToMessages/batchSend. Raises HostError."""
        _check_code(app, body)
        people = body.get("userIds")
        if not isinstance(people, list) or not people:
            raise HostError("invalidParameter.userIds.empty", "userIds为空")
        if len(people) > MAX_PEOPLE:
            raise HostError("invalidParameter.userIds.overMax", "userIds超过上限")
        view = sample_view(body)
        key = secrets.token_urlsafe(24)
        said = self.said[key] = Said(app, self.emulator.clock.time())
        invalid = []
        for userid in people:
            member = app.corp.members.get(str(userid))
            if member is None or not self.emulator.world.sees_member(app, member):
                invalid.append(userid)
            else:
                said.shown[userid] = self.emulator.chat.show_robot(app, userid, str(body["msgKey"]), view)
        return {
            "processQueryKey": key,
            "invalidStaffIdList": invalid,
            "flowControlledStaffIdList": [],
            "filteredStaffIdList": [],
        }

    def group(self, app: App, body: dict[str, Any]) -> dict[str, Any]:
        """groupMessages/send. Raises HostError."""
        _check_code(app, body)
        found = self.emulator.groups.groups.get((app.corp.corp_id, str(body.get("openConversationId"))))
        if found is None:
            raise HostError("robot.not.in.group", "机器人不在群内")
        self.emulator.groups.say(found, app.name, str(body.get("msgKey")), sample_view(body))
        return {"processQueryKey": secrets.token_urlsafe(24)}

    def read_status(self, app: App, query: dict[str, Any]) -> dict[str, Any]:
        said = self._said(app, query.get("processQueryKey"))
        rows = [
            {
                "userId": userid,
                "name": app.corp.members[userid].name if userid in app.corp.members else "",
                "readStatus": "READ" if shown.read else "UNREAD",
                "readTimestamp": int(shown.read_at * 1000),
            }
            for userid, shown in said.shown.items()
        ]
        return {"sendStatus": "SUCCESS", "messageReadInfoList": rows}

    def recall(self, app: App, body: dict[str, Any]) -> dict[str, Any]:
        _check_code(app, body)
        keys = body.get("processQueryKeys")
        if not isinstance(keys, list) or not 0 < len(keys) <= MAX_RECALL:
            raise HostError("invalidParameter.processQueryKeys", "processQueryKeys不合法")
        done, failed = [], {}
        for key in keys:
            try:
                said = self._said(app, key)
            except HostError as error:
                failed[str(key)] = error.code
                continue
            for shown in said.shown.values():
                self.emulator.chat.take_back(shown)
            done.append(key)
        return {"successResult": done, "failedResult": failed}

    def _said(self, app: App, key: Any) -> Said:
        said = self.said.get(str(key))
        if said is None or said.app is not app or self.emulator.clock.time() > said.at + DAY:
            raise HostError("robot.processQueryKey.expired", "processQueryKey不存在或已过期")
        return said

    # --- files -----------------------------------------------------------------------------------------------

    def upload(self, app: App, kind: str) -> dict[str, Any]:
        """media/upload. Raises HostError."""
        file = request.files.get("media")
        if kind not in UPLOADS or file is None or not file.filename:
            raise HostError(40004, "不合法的媒体文件类型")
        most, endings = UPLOADS[kind]
        body = file.read()
        if not 0 < len(body) <= most:
            raise HostError(40006, "不合法的文件大小")
        if file.filename.rpartition(".")[2].lower() not in endings:
            raise HostError(40005, "不合法的文件类型")
        media_id = f"@l{secrets.token_urlsafe(20)}"
        content_type = file.content_type or "application/octet-stream"
        self.files[media_id] = Upload(app.corp.corp_id, kind, file.filename, content_type, body)
        return {"type": kind, "media_id": media_id, "created_at": int(self.emulator.clock.time() * 1000)}

    def file(self, corp_id: str, media_id: Any, kind: str) -> Upload:
        found = self.files.get(str(media_id))
        if found is None or found.corp_id != corp_id or found.kind != kind:
            raise HostError(40007, "不合法的媒体文件id")
        return found


def _check_code(app: App, body: dict[str, Any]) -> None:
    if not body.get("robotCode"):
        raise HostError("invalidParameter.robotCode.empty", "robotCode为空")
    if body["robotCode"] != app.robot_code:
        raise HostError("invalidParameter.robotCode.notExsit", "机器人不存在")


def sample_view(body: dict[str, Any]) -> dict[str, Any]:
    """What a template of the robot shows. Raises HostError."""
    key, raw = str(body.get("msgKey")), body.get("msgParam")
    if key not in SAMPLES:
        raise HostError("invalidParameter.msgKey.invalid", "msgKey不合法")
    if not isinstance(raw, str):
        raise HostError("invalidParameter.msgParam.invalid", "msgParam须为JSON文本")
    if len(raw.encode()) > MAX_PARAM:
        raise HostError("invalidParameter.msgParam.tooLong", "msgParam过长")
    try:
        param = json.loads(raw)
    except ValueError:
        raise HostError("invalidParameter.msgParam.invalid", "msgParam须为JSON文本") from None
    for name in SAMPLES[key]:
        if not isinstance(param.get(name), str) or not param[name]:
            raise HostError(f"miss.param.{name}", f"缺少参数{name}")
    url = param.get("singleURL") or param.get("messageUrl") or ""
    button = [{"key": "", "text": param["singleTitle"], "url": url, "style": "plain"}] if "singleTitle" in param else []
    text = param.get("text") or param.get("content") or param.get("fileName", "")
    return {"title": param.get("title", ""), "text": text, "url": url, "buttons": button}


def webhook_view(body: dict[str, Any]) -> dict[str, Any]:
    """What a webhook post shows. Raises HostError."""
    kind = body.get("msgtype")
    inner = body.get(str(kind))
    if kind not in TYPES or not isinstance(inner, dict):
        raise HostError(400105, "不支持的消息类型")
    if len(json.dumps(body, ensure_ascii=False).encode()) > MAX_POST:
        raise HostError(460101, "消息内容过长")
    if kind == "feedCard":
        links = inner.get("links")
        if not isinstance(links, list) or not links:
            raise HostError(40035, "缺少参数 links")
        articles = [
            {"title": _need(one, "title"), "text": "", "url": _url(one, "messageURL"), "picture": one.get("picURL", "")}
            for one in links
        ]
        return {"articles": articles}
    if kind == "actionCard":
        return _action_card(inner)
    if kind == "link":
        return {"title": _need(inner, "title"), "text": _need(inner, "text"), "url": _url(inner, "messageUrl")}
    if kind == "markdown":
        return {"title": _need(inner, "title"), "text": _need(inner, "text")}
    return {"text": _need(inner, "content")}


def _action_card(inner: dict[str, Any]) -> dict[str, Any]:
    view = {"title": _need(inner, "title"), "text": _need(inner, "text")}
    if inner.get("singleTitle"):
        url = _url(inner, "singleURL")
        button = {"key": "", "text": inner["singleTitle"], "url": url, "style": "plain"}
        return {**view, "url": url, "buttons": [button]}
    rows = inner.get("btns")
    if not isinstance(rows, list) or not rows:
        raise HostError(40035, "缺少参数 singleTitle 或 btns")
    buttons = [
        {"key": "", "text": _need(one, "title"), "url": _url(one, "actionURL"), "style": "plain"} for one in rows
    ]
    return {**view, "buttons": buttons}


def _need(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise HostError(40035, f"缺少参数 {name}")
    return value


def _url(row: dict[str, Any], name: str) -> str:
    value = _need(row, name)
    if not URL.fullmatch(value) and not value.startswith("dingtalk://"):
        raise HostError(40035, f"不合法的参数 {name}")
    return value


def add_routes(emulator: "DingTalkEmulator", app: Flask) -> None:
    emulator.groups.add_to(app)

    @app.post("/robot/send")
    def robot_send() -> Response:
        if not request.content_type or "json" not in request.content_type:
            return legacy_error("", HostError(43004, "需要Content-Type: application/json"))
        body = request.get_json(force=True, silent=True)
        try:
            with emulator.lock:
                emulator.robots.send(request.args.get("access_token", ""), request.args.to_dict(), body)
        except HostError as error:
            return legacy_error("", error)
        return json_response({"errcode": 0, "errmsg": "ok"})

    @app.get("/phone/media/<media_id>")
    def phone_media(media_id: str) -> Response:
        with emulator.lock:
            found = emulator.robots.files.get(media_id)
        if found is None:
            return Response(status=404)
        return Response(found.body, content_type=found.content_type)
