"""Corp → its live connector; the shared token store; what a host tells about a person, written down."""

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
from flask import current_app

from wsapp import clock, metrics
from wsapp.connectors import connector_class
from wsapp.connectors.base import (
    Account,
    Answer,
    BadCredentials,
    Button,
    Connector,
    DepartmentInfo,
    Message,
    OutOfRange,
    Person,
    TryLater,
)
from wsapp.connectors.channels import Article, Attachment, Question
from wsapp.connectors.grouprobots import RobotAddress
from wsapp.connectors.http import HttpTransport
from wsapp.crm.events.actions import record
from wsapp.crm.groups.models import GroupRobot
from wsapp.crm.org import actions as org
from wsapp.crm.org.models import LEFT, Corp, Department, HostToken, Member
from wsapp.crm.org.queries import corp_at_host, corps, member_by_userid
from wsapp.db import corp_scope, current_corp, db, dialect_insert, first, separate
from wsapp.house import house
from wsapp.logs import register_secret
from wsapp.usage import Usage
from wsapp.vault import digest

REFRESH_AT = 0.8  # of a token's life
FETCH_LEASE = timedelta(seconds=20)
WAIT_FOR_FETCH = 15.0  # seconds that the others wait for the one who fetches
REMEMBER = 20.0  # seconds that a process trusts its own copy
FAILURES_ALLOWED = 2
BREAKER = timedelta(minutes=12)  # with two failures before, at most six fetches an hour
MAX_CHAIN = 16
OVERLAP = timedelta(hours=24)  # that a replaced secret is still accepted: the host may sign with it for a while


# --- lines --------------------------------------------------------------------------------------------------------


class Lines:
    """The connectors of all corps, made when first needed and anew when their credentials change."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.lock = threading.Lock()
        self.usage = Usage()
        self.made: dict[int, tuple[str, Connector]] = {}  # corp → (what it was made of, the connector)

    def of(self, corp: Corp) -> Connector:
        """Return the connector of a corp."""
        mark = digest(corp.credentials + corp.name) + former_mark(corp)
        found = self.made.get(corp.id)
        if found and found[0] == mark:
            return found[1]
        with self.lock:
            found = self.made.get(corp.id)
            if not found or found[0] != mark:
                found = (mark, self._make(corp))
                self.made[corp.id] = found
        return found[1]

    def _make(self, corp: Corp) -> Connector:
        kind = connector_class(corp.host)
        values = open_credentials(corp)
        register_credentials(kind, values)
        settings = house().settings
        transport = GuardedTransport(HttpTransport(pool=32, observe=metrics.host_observer(corp.host)))
        made = kind(
            Account(corp.host_corp_id, corp.name, values, former_values(corp)),
            bases=settings.hosts.get(corp.host, {}),
            http=transport,
            tokens=Tokens(self.app, corp.id, corp.host),
            now=clock.now,
            public_url=settings.server.public_url,
        )
        if made.meters:
            transport.count = partial(self._count, corp.id, made)
        return made

    def _count(self, corp_id: int, connector: Connector, api: str) -> None:
        if meter := connector.meter_of(api):
            self.usage.add(corp_id, meter)


class GuardedTransport:
    """A transport that refuses to talk to a host while a transaction is open: it would hold locks for seconds.

    `count` hears of each call that the host answered: those are the ones that hosts bill.
    """

    def __init__(self, inner: HttpTransport) -> None:
        self.inner = inner
        self.count: Callable[[str], None] = lambda api: None

    def request(self, method: str, url: str, **options: Any) -> Answer:
        refuse_in_transaction()
        answer = self.inner.request(method, url, **options)
        if answer.status < 400:
            self.count(str(options.get("api", "")))
        return answer


def refuse_in_transaction() -> None:
    """Raise while this unit of work has a transaction open: whoever talks to a host commits or rolls back first."""
    if db.session().in_transaction():
        raise RuntimeError("commit or roll back before talking to a host")


def lines() -> Lines:
    """Return the lines of the running installation."""
    found: Lines = house().lines
    return found


def seal_credentials(host: str, host_corp_id: str, values: Mapping[str, Any]) -> str:
    """Seal a corp's credential values for storage."""
    return house().vault.seal(json.dumps(dict(values)), corp=f"{host}/{host_corp_id}", field="credentials")


def open_credentials(corp: Corp) -> dict[str, Any]:
    """Open a corp's sealed credential values."""
    text = house().vault.open(corp.credentials, corp=f"{corp.host}/{corp.host_corp_id}", field="credentials")
    found: dict[str, Any] = json.loads(text)
    return found


def register_credentials(kind: type[Connector], values: Mapping[str, Any]) -> None:
    """Keep the secrets among credential values out of every log."""
    for field in kind.credential_fields:
        if field.secret and values.get(field.key):
            register_secret(str(values[field.key]))


def seal_robot_address(robot_id: str, address: RobotAddress) -> str:
    """Seal where a group robot of the current corp posts."""
    text = json.dumps(address.values())
    return house().vault.seal(text, corp=str(current_corp()), field=f"group_robot.{robot_id}")


def open_robot_address(robot: GroupRobot) -> RobotAddress:
    """Open where a group robot posts; what is secret of it is kept out of logs from here on."""
    text = house().vault.open(robot.address, corp=str(robot.corp_id), field=f"group_robot.{robot.id}")
    address = RobotAddress(**json.loads(text))
    for secret in (address.key, address.secret):
        if secret:
            register_secret(secret)
    return address


def connect_configured_corps() -> None:
    """Connect the corps of `config.toml`, or give them their present name and credentials. Commits.

    Secrets that the file replaces are accepted for a while longer, as after a change in the console.
    """
    for wanted in house().settings.corps:
        corp = corp_at_host(wanted.host, wanted.corp_id)
        if corp is None:
            sealed = seal_credentials(wanted.host, wanted.corp_id, wanted.values)
            org.connect_corp(wanted.host, wanted.corp_id, wanted.name, sealed)
            continue
        if corp.name != wanted.name:
            corp.name = wanted.name
        if open_credentials(corp) != dict(wanted.values):
            keep_credentials(corp, wanted.values)
    db.session.commit()


def is_configured(corp: Corp) -> bool:
    """Say whether a corp stands in `config.toml`: its values are changed there, for each start reads them again."""
    return any((one.host, one.corp_id) == (corp.host, corp.host_corp_id) for one in house().settings.corps)


# --- changing credentials -----------------------------------------------------------------------------------------


def keep_credentials(corp: Corp, values: Mapping[str, Any]) -> None:
    """Give a corp new credential values; secrets that change are accepted for OVERLAP longer. Does not commit.

    Access tokens of before are forgotten, and with them a circuit that wrong secrets had opened.
    """
    before, now = open_credentials(corp), clock.now()
    kind = connector_class(corp.host)
    kept = {key: one for key, one in _former(corp).items() if datetime.fromisoformat(one["until"]) > now}
    for field in kind.credential_fields:
        old, new = before.get(field.key) or "", values.get(field.key) or ""
        if field.secret and old and new and old != new:
            kept[field.key] = {"value": old, "at": now.isoformat(), "until": (now + OVERLAP).isoformat()}
    corp.credentials = seal_credentials(corp.host, corp.host_corp_id, values)
    corp.former = _seal_former(corp, kept) if kept else None
    corp.former_until = max((datetime.fromisoformat(one["until"]) for one in kept.values()), default=None)
    corp.fault = None
    org.forget_host_tokens(corp)


def former_values(corp: Corp) -> dict[str, str]:
    """Return the values that a corp replaced a short while ago and that are still accepted, by key."""
    return {key: one["value"] for key, one in _living(corp).items()}


def former_dates(corp: Corp) -> dict[str, tuple[datetime, datetime]]:
    """Return of each such value (replaced at, accepted until), by key."""
    living = _living(corp)
    return {
        key: (datetime.fromisoformat(one["at"]), datetime.fromisoformat(one["until"])) for key, one in living.items()
    }


def former_mark(corp: Corp) -> str:
    """Return what changes when the set of values does that are still accepted; empty without any."""
    if corp.former is None or corp.former_until is None or corp.former_until <= clock.now():
        return ""
    return f"+{digest(corp.former)}+{','.join(sorted(_living(corp)))}"


def _living(corp: Corp) -> dict[str, dict[str, str]]:
    now = clock.now()
    if corp.former_until is None or corp.former_until <= now:
        return {}
    return {key: one for key, one in _former(corp).items() if datetime.fromisoformat(one["until"]) > now}


def _former(corp: Corp) -> dict[str, dict[str, str]]:
    if not corp.former:
        return {}
    text = house().vault.open(corp.former, corp=f"{corp.host}/{corp.host_corp_id}", field="former")
    found: dict[str, dict[str, str]] = json.loads(text)
    return found


def _seal_former(corp: Corp, kept: Mapping[str, Any]) -> str:
    return house().vault.seal(json.dumps(dict(kept)), corp=f"{corp.host}/{corp.host_corp_id}", field="former")


def enabled_corps() -> list[Corp]:
    """Return the corps that people can sign in to."""
    return [corp for corp in corps() if corp.enabled]


def message_of(card: Mapping[str, Any]) -> Message:
    """Return a ledger row's neutral card (see `wsapp.crm.notifications.messages`) as what connectors take."""
    return Message(
        card=card["card"],
        title=card["title"],
        text=card.get("text", ""),
        lines=tuple((label, value) for label, value in card.get("lines", ())),
        url=card.get("url", ""),
        buttons=tuple(Button(**button) for button in card.get("buttons", ())),
        source=card.get("source", ""),
        state=card.get("state", ""),
        figure=tuple(card.get("figure", ("", ""))),
        questions=tuple(
            Question(
                one["key"], one["title"], tuple((key, text) for key, text in one["options"]), one.get("many", False)
            )
            for one in card.get("questions", ())
        ),
        articles=tuple(Article(**article) for article in card.get("articles", ())),
        attachment=Attachment(**card["attachment"]) if card.get("attachment") else None,
        form=card.get("form", "card"),
        frugal=card.get("frugal", False),
    )


# --- tokens -------------------------------------------------------------------------------------------------------


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


# --- people -------------------------------------------------------------------------------------------------------


def arrive(corp: Corp, userid: str) -> Member:
    """Ask the host who a person is and write it down: created at the first open, refreshed later. Commits.

    Raises OutOfRange when the host does not show this person to the app, TryLater, BadCredentials.
    """
    connector = lines().of(corp)
    db.session.rollback()
    return write_person(corp, connector.person(userid))


def write_person(corp: Corp, person: Person) -> Member:
    """Write down a person whom the host just named, after asking for their departments. Commits.

    Raises TryLater, BadCredentials.
    """
    connector = lines().of(corp)
    db.session.rollback()
    chains = department_chains(connector, [*person.departments, *person.leads])
    with corp_scope(corp.id):
        return _write_down(connector, person, chains)


def department_chains(connector: Connector, department_ids: Sequence[str]) -> dict[str, DepartmentInfo]:
    """Ask the host for departments and everything above them, up to the root or the end of our sight."""
    found: dict[str, DepartmentInfo] = {}
    for department_id in dict.fromkeys(department_ids):
        current = department_id
        for _level in range(MAX_CHAIN):
            if not current or current in found:
                break
            try:
                found[current] = connector.department(current)
            except OutOfRange:
                break
            current = found[current].parent
    return found


def keep_departments(infos: Mapping[str, DepartmentInfo]) -> Callable[[str], Department | None]:
    """Write departments down under their parents; returns a look-up of departments by id, those known before, too."""
    kept: dict[str, Department] = {}

    def keep(department_id: str) -> Department | None:
        if department_id in kept:
            return kept[department_id]
        info = infos.get(department_id)
        if info is None:
            known: Department | None = first(sa.select(Department).where(Department.id == department_id))
            return known
        kept[department_id] = org.keep_department(info, parent=keep(info.parent) if info.parent else None)
        return kept[department_id]

    for department_id in infos:
        keep(department_id)
    return keep


def _write_down(connector: Connector, person: Person, infos: Mapping[str, DepartmentInfo]) -> Member:
    keep = keep_departments(infos)
    before = member_by_userid(person.userid, fold=connector.userid_case == "fold")
    had_left = before is not None and before.status == LEFT
    departments = tuple(one for one in person.departments if keep(one))
    leads = {one for one in person.leads if keep(one)}
    leads |= {info.id for info in infos.values() if person.userid in info.leaders}
    leads_root = any(infos[one].parent == "" for one in leads if one in infos)
    main = person.main_department if person.main_department in departments else ""
    facts = replace(person, departments=departments, leads=tuple(sorted(leads)), main_department=main)
    member, is_new = org.keep_member(facts, fold=connector.userid_case == "fold", leads_root=leads_root)
    if is_new:
        record("member.joined", member, actor=member, name=member.name)
    elif had_left and member.status != LEFT:
        record("member.returned", member, actor=None, name=member.name)
    db.session.commit()
    return member


def install(app: Any) -> None:
    """Give the app its lines."""
    app.extensions["wsapp"].lines = Lines(app)


def app_object() -> Any:
    """Return the real app behind the proxy, for threads that outlive a unit of work."""
    return current_app._get_current_object()  # type: ignore[attr-defined]
