"""What records of follow-ups and visits say of colleagues: who is named, how much was said, how many like them."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import g

from wsapp.api.base import member_named
from wsapp.crm.comments.queries import counts_of, may_read
from wsapp.crm.mentions.queries import named_in


def talk_of(obj: str, record_ids: Sequence[str]) -> Mapping[str, dict[str, Any]]:
    """Return `mentions`, `comments` and `likes` of records by id, in three queries; nothing to who reads no text."""
    if not may_read(obj, g.member):
        return {one: {"mentions": [], "comments": 0, "likes": 0} for one in record_ids}
    named, counts = named_in(record_ids), counts_of(record_ids)
    return {
        one: {
            "mentions": [userid for _id, _name, userid in named.get(one, ())],
            "comments": counts.get(one, (0, 0))[0],
            "likes": counts.get(one, (0, 0))[1],
        }
        for one in record_ids
    }


def with_mentions(values: dict[str, Any]) -> dict[str, Any]:
    """Return a body's values with the ids of those whom `mentions` names by userid. Raises Invalid."""
    if values.get("mentions") is None:
        return values
    return values | {"mentions": [member_named(one, name="mentions").id for one in values["mentions"]]}
