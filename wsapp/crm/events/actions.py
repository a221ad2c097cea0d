"""Recording events: one call inside the action, in the same transaction."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Protocol

from wsapp import clock, logs, outbox
from wsapp.crm.events.kinds import KINDS
from wsapp.crm.events.models import Event
from wsapp.crm.events.origin import origin
from wsapp.crm.org.models import Member
from wsapp.db import current_corp, db, new_id
from wsapp.house import house

SENSITIVE = frozenset({"phones", "wechat", "mail"})  # an event keeps only a keyed digest of these


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
        changes=guarded(changes or {}),
        data=data,
        via=come.via,
        ip=come.ip,
        request_id=logs.current_request_id()[:64],
        reason=str(data.get("reason") or "")[:200],
    )
    db.session.add(event)
    outbox.enqueue("event", {"event": event.id}, key=f"event:{event.id}")
    return event


def guarded(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event's changes as it keeps them: of what is sensitive only a keyed digest."""
    return {field: _guarded(field, pair) for field, pair in changes.items()}


def _guarded(field: str, pair: Any) -> Any:
    return [_digest(one) for one in pair] if field in SENSITIVE and isinstance(pair, list | tuple) else pair


def _digest(value: Any) -> Any:
    """Return what shows that a value changed, or did not, and never what it was."""
    if isinstance(value, list | tuple):
        return [_digest(one) for one in value]
    if not value:
        return value
    return "#" + hmac.new(house().vault.derive("event-values"), str(value).encode(), hashlib.sha256).hexdigest()[:12]
