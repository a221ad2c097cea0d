"""Asking: writing an appeal down, telling whoever is to answer, finding it again, taking it back."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.appeals.cards import asked_card, state_text
from wsapp.crm.appeals.models import MOVE, OPEN, OVER, WITHDRAWN, Appeal
from wsapp.crm.appeals.parties import may_answer
from wsapp.crm.customers.clean import clean_line
from wsapp.crm.customers.models import Customer
from wsapp.crm.events.actions import record
from wsapp.crm.notifications.actions import refresh_card, suppress_planned, tell
from wsapp.crm.notifications.messages import in_language_of
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member
from wsapp.crm.tasks.models import Task
from wsapp.db import current_corp, db, first, insert_unless_there, new_id, rows
from wsapp.problems import Conflict, Invalid, NotFound
from wsapp.texts import _

MOST_NOTE = 200
ASKED = {wish: f"{wish}.asked" for wish in ("help", "offer", "delay", "move")}  # kinds of messages
ANSWERED = {wish: f"{wish}.answered" for wish in ASKED}


def clean_note(text: str, *, required: bool = False) -> str:
    """Return what somebody says to whom they ask. Raises Invalid."""
    note = clean_line(text)
    if len(note) > MOST_NOTE:
        raise Invalid({"note": _("最多 %(most)d 个字", most=MOST_NOTE)})
    if required and not note:
        raise Invalid({"note": _("请写一句说明")})
    return note


def ask(
    wish: str,
    about: Customer | Task,
    reader: Member,
    *,
    actor: Member,
    note: str = "",
    facts: Mapping[str, Any] | None = None,
    each: bool = False,
) -> Appeal:
    """Write down that the actor asks `reader` for something, and tell them.

    One at a time for each record; with `each`, for each record and reader. Raises Conflict when one is open.
    """
    appeal_id, is_task = new_id(), isinstance(about, Task)
    customer_id = about.customer_id if isinstance(about, Task) else about.id
    values = {
        "corp_id": current_corp(),
        "id": appeal_id,
        "wish": wish,
        "customer_id": customer_id,
        "task_id": about.id if is_task else None,
        "asker_id": actor.id,
        "reader_id": reader.id,
        "owner_id": about.assignee_id if isinstance(about, Task) else about.owner_id,
        "note": note,
        "reason": "",
        "facts": dict(facts or {}),
        "guard": ":".join([wish, about.id, *([reader.id] if each else [])]),
        "state": OPEN,
        "created_at": clock.now(),
    }
    if not insert_unless_there(Appeal, values):
        raise Conflict({"": _("已经请求过，请等待答复")})
    appeal = appeal_by_id(appeal_id)
    assert appeal is not None
    record("appeal.asked", about, actor=actor, customer_id=customer_id, wish=wish, member=reader.id)
    with in_language_of(reader):
        card = asked_card(appeal, about=about, asker=actor, reader=reader)
    tell(reader, ASKED[wish], card, key=f"appeal:{appeal.id}", subject_id=appeal.id)
    return appeal


# --- finding ------------------------------------------------------------------------------------------------------


def appeal_by_id(appeal_id: str) -> Appeal | None:
    """Return an appeal, whoever asks; None where there is none."""
    found: Appeal | None = first(sa.select(Appeal).where(Appeal.id == appeal_id))
    return found


def find_appeal(appeal_id: str, *, actor: Member) -> Appeal:
    """Return an appeal that the actor made or may answer; raises NotFound for all others."""
    appeal = appeal_by_id(appeal_id)
    parties = (appeal.asker_id, appeal.reader_id) if appeal else ()
    if appeal is None or (actor.id not in parties and not may_answer(appeal, actor=actor)):
        raise NotFound(_("请求不存在或与您无关"))
    return appeal


def appeals_of(actor: Member, limit: int = 50) -> Sequence[Appeal]:
    """Return what the actor asked for and what they were asked, the newest first."""
    theirs = sa.select(Appeal).where(sa.or_(Appeal.asker_id == actor.id, Appeal.reader_id == actor.id))
    return rows(theirs.order_by(Appeal.created_at.desc(), Appeal.id.desc()).limit(limit))


def open_about(customer_id: str, *wishes: str) -> Sequence[Appeal]:
    """Return what is asked about a customer itself and not answered yet, the oldest first."""
    waiting = sa.select(Appeal).where(
        Appeal.customer_id == customer_id, Appeal.task_id.is_(None), Appeal.state == OPEN, Appeal.wish.in_(wishes)
    )
    return rows(waiting.order_by(Appeal.created_at, Appeal.id))


def open_of_task(task_id: str) -> Sequence[Appeal]:
    """Return what is asked about a task and not answered yet, the oldest first."""
    waiting = sa.select(Appeal).where(Appeal.task_id == task_id, Appeal.state == OPEN)
    return rows(waiting.order_by(Appeal.created_at, Appeal.id))


# --- ending without an answer -------------------------------------------------------------------------------------


def withdraw(appeal: Appeal, *, actor: Member) -> bool:
    """Take one's own appeal back (撤回); says whether nobody had answered yet."""
    if appeal.asker_id != actor.id or not settle(appeal, WITHDRAWN, decider=actor):
        return False
    show_settled(appeal)
    return True


def give_up(appeal: Appeal) -> bool:
    """End an appeal about which there is nothing left to decide; says whether it was open."""
    if not settle(appeal, OVER):
        return False
    show_settled(appeal)
    return True


def settle(appeal: Appeal, state: str, *, decider: Member | None = None, reason: str = "") -> bool:
    """End an open appeal, and say whether this call did it: of two at once, one does."""
    values = {"state": state, "guard": None, "decided_at": clock.now(), "reason": reason}
    ended = sa.update(Appeal).where(Appeal.id == appeal.id, Appeal.state == OPEN)
    done = db.session.execute(
        ended.values(decider_id=decider.id if decider else None, **values).execution_options(synchronize_session=False)
    )
    db.session.refresh(appeal)
    return bool(done.rowcount == 1)  # type: ignore[attr-defined]


def show_settled(appeal: Appeal, *, but: str = "") -> None:
    """Have the cards of a settled appeal show its answer in place of their buttons; what did not go out yet stays."""
    suppress_planned(appeal.id, _("请求已处理"), kinds=list(ASKED.values()))
    wanted = sa.select(Notification).where(
        Notification.subject_id == appeal.id, Notification.kind == ASKED[appeal.wish]
    )
    for notification in rows(wanted):
        if notification.id != but and (reader := member(notification.recipient_id)):
            with in_language_of(reader):
                refresh_card(notification, state_text(appeal))


def replace_own_move(customer_id: str, *, actor: Member) -> None:
    """Take the actor's own open request for another place back: the newer one counts."""
    for appeal in open_about(customer_id, MOVE):
        withdraw(appeal, actor=actor)
