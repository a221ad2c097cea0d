"""A record's custom values: taken from any door by one set of rules, kept findable, and shown.

Errors name a field `custom.<key>`. What the actor may not see does not exist for them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from wsapp import clock
from wsapp.crm.fields.access import HIDDEN, access, writes
from wsapp.crm.fields.attached import check_files, hold_files
from wsapp.crm.fields.conditions import is_read_only, is_required, is_shown
from wsapp.crm.fields.definitions import fields_of
from wsapp.crm.fields.formulas import with_results
from wsapp.crm.fields.models import WHOLE, CustomField, CustomValue, Field
from wsapp.crm.fields.records import check_visible
from wsapp.crm.fields.types import clean_value, keys_of, kind_of
from wsapp.crm.org.models import ACTIVE, Department, Member
from wsapp.crm.org.queries import visible_departments, within_team
from wsapp.db import db, first, insert_rows
from wsapp.house import local
from wsapp.problems import Duplicate, Invalid
from wsapp.texts import _

Values = Mapping[str, Any]


def new_values(
    obj: str, given: Any, *, actor: Member, facts: Values, parent: Values | None = None, numbered: bool = True
) -> dict[str, Any]:
    """Return the custom values of a new record: those given, then defaults, formulas, serial numbers.

    Not `numbered`: the serial numbers come later, see `number_all`. `facts` are the record's own fields that rules
    look at; `parent` the custom values of its parent. Raises Invalid.
    """
    fields = fields_of(obj)
    if not fields and not given:
        return {}
    values = dict(given) if isinstance(given, Mapping) else {}
    for field in fields.values():
        if field.key not in values and field.settings.get("default"):
            default = default_of(field, actor, parent or {})
            if default is not None:
                values[field.key] = default
    found = _take(obj, values, {}, actor=actor, facts=facts, whole=True, free=set(values) - set(given or ()))
    if numbered:
        number_all(obj, [found])
    return found


def number_all(obj: str, records: Sequence[dict[str, Any]]) -> None:
    """Give new records' values their serial numbers, in their order."""
    for field in fields_of(obj).values():
        if field.type == "serial" and records:
            for values, number in zip(records, _next_numbers(field, len(records)), strict=True):
                values[field.key] = number


def changed_values(obj: str, given: Any, stored: Values, *, actor: Member, facts: Values) -> dict[str, Any]:
    """Return a record's custom values with those given; the others stay. None takes a value away. Raises Invalid."""
    values = given if isinstance(given, Mapping) else {}
    return _take(obj, values, stored, actor=actor, facts=facts, whole=False, free=set())


def _take(
    obj: str, given: Values, stored: Values, *, actor: Member, facts: Values, whole: bool, free: set[str]
) -> dict[str, Any]:
    """`free`: keys that the program filled in, which no right of the actor's stands against."""
    fields = fields_of(obj)
    found, errors = dict(stored), dict[str, str]()
    for key in list(given)[:200]:
        field = fields.get(str(key))
        if field is None or access(actor, field.name, obj) == HIDDEN:
            if key not in free:
                errors[f"custom.{str(key)[:60]}"] = _("没有这个自定义字段")
            continue
        if given[key] == stored.get(key) and key in stored:
            continue
        try:
            if key not in free and not writes(actor, field.name, obj):
                raise ValueError(_("您没有修改此字段的权限"))
            _put(found, field, _resolved(field, clean_value(field, given[key]), stored.get(key), actor))
        except ValueError as error:
            errors[field.name] = str(error)
    context = {**facts, **with_results(fields, found)}
    for field in fields.values():
        _follow_rules(field, found, stored, context, errors)
        editable = writes(actor, field.name, obj)
        if editable and field.name not in errors and (whole or field.key in given or field.settings.get("require_if")):
            _demand(field, found, context, errors)
    if errors:
        raise Invalid(errors)
    return {key: value for key, value in found.items() if key not in fields or fields[key].type != "formula"}


def _put(values: dict[str, Any], field: Field, value: Any) -> None:
    if value is None:
        values.pop(field.key, None)
    else:
        values[field.key] = value


def _follow_rules(field: Field, found: dict[str, Any], stored: Values, context: Values, errors: dict[str, str]) -> None:
    """What the form does not show keeps its value; what a rule locks may not have changed."""
    if found.get(field.key) == stored.get(field.key):
        return
    if not is_shown(field, context):
        _put(found, field, stored.get(field.key))
    elif field.key in stored and is_read_only(field, {**context, **stored}):
        errors[field.name] = _("此字段目前不能修改")


def _demand(field: Field, found: Values, context: Values, errors: dict[str, str]) -> None:
    if found.get(field.key) is None and is_shown(field, context) and is_required(field, context):
        errors[field.name] = _("请填写“%(label)s”", label=field.label)


def default_of(field: Field, actor: Member, parent: Values) -> Any:
    """Return what a new record begins with in a field; None where it has no default, or the parent's does not fit."""
    default = field.settings.get("default") or {}
    match default.get("from"):
        case "user":
            return actor.id
        case "department":
            return actor.main_department_id or None
        case "today":
            return local(clock.now()).date().isoformat()
        case "parent":
            return _fitting(field, parent.get(field.key))
    return default.get("value")


def _fitting(field: Field, value: Any) -> Any:
    """Return a parent's value as the field takes it: a field of its key may be of another type there."""
    try:
        return clean_value(field, value)
    except ValueError:
        return None


def _resolved(field: Field, value: Any, stored: Any, actor: Member) -> Any:
    """Return the id that a person, department or record is kept by. Raises ValueError for one that may not be named."""
    if value is None or value == stored:
        return value
    if kind_of(field).holds_files:
        check_files(field, value, stored, actor)
        return value
    match kind_of(field).names:
        case "member":
            named = sa.or_(Member.id == value, Member.userid == value)
            theirs = sa.or_(within_team(Member.id, actor), Member.id == actor.id)
            found = first(sa.select(Member.id).where(named, Member.status == ACTIVE, theirs))
            words = _("找不到这位成员，或不在您的团队中")
        case "department":
            found = first(sa.select(Department.id).where(Department.id == value, visible_departments(actor)))
            words = _("找不到这个部门，或您无权查看")
        case "record":
            check_visible(str(field.settings.get("object")), value, actor=actor)
            return value
        case _:
            return value
    if found is None:
        raise ValueError(words)
    return found


def _next_numbers(field: Field, most: int) -> list[str]:
    """Return the next serial numbers. The counter is held until the records are committed, so that none is left out."""
    mine = CustomField.id == field.id
    count = sa.update(CustomField).where(mine).values(counter=CustomField.counter + most)
    db.session.execute(count.execution_options(synchronize_session=False))
    last = db.session.execute(sa.select(CustomField.counter).where(mine)).scalar_one()
    prefix, digits = field.settings.get("prefix") or "", int(field.number("digits", 4))
    return [f"{prefix}{number:0{digits}d}" for number in range(last - most + 1, last + 1)]


# --- the index ----------------------------------------------------------------------------------------------------


def keep_findable(obj: str, record_id: str, values: Values, before: Values | None = None) -> None:
    """Write the index of a saved record whose values changed from `before`, and make its files part of it.

    Raises Duplicate for a unique value that another record has, also one that was saved at the same moment.
    """
    fields = fields_of(obj)
    hold_files(fields.values(), record_id, values, before or {})
    found = [field for field in fields.values() if field.indexed or field.unique]
    if not found:
        return
    is_new, blank = before is None, list[dict[str, Any]]()
    values, before = with_results(fields, values), with_results(fields, before or {})
    for field in found:
        if values.get(field.key) == before.get(field.key):
            blank += found_by(field, record_id, None) if is_new else []
            continue
        if not is_new:
            mine = (CustomValue.field_id == field.id, CustomValue.record_id == record_id)
            db.session.execute(sa.delete(CustomValue).where(*mine).execution_options(synchronize_session=False))
        keys = found_by(field, record_id, values.get(field.key))
        try:
            with db.session.begin_nested():
                insert_rows(CustomValue, keys)
        except IntegrityError:
            taken = _("“%(label)s”已有相同的值，不能重复", label=field.label)
            raise Duplicate({field.name: taken}) from None
    insert_rows(CustomValue, blank)


def found_by(field: Field, record_id: str, value: Any) -> list[dict[str, Any]]:
    """Return the rows by which a record is found in lists: those of its value, or the blank one where it has none."""
    rows = index_rows(field, record_id, value)
    if rows or not field.indexed or field.object not in WHOLE:
        return rows
    return [{"field_id": field.id, "record_id": record_id, "sort_key": field.blank, "unique_key": None}]


def index_rows(field: Field, record_id: str, value: Any) -> list[dict[str, Any]]:
    """Return the rows of the index for a record's value."""
    keys = keys_of(field, value)
    return [
        {
            "field_id": field.id,
            "record_id": record_id,
            "sort_key": key,
            "unique_key": hashlib.sha256(str(value).casefold().encode()).hexdigest() if field.unique else None,
        }
        for key in keys
    ]


def forget(record_ids: list[str]) -> None:
    """Take records that are gone for good out of the index."""
    for start in range(0, len(record_ids), 500):
        gone = CustomValue.record_id.in_(record_ids[start : start + 500])
        db.session.execute(sa.delete(CustomValue).where(gone).execution_options(synchronize_session=False))
