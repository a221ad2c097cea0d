"""Forms: what was typed, what is wrong with it, and saving it once."""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flask import g, request

from wsapp import clock, idempotency
from wsapp.db import db
from wsapp.h5.pages import go
from wsapp.house import local, zone
from wsapp.problems import Conflict, Duplicate, Invalid, NotFound, Problem
from wsapp.refusals import admitted, status_of
from wsapp.texts import _

MOST_MARKS = 20_000  # characters of `began`
OFFLINE_LIFE = timedelta(days=31)  # of a key that a phone without network may send again; back-dating goes no further
NOT_CONTENT = frozenset({"csrf_token", "idempotency_key"})


@dataclass
class Form:
    """What a person typed (`typed`: text, or lists of text); what is wrong with it (field → words, "": the whole).

    `custom` are the values of the corp's own fields that the form held, by key (see `ownfields.take`). `began` marks
    the values that an edit began with, by field: so one sees what was left as it was when somebody else saved.
    """

    typed: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    key: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    version: int | None = None
    custom: dict[str, Any] = field(default_factory=dict)
    began: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, fields: tuple[str, ...], lists: tuple[str, ...] = ()) -> "Form":
        """Read the posted form: `fields` as text, `lists` as lists of text."""
        typed: dict[str, Any] = {name: _bare(request.form.get(name, "")) for name in fields}
        typed |= {name: [_bare(value) for value in request.form.getlist(name)] for name in lists}
        version = request.form.get("version", "")
        form = cls(
            typed, version=int(version) if version.isascii() and version.isdigit() and len(version) < 9 else None
        )
        form.key = _bare(request.form.get("idempotency_key", "")) or form.key
        form.began = _marks_in(request.form.get("began", ""))
        return form

    @classmethod
    def edit(cls, values: dict[str, Any], version: int) -> "Form":
        """Return the form of a record as it is now."""
        return cls(values, version=version, began={name: _mark(value) for name, value in values.items()})

    @property
    def marks(self) -> str:
        """`began` as the form's field of this name holds it."""
        return json.dumps(self.began, separators=(",", ":"))

    def is_left(self, name: str) -> bool:
        """Say whether a field was left as the edit began with it."""
        return name in self.began and self.began[name] == _mark(self.typed.get(name))

    def settle(self, now: "Form") -> tuple[set[str], bool]:
        """Go on from the record's form of `now`, after somebody else saved: what this person left as it began is taken
        from there, everything else stays as it was typed.

        Returns the fields that not both have changed, and whether any was taken.
        """
        same = {name for name, mark in now.began.items() if self.began.get(name) == mark}
        taken = {name for name in now.began.keys() - same if self.is_left(name)}
        self.typed |= {name: now.typed[name] for name in taken}
        self.version, self.began = now.version, now.began
        return taken | same, bool(taken)

    def moment(self, name: str) -> datetime | None:
        """Return a typed day and minute of the corp's time zone, None when empty; notes an error when it is none."""
        text = self.typed.get(name) or ""
        if not text:
            return None
        try:
            typed = datetime.fromisoformat(text)
        except ValueError:
            self.errors[name] = _("时间格式不正确")
            return None
        return typed if typed.tzinfo else typed.replace(tzinfo=zone())

    def demand_clean(self) -> None:
        """Raise Invalid when an error was noted already, before the action looks at the rest."""
        if self.errors:
            raise Invalid(dict(self.errors))

    def refuse(self, problem: Problem) -> int:
        """Take over what is wrong; returns the HTTP status. Words on what the form does not show stand above it."""
        fields = problem.fields if isinstance(problem, Invalid | Duplicate | Conflict) else {"": problem.detail}
        self.errors |= fields
        homeless = [words for name, words in fields.items() if name not in (*self.typed, "location")]
        if homeless:
            self.errors[""] = _("；").join(homeless)
        return status_of(problem)


def _mark(value: Any) -> str:
    """Return what tells a field's value from another, whatever its line ends and the order of its list."""
    if isinstance(value, list):
        value = sorted(str(one) for one in value if one not in (None, ""))
    text = json.dumps(value or "", sort_keys=True, default=str).replace("\\r\\n", "\\n")
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _marks_in(text: str) -> dict[str, str]:
    try:
        found = json.loads(text[:MOST_MARKS])
    except (ValueError, RecursionError):
        return {}
    return {str(name): str(mark) for name, mark in found.items()} if isinstance(found, dict) else {}


def _bare(text: str) -> str:
    return text.replace("\0", "")


def input_value(moment: datetime | None) -> str:
    """Return a moment as a datetime-local field holds it."""
    return local(moment).strftime("%Y-%m-%dT%H:%M") if moment else ""


def soon() -> list[tuple[str, str]]:
    """Return one-tap moments for a next date: (words, field value)."""
    now = local(clock.now())
    nine = now.replace(hour=9, minute=0)
    monday = nine + timedelta(days=7 - now.weekday())
    moments = [
        (_("明天 09:00"), nine + timedelta(days=1)),
        (_("三天后"), nine + timedelta(days=3)),
        (_("下周一"), monday),
    ]
    return [(words, input_value(moment)) for words, moment in moments]


def save(
    form: Form,
    act: Callable[[], str],
    *,
    again: Callable[[Problem | None], str],
    words: str,
    life: timedelta = idempotency.LIFE,
) -> Any:
    """Do `act` (which returns where to go next) once for the form's key, commit and go there, showing `words`.

    What `act` refuses rolls everything back; `again` is told why and shows the form with all that was typed.
    Answers 303, 409 or 422. `life`: how long the key is known.
    """
    try:
        return go(once(form.key, act, life=life), words)
    except idempotency.KeyReused:
        db.session.rollback()
        form.key = secrets.token_urlsafe(16)
        form.errors[""] = _("这份表单刚才已经提交过。如果要再提交一次，请再点一次保存。")
        return again(None), 409
    except NotFound:
        raise
    except Problem as refused:
        db.session.rollback()
        problem = admitted(refused)
        status = form.refuse(problem)
        return again(problem), status


def once(key: str, act: Callable[[], str], *, life: timedelta = idempotency.LIFE) -> str:
    """Do `act`, which returns an address, once for the key; commits. A replay returns the first one's address."""
    kept = idempotency.begin(g.member, key, request_hash(), life=life)
    if kept is not None:
        db.session.rollback()
        return str(kept.answer["url"])
    url = act()
    idempotency.keep(g.member, key, 303, {"url": url})
    db.session.commit()
    return url


def request_hash() -> str:
    """Return what tells this form post from another: SHA-256 of the address, the fields and the files."""
    total = hashlib.sha256(request.path.encode())
    for name, values in sorted(request.form.lists()):
        if name not in NOT_CONTENT:
            total.update(repr((name, values)).encode("utf-8", "replace"))
    for name, file in sorted(request.files.items(multi=True), key=lambda one: one[0]):
        total.update(repr((name, file.filename)).encode("utf-8", "replace"))
        total.update(hashlib.sha256(file.stream.read()).digest())
        file.stream.seek(0)
    return total.hexdigest()
