"""How a reference calendar tells people: at once, after their quiet hours, on the next working day, or together."""

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime

from tests.soak.calendar_days import (
    ABOUT_TASKS,
    CHOSEN,
    COLLECTIONS,
    DAY,
    LEAVES_NO_TRACE,
    MINUTE,
    MOST_IN_A_MINUTE,
    ON_WORKDAYS,
    SUMMARIES,
    TOPIC,
    Rules,
    next_collection,
    quiet_ends,
)
from tests.soak.month_firm import Half
from tests.soak.month_records import Message, Task


@dataclass
class Held:
    """A message that waits: until when, and whether for nothing but the end of quiet hours."""

    kind: str
    title: str
    until: datetime
    quiet: bool
    task: Task | None


class Post:
    """What half of the firm is told. `told`: what was predicted; `stopped`: how many did not go as such, and why."""

    def __init__(self, half: Half) -> None:
        self.half = half
        self.rules = Rules()
        self.told: list[Message] = []
        self.stopped: Counter[str] = Counter()
        self.held: defaultdict[str, list[Held]] = defaultdict(list)
        self.count: Counter[tuple[str, date]] = Counter()  # messages whose minute nobody chose, by person and day

    def tell(self, userid: str, kind: str, title: str, now: datetime, *, task: Task | None = None) -> None:
        """Have somebody told at the earliest minute that is allowed."""
        person = self.half.people[userid]
        if TOPIC[kind] in person.off:
            self.stopped["switched off"] += 1
            return
        if kind in CHOSEN:
            self.told.append(Message(userid, now, kind, title, chosen=True))
            return
        until, quiet = quiet_ends(person.quiet, now), True
        if until == now:
            is_full = person.full and self.count[userid, now.date()] >= person.full
            if is_full and kind not in SUMMARIES:
                until, quiet = quiet_ends(person.quiet, next_collection(now)), False
        if kind in ON_WORKDAYS and not self.rules.works(until.date()):
            day = self.rules.workday_from(until.date())
            until = quiet_ends(person.quiet, datetime.combine(day, COLLECTIONS[0], now.tzinfo))
        if until == now:
            self._goes(userid, kind, title, now)
        else:
            self.held[userid].append(Held(kind, title, until, quiet, task))

    def _goes(self, userid: str, kind: str, title: str, now: datetime) -> None:
        self.told.append(Message(userid, now, kind, title))
        if kind != LEAVES_NO_TRACE:
            self.count[userid, now.date()] += 1

    def let_go(self, userid: str, now: datetime) -> None:
        """What waited for a person until now goes out: several as one, a summary always by itself."""
        due = [one for one in self.held[userid] if one.until <= now]
        self.held[userid] = [one for one in self.held[userid] if one.until > now]
        wanted = [one for one in due if not self._why_not(userid, one, now)]
        self.stopped["done or moved meanwhile"] += len(due) - len(wanted)
        together = [one for one in wanted if one.kind not in SUMMARIES]
        if len(together) > 1:
            words = "免打扰期间有" if all(one.quiet for one in together) else "又有"
            self._goes(userid, LEAVES_NO_TRACE, f"{words} {len(together)} 条消息", now)
            self.stopped["merged"] += len(together)
            wanted = [one for one in wanted if one.kind in SUMMARIES]
        for one in wanted:
            self.stopped["moved"] += 1
            self._goes(userid, one.kind, one.title, now)

    def _why_not(self, userid: str, one: Held, now: datetime) -> bool:
        if TOPIC[one.kind] in self.half.people[userid].off:
            return True
        task = one.task
        if task is None or one.kind not in ABOUT_TASKS:
            return False
        if not task.is_open or (one.kind != "team.overdue" and task.assignee != userid):
            return True
        is_put_off = task.put_off is not None and task.put_off > now
        if one.kind in ("task.overdue", "team.overdue"):
            return is_put_off or not is_late(task, now)
        return False

    def arrivals(self) -> list[Message]:
        """What was told, with what one person gets in one minute within the host's rate: the rest comes a minute
        later."""
        most = MOST_IN_A_MINUTE.get(self.half.host)
        if most is None:
            return self.told
        found, waits = [], 0
        taken: Counter[tuple[str, datetime]] = Counter()
        for one in sorted(self.told, key=lambda one: one.minute):
            minute = one.minute
            while taken[one.userid, minute] >= most:
                minute += MINUTE
            taken[one.userid, minute] += 1
            waits += minute != one.minute
            found.append(replace(one, minute=minute))
        self.stopped["moved by the host's rate"] = waits
        return found


def is_late(task: Task, now: datetime) -> bool:
    """Whether a task is overdue: one for a whole day has the day."""
    return (task.due + DAY if task.all_day else task.due) <= now
