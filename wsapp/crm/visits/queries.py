"""Which visits a person may see: their own team's, and all to customers they may see."""

from collections.abc import Sequence

import sqlalchemy as sa

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
