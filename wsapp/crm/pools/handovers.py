"""Many customers change hands in the background: dealt out of a pool, from somebody who left, a list of one's team's.

For a week the whole can be undone.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.customers.actions import give_owner
from wsapp.crm.customers.models import Coworker, Customer
from wsapp.crm.customers.queries import may_by_right
from wsapp.crm.events.actions import record
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import customers_card, in_language_of
from wsapp.crm.org.models import ACTIVE, Member
from wsapp.crm.org.queries import may_see_member, member
from wsapp.crm.org.rights import demand, may
from wsapp.crm.pools.actions import begin_ownership, demand_owner_rights, end_ownership, hand_to
from wsapp.crm.pools.belongings import MOST_HANDED, transferable
from wsapp.crm.pools.dealing import LOAD, WAYS, deal, last_credits
from wsapp.crm.pools.models import ASSIGNED, DEAL, DONE, LEAVER, RUNNING, TRANSFER, UNDOING, UNDONE, Handover
from wsapp.crm.pools.queries import PoolFacts, in_pool, is_awake, manages
from wsapp.crm.tasks.actions import move_tasks
from wsapp.db import db, first, insert_unless_there, new_id, rows
from wsapp.problems import Conflict, Forbidden, Invalid, NotFound
from wsapp.texts import _

MOST_DEALT = 500
LOT = 100  # customers of one transaction
UNDO = timedelta(days=7)
MOST_WEIGHT = 20


# --- start --------------------------------------------------------------------------------------------------------


def deal_out(pool: PoolFacts, takers: Mapping[str, int], *, way: str, count: int, actor: Member) -> Handover:
    """Deal the `count` customers that are longest in a pool out to several people. Raises Forbidden, Invalid."""
    if not manages(pool, actor):
        raise Forbidden(_("只有公海管理员可以批量分配"))
    if not 1 <= count <= MOST_DEALT:
        raise Invalid({"count": _("一次可分配 1–%(most)d 个", most=MOST_DEALT)})
    _check(takers, way, actor=actor, beyond_team=True)
    oldest = (
        sa.select(Customer.id)
        .where(in_pool(pool.id), is_awake())
        .order_by(Customer.pooled_at, Customer.id)
        .limit(count)
    )
    wanted = list(rows(oldest))
    if not wanted:
        raise Invalid({"count": _("公海里没有客户")})
    plan, credits = deal(wanted, takers, way=way, credits=last_credits(actor.id))
    return _start(_written(DEAL, plan, actor=actor, credits=credits), actor)


def plan_for_leaver(leaver: Member, takers: Mapping[str, int], *, way: str = LOAD) -> list[list[str]]:
    """Return who would get which of somebody's customers, as [customer, taker]."""
    return deal(customers_of(leaver), takers, way=way)[0] if takers else []


def hand_over(
    leaver: Member, takers: Mapping[str, int], *, way: str, actor: Member, with_tasks: bool = True, stays: bool = False
) -> Handover:
    """Give all customers of somebody to others, with their open tasks or without. Raises Forbidden, Invalid.

    `stays`: whoever had them goes on reading them, as a co-worker.
    """
    demand(actor, "transfer", leaver.id)
    _check(takers, way, actor=actor)
    if leaver.id in takers:
        raise Invalid({"takers": _("不能交接给本人")})
    plan = plan_for_leaver(leaver, takers, way=way)
    row = _written(LEAVER, plan, actor=actor, leaver=leaver, with_tasks=with_tasks, stays=stays)
    return _start(row, actor)


def hand_over_list(
    customer_ids: Sequence[str],
    takers: Mapping[str, int],
    *,
    way: str,
    actor: Member,
    with_tasks: bool = True,
    stays: bool = False,
) -> Handover:
    """Give chosen customers, whoever owns them, to others. What the actor may not transfer is left where it is.

    Raises Invalid.
    """
    _check(takers, way, actor=actor)
    wanted = transferable(customer_ids, actor=actor)
    if not wanted:
        raise Invalid({"": _("没有您可以转移的客户")})
    plan, _credits = deal(wanted, takers, way=way)
    return _start(_written(TRANSFER, plan, actor=actor, with_tasks=with_tasks, stays=stays), actor)


def customers_of(leaver: Member) -> list[str]:
    """Return the customers that somebody owns, oldest first."""
    theirs = sa.select(Customer.id).where(Customer.owner_id == leaver.id, Customer.deleted_at.is_(None))
    return list(rows(theirs.order_by(Customer.created_at, Customer.id).limit(MOST_HANDED)))


def _check(takers: Mapping[str, int], way: str, *, actor: Member, beyond_team: bool = False) -> None:
    demand_owner_rights(actor)
    if way not in WAYS:
        raise Invalid({"way": _("请从列表中选择")})
    active = set(rows(sa.select(Member.id).where(Member.id.in_(sorted(takers)), Member.status == ACTIVE)))
    if not takers or set(takers) != active or not (beyond_team or all(may_see_member(actor, one) for one in takers)):
        raise Invalid({"takers": _("请选择接手的成员，须是您团队中的在职成员")})
    if any(not 1 <= weight <= MOST_WEIGHT for weight in takers.values()):
        raise Invalid({"weights": _("权重应为 1–%(most)d 的整数", most=MOST_WEIGHT)})


def hand_over_one(
    customer: Customer, owner_id: str, *, actor: Member, with_tasks: bool = True, stays: bool = False
) -> Handover | None:
    """Give one customer to somebody at once; None where they own it already. Like many it can be undone for a week.

    Raises what `hand_to` raises.
    """
    before, pool_id = customer.owner_id, customer.pool_id
    hand_to(customer, owner_id, actor=actor)
    if customer.owner_id == before:
        return None
    row = _written(TRANSFER, [[customer.id, owner_id]], actor=actor, with_tasks=with_tasks, stays=stays)
    row.moved, row.done, row.state = [_along(customer, before, pool_id, owner_id, row, actor)], 1, DONE
    db.session.flush()
    return row


def _start(row: Handover, actor: Member) -> Handover:
    db.session.flush()
    record("handover.started", row, actor=actor, cause=row.cause, count=len(row.plan))
    _enqueue(row)
    return row


def _written(
    cause: str,
    plan: list[list[str]],
    *,
    actor: Member,
    leaver: Member | None = None,
    credits: Mapping[str, int] | None = None,
    with_tasks: bool = True,
    stays: bool = False,
) -> Handover:
    now = clock.now()
    row = Handover(
        id=new_id(),
        actor_id=actor.id,
        cause=cause,
        leaver_id=leaver.id if leaver else None,
        with_tasks=with_tasks,
        stays=stays,
        plan=plan,
        moved=[],
        credits=dict(credits or {}),
        done=0,
        total=len(plan),
        state=RUNNING,
        created_at=now,
        undo_until=now + UNDO,
    )
    db.session.add(row)
    return row


def _enqueue(row: Handover) -> None:
    outbox.enqueue("handover", {"handover": row.id}, key=f"handover:{row.id}:{row.state}:{row.done}")


def find_handover(handover_id: str, *, actor: Member) -> Handover:
    """Return a hand-over of the actor's own, or of anybody for whoever sees them; raises NotFound."""
    row: Handover | None = first(sa.select(Handover).where(Handover.id == handover_id))
    if row is None or not (row.actor_id == actor.id or may(actor, "transfer", row.actor_id)):
        raise NotFound(_("记录不存在或无权查看"))
    return row


def handovers_of(actor: Member, limit: int = 50) -> Sequence[Handover]:
    """Return what the actor dealt out or handed over, the newest first."""
    newest = sa.select(Handover).where(Handover.actor_id == actor.id)
    return rows(newest.order_by(Handover.created_at.desc(), Handover.id.desc()).limit(limit))


# --- run ----------------------------------------------------------------------------------------------------------


def go_on(handover_id: str) -> None:
    """Do the next lot, in the caller's transaction, and put the one after it in line. Begun again it goes on there."""
    row: Handover | None = first(sa.select(Handover).where(Handover.id == handover_id).with_for_update())
    if row is None or row.state not in (RUNNING, UNDOING):
        return
    actor = member(row.actor_id)
    if row.state == RUNNING:
        _move_lot(row, actor)
    else:
        _undo_lot(row, actor)
    db.session.flush()
    if row.state in (RUNNING, UNDOING):
        _enqueue(row)


def _move_lot(row: Handover, actor: Member | None) -> None:
    moved = list(row.moved)
    for customer_id, taker_id in row.plan[row.done : row.done + LOT]:
        entry = _move(customer_id, taker_id, row, actor)
        if entry is not None:
            moved.append(entry)
    row.done = min(row.total, row.done + LOT)
    if row.done >= row.total:
        if row.leaver_id and row.with_tasks:
            rest = move_tasks(row.leaver_id, row.actor_id, actor=actor)
            if rest:
                moved.append([None, row.leaver_id, None, row.actor_id, rest, False])
        row.state = DONE
        _tell_takers(row, moved, actor)
    row.moved = moved


def _move(customer_id: str, taker_id: str, row: Handover, actor: Member | None) -> list[object] | None:
    """Move one customer, unless it went elsewhere meanwhile; returns what it takes to put it back."""
    customer, taker = _fresh(customer_id), member(taker_id)
    if customer is None or taker is None or not taker.is_active or not _is_still_there(customer, taker, row, actor):
        return None
    before, pool_id = customer.owner_id, customer.pool_id
    try:
        with db.session.begin_nested():
            _pass_on(customer, taker, None, actor)
    except Conflict:
        return None
    return _along(customer, before, pool_id, taker.id, row, actor)


def _along(
    customer: Customer, before: str | None, pool_id: str | None, taker_id: str, row: Handover, actor: Member | None
) -> list[object]:
    """Move what goes along with a customer that was moved; returns what it takes to put all of it back."""
    former = before if row.with_tasks else None
    tasks = move_tasks(former, taker_id, actor=actor, customer_id=customer.id) if former else []
    stayed = row.stays and _stay(customer, member(before), actor)
    return [customer.id, before, pool_id, taker_id, tasks, stayed]


def _is_still_there(customer: Customer, taker: Member, row: Handover, actor: Member | None) -> bool:
    """Say whether a customer is where the plan found it; of a list, whether the actor may still transfer it."""
    if row.cause != TRANSFER:
        return customer.owner_id == (row.leaver_id if row.cause == LEAVER else None)
    theirs = customer.owner_id is not None and customer.owner_id != taker.id
    return theirs and actor is not None and actor.is_active and may_by_right(customer, "transfer", actor=actor)


def _stay(customer: Customer, former: Member | None, actor: Member | None) -> bool:
    """Let a former owner go on reading; says whether they did not work on it already."""
    if former is None or not former.is_active:
        return False
    values = {"corp_id": customer.corp_id, "id": new_id(), "customer_id": customer.id, "member_id": former.id}
    if not insert_unless_there(Coworker, {**values, "may_edit": False, "since": clock.now()}):
        return False
    facts: dict[str, Any] = {"member": former.id, "name": former.name, "may_edit": False, "together": True}
    record("customer.shared", customer, actor=actor, customer_id=customer.id, **facts)
    return True


def _fresh(customer_id: str) -> Customer | None:
    found: Customer | None = first(
        sa.select(Customer)
        .where(Customer.id == customer_id, Customer.deleted_at.is_(None))
        .execution_options(populate_existing=True)
    )
    return found


def _pass_on(customer: Customer, owner: Member | None, pool_id: str | None, actor: Member | None) -> None:
    before, since = customer.owner_id, customer.owned_since or customer.created_at
    came_from = customer.pool_id
    give_owner(customer, owner, pool_id=pool_id)
    end_ownership(customer.id, before, since, ending=ASSIGNED)
    if owner is not None:
        begin_ownership(customer, owner, pool_id=came_from)
    after = owner.id if owner else None
    record(
        "customer.assigned",
        customer,
        actor=actor,
        customer_id=customer.id,
        changes={"owner": [before, after], "pool": [came_from, pool_id]},
        owner=after,
        before=before,
        together=True,
    )


def _tell_takers(row: Handover, moved: Sequence[list[object]], actor: Member | None) -> None:
    got = Counter(str(taker) for customer_id, _before, _pool, taker, *_rest in moved if customer_id)
    for taker_id, count in got.items():
        taker = member(taker_id)
        if taker is None or taker_id == row.actor_id:
            continue
        with in_language_of(taker):
            card = customers_card(count, giver=actor.name if actor else _("系统"))
        tell(taker, "customers.assigned", card, key=f"handover:{row.id}:{taker_id}", subject_id=row.id)


# --- undo ---------------------------------------------------------------------------------------------------------


def undo(row: Handover, *, actor: Member) -> None:
    """Put everything back that is still where it was put. Raises Conflict after a week, or when it is under way."""
    if row.state != DONE or row.undo_until is None or row.undo_until < clock.now():
        raise Conflict({"handover": _("已过撤销期限，或正在处理")})
    row.state, row.done = UNDOING, 0
    record("handover.undone", row, actor=actor, count=len(row.moved))
    _enqueue(row)


def _undo_lot(row: Handover, actor: Member | None) -> None:
    for customer_id, before, pool_id, after, tasks, stayed in row.moved[row.done : row.done + LOT]:
        customer = _fresh(customer_id) if customer_id else None
        if customer is not None and customer.owner_id == after:
            _pass_on(customer, member(before), pool_id, actor)
            if stayed:
                _end_stay(customer, before)
        if before and tasks:
            move_tasks(after, before, actor=actor, only=tasks)
    row.done += LOT
    if row.done >= len(row.moved):
        row.done, row.state = row.total, UNDONE


def _end_stay(customer: Customer, member_id: str) -> None:
    gone = sa.delete(Coworker).where(
        Coworker.customer_id == customer.id, Coworker.member_id == member_id, Coworker.may_edit.is_(False)
    )
    db.session.execute(gone.execution_options(synchronize_session=False))
