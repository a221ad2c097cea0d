"""/fields: the custom fields of this corp. Everybody reads those they may see; administrators change them."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask import g

from wsapp.api.base import Answer, current_when_stale, may_be_empty, reads, resource, wanted_version, writes
from wsapp.api.lists import listed, one, text_of
from wsapp.api.schemas_ownfields import CustomField as FieldRecord
from wsapp.api.schemas_ownfields import FieldChange, FieldList, FieldNew, FieldPage, FieldPath
from wsapp.crm.fields.access import HIDDEN, access
from wsapp.crm.fields.definitions import add_field, change_field, delete_field, find_field
from wsapp.crm.fields.models import OBJECTS, CustomField
from wsapp.crm.org.rights import field_access

bp = resource("fields", "Custom fields: what this corp adds to its records")

SORTS = {
    "created_at": (CustomField.created_at, False),
    "-created_at": (CustomField.created_at, True),
    "key": (CustomField.key, False),
    "-key": (CustomField.key, True),
}
PLAIN = (
    "id",
    "version",
    "object",
    "key",
    "label",
    "type",
    "options",
    "required",
    "unique",
    "indexed",
    "indexing",
    "settings",
    "position",
)


def _select() -> Any:
    columns = [getattr(CustomField, name) for name in (*PLAIN, "created_at", "updated_at")]
    statement = sa.select(*columns).where(CustomField.hidden_at.is_(None))
    for obj in OBJECTS:
        rules = field_access(g.member, obj)
        hidden = [name.removeprefix("custom.") for name in rules if access(g.member, name, obj) == HIDDEN]
        if hidden:
            statement = statement.where(sa.or_(CustomField.object != obj, CustomField.key.not_in(hidden)))
    return statement


def _show(found: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {name: getattr(row, name) for name in PLAIN}
        | {"created_at": text_of(row.created_at), "updated_at": text_of(row.updated_at)}
        for row in found
    ]


def _answer(field_id: str, status: int = 200) -> Answer:
    record = one(_select().where(CustomField.id == field_id), show=_show)
    return Answer(record, status, record["version"], location=f"/api/v1/fields/{field_id}" if status == 201 else "")


@bp.get("/fields", responses={200: FieldPage})
@reads
def index(query: FieldList) -> Answer:
    """List the custom fields that the user may see; `position` is their order in the form."""
    statement = _select()
    if query.object:
        statement = statement.where(CustomField.object == query.object)
    if query.q.strip():
        statement = statement.where(CustomField.label.contains(query.q.strip(), autoescape=True))
    return listed(statement, query, sorts=SORTS, default="created_at", id_column=CustomField.id, show=_show)


@bp.get("/fields/<field_id>", responses={200: FieldRecord})
@reads
def show(path: FieldPath) -> Answer:
    """Return a custom field."""
    return _answer(path.field_id)


@bp.post("/fields", responses={201: FieldRecord})
@writes
def create(body: FieldNew) -> Answer:
    """Add a custom field; administrators only. A key that was ever used for this object answers 409."""
    field = add_field(_values(body), actor=g.member)
    return _answer(field.id, 201)


@bp.patch("/fields/<field_id>", responses={200: FieldRecord})
@writes
def change(path: FieldPath, body: FieldChange) -> Answer:
    """Change a custom field; administrators only. Its type becomes another only where no value can be lost."""
    field = _find(path.field_id)
    with current_when_stale(lambda: _answer(path.field_id)):
        change_field(field, _values(body), actor=g.member, version=wanted_version())
    return _answer(path.field_id)


@bp.delete("/fields/<field_id>", responses={200: FieldRecord})
@writes
@may_be_empty
def remove(path: FieldPath) -> Answer:
    """Delete a custom field; administrators only. It hides with its values, and can be restored for 30 days."""
    field = _find(path.field_id)
    answer = _answer(field.id)
    delete_field(field, actor=g.member)
    return answer


def _find(field_id: str) -> CustomField:
    """Return a field that the user sees; raises NotFound for all others, before it is asked who may change any."""
    one(_select().where(CustomField.id == field_id), show=_show)
    return find_field(field_id)


def _values(body: FieldChange) -> dict[str, Any]:
    values = body.model_dump(exclude_unset=True, by_alias=True)
    settings = values.pop("settings", None) or {}
    settings.pop("object", None)  # of a relation; the field's own object is another matter
    return {**settings, **values}
