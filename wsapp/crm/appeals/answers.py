"""How appeals are answered: on the card or on the page, once, and what then happens."""

from typing import Any

from wsapp.crm.appeals.asking import ANSWERED, ASKED, appeal_by_id, clean_note, settle, show_settled
from wsapp.crm.appeals.cards import GRANT, REFUSE, answered_card, state_text
from wsapp.crm.appeals.help import begin_help
from wsapp.crm.appeals.models import DELAY, GRANTED, HELP, OFFER, OPEN, OVER, REFUSED, Appeal
from wsapp.crm.appeals.parties import customer_of, is_left, may_answer, task_of
from wsapp.crm.appeals.places import grant_place
from wsapp.crm.appeals.work import accept_task, grant_time
from wsapp.crm.events.actions import record
from wsapp.crm.notifications.actions import mark_acted, notification_with_card, set_shown, tell
from wsapp.crm.notifications.messages import in_language_of
from wsapp.crm.notifications.reminders import Press
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member, member_by_userid
from wsapp.db import db
from wsapp.problems import Problem

STATES = {GRANT: GRANTED, REFUSE: REFUSED}


def answer(appeal: Appeal, action: str, *, actor: Member, reason: str = "") -> bool:
    """Answer an appeal (GRANT or REFUSE), once; says whether this call did it. Of two at once, one does.

    Rights are asked again now. Raises Conflict where what was granted cannot be done.
    """
    state = STATES.get(action)
    reason = clean_note(reason) if state == REFUSED else ""
    if state is None or not may_answer(appeal, actor=actor):
        return False
    if not settle(appeal, state, decider=actor, reason=reason):
        return False
    if not is_left(appeal):
        appeal.state = OVER
    elif state == GRANTED:
        _do(appeal, actor)
    if appeal.state != OVER:
        _tell(appeal, actor)
    db.session.flush()
    return True


def _do(appeal: Appeal, actor: Member) -> None:
    if appeal.wish == HELP:
        begin_help(appeal)
    elif appeal.wish == OFFER:
        accept_task(appeal)
    elif appeal.wish == DELAY:
        grant_time(appeal, actor=actor)
    else:
        grant_place(appeal, actor=actor)


def _tell(appeal: Appeal, actor: Member) -> None:
    """Record the answer; the asker hears, and of a new co-worker the owner in whose name they were asked."""
    about = task_of(appeal) or customer_of(appeal)
    if about is None:
        return
    facts: dict[str, Any] = {"wish": appeal.wish, "answer": appeal.state, "asker": appeal.asker_id}
    record("appeal.answered", about, actor=actor, customer_id=appeal.customer_id, **facts)
    readers = [appeal.asker_id]
    if appeal.wish == HELP and appeal.state == GRANTED and appeal.owner_id not in (None, appeal.asker_id):
        readers.append(str(appeal.owner_id))
    for reader in filter(None, map(member, readers)):
        with in_language_of(reader):
            card = answered_card(appeal, about=about, decider=actor, reader=reader)
        key = f"appeal:{appeal.id}:answered:{reader.id}"
        tell(reader, ANSWERED[appeal.wish], card, key=key, subject_id=appeal.id)


# --- on cards -----------------------------------------------------------------------------------------------------


def press(card: str, userid: str, action: str, *, fold: bool) -> Press | None:
    """Do what a button of an appeal's card says, for whom it was sent to; None for any other card."""
    notification = notification_with_card(card)
    if notification is None or notification.kind not in ASKED.values():
        return None
    appeal, presser = appeal_by_id(notification.subject_id or ""), member_by_userid(userid, fold=fold)
    if appeal is None or presser is None or not presser.is_active or presser.id != notification.recipient_id:
        return Press(notification, False)
    counted = _try(appeal, action, presser)
    if counted:
        mark_acted(notification)
    if appeal.state != OPEN:
        with in_language_of(presser):
            set_shown(notification, state_text(appeal))
        show_settled(appeal, but=notification.id)
    return Press(notification, counted)


def _try(appeal: Appeal, action: str, presser: Member) -> bool:
    try:
        with db.session.begin_nested(), in_language_of(presser):
            return answer(appeal, action, actor=presser)
    except Problem:
        db.session.refresh(appeal)
        return False
