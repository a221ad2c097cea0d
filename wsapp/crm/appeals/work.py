"""Handing a task over with acceptance (转交待办), and more time for an overdue one (请求延期)."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.appeals.asking import appeal_by_id, ask, clean_note
from wsapp.crm.appeals.cards import waiting_card
from wsapp.crm.appeals.models import DELAY, OFFER, OPEN, Appeal
from wsapp.crm.appeals.parties import task_of
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import names_of, visible_customers
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import in_language_of
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member
from wsapp.crm.pools.requests import reader_of
from wsapp.crm.tasks.actions import change_task, may_work_on
from wsapp.crm.tasks.clean import MAX_AHEAD
from wsapp.crm.tasks.handing import take_over
from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.queries import find_task
from wsapp.db import first
from wsapp.problems import Conflict, Forbidden, Invalid
from wsapp.texts import _

WAITING = "offer.waiting"  # kind of messages
OVERDUE_PATIENCE = timedelta(days=1)  # how long an answer is waited for where the task is due already


class Unseen(Invalid):
    """The colleague does not see the task's customer: said before anything is asked. `person` is their name."""

    def __init__(self, person: Member, customer: str) -> None:
        words = _("%(who)s 看不到客户“%(name)s”：可以先请求协助，或仍然转交", who=person.name, name=customer)
        super().__init__({"person": words})
        self.person = person


# --- taking a task over -------------------------------------------------------------------------------------------


def offer_task(task_id: str, person_id: str, *, actor: Member, note: str = "", anyway: bool = False) -> Appeal:
    """Ask a colleague to take one's own task over. Until they accept, it stays where it is.

    Raises NotFound; Forbidden for anybody but the assignee; Invalid for whoever cannot take it; Unseen, unless
    `anyway`, for who does not see its customer; Conflict when somebody was asked already.
    """
    task = _own_task(task_id, actor)
    person = member(person_id)
    if person is None or not person.is_active or person.id == actor.id:
        raise Invalid({"person": _("请选择自己以外的在职同事")})
    note = clean_note(note)
    if task.customer_id and not anyway and not _sees(person, task.customer_id):
        raise Unseen(person, names_of([task.customer_id]).get(task.customer_id, ""))
    appeal = ask(OFFER, task, person, actor=actor, note=note)
    overdue = task.overdue_from <= clock.now()
    due_at = clock.now() + OVERDUE_PATIENCE if overdue else task.overdue_from
    outbox.enqueue("offer.wait", {"appeal": appeal.id}, key=f"offer:{appeal.id}", due_at=due_at)
    return appeal


def _sees(person: Member, customer_id: str) -> bool:
    return first(sa.select(Customer.id).where(Customer.id == customer_id, visible_customers(person))) is not None


def _own_task(task_id: str, actor: Member) -> Task:
    task = find_task(task_id, actor=actor)
    if task.assignee_id != actor.id:
        raise Forbidden(_("只有待办的负责人可以这样做"))
    if not task.is_open:
        raise Invalid({"": _("这条待办已经处理过了")})
    return task


def tell_of_waiting(appeal_id: str) -> None:
    """The task is due and nobody has answered: whoever offered it hears so, once. The offer stands."""
    appeal = appeal_by_id(appeal_id)
    task = task_of(appeal) if appeal is not None and appeal.state == OPEN else None
    asker = member(appeal.asker_id) if appeal else None
    if appeal is None or task is None or asker is None or not task.is_open or task.assignee_id != asker.id:
        return
    with in_language_of(asker):
        card = waiting_card(appeal, task)
    tell(asker, WAITING, card, key=f"appeal:{appeal.id}:waiting", subject_id=appeal.id)


def accept_task(appeal: Appeal) -> None:
    """Give the task to who accepted it. Raises Conflict when it went elsewhere at the same moment."""
    task, taker = task_of(appeal), member(appeal.reader_id)
    if task is None or taker is None or not take_over(task, taker):
        raise Conflict({"answer": _("这条待办已经处理过了")})


# --- more time ----------------------------------------------------------------------------------------------------


def ask_for_time(task_id: str, due_at: datetime | None, *, actor: Member, note: str = "") -> Appeal:
    """Ask one's leader for another date for an overdue task (请求延期).

    Raises NotFound; Forbidden for anybody but the assignee; Invalid; Conflict when it was asked for already.
    """
    task = _own_task(task_id, actor)
    if not task.is_overdue:
        raise Invalid({"": _("这条待办还没有逾期，可以直接改期")})
    if due_at is None or not clock.now() < due_at < clock.now() + MAX_AHEAD:
        raise Invalid({"due_at": _("请选择今后的时间")})
    facts = {"due_at": due_at.isoformat()}
    return ask(DELAY, task, reader_of(actor), actor=actor, note=clean_note(note, required=True), facts=facts)


def grant_time(appeal: Appeal, *, actor: Member) -> None:
    """Move the task to the date that was asked for. Raises Conflict where it is over by now."""
    task, asker = task_of(appeal), member(appeal.asker_id)
    due_at = datetime.fromisoformat(appeal.facts["due_at"])
    if task is None or asker is None or due_at <= clock.now():
        raise Conflict({"answer": _("申请的时间已经过去，请重新申请")})
    change_task(task, {"due_at": due_at}, actor=actor if may_work_on(task, actor) else asker)
