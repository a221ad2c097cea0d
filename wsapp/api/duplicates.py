"""/customers/duplicates and /customers/<id>/merge: who is known already, and making one of two."""

from typing import Any

from flask import g

from wsapp.api.base import Answer, current_when_stale, may_be_empty, reads, resource, wanted_version, writes
from wsapp.api.customers import answer
from wsapp.api.schemas_in import CustomerPath, DuplicateQuery, MergeInto
from wsapp.api.schemas_out import Customer as CustomerRecord
from wsapp.api.schemas_out import Duplicates
from wsapp.crm.customers.asks import demand_asks_left, take_asks, too_many
from wsapp.crm.customers.dedupe import find_duplicates
from wsapp.crm.customers.merge import merge_customers
from wsapp.crm.customers.queries import current_id, find_customer
from wsapp.crm.customers.telling import MOST, tell
from wsapp.crm.customers.unmerge import find_merge, undo_merge
from wsapp.db import writing
from wsapp.problems import Invalid
from wsapp.texts import _

bp = resource("duplicates", "Duplicates: who is known already, and making one of two")

LOOKED_FOR = ("name", "phone", "credit_code", "website")


@bp.get("/customers/duplicates", responses={200: Duplicates})
@reads
def index(query: DuplicateQuery) -> Answer:
    """Return the customers that are like what is asked for, the strictest first.

    Of those that the user may not see: a masked name, the owner's department and how lively it is; at most so many an
    hour as the corp's rules let (429).
    """
    if not any(getattr(query, one).strip() for one in LOOKED_FOR):
        raise Invalid({"name": _("请给出名称、电话、信用代码或网址")})
    demand_asks_left(g.member)
    but = find_customer(query.customer, actor=g.member).id if query.customer else ""
    hits = find_duplicates(_values(query), actor=g.member, but=but)[:MOST]
    told = tell(hits)
    if asked := sorted({one.asked for one in hits if not one.visible}):
        with writing():
            may_tell = take_asks(g.member, asked)
        if not may_tell:
            raise too_many()
    return Answer({"items": told})


def _values(query: DuplicateQuery) -> dict[str, Any]:
    return {**query.model_dump(exclude={"phone", "customer"}), "phones": [query.phone] if query.phone else []}


@bp.post("/customers/<customer_id>/merge", responses={200: CustomerRecord})
@writes
def merge(path: CustomerPath, body: MergeInto) -> Answer:
    """Merge the customer into another, which is returned: it keeps its fields and takes over what it lacks.

    From then on the id of the customer leads to the other one; for 30 days DELETE undoes the merge. With If-Match, only
    when the customer is at that version.
    """
    loser = find_customer(path.customer_id, actor=g.member)
    winner = find_customer(body.into, actor=g.member)
    with current_when_stale(lambda: answer(loser.id)):
        merge_customers(loser, winner, actor=g.member, versions=(wanted_version(), None))
    return answer(winner.id)


@bp.delete("/customers/<customer_id>/merge", responses={200: CustomerRecord})
@may_be_empty
@writes
def undo(path: CustomerPath) -> Answer:
    """Undo the merge of the customer into another, within 30 days; returns the customer."""
    winner = find_customer(current_id(path.customer_id), actor=g.member)
    loser = undo_merge(find_merge(winner, path.customer_id), winner, actor=g.member)
    return answer(loser.id)
