"""What a cell means to a field: people's spellings of moments, numbers, choices and names, taken at their word."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from wsapp.house import zone
from wsapp.texts import _

EXCEL_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)  # its clock is that of the wall
SERIALS = (20_000, 80_000)  # days since then that are dates of 1954–2119, and no other number of a date column
QUOTED = re.compile(r"'+[=+\-@\t\r\0＝＋－＠]")  # as our export writes what looks like a formula
SCIENTIFIC = re.compile(r"\d(?:\.\d+)?[eE]\+?\d+")
FLOAT_TAIL = re.compile(r"(\d+)\.0+")
SEPARATORS = re.compile(r"[;；,，、/|\n]+")
MOMENT = re.compile(
    r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?"
    r"(?:[T\s]*(\d{1,2})\s*[:：时点]\s*(\d{1,2})?\s*分?(?:[:：](\d{1,2})(?:\.\d+)?)?)?\s*(Z|[+-]\d\d:?\d\d)?"
)
COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)")

KINDS = {"企业": "company", "公司": "company", "单位": "company", "company": "company"}
KINDS |= {"个人": "person", "个体": "person", "person": "person"}
STAGES = {"新客户": "new", "新": "new", "潜在": "new", "未联系": "new", "new": "new"}
STAGES |= {"已联系": "contacted", "联系中": "contacted", "跟进中": "contacted", "contacted": "contacted"}
STAGES |= {"有意向": "intent", "意向": "intent", "意向客户": "intent", "intent": "intent", "interested": "intent"}
STAGES |= {"已成交": "dealt", "成交": "dealt", "成交客户": "dealt", "dealt": "dealt", "won": "dealt"}
STAGES |= {"已流失": "lost", "流失": "lost", "无效": "lost", "lost": "lost"}
FOLLOW_UP_KINDS = {"电话": "phone", "phone": "phone", "call": "phone", "微信": "wechat", "wechat": "wechat"}
FOLLOW_UP_KINDS |= {"上门": "visit", "拜访": "visit", "上门拜访": "visit", "visit": "visit", "邮件": "mail"}
FOLLOW_UP_KINDS |= {"mail": "mail", "email": "mail", "会议": "meeting", "meeting": "meeting"}
FOLLOW_UP_KINDS |= {"其他": "other", "其它": "other", "other": "other", "短信": "other"}


class Unreadable(ValueError):
    """A cell that its field cannot take; the words say why and what to do."""


def text_of(cell: Any, *, from_csv: bool = False) -> str:
    """Return a cell as the text that its reader sees. Raises Unreadable for a number that was rounded."""
    match cell:
        case None:
            return ""
        case str():
            text = cell.strip()
            return text[1:] if from_csv and QUOTED.match(text) else text
        case bool():
            return _("是") if cell else _("否")
        case {"n": str()}:
            raise Unreadable(_("这个数字超过 15 位，表格软件已经改写了后几位；请把这一列设为文本格式后重新填写"))
        case {"f": True}:
            raise Unreadable(_("这个公式没有保存计算结果；请用 Excel 或 WPS 打开文件，保存后再上传"))
        case {"d": str() as text}:
            day = datetime.fromisoformat(text)
            return f"{day:%Y-%m-%d}" if (day.hour, day.minute) == (0, 0) else f"{day:%Y-%m-%d %H:%M}"
        case float():
            return repr(cell)
        case _:
            return str(cell)


def read(cell: Any, kind: str, *, from_csv: bool = False) -> Any:
    """Return what a cell means to a field of a kind; None when it is empty. Raises Unreadable."""
    if cell is None or cell == "":
        return None
    if kind == "moment":
        return moment(cell)
    if kind == "custom" and not isinstance(cell, str):
        return cell  # its field knows more of it, see `custom`
    text = text_of(cell, from_csv=from_csv)
    if not text:
        return None
    return READERS[kind](text)


def moment(cell: Any) -> datetime | None:
    """Return the moment of a date cell, of a date's number, or of a date as people write it; in UTC."""
    if isinstance(cell, dict) and "d" in cell:
        return _ours(datetime.fromisoformat(cell["d"]))
    text = text_of(cell)
    if not text:
        return None
    if found := MOMENT.fullmatch(text):
        return _from_parts(found)
    if found := COMPACT.fullmatch(text):
        return _made(*(int(part) for part in found.groups()))
    try:
        days = float(text)
    except ValueError:
        raise Unreadable(_("看不懂这个时间，请写成 2026-01-31 或 2026-01-31 09:30")) from None
    if not SERIALS[0] <= days < SERIALS[1]:
        raise Unreadable(_("看不懂这个时间，请写成 2026-01-31 或 2026-01-31 09:30"))
    return _ours((EXCEL_EPOCH + timedelta(seconds=round(days * 86_400))).replace(tzinfo=None))


def _from_parts(found: re.Match[str]) -> datetime:
    *numbers, offset = found.groups()
    return _made(*(int(part) for part in numbers if part is not None), offset=offset or "")


def _made(*parts: int, offset: str = "") -> datetime:
    year, month, day, *rest = parts
    hour, minute, second = (*rest, 0, 0, 0)[:3]
    try:
        there = datetime(year, month, day, hour, minute, second, tzinfo=zone())
        if offset:
            there = datetime.fromisoformat(f"{there:%Y-%m-%dT%H:%M:%S}{offset.replace('Z', '+00:00')}")
    except ValueError:
        raise Unreadable(_("没有这个日期")) from None
    return _ours(there)


def _ours(moment: datetime) -> datetime:
    if not 1900 <= moment.year < 2200:
        raise Unreadable(_("没有这个日期"))
    there = moment if moment.tzinfo else moment.replace(tzinfo=zone())
    return there.astimezone(UTC)


def phones(text: str) -> list[str]:
    """Return the numbers of a cell. A number that the spreadsheet shortened is refused rather than guessed."""
    found = []
    for part in SEPARATORS.split(text):
        number = part.strip()
        if whole := FLOAT_TAIL.fullmatch(number):
            number = whole.group(1)
        if SCIENTIFIC.fullmatch(number):
            raise Unreadable(_("电话被表格软件写成了科学计数法，请把这一列设为文本格式后重新填写"))
        if number:
            found.append(number)
    return found


def _choice(choices: Mapping[str, str]) -> Callable[[str], str]:
    def choose(text: str) -> str:
        found = choices.get(text.strip().casefold())
        if found is None:
            known = _("、").join(dict.fromkeys(word for word in choices if not word.isascii()))
            raise Unreadable(_("应为以下之一：%(known)s", known=known))
        return found

    return choose


def _level(text: str) -> str:
    found = text.strip().upper().removesuffix("级").removesuffix("类").strip()
    if found not in ("A", "B", "C", "D"):
        raise Unreadable(_("应为以下之一：%(known)s", known="A、B、C、D"))
    return found


READERS: Mapping[str, Callable[[str], Any]] = {
    "text": lambda text: FLOAT_TAIL.sub(r"\1", text) if FLOAT_TAIL.fullmatch(text) else text,
    "lines": lambda text: text,
    "owner": lambda text: text,
    "custom": lambda text: text,
    "phone": lambda text: (phones(text) or [""])[0],
    "phones": phones,
    "tags": lambda text: [part.strip() for part in SEPARATORS.split(text) if part.strip()],
    "kind": _choice(KINDS),
    "stage": _choice(STAGES),
    "level": _level,
    "follow_up_kind": _choice(FOLLOW_UP_KINDS),
}
