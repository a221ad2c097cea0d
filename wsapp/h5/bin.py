"""The recycle bin (回收站): deleting one record or many, what lies there, bringing it back."""

from typing import Any

from flask import Blueprint, g, request, url_for

from wsapp import clock
from wsapp.crm.customers.queries import find_customers
from wsapp.crm.deletions.actions import Conflicting, delete, restore
from wsapp.crm.deletions.kinds import KINDS
from wsapp.crm.deletions.models import DONE, UNDOING, UNDONE, Deletion
from wsapp.crm.deletions.queries import SORTS, ends_at, find_deletion, find_run, listed, title_shown
from wsapp.crm.deletions.runs import begin_run, undo_run
from wsapp.crm.org.queries import names
from wsapp.crm.org.rules import rule
from wsapp.db import db
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import PAGE_SIZE, arg, choice, cursor, go, here_with, next_page, show
from wsapp.h5.rows import moment
from wsapp.paging import page as page_of
from wsapp.problems import Conflict, NotFound, Problem
from wsapp.refusals import status_of
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("bin", __name__, url_prefix="/h5/bin")
bp.before_request(require_member)

MOST_IDS = 501  # one more than may be deleted at once, so that too many is said and not cut
RECORD = "<any(customer, contact, follow_up, visit, task):obj>/<key:record_id>"
AFTER = {"customer": "customers.index", "task": "tasks.index", "visit": "visits.index"}  # where one goes from there
ICONS = {"customer": "customers", "contact": "me", "follow_up": "message", "visit": "visit", "task": "tasks"}


def part_words(counts: dict[str, int]) -> str:
    """Say what went along: "2 个联系人、3 条跟进"."""
    units = {
        "contact": _("%(n)s 个联系人"),
        "follow_up": _("%(n)s 条跟进"),
        "visit": _("%(n)s 次拜访"),
        "task": _("%(n)s 条待办"),
    }
    return _("、").join(text % {"n": counts[name]} for name, text in units.items() if counts.get(name))


@bp.get("")
def index() -> str:
    """What I deleted, what was mine, and what I may delete; the latest first."""
    obj, text = choice("kind", KINDS), arg("q")
    found, after = page_of(
        listed(g.member, obj=obj, text=text),
        sorts=SORTS,
        sort="-deleted_at",
        id_column=Deletion.id,
        limit=PAGE_SIZE,
        cursor=cursor(),
    )
    people = names([row.actor_id for row in found])
    kinds = [(here_with(kind=None), _("全部"), not obj, None)]
    kinds += [(here_with(kind=name), str(one.label), name == obj, None) for name, one in KINDS.items()]
    rows = [
        {
            "url": url_for("bin.page", deletion_id=row.id),
            "icon": ICONS[row.object],
            "text": title_shown(g.member, row.object, row.title),
            "sub": " · ".join(filter(None, (people.get(row.actor_id or "", ""), moment(row.deleted_at)))),
        }
        for row in found
    ]
    return show("bin/index.html", rows=rows, kinds=kinds, q=text, days=rule("bin.days"), next_url=next_page(after))


@bp.get("/<key:deletion_id>")
def page(deletion_id: str) -> str:
    """One deleted record: what it is, who deleted it, what comes back with it."""
    return _show(find_deletion(deletion_id, actor=g.member))


def _show(deletion: Deletion, problem: Problem | None = None) -> str:
    customer_id = deletion.customer_id if deletion.object != "customer" else None
    customer = find_customers([customer_id], actor=g.member).get(customer_id or "")
    facts = [
        (_("类型"), str(KINDS[deletion.object].label)),
        (_("客户"), customer.name if customer else ""),
        (_("一起删除"), part_words(deletion.counts)),
        (_("删除人"), names([deletion.actor_id]).get(deletion.actor_id or "", "") or _("系统")),
        (_("删除时间"), moment(deletion.deleted_at)),
        (_("原因"), deletion.reason),
        (_("彻底删除时间"), moment(ends_at(deletion.deleted_at))),
    ]
    return show(
        "bin/page.html",
        deletion=deletion,
        title=title_shown(g.member, deletion.object, deletion.title),
        facts=facts,
        problem=problem.detail if problem else "",
        anyway=isinstance(problem, Conflicting),
    )


@bp.post("/<key:deletion_id>/restoration")
def bring_back(deletion_id: str) -> Any:
    """Restore it. Where somebody has taken what it had, the page says so and offers to leave that away."""
    deletion = find_deletion(deletion_id, actor=g.member)
    obj = deletion.object
    try:
        restore(deletion, actor=g.member, anyway=request.form.get("anyway") == "1")
    except NotFound:
        raise
    except Problem as problem:
        db.session.rollback()
        return _show(find_deletion(deletion_id, actor=g.member), problem), status_of(problem)
    address = _address(obj, deletion_id, deletion.customer_id)
    db.session.commit()
    return go(address, _("已恢复"))


def _address(obj: str, record_id: str, customer_id: str | None) -> str:
    if obj == "task":
        return url_for("tasks.page", task_id=record_id)
    if obj == "visit":
        return url_for("visits.page", visit_id=record_id)
    return url_for("customers.page", customer_id=customer_id) if customer_id else url_for("bin.index")


@bp.app_template_global("may_delete")
def may_delete(obj: str, record: Any) -> bool:
    """Say whether a page offers whoever looks at it to delete a record."""
    try:
        KINDS[obj].demand(record, g.member)
    except Problem:
        return False
    return True


# --- delete -------------------------------------------------------------------------------------------------------


@bp.get(f"/new/{RECORD}")
def new(obj: str, record_id: str) -> str:
    """Ask before a record is deleted."""
    return _ask(obj, record_id, Form({"reason": ""}))


def _ask(obj: str, record_id: str, form: Form) -> str:
    kind = KINDS[obj]
    found = kind.find(record_id, actor=g.member)
    kind.demand(found, g.member)
    back = _address(obj, record_id, found.id if obj == "customer" else found.customer_id)
    return show(
        "bin/new.html",
        counted=False,
        form=form,
        action=url_for("bin.create", obj=obj, record_id=record_id),
        title=title_shown(g.member, obj, kind.title(found)),
        kind=str(kind.label),
        back=back,
        days=rule("bin.days"),
        is_customer=obj == "customer",
    )


@bp.post(f"/new/{RECORD}")
def create(obj: str, record_id: str) -> Any:
    """Delete it; it lies in the bin from then on."""
    form = Form.read(("reason",))

    def act() -> str:
        deletion = delete(obj, record_id, actor=g.member, reason=form.typed["reason"])
        if obj in ("contact", "follow_up"):
            return url_for("customers.page", customer_id=deletion.customer_id)
        return url_for(AFTER.get(obj, "bin.index"))

    return save(form, act, again=lambda problem: _ask(obj, record_id, form), words=_("已移到回收站"))


# --- many ---------------------------------------------------------------------------------------------------------


@bp.get("/runs/new")
def new_run() -> str:
    """Ask before many are deleted: `ids` of one kind; the person types how many they are."""
    ids = list(dict.fromkeys(request.args.getlist("ids")))[:MOST_IDS]
    return _ask_run(Form({"object": choice("kind", KINDS, "customer"), "ids": ids, "typed": "", "reason": ""}))


def _ask_run(form: Form) -> str:
    return show("bin/new_run.html", counted=False, form=form, count=len(form.typed["ids"]), days=rule("bin.days"))


@bp.post("/runs")
def create_run() -> Any:
    """Delete many in the background."""
    form = Form.read(("object", "typed", "reason"), ("ids",))
    form.typed["ids"] = list(dict.fromkeys(form.typed["ids"]))[:MOST_IDS]

    def act() -> str:
        typed = form.typed
        run = begin_run(typed["object"], typed["ids"], typed=typed["typed"], actor=g.member, reason=typed["reason"])
        return url_for("bin.run", run_id=run.id)

    return save(form, act, again=lambda problem: _ask_run(form), words=_("正在删除"))


@bp.get("/runs/<key:run_id>")
def run(run_id: str) -> str:
    """How far a deletion of many is; the page looks again by itself while it runs."""
    found = find_run(run_id, actor=g.member)
    reasons: dict[str, int] = {}
    for _record_id, why in found.errors:
        reasons[why] = reasons.get(why, 0) + 1
    return show(
        "bin/run.html",
        run=found,
        is_over=found.state in (DONE, UNDONE),
        is_back=found.state in (UNDOING, UNDONE),
        may_undo=found.state == DONE and ends_at(found.created_at) > clock.now(),
        reasons=list(reasons.items()),
    )


@bp.post("/runs/<key:run_id>/undo")
def undo(run_id: str) -> Any:
    """Bring back what a deletion of many took away, in the background."""
    try:
        undo_run(find_run(run_id, actor=g.member))
    except Conflict as problem:
        db.session.rollback()
        return go(url_for("bin.run", run_id=run_id), problem.detail)
    db.session.commit()
    return go(url_for("bin.run", run_id=run_id), _("正在恢复"))
