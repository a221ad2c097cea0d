"""WeCom's calendar (日程): oa/calendar/add (93647), oa/schedule/add, update, get, get_by_calendar and del (93648, 97720
to 97724). The app must be among those that may call (日程 › 可调用接口的应用).

Each person gets a calendar of the app's own, shared with them alone: so their entries are listed in one call, and one
that was created in doubt is found again. The person is admin of the entries, and
may move and delete them; the host tells us of that (97731, 97732), and not of what the app itself does.

The codes of this API stand on no page that we could read; those below are what its users report.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from wsapp.connectors.base import Identity, Refused, TryLater
from wsapp.connectors.todos import HomeGone, HostItem, Keeper
from wsapp.connectors.wecom.calls import MALFORMED, Calls
from wsapp.connectors.wecom.messages import dump
from wsapp.connectors.wecom.texts import cut, inert, one_line, plain

CHINA = timedelta(hours=8)
MAX_SUMMARY, MAX_NOTE = 128, 400  # characters; the description has 512 with the link
USUAL_MINUTES = 30
PAGE, MAX_PAGES = 500, 20
COLOUR = "#1F6FE0"
CANCELLED = 1  # status of an entry
CALENDAR_GONE = frozenset({"90457", "90459"})
ENTRY_GONE = frozenset({"90460", "90461"})


class Calendar(Keeper):
    """The calendars of one corp's people that belong to the app."""

    replaces_whole = True
    needs_home = True

    def __init__(self, calls: Calls, agent_id: int, public_url: str, name: str) -> None:
        self.calls = calls
        self.agent_id = agent_id
        self.public_url = public_url.rstrip("/")
        self.name = name

    def as_kept(self, item: HostItem) -> HostItem:
        """A calendar knows no tick: what is done says so in its title."""
        title = cut(inert(one_line(item.title)), MAX_SUMMARY - 2) or "…"
        return replace(
            item,
            title=f"✓ {title}" if item.done else title,
            at=_midnight(item.at) if item.all_day else item.at,
            minutes=0 if item.all_day else item.minutes or USUAL_MINUTES,
            note=cut(inert(plain(item.note)), MAX_NOTE),
            done=False,
        )

    def home(self, owner: Identity) -> str:
        """oa/calendar/add: a calendar shared with one person."""
        calendar = {
            "admins": [owner.userid],
            "set_as_default": 0,
            "summary": cut(one_line(self.name), MAX_SUMMARY) or "CRM",
            "color": COLOUR,
            "description": "",
            "shares": [{"userid": owner.userid, "permission": 1}],
        }
        body = dump({"calendar": calendar, "agentid": self.agent_id})
        return _text(self.calls.post("oa/calendar/add", body, proof="cal_id").get("cal_id"))

    def create(self, owner: Identity, home: str, item: HostItem) -> HostItem:
        schedule = {**self._fields(owner, item), "cal_id": home}
        body = dump({"schedule": schedule, "agentid": self.agent_id})
        try:
            found = self.calls.post("oa/schedule/add", body, proof="schedule_id")
        except Refused as error:
            if error.code in CALENDAR_GONE:
                raise HomeGone(error.reason, code=error.code) from None
            raise
        return replace(item, host_id=_text(found.get("schedule_id")))

    def read(self, owner: Identity, host_id: str) -> HostItem | None:
        """oa/schedule/get. A deleted entry is missing, cancelled or refused by name."""
        body = dump({"schedule_id_list": [host_id]})
        try:
            found = self.calls.post("oa/schedule/get", body, proof="schedule_list")
        except Refused as error:
            if error.code in ENTRY_GONE:
                return None
            raise
        rows = [one for one in _rows(found) if one.get("schedule_id") == host_id]
        return _item(rows[0]) if rows else None

    def find(self, owner: Identity, home: str, item: HostItem) -> HostItem | None:
        """Walk the person's calendar for the entry whose link carries our source."""
        return next((one for one in self._walk(home) if one.source == item.source), None)

    def change(self, owner: Identity, home: str, item: HostItem, fields: frozenset[str]) -> bool:
        """oa/schedule/update: the whole entry, for what is left out is emptied."""
        schedule = {**self._fields(owner, item), "schedule_id": item.host_id}
        body = dump({"schedule": schedule, "skip_attendees": 0, "op_mode": 0})
        try:
            self.calls.post("oa/schedule/update", body, proof="schedule_id")
        except Refused as error:
            if error.code in ENTRY_GONE | CALENDAR_GONE:
                return False
            raise
        return True

    def delete(self, owner: Identity, host_id: str) -> None:
        try:
            self.calls.post("oa/schedule/del", dump({"schedule_id": host_id, "op_mode": 0}), proof="")
        except Refused as error:
            if error.code not in ENTRY_GONE | CALENDAR_GONE:
                raise

    def listed(self, owner: Identity, home: str, since: datetime, until: datetime) -> Iterator[HostItem]:
        return self._walk(home)

    def _walk(self, home: str) -> Iterator[HostItem]:
        """oa/schedule/get_by_calendar, page by page. A calendar that is gone holds nothing."""
        for page in range(MAX_PAGES):
            body = dump({"cal_id": home, "offset": page * PAGE, "limit": PAGE})
            try:
                rows = _rows(self.calls.post("oa/schedule/get_by_calendar", body, proof="schedule_list"))
            except Refused as error:
                if error.code in CALENDAR_GONE:
                    return
                raise
            for row in rows:
                if item := _item(row):
                    yield item
            if len(rows) < PAGE:
                return

    def _fields(self, owner: Identity, item: HostItem) -> dict[str, Any]:
        begins = int(item.at.timestamp())
        ends = begins + (86_399 if item.all_day else item.minutes * 60)
        ours = item.url if item.url.startswith(self.public_url + "/") else f"{self.public_url}/h5/"
        link = f"{ours}#{item.source}"
        return {
            "admins": [owner.userid],
            "attendees": [{"userid": owner.userid}],
            "start_time": begins,
            "end_time": ends,
            "is_whole_day": int(item.all_day),
            "summary": item.title,
            "description": f"{item.note}\n{link}" if item.note else link,
            "reminders": {"is_remind": 0, "timezone": 8},  # our own reminders come as cards
        }


def _item(row: Mapping[str, Any]) -> HostItem | None:
    """Read an entry; None for one that is cancelled or makes no sense."""
    begins, ends = row.get("start_time"), row.get("end_time")
    if row.get("status") == CANCELLED or not isinstance(begins, int) or not isinstance(ends, int):
        return None
    whole = row.get("is_whole_day") == 1
    at = datetime.fromtimestamp(begins // 60 * 60, UTC)
    note, _mark, source = _text(row.get("description"), empty=True).rpartition("#")
    return HostItem(
        title=_text(row.get("summary"), empty=True),
        at=_midnight(at) if whole else at,
        all_day=whole,
        minutes=0 if whole else max(0, (ends - begins) // 60),
        source=source if source.isalnum() and "/h5/" in note else "",
        host_id=_text(row.get("schedule_id")),
    )


def _midnight(moment: datetime) -> datetime:
    day = (moment.astimezone(UTC) + CHINA).date()
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - CHINA


def _rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = found.get("schedule_list")
    return [one for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []


def _text(value: Any, *, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or empty):
        raise TryLater("the host's answer lacks an id", code=MALFORMED, ambiguous=True)
    return value[:2000]
