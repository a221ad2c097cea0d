"""A machine that mixes up both sides: people here, the person at the host, lost and doubled events, lost answers, dead
workers and new processes in between. However it went, both sides end equal, and then the host is left in peace."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.jobs.conftest import Firm, run_due
from tests.jobs.mirrors import LISTS, Desk, tomorrow_at
from wsapp import clock, leases
from wsapp.connectors.emulator import Fault
from wsapp.crm.mirrors.actions import choose, create_again, leave_out, look_at_lists
from wsapp.crm.mirrors.merge import MAX_CORRECTIONS
from wsapp.crm.mirrors.models import ASKING, OFF, THERE, MirrorChoice, TaskMirror
from wsapp.crm.tasks.actions import cancel_task, change_task, complete_task
from wsapp.crm.tasks.models import Task
from wsapp.db import db
from wsapp.outbox import Outbox

MOST_TASKS = 4
CALLS_A_STEP, CALLS_AT_THE_END = 15, 60  # far more than any honest way of doing it takes

Restart = Callable[[], None]
moments = st.integers(1, 200).map(lambda hours: tomorrow_at(8) + timedelta(hours=hours))
which = st.integers(0, 11)
Work = tuple[str, ...] | None
works = st.sampled_from(((), (), ("event", "mirror"), ("event",), ("mirror",), None))


class BothSides(RuleBasedStateMachine):
    """One seller with a few tasks, whose lists at the host are switched on. The test sets `firm` and `restart`."""

    firm: Firm
    restart: Restart

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(self.firm)
        self.steps = 0
        self.titles = 0
        self.ticked: set[str] = set()  # tasks whose to-do was ticked at the host
        self.moved: dict[str, float] = {}  # tasks that were moved at the host alone, and where to

    @initialize()
    def begin(self) -> None:
        """Start from nothing: no tasks, nothing at the host, both lists on."""
        emulator = self.firm.emulator
        emulator.wait_for_callbacks()
        with emulator.lock:
            emulator.faults.clear()
            emulator.knobs |= {"callbacks_to_lose": 0, "callback_copies": 1}
            emulator.forget()
            emulator.call_counts.clear()
        db.session.rollback()
        for model in (TaskMirror, Task, MirrorChoice):
            db.session.execute(sa.delete(model))
        db.session.execute(sa.delete(Outbox))
        choose(self.firm.seller(), todos="todo" in LISTS[self.firm.host], entries=True)
        db.session.commit()
        self.new_task(tomorrow_at(9), all_day=False)
        self._settle()

    # --- helpers ---------------------------------------------------------------------------------------------

    def tasks(self, *, is_open: bool = True) -> list[Task]:
        db.session.rollback()
        found = db.session.scalars(sa.select(Task).order_by(Task.id).execution_options(populate_existing=True))
        return [one for one in found if one.is_open or not is_open]

    def pick(self, number: int) -> Task | None:
        found = self.tasks()
        return found[number % len(found)] if found else None

    def expect(self, item: dict[str, Any], act: str, at: Any) -> None:
        """Note what must hold in the end, whatever is lost on the way: a tick counts, and so does a lone new date."""
        mirror = next((one for one in self.desk.mirrors() if one.host_id == item["id"] and one.is_current), None)
        task = self.desk.task(mirror.task_id) if mirror else None
        if mirror is None or task is None or not task.is_open:
            return
        if act == "complete":
            self.ticked.add(task.id)
        elif act in ("reopen", "delete"):
            self.ticked.discard(task.id)
            self.moved.pop(task.id, None)
        elif act == "move":
            self.moved.pop(task.id, None)
            if not task.all_day and self.are_in_step(task):
                self.moved[task.id] = at.timestamp()

    def are_in_step(self, task: Task) -> bool:
        """Whether all sides of a task stand at one moment: a move on one of them is then the only one."""
        there = {one["id"]: one["at"] for one in self.desk.items()}
        mirrors = [one for one in self.desk.mirrors() if one.task_id == task.id and one.host_id in there]
        due = task.due_at.timestamp()
        return all(
            one.had
            and not one.unsure
            and there[one.host_id] == datetime.fromisoformat(one.had["at"]).timestamp() == due
            for one in mirrors
        )

    # --- people here -----------------------------------------------------------------------------------------

    @rule(
        deed=st.sampled_from(("new", "new", "move", "move", "rename", "rename", "complete", "cancel", "answer")),
        number=which,
        at=moments,
        all_day=st.booleans(),
        then=works,
    )
    def here(self, deed: str, number: int, at: Any, all_day: bool, then: Work) -> None:
        task = self.pick(number)
        if deed == "new":
            self.new_task(at, all_day=all_day)
        elif deed == "answer":
            self.answer(number)
        elif task is not None:
            self.change(task, deed, at)
        self.work(then)

    def new_task(self, at: Any, *, all_day: bool) -> None:
        if len(self.tasks(is_open=False)) < MOST_TASKS:
            self.titles += 1
            self.firm.task(f"第 {self.titles} 件", due_in=at - clock.now(), all_day=all_day)

    def change(self, task: Task, deed: str, at: Any) -> None:
        seller = self.firm.seller()
        if deed == "move":
            self.moved.pop(task.id, None)
            change_task(task, {"due_at": at}, actor=seller)
        elif deed == "rename":
            self.titles += 1
            change_task(task, {"title": f"改成 {self.titles}"}, actor=seller)
        else:
            (complete_task if deed == "complete" else cancel_task)(task, actor=seller)
        db.session.commit()

    def answer(self, number: int) -> None:
        asking = [one for one in self.desk.mirrors() if one.state == ASKING]
        if asking:
            mirror = asking[number % len(asking)]
            decide = create_again if number % 3 else leave_out
            task = self.desk.task(mirror.task_id)
            if task.is_open:
                decide(task, mirror.id, actor=self.firm.seller())
            db.session.commit()

    # --- the person at the host ------------------------------------------------------------------------------

    @rule(
        act=st.sampled_from(("complete", "move", "move", "move", "rename", "reopen", "delete")),
        number=which,
        at=moments,
        is_heard=st.booleans(),
        then=works,
    )
    def there(self, act: str, number: int, at: Any, is_heard: bool, then: Work) -> None:
        if not is_heard:
            self.firm.emulator.knobs["callbacks_to_lose"] += 1
        able = [one for one in self.desk.items() if act in (*one["acts"], "rename")]
        if able:
            item = able[number % len(able)]
            self.expect(item, act, at)
            self.desk.act(item, act, at)
        self.work(then)

    # --- what goes wrong -------------------------------------------------------------------------------------

    @rule(
        what=st.sampled_from(("copies", "answer", "answer", "death", "restart", "late echoes")),
        fault=st.sampled_from(("reset_after", "reset_after", "reset_before", "truncate")),
        count=st.integers(0, 2),
    )
    def trouble(self, what: str, fault: str, count: int) -> None:
        emulator = self.firm.emulator
        db.session.rollback()
        match what:
            case "copies":
                emulator.knobs["callback_copies"] = count + 1
            case "answer":  # the next call, or one after it, has its effect or not, and no answer
                with emulator.lock:
                    emulator.faults.append(Fault("*", fault, skip=count))
            case "death":  # a worker takes what is due, and is gone
                leases.claim(100)
                past = clock.wall() - timedelta(hours=1)
                dead = sa.update(Outbox).where(Outbox.state == "running")
                db.session.execute(dead.values(lease_until=past, crashes=0))
            case "restart":
                self.restart()
            case "late echoes":
                db.session.execute(sa.update(TaskMirror).values(echoes_until=clock.now() - timedelta(minutes=5)))
        db.session.commit()

    # --- work gets done, or some of it -----------------------------------------------------------------------

    def work(self, kinds: Work) -> None:
        """Do all that is due (empty), or only what is of some kinds, or nothing (None)."""
        if kinds is None:
            return
        self.steps += 1
        self._end_waits()
        waiting = self._hold_back_all_but(kinds) if kinds else []
        run_due(self.firm.app)
        self._give_back(waiting)

    def _hold_back_all_but(self, kinds: tuple[str, ...]) -> list[int]:
        db.session.rollback()
        others = sa.select(Outbox.id).where(Outbox.state == "ready", Outbox.kind.not_in(kinds))
        ids = list(db.session.scalars(others))
        self._set_due(ids, timedelta(days=30))
        return ids

    def _give_back(self, ids: list[int]) -> None:
        db.session.rollback()
        self._set_due(ids, timedelta())

    def _set_due(self, ids: list[int], ahead: timedelta) -> None:
        due = clock.now() + ahead - timedelta(seconds=1)
        db.session.execute(sa.update(Outbox).where(Outbox.id.in_(ids), Outbox.state == "ready").values(due_at=due))
        db.session.commit()

    # --- the end ---------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        emulator = self.firm.emulator
        with emulator.lock:
            emulator.faults.clear()
            emulator.knobs |= {"callbacks_to_lose": 0, "callback_copies": 1}
        self._settle()
        self._night()
        self._night()
        self._assert_equal()
        before = self.desk.calls()
        self._night()
        assert self.desk.calls() - before <= len(LISTS[self.firm.host]), "the host is not left in peace"
        assert self.desk.calls() <= CALLS_A_STEP * self.steps + CALLS_AT_THE_END

    def _settle(self) -> None:
        """All waits are over, again and again, until nothing waits."""
        for _round in range(12):
            self._end_waits()
            ran = run_due(self.firm.app)
            db.session.rollback()
            self.firm.emulator.wait_for_callbacks()
            if not ran and not self.desk.waiting():
                return
        raise AssertionError("work without end")

    def _end_waits(self) -> None:
        """However long a try was to wait for the next one, that time is over."""
        db.session.rollback()
        waiting = sa.update(Outbox).where(Outbox.state == "ready", Outbox.kind.like("mirror%"))
        db.session.execute(waiting.values(due_at=clock.now() - timedelta(seconds=1)))
        db.session.commit()

    def _night(self) -> None:
        db.session.rollback()
        look_at_lists(self.firm.seller())
        db.session.commit()
        self._settle()

    def _assert_equal(self) -> None:
        mirrors = [one for one in self.desk.mirrors() if one.is_current]
        tasks = {one.id: one for one in self.tasks(is_open=False)}
        items = {one["id"]: one for one in self.desk.items()}
        there = {one.host_id: one for one in mirrors if one.state == THERE}
        assert set(items) <= set(there), "every item at the host belongs to one mirror"
        gone = [there[one] for one in set(there) - set(items)]
        assert not [one for one in gone if tasks[one.task_id].is_open], "and the reverse, but for what is over"
        for host_id, mirror in there.items():
            if host_id in items and mirror.corrections < MAX_CORRECTIONS:
                _assert_same(tasks[mirror.task_id], mirror, items[host_id])
        wanted = {(task.id, kind) for task in tasks.values() if task.is_open for kind in LISTS[self.firm.host]}
        assert wanted <= {(one.task_id, one.kind) for one in mirrors}
        assert {one.state for one in mirrors} <= {THERE, ASKING, OFF}
        assert not [one for one in self.ticked if tasks[one].is_open], "what was ticked at the host is done here"
        for task_id, at in self.moved.items():
            assert not tasks[task_id].is_open or tasks[task_id].due_at.timestamp() == at, "moved at the host alone"
        assert len({one["source"] for one in items.values()}) == len(items), "nothing is shown twice"


def _assert_same(task: Task, mirror: TaskMirror, item: dict[str, Any]) -> None:
    assert task.state != "cancelled"
    if not task.is_open:
        assert item["done"] if mirror.kind == "todo" else item["title"].startswith("✓ ")
        return
    assert not item["done"]
    assert item["title"] == task.title
    whole_day = task.all_day and mirror.kind == "todo"
    due = task.due_at + timedelta(hours=23, minutes=59) if whole_day else task.due_at
    assert item["at"] == due.timestamp()
