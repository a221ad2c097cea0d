"""The rehearsal of recycling rules (预演): which customers they would take now and within a week, owner by owner."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from wsapp import clock
from wsapp.crm.customers.models import Customer
from wsapp.crm.org.absences import absences
from wsapp.crm.pools.clocks import Clock, clock_of, clock_rows, due_by
from wsapp.crm.pools.terms import Rulebook
from wsapp.db import db

AHEAD = timedelta(days=7)
SHOWN = 20
CHUNK = 5_000


@dataclass
class Rehearsal:
    """What rules would take: counts by owner of what is due today and of what is within a week, that included.

    `held` are those that are locked, asked for, or of somebody on leave. `first` holds (row, clock) of the soonest.
    """

    due: Counter[str] = field(default_factory=Counter)
    soon: Counter[str] = field(default_factory=Counter)
    held: int = 0
    first: list[tuple[Any, Clock]] = field(default_factory=list)


def rehearse(book: Rulebook, day: date) -> Rehearsal:
    """Say what the rules of `book` would take as from `day`, by the customers that there are; nothing is changed.

    What was promised to owners in warnings is left aside: it is the rules that are looked at.
    """
    found, away, now = Rehearsal(), absences(), clock.now()
    after = ""
    while True:
        rows = _rows(book, day + AHEAD, after)
        for row in rows:
            one = clock_of(row, book.of(row), away, now=now)
            if one is not None and one.leaves_on <= day + AHEAD:
                _count(found, row, one, day)
        found.first = sorted(found.first, key=lambda pair: (pair[1].leaves_on, pair[0].id))[:SHOWN]
        if len(rows) < CHUNK:
            return found
        after = rows[-1].id


def _rows(book: Rulebook, day: date, after: str) -> Any:
    wanted = clock_rows().where(due_by(book, day), Customer.id > after).order_by(Customer.id).limit(CHUNK)
    return db.session.execute(wanted).all()


def _count(found: Rehearsal, row: Any, one: Clock, day: date) -> None:
    if one.held:
        found.held += 1
        return
    found.soon[row.owner_id] += 1
    if one.leaves_on <= day:
        found.due[row.owner_id] += 1
    found.first.append((row, one))
