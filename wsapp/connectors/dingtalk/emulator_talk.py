"""What people say to the app's robot in the emulator (接收消息), and the answers by the conversation's webhook.

POST /phone/say {"user", "text", "group"?: id, "calls"?: false}   alone with it, or in a group calling the robot
POST /robot/sendBySession?session=                                the app's answer; dies after an hour and a half
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from flask import Flask, Response, jsonify, request

from wsapp.connectors.dingtalk.emulator_gate import json_response, legacy_error
from wsapp.connectors.dingtalk.emulator_robots import webhook_view
from wsapp.connectors.dingtalk.emulator_world import App, HostError, Member
from wsapp.connectors.emulator import dump
from wsapp.connectors.emulator_groups import Group

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator

ROBOT_TOPIC = "/v1.0/im/bot/messages/get"
SESSION_LIFE = 5400  # seconds
ANSWER_SECONDS = 5
SINGLE, GROUP = "1", "2"


@dataclass
class Session:
    """A conversation's webhook."""

    app: App
    user: str
    group: Group | None
    until: float


class Talk:
    """Conversations with the robots of all apps. Callers hold the emulator's lock."""

    def __init__(self, emulator: "DingTalkEmulator") -> None:
        self.emulator = emulator
        self.forget()

    def forget(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.uuids: set[tuple[str, str]] = set()
        self.told: list[dict[str, Any]] = []  # bodies as they were sent to the apps

    def message(self, said: dict[str, Any], address: str) -> tuple[App, dict[str, Any]] | None:
        """Show what a person says, and return the message for the app; None when the robot was not called."""
        found = self.emulator.world.member(str(said.get("user")), str(said.get("corp") or ""))
        if found is None or not found[0].apps:
            raise HostError(33012, "无效的USERID")
        corp, member = found
        app = next(iter(corp.apps.values()))
        text, group = str(said.get("text") or ""), self._group(corp.corp_id, str(said.get("group") or ""), member)
        view = {"text": text, "mine": True, "from": member.userid}
        if group is None:
            self.emulator.chat.show_robot(app, member.userid, "text", view)
        else:
            called = said.get("calls", True)
            shown = {**view, "text": f"@{app.name} {text}" if called else text, "mine": False}
            self.emulator.groups.say(group, member.name, "text", shown)
            if not called:
                return None
            text = f" {text}"  # the mention is taken out, its space stays
        session = secrets.token_hex(16)
        until = self.emulator.clock.time() + SESSION_LIFE
        self.sessions[session] = Session(app, member.userid, group, until)
        body = self._body(app, member, group, text) | {
            "sessionWebhook": f"{address}/robot/sendBySession?session={session}",
            "sessionWebhookExpiredTime": int(until * 1000),
        }
        self.told.append(body)
        return app, body

    def _group(self, corp_id: str, group_id: str, member: Member) -> Group | None:
        if not group_id:
            return None
        group = self.emulator.groups.groups.get((corp_id, group_id))
        if group is None or member.userid not in group.members:
            raise HostError(33012, "不在群内")
        return group

    def _body(self, app: App, member: Member, group: Group | None, text: str) -> dict[str, Any]:
        inside = self.emulator.world.sees_member(app, member)
        body: dict[str, Any] = {
            "conversationId": group.id if group else f"cid{member.userid}",
            "conversationType": GROUP if group else SINGLE,
            "msgId": f"msg{secrets.token_hex(12)}",
            "createAt": int(self.emulator.clock.time() * 1000),
            "senderId": f"$:LWCP_v1:${hashlib.sha256(member.userid.encode()).hexdigest()[:16]}",
            "senderNick": member.name,
            "senderCorpId": app.corp.corp_id,
            "isAdmin": member.admin,
            "chatbotUserId": f"$:LWCP_v1:${app.robot_code}",
            "chatbotCorpId": app.corp.corp_id,
            "robotCode": app.robot_code,
            "msgtype": "text",
            "text": {"content": text},
        }
        if inside:
            body["senderStaffId"] = member.userid
        if group:
            body |= {"conversationTitle": group.name, "isInAtList": True}
            body["atUsers"] = [{"dingtalkId": body["chatbotUserId"]}]
        return body

    def answer(self, session: str, body: Any) -> None:
        """robot/sendBySession. Raises HostError."""
        found = self.sessions.get(session)
        if found is None or self.emulator.clock.time() > found.until:
            raise HostError(300005, "session is not exist")
        if not isinstance(body, dict):
            raise HostError(40035, "缺少参数 json")
        view = webhook_view(body)
        uuid = str(body.get("msgUuid") or "")
        if uuid and (session, uuid) in self.uuids:
            return
        self.uuids.add((session, uuid))
        if found.group is None:
            self.emulator.chat.show_robot(found.app, found.user, str(body["msgtype"]), view)
            return
        called = [str(one) for one in (body.get("at") or {}).get("atUserIds") or []]
        self.emulator.groups.say(found.group, found.app.name, str(body["msgtype"]), {**view, "called": called})


def send(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> int:
    """Bring a message to the app, once: over its stream or to its address. Returns the status, 0: nobody took it."""
    if app.event_mode == "stream":
        return emulator.streams.call(app, ROBOT_TOPIC, body)[0]
    url = app.robot_url
    if not url:
        return 0
    timestamp = str(int(emulator.clock.time() * 1000))
    digest = hmac.new(app.client_secret.encode(), f"{timestamp}\n{app.client_secret}".encode(), hashlib.sha256).digest()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "timestamp": timestamp,
        "sign": base64.b64encode(digest).decode(),
    }
    try:
        answer = requests.post(url, data=dump(body), headers=headers, timeout=ANSWER_SECONDS, allow_redirects=False)
    except requests.RequestException:
        return 0
    return answer.status_code


def add_routes(emulator: "DingTalkEmulator", app: Flask) -> None:
    @app.post("/phone/say")
    def say() -> tuple[Response, int]:
        """`{"user", "text", "group"?, "calls"?, "again"?: msgId of an earlier one}` → `{"status", "message"}`."""
        said = request.get_json(force=True)
        again = next((one for one in emulator.talk.told if one["msgId"] == said.get("again")), None)
        with emulator.lock:
            try:
                made = emulator.talk.message(said, request.host_url.rstrip("/")) if again is None else None
            except HostError as error:
                return jsonify({"error": error.message}), 404
        if again is not None:
            found = emulator.world.member(str(said.get("user")))
            made = (next(iter(found[0].apps.values())), again) if found else None
        if made is None:
            return jsonify({"status": 200, "message": ""}), 200
        return jsonify({"status": send(emulator, *made), "message": made[1]["msgId"]}), 200

    @app.post("/robot/sendBySession")
    def send_by_session() -> Response:
        body = request.get_json(force=True, silent=True)
        try:
            with emulator.lock:
                emulator.talk.answer(request.args.get("session", ""), body)
        except HostError as error:
            return legacy_error("", error)
        return json_response({"errcode": 0, "errmsg": "ok"})
