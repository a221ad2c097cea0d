"""What somebody meant who typed it wrong: the same sound in other characters, or one character amiss.

Asked only when nothing is found as written. Few candidates are compared, so that it stays as quick as a hit.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import sqlalchemy as sa

from wsapp.crm.search import store
from wsapp.crm.search.grams import asked_sounds, asked_words, fold_sounds, is_latin, squeeze
from wsapp.crm.search.models import CUSTOMER, SearchEntry, SearchReading
from wsapp.crm.search.queries import Fields, Way, candidates, condition
from wsapp.db import db

COMPARED = 1_000  # candidates, the newest
SHORTEST = 3  # of fewer characters, with one amiss, too little is left
SHORTEST_LATIN = 5
LONGEST = 24
MOST_SPOKEN = 8  # ways to say one term
NOTHING = sa.false()


def nearly_matching(text: str, fields: Fields, id_column: Any, *, kind: str = CUSTOMER) -> sa.ColumnElement[bool]:
    """Return the condition that a customer or contact is what a mistyped query may have meant."""
    term = squeeze(text)[:LONGEST]
    if not fields.others or term.isdigit():
        return NOTHING
    heard = _by_ear(term)
    if heard:
        found = candidates(kind, [heard])
        if found is None or found:
            return condition(kind, id_column, [heard])
    close = _one_amiss(kind, term)
    return id_column.in_(close) if close else NOTHING


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


def _one_amiss(kind: str, term: str) -> list[str]:
    """Return the ids of candidates one of whose names, or its sounds, has the term but for one character."""
    latin = is_latin(term)
    if len(term) < (SHORTEST_LATIN if latin else SHORTEST):
        return []
    typed = fold_sounds(term) if latin else term
    asked = list(dict.fromkeys(_with_gaps(term, asked_words)))
    if latin:
        asked += dict.fromkeys(_with_gaps(typed, asked_sounds))
    asked = [grams for grams in asked if grams]
    if not asked:
        return []
    column = SearchEntry.sounds if latin else SearchEntry.words
    near = [row.id for row in store.find(kind, [asked], sa.true(), COMPARED)]
    found = db.session.execute(
        sa.select(SearchEntry.id, SearchEntry.words, column.label("said")).where(SearchEntry.id.in_(near))
    )
    return [row.id for row in found if _is_close(term, row.words) or (latin and _is_close(typed, row.said or ""))]


def _with_gaps(term: str, ask: Any) -> Iterator[tuple[str, ...]]:
    """Return what to ask for when any one character is wrong: the grams of what is left and right of it."""
    for gap in range(len(term)):
        for wide in (1, 2):  # two neighbours: they were swapped
            left, right = term[:gap], term[gap + wide :]
            if len(left) + len(right) >= 2:
                yield tuple(gram for part in (left, right) if part for gram in ask(part))


def _is_close(term: str, lines: str) -> bool:
    from rapidfuzz import fuzz  # here: most processes never need it

    least = 100 * (len(term) - 1) / len(term) - 0.01
    return any(fuzz.partial_ratio(term, line) >= least for line in lines.split("\n") if len(line) >= len(term) - 1)
