"""The nightly recycling (回收): owners are warned, and what nobody took care of goes to a pool, lot by lot.

A run is a row that says how far it got: whoever comes after a killed worker goes on there, and nothing is done twice.
First it sorts customers by id, two hundred a transaction: those that are due and whose owner was told in time go, those
that come near are noted. Then it tells the owners, one message each. A customer goes only after every warning that the
rules ask for was written: where one is late, the day moves with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import Customer
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import in_language_of
from wsapp.crm.org.absences import absences
from wsapp.crm.org.models import CorpRule, Member
from wsapp.crm.org.queries import administrators, member
from wsapp.crm.pools.clock_cards import lost_card, result_card, warning_card
from wsapp.crm.pools.clocks import (
    DAY,
    HOLDS,
    Clock,
    clock_of,
    clock_rows,
    due_by,
    today,
)
from wsapp.crm.pools.models import DONE, RECYCLED, SORTING, TELLING, OwnerClock, Ownership, RecycleRun
from wsapp.crm.pools.moving import Leaving, recycle_together
from wsapp.crm.pools.queries import PoolFacts, all_pools, make_first_pool
from wsapp.crm.pools.rules import OFF, ON
from wsapp.crm.pools.terms import Rulebook, Terms, rulebook, terms
from wsapp.crm.pools.words import why
from wsapp.db import current_corp, db, dialect_insert, first, insert_unless_there, rows
from wsapp.house import local

LOT = 200  # customers of one transaction
OWNERS = 50  # who are told in one transaction
STALE = 3  # days after which a warning that nothing followed is said again
RULES_REST = 2  # days for which a changed rule takes nothing, where owners are not warned
WARNED, LOST, RESULT = "pool.warning", "customer.lost", "pool.recycled"  # kinds of messages


# --- one customer -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fate:
    """What a run does with a customer: it moves (`lead` None), or its owner is warned that it leaves on `on`."""

    on: date
    lead: int | None


def fate_of(row: Any, one: Clock | None, rules: Terms, day: date, *, rest_until: date | None = None) -> Fate | None:
    """Return what is to be done on `day` with a customer (a row of `clocks.COLUMNS`), None for nothing."""
    if one is None or one.held:
        return None
    left = (one.leaves_on - day).days
    told = _was_told(row, one, rules, day)
    for lead in rules.warn:
        if told is not None and lead >= told:
            continue
        return Fate(max(one.leaves_on, day + timedelta(days=lead)), lead) if left <= lead else None
    if left > 0 or rules.mode != ON or (rest_until is not None and not rules.warn and day < rest_until):
        return None
    return Fate(one.leaves_on, None)


def _was_told(row: Any, one: Clock, rules: Terms, day: date) -> int | None:
    """Return how many days before the owner was last told of this very day; None when nobody told them."""
    if row.warned_for is None or not row.told or one.leaves_on > row.warned_for:
        return None
    if rules.mode == ON and row.warned_for < day - timedelta(days=STALE):
        return None
    days: int = row.warned_days
    return days


# --- a run --------------------------------------------------------------------------------------------------------


def begin_run(*, again: bool = False) -> RecycleRun | None:
    """Return today's run to go on with, begun where there is none; `again` begins a finished one anew.

    None: it is done, or recycling is switched off.
    """
    if terms().mode == OFF:
        return None
    make_first_pool()
    day = today()
    fresh = {
        "corp_id": current_corp(),
        "id": str(day),
        "day": day,
        "state": SORTING,
        "after": "",
        "passes": 1,
        "moved": 0,
        "warned": 0,
        "started_at": clock.now(),
        "ended_at": None,
    }
    insert_unless_there(RecycleRun, fresh)
    run = _hold(str(day))
    assert run is not None
    if run.state == DONE and again:
        run.state, run.after, run.passes, run.ended_at = SORTING, "", run.passes + 1, None
        run.started_at = clock.now()
        db.session.flush()
    return None if run.state == DONE else run


def _hold(run_id: str) -> RecycleRun | None:
    found: RecycleRun | None = first(
        sa.select(RecycleRun).where(RecycleRun.id == run_id).with_for_update().execution_options(populate_existing=True)
    )
    return found


def go_on(run_id: str) -> bool:
    """Do the next lot of a run in the caller's transaction; says whether there is more."""
    run = _hold(run_id)
    if run is None or run.state == DONE:
        return False
    if run.day != today():  # what a stopped product left of another day is decided anew by today's run
        run.state, run.ended_at = DONE, clock.now()
    elif run.state == SORTING:
        _sort_lot(run)
    else:
        _tell_lot(run)
    db.session.flush()
    return run.state != DONE


def _sort_lot(run: RecycleRun) -> None:
    book = rulebook()
    found = _lot(book, run.day, run.after)
    leaving, near = [], []
    for row, _clock, fate, pool in fates(found, book, run.day):
        if fate.lead is not None:
            near.append((row, fate))
        elif pool is not None:
            leaving.append(Leaving(row.id, row.owner_id, row.owned_since or row.created_at, pool, why(_clock)))
    recycle_together(leaving)
    _note_warnings(near, run.day)
    run.moved += len(leaving)
    run.warned += len(near)
    if len(found) < LOT:
        run.state, run.after = TELLING, ""
    else:
        run.after = found[-1].id


def _lot(book: Rulebook, day: date, after: str) -> Sequence[Any]:
    """Return the next customers that may be due, held against everybody else until the transaction ends."""
    wanted = clock_rows().where(due_by(book, day + timedelta(days=book.usual.lead)), Customer.id > after)
    return db.session.execute(wanted.order_by(Customer.id).limit(LOT).with_for_update(of=Customer)).all()


def fates(found: Sequence[Any], book: Rulebook, day: date) -> Iterator[tuple[Any, Clock, Fate, PoolFacts | None]]:
    """Yield (row, clock, fate, pool) of those customers with which a run on `day` does something."""
    away, now, rest_until = absences(), clock.now(), _rest_until()
    for row in found:
        rules = book.of(row)
        one = clock_of(row, rules, away, now=now)
        fate = fate_of(row, one, rules, day, rest_until=rest_until)
        if one is not None and fate is not None:
            yield row, one, fate, book.pool_of(row)


def _rest_until() -> date | None:
    """Return from which day on the rules as they are now may take what nobody was warned of."""
    of_corp = db.session.scalar(sa.select(sa.func.max(CorpRule.updated_at)).where(CorpRule.id.startswith("recycle.")))
    changes = [one for one in (of_corp, *(pool.ruled_at for pool in all_pools())) if one is not None]
    return local(max(changes)).date() + (RULES_REST + 1) * DAY if changes else None


def _note_warnings(near: Sequence[tuple[Any, Fate]], day: date) -> None:
    if not near:
        return
    values = [
        {
            "corp_id": current_corp(),
            "id": row.id,
            "owner_id": row.owner_id,
            "since": row.owned_since or row.created_at,
            "kept_until": row.kept_until,
            "warned_for": fate.on,
            "warned_days": fate.lead,
            "warned_on": day,
            "told": False,
        }
        for row, fate in near
    ]
    table = sa.inspect(OwnerClock).local_table
    statement = dialect_insert(table)
    changed = {name: statement.excluded[name] for name in values[0] if name not in ("corp_id", "id")}
    db.session.execute(
        statement.on_conflict_do_update(index_elements=["corp_id", "id"], set_={**changed, "locked_at": None}), values
    )


# --- telling ------------------------------------------------------------------------------------------------------


def _tell_lot(run: RecycleRun) -> None:
    owners = _next_owners(run)
    for owner_id in owners:
        owner = member(owner_id)
        if owner is not None:
            _tell_owner(owner, run)
    if len(owners) < OWNERS:
        _tell_managers(run)
        run.state, run.ended_at = DONE, clock.now()
    else:
        run.after = owners[-1]


def _next_owners(run: RecycleRun) -> list[str]:
    untold = sa.select(OwnerClock.owner_id.label("owner")).where(
        OwnerClock.told.is_(False), OwnerClock.warned_on == run.day, OwnerClock.owner_id > run.after
    )
    lost = sa.select(Ownership.owner_id.label("owner")).where(_of_run(run), Ownership.owner_id > run.after)
    found: set[str] = set()
    for wanted in (untold, lost):
        found |= set(db.session.scalars(wanted.distinct().order_by(sa.literal_column("owner")).limit(OWNERS)))
    return sorted(found)[:OWNERS]


def _of_run(run: RecycleRun) -> sa.ColumnElement[bool]:
    return sa.and_(Ownership.ending == RECYCLED, Ownership.until >= run.started_at)


def _tell_owner(owner: Member, run: RecycleRun) -> None:
    key = f"recycle:{run.day}:{run.passes}:{owner.id}"
    near = db.session.execute(
        sa.select(Customer.id, Customer.name, OwnerClock.warned_for)
        .join(OwnerClock, HOLDS)
        .where(OwnerClock.owner_id == owner.id, OwnerClock.told.is_(False), OwnerClock.warned_on == run.day)
        .order_by(OwnerClock.warned_for, Customer.id)
    ).all()
    if near:
        with in_language_of(owner):
            card = warning_card(near, day=run.day)
        tell(owner, WARNED, card, key=f"{key}:near", subject_id=near[0].id if len(near) == 1 else None)
    db.session.execute(
        sa.update(OwnerClock)
        .where(OwnerClock.owner_id == owner.id, OwnerClock.told.is_(False), OwnerClock.warned_on == run.day)
        .values(told=True)
        .execution_options(synchronize_session=False)
    )
    lost = db.session.execute(
        sa.select(Customer.id, Customer.name, Ownership.reason)
        .join(Ownership, sa.and_(Ownership.corp_id == Customer.corp_id, Ownership.customer_id == Customer.id))
        .where(_of_run(run), Ownership.owner_id == owner.id)
        .order_by(Customer.id)
    ).all()
    if lost:
        with in_language_of(owner):
            card = lost_card(lost)
        tell(owner, LOST, card, key=f"{key}:lost")


def _tell_managers(run: RecycleRun) -> None:
    """One card to whoever manages the pools into which something went: how much, and from how many people."""
    counted = db.session.execute(
        sa.select(Customer.pool_id, sa.func.count(), sa.func.count(sa.distinct(Ownership.owner_id)))
        .join(Ownership, sa.and_(Ownership.corp_id == Customer.corp_id, Ownership.customer_id == Customer.id))
        .where(_of_run(run), Customer.pool_id.is_not(None))
        .group_by(Customer.pool_id)
    )
    pools = {one.id: one for one in all_pools()}
    by_reader: dict[str, list[tuple[str, int, int]]] = {}
    everybody = [one.id for one in administrators()]
    for pool_id, customers, owners in counted:
        if pool_id in pools:
            for reader_id in sorted(pools[pool_id].managers) or everybody:
                by_reader.setdefault(reader_id, []).append((pools[pool_id].name, customers, owners))
    for reader_id, lines in by_reader.items():
        reader = member(reader_id)
        if reader is not None and reader.is_active:
            with in_language_of(reader):
                card = result_card(lines)
            tell(reader, RESULT, card, key=f"recycle:{run.day}:{run.passes}:{reader_id}:result")


# --- asked beforehand ---------------------------------------------------------------------------------------------


def candidates(book: Rulebook, day: date) -> int:
    """Return how many customers a run on `day` looks at."""
    wanted = sa.select(sa.func.count()).select_from(Customer)
    there = sa.and_(Customer.owner_id.is_not(None), Customer.deleted_at.is_(None))
    return db.session.scalar(wanted.where(there, due_by(book, day + timedelta(days=book.usual.lead)))) or 0


def foretell(book: Rulebook, day: date) -> Iterator[tuple[Any, Clock, Fate, PoolFacts | None]]:
    """Yield what a run on `day` would do, customer by customer, and change nothing (dry run)."""
    after = ""
    while True:
        wanted = clock_rows().where(due_by(book, day + timedelta(days=book.usual.lead)), Customer.id > after)
        found = db.session.execute(wanted.order_by(Customer.id).limit(LOT * 10)).all()
        yield from fates(found, book, day)
        if len(found) < LOT * 10:
            return
        after = found[-1].id


def recent_runs(limit: int = 10) -> Sequence[RecycleRun]:
    """Return the corp's last runs, the newest first."""
    return rows(sa.select(RecycleRun).order_by(RecycleRun.day.desc()).limit(limit))
