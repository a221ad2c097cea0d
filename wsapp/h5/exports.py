"""Exports (导出): ask for a list, fetch the file, decide on what others ask for."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, g, send_file, url_for

from wsapp.crm.customers.models import LEVELS, STAGES
from wsapp.crm.org.queries import leads_others, names, sees_others
from wsapp.crm.org.rules import rule
from wsapp.crm.transfer import exports
from wsapp.crm.transfer.lists import table
from wsapp.crm.transfer.models import ASKING, DONE, FAILED, FORMATS, OBJECTS, QUEUED, REFUSED, RUNNING, ExportJob
from wsapp.db import db
from wsapp.h5 import words
from wsapp.h5.forms import Form, save
from wsapp.h5.imports import OBJECT_WORDS, SHEET
from wsapp.h5.pages import arg, choice, go, is_partial, show
from wsapp.house import local
from wsapp.problems import Invalid, Problem
from wsapp.texts import _, lazy
from wsapp.web import demand_fresh_sign_in, require_member, safe_path, writes

bp = Blueprint("exports", __name__, url_prefix="/h5/exports")
bp.before_request(require_member)

STATES = {
    ASKING: lazy("等待审批"),
    REFUSED: lazy("未通过"),
    QUEUED: lazy("排队中"),
    RUNNING: lazy("正在准备"),
    DONE: lazy("可下载"),
    FAILED: lazy("失败"),
    "expired": lazy("已过期"),
}
FIELDS = ("object", "format", "q", "stage", "level", "whose")


@bp.get("")
def index() -> str:
    """My exports, those that wait for my word, and the form for a new one (filled from the list that was open)."""
    typed = {
        "object": choice("object", OBJECTS, "customer"),
        "format": "xlsx",
        "q": arg("q"),
        "stage": choice("stage", STAGES),
        "level": choice("level", LEVELS),
        "whose": choice("scope", ("mine", "team"), "mine") if sees_others(g.member) else "mine",
    }
    return _index(Form(typed), chosen=exports.last_columns(typed["object"], actor=g.member))


def _index(form: Form, *, order: Sequence[str] = (), chosen: Sequence[str] = (), is_open: bool = False) -> str:
    """`order`: all columns as they stand in the form; `chosen`: those with a tick, none for all."""
    objects = [key for key in OBJECTS if exports.may_export(g.member, key)]
    here = form.typed["object"]
    return show(
        "exports/index.html",
        form=form,
        objects=objects,
        kinds=[(url_for("exports.index", object=key), OBJECT_WORDS[key], key == here, None) for key in objects],
        formats=[(one, one) for one in FORMATS],
        stages=list(words.STAGES.items()),
        levels=[(one, one) for one in LEVELS],
        whose=[("mine", _("我的")), ("team", _("团队的"))] if sees_others(g.member) else [],
        columns=_columns(here, order or chosen, chosen),
        is_open=is_open,
        jobs=[_row(job) for job in exports.exports_of(g.member)],
        asked=_asked(),
        daily=rule("export.daily_rows"),
    )


def _columns(obj: str, order: Sequence[str], chosen: Sequence[str]) -> list[tuple[str, Any, bool]]:
    """Return (key, heading, whether it goes out) of each column that the actor may see, in order."""
    if obj not in OBJECTS:
        return []
    found = {column.key: column.title for column in table(obj, g.member)}
    keys = dict.fromkeys([*(key for key in order if key in found), *found])
    return [(key, found[key], not chosen or key in chosen) for key in keys]


def _moved(order: list[str], move: str) -> list[str]:
    """Return the keys with one of them a place further up or down (`move`: "up:<key>", "down:<key>")."""
    way, _colon, key = move.partition(":")
    if key in order:
        at = order.index(key)
        order.insert(max(at - 1, 0) if way == "up" else at + 1, order.pop(at))
    return order


def _row(job: ExportJob, who: str = "") -> dict[str, Any]:
    endpoint = "exports.decision" if who else "exports.page"
    return {
        "url": url_for(endpoint, export_id=job.id),
        "name": f"{OBJECT_WORDS[job.object]} · {job.format}",
        "who": who,
        "state": STATES[job.state],
        "mark": {DONE: "done", RUNNING: "doing", ASKING: "today", REFUSED: "overdue"}.get(job.state, ""),
        "total": job.total,
        "at": local(job.created_at),
    }


def _asked() -> list[dict[str, Any]]:
    found = exports.waiting_for(g.member) if leads_others(g.member) else []
    people = names([job.member_id for job in found])
    return [_row(job, people.get(job.member_id, "")) for job in found]


@bp.post("")
def create() -> Any:
    """Ask for a list."""
    form = Form.read((*FIELDS, "move"), ("order", "columns"))
    order, chosen = form.typed.pop("order"), form.typed.pop("columns")
    if form.typed["move"]:
        return _index(form, order=_moved(order, form.typed["move"]), chosen=chosen or [""], is_open=True)
    demand_fresh_sign_in(_form_again(form.typed))

    def act() -> str:
        if order and not chosen:
            raise Invalid({"columns": _("请至少选择一列")})
        job = exports.request_export(
            actor=g.member,
            obj=form.typed["object"],
            format=form.typed["format"],
            filter=_filter(form.typed),
            columns=_all_or(chosen, form.typed["object"]),
        )
        return url_for("exports.page", export_id=job.id)

    def again(problem: Problem | None) -> str:
        return _index(form, order=order, chosen=chosen or [""], is_open="columns" in form.errors)

    return save(form, act, again=again, words="")


def _form_again(typed: dict[str, Any]) -> str:
    """Return the address of the form, filled with what was asked for, for who comes back from signing in."""
    named = {name: typed[name] for name in ("object", "q", "stage", "level") if typed[name]}
    filled = url_for("exports.index", **named, scope=typed["whose"] or None)
    return safe_path(filled, default=url_for("exports.index"))


def _all_or(chosen: list[str], obj: str) -> list[str]:
    """Return the chosen columns; none where they are all of them, as they stand: then new fields go out as well."""
    return [] if obj in OBJECTS and chosen == [column.key for column in table(obj, g.member)] else chosen


def _filter(typed: dict[str, Any]) -> dict[str, Any]:
    mine = {} if typed["whose"] == "team" else {"owner" if typed["object"] == "customer" else "author": g.member.id}
    if typed["object"] != "customer":
        return {"q": typed["q"], **mine}
    return {"q": typed["q"], "stage": typed["stage"], "level": typed["level"], **mine}


@bp.get("/<key:export_id>")
def page(export_id: str) -> str:
    """How far an export is."""
    job = exports.find_export(export_id, actor=g.member)
    return show(
        "exports/part.html" if is_partial() else "exports/page.html",
        job=job,
        state=STATES[job.state],
        is_moving=job.state in (QUEUED, RUNNING),
        words=OBJECT_WORDS[job.object],
        until=local(job.expires_at) if job.expires_at else None,
        facts=_facts(job),
    )


@bp.get("/<key:export_id>/result")
@writes
def result(export_id: str) -> Any:
    """The file, for a day, to whoever asked for it."""
    job = exports.find_export(export_id, actor=g.member)
    place = exports.ready_file(job, actor=g.member)
    db.session.commit()
    kind = SHEET if job.format == "xlsx" else "text/csv"
    return send_file(place, mimetype=kind, as_attachment=True, download_name=f"{job.object}-{job.id}.{job.format}")


# --- somebody else's ----------------------------------------------------------------------------------------------


@bp.get("/<key:export_id>/decision")
def decision(export_id: str) -> str:
    """What somebody asks for, and the two answers."""
    job = exports.find_asked(export_id, actor=g.member)
    return show(
        "exports/decision.html", job=job, state=STATES[job.state], facts=_facts(job), asking=job.state == ASKING
    )


@bp.post("/<key:export_id>/decision")
def decide(export_id: str) -> Any:
    """Say yes or no."""
    form = Form.read(("answer",))
    job = exports.find_asked(export_id, actor=g.member)
    demand_fresh_sign_in(url_for("exports.decision", export_id=export_id))
    try:
        if form.typed["answer"] not in ("yes", "no"):
            raise Invalid({"": _("请从列表中选择")})
        exports.decide(job, actor=g.member, yes=form.typed["answer"] == "yes")
        db.session.commit()
        said = _("已批准") if form.typed["answer"] == "yes" else _("已拒绝")
    except Problem as problem:
        db.session.rollback()
        said = problem.detail
    return go(url_for("exports.decision", export_id=export_id), said)


def _columns_told(job: ExportJob) -> str:
    chosen = table(job.object, g.member, job.columns) if job.columns else ()
    return _("、").join(str(column.title) for column in chosen) or _("全部")


def _facts(job: ExportJob) -> list[tuple[str, Any]]:
    """Return what is asked for, in words."""
    chosen, people = job.filter, names([job.member_id, job.filter.get("owner"), job.filter.get("author")])
    owner = chosen.get("owner") or chosen.get("author") or ""
    return [
        (_("申请人"), people.get(job.member_id, "")),
        (_("内容"), OBJECT_WORDS[job.object]),
        (_("行数"), str(job.total)),
        (_("负责人"), people.get(owner, owner)),
        (_("关键词"), chosen.get("q", "")),
        (_("阶段"), words.STAGES.get(chosen.get("stage", ""), "")),
        (_("级别"), chosen.get("level", "")),
        (_("列"), _columns_told(job)),
        (_("需要审批的原因"), job.reason),
        (_("申请时间"), f"{local(job.created_at):%Y-%m-%d %H:%M}"),
    ]
