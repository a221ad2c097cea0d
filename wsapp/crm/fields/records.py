"""The records that carry custom fields: their slices stand above this one and say here how to find them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from wsapp.crm.org.models import Member
from wsapp.db import first
from wsapp.texts import _


@dataclass(frozen=True)
class Records:
    """An object's records. `model` has `id` and `custom`; `is_visible(id, actor)`; `names` of records by id;
    `choices(actor)` are (id, name) of some that the actor may name (both only for what can be related to)."""

    model: Any
    is_visible: Callable[[str, Member], bool]
    names: Callable[[Sequence[str | None]], Mapping[str, str]] = lambda ids: {}
    choices: Callable[[Member], Sequence[tuple[str, str]]] = lambda actor: ()


_records: dict[str, Records] = {}


def carry(obj: str, records: Records) -> None:
    """Say that an object carries custom fields: its slice calls this once, when it is loaded."""
    _records[obj] = records


def is_seen(model: Any, visible: Callable[[Member], Any]) -> Callable[[str, Member], bool]:
    """Return what says whether an actor sees a record, made of the condition of sight of its object's lists."""
    return lambda record_id, actor: first(sa.select(model.id).where(model.id == record_id, visible(actor))) is not None


def records_of(obj: str) -> Records | None:
    """Return how an object's records are found; None where its slice was not loaded."""
    return _records.get(obj)


def any_value(obj: str, key: str) -> bool:
    """Say whether any record has a value of a field; with no `key`, whether there is any record at all."""
    found = _records.get(obj)
    if found is None:
        return False
    if not key:
        return first(sa.select(found.model.id).limit(1)) is not None
    value = found.model.custom[key].as_string()
    return first(sa.select(found.model.id).where(value.is_not(None)).limit(1)) is not None


def check_visible(obj: str, record_id: str, *, actor: Member) -> None:
    """Raise ValueError unless the actor may see the record."""
    found = _records.get(obj)
    if found is None or not found.is_visible(record_id, actor):
        raise ValueError(_("找不到这条记录，或您无权查看"))
