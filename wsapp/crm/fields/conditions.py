"""Conditions of the rules show-if, require-if and read-only-if (显示、必填、只读规则). All of a rule's must hold.

A condition is {"field": a custom key or one of the record's own (`FACTS`), "op": one of `OPERATORS`, "value": …}.
The same is worked out in the browser by `static/fields.js`, for comfort; what counts is this.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from wsapp.crm.fields.models import Field

RULES = ("show_if", "require_if", "readonly_if")
OPERATORS = ("eq", "ne", "gte", "lte", "filled", "empty")
# Fields of the record itself that rules may look at.
FACTS: Mapping[str, tuple[str, ...]] = {
    "customer": ("kind", "stage", "level", "source", "industry", "lead"),
    "contact": ("role", "gender"),
    "follow_up": ("kind",),
    "visit": (),
    "task": ("kind", "priority"),
}
LEAD, OPEN_LEADS = "lead", ("new", "working", "valid")  # as `customers` has them, which stands above
MAX_CONDITIONS = 5


def holds(field: Field, rule: str, values: Mapping[str, Any]) -> bool | None:
    """Say whether a field's rule holds for the record's values (custom ones and facts); None: it has no such rule."""
    conditions: Sequence[Mapping[str, Any]] = field.settings.get(rule) or ()
    return all(_holds(one, values.get(one["field"])) for one in conditions) if conditions else None


def _holds(condition: Mapping[str, Any], value: Any) -> bool:
    wanted = condition.get("value")
    is_empty = value is None or value == "" or value == []
    match condition["op"]:
        case "filled":
            return not is_empty
        case "empty":
            return is_empty
        case "eq":
            return _is(value, wanted)
        case "ne":
            return not _is(value, wanted)
        case "gte":
            return not is_empty and _compare(value, wanted) >= 0
        case _:
            return not is_empty and _compare(value, wanted) <= 0


def _is(value: Any, wanted: Any) -> bool:
    """Say whether a value is the wanted one; of several choices, whether it is among them."""
    if isinstance(value, list):
        return any(_is(one, wanted) for one in value)
    return _text(value) == _text(wanted)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else ""
    return "" if value is None else str(value)


def _compare(value: Any, wanted: Any) -> int:
    try:
        mine, theirs = float(value), float(wanted)
        return (mine > theirs) - (mine < theirs)
    except (TypeError, ValueError):
        return (str(value) > str(wanted)) - (str(value) < str(wanted))


def is_shown(field: Field, values: Mapping[str, Any]) -> bool:
    """Say whether a form shows the field: it belongs to this kind of customer, and its rule holds."""
    kinds = field.settings.get("kinds")
    is_lead = LEAD in (kinds or ()) and values.get("lead") in OPEN_LEADS
    if kinds and values.get("kind") and values["kind"] not in kinds and not is_lead:
        return False
    return holds(field, "show_if", values) is not False


def is_required(field: Field, values: Mapping[str, Any]) -> bool:
    """Say whether the field must be filled in, given that it is shown."""
    return field.required or holds(field, "require_if", values) is True


def is_read_only(field: Field, values: Mapping[str, Any]) -> bool:
    """Say whether the field's rule forbids to change it."""
    return holds(field, "readonly_if", values) is True
