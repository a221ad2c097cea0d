"""The streams of all corps whose hosts push over one: each open in exactly one process of the installation.

A process holds a corp's stream by a lease in `host_stream`, renewed with each beat; when it dies, another one takes the
stream over as the lease runs out. Should two hold it for a moment (a process was frozen and woke up), nothing happens
twice: the inbox remembers what it took.

One thread runs an event loop for all streams of a process. What arrives is written down on a few threads beside it, and
acknowledged after the commit; while they are busy, nothing more is read, so the host keeps the rest.
"""

import asyncio
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

import sqlalchemy as sa

from wsapp import clock, hosts, inbox, logs, metrics, outbox
from wsapp.connectors.base import BadCredentials, Callback, CallbackReply, Connector, Refused, TryLater
from wsapp.connectors.streams import NotKept
from wsapp.crm.org.models import (
    STREAM_BROKEN,
    STREAM_OPEN,
    STREAM_OPENING,
    STREAM_REFUSED,
    STREAM_WAITING,
    Corp,
    HostStream,
)
from wsapp.db import corp_scope, database_now, db, dialect_insert, reading, rows

MOST = 100  # streams that one process holds
REPEATED_WITHIN = timedelta(seconds=60)  # what is told later than this after it was missed, is not told again
TAKERS, ASKERS = 2, 4  # threads that write down what arrives, and that ask hosts for a connection

log = logs.get_logger()
T = TypeVar("T")


@dataclass(frozen=True)
class StreamPace:
    """Durations in seconds."""

    lease: float = 20
    beat: float = 5
    backoff: tuple[float, ...] = (1, 2, 4, 8, 16, 24)  # after the first failure, the second, …; then the last one
    jitter: float = 0.2
    steady: float = 30  # a stream that was open this long begins anew with the first pause
    refused: float = 720  # after wrong secrets: at most six tries an hour
    haste: float = 1  # waits that a host asks for are this many times shorter (only where time is compressed)

    def pause(self, failures: int, after: float = 0) -> float:
        """Return the seconds until the next try after `failures` in a row, never before `after`."""
        step = self.backoff[min(failures, len(self.backoff)) - 1]
        return max(step * random.uniform(1 - self.jitter, 1 + self.jitter), after / self.haste)

    def compressed(self, factor: float, **changes: float) -> Self:
        """Return the same pace with pauses `factor` times shorter; `changes` sets the rest."""
        backoff = tuple(one / factor for one in self.backoff)
        shorter = replace(self, backoff=backoff, refused=self.refused / factor, haste=factor)
        return replace(shorter, **changes)  # type: ignore[arg-type]


PACE = StreamPace()


class Line:
    """One corp's stream while this process holds it: its state, and the port at which a connector hands over."""

    def __init__(self, streams: "StreamKeeper", corp_id: int, connector: Connector) -> None:
        self.streams = streams
        self.corp_id = corp_id
        self.connector = connector
        self.state, self.reason = STREAM_OPENING, ""
        self.since = clock.now()
        self.opens = self.opens_written = 0
        self.opened_at = 0.0
        self.last_event_at: datetime | None = None
        self.task: asyncio.Task[None] | None = None

    def turn(self, state: str, reason: str = "") -> None:
        """Note a new state; it is written down at once."""
        if (state, reason) != (self.state, self.reason):
            self.state, self.reason, self.since = state, reason, clock.now()
            log.info("stream.state", corp=self.corp_id, state=state, reason=reason)
        self.streams.stir()

    # --- the port, see `StreamPort` ----------------------------------------------------------------------------

    def opened(self) -> None:
        self.opens += 1
        self.opened_at = time.monotonic()
        self.turn(STREAM_OPEN)

    def refused(self, reason: str) -> None:
        metrics.CALLBACKS.labels(self.connector.host, "badsig").inc()
        log.info("stream.message_refused", corp=self.corp_id, reason=reason)

    async def ask(self, call: Callable[[], T]) -> T:
        return await self.streams.ask(call)

    async def take(self, callback: Callback) -> CallbackReply:
        reply = await self.streams.take(self.corp_id, self.connector, callback)
        self.last_event_at = clock.now()
        return reply

    # --- life ------------------------------------------------------------------------------------------------

    async def keep_open(self, pace: StreamPace) -> None:
        """Open the stream again and again, with growing pauses while it fails, until cancelled."""
        failures = 0
        while True:
            before = self.opens
            after = await self._listen()
            lived = time.monotonic() - self.opened_at if self.opens > before else 0.0
            failures = 1 if lived >= pace.steady else failures + 1
            is_refused = self.state == STREAM_REFUSED
            await asyncio.sleep(pace.refused if is_refused else pace.pause(failures, after))
            self.turn(STREAM_OPENING, self.reason)

    async def _listen(self) -> float:
        """Listen until the stream ends; returns for how long the host wants to be left alone."""
        try:
            await self.connector.listen(self)
        except (BadCredentials, Refused) as error:
            self.turn(STREAM_REFUSED, str(error)[:300])
        except TryLater as error:
            self.turn(STREAM_BROKEN, str(error)[:300])
            return error.after
        except Exception as error:
            self.turn(STREAM_BROKEN, type(error).__name__)
            log.error("stream.failed", corp=self.corp_id, error=type(error).__name__, exc_info=error)
        else:
            self.turn(STREAM_BROKEN, "the stream ended")
        return 0.0


class StreamKeeper:
    """Keeps open what streams this process can get hold of, from `start` to `stop`."""

    def __init__(self, app: Any, *, pace: StreamPace = PACE) -> None:
        self.app = app
        self.pace = pace
        self.holder = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(6)}"
        self.lines: dict[int, Line] = {}
        self.renewed_at = 0.0
        self.takers = ThreadPoolExecutor(TAKERS, thread_name_prefix="stream-take")
        self.askers = ThreadPoolExecutor(ASKERS, thread_name_prefix="stream-ask")
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True, name="streams")

    # --- life ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin on a thread of its own."""
        self.thread.start()
        self.ready.wait()

    def tell(self) -> None:
        """Ask it to stop; returns at once."""
        with suppress(RuntimeError):  # it has stopped before
            self.loop.call_soon_threadsafe(self.told.set)

    def stop(self) -> None:
        """Close all streams, acknowledge what was under way, and let other processes have them."""
        self.tell()
        self.thread.join(15)
        for pool in (self.takers, self.askers):
            pool.shutdown(wait=False, cancel_futures=True)

    def stir(self) -> None:
        """Have the next look now. From the event loop."""
        self.stirred.set()

    async def _run(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.told, self.stirred = asyncio.Event(), asyncio.Event()
        self.told_task = asyncio.create_task(self.told.wait())
        self.ready.set()
        try:
            while not self.told.is_set():
                self.stirred.clear()
                try:
                    await self._look()
                except Exception as error:
                    log.error("stream.look_failed", error=type(error).__name__, exc_info=error)
                stirred = asyncio.create_task(self.stirred.wait())
                await asyncio.wait({self.told_task, stirred}, timeout=self.pace.beat, return_when="FIRST_COMPLETED")
                stirred.cancel()
        finally:
            await self._end(list(self.lines))
            await self._in_thread(self._let_go)

    async def _in_thread(self, call: Callable[[], T]) -> T | None:
        """Run what touches the database beside the loop. None when it failed: the next beat tries again."""
        try:
            return await asyncio.to_thread(self._with_app, call)
        except Exception as error:  # noqa: BLE001 - the database is away; it will be back
            log.error("stream.beat_failed", error=type(error).__name__)
            return None

    def _with_app(self, call: Callable[[], T]) -> T:
        with self.app.app_context():
            return call()

    # --- what to hold ----------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Renew what is held, take up what is free, and open and close streams accordingly."""
        held = await self._in_thread(self._renew)
        if held is None:
            if time.monotonic() - self.renewed_at > self.pace.lease:
                await self._end(list(self.lines))  # somebody else may have them by now
            return
        self.renewed_at = time.monotonic()
        changed = [corp_id for corp_id, line in self.lines.items() if held.get(corp_id) is not line.connector]
        await self._end(changed)
        for corp_id, connector in held.items():
            if corp_id not in self.lines:
                line = Line(self, corp_id, connector)
                self.lines[corp_id] = line
                line.task = asyncio.create_task(line.keep_open(self.pace))

    async def _end(self, corp_ids: list[int]) -> None:
        tasks = [line.task for corp_id in corp_ids if (line := self.lines.pop(corp_id, None)) and line.task]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=10)

    def _renew(self) -> dict[int, Connector]:
        """Return the streams that this process holds now, after a look at the database. Commits."""
        lines = dict(self.lines)
        with reading():
            wanted = _wanted()
            known = db.session.execute(sa.select(HostStream.corp_id, HostStream.holder, HostStream.held_until)).all()
            now = database_now()
            db.session.rollback()
        mine = {one.corp_id for one in known if one.holder == self.holder}
        others = {one.corp_id for one in known if one.held_until and one.held_until >= now} - mine
        free = [one for one in wanted if one not in mine | others]
        held = mine & set(wanted)
        if not (mine or free):
            return {}
        self._give_back(mine - set(wanted))
        gone = {one for one in held if not self._hold(one, lines.get(one))}
        taken = [one for one in free[: max(0, MOST - len(held))] if self._take_over(one)]
        db.session.commit()
        return {one: wanted[one] for one in (*(held - gone), *taken)}

    def _hold(self, corp_id: int, line: Line | None) -> bool:
        """Renew a lease and write down how the stream is; says whether it is still ours."""
        values: dict[str, Any] = {"held_until": database_now() + timedelta(seconds=self.pace.lease)}
        if line is not None:
            opens, line.opens_written = line.opens - line.opens_written, line.opens
            values |= {"state": line.state, "reason": line.reason, "since": line.since}
            values["opened"] = HostStream.opened + opens
            if line.last_event_at is not None:
                values["last_event_at"] = line.last_event_at
            if line.state == STREAM_OPEN:
                values["listened_at"] = clock.now()
            if opens:
                _repair_after_gap(corp_id)
        return _update(sa.and_(HostStream.corp_id == corp_id, HostStream.holder == self.holder), **values)

    def _take_over(self, corp_id: int) -> bool:
        insert = dialect_insert(HostStream).values(corp_id=corp_id, state=STREAM_WAITING, reason="", opened=0)
        db.session.execute(insert.on_conflict_do_nothing())
        now = database_now()
        free = sa.or_(HostStream.held_until.is_(None), HostStream.held_until < now)
        until = now + timedelta(seconds=self.pace.lease)
        return _update(sa.and_(HostStream.corp_id == corp_id, free), holder=self.holder, held_until=until)

    def _give_back(self, corp_ids: set[int]) -> None:
        ours = sa.and_(HostStream.corp_id.in_(corp_ids), HostStream.holder == self.holder)
        nobody = {"holder": None, "held_until": None, "state": STREAM_WAITING, "reason": ""}
        _update(ours, since=clock.now(), **nobody)

    def _let_go(self) -> None:
        self._give_back(set(rows(sa.select(HostStream.corp_id).where(HostStream.holder == self.holder))))
        db.session.commit()

    # --- for the lines ---------------------------------------------------------------------------------------

    async def ask(self, call: Callable[[], T]) -> T:
        """Run a call to a host on a thread: hosts that hang keep the askers waiting, and nobody else."""
        return await self.loop.run_in_executor(self.askers, self._with_app, call)

    async def take(self, corp_id: int, connector: Connector, callback: Callback) -> CallbackReply:
        """Put a message into the inbox. Raises NotKept."""
        return await self.loop.run_in_executor(self.takers, self._take, corp_id, connector, callback)

    def _take(self, corp_id: int, connector: Connector, callback: Callback) -> CallbackReply:
        logs.clear()
        try:
            with self.app.app_context(), corp_scope(corp_id), metrics.CALLBACK_SECONDS.labels(connector.host).time():
                corp = db.session.get(Corp, corp_id)
                if corp is None or not corp.enabled:
                    raise NotKept
                return inbox.take(corp, connector, callback)
        except NotKept:
            raise
        except sa.exc.DBAPIError as error:  # the database is away: no story for each message
            log.error("stream.not_kept", corp=corp_id, error=type(error).__name__)
            raise NotKept from None
        except Exception as error:
            log.error("stream.not_kept", corp=corp_id, error=type(error).__name__, exc_info=error)
            raise NotKept from None


def _wanted() -> Mapping[int, Connector]:
    """Return the connectors of the corps that are to have a stream."""
    found = {}
    for corp in hosts.enabled_corps():
        try:
            connector = hosts.lines().of(corp)
        except Exception as error:  # noqa: BLE001 - one corp's credentials cannot be opened: the others go on
            log.error("stream.no_connector", corp=corp.id, error=type(error).__name__)
            continue
        if connector.streams:
            found[corp.id] = connector
    return found


def _repair_after_gap(corp_id: int) -> None:
    """Have the directory read anew, once an hour at most, when nobody listened for longer than hosts repeat."""
    listened_at = db.session.scalar(sa.select(HostStream.listened_at).where(HostStream.corp_id == corp_id))
    now = clock.now()
    if listened_at is None or now - listened_at <= REPEATED_WITHIN:
        return
    next_hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    with corp_scope(corp_id):
        for due_at in (now, next_hour):
            key = f"directory.start:{corp_id}:stream:{due_at:%Y-%m-%dT%H}"
            if outbox.enqueue("directory.start", {"cause": "stream"}, key=key, due_at=due_at):
                return


def _update(condition: sa.ColumnElement[bool], **values: Any) -> bool:
    statement = sa.update(HostStream).where(condition).values(**values)
    done = db.session.execute(statement.execution_options(synchronize_session=False))
    return bool(done.rowcount)  # type: ignore[attr-defined]
