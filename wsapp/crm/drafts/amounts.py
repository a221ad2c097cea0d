"""How much money a sentence names: 一百二十万, 3万5, 12.5w, 五千块. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from wsapp.crm.drafts.numbers import CHARS, number

# Of several amounts the one nearest to a deal counts: words just before it → rank, and whether the number needs no
# word of money behind it.
CUES: tuple[tuple[str, int], ...] = (
    ("合同|签|成交|订单|下单|下了|总价|总额|全款|总共|一共|付|回款|打款|到账|汇款|货款|尾款|首付|定金|订金|预付", 3),
    ("报价|报了|报的|报到|开价|价格|单价|金额|费用|降到|优惠到|压到|谈到|谈了|给到|出到|涨到", 2),
    ("预算|预计|大概|估计|计划|想做", 1),
)
NEAR = 6  # characters between a cue and its amount
MONEY = "元|块钱|块|圆|人民币|大洋|rmb|RMB"
# Counted things are no money: 一万台, 300 人.
THINGS = (
    "台套件个人吨平米份箱家张只斤次天年月户瓶支辆颗粒条根片卷桶袋包盒批届层楼号期折成倍%％岁米公千克升度瓦位座间店门"
    "名款把组副双本页字分秒小周点时日厘毫"
)
_NUMBER = rf"[0-9][0-9,，]*(?:\.[0-9]+)?|[{CHARS}]+(?:点[{CHARS}]+)?"
AMOUNT = re.compile(
    rf"(?<![0-9A-Za-z第.])(?P<number>(?:{_NUMBER})\s*(?:[多来](?=[万亿]))?(?:[万亿千百kKwW](?:[{CHARS}]+|[0-9]{{1,4}}(?![0-9]))?|半)*)"
    rf"(?P<more>多万|来万|多|来|几)?\s*(?P<money>{MONEY})?(?P<tail>[0-9{CHARS}](?![0-9{CHARS}]))?"
)
UNSAID = re.compile("[几数]$")  # 几十万: no number at all
OVER = re.compile("[上成近]$|(?:不到|超过)$")  # 上百万
OLD = re.compile("(?:从|原来|原价|本来)(?:的|是)?$")  # what it was before
_LARGE = re.compile("[万亿wW]|[0-9][kK]")
_RANGE = re.compile(r"\s*(?:到|至|-|~|—)\s*$")
_FROM = re.compile(rf"(?:[0-9.]+|[{CHARS}]+)\s*(?:到|至|-|~|—)\s*$")  # 一百到一百二十万
_TWO_DIGITS = re.compile("([二两三四五六七八九])([三四五六七八九])(?=[十百千万])")


@dataclass(frozen=True)
class Amount:
    """An amount of money in a text, in yuan. `is_about`: the speaker was not certain (三四十万, 一百多万)."""

    value: Decimal
    start: int
    end: int
    rank: int
    is_about: bool = False


def amounts_in(text: str, taken: Sequence[tuple[int, int]] = ()) -> list[Amount]:
    """Return the amounts that a text names, in order; `taken` are the parts that are dates."""
    found: list[Amount] = []
    for match in AMOUNT.finditer(text):
        if any(match.start() < end and start < match.end() for start, end in taken):
            continue
        one = _amount(text, match)
        if one is None:
            continue
        if found and _RANGE.fullmatch(text[found[-1].end : one.start]):  # from … to …: the larger, and not certain
            first = found.pop()
            one = Amount(one.value, first.start, one.end, max(first.rank, one.rank), True)
        found.append(one)
    return found


def meant(amounts: Sequence[Amount]) -> tuple[Amount | None, bool]:
    """Return the amount that a sentence is about, and whether that is certain."""
    if not amounts:
        return None, True
    best = max(amounts, key=lambda one: (one.rank, one.start))
    rivals = {one.value for one in amounts if one.rank == best.rank}
    return best, not best.is_about and len(rivals) == 1


def _amount(text: str, match: re.Match[str]) -> Amount | None:
    before = text[: match.start()]
    if UNSAID.search(before):
        return None
    words = match["number"].strip()
    is_about = bool(match["more"] or OVER.search(before) or _FROM.search(before)) or "多" in words or "来" in words
    words = words.replace("多", "").replace("来", "")
    pair = _TWO_DIGITS.search(words)
    if pair is not None:  # 三四十万: the larger
        words, is_about = words[: pair.start()] + words[pair.end() - 1 :], True
    tail = match["tail"] or ""
    if tail and match["money"] not in ("块",):
        tail = ""
    value = number(words)
    if value is None or value <= 0:
        return None
    if tail:  # 三块五
        value += (number(tail) or Decimal()) / 10
    end = match.end() - (0 if tail or not match["tail"] else 1)
    rank = _rank(text, match.start())
    if not match["money"] and not _is_money(text, match, words, rank):
        return None
    return Amount(value.quantize(Decimal("0.01")), match.start(), end, rank, is_about)


def _is_money(text: str, match: re.Match[str], words: str, rank: int) -> bool:
    """A number without 元: one of ten thousands that counts no things, or any large one behind a word of money."""
    following = text[match.end("more") if match["more"] else match.end("number") :].lstrip()[:1]
    if following and following in THINGS:
        return False
    if _LARGE.search(words):
        return True
    value = number(words)
    return rank >= 2 and value is not None and value >= 100 and len(words) > 1


def _rank(text: str, at: int) -> int:
    before = re.split("[，。；,;！？]", text[:at])[-1]
    if OLD.search(before):
        return 0
    best, nearest = 0, -1
    for cues, rank in CUES:
        for cue in re.finditer(cues, before):
            if len(before) - cue.end() <= NEAR and cue.end() > nearest:
                best, nearest = rank, cue.end()
    return best
