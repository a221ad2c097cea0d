"""Whom a sentence names: customers and their people, of those that the speaker may see and no others.

All pieces of the sentence are asked of the search index at once; what it finds is weighed by how much of a name was
said. The place a firm begins with and words that every second firm bears say nothing.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.clean import name_key
from wsapp.crm.customers.contacts import contacts_of, visible_contacts
from wsapp.crm.customers.models import Contact, Customer
from wsapp.crm.customers.names import city_and_core
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.drafts.sentences import CORRECTION, Said
from wsapp.crm.fields.access import reads
from wsapp.crm.org.models import Member
from wsapp.crm.search.box import nearly
from wsapp.crm.search.grams import asked_words, squeeze
from wsapp.crm.search.models import CUSTOMER, SearchEntry
from wsapp.crm.search.queries import Fields, Way, condition, fields_of, matching, part_seen
from wsapp.db import db

MANY = 60  # customers that are weighed
MOST = 4  # that somebody chooses from
MOST_PIECES = 60  # of a sentence
MOST_HEARD = 6  # tries to find a name by its sound
LONG, SHORT = 3, 2
# Words of which no name is known: kinds of business, and what stands beside names in a sentence.
GENERIC = frozenset([
    "科技", "贸易", "实业", "集团", "电子", "机械", "设备", "工程", "建材", "家具", "木业", "食品", "物流",
    "商贸", "发展", "投资", "管理", "服务", "技术", "信息", "网络", "医疗", "器械", "化工", "材料", "制造",
    "工业", "商行", "中心", "公司", "有限", "股份", "责任", "企业", "工厂", "总部", "分公司", "客户", "老板",
    "经理", "总监", "主任", "采购", "报价", "价格", "合同", "电话", "微信", "拜访", "样品", "方案", "付款",
    "回款", "今天", "明天", "下午", "上午", "那边", "这边", "他们", "我们", "一下", "已经", "可以", "需要",
    "觉得", "现在", "时候", "还有", "没有", "什么", "国际", "供应", "供应链", "环保", "包装", "印刷", "仓储",
    "光电", "精密", "重型", "餐饮", "健身", "建筑", "装饰", "装修", "能源", "汽车", "银行", "学校", "医院",
    "酒店", "项目", "产品", "质量", "问题",
])  # fmt: skip
TITLES = (
    "总监|总|经理|主任|工|姐|哥|老师|厂长|店长|院长|校长|科长|处长|部长|主管|老板|董|女士|先生|会计|采购|秘书|所长"
    "|队长|师傅"
)
DOUBLE = re.compile(rf"([一-龥]{{2}})(?:{TITLES})")  # 欧阳总
SINGLE = re.compile(rf"([一-龥])(?:{TITLES})")
NICKNAME = re.compile("(?<![一-龥])[小老](?P<surname>[一-龥])|[给跟和找问见到约催了的][小老](?P<nick>[一-龥])")
ABOUT = re.compile(r"(?:给|跟|和|同|找|向|约|催|见了?|去了?|到了?|回访|拜访了?|联系了?|跟进|通知|问)\s*")
_CUTS = re.compile(r"[^0-9a-z一-龥]+")
_CHINESE = re.compile("[一-龥]+")

Row = Any  # (id, name, short_name, owner_id)
_COLUMNS = (Customer.id, Customer.name, Customer.short_name, Customer.owner_id)


@dataclass(frozen=True)
class Named:
    """Whom a sentence names. `customers`: the best, all equally good; `is_sure`: there is one, and its name was said.

    `contacts`: (id, name) of those of the one customer's people who may be meant.
    """

    customers: tuple[Row, ...] = ()
    is_sure: bool = False
    contacts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Fit:
    row: Row
    points: int
    is_sure: bool


def named_in(said: Said, *, actor: Member) -> Named:
    """Return whom a sentence names among the customers that the actor sees."""
    pieces = _pieces(said)
    for tried in (_after_correction(pieces, said), pieces):
        fits = _fits(tried, actor=actor) if tried else []
        if fits:
            best = [one for one in fits if one.points == fits[0].points]
            rows = tuple(one.row for one in best)
            is_sure = len(best) == 1 and best[0].is_sure
            return Named(rows[:MOST], is_sure, contacts_in(said, rows[0].id, actor=actor) if len(rows) == 1 else ())
    heard = _by_ear(said, actor=actor)
    return Named(tuple(heard[:MOST]), False, contacts_in(said, heard[0].id, actor=actor) if len(heard) == 1 else ())


def called(name: str, *, actor: Member) -> Named:
    """Return the customers that are called so, as the one box finds them, exact names first."""
    statement = sa.select(*_COLUMNS).where(visible_customers(actor)).order_by(Customer.updated_at.desc(), Customer.id)
    for wanted in (Customer.name_key == name_key(name), matching(name, actor=actor), nearly(name, actor=actor)):
        rows = tuple(db.session.execute(statement.where(wanted).limit(MOST + 1)).all())
        if rows:
            return Named(rows, len(rows) == 1)
    return Named()


def contacts_in(said: Said, customer_id: str, *, actor: Member) -> tuple[tuple[str, str], ...]:
    """Return (id, name) of a visible customer's people whom a sentence names: by full name, else by 王总, 小王."""
    if not reads(actor, "name", "contact"):
        return ()
    people = [(one.id, one.name) for one in contacts_of(customer_id)]
    full = tuple(one for one in people if len(one[1]) > 1 and squeeze(one[1]) in squeeze(said.whole))
    if full:
        return full
    begin = {match.group(1) for match in DOUBLE.finditer(said.whole)}
    surnames = _surnames(said.whole)
    doubles = tuple(one for one in people if one[1][:2] in begin and len(one[1]) > 2)
    return doubles or tuple(one for one in people if one[1][:1] in surnames)


def _surnames(text: str) -> set[str]:
    """Return the letters before a title: 王 of 王总."""
    called_so = {match.group(1) for match in SINGLE.finditer(text)}
    nick = {match["surname"] or match["nick"] for match in NICKNAME.finditer(text)}
    return called_so | nick


# --- what was said of a name --------------------------------------------------------------------------------------


def _pieces(said: Said) -> list[str]:
    """Return the sentence in pieces that may hold a name: cut at dates, amounts and all that is no letter."""
    text = list(said.whole)
    for start, end in said.taken:
        text[start:end] = "，" * (end - start)
    return [piece for piece in _CUTS.split("".join(text).casefold()) if len(piece) > 1]


def _after_correction(pieces: Sequence[str], said: Said) -> list[str]:
    """Return the pieces behind 不对，是 …: another name may have been said there."""
    match = CORRECTION.search(said.whole)
    if match is None:
        return []
    tail = [one for one in _CUTS.split(said.whole[match.end() :].casefold()) if len(one) > 1]
    return [piece for piece in pieces if any(piece in one or one in piece for one in tail)]


def _windows(pieces: Sequence[str], length: int) -> list[str]:
    found: dict[str, None] = {}
    for piece in pieces:
        for run in re.findall("[一-龥]+|[0-9a-z]+", piece):
            if _CHINESE.fullmatch(run):
                found.update((run[at : at + length], None) for at in range(len(run) - length + 1))
            elif len(run) >= length and not run.isdigit():
                found[run] = None
    return [one for one in found if one not in GENERIC][:MOST_PIECES]


def _fits(pieces: Sequence[str], *, actor: Member) -> list[_Fit]:
    """Return the customers whose names were said, the best first."""
    fields = fields_of(actor)
    for length in (LONG, SHORT):
        windows = _windows(pieces, length)
        found = _candidates(windows, fields, actor=actor) if windows else []
        people = _people_of([one.id for one in found], actor=actor) if fields.others else {}
        weighed = (_weigh(one, people.get(one.id, ()), pieces, fields) for one in found)
        fits = sorted((one for one in weighed if one is not None), key=lambda one: -one.points)
        if fits:
            return fits
    return []


def _candidates(windows: Sequence[str], fields: Fields, *, actor: Member) -> Sequence[Row]:
    term = [Way(SearchEntry.words, one, tuple(asked_words(one))) for one in windows]
    found = condition(CUSTOMER, Customer.id, [term], part_seen(actor))
    statement = sa.select(*_COLUMNS).where(visible_customers(actor), found)
    return db.session.execute(statement.order_by(Customer.updated_at.desc(), Customer.id).limit(MANY)).all()


def _people_of(customer_ids: Sequence[str], *, actor: Member) -> dict[str, list[str]]:
    if not customer_ids or not reads(actor, "name", "contact"):
        return {}
    wanted = sa.select(Contact.customer_id, Contact.name).where(
        Contact.customer_id.in_(customer_ids), visible_contacts(actor)
    )
    found: dict[str, list[str]] = {}
    for customer_id, name in db.session.execute(wanted):
        found.setdefault(customer_id, []).append(name)
    return found


def _weigh(row: Row, people: Sequence[str], pieces: Sequence[str], fields: Fields) -> _Fit | None:
    """Weigh a customer: two points for each letter of its name that was said, more where the name begins with it."""
    core = city_and_core(name_key(row.name))[1]
    length, at, words = _longest(core, pieces)
    points, is_sure = 0, False
    if length >= SHORT and words not in GENERIC:
        points = 2 * length + (at == 0)
        is_sure = at == 0 or length > SHORT
    short = name_key(row.short_name) if fields.others and row.short_name else ""
    if len(short) >= SHORT and any(short in piece for piece in pieces):
        points, is_sure = max(points, 2 * len(short) + 2), True
    if any(len(one) > 1 and squeeze(one) in piece for one in people for piece in pieces):
        points, is_sure = points + 4, True
    return _Fit(row, points, is_sure) if points else None


def _longest(name: str, pieces: Sequence[str]) -> tuple[int, int, str]:
    """Return the longest part of a name that was said: (letters, where it begins in the name, the words)."""
    for length in range(len(name), SHORT - 1, -1):
        for at in range(len(name) - length + 1):
            words = name[at : at + length]
            if any(words in piece for piece in pieces):
                return length, at, words
    return 0, 0, ""


# --- by ear -------------------------------------------------------------------------------------------------------


def _by_ear(said: Said, *, actor: Member) -> Sequence[Row]:
    """Return the customers whose name sounds like what stands where names stand: speech is written down wrong."""
    statement = sa.select(*_COLUMNS).where(visible_customers(actor)).order_by(Customer.updated_at.desc(), Customer.id)
    for words in list(dict.fromkeys(_spots(said)))[:MOST_HEARD]:
        found = db.session.execute(statement.where(nearly(words, actor=actor)).limit(MOST)).all()
        if found:
            return found
    return []


def _spots(said: Said) -> Iterator[str]:
    """Yield the words that may be a name, longest first: those behind 给, 跟, 拜访, and the first ones."""
    pieces = _pieces(said)
    text = "，".join(pieces)
    starts = [*[match.end() for match in ABOUT.finditer(text)][:2], 0]
    for length in (4, 3):
        for start in starts:
            words = text[start : start + length]
            is_name = not any(one in words for one in GENERIC)
            if is_name and len(words) == length and _CHINESE.fullmatch(words):
                yield words
