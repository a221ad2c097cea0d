"""/follow-ups: what was said to a customer, and what comes next."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from flask import g

from wsapp.api.base import Answer, current_when_stale, reads, resource, wanted_version, writes
from wsapp.api.lists import Named, Select, listed, one, photos_of, text_of
from wsapp.api.ownfields import narrowed, with_custom
from wsapp.api.schemas_in import CustomerPath
from wsapp.api.schemas_logs import (
    AllFollowUps,
    FollowUpChange,
    FollowUpFields,
    FollowUpList,
    FollowUpNew,
    FollowUpPage,
    FollowUpPath,
)
from wsapp.api.schemas_logs import FollowUp as FollowUpRecord
from wsapp.api.talk import talk_of, with_mentions
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import current_id, find_customer
from wsapp.crm.fields.access import demand_readable, shown
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.followups.changes import change_follow_up
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.followups.queries import SORTS, find_follow_up, visible_follow_ups
from wsapp.crm.search.queries import follow_ups_with
from wsapp.problems import Invalid, NotFound

bp = resource("follow-ups", "Follow-ups: what was said to a customer, and what comes next")

COLUMNS = (
    FollowUp.id,
    FollowUp.version,
    FollowUp.customer_id,
    FollowUp.contact_id,
    FollowUp.kind,
    FollowUp.text,
    FollowUp.outcome,
    FollowUp.happened_at,
    FollowUp.next_at,
    FollowUp.next_action,
    FollowUp.custom,
    FollowUp.recorded_at,
    FollowUp.created_at,
)
PLAIN = ("id", "version", "author", "kind", "text", "outcome", "next_action")
MOMENTS = ("happened_at", "next_at", "created_at")


def _select(author: Named) -> Select:
    return author.join(sa.select(*COLUMNS, author.userid).select_from(FollowUp)).where(visible_follow_ups(g.member))


def _show(found: Sequence[Any]) -> list[dict[str, Any]]:
    photos, talk = photos_of([row.id for row in found]), talk_of("follow_up", [row.id for row in found])
    records = [shown(g.member, _record_of(row, photos[row.id]) | talk[row.id], "follow_up") for row in found]
    return with_custom("follow_up", records, found)


def _record_of(row: Any, photos: Mapping[str, Any]) -> dict[str, Any]:
    return (
        {field: getattr(row, field) for field in PLAIN}
        | {field: text_of(getattr(row, field)) for field in MOMENTS}
        | {"customer": row.customer_id, "contact": row.contact_id}
        | {"recorded_at": text_of(row.recorded_at or row.created_at), "received_at": text_of(row.created_at)}
        | {**photos}
    )


def _answer(follow_up_id: str, status: int = 200) -> Answer:
    record = one(_select(Named(FollowUp.author_id, "author")).where(FollowUp.id == follow_up_id), show=_show)
    return Answer(record, status, record["version"], f"/api/v1/follow-ups/{follow_up_id}" if status == 201 else "")


def _list(query: FollowUpList, customer_id: str) -> Answer:
    author = Named(FollowUp.author_id, "author")
    statement = _select(author)
    if customer_id:
        statement = statement.where(FollowUp.customer_id == customer_id)
    if query.author:
        statement = statement.where(author.is_called(query.author))
    if query.q.strip():
        demand_readable(g.member, ["text"], "follow_up")
        statement = statement.where(follow_ups_with(query.q.strip(), actor=g.member))
    statement = narrowed(statement, query.custom, "follow_up", FollowUp.id)
    return listed(statement, query, sorts=SORTS, default="-happened_at", id_column=FollowUp.id, show=_show)


@bp.get("/follow-ups", responses={200: FollowUpPage})
@reads
def index(query: AllFollowUps) -> Answer:
    """List the follow-ups that the user may see, latest first."""
    return _list(query, current_id(query.customer) if query.customer else "")


@bp.get("/customers/<customer_id>/follow-ups", responses={200: FollowUpPage})
@reads
def of_customer(path: CustomerPath, query: FollowUpList) -> Answer:
    """List a customer's follow-ups, latest first."""
    return _list(query, find_customer(path.customer_id, actor=g.member).id)


@bp.get("/follow-ups/<follow_up_id>", responses={200: FollowUpRecord})
@reads
def show(path: FollowUpPath) -> Answer:
    """Return a follow-up."""
    return _answer(path.follow_up_id)


@bp.post("/customers/<customer_id>/follow-ups", responses={201: FollowUpRecord})
@writes
def create_of_customer(path: CustomerPath, body: FollowUpFields) -> Answer:
    """Record a follow-up of a customer."""
    return _log(find_customer(path.customer_id, actor=g.member), body.model_dump(exclude_unset=True))


@bp.post("/follow-ups", responses={201: FollowUpRecord})
@writes
def create(body: FollowUpNew) -> Answer:
    """Record a follow-up."""
    values = body.model_dump(exclude_unset=True)
    return _log(customer_named(values.pop("customer")), values)


def _log(customer: Customer, values: dict[str, Any]) -> Answer:
    photos = values.pop("photos", [])
    return _answer(log_follow_up(customer, with_mentions(values), actor=g.member, photos=photos).id, 201)


@bp.patch("/follow-ups/<follow_up_id>", responses={200: FollowUpRecord})
@writes
def change(path: FollowUpPath, body: FollowUpChange) -> Answer:
    """Correct a follow-up: its author for as long as the corp allows, then who leads them. What it said stays known.

    With If-Match, only at that version.
    """
    follow_up = find_follow_up(path.follow_up_id, actor=g.member)
    values = with_mentions(body.model_dump(exclude_unset=True))
    with current_when_stale(lambda: _answer(path.follow_up_id)):
        change_follow_up(follow_up, values, actor=g.member, version=wanted_version())
    return _answer(follow_up.id)


def customer_named(customer_id: str) -> Customer:
    """Return the customer that a body names. Raises Invalid when the user sees none."""
    try:
        return find_customer(customer_id, actor=g.member)
    except NotFound as error:
        raise Invalid({"customer": error.detail}) from None
