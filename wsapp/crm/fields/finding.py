"""Finding and ordering records by indexed custom fields. Names become fields of the corp's, values parameters: nothing
that a user sends is ever part of a statement's text."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from wsapp.crm.fields import numbers
from wsapp.crm.fields.models import FIRST, LONGEST_KEY, CustomValue, Field
from wsapp.crm.fields.showing import readable
from wsapp.crm.fields.text import SEPARATORS, clean_line
from wsapp.crm.fields.types import UNBOUND, clean_value, formula_key, kind_of, text_key
from wsapp.crm.org.models import Member
from wsapp.db import db, first, is_postgresql
from wsapp.problems import Invalid
from wsapp.texts import _

MOST_WANTED, MOST_VALUES = 10, 100
OPERATORS = ("eq", "in", "gt", "gte", "lt", "lte", "starts", "empty")
BOUNDS = ("gt", "gte", "lt", "lte")
NUMERIC = ("number", "money", "percent")
LAST = "\U0010ffff"  # stands behind whatever begins with a text
HAS_VALUE = CustomValue.sort_key >= FIRST  # the row is not a blank one
MANY = 2_000  # rows of the index; fewer than these are gathered first
EXACT = ("date", "time", "yes_no")  # what is looked for is cleaned as what is stored


def matching(obj: str, wanted: Mapping[str, Any], *, actor: Member, id_column: Any) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that records have the wanted values: {key: value} or {key: {operator: value}}.

    Raises Invalid for a field that is not there, not indexed or not the actor's to read, and for what cannot be looked
    for.
    """
    if len(wanted) > MOST_WANTED:
        raise Invalid({"custom": _("最多 %(most)d 个条件", most=MOST_WANTED)})
    fields = readable(obj, actor)
    found: list[sa.ColumnElement[bool]] = []
    for key, value in wanted.items():
        field = _indexed(fields, key)
        tests = value if isinstance(value, Mapping) else {"eq": value}
        if any(operator not in OPERATORS for operator in tests):
            raise Invalid({field.name: _("不支持这种比较方式")})
        found += _conditions(field, tests, id_column)
    return found


def _indexed(fields: Mapping[str, Field], key: str) -> Field:
    field = fields.get(key)
    if field is None or not field.indexed:
        raise Invalid({f"custom.{key[:60]}": _("没有这个可筛选的自定义字段")})
    if field.indexing:
        raise Invalid({field.name: _("这个字段的索引正在建立，请稍后再试")})
    return field


def _conditions(field: Field, tests: Mapping[str, Any], id_column: Any) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of all that is asked of one field. Bounds are one look into the index: from–to reads only
    what lies between."""
    found, bounds = [], []
    for operator, operand in tests.items():
        if operator == "empty":
            found.append(_is_blank(field, id_column, operand in (True, "true", "1", 1)))
        elif operator in BOUNDS:
            bounds.append(_bound(field, operator, operand))
        else:
            found.append(_has_row(field, id_column, _test(field, operator, operand)))
    if bounds and not {"gt", "gte"} & set(tests):
        bounds.append(HAS_VALUE)
    return [*found, _has_row(field, id_column, *bounds)] if bounds else found


def _is_blank(field: Field, id_column: Any, wanted: bool) -> sa.ColumnElement[bool]:
    if wanted and field.blanks:
        return _has_row(field, id_column, CustomValue.sort_key == field.blank)
    filled = _has_row(field, id_column, HAS_VALUE)
    return ~filled if wanted else filled


def _has_row(field: Field, id_column: Any, *tests: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Return the condition that the index has a row of a record. PostgreSQL knows by itself whether it has many such
    rows. SQLite is told: few are gathered first; of many, each record that a list comes by has its own looked at."""
    same = (CustomValue.corp_id == id_column.class_.corp_id, CustomValue.record_id == id_column)
    if is_postgresql():
        return sa.exists().where(*same, CustomValue.field_id == field.id, *tests)
    found = sa.select(CustomValue.record_id).where(CustomValue.field_id == field.id, *tests)
    some = found.limit(MANY + 1).subquery()
    if (db.session.scalar(sa.select(sa.func.count()).select_from(some)) or 0) <= MANY:
        return id_column.in_(found)
    # Not the plain column: SQLite would take the other index, and read the whole range for each record.
    return sa.exists().where(*same, CustomValue.field_id.concat("") == field.id, *tests)


def _test(field: Field, operator: str, operand: Any) -> sa.ColumnElement[bool]:
    key = CustomValue.sort_key
    if operator == "starts":
        start = _beginning(field, operand)
        return sa.and_(key >= start, key < start + LAST) if start else HAS_VALUE
    values = operand if operator == "in" and isinstance(operand, list) else [operand]
    if len(values) > MOST_VALUES:
        raise Invalid({field.name: _("最多 %(most)d 个值", most=MOST_VALUES)})
    return key.in_([search_key(field, one) for one in values])


def _bound(field: Field, operator: str, operand: Any) -> sa.ColumnElement[bool]:
    key, value = CustomValue.sort_key, search_key(field, operand)
    tests = {"gt": key > value, "gte": key >= value, "lt": key < value, "lte": key <= value}
    return tests[operator]


def search_key(field: Field, value: Any) -> str:
    """Return the text under which the index holds a value that is looked for. Raises Invalid."""
    if value is None or isinstance(value, list | Mapping):
        raise Invalid({field.name: _("应为文字")})
    try:
        if field.type == "formula":
            return formula_key(value)
        if field.type in NUMERIC:
            return numbers.sort_key(numbers.read_number(UNBOUND, value))
        if field.type in EXACT:
            return text_key(str(clean_value(field, value)))
        if field.type == "person":
            return _person(str(value))
        return text_key(clean_line(str(value)))[:LONGEST_KEY]
    except ValueError as error:
        raise Invalid({field.name: str(error)}) from None


def _beginning(field: Field, operand: Any) -> str:
    """Return how the texts begin that are looked for: as they are kept, whatever way they are typed."""
    if operand is None or isinstance(operand, list | Mapping):
        raise Invalid({field.name: _("应为文字")})
    text = text_key(clean_line(str(operand)))
    if field.type == "phone":
        return SEPARATORS.sub("", text).removeprefix("+86")
    if field.type == "link" and text and "://" not in text:
        return f"https://{text}"
    return text


def _person(text: str) -> str:
    named = sa.or_(Member.id == text, Member.userid == text)
    return text_key(first(sa.select(Member.id).where(named)) or text)


def ordered(obj: str, sort: str, *, actor: Member, id_column: Any, statement: Any) -> tuple[Any, tuple[Any, bool], Any]:
    """Return the statement joined to the index for `sort` ("custom.<key>", "-" before it for downwards), the column to
    order by with its direction, and the column with the id that settles ties. Records without a value come first, as
    the smallest. Raises Invalid."""
    key = sort.removeprefix("-").removeprefix("custom.")
    field = _indexed(readable(obj, actor), key)
    if not kind_of(field).sortable:
        raise Invalid({"sort": _("不支持按“%(sort)s”排序", sort=field.label)})
    value = aliased(CustomValue)
    same = sa.and_(value.corp_id == id_column.class_.corp_id, value.record_id == id_column)
    same = sa.and_(same, value.field_id == field.id)
    if field.blanks:  # both columns from the index: it then has them in order, and a page ends after its last row
        statement = statement.join(value, same).add_columns(value.sort_key, value.record_id)
        return statement, (value.sort_key, sort.startswith("-")), value.record_id
    joined = statement.outerjoin(value, same)
    column = sa.func.coalesce(value.sort_key, sa.literal("")).label("custom_sort")
    return joined.add_columns(column), (column, sort.startswith("-")), id_column


def filterable(obj: str, *, actor: Member) -> list[Field]:
    """Return the fields by which the actor may filter lists now."""
    return [one for one in readable(obj, actor).values() if one.indexed and not one.indexing]
