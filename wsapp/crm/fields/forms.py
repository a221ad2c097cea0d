"""A corp's own fields in forms: what a template draws of them, and what a posted form says of them.

A door hands in what was sent (`Sent`); the templates are in templates_h5/fields/.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from wsapp.crm.fields.access import writes
from wsapp.crm.fields.attached import Shown, files_shown, of_files
from wsapp.crm.fields.conditions import RULES
from wsapp.crm.fields.definitions import fields_of
from wsapp.crm.fields.models import Field
from wsapp.crm.fields.numbers import sign_of
from wsapp.crm.fields.records import records_of
from wsapp.crm.fields.types import LINE, MAX_ROWS, STEP, TEXT, columns_of, kind_of, show_value
from wsapp.crm.fields.values import default_of
from wsapp.crm.org.models import Department, Member
from wsapp.crm.org.queries import assignable_members, names, visible_departments
from wsapp.db import db
from wsapp.texts import _

Drawn = dict[str, Any]
OPEN_ROWS, SPARE_ROWS = 3, 10  # of a sub-table: drawn at once, and behind "more"
MOST_CHOICES = 300


class Sent(Protocol):
    """A posted form, as Werkzeug reads it."""

    def __contains__(self, name: Any) -> bool: ...
    def __getitem__(self, name: str) -> str: ...
    def getlist(self, name: str) -> list[str]: ...


def writable(obj: str, actor: Member) -> list[Field]:
    """Return the fields of a form that the actor may fill in, in order."""
    return [one for one in fields_of(obj).values() if writes(actor, one.name, obj)]


# --- reading ------------------------------------------------------------------------------------------------------


def posted(obj: str, sent: Sent, *, actor: Member) -> dict[str, Any]:
    """Return what the posted form says of the fields that it held: key → text, list, rows."""
    found: dict[str, Any] = {}
    for field in writable(obj, actor):
        if field.type == "sub_table":
            rows = _posted_rows(field, sent)
            if rows is not None:
                found[field.key] = rows
        elif field.name in sent:
            found[field.key] = _posted_one(field, sent)
    return found


def _posted_one(field: Field, sent: Sent) -> Any:
    text = _bare(sent[field.name])
    if field.type == "multiple" or kind_of(field).holds_files:
        return [_bare(one) for one in sent.getlist(field.name) if one]
    if field.type == "address":
        return {"text": text, **_place(_text(sent, f"{field.name}.at"))}
    return text


def _place(text: str) -> dict[str, str]:
    """Read "22.84,113.25", and after another comma the grid if it is not that of the hosts' maps."""
    lat, lng, grid = (*(part.strip() for part in text.replace("，", ",").split(",", 2)), "", "", "")[:3]
    return {"lat": lat, "lng": lng} | ({"coordinate": grid} if grid else {})


def _posted_rows(field: Field, sent: Sent) -> list[dict[str, str]] | None:
    """Return the rows of a sub-table that hold something, None when the form held no sub-table."""
    columns = columns_of(field)
    rows: list[dict[str, str]] = []
    for number in range(MAX_ROWS):
        cells = {one.key: f"{field.name}.{number}.{one.key}" for one in columns}
        if not any(name in sent for name in cells.values()):
            break
        row = {key: _text(sent, name).strip() for key, name in cells.items()}
        if any(row.values()):
            rows.append(row)
    else:
        return rows
    return rows if number else None


def _text(sent: Sent, name: str) -> str:
    return _bare(sent[name]) if name in sent else ""


def _bare(text: str) -> str:
    return text.replace("\0", "")


def typed(obj: str, values: Mapping[str, Any], *, actor: Member) -> dict[str, Any]:
    """Return values under the names that a form has for them, so that it finds its errors."""
    return {one.name: values.get(one.key) for one in writable(obj, actor)}


# --- drawing ------------------------------------------------------------------------------------------------------


def drawn(
    obj: str,
    values: Mapping[str, Any],
    errors: Mapping[str, str],
    *,
    actor: Member,
    stored: Mapping[str, Any] | None = None,
    parent: Mapping[str, Any] | None = None,
) -> list[Drawn]:
    """Return the parts of a form, see `draw_all`. `values`, `errors`: by the form's names."""
    return draw_all(writable(obj, actor), values, errors, actor=actor, stored=stored, parent=parent)


def draw_all(
    fields: Sequence[Field],
    values: Mapping[str, Any],
    errors: Mapping[str, str],
    *,
    actor: Member,
    stored: Mapping[str, Any] | None = None,
    parent: Mapping[str, Any] | None = None,
) -> list[Drawn]:
    """Return the parts of a form: title, and its fields as the template draws them. A heading begins a new part.

    `stored` are the values of the record that the form changes, None where it makes a new one, which then begins with
    the fields' defaults; some come from `parent`, see `carriers.inherited`.
    """
    files = _files(fields, values, stored or {}, actor)
    parts: list[Drawn] = []
    for field in fields:
        if field.type == "heading" or not parts:
            parts.append({"title": field.label if field.type == "heading" else "", "fields": []})
        if field.type != "heading":
            value = values.get(field.name)
            if value is None and stored is None:
                value = default_of(field, actor, parent or {})
            one = draw(field, value, errors.get(field.name, ""), actor=actor)
            one["files"] = [files[file_id] for file_id in _ids(value) if file_id in files]
            parts[-1]["fields"].append(one | {"stored": stored is not None and bool(value)})
    return [part for part in parts if part["fields"]]


def _files(
    fields: Sequence[Field], values: Mapping[str, Any], stored: Mapping[str, Any], actor: Member
) -> Mapping[str, Shown]:
    """Return the files that the form holds by id: the record's, and what its user has uploaded meanwhile."""
    wanted = [file_id for field in of_files(fields) for file_id in _ids(values.get(field.name))]
    held = [file_id for field in of_files(fields) for file_id in _ids(stored.get(field.key))]
    return files_shown(wanted, actor=actor, held=held)


def _ids(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def draw(field: Field, value: Any, error: str, *, actor: Member) -> Drawn:
    """Return one field as the template draws it."""
    one: Drawn = {
        "name": field.name,
        "type": field.type,
        "label": field.label,
        "required": field.required,
        "hint": field.settings.get("hint", ""),
        "error": error,
        "value": value if value is not None else "",
        "unit": _unit(field),
        "length": int(field.number("length", TEXT if field.type == "long_text" else LINE)),
        "options": _options(field, value, actor),
        "rules": {rule: field.settings[rule] for rule in RULES if field.settings.get(rule)},
    }
    if field.settings.get("kinds"):
        one["rules"]["kinds"] = field.settings["kinds"]
    if field.type == "yes_no" and isinstance(value, bool):
        one["value"] = "1" if value else "0"
    if field.type == "address":
        one["value"] = _address(value)
    if field.type == "formula":
        one["value"] = show_value(field, value)
    if field.type == "sub_table":
        one |= _table(field, value if isinstance(value, list) else [], actor)
    return one


def _unit(field: Field) -> str:
    unit = "%" if field.type == "percent" else field.settings.get("unit")
    if field.type == "money":
        unit = sign_of(str(field.settings.get("currency") or ""))
    return f"（{unit}）" if unit else ""


def _address(value: Any) -> dict[str, str]:
    known = value if isinstance(value, Mapping) else {}
    place = [str(known.get(name)) for name in ("lat", "lng", "coordinate") if known.get(name) not in (None, "")]
    return {"text": str(known.get("text") or ""), "at": ",".join(place)}


def _table(field: Field, rows: Sequence[Mapping[str, Any]], actor: Member) -> Drawn:
    columns = columns_of(field)
    shown = [{one.key: _cell(row.get(one.key)) for one in columns} for row in rows]
    empty = min(SPARE_ROWS, MAX_ROWS - len(shown))
    shown += [dict.fromkeys((one.key for one in columns), "") for _row in range(empty)]
    drawn_columns = [{"key": one.key, "label": one.label, "options": _options(one, None, actor)} for one in columns]
    return {"columns": drawn_columns, "rows": shown, "open": max(len(rows) + 1, OPEN_ROWS)}


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return "" if value is None else str(value)


# --- choices ------------------------------------------------------------------------------------------------------


def choices_of(field: Field, actor: Member) -> list[tuple[str, Any]]:
    """Return what can be chosen for a field, (value, text): its options, or people, departments, records."""
    return _options(field, None, actor)


def _options(field: Field, value: Any, actor: Member) -> list[tuple[str, Any]]:
    match field.type:
        case "yes_no":
            none = [] if field.required else [("", _("未填"))]
            return [*none, ("1", _("是")), ("0", _("否"))]
        case "single" | "multiple":
            none = [("", _("未选"))] if field.type == "single" and 0 < len(field.options) <= 5 else []
            return [*(none if not field.required else []), *((one, one) for one in field.options)]
        case "cascading":
            return _branches(field)
        case "person":
            return _people(value, actor)
        case "department":
            there = sa.select(Department.id, Department.name).where(visible_departments(actor))
            return [
                (row.id, row.name) for row in db.session.execute(there.order_by(Department.path).limit(MOST_CHOICES))
            ]
        case "relation":
            return _records(str(field.settings.get("object")), value, actor)
    return []


def _branches(field: Field) -> list[tuple[str, Any]]:
    """Return the first levels of a cascading choice, each with (path, the levels below)."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in field.options:
        top, _step, below = path.partition(STEP)
        found.setdefault(top, []).append((path, " / ".join(below.split(STEP)) if below else top))
    return list(found.items())


def _people(value: Any, actor: Member) -> list[tuple[str, str]]:
    found = {one.id: one.name for one in assignable_members(actor)}
    found.setdefault(actor.id, actor.name)
    if value and value not in found:
        found |= names([str(value)])
    return list(found.items())


def _records(obj: str, value: Any, actor: Member) -> list[tuple[str, str]]:
    records = records_of(obj)
    if records is None:
        return []
    found = dict(records.choices(actor))
    if value and value not in found:
        found |= records.names([str(value)])
    return list(found.items())
