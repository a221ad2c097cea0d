"""The examination: all checks at once, each in a thread of its own, each in its time.

A check whose needs failed proves nothing and is skipped. A code that belongs to another check (a call refused for the
IP, whichever call it was) puts the blame there, so that the first failure named is the cause.
"""

import contextvars
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

from wsapp import hosts
from wsapp.connectors.base import Connector, HostError
from wsapp.connectors.checks import Check, Ground, Result, fail, skip
from wsapp.crm.org.models import Corp
from wsapp.db import corp_scope, db, start_reading
from wsapp.doctor import own, proofs, reaching
from wsapp.doctor.findings import Finding, finding, of_error
from wsapp.doctor.ground import ground_of, visiting
from wsapp.texts import lazy

DEADLINE = 25.0  # seconds for everything; the promise is 30
WIDTH = 12  # checks at once

log = logging.getLogger(__name__)
Told = Callable[[Finding], None]


def plan(connector: Connector | None) -> Sequence[Check]:
    """Return every check in order: the installation's, then how the host is reached, then the host's own."""
    if connector is None:
        return own.checks()
    return (*own.checks(), *reaching.checks(connector), *connector.checks(), proofs.PHONE)


def examine(
    corp: Corp | None = None,
    *,
    connector: Connector | None = None,
    me: str = "",
    sends: bool = True,
    only: Sequence[str] = (),
    deadline: float = DEADLINE,
    told: Told = lambda found: None,
) -> list[Finding]:
    """Ask everything about the installation and, with a corp, about its set-up; returns the findings in order.

    `connector` without a stored corp is one that is just being connected: its tokens are kept for this examination
    alone. `me` is the userid of who asks (default: the corp's first administrator), who gets the messages unless
    `sends` is false. `only` names checks to ask alone. `told` hears of each finding as it comes, from any thread.
    Needs an app context; ends the session's transaction.
    """
    corp_id, fault = (corp.id, corp.fault or "") if corp else (None, "")
    ground = ground_of(corp, connector, me)
    connector = visiting(corp, connector, ground)
    db.session.rollback()  # from here on this thread holds no lock, and looks at no row: that would begin anew
    wanted = [one for one in plan(connector) if not only or one.key in only]
    run = _Run(connector, ground, fault=fault, corp_id=corp_id)
    checks = [one if sends or not one.sends else replace(one, run=_not_now) for one in wanted]
    return run.all(checks, deadline, told)


def _not_now(ground: Ground) -> Result:
    return skip(lazy("会发送一条消息，点“检查”时才做"))


@dataclass
class _Run:
    """One examination under way."""

    connector: Connector | None
    ground: Ground
    fault: str
    corp_id: int | None
    found: dict[str, Finding] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)  # keys of what was skipped because of a failure before it

    def all(self, checks: Sequence[Check], deadline: float, told: Told) -> list[Finding]:
        end = time.monotonic() + deadline
        waiting, running = list(checks), dict[Future[Finding], Check]()
        pool = ThreadPoolExecutor(WIDTH, thread_name_prefix="doctor")
        try:
            while waiting or running:
                waiting = self._start(waiting, {one.key for one in checks}, pool, running, told)
                done, _ = wait(running, timeout=max(0.0, end - time.monotonic()), return_when=FIRST_COMPLETED)
                for future in done:
                    self._keep(future.result(), told)
                    del running[future]
                if not done and time.monotonic() >= end:
                    break
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        for one in (*running.values(), *waiting):
            self._keep(self._finding(one, fail(lazy("没有在时限内完成"), _LATE, code="timeout"), deadline), told)
        self._settle_blame(checks, told)
        return [self.found[one.key] for one in checks]

    def _start(
        self,
        waiting: list[Check],
        keys: set[str],
        pool: ThreadPoolExecutor,
        running: dict[Future[Finding], Check],
        told: Told,
    ) -> list[Check]:
        """Start what has what it needs, skip what cannot get it; returns what still waits."""
        still = []
        for check in waiting:
            needs = [one for one in check.needs if one in keys]
            if any(one not in self.found for one in needs):
                still.append(check)
                continue
            blocked = next((one for one in needs if self.found[one].state == "fail" or one in self.blocked), None)
            if blocked is None:
                # The context carries the corp; a copy each, since a context can be entered once at a time.
                running[pool.submit(contextvars.copy_context().run, self._ask, check, hosts.app_object())] = check
            else:
                self.blocked.add(check.key)
                self._keep(self._finding(check, skip(lazy("先解决：%(title)s", title=self.found[blocked].title))), told)
        return still

    def _ask(self, check: Check, app: Any) -> Finding:
        started = time.monotonic()
        with app.app_context():
            start_reading(False)
            try:
                result = self._in_scope(check)
            except HostError as error:
                result = of_error(error, self._kind, self.fault)
            except Exception as error:
                log.exception("doctor's check %s broke", check.key)
                result = fail(lazy("检查本身出错：%(why)s", why=type(error).__name__), _BROKEN)
            finally:
                db.session.rollback()
        return self._finding(check, result, time.monotonic() - started)

    def _in_scope(self, check: Check) -> Result:
        if self.corp_id is None:
            return check.run(self.ground)
        with corp_scope(self.corp_id):
            return check.run(self.ground)

    @property
    def _kind(self) -> type[Connector] | None:
        return type(self.connector) if self.connector else None

    def _finding(self, check: Check, result: Result, seconds: float = 0.0) -> Finding:
        return finding(check, result, self._kind, seconds)

    def _keep(self, one: Finding, told: Told) -> None:
        self.found[one.check] = one
        told(one)

    def _settle_blame(self, checks: Sequence[Check], told: Told) -> None:
        """Move each failure whose code belongs to another check there; what stood there gives way unless it failed.

        In the order of the checks, not in that of their ends: the same mistake shows the same code each time.
        """
        by_key: Mapping[str, Check] = {one.key: one for one in checks}
        for key in by_key:
            one = self.found[key]
            owner = self._owner(one)
            if one.state not in ("fail", "warn") or owner not in by_key or owner == key:
                continue
            if self.found[owner].state not in ("fail", one.state):
                title = by_key[owner].title
                self._keep(replace(one, check=owner, title=title, sends=by_key[owner].sends), told)
            if self.found[owner].state == "fail":
                because = skip(lazy("先解决：%(title)s", title=by_key[owner].title))
                self._keep(self._finding(by_key[key], because, one.seconds), told)

    def _owner(self, one: Finding) -> str:
        if one.mine or not one.code or not self._kind:
            return ""
        told = self._kind.instruction(one.code)
        return told.check if told else ""


_LATE = lazy("平台或网络太慢：请稍后再检查，并查看服务器能否访问外网。")
_BROKEN = lazy("这是本系统的问题：请把服务日志中同一时间的记录发给我们。")
