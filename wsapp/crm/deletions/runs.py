"""Many records deleted at once (批量删除), in the background, and taken back with one press."""

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.customers.clean import clean_line
from wsapp.crm.deletions.actions import MAX_REASON, MOST_AT_ONCE, delete, restore
from wsapp.crm.deletions.kinds import KINDS
from wsapp.crm.deletions.models import DONE, RUNNING, UNDOING, UNDONE, Deletion, DeletionRun
from wsapp.crm.org.models import Member
from wsapp.db import db, first, new_id
from wsapp.problems import Conflict, Invalid, NotFound, Problem
from wsapp.texts import _

BATCH = 20  # records in one transaction


def begin_run(obj: str, ids: Sequence[str], *, typed: str, actor: Member, reason: str = "") -> DeletionRun:
    """Have many records deleted in the background (批量删除), at most 500. Raises Invalid.

    `typed` is the number of records, typed by the person: nobody deletes hundreds by a slip of the finger.
    """
    wanted = list(dict.fromkeys(ids))
    errors = {}
    if obj not in KINDS or not wanted:
        errors["ids"] = _("请先选择要删除的记录")
    elif len(wanted) > MOST_AT_ONCE:
        errors["ids"] = _("一次最多删除 %(most)d 条", most=MOST_AT_ONCE)
    elif typed.strip() != str(len(wanted)):
        errors["typed"] = _("请输入要删除的条数 %(n)d 以确认", n=len(wanted))
    if errors:
        raise Invalid(errors)
    run = DeletionRun(
        id=new_id(),
        object=obj,
        ids=wanted,
        actor_id=actor.id,
        reason=clean_line(reason)[:MAX_REASON],
        total=len(wanted),
        done=0,
        errors=[],
        created_at=clock.now(),
    )
    db.session.add(run)
    db.session.flush()
    outbox.enqueue("bin.run", {"run": run.id}, key=f"bin.run:{run.id}:0")
    return run


def undo_run(run: DeletionRun) -> None:
    """Have all that a run deleted brought back in the background (撤销), as far as it still lies in the bin.

    The caller has found the run with `find_run`. Raises Conflict while it runs, and after it was undone.
    """
    taken = sa.update(DeletionRun).where(DeletionRun.id == run.id, DeletionRun.state == DONE)
    found = db.session.execute(taken.values(state=UNDOING, done=0, errors=[]))
    if not found.rowcount:  # type: ignore[attr-defined]
        raise Conflict({"": _("批量删除还没有完成，或已经撤销")})
    outbox.enqueue("bin.run", {"run": run.id}, key=f"bin.run:{run.id}:undo:0")


def go_on(run_id: str) -> bool:
    """Delete, or bring back, the next lot of a run, in the caller's transaction; says whether there is more to do."""
    run: DeletionRun | None = first(sa.select(DeletionRun).where(DeletionRun.id == run_id).with_for_update())
    if run is None or run.state in (DONE, UNDONE):
        return False
    is_undoing = run.state == UNDOING
    actor: Member | None = first(sa.select(Member).where(Member.id == run.actor_id))
    _do_lot(run, actor, _bring_back if is_undoing else _take_away)
    run.done = min(run.total, run.done + BATCH)
    if run.done >= run.total:
        run.state, run.ended_at = (UNDONE, run.ended_at) if is_undoing else (DONE, clock.now())
        return False
    run.state = UNDOING if is_undoing else RUNNING
    outbox.enqueue("bin.run", {"run": run.id}, key=f"bin.run:{run.id}:{'undo:' if is_undoing else ''}{run.done}")
    return True


def _do_lot(run: DeletionRun, actor: Member | None, deed: Callable[[DeletionRun, str, Member], None]) -> None:
    errors = list(run.errors)
    for record_id in run.ids[run.done : run.done + BATCH]:
        try:
            if actor is None or not actor.is_active:
                raise NotFound(_("成员已离职"))
            with db.session.begin_nested():
                deed(run, record_id, actor)
        except Problem as problem:
            errors.append([record_id, problem.detail])
    run.errors = errors


def _take_away(run: DeletionRun, record_id: str, actor: Member) -> None:
    delete(run.object, record_id, actor=actor, reason=run.reason)


def _bring_back(run: DeletionRun, record_id: str, actor: Member) -> None:
    """Restore what this run deleted; what was restored or purged since, or deleted by somebody else, stays as it is."""
    theirs = sa.select(Deletion).where(Deletion.id == record_id, Deletion.actor_id == run.actor_id)
    deletion: Deletion | None = first(theirs.where(Deletion.deleted_at.between(run.created_at, run.ended_at)))
    if deletion is not None:
        restore(deletion, actor=actor)
