"""Goals (目标): how often a week each person of a corp is to visit and to follow up, and how far somebody is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from wsapp.crm.dashboards.figures import FOLLOW_UPS, VISITS, Scope, days, scope_of, totals
from wsapp.crm.org.models import Member
from wsapp.crm.org.rights import may
from wsapp.crm.org.rules import rule
from wsapp.crm.org.workdays import is_workday

GOALS: Mapping[str, str] = {VISITS: "visit", FOLLOW_UPS: "follow_up"}  # figure → of which object's records
WEEK = 7


@dataclass(frozen=True)
class Goal:
    """How often something was done this week, how often it is to be, and how much of it by tonight."""

    figure: str
    done: int
    wanted: int
    by_tonight: float


def goals_of(member: Member, day: date) -> list[Goal]:
    """Return a member's goals in the week of `day`; none where the corp set none. At most two statements."""
    wanted = {
        figure: rule(f"goal.{figure}") for figure, obj in GOALS.items() if may(member, "create", member.id, obj=obj)
    }
    wanted = {figure: number for figure, number in wanted.items() if number}
    if not wanted:
        return []
    monday = day - timedelta(days=day.weekday())
    done = totals(_own(member), [days(monday, WEEK)], tuple(wanted))
    part = _part_by_tonight(monday, day)
    return [Goal(figure, done[figure][0], number, number * part) for figure, number in wanted.items()]


def _own(member: Member) -> Scope:
    """What somebody may count of themselves: so much as the list shows that a goal opens."""
    scope = scope_of(member)
    me = frozenset({member.id})
    return replace(scope, people={obj: me if seen is None else seen & me for obj, seen in scope.people.items()})


def _part_by_tonight(monday: date, day: date) -> float:
    """Return the part of a week's working days that is over tonight; 0 in a week without any."""
    working = [one for one in (monday + timedelta(days=number) for number in range(WEEK)) if is_workday(one)]
    return sum(one <= day for one in working) / len(working) if working else 0.0
