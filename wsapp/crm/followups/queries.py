"""Which follow-ups a person may see: their own team's, and all about customers they may see."""

import sqlalchemy as sa

from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.fields.records import Records, carry, is_seen
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import within_team
from wsapp.crm.org.rights import sight
from wsapp.db import first
from wsapp.problems import NotFound
from wsapp.texts import _

SORTS = {"-happened_at": (FollowUp.happened_at, True), "happened_at": (FollowUp.happened_at, False)}


def visible_follow_ups(actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition for the follow-ups that the actor may see."""
    covered = sight(actor, "follow_up")
    if covered.people is None:
        return sa.true()
    own = within_team(FollowUp.author_id, actor, "follow_up")
    if not covered.shared:
        return own
    about_theirs = sa.exists().where(
        Customer.corp_id == FollowUp.corp_id, Customer.id == FollowUp.customer_id, visible_customers(actor)
    )
    return sa.or_(own, about_theirs)


carry("follow_up", Records(FollowUp, is_seen(FollowUp, visible_follow_ups)))


def find_follow_up(follow_up_id: str, *, actor: Member) -> FollowUp:
    """Return a follow-up that the actor may see; raises NotFound for all others."""
    found = first(sa.select(FollowUp).where(FollowUp.id == follow_up_id, visible_follow_ups(actor)))
    if found is None:
        raise NotFound(_("跟进不存在或无权查看"))
    return found
