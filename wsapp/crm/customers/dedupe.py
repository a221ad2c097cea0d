"""Duplicates (查重): by what customers are known again, who is like what somebody types, and what they may be told.

Each customer is filed under keys (`CustomerKey`): its unified social credit code, the domain of its website, the core
of its name, the pieces by which a similar name finds it, and the numbers of its contacts. Its own numbers have a table
of their own.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers import binned
from wsapp.crm.customers import dedupe_rules as rules
from wsapp.crm.customers.asks import take_asks
from wsapp.crm.customers.clean import name_key, normal_phone
from wsapp.crm.customers.models import Contact, Customer, CustomerKey, CustomerPhone
from wsapp.crm.customers.names import city_and_core, likeness, pieces, pieces_of_similar, same_place
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.org.models import Department, Member
from wsapp.crm.org.queries import names
from wsapp.crm.org.rules import rule
from wsapp.db import current_corp, db, insert_rows
from wsapp.lots import insert_lot
from wsapp.problems import Duplicate
from wsapp.texts import _

KEYED = 2  # by which rules keys are made: count up when they change, and the worker makes all anew
EACH = 40  # customers looked at for one piece of a name: what is more common tells nothing
MOST = 5  # customers told of
SHARED_HOSTS = frozenset({"1688.com", "alibaba.com", "taobao.com", "jd.com", "weixin.qq.com", "mp.weixin.qq.com"})
REACHED = "contact:"  # keys that are numbers of the customer's contacts
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
    """Another customer that is alike: in which field, what the rules say of it, and whether the actor may see it."""

    customer: Any  # a row of `_COLUMNS`
    field: str
    level: str  # rules.BLOCK, rules.WARN
    visible: bool
    asked: str  # what was asked for, so that the same question counts once


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


def domain_of(website: str) -> str:
    """Return the host of a website without www, "" where there is none or where many firms share it."""
    website = website.strip()
    try:
        host = urlsplit(website if "://" in website else f"//{website}").hostname or ""
    except ValueError:
        return ""
    host = host.removeprefix("www.")
    return host if "." in host and host not in SHARED_HOSTS else ""


# --- filing -------------------------------------------------------------------------------------------------------


def write_keys(customer: Customer) -> None:
    """File a customer, which stands in the database by now, under its own keys; those of before are gone.

    Raises IntegrityError (naming "guard") when another customer has what only one may have.
    """
    _forget(customer.id, ~CustomerKey.value.startswith(REACHED))
    insert_rows(CustomerKey, [{"customer_id": customer.id, **one} for one in _keys(customer)])
    customer.keyed = KEYED


def forget_keys(customer_id: str) -> None:
    """Take a customer out of the files (it is deleted, or merged into another)."""
    _forget(customer_id, sa.true())


def file_contacts(customer_id: str) -> None:
    """File a customer under the numbers of the contacts that it has now."""
    db.session.flush()
    _forget(customer_id, CustomerKey.value.startswith(REACHED))
    theirs = sa.select(Contact.phones).where(Contact.customer_id == customer_id, Contact.deleted_at.is_(None))
    numbers = sorted({number for phones in db.session.scalars(theirs) for number in phones or ()})
    insert_rows(CustomerKey, [{"customer_id": customer_id, "value": REACHED + one, "guard": None} for one in numbers])


def _forget(customer_id: str, which: sa.ColumnElement[bool]) -> None:
    gone = sa.delete(CustomerKey).where(CustomerKey.customer_id == customer_id, which)
    db.session.execute(gone.execution_options(synchronize_session=False))


def _keys(customer: Any) -> list[dict[str, str | None]]:
    _city, core = city_and_core(name_key(customer.name))
    found: list[dict[str, str | None]] = [{"value": f"name:{core}", "guard": None}]
    if customer.credit_code:
        value = f"code:{customer.credit_code}"
        found.append({"value": value, "guard": value if rules.level("code") == rules.BLOCK else None})
    if domain := domain_of(customer.website):
        found.append({"value": f"domain:{domain}"[:200], "guard": None})
    return found + [{"value": piece, "guard": None} for piece in pieces(core)]


def file_some(limit: int = 500) -> int:
    """File customers that were never filed, or by former rules; returns how many. For the worker.

    Two customers with one code from the time before the rule keep both: the later one is filed without a guard.
    """
    columns = (Customer.id, Customer.name, Customer.name_key, Customer.credit_code, Customer.website)
    unfiled = sa.select(*columns, Customer.deleted_at).where(Customer.keyed < KEYED).order_by(Customer.id)
    found = db.session.execute(unfiled.limit(limit).with_for_update()).all()
    living = [one for one in found if one.deleted_at is None]
    try:
        with db.session.begin_nested():
            _file_together(living)
    except sa.exc.IntegrityError:
        for customer in db.session.scalars(sa.select(Customer).where(Customer.id.in_([one.id for one in living]))):
            file_anew(customer)
    for one in found:
        if one.name_key != name_key(one.name):
            _set([one.id], name_key=name_key(one.name))
    _set([one.id for one in found], keyed=KEYED)
    return len(found)


def _file_together(found: Sequence[Any]) -> None:
    """File customers in as many statements as one takes: the keys of thousands that were imported are wanted soon."""
    ids = [one.id for one in found]
    gone = sa.delete(CustomerKey).where(CustomerKey.customer_id.in_(ids))
    db.session.execute(gone.execution_options(synchronize_session=False))
    theirs = sa.select(Contact.customer_id, Contact.phones)
    numbers: dict[str, dict[str, None]] = {}
    for row in db.session.execute(theirs.where(Contact.customer_id.in_(ids), Contact.deleted_at.is_(None))):
        numbers.setdefault(row.customer_id, {}).update(dict.fromkeys(row.phones or ()))
    keys = [{**key, "customer_id": one.id} for one in found for key in _keys(one)]
    keys += [
        {"customer_id": customer_id, "value": REACHED + number, "guard": None}
        for customer_id, own in numbers.items()
        for number in own
    ]
    insert_lot(CustomerKey, keys)


def _set(ids: Sequence[str], **values: Any) -> None:
    db.session.flush()
    changed = sa.update(Customer).where(Customer.id.in_(ids)).values(**values)
    db.session.execute(changed.execution_options(synchronize_session="fetch"))


def file_anew(customer: Customer) -> None:
    """File a customer and its contacts, with a guard unless somebody else has its code by now."""
    customer.keyed = KEYED
    file_contacts(customer.id)
    try:
        with db.session.begin_nested():
            write_keys(customer)
    except sa.exc.IntegrityError:
        keys = [{**one, "guard": None, "customer_id": customer.id} for one in _keys(customer)]
        _forget(customer.id, ~CustomerKey.value.startswith(REACHED))
        insert_rows(CustomerKey, keys)


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
        hits += _in_bin(wanted)
    seen = _seen_of([one.customer.id for one in hits], actor)
    hits = [Hit(one.customer, one.field, one.level, one.customer.id in seen, one.asked) for one in hits]
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


def _in_bin(wanted: Wanted) -> list[Hit]:
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
    found = {(row.id, at): Hit(row, at, rules.WARN, False, asked) for row, (at, asked) in binned.find_binned(keys)}
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


# --- refusing and telling -----------------------------------------------------------------------------------------


def refuse_known(values: Mapping[str, Any], *, actor: Member, but: str = "") -> list[Hit]:
    """Raise Duplicate when a customer is known already by something that the corp's rules let only one have.

    Returns those of which the rules only warn.
    """
    hits = find_duplicates(values, actor=actor, but=but)
    blocking = [one for one in hits if one.level == rules.BLOCK]
    if blocking:
        raise duplicate_of(blocking)
    return hits


def reached_by(numbers: Sequence[str], *, actor: Member, but: str) -> list[Hit]:
    """Return the customers, but one, that have a contact's numbers as their own or for a contact of theirs."""
    level = rules.level("contact")
    if level == rules.OFF or not numbers:
        return []
    return [replace(one, level=level) for one in find_duplicates({"phones": numbers}, actor=actor, but=but)]


def refuse_reached(numbers: Sequence[str], *, actor: Member, but: str) -> list[Hit]:
    """Raise Duplicate when another customer is reached by a contact's numbers and the corp's rule refuses that.

    Returns those of which the rule only warns.
    """
    hits = reached_by(numbers, actor=actor, but=but)
    if hits and hits[0].level == rules.BLOCK:
        raise duplicate_of(hits)
    return hits


def remember(saved: Customer | Contact, hits: Sequence[Hit]) -> None:
    """Keep, for the rest of the unit of work, of whom a save is to warn."""
    saved.__dict__["_alike"] = hits


def warnings_of(saved: Customer | Contact, *, actor: Member) -> list[dict[str, Any]]:
    """Return of whom the save that was just made warns, as `tell` says it; counts what it tells of hidden ones."""
    hits: Sequence[Hit] = saved.__dict__.get("_alike", ())
    return tell(admitted(hits, actor=actor))


def admitted(hits: Sequence[Hit], *, actor: Member) -> list[Hit]:
    """Return the hits that the actor may be told of, and count those whom they may not see, all or none of them."""
    shown = list(hits[:MOST])
    if take_asks(actor, sorted({one.asked for one in shown if not one.visible})):
        return shown
    return [one for one in hits if one.visible][:MOST]


def duplicate_of(hits: Sequence[Hit]) -> Duplicate:
    """Return the problem that names what is known already. `told` is `tell`'s, `asked` what it tells of hidden ones."""
    told = tell(hits[:MOST])
    fields: dict[str, str] = {}
    for one in told:
        fields.setdefault(one["field"], one["message"])
    record_id = next((one.customer.id for one in hits if one.visible), "")
    asked = tuple(sorted({one.asked for one in hits if not one.visible}))
    return Duplicate(fields, record_id=record_id, told=told, asked=asked)


def tell(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """Return what may be said of each: {"field", "type", "level", "message", "id", "name", "department", "activity",
    "owner"}. Of a customer that the actor may not see: no id, a masked name, and the owner where the rules allow it."""
    departments = _department_names([one.customer.department_id for one in hits])
    owners = names([one.customer.owner_id for one in hits])
    return [_tell(one, departments, owners) for one in hits]


def _tell(hit: Hit, departments: Mapping[str, str], owners: Mapping[str, str]) -> dict[str, Any]:
    row = hit.customer
    name = row.name if hit.visible else masked(row.name)
    department = departments.get(row.department_id or "", "")
    if row.deleted_at is not None:
        department = _("回收站")
    elif row.owner_id is None:
        department = _("公海")
    owner = owners.get(row.owner_id or "") if hit.visible or rule("duplicates.owner") else None
    said = _("、").join(filter(None, (department, owner, _activity_words(row))))
    return {
        "field": hit.field,
        "type": "duplicate",
        "level": hit.level,
        "message": _alike_words(hit.field, name) if hit.visible else f"{_alike_words(hit.field, name)}（{said}）",
        "id": row.id if hit.visible else None,
        "name": name,
        "department": department,
        "activity": _activity(row),
        "owner": owner,
    }


def _alike_words(at: str, name: str) -> str:
    match at:
        case "phones":
            return _("已有相同电话的客户：%(name)s", name=name)
        case "credit_code":
            return _("已有相同信用代码的客户：%(name)s", name=name)
        case "website":
            return _("已有相同网站的客户：%(name)s", name=name)
        case _:
            return _("已有名称相近的客户：%(name)s", name=name)


def masked(name: str) -> str:
    """Return a name of which only the ends can be read: 佛***司."""
    return f"{name[:1]}***{name[-1:]}" if len(name) > 2 else f"{name[:1]}*"


def _activity(row: Any) -> str:
    """Return when a customer was last dealt with, roughly: "week", "month", "older"."""
    moments: list[datetime] = [one for one in (row.last_followed_at, row.last_visited_at) if one]
    age = clock.now() - max(moments) if moments else timedelta.max
    return "week" if age < timedelta(days=7) else "month" if age < timedelta(days=30) else "older"


def _activity_words(row: Any) -> str:
    return {"week": _("7 天内有跟进"), "month": _("30 天内有跟进"), "older": _("30 天以上没有跟进")}[_activity(row)]


def _department_names(department_ids: Sequence[str | None]) -> dict[str, str]:
    wanted = sorted({one for one in department_ids if one})
    if not wanted:
        return {}
    return dict(db.session.execute(sa.select(Department.id, Department.name).where(Department.id.in_(wanted))).all())


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


def code_key(customer_id: str, code: str) -> dict[str, Any]:
    """Return the key under which an imported customer's code is found at once; the worker makes the others."""
    value = f"code:{code}"
    return {
        "customer_id": customer_id,
        "value": value,
        "guard": value if rules.level("code") == rules.BLOCK else None,
    }


def _first_of(column: Any, customer_id: Any, values: Iterable[str]) -> Iterable[tuple[str, str]]:
    wanted = sorted(values)
    for start in range(0, len(wanted), 500):
        some = sa.select(column, sa.func.min(customer_id)).where(column.in_(wanted[start : start + 500]))
        if column is Customer.name_key:
            some = some.where(Customer.deleted_at.is_(None))
        yield from (tuple(row) for row in db.session.execute(some.group_by(column)))
