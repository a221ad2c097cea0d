"""A reference calendar's clock: what each minute brings by itself, walked through day by day over plain lists."""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date, datetime

from tests.soak.calendar_days import DAY, MINUTE, MISSED_AT, SILENT_AFTER, SILENT_AT, STILL_NEWS, quiet_ends, said
from tests.soak.calendar_post import Post
from tests.soak.month_firm import Half
from tests.soak.month_records import Customer, Plan, Task, Visit


class Clockwork(Post):
    """Half of the firm with its records, minute by minute."""

    def __init__(self, half: Half) -> None:
        super().__init__(half)
        self.tasks: dict[int, Task] = {}
        self.open: defaultdict[str, dict[int, Task]] = defaultdict(dict)  # of them what is to be done, by assignee
        self.customers: dict[int, Customer] = {}
        self.plans: dict[int, Plan] = {}
        self.visits: dict[int, Visit] = {}
        self.follow_ups: Counter[tuple[str, date]] = Counter()
        self.visited: Counter[tuple[str, date]] = Counter()
        self.finished: Counter[tuple[str, date]] = Counter()
        self.plan_number = 0
        self.visits_soon: defaultdict[datetime, list[Plan]] = defaultdict(list)
        self.bells: defaultdict[datetime, list[Task]] = defaultdict(list)  # where to look for reminders that ring

    # --- a minute --------------------------------------------------------------------------------------------

    def minute(self, now: datetime) -> None:
        """Let everything happen that the clock alone brings about."""
        for userid in sorted(self.held):
            if any(one.until <= now for one in self.held[userid]):
                self.let_go(userid, now)
        for task in self.bells.pop(now, ()):
            self._ring(task, now)
        for plan in self.visits_soon.pop(now, ()):
            self._remind_of_visit(plan, now)
        if now.time() == MISSED_AT:
            self._miss_plans(now)
        works, at = self.rules.works(now.date()), now.time()
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
        if at == self.rules.weekly and self.rules.is_first_of_week(now.date()):
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
        return sum(self.rules.works(day) and not person.is_away(day) for day in days) >= self.rules.steps[taken]

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
            if any(self.rules.works(one) for one in before):
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
