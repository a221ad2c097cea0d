"""Grams: the pieces of a text under which it stands in the index, and the pieces that a query asks for.

Chinese: each character and each pair. Latin letters and digits: twos and threes, of phone numbers only threes. Pinyin:
threes, of initials twos as well. What a query's grams find is always looked at again (see `queries`): the grams of a
text may be there in another order.

Grams that stand in an index cannot change by themselves: whoever changes this file writes a migration that empties the
index and has it built again.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

WORDS, PHONES, SOUNDS = "w", "d", "p"  # what a gram is of
INITIALS_MARK = "."  # begins a line of initials among the sounds
_RUNS = re.compile(r"[0-9a-z]+|[^0-9a-z]+")
_PLAIN = re.compile("[一-龥]+")  # for which `_safe` has nothing to do
_FINAL_NG = re.compile(r"ng(?![aeiou])")


def squeeze(text: str) -> str:
    """Return a text as it is searched: full-width folded, lower case, letters and digits alone."""
    return "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())


def fold_sounds(pinyin: str) -> str:
    """Return pinyin without what people mix up: zh/z, ch/c, sh/s, final ng/n, l/n, v/u."""
    flat = pinyin.replace("zh", "z").replace("ch", "c").replace("sh", "s").replace("v", "u")
    return _FINAL_NG.sub("n", flat).replace("l", "n")


def is_latin(term: str) -> bool:
    """Say whether a squeezed term holds nothing but Latin letters and digits."""
    return term.isascii()


# --- what stands in the index -------------------------------------------------------------------------------------


def grams_of(words: str, phones: str = "", sounds: str = "", *, singles: bool = True) -> set[str]:
    """Return the grams of a record. All three are lines of squeezed text; `singles`: each character by itself, too."""
    found = {WORDS + gram for line in words.split("\n") for gram in _word_grams(line, singles=singles)}
    found |= {PHONES + gram for line in phones.split("\n") for gram in _pieces(line, 3)}
    for line in sounds.split("\n"):
        if line.startswith(INITIALS_MARK):
            found |= {SOUNDS + gram for gram in _pieces(line[1:], 2)}
            line = line[1:]
        found |= {SOUNDS + gram for gram in _pieces(line, 3)}
    return found


def _word_grams(line: str, *, singles: bool) -> Iterator[str]:
    for run in _RUNS.findall(line):
        if run.isascii():
            yield from _pieces(run, 2)
            yield from _pieces(run, 3)
        elif _PLAIN.fullmatch(run):
            yield from _pieces(run, 2)
            if singles:
                yield from run
        else:
            yield from map(_safe, _pieces(run, 2))
            if singles:
                yield from map(_safe, run)


def _pieces(run: str, length: int) -> Iterator[str]:
    return (run[at : at + length] for at in range(len(run) - length + 1))


def _safe(gram: str) -> str:
    """Spell out what SQLite's tokenizer might not take for a letter: it would cut the gram in two."""
    return "".join(char if char.isascii() or "一" <= char <= "龥" else f"u{ord(char):x}" for char in gram)


# --- what a query asks for ----------------------------------------------------------------------------------------


def asked_words(term: str, *, singles: bool = True) -> list[str]:
    """Return the grams that every text with this term has; empty where it is too short for any."""
    return [WORDS + gram for run in _RUNS.findall(term) for gram in _asked_of_run(run, singles=singles)]


def _asked_of_run(run: str, *, singles: bool) -> Iterable[str]:
    if run.isascii():
        return _pieces(run, min(max(len(run), 2), 3))
    if len(run) == 1:
        return [_safe(run)] if singles else []
    return map(_safe, _pieces(run, 2))


def asked_phones(digits: str) -> list[str]:
    """Return the grams of all phone numbers that contain these digits."""
    return [PHONES + gram for gram in _pieces(digits, 3)]


def asked_sounds(letters: str) -> list[str]:
    """Return the grams of all pinyin and initials that contain these letters."""
    return [SOUNDS + gram for gram in _pieces(letters, min(max(len(letters), 2), 3))]
