"""One process tree: a parent that starts the roles, starts again what dies, and takes everything down with it.

Knows nothing of what the roles do.
"""

import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from setproctitle import setproctitle

from wsapp import logs, metrics_folder

STOP_WITHIN = 30.0  # seconds from SIGTERM to SIGKILL
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # before a role that died is started again
STEADY_AFTER = 30.0  # a role that lived this long starts again at once
HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Role:
    """A child process: its name in the process list, and what it runs until SIGTERM. `run` returns its exit code."""

    name: str
    run: Callable[[], int | None]
    reloads: bool = False  # takes SIGHUP


@dataclass
class _Child:
    role: Role
    pid: int = 0  # 0: not running
    started: float = 0.0
    start_at: float = 0.0
    pause: float = 0.0


class Supervisor:
    """Runs the roles until SIGTERM or SIGINT. SIGHUP goes on to those that reload, or ends, too (a terminal closed)."""

    def __init__(
        self, roles: Sequence[Role], *, on_ready: Callable[[], None] = lambda: None, ends_on_hangup: bool = False
    ) -> None:
        self.children = [_Child(role) for role in roles]
        self.on_ready = on_ready
        self.endings = {signal.SIGTERM, signal.SIGINT} | ({signal.SIGHUP} if ends_on_hangup else set())
        self.signals: list[int] = []
        self.stopping = False
        self.log = logs.get_logger()

    def run(self) -> int:
        """Start everything, watch over it, and return the exit code once all children are gone."""
        reader, writer = os.pipe()
        for end in (reader, writer):
            os.set_blocking(end, False)
        for number in HANDLED:
            signal.signal(number, lambda number, frame: self.signals.append(number))
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        try:
            self._start_due()
            self.on_ready()
            while not self.stopping:
                self._wait(reader, self._next_start())
                self._handle_signals()
                self._reap()
                self._start_due()
            self._stop(reader)
        finally:
            signal.set_wakeup_fd(-1)
            self._kill_all()  # nothing may be left behind, whatever went wrong above
        return 0

    # --- waiting ---------------------------------------------------------------------------------------------------

    def _wait(self, reader: int, until: float | None) -> None:
        timeout = None if until is None else max(0.0, until - time.monotonic())
        select.select([reader], [], [], timeout)
        with suppress(BlockingIOError):
            os.read(reader, 4096)

    def _next_start(self) -> float | None:
        return min((child.start_at for child in self.children if not child.pid), default=None)

    def _handle_signals(self) -> None:
        while self.signals:
            number = self.signals.pop(0)
            if number in self.endings:
                self.stopping = True
            elif number == signal.SIGHUP:
                for child in self.children:
                    if child.role.reloads:
                        self._signal(child, signal.SIGHUP)

    # --- starting --------------------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        for child in self.children:
            if not child.pid and not self.stopping and child.start_at <= time.monotonic():
                self._start(child)

    def _start(self, child: _Child) -> None:
        # A signal between fork and the reset of handlers would end up in the child's copy of our list and be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become(child.role, parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        child.pid, child.started = pid, time.monotonic()
        self.log.info("process.started", role=child.role.name, pid=pid)

    # --- ending ----------------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        for child in self.children:
            if not child.pid:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._bury(child, status)

    def _bury(self, child: _Child, status: int) -> None:
        pid, child.pid = child.pid, 0
        metrics_folder.tidy()
        code = os.waitstatus_to_exitcode(status)
        if self.stopping:
            self.log.info("process.stopped", role=child.role.name, pid=pid, exit_code=code)
            return
        steady = time.monotonic() - child.started >= STEADY_AFTER
        child.pause = FIRST_PAUSE if steady or not child.pause else min(child.pause * 2, LONGEST_PAUSE)
        child.start_at = time.monotonic() + child.pause
        self.log.error("process.died", role=child.role.name, pid=pid, exit_code=code, again_after=child.pause)

    def _stop(self, reader: int) -> None:
        """SIGTERM to all; SIGKILL to whoever is left after STOP_WITHIN, or at a second Ctrl-C."""
        for child in reversed(self.children):
            self._signal(child, signal.SIGTERM)
        end = time.monotonic() + STOP_WITHIN
        while any(child.pid for child in self.children):
            self._reap()
            if time.monotonic() >= end or signal.SIGINT in self.signals:
                self.signals.clear()
                self._kill_all()
                end = time.monotonic() + 1
            if any(child.pid for child in self.children):
                self._wait(reader, end)

    def _kill_all(self) -> None:
        for child in self.children:
            if child.pid:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)  # and the child's own children

    def _signal(self, child: _Child, number: int) -> None:
        if child.pid:
            with suppress(ProcessLookupError):
                os.kill(child.pid, number)


def _become(role: Role, parent: int) -> NoReturn:
    """Turn this fresh fork into the role, and end with it."""
    code = 1
    try:
        os.setpgid(0, 0)  # Ctrl-C in a terminal reaches the parent alone, which then stops everything in order
        die_with(parent)
        signal.set_wakeup_fd(-1)
        for number in HANDLED:
            signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        setproctitle(f"wsapp: {role.name}")
        code = role.run() or 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1 if ending.code else 0
    except BaseException:  # noqa: BLE001 - this is the top of the process: said, then gone
        logs.get_logger().exception("process.failed", role=role.name)
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)  # without the parent's exit handlers


def die_with(parent: int) -> None:
    """Ask the kernel for SIGTERM when the parent process dies, lest one be orphaned. Has no effect beyond Linux."""
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != parent:  # it died before we could ask
        os._exit(1)
