"""Doing a write once, however often it is sent: the key of a form or of an `Idempotency-Key` header (幂等键).

The key goes into the table first, in the caller's own transaction: of two sends at the same moment the second waits,
then finds the first one's answer. A write that fails rolls its key back, so the corrected form may carry the same key.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.org.models import Idempotency, Member
from wsapp.db import current_corp, db, first, insert_unless_there
from wsapp.vault import digest

LIFE = timedelta(hours=24)
MAX_KEY = 255
PENDING = 0  # the status of a key whose write has not ended yet


class KeyReused(Exception):
    """The key was spent on another request."""


@dataclass(frozen=True)
class Kept:
    """The answer that the first send got: HTTP status, and whatever the door needs to give it again."""

    status: int
    answer: dict[str, Any]


def begin(member: Member, key: str, request_hash: str, *, life: timedelta = LIFE) -> Kept | None:
    """Take a key for this request, or return the answer of the request that took it within the last 24 hours (`life`).

    `request_hash` tells requests apart (SHA-256 of address and body). An empty or over-long key is no key: nothing is
    kept. Raises KeyReused when the key was spent on another request.
    """
    if not _is_key(key):
        return None
    key_id = _key_id(member, key)
    now = clock.now()
    keep_until = now + life if life > LIFE else None
    if _insert(key_id, request_hash, keep_until):
        return None
    found: Idempotency = first(sa.select(Idempotency).where(Idempotency.id == key_id))
    if (found.keep_until or found.created_at + LIFE) < now:
        found.request_hash, found.status, found.answer, found.created_at = request_hash, PENDING, {}, now
        found.keep_until = keep_until
        return None
    if found.request_hash != request_hash:
        raise KeyReused
    return Kept(found.status, found.answer)


def spent_on(member: Member, key: str) -> Kept | None:
    """Return the answer of the request that took a key, whatever it sent; None when none did. The key alone tells: for
    a sender that holds each of its keys for one deed."""
    if not _is_key(key):
        return None
    found: Idempotency | None = first(sa.select(Idempotency).where(Idempotency.id == _key_id(member, key)))
    return Kept(found.status, found.answer) if found is not None else None


def keep(member: Member, key: str, status: int, answer: dict[str, Any]) -> None:
    """Keep the answer for later sends of the same key; call before the commit of the write itself."""
    if not _is_key(key):
        return
    db.session.execute(
        sa.update(Idempotency)
        .where(Idempotency.id == _key_id(member, key))
        .values(status=status, answer=answer)
        .execution_options(synchronize_session=False)
    )


def _is_key(key: str) -> bool:
    return 0 < len(key) <= MAX_KEY


def _key_id(member: Member, key: str) -> str:
    return digest(f"{member.id}\0{key}")[:40]


def _insert(key_id: str, request_hash: str, keep_until: datetime | None) -> bool:
    row = {
        "corp_id": current_corp(),
        "id": key_id,
        "request_hash": request_hash,
        "status": PENDING,
        "answer": {},
        "created_at": clock.now(),
        "keep_until": keep_until,
    }
    return insert_unless_there(Idempotency, row)
