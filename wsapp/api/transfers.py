"""/imports and /exports: books that come in from spreadsheets, and lists that go out as such."""

from typing import Any

from flask import Response, abort, g, request, send_file

from wsapp.api.base import Answer, reads, refuse, resource, takes_form, writes
from wsapp.api.lists import text_of
from wsapp.api.schemas import one_of
from wsapp.api.schemas_in import ExportNew, ExportPath, ImportPath
from wsapp.api.schemas_out import Export as ExportRecord
from wsapp.api.schemas_out import Import as ImportRecord
from wsapp.crm.transfer import exports, imports, storage
from wsapp.crm.transfer.models import (
    ASKING,
    DONE,
    FAILED,
    OBJECTS,
    ON_DUPLICATE,
    QUEUED,
    REFUSED,
    SKIP,
    UNDOING,
    UNDONE,
    ExportJob,
    ImportJob,
)
from wsapp.db import db
from wsapp.problems import Invalid, NotFound
from wsapp.texts import _
from wsapp.web import own_origin, takes_up_to
from wsapp.web import writes as writes_down

bp = resource("transfers", "Imports and exports: spreadsheets in and out")

MOST_BYTES = 21 * 1024 * 1024  # the largest file that any corp may allow, and its envelope
MOST_ERRORS = 10_000
WALL = 20.0  # seconds of reading for which a request waits
YES, NO = ("true", "1", "on", "yes"), ("false", "0", "off", "no", "")
FORM_FIELDS = ("file", "object", "on_duplicate", "dry_run")
UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "object": {"type": "string", "enum": list(OBJECTS), "default": "customer"},
                        "on_duplicate": {"type": "string", "enum": list(ON_DUPLICATE), "default": SKIP},
                        "dry_run": {"type": "boolean", "default": False},
                    },
                    "additionalProperties": False,
                }
            }
        },
    }
}
FILE: Any = {200: {"description": "The file", "content": {"application/octet-stream": {}}}}
SHEET_TYPES = {"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "csv": "text/csv"}


# --- imports ------------------------------------------------------------------------------------------------------


@bp.post("/imports", responses={201: ImportRecord}, openapi_extensions=UPLOAD)
@takes_up_to(MOST_BYTES)
@takes_form
@writes
def start_import() -> Answer:
    """Import a spreadsheet (xlsx, or csv in UTF-8 or GBK). Columns are known by their headings.

    `on_duplicate`: `skip` rows that are there already, `fill` what is empty, `update` what the row says, or `fail`.
    With `dry_run` nothing is written; the job says what would happen.
    """
    upload, values = _form()
    imports.importable(g.member, values["object"])
    most = imports.most_bytes()
    if "Idempotency-Key" not in request.headers:
        db.session.rollback()  # reading takes a while: hold no lock meanwhile
    received = imports.receive(upload.stream, upload.filename or "", most=most, wall=WALL)
    job = imports.draft(received, actor=g.member, obj=values["object"])
    imports.prepare(job, actor=g.member, on_duplicate=values["on_duplicate"], dry_run=values["dry_run"])
    imports.start(job)
    return Answer(_import(job), 201, location=f"/api/v1/imports/{job.id}")


def _form() -> tuple[Any, dict[str, Any]]:
    if request.mimetype != "multipart/form-data":
        abort(refuse(415, "not_multipart", _("请使用 multipart/form-data，字段名为 file")))
    errors = {
        name[:60]: _("不认识的字段“%(name)s”", name=name[:60])
        for name in (*request.form, *request.files)
        if name not in FORM_FIELDS
    }
    uploads = request.files.getlist("file")
    if len(uploads) != 1:
        errors["file"] = _("请上传一个文件")
    values = {
        "object": one_of(request.form.get("object", "customer")),
        "on_duplicate": request.form.get("on_duplicate", SKIP),
    }
    for name, choices in (("object", OBJECTS), ("on_duplicate", ON_DUPLICATE)):
        if values[name] not in choices:
            errors[name] = _("请从列表中选择")
    dry_run = request.form.get("dry_run", "").strip().lower()
    if dry_run not in (*YES, *NO):
        errors["dry_run"] = _("应为 true 或 false")
    if errors:
        raise Invalid(dict(list(errors.items())[:5]))
    return uploads[0], {**values, "dry_run": dry_run in YES}


@bp.get("/imports/<import_id>", responses={200: ImportRecord})
@reads
def show_import(path: ImportPath) -> Answer:
    """Return how far an import of the user's is, and what is wrong with which row."""
    return Answer(_import(imports.find_import(path.import_id, actor=g.member)))


@bp.get("/imports/<import_id>/result", responses=FILE)
def import_result(path: ImportPath) -> Response:
    """Return the rows that were not taken as an xlsx file, with one more column that says why."""
    job = imports.find_import(path.import_id, actor=g.member)
    place = storage.place(job.id, storage.RESULT)
    if not place.is_file():
        raise NotFound(_("文件不存在或链接已过期"))
    return _file(place, "xlsx", f"import-{job.id}.xlsx")


@bp.post("/imports/<import_id>/rollback", responses={200: ImportRecord})
@takes_form
@writes
def roll_back(path: ImportPath) -> Answer:
    """Take an import back, within 24 hours. What people have touched since stays."""
    job = imports.find_import(path.import_id, actor=g.member)
    imports.ask_undo(job, actor=g.member)
    return Answer(_import(job))


def _import(job: ImportJob) -> dict[str, Any]:
    is_over = job.state in (DONE, UNDOING, UNDONE)
    return {
        **{name: getattr(job, name) for name in ("id", "object", "file_name", "on_duplicate", "dry_run")},
        **{name: getattr(job, name) for name in ("done", "total", "created", "updated", "skipped", "failed", "fault")},
        "state": DONE if is_over else job.state,
        "errors": imports.told(job, limit=MOST_ERRORS) if job.failed else [],
        "skipped_rows": imports.told(job, ("skipped",), limit=MOST_ERRORS) if job.skipped else [],
        "rolled_back": job.state == UNDONE,
        "rolled_back_rows": job.undone,
        "kept_rows": job.kept,
        "result_url": f"{own_origin()}/api/v1/imports/{job.id}/result" if is_over else None,
        "created_at": text_of(job.created_at),
        "finished_at": text_of(job.finished_at),
    }


# --- exports ------------------------------------------------------------------------------------------------------


@bp.post("/exports", responses={201: ExportRecord})
@writes
def start_export(body: ExportNew) -> Answer:
    """Have a list written to a file, within the user's rights. A large one may need somebody's consent."""
    chosen = body.filter.model_dump(exclude_defaults=True) if body.filter else {}
    if "updated_since" in chosen:
        chosen["updated_since"] = chosen["updated_since"].isoformat()
    job = exports.request_export(
        actor=g.member, obj=body.object, format=body.format, filter=chosen, columns=body.columns
    )
    return Answer(_export(job), 201, location=f"/api/v1/exports/{job.id}")


@bp.get("/exports/<export_id>", responses={200: ExportRecord})
@reads
def show_export(path: ExportPath) -> Answer:
    """Return how far an export of the user's is."""
    return Answer(_export(exports.find_export(path.export_id, actor=g.member)))


@bp.get("/exports/<export_id>/result", responses=FILE)
@writes_down
def export_result(path: ExportPath) -> Response:
    """Return the file, for a day, to whoever asked for it."""
    job = exports.find_export(path.export_id, actor=g.member)
    place = exports.ready_file(job, actor=g.member)
    db.session.commit()
    return _file(place, job.format, f"{job.object}-{job.id}.{job.format}")


def _export(job: ExportJob) -> dict[str, Any]:
    states = {ASKING: QUEUED, REFUSED: FAILED, "expired": DONE}
    approval = {ASKING: "waiting", REFUSED: "refused"}.get(job.state, "given" if job.reason else "")
    return {
        **{
            name: getattr(job, name)
            for name in ("id", "object", "format", "columns", "reason", "done", "total", "fault")
        },
        "state": states.get(job.state, job.state),
        "approval": approval,
        "errors": [],
        "result_url": f"{own_origin()}/api/v1/exports/{job.id}/result" if job.state == DONE else None,
        **{name: text_of(getattr(job, name)) for name in ("created_at", "finished_at", "expires_at")},
    }


def _file(place: Any, format: str, name: str) -> Response:
    answer = send_file(place, mimetype=SHEET_TYPES[format], as_attachment=True, download_name=name)
    answer.headers["Cache-Control"] = "no-store"
    return answer
