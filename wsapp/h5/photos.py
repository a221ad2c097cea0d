"""Photos on pages: links that end soon, and uploads that came with a form."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from flask import g, request, url_for

from wsapp.db import db, rows
from wsapp.files import MAX_PER_RECORD, StoredFile, keep_photo, link_query
from wsapp.h5.forms import Form
from wsapp.problems import Invalid
from wsapp.texts import _

Link = tuple[str, str]  # the photo, its thumbnail


def link(file: StoredFile) -> Link:
    """Return the addresses of a photo and its thumbnail, good for ten minutes, for the signed-in member."""
    query: dict[str, Any] = dict(link_query(file.corp_id, file.id, g.member.id, g.member.epoch))
    whole = url_for("files.photo", file_id=file.id, **query)
    return whole, f"{whole}&thumb=1"


def links(files: Iterable[StoredFile]) -> list[Link]:
    """Return the addresses of those photos that are here already (some may still lie with the host)."""
    return [link(file) for file in files if file.state == "ready"]


def take(form: Form) -> bool:
    """Gather the form's photos: ids of those uploaded before, and the files that came with it where there is no script.

    The latter are committed at once, so that a form that fails has them still. False when one cannot be taken: the form
    then says why.
    """
    ids = list(dict.fromkeys(filter(None, form.typed["photos"])))[: MAX_PER_RECORD + 1]
    files = [file for file in request.files.getlist("photo_files") if file.filename]
    try:
        if len(ids) + len(files) > MAX_PER_RECORD:
            raise Invalid({"photos": _("最多 %(most)d 张照片", most=MAX_PER_RECORD)})
        for file in files:
            ids.append(keep_photo(file.stream.read(), owner_id=g.member.id).id)
            file.stream.seek(0)
    except Invalid as problem:
        db.session.rollback()
        form.refuse(problem)
        return False
    if files:
        db.session.commit()
    form.typed["photos"] = ids
    return True


def kept(ids: list[str]) -> list[tuple[str, str]]:
    """Return (id, thumbnail) of the member's own uploads that belong to no record yet, for a form that came back."""
    if not ids:
        return []
    mine = sa.select(StoredFile).where(
        StoredFile.id.in_(ids[:MAX_PER_RECORD]), StoredFile.owner_id == g.member.id, StoredFile.record_id.is_(None)
    )
    found = {file.id: file for file in rows(mine)}
    return [(one, link(found[one])[1] if found[one].state == "ready" else "") for one in ids if one in found]
