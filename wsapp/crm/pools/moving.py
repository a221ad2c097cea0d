"""Many customers that leave their owners for pools together: what `actions.to_pool` does, in few statements for all."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.customers.models import Coworker, Customer
from wsapp.crm.events.actions import record
from wsapp.crm.org.rules import rule
from wsapp.crm.pools.models import RECYCLED, OwnerClock, Ownership
from wsapp.crm.pools.queries import PoolFacts
from wsapp.crm.pools.returning import what_ends
from wsapp.crm.tasks.actions import cancel_tasks_about
from wsapp.db import db, insert_rows, rows
from wsapp.texts import _


@dataclass(frozen=True)
class Leaving:
    """A customer that leaves its owner: as an event's subject, with where it goes and why."""

    id: str
    owner_id: str
    since: datetime
    pool: PoolFacts
    reason: str
    __tablename__ = "customer"


def recycle_together(leaving: Sequence[Leaving]) -> None:
    """Take customers from their owners into pools (回收). The caller holds their rows and saw that they are due."""
    if not leaving:
        return
    now, ids = clock.now(), [one.id for one in leaving]
    kept = what_ends(ids)
    by_pool: dict[str, list[str]] = defaultdict(list)
    for one in leaving:
        by_pool[one.pool.id].append(one.id)
    for pool_id, of_pool in by_pool.items():
        _quietly(
            sa.update(Customer)
            .where(Customer.id.in_(of_pool))
            .values(
                owner_id=None,
                owned_since=None,
                pool_id=pool_id,
                pooled_at=now,
                next_follow_at=None,
                updated_at=now,
                version=Customer.version + 1,
            )
        )
    _end_ownerships(leaving, kept, now)
    if rule("pool.drop_coworkers"):
        _quietly(sa.delete(Coworker).where(Coworker.customer_id.in_(ids)))
    _quietly(sa.delete(OwnerClock).where(OwnerClock.id.in_(ids)))
    for one in leaving:
        if one.id in kept and kept[one.id]["tasks"]:
            cancel_tasks_about(one.id, actor=None, reason=_("客户已进入公海：%(reason)s", reason=one.reason))
    with db.session.no_autoflush, outbox.together():  # else each event is written by itself
        for one in leaving:
            _record(one)
    db.session.flush()


def _record(one: Leaving) -> None:
    record(
        "customer.recycled",
        one,
        actor=None,
        customer_id=one.id,
        changes={"owner": [one.owner_id, None], "pool": [None, one.pool.id]},
        pool=one.pool.id,
        pool_name=one.pool.name,
        before=one.owner_id,
        reason=one.reason,
        together=True,
    )


def _end_ownerships(leaving: Sequence[Leaving], kept: Mapping[str, Any], now: datetime) -> None:
    begun = set(
        rows(
            sa.select(Ownership.customer_id).where(
                Ownership.customer_id.in_([one.id for one in leaving]), Ownership.until.is_(None)
            )
        )
    )
    by_reason: dict[str, list[str]] = defaultdict(list)
    for one in leaving:
        if one.id in begun:
            by_reason[one.reason].append(one.id)
    for reason, ids in by_reason.items():
        _quietly(
            sa.update(Ownership)
            .where(Ownership.customer_id.in_(ids), Ownership.until.is_(None))
            .values(until=now, ending=RECYCLED, reason=reason)
        )
    for customer_id in begun & set(kept):
        ended = sa.and_(Ownership.customer_id == customer_id, Ownership.until == now, Ownership.ending == RECYCLED)
        _quietly(sa.update(Ownership).where(ended).values(kept=kept[customer_id]))
    insert_rows(
        Ownership,
        [
            {
                "customer_id": one.id,
                "owner_id": one.owner_id,
                "since": one.since,
                "until": now,
                "pool_id": None,
                "ending": RECYCLED,
                "reason": one.reason,
                "kept": kept.get(one.id),
            }
            for one in leaving
            if one.id not in begun
        ],
    )


def _quietly(statement: Any) -> None:
    db.session.execute(statement.execution_options(synchronize_session=False))
