"""What members write to an app in the emulator (path 90239): text messages to the app's callback, like events.

POST /phone/say {"user", "text", "corp"?, "again"?: MsgId of an earlier one} → {"status", "message"}.
"""

import secrets
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request

from wsapp.connectors.wecom.emulator_callbacks import Push, cdata
from wsapp.connectors.wecom.emulator_org import App, User

if TYPE_CHECKING:
    from wsapp.connectors.wecom.emulator import WeComEmulator


class Talk:
    """What members wrote, newest last. Callers hold the emulator's lock."""

    def __init__(self, emulator: "WeComEmulator") -> None:
        self.emulator = emulator
        self.forget()

    def forget(self) -> None:
        self.said: list[dict[str, Any]] = []

    def items(self, user: str = "") -> list[dict[str, Any]]:
        """What a member sees of their own words in the chat with the app."""
        return [one for one in self.said if user.lower() in ("", one["user"].lower())]

    def find(self, corp_id: str, name: str) -> tuple[App, User] | None:
        """The member and the first app that they see; outside the visible range nobody can write to an app."""
        for corp in self.emulator.corps.values():
            user = corp.user(name) if corp_id in ("", corp.corp_id) else None
            app = next((one for one in corp.apps.values() if user and one.sees(user)), None)
            if user is not None and app is not None:
                return app, user
        return None

    def say(self, app: App, user: User, text: str) -> dict[str, Any]:
        """Show what a member wrote."""
        number = str(secrets.randbelow(9 * 10**15) + 10**15)
        shown = {
            "id": f"said-{number}",
            "user": user.userid,
            "corp": app.corp.corp_id,
            "at": self.emulator.clock.time(),
            "kind": "text",
            "mine": True,
            "message": number,
            "card": "",
            "title": "",
            "text": text,
            "lines": [],
            "buttons": [],
            "url": "",
            "state": "",
            "source": "",
            "dropped": "",
        }
        self.said.append(shown)
        return shown

    def push(self, app: App, shown: dict[str, Any]) -> Push | None:
        """Send a message to the app's callback; a repeat has the same MsgId."""
        plain = (
            f"<xml>{cdata('ToUserName', app.corp.corp_id)}{cdata('FromUserName', shown['user'])}"
            f"<CreateTime>{int(shown['at'])}</CreateTime>{cdata('MsgType', 'text')}{cdata('Content', shown['text'])}"
            f"<MsgId>{shown['message']}</MsgId><AgentID>{app.agent_id}</AgentID></xml>"
        )
        return self.emulator.callbacks.app_message(app, plain)


def add_routes(emulator: "WeComEmulator", app: Flask) -> None:
    talk = emulator.talk

    @app.post("/phone/say")
    def say() -> tuple[Response, int]:
        body = request.get_json(force=True)
        with emulator.lock:
            found = talk.find(str(body.get("corp") or ""), str(body.get("user")))
            if found is None:
                return jsonify({"status": 404, "error": "no such member"}), 404
            again = next((one for one in talk.said if one["message"] == body.get("again")), None)
            shown = again or talk.say(*found, str(body.get("text") or "")[:2048])
        push = talk.push(found[0], shown)
        if push is not None:
            push.ended.wait(60)
        return jsonify({"status": push.status if push else 0, "message": shown["message"]}), 200
