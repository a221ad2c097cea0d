"""Who listens to events: one visible list. An event is told to all of them in one transaction, once."""

from collections.abc import Callable

import sqlalchemy as sa

from wsapp.crm.appeals import listening as appeals
from wsapp.crm.events.models import Event
from wsapp.crm.groups import listening as groups
from wsapp.crm.mirrors import actions as mirrors
from wsapp.crm.notifications import recipients
from wsapp.crm.tasks import ladder
from wsapp.db import first

LISTENERS: tuple[Callable[[Event], None], ...] = (
    recipients.on_event,
    groups.on_event,
    mirrors.on_event,
    ladder.on_event,
    appeals.on_event,
)


def dispatch(event_id: str) -> None:
    """Tell every listener of an event, in the caller's transaction."""
    event = first(sa.select(Event).where(Event.id == event_id))
    if event is None:
        return
    for listener in LISTENERS:
        listener(event)
