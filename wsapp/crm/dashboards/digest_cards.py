"""What digests say: what is out of order first, then what was done, compared with what is usual."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from wsapp.crm.dashboards.figures import CUSTOMERS, FAR, FOLLOW_UPS, VERIFIED, VISITS, Counted
from wsapp.crm.dashboards.rounds import DAILY
from wsapp.crm.notifications.messages import Card, link
from wsapp.crm.pools.words import tell_date
from wsapp.texts import _, lazy

NAMED = 3  # people named in a line
TITLES: dict[str, Any] = {
    CUSTOMERS: lazy("新增客户"),
    FOLLOW_UPS: lazy("跟进"),
    VISITS: lazy("拜访"),
    VERIFIED: lazy("位置已核实的拜访"),
    FAR: lazy("离客户较远的拜访"),
}


@dataclass(frozen=True)
class Digest:
    """The figures of a day or a week. `overdue`, `idle`: names of people with how many tasks, or who did nothing."""

    figures: dict[str, Counted]
    overdue: dict[str, int]
    leaving: int
    idle: Sequence[str]

    def __bool__(self) -> bool:
        done = any(one.now or one.usual for one in self.figures.values())
        return bool(done or self.overdue or self.leaving)


def digest_card(found: Digest, one: str, day: date, *, in_group: bool) -> Card:
    """Return the card of a digest. In a group nobody is named."""
    is_daily = one == DAILY
    title = _("团队日报 · %(day)s", day=tell_date(day)) if is_daily else _("团队周报 · %(day)s 起", day=tell_date(day))
    wrong = exceptions(found, in_group=in_group)
    return {
        "title": title,
        "text": "" if wrong else _("没有异常"),
        "lines": [*wrong, *([str(TITLES[name]), said(found.figures[name])] for name in _shown(found))],
        "url": link(f"/h5/board?span={'day' if is_daily else 'week'}&day={day}"),
        "buttons": [],
        "source": _("团队日报") if is_daily else _("团队周报"),
        "state": "",
    }


def _shown(found: Digest) -> Sequence[str]:
    return [one for one in (CUSTOMERS, FOLLOW_UPS, VISITS) if one in found.figures]


def exceptions(found: Digest, *, in_group: bool) -> list[list[str]]:
    """Return what is out of order as (label, value) lines."""
    lines = []
    if found.overdue:
        lines.append([_("逾期待办"), _overdue(found.overdue, in_group=in_group)])
    if found.leaving:
        lines.append([_("即将回收"), _("%(n)d 个客户", n=found.leaving)])
    if found.idle:
        lines.append([_("没有动静"), _idle(found.idle, in_group=in_group)])
    far = found.figures.get(FAR)
    if far and far.now:
        lines.append([_("位置较远"), _("%(n)d 次拜访", n=far.now)])
    return lines


def _overdue(overdue: dict[str, int], *, in_group: bool) -> str:
    total = _("%(n)d 条", n=sum(overdue.values()))
    if in_group:
        return total
    named = _("、").join(f"{name} {count}" for name, count in list(overdue.items())[:NAMED])
    return f"{total}：{named}" + (_(" 等 %(n)d 人", n=len(overdue)) if len(overdue) > NAMED else "")


def _idle(people: Sequence[str], *, in_group: bool) -> str:
    if in_group:
        return _("%(n)d 人", n=len(people))
    named = _("、").join(people[:NAMED])
    return named + (_(" 等 %(n)d 人", n=len(people)) if len(people) > NAMED else "")


def said(one: Counted) -> str:
    """Return a figure with what is usual: "12（平时 8.5）"."""
    if one.usual is None:
        return str(one.now)
    return _("%(now)d（平时 %(usual)s）", now=one.now, usual=f"{one.usual:.1f}".removesuffix(".0"))
