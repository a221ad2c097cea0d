"""Names of companies taken apart for comparing: the place they name first, and the core that remains."""

from collections.abc import Iterator
from functools import cache
from math import ceil
from typing import Any

from wsapp.crm.customers.clean import name_key

MUNICIPALITIES = ("北京", "天津", "上海", "重庆")
NAMED_CITY = 4  # 佛山市, 呼伦贝尔市: where 市 stands by itself, at most so many letters before it
PARTS = 12  # up to so long a core one wrong letter is looked for, beyond it two


@cache
def _places() -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of provinces and of cities as companies begin with them (广东, 佛山).

    Source: GB/T 2260 as python-stdnum carries it, read once, where the first name is compared.
    """
    from stdnum import numdb  # not when a web process starts

    divisions: Any = numdb.get("cn/loc")
    provinces: set[str] = set()
    cities: set[str] = set(MUNICIPALITIES)
    for province in range(11, 66):
        found = divisions.info(f"{province}0000")
        if name := found[0][1].get("province", ""):
            provinces.add(_short(name))
            cities.update(_cities_of(divisions, province))
    return frozenset(provinces - cities), frozenset(cities)


def _short(province: str) -> str:
    if province.endswith("自治区"):
        return "内蒙古" if province.startswith("内蒙古") else province[:2]
    return province.removesuffix("省").removesuffix("市")


def _cities_of(divisions: Any, province: int) -> Iterator[str]:
    for city in range(1, 71):
        found = divisions.info(f"{province}{city:02d}00")
        name = found[1][1].get("county", "") if len(found) > 1 else ""
        name = name.rpartition("]")[2]  # "[1989-]义乌市": since when
        if name.endswith("市") and len(name) > 2:
            yield name.removesuffix("市")


def city_and_core(key: str) -> tuple[str, str]:
    """Return the city that a name in normal form (`name_key`) begins with, "" for none, and what remains.

    广东省佛山市华星家具 → (佛山, 华星家具). A name is never taken apart down to a single letter.
    """
    provinces, cities = _places()
    rest = _without(key, provinces, "省")
    at = rest.find("市", 2, NAMED_CITY + 1)
    if at > 0 and len(rest) - at > 2:
        return rest[:at], rest[at + 1 :]
    for length in (4, 3, 2):
        if rest[:length] in cities and len(rest) - length >= 2:
            return rest[:length], rest[length:]
    return "", rest


def _without(key: str, known: frozenset[str], ending: str) -> str:
    for length in (3, 2):
        if key[:length] in known and len(key) - length >= 2:
            return key[length:].removeprefix(ending) or key
    return key


def same_place(one: str, other: str) -> bool:
    """Say whether two cities, as names begin with them, may be one: equal, or one is not named."""
    return not one or not other or one == other


# --- similar names ------------------------------------------------------------------------------------------------


def pieces(core: str) -> list[str]:
    """Return what a core is filed under: its pieces, each with its place in a core of this length.

    Of two cores that differ in as many letters as there are pieces but one, some piece is the same (Li, Deng, Wang,
    Feng: "PASS-JOIN", VLDB 2011): so what is similar is found by looking up whole words in an index.
    """
    return [f"{len(core)}/{at}/{core[start:end]}" for at, (start, end) in enumerate(_cuts(len(core)))]


def pieces_of_similar(core: str) -> list[str]:
    """Return all pieces under which something similar to a core may be filed."""
    found: dict[str, None] = {}
    most = _wrong(len(core))
    for length in range(max(1, len(core) - most), len(core) + most + 1):
        for at, (start, end) in enumerate(_cuts(length)):
            size = end - start
            for begin in range(max(0, start - most), min(len(core) - size, start + most) + 1):
                found[f"{length}/{at}/{core[begin : begin + size]}"] = None
    return list(found)


def _wrong(length: int) -> int:
    return 0 if length < 3 else 1 if length <= PARTS else 2


def _cuts(length: int) -> Iterator[tuple[int, int]]:
    count = _wrong(length) + 1
    size = ceil(length / count)
    for start in range(0, length, size):
        yield start, min(length, start + size)


def likeness(one: str, other: str) -> float:
    """Return how alike two names are, 0–100: equal cores are 100, else by letters that differ (insertions, deletions).

    Names of different cities are not alike, whatever else they share.
    """
    from rapidfuzz import fuzz  # not when a web process starts

    key, other_key = name_key(one), name_key(other)
    (city, core), (other_city, other_core) = city_and_core(key), city_and_core(other_key)
    if not same_place(city, other_city):
        return 0.0
    return 100.0 if core == other_core else max(fuzz.ratio(key, other_key), fuzz.ratio(core, other_core))
