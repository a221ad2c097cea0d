"""What the columns of a spreadsheet mean: guessed from their headings in Chinese, English and our own export's words,
or from what the same person chose the last time."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.fields.access import reads, writes
from wsapp.crm.fields.definitions import fields_of
from wsapp.crm.fields.models import Field
from wsapp.crm.fields.types import kind_of
from wsapp.crm.org.models import Member
from wsapp.crm.transfer.models import ImportMapping
from wsapp.db import db, first, rows
from wsapp.texts import lazy, mark

LOOK_DOWN = 5  # rows in which a heading may stand: some books begin with a title
CONTACTS = 3  # of one row


@dataclass(frozen=True)
class Column:
    """A field that a column can mean. `kind`: how its cells are read, see `cells`. `several`: more columns may."""

    key: str
    title: Any
    kind: str = "text"
    names: tuple[str, ...] = ()  # further headings, in any language
    several: bool = False
    comes_in: bool = True  # False: only our exports have it
    goes_out: bool = True


def _words(*lines: str) -> tuple[str, ...]:
    return tuple(word for line in lines for word in line.split("、"))


def _numbered(n: int, words: str) -> tuple[str, ...]:
    """Return the headings of the n-th contact: "联系人2电话", and for the first one without a number."""
    plain_words = words.split("、")
    numbered = [word.replace("联系人", f"联系人{n}") for word in plain_words if word.startswith("联系人")]
    return (*numbered, *(plain_words if n == 1 else ()))


CUSTOMER: tuple[Column, ...] = (
    Column(
        "name",
        lazy("客户名称"),
        names=_words(
            "客户、客户名、客户全称、公司名称、公司、企业名称、单位名称、名称",
            "customer、name、customer name、company、company name、account、account name",
        ),
    ),
    Column("short_name", lazy("简称"), names=("客户简称", "公司简称", "short name", "short_name")),
    Column("kind", lazy("客户类型"), "kind", ("类型", "客户类别", "kind", "type", "customer type")),
    Column("level", lazy("级别"), "level", ("客户级别", "客户等级", "等级", "level", "grade", "rating")),
    Column("stage", lazy("阶段"), "stage", ("客户阶段", "客户状态", "状态", "跟进阶段", "stage", "status")),
    Column(
        "phones",
        lazy("电话"),
        "phones",
        _words(
            "手机、手机号、手机号码、电话号码、联系电话、客户电话、公司电话、座机、固话、固定电话、备用电话、其他电话",
            "phone、phones、mobile、tel、telephone、phone number",
        ),
        several=True,
    ),
    Column("source", lazy("来源"), names=("客户来源", "线索来源", "source", "lead source")),
    Column("industry", lazy("行业"), names=("所属行业", "客户行业", "industry")),
    Column("size", lazy("规模"), names=("公司规模", "企业规模", "人员规模", "人数", "size", "employees")),
    Column("province", lazy("省份"), names=("省", "所在省", "省市", "province", "state")),
    Column("city", lazy("城市"), names=("市", "所在城市", "所在市", "city")),
    Column("district", lazy("区县"), names=("区", "县", "区/县", "所在区", "district", "county")),
    Column("address", lazy("地址"), names=("详细地址", "公司地址", "客户地址", "联系地址", "通讯地址", "address")),
    Column("website", lazy("网址"), names=("网站", "官网", "公司网址", "主页", "website", "url", "homepage")),
    Column(
        "credit_code", lazy("统一社会信用代码"), names=("信用代码", "税号", "纳税人识别号", "credit code", "tax number")
    ),
    Column("tags", lazy("标签"), "tags", ("客户标签", "tags", "labels")),
    Column(
        "owner",
        lazy("负责人"),
        "owner",
        _words(
            "客户负责人、跟进人、业务员、销售、销售人员、归属人、所有人、客户经理、负责人账号",
            "owner、sales、sales rep、account owner、assigned to",
        ),
    ),
    Column("next_follow_at", lazy("下次跟进"), "moment", ("下次跟进时间", "下次联系时间", "next follow-up")),
    Column("note", lazy("备注"), "lines", ("说明", "客户备注", "描述", "note", "notes", "remark", "remarks")),
    Column("last_followed_at", lazy("最近跟进"), "moment", ("last follow-up", "last_followed_at"), comes_in=False),
    Column("created_at", lazy("创建时间"), "moment", ("created at", "created_at"), comes_in=False),
    Column("updated_at", lazy("更新时间"), "moment", ("updated at", "updated_at"), comes_in=False),
    Column("id", lazy("编号"), names=("客户编号", "id", "customer id"), comes_in=False),
    *(
        Column(f"contact{n}.{part}", lazy(words, n=n), kind, names, goes_out=False)
        for n in range(1, CONTACTS + 1)
        for part, words, kind, names in (
            ("name", mark("联系人%(n)s"), "text", _numbered(n, "联系人、联系人姓名、姓名、contact、contact name")),
            ("phones", mark("联系人%(n)s电话"), "phones", _numbered(n, "联系人电话、联系人手机、contact phone")),
            ("title", mark("联系人%(n)s职务"), "text", _numbered(n, "联系人职务、职务、职位、contact title")),
        )
    ),
)
FOLLOW_UP: tuple[Column, ...] = (
    Column("customer", lazy("客户名称"), names=("客户", "公司名称", "公司", "customer", "customer name", "company")),
    Column("customer_phone", lazy("客户电话"), "phone", ("电话", "手机", "手机号", "phone"), goes_out=False),
    Column("customer_id", lazy("客户编号"), names=("customer id", "customer_id")),
    Column(
        "happened_at",
        lazy("跟进时间"),
        "moment",
        ("时间", "日期", "跟进日期", "联系时间", "date", "time", "happened at", "happened_at"),
    ),
    Column("kind", lazy("跟进方式"), "follow_up_kind", ("方式", "跟进类型", "类型", "kind", "type", "channel")),
    Column("text", lazy("跟进内容"), "lines", ("内容", "跟进记录", "沟通内容", "记录", "text", "content", "note")),
    Column("outcome", lazy("跟进结果"), names=("结果", "outcome", "result")),
    Column("author", lazy("跟进人"), "owner", ("记录人", "业务员", "销售", "author", "owner", "创建人")),
    Column("next_at", lazy("下次跟进"), "moment", comes_in=False),
)
COLUMNS: Mapping[str, tuple[Column, ...]] = {"customer": CUSTOMER, "follow_up": FOLLOW_UP}
NEEDED: Mapping[str, tuple[str, ...]] = {"customer": ("name",), "follow_up": ("text",)}
_NOISE = re.compile(r"[\s*＊:：_\-（）()【】\[\]/]+|(?:必填|选填|required)")
_NUMBERED = re.compile(r"(.+?)[1-9一二三四五]$")
# What a role rules of a field that is several columns, or has another name there.
_RULED = {"customer_id": "", "customer_phone": "", "customer": "", "id": "", "name": "", "author": ""}


def columns_for(obj: str, actor: Member, *, out: bool = False) -> list[Column]:
    """Return the columns of an object that the actor may write (with `out`: that they read at least in part)."""
    from wsapp.crm.fields.access import HIDDEN, access

    found = []
    for column in (*COLUMNS[obj], *_custom_columns(obj)):
        name = _RULED.get(column.key, column.key)
        if column.key.startswith("contact"):
            name = ""
        if out and column.goes_out and (not name or access(actor, name, obj) != HIDDEN):
            found.append(column)
        if not out and column.comes_in and (not name or writes(actor, name, obj)):
            found.append(column)
    return found


def _custom_columns(obj: str) -> list[Column]:
    """Return the corp's own fields as columns; what the program fills in, and what is no text, only goes out."""
    return [
        Column(field.name, field.label, "custom", comes_in=_is_typed(field))
        for field in fields_of(obj).values()
        if field.type != "heading"
    ]


def _is_typed(field: Field) -> bool:
    kind = kind_of(field)
    return kind.given and not kind.holds_files and field.type != "sub_table"


def in_full(obj: str, key: str, actor: Member) -> bool:
    """Say whether the actor reads a column in full."""
    name = _RULED.get(key, key)
    return not name or reads(actor, name, obj)


def find_heading(sample: Sequence[tuple[int, list[Any]]], obj: str) -> int:
    """Return the index in `sample` (its first rows) of the heading: the row with most words that we know."""
    known = set(_meanings(obj))
    scores = [
        len({word for cell in cells if isinstance(cell, str) and (word := plain(cell)) in known})
        for _number, cells in sample[:LOOK_DOWN]
    ]
    best = max(scores, default=0)
    return scores.index(best) if best >= 2 else 0


def guess(headings: Sequence[str], obj: str, actor: Member) -> list[str]:
    """Return a field key for each heading, "" for what stays out: as remembered, else by the words."""
    allowed = {column.key: column for column in columns_for(obj, actor)}
    meanings, remembered = _meanings(obj), _remembered(headings, obj, actor)
    taken: set[str] = set()
    found = []
    for heading in headings:
        key = remembered.get(_digest(obj, heading, actor))
        if key is None:
            key = _meaning(plain(heading), meanings)
        if key not in allowed or (key in taken and not allowed[key].several):
            key = ""
        taken.add(key)
        found.append(key)
    return found


def remember(headings: Sequence[str], mapping: Sequence[str], obj: str, actor: Member) -> None:
    """Keep what the actor chose where it is not what we would have guessed (or guessed from memory)."""
    meanings, now = _meanings(obj), clock.now()
    for heading, key in zip(headings, mapping, strict=True):
        if not heading.strip():
            continue
        digest = _digest(obj, heading, actor)
        row: ImportMapping | None = first(sa.select(ImportMapping).where(ImportMapping.id == digest))
        if row is not None:
            row.field, row.updated_at = key, now
        elif key != _meaning(plain(heading), meanings):
            db.session.add(ImportMapping(id=digest, field=key, updated_at=now))
            db.session.flush()


def plain(heading: str) -> str:
    """Return a heading as it is compared: folded, without marks."""
    return _NOISE.sub("", unicodedata.normalize("NFKC", heading).casefold())


def _meaning(word: str, meanings: Mapping[str, str]) -> str:
    found = meanings.get(word)
    if found is None and (numbered := _NUMBERED.fullmatch(word)):
        found = meanings.get(numbered.group(1))
        return found if found == "phones" else ""
    return found or ""


def _meanings(obj: str) -> dict[str, str]:
    """Return word → field key; of two meanings the first counts."""
    found: dict[str, str] = {}
    for column in (*COLUMNS[obj], *_custom_columns(obj)):
        for word in (str(column.title), _source(column.title), *column.names, column.key):
            found.setdefault(plain(word), column.key)
    return found


def _source(title: Any) -> str:
    """Return a heading's Chinese, whatever language is spoken here: a file may come from a colleague."""
    return str(title._args[0]) if getattr(title, "_args", None) else str(title)


def _digest(obj: str, heading: str, actor: Member) -> str:
    return hashlib.sha256(f"{obj}\n{actor.id}\n{plain(heading)}".encode()).hexdigest()[:40]


def _remembered(headings: Sequence[str], obj: str, actor: Member) -> dict[str, str]:
    wanted = {_digest(obj, heading, actor) for heading in headings if heading.strip()}
    if not wanted:
        return {}
    return {row.id: row.field for row in rows(sa.select(ImportMapping).where(ImportMapping.id.in_(sorted(wanted))))}
