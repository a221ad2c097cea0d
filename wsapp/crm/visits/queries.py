"""Which visits a person may see: their own team's, and all to customers they may see."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.fields.records import Records, carry, is_seen
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import within_team
from wsapp.crm.org.rights import sight
from wsapp.crm.visits.models import IN, Visit
from wsapp.db import first, rows
from wsapp.problems import NotFound
from wsapp.texts import _

LONGEST = timedelta(days=1)  # a visit ends on its day
SORTS = {"-checked_in_at": (Visit.checked_in_at, True), "checked_in_at": (Visit.checked_in_at, False)}


def visible_visits(actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition for the visits that the actor may see."""
    covered = sight(actor, "visit")
    if covered.people is None:
        return sa.true()
    own = within_team(Visit.member_id, actor, "visit")
    if not covered.shared:
        return own
    to_theirs = sa.exists().where(
        Customer.corp_id == Visit.corp_id, Customer.id == Visit.customer_id, visible_customers(actor)
    )
    return sa.or_(own, to_theirs)


carry("visit", Records(Visit, is_seen(Visit, visible_visits)))


def find_visit(visit_id: str, *, actor: Member) -> Visit:
    """Return a visit that the actor may see; raises NotFound for all others."""
    found = first(sa.select(Visit).where(Visit.id == visit_id, visible_visits(actor)))
    if found is None:
        raise NotFound(_("拜访不存在或无权查看"))
    return found


def visits_under_way(member: Member) -> Sequence[Visit]:
    """Return the member's visits that are checked in and not out."""
    return rows(
        sa.select(Visit)
        .where(Visit.member_id == member.id, Visit.state == IN)
        .order_by(Visit.checked_in_at.desc())
        .limit(5)
    )


def at_the_same_time(visit: Visit, *, actor: Member) -> Sequence[Visit]:
    """Return other visits of whoever made one that lasted while it did, as far as the actor sees them; at most five.

    Nobody is in two places: where visits overlap, one was not ended, or not made. What is under way lasts until now.
    """
    if visit.checked_in_at is None:
        return []
    ends = visit.checked_out_at or clock.now()
    same_time = (
        Visit.member_id == visit.member_id,
        Visit.id != visit.id,
        Visit.checked_in_at < ends,
        Visit.checked_in_at > visit.checked_in_at - LONGEST,
        sa.or_(Visit.checked_out_at.is_(None), Visit.checked_out_at > visit.checked_in_at),
    )
    return rows(sa.select(Visit).where(*same_time, visible_visits(actor)).order_by(Visit.checked_in_at).limit(5))
