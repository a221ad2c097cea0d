"""A company group (集团): its customers as a tree, and figures over all of them that the reader sees."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g, url_for

from wsapp import clock
from wsapp.crm.customers.families import MOST, family_of
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.fields.access import reads
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.queries import names
from wsapp.crm.visits.models import Visit
from wsapp.db import db
from wsapp.h5 import words
from wsapp.h5.pages import show
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("families", __name__, url_prefix="/h5/customers/<key:customer_id>/group")
bp.before_request(require_member)

LATELY = timedelta(days=30)
INDENT = 6  # deeper levels are not moved further in


@bp.get("")
def page(customer_id: str) -> str:
    """The group that a customer belongs to."""
    customer = find_customer(customer_id, actor=g.member)
    family = family_of(customer, actor=g.member)
    owners = names([one.owner_id for _depth, one in family]) if reads(g.member, "owner") else {}
    rows = [
        {
            "url": url_for("customers.page", customer_id=one.id),
            "name": one.name,
            "indent": "\u2003" * min(depth, INDENT),
            "stage": str(words.STAGES[one.stage]) if reads(g.member, "stage") else "",
            "owner": owners.get(one.owner_id or "", ""),
            "is_here": one.id == customer.id,
        }
        for depth, one in family
    ]
    return show(
        "customers/group.html",
        customer=customer,
        rows=rows,
        figures=_figures([one for _depth, one in family]),
        is_cut=len(family) >= MOST,
    )


def _figures(family: Sequence[Any]) -> list[tuple[str, str]]:
    ids, since = [one.id for one in family], clock.now() - LATELY
    found = [(_("客户"), str(len(family)))]
    if reads(g.member, "stage"):
        found.append((_("已成交"), str(sum(one.stage == "dealt" for one in family))))
    for label, model, moment in (
        (_("近 30 天跟进"), FollowUp, FollowUp.happened_at),
        (_("近 30 天拜访"), Visit, Visit.checked_in_at),
    ):
        count = sa.select(sa.func.count()).select_from(model).where(model.customer_id.in_(ids), moment >= since)
        found.append((label, str(db.session.execute(count).scalar_one())))
    return found
