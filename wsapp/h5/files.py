"""Handing out files by signed links: for one member, ten minutes. Photos are never anything but a picture, documents
never anything but a download."""

import re
from typing import Any

from flask import Blueprint, abort, request, send_file

from wsapp.crm.org.queries import member
from wsapp.db import enter_corp
from wsapp.files import PHOTO, find_file, link_holds, path_of

bp = Blueprint("files", __name__)

CACHE_SECONDS = 600  # as long as a link lives
CORP = re.compile("[0-9]{1,9}")
MEMBER = re.compile("[0-9a-z]{20,40}")


@bp.get("/files/<key:file_id>")
def photo(file_id: str) -> Any:
    """Send a document, a photo, or with `thumb=1` its thumbnail. 401 unless the link is ours, alive, for this file."""
    corp_id, member_id, ends, signature = (request.args.get(name, "") for name in "cmes")
    if not CORP.fullmatch(corp_id) or not MEMBER.fullmatch(member_id) or not signature.isascii():
        abort(401)
    enter_corp(int(corp_id))
    reader = member(member_id)
    if reader is None or not reader.is_active:
        abort(401)
    if not link_holds(int(corp_id), file_id, reader.id, reader.epoch, ends, signature):
        abort(401)
    stored = find_file(file_id)
    path = path_of(stored, thumb=request.args.get("thumb") == "1")
    if stored.state != "ready" or not path.is_file():
        abort(404)
    is_photo = stored.content_type == PHOTO
    answer = send_file(
        path,
        mimetype=stored.content_type,
        download_name="photo.jpg" if is_photo else stored.name,
        as_attachment=not is_photo,
        max_age=CACHE_SECONDS,
    )
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cache-Control"] = f"private, max-age={CACHE_SECONDS}"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer
