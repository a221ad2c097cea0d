"""Connecting corps: what was typed so far, what the host says to it, the values that we make, and the connected corp.

Shared by the wizard of the console and `wsapp corp add`. A check asks the host with a deadline of a few seconds and
keeps its access token to itself: wrong values never open a connected corp's circuit.
"""

import json
import secrets
import string
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.exc import IntegrityError

from wsapp import clock, guard, hosts, metrics
from wsapp.connectors import connector_class
from wsapp.connectors.base import Account, Answer, Connector, CredentialField, HostError, Refused, TryLater
from wsapp.connectors.http import HttpTransport
from wsapp.connectors.setup import Blame, Paste, Proof, SetUpStep, wrong_format
from wsapp.crm.events.actions import record
from wsapp.crm.org import actions as org
from wsapp.crm.org.models import Corp, CorpSetUp, Member
from wsapp.crm.org.queries import corp_at_host
from wsapp.db import corp_scope, db
from wsapp.house import house
from wsapp.problems import Invalid
from wsapp.texts import _, lazy, mark
from wsapp.vault import digest

CHECK_SECONDS = 4.0  # for all calls of one check together
LEAST_SECONDS = 0.2  # less than this is not worth a call
MOST_CHECKS = 20  # of one set-up in an hour: the hosts bar a server's address that insists on wrong secrets
FAILURE_HOLDS = timedelta(minutes=10)  # that the same wrong values are not asked about again
NAME = CredentialField(
    "name", mark("企业名称"), required=False, pattern=r".{1,120}", hint=mark("成员看到的名称，留空则显示企业 ID")
)
LETTERS = string.ascii_letters + string.digits
MADE_LENGTH = {"token": 24, "aes_key": 43}

TOO_MANY = lazy(
    "为避免宿主平台封禁本服务器，一小时内只核对 %(n)s 次。填写的内容已保留，请稍后再点一次。", n=MOST_CHECKS
)
TAKEN = lazy("这个企业已经接入。要更换凭证，请由该企业的管理员在“企业”页修改。")


# --- a set-up under way -------------------------------------------------------------------------------------------


@dataclass
class Draft:
    """A set-up, opened. `typed` holds what is not saved with the corp yet, `shown` the values that we made and that
    are still shown to be pasted; `checks` when the host was asked; `verdicts` what it said, by step."""

    row: CorpSetUp
    typed: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    checks: list[str] = field(default_factory=list)
    verdicts: dict[str, dict[str, str]] = field(default_factory=dict)
    app: str = ""  # the app's name, as the host told it
    reached: str = ""  # the step to go on with
    sent: str = ""  # id of the last test message

    @classmethod
    def open(cls, row: CorpSetUp) -> "Draft":
        if not row.sealed:
            return cls(row)
        text = house().vault.open(row.sealed, corp=f"set-up/{row.id}", field="typed")
        return cls(row, **json.loads(text))

    def keep(self) -> None:
        """Seal the present state into the row. Does not commit."""
        kept = {
            name: getattr(self, name) for name in ("typed", "shown", "checks", "verdicts", "app", "reached", "sent")
        }
        self.row.sealed = house().vault.seal(json.dumps(kept), corp=f"set-up/{self.row.id}", field="typed")
        self.row.touched_at = clock.now()

    @property
    def kind(self) -> type[Connector]:
        return connector_class(self.row.host)

    @property
    def corp(self) -> Corp | None:
        """The corp, once it is connected."""
        return db.session.get(Corp, self.row.connected_id) if self.row.connected_id else None

    @property
    def corp_id(self) -> str:
        corp = self.corp
        return corp.host_corp_id if corp else self.typed.get("corp_id", "")

    @property
    def name(self) -> str:
        corp = self.corp
        return self.typed.get("name") or (corp.name if corp else "") or self.corp_id

    def values(self) -> dict[str, str]:
        """Return every credential value as it would be saved now."""
        corp = self.corp
        saved = hosts.open_credentials(corp) if corp else {}
        return {one.key: str(self.typed.get(one.key, saved.get(one.key) or "")) for one in self.kind.credential_fields}

    def step(self, key: str) -> SetUpStep | None:
        return next((one for one in self.kind.set_up_steps if one.key == key), None)

    def fields(self, step: SetUpStep) -> list[CredentialField]:
        """Return what the administrator types or chooses on a step."""
        own = [one for one in self.kind.credential_fields if one.step == step.key and not one.made]
        if step is not self.kind.set_up_steps[0]:
            return own
        return ([] if self.corp else [self.kind.corp_id_field]) + [NAME, *own]

    def made(self, step: SetUpStep) -> list[CredentialField]:
        """Return the values of a step that we make and the administrator pastes."""
        return [one for one in self.kind.credential_fields if one.step == step.key and one.made]

    def present(self, one: CredentialField) -> str:
        """Return the present value of a field, typed or saved."""
        if one.key == "corp_id":
            return self.corp_id
        if one is NAME:
            return self.name if self.corp else self.typed.get("name", "")
        return self.values()[one.key]

    def take(self, step: SetUpStep, typed: Mapping[str, str], cleared: Sequence[str] = ()) -> dict[str, str]:
        """Take what was typed on a step. An empty secret leaves the present one, unless it is `cleared`.

        Returns what is wrong with it at sight, by key; everything else is kept.
        """
        for one in self.fields(step):
            if one.choices and one.key not in typed:
                continue  # nothing chosen: a value of the settings file that is none of the choices stays
            text = typed.get(one.key, "").strip()
            if text or not one.secret or one.key in cleared:
                self.typed[one.key] = text
        wrong = {one.key: fault for one in self.fields(step) if (fault := self._fault(one))}
        return {key: _(fault) for key, fault in wrong.items()}

    def _fault(self, one: CredentialField) -> str:
        value = self.present(one)
        if one is NAME and len(value) <= 120 and value.isprintable():
            return ""
        return wrong_format(one, value)


def pastes(draft: Draft, step: SetUpStep) -> list[tuple[Paste, str]]:
    """Return what the administrator pastes into the host's console on this step, filled in."""
    public = house().settings.server.public_url
    known = {one.key: draft.values()[one.key] for one in draft.kind.credential_fields if not one.secret}
    facts = {**known, "public_url": public, "domain": urlsplit(public).netloc, "corp_id": draft.corp_id}
    return [(one, one.value.format_map(facts)) for one in step.pastes]


# --- asking the host ----------------------------------------------------------------------------------------------


def check(draft: Draft, step: SetUpStep) -> Blame | None:
    """Ask the host whether a step's values fit; None: they do. Commits what was typed before, and the verdict after.

    Answers within a few seconds. What was asked already is not asked again: a good answer holds until a value changes,
    a wrong value is wrong for ten minutes; and the host is asked at most twenty times an hour.
    """
    now, mark = clock.now(), _mark(draft)
    known = draft.verdicts.get(step.key, {})
    if known.get("mark") == mark and known.get("code") is None:
        return None
    if known.get("mark") == mark and known.get("field") and now < _moment(known["at"]) + FAILURE_HOLDS:
        return draft.kind.blame(_remembered(known))
    draft.checks = [at for at in draft.checks if _moment(at) > now - timedelta(hours=1)]
    if len(draft.checks) >= MOST_CHECKS:
        return Blame("", TOO_MANY)
    draft.checks.append(now.isoformat())
    draft.keep()
    connector = trial(draft.row.host, draft.corp_id, draft.name, draft.values())
    db.session.commit()
    verdict: dict[str, str] = {"mark": mark, "at": now.isoformat()}
    blame = None
    try:
        draft.app = connector.prove(step.key).app or draft.app
    except HostError as error:
        blame = draft.kind.blame(error)
        verdict |= {"code": error.code, "reason": error.reason, "words": error.words, "field": blame.field}
    draft.verdicts[step.key] = verdict
    draft.keep()
    db.session.commit()
    return blame


def _mark(draft: Draft) -> str:
    return digest(json.dumps([draft.corp_id, draft.values()], sort_keys=True))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _remembered(verdict: Mapping[str, str]) -> HostError:
    error = Refused(verdict["reason"], code=verdict["code"])
    error.words = verdict["words"]
    return error


def prove(host: str, host_corp_id: str, name: str, values: Mapping[str, Any], step: str) -> Proof:
    """Ask the host about values that belong to no set-up. Raises HostError."""
    return trial(host, host_corp_id, name, values).prove(step)


def trial(host: str, host_corp_id: str, name: str, values: Mapping[str, Any]) -> Connector:
    """Return a connector for one check: in a hurry, and with access tokens of its own that nobody else sees."""
    kind, settings = connector_class(host), house().settings
    hosts.register_credentials(kind, values)
    inner = guard.GuardedTransport(HttpTransport(pool=1, observe=metrics.host_observer(host)))
    return kind(
        Account(host_corp_id, name, dict(values)),
        bases=settings.hosts.get(host, {}),
        http=_Hurried(inner, time.monotonic() + CHECK_SECONDS),
        tokens=_OwnTokens(),
        now=clock.now,
        public_url=settings.server.public_url,
    )


class _Hurried:
    """A transport whose calls together end at a moment."""

    def __init__(self, inner: guard.GuardedTransport, end: float) -> None:
        self.inner = inner
        self.end = end

    def request(self, method: str, url: str, *, deadline: float = 15, **options: Any) -> Answer:
        left = self.end - time.monotonic()
        if left < LEAST_SECONDS:
            raise TryLater("the host took too long", code="timeout")
        return self.inner.request(method, url, deadline=min(deadline, left), **options)


class _OwnTokens:
    """The token store of one check."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def get(self, kind: str, fetch: Callable[[], tuple[str, float]], *, stale: str = "") -> str:
        if self.found.get(kind, stale) == stale:
            self.found[kind] = fetch()[0]
            hosts.register_secret(self.found[kind])
        return self.found[kind]


# --- saving -------------------------------------------------------------------------------------------------------


class _Subject:
    """A corp as the subject of an event, whose ids are texts."""

    __tablename__ = "corp"

    def __init__(self, corp: Corp) -> None:
        self.id = str(corp.id)


def note(kind: str, corp: Corp, actor: Member | None, **data: Any) -> None:
    """Record what was done to a corp; an actor of another corp is not named in it."""
    with corp_scope(corp.id):
        own = actor if actor is not None and actor.corp_id == corp.id else None
        record(kind, _Subject(corp), actor=own, name=corp.name, **data)
        db.session.flush()


def save(draft: Draft, *, actor: Member | None) -> Corp:
    """Connect the corp of a set-up with the values that we make, or give the connected one its new values.

    Raises Invalid for a corp that is connected already. Does not commit.
    """
    corp = draft.corp
    corp = _connect(draft, actor) if corp is None else _change(draft, corp, actor)
    draft.typed = {}
    draft.keep()
    return corp


def _connect(draft: Draft, actor: Member | None) -> Corp:
    if corp_at_host(draft.row.host, draft.corp_id) is not None:
        raise Invalid({"corp_id": str(TAKEN)})
    made = {one.key: make(one) for one in draft.kind.credential_fields if one.made}
    sealed = hosts.seal_credentials(draft.row.host, draft.corp_id, {**draft.values(), **made})
    try:
        corp = org.connect_corp(draft.row.host, draft.corp_id, draft.name, sealed)
    except IntegrityError:
        db.session.rollback()
        raise Invalid({"corp_id": str(TAKEN)}) from None
    draft.row.connected_id, draft.shown = corp.id, made
    note("corp.connected", corp, actor, host=corp.host)
    return corp


def _change(draft: Draft, corp: Corp, actor: Member | None) -> Corp:
    before, after = hosts.open_credentials(corp), draft.values()
    changed = sorted(key for key, value in after.items() if value != str(before.get(key) or ""))
    renamed = draft.name != corp.name
    if renamed:
        corp.name = draft.name
    if changed:
        hosts.keep_credentials(corp, after)
    if changed or renamed:
        note("corp.changed", corp, actor, values=changed + (["name"] if renamed else []))
    return corp


def renew(draft: Draft, step: SetUpStep, *, actor: Member | None) -> None:
    """Make the values of a step anew. What the host signs with the former ones is accepted for a day more."""
    corp = draft.corp
    if corp is None:
        return
    fresh = {one.key: make(one) for one in draft.made(step)}
    hosts.keep_credentials(corp, {**hosts.open_credentials(corp), **fresh})
    draft.shown |= fresh
    draft.keep()
    note("corp.changed", corp, actor, values=sorted(fresh))


def make(one: CredentialField) -> str:
    """Make a value that the host takes from us: a callback token or an AES key."""
    return "".join(secrets.choice(LETTERS) for _place in range(MADE_LENGTH[one.made]))
