"""Tasks (待办): the lists, one task with its history, and what can be done with it."""

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g, render_template, request, url_for

from wsapp.crm.customers.queries import names_of
from wsapp.crm.fields.access import shown
from wsapp.crm.org.queries import leads_others, names
from wsapp.crm.tasks.actions import (
    ask_about,
    assign_task,
    cancel_task,
    complete_task,
    may_work_on,
    snooze_moment,
    snooze_task,
)
from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.queries import SORTS, find_task
from wsapp.crm.watches.queries import is_watching
from wsapp.db import db
from wsapp.h5 import appeals, lists, mirrors, ownfields, repeats, rows, timeline, words
from wsapp.h5.forms import Form, once, save
from wsapp.h5.pages import PAGE_SIZE, came_from, choice, cursor, go, here_with, is_partial, next_page, part, show
from wsapp.h5.taskform import assignees
from wsapp.idempotency import KeyReused
from wsapp.paging import page as page_of
from wsapp.problems import Invalid, Problem
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("tasks", __name__, url_prefix="/h5/tasks")
bp.before_request(require_member)

# what the pages' menus post → what the cards' buttons are called
SNOOZES = {"1h": "snooze_60", "tomorrow": "snooze_tomorrow", "monday": "snooze_monday"}


@bp.get("")
def index() -> str:
    """Open or finished tasks: mine, those I gave, the team's. Open ones soonest due first, so overdue come first."""
    leads = leads_others(g.member)
    whose = choice("scope", ("mine", "given", "team") if leads else ("mine", "given"), "mine")
    done = choice("state", ("open", "done"), "open") == "done"
    state, sorts, sort = (
        (lists.are_closed(), lists.DONE_SORTS, "-done_at") if done else (lists.are_open(), SORTS, "due_at")
    )
    statement = lists.task_list().where(lists.tasks_whose(whose, g.member), state)
    found, after = page_of(statement, sorts=sorts, sort=sort, id_column=Task.id, limit=PAGE_SIZE, cursor=cursor())
    tabs = [("mine", _("我负责的")), ("given", _("我交办的")), *([("team", _("团队"))] if leads else [])]
    return show(
        "tasks/index.html",
        tasks=rows.task_rows(found, viewer_id=g.member.id, snoozes=whose == "mine"),
        next_url=next_page(after),
        tabs=[(here_with(scope=key), text, whose == key, None) for key, text in tabs],
        states=[
            (here_with(state=None), _("未完成"), not done, None),
            (here_with(state="done"), _("已结束"), done, None),
        ],
        done=done,
    )


@bp.get("/<key:task_id>")
def page(task_id: str) -> str:
    return _show(find_task(task_id, actor=g.member), Form({"note": ""}))


def _show(task: Task, form: Form) -> str:
    people = names([task.assignee_id, task.creator_id, task.done_by])
    customers = names_of([task.customer_id])
    takers = [one for one in assignees(g.member) if one.id != task.assignee_id] if task.is_open else []
    return show(
        "tasks/page.html",
        task=task,
        form=form,
        customer=customers.get(task.customer_id or "", ""),
        due_state=rows.due_state(task),
        facts=_facts(task, people),
        **ownfields.shown("task", task.custom, {"kind": task.kind, "priority": task.priority}),
        people=[(one.id, one.name) for one in takers],
        userids=[one.userid for one in takers],
        history=timeline.of_task(task.id),
        may_ask=task.is_open and task.assignee_id != g.member.id and may_work_on(task, g.member),
        watching=is_watching(task, g.member),
        **appeals.of_task(task),
        questions=mirrors.questions(task) if task.is_open and task.assignee_id == g.member.id else [],
    )


def _facts(task: Task, people: dict[str, str]) -> list[tuple[str, str]]:
    seen = shown(g.member, {"note": task.note, "done_note": task.done_note}, "task")
    reminders = [str(words.REMINDERS.get(minutes) or _("%(n)s 分钟前", n=minutes)) for minutes in task.reminders]
    ended = (
        _("%(who)s 于 %(at)s", who=people.get(task.done_by or "", "—"), at=rows.moment(task.done_at))
        if task.done_at
        else ""
    )
    return [
        (_("到期"), rows.moment(task.due_at, all_day=task.all_day) + (" " + _("全天") if task.all_day else "")),
        (_("推迟到"), rows.moment(task.snoozed_until) if task.snoozed_until else ""),
        (_("提醒"), _("、").join(reminders)),
        (_("重复"), repeats.said(task)),
        (_("类型"), str(words.TASK_KINDS[task.kind])),
        (_("优先级"), str(words.PRIORITIES["high"]) if task.priority == "high" else ""),
        (_("负责人"), people.get(task.assignee_id, "")),
        (_("创建人"), people.get(task.creator_id or "", "")),
        (_("备注"), seen.get("note", "")),
        (_("完成") if task.state == "done" else _("取消"), ended),
        (_("说明"), seen.get("done_note", "")),
    ]


# --- deeds --------------------------------------------------------------------------------------------------------


@bp.post("/<key:task_id>/completion")
def complete(task_id: str) -> Any:
    """Finish a task, with a line on how it went. Pressed twice it happens once."""
    task = find_task(task_id, actor=g.member)
    note = request.form.get("note", "")
    did = False

    def act() -> str:
        nonlocal did
        did = complete_task(find_task(task_id, actor=g.member), actor=g.member, note=note)
        return ""

    return _deed(task, act, lambda: _("已完成") if did else _("这条待办已经处理过了"))


@bp.post("/<key:task_id>/snooze")
def snooze(task_id: str) -> Any:
    """Put a task off: `until` is "1h", "tomorrow" (09:00) or "monday" (09:00)."""
    task = find_task(task_id, actor=g.member)
    until = SNOOZES.get(request.form.get("until", ""))
    if until is None:
        raise Invalid({"until": _("请从列表中选择")})
    moment = snooze_moment(until)
    did = False

    def act() -> str:
        nonlocal did
        did = snooze_task(find_task(task_id, actor=g.member), moment, actor=g.member)
        return ""

    return _deed(task, act, lambda: _("到 %(at)s 再提醒", at=rows.moment(moment)) if did else _("这条待办已经处理过了"))


@bp.post("/<key:task_id>/question")
def ask(task_id: str) -> Any:
    """Ask the assignee how it is going; once an hour is enough."""
    task = find_task(task_id, actor=g.member)
    did = False

    def act() -> str:
        nonlocal did
        did = ask_about(find_task(task_id, actor=g.member), actor=g.member)
        return ""

    return _deed(task, act, lambda: _("已催办，对方会收到消息") if did else _("刚刚催办过，或这条待办已经处理过了"))


@bp.post("/<key:task_id>/cancellation")
def cancel(task_id: str) -> Any:
    """Cancel a task, with a reason."""
    task = find_task(task_id, actor=g.member)
    reason = request.form.get("reason", "")
    did = False

    def act() -> str:
        nonlocal did
        did = cancel_task(find_task(task_id, actor=g.member), actor=g.member, reason=reason)
        return ""

    return _deed(task, act, lambda: _("已取消") if did else _("这条待办已经处理过了"))


def _deed(task: Task, act: Any, words_after: Any) -> Any:
    """Do something to a task once; answer with its row where a list asked, else go back to where it was pressed."""
    back = came_from(url_for("tasks.page", task_id=task.id))
    try:
        once(request.form.get("idempotency_key", "").replace("\0", ""), act)
    except KeyReused:
        db.session.rollback()
    if is_partial() and request.headers.get("HX-Target", "") == f"task-{task.id}":
        statement = lists.task_list().where(lists.Task.id == task.id)
        row = rows.task_row(db.session.execute(statement).one(), viewer_id=g.member.id, snoozes=True)
        return part(render_template("tasks/row.html", tasks=[row]), words_after())
    return go(back, words_after())


@bp.post("/<key:task_id>/assignment")
def assign(task_id: str) -> Any:
    """Hand a task over to somebody of the team, or to one's own manager."""
    form = Form.read(("assignee",))

    def act() -> str:
        task = find_task(task_id, actor=g.member)
        if not form.typed["assignee"]:
            raise Invalid({"assignee": _("请选择成员")})
        assign_task(task, form.typed["assignee"], actor=g.member)
        # Once given away it may be out of sight.
        stays = db.session.scalar(sa.select(Task.id).where(Task.id == task.id, lists.visible_tasks(g.member)))
        return url_for("tasks.page", task_id=task_id) if stays else url_for("tasks.index")

    def again(problem: Problem | None) -> str:
        return _show(find_task(task_id, actor=g.member), form)

    return save(form, act, again=again, words=_("已转交"))
