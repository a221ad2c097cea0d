"""Recording events: one call inside the action, in the same transaction."""

from typing import Any, Protocol

from wsapp import clock, logs, outbox
from wsapp.crm.events.kinds import KINDS
from wsapp.crm.events.models import Event
from wsapp.crm.events.origin import origin
from wsapp.crm.org.models import Member
from wsapp.db import current_corp, db, new_id


class Subject(Protocol):
    """What an event can be about: any row with an opaque id and a table name."""

    __tablename__: str

    @property
    def id(self) -> Any: ...


def record(
    kind: str,
    subject: Subject,
    *,
    actor: Member | None,
    customer_id: str | None = None,
    changes: dict[str, Any] | None = None,
    **data: Any,
) -> Event:
    """Record that something happened and hand it to the dispatcher after commit.

    `actor` is the acting person, None for the system itself; `data` is what listeners and the timeline show (JSON).
    """
    if kind not in KINDS:
        raise ValueError(f"{kind} is not in kinds.py")
    come = origin()
    event = Event(
        corp_id=current_corp(),
        id=new_id(),
        kind=kind,
        subject_type=subject.__tablename__,
        subject_id=subject.id,
        customer_id=customer_id,
        actor_id=actor.id if actor else None,
        at=clock.now(),
        changes=changes or {},
        data=data,
        via=come.via,
        ip=come.ip,
        request_id=logs.current_request_id()[:64],
        reason=str(data.get("reason") or "")[:200],
    )
    db.session.add(event)
    outbox.enqueue("event", {"event": event.id}, key=f"event:{event.id}")
    return event
