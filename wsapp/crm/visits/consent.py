"""Consent to the use of one's position (位置授权): asked separately, its purpose shown, taken back at any time.

It is given on the page that shows the purpose, or, by who was never asked, with the first position that a program of
theirs sends. Without it no door stores a position: `log_visit` drops what a device sent.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.events.actions import record
from wsapp.crm.org.models import Member
from wsapp.crm.visits.models import LocationConsent, Visit
from wsapp.db import db, first

POSITION = ("lat", "lng", "accuracy", "coordinate")  # what of a custom address is a position, not a text


def consent_of(member: Member) -> LocationConsent | None:
    """Return what a member decided; None when they have not been asked."""
    found: LocationConsent | None = first(sa.select(LocationConsent).where(LocationConsent.id == member.id))
    return found


def consents(member: Member) -> bool:
    """Say whether a member lets their position be used now."""
    kept = consent_of(member)
    return kept is not None and kept.withdrawn_at is None


def give_consent(*, actor: Member, way: str = "page") -> bool:
    """Let one's position be used at check-ins (同意使用位置); says whether it was not so before."""
    kept = consent_of(actor)
    if kept is not None and kept.withdrawn_at is None:
        return False
    if kept is None:
        kept = LocationConsent(id=actor.id)
        db.session.add(kept)
    kept.given_at, kept.withdrawn_at, kept.way = clock.now(), None, way
    db.session.flush()
    record("consent.given", kept, actor=actor, way=way)
    return True


def withdraw_consent(*, actor: Member, erase: bool = False) -> bool:
    """Refuse, or take back, the use of one's position (撤回同意); says whether that changed anything.

    `erase` also removes the positions of all earlier visits; how far each could be trusted stays.
    """
    if erase:
        gone = dict.fromkeys(("lat", "lng", "accuracy", "fixed_at")) | {"place_name": ""}
        mine = sa.update(Visit).where(Visit.member_id == actor.id, Visit.lat.is_not(None))
        db.session.execute(mine.values(**gone, version=Visit.version + 1))
    kept = consent_of(actor)
    if kept is not None and kept.withdrawn_at is not None:
        return erase
    if kept is None:
        kept = LocationConsent(id=actor.id)
        db.session.add(kept)
    kept.withdrawn_at = clock.now()
    db.session.flush()
    record("consent.withdrawn", kept, actor=actor, erased=erase)
    return True


def without_positions(custom: Any) -> Any:
    """Return custom values as they were sent, of whose addresses the positions are gone; the texts stay."""
    if isinstance(custom, Mapping):
        placed = "lat" in custom
        return {name: without_positions(one) for name, one in custom.items() if not (placed and name in POSITION)}
    return [without_positions(one) for one in custom] if isinstance(custom, list) else custom
