"""Two sides of one task: what it should look like at the host, and what follows from what the host has.

Three states are compared: what the host last had as far as we know (`had`), what it has now, and what the task says.
Whatever differs from `had` was changed by its side. Done at the host wins; of two new dates ours wins; titles are ours.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from wsapp.crm.events.actions import record
from wsapp.crm.fields.access import shown
from wsapp.crm.mirrors.models import ASKING, ENTRY, GONE, LEAVING, TODO, TaskMirror
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member
from wsapp.crm.tasks.actions import change_task, complete_task
from wsapp.crm.tasks.models import CANCELLED, DONE, Task
from wsapp.house import local
from wsapp.problems import Problem

MAX_CORRECTIONS = 3  # of one version of a task: somebody at the host insists, and we do not argue for ever
VISIT_MINUTES = 60
DONE_MARK = "✓ "


@dataclass(frozen=True)
class Facts:
    """What of an item both sides look at. `at` in UTC, to the minute."""

    title: str
    at: datetime
    all_day: bool = False
    minutes: int = 0
    done: bool = False

    @classmethod
    def of(cls, item: Any) -> Self:
        """Take the facts out of a host's item (see `wsapp.connectors.todos`)."""
        return cls(item.title, item.at.astimezone(UTC), item.all_day, item.minutes, item.done)

    @classmethod
    def read(cls, kept: dict[str, Any]) -> Self:
        return cls(**{**kept, "at": datetime.fromisoformat(kept["at"])})

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "at": self.at.isoformat(),
            "all_day": self.all_day,
            "minutes": self.minutes,
            "done": self.done,
        }

    def unlike(self, other: Self) -> frozenset[str]:
        """Return the names of the fields that differ."""
        mine, theirs = self.as_json(), other.as_json()
        return frozenset(name for name in mine if mine[name] != theirs[name])

    @property
    def when(self) -> tuple[datetime, bool]:
        return self.at, self.all_day


def wish(task: Task, mirror: TaskMirror) -> dict[str, Any]:
    """Return what the host is to have, as keyword arguments of a host's item; `at` on the clock here."""
    had = Facts.read(mirror.had) if mirror.had else None
    usual = VISIT_MINUTES if task.kind == "visit" else 0
    return {
        "title": task.title,
        "at": local(task.due_at),
        "all_day": task.all_day,
        "minutes": had.minutes if had and had.minutes else usual,  # drawn longer at the host, it stays so
        "done": task.state == DONE,
        "note": _note(task, mirror),
        "source": mirror.id,
        "host_id": mirror.host_id,
    }


def _note(task: Task, mirror: TaskMirror) -> str:
    """Return the note as the mirror's own person may read it."""
    reader = member(mirror.member_id)
    return str(shown(reader, {"note": task.note}, "task").get("note", "")) if reader else ""


def is_as_wished(task: Task, mirror: TaskMirror, wished: Facts) -> bool:
    """Say whether the host has what it is to have. Of a finished task only its end matters."""
    if mirror.had is None:
        return False
    had = Facts.read(mirror.had)
    if task.is_open:
        return had == wished
    return had.done if mirror.kind == TODO else had.title.startswith(DONE_MARK)


def to_tell(task: Task, mirror: TaskMirror, wished: Facts) -> frozenset[str]:
    """Return the fields that the host is to be told: what the person changed there meanwhile is left alone."""
    if mirror.had is None:
        return frozenset(wished.as_json())
    fields = wished.unlike(Facts.read(mirror.had))
    return fields if task.is_open else fields & {"title", "done"}


def may_tell(task: Task, mirror: TaskMirror) -> bool:
    """Say whether the host may be told once more: a new version always, the same one a few times."""
    return mirror.version != task.version or mirror.corrections < MAX_CORRECTIONS


def note_told(mirror: TaskMirror, task_version: int, wished: Facts) -> None:
    """Write down that the host has what it was told."""
    mirror.corrections = mirror.corrections + 1 if mirror.version == task_version else 0
    mirror.version = task_version
    mirror.had = wished.as_json()
    mirror.unsure, mirror.code = False, ""


def settle_end(task: Task, mirror: TaskMirror) -> None:
    """A cancelled task leaves the host."""
    if task.state == CANCELLED and mirror.state != LEAVING:
        mirror.state, mirror.is_current = LEAVING, None


def take_over(task: Task, mirror: TaskMirror, found: Facts | None, wished: Facts, *, member: Member) -> None:
    """Let the task follow what the host has now; None: the item is gone there."""
    if found is None:
        _note_deleted(task, mirror, member)
        return
    had = Facts.read(mirror.had) if mirror.had else wished
    mirror.had, mirror.unsure = found.as_json(), False
    if not task.is_open:
        return
    if found.done and not had.done:
        _try(lambda: complete_task(task, actor=member))
    elif found.when not in (had.when, wished.when) and wished.when == had.when:
        _try(lambda: change_task(task, _new_date(task, mirror, found), actor=member))


def _note_deleted(task: Task, mirror: TaskMirror, member: Member) -> None:
    """Deleted at the host: that deletes nothing here. The person is asked, unless the task is over anyway."""
    mirror.unsure, mirror.had = False, None
    if not task.is_open:
        mirror.state, mirror.is_current = GONE, None
        return
    mirror.state = ASKING
    record(
        "task.unlinked",
        task,
        actor=member,
        customer_id=task.customer_id,
        title=task.title,
        list=mirror.kind,
        mirror=mirror.id,
    )


def _new_date(task: Task, mirror: TaskMirror, found: Facts) -> dict[str, Any]:
    # A to-do knows no whole days: one of ours that moves to another day stays a day's task.
    whole_day = found.all_day if mirror.kind == ENTRY else task.all_day
    there = local(found.at)
    due_at = there.replace(hour=0, minute=0) if whole_day else there
    return {"due_at": due_at, "all_day": whole_day}


def _try(act: Any) -> None:
    """What our own rules refuse stays as it is here; the host is told so."""
    try:
        act()
    except Problem:
        return
