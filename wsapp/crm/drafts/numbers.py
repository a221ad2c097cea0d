"""Numbers as people say and type them: 一百二十万, 3万5, 12.5w, 两千三, 一百二. Pure.

cn2an 0.5.24 (MIT), measured on the same words, takes neither w nor 块 nor 十二点五万; so the rules are here.
"""

from decimal import Decimal

DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0, "俩": 2}
SMALL_UNITS = {"十": 10, "百": 100, "千": 1_000}
LARGE_UNITS = {"亿": 100_000_000, "万": 10_000, "w": 10_000, "W": 10_000, "k": 1_000, "K": 1_000}
CHARS = "零〇一二两俩三四五六七八九十百千万亿"


def small_number(text: str) -> int | None:
    """Return a number of a calendar or a clock, up to 99 in Chinese or any in Arabic digits; None when it is none."""
    if text.isdecimal() and text.isascii():
        return int(text)
    tens, ten, ones = text.partition("十")
    if not ten and len(tens) == 2 and tens[0] in "零〇":
        return DIGITS.get(tens[1])  # 三点零五
    if any(char not in DIGITS for char in tens + ones) or len(tens) > 1 or len(ones) > 1 or not text:
        return None
    if not ten:
        return DIGITS[tens]
    return (DIGITS[tens] if tens else 1) * 10 + (DIGITS[ones] if ones else 0)


def number(text: str) -> Decimal | None:
    """Return a number of any size, None when the characters make none. A last digit may stand for the next unit."""
    bare = text.replace(",", "").replace("，", "").replace(" ", "")
    for unit, size in LARGE_UNITS.items():
        head, found, tail = bare.partition(unit)
        if found:
            return _with_unit(head, size, tail)
    return _below_ten_thousand(bare)


def _with_unit(head: str, size: int, tail: str) -> Decimal | None:
    many = number(head) if head else None
    if many is None:
        return None
    if not tail:
        return many * size
    if len(tail) == 1 and (tail in DIGITS or tail.isdecimal()):  # 3万5, 一亿二: the next unit is left out
        return many * size + Decimal(DIGITS.get(tail, 0) or int(tail if tail.isascii() else 0)) * size / 10
    if tail == "半":
        return many * size + Decimal(size) / 2
    rest = number(tail.lstrip("零〇") or tail)
    return None if rest is None else many * size + rest


def _below_ten_thousand(text: str) -> Decimal | None:
    try:
        return Decimal(text) if text.isascii() and text else _spoken(text)
    except ArithmeticError:
        return None


def _spoken(text: str) -> Decimal | None:
    whole, point, fraction = text.partition("点")
    if point:
        return _with_fraction(whole, fraction)
    total, digit, last_unit = 0, None, 0
    for char in text:
        if char in SMALL_UNITS:
            if digit is None and char != "十":
                return None
            total += (1 if digit is None else digit) * SMALL_UNITS[char]
            digit, last_unit = None, SMALL_UNITS[char]
        elif char in DIGITS:
            if digit not in (None, 0):
                return None  # 一二三: digits that were read out
            digit = DIGITS[char]
            last_unit = 0 if char in "零〇" else last_unit
        else:
            return _mixed(text)
    if digit is not None:  # 一百二 is 120, 一百零二 is 102
        total += digit * (last_unit // 10 if last_unit >= 100 else 1)
    return Decimal(total) if text else None


def _with_fraction(whole: str, fraction: str) -> Decimal | None:
    before = number(whole)
    digits = "".join(str(DIGITS[char]) if char in DIGITS else char for char in fraction)
    if before is None or not digits.isdecimal() or not digits.isascii():
        return None
    return before + Decimal(f"0.{digits}")


def _mixed(text: str) -> Decimal | None:
    """3千, 5百: Arabic digits before a Chinese unit."""
    for unit, size in (("千", 1_000), ("百", 100), ("十", 10)):
        head, found, tail = text.partition(unit)
        if found and head.replace(".", "", 1).isdecimal() and head.isascii():
            return _with_unit(head, size, tail)
    return None
