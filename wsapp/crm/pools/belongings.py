"""What goes along with customers that change hands (交接预览), and which of them somebody may give away."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Contact
from wsapp.crm.customers.queries import find_customers, may_by_right
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.followups.queries import visible_follow_ups
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.models import DOING, OPEN, Task
from wsapp.crm.tasks.queries import visible_tasks
from wsapp.crm.visits.models import Visit
from wsapp.crm.visits.queries import visible_visits
from wsapp.db import db
from wsapp.problems import Invalid
from wsapp.texts import _

MOST_HANDED = 2000


def transferable(customer_ids: Sequence[str], *, actor: Member) -> list[str]:
    """Return those of the customers that somebody owns and the actor may give to others, in the same order.

    Raises Invalid beyond `MOST_HANDED`.
    """
    if len(customer_ids) > MOST_HANDED:
        raise Invalid({"": _("一次最多转移 %(most)d 个客户，请缩小筛选范围", most=MOST_HANDED)})
    found = find_customers(customer_ids, actor=actor)
    mine = {one.id for one in found.values() if one.owner_id and may_by_right(one, "transfer", actor=actor)}
    return [one for one in customer_ids if one in mine]


@dataclass(frozen=True)
class Belongings:
    """How much goes along with customers, of what somebody sees; `tasks` are the open ones."""

    contacts: int
    tasks: int
    records: int  # follow-ups and visits: they keep their authors


def belongings_of(customer_ids: Sequence[str], *, actor: Member) -> Belongings:
    """Return what goes along with customers (of the actor's, at most `MOST_HANDED`) when they change hands."""

    def count(model: Any, *more: sa.ColumnElement[bool]) -> int:
        counted = sa.select(sa.func.count()).select_from(model)
        return db.session.scalar(counted.where(model.customer_id.in_(customer_ids), *more)) or 0

    return Belongings(
        count(Contact, Contact.deleted_at.is_(None)),
        count(Task, visible_tasks(actor), Task.state.in_((OPEN, DOING))),
        count(FollowUp, visible_follow_ups(actor)) + count(Visit, visible_visits(actor)),
    )
