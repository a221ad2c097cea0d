"""Rows and timelines as the macros of templates_h5/_ui/rows.html draw them. All moments are on the corp's clock."""

from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from flask import current_app, g, url_for
from markupsafe import Markup

from wsapp import clock
from wsapp.crm.customers.reveals import are_masked, may_reveal
from wsapp.crm.fields.access import is_ruled, reads, row_shown
from wsapp.crm.followups.recorded import came_late
from wsapp.crm.tasks.models import DOING, OPEN
from wsapp.h5 import words
from wsapp.house import local, zone
from wsapp.texts import KEPT, _, language

Row = dict[str, Any]
ANY_KEY = "0" * 20  # stands for a record's id, which is made of letters and digits and needs no quoting


def customer_rows(found: Iterable[Any], *, owners: bool, towards: str = "") -> list[Markup]:
    """Draw customers (see `lists.customer_list`); `towards` is the endpoint that a tap opens, the record by default.

    A row that was drawn before is not drawn again: the same people look at the same rows all day.
    """
    now, speech = clock.now(), language()
    calls = "" if towards else "ask" if are_masked(g.member) else "call"
    look = _Look(_address(towards or "customers.page", "customer_id", ANY_KEY), owners, calls)
    if is_ruled(g.member):
        found = [row_shown(g.member, row) for row in found]
        look = look._replace(calls=calls if may_reveal(g.member) else "")
    return [_customer_row(row, bool(row.next_follow_at and row.next_follow_at < now), look, speech) for row in found]


class _Look(NamedTuple):
    """How customers of one list look: where a tap leads, whether owners are shown, and what the call button does.

    `calls`: "call" dials, "ask" has the first number shown first, "" for no button.
    """

    address: str
    owners: bool
    calls: str


@lru_cache(maxsize=KEPT)
def _customer_row(row: Any, is_late: bool, look: _Look, speech: Hashable) -> Markup:
    there = zone()
    drawn: Markup = _macros().customer(
        url=look.address.replace(ANY_KEY, row.id),
        name=row.name,
        level=row.level or "",
        owner=(row.owner_name or "") if look.owners else "",
        stage=words.STAGES.get(row.stage, ""),
        phone=(row.phone or "") if look.calls == "call" else "",
        ask=f"{look.address.replace(ANY_KEY, row.id)}/phones/0" if look.calls == "ask" and row.phone else "",
        last=row.last_followed_at.astimezone(there) if row.last_followed_at else None,
        next=row.next_follow_at.astimezone(there) if row.next_follow_at else None,
        next_late=is_late,
    )
    return drawn


def _macros() -> Any:
    return current_app.jinja_env.get_template("_ui/rows.html").module


def _address(endpoint: str, argument: str, key: str) -> str:
    """Return the address of one record; with `ANY_KEY`, of any: routing is asked once a list, not once a row."""
    values: dict[str, Any] = {argument: key}
    return url_for(endpoint, **values)


def task_rows(found: Iterable[Any], *, viewer_id: str, snoozes: bool = False) -> list[Row]:
    """Draw tasks (see `lists.task_list`); with `snoozes`, each row can be put off as well."""
    addresses = [_address(f"tasks.{name}", "task_id", ANY_KEY) for name in ("page", "complete", "snooze")]
    return [
        _task_row(row, [one.replace(ANY_KEY, row.id) for one in addresses], viewer_id=viewer_id, snoozes=snoozes)
        for row in found
    ]


def task_row(row: Any, *, viewer_id: str, snoozes: bool = False) -> Row:
    """Draw one task."""
    return task_rows([row], viewer_id=viewer_id, snoozes=snoozes)[0]


def _task_row(row: Any, addresses: Sequence[str], *, viewer_id: str, snoozes: bool) -> Row:
    page, complete, snooze = addresses
    is_open = row.state in (OPEN, DOING)
    asleep = is_open and row.snoozed_until is not None and row.snoozed_until > clock.now()
    return {
        "id": row.id,
        "url": page,
        "title": row.title,
        "state": row.state,
        "done_url": complete if is_open else "",
        "snooze_url": snooze if is_open and snoozes else "",
        "due": local(row.snoozed_until if asleep else row.due_at),
        "all_day": row.all_day and not asleep,
        "due_state": due_state(row),
        "asleep": asleep,
        "customer": row.customer_name or "",
        "assignee": (row.assignee_name or "") if row.assignee_id != viewer_id else "",
        "repeat": str(words.REPEATS[row.repeat]) if row.repeat else "",
        "high": row.priority == "high",
    }


def due_state(row: Any) -> str:
    """Return "overdue", "today" or "" for an open task that nobody put off."""
    now = clock.now()
    if row.state not in (OPEN, DOING) or (row.snoozed_until and row.snoozed_until > now):
        return ""
    today, day = local(now).date(), local(row.due_at).date()
    if day < today if row.all_day else row.due_at < now:
        return "overdue"
    return "today" if day == today else ""


def visit_rows(found: Iterable[Any], *, viewer_id: str) -> list[Row]:
    """Draw visits (see `visit_lists.visit_list`) as links."""
    places = reads(g.member, "location", "visit")
    return [
        {
            "url": url_for("visits.page", visit_id=row.id),
            "icon": "visit",
            "text": row.customer_name,
            "sub": _visit_line(row, viewer_id),
            "badge": _visit_badge(row, places),
        }
        for row in found
    ]


def _visit_badge(row: Any, places: bool) -> tuple[str, Any] | None:
    if row.state == "in":
        return "brand", words.VISIT_STATES["in"]
    return (row.trust, words.TRUST[row.trust]) if places else None


def _visit_line(row: Any, viewer_id: str) -> str:
    parts = [moment(row.checked_in_at)]
    if row.member_id != viewer_id:
        parts.insert(0, row.member_name)
    if row.checked_out_at:
        minutes = round((row.checked_out_at - row.checked_in_at).total_seconds() / 60)
        parts.append(_("停留 %(n)s 分钟", n=minutes))
    return " · ".join(parts)


def moment(value: Any, *, all_day: bool = False) -> str:
    """Return a moment as text: 11-22 09:30, with the year when it is another one."""
    there, now = local(value), local(clock.now())
    day = there.strftime("%m-%d" if there.year == now.year else "%Y-%m-%d")
    return day if all_day else f"{day} {there:%H:%M}"


def came(row: Any) -> str:
    """Say when something was written down and when it reached us, where a phone kept it: 10:02 记录，11:40 收到."""
    if not came_late(row.recorded_at, row.created_at):
        return ""
    recorded, received = local(row.recorded_at), local(row.created_at)
    same_day = recorded.date() == received.date()
    at, until = (f"{one:%H:%M}" if same_day else moment(one) for one in (recorded, received))
    return _("%(recorded)s 记录，%(received)s 收到", recorded=at, received=until)


def spaced_phone(number: str) -> str:
    """Return a phone number as people read it: 138 0013 8000, 0755 2600 1234, 020 8888 1234; others as they are."""
    digits, dash, extension = number.partition("-")
    if (digits.startswith("1") and len(digits) == 11) or (digits.startswith(("010", "02")) and len(digits) == 11):
        cuts = (3, 7)
    elif digits.startswith("0") and len(digits) in (11, 12):
        cuts = (4, 8)
    else:
        return number
    return f"{digits[: cuts[0]]} {digits[cuts[0] : cuts[1]]} {digits[cuts[1] :]}{dash}{extension}"
