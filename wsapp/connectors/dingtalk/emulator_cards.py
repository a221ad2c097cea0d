"""Interactive cards (互动卡片) of the emulator: templates, delivery per space, updates, presses that call back."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from wsapp.connectors.dingtalk.emulator_stream import CARD_TOPIC
from wsapp.connectors.dingtalk.emulator_world import App, HostError, Template
from wsapp.connectors.emulator import dump

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator

MAX_KEY, MAX_VALUE = 100, 1024
SPACE = re.compile(r"dtv1\.card//(im_robot|im_group)\.(.+)", re.IGNORECASE)


@dataclass
class Card:
    """One card instance, shown in several chats at once."""

    track: str
    app: App
    template: Template
    at: float
    params: dict[str, str]
    private: dict[str, dict[str, str]] = field(default_factory=dict)
    route_key: str = ""
    streams: bool = False  # presses go over the app's stream
    users: list[str] = field(default_factory=list)
    version: int = 1
    presses: int = 0

    def view(self) -> dict[str, Any]:
        """The card as its template draws it. Buttons without a text are hidden; all are, once a state stands."""
        shown, template = self.params, self.template
        state = shown.get(template.state, "")
        slots = [] if state else [one for one in template.buttons if shown.get(one)]
        buttons = [{"key": self.action(one), "text": shown[one], "url": "", "style": "plain"} for one in slots]
        for first in buttons[:1]:
            first["style"] = "primary"
        return {
            "title": shown.get(template.title, ""),
            "text": shown.get(template.text, ""),
            "lines": _lines(shown.get(template.lines, "")),
            "url": shown.get(template.url, ""),
            "buttons": buttons,
            "state": state,
            "card": self.track,
            "version": self.version,
            "params": dict(shown),
        }

    def action(self, slot: str) -> str:
        """The parameter "action" that the template attaches to a button: the variable `<slot>_key`."""
        return self.params.get(f"{slot}_key", slot)

    def component(self, key: str) -> str:
        return next((one for one in self.template.buttons if self.action(one) == key), key)

    def update(self, answer: dict[str, Any]) -> None:
        """Take over new data. Without updateCardDataByKey the whole map is replaced: that is the host's default."""
        data = (answer.get("cardData") or {}).get("cardParamMap")
        if not isinstance(data, dict):
            return
        by_key = (answer.get("cardUpdateOptions") or {}).get("updateCardDataByKey") is True
        _check_params(data)
        self.params = {**(self.params if by_key else {}), **data}
        self.version += 1


def _lines(text: str) -> list[list[str]]:
    try:
        rows = json.loads(text or "[]")
    except ValueError:
        return []
    return [[str(row.get("label", "")), str(row.get("value", ""))] for row in rows if isinstance(row, dict)]


def _check_params(params: Any) -> dict[str, str]:
    if not isinstance(params, dict) or not params:
        raise HostError("param.cardPublicDataEmpty", "卡片公有数据为空")
    for key, value in params.items():
        if not isinstance(value, str) or len(key.encode()) > MAX_KEY or len(value.encode()) > MAX_VALUE:
            raise HostError("param.invalid", f"cardParamMap.{key[:50]} 不合法")
    return dict(params)


class CardBox:
    """All cards of one emulator. `show` puts a delivered one into a chat."""

    def __init__(self, emulator: "DingTalkEmulator", show: Callable[[Card, str], None]) -> None:
        self.emulator = emulator
        self.show = show
        self.cards: dict[tuple[str, str], Card] = {}

    def forget(self) -> None:
        self.cards.clear()

    def create_and_deliver(self, app: App, body: dict[str, Any]) -> dict[str, Any]:
        card = self._new_card(app, body)
        spaces = _spaces(body.get("openSpaceId"))
        self._check_models(app, body)
        with self.emulator.lock:
            if (app.client_id, card.track) in self.cards:
                raise HostError("param.cardAlreadyExist", "卡片已存在")
            self.cards[app.client_id, card.track] = card
            results = [self._deliver(card, kind, name) for kind, name in spaces]
        return {"success": True, "result": {"outTrackId": card.track, "deliverResults": results}}

    def _new_card(self, app: App, body: dict[str, Any]) -> Card:
        track, template_id = body.get("outTrackId"), body.get("cardTemplateId")
        if not isinstance(track, str) or not track:
            raise HostError("param.outTrackIdEmpty", "outTrackId为空")
        if not isinstance(template_id, str) or not template_id:
            raise HostError("param.cardTemplateIdEmpty", "cardTemplateId为空")
        template = app.templates.get(template_id)
        if template is None:
            raise HostError("param.templateNotExist", "卡片模板不存在")
        if not template.published:
            raise HostError("param.templateUnpublished", "卡片模板未发布")
        params = _check_params((body.get("cardData") or {}).get("cardParamMap"))
        route = self._route(app, body)
        card = Card(track, app, template, self.emulator.clock.time(), params, route_key=route)
        card.streams = body.get("callbackType") == "STREAM"
        return card

    def _route(self, app: App, body: dict[str, Any]) -> str:
        if body.get("callbackType", "HTTP") not in ("HTTP", "STREAM"):
            raise HostError("param.invalid", "callbackType不合法")
        key = str(body.get("callbackRouteKey") or "")
        if body.get("callbackType") == "HTTP" and key not in app.routes:
            raise HostError("param.callbackRouteKeyNotExist", "callbackRouteKey未注册")
        return key

    def _check_models(self, app: App, body: dict[str, Any]) -> None:
        if not isinstance(body.get("imRobotOpenSpaceModel"), dict):
            raise HostError("param.openSpaceModelInvalid", "imRobotOpenSpaceModel为空")
        deliver = body.get("imRobotOpenDeliverModel")
        if not isinstance(deliver, dict):
            raise HostError("param.openDeliverModelEmpty", "imRobotOpenDeliverModel为空")
        if deliver.get("spaceType") != "IM_ROBOT":
            raise HostError("param.openDeliverModelError", "spaceType不合法")
        if deliver.get("robotCode") not in (None, app.robot_code):
            raise HostError("param.openDeliverModelError", "robotCode不合法")

    def _deliver(self, card: Card, kind: str, name: str) -> dict[str, Any]:
        """One space. Failures stand inside HTTP 200."""
        error = self._failure(card, kind, name)
        if not error:
            card.users.append(name)
            self.show(card, name)
        carrier = "" if error else base64.b64encode(f"{card.track}/{name}".encode()).decode()[:40]
        return {"spaceType": kind, "spaceId": name, "success": not error, "carrierId": carrier, "errorMsg": error}

    def _failure(self, card: Card, kind: str, name: str) -> str:
        failing = self.emulator.knobs["card_delivery"]
        member = card.app.corp.members.get(name)
        if kind != "IM_ROBOT" or member is None:
            return "param.userIdNotExist"
        if failing != "ok":
            return str(failing)
        if not self.emulator.world.sees_member(card.app, member):
            return "userId is not in the visible range of the app"
        return ""

    def update(self, app: App, body: dict[str, Any]) -> dict[str, Any]:
        card = self.cards.get((app.client_id, str(body.get("outTrackId"))))
        if card is None:
            raise HostError("param.cardNotExist", "卡片不存在")
        if not isinstance(body.get("cardData"), dict) and not body.get("privateData"):
            raise HostError("param.cardDataAndPrivateDataBothEmpty", "cardData与privateData均为空")
        with self.emulator.lock:
            card.update(body)
        return {"success": True, "result": True}

    def register_route(self, app: App, body: dict[str, Any]) -> dict[str, Any]:
        key, url = body.get("callbackRouteKey"), body.get("callbackUrl")
        if not key or not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise HostError("param.invalid", "callbackRouteKey或callbackUrl不合法")
        if key in app.routes and app.routes[key][0] != url and body.get("forceUpdate") is not True:
            raise HostError("param.callbackRouteKeyAlreadyExist", "callbackRouteKey已注册")
        secret = str(body.get("apiSecret") or "")
        app.routes[key] = (url, secret)
        return {"success": True, "result": {"callbackUrl": url, "apiSecret": secret}}

    # --- presses ---------------------------------------------------------------------------------------------

    def find(self, track: str, user: str) -> Card | None:
        """The card in a person's chat; the id alone is unique per app only."""
        found = (self.cards.get((client_id, track)) for client_id in self.emulator.world.apps)
        return next((card for card in found if card is not None and user in card.users), None)

    def press(self, card: Card, user: str, key: str) -> int:
        """Send the card callback and apply the answer. Returns the answer's status, 0 when none came in time."""
        if card.streams:
            return self._press_over_stream(card, user, key)
        url, secret = card.app.routes.get(card.route_key, ("", ""))
        if not url:
            return 0
        card.presses += 1
        body = dump(self._callback(card, user, key))
        headers = {"Content-Type": "application/json"} | self._signature(secret)
        try:
            answer = requests.post(
                url, data=body, headers=headers, timeout=self.emulator.knobs["press_seconds"], allow_redirects=False
            )
        except requests.RequestException:
            return 0
        if answer.status_code == 200:
            self._apply(card, _object(answer))
        return answer.status_code

    def _press_over_stream(self, card: Card, user: str, key: str) -> int:
        card.presses += 1
        status, answer = self.emulator.streams.call(card.app, CARD_TOPIC, self._callback(card, user, key))
        if status == 200:
            self._apply(card, answer)
        return status

    def _callback(self, card: Card, user: str, key: str) -> dict[str, Any]:
        component = card.component(key)
        params = {"action": key} if self.emulator.knobs["press_params"] else {}
        ids = [component] if params else [key]
        content = json.dumps({"cardPrivateData": {"actionIds": ids, "params": params}}, ensure_ascii=False)
        return {
            "type": "actionCallback",
            "outTrackId": card.track,
            "corpId": card.app.corp.corp_id,
            "userId": user,
            "userIdType": 1,
            "spaceType": "IM_ROBOT",
            "spaceId": user,
            "content": content,
            "extension": "{}",
        }

    def _signature(self, secret: str) -> dict[str, str]:
        """Headers that only a route with an apiSecret gets; they cover the timestamp alone."""
        if not secret:
            return {}
        timestamp = str(int(self.emulator.clock.time() * 1000))
        digest = hmac.new(secret.encode(), timestamp.encode(), hashlib.sha256).digest()
        return {
            "x-ddpaas-signature-timestamp": timestamp,
            "x-ddpaas-signature": base64.b64encode(digest).decode(),
        }

    def _apply(self, card: Card, answer: dict[str, Any]) -> None:
        with self.emulator.lock, suppress(HostError):
            card.update(answer)


def _object(answer: requests.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _spaces(value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, str) or not value:
        raise HostError("param.openSpaceIdEmpty", "openSpaceId为空")
    found = [SPACE.fullmatch(part) for part in value.split(";")]
    if any(one is None for one in found):
        raise HostError("param.openSpaceIdInvalid", "openSpaceId不合法")
    return [(one.group(1).upper(), one.group(2)) for one in found if one]
