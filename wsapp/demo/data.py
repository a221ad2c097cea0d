"""The demo's data: two small firms whose people have opened the app before, with work overdue, due today and ahead."""

import random
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import arrivals, clock, hosts, schema
from wsapp.connectors import connector_class
from wsapp.connectors.base import OutOfRange
from wsapp.connectors.emulator import Emulator
from wsapp.crm.customers.models import Customer
from wsapp.crm.org.models import Corp, Member, Membership
from wsapp.crm.org.queries import corps
from wsapp.crm.tasks.models import OPEN, PLANNED, Reminder
from wsapp.crm.tasks.reminders import set_alarm
from wsapp.db import corp_scope, db, insert_rows, new_id, rows
from wsapp.demo.book import People, fill_book
from wsapp.demo.layout import LOCAL, HostPart, sample_people
from wsapp.geo import metres_between
from wsapp.house import local, zone
from wsapp.seeding import Area, Firm, Row, add
from wsapp.seeding_words import AREAS, TASKS

CUSTOMERS = 30
NEAR = 0.00045  # degrees, some fifty metres: a visit to the first customer verifies
LIVELY = 9  # customers with whom something happened in the last day and a half
NEGLECTED_EACH, NEGLECTED_DAYS = 6, 13  # every sixth of the others was followed up this long ago
DAY = timedelta(days=1)
# When the demo's open tasks fall due: days from today and hour, or hours from now.
DUE_DAYS = ((-3, 10), (-1, 15), (-1, 9), (1, 9), (1, 14), (2, 10), (4, 16), (6, 11), (9, 10))
DUE_HOURS = (1, 2, 4, 6)


def prepare(app: Any, emulators: Mapping[HostPart, Emulator]) -> None:
    """Migrate and connect the firms, and fill them where they are empty."""
    schema.upgrade(app)
    with app.app_context():
        hosts.connect_configured_corps()
        empty = [corp for corp in corps() if _is_empty(corp)]
        db.session.rollback()
        if empty:
            _fill(empty, emulators)
        db.session.remove()
        db.engine.dispose()


def _is_empty(corp: Corp) -> bool:
    with corp_scope(corp.id):
        return not rows(sa.select(Customer.id).limit(1))


def _fill(empty: Sequence[Corp], emulators: Mapping[HostPart, Emulator]) -> None:
    by_host = {part.host: (part, emulator) for part, emulator in emulators.items()}
    with ExitStack() as running:
        for part, emulator in emulators.items():
            running.enter_context(emulator.start(part.emulator_port, LOCAL))
        for corp in empty:
            _introduce(corp)
    for corp in empty:
        with corp_scope(corp.id):
            _add_work(corp, by_host[corp.host][1].here)
            db.session.commit()


def _introduce(corp: Corp) -> None:
    """Have everybody in the app's visible range open the app once."""
    for userid in sample_people(corp.host):
        with suppress(OutOfRange):
            arrivals.arrive(corp, userid)


def _add_work(corp: Corp, here: tuple[float, float]) -> None:
    firm = DemoFirm(_sellers(), random.Random(f"demo/{connector_class(corp.host).host}"), here)
    add(firm, CUSTOMERS)
    insert_rows(Reminder, firm.reminders)
    for moment in {row["fire_at"] for row in firm.reminders}:
        set_alarm(moment)
    fill_book(corp, _people(corp), firm.areas[0][1])


def _people(corp: Corp) -> People:
    """The sample firm's cast; each host's firm names its people in this order."""
    known = {one.userid: one for one in rows(sa.select(Member))}
    return People(*(known[userid] for userid in sample_people(corp.host) if userid in known))


def _sellers() -> list[tuple[str, str | None]]:
    """Whoever leads nobody owns the customers."""
    leaders = sa.select(Membership.member_id).where(Membership.leads.is_(True))
    members = rows(sa.select(Member).where(Member.id.not_in(leaders)).order_by(Member.userid))
    return [(one.id, one.main_department_id) for one in members]


class DemoFirm(Firm):
    """A firm around one place, with tasks that fall due while somebody is looking."""

    def __init__(
        self, owners: Sequence[tuple[str, str | None]], chance: random.Random, here: tuple[float, float]
    ) -> None:
        super().__init__(owners, chance, areas=[_area(here)])
        self.here = here
        self.aside = random.Random("demo/aside")
        self.midnight = clock.start_of_day(clock.today(zone()), zone())
        self.reminders: list[Row] = []
        self.open_tasks = 0

    def add_customer(self) -> None:
        """Make a customer; the first one is next door."""
        super().add_customer()
        customer = self.customers[-1]
        if len(self.customers) == 1:
            customer |= {"lat": self.here[0] + NEAR, "lng": self.here[1]}
        if len(self.customers) <= LIVELY:
            at = self.now - timedelta(minutes=self.chance.randrange(20, 36 * 60))
            (self._add_visit if len(self.customers) % 3 == 0 else self._add_follow_up)(customer, at)
        else:
            # Nobody loses the whole book while the clock is moved: a few leave for the pool within days, no more.
            days = NEGLECTED_DAYS if len(self.customers) % NEGLECTED_EACH == 0 else self.aside.randrange(1, 6)
            recent = self.now - DAY * days
            if customer["last_followed_at"] is None or customer["last_followed_at"] < recent:
                self._keep_in_touch(customer, recent)

    def _keep_in_touch(self, customer: Row, at: datetime) -> None:
        """Log a follow-up by a chance of its own: who owns what, and when it falls due, stays as it is."""
        main, self.chance = self.chance, self.aside
        self._add_follow_up(customer, at)
        self.chance = main

    def _add_task(self, customer: Row) -> None:
        if len(self.customers) % 2 == 0:
            super()._add_task(customer)
            return
        due = self._next_due()
        created = min(due, self.now) - DAY * self.chance.randrange(1, 6)
        title = f"{customer['short_name'] or customer['name']}：{self.chance.choice(TASKS)}"
        task: Row = {
            "id": new_id(),
            "title": title,
            "customer_id": customer["id"],
            "kind": "follow_up",
            "due_at": due,
            "reminders": [0],
            "assignee_id": customer["owner_id"],
            "creator_id": customer["owner_id"],
            "state": OPEN,
            "done_at": None,
            "done_by": None,
            "created_at": created,
            "updated_at": created,
        }
        self.tasks.append(task)
        if customer["next_follow_at"] is None or due < customer["next_follow_at"]:
            customer["next_follow_at"] = due
        self._note("task.created", "task", task["id"], customer, created, title=title)
        self._plan(task)

    def _next_due(self) -> datetime:
        """The next moment of the tables above, at a quarter of an hour."""
        number, self.open_tasks = self.open_tasks, self.open_tasks + 1
        rounds, turn = divmod(number, 3)
        if turn == 0:
            there = local(self.now + timedelta(hours=DUE_HOURS[rounds % len(DUE_HOURS)]))
            return there.replace(minute=there.minute // 15 * 15, second=0, microsecond=0)
        days, hour = DUE_DAYS[(rounds * 2 + turn - 1) % len(DUE_DAYS)]
        return self.midnight + DAY * days + timedelta(hours=hour)

    def _plan(self, task: Row) -> None:
        for kind, at in (("due", task["due_at"]), ("overdue", task["due_at"] + DAY)):
            if at > self.now:  # the ladder works out for itself when its first rung rings
                plain = {"task_id": task["id"], "kind": kind, "fire_at": at, "state": PLANNED, "fired_at": None}
                self.reminders.append({**plain, "plan": 1, "rung": 0, "due_at": task["due_at"]})


def _area(here: tuple[float, float]) -> Area:
    """The nearest known place, moved to where the phones are."""
    nearest = min(AREAS, key=lambda area: metres_between(here, (area[3], area[4])))
    return (*nearest[:3], *here)
