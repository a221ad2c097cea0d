"""The customers whom rows of an import may mean: those who have their phone, code or name already."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers import dedupe_rules
from wsapp.crm.customers.dedupe import known_among, reached_among
from wsapp.crm.customers.models import Customer, CustomerPhone
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.fields.conditions import FACTS
from wsapp.crm.org.models import Member
from wsapp.crm.transfer.lines import FAILED, Line
from wsapp.db import db

# What a row may change of a customer who is there already; their name, owner and pool stay.
CHANGEABLE = (
    *("short_name", "kind", "level", "stage", "source", "industry", "size", "province", "city", "district"),
    *("address", "website", "credit_code", "note", "tags", "next_follow_at"),
)
_COLUMNS = ("id", "name", "owner_id", "version", "created_at", "updated_at", "stage_since", "last_deal_at", "custom")


class There:
    """Who is met by which row (`met`: row number → (field, customer id)), and what is to be known of them.

    `reached` are those met by the number of a contact alone: a row's own number that is their contact's ("phones"), or
    a number of the row's contact that is theirs or their contact's ("contact1.phones"). Four statements a lot, and
    three more where somebody is met.
    """

    def __init__(self, lines: Sequence[Line], actor: Member) -> None:
        sound = [line for line in lines if line.outcome != FAILED]
        own = {number for line in sound for number in line.values.get("phones", ())}
        of_contacts = {number for line in sound for _at, number in _numbers_of_contacts(line)}
        self.by_phone = _by_phone(own | of_contacts)
        found = known_among([line.values for line in sound], self.by_phone)
        self.met = {line.number: one for line, one in zip(sound, found, strict=True) if one}
        self.reached = self._reached(sound, reached_among(own | of_contacts))
        met = {customer_id for _field, customer_id in (*self.met.values(), *self.reached.values())}
        ids = sorted(met | set(self.by_phone.values()))
        self.customers: dict[str, Any] = {}
        self.visible: set[str] = set()
        self.phone_rows: dict[str, list[dict[str, Any]]] = {}
        if ids:
            self._read(ids, actor)

    def _reached(self, lines: Sequence[Line], by_contact: Mapping[str, str]) -> dict[int, tuple[str, str]]:
        looks = dedupe_rules.level("contact") != dedupe_rules.OFF
        found: dict[int, tuple[str, str]] = {}
        for line in lines if looks else ():
            if line.number in self.met:
                continue
            known = [("phones", by_contact.get(number)) for number in line.values.get("phones", ())]
            for at, number in _numbers_of_contacts(line):
                known.append((at, self.by_phone.get(number) or by_contact.get(number)))
            one = next(((at, customer_id) for at, customer_id in known if customer_id), None)
            if one is not None:
                found[line.number] = one
        return found

    def _read(self, ids: list[str], actor: Member) -> None:
        names = dict.fromkeys((*_COLUMNS, *CHANGEABLE, *FACTS["customer"]))
        table = (getattr(Customer, name) for name in names)
        wanted = sa.select(*table).where(Customer.id.in_(ids), Customer.deleted_at.is_(None))
        self.customers = {row.id: row for row in db.session.execute(wanted)}
        seen = sa.select(Customer.id).where(Customer.id.in_(ids), visible_customers(actor))
        self.visible = set(db.session.scalars(seen))
        numbers = sa.select(
            CustomerPhone.id, CustomerPhone.customer_id, CustomerPhone.number, CustomerPhone.position
        ).where(CustomerPhone.customer_id.in_(ids))
        for row in db.session.execute(numbers.order_by(CustomerPhone.position)):
            kept = {"id": row.id, "number": row.number, "position": row.position}
            self.phone_rows.setdefault(row.customer_id, []).append(kept)


def _numbers_of_contacts(line: Line) -> Iterator[tuple[str, str]]:
    """Yield the field and the number of each telephone of a row's contacts."""
    for at, numbers in line.values.get("reaches", {}).items():
        for number in numbers:
            yield at, number


def _by_phone(numbers: set[str]) -> Mapping[str, str]:
    if not numbers:
        return {}
    wanted = sa.select(CustomerPhone.number, CustomerPhone.customer_id)
    return dict(db.session.execute(wanted.where(CustomerPhone.number.in_(sorted(numbers)))).all())
