"""Reading a corp's whole directory: call by call, each written down and committed before the next is made.

    range        what the administrator lets the app see
    root, below  departments, from each visible root down
    people       each department's direct members, page by page
    person       those whom the range names alone
    confirm      those not found, a few of them asked for alone; then who is gone is marked, or somebody is asked

A killed worker leaves the steps that are still to be made; whoever takes the run over goes on there. Workers read for
a few seconds at a time and put the rest in line again, so that a large corp holds up no small one.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import arrivals, clock, logs, metrics, outbox
from wsapp.connectors.base import BadCredentials, Connector, HostError, OutOfRange, Person, TryLater
from wsapp.connectors.directory import DepartmentLot, PeoplePage, VisibleRange
from wsapp.crm.events.actions import record
from wsapp.crm.org import directory, leavers, roster
from wsapp.crm.org.actions import shut_out
from wsapp.crm.org.directory import HoldLost
from wsapp.crm.org.models import LEFT, Corp, DirectoryRun, DirectoryStep, Member
from wsapp.crm.org.queries import member_by_userid
from wsapp.db import corp_scope, current_corp, db, reading, rows
from wsapp.jobs.delivery import line_of_corp
from wsapp.jobs.pace import PACE, Pace
from wsapp.jobs.runner import Desk, Later, note_fault
from wsapp.leases import Claim, LeaseLost

SLICE = 5.0  # seconds that a worker reads before it lets others have their turn
BUSY = 5.0  # seconds until a held run is looked at again
CONFIRM_LEAST, CONFIRM_SHARE = 20, 20  # those not found are asked for alone when they are few: a 20th of the calls
LEAVERS_LOT = 100
COUNTS = ("people", "departments", "roots", "joined", "returned", "leavers")  # told by the event
STALE = timedelta(hours=20)  # a run that is not done by then gives way to the next night's

log = logs.get_logger()


class Throttle:
    """Spaces calls evenly, below what the host allows."""

    def __init__(self, rate: float, pace: Pace) -> None:
        self.gap = pace.wait(1 / rate)
        self.next = 0.0

    def wait(self) -> None:
        """Sleep until the next call may be made."""
        rest = self.next - time.monotonic()
        if rest > 0:
            time.sleep(rest)
        self.next = max(self.next, time.monotonic()) + self.gap


class Walker:
    """Whoever works on a run: asks the host, writes down what it says. One at a time, by the run's hold."""

    def __init__(self, corp: Corp, connector: Connector, run_id: str, holder: str, pace: Pace = PACE) -> None:
        self.corp = corp
        db.session.expunge(corp)  # it outlives many transactions
        self.connector = connector
        self.run_id = run_id
        self.holder = holder
        self.fold = connector.userid_case == "fold"
        self.throttle = Throttle(connector.directory_rate, pace)
        self.steps = 0

    def take(self) -> bool:
        """Take the run; says whether it is ours now. Commits."""
        held = directory.hold(self.run_id, self.holder)
        db.session.commit()
        return held

    def give_back(self) -> None:
        """Give the run back. Commits."""
        db.session.rollback()
        directory.let_loose(self.run_id, self.holder)
        db.session.commit()

    def go_on(self, seconds: float) -> bool:
        """Make steps for so long; says whether the run has ended. Commits after each.

        Raises TryLater when the host wants a rest, HoldLost when somebody else has the run.
        """
        until = time.monotonic() + seconds
        while True:
            with reading():
                run, step = directory.find(self.run_id), directory.next_step(self.run_id)
                db.session.commit()
            if run is None or run.state != directory.RUNNING:
                return True
            try:
                self._make(run, step)
            except (TryLater, HoldLost):
                db.session.rollback()
                raise
            except HostError as error:
                db.session.rollback()
                self.fail(error)
                return True
            self.steps += 1
            db.session.expunge_all()  # a large corp's people are not to gather in memory
            if time.monotonic() > until:
                return False

    def fail(self, error: HostError) -> None:
        """End the run because the host refuses, and tell the administrators. Commits."""
        run = self._ours()
        if isinstance(error, BadCredentials):
            note_fault(self.corp.id, error)
        end_failed(run, code=error.code, reason=error.reason)
        db.session.commit()

    def _ours(self) -> DirectoryRun:
        """Return the run as it is now, surely ours for the rest of the transaction. Raises HoldLost."""
        directory.keep_hold(self.run_id, self.holder)
        run = directory.find(self.run_id)
        if run is None:
            raise HoldLost(self.run_id)
        return run

    # --- steps -----------------------------------------------------------------------------------------------

    def _make(self, run: DirectoryRun, step: DirectoryStep | None) -> None:
        if step is None:
            self._conclude()
            return
        is_known = self._is_known(run, step)
        answer = None if is_known else self._ask(step)
        run = self._ours()
        run.calls += 0 if is_known else 1
        writers: dict[str, Callable[[DirectoryRun, DirectoryStep, Any], None]] = {
            "range": self._write_range,
            "root": self._write_departments,
            "below": self._write_departments,
            "people": self._write_people,
            "person": self._write_person,
            "confirm": self._write_person,
        }
        writers[step.kind](run, step, answer)
        db.session.commit()

    def _ask(self, step: DirectoryStep) -> VisibleRange | DepartmentLot | PeoplePage | Person | OutOfRange:
        """Make a call, no transaction open; OutOfRange is an answer, too: the host does not show what was asked for."""
        self.throttle.wait()
        try:
            match step.kind:
                case "range":
                    return self.connector.visible_range()
                case "root" | "below":
                    return self.connector.department_lot(step.target, is_root=step.kind == "root")
                case "people":
                    return self.connector.people_page(step.target, step.cursor)
                case _:
                    return self.connector.person(step.target)
        except OutOfRange as error:
            log.info("directory.not_shown", kind=step.kind, target=step.target, code=error.code)
            return error

    def _is_known(self, run: DirectoryRun, step: DirectoryStep) -> bool:
        """Say whether a root or a person was met already, below another root."""
        with reading():
            known = (step.kind == "root" and bool(step.target) and roster.was_seen(run, step.target)) or (
                step.kind == "person" and roster.was_met(run, step.target, fold=self.fold)
            )
            db.session.commit()
        return known

    def _write_range(self, run: DirectoryRun, step: DirectoryStep, found: VisibleRange | OutOfRange) -> None:
        if isinstance(found, VisibleRange):
            run.roots = len(found.departments)
            directory.add_steps(run, [("root", one) for one in found.departments])
            directory.add_steps(run, [("person", one) for one in found.people])
        else:
            self._note_refused(run, found)
        directory.end_step(step)

    def _write_departments(
        self, run: DirectoryRun, step: DirectoryStep, found: DepartmentLot | OutOfRange | None
    ) -> None:
        if isinstance(found, DepartmentLot):
            fresh = set(roster.keep_departments(run, found.departments))
            # A root opens itself although it was just met; of the others only those new to this run.
            unopened = [one for one in found.unopened if one in fresh]
            directory.add_steps(run, [("below", one) for one in unopened])
        elif found is not None:
            self._note_refused(run, found)
        directory.end_step(step)

    def _write_people(self, run: DirectoryRun, step: DirectoryStep, found: PeoplePage | OutOfRange) -> None:
        if not isinstance(found, PeoplePage):
            self._note_refused(run, found)
            directory.end_step(step)
            return
        run.stage = directory.PEOPLE
        for start in range(0, len(found.people), roster.LOT):
            if start:  # the lot before is written: a department of thousands must not hold up all other writers
                db.session.commit()
                db.session.expunge_all()
                run = self._ours()
            roster.keep_people(
                run,
                found.people[start : start + roster.LOT],
                asked=step.target,
                leads_everywhere=found.leads_everywhere,
                fold=self.fold,
            )
        if not found.following:
            run.departments_read += 1
        directory.end_step(step, following=found.following)

    def _write_person(self, run: DirectoryRun, step: DirectoryStep, found: Person | OutOfRange | None) -> None:
        """Somebody asked for alone: with departments beyond the range, where the host tells them."""
        if isinstance(found, Person) and found.status != LEFT:
            known = member_by_userid(found.userid, fold=self.fold)
            was_gone, is_new = known is not None and known.status == LEFT, known is None
            db.session.commit()
            member = arrivals.write_person(self.corp, found)
            run = self._ours()
            run.joined += is_new
            run.returned += was_gone
            roster.mark_met(run, member)
        elif step.kind == "confirm" and (gone := member_by_userid(step.target, fold=self.fold)) is not None:
            self._mark_left(run, gone)
        directory.end_step(step)

    @staticmethod
    def _note_refused(run: DirectoryRun, error: OutOfRange) -> None:
        run.refused += 1
        run.code, run.reason = error.code[:60], error.reason[:300]

    # --- the end ---------------------------------------------------------------------------------------------

    def _conclude(self) -> None:
        """All is read: find who is missing, ask for a few of them alone, mark, or ask an administrator. Commits."""
        run = self._ours()
        if run.people == 0:
            end_failed(run, code=run.code or "empty", reason=run.reason)
            db.session.commit()
            return
        lost = leavers.count_missing(run)
        if run.stage != directory.LEAVERS:
            run.stage = directory.LEAVERS
            if leavers.is_too_many(run, lost) and not run.accept_leavers and not run.refused:
                self._ask_whether(run, lost)
                return
            if 0 < lost <= max(CONFIRM_LEAST, run.calls // CONFIRM_SHARE):
                everybody = leavers.missing(run, lost)
                directory.add_steps(run, [("confirm", one.userid) for one in everybody])
                db.session.commit()
                return
        if lost and not run.refused:  # where departments were refused, their people may only be out of sight
            for member in leavers.missing(run, LEAVERS_LOT):
                self._mark_left(run, member)
            db.session.commit()
            return
        self._finish(run)

    def _mark_left(self, run: DirectoryRun, member: Member) -> None:
        if member.status == LEFT:
            return
        shut_out(member, LEFT)
        record("member.left", member, actor=None, name=member.name)
        metrics.SESSIONS_REVOKED.labels("left").inc()
        run.leavers += 1

    def _ask_whether(self, run: DirectoryRun, lost: int) -> None:
        run.leavers = lost
        directory.end(run, directory.ASKING)
        record("directory.asking", run, actor=None, leavers=lost, known=run.known)
        db.session.commit()

    def _finish(self, run: DirectoryRun) -> None:
        if not run.refused:
            roster.mark_gone_departments(run)
        leavers.stop_holding()
        directory.end(run, directory.DONE, code=run.code, reason=run.reason)
        counts = {name: getattr(run, name) for name in COUNTS}
        record("directory.synced", run, actor=None, **counts)
        db.session.commit()


def end_failed(run: DirectoryRun, *, code: str, reason: str) -> None:
    """End a run as failed, and tell the administrators where nobody is waiting for it."""
    directory.end(run, directory.FAILED, code=code, reason=reason)
    record("directory.failed", run, actor=None, cause=run.cause, code=run.code)


# --- kinds of work ------------------------------------------------------------------------------------------------


def begin(cause: str, *, accept_leavers: bool = False) -> DirectoryRun:
    """Begin a run, or join the one under way, and have a worker see to it."""
    run, _is_new = directory.begin(cause, accept_leavers=accept_leavers)
    put_in_line(run)
    return run


def put_in_line(run: DirectoryRun) -> None:
    """Have a worker go on with a run."""
    outbox.enqueue("directory.walk", {"run": run.id}, key=f"directory.walk:{run.id}:{run.calls}")


def nightly(claim: Claim, desk: Desk) -> None:
    """Begin a run for every corp that people can sign in to."""
    for corp_id in rows(sa.select(Corp.id).where(Corp.enabled.is_(True)).order_by(Corp.id)):
        with corp_scope(corp_id):
            stale = directory.running()
            if stale is not None and stale.started_at < clock.now() - STALE:
                end_failed(stale, code="stale", reason="")
            begin("nightly")
            db.session.flush()


def start(claim: Claim, desk: Desk) -> None:
    """Begin a run because of what the host told. One under way may have begun before that: it is waited for."""
    if directory.running() is not None:
        raise Later("a run is under way", after=desk.pace.wait(60), counted=False)
    begin(claim.payload["cause"])


def walk(claim: Claim, desk: Desk) -> None:
    """Go on with a run for a few seconds, and put what is left in line."""
    corp, connector = line_of_corp()
    walker = Walker(corp, connector, claim.payload["run"], claim.attempt_id, desk.pace)
    run = directory.find(walker.run_id)
    if run is None or run.state != directory.RUNNING:
        return
    if not walker.take():
        raise Later("somebody else is at it", after=desk.pace.wait(BUSY), counted=False)
    try:
        with desk.calling(current_corp()):
            has_ended = walker.go_on(SLICE)
    except HoldLost:
        db.session.rollback()
        raise LeaseLost([claim.id]) from None
    except TryLater as error:
        walker.give_back()
        if walker.steps:
            raise Later(str(error), after=desk.pace.wait(max(error.after, 1)), counted=False) from None
        raise
    if not has_ended:
        walker.give_back()
        fresh = directory.find(walker.run_id)
        if fresh is not None:
            put_in_line(fresh)


def give_up(claim: Claim, reason: str) -> None:
    """What becomes of a run whose work is dead."""
    run = directory.find(claim.payload["run"])
    if run is not None and run.state == directory.RUNNING:
        end_failed(run, code="gave_up", reason=reason)
