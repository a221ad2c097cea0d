"""Duplicates (查重): who is like what somebody types. By what customers are known again: `filing`; what may be told:
`telling`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers import binned
from wsapp.crm.customers import dedupe_rules as rules
from wsapp.crm.customers.clean import name_key, normal_phone
from wsapp.crm.customers.filing import REACHED, domain_of
from wsapp.crm.customers.models import Customer, CustomerKey, CustomerPhone
from wsapp.crm.customers.names import city_and_core, likeness, pieces_of_similar, same_place
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import rule
from wsapp.db import current_corp, db

EACH = 40  # customers looked at for one piece of a name: what is more common tells nothing
PHONES, CODE, DOMAIN, NAME = "phones", "credit_code", "website", "name"  # the fields by which customers are alike

_COLUMNS = (
    Customer.id,
    Customer.name,
    Customer.owner_id,
    Customer.department_id,
    Customer.pool_id,
    Customer.city,
    Customer.industry,
    Customer.address,
    Customer.last_followed_at,
    Customer.last_visited_at,
    Customer.deleted_at,
)


@dataclass(frozen=True)
class Hit:
    """Another customer that is alike: in which field, what the rules say of it, and whether the actor may see it (of a
    deleted one: bring it back)."""

    customer: Any  # a row of `_COLUMNS`
    field: str
    level: str  # rules.BLOCK, rules.WARN
    visible: bool
    asked: str  # what was asked for, so that the same question counts once

    @property
    def is_deleted(self) -> bool:
        return self.customer.deleted_at is not None

    @property
    def may_be_shared(self) -> bool:
        """Say whether somebody is there who could be asked to share it."""
        return not self.visible and not self.is_deleted and self.customer.owner_id is not None


@dataclass
class Wanted:
    """What is looked for, in normal form."""

    phones: list[str] = field(default_factory=list)
    code: str = ""
    domain: str = ""
    name: str = ""
    alike: dict[str, str] = field(default_factory=dict)  # COMPOSITES → value

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Wanted":
        """Read fields of a customer as people type them; what is no phone number or code is left out."""
        return cls(
            phones=list(_phones(values.get("phones") or ())),
            code=str(values.get("credit_code") or "").strip().upper(),
            domain=domain_of(str(values.get("website") or "")),
            name=str(values.get("name") or "").strip(),
            alike={one: str(values.get(one) or "").strip() for one in rules.COMPOSITES},
        )


def _phones(typed: Iterable[Any]) -> Iterable[str]:
    for text in typed:
        try:
            yield normal_phone(str(text))
        except ValueError:
            continue


# --- looking ------------------------------------------------------------------------------------------------------


def find_duplicates(values: Mapping[str, Any], *, actor: Member, but: str = "") -> list[Hit]:
    """Return the customers that are like what somebody types (`values`: fields of a customer), the strictest first.

    Whoever owns them, within the scope that the corp's rules set; `but` is left out (the customer that is edited).
    What the actor may be told of those that they may not see: `tell`, after `asks.take_asks`.
    """
    wanted = Wanted.of(values)
    numbers = wanted.phones if rules.level("phone") != rules.OFF else []
    found = {(row.id, number): row for number, row in _with_phones(numbers) if row.id != but}
    hits = [Hit(row, PHONES, rules.level("phone"), False, _asked(number)) for (_id, number), row in found.items()]
    hits += [one for one in _by_keys(wanted, actor=actor, but=but) if (one.customer.id, one.asked[7:]) not in found]
    if rule("duplicates.bin"):
        hits += _in_bin(wanted, actor)
    seen = _seen_of([one.customer.id for one in hits], actor)
    hits = [replace(one, visible=one.visible or one.customer.id in seen) for one in hits]
    hits.sort(key=lambda one: (-rules.STRICTER[one.level], not one.visible))
    return hits


def _with_phones(numbers: Sequence[str]) -> Sequence[tuple[str, Any]]:
    """Phone numbers are looked for in the whole corp, for which they are unique unless its rule says otherwise."""
    if not numbers:
        return ()
    owners = sa.and_(CustomerPhone.customer_id == Customer.id, CustomerPhone.corp_id == Customer.corp_id)
    found = sa.select(CustomerPhone.number, *_COLUMNS).join(CustomerPhone, owners)
    return [(row.number, row) for row in db.session.execute(found.where(CustomerPhone.number.in_(numbers)))]


def _by_keys(wanted: Wanted, *, actor: Member, but: str) -> list[Hit]:
    city, core = city_and_core(name_key(wanted.name)) if len(wanted.name) >= 2 and rules.looks_at_names() else ("", "")
    exact = {
        f"code:{wanted.code}": CODE if wanted.code and rules.level("code") != rules.OFF else "",
        f"domain:{wanted.domain}": DOMAIN if wanted.domain and rules.level("domain") != rules.OFF else "",
        f"name:{core}": NAME if core else "",
    }
    exact = {value: kind for value, kind in exact.items() if kind}
    if rules.level("contact") != rules.OFF:
        exact |= {REACHED + number: REACHED + number for number in wanted.phones}
    similar = pieces_of_similar(core) if core and rule("duplicates.similarity") < 100 else []
    filed = _filed_under([*exact, *similar], but)
    hits: list[Hit] = []
    for row in _in_scope(list(filed), actor):
        kinds = {exact.get(value, NAME) for value in filed[row.id]}
        hits += filter(None, (_hit(kind, row, wanted, city, core) for kind in sorted(kinds)))
    return hits


def _filed_under(values: Sequence[str], but: str) -> dict[str, set[str]]:
    """Return, by customer, under which of the values it is filed; of each value a few, for it may be a common word."""
    found: dict[str, set[str]] = defaultdict(set)
    if not values:
        return found
    few = (
        sa.select(CustomerKey.customer_id, CustomerKey.value)
        .where(CustomerKey.corp_id == current_corp(), CustomerKey.value == value, CustomerKey.customer_id != but)
        .limit(EACH)
        .subquery()
        for value in values
    )
    for customer_id, value in db.session.execute(sa.union_all(*(sa.select(*one.c) for one in few))):
        found[customer_id].add(value)
    return found


def _in_scope(customer_ids: Sequence[str], actor: Member) -> Sequence[Any]:
    if not customer_ids:
        return ()
    wanted = sa.select(*_COLUMNS).where(Customer.id.in_(customer_ids), Customer.deleted_at.is_(None))
    if rule("duplicates.scope") == "department":
        wanted = wanted.where(sa.or_(Customer.department_id == actor.main_department_id, Customer.owner_id == actor.id))
    if not rule("duplicates.pool"):
        wanted = wanted.where(Customer.owner_id.is_not(None))
    return db.session.execute(wanted.order_by(Customer.id)).all()


def _in_bin(wanted: Wanted, actor: Member) -> list[Hit]:
    """Deleted customers are warned of at most: there is nothing that could be opened in place of a new one."""
    keys: dict[str, tuple[str, str]] = {}
    if rules.level("phone") != rules.OFF:
        keys |= {binned.PHONE + number: (PHONES, _asked(number)) for number in wanted.phones}
    if rules.level("contact") != rules.OFF:
        keys |= {REACHED + number: (PHONES, _asked(number)) for number in wanted.phones}
    for kind, value, at in (("code", wanted.code, CODE), ("domain", wanted.domain, DOMAIN)):
        if value and rules.level(kind) != rules.OFF:
            keys[f"{kind}:{value}"] = (at, f"{kind}:{value}")
    if len(wanted.name) >= 2 and rules.level("name") != rules.OFF:
        keys[f"name:{city_and_core(name_key(wanted.name))[1]}"] = (NAME, f"name:{name_key(wanted.name)}")
    found = {}
    for row, (at, asked) in binned.find_binned(keys):
        found[row.id, at] = Hit(row, at, rules.WARN, binned.may_restore(row, actor=actor), asked)
    return list(found.values())


def _asked(number: str) -> str:
    return f"{PHONES}:{number}"


def _hit(kind: str, row: Any, wanted: Wanted, city: str, core: str) -> Hit | None:
    if kind.startswith(REACHED):
        return Hit(row, PHONES, rules.level("contact"), False, _asked(kind.removeprefix(REACHED)))
    if kind == CODE:
        return Hit(row, CODE, rules.level("code"), False, f"code:{wanted.code}")
    if kind == DOMAIN:
        return Hit(row, DOMAIN, rules.level("domain"), False, f"domain:{wanted.domain}")
    other_city, other_core = city_and_core(name_key(row.name))
    equal = core == other_core and same_place(city, other_city)
    if not equal and likeness(wanted.name, row.name) < rule("duplicates.similarity"):
        return None
    alike = [one for one, value in wanted.alike.items() if value and value == getattr(row, one)]
    level = rules.level_of_names(alike)
    return Hit(row, NAME, level, False, f"name:{name_key(wanted.name)}") if level != rules.OFF else None


def _seen_of(customer_ids: Sequence[str], actor: Member) -> set[str]:
    if not customer_ids:
        return set()
    seen = sa.select(Customer.id).where(Customer.id.in_(sorted(set(customer_ids))), visible_customers(actor))
    return set(db.session.scalars(seen))


# --- many at once -------------------------------------------------------------------------------------------------


def known_among(rows: Sequence[Mapping[str, Any]], by_phone: Mapping[str, str]) -> list[tuple[str, str] | None]:
    """Return for each row of an import the (field, customer id) that has its phone, its code or its whole name already,
    None for none: two statements for all of them. Similar names are not looked for.

    `rows` are values as `clean_customer` returns them; `by_phone` are the ids of those who have their numbers.
    """
    codes = {f"code:{row['credit_code']}" for row in rows if row.get("credit_code")}
    by_name = rules.level("name") != rules.OFF
    by_phone = by_phone if rules.level("phone") != rules.OFF else {}
    by_code = dict(
        _first_of(CustomerKey.value, CustomerKey.customer_id, codes if rules.level("code") != rules.OFF else ())
    )
    namesakes = dict(_first_of(Customer.name_key, Customer.id, {row["name_key"] for row in rows})) if by_name else {}
    found: list[tuple[str, str] | None] = []
    for row in rows:
        phone = next((by_phone[number] for number in row.get("phones", ()) if number in by_phone), None)
        code = by_code.get(f"code:{row.get('credit_code')}") if by_code else None
        if phone:
            found.append((PHONES, phone))
        elif code:
            found.append((CODE, code))
        else:
            found.append((NAME, namesakes[row["name_key"]]) if row["name_key"] in namesakes else None)
    return found


def reached_among(numbers: Iterable[str]) -> dict[str, str]:
    """Return by which of the phone numbers a contact of which customer (its id) is reached; nothing where the rule does
    not look. For an import."""
    if rules.level("contact") == rules.OFF:
        return {}
    found = _first_of(CustomerKey.value, CustomerKey.customer_id, {REACHED + one for one in numbers})
    return {value.removeprefix(REACHED): customer_id for value, customer_id in found}


def _first_of(column: Any, customer_id: Any, values: Iterable[str]) -> Iterable[tuple[str, str]]:
    wanted = sorted(values)
    for start in range(0, len(wanted), 500):
        some = sa.select(column, sa.func.min(customer_id)).where(column.in_(wanted[start : start + 500]))
        if column is Customer.name_key:
            some = some.where(Customer.deleted_at.is_(None))
        yield from (tuple(row) for row in db.session.execute(some.group_by(column)))
