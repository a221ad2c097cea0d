"""Who is away and when (休假): whole days on the corp's calendar. Clocks that wait for somebody stand still on them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from wsapp.crm.org.roles import Delegation
from wsapp.crm.org.standing import standing
from wsapp.db import db
from wsapp.house import local

Absences = Mapping[str, Sequence[tuple[date, date]]]  # member → first and last days, in order and apart


def absences() -> Absences:
    """Return the days on which people are or were away, by member. Kept until one changes."""
    found: Absences = standing("absences", _read_absences)
    return found


def is_away(member_id: str, day: date) -> bool:
    """Say whether somebody is away on a day, be it for a part of it."""
    return any(start <= day <= end for start, end in absences().get(member_id, ()))


def _read_absences() -> Absences:
    columns = sa.select(Delegation.absent_id, Delegation.starts_at, Delegation.ends_at)
    found: dict[str, list[tuple[date, date]]] = {}
    for absent, starts, ends in db.session.execute(columns.order_by(Delegation.absent_id, Delegation.starts_at)):
        if ends <= starts:
            continue
        start, end = _day(starts), _day(ends - timedelta(microseconds=1))
        theirs = found.setdefault(absent, [])
        if theirs and start <= theirs[-1][1]:
            theirs[-1] = (theirs[-1][0], max(end, theirs[-1][1]))
        else:
            theirs.append((start, end))
    return found


def _day(moment: datetime) -> date:
    return local(moment).date()
