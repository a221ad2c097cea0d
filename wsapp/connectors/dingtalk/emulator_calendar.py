"""The emulated calendar (日程): the API, the events that it fires (for the app's own calls, too), the person's taps."""

import secrets
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request

from wsapp.connectors.dingtalk.emulator_world import App, Corp, HostError

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator

READ, WRITE = "Calendar.Event.Read", "Calendar.Event.Write"
TOKEN_LIFE = 86_400  # seconds
CHINA = timedelta(hours=8)
MAX_SUMMARY, MAX_NOTE = 2048, 5000


@dataclass
class Entry:
    id: str
    corp: Corp
    organiser: str
    facts: dict[str, Any]  # summary, description, start, end, isAllDay, reminders
    deleted: bool = False
    created: float = 0
    updated: float = 0
    history: list[str] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        me = {"id": self.organiser, "displayName": "", "self": True, "responseStatus": "accepted"}
        return {
            "id": self.id,
            **self.facts,
            "status": "cancelled" if self.deleted else "confirmed",
            "organizer": me,
            "attendees": [me],
            "createTime": _iso(self.created),
            "updateTime": _iso(self.updated),
        }

    def begins(self) -> float:
        return _seconds(self.facts["start"])

    def ends(self) -> float:
        return _seconds(self.facts["end"])


class Calendars:
    """All calendars of one emulator: each person has the primary one."""

    def __init__(self, emulator: "DingTalkEmulator") -> None:
        self.emulator = emulator
        self.kept: dict[str, Entry] = {}
        self.tokens: dict[str, tuple[float, str]] = {}
        self.created: Counter[tuple[str, str]] = Counter()

    def forget(self) -> None:
        self.kept.clear()
        self.tokens.clear()
        self.created.clear()

    def add_to(self, app: Flask) -> None:
        base = "/v1.0/calendar/users/<unionid>/calendars/primary/events"
        rules = (
            ("POST", "", WRITE, self.create),
            ("GET", "", READ, self.listed),
            ("GET", "/<event_id>", READ, self.get),
            ("PUT", "/<event_id>", WRITE, self.update),
            ("DELETE", "/<event_id>", WRITE, self.delete),
        )
        for method, tail, permission, act in rules:
            app.add_url_rule(base + tail, f"calendar {method} {tail}", self._view(permission, act), methods=[method])

    def _view(self, permission: str, act: Any) -> Any:
        def view(unionid: str, **ids: str) -> Response:
            found: dict[str, Any] = {}

            def handle(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
                with emulator.lock:
                    if emulator.world.by_unionid(app.corp, unionid) is None:
                        raise HostError("permissionDeny", "user is not in range", status=403)
                    found.update(act(app, unionid, body, **ids))
                    return found

            answer = self.emulator.gate.new("/v1.0/calendar/users/*/events", handle, permission)
            if request.method == "DELETE" and answer.status_code == 200:
                answer.set_data(b"")  # the host answers a delete with nothing
            return answer

        return view

    # --- the API ---------------------------------------------------------------------------------------------

    def create(self, app: App, unionid: str, body: dict[str, Any]) -> dict[str, Any]:
        now, token = self.emulator.clock.time(), request.headers.get("x-client-token", "")
        since, known = self.tokens.get(token, (0.0, ""))
        if token and known in self.kept and now - since < TOKEN_LIFE:
            return self.kept[known].row()
        facts = _facts(body, {})
        day = (unionid, (datetime.fromtimestamp(now, UTC) + CHINA).strftime("%F"))
        if self.created[day] >= self.emulator.knobs["entries_per_day"]:
            raise HostError("flowLimit", "create event too many")
        self.created[day] += 1
        made = Entry(secrets.token_urlsafe(18), app.corp, unionid, facts, False, now, now, ["app create"])
        self.kept[made.id] = made
        self.tokens[token] = (now, made.id)
        self._tell(made, "created")
        return made.row()

    def get(self, app: App, unionid: str, body: dict[str, Any], event_id: str) -> dict[str, Any]:
        found = self.kept.get(event_id)
        if found is not None and found.deleted and self.emulator.knobs["deleted_entry"] == "cancelled":
            return found.row()
        return self._own(unionid, event_id).row()

    def listed(self, app: App, unionid: str, body: dict[str, Any]) -> dict[str, Any]:
        since, until = (_moment(request.args.get(name, "")) for name in ("timeMin", "timeMax"))
        size, start = int(request.args.get("maxResults") or 100), int(request.args.get("nextToken") or 0)
        if not 0 < size <= 100:
            raise HostError("invalidParameter", "maxResults is invalid")
        mine = [one for one in self.kept.values() if one.organiser == unionid and not one.deleted]
        rows = [one.row() for one in mine if since <= one.begins() <= until]
        more = {"nextToken": str(start + size)} if start + size < len(rows) else {}
        return {"events": rows[start : start + size], **more}

    def update(self, app: App, unionid: str, body: dict[str, Any], event_id: str) -> dict[str, Any]:
        found = self._own(unionid, event_id)
        if body.get("id") != event_id:
            raise HostError("invalidParameter", "id is invalid")
        found.facts = _facts(body, found.facts)
        self._touch(found, "app update", "updated")
        return found.row()

    def delete(self, app: App, unionid: str, body: dict[str, Any], event_id: str) -> dict[str, Any]:
        found = self._own(unionid, event_id)
        found.deleted = True
        self._touch(found, "app delete", "deleted")
        return {}

    def _own(self, unionid: str, event_id: str) -> Entry:
        found = self.kept.get(event_id)
        if found is None or found.deleted or found.organiser != unionid:
            raise HostError("itemNotFound", "event not found", status=404)
        return found

    # --- the person's phone ----------------------------------------------------------------------------------

    def of(self, unionid: str) -> list[Entry]:
        return [one for one in self.kept.values() if one.organiser == unionid and not one.deleted]

    def act(self, unionid: str, event_id: str, act: str, at: float) -> bool:
        """The person moves or deletes an entry; says whether there was such a one."""
        found = next((one for one in self.of(unionid) if one.id == event_id), None)
        if found is None:
            return False
        if act == "move":
            found.facts = {**found.facts, **moved(found.facts, at)}
        elif act == "rename":
            found.facts = {**found.facts, "summary": found.facts["summary"] + "（改）"}
        elif act == "delete":
            found.deleted = True
        self._touch(found, f"person {act}", "deleted" if act == "delete" else "updated")
        return True

    def _touch(self, entry: Entry, what: str, kind: str) -> None:
        entry.updated = self.emulator.clock.time()
        entry.history.append(what)
        self._tell(entry, kind)

    def _tell(self, entry: Entry, kind: str) -> None:
        self.emulator.events.emit(
            entry.corp,
            "calendar_event_change",
            calendarEventId=entry.id,
            calendarId="primary",
            changeType=kind,
            unionIdList=[entry.organiser],
            calendarEventUpdateTime=str(int(entry.updated * 1000)),
            legacyCalendarEventId=entry.id,
            operator={"type": "user"},
        )


def moved(facts: dict[str, Any], at: float) -> dict[str, Any]:
    """An entry that begins at another time and lasts as long as before."""
    shift = timedelta(seconds=at - _seconds(facts["start"]))
    if facts["isAllDay"]:
        days = timedelta(days=round(shift.total_seconds() / 86_400))
        return {key: {"date": str(date.fromisoformat(facts[key]["date"]) + days)} for key in ("start", "end")}
    return {
        key: {
            "dateTime": (datetime.fromisoformat(facts[key]["dateTime"]) + shift).isoformat(),
            "timeZone": facts[key].get("timeZone", "Asia/Shanghai"),
        }
        for key in ("start", "end")
    }


def _facts(body: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The fields of an entry, checked as the host does; those that are left out stay."""
    names = ("summary", "description", "start", "end", "isAllDay", "reminders")
    facts: dict[str, Any] = {"description": "", "isAllDay": False, "reminders": [], **before}
    facts |= {name: body[name] for name in names if name in body}
    if not isinstance(facts.get("summary"), str) or not 0 < len(facts["summary"]) <= MAX_SUMMARY:
        raise HostError("invalidParameter", "summary is invalid")
    if len(facts["description"]) > MAX_NOTE:
        raise HostError("invalidParameter", "description is too long")
    wanted = "date" if facts["isAllDay"] else "dateTime"
    if any(not isinstance(facts.get(one), dict) or wanted not in facts[one] for one in ("start", "end")):
        raise HostError("invalidParameter", f"start or end has no {wanted}")
    try:
        lasts = _seconds(facts["end"]) - _seconds(facts["start"])
    except ValueError:
        raise HostError("invalidParameter", "start or end is no time") from None
    if lasts < 0 or (facts["isAllDay"] and lasts < 86_400):  # of whole days the end is the day after the last
        raise HostError("invalidParameter", "end must be after start")
    return facts


def _seconds(value: dict[str, Any]) -> float:
    if "date" in value:
        day = date.fromisoformat(value["date"])
        return (datetime(day.year, day.month, day.day, tzinfo=UTC) - CHINA).timestamp()
    moment = datetime.fromisoformat(value["dateTime"])
    if moment.tzinfo is None:
        raise ValueError("no offset")
    return moment.timestamp()


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise HostError("invalidParameter", "timeMin or timeMax is no time") from None


def _iso(seconds: float) -> str:
    return (datetime.fromtimestamp(seconds, UTC) + CHINA).strftime("%Y-%m-%dT%H:%M:%S+08:00")
