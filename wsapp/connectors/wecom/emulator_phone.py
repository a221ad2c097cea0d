"""The emulator's phones: pressing buttons, the native side of the page script, and media (wecom.md §12, 14 and 23)."""

import base64
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from flask import Flask, Response, jsonify, request

from wsapp.connectors.wecom.emulator_access import Refusal, answer
from wsapp.connectors.wecom.emulator_chats import buttons_of, chat
from wsapp.connectors.wecom.emulator_org import Corp
from wsapp.connectors.wecom.emulator_pages import COOKIE

if TYPE_CHECKING:
    from wsapp.connectors.wecom.emulator import WeComEmulator

MEDIA_SECONDS = 3 * 86_400
MEDIA_LIMITS = {"image": 10 << 20, "voice": 2 << 20, "video": 10 << 20, "file": 20 << 20}
POSITION = {"latitude": 22.543096, "longitude": 114.057865, "accuracy": 25}  # 深圳市民中心, GCJ-02


@dataclass
class Media:
    corp: Corp
    kind: str
    name: str
    content_type: str
    body: bytes
    until: float


class Phones:
    """Positions and media. Callers hold the emulator's lock."""

    def __init__(self, emulator: "WeComEmulator") -> None:
        self.emulator = emulator
        self.media: dict[str, Media] = {}
        self.positions: dict[str, dict[str, float]] = {}

    def keep(self, corp: Corp, kind: str, name: str, content_type: str, body: bytes) -> str:
        media_id = secrets.token_urlsafe(33)
        until = self.emulator.clock.time() + MEDIA_SECONDS
        self.media[media_id] = Media(corp, kind, name, content_type, body, until)
        return media_id

    def drop(self, corp_id: str) -> None:
        """Forget the media of a corp that is no more, or no more the same."""
        self.media = {key: one for key, one in self.media.items() if one.corp.corp_id != corp_id}

    def press(self, body: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """A person presses a button. Waits for the callback's end and, with "wait" seconds, for the new card."""
        with self.emulator.lock:
            delivery = self.emulator.post.card_of(body.get("corp", ""), body.get("user", ""), body.get("card", ""))
            if delivery is None:
                return {"status": 404, "error": "no such card"}, 404
            shown = chat(delivery)
            # A client that has not heard of the update yet still shows the old buttons ("stale").
            buttons = buttons_of(delivery.sent.content) if body.get("stale") else shown["buttons"]
            if not any(one["key"] and one["key"] == body.get("key") for one in buttons):
                return {"status": 409, "error": "no such button", "chat": shown}, 409
            before = delivery.content, delivery.state
            push = self.emulator.callbacks.press(delivery, str(body["key"]), body.get("selected"))
        if push is None:
            return {"status": 0, "error": "no callback URL", "chat": shown}, 200
        push.ended.wait(60)
        with self.emulator.card_changed:
            if push.status == 200 and (name := self.emulator.callbacks.passive_reply(push)):
                self.emulator.post.show(delivery, name, None)
            end = time.monotonic() + float(body.get("wait", 0))
            while (delivery.content, delivery.state) == before and (left := end - time.monotonic()) > 0:
                self.emulator.card_changed.wait(left)
            return {"status": push.status, "tries": push.tries, "chat": chat(delivery)}, 200

    def who(self) -> tuple[Corp, str]:
        """Corp and userid of the phone that talks to us: `?user=`, the cookie, or the first member."""
        name = request.args.get("user") or request.cookies.get(COOKIE, "")
        wanted = request.args.get("corp", "")
        for corp in self.emulator.corps.values():
            if wanted in ("", corp.corp_id) and (user := corp.user(name)) is not None:
                return corp, user.userid
        corp = self.emulator.corps.get(wanted) or next(iter(self.emulator.corps.values()))
        return corp, name

    def check_page(self, body: dict[str, Any]) -> dict[str, Any]:
        """config / agentConfig: is the page signed with the right ticket, for this address, on a trusted domain?"""
        url = str(body.get("url", ""))
        corp = self.emulator.corps.get(str(body.get("corpid", "")))
        if corp is None:
            return {"ok": False, "errCode": 40013, "errMsg": "invalid corpid"}
        app = None
        if body.get("kind") == "agentConfig":
            agent_id = str(body.get("agentid", ""))
            app = corp.apps.get(int(agent_id)) if agent_id.isdigit() else None
            if app is None:
                return {"ok": False, "errCode": 40056, "errMsg": "invalid agentid"}
        domains = app.trusted_domains if app else [one for each in corp.apps.values() for one in each.trusted_domains]
        if urlsplit(url).netloc not in domains:
            return {"ok": False, "errCode": 80001, "errMsg": "invalid url domain"}
        right = self.emulator.access.page_signature(
            corp.corp_id,
            app.agent_id if app else None,
            str(body.get("nonceStr", "")),
            str(body.get("timestamp", "")),
            url.split("#")[0],
        )
        if not right or right != body.get("signature"):
            return {"ok": False, "errCode": 40093, "errMsg": "invalid signature"}
        return {"ok": True, "errCode": 0, "errMsg": "ok"}


def add_routes(emulator: "WeComEmulator", app: Flask) -> None:
    phones = emulator.phones

    @app.after_request
    def allow_pages(response: Response) -> Response:
        """Our bridge runs inside the product's page, so its calls come from another origin, with the cookie."""
        origin = request.headers.get("Origin")
        if origin and request.path.startswith(("/webview/", "/phone/", "/_emulator/")):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Access-Control-Allow-Headers"] = "Content-Type"
            response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
            response.headers["Vary"] = "Origin"
        return response

    @app.post("/phone/press")
    def press() -> tuple[Response, int]:
        made, status = phones.press(request.get_json())
        return jsonify(made), status

    @app.get("/phone/people")
    def list_people() -> Response:
        """Who can hold a phone here, for pages that let one choose."""
        with emulator.lock:
            return jsonify(
                {
                    "items": [
                        {
                            "corp": corp.corp_id,
                            "corp_name": corp.name,
                            "userid": user.userid,
                            "name": user.name,
                            "position": user.position,
                            "status": user.status,
                            "apps": [
                                {
                                    "agent": one.agent_id,
                                    "name": one.name,
                                    "home_url": one.home_url,
                                    "visible": one.sees(user),
                                }
                                for one in corp.apps.values()
                            ],
                        }
                        for corp in emulator.corps.values()
                        for user in corp.users.values()
                    ]
                }
            )

    @app.post("/webview/verify-signature")
    def verify_signature() -> Response:
        with emulator.lock:
            return jsonify(phones.check_page(request.get_json()))

    @app.get("/webview/position")
    def position() -> Response:
        with emulator.lock:
            return jsonify(phones.positions.get(phones.who()[1].lower(), POSITION))

    @app.post("/webview/position")
    def set_position() -> Response:
        body = request.get_json()
        with emulator.lock:
            found = {key: body[key] for key in ("latitude", "longitude", "accuracy") if key in body}
            phones.positions[str(body["user"]).lower()] = {**POSITION, **found}
        return jsonify(found)

    @app.post("/webview/upload")
    def upload() -> Response:
        kind, body = request.content_type or "image/jpeg", request.get_data()
        if body.startswith(b"data:") and b";base64," in body:
            body = base64.b64decode(body.split(b",", 1)[1])
        with emulator.lock:
            corp, _ = phones.who()
            return jsonify({"media_id": phones.keep(corp, "image", "photo.jpg", kind, body)})

    @app.get("/phone/media/<media_id>")
    def phone_media(media_id: str) -> Response:
        """A picture or file of a message, for the phone that shows it."""
        with emulator.lock:
            found = phones.media.get(media_id)
        return Response(found.body, content_type=found.content_type) if found else Response(status=404)

    @app.get("/cgi-bin/media/get")
    def media_get() -> Response:
        with emulator.entered("media/get") as grant:
            found = phones.media.get(request.args.get("media_id", ""))
            if found is None or found.corp is not grant.corp or found.until <= emulator.clock.time():
                raise Refusal(40007)
        made = Response(found.body, content_type=found.content_type)
        made.headers["Content-Disposition"] = f'attachment; filename="{quote(found.name)}"'
        return made

    @app.post("/cgi-bin/media/upload")
    def media_upload() -> Response:
        file, kind = request.files.get("media"), request.args.get("type", "")
        body = file.read() if file else b""
        with emulator.entered("media/upload") as grant:
            if kind not in MEDIA_LIMITS or file is None or not file.filename:
                raise Refusal(40008)
            if not 5 < len(body) <= MEDIA_LIMITS[kind]:
                raise Refusal(45001, "invalid media size")
            content_type = file.content_type or "application/octet-stream"
            media_id = phones.keep(grant.corp, kind, file.filename, content_type, body)
            created = str(int(emulator.clock.time()))
            return answer(emulator, {"errmsg": "", "type": kind, "media_id": media_id, "created_at": created})
