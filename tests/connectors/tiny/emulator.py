"""The tiny host's server."""

import hashlib
import hmac
import json
import secrets
import time
from typing import Any

import requests
from flask import Response, jsonify, request

from wsapp.connectors.emulator import Emulator

CORP_ID, SECRET = "tiny-corp", "tiny-secret-0123456789"
PEOPLE = {"yi": ("易小小", "da"), "da": ("大大", "")}


class TinyEmulator(Emulator):
    """One corp, two people, cards with buttons."""

    host = "tiny"

    def __init__(self) -> None:
        super().__init__()
        self.cards: dict[str, dict[str, Any]] = {}
        self.codes: dict[str, str] = {}
        self.token = secrets.token_hex(8)
        app = self.app
        app.post("/token")(self._token)
        app.post("/who")(self._who)
        app.post("/person")(self._person)
        app.post("/people")(self._people)
        app.post("/send")(self._send)
        app.post("/update")(self._update)
        app.before_request(self._check)

    def _check(self) -> Response | None:
        if request.path.startswith(("/_emulator", "/token")) or request.headers.get("Token") == self.token:
            return None
        return jsonify({"error": "bad_token"})

    def _token(self) -> Response:
        good = request.get_json() == {"corp": CORP_ID, "secret": SECRET}
        return jsonify({"error": "", "token": self.token, "life": 7200} if good else {"error": "bad_secret"})

    def _who(self) -> Response:
        userid = self.codes.pop(request.get_json()["code"], "")
        return jsonify({"error": "", "userid": userid} if userid else {"error": "bad_code"})

    def _people(self) -> Response:
        return jsonify({"error": "", "userids": list(PEOPLE)})

    def _person(self) -> Response:
        userid = request.get_json()["userid"]
        if userid not in PEOPLE:
            return jsonify({"error": "unseen"})
        name, manager = PEOPLE[userid]
        return jsonify({"error": "", "name": name, "manager": manager})

    def _send(self) -> Response:
        body = request.get_json()
        with self.lock:
            self.cards.setdefault(body["card"], {**body, "state": ""})  # the card's id tells a repeat
        return jsonify({"error": "", "id": body["card"], "dropped": [one for one in body["to"] if one not in PEOPLE]})

    def _update(self) -> Response:
        body = request.get_json()
        self.cards[body["card"]]["state"] = body["state"]
        return jsonify({"error": ""})

    # what the contract tests ask of every host

    def code(self, userid: str) -> str:
        code = secrets.token_hex(8)
        self.codes[code] = userid
        return code

    def kill_tokens(self) -> None:
        self.token = secrets.token_hex(8)

    def chats(self, user: str = "") -> list[dict[str, Any]]:
        found = [card for card in self.cards.values() if not user or user in card["to"]]
        return [{**card, "buttons": [{"key": key, "text": text} for key, text in card["buttons"]]} for card in found]

    def error_answer(self, code: str, message: str) -> Response:
        return jsonify({"error": code})

    def forget(self) -> None:
        self.cards.clear()

    def press(self, url: str, user: str, card: str, key: str) -> requests.Response:
        body = json.dumps({"id": secrets.token_hex(4), "userid": user, "card": card, "key": key}).encode()
        stamp = str(int(time.time()))
        signature = hmac.new(SECRET.encode(), stamp.encode() + body, hashlib.sha256).hexdigest()
        return requests.post(url, data=body, headers={"Tiny-Time": stamp, "Tiny-Signature": signature}, timeout=10)
