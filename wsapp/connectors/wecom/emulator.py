"""An emulator of WeCom's server: the part of it that a self-built app meets, with its limits and its bad days.

It follows the list "what the sandbox must reproduce" of our WeCom notes. Behaviour that no public page settles is a
knob; the defaults are what reports say most often. On top of the shared switches:

    POST /_emulator/org        load companies, apps and people (the shape of `demo_org`)
    POST /_emulator/people     {"action": "leave", "userid": …}: also join, disable, enable, move, rename, hide, show
    POST /_emulator/apps       {"corp", "agent_id", "disabled", "forbidden", "ips", "secret", …}: change an app
    POST /_emulator/tokens     {"corp"}: revoke every access token now
    POST /_emulator/events     {"corp", "agent_id", "event", "from", "inner"}: push any event
    POST /_emulator/verify     {"corp", "agent_id"}: URL verification, as the console does it
    POST /_emulator/domain     {"corp", "agent_id", "file", "content"}: fetch the ownership file from the app's domain
    GET  /_emulator/stats      repeats suppressed, messages kept, callbacks pushed
    POST /phone/press          {"user", "card", "key", "wait"}: press a button of a card
    GET  /phone/people         who can hold a phone
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from flask import Response, has_request_context, jsonify, request

from wsapp.connectors.emulator import Emulator
from wsapp.connectors.emulator_groups import Groups
from wsapp.connectors.wecom import (
    emulator_access,
    emulator_calendar,
    emulator_console,
    emulator_contacts,
    emulator_messages,
    emulator_pages,
    emulator_phone,
    emulator_robots,
    emulator_talk,
)
from wsapp.connectors.wecom.emulator_access import Access, Grant, Refusal, refusal_answer
from wsapp.connectors.wecom.emulator_calendar import Calendars
from wsapp.connectors.wecom.emulator_callbacks import Callbacks
from wsapp.connectors.wecom.emulator_contacts import Contacts
from wsapp.connectors.wecom.emulator_demo import demo_corp, demo_org
from wsapp.connectors.wecom.emulator_messages import Post
from wsapp.connectors.wecom.emulator_org import App, Corp, corp_from
from wsapp.connectors.wecom.emulator_pages import SignIn
from wsapp.connectors.wecom.emulator_phone import POSITION, Phones
from wsapp.connectors.wecom.emulator_robots import Webhooks
from wsapp.connectors.wecom.emulator_talk import Talk

__all__ = ["EMULATOR", "KNOBS", "WeComEmulator", "demo_corp", "demo_org"]

KNOBS: dict[str, Any] = {
    # tokens
    "token_seconds": 7200,
    "gettoken_repeats": "same",  # or "new": every gettoken makes a token
    "old_token_lives": False,  # with "new": does the old one stay valid?
    "expires_in": "full",  # or "remaining"
    "expired_token_code": 40014,  # or 42001
    "gettoken_checks_ip": False,
    "wrong_secrets_per_hour": 2000,
    "ip_activation_seconds": 60,
    # sign-in
    "agentid_optional": True,
    "client_only": False,  # authorise only for the user agents of the clients
    "loads_twice": False,  # the client opens the return address two times with one code
    "private_fields": ["avatar", "gender", "mobile", "email", "biz_mail", "qr_code", "address"],
    # contacts
    "invisible_user_code": 60111,  # or 60011
    "masked_fields": "absent",  # or "default": gender "0" and the default picture
    # messages
    "refuses_escapes": True,
    "textcard_limits": "bytes",  # or "characters"
    "duplicates_first": True,  # is the duplicate check before the check of the card?
    "duplicate_answer": "same",  # as the first time, or "bare": no msgid, no response code
    "reused_task_id_code": 42014,
    "notice_response_code": True,  # for notices with an action menu
    "response_code_hours": 72,
    "person_minute": 30,
    "person_hour": 1000,
    "robot_minute": 20,  # posts of one group robot
    "sends_per_day": 0,  # heads per app; 0: no limit
    # callbacks
    "apps_get_change_contact": False,
    "option_spelling": "OptionIds",  # or "OpitonIds"
    "retry_plaintext": "same",  # or "new": a retry has another CreateTime
    "callback_tries": 3,  # or 4: one and three more
    "callback_pause": 0.2,
    "callback_delay": 0.0,
    "callback_copies": 1,
    "callbacks_to_lose": 0,
    "callback_clock_error": 0,  # seconds that the host's clock is ahead
    # calendar
    "deleted_schedule": "status",  # when asked for; or "absent", "code"
    "schedules_per_day": 20_000,
    # answers
    "omit_errcode": False,
    "extra_fields": False,
    # rates; 0: no limit
    "corp_minute": 10_000,
    "corp_hour": 150_000,
    "ip_minute": 20_000,
    "ip_hour": 600_000,
    "corp_tickets_per_hour": 400,
    "app_tickets_per_hour": 100,
    "concurrent_calls": 0,
}


class WeComEmulator(Emulator):
    """The emulated host. Keeps everything in memory, under one lock."""

    host = "wecom"
    knobs = KNOBS
    here = (POSITION["latitude"], POSITION["longitude"])
    phone_agent = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Mobile/15E148 wxwork/4.1.36 MicroMessenger/7.0.1 Language/zh"
    )

    def __init__(self) -> None:
        super().__init__()
        self.corps: dict[str, Corp] = {}
        self.card_changed = threading.Condition(self.lock)
        self.access = Access(self)
        self.post = Post(self)
        self.groups = Groups(self)
        self.webhooks = Webhooks(self)
        self.talk = Talk(self)
        self.callbacks = Callbacks(self)
        self.contacts = Contacts(self)
        self.sign_in = SignIn(self)
        self.phones = Phones(self)
        self.calendars = Calendars(self)
        parts = (emulator_access, emulator_contacts, emulator_messages, emulator_pages, emulator_phone, emulator_robots)
        for part in (*parts, emulator_calendar, emulator_talk, emulator_console):
            part.add_routes(self, self.app)
        self.app.register_error_handler(Refusal, self._refused)
        self._add_own_switches()

    def load(self, org: dict[str, Any]) -> None:
        """Take in companies, in the shape of `demo_org`; one with a known corp id replaces the old, tokens and all."""
        with self.lock:
            self.groups.load(org)
            for row in org["corps"]:
                corp = corp_from(row, self.clock.time())
                self.corps[corp.corp_id] = corp
                self.access.drop(corp.corp_id)
                self.sign_in.drop(corp.corp_id)
                self.phones.drop(corp.corp_id)

    @contextmanager
    def entered(self, api: str) -> Iterator[Grant]:
        """One API call past all checks, under the lock. Raises Refusal, which answers as the host does."""
        corp = self.access.grants.get(request.args.get("access_token", ""))
        with self.access.concurrent(corp.corp.corp_id if corp else "", api), self.lock:
            yield self.access.enter(api)

    # --- what the base asks for ------------------------------------------------------------------------------

    def error_answer(self, code: str, message: str) -> Response:
        return refusal_answer(int(code), message, "127.0.0.1")

    def group_chats(self, user: str) -> list[dict[str, str]]:
        return self.groups.of(user)

    def chats(self, user: str = "") -> list[dict[str, Any]]:
        said = self.groups.items(user) if user else []
        own = sorted([*self.post.chats(user), *self.talk.items(user)], key=lambda one: one["at"])
        return sorted([*own, *said], key=lambda one: one["at"]) if said else own

    def agenda(self, user: str) -> list[dict[str, Any]]:
        return self.calendars.agenda(user)

    def act_on_item(self, user: str, kind: str, item_id: str, act: str, at: float) -> bool:
        return kind == "entry" and act in ("move", "rename", "delete") and self.calendars.act(user, item_id, act, at)

    def forget(self) -> None:
        self.calendars.forget()
        self.post.forget()
        self.groups.forget()
        self.talk.forget()
        self.access.forgive()

    def trust(self, origin: str) -> None:
        with self.lock:
            for corp in self.corps.values():
                for app in corp.apps.values():
                    app.trusted_domains.append(urlsplit(origin).netloc)

    def _refused(self, error: Refusal) -> Response:
        ip = request.remote_addr if has_request_context() else None
        return refusal_answer(error.code, error.message, ip or "127.0.0.1")

    # --- switches --------------------------------------------------------------------------------------------

    def _app_of(self, body: dict[str, Any]) -> App:
        corp = self.corps[body.get("corp") or next(iter(self.corps))]
        return corp.apps[int(body.get("agent_id") or next(iter(corp.apps)))]

    def _add_own_switches(self) -> None:
        app = self.app

        @app.errorhandler(KeyError)
        def missing(error: KeyError) -> tuple[Response, int]:
            return jsonify({"error": f"missing or unknown: {error}"}), 422

        @app.post("/_emulator/org")
        def org() -> Response:
            self.load(request.get_json())
            return jsonify({"corps": list(self.corps)})

        @app.post("/_emulator/apps")
        def change_app() -> Response:
            with self.lock:
                return jsonify(self._change_app(self._app_of(request.get_json()), request.get_json()))

        @app.post("/_emulator/events")
        def push_event() -> Response:
            body = request.get_json()
            with self.lock:
                times = int(body.get("times", 1))
                for _ in range(times):
                    self.callbacks.app_event(
                        self._app_of(body), body.get("from", "sys"), body["event"], body.get("inner", "")
                    )
            return jsonify({"pushed": times})

        @app.post("/_emulator/verify")
        def verify() -> Response:
            body = request.get_json()
            with self.lock:
                target = self._app_of(body)
                door = target.corp.contacts_door if body.get("contacts") else target.door
            return jsonify(self.callbacks.verify_url(door, target.corp.corp_id))

        @app.post("/_emulator/domain")
        def domain() -> Response:
            body = request.get_json()
            with self.lock:
                target = self._app_of(body)
            return jsonify(self.callbacks.verify_domain(target, body["file"], body["content"]))

        @app.get("/_emulator/stats")
        def stats() -> Response:
            with self.lock:
                pushes = self.callbacks.pushes
                return jsonify(
                    {
                        "repeats": self.post.repeats,
                        "messages": len(self.post.sent),
                        "pushes": [{"status": one.status, "tries": one.tries} for one in pushes],
                    }
                )

    def _change_app(self, app: App, body: dict[str, Any]) -> dict[str, Any]:
        app.disabled = bool(body.get("disabled", app.disabled))
        app.forbidden = set(body.get("forbidden", app.forbidden))
        app.shows_private = bool(body.get("shows_private", app.shows_private))
        app.trusted_domains = list(body.get("trusted_domains", app.trusted_domains))
        app.secret = str(body.get("secret", app.secret))
        app.door.url = str(body.get("callback_url", app.door.url))
        if "ips" in body:
            # A newly trusted IP takes effect after a while; those known before go on.
            since = self.clock.time() + float(self.knobs["ip_activation_seconds"])
            app.ips = {ip: app.ips.get(ip, since) for ip in body["ips"]}
        if "secret" in body:
            self.access.revoke(app.corp.corp_id)
        return {"agent_id": app.agent_id, "disabled": app.disabled, "ips": sorted(app.ips)}


EMULATOR = WeComEmulator
