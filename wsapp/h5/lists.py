"""What lists show: columns of many rows in one statement each, only of records that the actor may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from wsapp import clock
from wsapp.crm.customers.models import Coworker, Customer, CustomerPhone
from wsapp.crm.customers.queries import LIST_COLUMNS, own_customers, visible_customers
from wsapp.crm.customers.queries import SORTS as CUSTOMER_SORTS
from wsapp.crm.events.models import Event
from wsapp.crm.fields.access import reads as reads_field
from wsapp.crm.fields.finding import ordered
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import ACTIVE, Member
from wsapp.crm.org.queries import (
    VIEWER_ID,
    Viewer,
    is_actor,
    may_see_member,
    names,
    viewer_of,
    viewer_values,
    within_team,
)
from wsapp.crm.search.queries import matching, reaches_texts, tasks_with
from wsapp.crm.tasks.models import CANCELLED, DONE, STATES, Task
from wsapp.crm.tasks.queries import are_open, are_overdue, start_of_today, visible_tasks
from wsapp.db import Moment, db, first
from wsapp.kept import Kept
from wsapp.paging import page

DONE_SORTS = {"-done_at": (Task.done_at, True)}
MEMBER_SORTS = {"name": (Member.name, False)}
MESSAGE_SORTS = {"-due_at": (Notification.due_at, True)}
TODAY_MOST = 60

Rows = sa.Select[*tuple[Any, ...]]
Filter = str | sa.BindParameter[str] | None


# --- customers ----------------------------------------------------------------------------------------------------


_FIRST_PHONE = (
    sa.select(CustomerPhone.number)
    .where(CustomerPhone.corp_id == Customer.corp_id, CustomerPhone.customer_id == Customer.id)
    .order_by(CustomerPhone.position)
    .limit(1)
    .correlate(Customer)
    .scalar_subquery()
)
# Built once: of the time that a short list takes, putting such a statement together was a good part.
_CUSTOMERS = sa.select(*LIST_COLUMNS, Member.name.label("owner_name"), _FIRST_PHONE.label("phone")).outerjoin(
    Member, sa.and_(Member.corp_id == Customer.corp_id, Member.id == Customer.owner_id)
)


def customer_list(
    actor: Member | Viewer,
    *,
    mine: bool = False,
    shared: bool = False,
    text: str = "",
    stage: Filter = None,
    level: Filter = None,
) -> Rows:
    """Return customers with their owner's name and their first phone number: all, one's own, or one's co-work."""
    statement = _CUSTOMERS.where(own_customers(actor) if mine else visible_customers(actor))
    if shared:
        statement = statement.where(
            Customer.id.in_(sa.select(Coworker.customer_id).where(is_actor(Coworker.member_id, actor)))
        )
    if text and isinstance(actor, Member):
        statement = statement.where(matching(text, actor=actor))
    if stage is not None:
        statement = statement.where(Customer.stage == stage)
    if level is not None:
        statement = statement.where(Customer.level == level)
    return statement


def customer_page(
    actor: Member,
    *,
    whose: str,
    text: str,
    stage: str,
    level: str,
    limit: int,
    cursor: str,
    more: Sequence[sa.ColumnElement[bool]] = (),
    sort: str = "-updated_at",
) -> tuple[list[Any], str | None]:
    """Return a page of `customer_list` and the cursor of the next one.

    `whose`: "mine", "shared" (one's co-work) or "team" (all that one sees); `more`: conditions of further filters;
    `sort`: one of `SORTS`, or "custom.<key>" of an indexed field. Raises Invalid for any other.
    """
    sorts, last = CUSTOMER_SORTS, Customer.id
    values: dict[str, Any] | None = None
    if text or more or sort not in sorts:
        statement = customer_list(
            actor,
            mine=whose == "mine",
            shared=whose == "shared",
            text=text,
            stage=stage or None,
            level=level or None,
        ).where(*more)
        if sort not in sorts:
            statement, how, last = ordered("customer", sort, actor=actor, id_column=last, statement=statement)
            sorts = {sort: how}
    else:
        statement = _kept_customers(viewer_of(actor), whose, bool(stage), bool(level))
        values = {**viewer_values(actor), "stage": stage, "level": level}
    return page(
        statement,
        sorts=sorts,
        sort=sort,
        id_column=last,
        limit=limit,
        cursor=cursor,
        values=values,
    )


@cache
def _kept_customers(viewer: Viewer, whose: str, staged: bool, levelled: bool) -> Rows:
    stage, level = sa.bindparam("stage", type_=sa.String), sa.bindparam("level", type_=sa.String)
    return customer_list(
        viewer,
        mine=whose == "mine",
        shared=whose == "shared",
        stage=stage if staged else None,
        level=level if levelled else None,
    )


def beside(customer: Customer, actor: Member) -> tuple[str | None, str | None]:
    """Return the ids of the customers before and behind one in its owner's list, last changed first; None at an end.

    Of an owner whom the actor does not read, or whose customers they do not see, nobody is beside.
    """
    if customer.owner_id is None or not may_see_member(actor, customer.owner_id) or not reads_field(actor, "owner"):
        return None, None
    row = _BESIDE.first(owner=customer.owner_id, at=customer.updated_at, here=customer.id)
    return row.before, row.behind


def _beside() -> Rows:
    here = sa.tuple_(sa.bindparam("at", type_=Moment), sa.bindparam("here", type_=sa.String))
    each = []
    for label, newer in (("before", True), ("behind", False)):
        other = aliased(Customer)
        place = sa.tuple_(other.updated_at, other.id)
        ways = (other.updated_at.asc(), other.id.asc()) if newer else (other.updated_at.desc(), other.id.desc())
        theirs = sa.select(other.id).where(
            other.owner_id == sa.bindparam("owner", type_=sa.String),
            other.deleted_at.is_(None),
            place > here if newer else place < here,
        )
        each.append(theirs.order_by(*ways).limit(1).scalar_subquery().label(label))
    return sa.select(*each)


_BESIDE = Kept(_beside())


def customer_choices(actor: Member, limit: int = 50) -> list[tuple[str, str]]:
    """Return (id, name) of the actor's own customers, last touched first, to choose from."""
    statement = sa.select(Customer.id, Customer.name).where(visible_customers(actor), Customer.owner_id == actor.id)
    found = db.session.execute(statement.order_by(Customer.updated_at.desc()).limit(limit))
    return [(row.id, row.name) for row in found]


# --- tasks --------------------------------------------------------------------------------------------------------


def _tasks() -> Rows:
    about = aliased(Customer)
    customer = sa.and_(about.corp_id == Task.corp_id, about.id == Task.customer_id)
    assignee = sa.and_(Member.corp_id == Task.corp_id, Member.id == Task.assignee_id)
    columns = (
        Task.id,
        Task.title,
        Task.state,
        Task.due_at,
        Task.all_day,
        Task.snoozed_until,
        Task.repeat,
        Task.assignee_id,
        Task.priority,
        Task.done_at,
        about.name.label("customer_name"),
        Member.name.label("assignee_name"),
    )
    return sa.select(*columns).select_from(Task).outerjoin(about, customer).outerjoin(Member, assignee)


_TASKS = _tasks()


def task_list() -> Rows:
    """Return tasks with the names of their customer and assignee; the caller adds whose."""
    return _TASKS


def tasks_whose(whose: str, actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition for "mine", those the actor gave to others ("given"), or all of the team ("team")."""
    if whose == "given":
        return sa.and_(Task.creator_id == actor.id, Task.assignee_id != actor.id)
    return visible_tasks(actor) if whose == "team" else Task.assignee_id == actor.id


def are_closed() -> sa.ColumnElement[bool]:
    return Task.state.in_((DONE, CANCELLED))


def count_due(member: Member) -> int:
    """Return how many of the member's open tasks are overdue or due today, without those put off beyond now."""
    figures = day_figures(member)
    return figures.overdue + figures.due


@dataclass(frozen=True)
class DayFigures:
    """A member's day: open tasks overdue, open tasks still due today, follow-ups logged for today."""

    overdue: int
    due: int
    follow_ups: int


def day_figures(member: Member) -> DayFigures:
    """Return the figures of a member's day, in one statement. Tasks put off beyond now do not count."""
    today = start_of_today()
    row = _DAY_FIGURES.first(member=member.id, now=clock.now(), today=today, tomorrow=today + timedelta(days=1))
    return DayFigures(row.overdue, row.due - row.overdue, row.logs)


def _day_figures() -> Rows:
    now, today, tomorrow = (sa.bindparam(name, type_=Moment) for name in ("now", "today", "tomorrow"))
    awake = sa.or_(Task.snoozed_until.is_(None), Task.snoozed_until <= now)
    overdue = sa.func.count().filter(are_overdue(now, today))
    logs = sa.select(sa.func.count()).where(
        FollowUp.author_id == sa.bindparam("member"),
        FollowUp.happened_at >= today,
    )
    return (
        sa.select(overdue.label("overdue"), sa.func.count().label("due"), logs.scalar_subquery().label("logs"))
        .select_from(Task)
        .where(Task.assignee_id == sa.bindparam("member"), are_open(), Task.due_at < tomorrow, awake)
    )


_DAY_FIGURES = Kept(_day_figures())


def my_open_tasks(member: Member) -> Sequence[Any]:
    """Return the member's own open tasks, soonest due first."""
    return _MY_OPEN_TASKS.all(viewer=member.id)


_MY_OPEN_TASKS = Kept(
    # Asked for by what the index of open tasks holds, which also keeps their order.
    _TASKS.where(Task.assignee_id == VIEWER_ID, Task.done_at.is_(None)).order_by(Task.due_at, Task.id).limit(TODAY_MOST)
)


def open_tasks_about(customer_id: str, actor: Member) -> Sequence[Any]:
    """Return the open tasks about a customer that the actor may see, soonest due first."""
    return _open_tasks_about(viewer_of(actor, "task")).all(customer=customer_id, **viewer_values(actor, "task"))


@cache
def _open_tasks_about(viewer: Viewer) -> Kept:
    theirs = Task.customer_id == sa.bindparam("customer", type_=sa.String)
    found = _TASKS.where(theirs, are_open(), visible_tasks(viewer))
    return Kept(found.order_by(Task.due_at, Task.id).limit(20))


def tasks_like(actor: Member, text: str, limit: int = 5) -> Sequence[Any]:
    """Return visible tasks whose title has all parts of `text`, open ones first; none for a single letter."""
    if not reaches_texts(text):
        return []
    wanted = sa.and_(visible_tasks(actor), tasks_with(text))
    # Each state by itself: the index has it in order, so that of a common word no more than a few tasks are looked at.
    of_state = (
        sa.select(Task.id).where(Task.state == state, wanted).order_by(Task.due_at.desc()).limit(limit).subquery()
        for state in STATES
    )
    found = task_list().where(Task.id.in_(sa.union_all(*(sa.select(one.c.id) for one in of_state))))
    return db.session.execute(found.order_by(Task.done_at.is_not(None), Task.due_at.desc()).limit(limit)).all()


# --- the team -----------------------------------------------------------------------------------------------------


def team_list(actor: Member) -> Rows:
    """Return the active members whose records the actor may see."""
    return sa.select(Member.id, Member.name, Member.position).where(
        Member.status == ACTIVE, within_team(Member.id, actor)
    )


# --- messages -----------------------------------------------------------------------------------------------------


def message_list(member: Member) -> Rows:
    """Return what was said, or was to be said, to a member."""
    columns = (
        Notification.id,
        Notification.kind,
        Notification.message,
        Notification.state,
        Notification.reason,
        Notification.host_code,
        Notification.attempts,
        Notification.unknown,
        Notification.held,
        Notification.merged_into,
        Notification.due_at,
        Notification.created_at,
        Notification.tried_at,
        Notification.sent_at,
        Notification.settled_at,
    )
    return sa.select(*columns).where(Notification.recipient_id == member.id)


def message_of(member: Member, notification_id: str) -> Any | None:
    """Return one message to a member, None when there is none of theirs."""
    return db.session.execute(message_list(member).where(Notification.id == notification_id)).first()


# --- single facts -------------------------------------------------------------------------------------------------


def may_see_customer(customer_id: str, actor: Member) -> bool:
    """Say whether the actor may see a customer."""
    return first(sa.select(Customer.id).where(Customer.id == customer_id, visible_customers(actor))) is not None


def last_actor(subject_id: str) -> str:
    """Return the name of whoever last did something to a record, empty when that was the system itself."""
    latest = sa.select(Event.actor_id).where(Event.subject_id == subject_id).order_by(Event.at.desc(), Event.id.desc())
    actor_id = first(latest.limit(1))
    return names([actor_id]).get(actor_id or "", "")
