"""The fields of an object: reading them, adding, changing, ordering, deleting and bringing back."""

import keyword
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from wsapp import clock, outbox
from wsapp.crm.events.actions import record
from wsapp.crm.fields.conditions import FACTS, RULES
from wsapp.crm.fields.designs import clean_design
from wsapp.crm.fields.formulas import FUNCTIONS, NUMERIC, names_in
from wsapp.crm.fields.models import MAX_FIELDS, MAX_INDEXED, OBJECTS, WHOLE, CustomField, CustomValue, Field
from wsapp.crm.fields.records import any_value
from wsapp.crm.fields.types import KINDS
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import hold_corp
from wsapp.crm.org.standing import changed, standing
from wsapp.db import db, first, new_id, rows
from wsapp.problems import Duplicate, Forbidden, Invalid, NotFound, Stale
from wsapp.texts import _

KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
# What stands beside the fields in formulas and rules.
TAKEN = frozenset({*keyword.kwlist, *FUNCTIONS, *(fact for facts in FACTS.values() for fact in facts)})
HIDDEN_FOR = timedelta(days=30)
FLAGS = ("required", "unique", "indexed", "indexing", "blanks")
COLUMNS = ("id", "object", "key", "label", "type", "options", "settings", *FLAGS)


# --- reading ------------------------------------------------------------------------------------------------------


def fields_of(obj: str) -> Mapping[str, Field]:
    """Return the fields of an object by key, in the order of its form; deleted ones are left out."""
    found: Mapping[str, Mapping[str, Field]] = standing("fields", _read_fields)
    return found.get(obj, {})


def _read_fields() -> Mapping[str, Mapping[str, Field]]:
    found: dict[str, dict[str, Field]] = {}
    columns = [getattr(CustomField, name) for name in COLUMNS]
    there = sa.select(*columns).where(CustomField.hidden_at.is_(None)).order_by(CustomField.position, CustomField.id)
    for row in db.session.execute(there):
        field = Field(**{**row._asdict(), "options": tuple(row.options)})
        found.setdefault(field.object, {})[field.key] = field
    return found


def find_field(field_id: str) -> CustomField:
    """Return a field's row, deleted ones too. Raises NotFound."""
    found = first(sa.select(CustomField).where(CustomField.id == field_id))
    if found is None:
        raise NotFound(_("字段不存在"))
    return found


def hidden_fields(obj: str) -> Sequence[CustomField]:
    """Return the deleted fields of an object that can still be brought back, last deleted first."""
    since = clock.now() - HIDDEN_FOR
    hidden = sa.select(CustomField).where(CustomField.object == obj, CustomField.hidden_at > since)
    return rows(hidden.order_by(CustomField.hidden_at.desc(), CustomField.id))


# --- changing -----------------------------------------------------------------------------------------------------


def add_field(values: Mapping[str, Any], *, actor: Member) -> CustomField:
    """Add a field (新增字段): `object`, `label`, `type`, and what `clean_design` takes; a missing `key` is made up.

    Raises Invalid; Duplicate for a key that is taken, also by a deleted field; Forbidden.
    """
    _demand_admin(actor)
    obj, key = str(values.get("object") or "customer"), str(values.get("key") or "") or f"f_{new_id()[-8:]}"
    errors: dict[str, str] = {}
    if obj not in OBJECTS:
        errors["object"] = _("请从列表中选择")
    if not KEY.fullmatch(key) or key in TAKEN:
        errors["key"] = _("标识应以字母开头，只含字母、数字和下划线，不超过 40 个字符，且不是保留字")
    if values.get("type") not in KINDS:
        errors["type"] = _("请从列表中选择")
    if errors:
        raise Invalid(errors)
    hold_corp()  # counts of two who add at once would both pass
    there = fields_of(obj)
    if len(there) >= MAX_FIELDS:
        raise Invalid({"label": _("最多 %(most)d 个字段", most=MAX_FIELDS)})
    design = clean_design(values, obj=obj, key=key, kind=str(values["type"]), others=there)
    _check_indexed(design, there)
    now = clock.now()
    position = 1 + max((_position(one) for one in there.values()), default=0)
    field = CustomField(**design, id=new_id(), object=obj, key=key, position=position, created_at=now, updated_at=now)
    field.indexing = field.blanks = False
    field.counter = 0
    try:
        with db.session.begin_nested():
            db.session.add(field)
            db.session.flush()
    except IntegrityError:
        raise Duplicate({"key": _("标识“%(key)s”已被使用（也可能属于已删除的字段）", key=key)}) from None
    _follow_index(field, fresh=True)
    changed()
    record("field.added", field, actor=actor, object=obj, key=key, label=field.label)
    return field


def change_field(
    field: CustomField, values: Mapping[str, Any], *, actor: Member, version: int | None = None
) -> CustomField:
    """Change a field (修改字段); with `version` only at that one. A type changes only where no value can be lost.

    Raises Invalid; Forbidden; Stale.
    """
    _demand_admin(actor)
    hold_corp()
    db.session.refresh(field)  # as whoever held the corp before has left it
    if version is not None and version != field.version:
        raise Stale(_("该字段刚被他人修改，请刷新后重试"), record=field, changes={})
    kind = str(values.get("type") or field.type)
    if kind != field.type and kind not in KINDS[field.type].widens_to:
        raise Invalid({"type": _("不能改成这种类型：已有的内容会丢失")})
    others = {key: one for key, one in fields_of(field.object).items() if key != field.key}
    if kind != field.type:
        _demand_free_of_formulas(field, kind, others)
    given = {**_as_given(field), **values}
    design = clean_design(given, obj=field.object, key=field.key, kind=kind, others=others)
    _check_indexed(design, others)
    if design["unique"] and not field.unique and any_value(field.object, field.key):
        raise Invalid({"unique": _("已有内容的字段不能再改为唯一，请新建字段")})
    changes = {name: [getattr(field, name), value] for name, value in design.items() if getattr(field, name) != value}
    if not changes:
        return field
    was_indexed, keys = field.indexed or field.unique, KINDS[field.type].keys
    for name, value in design.items():
        setattr(field, name, value)
    field.updated_at = clock.now()
    field.version += 1
    is_new = not was_indexed or KINDS[kind].keys is not keys or (kind == "formula" and "settings" in changes)
    _follow_index(field, fresh=is_new)
    db.session.flush()
    changed()
    record("field.changed", field, actor=actor, changes=changes, object=field.object, key=field.key, label=field.label)
    return field


def move_field(field: CustomField, step: int, *, actor: Member) -> None:
    """Move a field one place up (-1) or down (1) in its form."""
    _demand_admin(actor)
    hold_corp()
    there = sa.select(CustomField).where(CustomField.object == field.object, CustomField.hidden_at.is_(None))
    order = list(rows(there.order_by(CustomField.position, CustomField.id)))
    here = next(at for at, one in enumerate(order) if one.id == field.id)
    there_at = min(max(here + step, 0), len(order) - 1)
    order.insert(there_at, order.pop(here))
    for position, one in enumerate(order, 1):
        one.position = position
    db.session.flush()
    changed()


def delete_field(field: CustomField, *, actor: Member) -> None:
    """Delete a field (删除字段): it hides, with all its values, and can be brought back for 30 days."""
    _demand_admin(actor)
    users = [one.label for one in fields_of(field.object).values() if one.key != field.key and _uses(one, field.key)]
    if users:
        raise Invalid({"": _("字段“%(label)s”的公式或规则用到了它，请先修改", label=users[0])})
    field.hidden_at = clock.now()
    field.blanks = False  # records that are made meanwhile have none
    db.session.flush()
    changed()
    record("field.deleted", field, actor=actor, object=field.object, key=field.key, label=field.label)


def restore_field(field: CustomField, *, actor: Member) -> None:
    """Bring a deleted field back (恢复字段). Raises Invalid when the 30 days are over or there is no room."""
    _demand_admin(actor)
    hold_corp()
    there = fields_of(field.object)
    if field.hidden_at is None or field.hidden_at <= clock.now() - HIDDEN_FOR:
        raise Invalid({"": _("这个字段不能再恢复")})
    if len(there) >= MAX_FIELDS:
        raise Invalid({"": _("最多 %(most)d 个字段", most=MAX_FIELDS)})
    if field.indexed and _indexed(there) >= MAX_INDEXED:
        field.indexed = False
    field.hidden_at = None
    _follow_index(field, fresh=True)
    db.session.flush()
    changed()
    record("field.restored", field, actor=actor, object=field.object, key=field.key, label=field.label)


# --- inside -------------------------------------------------------------------------------------------------------


def _demand_admin(actor: Member) -> None:
    if not actor.is_admin:
        raise Forbidden(_("只有管理员可以设置字段"))


def _position(field: Field) -> int:
    return first(sa.select(CustomField.position).where(CustomField.id == field.id)) or 0


def _indexed(there: Mapping[str, Field]) -> int:
    return sum(1 for one in there.values() if one.indexed)


def _check_indexed(design: Mapping[str, Any], others: Mapping[str, Field]) -> None:
    if design["indexed"] and _indexed(others) >= MAX_INDEXED:
        raise Invalid({"indexed": _("最多 %(most)d 个可筛选字段", most=MAX_INDEXED)})


def _as_given(field: CustomField) -> dict[str, Any]:
    whole = {name: getattr(field, name) for name in ("label", "options", "required", "unique", "indexed")}
    return {**whole, **field.settings}


def _uses(field: Field, key: str) -> bool:
    return key in _named(field) or any(one["field"] == key for rule in RULES for one in field.settings.get(rule) or ())


def _follow_index(field: CustomField, *, fresh: bool) -> None:
    """Have the index follow what the field became: empty where it needs none, written anew where it needs one."""
    if not (field.indexed or field.unique):
        db.session.execute(sa.delete(CustomValue).where(CustomValue.field_id == field.id))
        field.indexing = False
    elif fresh and _has_values(field):
        _index_anew(field)
    if not field.indexed or field.object not in WHOLE:
        field.blanks = False
    elif not (field.blanks or field.indexing):
        field.blanks = not any_value(field.object, "")
        if not field.blanks:
            _enqueue_index(field)


def _has_values(field: CustomField) -> bool:
    """Say whether a record may have a value already; of a formula every one may."""
    return any_value(field.object, "" if field.type == "formula" else field.key)


def _demand_free_of_formulas(field: CustomField, kind: str, others: Mapping[str, Field]) -> None:
    """Raise Invalid where a formula would take the field's values for something else than before."""
    if field.type in NUMERIC and kind in NUMERIC:
        return
    users = [one.label for one in others.values() if field.key in _named(one)]
    if users:
        raise Invalid({"type": _("公式“%(label)s”用到了它，不能改成这种类型", label=users[0])})


def _named(field: Field) -> frozenset[str]:
    formula = str(field.settings.get("formula") or "")
    return names_in(formula) if formula else frozenset()


def _index_anew(field: CustomField) -> None:
    field.indexing, field.blanks = True, False
    _enqueue_index(field)


def _enqueue_index(field: CustomField) -> None:
    outbox.enqueue("fields.index", {"field": field.id, "after": ""}, key=f"fields:{field.id}:{new_id()}")
