"""What lists of visits and planned visits show: columns of many rows in one statement each."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from wsapp.crm.customers.models import Customer
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import VIEWER_ID
from wsapp.crm.tasks.queries import start_of_today
from wsapp.crm.visits.models import AHEAD, IN, Visit, VisitParticipant, VisitPlan
from wsapp.crm.visits.queries import visible_visits
from wsapp.db import Moment
from wsapp.h5.lists import TODAY_MOST, Rows
from wsapp.kept import Kept

A_WHILE = timedelta(days=31)


def _visits() -> Rows:
    about = aliased(Customer)  # not the table itself: the condition of sight asks for it again
    customer = sa.and_(about.corp_id == Visit.corp_id, about.id == Visit.customer_id)
    visitor = sa.and_(Member.corp_id == Visit.corp_id, Member.id == Visit.member_id)
    columns = (
        Visit.id,
        Visit.state,
        Visit.trust,
        Visit.distance,
        Visit.checked_in_at,
        Visit.checked_out_at,
        Visit.member_id,
        about.name.label("customer_name"),
        Member.name.label("member_name"),
    )
    return sa.select(*columns).select_from(Visit).join(about, customer).join(Member, visitor)


_VISITS = _visits()


def visit_list() -> Rows:
    """Return visits with the names of their customer and visitor; the caller adds whose."""
    return _VISITS


def visits_whose(whose: str, actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition for the actor's own visits, or for all that they may see ("team")."""
    return visible_visits(actor) if whose == "team" else Visit.member_id == actor.id


def my_visits_today(member: Member) -> Sequence[Any]:
    """Return the member's visits of today and those still under way, newest first.

    Visits are closed on their day: looking back further than a while would only read through all of them.
    """
    today = start_of_today()
    return _MY_VISITS_TODAY.all(viewer=member.id, today=today, a_while_ago=today - A_WHILE)


def _my_visits_today() -> Rows:
    today, a_while_ago = sa.bindparam("today", type_=Moment), sa.bindparam("a_while_ago", type_=Moment)
    current = sa.or_(Visit.checked_in_at >= today, Visit.state == IN)
    found = _VISITS.where(Visit.member_id == VIEWER_ID, Visit.checked_in_at >= a_while_ago, current)
    return found.order_by(Visit.checked_in_at.desc(), Visit.id.desc()).limit(TODAY_MOST)


_MY_VISITS_TODAY = Kept(_my_visits_today())


def plan_list() -> Rows:
    """Return planned visits with the names of their customers; the caller adds whose."""
    about = aliased(Customer)
    customer = sa.and_(about.corp_id == VisitPlan.corp_id, about.id == VisitPlan.customer_id)
    columns = (
        VisitPlan.id,
        VisitPlan.customer_id,
        VisitPlan.kind,
        VisitPlan.purpose,
        VisitPlan.starts_at,
        VisitPlan.ends_at,
        VisitPlan.state,
        about.name.label("customer_name"),
    )
    return sa.select(*columns).select_from(VisitPlan).join(about, customer)


def _plans() -> Rows:
    along = sa.select(VisitParticipant.plan_id).where(VisitParticipant.member_id == VIEWER_ID)
    mine = sa.or_(VisitPlan.member_id == VIEWER_ID, VisitPlan.id.in_(along))
    since = VisitPlan.starts_at >= sa.bindparam("since", type_=Moment)
    return plan_list().where(mine, since).order_by(VisitPlan.starts_at, VisitPlan.id)


_MY_PLANS = Kept(_plans().limit(100))
_TODAYS_PLANS = Kept(
    _plans()
    .where(VisitPlan.starts_at < sa.bindparam("until", type_=Moment), VisitPlan.state.in_((*AHEAD, IN)))
    .limit(20)
)


def my_plans(member: Member) -> Sequence[Any]:
    """Return the planned visits on which the member goes, from a week ago on, soonest first."""
    return _MY_PLANS.all(viewer=member.id, since=start_of_today() - timedelta(days=7))


def todays_plans(member: Member) -> Sequence[Any]:
    """Return the planned visits on which the member goes today, in the order of the day."""
    today = start_of_today()
    return _TODAYS_PLANS.all(viewer=member.id, since=today, until=today + timedelta(days=1))
