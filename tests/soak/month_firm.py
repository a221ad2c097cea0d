"""The firm of a simulated month, as plain data: two halves, one at each host; departments three deep, people in them,
what each wants to hear and when. Both the reference and whoever sets the product up read it from here."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, time
from random import Random

TEAM = 8  # people of a group, its leader among them
GROUPS = 4  # of a division
ROOT = 1
QUIET = (time(21), time(8))  # of config.toml, as the month has it
FULL = 10  # messages a day, after which the further ones come together

Hours = tuple[time, time]
# Own quiet hours: other than the corp's, into the ladder's minute, over noon, over the evening, none.
OWN_HOURS: Sequence[Hours | None] = (
    (time(22), time(7)),
    (time(19), time(9, 30)),
    (time(12), time(13, 30)),
    (time(17, 45), time(8)),
    None,
)
SWITCHED_OFF = ("overdue", "briefs", "team_visits", "silent", "assigned", "due", "digests", "plans", "team_overdue")


@dataclass
class Person:
    """Somebody: userid, name, where they are and what they lead (department ids), and what they wish."""

    userid: str
    name: str
    home: int
    leads: int | None = None
    quiet: Hours | None = QUIET
    off: set[str] = field(default_factory=set)
    full: int = FULL
    away: list[tuple[date, date]] = field(default_factory=list)

    def is_away(self, day: date) -> bool:
        return any(first <= day <= last for first, last in self.away)


@dataclass
class Half:
    """The people of one host. Departments: id → (name, parent)."""

    host: str
    departments: dict[int, tuple[str, int]]
    people: dict[str, Person]

    def upwards(self, department: int) -> list[int]:
        found = []
        while department:
            found.append(department)
            department = self.departments[department][1]
        return found

    def leader(self, userid: str) -> Person | None:
        """Whoever leads somebody's department, or the nearest above it."""
        for department in self.upwards(self.people[userid].home):
            for one in self.people.values():
                if one.leads == department and one.userid != userid:
                    return one
        return None

    def chain(self, userid: str) -> list[Person]:
        """The leaders above somebody, the nearest first."""
        found: list[Person] = []
        above = self.leader(userid)
        while above is not None:
            found.append(above)
            above = self.leader(above.userid)
        return found

    def team(self, userid: str) -> frozenset[str]:
        """Whoever belongs to what somebody leads, or below, and they themselves."""
        led = self.people[userid].leads
        below = (one.userid for one in self.people.values() if led is not None and led in self.upwards(one.home))
        return frozenset({userid, *below})

    def boss(self) -> Person:
        return next(one for one in self.people.values() if one.leads == ROOT)


def half(host: str, people: int, chance: Random) -> Half:
    """Return so many people at a host: a boss, a director for each division, groups with a leader each."""
    made = Half(host, {ROOT: ("森林集团", 0)}, {})

    def add(home: int, leads: int | None = None) -> None:
        number = len(made.people)
        userid = f"{host[0]}{number:03d}"
        made.people[userid] = Person(userid, f"员工{host[0].upper()}{number:03d}", home, leads)

    add(ROOT, ROOT)
    group = division = 0
    while len(made.people) < people:
        if group % GROUPS == 0:
            division = len(made.departments) + 1
            made.departments[division] = (f"第{division}事业部", ROOT)
            add(division, division)
        group += 1
        here = len(made.departments) + 1
        made.departments[here] = (f"第{here}组", division)
        for number in range(min(TEAM, max(2, people - len(made.people)))):
            add(here, here if number == 0 else None)
    _give_wishes(made, chance)
    return made


def _give_wishes(made: Half, chance: Random) -> None:
    for one in made.people.values():
        if chance.random() < 0.12:
            one.off = set(chance.sample(SWITCHED_OFF, chance.choice((1, 1, 2))))
        if chance.random() < 0.15:
            one.quiet = chance.choice(OWN_HOURS)
        if chance.random() < 0.15:
            one.full = chance.choice((0, 5, 20))
