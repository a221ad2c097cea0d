"""What pages narrow lists by, made of the indexed fields: choices where there are any, from–to for numbers and days,
the beginning of all other texts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wsapp.crm.fields.finding import filterable
from wsapp.crm.fields.forms import choices_of
from wsapp.crm.fields.models import Field
from wsapp.crm.fields.types import STEP
from wsapp.crm.org.models import Member
from wsapp.texts import _

RANGED = ("number", "money", "percent", "date", "time", "formula")
CHOSEN = ("single", "multiple", "cascading", "yes_no", "person", "department", "relation")
INPUTS: Mapping[str, str] = {
    "date": "date",
    "time": "time",
    "number": "decimal",
    "money": "decimal",
    "percent": "decimal",
}
FROM, TO = ".from", ".to"  # after the field's name: no key has a dot
EMPTY, FILLED = "-", "+"  # choices that are nobody's value

Choices = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Narrowing:
    """One input of a filter form. `name` is its query value's, `field` what roles rule; `tests` gives what a typed
    value asks for, as `finding.matching` takes it; `input` is "text", "decimal", "date" or "time"."""

    name: str
    label: str
    field: str
    tests: Callable[[str], Mapping[str, Any]]
    choices: Callable[[Member], Choices] | None = None
    input: str = "text"


def narrowings(obj: str, *, actor: Member) -> list[Narrowing]:
    """Return what the actor may narrow an object's lists by, in the order of its form."""
    return [one for field in filterable(obj, actor=actor) for one in _of(field)]


def asked(obj: str, chosen: Mapping[str, str], *, actor: Member) -> dict[str, dict[str, Any]]:
    """Return what typed values (by the narrowings' names) ask for together, as `finding.matching` takes it."""
    known = {one.name: one for one in narrowings(obj, actor=actor)}
    found: dict[str, dict[str, Any]] = {}
    for name, value in chosen.items():
        for key, tests in known[name].tests(value).items():
            found.setdefault(key, {}).update(tests if isinstance(tests, Mapping) else {"eq": tests})
    return found


def _of(field: Field) -> list[Narrowing]:
    if field.type in RANGED:
        return _range(field)
    if field.type in CHOSEN:
        return [Narrowing(field.name, field.label, field.name, _choice(field), lambda actor: _choices(field, actor))]
    return [Narrowing(field.name, field.label, field.name, lambda value: {field.key: {"starts": value}})]


def _range(field: Field) -> list[Narrowing]:
    shape = INPUTS.get(field.type, "text")
    low, high = _("%(label)s（从）", label=field.label), _("%(label)s（到）", label=field.label)
    return [
        Narrowing(field.name + FROM, low, field.name, lambda value: {field.key: {"gte": value}}, input=shape),
        Narrowing(field.name + TO, high, field.name, lambda value: {field.key: {"lte": value}}, input=shape),
    ]


def _choice(field: Field) -> Callable[[str], Mapping[str, Any]]:
    def tests(value: str) -> Mapping[str, Any]:
        if value in (EMPTY, FILLED):
            return {field.key: {"empty": value == EMPTY}}
        if field.type == "cascading" and value.endswith(STEP):
            return {field.key: {"starts": value}}
        return {field.key: value}

    return tests


def _choices(field: Field, actor: Member) -> Choices:
    found = [(str(key), str(words)) for key, words in _known(field, actor) if key != ""]
    return [*found, (FILLED, _("已填写")), (EMPTY, _("未填写"))]


def _known(field: Field, actor: Member) -> Choices:
    if field.type != "cascading":
        return choices_of(field, actor)
    branches = dict.fromkeys(
        STEP.join(path.split(STEP)[:depth]) + STEP for path in field.options for depth in range(1, path.count(STEP) + 1)
    )
    return [(path, path.rstrip(STEP).replace(STEP, " / ")) for path in sorted({*branches, *field.options})]
