"""/events: the timeline, which is also the audit log."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask import g

from wsapp.api.base import Answer, reads, resource
from wsapp.api.lists import Named, Select, listed, one, text_of, userids
from wsapp.api.schemas_in import EventList, EventPath
from wsapp.api.schemas_out import Event as EventRecord
from wsapp.api.schemas_out import EventPage
from wsapp.crm.events.kinds import KINDS
from wsapp.crm.events.models import Event
from wsapp.crm.fields.access import changes_shown
from wsapp.crm.notifications.queries import visible_events
from wsapp.crm.org.rights import reads_audit
from wsapp.problems import Invalid
from wsapp.texts import _

bp = resource("events", "Events: timeline and audit log")

COLUMNS = (
    Event.id,
    Event.kind,
    Event.subject_type,
    Event.subject_id,
    Event.customer_id,
    Event.at,
    Event.changes,
    Event.via,
    Event.ip,
    Event.reason,
)
SORTS = {"-at": (Event.at, True), "at": (Event.at, False)}
# Fields of changes as the API calls them; those that hold members are answered as userids.
NAMES = {"owner": "owner", "assignee_id": "assignee", "customer_id": "customer", "parent_id": "parent"}
RULED_AS = {"contact": "customer"}  # a contact's numbers are seen as its customer's are
PEOPLE = ("owner", "assignee_id")


def _select() -> Select:
    actor = Named(Event.actor_id, "actor")
    return actor.join(sa.select(*COLUMNS, actor.userid).select_from(Event)).where(visible_events(g.member))


def _show(found: Sequence[Any]) -> list[dict[str, Any]]:
    """Where a colleague was when they did something (`ip`) is for those alone who read the audit log."""
    audits = reads_audit(g.member)
    people = userids([one for row in found for field in PEOPLE for one in row.changes.get(field, ())])
    return [
        {
            "id": row.id,
            "kind": row.kind,
            "subject": f"{row.subject_type}/{row.subject_id}",
            "customer": row.customer_id,
            "actor": row.actor,
            "at": text_of(row.at),
            "via": row.via,
            "ip": row.ip if audits or row.actor == g.member.userid else "",
            "reason": row.reason,
            "changes": _changes(
                changes_shown(g.member, row.changes, RULED_AS.get(row.subject_type, row.subject_type)), people
            ),
        }
        for row in found
    ]


def _changes(changes: dict[str, list[Any]], people: dict[str, str]) -> dict[str, list[Any]]:
    return {
        NAMES.get(field, field): [people.get(value) if value else None for value in pair] if field in PEOPLE else pair
        for field, pair in changes.items()
    }


@bp.get("/events", responses={200: EventPage})
@reads
def index(query: EventList) -> Answer:
    """List what happened, as far as the user may see it, latest first."""
    statement = _select()
    if query.subject:
        kind, _slash, record_id = query.subject.rpartition("/")
        statement = statement.where(Event.subject_id == record_id)
        if kind:
            statement = statement.where(Event.subject_type == kind)
    if query.kind:
        if query.kind not in KINDS:
            raise Invalid({"kind": _("没有这种事件，见操作日志的“操作”")})
        statement = statement.where(Event.kind == query.kind)
    if query.q.strip():
        statement = statement.where(Event.kind.contains(query.q.strip(), autoescape=True))
    return listed(statement, query, sorts=SORTS, default="-at", id_column=Event.id, show=_show)


@bp.get("/events/<event_id>", responses={200: EventRecord})
@reads
def show(path: EventPath) -> Answer:
    """Return an event."""
    return Answer(one(_select().where(Event.id == path.event_id), show=_show))
