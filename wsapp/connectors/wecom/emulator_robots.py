"""The emulator's group robots (群机器人): posts by webhook, with the host's checks and its 20 a minute (page 91770)."""

import base64
import hashlib
import re
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request

from wsapp.connectors.emulator_groups import Group, Robot
from wsapp.connectors.wecom.emulator_access import Refusal, answer
from wsapp.connectors.wecom.emulator_cards import check_card
from wsapp.connectors.wecom.emulator_chats import card_view, plain_view

if TYPE_CHECKING:
    from wsapp.connectors.wecom.emulator import WeComEmulator

TEXT, MARKDOWN = 2048, 4096  # bytes
IMAGE = 2 << 20
ARTICLES, ARTICLE_TITLE, ARTICLE_TEXT, ARTICLE_URL = 8, 128, 512, 2048
CARDS = ("text_notice", "news_notice")
URL = re.compile(r"https?://\S+")


class Webhooks:
    """Posts of group robots. Callers hold the emulator's lock."""

    def __init__(self, emulator: "WeComEmulator") -> None:
        self.emulator = emulator

    def robot(self, key: str) -> tuple[Group, Robot]:
        found = self.emulator.groups.robot(key)
        if found is None:
            raise Refusal(93000, "invalid webhook url")
        if found[1].disabled:
            raise Refusal(93004, "robot disabled")
        return found

    def send(self, key: str, body: Any) -> None:
        group, robot = self.robot(key)
        now, most = self.emulator.clock.time(), int(self.emulator.knobs["robot_minute"])
        if not self.emulator.groups.in_pace(robot, now, most=most):
            raise Refusal(45009)
        if not isinstance(body, dict):
            raise Refusal(40058, "invalid json")
        kind = str(body.get("msgtype"))
        content = body.get(kind)
        if not isinstance(content, dict):
            raise Refusal(40008)
        self.emulator.groups.say(group, robot.name, kind, self._view(kind, content))

    def _view(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        if kind in ("text", "markdown", "markdown_v2"):
            text = content.get("content")
            if not isinstance(text, str) or not text:
                raise Refusal(44004)
            most = TEXT if kind == "text" else MARKDOWN
            if len(text.encode()) > most:
                raise Refusal(40058, f"{kind}.content exceed max length {most}")
            return plain_view(kind, content)
        if kind == "image":
            return self._image(content)
        if kind == "news":
            check_articles(content)
            return plain_view(kind, content)
        if kind == "template_card":
            check_card(content, has_callback=False)
            if content.get("card_type") not in CARDS:
                raise Refusal(42031, "card_type not supported")
            return card_view(content, "")
        if kind in ("file", "voice"):
            if str(content.get("media_id")) not in self.emulator.phones.media:
                raise Refusal(40007)
            return plain_view(kind, content)
        raise Refusal(40008)

    def _image(self, content: dict[str, Any]) -> dict[str, Any]:
        try:
            raw = base64.b64decode(str(content.get("base64")), validate=True)
        except ValueError:
            raise Refusal(40058, "invalid base64") from None
        if not 0 < len(raw) <= IMAGE or hashlib.md5(raw, usedforsecurity=False).hexdigest() != content.get("md5"):
            raise Refusal(40058, "invalid md5 or size")
        return {"text": f"图片 {len(raw)} 字节"}


def check_articles(content: dict[str, Any]) -> None:
    """Refuse a list of articles as the host does, cutting nothing. Raises Refusal."""
    articles = content.get("articles")
    if not isinstance(articles, list) or not articles:
        raise Refusal(40063, "empty articles")
    if len(articles) > ARTICLES:
        raise Refusal(45008, "too many articles")
    for one in articles:
        title, url = one.get("title"), one.get("url")
        if not isinstance(title, str) or not title:
            raise Refusal(41016, "missing title")
        if not isinstance(url, str) or not URL.fullmatch(url) or len(url.encode()) > ARTICLE_URL:
            raise Refusal(41010, "invalid url")
        if len(title.encode()) > ARTICLE_TITLE or len(str(one.get("description", "")).encode()) > ARTICLE_TEXT:
            raise Refusal(45002, "article too long")


def add_routes(emulator: "WeComEmulator", app: Flask) -> None:
    emulator.groups.add_to(app)

    @app.post("/cgi-bin/webhook/send")
    def webhook_send() -> Response:
        with emulator.lock:
            emulator.webhooks.send(request.args.get("key", ""), request.get_json(force=True, silent=True))
        return answer(emulator, {})

    @app.post("/cgi-bin/webhook/upload_media")
    def webhook_upload() -> Response:
        file, kind = request.files.get("media"), request.args.get("type", "")
        body = file.read() if file else b""
        with emulator.lock:
            group, _robot = emulator.webhooks.robot(request.args.get("key", ""))
            if kind not in ("file", "voice") or file is None or not file.filename:
                raise Refusal(40008)
            if not 5 < len(body) <= 20 << 20:
                raise Refusal(45001, "invalid media size")
            corp = emulator.corps[group.corp_id]
            media_id = emulator.phones.keep(corp, kind, file.filename, file.content_type or "", body)
            created = str(int(emulator.clock.time()))
        return answer(emulator, {"type": kind, "media_id": media_id, "created_at": created})
