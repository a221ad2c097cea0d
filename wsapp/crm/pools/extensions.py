"""Keeping a customer for longer: asking for an extension (申请延期), the manager's answer, and locking (锁定)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.events.actions import record
from wsapp.crm.notifications.actions import mark_acted, notification_with_card, refresh_card, set_shown, tell
from wsapp.crm.notifications.messages import in_language_of
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.reminders import Press
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import administrators, manager_of, member, member_by_userid
from wsapp.crm.org.rights import may
from wsapp.crm.org.rules import rule
from wsapp.crm.pools.clock_cards import EXTEND, GRANT, REFUSE, answered_card, asked_card, state_text
from wsapp.crm.pools.clocks import ANSWER_IN, HOLDS, Clock, clock_of_customer, today
from wsapp.crm.pools.models import GRANTED, OPEN, OVER, REFUSED, ExtensionRequest, OwnerClock
from wsapp.crm.pools.words import why
from wsapp.db import current_corp, db, dialect_insert, first, insert_unless_there, new_id, rows
from wsapp.house import zone
from wsapp.problems import Conflict, Forbidden, Invalid, NotFound, Problem
from wsapp.texts import _

SOON = 7  # days before a customer leaves from which on an extension can be asked for, and lists show it
WARNING, ASKED, ANSWERED = "pool.warning", "extension.asked", "extension.answered"  # kinds of messages
ANSWERS = {GRANT: GRANTED, REFUSE: REFUSED}


# --- asking -------------------------------------------------------------------------------------------------------


def ask_for_extension(customer_id: str, *, actor: Member) -> ExtensionRequest:
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
    reader = manager_of(actor) or next((other for other in administrators() if other.id != actor.id), None)
    if reader is None:
        raise Invalid({"": _("没有可以审批的主管，请联系管理员")})
    _lapse(customer.id)
    request = _write(customer, one, actor, reader)
    record("extension.asked", request, actor=actor, customer_id=customer.id, name=row.name, leaves=str(one.leaves_on))
    with in_language_of(reader):
        days = rule("recycle.extension_days")
        card = asked_card(request, customer=row.name, asker=actor, reason=why(one), days=days)
    tell(reader, ASKED, card, key=f"extension:{request.id}", subject_id=request.id)
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
        ExtensionRequest.customer_id == customer_id,
        ExtensionRequest.state == GRANTED,
        ExtensionRequest.created_at >= since,
    )
    return db.session.scalar(counted) or 0


def _lapse(customer_id: str) -> None:
    """End what nobody answered in time, so that it can be asked again."""
    stale = sa.update(ExtensionRequest).where(
        ExtensionRequest.customer_id == customer_id,
        ExtensionRequest.state == OPEN,
        ExtensionRequest.created_at <= clock.now() - ANSWER_IN,
    )
    ended = stale.values(state=OVER, is_open=None, decided_at=clock.now())
    db.session.execute(ended.execution_options(synchronize_session=False))


def _write(customer: Customer, one: Clock, actor: Member, reader: Member) -> ExtensionRequest:
    request_id = new_id()
    values = {
        "corp_id": current_corp(),
        "id": request_id,
        "customer_id": customer.id,
        "owner_id": actor.id,
        "manager_id": reader.id,
        "leaves_on": one.leaves_on,
        "state": OPEN,
        "is_open": True,
        "created_at": clock.now(),
    }
    if not insert_unless_there(ExtensionRequest, values):
        raise Conflict({"": _("您已经申请过，请等待主管答复")})
    found = _request(request_id)
    assert found is not None
    return found


# --- answering ----------------------------------------------------------------------------------------------------


def find_extension(request_id: str, *, actor: Member) -> ExtensionRequest:
    """Return a request that the actor made or may answer; raises NotFound for all others."""
    request = _request(request_id)
    if request is None or (request.owner_id != actor.id and not may_decide(request, actor=actor)):
        raise NotFound(_("申请不存在或与您无关"))
    return request


def extensions_of(actor: Member, limit: int = 50) -> Sequence[ExtensionRequest]:
    """Return what the actor asked for and what they were asked, the newest first."""
    theirs = sa.or_(ExtensionRequest.owner_id == actor.id, ExtensionRequest.manager_id == actor.id)
    newest = sa.select(ExtensionRequest).where(theirs)
    return rows(newest.order_by(ExtensionRequest.created_at.desc(), ExtensionRequest.id.desc()).limit(limit))


def may_decide(request: ExtensionRequest, *, actor: Member) -> bool:
    """Say whether it is the actor's to answer: who was asked, or whoever may give the owner's customers away."""
    if actor.id == request.owner_id:
        return False
    return actor.id == request.manager_id or may(actor, "transfer", request.owner_id)


def decide(request: ExtensionRequest, action: str, *, actor: Member) -> bool:
    """Answer a request (GRANT or REFUSE), once; says whether this call did it. Of two at once, one does."""
    state = ANSWERS.get(action)
    if state is None or not may_decide(request, actor=actor):
        return False
    taken = db.session.execute(
        sa.update(ExtensionRequest)
        .where(ExtensionRequest.id == request.id, ExtensionRequest.state == OPEN)
        .values(state=state, is_open=None, decider_id=actor.id, decided_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(request)
    if taken.rowcount != 1:  # type: ignore[attr-defined]
        return False
    row, one = clock_of_customer(request.customer_id)
    if row is None or one is None or row.owner_id != request.owner_id:
        request.state = OVER
    else:
        if state == GRANTED:
            request.kept_until = max(one.leaves_on, today()) + timedelta(days=rule("recycle.extension_days"))
            _keep(row, kept_until=request.kept_until)
        _tell_answer(request, row.name, actor)
    db.session.flush()
    return True


def _tell_answer(request: ExtensionRequest, customer: str, actor: Member) -> None:
    record(
        "extension.answered",
        request,
        actor=actor,
        customer_id=request.customer_id,
        name=customer,
        answer=request.state,
        until=str(request.kept_until or ""),
    )
    owner = member(request.owner_id)
    if owner is not None:
        with in_language_of(owner):
            card = answered_card(request, customer=customer, decider=actor)
        tell(owner, ANSWERED, card, key=f"extension:{request.id}:answered", subject_id=request.id)


def _keep(row: Any, **values: Any) -> None:
    """Write down something about a customer's clock (a row of `clocks.COLUMNS`), for the present ownership."""
    holds = {name: getattr(row, name) for name in ("locked_at", "kept_until", "warned_for", "warned_days", "warned_on")}
    mine = {"owner_id": row.owner_id, "since": row.owned_since or row.created_at, "told": bool(row.told)}
    whole = {**holds, **mine, **values}
    statement = dialect_insert(sa.inspect(OwnerClock).local_table).values(corp_id=current_corp(), id=row.id, **whole)
    db.session.execute(statement.on_conflict_do_update(index_elements=["corp_id", "id"], set_=whole))


# --- on cards -----------------------------------------------------------------------------------------------------


def press(card: str, userid: str, action: str, *, fold: bool) -> Press | None:
    """Do what a button of a warning or a request says, for whom it was sent to; None for any other card."""
    notification = notification_with_card(card)
    if notification is None or notification.kind not in (WARNING, ASKED):
        return None
    presser = member_by_userid(userid, fold=fold)
    if presser is None or not presser.is_active or presser.id != notification.recipient_id:
        return Press(notification, False)
    if notification.kind == WARNING:
        return Press(notification, _press_warning(notification, action, presser))
    request = _request(notification.subject_id or "")
    counted = request is not None and decide(request, action, actor=presser)
    if counted:
        mark_acted(notification)
    if request is not None and request.state != OPEN:
        with in_language_of(presser):
            set_shown(notification, state_text(request))
    return Press(notification, counted)


def _press_warning(notification: Notification, action: str, presser: Member) -> bool:
    """The owner asks for an extension on the card: it then shows that, or why not."""
    if action != EXTEND or notification.shown:
        return False
    with in_language_of(presser):
        try:
            with db.session.begin_nested():
                ask_for_extension(notification.subject_id or "", actor=presser)
        except Problem as problem:
            set_shown(notification, problem.detail)
            return False
        set_shown(notification, _("已申请延期，等待主管答复"))
    mark_acted(notification)
    return True


def show_decided(request: ExtensionRequest) -> None:
    """Have the cards of a settled request show its answer in place of their buttons."""
    wanted = sa.select(Notification).where(Notification.subject_id == request.id, Notification.kind == ASKED)
    for notification in rows(wanted):
        if reader := member(notification.recipient_id):
            with in_language_of(reader):
                refresh_card(notification, state_text(request))


def _request(request_id: str) -> ExtensionRequest | None:
    found: ExtensionRequest | None = first(sa.select(ExtensionRequest).where(ExtensionRequest.id == request_id))
    return found


# --- locking ------------------------------------------------------------------------------------------------------


def lock_customer(customer_id: str, *, locked: bool, actor: Member) -> None:
    """Keep a customer from being recycled (锁定), or no longer. So many an owner.

    Raises NotFound; Forbidden unless the actor may give the customer away; Invalid beyond the limit.
    """
    customer = find_customer(customer_id, actor=actor)
    if customer.owner_id is None or not may(actor, "transfer", customer.owner_id):
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
