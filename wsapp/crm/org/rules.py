"""Rules (业务规则): what a corp can set, each with its default and range; what is not set follows the default.

A slice declares its own with `declare`, and asks with `rule`. The console draws its page from `declared()`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.org.models import CorpRule
from wsapp.crm.org.queries import hold_corp
from wsapp.crm.org.standing import changed, standing
from wsapp.db import db, first
from wsapp.problems import Invalid
from wsapp.texts import _


@dataclass(frozen=True)
class Rule:
    """One rule. `kind`: "number" (whole, `least`–`most`), "switch", "choice" of `choices`, "numbers" (a list),
    "lines" (a list of `least`–`most` texts, one a line).
    """

    key: str  # "<group>.<name>"
    kind: str
    default: Any
    label: Any
    least: int = 0
    most: int = 0
    unit: Any = ""
    hint: Any = ""
    choices: Sequence[tuple[str, Any]] = ()

    @property
    def group(self) -> str:
        return self.key.partition(".")[0]


LINE = 200  # characters of a line

_declared: dict[str, Rule] = {}


def declare(*found: Rule) -> None:
    """Make rules known. A key is declared once."""
    for one in found:
        if one.key in _declared:
            raise ValueError(f"the rule {one.key} is declared twice")
        _declared[one.key] = one


def declared() -> Mapping[str, Rule]:
    """Return every known rule by key, in the order in which they were declared."""
    return _declared


def rule(key: str) -> Any:
    """Return what holds for the current corp."""
    return _set_here().get(key, _declared[key].default)


def set_rules(values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Set rules of the current corp; returns the changes as key → [before, after]. Raises Invalid naming every key.

    The caller has made sure that the actor may, and records the event.
    """
    hold_corp()
    errors: dict[str, str] = {}
    clean = {key: _clean(key, value, errors) for key, value in values.items()}
    if errors:
        raise Invalid(errors)
    changes = {key: [rule(key), value] for key, value in clean.items() if rule(key) != value}
    for key, (_before, after) in changes.items():
        _keep(key, after)
    if changes:
        changed()
    return changes


def _keep(key: str, value: Any) -> None:
    row: CorpRule | None = first(sa.select(CorpRule).where(CorpRule.id == key))
    if row is None:
        row = CorpRule(id=key)
        db.session.add(row)
    row.value, row.updated_at = value, clock.now()


def _set_here() -> Mapping[str, Any]:
    return standing("rules", lambda: dict(db.session.execute(sa.select(CorpRule.id, CorpRule.value)).all()))


def _clean(key: str, value: Any, errors: dict[str, str]) -> Any:
    one = _declared.get(key)
    if one is None:
        errors[key] = _("没有这项规则")
        return None
    if one.kind == "switch":
        return value in (True, "1", "on", "true")
    if one.kind == "choice":
        if value not in {choice for choice, _label in one.choices}:
            errors[key] = _("请从列表中选择")
        return value
    if one.kind == "lines":
        return _lines(one, value, errors)
    wanted = value if isinstance(value, list) else str(value).replace("，", ",").split(",")
    numbers = [_number(one, text, errors) for text in wanted if str(text).strip()]
    if one.kind == "numbers":
        return sorted(set(numbers), reverse=True)
    if len(numbers) != 1:
        errors[key] = _("应为 %(least)d–%(most)d 的整数", least=one.least, most=one.most)
        return None
    return numbers[0]


def _number(one: Rule, text: Any, errors: dict[str, str]) -> int:
    try:
        number = int(str(text).strip())
    except ValueError:
        number = one.least - 1
    if not one.least <= number <= one.most:
        errors[one.key] = _("应为 %(least)d–%(most)d 的整数", least=one.least, most=one.most)
    return number


def _lines(one: Rule, value: Any, errors: dict[str, str]) -> list[str]:
    typed = value if isinstance(value, list) else str(value).splitlines()
    found = [line for line in (" ".join(str(text).split()) for text in typed) if line]
    if not one.least <= len(found) <= one.most or any(len(line) > LINE for line in found):
        limits = {"least": one.least, "most": one.most, "line": LINE}
        errors[one.key] = _("应为 %(least)d–%(most)d 行，每行最多 %(line)d 个字", **limits)
    return found
