"""Those who watch a customer or a task hear what others do with it, unless they hear of it anyway."""

from collections.abc import Iterable

import sqlalchemy as sa

from wsapp.crm.customers.queries import names_of
from wsapp.crm.events.kinds import KINDS
from wsapp.crm.events.models import Event
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import Card, in_language_of, link
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.queries import visible_events
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import names
from wsapp.crm.tasks.models import Task
from wsapp.crm.watches.queries import watchers_of
from wsapp.db import first, rows
from wsapp.texts import _

KIND = "watched.changed"
# What watchers hear of. Of a customer's tasks they hear only what ends one; who watches the task hears the rest.
ABOUT_CUSTOMER = frozenset(
    {
        "customer.changed",
        "customer.assigned",
        "customer.claimed",
        "customer.released",
        "customer.recycled",
        "follow_up.logged",
        "visit.checked_in",
        "task.done",
    }
)
ABOUT_TASK = frozenset(
    {"task.changed", "task.assigned", "task.done", "task.cancelled", "task.overdue", "task.escalated", "task.snoozed"}
)


def tell_watchers(event: Event) -> None:
    """Tell whoever watches what an event is about, once each."""
    task_id = event.subject_id if event.kind in ABOUT_TASK else None
    customer_id = event.customer_id if event.kind in ABOUT_CUSTOMER else None
    readers = {one.id: one for one in watchers_of(None, task_id)} if task_id else {}
    if customer_id:
        readers |= {one.id: one for one in watchers_of(customer_id, None) if _may_hear(one, event)}
    informed = _informed(event, readers) if readers else frozenset()
    for reader_id, reader in sorted(readers.items()):
        if reader_id not in informed:
            _tell(reader, event)


def _may_hear(reader: Member, event: Event) -> bool:
    """Who sees a customer need not see what is written about it: records are for whom their own rights reach."""
    return first(sa.select(Event.id).where(Event.id == event.id, visible_events(reader))) is not None


def _informed(event: Event, readers: Iterable[str]) -> frozenset[str]:
    """Whoever did it, was told of it (see the keys in `recipients`), or hears of it as one of the task's people."""
    keys = [f"event:{event.id}", *(f"event:{event.id}:{end}" for end in ("former", *readers))]
    told = rows(sa.select(Notification.recipient_id).where(Notification.key.in_(keys)))
    own = [event.actor_id]
    if event.kind in ("task.overdue", "task.escalated"):
        assignee = first(sa.select(Task.assignee_id).where(Task.id == event.subject_id))
        own += [assignee, event.data.get("leader")]
    return frozenset(one for one in (*told, *own) if one)


def _tell(reader: Member, event: Event) -> None:
    with in_language_of(reader):
        card = watched_card(event)
    tell(reader, KIND, card, key=f"event:{event.id}:watch:{reader.id}", subject_id=event.subject_id)


def watched_card(event: Event) -> Card:
    """Return the card that tells a watcher what happened: to which record, by whom. Contents are for the page."""
    who = names([event.actor_id]).get(event.actor_id or "", "") or _("系统")
    customer = names_of([event.customer_id]).get(event.customer_id or "", "")
    is_task = event.subject_type == Task.__tablename__
    what = str(event.data.get("title") or "") if is_task else customer
    lines = [[_("客户"), customer]] if customer and is_task else []
    path = f"/h5/tasks/{event.subject_id}" if is_task else f"/h5/customers/{event.customer_id}"
    return {
        "title": _("%(what)s：%(name)s", what=_words(event), name=what)[:120],
        "text": "",
        "lines": [*lines, [_("操作人"), who]],
        "url": link(path),
        "buttons": [],
        "source": _("我的关注"),
        "state": "",
    }


def _words(event: Event) -> str:
    return str(KINDS[event.kind])
