"""Custom fields in lists and records over REST: one filter, one section, whatever the object."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import g

from wsapp.api.strict_json import BadJson, read_object
from wsapp.crm.fields.access import shown
from wsapp.crm.fields.finding import matching
from wsapp.crm.fields.showing import outward
from wsapp.problems import Invalid


def narrowed(statement: Any, text: str, obj: str, id_column: Any) -> Any:
    """Return the statement narrowed by a `custom` query value: a JSON object of keys and values. Raises Invalid."""
    if not text:
        return statement
    try:
        wanted = read_object(text.encode())
    except BadJson as error:
        raise Invalid({"custom": str(error)}) from None
    return statement.where(*matching(obj, wanted, actor=g.member, id_column=id_column))


def with_custom(obj: str, records: list[dict[str, Any]], found: Sequence[Any]) -> list[dict[str, Any]]:
    """Return records with the custom values of the rows that they were made of, as the token's member sees them."""
    known: Sequence[Mapping[str, Any]] = outward(obj, [row.custom or {} for row in found])
    return [record | shown(g.member, {"custom": own}, obj) for record, own in zip(records, known, strict=True)]
