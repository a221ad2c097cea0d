"""/visits: being there, with place and photo."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from flask import g

from wsapp.api.base import Answer, may_be_empty, reads, resource, writes
from wsapp.api.followups import customer_named
from wsapp.api.lists import Named, Select, listed, one, photos_of, text_of
from wsapp.api.ownfields import narrowed, with_custom
from wsapp.api.schemas_in import (
    AllVisits,
    CustomerPath,
    VisitEnd,
    VisitFields,
    VisitList,
    VisitNew,
    VisitPath,
)
from wsapp.api.schemas_out import Visit as VisitRecord
from wsapp.api.schemas_out import VisitPage, VisitWritten
from wsapp.api.talk import talk_of, with_mentions
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import current_id, find_customer
from wsapp.crm.fields.access import demand_readable, shown
from wsapp.crm.visits.actions import check_out, log_visit
from wsapp.crm.visits.consent import consent_of, consents, give_consent
from wsapp.crm.visits.models import Visit
from wsapp.crm.visits.queries import SORTS, find_visit, visible_visits
from wsapp.texts import _

bp = resource("visits", "Visits: being there, with place and photo")

COLUMNS = (
    Visit.id,
    Visit.version,
    Visit.customer_id,
    Visit.state,
    Visit.note,
    Visit.result,
    Visit.checked_in_at,
    Visit.checked_out_at,
    Visit.lat,
    Visit.lng,
    Visit.accuracy,
    Visit.fixed_at,
    Visit.place_name,
    Visit.distance,
    Visit.trust,
    Visit.no_fix_reason,
    Visit.next_at,
    Visit.custom,
    Visit.recorded_at,
    Visit.created_at,
)
PLAIN = ("id", "version", "member", "state", "note", "result", "place_name", "trust", "no_fix_reason")
MOMENTS = ("checked_in_at", "checked_out_at", "next_at", "created_at")


def _select(member: Named) -> Select:
    return member.join(sa.select(*COLUMNS, member.userid).select_from(Visit)).where(visible_visits(g.member))


def _show(found: Sequence[Any]) -> list[dict[str, Any]]:
    photos, talk = photos_of([row.id for row in found]), talk_of("visit", [row.id for row in found])
    records = [shown(g.member, _record_of(row, photos[row.id]) | talk[row.id], "visit") for row in found]
    return with_custom("visit", records, found)


def _record_of(row: Any, photos: Mapping[str, Any]) -> dict[str, Any]:
    return (
        {field: getattr(row, field) for field in PLAIN}
        | {field: text_of(getattr(row, field)) for field in MOMENTS}
        | {
            "customer": row.customer_id,
            "recorded_at": text_of(row.recorded_at or row.created_at),
            "received_at": text_of(row.created_at),
            "location": _spot(row),
            "distance_m": None if row.distance is None else round(row.distance, 1),
        }
        | {**photos}
    )


def _spot(row: Any) -> dict[str, Any] | None:
    if row.lat is None or row.lng is None:
        return None
    return {"lat": row.lat, "lng": row.lng, "accuracy": row.accuracy, "fixed_at": text_of(row.fixed_at)}


def _answer(visit_id: str, status: int = 200, **more: Any) -> Answer:
    record = one(_select(Named(Visit.member_id, "member")).where(Visit.id == visit_id), show=_show) | more
    return Answer(record, status, record["version"], f"/api/v1/visits/{visit_id}" if status == 201 else "")


def _list(query: VisitList, customer_id: str) -> Answer:
    member = Named(Visit.member_id, "member")
    statement = _select(member)
    if customer_id:
        statement = statement.where(Visit.customer_id == customer_id)
    if query.member:
        statement = statement.where(member.is_called(query.member))
    if query.state:
        statement = statement.where(Visit.state == query.state)
    if query.q.strip():
        demand_readable(g.member, ["note"], "visit")
        statement = statement.where(Visit.note.contains(query.q.strip(), autoescape=True))
    statement = narrowed(statement, query.custom, "visit", Visit.id)
    return listed(statement, query, sorts=SORTS, default="-checked_in_at", id_column=Visit.id, show=_show)


@bp.get("/visits", responses={200: VisitPage})
@reads
def index(query: AllVisits) -> Answer:
    """List the visits that the user may see, latest first."""
    return _list(query, current_id(query.customer) if query.customer else "")


@bp.get("/customers/<customer_id>/visits", responses={200: VisitPage})
@reads
def of_customer(path: CustomerPath, query: VisitList) -> Answer:
    """List the visits to a customer, latest first."""
    return _list(query, find_customer(path.customer_id, actor=g.member).id)


@bp.get("/visits/<visit_id>", responses={200: VisitRecord})
@reads
def show(path: VisitPath) -> Answer:
    """Return a visit."""
    return _answer(path.visit_id)


@bp.post("/customers/<customer_id>/visits", responses={201: VisitWritten})
@writes
def create_of_customer(path: CustomerPath, body: VisitFields) -> Answer:
    """Check in at a customer, now. Of a member who refused that in the app no position is kept: `warnings` says so."""
    return _log(find_customer(path.customer_id, actor=g.member), body.model_dump(exclude_unset=True))


@bp.post("/visits", responses={201: VisitWritten})
@writes
def create(body: VisitNew) -> Answer:
    """Check in, now. Of a member who refused that in the app no position is kept: `warnings` says so."""
    values = body.model_dump(exclude_unset=True)
    return _log(customer_named(values.pop("customer")), values)


def _log(customer: Customer, values: dict[str, Any]) -> Answer:
    photos = values.pop("photos", [])
    if values.get("location") and consent_of(g.member) is None:
        # Whoever lets a program of theirs send where they are agrees by it; whoever refused or took it back does not.
        give_consent(actor=g.member, way="api")
    visit = log_visit(customer, with_mentions(values), actor=g.member, photos=photos)
    return _answer(visit.id, 201, **_dropped(values))


def _dropped(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `warnings` of a position that was sent and is not kept; nothing when it is, or none was sent."""
    if not values.get("location") or consents(g.member):
        return {}
    message = _("没有保存位置：本人已在应用的“我的 › 位置授权”中拒绝或撤回")
    return {"warnings": [{"field": "location", "type": "no_consent", "message": message}]}


@bp.post("/visits/<visit_id>/check-out", responses={200: VisitRecord})
@may_be_empty
@writes
def end(path: VisitPath, body: VisitEnd) -> Answer:
    """Check out; only who checked in may. A visit that is over stays as it is."""
    visit = find_visit(path.visit_id, actor=g.member)
    check_out(visit, actor=g.member, result=body.result, note=body.note)
    return _answer(visit.id)
