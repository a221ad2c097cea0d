"""What people do with pools: claim, release, assign out of them. Machines use the same verbs, without an actor."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.actions import assign_customer, give_owner
from wsapp.crm.customers.clean import clean_line
from wsapp.crm.customers.models import Coworker, Customer
from wsapp.crm.customers.queries import demand_own_right, find_customer, may_by_right
from wsapp.crm.events.actions import record
from wsapp.crm.fields.access import writes
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member
from wsapp.crm.org.rights import demand, sight
from wsapp.crm.org.rules import rule
from wsapp.crm.pools.models import ASSIGNED, LEADS, RELEASED, Ownership, PoolDay, PoolView
from wsapp.crm.pools.queries import (
    PoolFacts,
    all_pools,
    cool_until,
    day_key,
    default_pool,
    find_pooled,
    holding,
    is_for,
    kind_of,
    make_first_pool,
    manages,
    rests,
    ripe_at,
    tell_day,
    today,
    was_claimed_lately,
)
from wsapp.crm.pools.returning import what_ends
from wsapp.crm.tasks.actions import cancel_tasks_about
from wsapp.db import current_corp, db, insert_unless_there, new_id
from wsapp.problems import Conflict, Forbidden, Invalid, NotFound, Problem
from wsapp.texts import _, lazy

MOST_AT_ONCE = 20
# Why people give a customer back; other words may be typed.
REASONS = {
    "no_need": lazy("没有需求"),
    "no_answer": lazy("联系不上"),
    "not_fit": lazy("不是目标客户"),
    "lost": lazy("选择了竞争对手"),
    "closed": lazy("已停业"),
    "busy": lazy("精力不足，请他人跟进"),
}


# --- claim --------------------------------------------------------------------------------------------------------


def claim_customer(customer_id: str, *, actor: Member, drawn: bool = False) -> Customer:
    """Make the actor the owner of a customer that is in one of their pools (领取). Of any number at once one gets it.

    Raises NotFound; Conflict naming "pool" (somebody was quicker), "draw" (a pool that draws, unless they were
    `drawn`), "entry_delay", "cool_down", "daily_claims" or "holding". The caller rolls back what a refusal leaves.
    """
    try:
        customer, pool = find_pooled(customer_id, actor=actor)
    except NotFound:
        if was_claimed_lately(customer_id, actor=actor) or _sees(customer_id, actor=actor):
            raise Conflict({"pool": _("该客户不在公海中，可能刚被他人领取")}) from None
        raise
    demand(actor, "create", actor.id)  # who only reads gets no customers of their own
    if pool.draws and not drawn:
        raise Conflict({"draw": _("这个公海须先报名抽签")})
    demand_time(pool, customer, actor=actor)
    _count_claim(pool, actor)  # from here on this person's other claims wait
    demand_room(pool, customer, actor=actor)
    try:
        give_owner(customer, actor)
    except Conflict:
        raise Conflict({"pool": _("该客户不在公海中，可能刚被他人领取")}) from None
    begin_ownership(customer, actor, pool_id=pool.id)
    record(
        "customer.claimed",
        customer,
        actor=actor,
        customer_id=customer.id,
        changes={"owner": [None, actor.id], "pool": [pool.id, None]},
        pool=pool.id,
        pool_name=pool.name,
        managers=sorted(pool.managers),
    )
    return customer


def _sees(customer_id: str, *, actor: Member) -> bool:
    try:
        find_customer(customer_id, actor=actor)
    except NotFound:
        return False
    return True


def demand_time(pool: PoolFacts, customer: Customer, *, actor: Member) -> None:
    """Raise Conflict while the customer rests, is too fresh in the pool, or was the actor's too lately."""
    if rests(customer):
        raise Conflict({"entry_delay": _("该客户暂不开放领取，%(day)s 起恢复", day=customer.rests_until)})
    ripe = ripe_at(pool, customer.pooled_at)
    if ripe is not None:
        raise Conflict({"entry_delay": _("刚进入公海，%(at)s 起可以领取", at=tell_day(ripe))})
    cool = cool_until(pool, [customer.id], actor=actor).get(customer.id)
    if cool is not None:
        raise Conflict({"cool_down": _("您不久前负责过该客户，%(at)s 起可以再次领取", at=tell_day(cool))})


def _count_claim(pool: PoolFacts, actor: Member) -> None:
    most = pool.limit("daily_claims")
    if not _count(actor, PoolDay.claims, most):
        raise Conflict({"daily_claims": _("今天已领取 %(most)d 个，达到每日上限，请明天再来", most=most)})


def _count(actor: Member, column: sa.orm.InstrumentedAttribute[int], most: int) -> bool:
    """Count one more of `column` for today; says whether there was room. Holds the row for the transaction."""
    key = day_key(actor.id)
    fresh = {"corp_id": current_corp(), "id": key, "member_id": actor.id, "day": today(), "claims": 0, "views": 0}
    insert_unless_there(PoolDay, fresh)
    room = column < most if most else sa.true()
    counted = db.session.execute(
        sa.update(PoolDay)
        .where(PoolDay.id == key, room)
        .values({column: column + 1})
        .execution_options(synchronize_session=False)
    )
    return counted.rowcount == 1  # type: ignore[attr-defined]


def demand_room(pool: PoolFacts, customer: Customer, *, actor: Member) -> None:
    """Raise Conflict when the actor holds as many customers as they may."""
    most = pool.limit("holding")
    if most and holding(actor) >= most:
        raise Conflict({"holding": _("您名下的客户已达上限 %(most)d 个，请先退回或成交一些", most=most)})
    of_level = pool.levels.get(customer.level or "", 0)
    if of_level and holding(actor, level=customer.level) >= of_level:
        raise Conflict(
            {"holding": _("您名下的 %(level)s 级客户已达上限 %(most)d 个", level=customer.level, most=of_level)}
        )


def claim_customers(customer_ids: Sequence[str], *, actor: Member) -> tuple[list[Customer], dict[str, Problem]]:
    """Claim several, each for itself: returns what was got, and why the others were not. Raises Invalid beyond 20."""
    wanted = sorted(set(customer_ids))
    if not 1 <= len(wanted) <= MOST_AT_ONCE:
        raise Invalid({"customers": _("一次请选择 1–%(most)d 个客户", most=MOST_AT_ONCE)})
    got: list[Customer] = []
    refused: dict[str, Problem] = {}
    for customer_id in wanted:
        try:
            with db.session.begin_nested():
                got.append(claim_customer(customer_id, actor=actor))
        except (Conflict, NotFound) as problem:
            refused[customer_id] = problem
    return got, refused


# --- look ---------------------------------------------------------------------------------------------------------


def look_at_details(customer: Customer, pool: PoolFacts, *, actor: Member) -> bool:
    """Count that the actor opens a pool's customer; says whether they may: so many a day, each counted once."""
    most = pool.limit("daily_views")
    if not most or manages(pool, actor):
        return True
    view = {"corp_id": current_corp(), "id": new_id(), "member_id": actor.id, "customer_id": customer.id}
    if not insert_unless_there(PoolView, {**view, "day": today()}):
        return True
    return _count(actor, PoolDay.views, most)


# --- release ------------------------------------------------------------------------------------------------------


def release_customer(customer: Customer, *, actor: Member, reason: str, pool_id: str | None = None) -> PoolFacts:
    """Put a customer back into a pool (退回): the one named, else the default one of the owner's department.

    Raises Forbidden; Invalid for a missing reason or a pool that is not the actor's or owner's; Conflict when the
    customer is in a pool already, or a manager is to be asked first (`releases.release_or_ask`).
    """
    if needs_approval(customer, actor):
        raise Conflict({"reason": _("退回公海须主管同意，请在客户页面逐个申请")})
    words, pool = released_into(customer, actor=actor, reason=reason, pool_id=pool_id)
    to_pool(customer, pool, actor=actor, kind="customer.released", ending=RELEASED, reason=words)
    return pool


def needs_approval(customer: Customer, actor: Member) -> bool:
    """Say whether the actor, as its owner, asks their manager first: a rule; not for who may transfer everybody's."""
    return (
        bool(rule("pool.release_approval"))
        and customer.owner_id == actor.id
        and sight(actor, "customer", "transfer").people is not None
    )


def released_into(customer: Customer, *, actor: Member, reason: str, pool_id: str | None) -> tuple[str, PoolFacts]:
    """Return the reason in words and the pool of a release that the actor may do; raises as `release_customer`."""
    if customer.owner_id is None and customer.pool_id is not None:
        raise Conflict({"pool": _("该客户已经在公海中")})
    demand_own_right(customer, "transfer", actor=actor)
    words = str(REASONS.get(reason, "")) or clean_line(reason)
    if not 1 <= len(words) <= 200:
        raise Invalid({"reason": _("请填写退回原因，不超过 200 个字")})
    make_first_pool()
    owner = member(customer.owner_id)
    kind = kind_of(customer.lead)
    pool = _wanted_pool(pool_id, kind, owner=owner, actor=actor) if pool_id else default_pool(owner, kind)
    if pool is None:
        raise Invalid({"pool": _("没有可用的公海，请联系管理员启用")})
    return words, pool


def _wanted_pool(pool_id: str, kind: str, *, owner: Member | None, actor: Member) -> PoolFacts:
    for pool in all_pools():
        if pool.id == pool_id and pool.enabled:
            if pool.kind == LEADS != kind:
                raise Invalid({"pool": _("线索公海只收未转化的线索")})
            if manages(pool, actor) or any(is_for(pool, one) for one in (actor, owner) if one):
                return pool
            break
    raise Invalid({"pool": _("公海不存在，或您不能使用")})


def to_pool(customer: Customer, pool: PoolFacts, *, actor: Member | None, kind: str, ending: str, reason: str) -> None:
    """Take a customer from its owner into a pool: open tasks end, co-workers go where the rule says so."""
    former, since = customer.owner_id, customer.owned_since or customer.created_at
    kept = what_ends([customer.id]).get(customer.id)
    give_owner(customer, None, pool_id=pool.id)
    db.session.execute(
        sa.update(Customer)
        .where(Customer.id == customer.id)
        .values(next_follow_at=None)
        .execution_options(synchronize_session=False)
    )
    end_ownership(customer.id, former, since, ending=ending, reason=reason, kept=kept)
    cancel_tasks_about(customer.id, actor=actor, reason=_("客户已进入公海：%(reason)s", reason=reason))
    if rule("pool.drop_coworkers"):
        gone = sa.delete(Coworker).where(Coworker.customer_id == customer.id)
        db.session.execute(gone.execution_options(synchronize_session=False))
    record(
        kind,
        customer,
        actor=actor,
        customer_id=customer.id,
        changes={"owner": [former, None], "pool": [None, pool.id]},
        pool=pool.id,
        pool_name=pool.name,
        before=former,
        reason=reason,
        managers=sorted(pool.managers),
    )
    db.session.refresh(customer)


# --- assign -------------------------------------------------------------------------------------------------------


def find_assignable(customer_id: str, *, actor: Member) -> Customer:
    """Return a customer that the actor may give to somebody: one that they see, or of a pool that they manage."""
    try:
        return find_customer(customer_id, actor=actor)
    except NotFound:
        customer, pool = find_pooled(customer_id, actor=actor)
        if not manages(pool, actor):
            raise
        return customer


def demand_owner_rights(actor: Member) -> None:
    """Raise Forbidden where a field rule lets the actor not write who owns a customer: they give none to anybody."""
    if not writes(actor, "owner"):
        raise Forbidden(_("您的角色不能更改负责人"))


def hand_to(customer: Customer, owner_id: str, *, actor: Member) -> Customer:
    """Give a customer to somebody (分配): one's own or one's team's, or out of a pool that one manages.

    Raises Forbidden, Invalid, Conflict.
    """
    demand_owner_rights(actor)
    pool = next((one for one in all_pools() if one.id == customer.pool_id), None)
    beyond = pool is not None and manages(pool, actor)
    if not beyond and not may_by_right(customer, "transfer", actor=actor):
        raise Forbidden(_("您没有权限转移这个客户，请联系管理员"))
    former, since, pool_id = customer.owner_id, customer.owned_since or customer.created_at, customer.pool_id
    assign_customer(customer, owner_id, actor=actor, beyond_team=beyond)
    if customer.owner_id != former:
        end_ownership(customer.id, former, since, ending=ASSIGNED)
        new_owner = member(owner_id)
        if new_owner is not None:
            begin_ownership(customer, new_owner, pool_id=pool_id)
    return customer


# --- who owned it -------------------------------------------------------------------------------------------------


def begin_ownership(customer: Customer, owner: Member, *, pool_id: str | None) -> None:
    """Write down that somebody's time as the owner begins; `pool_id` is the pool that the customer came from."""
    since = customer.owned_since or clock.now()
    db.session.add(
        Ownership(customer_id=customer.id, owner_id=owner.id, since=since, pool_id=pool_id, ending="", reason="")
    )


def end_ownership(
    customer_id: str,
    owner_id: str | None,
    since: datetime,
    *,
    ending: str,
    reason: str = "",
    kept: dict[str, Any] | None = None,
) -> None:
    """Write down that somebody's time as the owner is over; one that nobody wrote down at its start as well."""
    if owner_id is None:
        return
    db.session.flush()
    now, how = clock.now(), {"ending": ending, "reason": reason, "kept": kept}
    ended = db.session.execute(
        sa.update(Ownership)
        .where(Ownership.customer_id == customer_id, Ownership.until.is_(None))
        .values(until=now, **how)
        .execution_options(synchronize_session=False)
    )
    if ended.rowcount == 0:  # type: ignore[attr-defined]
        db.session.add(Ownership(customer_id=customer_id, owner_id=owner_id, since=since, until=now, **how))
