"""Keeping the index true to the records: with every save, and anew for all that is there.

What is written through the session comes here by itself (`_follow`). Whoever writes in bulk beside it calls
`index_customers`, `index_follow_ups` or `index_tasks`; whoever changes what belongs to a customer (a contact) and is
not named in `_follow` calls `index_customers` with the customer's id.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session, attributes

from wsapp import outbox
from wsapp.crm.customers.models import Contact, Customer, CustomerPhone
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.search import store
from wsapp.crm.search.grams import squeeze
from wsapp.crm.search.models import CONTACT, CUSTOMER, FOLLOW_UP, TASK, SearchEntry
from wsapp.crm.search.store import Text
from wsapp.crm.tasks.models import Task
from wsapp.db import db

LOT = 500  # records of one transaction
ORDER = (CUSTOMER, CONTACT, FOLLOW_UP, TASK)  # in which all is built anew


# --- one record or some -------------------------------------------------------------------------------------------


def index_customers(ids: Collection[str], *, spell: bool = False) -> None:
    """Write what customers are found by, in the caller's transaction: names and numbers at once, pinyin by the worker.

    `spell` writes the pinyin here and now; for the worker and for commands.
    """
    _put_named(CUSTOMER, _customer_texts(list(ids)), spell=spell)


def index_new(kind: str, texts: Sequence[Text]) -> None:
    """Write what records of a kind that were inserted just now are found by, without reading them again."""
    index_soon(kind, store.put(kind, texts, are_new=True))


def index_soon(kind: str, ids: Sequence[str]) -> None:
    """Have the worker write what records (customers, contacts) are found by, pinyin and all."""
    for start in range(0, len(ids), LOT):
        outbox.enqueue("search.sounds", {"kind": kind, "ids": list(ids[start : start + LOT])})


def index_contacts(ids: Collection[str], *, spell: bool = False) -> None:
    """Write what contacts are found by; their customers are to be indexed as well."""
    found = db.session.execute(sa.select(Contact.id, Contact.name, Contact.phones).where(Contact.id.in_(list(ids))))
    _put_named(CONTACT, [Text(row.id, squeeze(row.name), lines_text(row.phones)) for row in found], spell=spell)


def _put_named(kind: str, texts: Sequence[Text], *, spell: bool) -> None:
    if spell:
        from wsapp.crm.search.sounds import sounds_of  # here: no web process may load the dictionary

        texts = [Text(one.id, one.words, one.phones, sounds_of(one.words)) for one in texts]
    wanted = store.put(kind, texts)
    if wanted:
        outbox.enqueue("search.sounds", {"kind": kind, "ids": wanted})


def index_follow_ups(ids: Collection[str]) -> None:
    """Write what follow-ups are found by, in the caller's transaction."""
    found = db.session.execute(sa.select(FollowUp.id, FollowUp.text).where(FollowUp.id.in_(list(ids))))
    store.put(FOLLOW_UP, [Text(row.id, squeeze(row.text), sounds="") for row in found])


def index_tasks(ids: Collection[str]) -> None:
    """Write what tasks are found by, in the caller's transaction."""
    found = db.session.execute(sa.select(Task.id, Task.title).where(Task.id.in_(list(ids))))
    store.put(TASK, [Text(row.id, squeeze(row.title), sounds="") for row in found])


def forget_customers(ids: Collection[str]) -> None:
    """Take customers out of the index that are no more."""
    store.remove(CUSTOMER, list(ids))


def _customer_texts(ids: Sequence[str]) -> list[Text]:
    names = sa.select(Customer.id, Customer.name, Customer.short_name).where(Customer.id.in_(ids))
    numbers = sa.select(CustomerPhone.customer_id, CustomerPhone.number).where(CustomerPhone.customer_id.in_(ids))
    phones: dict[str, list[str]] = {}
    for customer_id, number in db.session.execute(numbers.order_by(CustomerPhone.position)):
        phones.setdefault(customer_id, []).append(number)
    people: dict[str, list[str]] = {}
    for contact in db.session.execute(
        sa.select(Contact.customer_id, Contact.name, Contact.phones)
        .where(Contact.customer_id.in_(ids), Contact.deleted_at.is_(None))
        .order_by(Contact.id)
    ):
        people.setdefault(contact.customer_id, []).append(contact.name)
        phones.setdefault(contact.customer_id, []).extend(contact.phones or ())
    return [
        Text(row.id, names_text(row.name, row.short_name, *people.get(row.id, ())), lines_text(phones.get(row.id, ())))
        for row in db.session.execute(names)
    ]


def names_text(name: str, *others: str) -> str:
    """Return the lines of names: the customer's own always first, for those who may read no other."""
    first = squeeze(name)
    return "\n".join(dict.fromkeys([first, *filter(None, map(squeeze, others))]))


def lines_text(texts: Iterable[str]) -> str:
    """Return lines of numbers as they are searched."""
    return "\n".join(dict.fromkeys(filter(None, map(squeeze, texts))))


INDEXERS: dict[str, Callable[[Collection[str]], None]] = {
    CUSTOMER: index_customers,
    CONTACT: index_contacts,
    FOLLOW_UP: index_follow_ups,
    TASK: index_tasks,
}

SPELT: dict[str, Any] = {CUSTOMER: index_customers, CONTACT: index_contacts}  # these have pinyin, too


# --- with every save ----------------------------------------------------------------------------------------------

# What of a row, when it changes, changes what is found: model → kind, column with the record's id, columns.
_FOLLOWED: dict[type[Any], tuple[str, str, tuple[str, ...]]] = {
    Customer: (CUSTOMER, "id", ("name", "short_name")),
    CustomerPhone: (CUSTOMER, "customer_id", ("number",)),
    Contact: (CONTACT, "id", ("name", "phones", "deleted_at", "customer_id")),
    FollowUp: (FOLLOW_UP, "id", ("text",)),
    Task: (TASK, "id", ("title",)),
}


@event.listens_for(Session, "after_flush")
def _follow(session: Session, _context: Any) -> None:
    """Index what was written just now, so that it is found from the commit on."""
    touched: dict[str, set[str]] = {}
    gone: dict[str, set[str]] = {}
    for row in (*session.new, *session.dirty, *session.deleted):
        followed = _FOLLOWED.get(type(row))
        if followed is None:
            continue
        kind, id_name, columns = followed
        if isinstance(row, Contact):
            touched.setdefault(CUSTOMER, set()).add(row.customer_id)  # is found by its people as well
        if row in session.deleted and id_name == "id":
            gone.setdefault(kind, set()).add(row.id)
        elif row in session.new or row in session.deleted or _has_changed(row, columns):
            touched.setdefault(kind, set()).add(getattr(row, id_name))
    for kind, ids in touched.items():
        INDEXERS[kind](ids - gone.get(kind, set()))
    for kind, ids in gone.items():
        store.remove(kind, ids)


def _has_changed(row: Any, columns: Iterable[str]) -> bool:
    return any(attributes.get_history(row, name).has_changes() for name in columns)


# --- anew ---------------------------------------------------------------------------------------------------------

_TABLES: dict[str, type[Any]] = {CUSTOMER: Customer, CONTACT: Contact, FOLLOW_UP: FollowUp, TASK: Task}


def build_next(kind: str, after: str, *, spell: bool = False) -> tuple[str, str, int] | None:
    """Index the next `LOT` records of a kind behind the id `after`, in the caller's transaction.

    Returns where to go on as (kind, after, how many were done), None when all kinds are done. What is in the index
    already and right is left alone, so that it may be stopped and started again at any time.
    """
    model = _TABLES[kind]
    ids = list(db.session.scalars(sa.select(model.id).where(model.id > after).order_by(model.id).limit(LOT)))
    if ids and spell and kind in SPELT:
        SPELT[kind](ids, spell=True)
    elif ids:
        INDEXERS[kind](ids)
    if len(ids) == LOT:
        return kind, ids[-1], LOT
    following = ORDER.index(kind) + 1
    return (ORDER[following], "", len(ids)) if following < len(ORDER) else None


def spell(kind: str, ids: Collection[str]) -> None:
    """Write the pinyin of records' names (for the worker)."""
    from wsapp.crm.search.sounds import keep_readings  # here: no web process may load the dictionary

    keep_readings()
    SPELT[kind](ids, spell=True)


def entries_count() -> int:
    """Return how many records of the corp are in the index."""
    return db.session.scalar(sa.select(sa.func.count()).select_from(SearchEntry)) or 0


def records_count() -> int:
    """Return how many records of the corp there are to be found."""
    return sum(db.session.scalar(sa.select(sa.func.count()).select_from(model)) or 0 for model in _TABLES.values())
