"""Access tokens and tickets, shared by all processes of an installation."""

import secrets
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock, metrics
from wsapp.connectors.base import BadCredentials, TryLater
from wsapp.crm.org.models import Corp, HostToken
from wsapp.db import dialect_insert, separate
from wsapp.guard import refuse_in_transaction
from wsapp.logs import register_secret
from wsapp.vault import digest

REFRESH_AT = 0.8  # of a token's life
FETCH_LEASE = timedelta(seconds=20)
WAIT_FOR_FETCH = 15.0  # seconds that the others wait for the one who fetches
REMEMBER = 20.0  # seconds that a process trusts its own copy
FAILURES_ALLOWED = 2
BREAKER = timedelta(minutes=12)  # with two failures before, at most six fetches an hour


class Tokens:
    """Access tokens and tickets of one corp: sealed in the database, fetched by one process at a time.

    The others wait for the one who fetches, or go on with the old value while it lives. After wrong secrets the circuit
    is open: the hosts bar a server's address for an hour when it insists.
    """

    def __init__(self, app: Any, corp_id: int, host: str) -> None:
        self.app = app
        self.corp_id = corp_id
        self.host = host
        self.lock = threading.Lock()
        self.local: dict[str, tuple[str, float]] = {}

    def get(self, kind: str, fetch: Callable[[], tuple[str, float]], *, stale: str = "") -> str:
        refuse_in_transaction()
        value, until = self.local.get(kind, ("", 0.0))
        if value and value != stale and time.monotonic() < until:
            return value
        give_up = time.monotonic() + WAIT_FOR_FETCH
        pause = 0.01
        while True:
            value = self._stored_or_leased(kind, fetch, stale)
            if value:
                register_secret(value)
                self.local[kind] = (value, time.monotonic() + REMEMBER)
                return value
            if time.monotonic() > give_up:
                raise TryLater("another process is fetching the access token", after=5, code="token_wait")
            time.sleep(pause)
            pause = min(0.25, pause * 2)

    def _stored_or_leased(self, kind: str, fetch: Callable[[], tuple[str, float]], stale: str) -> str:
        """Return a usable value, fetching when this process gets the lease; empty when another one is fetching."""
        now, wall = clock.now(), clock.wall()
        lease = secrets.token_hex(16)
        with separate() as connection:
            row = self._row(connection, kind)
            if row.blocked_until and row.blocked_until > now:
                raise BadCredentials("the host refused our credentials; waiting before the next try", code="breaker")
            value = self._open(row, kind)
            alive = bool(value) and value != stale and row.expires_at > now
            if alive and row.refresh_at > now:
                return value
            if row.lease and row.lease_until > wall:
                return value if alive else ""
            self._write(connection, kind, lease=lease, lease_until=wall + FETCH_LEASE)
        try:
            fresh, life = fetch()
        except BadCredentials as error:
            self._note_refusal(kind, lease, error)
            raise
        except BaseException:
            self._settle(kind, lease)
            if alive:
                return value  # the old one still lives; the next caller tries again
            raise
        metrics.HOST_TOKENS.labels(self.host, kind.partition(".")[0]).inc()
        self._settle(
            kind,
            lease,
            sealed=self.app.extensions["wsapp"].vault.seal(fresh, corp=str(self.corp_id), field=f"token.{kind}"),
            value_hash=digest(fresh),
            fetched_at=now,
            refresh_at=now + timedelta(seconds=life * REFRESH_AT),
            expires_at=now + timedelta(seconds=life),
            failures=0,
            blocked_until=None,
            fault=None,
        )
        return fresh

    def _row(self, connection: sa.Connection, kind: str) -> Any:
        wanted = sa.select(*sa.inspect(HostToken).columns).where(
            HostToken.corp_id == self.corp_id, HostToken.kind == kind
        )
        locked = wanted.with_for_update()
        row = connection.execute(locked).first()
        if row is None:
            insert = dialect_insert(HostToken).values(corp_id=self.corp_id, kind=kind, failures=0)
            connection.execute(insert.on_conflict_do_nothing())
            row = connection.execute(locked).first()
        return row

    def _open(self, row: Any, kind: str) -> str:
        if not row.sealed:
            return ""
        opened: str = self.app.extensions["wsapp"].vault.open(row.sealed, corp=str(self.corp_id), field=f"token.{kind}")
        return opened

    def _write(self, connection: sa.Connection, kind: str, *, held: str | None = None, **values: Any) -> None:
        statement = sa.update(HostToken).where(HostToken.corp_id == self.corp_id, HostToken.kind == kind)
        if held is not None:
            statement = statement.where(HostToken.lease == held)  # a late answer never overwrites a newer token
        connection.execute(statement.values(**values))

    def _settle(self, kind: str, lease: str, **values: Any) -> None:
        fault = "fault" in values
        values.pop("fault", None)
        with separate() as connection:
            self._write(connection, kind, held=lease, lease=None, lease_until=None, **values)
            if fault:
                connection.execute(
                    sa.update(Corp).where(Corp.id == self.corp_id, Corp.fault.is_not(None)).values(fault=None)
                )

    def _note_refusal(self, kind: str, lease: str, error: BadCredentials) -> None:
        with separate() as connection:
            failures = self._row(connection, kind).failures + 1
            blocked = clock.now() + BREAKER if failures >= FAILURES_ALLOWED else None
            self._write(
                connection, kind, held=lease, lease=None, lease_until=None, failures=failures, blocked_until=blocked
            )
            text = f"{error.code} {error.reason}".strip()[:300]
            connection.execute(sa.update(Corp).where(Corp.id == self.corp_id).values(fault=text))
