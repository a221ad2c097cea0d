"""The emulator's messages: sending, silent drops, repeats, card updates, recall, and what each person sees."""

import hashlib
import itertools
import json
import secrets
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request

from wsapp.connectors.wecom.emulator_access import Grant, Refusal, answer
from wsapp.connectors.wecom.emulator_cards import INTERACTIVE, check_card, check_plain
from wsapp.connectors.wecom.emulator_chats import Delivery, Sent, chat
from wsapp.connectors.wecom.emulator_org import App, User

if TYPE_CHECKING:
    from wsapp.connectors.wecom.emulator import WeComEmulator

DAY = 86_400.0
MAX_INBOX = 20_000
MAX_RECENT = 50_000
EVERYBODY = "@all"
FILES = ("image", "voice", "video", "file")


@dataclass
class ResponseCode:
    """A right to update one card once."""

    sent: Sent
    until: float
    used: bool = False


class Post:
    """The messages of all apps. Callers hold the emulator's lock."""

    def __init__(self, emulator: "WeComEmulator") -> None:
        self.emulator = emulator
        self.numbers = itertools.count(1)
        self.forget()

    def forget(self) -> None:
        self.sent: OrderedDict[str, Sent] = OrderedDict()
        self.inboxes: dict[tuple[str, str], deque[Delivery]] = {}
        self.cards: dict[tuple[str, str, str], Delivery] = {}  # (corp, folded userid, task id)
        self.task_ids: set[tuple[str, int, str]] = set()
        self.recent: OrderedDict[bytes, tuple[float, dict[str, Any]]] = OrderedDict()
        self.response_codes: dict[str, ResponseCode] = {}
        self.paces: dict[tuple[str, int, str], deque[float]] = {}
        self.day_counts: dict[tuple[str, int, int], int] = {}
        self.repeats = 0

    # --- message/send ----------------------------------------------------------------------------------------

    def send(self, grant: Grant, raw: bytes) -> dict[str, Any]:
        """Handle one message/send. Raises Refusal."""
        app, body = grant.own_app, self._body(raw)
        if body.get("agentid") != app.agent_id:
            raise Refusal(301002)
        seen = self._repeat(app, body, raw) if self.emulator.knobs["duplicates_first"] else None
        if seen is not None:
            return seen
        kind = str(body.get("msgtype"))
        content = self._check(app, kind, body.get(kind))
        users, problems = self._recipients(app, body)
        if not self.emulator.knobs["duplicates_first"] and (seen := self._repeat(app, body, raw)) is not None:
            return seen
        self._take_quota(app, len(users))
        now = self.emulator.clock.time()
        sent = Sent(f"m{next(self.numbers)}-{secrets.token_urlsafe(24)}", app, now, kind, content)
        sent.task_id = str(content.get("task_id", "")) if kind == "template_card" else ""
        if sent.task_id:
            self.task_ids.add((app.corp.corp_id, app.agent_id, sent.task_id))
        for user in users:
            self._deliver(sent, user)
        self._keep(sent)
        made = {**problems, "msgid": sent.msgid, **self._response_code_for(sent)}
        if body.get("enable_duplicate_check") == 1:
            self._remember(app, raw, made)
        return made

    def _body(self, raw: bytes) -> dict[str, Any]:
        try:
            text = raw.decode()
            body = json.loads(text)
        except ValueError:
            raise Refusal(40058, "invalid json") from None
        if "\\u" in text and self.emulator.knobs["refuses_escapes"]:
            raise Refusal(40033)
        if not isinstance(body, dict):
            raise Refusal(40058, "invalid json")
        return body

    def _check(self, app: App, kind: str, content: Any) -> dict[str, Any]:
        if kind != "template_card":
            found = check_plain(kind, content, card_limits=str(self.emulator.knobs["textcard_limits"]))
            if kind in FILES:
                return {**found, **self._media(app, str(found["media_id"]))}
            return found
        check_card(content, has_callback=bool(app.door.url))
        task_id = content.get("task_id")
        if task_id and (app.corp.corp_id, app.agent_id, task_id) in self.task_ids:
            raise Refusal(int(self.emulator.knobs["reused_task_id_code"]), "task_id reused")
        return dict(content)

    def _media(self, app: App, media_id: str) -> dict[str, Any]:
        """Name and size of an uploaded file that still lives, for whoever sees the message."""
        media = self.emulator.phones.media.get(media_id)
        if media is None or media.corp is not app.corp or media.until <= self.emulator.clock.time():
            raise Refusal(40007)
        return {"title": media.name, "description": f"{len(media.body)} 字节"}

    def _recipients(self, app: App, body: dict[str, Any]) -> tuple[list[User], dict[str, str]]:
        """Members to deliver to, and the lists of whom the host could not reach (names in lower case)."""
        names, partys, tags = (_names(body.get(key)) for key in ("touser", "toparty", "totag"))
        if not (names or partys or tags):
            raise Refusal(82001)
        for one, most, code in ((names, 1000, 40032), (partys, 100, 82002), (tags, 100, 82003)):
            if len(one) > most:
                raise Refusal(code, "too many receivers")
        if EVERYBODY in names:
            return list(app.visible_users()), {}
        users: dict[str, User] = {}
        bad_users = [name.lower() for name in names if not self._add_user(app, name, users)]
        bad_partys = [party for party in partys if not self._add_party(app, party, users)]
        problems = {"invaliduser": bad_users, "invalidparty": bad_partys, "invalidtag": tags}
        unlicensed = [user.fold for user in users.values() if user.unlicensed]
        for fold in unlicensed:
            del users[fold]
        if not users and not unlicensed:
            raise Refusal(81013)
        problems["unlicenseduser"] = unlicensed
        return list(users.values()), {name: "|".join(bad) for name, bad in problems.items() if bad}

    def _add_user(self, app: App, name: str, users: dict[str, User]) -> bool:
        user = app.corp.user(name)
        if user is None or not app.sees(user):
            return False
        users[user.fold] = user
        return True

    def _add_party(self, app: App, party: str, users: dict[str, User]) -> bool:
        if not party.isdigit() or not app.sees_department(int(party)):
            return False
        below = {one.id for one in app.corp.below(int(party))}
        users.update(
            (user.fold, user) for user in app.corp.users.values() if app.sees(user) and below & set(user.departments)
        )
        return True

    def _take_quota(self, app: App, heads: int) -> None:
        limit = int(self.emulator.knobs["sends_per_day"])
        key = (app.corp.corp_id, app.agent_id, int(self.emulator.clock.time() // DAY))
        if limit and self.day_counts.get(key, 0) + heads > limit:
            raise Refusal(45009)
        self.day_counts[key] = self.day_counts.get(key, 0) + heads

    def _deliver(self, sent: Sent, user: User) -> None:
        key = (sent.app.corp.corp_id, user.fold)
        dropped = self._over_pace(sent.app, user, sent.at)
        delivery = Delivery(next(self.numbers), sent, user, sent.content, dropped=dropped)
        sent.deliveries[user.fold] = delivery
        self.inboxes.setdefault(key, deque(maxlen=MAX_INBOX)).append(delivery)
        if sent.task_id and not dropped:
            self.cards[(*key, sent.task_id)] = delivery

    def _over_pace(self, app: App, user: User, now: float) -> str:
        """Beyond 30 a minute or 1000 an hour to one member the host drops, and says nothing."""
        minute, hour = int(self.emulator.knobs["person_minute"]), int(self.emulator.knobs["person_hour"])
        times = self.paces.setdefault((app.corp.corp_id, app.agent_id, user.fold), deque())
        while times and times[0] <= now - 3600:
            times.popleft()
        if minute and len(times) >= minute and times[-minute] > now - 60:
            return "minute"
        if hour and len(times) >= hour:
            return "hour"
        times.append(now)
        return ""

    def _keep(self, sent: Sent) -> None:
        self.sent[sent.msgid] = sent
        while len(self.sent) > MAX_RECENT:
            self.sent.popitem(last=False)

    # --- repeats ---------------------------------------------------------------------------------------------

    def _repeat(self, app: App, body: dict[str, Any], raw: bytes) -> dict[str, Any] | None:
        """The answer to a repeat of the same JSON within its interval: nothing is delivered again."""
        if body.get("enable_duplicate_check") != 1:
            return None
        interval = min(int(body.get("duplicate_check_interval", 1800)), 14_400)
        found = self.recent.get(_fingerprint(app, raw))
        if found is None or found[0] + interval <= self.emulator.clock.time():
            return None
        self.repeats += 1
        if self.emulator.knobs["duplicate_answer"] == "bare":
            return {}
        return found[1]

    def _remember(self, app: App, raw: bytes, made: dict[str, Any]) -> None:
        self.recent[_fingerprint(app, raw)] = (self.emulator.clock.time(), made)
        while len(self.recent) > MAX_RECENT:
            self.recent.popitem(last=False)

    # --- updates ---------------------------------------------------------------------------------------------

    def _response_code_for(self, sent: Sent) -> dict[str, str]:
        kind = sent.content.get("card_type") if sent.kind == "template_card" else ""
        notice = "action_menu" in sent.content and self.emulator.knobs["notice_response_code"]
        return {"response_code": self.new_response_code(sent)} if kind in INTERACTIVE or notice else {}

    def new_response_code(self, sent: Sent) -> str:
        code = f"rc-{secrets.token_urlsafe(18)}"
        until = self.emulator.clock.time() + 3600 * float(self.emulator.knobs["response_code_hours"])
        self.response_codes[code] = ResponseCode(sent, until)
        return code

    def update(self, grant: Grant, raw: bytes) -> dict[str, Any]:
        """Handle one message/update_template_card. Raises Refusal."""
        app, body = grant.own_app, self._body(raw)
        if body.get("agentid") != app.agent_id:
            raise Refusal(301002)
        code = self.response_codes.get(str(body.get("response_code")))
        if code is None or code.used or code.until <= self.emulator.clock.time():
            raise Refusal(60140)
        if code.sent.app is not app:
            raise Refusal(42015, "card of another app")
        replace_name, card = _replacement(body)
        if card is not None:
            check_card(card, has_callback=bool(app.door.url))
        code.used = True
        reached, bad = self._whose(code.sent, body)
        for delivery in reached:
            self.show(delivery, replace_name, card)
        return {"invaliduser": bad}

    def _whose(self, sent: Sent, body: dict[str, Any]) -> tuple[list[Delivery], list[str]]:
        if body.get("atall") == 1:
            return list(sent.deliveries.values()), []
        names = [str(one) for one in body.get("userids") or ()]
        partys = {int(one) for one in body.get("partyids") or ()}
        if not names and not partys:
            raise Refusal(82001)
        found = {name.lower(): sent.deliveries.get(name.lower()) for name in names}
        reached = {fold: one for fold, one in found.items() if one is not None}
        reached.update((fold, one) for fold, one in sent.deliveries.items() if partys & set(one.user.departments))
        return list(reached.values()), [fold for fold, one in found.items() if one is None]

    def show(self, delivery: Delivery, replace_name: str, card: dict[str, Any] | None) -> None:
        """Change what one person sees, and wake whoever waits for it."""
        if card is not None:
            delivery.content = dict(card)
            if not card.get("button_list"):
                delivery.content.setdefault("task_id", delivery.sent.task_id)
        delivery.state = replace_name
        self.emulator.card_changed.notify_all()

    def recall(self, grant: Grant, raw: bytes) -> dict[str, Any]:
        app, body = grant.own_app, self._body(raw)
        sent = self.sent.get(str(body.get("msgid")))
        if sent is None or sent.app is not app:
            raise Refusal(40058)
        if sent.at + DAY <= self.emulator.clock.time():
            raise Refusal(42052)
        sent.recalled = True
        return {}

    def statistics(self, grant: Grant, raw: bytes) -> dict[str, Any]:
        app, body = grant.own_app, self._body(raw)
        day = int(self.emulator.clock.time() // DAY) - (1 if body.get("time_type") == 1 else 0)
        count = self.day_counts.get((app.corp.corp_id, app.agent_id, day), 0)
        return {"statistics": [{"agentid": app.agent_id, "app_name": app.name, "count": count}]}

    # --- what people see -------------------------------------------------------------------------------------

    def chats(self, user: str) -> Iterator[dict[str, Any]]:
        """Every delivery, oldest first; `user` is a userid, or corp/userid where several corps share it."""
        corp, _, name = user.rpartition("/")
        found: Iterable[Delivery] = (
            delivery
            for (corp_id, fold), inbox in self.inboxes.items()
            if corp in ("", corp_id) and name.lower() in ("", fold)
            for delivery in inbox
        )
        return (chat(one) for one in sorted(found, key=lambda one: one.number))

    def card_of(self, corp_id: str, user: str, task_id: str) -> Delivery | None:
        if corp_id:
            return self.cards.get((corp_id, user.lower(), task_id))
        return next((self.cards[key] for key in self._keys_of(user, task_id) if key in self.cards), None)

    def _keys_of(self, user: str, task_id: str) -> Iterator[tuple[str, str, str]]:
        return ((corp_id, user.lower(), task_id) for corp_id in self.emulator.corps)


def _replacement(body: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """(text that replaces the buttons, whole new card or None) of an update. Raises Refusal when neither is there."""
    card, button = body.get("template_card"), body.get("button")
    if isinstance(card, dict):
        return str(card.get("replace_text", "")), card
    name = button.get("replace_name") if isinstance(button, dict) else ""
    if not isinstance(name, str) or not name:
        raise Refusal(40058)
    return name, None


def _names(value: Any) -> list[str]:
    return list(dict.fromkeys(one for one in value.split("|") if one)) if isinstance(value, str) else []


def _fingerprint(app: App, raw: bytes) -> bytes:
    return hashlib.sha256(f"{app.corp.corp_id}/{app.agent_id}/".encode() + raw).digest()


def add_routes(emulator: "WeComEmulator", app: Flask) -> None:
    handlers = {
        "message/send": emulator.post.send,
        "message/update_template_card": emulator.post.update,
        "message/recall": emulator.post.recall,
        "message/get_statistics": emulator.post.statistics,
    }
    for api, handler in handlers.items():

        def view(api: str = api, handler: Any = handler) -> Response:
            raw = request.get_data()
            with emulator.entered(api) as grant:
                return answer(emulator, handler(grant, raw))

        app.add_url_rule(f"/cgi-bin/{api}", api, view, methods=["POST"])
