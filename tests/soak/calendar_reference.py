"""A reference calendar: who gets which message in which minute, worked out from what the documents promise.

Written apart from the product, of which it imports nothing, and in another way: it walks from minute to minute and from
day to day over plain lists, plans nothing ahead and keeps no queue. See docs/follow-through.md, docs/briefs.md,
docs/visits.md and the notification settings.

Within a minute things happen in this order, which matters only where somebody's tenth message of the day is among
them: what was held back goes out, reminders ring, steps of the ladder in the order in which they were planned, then
rounds; what people do comes after that.
"""

from datetime import datetime

from tests.soak.calendar_days import DAY, MINUTE
from tests.soak.calendar_minutes import Clockwork
from tests.soak.month_records import Customer, Deed, Plan, Task, Visit


class Reference(Clockwork):
    """Half of the firm: its clock, and what people do, each deed with whom it concerns at once."""

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
        if task.customer is not None:
            self._tell_watchers(self.customers[task.customer], f"完成待办：{task.title}", {deed.actor}, now)
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
            if task.free == "skip" and not self.rules.works(moment.date()):
                continue
            if task.free == "move":
                at = datetime.combine(self.rules.workday_from(moment.date()), moment.time(), moment.tzinfo)
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
        customer = self.customers[deed.subject]
        customer.followed = now
        self._tell_watchers(customer, f"记录跟进：{customer.name}", {deed.actor}, now)
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
        informed = {deed.actor, *([leader.userid] if leader else [])}
        self._tell_watchers(customer, f"拜访签到：{customer.name}", informed, now)

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
        informed = {deed.actor, taker, *([former] if former else [])}
        self._tell_watchers(customer, f"变更负责人：{customer.name}", informed, now)

    def _do_release(self, deed: Deed, now: datetime) -> None:
        customer = self.customers[deed.subject]
        customer.former, customer.owner, customer.owned = customer.owner, None, None
        for task in self.all_open():
            if task.customer == customer.number:
                self._cancel(task)
        self._tell_watchers(customer, f"退回公海：{customer.name}", {deed.actor}, now)

    def _do_claim(self, deed: Deed, now: datetime) -> None:
        customer = self.customers[deed.subject]
        customer.owner, customer.owned = deed.actor, now
        self._tell_watchers(customer, f"从公海领取：{customer.name}", {deed.actor}, now)

    def _do_watch(self, deed: Deed, now: datetime) -> None:
        self.customers[deed.subject].watchers.add(deed.actor)

    def _tell_watchers(self, customer: Customer, title: str, informed: set[str], now: datetime) -> None:
        """Tell those who watch a customer, may see it, and do not hear of it anyway."""
        for userid in sorted(customer.watchers - informed):
            if userid == self.half.boss().userid or customer.owner in self.half.team(userid):
                self.tell(userid, "watched.changed", title, now)

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
