"""Choosing customers of a list and changing all of them at once, with the progress and the way back."""

from typing import Any

from flask import Blueprint, g, request, url_for

from wsapp.crm.bulk.actions import MOST, begin_bulk, find_bulk, undo_bulk
from wsapp.crm.bulk.models import DONE, LEVEL, OWNER, POOL, RUNNING, STAGE, TAG, UNDOING, UNDONE, BulkRun
from wsapp.crm.customers.clean import clean_line
from wsapp.crm.customers.models import LEVELS, Customer
from wsapp.crm.customers.queries import find_customers
from wsapp.crm.customers.tags import known_tags
from wsapp.crm.fields.access import reads, writes
from wsapp.crm.org.queries import assignable_members, names
from wsapp.crm.org.rights import sight
from wsapp.crm.pools.queries import all_pools, pools_of
from wsapp.crm.search import filters
from wsapp.db import db
from wsapp.h5 import lists, words
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import arg, choice, cursor, go, next_page, show
from wsapp.h5.rows import moment
from wsapp.h5.views import OWN, scopes_of, within
from wsapp.problems import Problem
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("bulk", __name__, url_prefix="/h5")
bp.before_request(require_member)

PAGE = 100
SHOWN_FAILURES = 20
DELETE = "delete"  # asked for here, done by the bin after its own question
FIELDS = {OWNER: "owner", TAG: "tags", LEVEL: "level", STAGE: "stage", POOL: "owner"}
RIGHTS = {OWNER: "transfer", POOL: "transfer", DELETE: "delete"}  # of the others: edit
INPUTS = ("action", *FIELDS)


@bp.get("/customers/choose")
def choose() -> str:
    """The list as it is narrowed, with a tick for each customer, and what to do with those ticked."""
    return _show_choice(Form(dict.fromkeys(INPUTS, "")), [])


def _show_choice(form: Form, ticked: list[str], problem: Problem | None = None) -> str:
    found, after = lists.customer_page(
        g.member, **_narrowed(), limit=PAGE, cursor=cursor(), sort=arg("sort") or "-updated_at"
    )
    here = own_arguments()
    return show(
        "bulk/choose.html",
        counted=False,
        form=form,
        customers=[{"id": one.id, "name": one.name, "ticked": one.id in ticked} for one in found],
        next_url=next_page(after),
        here=here,
        hands_over=_may(OWNER),
        actions=_actions(),
        owners=[(one.id, one.name) for one in assignable_members(g.member)],
        tags=[(one, one) for one in known_tags()],
        levels=[(one, one) for one in LEVELS],
        stages=list(words.STAGES.items()),
        pools=[(one.id, one.name) for one in pools_of(g.member)],
        most=MOST,
    )


def _narrowed() -> dict[str, Any]:
    """Return how the list is narrowed, as arguments of `lists.customer_page`."""
    whose, within_it = within(choice("scope", scopes_of(g.member), "mine"), g.member)
    wanted = filters.wanted(request.args, actor=g.member)
    return {
        "whose": whose,
        "text": arg("q"),
        "stage": choice("stage", words.STAGES) if reads(g.member, "stage") else "",
        "level": choice("level", LEVELS) if reads(g.member, "level") else "",
        "more": [*within_it, *filters.conditions(wanted, actor=g.member)],
    }


def own_arguments() -> dict[str, Any]:
    """Return the arguments of the address that narrow the list."""
    return {name: arg(name) for name in OWN if arg(name)} | filters.wanted(request.args, actor=g.member)


def narrowed_ids(most: int) -> list[str]:
    """Return the ids of the customers of the list as it is narrowed, oldest first; at most so many."""
    by = _narrowed()
    wanted = lists.customer_list(
        g.member,
        mine=by["whose"] == "mine",
        shared=by["whose"] == "shared",
        text=by["text"],
        stage=by["stage"] or None,
        level=by["level"] or None,
    )
    found = wanted.where(*by["more"]).with_only_columns(Customer.id).order_by(Customer.created_at, Customer.id)
    return list(db.session.scalars(found.limit(most)))


def _actions() -> list[tuple[str, str]]:
    """Return what the actor may do to many at once, for some of them at least."""
    texts = {
        OWNER: _("转给负责人"),
        TAG: _("加标签"),
        LEVEL: _("改级别"),
        STAGE: _("改阶段"),
        POOL: _("退回公海"),
        DELETE: _("删除"),
    }
    return [(key, text) for key, text in texts.items() if _may(key)]


def _may(action: str) -> bool:
    if action in FIELDS and not writes(g.member, FIELDS[action]):
        return False
    covered = sight(g.member, "customer", RIGHTS.get(action, "edit"))
    return covered.people is None or bool(covered.people) or covered.shared


@bp.post("/customers/bulk")
def begin() -> Any:
    """Begin the change; it goes on in the background. Who wants to delete is asked once more."""
    form = Form.read(INPUTS, ("ids",))
    action = form.typed["action"]
    said = "" if action == DELETE else _("已开始处理")

    def act() -> str:
        if action == DELETE and form.typed["ids"]:
            return url_for("bin.new_run", ids=form.typed["ids"])
        value = clean_line(form.typed.get(action, "") if action in FIELDS else "")
        run = begin_bulk(form.typed["ids"], action, value, actor=g.member)
        return url_for("bulk.page", bulk_id=run.id)

    return save(form, act, again=lambda problem: _show_choice(form, form.typed["ids"], problem), words=said)


@bp.get("/bulk/<key:bulk_id>")
def page(bulk_id: str) -> str:
    """How far it got, what could not be changed and why, and the way back."""
    run = find_bulk(bulk_id, actor=g.member)
    there = find_customers([one for one, _why in run.failed[:SHOWN_FAILURES]], actor=g.member)
    return show(
        "bulk/page.html",
        run=run,
        goes_on=run.state in (RUNNING, UNDOING),
        facts=_facts(run),
        failures=[
            {"text": there[one].name if one in there else _("无权查看的客户"), "sub": why}
            for one, why in run.failed[:SHOWN_FAILURES]
        ],
        undo_until=moment(run.undo_until) if run.state == DONE and run.changed else "",
    )


def _facts(run: BulkRun) -> list[tuple[str, str]]:
    states = {RUNNING: _("处理中"), DONE: _("已完成"), UNDOING: _("正在撤销"), UNDONE: _("已撤销")}
    what = {
        OWNER: lambda: _("转给 %(who)s", who=names([run.value]).get(run.value, "")),
        TAG: lambda: _("加标签“%(tag)s”", tag=run.value),
        LEVEL: lambda: _("级别改为 %(level)s", level=run.value),
        STAGE: lambda: _("阶段改为 %(stage)s", stage=str(words.STAGES[run.value])),
        POOL: lambda: _("退回公海“%(pool)s”", pool=next((one.name for one in all_pools() if one.id == run.value), "")),
    }
    found = [
        (_("操作"), what[run.action]()),
        (_("状态"), states[run.state]),
        (_("已修改"), str(len(run.changed))),
        (_("未能修改"), str(len(run.failed))),
    ]
    return [*found, (_("未撤销（之后又有改动）"), str(run.kept))] if run.kept else found


@bp.post("/bulk/<key:bulk_id>/undo")
def undo(bulk_id: str) -> Any:
    """Put back what is still as it was made."""
    undo_bulk(find_bulk(bulk_id, actor=g.member))
    db.session.commit()
    return go(url_for("bulk.page", bulk_id=bulk_id), _("正在撤销"))
