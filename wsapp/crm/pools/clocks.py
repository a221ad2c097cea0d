"""The clock of a customer (回收倒计时): when it leaves its owner for a pool, and by which rule. Counting, no changes.

Everything is counted in days of the corp's calendar: what was last touched on day d under a rule of n days stays
through day d + n and leaves in the night after it. A date that is missing never matches: the creation of the customer
is always there, and the latest of all dates is what counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from wsapp import clock
from wsapp.crm.customers.models import LEVELS, Customer
from wsapp.crm.fields.access import reads
from wsapp.crm.org.absences import Absences, absences
from wsapp.crm.org.models import Member
from wsapp.crm.pools.models import KEEP, OPEN, OwnerClock, OwnerRequest
from wsapp.crm.pools.rules import AND, OFF
from wsapp.crm.pools.terms import DEAL, FOLLOW, Rulebook, Terms, rulebook
from wsapp.db import db
from wsapp.house import local, local_now, zone
from wsapp.kept import Kept

ANSWER_IN = timedelta(hours=72)  # so long a request that nobody answers keeps the customer
TOLD_BY = ("last_followed_at", "last_visited_at", "last_deal_at", "level")  # fields that a clock tells of
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Clock:
    """When a customer leaves its owner: in the night that begins `leaves_on`.

    `condition` is the rule that takes it, `days` how many it allows, `base` the last day that counted for it,
    `paused` how many days the clock stood still. `held` says why it does not leave for now: "locked", "asked" (an
    extension waits for its answer), "away", or "".
    """

    leaves_on: date
    condition: str
    days: int
    base: date
    paused: int
    held: str


def today() -> date:
    """Return the day on the corp's calendar."""
    return local_now().date()


def sees_clocks(actor: Member) -> bool:
    """Say whether somebody reads all that a clock gives away."""
    return all(reads(actor, name) for name in TOLD_BY)


def _day(moment: datetime) -> date:
    return local(moment).date()


# --- when ---------------------------------------------------------------------------------------------------------


def clock_of(row: Any, rules: Terms, absences: Absences, *, now: datetime | None = None) -> Clock | None:
    """Return a customer's clock from a row of `COLUMNS`; None where no rule ever takes it.

    The day on which the owner was told that it leaves holds where it is later than what the rules say.
    """
    if rules.mode == OFF or row.owner_id is None:
        return None
    away = absences.get(row.owner_id, ())
    found = [_of_condition(name, days, row, rules, away) for name, days in rules.days(row.level).items()]
    if not found:
        return None
    first = (max if rules.joined == AND else min)(found, key=lambda one: one.leaves_on)
    least = _day(row.created_at) + timedelta(days=rules.new_days)
    day = max(filter(None, (first.leaves_on, least, row.kept_until)))
    if row.warned_for is not None and row.told and day < row.warned_for:
        day = row.warned_for
    return Clock(day, first.condition, first.days, first.base, first.paused, _held(row, away, now or clock.now()))


def silence_of(row: Any, rules: Terms, absences: Absences) -> Clock | None:
    """Return since when a customer of a row of `COLUMNS` counts as silent: `leaves_on` is the last of so many `days`.

    `rules` are those of silence: nothing but `follow`. None where the level has no limit.
    """
    days = rules.follow[row.level or ""]
    # Leave that begins on the morrow changes nothing today: the days are over by tonight.
    return _of_condition(FOLLOW, days - 1, row, rules, absences.get(row.owner_id, ())) if days else None


def _of_condition(name: str, days: int, row: Any, rules: Terms, away: Sequence[tuple[date, date]]) -> Clock:
    base = _day(max(one for one in _dates(name, row, rules) if one is not None))
    plain = base + timedelta(days=days + 1)
    leaves_on = _paused(base, plain, away)
    return Clock(leaves_on, name, days, base, (leaves_on - plain).days, "")


def _paused(base: date, leaves_on: date, away: Sequence[tuple[date, date]]) -> date:
    """Return the day on which it leaves when the days of `away` are not counted, itself none of them."""
    for start, end in away:
        start = max(start, base + DAY)
        if start > leaves_on:
            break
        if end >= start:
            leaves_on += end - start + DAY
    return leaves_on


def _dates(name: str, row: Any, rules: Terms) -> Iterable[datetime | None]:
    yield row.created_at
    yield row.owned_since
    if name == DEAL:
        yield row.last_deal_at
        return
    yield row.last_visited_at
    yield row.last_deal_at + timedelta(days=rules.grace) if row.last_deal_at else None
    if name == FOLLOW:
        yield row.clock_at or row.last_followed_at


def _held(row: Any, away: Sequence[tuple[date, date]], now: datetime) -> str:
    if row.locked_at is not None:
        return "locked"
    if row.asked_at is not None and row.asked_at > now - ANSWER_IN:
        return "asked"
    there = _day(now)
    return "away" if any(start <= there <= end for start, end in away) else ""


# --- which, in the database ---------------------------------------------------------------------------------------

_Owner = aliased(Member)
_SINCE = sa.func.coalesce(Customer.owned_since, Customer.created_at)
HOLDS = sa.and_(
    OwnerClock.corp_id == Customer.corp_id,
    OwnerClock.id == Customer.id,
    OwnerClock.owner_id == Customer.owner_id,
    OwnerClock.since == _SINCE,
)
_ASKED = (
    sa.select(OwnerRequest.created_at)
    .where(
        OwnerRequest.corp_id == Customer.corp_id,
        OwnerRequest.customer_id == Customer.id,
        OwnerRequest.state == OPEN,
        OwnerRequest.wish == KEEP,
    )
    .limit(1)
    .correlate(Customer)
    .scalar_subquery()
    .label("asked_at")
)
# What a clock is worked out from, and what lists of such customers show.
COLUMNS = (
    Customer.id,
    Customer.name,
    Customer.level,
    Customer.lead,
    Customer.owner_id,
    Customer.created_at,
    Customer.owned_since,
    Customer.last_followed_at,
    Customer.clock_at,
    Customer.last_visited_at,
    Customer.last_deal_at,
    OwnerClock.locked_at,
    OwnerClock.kept_until,
    OwnerClock.warned_for,
    OwnerClock.warned_days,
    OwnerClock.warned_on,
    OwnerClock.told,
    _Owner.main_department_id.label("home"),
    _ASKED,
)


def clock_rows() -> sa.Select[*tuple[Any, ...]]:
    """Return the select of `COLUMNS` for owned customers; what was said of an earlier owner is left out."""
    return (
        sa.select(*COLUMNS)
        .select_from(Customer)
        .outerjoin(OwnerClock, HOLDS)
        .outerjoin(_Owner, sa.and_(_Owner.corp_id == Customer.corp_id, _Owner.id == Customer.owner_id))
        .where(Customer.owner_id.is_not(None), Customer.deleted_at.is_(None))
    )


def due_by(book: Rulebook, day: date) -> sa.ColumnElement[bool]:
    """Return the condition for customers that the dates alone let leave on `day` or before; nobody's leave counted.

    Only comparisons of columns with moments, so that both databases take their indexes and no row is missed: leave,
    locks and extensions can only make it later.
    """
    if book.usual.mode == OFF:
        return sa.false()
    return sa.or_(*(sa.and_(whose, due_under(rules, day)) for whose, rules in book.parts()))


def due_under(rules: Terms, day: date) -> sa.ColumnElement[bool]:
    """Return `due_by` under the same rules for all customers."""
    grace = timedelta(days=rules.grace)

    def until(days: int, *columns: Any) -> sa.ColumnElement[bool]:
        cut = clock.start_of_day(day - timedelta(days=days), zone())
        return sa.and_(Customer.created_at < cut, *(sa.or_(one.is_(None), one < cut) for one in columns))

    def of(name: str, days: int) -> sa.ColumnElement[bool]:
        if name == DEAL:
            return until(days, Customer.owned_since, Customer.last_deal_at)
        cut = clock.start_of_day(day - timedelta(days=days), zone())
        past_deal = sa.or_(Customer.last_deal_at.is_(None), Customer.last_deal_at < cut - grace)
        columns: list[Any] = [Customer.owned_since, Customer.last_visited_at]
        if name == FOLLOW:
            columns.append(sa.func.coalesce(Customer.clock_at, Customer.last_followed_at))
        return sa.and_(until(days, *columns), past_deal)

    join = sa.and_ if rules.joined == AND else sa.or_
    by_level = []
    for level in ("", *LEVELS):
        conditions = [of(name, days) for name, days in rules.days(level).items()]
        if conditions:
            same = Customer.level == level if level else Customer.level.is_(None)
            by_level.append(sa.and_(same, join(*conditions)))
    return sa.or_(*by_level) if by_level else sa.false()


_ONE = Kept(clock_rows().where(Customer.id == sa.bindparam("customer", type_=sa.String)))


def clock_of_customer(customer_id: str) -> tuple[Any, Clock | None]:
    """Return a customer's row of `COLUMNS` (None where nobody owns it) and its clock.

    One statement; two where pools have rules of their own.
    """
    row = _ONE.first(customer=customer_id)
    return row, clock_of(row, rulebook().of(row), absences()) if row is not None else None


def leaving(book: Rulebook, day: date, *conditions: sa.ColumnElement[bool], most: int) -> list[tuple[Any, Clock]]:
    """Return the customers that leave on `day` or before, soonest first, with their clocks; those held are left out.

    At most so many are looked at: more than anybody reads.
    """
    wanted = clock_rows().where(due_by(book, day), *conditions).order_by(Customer.id).limit(most)
    away, now = absences(), clock.now()
    soon = []
    for row in db.session.execute(wanted):
        one = clock_of(row, book.of(row), away, now=now)
        if one is not None and one.held in ("", "asked") and one.leaves_on <= day:
            soon.append((row, one))
    return sorted(soon, key=lambda pair: (pair[1].leaves_on, pair[0].id))
