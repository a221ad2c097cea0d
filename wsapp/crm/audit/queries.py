"""Searching the audit log: by person, object, kind, time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.events.models import Event
from wsapp.crm.org.models import Member
from wsapp.db import first

SORTS = {"-at": (Event.at, True)}
COLUMNS = (
    Event.id,
    Event.at,
    Event.kind,
    Event.subject_type,
    Event.subject_id,
    Event.actor_id,
    Event.via,
    Event.ip,
    Event.request_id,
    Event.reason,
    Event.changes,
    Event.data,
    Event.seq,
)


@dataclass(frozen=True)
class Wanted:
    """What is looked for; what is empty is not asked for. `person` is part of a name or userid, `record` an id."""

    person: str = ""
    record: str = ""
    kind: str = ""
    via: str = ""
    since: datetime | None = None
    until: datetime | None = None


def entries(wanted: Wanted) -> sa.Select[*tuple[Any, ...]]:
    """Return the statement of the events that match, `COLUMNS`."""
    statement = sa.select(*COLUMNS)
    if wanted.person:
        name = Member.name.contains(wanted.person, autoescape=True)
        userid = Member.userid_key == wanted.person.casefold()
        statement = statement.where(Event.actor_id.in_(sa.select(Member.id).where(sa.or_(name, userid))))
    for column, value in ((Event.subject_id, wanted.record), (Event.kind, wanted.kind), (Event.via, wanted.via)):
        if value:
            statement = statement.where(column == value)
    if wanted.since:
        statement = statement.where(Event.at >= wanted.since)
    if wanted.until:
        statement = statement.where(Event.at < wanted.until)
    return statement


def was_noted(kind: str, actor: Member, *, within: timedelta) -> bool:
    """Say whether an event of this kind by the actor was recorded a short while ago."""
    recent = sa.select(Event.id).where(Event.actor_id == actor.id, Event.kind == kind, Event.at > clock.now() - within)
    return first(recent.limit(1)) is not None
