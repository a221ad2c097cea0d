"""A host whose wire is plain JSON: what a new connector must bring, and nothing else."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wsapp.connectors.base import (
    Answer,
    BadCallback,
    BadCode,
    BadCredentials,
    Callback,
    CallbackReply,
    CallbackRequest,
    Connector,
    CredentialField,
    DepartmentInfo,
    HostEvent,
    Identity,
    Message,
    OutOfRange,
    Parcel,
    Person,
    Receipt,
    Refused,
    SilentSignIn,
    TryLater,
    fresh_timestamp,
)

ERRORS: dict[str, type[Refused] | type[BadCredentials]] = {
    "bad_code": BadCode,
    "unseen": OutOfRange,
    "bad_secret": BadCredentials,
}


class TinyConnector(Connector):
    """One corp's line to the tiny host."""

    host = "tiny"
    label = "小宿主"
    user_agent = re.compile(r"TinyHost/")
    credential_fields = (CredentialField("secret", "Secret", secret=True),)
    callback_kinds = ("card",)
    base_keys = {"api_base": "https://api.tiny.example"}
    frame_origins = ()
    folder = Path(__file__).parent

    def _call(self, path: str, body: dict[str, Any], *, ambiguous: bool = False, retry: bool = True) -> dict[str, Any]:
        token = self.tokens.get("app", self._fetch_token)
        answer = self.http.request(
            "POST", f"{self.bases['api_base']}{path}", json=body, headers={"Token": token}, api=path
        )
        if answer.json and answer.json.get("error") == "bad_token" and retry:
            self.tokens.get("app", self._fetch_token, stale=token)
            return self._call(path, body, ambiguous=ambiguous, retry=False)
        return self._read(answer, ambiguous=ambiguous)

    def _fetch_token(self) -> tuple[str, float]:
        body = {"corp": self.account.corp_id, "secret": self.account["secret"]}
        answer = self.http.request("POST", f"{self.bases['api_base']}/token", json=body, api="/token")
        found = self._read(answer, ambiguous=False)
        return str(found["token"]), float(found["life"])

    def _read(self, answer: Answer, *, ambiguous: bool) -> dict[str, Any]:
        if answer.json is None or "error" not in answer.json:
            raise TryLater("no answer of this host's", code=str(answer.status), ambiguous=ambiguous)
        code = str(answer.json["error"])
        if code == "busy":
            raise TryLater("busy", after=1, code=code)
        if code:
            raise ERRORS.get(code, Refused)(code, code=code)
        return answer.json

    def silent_sign_in(self, back: str, state: str) -> SilentSignIn:
        return SilentSignIn(redirect=f"{self.bases['api_base']}/authorize?back={back}&state={state}")

    def web_sign_in(self, back: str, state: str) -> str:
        return self.silent_sign_in(back, state).redirect

    def sign_in(self, code: str, *, web: bool = False) -> Identity:
        return Identity(self._call("/who", {"code": code})["userid"])

    def js_config(self, url: str) -> dict[str, Any]:
        return {"signature": hashlib.sha256(f"{self.account['secret']}{url}".encode()).hexdigest()}

    def person(self, userid: str) -> Person:
        found = self._call("/person", {"userid": userid})
        return Person(userid, found["name"], departments=("1",), manager=found["manager"])

    def department(self, department_id: str) -> DepartmentInfo:
        return DepartmentInfo(department_id, "总部")

    def departments(self) -> Iterator[DepartmentInfo]:
        yield self.department("1")

    def members(self, department_id: str) -> Iterator[Person]:
        for userid in self._call("/people", {})["userids"]:
            yield self.person(userid)

    def compose(self, message: Message, to: Sequence[str]) -> Parcel:
        body = {
            "card": message.card,
            "title": message.title,
            "lines": message.lines,
            "url": message.url,
            "buttons": [[button.key, button.text] for button in message.buttons],
            "to": list(to),
        }
        return Parcel("card", json.dumps(body, ensure_ascii=False).encode(), tuple(to))

    def send(self, parcel: Parcel) -> Receipt:
        found = self._call("/send", json.loads(parcel.body), ambiguous=True)
        return Receipt(found["id"], dropped=dict.fromkeys(found["dropped"], "unseen"))

    def update_card(self, message: Message, receipt: Receipt, to: Sequence[str]) -> None:
        self._call("/update", {"card": message.card, "state": message.state})

    def read_callback(self, request: CallbackRequest) -> Callback:
        stamp, given = request.headers.get("tiny-time", ""), request.headers.get("tiny-signature", "")
        expected = hmac.new(self.account["secret"].encode(), stamp.encode() + request.body, hashlib.sha256).hexdigest()
        if not fresh_timestamp(stamp, self.now(), (10,)) or not hmac.compare_digest(given, expected):
            raise BadCallback("signature")
        try:
            body = json.loads(request.body)
            event = HostEvent(
                "card.pressed", str(body["id"]), (str(body["userid"]),), str(body["card"]), str(body["key"])
            )
        except (ValueError, KeyError, TypeError):
            raise BadCallback("body") from None
        return Callback(hashlib.sha256(request.body).hexdigest(), (event,), CallbackReply(b"ok"))
