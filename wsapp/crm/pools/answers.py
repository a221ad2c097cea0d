"""How requests of owners end: the manager's answer on a card or a page, and what then happens."""

from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import current_id
from wsapp.crm.events.actions import record
from wsapp.crm.notifications.actions import mark_acted, notification_with_card, refresh_card, set_shown, tell
from wsapp.crm.notifications.messages import in_language_of
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.reminders import Press
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member, member_by_userid
from wsapp.crm.pools.clock_cards import EXTEND, GRANT, REFUSE, answered_card, state_text
from wsapp.crm.pools.extensions import WARNING, ask_for_extension, grant_extension, still_runs
from wsapp.crm.pools.models import GRANTED, KEEP, OPEN, OVER, REFUSED, OwnerRequest
from wsapp.crm.pools.releases import grant_release
from wsapp.crm.pools.requests import ANSWERED, ASKED, may_decide, request_by_id
from wsapp.db import db, first, rows
from wsapp.problems import Problem
from wsapp.texts import _

ANSWERS = {GRANT: GRANTED, REFUSE: REFUSED}


def decide(request: OwnerRequest, action: str, *, actor: Member) -> bool:
    """Answer a request (GRANT or REFUSE), once; says whether this call did it. Of two at once, one does."""
    state = ANSWERS.get(action)
    if state is None or not may_decide(request, actor=actor):
        return False
    taken = db.session.execute(
        sa.update(OwnerRequest)
        .where(OwnerRequest.id == request.id, OwnerRequest.state == OPEN)
        .values(state=state, is_open=None, decider_id=actor.id, decided_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(request)
    if taken.rowcount != 1:  # type: ignore[attr-defined]
        return False
    if _is_done(request):
        _tell_answer(request, actor)
    else:
        request.state = OVER
    db.session.flush()
    return True


def _is_done(request: OwnerRequest) -> bool:
    """Do what was granted; says whether the customer is still the asker's, and there was something to decide."""
    if request.wish == KEEP:
        return grant_extension(request) if request.state == GRANTED else still_runs(request)
    return grant_release(request) if request.state == GRANTED else _is_theirs(request)


def _is_theirs(request: OwnerRequest) -> bool:
    owner = sa.select(Customer.owner_id).where(
        Customer.id == current_id(request.customer_id), Customer.deleted_at.is_(None)
    )
    return bool(db.session.scalar(owner) == request.owner_id)


def _tell_answer(request: OwnerRequest, actor: Member) -> None:
    name: str = first(sa.select(Customer.name).where(Customer.id == current_id(request.customer_id))) or ""
    facts: dict[str, Any] = {"name": name, "answer": request.state}
    if request.wish == KEEP:
        facts["until"] = str(request.kept_until or "")
    record(ANSWERED[request.wish], request, actor=actor, customer_id=request.customer_id, **facts)
    owner = member(request.owner_id)
    if owner is not None:
        with in_language_of(owner):
            card = answered_card(request, customer=name, decider=actor)
        key = f"{request.wish}:{request.id}:answered"
        tell(owner, ANSWERED[request.wish], card, key=key, subject_id=request.id)


def show_decided(request: OwnerRequest) -> None:
    """Have the cards of a settled request show its answer in place of their buttons."""
    wanted = sa.select(Notification).where(
        Notification.subject_id == request.id, Notification.kind == ASKED[request.wish]
    )
    for notification in rows(wanted):
        if reader := member(notification.recipient_id):
            with in_language_of(reader):
                refresh_card(notification, state_text(request))


# --- on cards -----------------------------------------------------------------------------------------------------


def press(card: str, userid: str, action: str, *, fold: bool) -> Press | None:
    """Do what a button of a warning or a request says, for whom it was sent to; None for any other card."""
    notification = notification_with_card(card)
    if notification is None or notification.kind not in (WARNING, *ASKED.values()):
        return None
    presser = member_by_userid(userid, fold=fold)
    if presser is None or not presser.is_active or presser.id != notification.recipient_id:
        return Press(notification, False)
    if notification.kind == WARNING:
        return Press(notification, _press_warning(notification, action, presser))
    request = request_by_id(notification.subject_id or "")
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
