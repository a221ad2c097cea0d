"""Imports (导入): upload a spreadsheet, say what its columns mean, look on, take it back."""

from typing import Any

from flask import Blueprint, g, request, send_file, url_for

from wsapp.crm.org.queries import assignable_members, leads_others
from wsapp.crm.transfer import imports, storage
from wsapp.crm.transfer.headings import NEEDED, columns_for
from wsapp.crm.transfer.models import (
    DONE,
    DRAFT,
    FAILED,
    OBJECTS,
    QUEUED,
    RUNNING,
    UNDOING,
    UNDONE,
    ImportJob,
)
from wsapp.crm.transfer.writing import write
from wsapp.db import db
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import go, is_partial, show
from wsapp.house import local
from wsapp.problems import Invalid, NotFound, Problem
from wsapp.texts import _, lazy
from wsapp.web import require_member, takes_up_to

bp = Blueprint("imports", __name__, url_prefix="/h5/imports")
bp.before_request(require_member)

MOST_BYTES = 21 * 1024 * 1024
WALL = 20.0  # seconds of reading for which a page waits
SHOWN_ERRORS = 50
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
OBJECT_WORDS = {"customer": lazy("客户"), "follow_up": lazy("跟进记录")}
ON_DUPLICATE = {
    "skip": lazy("跳过重复的行"),
    "fill": lazy("只补充空白的内容"),
    "update": lazy("用表格内容覆盖"),
    "add": lazy("同名时也新建（电话、信用代码相同的仍跳过）"),
    "fail": lazy("当作错误"),
}
STATES = {
    DRAFT: lazy("待确认"),
    QUEUED: lazy("排队中"),
    RUNNING: lazy("导入中"),
    DONE: lazy("已完成"),
    FAILED: lazy("失败"),
    UNDOING: lazy("撤销中"),
    UNDONE: lazy("已撤销"),
}


@bp.get("")
def index() -> str:
    """My imports, and the form for a new one."""
    return _index()


def _index(errors: dict[str, str] | None = None) -> str:
    return show(
        "imports/index.html",
        objects=[(key, OBJECT_WORDS[key]) for key in OBJECTS if imports.may_import(g.member, key)],
        jobs=[_row(job) for job in imports.imports_of(g.member)],
        errors=errors or {},
        most=imports.most_bytes() // imports.MEGABYTE,
    )


def _row(job: ImportJob) -> dict[str, Any]:
    return {
        "url": url_for("imports.page", import_id=job.id),
        "name": job.file_name,
        "state": STATES[job.state],
        "mark": {DONE: "done", RUNNING: "doing", FAILED: "overdue"}.get(job.state, ""),
        "object": OBJECT_WORDS[job.object],
        "total": job.total,
        "at": local(job.created_at),
    }


@bp.post("")
@takes_up_to(MOST_BYTES)
def create() -> Any:
    """Read the uploaded file; go on to what its columns mean."""
    upload, obj = request.files.get("file"), request.form.get("object", "customer")
    try:
        if upload is None or not upload.filename:
            raise Invalid({"file": _("请选择文件")})
        if obj not in OBJECTS:
            raise Invalid({"object": _("请从列表中选择")})
        imports.importable(g.member, obj)
        most = imports.most_bytes()
        db.session.rollback()  # reading takes a while: hold no lock meanwhile
        received = imports.receive(upload.stream, upload.filename, most=most, wall=WALL)
        job = imports.draft(received, actor=g.member, obj=obj)
    except Invalid as problem:
        db.session.rollback()
        return _index(problem.fields), 422
    db.session.commit()
    return go(url_for("imports.page", import_id=job.id))


@bp.get("/templates/<name>")
def template(name: str) -> Any:
    """An empty workbook with all headings that we know."""
    if name not in OBJECTS:
        raise NotFound(_("没有这个模板"))
    path = storage.place(f"template-{g.member.id}-{name}", storage.RESULT)
    write(path, [[str(column.title) for column in columns_for(name, g.member)]], format="xlsx")
    return send_file(path, mimetype=SHEET, as_attachment=True, download_name=f"{name}.xlsx")


# --- one import ---------------------------------------------------------------------------------------------------


@bp.get("/<key:import_id>")
def page(import_id: str) -> str:
    """What an import would do, does, or did."""
    job = imports.find_import(import_id, actor=g.member)
    if job.state == DRAFT:
        typed = {"mapping": job.mapping, "on_duplicate": job.on_duplicate, "owner": job.owner_id or "", "dry_run": ""}
        return _draft(job, Form(typed))
    return _progress(job)


def _draft(job: ImportJob, form: Form) -> str:
    return show(
        "imports/draft.html",
        job=job,
        form=form,
        columns=_columns(job, form.typed["mapping"]),
        choices=[(column.key, column.title) for column in columns_for(job.object, g.member)],
        needed=NEEDED[job.object],
        preview=imports.preview(job),
        on_duplicate=list(ON_DUPLICATE.items()),
        owners=[(one.id, one.name) for one in assignable_members(g.member)] if leads_others(g.member) else [],
        pools=_pools() if job.object == "customer" else [],
    )


def _columns(job: ImportJob, mapping: list[str]) -> list[tuple[str, str]]:
    meanings = [*mapping, *[""] * len(job.headings)]
    return [(heading or _("第 %(n)s 列", n=n + 1), meanings[n]) for n, heading in enumerate(job.headings)]


def _pools() -> list[tuple[str, str]]:
    from wsapp.crm.pools.queries import pools_of

    return [(one.id, one.name) for one in pools_of(g.member)]


@bp.post("/<key:import_id>")
def start(import_id: str) -> Any:
    """Take the file as the form says: in earnest, or as a rehearsal."""
    form = Form.read(("on_duplicate", "owner", "pool", "dry_run"), ("mapping",))
    job = imports.find_import(import_id, actor=g.member)

    def act() -> str:
        imports.prepare(
            job,
            actor=g.member,
            mapping=form.typed["mapping"],
            on_duplicate=form.typed["on_duplicate"],
            dry_run=bool(form.typed["dry_run"]),
            owner_id=form.typed["owner"] or None,
            pool_id=form.typed["pool"] or None,
        )
        imports.start(job)
        return url_for("imports.page", import_id=job.id)

    def again(problem: Problem | None) -> str:
        return _draft(imports.find_import(import_id, actor=g.member), form)

    return save(form, act, again=again, words="")


def _progress(job: ImportJob) -> str:
    is_moving = job.state in (QUEUED, RUNNING, UNDOING)
    return show(
        "imports/part.html" if is_partial() else "imports/page.html",
        job=job,
        state=STATES[job.state],
        is_moving=is_moving,
        share=round(100 * job.done / job.total) if job.total else 0,
        numbers=[
            (job.created, _("可新建") if job.dry_run else _("新建"), "", False),
            (job.updated, _("可更新") if job.dry_run else _("更新"), "", False),
            (job.skipped, _("跳过"), "", False),
            (job.failed, _("有错误"), "", bool(job.failed)),
        ],
        errors=[] if is_moving else _errors(job),
        kept=imports.kept_rows(job) if job.state == UNDONE and job.kept else [],
        may_undo=imports.may_undo(job),
        has_result=job.state == DONE and bool(job.failed or job.skipped),
        object_words=OBJECT_WORDS[job.object],
    )


def _errors(job: ImportJob) -> list[dict[str, Any]]:
    titles = {column.key: column.title for column in columns_for(job.object, g.member)}
    found = imports.told(job, ("failed", "skipped"), limit=SHOWN_ERRORS)
    return [{**one, "field": titles.get(one["field"], one["field"])} for one in found]


@bp.post("/<key:import_id>/confirmation")
def confirm(import_id: str) -> Any:
    """Take a rehearsed import in earnest."""
    return _do(import_id, imports.rehearsed)


@bp.post("/<key:import_id>/rollback")
def roll_back(import_id: str) -> Any:
    """Take an import back."""
    return _do(import_id, lambda job: imports.ask_undo(job, actor=g.member))


def _do(import_id: str, deed: Any) -> Any:
    job = imports.find_import(import_id, actor=g.member)
    words = ""
    try:
        deed(job)
        db.session.commit()
    except Invalid as problem:
        db.session.rollback()
        words = problem.detail
    return go(url_for("imports.page", import_id=import_id), words)


@bp.get("/<key:import_id>/result")
def result(import_id: str) -> Any:
    """The rows that were not taken, with what is wrong with them."""
    job = imports.find_import(import_id, actor=g.member)
    place = storage.place(job.id, storage.RESULT)
    if not place.is_file():
        raise NotFound(_("文件不存在或链接已过期"))
    return send_file(place, mimetype=SHEET, as_attachment=True, download_name=f"import-{job.id}.xlsx")
