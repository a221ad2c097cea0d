"""What somebody meant who typed it wrong: the same sound in other characters, or one character amiss.

Asked only when nothing is found as written. A mistake is one more way to mean a term, with a gap in what has to be
there: so it is found as a hit is, by the index first and in the same time.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Customer
from wsapp.crm.search.grams import asked_sounds, asked_words, fold_sounds, is_latin, squeeze
from wsapp.crm.search.models import CUSTOMER, SearchEntry, SearchReading
from wsapp.crm.search.queries import Fields, Way, among, candidates, guesses, walking
from wsapp.db import db

SHORTEST = 3  # of fewer characters, with one amiss, too little is left
SHORTEST_LATIN = 5
LONGEST = 16  # of more, the beginning
ANY = "_"
EXACT = 6  # characters: of a term that is not longer, each place is asked for by itself
PARTS = 4  # into which a longer one is cut
MOST_SPOKEN = 8  # ways to say one term
NOTHING = sa.false()


def nearly_matching(
    text: str,
    fields: Fields,
    id_column: Any,
    *,
    kind: str = CUSTOMER,
    seen: sa.ColumnElement[bool] | None = None,
) -> sa.ColumnElement[bool]:
    """Return the condition that a customer or contact is what a mistyped query may have meant.

    `seen`: on customers, where the asker sees a part of them.
    """
    term = squeeze(text)[:LONGEST]
    if not fields.others or term.isdigit():
        return NOTHING
    heard = _by_ear(term)
    if heard:
        found = candidates(kind, [heard], seen)
        if found is None:
            return walking(id_column, [heard])
        if _any_seen(found, seen):
            return among(id_column, found)
    close = _one_amiss(term)
    return among(id_column, guesses(kind, [close], seen)) if close else NOTHING


def _any_seen(ids: Sequence[str], seen: sa.ColumnElement[bool] | None) -> bool:
    """Say whether somebody sees any of some customers."""
    if seen is None or not ids:
        return bool(ids)
    statement = sa.select(Customer.id).where(among(Customer.id, ids), seen)
    return db.session.scalar(statement.limit(1)) is not None


def _by_ear(term: str) -> list[Way]:
    """Return the sounds that a Chinese term may have; empty where a character has none that is known."""
    if is_latin(term) or len(term) < 2:
        return []
    found = db.session.execute(
        sa.select(SearchReading.char, SearchReading.sounds).where(SearchReading.char.in_(sorted(set(term))))
    )
    readings = {row.char: row.sounds.split() for row in found}
    if any(char not in readings and not char.isascii() for char in term):
        return []
    each = [readings.get(char, [char]) for char in term]
    while len(list(product(*each))) > MOST_SPOKEN:
        longest = max(range(len(each)), key=lambda at: len(each[at]))
        each[longest] = each[longest][:-1]
    spoken = dict.fromkeys("".join(one) for one in product(*each))
    return [Way(SearchEntry.sounds, one, tuple(asked_sounds(one))) for one in spoken]


def _one_amiss(term: str) -> list[Way]:
    """Return the ways to mean a term that has one character wrong, missing, too many, or exchanged with the next."""
    latin = is_latin(term)
    if len(term) < (SHORTEST_LATIN if latin else SHORTEST):
        return []
    found = list(_amiss(term, SearchEntry.words, asked_words))
    if latin:
        found += _amiss(fold_sounds(term), SearchEntry.sounds, _asked_long_sounds)
    return [way for way in found if way.grams]


def _amiss(term: str, part: Any, ask: Callable[[str], list[str]]) -> Iterator[Way]:
    for at in range(len(term)):
        left, right = term[:at], term[at + 1 :]
        grams = _around(term, at, ask)
        yield Way(part, left + right, grams)  # one too many, or wrong at an end
        if left and right:
            yield Way(part, left + ANY + right, grams)
            yield Way(part, left + ANY + term[at:], grams)
        if right and term[at] != right[0]:
            swapped = left + right[0] + term[at] + right[1:]
            yield Way(part, swapped, grams if len(term) > EXACT else tuple(ask(swapped)))


def _around(term: str, at: int, ask: Callable[[str], list[str]]) -> tuple[str, ...]:
    """Return what the index is asked for where a character is amiss: the grams of what stands before and behind it.

    A long term is asked for with a whole part missing, the same for all places in it, or each place would be a look
    into the index of its own; one more character is left out behind it, which may be exchanged with its last one.
    """
    begin, end = at, at + 1
    if len(term) > EXACT:
        width = -(-len(term) // PARTS)
        begin = at - at % width
        end = begin + width + 1
    return tuple(gram for piece in (term[:begin], term[end:]) if piece for gram in ask(piece))


def _asked_long_sounds(letters: str) -> list[str]:
    """Return the grams of all pinyin with these letters. Of two letters the index knows initials only."""
    return asked_sounds(letters) if len(letters) > 2 else []
