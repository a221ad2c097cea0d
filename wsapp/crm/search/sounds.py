"""How Chinese names sound. Only the worker and commands come here: the dictionary takes 40 MB."""

import re
from collections.abc import Iterable, Sequence
from itertools import islice

import sqlalchemy as sa

from wsapp.crm.search.grams import INITIALS_MARK, fold_sounds
from wsapp.crm.search.models import SearchReading
from wsapp.db import db, dialect_insert

MOST_READINGS = 4  # of one character
CHARS = range(0x4E00, 0x9FA6)
LOT = 2_000  # rows of one insert
# Half of all names end so: nobody asks for it in pinyin, and "xian" would find every 有限公司.
LEGAL_FORM = re.compile(r"(?:股份)?(?:有限责任|有限)?公司$")


def sounds_of(words: str) -> str:
    """Return the sounds of squeezed names, one line for each: folded pinyin, then initials after the mark.

    Of the first character all readings count: 单, 曾, 重 are said otherwise as a surname than the dictionary thinks.
    """
    lines: dict[str, None] = {}
    for word in words.split("\n"):
        for syllables in _spoken(LEGAL_FORM.sub("", word)):
            lines.update(dict.fromkeys(_lines(syllables)))
    return "\n".join(lines)


def _lines(syllables: Sequence[str]) -> Iterable[str]:
    yield "".join(map(fold_sounds, syllables))
    yield fold_sounds("".join(syllables))  # as a typed word is folded: xi'an and xian are one
    yield INITIALS_MARK + "".join(one if one.isdigit() else one[:1] for one in syllables)


def _spoken(word: str) -> Iterable[list[str]]:
    if word.isascii():
        return
    from pypinyin import Style, lazy_pinyin, pinyin  # here: no web process may load it

    said = lazy_pinyin(word, errors=list)  # type: ignore[arg-type] # one part for each character
    yield said
    for other in pinyin(word[0], style=Style.NORMAL, heteronym=True, errors="ignore")[:1]:
        for reading in islice(other, MOST_READINGS):
            if reading != said[0]:
                yield [reading, *said[1:]]


def keep_readings() -> None:
    """Write down how all common characters sound, unless it is there: whoever types by ear is understood by it."""
    if db.session.scalar(sa.select(SearchReading.char).limit(1)) is not None:
        return
    from pypinyin.pinyin_dict import pinyin_dict  # here: no web process may load it
    from pypinyin.style._tone_convert import to_normal

    found = []
    for code in CHARS:
        readings = dict.fromkeys(fold_sounds(to_normal(one)) for one in pinyin_dict.get(code, "").split(",") if one)
        if readings:
            found.append({"char": chr(code), "sounds": " ".join(list(readings)[:MOST_READINGS])})
    insert = dialect_insert(sa.inspect(SearchReading).local_table).on_conflict_do_nothing()
    for start in range(0, len(found), LOT):
        db.session.execute(insert, found[start : start + LOT])
