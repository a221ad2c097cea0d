"""The types of custom fields, each in one place: what may be typed, how it is shown, how records are found by it.

A value is JSON: text, a number, true or false, a list, or an object; None is "nothing". `clean` raises ValueError with
words for people.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any
from urllib.parse import urlsplit

from wsapp.crm.fields import numbers
from wsapp.crm.fields.models import LONGEST_KEY, Field
from wsapp.crm.fields.text import clean_line, clean_text, normal_phone
from wsapp.geo import to_gcj02
from wsapp.texts import _, lazy

MAIL = re.compile(r"[^@\s\"'<>()\[\],;:\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,200}[A-Za-z0-9])?\.[A-Za-z]{2,24}")
CLOCK = re.compile(r"([01]?\d|2[0-3])[:：]([0-5]\d)")
TRUE, FALSE = ("1", "true", "yes", "是", "on"), ("0", "false", "no", "否", "off")
LINE, TEXT = 200, 3000  # characters, where the field does not say
UNBOUND = Field("", "", "", "", "number", settings={"decimals": numbers.DECIMALS})  # any number at all
STEP = "/"  # between the levels of a cascading choice

Clean = Callable[[Field, Any], Any]
Show = Callable[[Field, Any], str]
Keys = Callable[[Field, Any], list[str]]


@dataclass(frozen=True)
class Kind:
    """A type. `keys` gives the texts by which a record is found (empty: it cannot be indexed).

    `names`: whose names its values are shown by ("member", "department", "record"; "" for none). `widens_to`: the types
    it may become without loss. `holds_files`: its values are ids of files, see `attached`.
    """

    key: str
    label: Any
    clean: Clean
    show: Show
    keys: Keys | None = None
    sortable: bool = True
    many: bool = False
    chooses: bool = False
    given: bool = True  # filled in by people; else by the program, or not at all
    names: str = ""
    holds_files: bool = False
    widens_to: tuple[str, ...] = ()


# --- text ---------------------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(_("应为文字"))
    return str(value)


def _clean_line(field: Field, value: Any) -> str:
    return _short(clean_line(_text(value)), int(field.number("length", LINE)))


def _clean_lines(field: Field, value: Any) -> str:
    return _short(clean_text(_text(value)), int(field.number("length", TEXT)))


def _short(text: str, most: int) -> str:
    if len(text) > most:
        raise ValueError(_("最多 %(most)d 个字", most=most))
    return text


def _clean_phone(field: Field, value: Any) -> str:
    return normal_phone(_text(value))


def _clean_mail(field: Field, value: Any) -> str:
    text = clean_line(_text(value))
    if len(text) > 254 or not MAIL.fullmatch(text):
        raise ValueError(_("邮箱格式不正确"))
    return text


def _clean_link(field: Field, value: Any) -> str:
    text = clean_line(_text(value))
    text = text if "://" in text or not text else f"https://{text}"
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and "." in (parts.hostname or "")
    except ValueError:
        good = False
    if not good or len(text) > 500 or " " in text:
        raise ValueError(_("链接应以 http:// 或 https:// 开头"))
    return text


def _as_it_is(field: Field, value: Any) -> str:
    return str(value)


def _text_keys(field: Field, value: Any) -> list[str]:
    return [text_key(str(value))]


def text_key(text: str) -> str:
    """Return the text by which text is found: without case, cut."""
    return text.casefold()[:LONGEST_KEY]


# --- numbers ------------------------------------------------------------------------------------------------------


def _clean_number(field: Field, value: Any) -> int | float:
    return numbers.plain(numbers.read_number(field, value))


def _clean_money(field: Field, value: Any) -> str:
    return f"{numbers.read_number(field, value):.2f}"


def _decimals(field: Field, value: Any) -> int:
    """Return how many decimals to show: those that are there, at most the field's."""
    text = str(value)
    return min(len(text.partition(".")[2]), int(field.number("decimals", 2))) if "e" not in text else 6


def _show_number(field: Field, value: Any) -> str:
    unit = str(field.settings.get("unit") or "")
    return numbers.grouped(value, _decimals(field, value)) + (f" {unit}" if unit else "")


def _show_money(field: Field, value: Any) -> str:
    return numbers.money(value, str(field.settings.get("currency") or ""))


def _show_percent(field: Field, value: Any) -> str:
    return f"{numbers.grouped(value, _decimals(field, value))}%"


def _number_keys(field: Field, value: Any) -> list[str]:
    return [numbers.sort_key(value)]


# --- days and hours -----------------------------------------------------------------------------------------------


def _clean_date(field: Field, value: Any) -> str:
    text = _text(value).strip().replace("/", "-").replace(".", "-")
    try:
        year, month, day = (int(part) for part in text.split("-"))
        found = date(year, month, day)
    except ValueError:
        raise ValueError(_("日期应为 2026-01-31 这样的格式")) from None
    if not 1900 <= found.year < 2200:
        raise ValueError(_("年份应在 1900–2199"))
    return found.isoformat()


def _clean_time(field: Field, value: Any) -> str:
    found = CLOCK.fullmatch(_text(value).strip())
    if found is None:
        raise ValueError(_("时间应为 09:30 这样的格式"))
    return time(int(found[1]), int(found[2])).strftime("%H:%M")


# --- choices ------------------------------------------------------------------------------------------------------


def _clean_yes_no(field: Field, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().casefold()
    if text not in TRUE + FALSE:
        raise ValueError(_("应为“是”或“否”"))
    return text in TRUE


def _show_yes_no(field: Field, value: Any) -> str:
    return _("是") if value else _("否")


def _clean_single(field: Field, value: Any) -> str:
    text = clean_line(_text(value))
    if text not in field.options:
        raise ValueError(_("请从列表中选择"))
    return text


def _clean_multiple(field: Field, value: Any) -> list[str]:
    given = value if isinstance(value, list) else [value]
    chosen = {_clean_single(field, one) for one in given if one not in ("", None)}
    return [one for one in field.options if one in chosen]


def _show_list(field: Field, value: Any) -> str:
    return _("、").join(str(one) for one in value)


def _show_path(field: Field, value: Any) -> str:
    return " / ".join(str(value).split(STEP))


def _list_keys(field: Field, value: Any) -> list[str]:
    return [text_key(str(one)) for one in value]


# --- places -------------------------------------------------------------------------------------------------------


def _clean_address(field: Field, value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        value = {"text": value}
    if not isinstance(value, Mapping) or not set(value) <= {"text", "lat", "lng", "coordinate"}:
        raise ValueError(_("地址应包含 text，以及可选的 lat、lng"))
    text = _short(clean_line(_text(value.get("text") or "")), 300)
    lat, lng = value.get("lat"), value.get("lng")
    if lat in (None, "") and lng in (None, ""):
        return {"text": text, "lat": None, "lng": None} if text else None
    try:
        lat, lng = float(str(lat)), float(str(lng))
    except ValueError:
        raise ValueError(_("位置不正确")) from None
    if not (-90 <= lat <= 90 and -180 <= lng <= 180) or (lat == 0 and lng == 0):
        raise ValueError(_("位置不正确"))
    if value.get("coordinate") == "wgs84":  # as a browser tells it; the hosts' maps are drawn on the other grid
        lat, lng = to_gcj02((lat, lng))
    return {"text": text, "lat": round(lat, 6), "lng": round(lng, 6)}


def _show_address(field: Field, value: Any) -> str:
    return str(value["text"]) or f"{value['lat']:.5f}, {value['lng']:.5f}"


# --- files --------------------------------------------------------------------------------------------------------

MOST_FILES: Mapping[str, int] = {"image": 9, "file": 5}
FILE_ID = re.compile(r"[0-9a-z]{20,40}")


def _clean_files(field: Field, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(_("应为已上传文件的编号列表"))
    found = list(dict.fromkeys(one for one in value if one))
    if any(not FILE_ID.fullmatch(one) for one in found):
        raise ValueError(_("有文件已失效，请重新上传"))
    if len(found) > MOST_FILES[field.type]:
        raise ValueError(_("最多 %(most)d 个文件", most=MOST_FILES[field.type]))
    return found


def _show_files(field: Field, value: Any) -> str:
    return _("%(n)d 个文件", n=len(value))


# --- what others fill in ------------------------------------------------------------------------------------------


def _refuse_given(field: Field, value: Any) -> Any:
    raise ValueError(_("此字段由系统填写"))


def _clean_id(field: Field, value: Any) -> str:
    """An id of a person, a department or a record: `values` looks whether the actor may name it."""
    text = _text(value).strip()
    if len(text) > 64:
        raise ValueError(_("请从列表中选择"))
    return text


def _show_nothing(field: Field, value: Any) -> str:
    return ""


def _show_formula(field: Field, value: Any) -> str:
    if isinstance(value, bool):
        return _show_yes_no(field, value)
    return _show_number(field, value) if isinstance(value, int | float) else str(value)


def _formula_keys(field: Field, value: Any) -> list[str]:
    return [formula_key(value)]


def formula_key(value: Any) -> str:
    """Return the text by which what a formula yields is found: a number's where it reads as one."""
    if isinstance(value, bool):
        return text_key(str(value))
    try:
        return numbers.sort_key(numbers.read_number(UNBOUND, value))
    except ValueError:
        return text_key(clean_line(str(value)))


# --- sub-tables ---------------------------------------------------------------------------------------------------

MAX_ROWS, MAX_COLUMNS = 50, 12


def columns_of(field: Field) -> list[Field]:
    """Return the columns of a sub-table as fields."""
    return [
        Field(
            id="",
            object=field.object,
            key=one["key"],
            label=one["label"],
            type=one["type"],
            options=tuple(one.get("options") or ()),
            required=bool(one.get("required")),
        )
        for one in field.settings.get("columns") or ()
    ]


def _clean_table(field: Field, value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or any(not isinstance(row, Mapping) for row in value):
        raise ValueError(_("应为若干行"))
    if len(value) > MAX_ROWS:
        raise ValueError(_("最多 %(most)d 行", most=MAX_ROWS))
    columns = columns_of(field)
    rows = [_clean_row(columns, row, number) for number, row in enumerate(value, 1)]
    return [row for row in rows if any(one is not None for one in row.values())]


def _clean_row(columns: list[Field], row: Mapping[str, Any], number: int) -> dict[str, Any]:
    unknown = set(row) - {column.key for column in columns}
    if unknown:
        raise ValueError(_("第 %(row)d 行：没有“%(name)s”这一列", row=number, name=str(min(unknown))[:40]))
    cleaned: dict[str, Any] = {}
    for column in columns:
        try:
            cleaned[column.key] = clean_value(column, row.get(column.key))
        except ValueError as error:
            where = {"row": number, "name": column.label, "words": str(error)}
            raise ValueError(_("第 %(row)d 行“%(name)s”：%(words)s", **where)) from None
    is_empty = all(one is None for one in cleaned.values())
    missing = next((one.label for one in columns if one.required and cleaned[one.key] is None), "")
    if missing and not is_empty:
        raise ValueError(_("第 %(row)d 行“%(name)s”：%(words)s", row=number, name=missing, words=_("必填")))
    return cleaned


def _show_table(field: Field, value: Any) -> str:
    columns = columns_of(field)
    return "\n".join(
        "，".join(f"{one.label} {show_value(one, row[one.key])}" for one in columns if row.get(one.key) is not None)
        for row in value
    )


# --- all of them --------------------------------------------------------------------------------------------------

KINDS: Mapping[str, Kind] = {
    kind.key: kind
    for kind in (
        Kind("text", lazy("单行文本"), _clean_line, _as_it_is, _text_keys, widens_to=("long_text",)),
        Kind("long_text", lazy("多行文本"), _clean_lines, _as_it_is),
        Kind("number", lazy("数字"), _clean_number, _show_number, _number_keys, widens_to=("percent",)),
        Kind("money", lazy("金额"), _clean_money, _show_money, _number_keys, widens_to=("text", "long_text")),
        Kind("percent", lazy("百分比"), _clean_number, _show_percent, _number_keys, widens_to=("number",)),
        Kind("date", lazy("日期"), _clean_date, _as_it_is, _text_keys, widens_to=("text", "long_text")),
        Kind("time", lazy("时间"), _clean_time, _as_it_is, _text_keys, widens_to=("text", "long_text")),
        Kind("yes_no", lazy("是否"), _clean_yes_no, _show_yes_no, _text_keys),
        Kind(
            "single", lazy("单选"), _clean_single, _as_it_is, _text_keys, chooses=True, widens_to=("text", "long_text")
        ),
        Kind(
            "multiple", lazy("多选"), _clean_multiple, _show_list, _list_keys, sortable=False, many=True, chooses=True
        ),
        Kind("cascading", lazy("级联选择"), _clean_single, _show_path, _text_keys, chooses=True, widens_to=("text",)),
        Kind("person", lazy("人员"), _clean_id, _as_it_is, _text_keys, sortable=False, names="member"),
        Kind("department", lazy("部门"), _clean_id, _as_it_is, _text_keys, sortable=False, names="department"),
        Kind("phone", lazy("电话"), _clean_phone, _as_it_is, _text_keys, widens_to=("text", "long_text")),
        Kind("mail", lazy("邮箱"), _clean_mail, _as_it_is, _text_keys, widens_to=("text", "long_text")),
        Kind("link", lazy("链接"), _clean_link, _as_it_is, _text_keys, widens_to=("long_text",)),
        Kind("address", lazy("地址（含位置）"), _clean_address, _show_address),
        Kind("image", lazy("图片"), _clean_files, _show_files, holds_files=True),
        Kind("file", lazy("文件"), _clean_files, _show_files, holds_files=True),
        Kind("serial", lazy("流水号"), _refuse_given, _as_it_is, _text_keys, given=False, widens_to=("text",)),
        Kind("formula", lazy("公式"), _refuse_given, _show_formula, _formula_keys, given=False),
        Kind("relation", lazy("关联记录"), _clean_id, _as_it_is, _text_keys, sortable=False, names="record"),
        Kind("sub_table", lazy("子表"), _clean_table, _show_table),
        Kind("heading", lazy("分组标题"), _refuse_given, _show_nothing, given=False),
    )
}
COLUMN_TYPES = ("text", "number", "money", "percent", "date", "time", "yes_no", "single", "phone", "mail", "link")
UNIQUE_TYPES = ("text", "number", "money", "date", "phone", "mail", "link", "person", "relation")


def kind_of(field: Field) -> Kind:
    """Return a field's type."""
    return KINDS[field.type]


def clean_value(field: Field, value: Any) -> Any:
    """Return a value as it is stored, None for nothing. Raises ValueError with words for people."""
    if value is None or value == [] or (isinstance(value, str) and not value.strip()):
        return None
    cleaned = kind_of(field).clean(field, value)
    return None if cleaned in ("", []) else cleaned


def show_value(field: Field, value: Any) -> str:
    """Return a stored value in words; ids stay ids (see `values.shown`)."""
    if value is None or value == "" or value == []:
        return ""
    try:
        return kind_of(field).show(field, value)
    except (TypeError, ValueError, KeyError, ArithmeticError):  # stored under an earlier form of the field
        return str(value)[:LINE]


def keys_of(field: Field, value: Any) -> list[str]:
    """Return the texts by which a record is found through a stored value."""
    keys = kind_of(field).keys
    if keys is None or value is None or value == []:
        return []
    try:
        return list(dict.fromkeys(keys(field, value)))
    except (TypeError, ValueError, ArithmeticError):
        return []
