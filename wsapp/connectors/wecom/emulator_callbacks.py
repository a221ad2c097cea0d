"""The emulator's callbacks: sealed by wechatpy's crypto, pushed again when unanswered, and all their bad habits."""

import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from wechatpy.crypto import _get_signature
from wechatpy.exceptions import WeChatException
from wechatpy.work.crypto import PrpCrypto
from wechatpy.work.crypto import WeChatCrypto as WorkCrypto

from wsapp.connectors.base import BadCallback
from wsapp.connectors.wecom import xml
from wsapp.connectors.wecom.emulator_chats import Delivery
from wsapp.connectors.wecom.emulator_org import App, Corp, Door

if TYPE_CHECKING:
    from wsapp.connectors.wecom.emulator import WeComEmulator

OWNERSHIP_FILE = re.compile(r"WW_verify_[0-9A-Za-z]{1,64}\.txt")
GET_DEADLINE, POST_DEADLINE = 1.0, 5.0  # seconds


@dataclass
class Push:
    """One callback on its way. `status` is the last HTTP status, 0 while there was none."""

    door: Door
    corp_id: str
    agent_id: int | None
    make_plain: Callable[[], str]
    status: int = 0
    reply: bytes = b""
    tries: int = 0
    ended: threading.Event = field(default_factory=threading.Event)


def cdata(tag: str, text: str) -> str:
    return f"<{tag}><![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]></{tag}>"


def event_xml(corp_id: str, sender: str, at: float, event: str, inner: str) -> str:
    return (
        f"<xml>{cdata('ToUserName', corp_id)}{cdata('FromUserName', sender)}<CreateTime>{int(at)}</CreateTime>"
        f"{cdata('MsgType', 'event')}{cdata('Event', event)}{inner}</xml>"
    )


def sealed(door: Door, corp_id: str, plain: str, agent_id: int | None, at: float) -> tuple[dict[str, str], bytes]:
    """(query, body) of a callback: a fresh nonce, timestamp and random prefix each time."""
    crypto = WorkCrypto(door.token, door.aes_key, corp_id)
    encrypted = PrpCrypto(crypto.key).encrypt(plain, corp_id).decode()
    timestamp, nonce = str(int(at)), str(secrets.randbelow(10**10))
    query = {
        "msg_signature": _get_signature(door.token, timestamp, nonce, encrypted),
        "timestamp": timestamp,
        "nonce": nonce,
    }
    agent = cdata("AgentID", "" if agent_id is None else str(agent_id))
    body = f"<xml>{cdata('ToUserName', corp_id)}{cdata('Encrypt', encrypted)}{agent}</xml>"
    return query, body.encode()


class Callbacks:
    """Pushes events to the doors of apps and of contact sync."""

    def __init__(self, emulator: "WeComEmulator") -> None:
        self.emulator = emulator
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))
        self.pushes: list[Push] = []

    # --- events ----------------------------------------------------------------------------------------------

    def app_event(self, app: App, sender: str, event: str, inner: str = "") -> Push | None:
        """An event to the app's own callback URL."""
        at = self.emulator.clock.time()
        inner += f"<AgentID>{app.agent_id}</AgentID>"
        return self._push(
            app.door, app.corp, app.agent_id, lambda: event_xml(app.corp.corp_id, sender, self._when(at), event, inner)
        )

    def app_message(self, app: App, plain: str) -> Push | None:
        """A member's message to the app's own callback URL."""
        return self._push(app.door, app.corp, app.agent_id, lambda: plain)

    def contact_event(self, corp: Corp, change: str, inner: str) -> Push | None:
        """change_contact to the contact-sync callback and, where the knob says so, to the apps as well."""
        at = self.emulator.clock.time()
        inner = f"<ChangeType>{change}</ChangeType>{inner}"

        def plain() -> str:
            return event_xml(corp.corp_id, "sys", self._when(at), "change_contact", inner)

        if self.emulator.knobs["apps_get_change_contact"]:
            for app in corp.apps.values():
                self._push(app.door, corp, app.agent_id, plain)
        return self._push(corp.contacts_door, corp, None, plain)

    def press(self, delivery: Delivery, key: str, selected: dict[str, list[str]] | None = None) -> Push | None:
        """template_card_event of one person pressing a button; each press has a response code of its own."""
        sent, card = delivery.sent, delivery.content
        menu = any(one.get("key") == key for one in (card.get("action_menu") or {}).get("action_list", []))
        code = self.emulator.post.new_response_code(sent)
        spelling = str(self.emulator.knobs["option_spelling"])
        inner = cdata("EventKey", key) + cdata("TaskId", sent.task_id)
        inner += cdata("CardType", str(sent.content.get("card_type"))) + cdata("ResponseCode", code)
        if selected and not menu:
            inner += _selected_xml(selected, spelling)
        event = "template_card_menu_event" if menu else "template_card_event"
        return self.app_event(sent.app, delivery.user.userid, event, inner)

    def _when(self, at: float) -> float:
        """CreateTime of a retry: whether it stays is uncertain, so it is a knob."""
        return at if self.emulator.knobs["retry_plaintext"] == "same" else self.emulator.clock.time()

    # --- pushing ---------------------------------------------------------------------------------------------

    def _push(self, door: Door, corp: Corp, agent_id: int | None, make_plain: Callable[[], str]) -> Push | None:
        if not door.url:
            return None
        push = Push(door, corp.corp_id, agent_id, make_plain)
        if self._lost():
            push.ended.set()
            return push
        self.start(push)
        for _ in range(int(self.emulator.knobs["callback_copies"]) - 1):
            self.start(Push(door, corp.corp_id, agent_id, make_plain))
        return push

    def _lost(self) -> bool:
        """Whether the knob swallows this callback; it counts down."""
        with self.emulator.lock:
            left = int(self.emulator.knobs["callbacks_to_lose"])
            self.emulator.knobs["callbacks_to_lose"] = max(0, left - 1)
        return left > 0

    def start(self, push: Push) -> None:
        thread = threading.Thread(target=self._run, args=(push,), daemon=True, name="wecom-callback")
        with self.emulator.lock:
            threads = self.emulator.callback_threads
            threads[:] = [one for one in threads if one.is_alive()] + [thread]
            self.pushes = [*self.pushes[-999:], push]
            thread.start()

    def _run(self, push: Push) -> None:
        knobs = self.emulator.knobs
        time.sleep(float(knobs["callback_delay"]))
        try:
            for attempt in range(int(knobs["callback_tries"])):
                if attempt:
                    time.sleep(float(knobs["callback_pause"]))
                if self._once(push):
                    return
        finally:
            push.ended.set()

    def _once(self, push: Push) -> bool:
        push.tries += 1
        at = self.emulator.clock.time() + float(self.emulator.knobs["callback_clock_error"])
        query, body = sealed(push.door, push.corp_id, push.make_plain(), push.agent_id, at)
        try:
            answer = self.session.post(
                push.door.url,
                params=query,
                data=body,
                headers={"Content-Type": "text/xml"},
                timeout=POST_DEADLINE,
                allow_redirects=False,
            )
        except requests.RequestException:
            push.status = 0
            return False
        push.status, push.reply = answer.status_code, answer.content
        return answer.status_code == 200

    # --- replies and URL verification ------------------------------------------------------------------------

    def passive_reply(self, push: Push) -> str:
        """ReplaceName of an encrypted update_button reply (§6.6); empty for anything else."""
        if b"<Encrypt>" not in push.reply:
            return ""
        try:
            outer = xml.read(push.reply)
            crypto = WorkCrypto(push.door.token, push.door.aes_key, push.corp_id)
            parts = {"Encrypt": outer.text("Encrypt")}
            signed = (outer.text("MsgSignature"), outer.text("TimeStamp"), outer.text("Nonce"))
            inner = xml.read(crypto.decrypt_message(parts, *signed).encode())
        except (BadCallback, WeChatException, ValueError):
            return ""
        if inner.text("MsgType") != "update_button":
            return ""
        return "".join(button.text("ReplaceName") for button in inner.all("Button"))

    def verify_url(self, door: Door, corp_id: str) -> dict[str, Any]:
        """What the console does on saving a callback URL: an encrypted echo, to be answered in a second."""
        echo = str(secrets.randbelow(10**19))
        crypto = WorkCrypto(door.token, door.aes_key, corp_id)
        encrypted = PrpCrypto(crypto.key).encrypt(echo, corp_id).decode()
        timestamp, nonce = str(int(self.emulator.clock.time())), str(secrets.randbelow(10**10))
        signature = _get_signature(door.token, timestamp, nonce, encrypted)
        query = f"msg_signature={signature}&timestamp={timestamp}&nonce={nonce}&echostr={quote(encrypted, safe='')}"
        try:
            answer = self.session.get(f"{door.url}?{query}", timeout=GET_DEADLINE, allow_redirects=False)
        except requests.RequestException:
            return {"ok": False, "status": 0}
        right = answer.status_code == 200 and answer.content == echo.encode()
        return {"ok": right, "status": answer.status_code}

    def verify_domain(self, app: App, name: str, content: str) -> dict[str, Any]:
        """What the console does for a trusted domain: fetch the ownership file, no redirect, exactly this content."""
        if not OWNERSHIP_FILE.fullmatch(name) or not app.trusted_domains:
            return {"ok": False, "status": 0}
        scheme = app.home_url.partition("://")[0] or "https"
        try:
            url = f"{scheme}://{app.trusted_domains[0]}/{name}"
            answer = self.session.get(url, timeout=POST_DEADLINE, allow_redirects=False)
        except requests.RequestException:
            return {"ok": False, "status": 0}
        right = answer.status_code == 200 and answer.content == content.encode()
        return {"ok": right, "status": answer.status_code}


def _selected_xml(selected: dict[str, list[str]], spelling: str) -> str:
    single = spelling.removesuffix("s")
    items = ""
    for question, options in selected.items():
        chosen = "".join(cdata(single, option) for option in options)
        items += f"<SelectedItem>{cdata('QuestionKey', question)}<{spelling}>{chosen}</{spelling}></SelectedItem>"
    return f"<SelectedItems>{items}</SelectedItems>"
