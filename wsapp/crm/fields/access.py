"""Field rules (字段权限): which fields of a record somebody sees, sees masked, or may write. Every door asks here.

The rules come from the roles (`wsapp.crm.org.rights.field_access`). Fields are named as REST names them; a custom field
is "custom.<key>". A name of a record is never ruled: without it no list could be read.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from wsapp.crm.fields.definitions import fields_of
from wsapp.crm.fields.formulas import names_in
from wsapp.crm.org.models import Member
from wsapp.crm.org.rights import definitions, field_access
from wsapp.problems import Invalid
from wsapp.texts import _

HIDDEN, MASKED, READ, EDIT = "hidden", "masked", "read", "edit"
# What a role may rule, by object.
RULED: Mapping[str, tuple[str, ...]] = {
    "customer": (
        "phones",
        "short_name",
        "kind",
        "level",
        "stage",
        "source",
        "industry",
        "size",
        "province",
        "city",
        "district",
        "address",
        "location",
        "website",
        "note",
        "tags",
        "owner",
        "pool",
        "parent",
        "last_followed_at",
        "last_visited_at",
        "next_follow_at",
    ),
    "follow_up": ("text", "outcome", "next_action", "photos"),
    "visit": ("note", "result", "location", "place_name", "photos"),
    "task": ("note", "done_note"),
}
# What can be shown in part; any other field that is masked is hidden.
MASKABLE = frozenset(
    {"phones", "short_name", "source", "industry", "address", "website", "note", "text", "outcome", "next_action"}
    | {"result", "place_name", "done_note"}
)
# Fields that stand or fall with another one, under the names that columns, forms and answers give them.
ALIASES: Mapping[str, str] = {
    "phone": "phones",
    "owner_id": "owner",
    "owner_name": "owner",
    "pool_id": "pool",
    "parent_id": "parent",
    "lat": "location",
    "lng": "location",
    "place_accuracy": "location",
    "place_source": "location",
    "distance": "location",
    "distance_m": "location",
    "trust": "location",
    "photo_links": "photos",
    "new_tags": "tags",
    "tag": "tags",
}
STARS = "****"
_DIGITS = re.compile(r"\d")


def access(actor: Member, field: str, obj: str = "customer") -> str:
    """Return how the actor sees a field: one of "hidden", "masked", "read", "edit"."""
    found = _ruled(actor, obj)
    if not found:
        return EDIT
    name = ALIASES.get(field, field)
    wanted = found.get(name, EDIT)
    return HIDDEN if wanted == MASKED and not _is_maskable(name) else wanted


def is_ruled(actor: Member, obj: str = "customer") -> bool:
    """Say whether any field is ruled for the actor: most people's pages need no further look."""
    return bool(_ruled(actor, obj))


def reads(actor: Member, field: str, obj: str = "customer") -> bool:
    """Say whether the actor reads a field in full, and may therefore search, sort, filter and count by it."""
    return access(actor, field, obj) in (READ, EDIT)


def read_by_all(field: str, obj: str = "customer") -> bool:
    """Say whether no role of the corp shows a field in part or not at all: what a group's members read along with."""
    name = ALIASES.get(field, field)
    return all(one.fields.get(obj, {}).get(name, EDIT) in (READ, EDIT) for one in definitions().values())


def writes(actor: Member, field: str, obj: str = "customer") -> bool:
    """Say whether the actor may write a field."""
    return access(actor, field, obj) == EDIT


def locked(actor: Member, fields: Iterable[str], obj: str = "customer") -> frozenset[str]:
    """Return those of the fields that the actor may not write; a form leaves them out."""
    return frozenset(name for name in fields if not writes(actor, name, obj)) if is_ruled(actor, obj) else frozenset()


def shown(actor: Member, values: Mapping[str, Any], obj: str = "customer") -> dict[str, Any]:
    """Return a record's values as the actor sees them: hidden ones are gone, masked ones masked."""
    if not is_ruled(actor, obj):
        return dict(values)
    found = {}
    for field, value in values.items():
        if field == "custom" and isinstance(value, Mapping):
            found[field] = _shown_custom(actor, value, obj)
            continue
        how = access(actor, field, obj)
        if how != HIDDEN:
            found[field] = mask(field, value) if how == MASKED else value
    return found


def row_shown(actor: Member, row: Any, obj: str = "customer") -> Any:
    """Return a row of a list (a named tuple) as the actor sees it: what is hidden is None, what is masked masked."""
    if not is_ruled(actor, obj):
        return row
    kept = row._asdict() if hasattr(row, "_asdict") else dict(row._mapping)
    seen = shown(actor, kept, obj)
    return Shown({field: seen.get(field) for field in kept})


class Shown:
    """A row in part: attributes as of the row that it stands for. Compares and hashes by what is shown."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shown) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(tuple(str(value) for value in self.__dict__.values()))


def changes_shown(actor: Member, changes: Mapping[str, list[Any]], obj: str) -> dict[str, list[Any]]:
    """Return an event's changes (field → [before, after]) as the actor sees them."""
    if not is_ruled(actor, obj):
        return dict(changes)
    found = {}
    for field, pair in changes.items():
        how = access(actor, field, obj)
        if how != HIDDEN:
            found[field] = [mask(field, value) for value in pair] if how == MASKED else list(pair)
    return found


def demand_readable(actor: Member, fields: Mapping[str, Any] | Iterable[str], obj: str = "customer") -> None:
    """Raise Invalid naming every field by which the actor may not search, sort or filter."""
    refused = [name for name in fields if not reads(actor, name.lstrip("-"), obj)] if is_ruled(actor, obj) else []
    if refused:
        raise Invalid({name: _("您没有权限按这个字段筛选或排序") for name in refused})


def demand_writable(actor: Member, fields: Iterable[str], obj: str = "customer") -> None:
    """Raise Invalid naming every field that the actor may not write."""
    refused = locked(actor, fields, obj)
    if refused:
        raise Invalid({name: _("您没有权限修改这个字段") for name in sorted(refused)})


# --- masking ------------------------------------------------------------------------------------------------------


def mask(field: str, value: Any) -> Any:
    """Return a value in part: 138****5678, 深圳****. What is empty stays empty."""
    if value is None or value in ("", []):
        return value
    if isinstance(value, list):
        return [mask(field, one) for one in value]
    if ALIASES.get(field, field) == "phones":
        return masked_phone(str(value))
    text = str(value)
    return text[:2] + STARS if len(text) > 4 else STARS


def masked_phone(number: str) -> str:
    """Return a telephone number with its middle gone: 138****5678, 0755****1234; of short ones only the end."""
    digits, dash, _extension = number.partition("-")
    bare = len(_DIGITS.findall(digits))
    if bare >= 11:
        return f"{digits[: 4 if digits.startswith(('0', '+')) else 3]}{STARS}{digits[-4:]}{dash and '-' + STARS}"
    return f"{STARS}{digits[-4:]}" if bare >= 8 else STARS


def _is_maskable(field: str) -> bool:
    return field in MASKABLE or field.startswith("custom.")


def _shown_custom(actor: Member, values: Mapping[str, Any], obj: str) -> dict[str, Any]:
    found = {}
    for key, value in values.items():
        how = access(actor, f"custom.{key}", obj)
        if how != HIDDEN:
            found[key] = mask(f"custom.{key}", value) if how == MASKED else value
    return found


def _ruled(actor: Member, obj: str) -> Mapping[str, str]:
    kept: dict[str, Mapping[str, str]] = actor.__dict__.setdefault("_field_rules", {})
    found = kept.get(obj)
    if found is None:
        found = kept[obj] = _with_formulas(field_access(actor, obj), obj)
    return found


def _with_formulas(rules: Mapping[str, str], obj: str) -> Mapping[str, str]:
    """Return the rules with one for each formula that would tell what its reader may not read."""
    if not rules:
        return rules
    found = dict(rules)
    for field in fields_of(obj).values():
        if field.type == "formula" and any(
            rules.get(f"custom.{key}", EDIT) in (HIDDEN, MASKED) for key in names_in(str(field.settings["formula"]))
        ):
            found[field.name] = HIDDEN
    return found
