"""DELETE of records, and /deletions: the recycle bin."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask import g
from pydantic import Field

from wsapp.api.base import Answer, may_be_empty, reads, resource, writes
from wsapp.api.lists import Named, listed, one, text_of
from wsapp.api.schemas import Body, Page, Path, Record, one_of
from wsapp.api.schemas_in import CustomerPath, TaskPath, VisitPath
from wsapp.api.schemas_logs import FollowUpPath
from wsapp.crm.deletions.actions import delete, restore
from wsapp.crm.deletions.kinds import KINDS
from wsapp.crm.deletions.models import Deletion
from wsapp.crm.deletions.queries import COLUMNS, SORTS, ends_at, find_deletion, title_shown, titled, visible_deletions
from wsapp.db import db
from wsapp.problems import Invalid
from wsapp.texts import _

bp = resource("deletions", "Deletions: the recycle bin")


class DeletionPath(Path):
    deletion_id: str = Field(description="The id of the deleted record")


class DeletionList(Page):
    """Filters of /deletions; sort: deleted_at."""

    object: str = Field("", max_length=20, description="customer, contact, follow_up, visit or task")


class Restoration(Body):
    """With `anyway`, what another record has by now (a phone number) stays away instead of answering 409."""

    anyway: bool = False


class DeletionRecord(Record):
    """A deleted record; `id` is its own. `counts` says what went along, `purged_at` when it is gone for good."""

    id: str
    object: str
    title: str
    customer: str | None
    deleted_by: str | None
    reason: str
    counts: dict[str, int]
    deleted_at: str
    purged_at: str


class DeletionPage(Record):
    """A page of /deletions."""

    items: list[DeletionRecord]
    next_cursor: str | None


def _select() -> Any:
    actor = Named(Deletion.actor_id, "deleted_by")
    return actor.join(sa.select(*COLUMNS, actor.userid).select_from(Deletion)).where(visible_deletions(g.member))


def _show(found: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": row.id,
            "object": row.object,
            "title": title_shown(g.member, row.object, row.title),
            "customer": row.customer_id,
            "deleted_by": row.deleted_by,
            "reason": row.reason,
            "counts": row.counts,
            "deleted_at": text_of(row.deleted_at),
            "purged_at": text_of(ends_at(row.deleted_at)),
        }
        for row in found
    ]


def _delete(obj: str, record_id: str) -> Answer:
    deletion = delete(obj, record_id, actor=g.member)
    db.session.flush()
    return Answer(one(_select().where(Deletion.id == deletion.id), show=_show))


@bp.delete("/customers/<customer_id>", responses={200: DeletionRecord})
@may_be_empty
@writes
def delete_customer(path: CustomerPath) -> Answer:
    """Move a customer to the recycle bin, with its contacts, follow-ups, visits and tasks."""
    return _delete("customer", path.customer_id)


@bp.delete("/follow-ups/<follow_up_id>", responses={200: DeletionRecord})
@may_be_empty
@writes
def delete_follow_up(path: FollowUpPath) -> Answer:
    """Move a follow-up to the recycle bin."""
    return _delete("follow_up", path.follow_up_id)


@bp.delete("/visits/<visit_id>", responses={200: DeletionRecord})
@may_be_empty
@writes
def delete_visit(path: VisitPath) -> Answer:
    """Move a visit to the recycle bin."""
    return _delete("visit", path.visit_id)


@bp.delete("/tasks/<task_id>", responses={200: DeletionRecord})
@may_be_empty
@writes
def delete_task(path: TaskPath) -> Answer:
    """Move a task to the recycle bin; its reminders are silent."""
    return _delete("task", path.task_id)


@bp.get("/deletions", responses={200: DeletionPage})
@reads
def index(query: DeletionList) -> Answer:
    """List what lies in the recycle bin, as far as the user may see it, latest first."""
    obj = one_of(query.object)
    if obj and obj not in KINDS:
        raise Invalid({"object": _("请从列表中选择")})
    statement = _select()
    if obj:
        statement = statement.where(Deletion.object == obj)
    if query.q.strip():
        statement = statement.where(titled(query.q.strip(), actor=g.member))
    return listed(statement, query, sorts=SORTS, default="-deleted_at", id_column=Deletion.id, show=_show)


@bp.get("/deletions/<deletion_id>", responses={200: DeletionRecord})
@reads
def show(path: DeletionPath) -> Answer:
    """Return what lies in the recycle bin."""
    return Answer(one(_select().where(Deletion.id == path.deletion_id), show=_show))


@bp.post("/deletions/<deletion_id>/restoration", responses={200: DeletionRecord})
@may_be_empty
@writes
def bring_back(path: DeletionPath, body: Restoration) -> Answer:
    """Restore a record with all that went along. A phone number that another customer has by now answers 409."""
    deletion = find_deletion(path.deletion_id, actor=g.member)
    before = one(_select().where(Deletion.id == path.deletion_id), show=_show)
    restore(deletion, actor=g.member, anyway=body.anyway)
    return Answer(before)
