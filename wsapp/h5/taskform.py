"""New and changed tasks: one form for both."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, g, url_for

from wsapp import clock
from wsapp.crm.customers.queries import find_customer, find_customers, names_of
from wsapp.crm.fields.access import locked, reads, shown
from wsapp.crm.fields.carriers import inherits
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import assignable_members, manager_of, names
from wsapp.crm.tasks.actions import change_task, create_task
from wsapp.crm.tasks.clean import MAX_REMINDERS, OFFSETS
from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.queries import find_task
from wsapp.crm.tasks.rules import usual_reminders
from wsapp.h5 import lists, ownfields, repeats, rows, words
from wsapp.h5.forms import Form, input_value, save, soon
from wsapp.h5.pages import arg, show
from wsapp.house import local_now
from wsapp.problems import Problem, Stale
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("taskform", __name__, url_prefix="/h5/tasks")
bp.before_request(require_member)

PLAIN = ("title", "note", "customer", "kind", "due_at", "all_day", "assignee", "priority")
TEXTS = (*PLAIN, *repeats.TEXTS)
LISTS = ("reminders", *repeats.LISTS)
MOMENTS = ("due_at", "repeat_until")


def assignees(actor: Member) -> Sequence[Member]:
    """Return to whom the actor may give work: the team, and their own manager."""
    found = list(assignable_members(actor))
    above = manager_of(actor)
    return found if above is None or any(one.id == above.id for one in found) else [*found, above]


@bp.get("/new")
def new() -> str:
    customer_id = arg("customer")
    customer = find_customer(customer_id, actor=g.member) if customer_id else None
    next_hour = local_now().replace(minute=0) + timedelta(hours=1)
    typed = {
        "customer": customer.id if customer else "",
        "kind": "follow_up",
        "due_at": input_value(next_hour),
        "reminders": [str(one) for one in usual_reminders()],
        "assignee": g.member.id,
        "priority": "normal",
    }
    return _show(Form(typed))


@bp.post("")
def create() -> Any:
    """Save a new task."""
    form = Form.read(TEXTS, LISTS)
    ownfields.take(form, "task")

    def act() -> str:
        return url_for("tasks.page", task_id=create_task(_values(form), actor=g.member).id)

    return save(form, act, again=lambda problem: _show(form), words=_("待办已保存"))


@bp.get("/<key:task_id>/edit")
def edit(task_id: str) -> str:
    task = find_task(task_id, actor=g.member)
    typed = {
        "title": task.title,
        "note": task.note,
        "customer": task.customer_id or "",
        "kind": task.kind,
        "due_at": input_value(task.due_at),
        "all_day": "1" if task.all_day else "",
        "reminders": [str(minutes) for minutes in task.reminders],
        "assignee": task.assignee_id,
        "priority": task.priority,
        **repeats.typed(task),
    }
    typed = shown(g.member, typed, "task") | ownfields.typed("task", task.custom or {})
    return _show(Form(typed, version=task.version), task=task)


@bp.post("/<key:task_id>")
def change(task_id: str) -> Any:
    """Save a changed task. When somebody else saved meanwhile, the form comes back with the difference."""
    form = Form.read(TEXTS, LISTS)
    ownfields.take(form, "task")

    def act() -> str:
        task = find_task(task_id, actor=g.member)
        values = _values(form)
        if values["customer"] == (task.customer_id or ""):
            del values["customer"]  # not the editor's to see, perhaps, and not changed either
        if values["assignee"] == task.assignee_id:
            del values["assignee"]
        for name in locked(g.member, ("note",), "task"):
            del values[name]
        change_task(task, values, actor=g.member, version=form.version)
        return url_for("tasks.page", task_id=task_id)

    def again(problem: Problem | None) -> str:
        return _show(form, task=find_task(task_id, actor=g.member), problem=problem)

    return save(form, act, again=again, words=_("修改已保存"))


def _values(form: Form) -> dict[str, Any]:
    values = {name: form.typed[name] for name in PLAIN if name not in MOMENTS} | repeats.values(form)
    values |= {"all_day": bool(form.typed["all_day"]), "due_at": form.moment("due_at")}
    values["repeat_until"] = _end_of_day(form.moment("repeat_until")) if form.typed["repeat"] else None
    values["reminders"] = [
        int(one) for one in form.typed["reminders"] if one.isascii() and one.isdigit() and len(one) < 6
    ]
    if form.custom:
        values["custom"] = form.custom
    form.demand_clean()
    return values


def _end_of_day(moment: datetime | None) -> datetime | None:
    return moment.replace(hour=23, minute=59) if moment else None


def _parent(customer_id: str) -> Mapping[str, Any] | None:
    """Return the custom values of the customer that the task is about, where a field begins with them."""
    if not inherits("task"):
        return None
    found = find_customers([customer_id], actor=g.member).get(customer_id)
    return found.custom if found else None


def _show(form: Form, *, task: Task | None = None, problem: Problem | None = None) -> str:
    conflict = None
    if task is not None and isinstance(problem, Stale):
        form.version = task.version
        form.errors.pop("", None)
        conflict = _conflict(task, problem)
    customers = lists.customer_choices(g.member)
    chosen = form.typed.get("customer") or ""
    if chosen and chosen not in dict(customers):
        customers = [*names_of([chosen]).items(), *customers] if _may_name(chosen, task) else customers
    people = assignees(g.member)
    return show(
        "tasks/form.html",
        counted=False,
        form=form,
        task=task,
        conflict=conflict,
        locked=locked(g.member, ("note",), "task") if task else (),
        customers=customers,
        kinds=list(words.TASK_KINDS.items()),
        custom=ownfields.drawn("task", form, task.custom or {} if task else None, parent=_parent(chosen)),
        people=[(one.id, one.name) for one in people],
        userids=[one.userid for one in people],
        reminders=[(str(minutes), words.REMINDERS[minutes]) for minutes in OFFSETS],
        most=MAX_REMINDERS,
        **repeats.drawn(form),
        priorities=list(words.PRIORITIES.items()),
        soon=[(_("今天 18:00"), _today_at(18)), *soon()] if local_now().hour < 18 else soon(),
    )


def _may_name(customer_id: str, task: Task | None) -> bool:
    """Say whether the form may name a customer outside the actor's own list: the task's, or one that they may see."""
    if task is not None and task.customer_id == customer_id:
        return True
    return lists.may_see_customer(customer_id, g.member)


def _today_at(hour: int) -> str:
    return input_value(clock.now().astimezone(local_now().tzinfo).replace(hour=hour, minute=0))


def _conflict(task: Task, problem: Stale) -> dict[str, Any]:
    """Return what differs as (label, mine, theirs), and when it was saved."""
    people = names([one for pair in (problem.changes.get("assignee_id", ()),) for one in pair])
    customers = names_of([one for pair in (problem.changes.get("customer_id", ()),) for one in pair])
    known = {**people, **customers}
    differing = [
        (str(words.TASK_FIELDS[field]), _as_text(field, mine, known), _as_text(field, theirs, known))
        for field, (theirs, mine) in problem.changes.items()
        if field in words.TASK_FIELDS and reads(g.member, field, "task")
    ]
    differing += ownfields.differing("task", problem.changes)
    return {"rows": differing, "who": lists.last_actor(task.id) or _("系统"), "at": rows.moment(task.updated_at)}


def _as_text(field: str, value: Any, known: dict[str, str]) -> str:
    if isinstance(value, datetime):
        return rows.moment(value)
    if field == "reminders":
        return _("、").join(str(words.REMINDERS.get(minutes, minutes)) for minutes in value)
    if isinstance(value, bool):
        return _("是") if value else _("否")
    if field == "repeat_days":
        return ", ".join(map(str, value or ()))
    labels = {
        "kind": words.TASK_KINDS,
        "priority": words.PRIORITIES,
        "repeat": words.REPEATS,
        "repeat_free": repeats.FREE,
    }.get(field)
    return str(labels.get(value, "")) if labels else known.get(value, str(value or ""))
