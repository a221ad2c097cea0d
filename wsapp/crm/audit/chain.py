"""The chain: every event is linked to the one before it by an HMAC whose key is not in the database.

A deed writes its event in its own transaction and waits for nobody. The links are put on soon after the commit, in the
order in which the sealer finds the events: one sealer at a time holds the corp's row, all others pass by. Whoever
changes, leaves out or reorders a sealed event breaks the chain there; a cut tail is found by the anchors that left the
machine (see `wsapp.jobs.audits`).
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.audit.models import AuditChain
from wsapp.crm.events.models import Event
from wsapp.db import current_corp, db, insert_unless_there
from wsapp.house import house

CHAIN = "chain"
START = "0" * 64
LOT = 500
READ = 2_000
LET_GO = -1  # `seq` of an event that was kept long enough: it is only a line of a timeline now

# What is sealed. Not the customer whose timeline shows it: that changes when a record is deleted or merged.
SEALED = (
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
)


@dataclass(frozen=True)
class Anchor:
    """The end of a chain at some moment, signed: `at` in RFC 3339."""

    corp: str
    seq: int
    mac: str
    at: str
    signature: str

    def as_data(self) -> dict[str, Any]:
        return {"corp": self.corp, "seq": self.seq, "mac": self.mac, "at": self.at, "signature": self.signature}


@dataclass(frozen=True)
class Report:
    """What a check found: how many links hold, from where to where, and the first that does not (`bad`, `why`)."""

    count: int
    first: int
    last: int
    bad: int | None = None
    why: str = ""


# --- sealing ------------------------------------------------------------------------------------------------------


def seal(limit: int = LOT) -> int:
    """Link the events that are not linked yet, in the caller's transaction; returns how many.

    0 also while another process is at it: it, or the next minute, takes what is left.
    """
    chain = _hold()
    if chain is None:
        return 0
    found = db.session.execute(sa.select(*SEALED).where(Event.seq.is_(None)).order_by(Event.id).limit(limit)).all()
    if not found:
        return 0
    key, corp_id, seq, prev = _key(), current_corp(), chain.last_seq, chain.last_mac
    links = []
    for row in found:
        seq += 1
        mac = _mac(key, prev, corp_id, seq, row)
        links.append({"in_corp": corp_id, "of_id": row.id, "seq": seq, "prev": prev, "mac": mac})
        prev = mac
    db.session.execute(_LINK, links)
    _set_chain(last_seq=seq, last_mac=prev, sealed_at=clock.now())
    return len(links)


_events: Any = sa.inspect(Event).local_table
_LINK = (
    sa.update(_events)
    .where(_events.c.corp_id == sa.bindparam("in_corp"), _events.c.id == sa.bindparam("of_id"))
    .values(seq=sa.bindparam("seq"), prev=sa.bindparam("prev"), mac=sa.bindparam("mac"))
)
_COLUMNS = (
    AuditChain.first_seq,
    AuditChain.first_prev,
    AuditChain.base_mac,
    AuditChain.last_seq,
    AuditChain.last_mac,
)


def _hold() -> Any:
    """Return the corp's chain, locked; None while somebody else has it."""
    db.session.flush()
    locked = sa.select(*_COLUMNS).where(AuditChain.id == CHAIN).with_for_update(skip_locked=True)
    found = db.session.execute(locked).first()
    if found is None and insert_unless_there(AuditChain, _beginning()):
        found = db.session.execute(locked).first()
    return found


def _beginning() -> Mapping[str, Any]:
    corp_id = current_corp()
    return {
        "corp_id": corp_id,
        "id": CHAIN,
        "first_seq": 1,
        "first_prev": START,
        "base_mac": _base_mac(corp_id, 1, START),
        "last_seq": 0,
        "last_mac": START,
        "sealed_at": clock.now(),
    }


def _set_chain(**values: Any) -> None:
    db.session.execute(
        sa.update(AuditChain)
        .where(AuditChain.id == CHAIN)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _key() -> bytes:
    return house().vault.derive("audit")


def _mac(key: bytes, prev: str, corp_id: int, seq: int, row: Any) -> str:
    values = [corp_id, seq, *(_plain(getattr(row, column.key)) for column in SEALED)]
    text = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, f"{prev}\n{text}".encode(), hashlib.sha256).hexdigest()


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value


def _base_mac(corp_id: int, first_seq: int, first_prev: str) -> str:
    return hmac.new(_key(), f"base|{corp_id}|{first_seq}|{first_prev}".encode(), hashlib.sha256).hexdigest()


# --- checking -----------------------------------------------------------------------------------------------------


def verify(anchors: Iterable[Anchor] = ()) -> Report:
    """Check the current corp's chain from its beginning to its end, and against anchors of this corp."""
    chain = db.session.execute(sa.select(*_COLUMNS).where(AuditChain.id == CHAIN)).first()
    known = sorted(anchors, key=lambda one: one.seq)
    if chain is None:
        bad = known[-1].seq if known else None
        return Report(0, 1, 0, bad, "the chain is gone" if known else "")
    corp_id, key = current_corp(), _key()
    if not hmac.compare_digest(chain.base_mac, _base_mac(corp_id, chain.first_seq, chain.first_prev)):
        return Report(0, chain.first_seq, chain.last_seq, chain.first_seq, "its beginning was moved")
    expected = {one.seq: one.mac for one in known if is_genuine(one)}
    seq, prev, count = chain.first_seq - 1, chain.first_prev, 0
    for row in _links(chain.first_seq):
        seq += 1
        if row.seq != seq:
            why = "a record is there twice" if row.seq < seq else "a record is missing"
            return Report(count, chain.first_seq, chain.last_seq, min(seq, row.seq), why)
        if row.prev != prev or row.mac != _mac(key, prev, corp_id, seq, row):
            return Report(count, chain.first_seq, chain.last_seq, seq, "a record was changed")
        if seq in expected and expected[seq] != row.mac:
            return Report(count, chain.first_seq, chain.last_seq, seq, "it is not what its anchor says")
        prev, count = row.mac, count + 1
    furthest = max([chain.last_seq, *expected])
    if seq < furthest or prev != (chain.last_mac if seq == chain.last_seq else prev):
        return Report(count, chain.first_seq, furthest, seq + 1, "the end is cut off")
    return Report(count, chain.first_seq, seq)


def _links(first_seq: int) -> Iterator[Any]:
    """Return the sealed events in the order of the chain, a few thousand at a time."""
    after = (first_seq - 1, "")
    while True:
        found = db.session.execute(
            sa.select(*SEALED, Event.seq, Event.prev, Event.mac)
            .where(Event.seq >= after[0], sa.tuple_(Event.seq, Event.id) > sa.tuple_(*map(sa.literal, after)))
            .order_by(Event.seq, Event.id)
            .limit(READ)
        ).all()
        yield from (row for row in found if row.seq >= first_seq)
        if len(found) < READ:
            return
        after = (found[-1].seq, found[-1].id)


# --- anchors ------------------------------------------------------------------------------------------------------


def anchor(corp: str) -> Anchor | None:
    """Return where the chain ends now, signed, for the corp with this id at its host; None before the first event."""
    chain = db.session.execute(sa.select(*_COLUMNS).where(AuditChain.id == CHAIN)).first()
    if chain is None or chain.last_seq == 0:
        return None
    at = clock.now().isoformat()
    return Anchor(corp, chain.last_seq, chain.last_mac, at, _signature(corp, chain.last_seq, chain.last_mac, at))


def is_genuine(one: Anchor) -> bool:
    """Say whether this installation signed an anchor."""
    return hmac.compare_digest(one.signature, _signature(one.corp, one.seq, one.mac, one.at))


def _signature(corp: str, seq: int, mac: str, at: str) -> str:
    text = f"{corp}|{seq}|{mac}|{at}"
    return hmac.new(house().vault.derive("audit-anchor"), text.encode(), hashlib.sha256).hexdigest()


# --- letting go ---------------------------------------------------------------------------------------------------


def let_go(before: datetime, *, limit: int = LOT) -> int:
    """Take the oldest links out of the chain whose events are older than `before`; returns how many, at most `limit`.

    An event that a customer's timeline shows stays there, without where it came from; all others are deleted.
    """
    chain = _hold()
    if chain is None:
        return 0
    found = db.session.execute(
        sa.select(Event.id, Event.at, Event.seq, Event.mac, Event.customer_id)
        .where(Event.seq >= chain.first_seq)
        .order_by(Event.seq)
        .limit(limit)
    ).all()
    old = []
    for row in found:  # the chain is cut from its beginning, so the first young one ends it
        if row.at >= before:
            break
        old.append(row)
    if not old:
        return 0
    shown = [row.id for row in old if row.customer_id]
    bare = {"seq": LET_GO, "prev": None, "mac": None, "ip": "", "request_id": ""}
    quietly = {"synchronize_session": False}
    db.session.execute(sa.update(Event).where(Event.id.in_(shown)).values(**bare).execution_options(**quietly))
    gone = [row.id for row in old if not row.customer_id]
    db.session.execute(sa.delete(Event).where(Event.id.in_(gone)).execution_options(**quietly))
    first_seq, first_prev = old[-1].seq + 1, old[-1].mac
    base = _base_mac(current_corp(), first_seq, first_prev)
    _set_chain(first_seq=first_seq, first_prev=first_prev, base_mac=base)
    return len(old)
