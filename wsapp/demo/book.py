"""The demo's customer book: what a firm that has used the product for a while keeps besides its daily work.

Done by the firm's own people through the same actions as on the pages, some of it days ago: the demo's clock is moved
back for that, and forward again. No message goes out for what lies in the past.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.actions import change_customer, create_customer
from wsapp.crm.customers.contacts import add_contact
from wsapp.crm.customers.coworkers import add_coworker
from wsapp.crm.customers.leads import confirm_lead, convert_lead, reject_lead, start_lead
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.tags import add_tag
from wsapp.crm.deletions.actions import delete
from wsapp.crm.events.actions import record
from wsapp.crm.fields.definitions import add_field
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.org.models import SELLER, Corp, CorpRule, Department, Member
from wsapp.crm.org.role_actions import copy_role, give_roles, name_deputy, save_role
from wsapp.crm.org.roles import BUILT_IN
from wsapp.crm.org.rules import set_rules
from wsapp.crm.pools.actions import release_customer
from wsapp.crm.pools.queries import all_pools, make_first_pool
from wsapp.crm.pools.settings import make_pool
from wsapp.crm.search.views import save_view
from wsapp.crm.sharing.actions import ask_to_share
from wsapp.crm.transfer import imports, running
from wsapp.crm.transfer.models import QUEUED
from wsapp.db import current_corp, db, rows
from wsapp.demo import book_words as words
from wsapp.house import zone
from wsapp.outbox import Outbox

MASKED = {"customer": {"phones": "masked", "address": "read"}}
WITH_CONTACTS, WITH_VALUES = 9, len(words.FILLED)
EVENT = "event"  # the kind of work that tells of an event


@dataclass(frozen=True)
class People:
    """Who is who in a sample firm."""

    seller: Member
    colleague: Member
    manager: Member
    admin: Member


def fill_book(corp: Corp, people: People, town: str) -> None:
    """Fill the current corp's book. Its customers are in `town`, besides those that are there already.

    Raises RuntimeError where the clock cannot be moved.
    """
    book = Book(people, town.removesuffix("市"), random.Random(f"book/{corp.host}"))
    with _days_ago(20):
        book.set_up()
        book.describe_customers()
    with _days_ago(12):
        book.give_back()
    with _days_ago(4):
        book.import_a_list()
        book.open_leads()
        book.join_a_group()
    with _days_ago(1):
        book.answer_leads()
        book.keep_two_alike()
        book.throw_away()
    book.work_together()
    _tell_nobody()


@contextmanager
def _days_ago(days: int) -> Iterator[None]:
    back = timedelta(days=days).total_seconds()
    clock.advance(-back)
    try:
        yield
    finally:
        clock.advance(back)


def _tell_nobody() -> None:
    """What happened before the demo began is in timeline and audit log; its messages were sent long ago."""
    db.session.flush()
    past = sa.delete(Outbox).where(Outbox.corp_id == current_corp(), Outbox.kind == EVENT)
    db.session.execute(past.execution_options(synchronize_session=False))


class Book:
    """One firm's book, filled step by step; each step takes up what the ones before it made."""

    def __init__(self, people: People, town: str, chance: random.Random) -> None:
        self.people = people
        self.town = town
        self.chance = chance
        self.leads: list[Customer] = []

    # --- what an administrator sets up

    def set_up(self) -> None:
        admin = self.people.admin
        for name, colour in words.TAG_COLOURS.items():
            add_tag(name, colour, actor=admin)
        for field in words.FIELDS:
            add_field(field, actor=admin)
        self._make_pools()
        self._make_roles()
        self._make_rules()
        save_view("重点客户", {"tag": "重点", "scope": "team"}, shared=True, actor=self.people.manager)
        save_view("年度框架结算", {"custom.payment": "年度框架结算"}, shared=False, actor=self.people.seller)
        save_view("A 级客户", {"level": "A"}, shared=False, actor=self.people.seller)

    def _make_pools(self) -> None:
        make_first_pool()
        leaders = [self.people.manager.id]
        hidden = ["phones", "address", "website", "note"]
        region = {"name": "区域公海", "departments": [self._department()], "daily_claims": 5, "cool_down": 7}
        leads = {"name": "线索公海", "kind": "lead", "daily_claims": 20}
        for values in (region, leads):
            more = {"managers": leaders, "hidden": hidden, "enabled": True, "position": len(all_pools())}
            make_pool(values | more, actor=self.people.admin)

    def _department(self) -> str:
        found = self.people.seller.main_department_id
        return found or rows(sa.select(Department.id).order_by(Department.path))[0]

    def _make_roles(self) -> None:
        admin = self.people.admin
        trainee = copy_role(SELLER, name="实习销售", actor=admin)
        grants = {obj: dict(actions) for obj, actions in BUILT_IN[SELLER].grants.items()}
        for actions in grants.values():
            actions |= {"export": "none", "import": "none", "delete": "none"}
        save_role(trainee, name="实习销售", grants=grants, fields=MASKED, actor=admin)
        senior = copy_role(SELLER, name="大客户销售", actor=admin)
        give_roles(self.people.colleague, [SELLER, senior], actor=admin)

    def _make_rules(self) -> None:
        """Customers are not taken away for want of a deal: this firm's take long. Everybody has goals for the week."""
        changes = set_rules({"recycle.no_deal": 0, "goal.visits": 8, "goal.follow_ups": 15})
        for row in rows(sa.select(CorpRule).where(CorpRule.id.in_(changes))):
            record("rule.changed", row, actor=self.people.admin, changes={row.id: changes[row.id]})

    # --- what sellers keep

    def describe_customers(self) -> None:
        """Contacts and values of the corp's own fields for the customers that are there."""
        for owner in (self.people.seller, self.people.colleague):
            mine = self._customers_of(owner)
            for customer, values in zip(mine[:WITH_VALUES], words.FILLED, strict=False):
                until = (clock.now() + timedelta(days=self.chance.randrange(30, 400))).date().isoformat()
                change_customer(customer, {"custom": values | {"contract_until": until}}, actor=owner)
            for number, customer in enumerate(mine[:WITH_CONTACTS]):
                self._add_contacts(customer, owner, number)

    def _customers_of(self, owner: Member) -> Sequence[Customer]:
        found = sa.select(Customer).where(Customer.owner_id == owner.id, Customer.kind == "company")
        return rows(found.order_by(Customer.updated_at.desc(), Customer.id))

    def _add_contacts(self, customer: Customer, owner: Member, number: int) -> None:
        for position in range(1 + number % 3):
            name, gender, title, role, birthday = words.CONTACTS[(number * 2 + position) % len(words.CONTACTS)]
            values = {"name": name, "gender": gender, "title": title, "role": role, "birthday": birthday}
            add_contact(customer, values | {"phones": [self._phone()]}, actor=owner)

    def _phone(self) -> str:
        return f"13{self.chance.randrange(5, 10)}{self.chance.randrange(10**8):08}"

    def _new(self, name: str, owner: Member, **values: Any) -> Customer:
        here = {"city": f"{self.town}市", "phones": [self._phone()], "source": "电话开发"}
        return create_customer(here | values | {"name": self._named(name)}, actor=owner)

    def _named(self, name: str) -> str:
        return name.replace("%s", self.town)

    def join_a_group(self) -> None:
        """A firm with two daughters, each a customer of its own."""
        owner = self.people.seller
        head, parts = words.GROUP
        parent = self._new(head, owner, level="A", stage="dealt", tags=["重点", "年度框架"], industry="商务服务")
        for name in parts:
            self._new(name, owner, level="B", stage="intent", parent=parent.id)

    # --- pools, leads, import, bin

    def give_back(self) -> None:
        """Customers come into the pools; one pool has those of an area, the corp's own the rest."""
        region = next(one for one in all_pools() if one.name == "区域公海")
        for number, (name, level, reason) in enumerate(words.POOLED):
            owner = (self.people.seller, self.people.colleague)[number % 2]
            customer = self._new(name, owner, level=level, note="每季度集中采购一次，年底前会重新比价。")
            pool_id = region.id if number < 3 else None
            release_customer(customer, actor=owner, reason=reason, pool_id=pool_id)

    def open_leads(self) -> None:
        """Leads come in, from days ago to now."""
        for number, (name, source, text) in enumerate(words.LEADS):
            owner = (self.people.seller, self.people.seller, self.people.colleague)[number % 3]
            lead = self._new(name, owner, source=source, note=text, industry="商务服务" if number % 2 else "")
            start_lead(lead, actor=owner)
            log_follow_up(lead, {"kind": "phone", "text": f"首次电话沟通：{text}"}, actor=owner)
            self.leads.append(lead)

    def answer_leads(self) -> None:
        """What became of them: one is worth pursuing, one a customer, one none; a fresh one waits."""
        found, won, lost = self.leads[1], self.leads[3], self.leads[4]
        confirm_lead(found, actor=self.people.seller)
        convert_lead(won, actor=self.people.seller)
        reject_lead(lost, "no_budget", actor=self.people.seller)

    def import_a_list(self) -> None:
        """A list from a fair: four customers taken, one row that was wrong."""
        file = BytesIO(self._named(words.IMPORTED).encode("gb18030"))
        job = imports.upload(file, words.IMPORT_NAME, actor=self.people.seller)
        imports.prepare(job, actor=self.people.seller)
        job.state = QUEUED
        db.session.flush()
        lots = running.open_lots(job.id)
        while running.run_batch(lots):
            pass

    def keep_two_alike(self) -> None:
        """One company, written down by two people; only one of them has its telephone number."""
        first, second = words.ALIKE
        kept = self._new(first, self.people.seller, level="B", stage="contacted", industry="机械设备")
        log_follow_up(
            kept, {"kind": "phone", "text": "采购说两台设备的报价都收到了，等总部批。"}, actor=self.people.seller
        )
        twin = self._new(second, self.people.seller, level="C", phones=[])
        add_contact(twin, {"name": "郭思远", "title": "设备采购", "phones": [self._phone()]}, actor=self.people.seller)

    def throw_away(self) -> None:
        name, reason = words.THROWN_AWAY
        customer = self._new(name, self.people.seller)
        add_contact(customer, {"name": "练习联系人"}, actor=self.people.seller)
        log_follow_up(customer, {"kind": "other", "text": "练习：怎样记一条跟进。"}, actor=self.people.seller)
        delete("customer", customer.id, actor=self.people.seller, reason=reason)

    # --- the present

    def work_together(self) -> None:
        """Co-workers, a deputy for next week, a request to share, and a lead that came in just now."""
        seller, colleague = self.people.seller, self.people.colleague
        mine, theirs = self._customers_of(seller), self._customers_of(colleague)
        add_coworker(mine[0], colleague, may_edit=True, actor=seller)
        add_coworker(mine[1], colleague, may_edit=False, actor=seller)
        add_coworker(theirs[0], seller, may_edit=True, actor=colleague)
        today = clock.today(zone())
        monday = clock.start_of_day(today + timedelta(days=7 - today.weekday()), zone())
        name_deputy(colleague, seller, starts_at=monday, ends_at=monday + timedelta(days=5), actor=colleague)
        hidden = next(one for one in theirs[1:] if one.phones)
        ask_to_share([f"phones:{hidden.phones[0]}"], actor=seller, reason="客户的新厂在我负责的片区，想一起拜访。")
        name, source, text = words.LEADS[0]
        lead = self._new(name.replace("新纪元", "凯悦来"), seller, source=source, note=text)
        start_lead(lead, actor=seller)
