"""What people do with tasks: create, change, hand over, snooze, finish, cancel."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.clean import clean_line
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.events.actions import record
from wsapp.crm.events.models import Event
from wsapp.crm.fields.access import demand_writable
from wsapp.crm.fields.carriers import custom_after, custom_of_new, differences
from wsapp.crm.fields.values import keep_findable
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import manager_of, may_see_member, member
from wsapp.crm.org.rights import demand, may
from wsapp.crm.tasks.clean import clean_task
from wsapp.crm.tasks.models import CANCELLED, DONE, OPEN, Task
from wsapp.crm.tasks.reminders import drop_reminders, plan_reminders, plan_snooze
from wsapp.crm.tasks.repeat_fields import demand_next, with_rule
from wsapp.crm.tasks.series import make_next
from wsapp.db import db, first, new_id, rows
from wsapp.house import local_now
from wsapp.problems import Forbidden, Invalid, NotFound, Stale
from wsapp.texts import _
from wsapp.versions import take_version

BY_HAND = ("manual", "robot")  # other sources are a part of what somebody was allowed to do already
ASK_AGAIN = timedelta(hours=1)  # how soon somebody may be asked about a task once more
MAX_SNOOZE = timedelta(days=90)
REPEAT = ("repeat", "repeat_every", "repeat_days")  # what a series runs by: with it begins another one


def create_task(
    values: Mapping[str, Any], *, actor: Member, source: str = "manual", source_id: str | None = None
) -> Task:
    """Create a task (新建待办) for the actor, somebody of their team, or their own manager; plans its reminders.

    Raises Invalid.
    """
    if source in BY_HAND:
        demand(actor, "create", actor.id, obj="task")
    clean = clean_task(values, whole=True)
    demand_next(clean)
    customer = _customer(values, actor=actor)
    assignee = _assignee(values.get("assignee"), actor=actor) or actor
    # What the program makes (a next date, a repeat) has no form in which the corp's own fields could be filled in.
    parent = customer.custom if customer else None
    custom = custom_of_new("task", values, clean, actor=actor, parent=parent) if source == "manual" else {}
    now = clock.now()
    task = Task(
        **clean,
        custom=custom,
        id=new_id(),
        customer_id=customer.id if customer else None,
        assignee_id=assignee.id,
        creator_id=actor.id,
        state=OPEN,
        source=source,
        source_id=source_id,
        created_at=now,
        updated_at=now,
        version=1,
    )
    if task.repeat:
        task.series_id = task.id
    db.session.add(task)
    db.session.flush()
    keep_findable("task", task.id, custom)
    plan_reminders(task)
    _move_next_date(task, customer)
    record("task.created", task, actor=actor, customer_id=task.customer_id, title=task.title)
    if assignee.id != actor.id:
        record("task.assigned", task, actor=actor, customer_id=task.customer_id, assignee=assignee.id, before=None)
    return task


def _customer(values: Mapping[str, Any], *, actor: Member) -> Customer | None:
    customer_id = values.get("customer")
    if not customer_id:
        return None
    try:
        return find_customer(str(customer_id), actor=actor)
    except NotFound as error:
        raise Invalid({"customer": error.detail}) from None


def _assignee(member_id: str | None, *, actor: Member) -> Member | None:
    if not member_id:
        return None
    assignee = member(member_id)
    if assignee is None or not assignee.is_active:
        raise Invalid({"assignee": _("找不到这位成员，或已离职")})
    if not may_see_member(actor, assignee.id):
        above = manager_of(actor)
        if above is None or above.id != assignee.id:
            raise Invalid({"assignee": _("只能交给自己团队的成员或自己的主管")})
    return assignee


def _move_next_date(task: Task, customer: Customer | None) -> None:
    if customer is not None:
        keep_next_date(customer)


def keep_next_date(customer: Customer) -> None:
    """Keep the customer's next date equal to its soonest open follow-up, visit or call."""
    soonest = first(
        sa.select(sa.func.min(Task.due_at)).where(
            Task.customer_id == customer.id,
            Task.state.in_((OPEN, "doing")),
            Task.kind.in_(("follow_up", "visit", "call")),
        )
    )
    customer.next_follow_at = soonest


def _customer_of(task: Task) -> Customer | None:
    return first(sa.select(Customer).where(Customer.id == task.customer_id)) if task.customer_id else None


def may_work_on(task: Task, actor: Member) -> bool:
    """Say whether the actor may finish, snooze or change a task: its assignee, its creator, or who looks after them."""
    return actor.id in (task.assignee_id, task.creator_id) or may(actor, "edit", task.assignee_id, obj="task")


def _demand(task: Task, actor: Member) -> None:
    if not may_work_on(task, actor):
        raise Forbidden(_("只有负责人、创建人或其主管可以操作这条待办"))


def change_task(task: Task, values: Mapping[str, Any], *, actor: Member, version: int | None = None) -> Task:
    """Change the given fields of a task (修改待办) and plan its reminders anew. Raises Stale, Invalid, Forbidden."""
    _demand(task, actor)
    demand(actor, "edit", actor.id, obj="task")
    demand_writable(actor, [field for field in ("note",) if field in values], "task")
    if "all_day" not in values and task.all_day and "due_at" in values:
        values = {**values, "all_day": task.all_day}
    if values.get("all_day") and "due_at" not in values:
        values = {**values, "due_at": task.due_at}
    clean = clean_task(with_rule(values, task), whole=False)
    demand_next(clean, task)
    if "customer" in values:
        customer = _customer(values, actor=actor)
        clean["customer_id"] = customer.id if customer else None
    before_assignee = task.assignee_id
    if values.get("assignee"):
        clean["assignee_id"] = (_assignee(values["assignee"], actor=actor) or actor).id
    changes = {field: [getattr(task, field), value] for field, value in clean.items() if getattr(task, field) != value}
    had, custom = custom_after("task", task, values, clean, actor=actor)
    changes |= differences(had, custom)
    if version is not None and version != task.version:
        raise Stale(
            _("该待办刚被他人修改，请核对后再保存"),
            record=task,
            changes={field: (before, after) for field, (before, after) in changes.items()},
        )
    if not changes:
        return task
    _take_version(task, changes)
    for field, value in clean.items():
        setattr(task, field, value)
    task.custom = custom
    keep_findable("task", task.id, custom, had)
    if task.repeat and (not task.series_id or any(field in changes for field in REPEAT)):
        task.series_id, task.repeat_number = task.id, 1
    if "due_at" in changes:
        task.snoozed_until = None
    task.updated_at = clock.now()
    plan_reminders(task)
    _move_next_date(task, _customer_of(task))
    record("task.changed", task, actor=actor, customer_id=task.customer_id, changes=_as_json(changes), title=task.title)
    if task.assignee_id != before_assignee:
        record(
            "task.assigned",
            task,
            actor=actor,
            customer_id=task.customer_id,
            assignee=task.assignee_id,
            before=before_assignee,
        )
    return task


def _as_json(changes: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {
        field: [value.isoformat() if isinstance(value, datetime) else value for value in pair]
        for field, pair in changes.items()
    }


def _take_version(task: Task, changes: dict[str, list[Any]]) -> None:
    if not take_version(task):
        raise Stale(
            _("该待办刚被他人修改，请核对后再保存"),
            record=task,
            changes={field: (_value_now(task, field), after) for field, (_before, after) in changes.items()},
        )


def _value_now(task: Task, field: str) -> Any:
    section, _dot, key = field.partition(".")
    return (task.custom or {}).get(key) if key else getattr(task, section)


def assign_task(task: Task, assignee_id: str, *, actor: Member) -> Task:
    """Hand a task over (转交); tells both."""
    return change_task(task, {"assignee": assignee_id}, actor=actor)


def ask_about(task: Task, *, actor: Member) -> bool:
    """Ask the assignee how a task is going (催办); says whether this call did: so often is enough. Raises Forbidden."""
    _demand(task, actor)
    lately = sa.exists().where(
        Event.corp_id == task.corp_id,
        Event.subject_id == task.id,
        Event.kind == "task.asked",
        Event.at > clock.now() - ASK_AGAIN,
    )
    if not task.is_open or actor.id == task.assignee_id or first(sa.select(lately)):
        return False
    record("task.asked", task, actor=actor, customer_id=task.customer_id, title=task.title)
    return True


def complete_task(task: Task, *, actor: Member, note: str = "") -> bool:
    """Finish a task (完成); says whether this call did it. Pressed twice, or by two at once, it happens once.

    Repeating tasks get their next one.
    """
    _demand(task, actor)
    now = clock.now()
    note = clean_line(note)
    if len(note) > 500:
        raise Invalid({"note": _("最多 %(most)d 个字", most=500)})
    if not _while_open(task, state=DONE, done_at=now, done_by=actor.id, done_note=note, snoozed_until=None):
        return False
    drop_reminders(task)
    make_next(task, actor=actor)
    customer = _customer_of(task)
    _move_next_date(task, customer)
    record("task.done", task, actor=actor, customer_id=task.customer_id, title=task.title, note=note)
    return True


def cancel_task(task: Task, *, actor: Member, reason: str = "") -> bool:
    """Cancel a task (取消); says whether this call did it. A repeating series ends with it."""
    _demand(task, actor)
    ending = {"state": CANCELLED, "done_at": clock.now(), "done_by": actor.id, "snoozed_until": None}
    if not _while_open(task, **ending, done_note=clean_line(reason)[:500]):
        return False
    drop_reminders(task)
    _move_next_date(task, _customer_of(task))
    record("task.cancelled", task, actor=actor, customer_id=task.customer_id, title=task.title, reason=task.done_note)
    return True


def cancel_tasks_about(customer_id: str, *, actor: Member | None, reason: str) -> int:
    """Cancel all open tasks about a customer who went to a pool; returns how many. `actor` None: the system."""
    found = rows(sa.select(Task).where(Task.customer_id == customer_id, Task.state.in_((OPEN, "doing"))))
    ending = {"state": CANCELLED, "done_by": actor.id if actor else None, "snoozed_until": None}
    cancelled = 0
    for task in found:
        if _while_open(task, **ending, done_at=clock.now(), done_note=clean_line(reason)[:500]):
            drop_reminders(task)
            record("task.cancelled", task, actor=actor, customer_id=customer_id, title=task.title, reason=reason)
            cancelled += 1
    return cancelled


def reopen_tasks(task_ids: Sequence[str], *, actor: Member | None) -> int:
    """Open cancelled tasks again whose customer came back out of a pool; returns how many."""
    opened = 0
    for task in rows(sa.select(Task).where(Task.id.in_(task_ids), Task.state == CANCELLED).order_by(Task.id)):
        task.state, task.done_at, task.done_by, task.done_note = OPEN, None, None, ""
        task.version, task.updated_at = task.version + 1, clock.now()
        db.session.flush()
        plan_reminders(task)
        changes = {"state": [CANCELLED, OPEN]}
        record("task.changed", task, actor=actor, customer_id=task.customer_id, title=task.title, changes=changes)
        opened += 1
    return opened


def move_tasks(
    former_id: str,
    assignee_id: str,
    *,
    actor: Member | None,
    customer_id: str | None = None,
    only: list[str] | None = None,
) -> list[str]:
    """Hand all open tasks of somebody to somebody else (of one customer, or `only` these); returns the tasks' ids.

    Part of a hand-over of many: whoever gets them is told once, by its own message.
    """
    which = [Task.assignee_id == former_id, Task.state.in_((OPEN, "doing"))]
    if customer_id:
        which.append(Task.customer_id == customer_id)
    if only is not None:
        which.append(Task.id.in_(only))
    moved = []
    for task in rows(sa.select(Task).where(*which).order_by(Task.id)):
        if _while_open(task, assignee_id=assignee_id):
            facts: dict[str, Any] = {"assignee": assignee_id, "before": former_id, "together": True}
            record("task.assigned", task, actor=actor, customer_id=task.customer_id, **facts)
            moved.append(task.id)
    return moved


def _while_open(task: Task, **values: Any) -> bool:
    """Write `values` if the task is still open, and say whether it was: one of two simultaneous presses wins."""
    moved = db.session.execute(
        sa.update(Task)
        .where(Task.id == task.id, Task.state.in_((OPEN, "doing")))
        .values(version=Task.version + 1, updated_at=clock.now(), **values)
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(task)
    return moved.rowcount == 1  # type: ignore[attr-defined]


def snooze_task(task: Task, until: datetime, *, actor: Member) -> bool:
    """Remind again at `until` and not before (稍后提醒); says whether the task was still open. Raises Invalid."""
    _demand(task, actor)
    now = clock.now()
    if not now < until <= now + MAX_SNOOZE:
        raise Invalid({"minutes": _("稍后提醒应在 90 天之内")})
    if not _while_open(task, snoozed_until=until):
        return False
    plan_snooze(task, until)
    record("task.snoozed", task, actor=actor, customer_id=task.customer_id, title=task.title, until=until.isoformat())
    return True


def snooze_moment(choice: str) -> datetime:
    """Return when a snooze button rings again: "snooze_60", "snooze_tomorrow" (09:00), "snooze_monday" (09:00)."""
    now = local_now()
    nine = now.replace(hour=9, minute=0, second=0, microsecond=0)
    if choice == "snooze_tomorrow":
        return nine + timedelta(days=1)
    if choice == "snooze_monday":
        return nine + timedelta(days=7 - now.weekday())
    return (now + timedelta(hours=1)).replace(second=0, microsecond=0)
