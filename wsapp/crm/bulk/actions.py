"""Changing many customers at once, lot by lot, and putting them back. Each change is one the actor may do alone."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.bulk.models import (
    ACTIONS,
    DONE,
    LEVEL,
    OWNER,
    POOL,
    RUNNING,
    STAGE,
    TAG,
    UNDOING,
    UNDONE,
    BulkRun,
)
from wsapp.crm.customers.actions import change_customer, give_owner
from wsapp.crm.customers.models import LEVELS, STAGES, Customer
from wsapp.crm.customers.queries import demand_own_right, find_customer
from wsapp.crm.events.actions import record
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import customers_card, in_language_of
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import may_see_member, member
from wsapp.crm.pools.actions import begin_ownership, end_ownership, release_customer
from wsapp.crm.pools.models import ASSIGNED
from wsapp.crm.pools.queries import in_pool, pool_for
from wsapp.crm.pools.returning import bring_back
from wsapp.db import db, first, new_id
from wsapp.problems import Conflict, Invalid, NotFound, Problem
from wsapp.texts import _

MOST = 500
LOT = 50  # customers of one transaction
UNDO = timedelta(days=7)
LONGEST_TAG = 20


# --- start --------------------------------------------------------------------------------------------------------


def begin_bulk(ids: Sequence[str], action: str, value: str, *, actor: Member) -> BulkRun:
    """Begin one change to chosen customers: owner (a member's id), tag to add, level, stage or pool (its id).

    Raises Invalid. Deleting many is the recycle bin's (`deletions.actions.begin_run`).
    """
    chosen = list(dict.fromkeys(ids))
    if not 1 <= len(chosen) <= MOST:
        raise Invalid({"ids": _("请选择 1–%(most)d 个客户", most=MOST)})
    if action not in ACTIONS:
        raise Invalid({"action": _("请从列表中选择")})
    _check_value(action, value, actor=actor)
    now = clock.now()
    run = BulkRun(
        id=new_id(),
        member_id=actor.id,
        action=action,
        value=value,
        ids=chosen,
        changed=[],
        failed=[],
        kept=0,
        done=0,
        state=RUNNING,
        created_at=now,
        undo_until=now + UNDO,
    )
    db.session.add(run)
    db.session.flush()
    _enqueue(run)
    return run


def _check_value(action: str, value: str, *, actor: Member) -> None:
    if action == OWNER:
        owner = member(value)
        if owner is None or not owner.is_active or not may_see_member(actor, owner.id):
            raise Invalid({"owner": _("找不到这位成员，或不在您的团队中")})
    elif action == TAG and not 1 <= len(value) <= LONGEST_TAG:
        raise Invalid({"tag": _("请填写标签，最多 %(most)d 个字", most=LONGEST_TAG)})
    elif action == POOL:
        try:
            pool_for(value, actor=actor)
        except NotFound as problem:
            raise Invalid({"pool": problem.detail}) from None
    elif (action == LEVEL and value not in LEVELS) or (action == STAGE and value not in STAGES):
        raise Invalid({action: _("请从列表中选择")})


def _enqueue(run: BulkRun) -> None:
    outbox.enqueue("bulk", {"run": run.id}, key=f"bulk:{run.id}:{run.state}:{run.done}")


def find_bulk(run_id: str, *, actor: Member) -> BulkRun:
    """Return a bulk action of the actor's own; raises NotFound for all others."""
    run: BulkRun | None = first(sa.select(BulkRun).where(BulkRun.id == run_id, BulkRun.member_id == actor.id))
    if run is None:
        raise NotFound(_("记录不存在或无权查看"))
    return run


def undo_bulk(run: BulkRun) -> None:
    """Put everything back that is still as it was made. Raises Conflict after a week, or when it is under way."""
    if run.state != DONE or run.undo_until < clock.now():
        raise Conflict({"run": _("已过撤销期限，或正在处理")})
    run.state, run.done, run.kept = UNDOING, 0, 0
    _enqueue(run)


# --- run ----------------------------------------------------------------------------------------------------------


def go_on(run_id: str) -> None:
    """Do the next lot, in the caller's transaction, and put the one after it in line. Begun again it goes on there."""
    run: BulkRun | None = first(sa.select(BulkRun).where(BulkRun.id == run_id).with_for_update())
    if run is None or run.state not in (RUNNING, UNDOING):
        return
    actor = member(run.member_id)
    if actor is None or not actor.is_active:
        run.state = DONE if run.state == RUNNING else UNDONE  # with whoever left goes what they may do
        return
    if run.state == RUNNING:
        _change_lot(run, actor)
    else:
        _undo_lot(run, actor)
    db.session.flush()
    if run.state in (RUNNING, UNDOING):
        _enqueue(run)


def _change_lot(run: BulkRun, actor: Member) -> None:
    changed, failed = list(run.changed), list(run.failed)
    for customer_id in run.ids[run.done : run.done + LOT]:
        try:
            with db.session.begin_nested():
                one = _change(find_customer(customer_id, actor=actor), run, actor)
                if one is not None:
                    changed.append([customer_id, *one])
        except Problem as problem:
            failed.append([customer_id, problem.detail])
    run.changed, run.failed = changed, failed
    run.done = min(len(run.ids), run.done + LOT)
    if run.done >= len(run.ids):
        run.state = DONE
        if run.action == OWNER:
            _tell_owners(run, [after for _id, _before, after in changed], actor)


def _change(customer: Customer, run: BulkRun, actor: Member) -> tuple[Any, Any] | None:
    """Change one customer; returns what was before and what is now, None where it is so already."""
    if run.action == POOL:
        before = customer.owner_id
        pool = release_customer(customer, actor=actor, reason=_("批量退回"), pool_id=run.value)
        return before, pool.id
    was = _value_of(customer, run.action)
    after = _with(was, run.action, run.value)
    if after == was:
        return None
    _write(customer, run.action, after, actor=actor)
    return was, after


def _undo_lot(run: BulkRun, actor: Member) -> None:
    for customer_id, before, after in run.changed[run.done : run.done + LOT]:
        try:
            with db.session.begin_nested():
                _put_back(customer_id, before, after, run.action, actor)
        except Problem:
            run.kept += 1
    run.done = min(len(run.changed), run.done + LOT)
    if run.done >= len(run.changed):
        run.state = UNDONE
        _tell_owners(run, [before for _id, before, _after in run.changed], actor)


def _put_back(customer_id: str, before: Any, after: Any, action: str, actor: Member) -> None:
    if action == POOL:
        _take_out_of_pool(customer_id, after, before, actor=actor)
    else:
        customer = find_customer(customer_id, actor=actor)
        if _value_of(customer, action) != after:
            raise Conflict({})
        _write(customer, action, before, actor=actor)


def _take_out_of_pool(customer_id: str, pool_id: str, owner_id: str | None, *, actor: Member) -> None:
    """Give a customer that still lies in the pool back to whoever had it. The actor put it there themselves."""
    customer: Customer | None = first(sa.select(Customer).where(Customer.id == customer_id, in_pool(pool_id)))
    owner = member(owner_id)
    if customer is None or owner is None or not owner.is_active:
        raise Conflict({})
    bring_back(customer.id, actor=actor)
    give_owner(customer, owner)
    begin_ownership(customer, owner, pool_id=pool_id)
    _record_owner(customer, None, owner, actor=actor)


def _value_of(customer: Customer, action: str) -> Any:
    return {OWNER: customer.owner_id, TAG: list(customer.tags), LEVEL: customer.level, STAGE: customer.stage}[action]


def _with(before: Any, action: str, value: str) -> Any:
    if action != TAG:
        return value
    return before if value in before else [*before, value]


def _write(customer: Customer, action: str, value: Any, *, actor: Member) -> None:
    if action == OWNER:
        _give(customer, value, actor=actor)
    else:
        change_customer(customer, {"tags" if action == TAG else action: value}, actor=actor)


def _give(customer: Customer, owner_id: str | None, *, actor: Member) -> None:
    """Give a customer to somebody; they are told once, of all together."""
    owner = member(owner_id)
    demand_own_right(customer, "transfer", actor=actor)
    if owner is None or not owner.is_active or not may_see_member(actor, owner.id):
        raise Invalid({"owner": _("找不到这位成员，或不在您的团队中")})
    before, since, came_from = customer.owner_id, customer.owned_since or customer.created_at, customer.pool_id
    give_owner(customer, owner)
    end_ownership(customer.id, before, since, ending=ASSIGNED)
    begin_ownership(customer, owner, pool_id=came_from)
    _record_owner(customer, before, owner, actor=actor)


def _record_owner(customer: Customer, before: str | None, owner: Member, *, actor: Member) -> None:
    changes = {"owner": [before, owner.id]}
    record(
        "customer.assigned",
        customer,
        actor=actor,
        customer_id=customer.id,
        changes=changes,
        owner=owner.id,
        before=before,
        together=True,
    )


def _tell_owners(run: BulkRun, owner_ids: Sequence[Any], actor: Member) -> None:
    if run.action not in (OWNER, POOL):
        return
    for owner_id, count in Counter(owner_ids).items():
        owner = member(owner_id)
        if owner is None or owner.id == actor.id:
            continue
        with in_language_of(owner):
            card = customers_card(count, giver=actor.name)
        tell(owner, "customers.assigned", card, key=f"bulk:{run.id}:{run.state}:{owner.id}", subject_id=run.id)
