"""Silence (长期未跟进): owners hear of customers whom nobody followed up for so many days, by level.

Once for each silence, in one card a person and day, on working days only. The clock is the recycling's own: leave
pauses it, and a customer of whose recycling the owner is warned that day is in that message and not in this one.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.leads import NEW
from wsapp.crm.customers.models import LEVELS, Customer
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import in_language_of
from wsapp.crm.org.absences import absences, is_away
from wsapp.crm.org.models import ACTIVE, Member
from wsapp.crm.org.rules import rule
from wsapp.crm.org.workdays import is_workday
from wsapp.crm.pools.clock_cards import silence_card
from wsapp.crm.pools.clocks import DAY, Clock, clock_rows, due_under, silence_of
from wsapp.crm.pools.models import Silence
from wsapp.crm.pools.rules import OR, WARN
from wsapp.crm.pools.terms import Terms
from wsapp.db import current_corp, db, dialect_insert, rows
from wsapp.house import zone

KIND = "customer.silent"
OWNERS = 50  # in one transaction
MOST_EACH = 2000  # customers of one owner: those left over come the next day


def silence_terms() -> Terms:
    """Return the corp's rules of silence as the clocks take them."""
    follow = {"": int(rule("silence.other")), **{level: int(rule(f"silence.{level}")) for level in LEVELS}}
    return Terms(WARN, OR, follow, visit=0, deal=0, grace=0, new_days=0, warn=())


def tell_of_silence(today: date, after: str = "") -> str:
    """Tell some owners of the corp, those behind the member `after`. Returns where to go on, "" when done."""
    if not is_workday(today):
        return ""
    terms = silence_terms()
    if not any(terms.follow.values()):
        return ""
    owners = _owners(terms, today, after)
    for owner in owners:
        if not is_away(owner.id, today):
            _tell_owner(owner, terms, today)
    return owners[-1].id if len(owners) == OWNERS else ""


def _silent(terms: Terms, today: date) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions for customers that may be silent, and of whose silence nobody was told."""
    contacts = (
        Customer.created_at,
        Customer.owned_since,
        Customer.last_visited_at,
        Customer.last_deal_at,
        sa.func.coalesce(Customer.clock_at, Customer.last_followed_at),
    )
    told = sa.exists().where(
        Silence.corp_id == Customer.corp_id,
        Silence.id == Customer.id,
        Silence.owner_id == Customer.owner_id,
        *(sa.or_(one.is_(None), one < Silence.until) for one in contacts),
    )
    wanted = sa.and_(Customer.stage != "lost", sa.or_(Customer.lead.is_(None), Customer.lead != NEW))
    return due_under(terms, today + DAY), wanted, ~told


def _owners(terms: Terms, today: date, after: str) -> Sequence[Member]:
    has = sa.exists().where(
        Customer.corp_id == Member.corp_id,
        Customer.owner_id == Member.id,
        Customer.deleted_at.is_(None),
        *_silent(terms, today),
    )
    wanted = sa.select(Member).where(Member.status == ACTIVE, Member.id > after, has)
    return rows(wanted.order_by(Member.id).limit(OWNERS))


def _tell_owner(owner: Member, terms: Terms, today: date) -> None:
    wanted = clock_rows().where(Customer.owner_id == owner.id, *_silent(terms, today))
    away = absences()
    found: list[tuple[Any, Clock]] = []
    for row in db.session.execute(wanted.order_by(Customer.id).limit(MOST_EACH)):
        one = silence_of(row, terms, away)
        if one is not None and one.leaves_on <= today:
            found.append((row, one))
    fresh = [(row, one) for row, one in found if row.warned_on != today]
    if fresh:
        fresh.sort(key=lambda pair: (pair[1].base, pair[0].id))
        with in_language_of(owner):
            card = silence_card([(row.id, row.name, (today - one.base).days) for row, one in fresh])
        subject = fresh[0][0].id if len(fresh) == 1 else None
        tell(owner, KIND, card, key=f"silence:{today}:{owner.id}", subject_id=subject)
    _keep(found, owner, today)


def _keep(found: Sequence[tuple[Any, Clock]], owner: Member, today: date) -> None:
    if not found:
        return
    table = sa.inspect(Silence).local_table
    values = [
        {
            "corp_id": current_corp(),
            "id": row.id,
            "owner_id": owner.id,
            "until": clock.start_of_day(one.base + timedelta(days=1), zone()),
            "told_on": today,
        }
        for row, one in found
    ]
    statement = dialect_insert(table)
    changed = {name: statement.excluded[name] for name in ("owner_id", "until", "told_on")}
    db.session.execute(statement.on_conflict_do_update(index_elements=["corp_id", "id"], set_=changed), values)
