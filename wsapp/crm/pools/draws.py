"""Draws (抽签): whoever wants a customer of a pool that draws signs up; ten minutes after the first, chance decides.

The end is an outbox row that is due then: a stopped product draws later, and nothing is lost. Whoever may still take
more today has the better chance, and whom a cap or cool-down forbids it meanwhile is passed over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.customers.models import Customer
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import in_language_of
from wsapp.crm.org.models import ACTIVE, Member
from wsapp.crm.org.rights import demand
from wsapp.crm.pools.actions import claim_customer, demand_room, demand_time
from wsapp.crm.pools.clock_cards import draw_card
from wsapp.crm.pools.models import Draw, DrawEntry
from wsapp.crm.pools.queries import PoolFacts, all_pools, allowance, find_pooled
from wsapp.db import current_corp, db, first, insert_unless_there, new_id, rows
from wsapp.problems import Conflict, Problem
from wsapp.texts import _

OPEN_FOR = timedelta(minutes=10)
ENDED = "draw.ended"  # kind of messages
chance = SystemRandom()


@dataclass(frozen=True)
class Standing:
    """How the draw for a customer stands: when it ends, how many signed up, whether the reader is one of them."""

    ends_at: datetime
    people: int
    is_in: bool


# --- signing up ---------------------------------------------------------------------------------------------------


def sign_up(customer_id: str, *, actor: Member) -> Standing:
    """Sign up for a customer of a pool that draws (报名). The first who does opens the draw.

    Raises NotFound; Forbidden; Conflict where a claim would, when it is over, and when the actor signed up already.
    """
    customer, pool = find_pooled(customer_id, actor=actor)
    demand(actor, "create", actor.id)
    demand_time(pool, customer, actor=actor)
    demand_room(pool, customer, actor=actor)
    if allowance(pool, actor).claims_left == 0:
        most = pool.limit("daily_claims")
        raise Conflict({"daily_claims": _("今天已领取 %(most)d 个，达到每日上限，请明天再来", most=most)})
    draw = _open_draw(customer, pool)
    if draw.ends_at <= clock.now():
        raise Conflict({"draw": _("报名已截止，结果马上揭晓")})
    entry = {"corp_id": current_corp(), "id": new_id(), "draw_id": draw.id, "member_id": actor.id}
    if not insert_unless_there(DrawEntry, {**entry, "created_at": clock.now()}):
        raise Conflict({"draw": _("您已经报名，请等待抽签")})
    outbox.enqueue("draw", {"draw": draw.id}, key=f"draw:{draw.id}", due_at=draw.ends_at)
    return standings([customer.id], actor=actor)[customer.id]


def _open_draw(customer: Customer, pool: PoolFacts) -> Draw:
    now = clock.now()
    fresh = {
        "corp_id": current_corp(),
        "id": new_id(),
        "customer_id": customer.id,
        "pool_id": pool.id,
        "is_open": True,
        "ends_at": now + OPEN_FOR,
        "created_at": now,
    }
    insert_unless_there(Draw, fresh)
    found: Draw | None = first(sa.select(Draw).where(Draw.customer_id == customer.id, Draw.is_open.is_(True)))
    if found is None:
        raise Conflict({"draw": _("报名已截止，结果马上揭晓")})
    return found


def standings(customer_ids: Sequence[str], *, actor: Member) -> Mapping[str, Standing]:
    """Return how the open draws for customers stand; customers without one are left out. One statement."""
    mine = sa.func.max(sa.case((DrawEntry.member_id == actor.id, 1), else_=0))
    counted = (
        sa.select(Draw.customer_id, Draw.ends_at, sa.func.count(), mine)
        .join(DrawEntry, sa.and_(DrawEntry.corp_id == Draw.corp_id, DrawEntry.draw_id == Draw.id))
        .where(Draw.customer_id.in_(customer_ids), Draw.is_open.is_(True))
        .group_by(Draw.customer_id, Draw.ends_at)
    )
    return {
        customer_id: Standing(ends_at, people, bool(is_in))
        for customer_id, ends_at, people, is_in in db.session.execute(counted)
    }


# --- the end ------------------------------------------------------------------------------------------------------


def hold_draw(draw_id: str) -> None:
    """Draw, in the caller's transaction; once. Whoever signed up is told how it ended."""
    draw: Draw | None = first(sa.select(Draw).where(Draw.id == draw_id).with_for_update())
    if draw is None or not draw.is_open:
        return
    signed_up = sa.select(DrawEntry.member_id).where(DrawEntry.draw_id == draw.id)
    people = list(rows(sa.select(Member).where(Member.id.in_(signed_up)).order_by(Member.id)))
    winner = _drawn(draw, [one for one in people if one.status == ACTIVE])
    draw.is_open, draw.winner_id = None, winner.id if winner else None
    db.session.flush()
    name: str = first(sa.select(Customer.name).where(Customer.id == draw.customer_id)) or ""
    for one in people:
        with in_language_of(one):
            card = draw_card(draw, customer=name, people=len(people), reader=one)
        tell(one, ENDED, card, key=f"draw:{draw.id}:{one.id}", subject_id=draw.id)


def _drawn(draw: Draw, people: list[Member]) -> Member | None:
    """Let chance choose until somebody can have the customer; None when nobody can."""
    pool = next((one for one in all_pools() if one.id == draw.pool_id), None)
    weights = {one.id: _weight(pool, one) for one in people} if pool else {}
    left = [one for one in people if weights.get(one.id)]
    while left:
        (one,) = chance.choices(left, [weights[other.id] for other in left])
        try:
            with db.session.begin_nested():
                claim_customer(draw.customer_id, actor=one, drawn=True)
            return one
        except Problem:
            left.remove(one)
    return None


def _weight(pool: PoolFacts, person: Member) -> int:
    """Return how many more the person may claim today; all alike where the pool has no limit."""
    left = allowance(pool, person).claims_left
    return 1 if left is None else left
