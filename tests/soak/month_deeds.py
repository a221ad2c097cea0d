"""What people do in a simulated month, by chance from a seed: possible deeds in a plausible measure.

It looks at the reference's lists to know what there is to finish, move or visit; nothing here knows the product.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time
from random import Random
from typing import Any

from tests.soak.calendar_days import DAY, MINUTE
from tests.soak.calendar_reference import Reference
from tests.soak.month_firm import OWN_HOURS, SWITCHED_OFF
from tests.soak.month_records import Deed, Task

SATURDAY = 5
BURST = 30
FREE_DAY = 0.05  # of the work of a working day that is done on a free one
BEFORE = ((0,), (0, 15), (30,), (0, 60, 1440), (10,), ())
SNOOZES = (20, 60, 180, 60 * 18)  # minutes
# How often each is tried, in a hundred deeds.
MEASURE = {
    "create_task": 19,
    "complete": 30,
    "follow_up": 22,
    "visit": 5,
    "check_out": 5,
    "move": 5,
    "note": 4,
    "snooze": 4,
    "assign": 2.5,
    "cancel": 1.5,
    "ask": 1.5,
    "plan": 3,
    "visit_planned": 2,
    "cancel_plan": 0.7,
    "hand": 0.6,
    "release": 0.4,
    "claim": 0.4,
    "watch": 4,
    "create_customer": 2,
    "leave": 0.15,
    "wish": 0.12,
}


class Chance:
    """Draws the deeds of one half of the firm. `each`: how many a person does on a working day, about."""

    def __init__(self, reference: Reference, seed: str, each: float) -> None:
        self.reference = reference
        self.half = reference.half
        self.random = Random(seed)
        self.each = each
        self.last = 0
        self.touched: set[Any] = set()
        self.changed: set[str] = set()  # who changed what they wish
        self.drawers: dict[str, Callable[[str, datetime], Deed | None]] = {
            kind: getattr(self, f"_{kind}") for kind in MEASURE
        }

    def number(self) -> int:
        self.last += 1
        return self.last

    # --- when ------------------------------------------------------------------------------------------------

    def minutes(self, day: date, zone: Any) -> list[tuple[datetime, str]]:
        """Who does something in which minute of a day, in order."""
        share = 1 if self.reference.rules.works(day) else FREE_DAY
        found = []
        for userid, person in self.half.people.items():
            mean = self.each * share * (0.1 if person.is_away(day) else 1)
            count = int(mean) + (self.random.random() < mean - int(mean))
            found += [(datetime.combine(day, self._time(), zone), userid) for _number in range(count)]
        return sorted(found, key=lambda pair: pair[0])

    def _time(self) -> time:
        draw = self.random.random()
        first, last = (8 * 60 + 1, 20 * 60) if draw < 0.88 else (20 * 60, 23 * 60 + 30) if draw < 0.95 else (360, 480)
        minute = self.random.randrange(first, last)
        return time(minute // 60, minute % 60)

    def draw(self, actor: str, now: datetime) -> Deed | None:
        """Something that the actor can do now, None when nothing came to mind."""
        kinds, weights = list(MEASURE), list(MEASURE.values())
        for kind in self.random.choices(kinds, weights, k=4):
            deed = self.drawers[kind](actor, now)
            if deed is not None:
                return deed
        return None

    def new_minute(self) -> None:
        """Two deeds of one minute never touch the same thing: which of them comes first nobody promises."""
        self.touched.clear()

    def _pick(self, kind: str, found: Iterator[Any]) -> Any:
        free = [one for one in found if (kind, one.number) not in self.touched]
        if not free:
            return None
        one = self.random.choice(free)
        self.touched.add((kind, one.number))
        return one

    # --- tasks -----------------------------------------------------------------------------------------------

    def _due(self, now: datetime) -> datetime:
        draw = self.random.random()
        if draw < 0.04:
            return now.replace(minute=0) - self.random.choice((1, 2, 4)) * DAY
        if draw < 0.3:
            ahead = now + self.random.randrange(10, 240) * MINUTE
            return ahead - ahead.minute % 5 * MINUTE + 5 * MINUTE
        day = now.date() + self.random.choice((1, 1, 1, 2, 3, 5)) * DAY
        at = time(self.random.choice((9, 10, 11, 14, 15, 16, 17)), self.random.choice((0, 0, 15, 30, 40)))
        return datetime.combine(day, at, now.tzinfo)

    def _create_task(self, actor: str, now: datetime) -> Deed:
        number, due = self.number(), self._due(now)
        all_day = self.random.random() < 0.08
        if all_day:
            due = datetime.combine(due.date(), time(), now.tzinfo)
        kind = self.random.choice(("follow_up", "visit", "call", "other", "other"))
        customer = self._customer_of(actor) if kind != "other" else None
        more = {
            "title": f"T{number} {self.random.choice(WORK)}",
            "assignee": self._other(actor) if self.random.random() < 0.12 else actor,
            "kind": kind,
            "due": due,
            "all_day": all_day,
            "before": self.random.choice(BEFORE),
            "customer": customer.number if customer else None,
        }
        if self.random.random() < 0.06 and due > now:
            repeat = self.random.choice(("daily", "weekly"))
            never = repeat == "weekly" and due.weekday() >= SATURDAY  # skipped on all free days, it would end there
            more |= {"repeat": repeat, "free": "keep" if never else self.random.choice(FREE)}
        return Deed("create_task", actor, number, more)

    def _other(self, actor: str) -> str:
        """Somebody whom the actor may give work to: their team, or whoever leads them."""
        team = sorted(self.half.team(actor) - {actor})
        leader = self.half.leader(actor)
        return self.random.choice(team) if team else leader.userid if leader else actor

    def _open(self, actor: str) -> Iterator[Task]:
        return iter(self.reference.open[actor].values())

    def _near(self, actor: str, now: datetime) -> Iterator[Task]:
        return (one for one in self._open(actor) if one.due < now + DAY)

    def _complete(self, actor: str, now: datetime) -> Deed | None:
        task = self._pick("task", self._near(actor, now))
        if task is None:
            return None
        return Deed("complete", actor, task.number, {"next": self.number()} if task.repeat else {})

    def _move(self, actor: str, now: datetime) -> Deed | None:
        task = self._pick("task", (one for one in self._near(actor, now) if not one.repeat))
        if task is None:
            return None
        due = self._due(now)
        if task.all_day:
            due = datetime.combine(due.date(), time(), now.tzinfo)
        return Deed("move", actor, task.number, {"due": due}) if due != task.due else None

    def _note(self, actor: str, now: datetime) -> Deed | None:
        task = self._pick("task", self._near(actor, now))
        return task and Deed("note", actor, task.number, {"note": f"备注 {self.number()}"})

    def _snooze(self, actor: str, now: datetime) -> Deed | None:
        task = self._pick("task", self._near(actor, now))
        until = now + self.random.choice(SNOOZES) * MINUTE
        return task and Deed("snooze", actor, task.number, {"until": until})

    def _cancel(self, actor: str, now: datetime) -> Deed | None:
        task = self._pick("task", self._near(actor, now))
        return task and Deed("cancel", actor, task.number)

    def _assign(self, actor: str, now: datetime) -> Deed | None:
        """A leader gives what one of their people has to another; anybody gives what they have away."""
        team = self.half.team(actor)
        whose = self.random.choice(sorted(team))
        task = self._pick("task", self._open(whose))
        taker = self._other(actor)
        if task is None or taker == task.assignee:
            return None
        return Deed("assign", actor, task.number, {"assignee": taker})

    def _ask(self, actor: str, now: datetime) -> Deed | None:
        team = sorted(self.half.team(actor) - {actor})
        if not team:
            return None
        mine = (one for one in self._near(self.random.choice(team), now) if self._may_ask(one, now))
        task = self._pick("task", mine)
        return task and Deed("ask", actor, task.number)

    def _may_ask(self, task: Task, now: datetime) -> bool:
        return task.asked_at is None or now - task.asked_at > 61 * MINUTE

    def burst(self, now: datetime) -> list[Deed]:
        """Somebody enters thirty calls for the same minute of the afternoon: more than a host lets them have."""
        person = next(one for one in reversed(self.half.people.values()) if "due" not in one.off)
        due = datetime.combine(now.date(), time(15, 5), now.tzinfo)
        facts = {"assignee": person.userid, "kind": "other", "due": due, "all_day": False, "before": (0,)}
        numbers = [self.number() for _number in range(BURST)]
        return [
            Deed("create_task", person.userid, one, {**facts, "title": f"T{one} 电话通知", "customer": None})
            for one in numbers
        ]

    # --- customers -------------------------------------------------------------------------------------------

    def _customers(self, owner: str | None) -> list[Any]:
        return [one for one in self.reference.customers.values() if one.owner == owner]

    def _customer_of(self, owner: str) -> Any:
        return self._pick("customer", iter(self._customers(owner)))

    def _create_customer(self, actor: str, now: datetime) -> Deed:
        number = self.number()
        name = f"{self.random.choice(PLACES)}{self.random.choice(TRADES)}{number}"
        level = self.random.choice(("A", "A", "B", "C", None))
        return Deed("create_customer", actor, number, {"name": name, "level": level})

    def _follow_up(self, actor: str, now: datetime) -> Deed | None:
        customer = self._customer_of(actor)
        if customer is None:
            return None
        more: dict[str, Any] = {"text": f"打过电话，谈了第 {self.number()} 次报价"}
        if self.random.random() < 0.25:
            number, due = self.number(), self._due(now)
            if due > now + 10 * MINUTE:
                more |= {"next_at": due, "next_action": f"T{number} {self.random.choice(WORK)}", "task": number}
        return Deed("follow_up", actor, customer.number, more)

    def _visit(self, actor: str, now: datetime) -> Deed | None:
        customer = self._customer_of(actor)
        return customer and Deed("visit", actor, self.number(), {"customer": customer.number})

    def _check_out(self, actor: str, now: datetime) -> Deed | None:
        mine = (one for one in self.reference.visits.values() if one.member == actor and one.is_open)
        visit = self._pick("visit", (one for one in mine if one.at.date() == now.date() and one.at < now))
        return visit and Deed("check_out", actor, visit.number)

    def _plan(self, actor: str, now: datetime) -> Deed | None:
        customer = self._customer_of(actor)
        if customer is None:
            return None
        begins = now.replace(minute=0) + self.random.choice((2, 4, 24, 26, 48)) * 60 * MINUTE
        leader = self.half.leader(actor)
        possible = sorted((self.half.team(actor) | ({leader.userid} if leader else set())) - {actor})
        along = self.random.sample(possible, min(len(possible), self.random.choice((0, 1, 1, 2))))
        more = {"customer": customer.number, "along": tuple(along), "begins": begins, "ends": begins + 60 * MINUTE}
        return Deed("plan", actor, self.number(), more)

    def _planned(self, actor: str) -> Iterator[Any]:
        return (one for one in self.reference.plans.values() if one.host == actor and one.state == "planned")

    def _visit_planned(self, actor: str, now: datetime) -> Deed | None:
        plan = self._pick("plan", (one for one in self._planned(actor) if one.begins.date() == now.date()))
        if plan is None or self.reference.customers[plan.customer].owner != actor:
            return None
        if ("customer", plan.customer) in self.touched:
            return None
        self.touched.add(("customer", plan.customer))
        return Deed("visit", actor, self.number(), {"customer": plan.customer, "plan": plan.number})

    def _cancel_plan(self, actor: str, now: datetime) -> Deed | None:
        plan = self._pick("plan", (one for one in self._planned(actor) if one.ends.date() >= now.date()))
        return plan and Deed("cancel_plan", actor, plan.number)

    def _hand(self, actor: str, now: datetime) -> Deed | None:
        team = sorted(self.half.team(actor) - {actor})
        if not team:
            return None
        customer, taker = self._customer_of(self.random.choice(team)), self.random.choice([*team, actor])
        if customer is None or taker == customer.owner:
            return None
        return Deed("hand", actor, customer.number, {"taker": taker})

    def _release(self, actor: str, now: datetime) -> Deed | None:
        customer = self._customer_of(actor)
        if customer is None:
            return None
        about = [one.number for one in self.reference.all_open() if one.customer == customer.number]
        if any(("task", one) in self.touched for one in about):
            return None
        self.touched.update(("task", one) for one in about)
        return Deed("release", actor, customer.number)

    def _claim(self, actor: str, now: datetime) -> Deed | None:
        customer = self._pick("customer", (one for one in self._customers(None) if one.former != actor))
        return customer and Deed("claim", actor, customer.number)

    def _watch(self, actor: str, now: datetime) -> Deed | None:
        """Leaders watch some of their people's customers."""
        team = sorted(self.half.team(actor) - {actor})
        customer = self._customer_of(self.random.choice(team)) if team else None
        if customer is None or actor in customer.watchers:
            return None
        return Deed("watch", actor, customer.number)

    # --- people ----------------------------------------------------------------------------------------------

    def _leave(self, actor: str, now: datetime) -> Deed | None:
        """Leave from one of the next days on, with one's leader as deputy; the boss is always there."""
        person, leader = self.half.people[actor], self.half.leader(actor)
        first = now.date() + self.random.choice((1, 1, 2, 3)) * DAY
        if leader is None or person.away or ("person", actor) in self.touched:
            return None
        self.touched.add(("person", actor))
        more = {"first": first, "last": first + self.random.randrange(4) * DAY, "deputy": leader.userid}
        return Deed("leave", actor, 0, more)

    def _wish(self, actor: str, now: datetime) -> Deed | None:
        """Somebody changes their settings while nothing is held back for them."""
        if self.reference.held[actor] or ("person", actor) in self.touched:
            return None
        self.touched.add(("person", actor))
        self.changed.add(actor)
        off = set(self.random.sample(SWITCHED_OFF, self.random.choice((0, 1, 2))))
        quiet = self.random.choice((*OWN_HOURS, self.half.people[actor].quiet))
        return Deed("wish", actor, 0, {"off": off, "quiet": quiet, "full": self.random.choice((0, 5, 10, 20))})


WORK: Sequence[str] = ("回访报价", "送样品", "催回款", "确认合同", "约见面", "发资料", "现场勘察", "核对账单")
PLACES: Sequence[str] = ("深圳", "东莞", "佛山", "惠州", "中山", "珠海", "杭州", "宁波", "苏州", "无锡", "成都", "长沙")
TRADES: Sequence[str] = ("华星五金", "远航包装", "明辉照明", "顺达物流", "金穗食品", "蓝天印刷", "宏图建材", "永安电器")
FREE: Sequence[str] = ("keep", "skip", "move")
