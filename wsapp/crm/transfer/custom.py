"""Custom fields in spreadsheets: what a cell of one means, and how its value is written into one."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.fields.access import HIDDEN, MASKED, access, mask
from wsapp.crm.fields.definitions import fields_of
from wsapp.crm.fields.designs import CURRENCIES
from wsapp.crm.fields.formulas import with_results
from wsapp.crm.fields.models import CustomValue, Field
from wsapp.crm.fields.records import records_of
from wsapp.crm.fields.types import STEP, kind_of, show_value
from wsapp.crm.fields.values import found_by, index_rows
from wsapp.crm.org.models import Department, Member
from wsapp.crm.org.queries import people as people_of
from wsapp.crm.org.queries import visible_departments
from wsapp.crm.transfer.cells import READERS, SEPARATORS, Unreadable, moment, text_of
from wsapp.crm.transfer.lines import Line
from wsapp.crm.transfer.people import People
from wsapp.db import db, rows
from wsapp.house import local
from wsapp.lots import insert_lot
from wsapp.texts import _

PREFIX = "custom."
NUMBERS = ("number", "money", "percent")
SIGNS = (*CURRENCIES, "¥", "￥", "$", "€", "元")  # that stand at a sum of money
OWN_SEPARATORS = re.compile("[；;、\\n]+")
DAY = 86_400  # seconds
TOLD = 10  # options that an error names

Values = Mapping[str, Any]


# --- coming in ----------------------------------------------------------------------------------------------------


class CustomCells:
    """Reads the custom cells of one import's rows; remembers names that it looked up, and unique values it met."""

    def __init__(self, obj: str, actor: Member, people: People) -> None:
        self.obj, self.actor, self.people = obj, actor, people
        self.fields = fields_of(obj)
        self.unique = [field for field in self.fields.values() if field.unique]
        self._rows_before: dict[tuple[str, str], int] = {}
        self._ids: dict[tuple[str, str], list[str]] = {}

    def read(self, line: Line, typed: Values) -> dict[str, Any]:
        """Return the custom values that a row gives, by field key; notes on the row what cannot be read."""
        found: dict[str, Any] = {}
        for name, cell in typed.items():
            field = self.fields.get(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None
            if field is None:
                continue
            try:
                found[field.key] = self._read(field, cell)
            except ValueError as error:
                line.fail(field.name, str(error))
        return found

    def _read(self, field: Field, cell: Any) -> Any:
        match field.type:
            case "date":
                at = moment(cell)
                return f"{local(at):%Y-%m-%d}" if at else None
            case "time":
                return _hour(cell)
            case kind if kind in NUMBERS:
                return cell if isinstance(cell, int | float) else _number(text_of(cell), field)
            case "yes_no" if isinstance(cell, bool):
                return cell
            case "multiple":
                return _known(_several(text_of(cell), field), field)
            case "cascading":
                return _known([STEP.join(part.strip() for part in text_of(cell).split(STEP))], field)[0]
            case "single":
                return _known([text_of(cell).strip()], field)[0]
            case "person":
                return self.people.named(text_of(cell))
            case "department" | "relation":
                return self._named(field.type, text_of(cell))
        return READERS["text"](text_of(cell))

    def _named(self, kind: str, name: str) -> str:
        key = (kind, name)
        if key not in self._ids:
            self._ids[key] = list(rows(_FINDERS[kind](name, self.actor).limit(2)))
        if len(self._ids[key]) > 1:
            raise Unreadable(_("有几个“%(name)s”，请填编号", name=name[:60]))
        if not self._ids[key]:
            raise Unreadable(_("找不到“%(name)s”，或您无权查看", name=name[:60]))
        return self._ids[key][0]

    def meet(self, line: Line, values: Values, record_id: str = "") -> None:
        """Note a row's unique values; fails the row when another record, or a row before, has one of them."""
        for field in self.unique:
            for row in index_rows(field, record_id, values.get(field.key)):
                key = (field.id, str(row["unique_key"]))
                taken = sa.select(CustomValue.record_id).where(
                    CustomValue.field_id == field.id,
                    CustomValue.unique_key == row["unique_key"],
                    CustomValue.record_id != record_id,
                )
                if key in self._rows_before:
                    line.fail(field.name, _("与第 %(row)d 行重复", row=self._rows_before[key]))
                elif db.session.execute(taken).first():
                    line.fail(field.name, _("“%(label)s”已有相同的值，不能重复", label=field.label))
                else:
                    self._rows_before[key] = line.number

    def forget(self, numbers: set[int]) -> None:
        """Forget rows that were decided and could not be written."""
        self._rows_before = {key: row for key, row in self._rows_before.items() if row not in numbers}

    def index_new(self, records: Iterable[tuple[str, Values]]) -> None:
        """Write what new records (id, values) are found by."""
        fields = fields_of(self.obj)  # not as the import began: one may have become filterable meanwhile
        wanted = [field for field in fields.values() if field.indexed or field.unique]
        found: list[dict[str, Any]] = []
        for record_id, stored in records if wanted else ():
            values = with_results(fields, stored)
            for field in wanted:
                found += found_by(field, record_id, values.get(field.key))
        insert_lot(CustomValue, found)


def _hour(cell: Any) -> Any:
    """Return an hour as "09:30": from a text, or from a part of a day as spreadsheets keep it."""
    if isinstance(cell, float) and 0 <= cell < 1:
        seconds = round(cell * DAY)
        return f"{seconds // 3600:02}:{seconds % 3600 // 60:02}"
    if isinstance(cell, dict) and "d" in cell:
        return f"{datetime.fromisoformat(cell['d']):%H:%M}"
    text = text_of(cell)
    return text.rpartition(":")[0] if text.count(":") == 2 else text


def _number(text: str, field: Field) -> str:
    for word in (str(field.settings.get("unit") or ""), *SIGNS):
        text = text.removeprefix(word).removesuffix(word).strip() if word else text
    return text


def _several(text: str, field: Field) -> list[str]:
    """Return the choices of a cell; a separator within an option is part of it."""
    for pattern in (OWN_SEPARATORS, SEPARATORS):
        found = [part.strip() for part in pattern.split(text) if part.strip()]
        if all(part in field.options for part in found):
            break
    return found


def _known(chosen: list[str], field: Field) -> list[str]:
    if any(one and one not in field.options for one in chosen):
        more = _("等") if len(field.options) > TOLD else ""
        raise Unreadable(_("应为以下之一：%(known)s", known=_("、").join(field.options[:TOLD]) + more))
    return chosen


def _departments(name: str, actor: Member) -> Any:
    named = sa.or_(Department.id == name, Department.name == name)
    return sa.select(Department.id).where(named, visible_departments(actor))


def _customers(name: str, actor: Member) -> Any:
    named = sa.or_(Customer.id == name, Customer.name == name)
    return sa.select(Customer.id).where(named, visible_customers(actor))


_FINDERS: Mapping[str, Callable[[str, Member], Any]] = {"department": _departments, "relation": _customers}


# --- going out ----------------------------------------------------------------------------------------------------


def texts_of(obj: str, stored: Sequence[Values], keys: Sequence[str], *, actor: Member) -> list[dict[str, str]]:
    """Return for each record the texts of its custom cells by field name, as the actor may see them."""
    fields = fields_of(obj)
    wanted = [fields[key] for key in keys if key in fields and access(actor, fields[key].name, obj) != HIDDEN]
    if not wanted:
        return [{} for _values in stored]
    records = [with_results(fields, values or {}) for values in stored]
    names = {field.key: _names(field, [values.get(field.key) for values in records], actor) for field in wanted}
    masked = {field.name for field in wanted if access(actor, field.name, obj) == MASKED}
    found = []
    for values in records:
        texts = {field.name: _text(field, values.get(field.key), names[field.key]) for field in wanted}
        found.append({name: mask(name, text) if name in masked else text for name, text in texts.items()})
    return found


def _text(field: Field, value: Any, names: Mapping[str, str]) -> str:
    if value is None:
        return ""
    if kind_of(field).names:
        return names.get(value, "")
    if field.type in NUMBERS:
        return f"{Decimal(str(value)):f}"  # as a spreadsheet takes it: no unit, no groups
    if field.type == "multiple":
        return "；".join(map(str, value))
    return str(value) if field.type == "cascading" else show_value(field, value)


def _names(field: Field, values: Sequence[Any], actor: Member) -> Mapping[str, str]:
    """Return the names of people, departments and records by id; of records only those that the actor sees."""
    ids = sorted({value for value in values if isinstance(value, str)})
    match kind_of(field).names if ids else "":
        case "member":
            return {one: f"{name}（{userid}）" for one, (name, userid) in people_of(ids).items()}
        case "department":
            found = sa.select(Department.id, Department.name).where(Department.id.in_(ids))
        case "record" if records_of("customer"):
            found = sa.select(Customer.id, Customer.name).where(Customer.id.in_(ids), visible_customers(actor))
        case _:
            return {}
    return {row.id: row.name for row in db.session.execute(found)}
