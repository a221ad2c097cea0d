"""Keeping a customer for longer: an extension (申请延期) that the manager grants, and locking (锁定)."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import current_id, find_customer, may_by_right
from wsapp.crm.events.actions import record
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import in_language_of
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import rule
from wsapp.crm.pools.clock_cards import asked_card
from wsapp.crm.pools.clocks import HOLDS, Clock, clock_of_customer, today
from wsapp.crm.pools.models import GRANTED, KEEP, OwnerClock, OwnerRequest
from wsapp.crm.pools.requests import ASKED, reader_of, write_request
from wsapp.crm.pools.words import why
from wsapp.db import current_corp, db, dialect_insert, first
from wsapp.house import zone
from wsapp.problems import Conflict, Forbidden, Invalid
from wsapp.texts import _

SOON = 7  # days before a customer leaves from which on an extension can be asked for, and lists show it
WARNING = "pool.warning"  # kind of messages


# --- asking -------------------------------------------------------------------------------------------------------


def ask_for_extension(customer_id: str, *, actor: Member) -> OwnerRequest:
    """Ask the owner's manager (at the top, an administrator) to let them keep a customer for longer.

    Raises NotFound; Forbidden for anybody but the owner; Invalid where it does not leave soon, was extended as often as
    the rules allow, or nobody is there to ask; Conflict when it was asked for already.
    """
    customer = find_customer(customer_id, actor=actor)
    if customer.owner_id != actor.id:
        raise Forbidden(_("只有负责人可以申请延期"))
    row, one = clock_of_customer(customer.id)
    _demand_due(one)
    assert one is not None
    if used(customer.id, one) >= rule("recycle.extensions"):
        raise Invalid({"": _("已延期 %(n)d 次，请先跟进客户", n=rule("recycle.extensions"))})
    reader = reader_of(actor)
    request = write_request(customer, reader, actor=actor, wish=KEEP, leaves_on=one.leaves_on)
    record("extension.asked", request, actor=actor, customer_id=customer.id, name=row.name, leaves=str(one.leaves_on))
    with in_language_of(reader):
        days = rule("recycle.extension_days")
        card = asked_card(request, customer=row.name, asker=actor, reason=why(one), days=days)
    tell(reader, ASKED[KEEP], card, key=f"extension:{request.id}", subject_id=request.id)
    return request


def _demand_due(one: Clock | None) -> None:
    if one is None or (one.leaves_on - today()).days > SOON:
        raise Invalid({"": _("该客户近期不会被回收，不需要延期")})
    if one.held == "locked":
        raise Invalid({"": _("该客户已锁定，不会被回收")})
    if one.held == "asked":
        raise Conflict({"": _("您已经申请过，请等待主管答复")})


def used(customer_id: str, one: Clock) -> int:
    """Return how often a customer was extended since it was last touched."""
    since = clock.start_of_day(one.base, zone())
    counted = sa.select(sa.func.count()).where(
        OwnerRequest.customer_id == customer_id,
        OwnerRequest.wish == KEEP,
        OwnerRequest.state == GRANTED,
        OwnerRequest.created_at >= since,
    )
    return db.session.scalar(counted) or 0


# --- its answer ---------------------------------------------------------------------------------------------------


def grant_extension(request: OwnerRequest) -> bool:
    """Keep the customer of a request for as long as the rule says; says whether its clock still runs for the asker."""
    row, one = clock_of_customer(current_id(request.customer_id))
    if one is None or row.owner_id != request.owner_id:
        return False
    request.kept_until = max(one.leaves_on, today()) + timedelta(days=rule("recycle.extension_days"))
    _keep(row, kept_until=request.kept_until)
    return True


def still_runs(request: OwnerRequest) -> bool:
    """Say whether the clock of a request's customer still runs for the asker."""
    row, one = clock_of_customer(current_id(request.customer_id))
    return one is not None and row.owner_id == request.owner_id


def _keep(row: Any, **values: Any) -> None:
    """Write down something about a customer's clock (a row of `clocks.COLUMNS`), for the present ownership."""
    holds = {name: getattr(row, name) for name in ("locked_at", "kept_until", "warned_for", "warned_days", "warned_on")}
    mine = {"owner_id": row.owner_id, "since": row.owned_since or row.created_at, "told": bool(row.told)}
    whole = {**holds, **mine, **values}
    statement = dialect_insert(sa.inspect(OwnerClock).local_table).values(corp_id=current_corp(), id=row.id, **whole)
    db.session.execute(statement.on_conflict_do_update(index_elements=["corp_id", "id"], set_=whole))


# --- locking ------------------------------------------------------------------------------------------------------


def lock_customer(customer_id: str, *, locked: bool, actor: Member) -> None:
    """Keep a customer from being recycled (锁定), or no longer. So many an owner.

    Raises NotFound; Forbidden unless the actor may give the customer away; Invalid beyond the limit.
    """
    customer = find_customer(customer_id, actor=actor)
    if customer.owner_id is None or not may_by_right(customer, "transfer", actor=actor):
        raise Forbidden(_("您没有权限锁定这个客户"))
    owner = first(sa.select(Member).where(Member.id == customer.owner_id).with_for_update(key_share=True))
    row, _one = clock_of_customer(customer.id)
    if row is None or (row.locked_at is not None) == locked:
        return
    most = rule("pool.locked")
    if locked and owner is not None and _locked_of(owner) >= most:
        raise Invalid({"": _("每人最多锁定 %(most)d 个客户", most=most)})
    at: datetime | None = clock.now() if locked else None
    _keep(row, locked_at=at)
    record("customer.locked", customer, actor=actor, customer_id=customer.id, locked=locked, name=customer.name)


def _locked_of(owner: Member) -> int:
    counted = (
        sa.select(sa.func.count())
        .select_from(Customer)
        .join(OwnerClock, HOLDS)
        .where(Customer.owner_id == owner.id, OwnerClock.locked_at.is_not(None), Customer.deleted_at.is_(None))
    )
    return db.session.scalar(counted) or 0
