"""Working days (工作日): the week, China's public holidays and make-up days, over both the corp's exceptions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.org.holidays import is_off
from wsapp.crm.org.models import CorpDay
from wsapp.crm.org.queries import hold_corp
from wsapp.crm.org.standing import changed, standing
from wsapp.db import db, first, rows
from wsapp.house import local_now
from wsapp.problems import Invalid, NotFound
from wsapp.texts import _

DAY = timedelta(days=1)
SATURDAY = 5  # as `date.weekday` counts
MOST_AT_ONCE = 31  # days that one entry may span
MOST_AHEAD = 366 * 2  # days from today
MOST_WORDS = 40


@dataclass(frozen=True)
class Change:
    """A day that was set or taken back: its id (the day), and [before, after] of whether people work on it."""

    row: CorpDay
    values: tuple[bool | None, bool | None]


def is_workday(day: date) -> bool:
    """Say whether the corp's people work on a day."""
    own = _own().get(day)
    if own is not None:
        return own
    off = is_off(day)
    return day.weekday() < SATURDAY if off is None else not off


def exception(day: date) -> bool | None:
    """Say whether a day is worked (True) or free (False) by exception; None: as any other week."""
    own = _own().get(day)
    if own is not None:
        return own
    off = is_off(day)
    return None if off is None else not off


def first_workday(day: date) -> date:
    """Return the day itself, or the first working day after it. A corp that never works gets the day back."""
    found = day
    for _number in range(MOST_AHEAD):
        if is_workday(found):
            return found
        found += DAY
    return day


def own_days(since: date) -> Sequence[CorpDay]:
    """Return the corp's own exceptions from a day on, in order."""
    return rows(sa.select(CorpDay).where(CorpDay.id >= since.isoformat()).order_by(CorpDay.id))


def set_days(start: date, end: date, *, works: bool, note: str) -> list[Change]:
    """Let the corp's people work, or be free, on all days from `start` to `end`; returns what changed.

    The caller has made sure that the actor may, and records the events. Raises Invalid.
    """
    note = " ".join(note.split())
    today = local_now().date()
    errors = {}
    if not start <= end < start + MOST_AT_ONCE * DAY:
        errors["until"] = _("结束日期应在开始日期之后 %(most)d 天以内", most=MOST_AT_ONCE)
    if not today - MOST_AHEAD * DAY < start < today + MOST_AHEAD * DAY:
        errors["day"] = _("请选择两年以内的日期")
    if len(note) > MOST_WORDS:
        errors["note"] = _("最多 %(most)d 个字", most=MOST_WORDS)
    if errors:
        raise Invalid(errors)
    hold_corp()
    changes = []
    for offset in range((end - start).days + 1):
        changes += _set(start + offset * DAY, works, note)
    if changes:
        changed()
    return changes


def _set(day: date, works: bool, note: str) -> list[Change]:
    row: CorpDay | None = first(sa.select(CorpDay).where(CorpDay.id == day.isoformat()))
    if row is not None and (row.works, row.note) == (works, note):
        return []
    before = None if row is None else row.works
    if row is None:
        row = CorpDay(id=day.isoformat())
        db.session.add(row)
    row.works, row.note, row.updated_at = works, note, clock.now()
    return [Change(row, (before, works))]


def forget_day(day_id: str) -> Change:
    """Take an exception back: the day is again what the public calendar says. Raises NotFound."""
    row: CorpDay | None = first(sa.select(CorpDay).where(CorpDay.id == day_id))
    if row is None:
        raise NotFound(_("没有这一天的设置"))
    db.session.delete(row)
    changed()
    return Change(row, (row.works, None))


def _own() -> Mapping[date, bool]:
    return standing("workdays", _read_own)


def _read_own() -> Mapping[date, bool]:
    return {date.fromisoformat(row.id): row.works for row in db.session.execute(sa.select(CorpDay.id, CorpDay.works))}
