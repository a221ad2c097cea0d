"""DingTalk's calendar (日程): create-schedule, modify-event, delete-event, query-details-about-an-event. People are
named by unionId; the person is the organiser of their own entries.

Every call counts against the organisation's month. `x-client-token` makes a create safe to repeat for a day. The host
takes 100 new entries a day for one person, and tells of every change, ours included (calendar_event_change).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from wsapp.connectors.base import Identity, Refused, TryLater
from wsapp.connectors.dingtalk.calls import Calls
from wsapp.connectors.dingtalk.codes import NOT_UNDERSTOOD, as_bool, as_dict, as_list, as_text
from wsapp.connectors.dingtalk.messages import cut, escape, one_line, own_url
from wsapp.connectors.dingtalk.todos import union_id
from wsapp.connectors.todos import EnoughForToday, HostItem, Keeper

ZONE = "Asia/Shanghai"
CHINA = timedelta(hours=8)
MAX_SUMMARY, MAX_NOTE = 2048, 4000  # characters; 5,000 with the link and its words
USUAL_MINUTES = 30
MAX_PAGES = 50
NOT_THERE = "itemNotFound"
FULL_TODAY = "flowLimit"
TOKEN_HEADER = "x-client-token"
QUIET = {"noPushNotification": "true", "noChatNotification": "true"}


class Calendar(Keeper):
    """The calendars of one corp's people, as far as our entries go."""

    echoes = True

    def __init__(self, calls: Calls, public_url: str) -> None:
        self.calls = calls
        self.public_url = public_url

    def as_kept(self, item: HostItem) -> HostItem:
        """A calendar knows no tick: what is done says so in its title."""
        title = cut(one_line(item.title), MAX_SUMMARY - 2) or "…"
        return replace(
            item,
            title=f"✓ {title}" if item.done else title,
            at=_midnight(item.at) if item.all_day else item.at,
            minutes=0 if item.all_day else item.minutes or USUAL_MINUTES,
            note=cut(escape(item.note), MAX_NOTE),
            done=False,
        )

    def create(self, owner: Identity, home: str, item: HostItem) -> HostItem:
        """POST …/events, with the item's source as the token that tells a repeat; the answer is the whole entry."""
        body = {**self._fields(item), "reminders": [], "extra": QUIET}
        try:
            made = self._call("POST", owner, "", body, headers={TOKEN_HEADER: item.source})
        except TryLater as error:
            if error.code == FULL_TODAY:
                raise EnoughForToday(error.reason, code=error.code) from None
            raise
        host_id = as_text(made.get("id"), 200)
        if not host_id:
            raise TryLater("the answer names no entry", code=NOT_UNDERSTOOD, ambiguous=True)
        return _item(made) or replace(item, host_id=host_id)

    def read(self, owner: Identity, host_id: str) -> HostItem | None:
        """GET …/events/{eventId}; a cancelled one counts as gone."""
        try:
            found = self._call("GET", owner, f"/{_quoted(host_id)}", None)
        except Refused as error:
            if error.code == NOT_THERE:
                return None
            raise
        if not as_text(found.get("id")):
            raise TryLater("the answer is no entry", code=NOT_UNDERSTOOD)
        return _item(found)

    def find(self, owner: Identity, home: str, item: HostItem) -> HostItem | None:
        """Look among the entries around the time, for the token is forgotten after a day."""
        day = timedelta(days=1)
        rows = self.listed(owner, home, item.at - day, item.at + day)
        return next((one for one in rows if one.source == item.source), None)

    def change(self, owner: Identity, home: str, item: HostItem, fields: frozenset[str]) -> bool:
        """PUT …/events/{eventId}; what is left out stays."""
        whole = self._fields(item)
        names = {"summary", "description"} if "title" in fields else set()
        names |= {"start", "end", "isAllDay"} if fields & {"at", "all_day", "minutes"} else set()
        body = {**{name: whole[name] for name in sorted(names)}, "id": item.host_id, "extra": QUIET}
        try:
            self._call("PUT", owner, f"/{_quoted(item.host_id)}", body)
        except Refused as error:
            if error.code == NOT_THERE:
                return False
            raise
        return True

    def delete(self, owner: Identity, host_id: str) -> None:
        try:
            self._call("DELETE", owner, f"/{_quoted(host_id)}", None, params={"pushNotification": "false"})
        except Refused as error:
            if error.code != NOT_THERE:
                raise

    def listed(self, owner: Identity, home: str, since: datetime, until: datetime) -> Iterator[HostItem]:
        """GET …/events?timeMin=&timeMax=. Whatever is not ours is passed over unread."""
        params = {"timeMin": _iso(since), "timeMax": _iso(until), "maxResults": "100"}
        for _page in range(MAX_PAGES):
            found = self._call("GET", owner, "", None, params=params)
            for row in as_list(found.get("events")):
                item = _item(as_dict(row))
                if item is not None and item.source:
                    yield item
            following = as_text(found.get("nextToken"), 500)
            if not following:
                return
            params = {**params, "nextToken": following}

    def _fields(self, item: HostItem) -> dict[str, Any]:
        if item.all_day:
            day = (item.at.astimezone(UTC) + CHINA).date()
            start: dict[str, str] = {"date": day.isoformat()}
            end = {"date": (day + timedelta(days=1)).isoformat()}  # the host wants the day after the last
        else:
            start = {"dateTime": _iso(item.at), "timeZone": ZONE}
            end = {"dateTime": _iso(item.at + timedelta(minutes=item.minutes)), "timeZone": ZONE}
        link = f"{own_url(item.url, self.public_url)}#{item.source}"
        note = f"{item.note}\n{link}" if item.note else link
        return {"summary": item.title, "description": note, "isAllDay": item.all_day, "start": start, "end": end}

    def _call(
        self,
        method: str,
        owner: Identity,
        tail: str,
        body: Mapping[str, Any] | None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        path = f"/v1.0/calendar/users/{_quoted(union_id(owner))}/calendars/primary/events{tail}"
        label = "/v1.0/calendar/users/*/calendars/primary/events"
        write = method != "GET"
        return self.calls.api(
            method,
            path,
            body,
            write=write,
            label=label,
            params=params,
            headers=headers,
            may_be_empty=method == "DELETE",
        )


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _iso(moment: datetime) -> str:
    return (moment.astimezone(UTC) + CHINA).strftime("%Y-%m-%dT%H:%M:%S+08:00")


def _midnight(moment: datetime) -> datetime:
    day = (moment.astimezone(UTC) + CHINA).date()
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - CHINA


def _item(row: Mapping[str, Any]) -> HostItem | None:
    """Read an entry; None for one that is cancelled or makes no sense."""
    start, end = as_dict(row.get("start")), as_dict(row.get("end"))
    whole = as_bool(row.get("isAllDay")) or "date" in start
    begins, ends = (_moment(one) for one in (start, end))
    if begins is None or as_text(row.get("status")) == "cancelled":
        return None
    lasts = 0 if whole or ends is None else max(0, int((ends - begins).total_seconds() // 60))
    note, _mark, source = as_text(row.get("description"), 6000).rpartition("#")
    is_ours = source.isalnum() and "/h5/" in note
    return HostItem(
        title=as_text(row.get("summary"), MAX_SUMMARY),
        at=begins,
        all_day=whole,
        minutes=lasts,
        source=source if is_ours else "",
        host_id=as_text(row.get("id"), 200),
    )


def _moment(value: Mapping[str, Any]) -> datetime | None:
    text, day = as_text(value.get("dateTime"), 40), as_text(value.get("date"), 10)
    try:
        if day:
            found = date.fromisoformat(day)
            return datetime(found.year, found.month, found.day, tzinfo=UTC) - CHINA
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    # The host's own answers carry an offset; without one it means the clock of China.
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC) - CHINA
    return moment.astimezone(UTC).replace(second=0, microsecond=0)
