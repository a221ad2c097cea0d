"""What people do with the recycle bin: delete, restore, empty."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.binned import forget_binned, keep_binned
from wsapp.crm.customers.clean import clean_line
from wsapp.crm.customers.filing import file_contacts
from wsapp.crm.customers.unmerge import forget_losers_of
from wsapp.crm.deletions import rules  # noqa: F401 - declares what is asked for here
from wsapp.crm.deletions.consequences import file_customer, recount, settle_primary
from wsapp.crm.deletions.kinds import KINDS, customer_of, owner_of
from wsapp.crm.deletions.models import Deletion
from wsapp.crm.deletions.moving import Conflict, Contents, conflicts_of, put_back, take_out
from wsapp.crm.events.actions import record
from wsapp.crm.events.models import Event
from wsapp.crm.fields.indexing import reindex
from wsapp.crm.fields.models import OBJECTS
from wsapp.crm.fields.values import forget
from wsapp.crm.notifications.models import PLANNED as TO_BE_SENT
from wsapp.crm.notifications.models import SUPPRESSED, Notification
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import rule
from wsapp.crm.tasks.models import DROPPED, PLANNED, Reminder
from wsapp.crm.tasks.reminders import set_alarm
from wsapp.db import db, first, rows
from wsapp.files import StoredFile, remove_bytes
from wsapp.problems import Duplicate, Invalid, NotFound
from wsapp.texts import _

MOST_AT_ONCE = 500
MAX_REASON = 200
NAMED = ("contact", "follow_up", "visit", "task")  # what is counted for people


# --- delete -------------------------------------------------------------------------------------------------------


def delete(obj: str, record_id: str, *, actor: Member, reason: str = "") -> Deletion:
    """Move a record with all that belongs to it into the bin (删除).

    Raises NotFound for what the actor does not see, Forbidden for what they may not delete.
    """
    kind = KINDS.get(obj)
    if kind is None:
        raise NotFound(_("记录不存在或无权查看"))
    found = kind.find(record_id, actor=actor)
    kind.demand(found, actor)
    model, record_id = type(found), found.id  # a customer's, also where its id of before a merge is given
    there = first(sa.select(model.id).where(model.id == record_id).with_for_update())
    if there is None:  # somebody else deleted it a moment ago
        raise NotFound(_("记录不存在或无权查看"))
    facts = {
        "title": kind.title(found)[:120],
        "customer_id": customer_of(found),
        "owner_id": owner_of(found),
    }
    if obj == "customer":
        keep_binned(found, actor=actor)
    taken = take_out(obj, record_id)
    counts = {table: len(taken.contents[table]) for table in NAMED if table != obj and taken.contents.get(table)}
    deletion = Deletion(
        id=record_id,
        object=obj,
        **facts,
        actor_id=actor.id,
        reason=clean_line(reason)[:MAX_REASON],
        contents=taken.contents,
        loose=taken.loose,
        counts=counts,
        deleted_at=clock.now(),
    )
    db.session.add(deletion)
    _leave_the_timeline(deletion)
    _say_nothing_more(deletion)
    if obj != "customer":
        recount(deletion.customer_id)
        settle_primary(deletion.customer_id)
    if obj == "contact" and deletion.customer_id:
        file_contacts(deletion.customer_id)
    record(
        f"{obj}.deleted",
        found,
        actor=actor,
        customer_id=deletion.customer_id,
        title=deletion.title,
        reason=deletion.reason,
        counts=counts,
    )
    return deletion


def _ids(deletion: Deletion) -> list[str]:
    return [row["id"] for table in (*NAMED, "customer") for row in deletion.contents.get(table, ())]


def _leave_the_timeline(deletion: Deletion) -> None:
    """What happened to the record leaves its customer's timeline; the events themselves stay."""
    if deletion.object != "customer":
        _set_event_customer(deletion, None)


def _set_event_customer(deletion: Deletion, customer_id: str | None) -> None:
    db.session.execute(
        sa.update(Event)
        .where(Event.subject_id == deletion.id)
        .values(customer_id=customer_id)
        .execution_options(synchronize_session=False)
    )


def _say_nothing_more(deletion: Deletion) -> None:
    """Messages about the record that still wait are not sent."""
    ids = _ids(deletion)
    for start in range(0, len(ids), MOST_AT_ONCE):
        db.session.execute(
            sa.update(Notification)
            .where(Notification.subject_id.in_(ids[start : start + MOST_AT_ONCE]), Notification.state == TO_BE_SENT)
            .values(state=SUPPRESSED, reason=_("记录已删除"), settled_at=clock.now())
            .execution_options(synchronize_session=False)
        )


# --- restore ------------------------------------------------------------------------------------------------------


class Conflicting(Duplicate):
    """What the record had is somebody else's by now: `conflicts`. It can be restored without it."""

    def __init__(self, fields: dict[str, str], conflicts: Sequence[Conflict]) -> None:
        super().__init__(fields)
        self.conflicts = conflicts


def restore(deletion: Deletion, *, actor: Member, anyway: bool = False) -> int:
    """Bring a record back with all that went along (恢复); returns how many rows that were.

    The caller has found it with `find_deletion`. Raises Conflicting, unless `anyway`: then what is taken stays away;
    Invalid where its customer is gone.
    """
    locked = sa.select(Deletion.id).where(Deletion.id == deletion.id).with_for_update()
    if first(locked) is None:
        raise NotFound(_("记录不存在或无权查看"))
    conflicts = conflicts_of(deletion.contents)
    if conflicts and not anyway:
        raise Conflicting(_words(conflicts), conflicts)
    contents = _where_it_belongs_now(deletion)
    try:
        count = put_back(contents, deletion.loose, root=deletion.object, without=conflicts)
    except LookupError:
        raise Invalid({"customer": _("所属客户也已删除，请先恢复客户")}) from None
    for obj in OBJECTS:  # what lists are narrowed by may have become more meanwhile
        reindex(obj, [row["id"] for row in deletion.contents.get(obj, ())])
    if deletion.object != "customer":
        _set_event_customer(deletion, deletion.customer_id)
        recount(deletion.customer_id)
        settle_primary(deletion.customer_id)
    if deletion.object in ("customer", "contact"):
        forget_binned(deletion.id)
        file_customer(deletion.customer_id)
    _ring_again(deletion)
    record(
        f"{deletion.object}.restored",
        _Subject(deletion),
        actor=actor,
        customer_id=deletion.customer_id,
        title=deletion.title,
        left_out=sorted({one.table for one in conflicts}),
    )
    db.session.delete(deletion)
    db.session.flush()
    return count


def _where_it_belongs_now(deletion: Deletion) -> Contents:
    """Return the contents for the customer into whom the record's own was merged since, if it was."""
    if deletion.object == "customer":
        return deletion.contents
    owned = [{**row, "customer_id": deletion.customer_id} for row in deletion.contents[deletion.object]]
    return {**deletion.contents, deletion.object: owned}


class _Subject:
    """The record that an event is about, by its table and id."""

    def __init__(self, deletion: Deletion) -> None:
        self.__tablename__ = deletion.object
        self.id = deletion.id


def _words(conflicts: Sequence[Conflict]) -> dict[str, str]:
    """Say what is taken, once for each value. By whom is nobody's business here."""
    phones = [str(one.values["number"]) for one in conflicts if one.table == "customer_phone"]
    words = {}
    if phones:
        words["phones"] = _("已被其他客户使用的电话：%(numbers)s", numbers=_("、").join(phones))
    if any(one.table == "customer_key" for one in conflicts) and not phones:
        words["name"] = _("已有其他客户使用相同的唯一信息（名称、信用代码等）")
    if not words:
        words[""] = _("删除之后已有记录占用了相同的唯一信息")
    return words


def _ring_again(deletion: Deletion) -> None:
    """Wake the reminders that came back; what is past by now is not news."""
    planned = [row["fire_at"] for row in deletion.contents.get("reminder", ()) if row["state"] == PLANNED]
    moments = {datetime.fromisoformat(text) for text in planned}
    tasks = [row["id"] for row in deletion.contents.get("task", ())]
    if tasks:
        db.session.execute(
            sa.update(Reminder)
            .where(Reminder.task_id.in_(tasks), Reminder.state == PLANNED, Reminder.fire_at < clock.now())
            .values(state=DROPPED)
            .execution_options(synchronize_session=False)
        )
    for moment in sorted(moments):
        if moment >= clock.now():
            set_alarm(moment)


# --- empty --------------------------------------------------------------------------------------------------------


def purge(deletion: Deletion, *, actor: Member | None, reason: str) -> None:
    """Delete for good (彻底删除), with its photos. The caller has made sure that the actor is an administrator.

    Raises Invalid without a reason.
    """
    reason = clean_line(reason)
    if not 2 <= len(reason) <= MAX_REASON:
        raise Invalid({"reason": _("请填写原因，2–%(most)d 个字", most=MAX_REASON)})
    ids = _ids(deletion)
    for start in range(0, len(ids), MOST_AT_ONCE):
        wanted = ids[start : start + MOST_AT_ONCE]
        for stored in rows(sa.select(StoredFile).where(StoredFile.record_id.in_(wanted))):
            remove_bytes(stored)
            db.session.delete(stored)
    forget(ids)
    forget_binned(deletion.id)
    if deletion.object == "customer":
        forget_losers_of(deletion.id)
    record("bin.purged", _Subject(deletion), actor=actor, object=deletion.object, title=deletion.title, reason=reason)
    db.session.delete(deletion)
    db.session.flush()


def purge_old(*, limit: int = 200) -> int:
    """Delete for good what has been in the bin for longer than the corp keeps it; returns how many at most `limit`."""
    over = clock.now() - timedelta(days=rule("bin.days"))
    found = rows(sa.select(Deletion).where(Deletion.deleted_at < over).order_by(Deletion.deleted_at).limit(limit))
    for one in found:
        purge(one, actor=None, reason=_("保留期已过"))
    return len(found)
