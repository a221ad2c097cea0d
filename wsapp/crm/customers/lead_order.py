"""In which order leads stand: by score, by when the first response is due, by source; worked out by the database."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.leads import (
    FILLED,
    FRESH,
    HAS_CONTACT,
    HAS_PHONE,
    OTHER_SOURCE,
    SCORED,
    SOURCES,
    sees_score,
)
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import SORTS
from wsapp.crm.customers.rules import score_weights
from wsapp.crm.fields.access import demand_readable
from wsapp.crm.org.models import Member
from wsapp.db import Moment

FINE = 80  # parts of a share, so that all shares of `leads` are whole numbers and no page depends on rounding
NO_TIMER = datetime(9999, 1, 1, tzinfo=UTC)


def _filled(field: str) -> Any:
    if field in ("phone", "contact"):
        there: Any = (HAS_PHONE if field == "phone" else HAS_CONTACT).correlate(Customer)
    else:
        there = sa.func.coalesce(getattr(Customer, field), "") != ""
    return sa.case((there, 1), else_=0)


def _weight(part: str) -> sa.BindParameter[int]:
    return sa.bindparam(f"weight_{part}", type_=sa.Integer)


def _score() -> Any:
    """The score that `leads.score_of` works out, times FINE."""
    filled = sum((_filled(field) for field in FILLED[1:]), start=_filled(FILLED[0]))
    fresh = sa.case(
        *(
            (Customer.last_followed_at >= sa.bindparam(f"since_{days}", type_=Moment), round(share * FINE))
            for days, share in FRESH
        ),
        else_=0,
    )
    worth = sa.case(
        (Customer.source == "", 0),
        *((sa.or_(*(Customer.source.contains(word) for word in kind)), round(share * FINE)) for kind, share in SOURCES),
        else_=round(OTHER_SOURCE * FINE),
    )
    parts = (
        filled * (FINE // len(FILLED)) * _weight("completeness"),
        fresh * _weight("activity"),
        worth * _weight("source"),
    )
    return sa.cast(parts[0] + parts[1] + parts[2], sa.Integer).label("score_order")


SCORE = _score()
_WAITS_UNTIL = sa.case(
    (Customer.responded_at.is_not(None), sa.literal(NO_TIMER, Moment)),
    else_=sa.func.coalesce(Customer.respond_by, sa.literal(NO_TIMER, Moment)),
)
DUE = sa.type_coerce(_WAITS_UNTIL, Moment).label("due_order")
LEAD_SORTS: Mapping[str, tuple[Any, bool]] = {
    **SORTS,
    "respond_by": (DUE, False),
    "-score": (SCORE, True),
    "score": (SCORE, False),
    "source": (Customer.source, False),
    "-source": (Customer.source, True),
}


def column_of(sort: str) -> tuple[Any, ...]:
    """Return the column that a statement needs in addition to be ordered by `sort`."""
    return {"respond_by": (DUE,), "score": (SCORE,), "-score": (SCORE,)}.get(sort, ())


def values_for(sort: str, now: datetime) -> dict[str, Any]:
    """Return the parameters that the order asks for."""
    if sort.removeprefix("-") != "score":
        return {}
    weights = {f"weight_{part}": weight for part, weight in score_weights().items()}
    return weights | {f"since_{days}": now - timedelta(days=days) for days, _share in FRESH}


def demand_order(actor: Member, sort: str) -> None:
    """Raise Invalid for an order that would tell of what the actor's role hides."""
    name = sort.removeprefix("-")
    if name == "source":
        demand_readable(actor, ["source"])
    elif name == "score" and not sees_score(actor):
        demand_readable(actor, SCORED)
