"""A field as an administrator designs it: checked as a whole before it is kept."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from wsapp.crm.fields.conditions import FACTS, LEAD, MAX_CONDITIONS, OPERATORS, RULES
from wsapp.crm.fields.formulas import USABLE, names_in
from wsapp.crm.fields.models import MAX_OPTIONS, Field
from wsapp.crm.fields.text import clean_line
from wsapp.crm.fields.types import COLUMN_TYPES, KINDS, MAX_COLUMNS, STEP, TRUE, UNIQUE_TYPES, Kind, clean_value
from wsapp.problems import Invalid
from wsapp.texts import _

CUSTOMER_KINDS = ("company", "person", LEAD)  # a lead is a company or person, too
DEFAULTS = {  # where a default may come from → for which types
    "user": ("person",),
    "department": ("department",),
    "today": ("date",),
    "parent": tuple(key for key, kind in KINDS.items() if kind.given and not kind.holds_files),
}
NUMBERS = {  # setting → (types, least, most)
    "decimals": (("number", "percent", "formula"), 0, 6),
    "min": (("number", "money", "percent"), -1e12, 1e12),
    "max": (("number", "money", "percent"), -1e12, 1e12),
    "length": (("text", "long_text"), 1, 3000),
    "digits": (("serial",), 1, 10),
}
TEXTS = {"hint": (None, 100), "unit": (("number", "formula"), 10), "prefix": (("serial",), 20)}
CURRENCIES = ("CNY", "USD", "EUR", "HKD", "JPY", "GBP", "TWD", "SGD")
RELATED = ("customer",)


def clean_design(
    values: Mapping[str, Any], *, obj: str, key: str, kind: str, others: Mapping[str, Field]
) -> dict[str, Any]:
    """Return the columns of a field. `others` are the object's other fields. Raises Invalid naming what is wrong."""
    errors: dict[str, str] = {}
    a_kind = KINDS[kind]
    label = clean_line(str(values.get("label") or ""))
    if not 1 <= len(label) <= 60:
        errors["label"] = _("名称应为 1–60 个字")
    options = _options(values.get("options"), a_kind, errors)
    settings = _settings(values, obj, a_kind, others, errors)
    flags = {name: bool(values.get(name)) for name in ("required", "unique", "indexed")}
    _check_flags(flags, a_kind, errors)
    draft = Field("", obj, key, label, kind, tuple(options), settings, **flags)
    default = _default(draft, values.get("default"), errors)
    if default:
        settings["default"] = default
    if errors:
        raise Invalid(errors)
    return {"label": label, "type": kind, "options": options, "settings": settings, **flags}


def _options(given: Any, kind: Kind, errors: dict[str, str]) -> list[str]:
    if not kind.chooses:
        return []
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        errors["options"] = _("请填写至少一个选项")
        return []
    wanted = [clean_line(one) for one in given]
    if kind.key == "cascading":
        wanted = [STEP.join(part.strip() for part in one.split(STEP) if part.strip()) for one in wanted]
    found = list(dict.fromkeys(filter(None, wanted)))
    if not found:
        errors["options"] = _("请填写至少一个选项")
    elif len(found) > MAX_OPTIONS:
        errors["options"] = _("最多 %(most)d 个选项", most=MAX_OPTIONS)
    elif any(len(one) > 100 for one in found):
        errors["options"] = _("每个选项最多 %(most)d 个字", most=100)
    return found


def _check_flags(flags: dict[str, bool], kind: Kind, errors: dict[str, str]) -> None:
    if flags["required"] and not kind.given:
        errors["required"] = _("这种类型由系统填写，不能设为必填")
    if flags["unique"] and kind.key not in UNIQUE_TYPES:
        errors["unique"] = _("这种类型不能设为唯一")
    if flags["indexed"] and kind.keys is None:
        errors["indexed"] = _("这种类型不能用于筛选和排序")


def _settings(
    values: Mapping[str, Any], obj: str, kind: Kind, others: Mapping[str, Field], errors: dict[str, str]
) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name, (types, most) in TEXTS.items():
        text = clean_line(str(values.get(name) or ""))
        if text and (types is None or kind.key in types):
            settings[name] = text[:most]
    _numbers(values, kind, settings, errors)
    kinds = [one for one in CUSTOMER_KINDS if one in (values.get("kinds") or ())]
    if obj == "customer" and 0 < len(kinds) < len(CUSTOMER_KINDS):
        settings["kinds"] = kinds
    if kind.key == "money" and values.get("currency"):
        settings["currency"] = values["currency"]
        if values["currency"] not in CURRENCIES:
            errors["currency"] = _("请从列表中选择")
    if kind.key == "relation":
        settings["object"] = "customer"
    if kind.key == "formula":
        _formula(values, settings, others, errors)
    if kind.key == "sub_table":
        settings["columns"] = _columns(values.get("columns"), errors)
    for rule in RULES:
        conditions = _conditions(values.get(rule), obj, others)
        if conditions is None:
            errors[rule] = _("规则不正确：请选择已有的字段、比较方式和值")
        elif conditions:
            settings[rule] = conditions
    return settings


def _numbers(values: Mapping[str, Any], kind: Kind, settings: dict[str, Any], errors: dict[str, str]) -> None:
    for name, (types, least, most) in NUMBERS.items():
        given = values.get(name)
        if kind.key not in types or given in (None, ""):
            continue
        try:
            number = float(str(given))
        except ValueError:
            number = most + 1
        if not isfinite(number):
            number = most + 1
        if not least <= number <= most:
            errors[name] = _("应为 %(least)s–%(most)s 的数字", least=f"{least:g}", most=f"{most:g}")
        settings[name] = int(number) if number == int(number) else number
    if settings.get("min") is not None and settings.get("max") is not None and settings["min"] > settings["max"]:
        errors["min"] = _("最小值不能大于最大值")


def _formula(
    values: Mapping[str, Any], settings: dict[str, Any], others: Mapping[str, Field], errors: dict[str, str]
) -> None:
    text = str(values.get("formula") or "").strip()
    settings["formula"] = text
    if not text:
        errors["formula"] = _("请填写公式")
        return
    try:
        names = names_in(text)
    except ValueError as error:
        errors["formula"] = str(error)
        return
    wrong = sorted(name for name in names if name not in others or others[name].type not in USABLE)
    if wrong:
        errors["formula"] = _("公式中不能使用“%(name)s”：没有这个字段，或类型不能参与计算", name=wrong[0][:40])


def _columns(given: Any, errors: dict[str, str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number, one in enumerate(given if isinstance(given, list) else (), 1):
        label = clean_line(str(one.get("label") or "")) if isinstance(one, Mapping) else ""
        if not label:
            continue
        column = {"key": str(one.get("key") or f"c{number}"), "label": label[:60], "type": one.get("type") or "text"}
        if one.get("options"):
            column["options"] = [clean_line(str(option)) for option in one["options"]][:MAX_OPTIONS]
        if one.get("required"):
            column["required"] = True
        found.append(column)
    keys = [one["key"] for one in found]
    if not found or len(found) > MAX_COLUMNS:
        errors["columns"] = _("子表应有 1–%(most)d 列", most=MAX_COLUMNS)
    elif len(set(keys)) != len(keys) or not all(
        key.isascii() and key.isidentifier() and len(key) <= 40 for key in keys
    ):
        errors["columns"] = _("子表各列的标识不能重复，只含字母、数字和下划线")
    elif any(one["type"] not in COLUMN_TYPES or (one["type"] == "single" and not one.get("options")) for one in found):
        errors["columns"] = _("子表的列只能是文本、数字、日期、选项等简单类型")
    return found


def _conditions(given: Any, obj: str, others: Mapping[str, Field]) -> list[dict[str, Any]] | None:
    """Return a rule's conditions, None when one of them cannot be."""
    if not given:
        return []
    if not isinstance(given, list) or len(given) > MAX_CONDITIONS:
        return None
    found = []
    for one in given:
        if not isinstance(one, Mapping) or one.get("op") not in OPERATORS:
            return None
        if one.get("field") not in others and one.get("field") not in FACTS.get(obj, ()):
            return None
        if one["field"] in others and not KINDS[others[one["field"]].type].given:
            return None  # what the program fills in is not there yet while one types
        value = one.get("value")
        if not isinstance(value, str | int | float | bool | None) or len(str(value)) > 100:
            return None
        if one["field"] in others and others[one["field"]].type == "yes_no" and not isinstance(value, bool):
            value = str(value).casefold() in TRUE
        found.append({"field": one["field"], "op": one["op"], "value": value})
    return found


def _default(field: Field, given: Any, errors: dict[str, str]) -> dict[str, Any] | None:
    """Return the default: {"from": …} or {"value": a clean value}."""
    if not isinstance(given, Mapping) or not given:
        return None
    source = given.get("from")
    if source:
        if field.type not in DEFAULTS.get(str(source), ()):
            errors["default"] = _("这种类型不能使用该默认值")
        return {"from": source}
    try:
        value = clean_value(field, given.get("value"))
    except ValueError as error:
        errors["default"] = str(error)
        return None
    return None if value is None else {"value": value}
