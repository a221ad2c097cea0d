"""Contacts (联系人): the people at a customer, one of them the main one. They go with their customer."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.asks import demand_asks_left
from wsapp.crm.customers.clean import clean_line, clean_text, normal_phone
from wsapp.crm.customers.dedupe import Hit
from wsapp.crm.customers.filing import file_contacts
from wsapp.crm.customers.models import CONTACT_ROLES, GENDERS, Contact, Customer
from wsapp.crm.customers.queries import demand_right, visible_customers
from wsapp.crm.customers.tags import keep_new_tags, tidy_tags
from wsapp.crm.customers.telling import refuse_reached, remember
from wsapp.crm.events.actions import record
from wsapp.crm.fields.carriers import custom_after, custom_of_new, differences
from wsapp.crm.fields.records import Records, carry, is_seen
from wsapp.crm.fields.values import keep_findable
from wsapp.crm.org.models import Member
from wsapp.db import db, first, new_id, rows
from wsapp.kept import Kept, one_of
from wsapp.problems import Invalid, NotFound, Stale
from wsapp.texts import _
from wsapp.versions import take_version

MOST = 100  # contacts of one customer
MAX_PHONES = 5
LINES = {"title": 60, "wechat": 60, "mail": 120, "external_userid": 64}
FIELDS = ("name", *LINES, "gender", "role", "phones", "birthday", "is_primary", "tags", "note")
SORTS = {
    "-updated_at": (Contact.updated_at, True),
    "updated_at": (Contact.updated_at, False),
    "name": (Contact.name, False),
    "-name": (Contact.name, True),
}
MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
BIRTHDAY = re.compile(r"(?:(\d{4})-|--)?(\d\d)-(\d\d)")
LEAP_YEAR = 2000  # 29 February is a birthday, too
EARLIEST_YEAR = 1900


# --- who sees them ------------------------------------------------------------------------------------------------


def visible_contacts(actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition for the contacts that the actor may see: those of the customers that they may see."""
    theirs = sa.exists().where(
        Customer.corp_id == Contact.corp_id, Customer.id == Contact.customer_id, visible_customers(actor)
    )
    return sa.and_(Contact.deleted_at.is_(None), theirs)


def find_contact(contact_id: str, *, actor: Member) -> Contact:
    """Return a contact that the actor may see; raises NotFound for all others."""
    found: Contact | None = first(sa.select(Contact).where(Contact.id == contact_id, visible_contacts(actor)))
    if found is None:
        raise NotFound(_("联系人不存在或无权查看"))
    return found


carry("contact", Records(Contact, is_seen(Contact, visible_contacts)))

_OF_CUSTOMER = Kept(
    sa.select(Contact.id, Contact.name, Contact.title, Contact.role, Contact.phones, Contact.is_primary)
    .where(Contact.customer_id == sa.bindparam("customer", type_=sa.String), Contact.deleted_at.is_(None))
    .order_by(Contact.is_primary.desc(), Contact.created_at, Contact.id)
)


def contacts_of(customer_id: str) -> Sequence[Any]:
    """Return a customer's contacts as rows, the main one first. The caller has made sure that the actor sees it."""
    return _OF_CUSTOMER.all(customer=customer_id)


def contact_of(customer: Customer, contact_id: str | None) -> str | None:
    """Return the id of a contact of this very customer, None for none. Raises Invalid for the field `contact`."""
    if not contact_id:
        return None
    wanted = sa.select(Contact.id).where(
        Contact.id == contact_id, Contact.customer_id == customer.id, Contact.deleted_at.is_(None)
    )
    found: str | None = first(wanted)
    if found is None:
        raise Invalid({"contact": _("请选择该客户的联系人")})
    return found


_NAMES = Kept(sa.select(Contact.id, Contact.name).where(one_of(Contact.id, "ids")))


def contact_names(contact_ids: Sequence[str | None]) -> dict[str, str]:
    """Return the names of contacts by id, in one query (for records that the actor may see anyway)."""
    wanted = sorted({one for one in contact_ids if one})
    return {row.id: row.name for row in _NAMES.all(ids=wanted)} if wanted else {}


# --- what people do with them -------------------------------------------------------------------------------------


def add_contact(customer: Customer, values: Mapping[str, Any], *, actor: Member) -> Contact:
    """Add a contact to a customer (新建联系人); the first one is the main one.

    Raises Invalid; Forbidden unless the actor may edit the customer.
    """
    demand_right(customer, "edit", actor=actor)
    clean = clean_contact(values, whole=True)
    keep_new_tags(clean.get("tags", ()), actor=actor)
    custom = custom_of_new("contact", values, clean, actor=actor, parent=customer.custom)
    alike = _refuse_reached(clean.get("phones", ()), customer.id, actor)
    _hold(customer.id)
    there = contacts_of(customer.id)
    if len(there) >= MOST:
        raise Invalid({"": _("最多 %(most)d 个联系人", most=MOST)})
    is_primary = clean.pop("is_primary", False) or not there
    now = clock.now()
    contact = Contact(
        **clean,
        custom=custom,
        id=new_id(),
        customer_id=customer.id,
        creator_id=actor.id,
        created_at=now,
        updated_at=now,
        version=1,
    )
    if is_primary:
        _make_primary(contact)
    db.session.add(contact)
    db.session.flush()
    keep_findable("contact", contact.id, custom)
    if contact.phones:
        file_contacts(customer.id)
    remember(contact, alike)
    record("contact.added", contact, actor=actor, customer_id=customer.id, name=contact.name)
    return contact


def change_contact(
    contact: Contact, values: Mapping[str, Any], *, actor: Member, version: int | None = None
) -> Contact:
    """Change the given fields of a contact (修改联系人).

    Raises Stale with the difference when it was changed since `version`; Invalid; Forbidden.
    """
    demand_right(_customer_of(contact), "edit", actor=actor)
    clean = clean_contact(values, whole=False)
    keep_new_tags(clean.get("tags", ()), actor=actor, had=contact.tags)
    changes = {field: [getattr(contact, field), value] for field, value in clean.items()}
    changes = {field: both for field, both in changes.items() if both[0] != both[1]}
    had, custom = custom_after("contact", contact, values, clean, actor=actor)
    changes |= differences(had, custom)
    if version is not None and version != contact.version:
        raise _stale(contact, changes)
    if not changes:
        return contact
    fresh = [one for one in clean.get("phones", ()) if one not in contact.phones]
    alike = _refuse_reached(fresh, contact.customer_id, actor)
    _hold(contact.customer_id)
    if not take_version(contact):
        raise _stale(contact, changes)
    for field, value in clean.items():
        setattr(contact, field, value)
    contact.custom = custom
    if clean.get("is_primary"):
        _make_primary(contact)
    contact.updated_at = clock.now()
    db.session.flush()
    keep_findable("contact", contact.id, custom, had)
    if "phones" in changes:
        file_contacts(contact.customer_id)
    remember(contact, alike)
    record(
        "contact.changed",
        contact,
        actor=actor,
        customer_id=contact.customer_id,
        changes=changes,
        name=contact.name,
    )
    return contact


def _refuse_reached(numbers: Sequence[str], customer_id: str, actor: Member) -> list[Hit]:
    """Raise Duplicate where the corp's rule refuses what other customers have; TooMany for who has asked too often."""
    if numbers:
        demand_asks_left(actor)
    return refuse_reached(numbers, actor=actor, but=customer_id)


def _customer_of(contact: Contact) -> Customer:
    return db.session.execute(sa.select(Customer).where(Customer.id == contact.customer_id)).scalar_one()


def _hold(customer_id: str) -> None:
    """Let one at a time change a customer's contacts, so that there is one main contact."""
    db.session.execute(sa.select(Customer.id).where(Customer.id == customer_id).with_for_update())


def _make_primary(contact: Contact) -> None:
    others = sa.select(Contact).where(
        Contact.customer_id == contact.customer_id, Contact.is_primary.is_(True), Contact.id != contact.id
    )
    for other in rows(others):
        other.is_primary = False
        other.version += 1
    contact.is_primary = True


def _stale(contact: Contact, changes: dict[str, list[Any]]) -> Stale:
    return Stale(
        _("该联系人刚被他人修改，请核对后再保存"),
        record=contact,
        changes={field: (before, after) for field, (before, after) in changes.items()},
    )


# --- what may be said of one --------------------------------------------------------------------------------------


def clean_contact(values: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """Check and normalise the given fields (`FIELDS`); with `whole`, a name is required. Returns column values.

    Raises Invalid naming every field that is wrong.
    """
    clean: dict[str, Any] = {}
    errors: dict[str, str] = {}
    if whole or "name" in values:
        clean["name"] = clean_line(str(values.get("name") or ""))
        if not 1 <= len(clean["name"]) <= 60:
            errors["name"] = _("姓名应为 1–60 个字")
    for field, most in LINES.items():
        if field in values:
            clean[field] = clean_line(str(values[field] or ""))
            if len(clean[field]) > most:
                errors[field] = _("最多 %(most)d 个字", most=most)
    if clean.get("mail") and not MAIL.fullmatch(clean["mail"]):
        errors["mail"] = _("邮箱地址不正确")
    if "note" in values:
        clean["note"] = clean_text(str(values["note"] or ""))
        if len(clean["note"]) > 500:
            errors["note"] = _("最多 %(most)d 个字", most=500)
    for field, choices in (("gender", GENDERS), ("role", CONTACT_ROLES)):
        if field in values:
            clean[field] = values[field] or ""
            if clean[field] not in choices:
                errors[field] = _("请从列表中选择")
    if "is_primary" in values:
        clean["is_primary"] = bool(values["is_primary"])
    _clean_phones(values, clean, errors)
    _clean_birthday(values, clean, errors)
    if "tags" in values:
        clean["tags"] = tidy_tags(values["tags"], errors)
    if errors:
        raise Invalid(errors)
    return clean


def _clean_phones(values: Mapping[str, Any], clean: dict[str, Any], errors: dict[str, str]) -> None:
    if "phones" not in values:
        return
    numbers: list[str] = []
    try:
        for text in values["phones"] or []:
            if str(text).strip():
                numbers.append(normal_phone(str(text)))
    except ValueError as error:
        errors["phones"] = str(error)
        return
    clean["phones"] = list(dict.fromkeys(numbers))
    if len(clean["phones"]) > MAX_PHONES:
        errors["phones"] = _("最多 %(most)d 个电话", most=MAX_PHONES)


def _clean_birthday(values: Mapping[str, Any], clean: dict[str, Any], errors: dict[str, str]) -> None:
    """Read "1988-05-03", or "05-03" (also "--05-03") where the year is not known."""
    if "birthday" not in values:
        return
    text = str(values["birthday"] or "").strip().replace("/", "-").replace(".", "-")
    clean["birth_day"], clean["birth_year"] = "", None
    if not text:
        return
    found = BIRTHDAY.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        year, month, day = (int(part) if part else None for part in found.groups())
        born = date(year or LEAP_YEAR, month or 0, day or 0)
    except ValueError:
        errors["birthday"] = _("生日应为 1988-05-03，不知道年份时为 05-03")
        return
    if year and not EARLIEST_YEAR <= year <= clock.now().year:
        errors["birthday"] = _("生日的年份不正确")
        return
    clean["birth_day"], clean["birth_year"] = f"{born:%m-%d}", year
