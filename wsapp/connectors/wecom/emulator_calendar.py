"""The emulated calendar (日历、日程): what an app may do with calendars of its own, and what their people do."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request

from wsapp.connectors.wecom.emulator_access import Grant, Refusal, answer
from wsapp.connectors.wecom.emulator_callbacks import cdata
from wsapp.connectors.wecom.emulator_org import App

if TYPE_CHECKING:
    from wsapp.connectors.wecom.emulator import WeComEmulator

MAX_SUMMARY, MAX_NOTE, MAX_PEOPLE, MAX_LIMIT = 128, 1000, 1000, 1000  # characters, attendees, rows of a page
BAD_CALENDAR, CALENDAR_GONE, SCHEDULE_GONE, BAD_SCHEDULE, FOREIGN = 90457, 90459, 90460, 90461, 90466
BAD_PARAMETER, UNKNOWN_USER, TOO_MANY = 40058, 60111, 45009
CHINA = timedelta(hours=8)


@dataclass
class Calendar:
    id: str
    app: App
    admins: list[str]
    shares: list[str]
    summary: str
    deleted: bool = False


@dataclass
class Schedule:
    id: str
    calendar: Calendar
    facts: dict[str, Any]
    deleted: bool = False
    history: list[str] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        attendees = [{"userid": one["userid"], "response_status": 1} for one in self.facts["attendees"]]
        return {
            "schedule_id": self.id,
            "sequence": len(self.history),
            **self.facts,
            "attendees": attendees,
            "cal_id": self.calendar.id,
            "status": int(self.deleted),
        }

    def is_of(self, userid: str) -> bool:
        return any(one["userid"].lower() == userid.lower() for one in self.facts["attendees"])


class Calendars:
    """All calendars of one emulator. Callers hold its lock."""

    def __init__(self, emulator: "WeComEmulator") -> None:
        self.emulator = emulator
        self.calendars: dict[str, Calendar] = {}
        self.schedules: dict[str, Schedule] = {}
        self.created: dict[tuple[str, int, str], int] = {}

    def forget(self) -> None:
        self.calendars.clear()
        self.schedules.clear()
        self.created.clear()

    # --- the API ---------------------------------------------------------------------------------------------

    def add_calendar(self, grant: Grant, body: dict[str, Any]) -> dict[str, Any]:
        app, wanted = grant.own_app, body.get("calendar") or {}
        shares = [str(one.get("userid")) for one in wanted.get("shares") or []]
        admins = [str(one) for one in wanted.get("admins") or []]
        if not 0 < len(str(wanted.get("summary") or "")) <= MAX_SUMMARY or not str(wanted.get("color")).startswith("#"):
            raise Refusal(BAD_PARAMETER, "invalid summary or color")
        if not set(admins) <= set(shares) or len(admins) > 3:
            raise Refusal(BAD_PARAMETER, "admins must be among shares")
        self._check_people(app, shares)
        made = Calendar(f"wc{secrets.token_urlsafe(20)}", app, admins, shares, wanted["summary"])
        self.calendars[made.id] = made
        return {"cal_id": made.id}

    def add(self, grant: Grant, body: dict[str, Any]) -> dict[str, Any]:
        app, wanted = grant.own_app, body.get("schedule") or {}
        calendar = self._calendar(app, wanted.get("cal_id"))
        facts = self._facts(app, wanted)
        now = datetime.fromtimestamp(self.emulator.clock.time(), UTC) + CHINA
        day = (app.corp.corp_id, app.agent_id, f"{now:%F}")
        if self.created.get(day, 0) >= int(self.emulator.knobs["schedules_per_day"]):
            raise Refusal(TOO_MANY)
        self.created[day] = self.created.get(day, 0) + 1
        made = Schedule(secrets.token_hex(20), calendar, facts, history=["app create"])
        self.schedules[made.id] = made
        return {"schedule_id": made.id}

    def update(self, grant: Grant, body: dict[str, Any]) -> dict[str, Any]:
        wanted = body.get("schedule") or {}
        found = self._schedule(grant.own_app, wanted.get("schedule_id"))
        found.facts = self._facts(grant.own_app, wanted)  # what is left out is emptied
        found.history.append("app update")
        return {"schedule_id": found.id}

    def get(self, grant: Grant, body: dict[str, Any]) -> dict[str, Any]:
        rows = []
        for schedule_id in body.get("schedule_id_list") or []:
            found = self.schedules.get(str(schedule_id))
            if found is not None and found.deleted and self.emulator.knobs["deleted_schedule"] == "status":
                rows.append(found.row())
            elif found is None or found.deleted:
                if self.emulator.knobs["deleted_schedule"] == "code":
                    raise Refusal(SCHEDULE_GONE, "schedule deleted")
            else:
                rows.append(self._schedule(grant.own_app, schedule_id).row())
        return {"schedule_list": rows}

    def by_calendar(self, grant: Grant, body: dict[str, Any]) -> dict[str, Any]:
        calendar = self._calendar(grant.own_app, body.get("cal_id"))
        offset, limit = int(body.get("offset") or 0), int(body.get("limit") or 500)
        if not 0 < limit <= MAX_LIMIT or offset < 0:
            raise Refusal(BAD_PARAMETER, "invalid offset or limit")
        rows = [one.row() for one in self.schedules.values() if one.calendar is calendar and not one.deleted]
        return {"schedule_list": rows[offset : offset + limit]}

    def delete(self, grant: Grant, body: dict[str, Any]) -> dict[str, Any]:
        found = self._schedule(grant.own_app, body.get("schedule_id"))
        found.deleted = True
        found.history.append("app delete")
        return {}

    def _calendar(self, app: App, cal_id: Any) -> Calendar:
        found = self.calendars.get(str(cal_id))
        if found is None:
            raise Refusal(BAD_CALENDAR, "invalid cal_id")
        if found.app is not app:
            raise Refusal(FOREIGN, "no access to calendar of another app")
        if found.deleted:
            raise Refusal(CALENDAR_GONE, "calendar deleted")
        return found

    def _schedule(self, app: App, schedule_id: Any) -> Schedule:
        found = self.schedules.get(str(schedule_id))
        if found is None:
            raise Refusal(BAD_SCHEDULE, "invalid schedule_id")
        if found.calendar.app is not app:
            raise Refusal(FOREIGN, "no access to schedule of another app")
        if found.deleted:
            raise Refusal(SCHEDULE_GONE, "schedule deleted")
        return found

    def _facts(self, app: App, wanted: dict[str, Any]) -> dict[str, Any]:
        begins, ends = wanted.get("start_time"), wanted.get("end_time")
        if not isinstance(begins, int) or not isinstance(ends, int) or ends < begins:
            raise Refusal(BAD_PARAMETER, "invalid time")
        attendees = list(wanted.get("attendees") or [])
        admins = [str(one) for one in wanted.get("admins") or []]
        people = [str(one.get("userid")) for one in attendees]
        if len(people) > MAX_PEOPLE or len(admins) > 3 or not set(admins) <= set(people):
            raise Refusal(BAD_PARAMETER, "invalid attendees or admins")
        self._check_people(app, people)
        summary, note = str(wanted.get("summary") or "新建事件"), str(wanted.get("description") or "")
        if len(summary) > MAX_SUMMARY or len(note) > MAX_NOTE:
            raise Refusal(BAD_PARAMETER, "summary or description too long")
        return {
            "admins": admins,
            "attendees": attendees,
            "start_time": begins,
            "end_time": ends,
            "is_whole_day": int(wanted.get("is_whole_day") or 0),
            "summary": summary,
            "description": note,
            "reminders": dict(wanted.get("reminders") or {}),
        }

    def _check_people(self, app: App, userids: list[str]) -> None:
        for userid in userids:
            user = app.corp.user(userid)
            if user is None or not app.sees(user):
                raise Refusal(UNKNOWN_USER)

    # --- the person's phone ----------------------------------------------------------------------------------

    def of(self, userid: str) -> list[Schedule]:
        shown = (one for one in self.schedules.values() if not one.deleted and not one.calendar.deleted)
        return [one for one in shown if one.is_of(userid)]

    def agenda(self, userid: str) -> list[dict[str, Any]]:
        """A person's entries, see `Emulator.agenda`."""
        return [_shown(one, userid) for one in self.of(userid)]

    def act(self, userid: str, schedule_id: str, act: str, at: float) -> bool:
        """An admin of an entry moves or deletes it; says whether there was such a one."""
        found = next((one for one in self.of(userid) if one.id == schedule_id), None)
        if found is None or userid.lower() not in [one.lower() for one in found.facts["admins"]]:
            return False
        if act == "delete":
            found.deleted = True
        elif act == "rename":
            found.facts = {**found.facts, "summary": found.facts["summary"] + "（改）"}
        elif act == "move":
            lasts = found.facts["end_time"] - found.facts["start_time"]
            begins = _day_start(at) if found.facts["is_whole_day"] else int(at)
            found.facts = {**found.facts, "start_time": begins, "end_time": begins + lasts}
        found.history.append(f"person {act}")
        event = "delete_schedule" if act == "delete" else "modify_schedule"
        inner = cdata("CalId", found.calendar.id) + cdata("ScheduleId", found.id)
        self.emulator.callbacks.app_event(found.calendar.app, userid, event, inner)
        return True

    def delete_calendar(self, userid: str, cal_id: str) -> None:
        """Somebody deletes the whole calendar that the app made for them, and all that lies in it."""
        found = self.calendars[cal_id]
        found.deleted = True
        for one in self.schedules.values():
            one.deleted = one.deleted or one.calendar is found
        self.emulator.callbacks.app_event(found.app, userid, "delete_calendar", cdata("CalId", found.id))


def _day_start(at: float) -> int:
    """When the day of a moment began in China."""
    return int(at + CHINA.total_seconds()) // 86_400 * 86_400 - int(CHINA.total_seconds())


def _shown(one: Schedule, userid: str) -> dict[str, Any]:
    facts = one.facts
    may_change = userid.lower() in [admin.lower() for admin in facts["admins"]]
    return {
        "list": "entry",
        "id": one.id,
        "source": facts["description"].rpartition("#")[2],
        "title": facts["summary"],
        "at": facts["start_time"],
        "all_day": bool(facts["is_whole_day"]),
        "minutes": (facts["end_time"] - facts["start_time"]) // 60,
        "done": False,
        "url": facts["description"].split("\n")[-1],
        "acts": ["move", "delete"] if may_change else [],
    }


def add_routes(emulator: "WeComEmulator", app: Flask) -> None:
    calendars = emulator.calendars
    routes = {
        "oa/calendar/add": calendars.add_calendar,
        "oa/schedule/add": calendars.add,
        "oa/schedule/update": calendars.update,
        "oa/schedule/get": calendars.get,
        "oa/schedule/get_by_calendar": calendars.by_calendar,
        "oa/schedule/del": calendars.delete,
    }

    def add(api: str, act: Any) -> None:
        def view() -> Response:
            with emulator.entered(api) as grant:
                return answer(emulator, act(grant, request.get_json(silent=True, force=True) or {}))

        app.add_url_rule(f"/cgi-bin/{api}", f"calendar {api}", view, methods=["POST"])

    for api, act in routes.items():
        add(api, act)
