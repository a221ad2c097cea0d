"""A corp's own fields in the phone's forms: reading what was posted with its files, and drawing them."""

from collections.abc import Mapping
from typing import Any

from flask import g, request
from werkzeug.datastructures import FileStorage

from wsapp.crm.fields import forms
from wsapp.crm.fields.access import reads
from wsapp.crm.fields.attached import of_files
from wsapp.crm.fields.carriers import inherited
from wsapp.crm.fields.models import Field
from wsapp.crm.fields.showing import albums_of, change_shown, facts_of
from wsapp.crm.fields.types import MOST_FILES
from wsapp.db import db
from wsapp.documents import keep_document
from wsapp.files import keep_photo
from wsapp.h5.forms import Form
from wsapp.problems import Invalid

PHOTO_ENDINGS = ("jpg", "jpeg", "png", "webp")


def take(form: Form, obj: str) -> bool:
    """Read the corp's own fields of a posted form into `form.custom`, and keep the files that came with it.

    The files are committed at once, so that a form that fails has them still. False when one cannot be taken: the form
    then says why.
    """
    form.custom = forms.posted(obj, request.form, actor=g.member)
    kept = [_keep(field, form) for field in of_files(forms.writable(obj, g.member))]
    if any(kept):
        db.session.commit()
    form.typed |= forms.typed(obj, form.custom, actor=g.member)
    return not any(name in form.errors for name in form.typed if name.startswith("custom."))


def _keep(field: Field, form: Form) -> int:
    """Keep the files that were sent for a field; returns how many."""
    sent = [file for file in request.files.getlist(f"{field.name}.files") if file.filename]
    ids: list[str] = form.custom.setdefault(field.key, []) if sent else []
    kept = 0
    for file in sent[: MOST_FILES[field.type] + 1]:
        try:
            ids.append(_keep_one(field, file))
            kept += 1
        except Invalid as problem:
            form.errors[field.name] = problem.detail
        file.stream.seek(0)
    return kept


def _keep_one(field: Field, file: FileStorage) -> str:
    raw, name = file.stream.read(), file.filename or ""
    if field.type == "image" or name.rpartition(".")[2].casefold() in PHOTO_ENDINGS:
        return keep_photo(raw, owner_id=g.member.id).id
    return keep_document(raw, name, owner_id=g.member.id).id


def typed(obj: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record's values as its form begins with."""
    return forms.typed(obj, stored, actor=g.member)


def drawn(
    obj: str, form: Form, stored: Mapping[str, Any] | None = None, *, parent: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return the parts of the form; `stored` are the values of the record that it changes, `parent` those of the
    customer that a new one is about."""
    begins = inherited(obj, parent, actor=g.member)
    return forms.drawn(obj, form.typed, form.errors, actor=g.member, stored=stored, parent=begins)


def shown(obj: str, custom: Mapping[str, Any] | None, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record's page shows of its own fields: `own_facts` and `albums`. `own`: the record's own fields
    that rules look at."""
    values = custom or {}
    return {
        "own_facts": facts_of(obj, values, own, actor=g.member),
        "albums": albums_of(obj, values, actor=g.member) if values else [],
    }


def differing(obj: str, changes: Mapping[str, tuple[Any, Any]]) -> list[tuple[str, str, str]]:
    """Return what differs in own fields after somebody else saved, (label, mine, theirs), as far as one reads it.

    `changes`: field → (theirs, mine), see `Stale`.
    """
    return [
        change_shown(obj, field, mine, theirs)
        for field, (theirs, mine) in changes.items()
        if field.startswith("custom.") and reads(g.member, field, obj)
    ]
