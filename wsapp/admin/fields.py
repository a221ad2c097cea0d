"""The form designer: a corp's own fields, their order and rules, with the phone's form beside them as it will be."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import g, render_template, request

from wsapp.admin.field_words import (
    ACCESS_WORDS,
    DEFAULT_WORDS,
    FACT_WORDS,
    KIND_WORDS,
    NUMBER_WORDS,
    OBJECT_WORDS,
    OPERATOR_WORDS,
    RULE_WORDS,
    VALUE_WORDS,
)
from wsapp.admin.gate import go, pages, show, storable
from wsapp.crm.fields.conditions import FACTS, MAX_CONDITIONS, OPERATORS, RULES
from wsapp.crm.fields.definitions import (
    add_field,
    change_field,
    delete_field,
    fields_of,
    find_field,
    hidden_fields,
    move_field,
    restore_field,
)
from wsapp.crm.fields.designs import CURRENCIES, CUSTOMER_KINDS, DEFAULTS, NUMBERS, clean_design
from wsapp.crm.fields.forms import draw_all
from wsapp.crm.fields.models import MAX_FIELDS, OBJECTS, CustomField, Field
from wsapp.crm.fields.roles import access_by_role, rule_field
from wsapp.crm.fields.types import COLUMN_TYPES, KINDS, MAX_COLUMNS, UNIQUE_TYPES
from wsapp.db import db
from wsapp.problems import Duplicate, Invalid, NotFound, Problem
from wsapp.texts import _

bp = pages("fields")

FLAGS = ("required", "unique", "indexed")
TEXTS = ("key", "label", "hint", "unit", "prefix", "currency", "formula", *NUMBERS)


@bp.get("/fields")
def index() -> str:
    """The form's fields in order, the phone's form, and the fields that were deleted lately."""
    obj = _object(request.args.get("object", OBJECTS[0]))
    fields = list(fields_of(obj).values())
    return show(
        "fields.html",
        "fields",
        obj=obj,
        obj_label=str(OBJECT_WORDS[obj]),
        objects=[(f"/admin/fields?object={one}", str(words), one == obj, None) for one, words in OBJECT_WORDS.items()],
        fields=[_row(one) for one in fields],
        hidden=[(one.id, one.label, str(KINDS[one.type].label)) for one in hidden_fields(obj)],
        types=[(key, str(kind.label)) for key, kind in KINDS.items()],
        room=MAX_FIELDS - len(fields),
        preview=_preview(fields),
    )


def _object(name: str) -> str:
    if name not in OBJECTS:
        raise NotFound(_("没有这种记录"))
    return name


def _row(field: Field) -> dict[str, Any]:
    marks = [(field.required, _("必填")), (field.unique, _("唯一")), (field.indexed, _("可筛选"))]
    return {
        "id": field.id,
        "label": field.label,
        "sub": f"{KINDS[field.type].label} · {field.key}",
        "marks": [words for there, words in marks if there],
    }


def _preview(fields: list[Field]) -> list[dict[str, Any]]:
    return draw_all(fields, {}, {}, actor=g.member)


# --- one field ----------------------------------------------------------------------------------------------------


@bp.get("/fields/new")
def new() -> str:
    """The form of a new field of a type."""
    kind = storable(request.args.get("type", ""))
    if kind not in KINDS:
        raise NotFound(_("没有这种字段类型"))
    return _show_one(_object(request.args.get("object", OBJECTS[0])), kind, {}, {})


@bp.get("/fields/<key:field_id>")
def page(field_id: str) -> str:
    """One field, to be changed."""
    field = _find(field_id)
    given = {name: getattr(field, name) for name in ("key", "label", "options", *FLAGS)} | dict(field.settings)
    return _show_one(field.object, field.type, given, {}, field=field)


def _find(field_id: str) -> CustomField:
    field = find_field(field_id)
    if field.hidden_at is not None:
        raise NotFound(_("字段不存在"))
    return field


def _show_one(
    obj: str, kind: str, given: Mapping[str, Any], errors: Mapping[str, str], *, field: CustomField | None = None
) -> str:
    others = [one for one in fields_of(obj).values() if field is None or one.id != field.id]
    a_kind = KINDS[kind]
    known = access_by_role(obj, f"custom.{field.key}" if field else "")
    return show(
        "field.html",
        "fields",
        obj=obj,
        back=_list_of(obj),
        field=field,
        kind=kind,
        kind_label=str(a_kind.label),
        kinds=[(one, str(KINDS[one].label)) for one in (kind, *(a_kind.widens_to if field else ()))],
        given=given,
        errors=errors,
        chooses=a_kind.chooses,
        fills=a_kind.given,
        flags=_flags(kind),
        numbers=[(name, str(NUMBER_WORDS[name])) for name, (types, _least, _most) in NUMBERS.items() if kind in types],
        currencies=[(one, one) for one in CURRENCIES],
        defaults=[(one, _default_words(one, obj)) for one, types in DEFAULTS.items() if kind in types],
        customer_kinds=[(one, str(KIND_WORDS[one])) for one in CUSTOMER_KINDS] if obj == "customer" else [],
        rules=[(rule, str(words), _filled_up(obj, given.get(rule))) for rule, words in RULE_WORDS.items()],
        operators=[(one, str(OPERATOR_WORDS[one])) for one in OPERATORS],
        operands=[(one, str(FACT_WORDS[obj, one])) for one in FACTS[obj]] + [(one.key, one.label) for one in others],
        known_values=_known_values(obj, others),
        columns=_columns_drawn(given.get("columns")),
        column_types=[(one, str(KINDS[one].label)) for one in COLUMN_TYPES],
        usable=[(one.key, one.label) for one in others],
        access=[(key, name, how) for key, (name, how) in known.items()],
        levels=[(how, str(words)) for how, words in ACCESS_WORDS.items()],
        preview=_preview(_with_draft(obj, kind, given, field)),
    )


def _default_words(source: str, obj: str) -> str:
    if source == "parent" and obj != OBJECTS[0]:
        return _("与所属客户同标识的字段相同")
    return str(DEFAULT_WORDS[source])


def _flags(kind: str) -> list[tuple[str, str]]:
    a_kind = KINDS[kind]
    found = [("required", _("必填"))] if a_kind.given else []
    if kind in UNIQUE_TYPES:
        found.append(("unique", _("值不能重复")))
    if a_kind.keys:
        found.append(("indexed", _("可用于筛选和排序")))
    return found


def _list_of(obj: str) -> str:
    return "/admin/fields" if obj == OBJECTS[0] else f"/admin/fields?object={obj}"


def _filled_up(obj: str, conditions: Any) -> list[Mapping[str, Any]]:
    """Return a rule's conditions in words, and one empty line more."""
    known: list[Mapping[str, Any]] = [{**one, "value": _value_shown(obj, one)} for one in conditions or ()]
    return [*known, *([{}] if len(known) < MAX_CONDITIONS else [])]


def _value_shown(obj: str, condition: Mapping[str, Any]) -> str:
    value = condition.get("value")
    if isinstance(value, bool):
        return _("是") if value else _("否")
    words = VALUE_WORDS.get((obj, str(condition.get("field"))), {}).get(str(value))
    return str(words) if words else "" if value is None else str(value)


def _known_values(obj: str, others: Sequence[Field]) -> list[str]:
    """Return the values that a rule may speak of, to choose from while one types."""
    found = [str(words) for fact in FACTS[obj] for words in VALUE_WORDS.get((obj, fact), {}).values()]
    found += [option for one in others for option in one.options]
    return list(dict.fromkeys([*found, *([_("是"), _("否")] if any(one.type == "yes_no" for one in others) else [])]))


def _columns_drawn(columns: Any) -> list[Mapping[str, Any]]:
    known = list(columns or ())
    return [*known, *({} for _line in range(3))][:MAX_COLUMNS]


# --- what was posted ----------------------------------------------------------------------------------------------


def _read(obj: str, kind: str) -> dict[str, Any]:
    """Return the posted design as `add_field` takes it."""
    form = request.form
    values: dict[str, Any] = {name: form.get(name, "").replace("\0", "") for name in TEXTS}
    values |= {name: form.get(name) == "1" for name in FLAGS}
    values |= {"type": kind, "object": obj, "kinds": form.getlist("kinds")}
    values["options"] = [line for line in form.get("options", "").splitlines() if line.strip()]
    values |= {rule: _read_rule(obj, rule) for rule in RULES}
    values["columns"] = _read_columns()
    values["default"] = _read_default(kind)
    return values


def _read_rule(obj: str, rule: str) -> list[dict[str, str]]:
    fields, operators, wanted = (request.form.getlist(f"{rule}.{part}") for part in ("field", "op", "value"))
    lines = zip(fields, operators, wanted, strict=False)
    return [{"field": one, "op": how, "value": _value_of(obj, one, value.strip())} for one, how, value in lines if one]


def _value_of(obj: str, field: str, words: str) -> str:
    """Return the code of a value that is written in words; any other value is as it is written."""
    known = VALUE_WORDS.get((obj, field), {})
    return next((code for code, said in known.items() if words == str(said)), words)


def _read_columns() -> list[dict[str, Any]]:
    parts = (request.form.getlist(f"column.{part}") for part in ("key", "label", "type", "options"))
    found = []
    for number, (key, label, kind, options) in enumerate(zip(*parts, strict=False), 1):
        if label.strip():
            choices = [one.strip() for one in options.replace("，", ",").split(",") if one.strip()]
            found.append({"key": key or f"c{number}", "label": label, "type": kind, "options": choices})
    return found


def _read_default(kind: str) -> dict[str, Any]:
    source, value = request.form.get("default.from", ""), request.form.get("default.value", "").strip()
    if source:
        return {"from": source}
    if not value:
        return {}
    many = [one.strip() for one in value.replace("，", ",").split(",")]
    return {"value": many if KINDS[kind].many else value}


def _posted_type(field: CustomField | None = None) -> str:
    kind = request.form.get("type", "")
    if kind not in KINDS:
        raise NotFound(_("没有这种字段类型"))
    return kind


@bp.post("/fields")
def create() -> Any:
    """Add the designed field."""
    obj, kind = _object(request.form.get("object", OBJECTS[0])), _posted_type()
    values = _read(obj, kind)
    try:
        field = add_field(values, actor=g.member)
        rule_field(obj, f"custom.{field.key}", _posted_access(obj), actor=g.member)
    except (Invalid, Duplicate) as problem:
        db.session.rollback()
        return _show_one(obj, kind, values, problem.fields), 422
    db.session.commit()
    return go(_list_of(obj), _("字段已添加"))


@bp.post("/fields/<key:field_id>")
def change(field_id: str) -> Any:
    """Save a changed design."""
    field, kind = _find(field_id), _posted_type()
    obj = field.object
    values = _read(obj, kind)
    try:
        change_field(field, values, actor=g.member)
        rule_field(obj, f"custom.{field.key}", _posted_access(obj), actor=g.member)
    except (Invalid, Duplicate) as problem:
        db.session.rollback()
        return _show_one(obj, kind, values, problem.fields, field=_find(field_id)), 422
    db.session.commit()
    return go(_list_of(obj), _("字段已保存"))


def _posted_access(obj: str) -> dict[str, str]:
    found = {key: request.form.get(f"access.{key}", "") for key in access_by_role(obj, "")}
    return {key: how for key, how in found.items() if how}


@bp.post("/fields/preview")
def preview() -> str:
    """The phone's form with the field as it is designed right now; nothing is kept."""
    obj, kind = _object(request.form.get("object", OBJECTS[0])), _posted_type()
    field = next((one for one in fields_of(obj).values() if one.id == request.form.get("field")), None)
    parts = _preview(_with_draft(obj, kind, _read(obj, kind), field))
    return render_template("admin/field_preview.html", preview=parts)


def _with_draft(obj: str, kind: str, given: Mapping[str, Any], field: Any) -> list[Field]:
    """Return the form's fields with the draft in its place. A draft that cannot be is drawn as far as it goes."""
    fields = fields_of(obj)
    key = field.key if field else "draft"
    others = {name: one for name, one in fields.items() if name != key}
    try:
        design = clean_design(given, obj=obj, key=key, kind=kind, others=others)
    except Invalid:
        words = {"label": str(given.get("label") or _("新字段"))[:60], "options": list(given.get("options") or ())}
        design = {**words, "type": kind, "settings": {}}
    draft = Field(id="", object=obj, key=key, **{**design, "options": tuple(design["options"])})
    if key in fields:
        return [draft if name == key else one for name, one in fields.items()]
    return [*fields.values(), draft]


# --- order, bin ---------------------------------------------------------------------------------------------------


@bp.post("/fields/<key:field_id>/place")
def move(field_id: str) -> Any:
    """Move a field up or down by one."""
    field = _find(field_id)
    move_field(field, -1 if request.form.get("step") == "up" else 1, actor=g.member)
    db.session.commit()
    return go(_list_of(field.object))


@bp.post("/fields/<key:field_id>/deletion")
def delete(field_id: str) -> Any:
    """Delete a field: it hides for 30 days."""
    return _deed(_find(field_id), delete_field, _("字段已删除，30 天内可以恢复"))


@bp.post("/fields/<key:field_id>/restoration")
def restore(field_id: str) -> Any:
    """Bring a deleted field back."""
    return _deed(find_field(field_id), restore_field, _("字段已恢复"))


def _deed(field: CustomField, act: Callable[..., None], words: str) -> Any:
    back = _list_of(field.object)
    try:
        act(field, actor=g.member)
    except NotFound:
        raise
    except Problem as problem:
        db.session.rollback()
        return go(back, problem.detail)
    db.session.commit()
    return go(back, words)
