"""A simulated month, lived through minute by minute by the product and by the reference, and the comparison of both."""

import random
import resource
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from time import perf_counter
from typing import Any

from tests.soak.calendar_days import DAY, MINUTE, MISSED_AT, ON_WORKDAYS, SILENT_AT, SUMMARIES, quiet_ends
from tests.soak.calendar_reference import Reference
from tests.soak.month_deeds import Chance
from tests.soak.month_doing import SHANGHAI
from tests.soak.month_firm import Half, half
from tests.soak.month_product import Product
from tests.soak.month_records import Deed

HALF_A_MINUTE = timedelta(seconds=30)
COMPARED = 24  # letters of a title: the hosts' cards cut what is longer
# In life the scheduler ticks each minute. Here it ticks where that may matter, and every `Shape.grid` minutes besides:
# all of them would take an hour more.
TICKS = {MISSED_AT, SILENT_AT, *(time(hour, half) for hour in (8, 9, 10, 17, 18) for half in (0, 30))}
MOST_MEMORY = 1500  # MB, with both hosts' chats of a month among it
# What the hosts let one person, or one app, have; see docs/messages.md.
MOST_IN_A_MINUTE = {"wecom": 30, "dingtalk": None}
MOST_IN_AN_HOUR = {"wecom": 1000, "dingtalk": None}
MOST_IN_A_DAY = {"wecom": None, "dingtalk": 500}
MOST_OF_THE_APP = {"wecom": None, "dingtalk": 4500}

Key = tuple[str, str, datetime, str]  # host, userid, minute, title


@dataclass(frozen=True)
class Shape:
    """How large a month is. `each`: deeds of a person on a working day; `customers`: of each at the start; `grid`:
    minutes between the scheduler's ticks; `turns`: what happens at noon besides, as (day, name, value)."""

    people: int
    first: date
    days: int
    each: float
    grid: int
    customers: int = 6
    turns: Sequence[tuple[date, str, Any]] = ()
    seed: int = 20260914


@dataclass
class Account:
    """What came of a month."""

    predicted: Counter[Key] = field(default_factory=Counter)
    arrived: Counter[Key] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    stopped: Counter[str] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    events: int = 0
    seconds: float = 0.0
    memory: int = 0  # MB

    def lines(self) -> list[str]:
        """The summary, as it stands in docs/benchmarks.md."""
        kinds = "、".join(f"{kind} {count}" for kind, count in sorted(self.kinds.items()))
        stopped = ", ".join(f"{why}: {count}" for why, count in sorted(self.stopped.items()))
        deeds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.deeds.items()))
        return [
            f"{sum(self.deeds.values())} deeds, {self.events} events, {self.arrived.total()} messages",
            f"messages: {kinds}",
            f"not sent by themselves: {stopped}",
            f"deeds: {deeds}",
            f"{self.seconds:.0f} s, {self.memory} MB",
        ]


class Month:
    """Two halves of a firm, a reference for each, and what they do."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        chance = Random(shape.seed)
        self.halves = [half(host, shape.people // 2, chance) for host in ("wecom", "dingtalk")]
        self.references = {one.host: Reference(one) for one in self.halves}
        self.chances = {
            one.host: Chance(self.references[one.host], f"{shape.seed}{one.host}", shape.each) for one in self.halves
        }
        self.deeds: Counter[str] = Counter()

    @property
    def begins(self) -> datetime:
        """The evening before: the firm writes down whom it has."""
        return datetime.combine(self.shape.first - DAY, datetime.min.time(), SHANGHAI) + 22 * 60 * MINUTE

    # --- living ----------------------------------------------------------------------------------------------

    def live(self, product: Product) -> Account:
        """Live through the month; returns what was predicted and what arrived."""
        began = perf_counter()
        random.seed(self.shape.seed)  # the product's own draws: in which order it looks after the corps
        self._write_customers(product)
        for number in range(self.shape.days):
            self._day(product, self.shape.first + number * DAY)
        account = self._account(product)
        account.seconds = perf_counter() - began
        account.memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        return account

    def _write_customers(self, product: Product) -> None:
        for one in self.halves:
            chance = self.chances[one.host]
            for userid in one.people:
                for _number in range(self.shape.customers):
                    self._do(product, one, chance._create_customer(userid, self.begins), self.begins)
        product.work()

    def _day(self, product: Product, day: date) -> None:
        slots = self._slots(day)
        midnight = datetime.combine(day, datetime.min.time(), SHANGHAI)
        wakes = product.next_due()
        for number in range(24 * 60):
            now = midnight + number * MINUTE
            for reference in self.references.values():
                reference.minute(now)
            ticks = number % self.shape.grid == 0 or now.time() in TICKS
            if ticks:
                product.at(now, tick=True)
            if ticks or (wakes is not None and wakes < now + HALF_A_MINUTE):
                wakes = _rest(product, now + HALF_A_MINUTE)
            if now in slots:
                product.go_to(now + HALF_A_MINUTE)
                self._people(product, slots[now], now)
                product.work()
            if now in slots or (wakes is not None and wakes < now + MINUTE):
                wakes = _rest(product, now + MINUTE)

    def _slots(self, day: date) -> dict[datetime, list[tuple[Half, str]]]:
        found = defaultdict(list)
        for one in self.halves:
            for minute, userid in self.chances[one.host].minutes(day, SHANGHAI):
                found[minute].append((one, userid))
        for turn, _name, _value in self.shape.turns:
            if turn == day:
                found[datetime.combine(day, datetime.min.time(), SHANGHAI) + 12 * 60 * MINUTE] += []
        return found

    def _people(self, product: Product, doers: Iterable[tuple[Half, str]], now: datetime) -> None:
        for chance in self.chances.values():
            chance.new_minute()
        for one, userid in doers:
            deed = self.chances[one.host].draw(userid, now)
            if deed is None:
                continue
            if deed.kind == "wish":  # what was done in this minute before is told by the old wishes
                product.work()
            self._do(product, one, deed, now)
        for day, name, value in self.shape.turns:
            if (day, 12, 0) == (now.date(), now.hour, now.minute):
                self._turn(product, name, value, now)

    def _turn(self, product: Product, name: str, value: Any, now: datetime) -> None:
        if name == "burst":
            one = self.halves[0]  # WeCom: the host that limits a person's minute
            for deed in self.chances[one.host].burst(now):
                self._do(product, one, deed, now)
            return
        for one in self.halves:
            more = {"day": value[0], "works": value[1]} if name == "day" else {name: value}
            kind = "day" if name == "day" else "rules"
            self._do(product, one, Deed(kind, one.boss().userid, 0, more), now)

    def _do(self, product: Product, one: Half, deed: Deed, now: datetime) -> None:
        product.do(one, deed)
        self.references[one.host].do(deed, now)
        self.deeds[deed.kind] += 1

    # --- comparing -------------------------------------------------------------------------------------------

    def _account(self, product: Product) -> Account:
        account = Account(deeds=self.deeds, events=product.events())
        for host, reference in self.references.items():
            for one in reference.arrivals():
                account.predicted[host, one.userid, one.minute, one.title[:COMPARED]] += 1
                account.kinds[one.kind] += 1
            account.stopped.update(reference.stopped)
        for item in product.shown():
            assert not item["dropped"], item
            at = datetime.fromtimestamp(item["at"], SHANGHAI).replace(second=0, microsecond=0)
            account.arrived[item["host"], item["user"], at, item["title"][:COMPARED]] += 1
        return account

    def check(self, product: Product, account: Account) -> None:
        """Assert what the month must show."""
        missing, more = account.predicted - account.arrived, account.arrived - account.predicted
        assert _differences(missing, more) == ""
        self._check_ledger(product, account)
        self._check_quiet()
        self._check_quotas(account)
        assert product.unfinished() == []
        assert account.memory < MOST_MEMORY

    def _check_ledger(self, product: Product, account: Account) -> None:
        sent: Counter[str] = Counter()
        for states in product.ledger().values():
            assert {state for _kind, state in states} <= {"accepted", "delivered", "suppressed", "planned", "acted"}
            for (kind, state), count in states.items():
                if state in ("accepted", "delivered", "acted"):
                    sent[kind] += count
        assert sent == account.kinds

    def _check_quiet(self) -> None:
        """Nobody is disturbed in their quiet hours, nor on a free day by what can wait, except at their own minute."""
        for reference in self.references.values():
            wishes = {userid: one.quiet for userid, one in reference.half.people.items()}
            changed = self._changed_wishes()
            for one in reference.told:
                if one.chosen:
                    continue
                assert one.userid in changed or quiet_ends(wishes[one.userid], one.minute) == one.minute, one
                if one.kind in ON_WORKDAYS | SUMMARIES:
                    assert reference.rules.works(one.minute.date()), one

    def _changed_wishes(self) -> set[str]:
        return {userid for chance in self.chances.values() for userid in chance.changed}

    def _check_quotas(self, account: Account) -> None:
        by_person: defaultdict[tuple[str, str], list[datetime]] = defaultdict(list)
        by_app: defaultdict[str, list[datetime]] = defaultdict(list)
        for (host, userid, minute, _title), count in account.arrived.items():
            by_person[host, userid] += [minute] * count
            by_app[host] += [minute] * count
        for (host, _userid), minutes in by_person.items():
            assert _most(minutes, MINUTE) <= (MOST_IN_A_MINUTE[host] or len(minutes))
            assert _most(minutes, 60 * MINUTE) <= (MOST_IN_AN_HOUR[host] or len(minutes))
            assert _most(minutes, DAY) <= (MOST_IN_A_DAY[host] or len(minutes))
        for host, minutes in by_app.items():
            assert _most(minutes, MINUTE) <= (MOST_OF_THE_APP[host] or len(minutes))


def _rest(product: Product, until: datetime) -> datetime | None:
    """Wake as a worker does, whenever something is due before `until`; returns when the next is."""
    while (wakes := product.next_due()) is not None and wakes < until:
        product.at(wakes, tick=False)
    return wakes


def _most(moments: list[datetime], length: timedelta) -> int:
    """The most of the moments that lie within any stretch of such a length."""
    moments.sort()
    begin = most = 0
    for end, moment in enumerate(moments):
        while moment - moments[begin] >= length:
            begin += 1
        most = max(most, end - begin + 1)
    return most


def _differences(missing: Counter[Key], more: Counter[Key]) -> str:
    if not missing and not more:
        return ""

    def told(found: Counter[Key]) -> str:
        rows = sorted(found.items(), key=lambda pair: (pair[0][2], pair[0]))[:12]
        return "\n".join(
            f"  {minute:%m-%d %H:%M} {host} {userid} {title} × {count}" for (host, userid, minute, title), count in rows
        )

    return f"{missing.total()} did not come:\n{told(missing)}\n{more.total()} came unpredicted:\n{told(more)}"
