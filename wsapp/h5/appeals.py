"""Asking colleagues (请求): for help on a customer, to take a task over, for more time; and answering."""

from datetime import date
from typing import Any

from flask import Blueprint, g, url_for

from wsapp.crm.appeals.answers import answer
from wsapp.crm.appeals.asking import appeals_of, find_appeal, open_about, open_of_task, show_settled, withdraw
from wsapp.crm.appeals.cards import about_words, buttons, facts_of, state_text
from wsapp.crm.appeals.help import ask_for_help, demand_may_ask
from wsapp.crm.appeals.models import HELP, MOVE, OPEN, REFUSED, Appeal
from wsapp.crm.appeals.parties import customer_of, may_answer, task_of
from wsapp.crm.appeals.work import Unseen, ask_for_time, offer_task
from wsapp.crm.customers.coworkers import coworkers_of
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.org.queries import names
from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.queries import find_task
from wsapp.db import db
from wsapp.h5 import rows
from wsapp.h5.coworkers import colleagues_of_all
from wsapp.h5.forms import Form, save, soon
from wsapp.h5.pages import arg, go, show
from wsapp.house import local_now
from wsapp.problems import Forbidden, Problem
from wsapp.texts import _, lazy
from wsapp.web import require_member

bp = Blueprint("appeals", __name__, url_prefix="/h5")
bp.before_request(require_member)

TITLES = {
    "help": lazy("请求协助"),
    "offer": lazy("待办转交"),
    "delay": lazy("待办延期"),
    "move": lazy("客户位置"),
}


# --- the list, and one --------------------------------------------------------------------------------------------


@bp.get("/appeals")
def index() -> str:
    """What I asked for and what I was asked, newest first."""
    found = appeals_of(g.member)
    mine = [one for one in found if one.asker_id == g.member.id]
    asked = [one for one in found if one.asker_id != g.member.id]
    people = names([one for each in found for one in (each.asker_id, each.reader_id)])
    return show(
        "appeals/index.html",
        asked=[_row(one, people.get(one.asker_id, "")) for one in asked],
        mine=[_row(one, people.get(one.reader_id, "")) for one in mine],
    )


def _row(appeal: Appeal, who: str) -> dict[str, Any]:
    return {
        "url": url_for("appeals.page", appeal_id=appeal.id),
        "title": _("%(what)s · %(who)s", what=TITLES[appeal.wish], who=who),
        "sub": rows.moment(appeal.created_at),
        "state": state_text(appeal) or _("等待答复"),
        "open": appeal.state == OPEN,
    }


@bp.get("/appeals/<key:appeal_id>")
def page(appeal_id: str) -> str:
    return _show(find_appeal(appeal_id, actor=g.member), Form({"reason": ""}))


def _show(appeal: Appeal, form: Form) -> str:
    task, customer = task_of(appeal), customer_of(appeal)
    people = names([appeal.asker_id, appeal.reader_id])
    answers = appeal.state == OPEN and may_answer(appeal, actor=g.member)
    facts = [
        (_("请求人"), people.get(appeal.asker_id, "")),
        (_("请求"), people.get(appeal.reader_id, "")),
        *((label, words) for label, words in facts_of(appeal, task or customer, reader=g.member)),
        (_("请求时间"), rows.moment(appeal.created_at)),
        (_("原因"), appeal.reason if appeal.state == REFUSED else ""),
    ]
    return show(
        "appeals/page.html",
        appeal=appeal,
        form=form,
        title=str(TITLES[appeal.wish]),
        facts=facts,
        state=state_text(appeal),
        answers=buttons(appeal.wish) if answers else [],
        may_withdraw=appeal.state == OPEN and appeal.asker_id == g.member.id,
        about=about_words(appeal, task),
        before=appeal.facts.get("before") if appeal.wish == MOVE else None,
        after=appeal.facts.get("after") if appeal.wish == MOVE else None,
        record=_record_url(appeal, task),
    )


def _record_url(appeal: Appeal, task: Task | None) -> str:
    """Return where the record is, for whoever sees it now."""
    try:
        if task is not None:
            return url_for("tasks.page", task_id=find_task(task.id, actor=g.member).id)
        return url_for("customers.page", customer_id=find_customer(appeal.customer_id or "", actor=g.member).id)
    except Problem:
        return ""


@bp.post("/appeals/<key:appeal_id>/answer")
def settle(appeal_id: str) -> Any:
    """`answer` is the key of one of the card's buttons; `reason` why it is refused."""
    form = Form.read(("answer", "reason"))

    def act() -> str:
        found = find_appeal(appeal_id, actor=g.member)
        if answer(found, form.typed["answer"][:20], actor=g.member, reason=form.typed["reason"]):
            show_settled(found)
        elif found.state == OPEN:
            raise Forbidden(_("这个请求不由您答复"))
        return url_for("appeals.page", appeal_id=appeal_id)

    def again(problem: Problem | None) -> str:
        return _show(find_appeal(appeal_id, actor=g.member), form)

    return save(form, act, again=again, words="")


@bp.post("/appeals/<key:appeal_id>/withdrawal")
def take_back(appeal_id: str) -> Any:
    """Take one's own request back."""
    did = withdraw(find_appeal(appeal_id, actor=g.member), actor=g.member)
    db.session.commit()
    return go(url_for("appeals.page", appeal_id=appeal_id), _("已撤回") if did else _("对方已经答复"))


# --- help on a customer -------------------------------------------------------------------------------------------


@bp.get("/customers/<key:customer_id>/help")
def help_on(customer_id: str) -> str:
    """Who was asked to help with a customer, and asking somebody."""
    customer = find_customer(customer_id, actor=g.member)
    demand_may_ask(customer, g.member)
    return _show_help(customer, Form({"people": [], "access": "read", "note": "", "until": "", "wanted": arg("to")}))


def _show_help(customer: Customer, form: Form) -> str:
    waiting = open_about(customer.id, HELP)
    called = names([one for each in waiting for one in (each.asker_id, each.reader_id)])
    taken = {customer.owner_id, g.member.id, *(one.member_id for one in coworkers_of(customer.id))}
    taken |= {one.reader_id for one in waiting}
    colleagues = [one for one in colleagues_of_all() if one.id not in taken]
    chosen = {*(form.typed.get("people") or ()), form.typed.get("wanted") or ""}
    return show(
        "appeals/help.html",
        counted=False,
        customer=customer,
        form=form,
        waiting=[_row(one, called.get(one.reader_id, "")) for one in waiting],
        people=[(one.id, one.name) for one in colleagues],
        chosen=[one.id for one in colleagues if one.id in chosen],
        today=local_now().date().isoformat(),
    )


@bp.post("/customers/<key:customer_id>/help")
def ask_help(customer_id: str) -> Any:
    """Ask colleagues to work along; they get a card."""
    form = Form.read(("access", "note", "until"), ("people",))

    def act() -> str:
        until = _day(form)
        form.demand_clean()
        ask_for_help(
            customer_id,
            [one for one in form.typed["people"] if one],
            actor=g.member,
            note=form.typed["note"],
            may_edit=form.typed["access"] == "edit",
            until=until,
        )
        return url_for("appeals.help_on", customer_id=customer_id)

    def again(problem: Problem | None) -> str:
        return _show_help(find_customer(customer_id, actor=g.member), form)

    return save(form, act, again=again, words=_("已请求协助，对方会收到卡片"))


def _day(form: Form) -> date | None:
    if not form.typed["until"]:
        return None
    try:
        return date.fromisoformat(form.typed["until"])
    except ValueError:
        form.errors["until"] = _("时间格式不正确")
        return None


# --- a task -------------------------------------------------------------------------------------------------------


@bp.get("/tasks/<key:task_id>/offer")
def offer(task_id: str) -> str:
    """Ask a colleague to take one's task over."""
    return _show_offer(_mine(task_id), Form({"person": "", "note": ""}))


def _mine(task_id: str) -> Task:
    task = find_task(task_id, actor=g.member)
    if task.assignee_id != g.member.id:
        raise Forbidden(_("只有待办的负责人可以这样做"))
    return task


def _show_offer(task: Task, form: Form, problem: Problem | None = None) -> str:
    colleagues = [one for one in colleagues_of_all() if one.id != g.member.id]
    unseen = problem.person if isinstance(problem, Unseen) else None
    return show(
        "appeals/offer.html",
        counted=False,
        task=task,
        form=form,
        waiting=[_row(one, names([one.reader_id]).get(one.reader_id, "")) for one in open_of_task(task.id)],
        people=[(one.id, one.name) for one in colleagues],
        userids=[one.userid for one in colleagues],
        unseen=unseen,
        help_url=url_for("appeals.help_on", customer_id=task.customer_id, to=unseen.id)
        if unseen and task.customer_id
        else "",
    )


@bp.post("/tasks/<key:task_id>/offer")
def make_offer(task_id: str) -> Any:
    """Offer it; until it is accepted, it stays with who has it."""
    form = Form.read(("person", "note", "anyway"))

    def act() -> str:
        anyway = form.typed["anyway"] == "1"
        offer_task(task_id, form.typed["person"], actor=g.member, note=form.typed["note"], anyway=anyway)
        return url_for("tasks.page", task_id=task_id)

    def again(problem: Problem | None) -> str:
        return _show_offer(_mine(task_id), form, problem)

    return save(form, act, again=again, words=_("已发出，对方接受后由对方负责"))


@bp.get("/tasks/<key:task_id>/delay")
def delay(task_id: str) -> str:
    """Ask for more time for an overdue task."""
    return _show_delay(_mine(task_id), Form({"due_at": "", "note": ""}))


def _show_delay(task: Task, form: Form) -> str:
    return show("appeals/delay.html", counted=False, task=task, form=form, soon=soon())


@bp.post("/tasks/<key:task_id>/delay")
def ask_delay(task_id: str) -> Any:
    """Ask the leader, who answers on a card."""
    form = Form.read(("due_at", "note"))

    def act() -> str:
        due_at = form.moment("due_at")
        form.demand_clean()
        ask_for_time(task_id, due_at, actor=g.member, note=form.typed["note"])
        return url_for("tasks.page", task_id=task_id)

    def again(problem: Problem | None) -> str:
        return _show_delay(_mine(task_id), form)

    return save(form, act, again=again, words=_("已申请延期，等待主管答复"))


def of_task(task: Task) -> dict[str, Any]:
    """Return what a task's page shows of requests: what waits, and what its assignee can ask for."""
    mine = task.is_open and task.assignee_id == g.member.id
    waiting = open_of_task(task.id) if task.is_open else []
    called = names([one.reader_id for one in waiting])
    seen = [one for one in waiting if g.member.id in (one.asker_id, one.reader_id)]
    return {
        "requests": [_row(one, called.get(one.reader_id, "")) for one in seen],
        "may_offer": mine,
        "may_ask_time": mine and task.is_overdue,
    }


def of_customer(customer: Customer) -> list[dict[str, Any]]:
    """Return notices for a customer's page: who was asked for help, and that another place waits for a word."""
    waiting = open_about(customer.id, HELP, MOVE)
    called = names([one.reader_id for one in waiting])
    found = []
    for one in waiting:
        who = called.get(one.reader_id, "")
        words = _("位置修改等待 %(who)s 同意，目前仍是原位置", who=who) if one.wish == MOVE else ""
        parties = one.asker_id == g.member.id or may_answer(one, actor=g.member)
        url = url_for("appeals.page", appeal_id=one.id) if parties else ""
        found.append({"text": words or _("已请 %(who)s 协助，等待答复", who=who), "url": url})
    return found
