"""The engine: a relay that borrows due rows and hands them to Dramatiq, a heart that keeps their leases alive.

    relay     claims as much as there is room for, and hands it over in lots: rows of one corp and lane
    actor     runs a lot (see `runner`); rows lose their lease when this process dies, and come back
    heart     renews the leases of what is under way

Work put in by this process starts at once (an event); that of other processes within half a second (a look).
"""

import signal
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from wsapp import clock, leases, logs, metrics, outbox
from wsapp.crm.org.queries import corps
from wsapp.db import db, reading
from wsapp.hosts import lines
from wsapp.house import house
from wsapp.jobs.gates import Gates
from wsapp.jobs.pace import PACE, Pace
from wsapp.jobs.queue import Queue
from wsapp.jobs.rates import Rates
from wsapp.jobs.runner import Desk, Runner
from wsapp.jobs.streams import StreamKeeper
from wsapp.leases import Claim, Lot, Turns
from wsapp.outbox import HOST, HOST_KINDS, Outbox

THREADS = 8
BATCH = 32  # rows in a lot, at most: two commits for all of them; a slow lot hands the rest back
LEAST = BATCH  # rows that a corp gets in its turn where many wait
ENDINGS = frozenset({signal.SIGTERM, signal.SIGINT})
RELAY_PAUSE = 1.0  # seconds after an error of the database or the broker

log = logs.get_logger()


@dataclass(frozen=True)
class Handed:
    """What the relay remembers of a lot that it handed over."""

    corp_id: int | None
    lane: str
    crashes: int


class Engine:
    """Executes background work with threads of this process, until stopped."""

    def __init__(self, app: Any, *, threads: int = THREADS, pace: Pace = PACE, queue_url: str | None = None) -> None:
        self.app = app
        self.pace = pace
        self.threads = threads
        # Half as many ahead, so that no thread waits for the relay; it looks when so many have gone, for a look costs
        # as much as a quarter of a lot.
        self.ahead = max(1, threads // 2)
        self.most_lots = threads + self.ahead
        self.most_per_corp = max(1, threads // 2)  # threads that one corp's host may keep busy
        # A host that hangs does so for all its corps at once: a quarter of the threads is for the others, and for home.
        self.gates = Gates(max(self.most_per_corp, threads - max(1, threads // 4)))
        self.host_of: dict[int, str] = {}
        self.turns = Turns()
        self.rates = Rates()
        self.stopping = threading.Event()
        self.finished = threading.Event()
        self.wake = threading.Event()
        self.lock = threading.Condition()
        self.handed: dict[Lot, Handed] = {}  # by this relay, and not known to have ended
        self.running: set[Lot] = set()  # by this process's threads
        self.desk = Desk(pace, is_stopping=self.stopping.is_set)
        if queue_url is None:
            with app.app_context():
                queue_url = house().settings.queue.url
        self.queue = Queue(queue_url, self._execute, threads=threads)
        self.runner = Runner(app, self.desk, kept_alive=not self.queue.is_shared)
        self.relay = threading.Thread(target=self._relay, daemon=True, name="relay")
        self.heart = threading.Thread(target=self._beat, daemon=True, name="heart")
        self.leaving = ExitStack()

    # --- life ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the threads and begin to claim."""
        self.leaving.enter_context(outbox.listening(self.wake.set))
        self.queue.start()
        self.relay.start()
        self.heart.start()
        log.info("worker.started", threads=self.threads, shared_queue=self.queue.is_shared)

    def stop(self) -> bool:
        """Stop claiming at once, let what runs end within `pace.stop`, give back the rest. Says whether all ended."""
        self.stopping.set()
        self.wake.set()
        self.relay.join(RELAY_PAUSE + 1)
        with self.lock:
            ended = self.lock.wait_for(lambda: not self.running, timeout=self.pace.stop)
            # What was handed to a shared broker may run in another process: it is not ours to give back.
            rest = set(self.running) | (set() if self.queue.is_shared else set(self.handed)) | self.gates.waiting()
        given_back = self._release(rest)
        self._write_usage()
        self.finished.set()
        self.queue.stop(1 if ended else 0.1)
        self.leaving.close()
        log.info("worker.stopped", ended=ended, given_back=given_back)
        return ended

    def _release(self, lots: Iterable[Lot]) -> int:
        try:
            with self.app.app_context():
                return leases.release(lots)
        except Exception as error:  # noqa: BLE001 - the leases see to it
            log.error("worker.release_failed", error=type(error).__name__)
            return 0

    # --- relay -----------------------------------------------------------------------------------------------

    def _relay(self) -> None:
        while not self.stopping.is_set():
            self.wake.clear()
            try:
                wait = self._turn()
            except Exception as error:
                log.error("worker.relay_failed", error=type(error).__name__, exc_info=error)
                self.stopping.wait(RELAY_PAUSE)
                continue
            if wait:
                self.wake.wait(wait)

    def _turn(self) -> float:
        """Claim and hand over once; returns after how many seconds to look again, 0 for right away."""
        if self.queue.is_shared:
            self._forget_ended()
        with self.lock:
            parked = self.gates.waiting()
            free = self.most_lots - len(self.handed) + len(parked.intersection(self.handed))
            suspects = self.most_per_corp - sum(1 for one in self.handed.values() if one.crashes == 1)
            repeaters = 0 if any(one.crashes > 1 for one in self.handed.values()) else 1
            has_room = free >= self.ahead or not self.handed
        if not has_room:
            return self.pace.poll  # or when a lot ends
        with self.app.app_context():
            with reading():
                if not leases.anything_to_claim():
                    return self._until_next_look()
                db.session.rollback()
            claims = leases.claim(
                free * BATCH,
                room=self._room,
                suspects=suspects,
                repeaters=repeaters,
                least=LEAST,
                turns=self.turns,
                lease=self.pace.lease_time,
                crash_pause=self.pace.crash_rest,
            )
        for claims_of_lot in self._lots(claims, free):
            self._hand_over(claims_of_lot)
        return 0 if claims else self.pace.poll

    def _room(self, corp_id: int | None) -> int:
        """How many rows of a corp may go to its host now: for its threads, and below what the host takes."""
        rows = self._slots(corp_id) * BATCH
        return min(rows, self.rates.room(corp_id)) if rows and corp_id is not None else rows

    def _slots(self, corp_id: int | None) -> int:
        """How many more threads a corp's host may keep busy: half of all are for the others; one for a probe.

        None while so much waits for the host already that its threads will not be idle.
        """
        if corp_id is None or len(self.gates.waiting(self._host(corp_id))) >= self.threads:
            return 0
        with self.lock:
            busy = sum(1 for one in self.handed.values() if one.corp_id == corp_id and one.lane == HOST)
        return max(0, self.desk.breakers.room(corp_id, self.most_per_corp) - busy)

    def _lots(self, claims: Sequence[Claim], free: int) -> Iterator[list[Claim]]:
        """Cut claims into lots, spread over the threads that they may use. Suspects go alone."""
        groups = list(_groups(claims))
        share = max(1, free // max(1, len(groups)))
        for is_suspect, corp_id, lane, rows in groups:
            slots = max(1, min(share, self._slots(corp_id)) if lane == HOST else share)
            size = 1 if is_suspect else min(BATCH, -(-len(rows) // slots))
            for at in range(0, len(rows), size):
                yield rows[at : at + size]

    def _hand_over(self, claims: Sequence[Claim]) -> None:
        lot = (claims[0].attempt_id, tuple(one.id for one in claims))
        lane = _lane(claims[0])
        with self.lock:
            self.handed[lot] = Handed(claims[0].corp_id, lane, claims[0].crashes)
        try:
            self.queue.hand_over(lot[1], lot[0])
        except Exception:
            with self.lock:
                del self.handed[lot]
            self._release([lot])
            raise

    def _forget_ended(self) -> None:
        """Find out what of the lots that went through a shared broker has ended elsewhere."""
        with self.lock:
            lots = [lot for lot in self.handed if lot not in self.running]
        if not lots:
            return
        with self.app.app_context(), reading():
            ended = [lot for lot in lots if not leases.still_running(lot)]
        with self.lock:
            for lot in ended:
                self.handed.pop(lot, None)

    def _until_next_look(self) -> float:
        with self.app.app_context(), reading():
            due_at = outbox.next_due()
        if due_at is None:
            return self.pace.poll
        wait = (due_at - clock.now()).total_seconds()
        return min(self.pace.poll, wait) if wait > 0 else self.pace.poll

    # --- actor -----------------------------------------------------------------------------------------------

    def _execute(self, ids: Sequence[int], attempt_id: str) -> None:
        """Run a lot on a thread of Dramatiq's; never raises: the row, not the message, is what counts.

        When the lot's host keeps as many threads busy as it may, the lot is left to the next of them that is free.
        """
        lot = (attempt_id, tuple(ids))
        corp_id = self._corp_to_call(lot)
        if corp_id is None:
            self._run(lot, None)
            return
        host = self._host(corp_id)
        following = lot if self.gates.enter(host, lot) else None
        while following:
            self._run(following, self._corp_to_call(following))
            following = self.gates.leave(host)

    def _run(self, lot: Lot, corp_id: int | None) -> None:
        is_closed = corp_id is not None and self.desk.breakers.is_open(corp_id)
        if self.stopping.is_set() or is_closed:
            self._release([lot])
            self._forget(lot)
            return
        with self.lock:
            self.running.add(lot)
        try:
            self.runner.run(lot)
        except Exception as error:
            log.error("worker.lot_failed", error=type(error).__name__, exc_info=error)
        finally:
            self._forget(lot)

    def _corp_to_call(self, lot: Lot) -> int | None:
        """Return the corp whose host a lot talks to, None when it stays at home."""
        with self.lock:
            handed = self.handed.get(lot)
        if handed is None:  # by another process, through a shared broker
            handed = self._look_up(lot)
        return handed.corp_id if handed.lane == HOST else None

    def _look_up(self, lot: Lot) -> Handed:
        try:
            with self.app.app_context(), reading():
                found = db.session.execute(sa.select(Outbox.corp_id, Outbox.lane).where(Outbox.id == lot[1][0])).first()
        except Exception as error:  # noqa: BLE001 - running it will tell
            log.error("worker.look_up_failed", error=type(error).__name__)
            found = None
        return Handed(found.corp_id, found.lane, 0) if found else Handed(None, outbox.HOME, 0)

    def _host(self, corp_id: int) -> str:
        """Return the host of a corp, asked of the database once."""
        if corp_id not in self.host_of:
            with self.app.app_context(), reading():
                self.host_of.update({one.id: one.host for one in corps()})
        return self.host_of.get(corp_id, "")

    def _forget(self, lot: Lot) -> None:
        with self.lock:
            self.running.discard(lot)
            self.handed.pop(lot, None)
            self.lock.notify_all()
        self.wake.set()

    # --- heart -----------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        while not self.finished.wait(self.pace.beat):
            metrics.worker_alive()
            self._write_usage()
            with self.lock:
                # What waits in a shared broker is left to its lease: it may have been lost there.
                lots = set(self.running) if self.queue.is_shared else set(self.running) | set(self.handed)
                lots |= self.gates.waiting()
            if not lots:
                continue
            try:
                with self.app.app_context():
                    leases.renew(lots, lease=self.pace.lease_time)
            except Exception as error:  # noqa: BLE001 - the next beat tries again
                log.error("worker.beat_failed", error=type(error).__name__)

    def _write_usage(self) -> None:
        """Write down the calls that were counted since the last time, where nothing else came to do it."""
        try:
            with self.app.app_context():
                lines().usage.write()
        except Exception as error:  # noqa: BLE001 - the next beat tries again
            log.error("worker.usage_failed", error=type(error).__name__)


def _groups(claims: Sequence[Claim]) -> Iterator[tuple[bool, int | None, str, list[Claim]]]:
    """Group claims by suspicion, corp and lane, in the order in which they are due within a kind."""
    groups: dict[tuple[bool, int | None, str], list[Claim]] = {}
    for one in claims:
        groups.setdefault((one.crashes > 0, one.corp_id, _lane(one)), []).append(one)
    for key, rows in groups.items():
        yield (*key, sorted(rows, key=lambda one: (one.kind, one.due_at, one.id)))


def _lane(claim: Claim) -> str:
    return HOST if claim.kind in HOST_KINDS else outbox.HOME


# --- without threads ----------------------------------------------------------------------------------------------


def run_all(app: Any, *, pace: Pace = PACE, rounds: int = 1000) -> int:
    """Run everything that is due here and now, in this thread, and what follows from it; returns how many rows ran.

    For tests and commands. The caller has no transaction open.
    """
    desk = Desk(pace)
    runner = Runner(app, desk)
    count = 0
    for _round in range(rounds):
        with app.app_context():
            claims = leases.claim(100, lease=pace.lease_time, crash_pause=pace.crash_rest)
        if not claims:
            return count
        for *_group, lot in _groups(claims):
            runner.run((lot[0].attempt_id, tuple(one.id for one in lot)))
            count += len(lot)
    raise RuntimeError("work without end")


# --- process ------------------------------------------------------------------------------------------------------


@contextmanager
def until_told() -> Iterator[threading.Event]:
    """Give an event that is set by SIGTERM or SIGINT, whichever thread the signal reaches.

    The kernel may hand a signal to any thread, as it does right after SIGCONT. Python's own handlers run only when the
    main thread next wakes, and that is what waits for them; the bytes of a wake-up descriptor come at once.
    """
    told = threading.Event()
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in ENDINGS}
    older_descriptor = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    listener = threading.Thread(target=_listen, args=(reader, told), daemon=True, name="signals")
    listener.start()
    try:
        yield told
    finally:
        signal.set_wakeup_fd(older_descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        writer.close()
        listener.join()
        reader.close()


def _listen(reader: socket.socket, told: threading.Event) -> None:
    while numbers := reader.recv(64):
        if ENDINGS.intersection(numbers):
            told.set()


def main(app: Any, *, threads: int = THREADS, pace: Pace = PACE) -> int:
    """Execute background work, and hold streams, until SIGTERM or SIGINT; returns 0, also when work was given back."""
    engine = Engine(app, threads=threads, pace=pace)
    streams = StreamKeeper(app)
    with until_told() as told:
        engine.start()
        streams.start()
        told.wait()
        streams.tell()
        engine.stop()
        streams.stop()
    return 0
