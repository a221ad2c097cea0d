"""What the way into a pool ends is kept: who takes the customer out again brings tasks and co-workers back."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Coworker
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import rule
from wsapp.crm.pools.models import Ownership
from wsapp.crm.tasks.actions import reopen_tasks
from wsapp.crm.tasks.models import DOING, OPEN, Task
from wsapp.db import current_corp, db, insert_unless_there, new_id, rows

Kept = Mapping[str, Sequence[Any]]


def what_ends(customer_ids: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """Return what a pool takes from each of the customers, as `Ownership.kept` holds it; nothing of those without."""
    found: dict[str, dict[str, list[Any]]] = defaultdict(lambda: {"tasks": [], "coworkers": []})
    tasks = sa.select(Task.customer_id, Task.id).where(
        Task.customer_id.in_(customer_ids), Task.state.in_((OPEN, DOING))
    )
    for customer_id, task_id in db.session.execute(tasks.order_by(Task.id)):
        found[str(customer_id)]["tasks"].append(task_id)
    if rule("pool.drop_coworkers"):
        columns = (Coworker.customer_id, Coworker.member_id, Coworker.may_edit, Coworker.since)
        coworkers = sa.select(*columns).where(Coworker.customer_id.in_(customer_ids))
        for row in db.session.execute(coworkers.order_by(Coworker.since, Coworker.id)):
            found[row.customer_id]["coworkers"].append([row.member_id, row.may_edit, row.since.isoformat()])
    return dict(found)


def bring_back(customer_id: str, *, actor: Member | None) -> None:
    """Open the tasks again and let the co-workers in again that a customer's last way into a pool ended."""
    ended = sa.select(Ownership.kept).where(Ownership.customer_id == customer_id, Ownership.until.is_not(None))
    kept: Kept | None = db.session.scalar(ended.order_by(Ownership.until.desc(), Ownership.id.desc()).limit(1))
    if not kept:
        return
    reopen_tasks(kept["tasks"], actor=actor)
    there = set(rows(sa.select(Member.id).where(Member.id.in_([one for one, _edits, _since in kept["coworkers"]]))))
    for member_id, may_edit, since in kept["coworkers"]:
        if member_id in there:
            values = {"corp_id": current_corp(), "id": new_id(), "customer_id": customer_id, "member_id": member_id}
            again = {**values, "may_edit": may_edit, "since": datetime.fromisoformat(since)}
            insert_unless_there(Coworker, again)
