"""Which mirrors there are."""

from collections.abc import Sequence

import sqlalchemy as sa

from wsapp.crm.mirrors.models import ASKING, ENTRY, TODO, MirrorChoice, TaskMirror
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.models import Task
from wsapp.db import db, first, rows
from wsapp.problems import NotFound
from wsapp.texts import _


def choice_of(member_id: str) -> MirrorChoice | None:
    """Return what a member wants mirrored; None while they have not said anything."""
    return first(sa.select(MirrorChoice).where(MirrorChoice.id == member_id))


def wanted_kinds(choice: MirrorChoice | None) -> frozenset[str]:
    """Return the lists that a member's tasks are to be in."""
    if choice is None:
        return frozenset()
    return frozenset(kind for kind, on in ((TODO, choice.todos), (ENTRY, choice.entries)) if on)


def current_mirrors(task_id: str) -> Sequence[TaskMirror]:
    """Return a task's mirrors that count."""
    return rows(sa.select(TaskMirror).where(TaskMirror.task_id == task_id, TaskMirror.is_current.is_(True)))


def own_mirrors(task: Task, *, actor: Member) -> Sequence[TaskMirror]:
    """Return the actor's own mirrors of a task: nobody else's lists are their business."""
    return [one for one in current_mirrors(task.id) if one.member_id == actor.id]


def find_asking(task: Task, mirror_id: str, *, actor: Member) -> TaskMirror:
    """Return a mirror that waits for the actor's answer; raises NotFound for all others."""
    found = next((one for one in own_mirrors(task, actor=actor) if one.id == mirror_id and one.state == ASKING), None)
    if found is None:
        raise NotFound(_("这个问题已经处理过了"))
    return found


def mirrors_of(member_id: str, kind: str) -> Sequence[TaskMirror]:
    """Return a member's current mirrors of one kind."""
    return rows(
        sa.select(TaskMirror).where(
            TaskMirror.member_id == member_id, TaskMirror.kind == kind, TaskMirror.is_current.is_(True)
        )
    )


def count_mirrors(member_id: str) -> dict[tuple[str, str], int]:
    """Return how many of a member's current mirrors are in each (kind, state)."""
    statement = (
        sa.select(TaskMirror.kind, TaskMirror.state, sa.func.count())
        .where(TaskMirror.member_id == member_id, TaskMirror.is_current.is_(True))
        .group_by(TaskMirror.kind, TaskMirror.state)
    )
    return {(kind, state): count for kind, state, count in db.session.execute(statement)}


def refusal_codes(member_id: str) -> Sequence[str]:
    """Return the host's codes for which mirrors of a member are refused."""
    statement = sa.select(TaskMirror.code).where(
        TaskMirror.member_id == member_id, TaskMirror.is_current.is_(True), TaskMirror.code != ""
    )
    return rows(statement.distinct().limit(3))
