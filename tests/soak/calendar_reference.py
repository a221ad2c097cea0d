"""A reference calendar: who gets which message in which minute, worked out from what the documents promise.

Written apart from the product, of which it imports nothing, and in another way: it walks from minute to minute and from
day to day over plain lists, plans nothing ahead and keeps no queue. See docs/follow-through.md, docs/briefs.md,
docs/visits.md and the notification settings.

Within a minute things happen in this order, which matters only where somebody's tenth message of the day is among
them: what was held back goes out, reminders ring, steps of the ladder in the order in which they were planned, then
rounds; what people do comes after that.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta

from tests.soak.month_firm import Half, Hours
from tests.soak.month_records import Customer, Deed, Message, Plan, Task, Visit

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
# The State Council's notice for 2026: Mid-Autumn and National Day, and the weekends worked instead.
HOLIDAYS = {date(2026, 9, 25) + n * DAY for n in range(3)} | {date(2026, 10, 1) + n * DAY for n in range(7)}
MADE_UP = {date(2026, 9, 20), date(2026, 10, 10)}
STILL_NEWS = timedelta(minutes=2)
COLLECTIONS = (time(8, 30), time(18))
SILENT_AT = time(8, 40)
MISSED_AT = time(0, 5)
SILENT_AFTER = {"A": 7, "B": 15, "C": 30, "D": 60, None: 30}
MOST_IN_A_MINUTE = {"wecom": 25}  # for one person
LEAVES_NO_TRACE = "digest"  # the kind of a message that speaks of several

TOPIC = {
    "task.due": "due",
    "task.snooze": "due",
    "task.assigned": "assigned",
    "task.handed_over": "assigned",
    "task.overdue": "overdue",
    "task.asked": "overdue",
    "team.overdue": "team_overdue",
    "customer.assigned": "customers",
    "customer.lost": "customers",
    "brief.morning": "briefs",
    "brief.evening": "briefs",
    "digest.daily": "digests",
    "digest.weekly": "digests",
    "customer.silent": "silent",
    "visit.checked_in": "team_visits",
    "visit.planned": "plans",
    "visit.soon": "visit_soon",
    "visit.cancelled": "plans",
    "visit.missed": "plans",
}
ON_WORKDAYS = {"task.overdue", "team.overdue", "customer.silent"}
CHOSEN = {"task.due", "task.snooze", "visit.soon"}  # a person chose the minute
SUMMARIES = {"brief.morning", "brief.evening", "digest.daily", "digest.weekly"}
ABOUT_TASKS = {"task.assigned", "task.overdue", "task.asked", "team.overdue"}


@dataclass
class Rules:
    """What the corp has set; changes of it come in the middle of the month."""

    steps: tuple[int, ...] = (1, 3, 5, 7)
    ladder_at: time = time(9)
    all_day_at: time = time(8, 30)
    morning: time = time(8, 30)
    evening: time = time(18)
    daily: time = time(18, 30)
    weekly: time = time(9)
    before_visits: int = 30  # minutes
    own_days: dict[date, bool] = field(default_factory=dict)


@dataclass
class Held:
    """A message that waits: until when, and whether for nothing but the end of quiet hours."""

    kind: str
    title: str
    until: datetime
    quiet: bool
    task: Task | None


class Reference:
    """One half of the firm, minute by minute. `told`: what was predicted; `stopped`: how many never went, and why."""

    def __init__(self, half: Half) -> None:
        self.half = half
        self.rules = Rules()
        self.tasks: dict[int, Task] = {}
        self.open: defaultdict[str, dict[int, Task]] = defaultdict(dict)  # of them what is to be done, by assignee
        self.customers: dict[int, Customer] = {}
        self.plans: dict[int, Plan] = {}
        self.visits: dict[int, Visit] = {}
        self.told: list[Message] = []
        self.stopped: Counter[str] = Counter()
        self.held: defaultdict[str, list[Held]] = defaultdict(list)
        self.count: Counter[tuple[str, date]] = Counter()  # messages whose minute nobody chose, by person and day
        self.follow_ups: Counter[tuple[str, date]] = Counter()
        self.visited: Counter[tuple[str, date]] = Counter()
        self.finished: Counter[tuple[str, date]] = Counter()
        self.plan_number = 0
        self.visits_soon: defaultdict[datetime, list[Plan]] = defaultdict(list)
        self.bells: defaultdict[datetime, list[Task]] = defaultdict(list)  # where to look for reminders that ring

    # --- the calendar ----------------------------------------------------------------------------------------

    def works(self, day: date) -> bool:
        if day in self.rules.own_days:
            return self.rules.own_days[day]
        return day in MADE_UP or (day.weekday() < 5 and day not in HOLIDAYS)

    def workday_from(self, day: date) -> date:
        while not self.works(day):
            day += DAY
        return day

    def is_first_of_week(self, day: date) -> bool:
        monday = day - day.weekday() * DAY
        return day == self.workday_from(monday)

    # --- telling ---------------------------------------------------------------------------------------------

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
        if kind in ON_WORKDAYS and not self.works(until.date()):
            day = self.workday_from(until.date())
            until = quiet_ends(person.quiet, datetime.combine(day, COLLECTIONS[0], now.tzinfo))
        if until == now:
            self._goes(userid, kind, title, now)
        else:
            self.held[userid].append(Held(kind, title, until, quiet, task))

    def _goes(self, userid: str, kind: str, title: str, now: datetime) -> None:
        self.told.append(Message(userid, now, kind, title))
        if kind != LEAVES_NO_TRACE:
            self.count[userid, now.date()] += 1

    def _let_go(self, userid: str, now: datetime) -> None:
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
            return is_put_off or not self._is_late(task, now)
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

    # --- a minute --------------------------------------------------------------------------------------------

    def minute(self, now: datetime) -> None:
        """Let everything happen that the clock alone brings about."""
        for userid in sorted(self.held):
            if any(one.until <= now for one in self.held[userid]):
                self._let_go(userid, now)
        for task in self.bells.pop(now, ()):
            self._ring(task, now)
        for plan in self.visits_soon.pop(now, ()):
            self._remind_of_visit(plan, now)
        if now.time() == MISSED_AT:
            self._miss_plans(now)
        works, at = self.works(now.date()), now.time()
        if not works:
            return
        if at == self.rules.ladder_at:
            self._climb(now)
        if at == SILENT_AT:
            self._tell_of_silence(now)
        if at == self.rules.morning:
            self._briefs(now, self._morning)
        if at == self.rules.evening:
            self._briefs(now, self._evening)
        if at == self.rules.daily:
            self._digests(now, "digest.daily", now.date(), f"团队日报 · {said(now.date())}")
        if at == self.rules.weekly and self.is_first_of_week(now.date()):
            monday = now.date() - now.weekday() * DAY - 7 * DAY
            self._digests(now, "digest.weekly", monday, f"团队周报 · {said(monday)} 起")

    # --- reminders -------------------------------------------------------------------------------------------

    def plan(self, task: Task, now: datetime) -> None:
        """Set a task's bells: a put-off task rings once at its hour, any other at each offset, each once."""
        self.plan_number += 1
        task.planned = self.plan_number
        task.pending = []
        if not task.is_open:
            return
        if task.put_off is not None and task.put_off > now:
            task.pending = [(task.put_off, "task.snooze")]
        else:
            base = task.due
            if task.all_day:
                base = datetime.combine(task.due.date(), self.rules.all_day_at, task.due.tzinfo)
            moments = {base - minutes * MINUTE for minutes in task.before} - task.rang
            task.pending = [(one, "task.due") for one in sorted(moments) if one > now - STILL_NEWS]
        for moment, _kind in task.pending:
            self.bells[moment].append(task)
        self._ring(task, now)

    def _ring(self, task: Task, now: datetime) -> None:
        ringing = [one for one in task.pending if one[0] <= now]
        task.pending = [one for one in task.pending if one[0] > now]
        for moment, kind in ringing:
            if kind == "task.due":
                task.rang.add(moment)
            if task.is_open:
                self.tell(task.assignee, kind, task.title, now)

    def _is_late(self, task: Task, now: datetime) -> bool:
        ends = task.due + DAY if task.all_day else task.due
        return ends <= now

    def all_open(self) -> list[Task]:
        return [task for theirs in self.open.values() for task in theirs.values()]

    def _due_tonight(self, userid: str, now: datetime) -> list[Task]:
        """What somebody has to do today, without what is put off."""
        theirs = self.open[userid].values()
        awake = [one for one in theirs if one.put_off is None or one.put_off <= now]
        return [one for one in awake if one.due.date() <= now.date()]

    # --- the ladder ------------------------------------------------------------------------------------------

    def _climb(self, now: datetime) -> None:
        ringing = [task for task in self.all_open() if self._steps_today(task, now.date())]
        for task in sorted(ringing, key=lambda one: one.planned):
            taken, _last = task.climbed.get(task.due, (0, None))
            task.climbed[task.due] = (taken + 1, now.date())
            self.plan_number += 1
            task.planned = self.plan_number
            leaders = [one for one in self.half.chain(task.assignee) if not one.is_away(now.date())]
            if taken < 2:
                self.tell(task.assignee, "task.overdue", task.title, now, task=task)
            if 0 < taken <= len(leaders):
                name = self.half.people[task.assignee].name
                title = f"{name} 的待办已逾期：{task.title}"
                self.tell(leaders[taken - 1].userid, "team.overdue", title, now, task=task)

    def _steps_today(self, task: Task, today: date) -> bool:
        due = task.due.date()
        if today <= due:
            return False
        taken, last = task.climbed.get(task.due, (0, None))
        if taken >= len(self.rules.steps) or self._is_answered(task):
            return False
        left_alone = [one for one in (last, task.put_off.date() if task.put_off else None) if one is not None]
        person = self.half.people[task.assignee]
        if any(today <= one for one in left_alone) or person.is_away(today):
            return False
        days = ((due + n * DAY) for n in range(1, (today - due).days + 1))
        return sum(self.works(day) and not person.is_away(day) for day in days) >= self.rules.steps[taken]

    def _is_answered(self, task: Task) -> bool:
        if task.customer is None or task.kind not in ("follow_up", "call", "visit"):
            return False
        customer = self.customers[task.customer]
        return any(one is not None and one >= task.due for one in (customer.followed, customer.visited))

    # --- silence ---------------------------------------------------------------------------------------------

    def _tell_of_silence(self, now: datetime) -> None:
        silent: defaultdict[str, list[Customer]] = defaultdict(list)
        for customer in self.customers.values():
            if customer.owner and self._is_silent(customer, now.date()):
                silent[customer.owner].append(customer)
        for userid, theirs in silent.items():
            if self.half.people[userid].is_away(now.date()):
                continue
            for one in theirs:
                one.told = (userid, one.last_contact())
            first = theirs[0]
            days = (now.date() - first.last_contact().date()).days
            many = f"{len(theirs)} 个客户长期未跟进"
            self.tell(userid, "customer.silent", many if len(theirs) > 1 else f"{first.name} 已 {days} 天未跟进", now)

    def _is_silent(self, customer: Customer, today: date) -> bool:
        since = customer.last_contact()
        if customer.owner is None or customer.told == (customer.owner, since):
            return False
        person = self.half.people[customer.owner]
        days = (since.date() + n * DAY for n in range(1, (today - since.date()).days + 1))
        return sum(not person.is_away(day) for day in days) >= SILENT_AFTER[customer.level]

    # --- briefs and digests ----------------------------------------------------------------------------------

    def _is_there(self, userid: str, now: datetime) -> bool:
        person = self.half.people[userid]
        return not person.is_away(now.date()) and quiet_ends(person.quiet, now).date() == now.date()

    def _briefs(self, now: datetime, words: Callable[[str, list[Task], datetime], tuple[str, str]]) -> None:
        for userid in self.half.people:
            if self._is_there(userid, now):
                kind, title = words(userid, self._due_tonight(userid, now), now)
                if title:
                    self.tell(userid, kind, title, now)

    def _morning(self, userid: str, tasks: list[Task], now: datetime) -> tuple[str, str]:
        late = [one for one in tasks if self._was_due(one, now)]
        visits = [one for one in tasks if one not in late and one.kind == "visit"]
        planned = [
            one
            for one in self.plans.values()
            if one.state == "planned" and one.begins.date() == now.date() and userid in (one.host, *one.along)
        ]
        counted = (
            (len(late), "逾期 {} 条"),
            (len(tasks) - len(late) - len(visits), "待办 {} 条"),
            (len(visits) + len(planned), "拜访 {} 次"),
        )
        words = "，".join(text.format(count) for count, text in counted if count)
        return "brief.morning", f"今天：{words}" if words else ""

    def _was_due(self, task: Task, now: datetime) -> bool:
        return task.due.date() < now.date() if task.all_day else task.due <= now

    def _evening(self, userid: str, tasks: list[Task], now: datetime) -> tuple[str, str]:
        today = (userid, now.date())
        done = self.finished[today]
        if not (done or tasks or self.follow_ups[today] or self.visited[today]):
            return "brief.evening", ""
        left = f"，还剩 {len(tasks)} 条" if tasks else " 待办"
        return "brief.evening", f"今天完成 {done} 条{left}".replace("条 待办", "条待办")

    def _digests(self, now: datetime, kind: str, first: date, title: str) -> None:
        length = 1 if kind == "digest.daily" else 7
        for person in self.half.people.values():
            team = self.half.team(person.userid)
            if len(team) > 1 and self._is_there(person.userid, now) and self._has_news(team, now, first, length):
                self.tell(person.userid, kind, title, now)

    def _has_news(self, team: frozenset[str], now: datetime, first: date, length: int) -> bool:
        """Whether something was done, is usual on such days, or is overdue."""
        if any(self._was_due(task, now) for one in team for task in self._due_tonight(one, now)):
            return True
        days = [first + n * DAY for n in range(length)]
        for weeks in range(1, 5):
            before = [one - weeks * 7 * DAY for one in days[:length]]
            if any(self.works(one) for one in before):
                days += before
        logged = any(self.follow_ups[one, day] or self.visited[one, day] for one in team for day in days)
        return logged or any(one.owner in team and one.created.date() in days for one in self.customers.values())

    # --- plans -----------------------------------------------------------------------------------------------

    def _miss_plans(self, now: datetime) -> None:
        for plan in self.plans.values():
            if plan.state == "planned" and plan.ends.date() < now.date():
                plan.state = "missed"
                self.tell(plan.host, "visit.missed", f"没有按计划拜访：{self.customers[plan.customer].name}", now)

    def _remind_of_visit(self, plan: Plan, now: datetime) -> None:
        if plan.state == "planned":
            for userid in (plan.host, *plan.along):
                self.tell(userid, "visit.soon", f"拜访提醒：{self.customers[plan.customer].name}", now)

    # --- what people do --------------------------------------------------------------------------------------

    def do(self, deed: Deed, now: datetime) -> None:
        """Take over what somebody did, and whom it concerns at once."""
        getattr(self, f"_do_{deed.kind}")(deed, now)

    def _name(self, userid: str) -> str:
        return self.half.people[userid].name

    def _do_create_task(self, deed: Deed, now: datetime) -> None:
        task = Task(deed.subject, creator=deed.actor, **deed.more)
        task.first_due = task.due
        self._keep(task)
        self.plan(task, now)
        if task.assignee != deed.actor:
            self.tell(task.assignee, "task.assigned", task.title, now, task=task)

    def _keep(self, task: Task) -> None:
        self.tasks[task.number] = task
        self.open[task.assignee][task.number] = task

    def _do_complete(self, deed: Deed, now: datetime) -> None:
        task = self.tasks[deed.subject]
        task.state, task.done_at, task.put_off, task.pending = "done", now, None, []
        self.finished[task.assignee, now.date()] += 1
        del self.open[task.assignee][task.number]
        if task.repeat:
            following = Task(**{**vars(task), "number": deed.more["next"], "state": "open", "done_at": None})
            following.due, following.rang, following.climbed = self.next_due(task, now), set(), {}
            following.pending, following.asked_at = [], None
            self._keep(following)
            self.plan(following, now)

    def next_due(self, task: Task, now: datetime) -> datetime:
        """When a repeating task comes back: the first of its days behind now and the last one."""
        assert task.first_due is not None
        step, moment = {"daily": 1, "weekly": 7}[task.repeat] * DAY, task.first_due
        while True:
            moment += step
            at = moment
            if task.free == "skip" and not self.works(moment.date()):
                continue
            if task.free == "move":
                at = datetime.combine(self.workday_from(moment.date()), moment.time(), moment.tzinfo)
            if at > max(now, task.due):
                return at

    def _do_cancel(self, deed: Deed, now: datetime) -> None:
        self._cancel(self.tasks[deed.subject])

    def _cancel(self, task: Task) -> None:
        task.state, task.put_off, task.pending = "cancelled", None, []
        del self.open[task.assignee][task.number]

    def _do_move(self, deed: Deed, now: datetime) -> None:
        task = self.tasks[deed.subject]
        task.due, task.put_off = deed.more["due"], None
        self.plan(task, now)

    def _do_note(self, deed: Deed, now: datetime) -> None:
        self.plan(self.tasks[deed.subject], now)

    def _do_snooze(self, deed: Deed, now: datetime) -> None:
        task = self.tasks[deed.subject]
        task.put_off = deed.more["until"]
        self.plan(task, now)

    def _do_ask(self, deed: Deed, now: datetime) -> None:
        task = self.tasks[deed.subject]
        task.asked_at = now
        self.tell(task.assignee, "task.asked", task.title, now, task=task)

    def _do_assign(self, deed: Deed, now: datetime) -> None:
        task, former, taker = self.tasks[deed.subject], self.tasks[deed.subject].assignee, deed.more["assignee"]
        del self.open[former][task.number]
        task.assignee = taker
        self._keep(task)
        self.plan(task, now)
        if taker != deed.actor:
            self.tell(taker, "task.assigned", task.title, now, task=task)
        if former not in (deed.actor, taker):
            words = f"{self._name(deed.actor)} 把待办转给了 {self._name(taker)}：{task.title}"
            self.tell(former, "task.handed_over", words, now)

    def _do_create_customer(self, deed: Deed, now: datetime) -> None:
        self.customers[deed.subject] = Customer(deed.subject, owner=deed.actor, created=now, **deed.more)

    def _do_follow_up(self, deed: Deed, now: datetime) -> None:
        self.customers[deed.subject].followed = now
        self.follow_ups[deed.actor, now.date()] += 1
        if deed.more.get("next_at"):
            facts = {"assignee": deed.actor, "kind": "follow_up", "customer": deed.subject, "due": deed.more["next_at"]}
            more = {**facts, "title": deed.more["next_action"]}
            self._do_create_task(Deed("create_task", deed.actor, deed.more["task"], more), now)

    def _do_visit(self, deed: Deed, now: datetime) -> None:
        customer = self.customers[deed.more["customer"]]
        customer.visited = now
        if "plan" in deed.more:
            self.plans[deed.more["plan"]].state = "begun"
        self.visits[deed.subject] = Visit(deed.subject, customer.number, deed.actor, now)
        self.visited[deed.actor, now.date()] += 1
        leader = self.half.leader(deed.actor)
        if leader is not None:
            self.tell(leader.userid, "visit.checked_in", f"{self._name(deed.actor)} 拜访了 {customer.name}", now)

    def _do_check_out(self, deed: Deed, now: datetime) -> None:
        self.visits[deed.subject].is_open = False

    def _do_plan(self, deed: Deed, now: datetime) -> None:
        plan = Plan(deed.subject, host=deed.actor, **deed.more)
        self.plans[plan.number] = plan
        self.visits_soon[plan.begins - self.rules.before_visits * MINUTE].append(plan)
        words = f"{self._name(deed.actor)} 邀请您一起拜访 {self.customers[plan.customer].name}"
        for userid in plan.along:
            self.tell(userid, "visit.planned", words, now)

    def _do_cancel_plan(self, deed: Deed, now: datetime) -> None:
        plan = self.plans[deed.subject]
        plan.state = "cancelled"
        words = f"{self._name(deed.actor)} 取消了拜访：{self.customers[plan.customer].name}"
        for userid in plan.along:
            self.tell(userid, "visit.cancelled", words, now)

    def _do_hand(self, deed: Deed, now: datetime) -> None:
        customer, taker = self.customers[deed.subject], deed.more["taker"]
        former, customer.owner, customer.owned = customer.owner, taker, now
        if taker != deed.actor:
            words = f"{self._name(deed.actor)} 把客户分配给您：{customer.name}"
            self.tell(taker, "customer.assigned", words, now)
        if former and former not in (deed.actor, taker):
            words = f"您的客户已转给 {self._name(taker)}：{customer.name}"
            self.tell(former, "customer.lost", words, now)

    def _do_release(self, deed: Deed, now: datetime) -> None:
        customer = self.customers[deed.subject]
        customer.former, customer.owner, customer.owned = customer.owner, None, None
        for task in self.all_open():
            if task.customer == customer.number:
                self._cancel(task)

    def _do_claim(self, deed: Deed, now: datetime) -> None:
        customer = self.customers[deed.subject]
        customer.owner, customer.owned = deed.actor, now

    def _do_leave(self, deed: Deed, now: datetime) -> None:
        self.half.people[deed.actor].away.append((deed.more["first"], deed.more["last"]))

    def _do_wish(self, deed: Deed, now: datetime) -> None:
        person = self.half.people[deed.actor]
        person.off, person.quiet, person.full = set(deed.more["off"]), deed.more["quiet"], deed.more["full"]

    def _do_rules(self, deed: Deed, now: datetime) -> None:
        for name, value in deed.more.items():
            setattr(self.rules, name, value)

    def _do_day(self, deed: Deed, now: datetime) -> None:
        self.rules.own_days[deed.more["day"]] = deed.more["works"]


def quiet_ends(hours: Hours | None, moment: datetime) -> datetime:
    """A moment, or the end of the quiet hours that it lies in."""
    if hours is None:
        return moment
    starts, ends = hours
    at = moment.time()
    inside = starts <= at < ends if starts < ends else at >= starts or at < ends
    if not inside:
        return moment
    day = moment.date() + DAY if at >= ends else moment.date()
    return datetime.combine(day, ends, moment.tzinfo)


def next_collection(now: datetime) -> datetime:
    """When the further messages of a full day go out: in the evening, or the next morning."""
    evening = datetime.combine(now.date(), COLLECTIONS[1], now.tzinfo)
    return evening if evening > now else datetime.combine(now.date() + DAY, COLLECTIONS[0], now.tzinfo)


def said(day: date) -> str:
    return f"{day.month}月{day.day}日"
