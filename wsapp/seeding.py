"""Realistic sample data of any size, for trials and benchmarks: `wsapp seed`.

Written in bulk, past the actions: no message goes out for any of it. Shaped as a firm's two years look: most customers
quiet, some busy; five activities each on average; names, addresses and notes of real length.
"""

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.arrivals import arrive
from wsapp.connectors.base import HostError
from wsapp.crm.customers.clean import name_key
from wsapp.crm.customers.models import Customer, CustomerPhone
from wsapp.crm.events.models import Event
from wsapp.crm.fields.indexing import reindex
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.models import ACTIVE, Corp, Member
from wsapp.crm.search.building import index_customers, index_follow_ups, index_tasks
from wsapp.crm.search.sounds import keep_readings
from wsapp.crm.tasks.models import CANCELLED, DONE, OPEN, Task
from wsapp.crm.visits.models import DONE as VISITED
from wsapp.crm.visits.models import Visit
from wsapp.db import db, gather_statistics, insert_rows, new_id, rows
from wsapp.hosts import lines
from wsapp.seeding_words import (
    AREAS,
    CORES,
    DEMANDS,
    GIVEN_NAMES,
    INDUSTRIES,
    NOTES,
    RESULTS,
    SOURCES,
    STREETS,
    SUFFIXES,
    SURNAMES,
    TAGS,
    TASKS,
)

BATCH = 1_000  # customers in one transaction
MAX_OWNERS = 50  # whom to ask the host for, where nobody is known yet
TWO_YEARS = timedelta(days=730)

Row = dict[str, Any]
Area = tuple[str, str, str, float, float]  # province, city, district, latitude, longitude


class NobodyThere(Exception):
    """The corp has no member yet who could own customers."""


def seed(corp: Corp, customers: int, *, progress: Callable[[int], None] = lambda made: None) -> int:
    """Add customers with phones, follow-ups, visits, tasks and their timeline to the current corp; returns how many.

    The same people, names and words come out for the same corp and number of customers that are there. Commits every
    thousand and calls `progress` with their number. Raises NobodyThere.
    """
    members = _members() or _ask_the_host(corp)
    if not members:
        raise NobodyThere(f"{corp.name} has no member who could own customers")
    owners = [(one.id, one.main_department_id) for one in members]
    before = db.session.scalar(sa.select(sa.func.count()).select_from(Customer)) or 0
    db.session.rollback()
    keep_readings()
    db.session.commit()
    made = 0
    while made < customers:
        size = min(BATCH, customers - made)
        add(Firm(owners, random.Random(f"{corp.host_corp_id}/{before + made}")), size)
        db.session.commit()
        made += size
        progress(size)
    gather_statistics()
    db.session.commit()
    return made


def _members() -> Sequence[Member]:
    return rows(sa.select(Member).where(Member.status == ACTIVE).order_by(Member.id))


def _ask_the_host(corp: Corp) -> Sequence[Member]:
    """Write down some of the people whom the host shows to the app: on a new installation nobody has opened it yet."""
    connector = lines().of(corp)
    db.session.rollback()
    try:
        people = (one.userid for group in connector.departments() for one in connector.members(group.id))
        for userid in list(islice(dict.fromkeys(people), MAX_OWNERS)):
            arrive(corp, userid)
    except HostError as error:
        raise NobodyThere(f"{corp.name} has no member yet, and its host shows none: {error}") from None
    return _members()


def add(firm: "Firm", size: int) -> None:
    """Have a firm make `size` customers, and insert everything that it holds by then."""
    for _number in range(size):
        firm.add_customer()
    insert_rows(Customer, firm.customers)
    insert_rows(CustomerPhone, firm.phones, ignore=True)  # a number that is taken is left out
    for model, found in ((FollowUp, firm.follow_ups), (Visit, firm.visits), (Task, firm.tasks), (Event, firm.events)):
        insert_rows(model, found)
    reindex("customer", [row["id"] for row in firm.customers])
    index_customers([row["id"] for row in firm.customers], spell=True)
    index_follow_ups([row["id"] for row in firm.follow_ups])
    index_tasks([row["id"] for row in firm.tasks])


class Firm:
    """One batch of a made-up firm's records, as rows to insert. Its customers are in `areas`."""

    def __init__(
        self, owners: Sequence[tuple[str, str | None]], chance: random.Random, *, areas: Sequence[Area] = AREAS
    ) -> None:
        self.owners = owners
        self.chance = chance
        self.areas = areas
        self.now = clock.now().replace(microsecond=0)
        self.customers: list[Row] = []
        self.phones: list[Row] = []
        self.follow_ups: list[Row] = []
        self.visits: list[Row] = []
        self.tasks: list[Row] = []
        self.events: list[Row] = []

    def add_customer(self) -> None:
        """Make a customer and everything that happened with them."""
        pick = self.chance
        owner, department = pick.choice(self.owners)
        created = self.now - TWO_YEARS * pick.random()
        province, city, district, lat, lng = pick.choice(self.areas)
        is_company = pick.random() < 0.85
        name = self._company(city) if is_company else self._person()
        row: Row = {
            "id": new_id(),
            "name": name,
            "name_key": name_key(name),
            "short_name": name[:4] if is_company else "",
            "kind": "company" if is_company else "person",
            "level": pick.choices(("A", "B", "C", "D", None), (5, 15, 40, 20, 20))[0],
            "stage": pick.choices(("new", "contacted", "intent", "dealt", "lost"), (25, 30, 20, 15, 10))[0],
            "source": pick.choice(SOURCES),
            "industry": pick.choice(INDUSTRIES),
            "province": province,
            "city": city,
            "district": district,
            "address": f"{province}{city}{district}{pick.choice(STREETS)}{pick.randrange(1, 900)}号",
            "lat": round(lat + pick.uniform(-0.05, 0.05), 6),
            "lng": round(lng + pick.uniform(-0.05, 0.05), 6),
            "place_source": "manual",
            "tags": pick.sample(TAGS, pick.randrange(0, 4)),
            "owner_id": owner,
            "department_id": department,
            "creator_id": owner,
            "created_at": created,
            "updated_at": created,
            "last_followed_at": None,
            "last_visited_at": None,
            "next_follow_at": None,
        }
        self.customers.append(row)
        self._add_phones(row)
        self._note("customer.created", "customer", row["id"], row, created, name=name)
        # A few busy customers, many quiet ones: 4 follow-ups and visits on average, and one task.
        for _number in range(min(60, int(pick.expovariate(1 / 3.2)))):
            self._add_follow_up(row, self._since(created))
        for _number in range(min(20, int(pick.expovariate(1 / 1.3)))):
            self._add_visit(row, self._since(created))
        for _number in range(pick.choice((0, 1, 1, 2))):
            self._add_task(row)

    def _since(self, moment: datetime) -> datetime:
        """A moment in office hours between then and now."""
        at = moment + (self.now - moment) * self.chance.random()
        return min(self.now, at.replace(hour=self.chance.randrange(1, 10), minute=self.chance.randrange(60)))

    def _ahead(self) -> datetime:
        """A quarter of an hour in office hours of the next two months."""
        day = self.now + timedelta(days=self.chance.randrange(1, 60))
        return day.replace(hour=self.chance.randrange(1, 10), minute=self.chance.randrange(0, 60, 15), second=0)

    def _company(self, city: str) -> str:
        parts = (self.chance.choice(words) for words in (CORES, CORES, INDUSTRIES, SUFFIXES))
        return city.removesuffix("市") + "".join(parts)

    def _person(self) -> str:
        return self.chance.choice(SURNAMES) + self.chance.choice(GIVEN_NAMES)

    def _add_phones(self, customer: Row) -> None:
        for position in range(self.chance.choice((0, 1, 1, 1, 2))):
            number = f"1{self.chance.choice('3578')}{self.chance.randrange(10**9):09}"
            self.phones.append({"customer_id": customer["id"], "number": number, "position": position})

    def _add_follow_up(self, customer: Row, at: datetime) -> None:
        pick = self.chance
        text = f"{pick.choice(NOTES)}{pick.choice(DEMANDS)}{pick.choice(RESULTS)}"
        row: Row = {
            "id": new_id(),
            "customer_id": customer["id"],
            "author_id": customer["owner_id"],
            "kind": pick.choice(("phone", "wechat", "meeting", "other")),
            "text": text,
            "outcome": "",
            "happened_at": at,
            "created_at": at,
        }
        self.follow_ups.append(row)
        self._touch(customer, at)
        data = {"text": text, "follow_up_kind": row["kind"], "outcome": "", "photos": 0}
        self._note("follow_up.logged", "follow_up", row["id"], customer, at, **data)

    def _add_visit(self, customer: Row, at: datetime) -> None:
        pick = self.chance
        trust = pick.choices(("verified", "near", "far", "no_fix"), (70, 18, 6, 6))[0]
        distance = {"verified": pick.uniform(0, 290), "near": pick.uniform(300, 990), "far": pick.uniform(1500, 9000)}
        has_fix = trust != "no_fix"
        note = f"{pick.choice(NOTES)}{pick.choice(RESULTS)}"
        row: Row = {
            "id": new_id(),
            "customer_id": customer["id"],
            "member_id": customer["owner_id"],
            "state": VISITED,
            "note": note,
            "checked_in_at": at,
            "checked_out_at": min(self.now, at + timedelta(minutes=pick.randrange(10, 150))),
            "lat": customer["lat"] if has_fix else None,
            "lng": customer["lng"] if has_fix else None,
            "accuracy": round(pick.uniform(5, 120), 1) if has_fix else None,
            "fixed_at": at if has_fix else None,
            "distance": round(distance[trust], 1) if has_fix else None,
            "trust": trust,
            "no_fix_reason": "" if has_fix else "地下停车场没有信号",
            "created_at": at,
        }
        self.visits.append(row)
        self._touch(customer, at)
        if customer["last_visited_at"] is None or at > customer["last_visited_at"]:
            customer["last_visited_at"] = at
        metres = round(row["distance"]) if has_fix else None
        self._note(
            "visit.checked_in", "visit", row["id"], customer, at, text=note, trust=trust, distance=metres, photos=0
        )

    def _add_task(self, customer: Row) -> None:
        """Past tasks are settled, open ones lie ahead and ring nobody: seeding must not set off a storm of messages."""
        pick = self.chance
        is_open = pick.random() < 0.3
        created = self._since(customer["created_at"])
        due = self._ahead() if is_open else self._since(created)
        state = OPEN if is_open else pick.choices((DONE, CANCELLED), (9, 1))[0]
        title = pick.choice(TASKS)
        row: Row = {
            "id": new_id(),
            "title": title,
            "customer_id": customer["id"],
            "kind": pick.choice(("follow_up", "visit", "call", "other")),
            "due_at": due,
            "reminders": [],
            "assignee_id": customer["owner_id"],
            "creator_id": customer["owner_id"],
            "state": state,
            "done_at": None if is_open else due,
            "done_by": None if is_open else customer["owner_id"],
            "created_at": created,
            "updated_at": created if is_open else due,
        }
        self.tasks.append(row)
        if is_open and (customer["next_follow_at"] is None or due < customer["next_follow_at"]):
            customer["next_follow_at"] = due
        self._note("task.created", "task", row["id"], customer, created, title=title)
        if state == DONE:
            self._note("task.done", "task", row["id"], customer, due, title=title, note="")

    def _touch(self, customer: Row, at: datetime) -> None:
        if customer["last_followed_at"] is None or at > customer["last_followed_at"]:
            customer["last_followed_at"] = at
        customer["updated_at"] = max(customer["updated_at"], at)

    def _note(self, kind: str, subject: str, subject_id: str, customer: Row, at: datetime, **data: Any) -> None:
        self.events.append(
            {
                "id": new_id(),
                "kind": kind,
                "subject_type": subject,
                "subject_id": subject_id,
                "customer_id": customer["id"],
                "actor_id": customer["owner_id"],
                "at": at,
                "changes": {},
                "data": data,
            }
        )
