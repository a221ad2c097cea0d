"""What the installation hands to the checks of a corp: who asks, shared answers, tokens, what the doors heard."""

import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa

from wsapp import clock, guard, hosts
from wsapp.connectors.base import Answer, Connector, TokenStore
from wsapp.connectors.checks import Ground, Text
from wsapp.connectors.http import HttpTransport
from wsapp.crm.org.models import STREAM_OPEN, Corp, OwnershipFile
from wsapp.crm.org.queries import first_admin_userid, stream_of
from wsapp.db import corp_scope, db
from wsapp.doctor import fetching, heard
from wsapp.house import house
from wsapp.texts import lazy

CALL_SECONDS = 6.0  # a host that hangs may cost this much, and not more than three times in a row


class Once:
    """Answers and errors that several checks share, each made by whoever asks first."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.locks: dict[str, threading.Lock] = {}
        self.made: dict[str, tuple[Any, Exception | None]] = {}

    def __call__(self, name: str, make: Callable[[], Any]) -> Any:
        with self.lock:
            own = self.locks.setdefault(name, threading.Lock())
        with own:
            if name not in self.made:
                self.made[name] = _outcome(make)
        value, error = self.made[name]
        if error is not None:
            raise error
        return value


def _outcome(make: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return make(), None
    except Exception as error:  # noqa: BLE001 - raised again for everybody who asks
        return None, error


class Fleeting:
    """A token store for one examination: of a corp that is not connected yet."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: dict[str, str] = {}

    def get(self, kind: str, fetch: Callable[[], tuple[str, float]], *, stale: str = "") -> str:
        with self.lock:
            if kind not in self.kept or self.kept[kind] == stale:
                self.kept.pop(kind, None)
                self.kept[kind] = fetch()[0]
            return self.kept[kind]


class Hasty:
    """A transport whose calls end after `CALL_SECONDS`, whatever the caller would wait. Opens no transaction's lock:
    see `guard.refuse_in_transaction`."""

    def __init__(self) -> None:
        self.inner = HttpTransport(pool=16)

    def request(self, method: str, url: str, **options: Any) -> Answer:
        guard.refuse_in_transaction()
        options["deadline"] = min(options.get("deadline", CALL_SECONDS), CALL_SECONDS)
        return self.inner.request(method, url, **options)


def renewed(tokens: TokenStore, kind: str, fetch: Callable[[], tuple[str, float]]) -> str:
    """Have a token fetched now, whatever the store holds: the present secret is to be proven, not an old token.

    The store keeps count of wrong secrets, and refuses by itself (BadCredentials "breaker") after too many.
    """
    asked = []

    def counted() -> tuple[str, float]:
        asked.append(kind)
        return fetch()

    value = tokens.get(kind, counted)
    return value if asked else tokens.get(kind, counted, stale=value)


def ground_of(corp: Corp | None, connector: Connector | None, me: str) -> Ground:
    """Return the ground for a corp, for one that is just being connected, or for the installation alone."""
    public_url = house().settings.server.public_url
    ground = Ground(me=me, fetch=partial(fetching.fetch, public_url), once=Once(), renew=_no_tokens)
    if corp is None:
        return ground
    with corp_scope(corp.id):
        ground.me = me or first_admin_userid()
        ground.heard = heard.at_doors()
    wanted = sa.select(OwnershipFile.name, OwnershipFile.content).where(OwnershipFile.owner_id == corp.id)
    ground.files = {one.name: one.content for one in db.session.execute(wanted)}
    ground.line, ground.line_heard_at = _line(corp.id)
    return ground


def _line(corp_id: int) -> tuple[Text | None, datetime | None]:
    """What is wrong with the stream that a host keeps open to us: "" when it is up, None when nobody holds one; and
    when something last came over it."""
    stream = stream_of(corp_id)
    if stream is None or not stream.held_until or stream.held_until < clock.wall():
        return None, None
    if stream.state == STREAM_OPEN:
        return "", stream.last_event_at
    return stream.reason or lazy("正在连接"), stream.last_event_at


def _no_tokens(kind: str, fetch: Callable[[], tuple[str, float]]) -> str:
    return fetch()[0]


def visiting(corp: Corp | None, connector: Connector | None, ground: Ground) -> Connector | None:
    """Return a connector like the corp's own, with short deadlines, and give the ground its tokens."""
    if corp is not None and connector is None:
        connector = hosts.lines().of(corp)
    if connector is None:
        return None
    tokens = connector.tokens if corp is not None else Fleeting()
    made = type(connector)(
        connector.account,
        bases=connector.bases,
        http=Hasty(),
        tokens=tokens,
        now=connector.now,
        public_url=connector.public_url,
    )
    ground.renew = partial(renewed, tokens)
    return made
