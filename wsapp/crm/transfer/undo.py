"""Taking an import back (回滚): what it made goes, what it changed is as before; what people touched since stays."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Contact, Customer, CustomerPhone, StageChange
from wsapp.crm.customers.tags import forget_unused
from wsapp.crm.events.models import Event
from wsapp.crm.fields.indexing import reindex
from wsapp.crm.fields.values import forget
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.search import store
from wsapp.crm.search.building import index_customers
from wsapp.crm.search.models import CONTACT, CUSTOMER, FOLLOW_UP
from wsapp.crm.transfer.lines import CREATED, UPDATED, thawed
from wsapp.crm.transfer.models import ImportBatch, ImportJob
from wsapp.db import db
from wsapp.texts import _

Entry = dict[str, Any]


def undo_batch(job: ImportJob, batch: ImportBatch) -> tuple[int, int]:
    """Undo one batch; returns how many rows were undone, and how many stay. Marks those that stay."""
    entries = [dict(one) for one in batch.entries]
    made = [one for one in entries if one["outcome"] == CREATED]
    changed = [one for one in entries if one["outcome"] == UPDATED]
    if job.object == "customer":
        _undo_customers(job, made, changed, batch.at)
    else:
        _undo_follow_ups(made)
    if tags := [tag for one in entries for tag in one.get("tags", ())]:
        forget_unused(tags)
    kept = sum("kept" in one for one in entries)
    batch.entries, batch.undone = entries, True
    return len(made) + len(changed) - kept, kept


def touched(job_id: str, ids: Sequence[str], at: datetime) -> set[str]:
    """Return those of the customers with whom anything happened since, by anybody or another import."""
    found: set[str] = set()
    wanted = sa.select(Event.customer_id, Event.kind, Event.data).where(
        Event.customer_id.in_(list(ids)), Event.at >= at
    )
    for row in db.session.execute(wanted):
        if (row.data or {}).get("import") != job_id and row.customer_id:
            found.add(row.customer_id)
    return found


def _undo_customers(job: ImportJob, made: Sequence[Entry], changed: Sequence[Entry], at: datetime) -> None:
    ids = [one["id"] for one in (*made, *changed)]
    if not ids:
        return
    busy = touched(job.id, ids, at)
    columns = sa.select(Customer.id, Customer.version, Customer.updated_at).where(Customer.id.in_(ids))
    now = {row.id: row for row in db.session.execute(columns)}
    for one in (*made, *changed):
        row = now.get(one["id"])
        version = one["before"]["version"] + 1 if one["outcome"] == UPDATED else 1
        if row is None or one["id"] in busy or row.version != version or row.updated_at != at:
            one["kept"] = _("导入后有人改动过，未撤销")
    _remove([one for one in made if "kept" not in one])
    for one in changed:
        if "kept" not in one:
            _put_back(one, at)
    back = [one["id"] for one in changed if "kept" not in one]
    reindex("customer", back)
    index_customers(back)


def _remove(entries: Sequence[Entry]) -> None:
    """Delete what was made, with its contacts and numbers. What something else hangs on stays."""
    ids = [one["id"] for one in entries]
    if not ids:
        return
    try:
        with db.session.begin_nested():
            _delete(ids)
    except sa.exc.IntegrityError:
        for one in entries:
            try:
                with db.session.begin_nested():
                    _delete([one["id"]])
            except sa.exc.IntegrityError:
                one["kept"] = _("有其他记录与它关联，未撤销")


def _delete(ids: Sequence[str]) -> None:
    people = db.session.scalars(sa.select(Contact.id).where(Contact.customer_id.in_(list(ids)))).all()
    store.remove(CONTACT, people)
    store.remove(CUSTOMER, list(ids))
    forget(list(ids))
    for column in (Contact.customer_id, CustomerPhone.customer_id, Customer.id):
        statement = sa.delete(column.class_).where(column.in_(list(ids)))
        db.session.execute(statement.execution_options(synchronize_session=False))


def _put_back(entry: Entry, at: datetime) -> None:
    before = thawed(entry["before"])
    phone_rows = before.pop("phone_rows", None)
    if {"website", "credit_code"} & before.keys():
        before["keyed"] = 0
    statement = sa.update(Customer).where(Customer.id == entry["id"]).values(**before)
    db.session.execute(statement.execution_options(synchronize_session=False))
    if "stage" in before:
        step = sa.delete(StageChange).where(StageChange.customer_id == entry["id"], StageChange.at == at)
        db.session.execute(step.execution_options(synchronize_session=False))
    if phone_rows is not None:
        mine = CustomerPhone.customer_id == entry["id"]
        kept = CustomerPhone.id.in_([one["id"] for one in phone_rows])
        gone = sa.delete(CustomerPhone).where(mine, ~kept)
        db.session.execute(gone.execution_options(synchronize_session=False))


def _undo_follow_ups(made: Sequence[Entry]) -> None:
    ids = [one["id"] for one in made]
    if not ids:
        return
    columns = sa.select(FollowUp.id, FollowUp.customer_id, FollowUp.version).where(FollowUp.id.in_(ids))
    now = {row.id: row for row in db.session.execute(columns)}
    for one in made:
        row = now.get(one["id"])
        if row is None or row.version != 1:
            one["kept"] = _("导入后有人改动过，未撤销")
    gone = [one for one in made if "kept" not in one]
    store.remove(FOLLOW_UP, [one["id"] for one in gone])
    forget([one["id"] for one in gone])
    statement = sa.delete(FollowUp).where(FollowUp.id.in_([one["id"] for one in gone]))
    db.session.execute(statement.execution_options(synchronize_session=False))
    for one in gone:
        if "before" in one:
            _move_last_back(now[one["id"]].customer_id, thawed(one["before"]), thawed(one["after"]))


def _move_last_back(customer_id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Set the last date back, unless somebody followed up meanwhile."""
    statement = (
        sa.update(Customer)
        .where(Customer.id == customer_id, Customer.last_followed_at == after["last_followed_at"])
        .values(**before)
    )
    db.session.execute(statement.execution_options(synchronize_session=False))
