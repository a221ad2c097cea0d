"""What the callback doors heard: when the host was last verified, when somebody was last refused and why.

Anybody may knock at the doors, so little is written: each process notes the same news at most once a minute.
"""

import threading
import time

import sqlalchemy as sa

from wsapp import clock
from wsapp.connectors.checks import Heard
from wsapp.db import current_corp, dialect_insert, rows, separate
from wsapp.doctor.models import CallbackHeard

PAUSE = 60.0  # seconds
NO_TAIL = "-"
# Refusals of what is no callback at all, but somebody's curiosity: they say nothing of the set-up.
NOISE = frozenset({"request", "method", "query", "nonce", "body", "too large", "Encrypt", "unreadable"})

_noted: dict[tuple[int, str, str], float] = {}
_lock = threading.Lock()


def note(kind: str, reason: str = "") -> None:
    """Note that a callback came in at the current corp's door `kind`: verified, or refused for `reason`."""
    if reason in NOISE:
        return
    corp_id = current_corp()
    with _lock:
        now = time.monotonic()
        key = (corp_id, kind, reason)
        if now - _noted.get(key, -PAUSE) < PAUSE:
            return
        _noted[key] = now
        # Verified after refused, or refused after verified, is news again.
        for other in [one for one in _noted if one[:2] == key[:2] and bool(one[2]) != bool(reason)]:
            del _noted[other]
    values = {"refused_at": clock.now(), "reason": reason[:40]} if reason else {"verified_at": clock.now()}
    row = {"corp_id": corp_id, "id": kind or NO_TAIL, "reason": "", **values}
    statement = dialect_insert(sa.inspect(CallbackHeard).local_table).values(**row)
    with separate() as connection:
        connection.execute(statement.on_conflict_do_update(index_elements=["corp_id", "id"], set_=values))


def at_doors() -> dict[str, Heard]:
    """Return what the current corp's doors heard, by the tail of their address."""
    found = rows(sa.select(CallbackHeard))
    return {one.id.replace(NO_TAIL, ""): Heard(one.verified_at, one.refused_at, one.reason) for one in found}


def forget() -> None:
    """Forget what this process has noted, so that the next news is written at once."""
    with _lock:
        _noted.clear()
