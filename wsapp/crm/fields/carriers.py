"""The custom fields of a record as its slice asks for them: what a new one has, and what a change makes of it."""

from collections.abc import Mapping
from typing import Any

from wsapp.crm.fields.access import reads
from wsapp.crm.fields.conditions import FACTS
from wsapp.crm.fields.definitions import fields_of
from wsapp.crm.fields.types import kind_of
from wsapp.crm.fields.values import changed_values, new_values
from wsapp.crm.org.models import Member

Values = Mapping[str, Any]


def custom_of_new(
    obj: str, given: Values, clean: Values, *, actor: Member, parent: Values | None = None
) -> dict[str, Any]:
    """Return the custom values of a new record. `given` may hold "custom"; `clean` are the record's own fields, of
    which rules look at some; `parent` the custom values of its customer. Raises Invalid."""
    facts = {name: clean.get(name) or "" for name in FACTS[obj]}
    return new_values(obj, given.get("custom"), actor=actor, facts=facts, parent=inherited(obj, parent, actor=actor))


def inherits(obj: str) -> bool:
    """Say whether a field of the object begins with what the customer has."""
    return any((one.settings.get("default") or {}).get("from") == "parent" for one in fields_of(obj).values())


def inherited(obj: str, values: Values | None, *, actor: Member) -> dict[str, Any]:
    """Return of a customer's values what a record about it may begin with: what the actor reads there."""
    if not values or not inherits(obj):
        return {}
    return {key: value for key, value in values.items() if reads(actor, f"custom.{key}")}


def custom_after(
    obj: str, record: Any, given: Values, clean: Values, *, actor: Member
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a record's custom values as they are, and as they will be with those of `given["custom"]`.

    Raises Invalid.
    """
    had = dict(record.custom or {})
    if "custom" not in given:
        return had, had
    facts = {name: clean.get(name, getattr(record, name)) for name in FACTS[obj]}
    return had, changed_values(obj, given["custom"], had, actor=actor, facts=facts)


def carried_on(obj: str, values: Values) -> dict[str, Any]:
    """Return the values that a copy of a record begins with: not its numbers, unique values and files."""
    fields = fields_of(obj)
    kept = [one for one in fields.values() if not one.unique and kind_of(one).given and not kind_of(one).holds_files]
    return {one.key: values[one.key] for one in kept if one.key in values}


def differences(had: Values, will: Values) -> dict[str, list[Any]]:
    """Return what changed as events tell it: "custom.<key>" → [before, after]."""
    keys = [key for key in {**had, **will} if had.get(key) != will.get(key)]
    return {f"custom.{key}": [had.get(key), will.get(key)] for key in keys}
