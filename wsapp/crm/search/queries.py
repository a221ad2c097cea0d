"""What a query finds. The index names a few candidates; where there are many, whatever is walked is looked at anyway.

A fragment that few records have comes from the index: those few are then the condition. One that many have would make
a long list; there the newest records are walked until the page is full, which is soon, as many have it. Who sees a part
of the firm only would walk past everybody else's: there all about their own few customers is looked at, or up to `WIDE`
candidates. All ways cost about the same for ten thousand customers and for a million.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Contact, Customer
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.fields.access import reads
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.models import Member
from wsapp.crm.org.rights import sight
from wsapp.crm.search import store
from wsapp.crm.search.grams import asked_phones, asked_sounds, asked_words, fold_sounds, is_latin, squeeze
from wsapp.crm.search.models import CONTACT, CUSTOMER, FOLLOW_UP, TASK, SearchEntry
from wsapp.crm.tasks.models import Task
from wsapp.db import db, is_postgresql
from wsapp.kept import Texts, one_of

MANY = 1_000  # candidates; more than that, and walking is quicker
SMALL = 3_000  # customers that somebody sees: all about them is looked at
DEEP = 30_000  # candidates of which none of the newest `MANY` fits: older ones are not looked at
WIDE = 10_000  # candidates, for somebody who sees more than that, but not all
MOST_TERMS = 5
MOST_GRAMS = 40  # of a long term: the rest is left to the second look
MIN_DIGITS = 3
LONG = (FOLLOW_UP, TASK)  # kinds whose texts are found by two characters and more
# kind → its records' ids, and whom they are about
ABOUT: Mapping[str, tuple[Any, Any]] = {
    CUSTOMER: (Customer.id, Customer.id),
    CONTACT: (Contact.id, Contact.customer_id),
    FOLLOW_UP: (FollowUp.id, FollowUp.customer_id),
}


@dataclass(frozen=True)
class Fields:
    """Which parts of an entry may be searched for somebody; without `others`, of the names only the first."""

    others: bool = True
    phones: bool = True


@dataclass(frozen=True)
class Way:
    """One way in which a term can be meant: the grams that the index is asked for, and what then has to be there."""

    part: Any  # the entry's column
    needle: str  # `_` in it stands for any one character
    grams: tuple[str, ...]

    def fits(self) -> sa.ColumnElement[bool]:
        """Return the condition on an entry that it holds the needle, which has letters and digits alone."""
        found: sa.ColumnElement[bool] = self.part.like(f"%{self.needle}%")
        return found


Term = Sequence[Way]


def fields_of(actor: Member) -> Fields:
    """Return what the actor may search by: never a field that they see masked or not at all."""
    others = reads(actor, "short_name") and reads(actor, "name", "contact")
    return Fields(others, reads(actor, "phones") and reads(actor, "phones", "contact"))


def is_enough(text: str) -> bool:
    """Say whether a query is long enough for the one box: two characters, or one that is Chinese."""
    bare = squeeze(text)
    return len(bare) >= 2 or not bare.isascii()


def terms_of(text: str) -> list[str]:
    """Return the parts of a query, squeezed: a record must have all of them."""
    return [term for term in map(squeeze, text.split()) if term][:MOST_TERMS]


def ways(term: str, fields: Fields = Fields(), *, kind: str = CUSTOMER) -> list[Way]:
    """Return how a term may be meant: as written, as pinyin or initials, as a piece of a phone number."""
    own = SearchEntry.words if fields.others else _first_name()
    found = [Way(own, term, tuple(asked_words(term, singles=kind not in LONG)))]
    if kind in LONG or not is_latin(term):
        return found
    if fields.others and not term.isdigit():
        found += [
            Way(SearchEntry.sounds, letters, tuple(asked_sounds(letters)))
            for letters in dict.fromkeys((fold_sounds(term), term))
        ]
    if fields.phones and term.isdigit() and len(term) >= MIN_DIGITS:
        found.append(Way(SearchEntry.phones, term, tuple(asked_phones(term))))
    return found


def _first_name() -> sa.ColumnElement[str]:
    """Return the customer's own name: the first of an entry's lines."""
    if is_postgresql():
        return sa.func.split_part(SearchEntry.words, "\n", 1)
    return sa.func.substr(SearchEntry.words, 1, sa.func.instr(SearchEntry.words.concat("\n"), "\n") - 1)


def fits(terms: Sequence[Term]) -> sa.ColumnElement[bool]:
    """Return the condition on an entry that it has all terms, each in one of its ways."""
    return sa.and_(sa.true(), *(sa.or_(sa.false(), *(way.fits() for way in term)) for term in terms))


def candidates(kind: str, terms: Sequence[Term], seen: sa.ColumnElement[bool] | None = None) -> list[str] | None:
    """Return the ids of the entries that have all terms; None where there are too many, or the index cannot say.

    With `seen`, a condition on customers, there may be more of them: then only those about such customers. There may
    be more as well where the grams of many lie in another order: a walk would be long until something fits.
    """
    asked = _asked(terms)
    fitting: list[str] = []
    if asked:
        found = store.find(kind, asked, fits(terms), MANY + 1)
        fitting = [row.id for row in found if row.fits]
        if len(found) <= MANY:
            return fitting
        if seen is None and len(fitting) > MANY // 2:
            return None
    if seen is not None and kind in ABOUT:
        theirs = db.session.scalars(sa.select(Customer.id).where(seen).limit(SMALL + 1)).all()
        if len(theirs) <= SMALL:
            return _of_those(kind, terms, theirs)
    if not asked:
        return None
    wanted = fits(terms)
    if seen is not None and kind in ABOUT:
        wanted = sa.and_(wanted, _about_seen(kind, seen))
    if not fitting:
        return [row.id for row in store.find(kind, asked, wanted, DEEP) if row.fits]
    if store.count(kind, asked, WIDE + 1) > WIDE:
        return None
    return [row.id for row in store.find(kind, asked, wanted, WIDE) if row.fits]


def guesses(kind: str, terms: Sequence[Term], seen: sa.ColumnElement[bool] | None = None) -> list[str]:
    """Return the ids of entries that have all terms, as `candidates`, but not of all that may be there: what is only
    guessed at is looked for among the newest `MANY`, or among the customers of somebody who sees few."""
    asked = _asked(terms)
    found = store.find(kind, asked, fits(terms), MANY + 1) if asked else []
    if len(found) > MANY and seen is not None and kind in ABOUT:
        theirs = db.session.scalars(sa.select(Customer.id).where(seen).limit(MANY + 1)).all()
        if len(theirs) <= MANY:
            return _of_those(kind, terms, theirs)
    return [row.id for row in found if row.fits]


def _asked(terms: Sequence[Term]) -> list[list[tuple[str, ...]]]:
    """Return what the index is asked for: of each term that it can tell, all ways to mean it, each once."""
    return [
        list(dict.fromkeys(way.grams[:MOST_GRAMS] for way in term))
        for term in terms
        if term and all(way.grams for way in term)
    ]


def _about_seen(kind: str, seen: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Return the condition on an entry that it is about a customer that somebody sees."""
    id_column, customer_id = ABOUT[kind]
    return sa.exists().where(
        _entry_of(id_column), Customer.corp_id == SearchEntry.corp_id, Customer.id == customer_id, seen
    )


def _of_those(kind: str, terms: Sequence[Term], customer_ids: Sequence[str]) -> list[str]:
    """Return the ids of what has all terms among everything about a few customers."""
    if not customer_ids:
        return []
    id_column, customer_id = ABOUT[kind]
    found = sa.select(SearchEntry.id).join(id_column.class_, _entry_of(id_column))
    return list(db.session.scalars(found.where(among(customer_id, customer_ids), fits(terms))))


def _entry_of(id_column: Any) -> sa.ColumnElement[bool]:
    return sa.and_(SearchEntry.corp_id == id_column.class_.corp_id, SearchEntry.id == id_column)


def condition(
    kind: str, id_column: Any, terms: Sequence[Term], seen: sa.ColumnElement[bool] | None = None
) -> sa.ColumnElement[bool]:
    """Return the condition on a table of records of `kind` that they have all terms. Asks the index at once.

    `seen`: on customers, where the asker sees a part of them. Whether they see a record is asked besides.
    """
    if not terms or not all(terms):
        return sa.false()
    few = candidates(kind, terms, seen)
    return walking(id_column, terms) if few is None else among(id_column, few)


def walking(id_column: Any, terms: Sequence[Term]) -> sa.ColumnElement[bool]:
    """Return the condition that a record has all terms, to be looked at one by one."""
    # Not EXISTS: PostgreSQL would turn it round, and read the whole index before the first of the newest records.
    return sa.select(fits(terms)).where(_entry_of(id_column)).scalar_subquery().is_(sa.true())


def among(id_column: Any, ids: Sequence[str]) -> sa.ColumnElement[bool]:
    """Return the condition that an id is one of a list of any length."""
    if not ids:
        return sa.false()
    # Without a name: one statement may ask for two such lists, and each must stay itself.
    return one_of(id_column, sa.bindparam(None, list(ids), type_=Texts))


def matching(text: str, *, actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition that a customer is meant by a query: by a piece of its names, of their pinyin or initials,
    or of a phone number, as far as the actor may see these. Which customers they may see is asked besides.
    """
    fields = fields_of(actor)
    terms = [ways(term, fields) for term in _with_numbers_whole(text)]
    return condition(CUSTOMER, Customer.id, terms, part_seen(actor))


def part_seen(actor: Member) -> sa.ColumnElement[bool] | None:
    """Return the condition for the customers that the actor sees; None where it is all of them."""
    return None if sight(actor, "customer", "see").people is None else visible_customers(actor)


def named(text: str) -> sa.ColumnElement[bool]:
    """Return the condition that a customer's own name holds all parts of a query, for lists that show nothing more."""
    only_name = Fields(others=False, phones=False)
    return condition(CUSTOMER, Customer.id, [ways(term, only_name) for term in terms_of(text)])


def contacts_with(text: str, *, actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition that a contact is meant by a query, as far as the actor may read names and numbers."""
    fields = fields_of(actor)
    if not fields.others:
        return sa.false()
    terms = [ways(term, fields, kind=CONTACT) for term in _with_numbers_whole(text)]
    return condition(CONTACT, Contact.id, terms, part_seen(actor))


def follow_ups_with(text: str, *, actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition that a follow-up's text has all parts of a query; only for those who read the text."""
    terms = [ways(term, kind=FOLLOW_UP) for term in terms_of(text)]
    return condition(FOLLOW_UP, FollowUp.id, terms, part_seen(actor))


def tasks_with(text: str) -> sa.ColumnElement[bool]:
    """Return the condition that a task's title has all parts of a query."""
    return condition(TASK, Task.id, [ways(term, kind=TASK) for term in terms_of(text)])


def reaches_texts(text: str) -> bool:
    """Say whether the search box looks into follow-ups and tasks for a query: for one letter it would read them all."""
    return bool(_asked([ways(term, kind=TASK) for term in terms_of(text)]))


def _with_numbers_whole(text: str) -> list[str]:
    """Return the terms; a number written in groups (138 0013 8000, 0755-2600) is one."""
    bare = "".join(char for char in text if char not in " -+()（）")
    return [squeeze(bare)] if bare.isdigit() and bare else terms_of(text)
