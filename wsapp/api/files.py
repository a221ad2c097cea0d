"""/files: photos and documents on their way into a record, and links to those that are in one."""

from typing import Any

import sqlalchemy as sa
from flask import abort, g, request

from wsapp.api.base import Answer, reads, refuse, resource, takes_form, writes
from wsapp.api.lists import file_link
from wsapp.api.schemas_in import FilePath
from wsapp.api.schemas_out import File as FileRecord
from wsapp.crm.fields.access import reads as reads_field
from wsapp.crm.fields.definitions import fields_of
from wsapp.crm.fields.models import OBJECTS
from wsapp.crm.fields.records import records_of
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.followups.queries import visible_follow_ups
from wsapp.crm.visits.models import Visit
from wsapp.crm.visits.queries import visible_visits
from wsapp.db import db, first
from wsapp.documents import SORTS, keep_document
from wsapp.files import MAX_BYTES, StoredFile, find_file, keep_photo
from wsapp.problems import Invalid, NotFound
from wsapp.texts import _

bp = resource("files", "Files: photos for visits and follow-ups")

UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "additionalProperties": False,
                }
            }
        },
    }
}


@bp.post("/files", responses={201: FileRecord}, openapi_extensions=UPLOAD)
@takes_form
@writes
def create() -> Answer:
    """Upload a photo (JPEG, PNG or WebP) or a document for a custom field (pdf, docx, xlsx, …), at most 10 MB.

    A photo is encoded anew, so no EXIF position stays in it.
    """
    (raw, name), owner_id = _upload(), g.member.id
    if "Idempotency-Key" not in request.headers:
        db.session.rollback()  # re-encoding takes a while: hold no lock meanwhile
    try:
        is_document = name.rpartition(".")[2].casefold() in SORTS
        stored = keep_document(raw, name, owner_id=owner_id) if is_document else keep_photo(raw, owner_id=owner_id)
    except Invalid as error:
        raise Invalid({"file": error.detail}) from None
    return Answer(file_link(stored), 201, location=f"/api/v1/files/{stored.id}")


def _upload() -> tuple[bytes, str]:
    if request.mimetype != "multipart/form-data":
        abort(refuse(415, "not_multipart", _("请使用 multipart/form-data，字段名为 file")))
    unknown = [name[:60] for name in (*request.form, *request.files) if name != "file"]
    if unknown:
        raise Invalid(
            {name: _("不认识的字段“%(name)s”，是不是“%(near)s”？", name=name, near="file") for name in unknown[:5]}
        )
    uploads = request.files.getlist("file")
    if len(uploads) != 1:
        raise Invalid({"file": _("请上传一个文件")})
    return uploads[0].stream.read(MAX_BYTES + 1), uploads[0].filename or ""


@bp.get("/files/<file_id>", responses={200: FileRecord})
@reads
def show(path: FilePath) -> Answer:
    """Return a fresh link to a file that the user uploaded or whose record, and field of it, they may see."""
    stored = find_file(path.file_id)
    if stored.state != "ready" or not _may_see(stored):
        raise NotFound(_("文件不存在或链接已过期"))
    return Answer(file_link(stored))


def _may_see(stored: StoredFile) -> bool:
    if stored.record_id is None:
        return bool(stored.owner_id == g.member.id)
    if stored.part:
        return _may_see_field(stored)
    holders: tuple[tuple[str, Any, Any], ...] = (
        ("visit", Visit.id, visible_visits(g.member)),
        ("follow_up", FollowUp.id, visible_follow_ups(g.member)),
    )
    return any(
        first(sa.select(column).where(column == stored.record_id, seen))
        for obj, column, seen in holders
        if reads_field(g.member, "photos", obj)
    )


def _may_see_field(stored: StoredFile) -> bool:
    """Say whether the user reads the custom field that holds a file."""
    key, record_id = stored.part.removeprefix("custom."), str(stored.record_id)
    holders = [obj for obj in OBJECTS if key in fields_of(obj) and reads_field(g.member, stored.part, obj)]
    carriers = [records_of(obj) for obj in holders]
    return any(one.is_visible(record_id, g.member) for one in carriers if one is not None)
