"""The form designer: a corp's own fields, their order and rules, with the phone's form beside them as it will be."""

from collections.abc import Mapping
from typing import Any

from flask import g, render_template, request

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
from wsapp.crm.fields.models import MAX_FIELDS, CustomField, Field
from wsapp.crm.fields.roles import access_by_role, rule_field
from wsapp.crm.fields.types import COLUMN_TYPES, KINDS, MAX_COLUMNS, UNIQUE_TYPES
from wsapp.db import db
from wsapp.problems import Duplicate, Invalid, NotFound, Problem
from wsapp.texts import _, lazy

bp = pages("fields")

OBJECT = "customer"
FLAGS = ("required", "unique", "indexed")
TEXTS = ("key", "label", "hint", "unit", "prefix", "currency", "formula", *NUMBERS)
OPERATOR_WORDS: Mapping[str, Any] = {
    "eq": lazy("等于"),
    "ne": lazy("不等于"),
    "gte": lazy("不小于"),
    "lte": lazy("不大于"),
    "filled": lazy("已填写"),
    "empty": lazy("未填写"),
}
FACT_WORDS: Mapping[str, Any] = {
    "kind": lazy("类型（company／person）"),
    "stage": lazy("阶段（new／contacted／intent／dealt／lost）"),
    "level": lazy("级别（A–D）"),
    "source": lazy("来源"),
    "industry": lazy("行业"),
}
RULE_WORDS: Mapping[str, Any] = {
    "show_if": lazy("显示条件"),
    "require_if": lazy("必填条件"),
    "readonly_if": lazy("填写后锁定的条件"),
}
NUMBER_WORDS: Mapping[str, Any] = {
    "decimals": lazy("小数位数"),
    "min": lazy("最小值"),
    "max": lazy("最大值"),
    "length": lazy("最多字数"),
    "digits": lazy("流水号位数"),
}
DEFAULT_WORDS: Mapping[str, Any] = {
    "user": lazy("当前用户"),
    "department": lazy("当前用户的部门"),
    "today": lazy("今天"),
    "parent": lazy("与上级客户相同"),
}
KIND_WORDS: Mapping[str, Any] = {"company": lazy("企业"), "person": lazy("个人")}
ACCESS_WORDS: Mapping[str, Any] = {
    "edit": lazy("可填写"),
    "read": lazy("只读"),
    "masked": lazy("部分隐藏"),
    "hidden": lazy("不可见"),
    "denied": lazy("禁止（优先于其他角色）"),
}


@bp.get("/fields")
def index() -> str:
    """The form's fields in order, the phone's form, and the fields that were deleted lately."""
    fields = list(fields_of(OBJECT).values())
    return show(
        "fields.html",
        "fields",
        fields=[_row(one) for one in fields],
        hidden=[(one.id, one.label, str(KINDS[one.type].label)) for one in hidden_fields(OBJECT)],
        types=[(key, str(kind.label)) for key, kind in KINDS.items()],
        room=MAX_FIELDS - len(fields),
        preview=_preview(fields),
    )


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
    return _show_one(kind, {}, {})


@bp.get("/fields/<key:field_id>")
def page(field_id: str) -> str:
    """One field, to be changed."""
    field = _find(field_id)
    given = {name: getattr(field, name) for name in ("key", "label", "options", *FLAGS)} | dict(field.settings)
    return _show_one(field.type, given, {}, field=field)


def _find(field_id: str) -> CustomField:
    field = find_field(field_id)
    if field.hidden_at is not None:
        raise NotFound(_("字段不存在"))
    return field


def _show_one(
    kind: str, given: Mapping[str, Any], errors: Mapping[str, str], *, field: CustomField | None = None
) -> str:
    others = [one for one in fields_of(OBJECT).values() if field is None or one.id != field.id]
    a_kind = KINDS[kind]
    known = access_by_role(OBJECT, f"custom.{field.key}" if field else "")
    return show(
        "field.html",
        "fields",
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
        defaults=[(one, str(DEFAULT_WORDS[one])) for one, types in DEFAULTS.items() if kind in types],
        customer_kinds=[(one, str(KIND_WORDS[one])) for one in CUSTOMER_KINDS],
        rules=[(rule, str(words), _filled_up(given.get(rule))) for rule, words in RULE_WORDS.items()],
        operators=[(one, str(OPERATOR_WORDS[one])) for one in OPERATORS],
        operands=[(one, str(FACT_WORDS[one])) for one in FACTS[OBJECT]] + [(one.key, one.label) for one in others],
        columns=_columns_drawn(given.get("columns")),
        column_types=[(one, str(KINDS[one].label)) for one in COLUMN_TYPES],
        usable=[(one.key, one.label) for one in others],
        access=[(key, name, how) for key, (name, how) in known.items()],
        levels=[(how, str(words)) for how, words in ACCESS_WORDS.items()],
        preview=_preview(_with_draft(kind, given, field)),
    )


def _flags(kind: str) -> list[tuple[str, str]]:
    a_kind = KINDS[kind]
    found = [("required", _("必填"))] if a_kind.given else []
    if kind in UNIQUE_TYPES:
        found.append(("unique", _("值不能重复")))
    if a_kind.keys:
        found.append(("indexed", _("可用于筛选和排序")))
    return found


def _filled_up(conditions: Any) -> list[Mapping[str, Any]]:
    """Return a rule's conditions and one empty line more."""
    known = list(conditions or ())
    return [*known, {}] if len(known) < MAX_CONDITIONS else known


def _columns_drawn(columns: Any) -> list[Mapping[str, Any]]:
    known = list(columns or ())
    return [*known, *({} for _line in range(3))][:MAX_COLUMNS]


# --- what was posted ----------------------------------------------------------------------------------------------


def _read(kind: str) -> dict[str, Any]:
    """Return the posted design as `add_field` takes it."""
    form = request.form
    values: dict[str, Any] = {name: form.get(name, "").replace("\0", "") for name in TEXTS}
    values |= {name: form.get(name) == "1" for name in FLAGS}
    values |= {"type": kind, "object": OBJECT, "kinds": form.getlist("kinds")}
    values["options"] = [line for line in form.get("options", "").splitlines() if line.strip()]
    values |= {rule: _read_rule(rule) for rule in RULES}
    values["columns"] = _read_columns()
    values["default"] = _read_default(kind)
    return values


def _read_rule(rule: str) -> list[dict[str, str]]:
    fields, operators, wanted = (request.form.getlist(f"{rule}.{part}") for part in ("field", "op", "value"))
    lines = zip(fields, operators, wanted, strict=False)
    return [{"field": one, "op": how, "value": value.strip()} for one, how, value in lines if one]


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
    kind = _posted_type()
    values = _read(kind)
    try:
        field = add_field(values, actor=g.member)
        rule_field(OBJECT, f"custom.{field.key}", _posted_access(), actor=g.member)
    except (Invalid, Duplicate) as problem:
        db.session.rollback()
        return _show_one(kind, values, problem.fields), 422
    db.session.commit()
    return go("/admin/fields", _("字段已添加"))


@bp.post("/fields/<key:field_id>")
def change(field_id: str) -> Any:
    """Save a changed design."""
    field, kind = _find(field_id), _posted_type()
    values = _read(kind)
    try:
        change_field(field, values, actor=g.member)
        rule_field(OBJECT, f"custom.{field.key}", _posted_access(), actor=g.member)
    except (Invalid, Duplicate) as problem:
        db.session.rollback()
        return _show_one(field.type, values, problem.fields, field=_find(field_id)), 422
    db.session.commit()
    return go("/admin/fields", _("字段已保存"))


def _posted_access() -> dict[str, str]:
    found = {key: request.form.get(f"access.{key}", "") for key in access_by_role(OBJECT, "")}
    return {key: how for key, how in found.items() if how}


@bp.post("/fields/preview")
def preview() -> str:
    """The phone's form with the field as it is designed right now; nothing is kept."""
    kind = _posted_type()
    field = next((one for one in fields_of(OBJECT).values() if one.id == request.form.get("field")), None)
    parts = _preview(_with_draft(kind, _read(kind), field))
    return render_template("admin/field_preview.html", preview=parts)


def _with_draft(kind: str, given: Mapping[str, Any], field: Any) -> list[Field]:
    """Return the form's fields with the draft in its place. A draft that cannot be is drawn as far as it goes."""
    fields = fields_of(OBJECT)
    key = field.key if field else "draft"
    others = {name: one for name, one in fields.items() if name != key}
    try:
        design = clean_design(given, obj=OBJECT, key=key, kind=kind, others=others)
    except Invalid:
        words = {"label": str(given.get("label") or _("新字段"))[:60], "options": list(given.get("options") or ())}
        design = {**words, "type": kind, "settings": {}}
    draft = Field(id="", object=OBJECT, key=key, **{**design, "options": tuple(design["options"])})
    if key in fields:
        return [draft if name == key else one for name, one in fields.items()]
    return [*fields.values(), draft]


# --- order, bin ---------------------------------------------------------------------------------------------------


@bp.post("/fields/<key:field_id>/place")
def move(field_id: str) -> Any:
    """Move a field up or down by one."""
    move_field(_find(field_id), -1 if request.form.get("step") == "up" else 1, actor=g.member)
    db.session.commit()
    return go("/admin/fields")


@bp.post("/fields/<key:field_id>/deletion")
def delete(field_id: str) -> Any:
    """Delete a field: it hides for 30 days."""
    return _deed(lambda: delete_field(_find(field_id), actor=g.member), _("字段已删除，30 天内可以恢复"))


@bp.post("/fields/<key:field_id>/restoration")
def restore(field_id: str) -> Any:
    """Bring a deleted field back."""
    return _deed(lambda: restore_field(find_field(field_id), actor=g.member), _("字段已恢复"))


def _deed(act: Any, words: str) -> Any:
    try:
        act()
    except NotFound:
        raise
    except Problem as problem:
        db.session.rollback()
        return go("/admin/fields", problem.detail)
    db.session.commit()
    return go("/admin/fields", words)
