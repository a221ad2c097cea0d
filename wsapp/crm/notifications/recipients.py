"""Who hears of what: one `case` an event, on one screen."""

from collections.abc import Sequence

import sqlalchemy as sa

from wsapp.crm.customers.leads import NEW, OWNER
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import names_of
from wsapp.crm.customers.rules import response_time
from wsapp.crm.events.models import Event
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.book_cards import lead_card, shared_card
from wsapp.crm.notifications.comment_cards import tell_named
from wsapp.crm.notifications.ladder_cards import asked_card
from wsapp.crm.notifications.messages import (
    customer_card,
    directory_card,
    handed_over_card,
    in_language_of,
    leaver_card,
    task_card,
    unlinked_card,
    unusual_card,
    visit_card,
)
from wsapp.crm.notifications.reminders import refresh_task_cards
from wsapp.crm.notifications.visit_cards import tell_of_arrival, tell_of_plan
from wsapp.crm.notifications.watchers import tell_watchers
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import administrators, manager_of, member
from wsapp.crm.tasks.models import DOING, OPEN, Task
from wsapp.db import db, first
from wsapp.texts import _


def on_event(event: Event) -> None:
    """Tell whoever an event concerns."""
    match event.kind:
        case "visit.checked_in":
            _tell_manager_of_visit(event)
            tell_of_arrival(event)
        case "visit.planned" | "visit.replanned" | "visit.set_out" | "visit.cancelled" | "visit.missed":
            tell_of_plan(event)
        case "task.assigned" if not event.data.get("together"):
            _tell_both_of_assignment(event)
        case "customer.assigned" if not event.data.get("together"):
            _tell_both_of_customer(event)
        case "member.left":
            _ask_for_handover(event)
        case "customer.recycled" if not event.data.get("together"):
            _tell_former_owner(event)
        case "customer.claimed" | "customer.released":
            _tell_managers_of_pool(event)
        case "task.done" | "task.cancelled" | "task.snoozed":
            refresh_task_cards(_task(event))
        case "task.asked":
            _tell_of_question(event)
        case "task.unlinked":
            _ask_about_deletion(event)
        case "customer.shared" if event.data.get("before") is None and not event.data.get("together"):
            _tell_coworker(event)
        case "lead.unanswered":
            _tell_of_waiting_lead(event)
        case "directory.held" | "directory.asking":
            _tell_administrators(event)
        case "member.reveals_unusual" | "member.exports_unusual":
            _tell_of_unusual(event)
        case "directory.failed" if event.data.get("cause") not in WAITED_FOR:
            _tell_administrators(event)
    if event.data.get("named"):
        tell_named(event)
    tell_watchers(event)


WAITED_FOR = ("console", "command")  # directory runs that somebody looks on at


def _tell_administrators(event: Event) -> None:
    for reader in administrators():
        with in_language_of(reader):
            card = directory_card(event.kind, event.data)
        tell(reader, event.kind, card, key=f"event:{event.id}:{reader.id}", subject_id=event.subject_id)


def _tell_of_unusual(event: Event) -> None:
    """The other administrators hear of it, whoever it is."""
    for reader in administrators():
        if reader.id == event.subject_id:
            continue
        with in_language_of(reader):
            card = unusual_card(event.kind, event.subject_id, name=event.data["name"], count=event.data["count"])
        tell(reader, event.kind, card, key=f"event:{event.id}:{reader.id}", subject_id=event.subject_id)


def _task(event: Event) -> Task:
    return first(sa.select(Task).where(Task.id == event.subject_id))


def _tell_manager_of_visit(event: Event) -> None:
    author = member(event.actor_id)
    manager = author and manager_of(author)
    if not author or not manager or manager.id in event.data.get("named", ()):
        return
    with in_language_of(manager):
        card = visit_card(
            event.subject_id,
            author=author.name,
            customer=names_of([event.customer_id]).get(event.customer_id or "", ""),
            text=event.data.get("text", ""),
            trust=event.data["trust"],
            distance=event.data.get("distance"),
            reader=manager,
        )
    tell(manager, event.kind, card, key=f"event:{event.id}", subject_id=event.subject_id)


def _tell_both_of_assignment(event: Event) -> None:
    task = _task(event)
    taker, giver, former = member(event.data["assignee"]), member(event.actor_id), member(event.data.get("before"))
    if taker and taker.id != event.actor_id and task.is_open and task.assignee_id == taker.id:
        with in_language_of(taker):
            card = task_card(task, kind="assigned", reader=taker)
        tell(taker, event.kind, card, key=f"event:{event.id}", subject_id=task.id, task_ids=[task.id])
    if former and taker and giver and former.id not in (giver.id, taker.id):
        with in_language_of(former):
            card = handed_over_card(task, giver=giver.name, taker=taker.name, reader=former)
        tell(former, "task.handed_over", card, key=f"event:{event.id}:former", subject_id=task.id)


def _tell_both_of_customer(event: Event) -> None:
    customer_id = event.customer_id or ""
    name = names_of([customer_id]).get(customer_id, "")
    taker, giver, former = member(event.data.get("owner")), member(event.actor_id), member(event.data.get("before"))
    if taker and taker.id != event.actor_id:
        with in_language_of(taker):
            title = _("%(giver)s 把客户分配给您：%(name)s", giver=giver.name if giver else _("系统"), name=name)
            card = customer_card(customer_id, name, title=title, lines=[])
        tell(taker, event.kind, card, key=f"event:{event.id}", subject_id=customer_id)
    if former and taker and former.id not in (event.actor_id, taker.id):
        with in_language_of(former):
            title = _("您的客户已转给 %(taker)s：%(name)s", taker=taker.name, name=name)
            card = customer_card(customer_id, name, title=title, lines=[], path="/h5/customers")
        tell(former, "customer.lost", card, key=f"event:{event.id}:former", subject_id=customer_id)


def _ask_for_handover(event: Event) -> None:
    """Somebody left: whoever looks after them is asked to hand their customers and tasks over."""
    leaver: Member | None = first(sa.select(Member).where(Member.id == event.subject_id))
    if leaver is None:
        return
    left = what_is_left(leaver.id)
    if not any(left):
        return
    manager = manager_of(leaver)
    readers: Sequence[Member] = [manager] if manager else administrators()
    for reader in readers:
        with in_language_of(reader):
            card = leaver_card(leaver, customers=left[0], tasks=left[1])
        tell(reader, "member.left", card, key=f"event:{event.id}:{reader.id}", subject_id=leaver.id)


def what_is_left(member_id: str) -> tuple[int, int]:
    """Return how many customers and open tasks somebody has."""
    customers = sa.select(sa.func.count()).select_from(Customer)
    tasks = sa.select(sa.func.count()).select_from(Task)
    return (
        db.session.scalar(customers.where(Customer.owner_id == member_id, Customer.deleted_at.is_(None))) or 0,
        db.session.scalar(tasks.where(Task.assignee_id == member_id, Task.state.in_((OPEN, DOING)))) or 0,
    )


def _tell_former_owner(event: Event) -> None:
    customer_id = event.customer_id or ""
    former = member(event.data.get("before"))
    if former is None:
        return
    name = names_of([customer_id]).get(customer_id, "")
    with in_language_of(former):
        title = _("客户已回收到公海：%(name)s", name=name)
        lines = [[_("原因"), str(event.data.get("reason", ""))]]
        card = customer_card(customer_id, name, title=title, lines=lines, path="/h5/pool")
    tell(former, "customer.lost", card, key=f"event:{event.id}", subject_id=customer_id)


def _tell_managers_of_pool(event: Event) -> None:
    customer_id, data = event.customer_id or "", event.data
    doer = member(event.actor_id)
    name = names_of([customer_id]).get(customer_id, "")
    for reader in filter(None, map(member, data.get("managers", ()))):
        if doer is None or reader.id == doer.id or not reader.is_active:
            continue
        with in_language_of(reader):
            words = {"who": doer.name, "pool": data["pool_name"], "name": name}
            if event.kind == "customer.claimed":
                title, lines = _("%(who)s 从%(pool)s领取了 %(name)s", **words), []
            else:
                title, lines = _("%(who)s 退回%(pool)s：%(name)s", **words), [[_("原因"), data["reason"]]]
            card = customer_card(customer_id, name, title=title, lines=lines, path="/h5/pool")
        kind = event.kind.replace("customer", "pool")
        tell(reader, kind, card, key=f"event:{event.id}:{reader.id}", subject_id=customer_id)


def _tell_of_question(event: Event) -> None:
    task, asker = _task(event), member(event.actor_id)
    reader = member(task.assignee_id)
    if reader is None or asker is None or not task.is_open:
        return
    with in_language_of(reader):
        card = asked_card(task, asker=asker.name, reader=reader)
    tell(reader, event.kind, card, key=f"event:{event.id}", subject_id=task.id, task_ids=[task.id])


def _tell_coworker(event: Event) -> None:
    reader, giver = member(event.data["member"]), member(event.actor_id)
    if reader is None or event.customer_id is None or reader.id == event.actor_id:
        return
    customer = names_of([event.customer_id]).get(event.customer_id, "")
    with in_language_of(reader):
        card = shared_card(
            event.customer_id,
            customer=customer,
            giver=giver.name if giver else "",
            may_edit=event.data["may_edit"],
        )
    tell(reader, event.kind, card, key=f"event:{event.id}", subject_id=event.customer_id)


def _tell_of_waiting_lead(event: Event) -> None:
    """The owner hears first, and when they let as much time pass again their manager does."""
    customer: Customer | None = first(sa.select(Customer).where(Customer.id == event.subject_id))
    owner = member(customer.owner_id) if customer else None
    if customer is None or owner is None or customer.lead != NEW:
        return
    to_owner = event.data["step"] == OWNER
    reader = owner if to_owner else manager_of(owner)
    if reader is None:
        return
    minutes = int(response_time().total_seconds() // 60)
    with in_language_of(reader):
        card = lead_card(customer.id, customer=customer.name, minutes=minutes, owner="" if to_owner else owner.name)
    kind = event.kind if to_owner else "team.lead"
    tell(reader, kind, card, key=f"event:{event.id}", subject_id=customer.id)


def _ask_about_deletion(event: Event) -> None:
    """The assignee deleted the task in the host's own list: it stays, and the page asks what they want."""
    task, reader = _task(event), member(event.actor_id)
    if reader is None or not task.is_open or task.assignee_id != reader.id:
        return
    with in_language_of(reader):
        card = unlinked_card(task, in_calendar=event.data.get("list") == "entry", reader=reader)
    tell(reader, event.kind, card, key=f"event:{event.id}", subject_id=task.id)
