"""Custom values as the doors show them: in words for pages, with userids for REST; masked and hidden as roles say."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from wsapp.crm.fields.access import HIDDEN, access, mask, reads
from wsapp.crm.fields.attached import Shown, files_shown, of_files
from wsapp.crm.fields.conditions import is_shown
from wsapp.crm.fields.definitions import fields_of
from wsapp.crm.fields.formulas import with_results
from wsapp.crm.fields.models import Field
from wsapp.crm.fields.records import records_of
from wsapp.crm.fields.types import kind_of, show_value
from wsapp.crm.org.models import Department, Member
from wsapp.crm.org.queries import people
from wsapp.db import db


def readable(obj: str, actor: Member) -> Mapping[str, Field]:
    """Return the fields whose values the actor may read in full."""
    return {key: one for key, one in fields_of(obj).items() if reads(actor, one.name, obj)}


def facts_of(obj: str, values: Mapping[str, Any], own: Mapping[str, Any], *, actor: Member) -> list[tuple[str, str]]:
    """Return a record's custom values in words, (label, text), in the order of the form; headings are left out, and
    files (see `albums_of`).

    `own` are the record's own fields that rules look at.
    """
    return facts_of_many(obj, [(values, own)], actor=actor)[0]


def facts_of_many(
    obj: str, records: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], *, actor: Member
) -> list[list[tuple[str, str]]]:
    """Return for each record (its custom values, its own fields that rules look at) what `facts_of` does, with at most
    one query for each sort of names among them."""
    fields = fields_of(obj)
    if not fields:
        return [[] for _record in records]
    shown = [one for one in fields.values() if access(actor, one.name, obj) != HIDDEN and one.type != "heading"]
    shown = [one for one in shown if not kind_of(one).holds_files]
    there = [_there(fields, shown, values, own) for values, own in records]
    names = _names([pair for pairs in there for pair in pairs])
    return [[(field.label, _words(field, value, names, actor)) for field, value in pairs] for pairs in there]


def _there(
    fields: Mapping[str, Field], shown: Sequence[Field], values: Mapping[str, Any], own: Mapping[str, Any]
) -> list[tuple[Field, Any]]:
    """Return the fields that a record shows, with their values."""
    values = with_results(fields, values)
    context = {**own, **values}
    return [(one, values[one.key]) for one in shown if values.get(one.key) is not None and is_shown(one, context)]


def albums_of(obj: str, values: Mapping[str, Any], *, actor: Member) -> list[tuple[str, list[Shown]]]:
    """Return the files of a record that the actor sees, (label, files), field by field."""
    fields = [one for one in of_files(fields_of(obj).values()) if reads(actor, one.name, obj) and values.get(one.key)]
    held = [file_id for one in fields for file_id in values[one.key]]
    found = files_shown(held, actor=actor, held=held)
    albums = [(one.label, [found[file_id] for file_id in values[one.key] if file_id in found]) for one in fields]
    return [album for album in albums if album[1]]


def _words(field: Field, value: Any, names: Mapping[tuple[str, Any], str], actor: Member) -> str:
    text = names.get((field.type, value), "") if _is_id(field) else show_value(field, value)
    return text if reads(actor, field.name, field.object) else str(mask(field.name, text))


def change_shown(obj: str, name: str, one: Any, other: Any) -> tuple[str, str, str]:
    """Return the label of the field `custom.<key>`, and two values of it in words."""
    field = fields_of(obj).get(name.removeprefix("custom."))
    if field is None:
        return name.removeprefix("custom."), str(one or ""), str(other or "")
    known = _names([(field, one), (field, other)])
    before, after = (
        known.get((field.type, value), "") if _is_id(field) else show_value(field, value) for value in (one, other)
    )
    return field.label, before, after


def _is_id(field: Field) -> bool:
    return bool(kind_of(field).names)


def _names(pairs: Iterable[tuple[Field, Any]]) -> dict[tuple[str, Any], str]:
    """Return the names of the people, departments and records among values, one query for each sort that is there."""
    wanted: dict[str, list[str]] = {}
    for field, value in pairs:
        if _is_id(field) and isinstance(value, str):
            wanted.setdefault(field.type, []).append(value)
    found: dict[tuple[str, Any], str] = {}
    for kind, ids in wanted.items():
        found |= {(kind, one): name for one, name in _names_of(kind, ids).items()}
    return found


def _names_of(kind: str, ids: Sequence[str]) -> Mapping[str, str]:
    if kind == "person":
        return {one: name for one, (name, _userid) in people(ids).items()}
    if kind == "department":
        rows = db.session.execute(sa.select(Department.id, Department.name).where(Department.id.in_(sorted(set(ids)))))
        return {row.id: row.name for row in rows}
    records = records_of("customer")
    return records.names(ids) if records else {}


def outward(obj: str, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return records' custom values as REST names them: userids for people, nothing of deleted fields. What a role
    hides or masks is for `access.shown` to say."""
    fields = fields_of(obj)
    if not fields:
        return [{} for _record in records]
    records = [with_results(fields, values) for values in records]
    persons = {key for key, field in fields.items() if field.type == "person"}
    known = people([values.get(key) for values in records for key in persons]) if persons else {}
    return [
        {
            key: (known[values[key]][1] if values[key] in known else None) if key in persons else values[key]
            for key in fields
            if values.get(key) is not None
        }
        for values in records
    ]
