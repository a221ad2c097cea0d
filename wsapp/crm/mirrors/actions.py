"""What people and hosts do with mirrors: switch them on and off, plan them, hear of changes, answer questions."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.deletions.models import Deletion
from wsapp.crm.events.models import Event
from wsapp.crm.mirrors.models import (
    ASKING,
    GONE,
    KINDS,
    LEAVING,
    OFF,
    REFUSED,
    THERE,
    WANTED,
    MirrorChoice,
    TaskMirror,
)
from wsapp.crm.mirrors.queries import choice_of, current_mirrors, find_asking, mirrors_of, wanted_kinds
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member
from wsapp.crm.tasks.models import DOING, OPEN, Task
from wsapp.db import db, first, insert_rows, new_id, rows

TASK_EVENTS = frozenset({"task.created", "task.changed", "task.assigned", "task.done", "task.cancelled"})
MOST_AT_ONCE = 100  # open tasks that a switch puts there; a host takes no more new entries of one person in a day
OLDEST = timedelta(days=30)  # what is overdue for longer is left out then
ECHO_TIME = timedelta(minutes=1)
STILL_LOOKED_AT = timedelta(days=3)  # after a task's end


def choose(actor: Member, *, todos: bool, entries: bool) -> None:
    """Switch the actor's own lists at the host on or off; their open tasks appear there, or go, in the background."""
    if not (choice_of(actor.id) or todos or entries):
        return
    insert_rows(MirrorChoice, [{"id": actor.id, "todos": False, "entries": False, "home": ""}], ignore=True)
    choice = choice_of(actor.id)
    assert choice is not None
    choice.todos, choice.entries = todos, entries
    outbox.enqueue("mirror.member", {"member": actor.id})


def on_event(event: Event) -> None:
    """Follow what happens to tasks."""
    if event.kind in TASK_EVENTS:
        task = first(sa.select(Task).where(Task.id == event.subject_id))
        if task is not None:
            plan_task(task)
    elif event.kind in ("task.deleted", "customer.deleted"):
        _forget_deleted(event.subject_id)
    elif event.kind in ("task.restored", "customer.restored"):
        _plan_restored(event)


def _forget_deleted(record_id: str) -> None:
    """Tasks lie in the bin, and their mirrors with them: what the host has of them goes."""
    contents = first(sa.select(Deletion.contents).where(Deletion.id == record_id)) or {}
    for row in contents.get("task_mirror", ()):
        if row["is_current"] and row["host_id"]:
            put = {"member": row["member_id"], "kind": row["kind"], "host_id": row["host_id"]}
            outbox.enqueue("mirror.forget", put, key=f"mirror.forget:{row['id']}")


def _plan_restored(event: Event) -> None:
    """The host let go of what it had of these tasks: they are put there anew."""
    theirs = Task.id == event.subject_id if event.kind == "task.restored" else Task.customer_id == event.subject_id
    for task in rows(sa.select(Task).where(theirs, Task.state.in_((OPEN, DOING)))):
        for mirror in current_mirrors(task.id):
            mirror.state, mirror.is_current, mirror.lease = GONE, None, None
        db.session.flush()
        plan_task(task)


def plan_task(task: Task) -> None:
    """Put a task's mirrors in line: new ones, those that must follow, those that have to go."""
    assignee = member(task.assignee_id)
    kinds = wanted_kinds(choice_of(task.assignee_id)) if assignee and assignee.is_active else frozenset[str]()
    mirrors = {one.kind: one for one in current_mirrors(task.id)}
    for kind, mirror in mirrors.items():
        if mirror.member_id != task.assignee_id or (kind not in kinds and task.is_open):
            _retire(mirror)
            db.session.flush()  # its place is free
        elif mirror.state not in (ASKING, OFF):
            put_in_line(mirror)
        elif not task.is_open:
            mirror.state, mirror.is_current = GONE, None
    if task.is_open:
        stays = {kind for kind, one in mirrors.items() if one.is_current}
        for kind in sorted(kinds - stays):
            _add(task, kind)


def plan_member(owner: Member) -> None:
    """Make a member's mirrors fit what they chose: the soonest open tasks appear, the rest comes as it changes."""
    kinds = wanted_kinds(choice_of(owner.id))
    for kind in KINDS:
        if kind not in kinds:
            for mirror in mirrors_of(owner.id, kind):
                _retire(mirror)
    if kinds:
        for task in _tasks_ahead(owner):
            plan_task(task)


def _tasks_ahead(owner: Member) -> Sequence[Task]:
    statement = sa.select(Task).where(
        Task.assignee_id == owner.id, Task.state.in_((OPEN, DOING)), Task.due_at > clock.now() - OLDEST
    )
    return rows(statement.order_by(Task.due_at, Task.id).limit(MOST_AT_ONCE))


def _add(task: Task, kind: str) -> None:
    mirror_id = new_id()
    row = {
        "id": mirror_id,
        "task_id": task.id,
        "member_id": task.assignee_id,
        "kind": kind,
        "is_current": True,
        "state": WANTED,
        "host_id": "",
        "version": 0,
        "corrections": 0,
        "unsure": False,
        "wants_look": False,
        "echoes": 0,
        "turn": 0,
        "code": "",
        "created_at": clock.now(),
    }
    if insert_rows(TaskMirror, [row], ignore=True):
        outbox.enqueue("mirror", {"mirror": mirror_id}, key=f"mirror:{mirror_id}:0")


def _retire(mirror: TaskMirror) -> None:
    """Let the host's item go. What the person deleted there themselves is gone already."""
    mirror.is_current = None
    if mirror.state in (ASKING, OFF) or (not mirror.host_id and not mirror.unsure):
        mirror.state = GONE
        return
    mirror.state = LEAVING
    put_in_line(mirror)


def put_in_line(mirror: TaskMirror, *, look: bool = False) -> None:
    """Have a mirror compared with its host, once, however often that is asked for before it begins."""
    mirror.wants_look = mirror.wants_look or look
    outbox.enqueue("mirror", {"mirror": mirror.id}, key=f"mirror:{mirror.id}:{mirror.turn}")


# --- what the host tells ------------------------------------------------------------------------------------------


def heard_of(kind: str, host_ids: Iterable[str]) -> None:
    """Something happened to items at the host: look, unless it is the echo of what we did ourselves.

    An echo is expected for each change of ours, for a minute; whatever comes beyond that is a change of theirs. Should
    an echo be lost and a change be taken for it, the nightly look finds it.
    """
    wanted = sorted(set(host_ids))[:100]
    statement = sa.select(TaskMirror).where(
        TaskMirror.kind == kind, TaskMirror.host_id.in_(wanted), TaskMirror.is_current.is_(True)
    )
    for mirror in rows(statement.with_for_update(key_share=True)):
        if mirror.state != THERE:
            continue
        if mirror.echoes > 0 and mirror.echoes_until and mirror.echoes_until > clock.now():
            mirror.echoes -= 1
        else:
            put_in_line(mirror, look=True)


def heard_of_home(home: str) -> None:
    """A person's calendar of ours was changed or deleted as a whole: look at all that lay in it."""
    owner_id = first(sa.select(MirrorChoice.id).where(MirrorChoice.home == home)) if home else None
    if owner_id:
        outbox.enqueue("mirror.look", {"member": owner_id, "kind": "entry"})


def to_look_at(member_id: str, kind: str) -> Sequence[TaskMirror]:
    """Return the mirrors that a look at a member's whole list is about: open tasks, and those just ended."""
    recently = clock.now() - STILL_LOOKED_AT
    statement = (
        sa.select(TaskMirror)
        .join(Task, sa.and_(Task.id == TaskMirror.task_id, Task.corp_id == TaskMirror.corp_id))
        .where(
            TaskMirror.member_id == member_id,
            TaskMirror.kind == kind,
            TaskMirror.is_current.is_(True),
            TaskMirror.state.in_((WANTED, THERE, REFUSED)),
            sa.or_(Task.state.in_((OPEN, DOING)), Task.done_at > recently),
        )
        .order_by(TaskMirror.id)
    )
    return rows(statement)


def look_at_lists(owner: Member) -> int:
    """Have the host asked for all that it has of a member's; returns for how many lists."""
    choice = choice_of(owner.id)
    if choice is None:
        return 0
    choice.looked_at = clock.now()
    kinds = sorted(wanted_kinds(choice))
    for kind in kinds:
        outbox.enqueue("mirror.look", {"member": owner.id, "kind": kind})
    return len(kinds)


def look_at_everybody(day: datetime) -> None:
    """Have every list of the corp looked at, once a day: whatever event was lost, it is found."""
    wanting = sa.or_(MirrorChoice.todos.is_(True), MirrorChoice.entries.is_(True))
    for choice in rows(sa.select(MirrorChoice).where(wanting)):
        for kind in sorted(wanted_kinds(choice)):
            key = f"mirror.look:{choice.corp_id}:{choice.id}:{kind}:{day:%Y-%m-%d}"
            outbox.enqueue("mirror.look", {"member": choice.id, "kind": kind}, key=key)


# --- the person's answer ------------------------------------------------------------------------------------------


def create_again(task: Task, mirror_id: str, *, actor: Member) -> None:
    """The person deleted it at the host and wants it back. Raises NotFound when nothing is asked."""
    mirror = find_asking(task, mirror_id, actor=actor)
    mirror.state, mirror.is_current = GONE, None
    db.session.flush()  # its place is free
    plan_task(task)


def leave_out(task: Task, mirror_id: str, *, actor: Member) -> None:
    """The person deleted it at the host and wants this task left out. Raises NotFound when nothing is asked."""
    find_asking(task, mirror_id, actor=actor).state = OFF
