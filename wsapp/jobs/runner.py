"""Running borrowed rows: the corp's scope, the handler, and its end in the same commit as what the handler wrote.

How an end is told:

    returns                      done
    Later                        what was written stays; the row comes back
    TryLater (host)              rolled back; the row comes back by the back-off, never before the host's own time
    BadCredentials (host)        rolled back; the corp rests, its fault is shown in the console; not counted
    Refused, other host errors   rolled back; dead
    anything else                rolled back; a mistake of ours: comes back, dead after a few
    LeaseLost                    rolled back; somebody else has the row
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import Context
from typing import Any

import sqlalchemy as sa

from wsapp import leases, logs, metrics
from wsapp.connectors.base import BadCredentials, HostError, TryLater
from wsapp.crm.events.origin import comes_from
from wsapp.crm.org.models import Corp
from wsapp.db import corp_scope, db
from wsapp.hosts import lines
from wsapp.jobs.breakers import Breakers
from wsapp.jobs.pace import PACE, Pace
from wsapp.leases import Claim, LeaseLost, Lot

log = logs.get_logger()

BAN = 300.0  # seconds: a host that wants to be left alone for so long is not to be asked again meanwhile
DIED_REPEATEDLY = "its worker died repeatedly"


class Later(Exception):
    """Not now. What the handler wrote stays; `after` seconds (None: by the back-off) later the row comes back."""

    def __init__(self, reason: str, *, after: float | None = None, counted: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after
        self.counted = counted


class Desk:
    """What handlers have at hand besides the row: the pace, the breakers, and whether to hurry up."""

    def __init__(self, pace: Pace = PACE, *, is_stopping: Callable[[], bool] = lambda: False) -> None:
        self.pace = pace
        self.breakers = Breakers()
        self.is_stopping = is_stopping

    @contextmanager
    def calling(self, corp_id: int) -> Iterator[None]:
        """Wrap a call to a corp's host, so that the breakers learn how it went."""
        try:
            yield
        except BadCredentials:
            self.breakers.stop(corp_id, self.pace.credentials_pause)
            raise
        except TryLater as error:
            rest = max(self.pace.host_pause, self.pace.wait(error.after))
            if error.after >= BAN:
                self.breakers.stop(corp_id, rest)
            else:
                self.breakers.failed(corp_id, rest)
            raise
        except HostError:
            self.breakers.succeeded(corp_id)
            raise
        else:
            self.breakers.succeeded(corp_id)


Handler = Callable[[Claim, Desk], None]
BatchHandler = Callable[[Sequence[Claim], Desk], None]
Undertaker = Callable[[Claim, str], None]


class Runner:
    """Executes borrowed rows, each in an app context of its own; rows of a batched kind all together.

    `kept_alive`: somebody renews the leases of what waits to be executed, and writes down the calls that were made.
    """

    def __init__(self, app: Any, desk: Desk, *, kept_alive: bool = False) -> None:
        from wsapp.jobs.handlers import BATCHES, HANDLERS, UNDERTAKERS

        self.app = app
        self.desk = desk
        self.kept_alive = kept_alive
        self.handlers: dict[str, Handler] = HANDLERS
        self.batches: dict[str, BatchHandler] = BATCHES
        self.undertakers: dict[str, Undertaker] = UNDERTAKERS

    def run(self, lot: Lot) -> None:
        """Execute a lot. Raises only when the end of a row could not be written: the lease covers that."""
        # An empty context: no corp, request or log field of whoever calls can reach into the work, nor the other way.
        Context().run(self._run, lot)

    def _run(self, lot: Lot) -> None:
        attempt_id, ids = lot
        with self.app.app_context():
            if self.kept_alive:
                claims = leases.ours(ids, attempt_id)
            else:
                claims = leases.start(ids, attempt_id, lease=self.desk.pace.lease_time)
            for one in claims:
                if one.crashes > leases.MAX_CRASHES:
                    self._park(one)
        fit = [one for one in claims if one.crashes <= leases.MAX_CRASHES]
        batches = [kind for kind in self.batches if any(one.kind == kind for one in fit)]
        for kind in batches:
            self._unit([one for one in fit if one.kind == kind], self._run_batch)
        self._run_singly([one for one in fit if one.kind not in batches])
        if not self.kept_alive:
            with self.app.app_context():
                lines().usage.write()

    def _run_singly(self, claims: Sequence[Claim]) -> None:
        """One row after the other; when it takes long, or it is time to stop, the rest goes back."""
        began = time.monotonic()
        for number, claim in enumerate(claims):
            is_slow = time.monotonic() - began > self.desk.pace.slow_batch
            if number and (is_slow or self.desk.is_stopping()):
                with self.app.app_context():
                    leases.release([(claim.attempt_id, tuple(one.id for one in claims[number:]))])
                return
            self._unit([claim], lambda lot: self._run_one(lot[0]))

    def _unit(self, lot: list[Claim], run: Callable[[list[Claim]], None]) -> None:
        """One unit of work: its own context, session and corp."""
        first = lot[0]
        with self.app.app_context():
            logs.clear()
            logs.bind(job=first.kind, corp=first.corp_id)
            comes_from("robot" if first.kind == "robot.message" else "job")
            with _scope(first.corp_id):
                run(lot)

    def _run_one(self, claim: Claim) -> None:
        handler = self.handlers.get(claim.kind)
        try:
            if handler is None:
                raise LookupError(f"no handler for {claim.kind}")
            handler(claim, self.desk)
            leases.finish(claim)
            db.session.commit()
        except Exception as error:  # noqa: BLE001 - every end of a handler is an end of its row
            self._end(claim, error)

    def _run_batch(self, lot: list[Claim]) -> None:
        """A batched handler settles its rows itself; what it leaves behind comes back."""
        try:
            self.batches[lot[0].kind](lot, self.desk)
        except Exception as error:  # noqa: BLE001
            db.session.rollback()
            for claim in leases.held(lot):
                self._end(claim, error)

    def _end(self, claim: Claim, error: Exception) -> None:
        """Write the end of a row whose handler did not simply return."""
        if not isinstance(error, Later):
            db.session.rollback()
        try:
            self._write_end(claim, error)
            db.session.commit()
        except LeaseLost:
            db.session.rollback()
            log.warning("job.lease_lost", outbox=claim.id)

    def _write_end(self, claim: Claim, error: Exception) -> None:
        write_end(claim, error, self.desk, self.undertakers.get(claim.kind))

    def _park(self, claim: Claim) -> None:
        """A row that took its worker down again and again: out of the way of the others, in sight of the console."""
        with _scope(claim.corp_id):
            _bury(claim, DIED_REPEATEDLY, self.undertakers.get(claim.kind))
            db.session.commit()


def write_end(claim: Claim, error: Exception, desk: Desk, undertaker: Undertaker | None = None) -> None:
    """Write the end of a row that did not simply end well, in the current transaction. Raises LeaseLost."""
    pace = desk.pace
    match error:
        case LeaseLost():
            raise error
        case Later():
            after = pace.delay(claim.attempts) if error.after is None else error.after
            _again(claim, after, error.reason, "later", counted=error.counted)
        case TryLater() if claim.attempts + 1 < pace.max_tries:
            _again(claim, pace.delay(claim.attempts, pace.wait(error.after)), str(error), "host")
        case BadCredentials():
            note_fault(claim.corp_id, error)
            _again(claim, pace.credentials_pause, str(error), "credentials", counted=False)
        case HostError():
            _bury(claim, str(error), undertaker)
        case _:
            log.error("job.failed", outbox=claim.id, attempts=claim.attempts + 1, exc_info=error)
            reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"[:200]
            if claim.attempts + 1 >= pace.max_bugs:
                _bury(claim, reason, undertaker)
            else:
                _again(claim, pace.delay(claim.attempts), reason, "error")


def _again(claim: Claim, after: float, reason: str, label: str, *, counted: bool = True) -> None:
    metrics.OUTBOX_RETRIES.labels(label).inc()
    leases.retry(claim, after, logs.redact(reason), counted=counted)


def _bury(claim: Claim, reason: str, undertaker: Undertaker | None) -> None:
    if undertaker:
        undertaker(claim, reason)
    leases.bury(claim, logs.redact(reason))
    log.error("job.dead", outbox=claim.id, reason=reason)


def _scope(corp_id: int | None) -> Any:
    return nullcontext() if corp_id is None else corp_scope(corp_id)


def note_fault(corp_id: int | None, error: HostError) -> None:
    """Show in the console why a corp's host refuses us, unless something is shown already."""
    db.session.execute(
        sa.update(Corp)
        .where(Corp.id == corp_id, Corp.fault.is_(None))
        .values(fault=str(error)[:300])
        .execution_options(synchronize_session=False)
    )


def clear_fault(corp_id: int) -> None:
    """The host takes our calls again."""
    db.session.execute(
        sa.update(Corp)
        .where(Corp.id == corp_id, Corp.fault.is_not(None))
        .values(fault=None)
        .execution_options(synchronize_session=False)
    )
