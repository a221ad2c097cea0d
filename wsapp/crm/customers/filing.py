"""Under what customers are filed (查重键), so that `dedupe` finds them again: the credit code, the domain
of the website, the core of the name, the pieces by which a similar name finds it, and the numbers of the contacts. The
customer's own numbers have a table of their own.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from wsapp.crm.customers import dedupe_rules as rules
from wsapp.crm.customers.clean import name_key
from wsapp.crm.customers.models import Contact, Customer, CustomerKey
from wsapp.crm.customers.names import city_and_core, pieces
from wsapp.db import db, insert_rows
from wsapp.lots import insert_lot

KEYED = 2  # by which rules keys are made: count up when they change, and the worker makes all anew
SHARED_HOSTS = frozenset({"1688.com", "alibaba.com", "taobao.com", "jd.com", "weixin.qq.com", "mp.weixin.qq.com"})
REACHED = "contact:"  # keys that are numbers of the customer's contacts


def domain_of(website: str) -> str:
    """Return the host of a website without www, "" where there is none or where many firms share it."""
    website = website.strip()
    try:
        host = urlsplit(website if "://" in website else f"//{website}").hostname or ""
    except ValueError:
        return ""
    host = host.removeprefix("www.")
    return host if "." in host and host not in SHARED_HOSTS else ""


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


def code_key(customer_id: str, code: str) -> dict[str, Any]:
    """Return the key under which an imported customer's code is found at once; the worker makes the others."""
    value = f"code:{code}"
    return {
        "customer_id": customer_id,
        "value": value,
        "guard": value if rules.level("code") == rules.BLOCK else None,
    }
