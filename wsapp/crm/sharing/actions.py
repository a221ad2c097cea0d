"""Asking the owner of a hidden customer to share it, and their answer: on the card or on the page, once."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.customers.actions import assign_customer
from wsapp.crm.customers.asks import take_asks, too_many
from wsapp.crm.customers.coworkers import add_coworker
from wsapp.crm.customers.dedupe import CODE, DOMAIN, NAME, PHONES, Hit, find_duplicates
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import current_id, may_by_right
from wsapp.crm.events.actions import record
from wsapp.crm.notifications.actions import mark_acted, notification_with_card, refresh_card, set_shown, tell
from wsapp.crm.notifications.messages import in_language_of
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.reminders import Press
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import administrators, manager_of, member, member_by_userid
from wsapp.crm.sharing.cards import answered_card, asked_card, state_text, waiting_card
from wsapp.crm.sharing.models import EDIT, HANDED, OPEN, OVER, READ, REFUSED, ShareRequest
from wsapp.db import current_corp, db, first, insert_unless_there, new_id, rows
from wsapp.problems import Conflict, Invalid, NotFound, Problem
from wsapp.texts import _

PATIENCE = timedelta(hours=48)
AT_ONCE = 3  # customers that one question asks for
MAX_REASON = 200
ASKED, ANSWERED, PASSED = "share.asked", "share.answered", "share.passed"  # kinds of messages
ANSWERS = {"share_read": READ, "share_edit": EDIT, "share_hand": HANDED, "share_refuse": REFUSED}  # the card's buttons
FIELDS = {"phones": PHONES, "code": CODE, "domain": DOMAIN, "name": NAME}  # how `Hit.asked` begins → field


# --- asking -------------------------------------------------------------------------------------------------------


def ask_to_share(asked: Sequence[str], *, actor: Member, reason: str = "") -> list[ShareRequest]:
    """Ask the owners of the hidden customers that a duplicate check told of (申请共享).

    `asked` is what the check was asked for (`Duplicate.asked`): no id of a hidden customer ever leaves. Whoever has
    asked already is not asked twice. Raises TooMany; Invalid; NotFound when there is nobody to ask.
    """
    if len(reason) > MAX_REASON:
        raise Invalid({"reason": _("最多 %(most)d 个字", most=MAX_REASON)})
    hits = _hidden(asked, actor)
    if not hits:
        raise NotFound(_("没有可以申请的客户，可能已经与您共享或已不存在"))
    if not take_asks(actor, sorted({one.asked for one in hits})):
        raise too_many()
    made = [_ask(one.customer, actor, reason) for one in hits[:AT_ONCE]]
    return [one for one in made if one is not None]


def _hidden(asked: Sequence[str], actor: Member) -> list[Hit]:
    values: dict[str, Any] = {}
    for one in asked[:10]:
        start, _colon, value = one.partition(":")
        if (field := FIELDS.get(start)) and value:
            values[field] = [*values.get(field, ()), value] if field == PHONES else value
    found: dict[str, Hit] = {}
    for hit in find_duplicates(values, actor=actor):
        if hit.may_be_shared:
            found.setdefault(hit.customer.id, hit)
    return list(found.values())


def _ask(customer: Any, actor: Member, reason: str) -> ShareRequest | None:
    request_id, now = new_id(), clock.now()
    is_new = insert_unless_there(
        ShareRequest,
        {
            "corp_id": current_corp(),
            "id": request_id,
            "customer_id": customer.id,
            "asker_id": actor.id,
            "owner_id": customer.owner_id,
            "reason": reason,
            "state": OPEN,
            "is_open": True,
            "created_at": now,
        },
    )
    if not is_new:
        return None
    request = _request(request_id)
    assert request is not None
    record("share.asked", request, actor=actor, customer_id=customer.id, name=customer.name, reason=reason)
    owner = member(customer.owner_id)
    if owner is not None and owner.is_active:
        _tell_decider(request, owner, customer.name, actor)
        outbox.enqueue("share.escalate", {"request": request_id}, key=f"share:{request_id}", due_at=now + PATIENCE)
    else:
        pass_on(request_id)
    return request


def _tell_decider(request: ShareRequest, reader: Member, customer: str, asker: Member) -> None:
    with in_language_of(reader):
        card = asked_card(request, customer=customer, asker=asker)
    tell(reader, ASKED, card, key=f"share:{request.id}:{reader.id}", subject_id=request.id)


def pass_on(request_id: str) -> None:
    """Nobody has answered for two days: the owner's manager is asked, at the top an administrator; the asker hears."""
    request = _request(request_id)
    if request is None or request.state != OPEN:
        return
    customer, asker = _customer(request), member(request.asker_id)
    owner = member(request.owner_id)
    reader = (owner and manager_of(owner)) or next(iter(administrators(1)), None)
    if customer is None or asker is None or reader is None:
        return
    request.manager_id = reader.id
    db.session.flush()
    _tell_decider(request, reader, customer.name, asker)
    with in_language_of(asker):
        card = waiting_card(request, reader=reader)
    tell(asker, PASSED, card, key=f"share:{request.id}:passed", subject_id=request.id)


# --- answering ----------------------------------------------------------------------------------------------------


def find_request(request_id: str, *, actor: Member) -> ShareRequest:
    """Return a request that the actor made or may answer; raises NotFound for all others."""
    request = _request(request_id)
    if request is None or (request.asker_id != actor.id and not may_answer(request, actor=actor)):
        raise NotFound(_("申请不存在或与您无关"))
    return request


def requests_of(actor: Member, limit: int = 50) -> Sequence[ShareRequest]:
    """Return what the actor asked for and what they were asked, the newest first."""
    theirs = sa.or_(
        ShareRequest.asker_id == actor.id, ShareRequest.owner_id == actor.id, ShareRequest.manager_id == actor.id
    )
    found = sa.select(ShareRequest).where(theirs)
    return rows(found.order_by(ShareRequest.created_at.desc(), ShareRequest.id.desc()).limit(limit))


def customer_of(request: ShareRequest) -> Customer | None:
    """Return the customer that a request is about, under whichever id it is found now; for who may answer it."""
    return _customer(request)


def may_answer(request: ShareRequest, *, actor: Member) -> bool:
    """Say whether it is the actor's to answer: whose customer it is, or who looks after them."""
    customer = _customer(request)
    if customer is None or actor.id == request.asker_id:
        return False
    return actor.id == request.manager_id or may_by_right(customer, "edit", actor=actor)


def answer(request: ShareRequest, action: str, *, actor: Member) -> bool:
    """Answer a request (`ANSWERS`), once; says whether this call did it. Of two at once, one does.

    Raises Conflict where it cannot be done: the customer has as many co-workers as it may have.
    """
    state = ANSWERS.get(action)
    if state is None or not may_answer(request, actor=actor) or not _take(request, state, actor):
        return False
    customer, asker = _customer(request), member(request.asker_id)
    if customer is None or asker is None or not asker.is_active:
        request.state = OVER
    else:
        _grant(request, customer, asker, actor)
        record(
            "share.answered",
            request,
            actor=actor,
            customer_id=customer.id,
            name=customer.name,
            answer=request.state,
            asker=asker.id,
        )
        with in_language_of(asker):
            card = answered_card(request, customer=customer, decider=actor)
        tell(asker, ANSWERED, card, key=f"share:{request.id}:answered", subject_id=request.id)
    db.session.flush()
    return True


def _take(request: ShareRequest, state: str, actor: Member) -> bool:
    taken = db.session.execute(
        sa.update(ShareRequest)
        .where(ShareRequest.id == request.id, ShareRequest.state == OPEN)
        .values(state=state, is_open=None, decider_id=actor.id, decided_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(request)
    return bool(taken.rowcount == 1)  # type: ignore[attr-defined]


def _grant(request: ShareRequest, customer: Customer, asker: Member, actor: Member) -> None:
    owner = member(customer.owner_id) or actor
    decider = actor if may_by_right(customer, "edit", actor=actor) else owner  # a manager stands in for the owner here
    try:
        if request.state in (READ, EDIT) and customer.owner_id != asker.id:
            add_coworker(customer, asker, may_edit=request.state == EDIT, actor=decider, quietly=True)
        if request.state == HANDED:
            assign_customer(customer, asker.id, actor=actor, beyond_team=True)
    except (Invalid, Conflict) as error:
        raise Conflict({"answer": error.detail}) from None


def press(card: str, userid: str, action: str, *, fold: bool) -> Press | None:
    """Do what a button of a request's card says, for who may answer it; None for a card that is no request's."""
    notification = notification_with_card(card)
    if notification is None or notification.kind != ASKED:
        return None
    request = _request(notification.subject_id or "")
    presser = member_by_userid(userid, fold=fold)
    counted = False
    if request and presser and presser.is_active and presser.id == notification.recipient_id:
        counted = _try(request, action, presser)
    if counted:
        mark_acted(notification)
    if request and request.state != OPEN:
        _show_on(notification, request)
        show_settled(request, but=notification.id)
    return Press(notification, counted)


def _try(request: ShareRequest, action: str, presser: Member) -> bool:
    try:
        with db.session.begin_nested():
            return answer(request, action, actor=presser)
    except Problem:
        db.session.refresh(request)
        return False


def show_settled(request: ShareRequest, *, but: str = "") -> None:
    """Have the cards of a settled request show its answer in place of their buttons."""
    wanted = sa.select(Notification).where(Notification.subject_id == request.id, Notification.kind == ASKED)
    for notification in rows(wanted):
        if notification.id != but and (reader := member(notification.recipient_id)):
            with in_language_of(reader):
                refresh_card(notification, state_text(request))


def _show_on(notification: Notification, request: ShareRequest) -> None:
    if reader := member(notification.recipient_id):
        with in_language_of(reader):
            set_shown(notification, state_text(request))


def _request(request_id: str) -> ShareRequest | None:
    found: ShareRequest | None = first(sa.select(ShareRequest).where(ShareRequest.id == request_id))
    return found


def _customer(request: ShareRequest) -> Customer | None:
    customer_id = current_id(request.customer_id)
    found: Customer | None = first(sa.select(Customer).where(Customer.id == customer_id, Customer.deleted_at.is_(None)))
    return found
