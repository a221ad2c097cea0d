"""Filters (筛选) of the customer list: one registry of what a list can be narrowed by.

A filter is a query value of the list's address, so that a narrowed list is a link. Whoever adds a field that lists can
be narrowed by registers it with `register`; a corp's own fields come by themselves, as `custom.<key>`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import Coworker, Customer
from wsapp.crm.customers.queries import tagged
from wsapp.crm.customers.tags import known_tags
from wsapp.crm.fields.access import reads
from wsapp.crm.fields.finding import matching as with_custom
from wsapp.crm.fields.narrowing import asked, narrowings
from wsapp.crm.fields.text import clean_line
from wsapp.crm.org.models import Department, Member, Membership
from wsapp.crm.org.queries import assignable_members, visible_departments
from wsapp.crm.search.grams import asked_phones
from wsapp.crm.search.models import CUSTOMER, SearchEntry
from wsapp.crm.search.queries import MIN_DIGITS, Way, condition
from wsapp.crm.tasks.queries import start_of_today
from wsapp.db import db, first
from wsapp.problems import Invalid
from wsapp.texts import _, lazy

LONGEST = 60
CUSTOM = "custom."
MOST_DEPARTMENTS = 500
Choices = Sequence[tuple[str, Any]]


@dataclass(frozen=True)
class Filter:
    """One filter: `field` is what the actor must be able to read (several: divided by spaces),
    `choices` what can be chosen (None: any text); `input` what is typed ("text", "decimal", "date", "time")."""

    name: str
    label: Any
    field: str
    condition: Callable[[str], sa.ColumnElement[bool]]
    choices: Callable[[Member], Choices] | None = None
    input: str = "text"


_registered: dict[str, Filter] = {}


def register(*found: Filter) -> None:
    """Make filters known. A name is registered once."""
    for one in found:
        if one.name in _registered:
            raise ValueError(f"the filter {one.name} is registered twice")
        _registered[one.name] = one


def filters_for(actor: Member) -> list[Filter]:
    """Return the filters that the actor may use, the corp's own fields last."""
    own = [
        Filter(one.name, one.label, one.field, partial(_of_custom, one.name, actor), one.choices, one.input)
        for one in narrowings("customer", actor=actor)
    ]
    return [one for one in _registered.values() if all(reads(actor, field) for field in one.field.split())] + own


def wanted(values: Mapping[str, str], *, actor: Member) -> dict[str, str]:
    """Return those of an address's values that are filters of the actor's, without empty ones."""
    if not any(name in _registered or name.startswith(CUSTOM) for name in values):
        return {}
    names = {one.name for one in filters_for(actor)}
    bare = {name: clean_line(value[:LONGEST]) for name, value in values.items() if name in names}
    return {name: value for name, value in bare.items() if value}


def conditions(chosen: Mapping[str, str], *, actor: Member) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of chosen filters (see `wanted`). A value that means nothing narrows to nothing."""
    if not chosen:
        return []
    known = {one.name: one for one in filters_for(actor)}
    found = [_condition(known[name], value) for name, value in chosen.items() if not name.startswith(CUSTOM)]
    own = {name: value for name, value in chosen.items() if name.startswith(CUSTOM)}
    return [*found, _of_all_custom(own, actor)] if own else found


def _of_custom(name: str, actor: Member, value: str) -> sa.ColumnElement[bool]:
    return _of_all_custom({name: value}, actor)


def _of_all_custom(chosen: Mapping[str, str], actor: Member) -> sa.ColumnElement[bool]:
    """Return one condition for all of the corp's own fields: from and to of one field are looked up together."""
    try:
        wanted = asked("customer", chosen, actor=actor)
        return sa.and_(*with_custom("customer", wanted, actor=actor, id_column=Customer.id))
    except Invalid:
        return sa.false()


def _condition(one: Filter, value: str) -> sa.ColumnElement[bool]:
    try:
        return one.condition(value)
    except Invalid:
        return sa.false()


# --- what every corp has ------------------------------------------------------------------------------------------


def _equals(column: Any) -> Callable[[str], sa.ColumnElement[bool]]:
    def equals(value: str) -> sa.ColumnElement[bool]:
        found: sa.ColumnElement[bool] = column == value
        return found

    return equals


def _contains(*columns: Any) -> Callable[[str], sa.ColumnElement[bool]]:
    return lambda value: sa.or_(*(column.contains(value, autoescape=True) for column in columns))


def _next(value: str) -> sa.ColumnElement[bool]:
    today, column = start_of_today(), Customer.next_follow_at
    if value == "none":
        return column.is_(None)
    if value == "late":
        return column < clock.now()
    days = {"today": 1, "week": 7}.get(value)
    return sa.false() if days is None else sa.and_(column >= today, column < today + timedelta(days=days))


def _longer_ago(column: Any) -> Callable[[str], sa.ColumnElement[bool]]:
    def longer_ago(value: str) -> sa.ColumnElement[bool]:
        if value == "never":
            found: sa.ColumnElement[bool] = column.is_(None)
            return found
        if value not in DAYS:
            return sa.false()
        return sa.or_(column.is_(None), column < clock.now() - timedelta(days=int(value)))

    return longer_ago


def _since(column: Any) -> Callable[[str], sa.ColumnElement[bool]]:
    return lambda value: column >= clock.now() - timedelta(days=int(value)) if value in DAYS else sa.false()


def _with_digits(value: str) -> sa.ColumnElement[bool]:
    digits = "".join(char for char in value if char.isascii() and char.isdigit())
    if len(digits) < MIN_DIGITS:
        return sa.false()
    return condition(CUSTOMER, Customer.id, [[Way(SearchEntry.phones, digits, tuple(asked_phones(digits)))]])


def _members(actor: Member) -> Choices:
    return [(one.id, one.name) for one in assignable_members(actor)]


def _departments(actor: Member) -> Choices:
    there = sa.select(Department.id, Department.name).where(visible_departments(actor)).order_by(Department.path)
    return [(row.id, row.name) for row in db.session.execute(there.limit(MOST_DEPARTMENTS))]


def of_department(department_id: str) -> sa.ColumnElement[bool]:
    """Return the condition that a customer's owner is in a department or one below it."""
    path = first(sa.select(Department.path).where(Department.id == department_id))
    if path is None:
        return sa.false()
    same = sa.and_(Department.corp_id == Membership.corp_id, Department.id == Membership.department_id)
    people = sa.select(Membership.member_id).join(Department, same)
    found: sa.ColumnElement[bool] = Customer.owner_id.in_(
        people.where(Department.path.startswith(path, autoescape=True))
    )
    return found


def _co_works(member_id: str) -> sa.ColumnElement[bool]:
    found: sa.ColumnElement[bool] = Customer.id.in_(
        sa.select(Coworker.customer_id).where(Coworker.member_id == member_id)
    )
    return found


def _is_there(column: Any) -> Callable[[str], sa.ColumnElement[bool]]:
    tests = {"yes": column.is_not(None), "no": column.is_(None)}
    return lambda value: tests.get(value, sa.false())


DAYS = ("7", "15", "30", "90")
KINDS = (("company", lazy("企业")), ("person", lazy("个人")))
NEXT = (("late", lazy("已逾期")), ("today", lazy("今天")), ("week", lazy("七天内")), ("none", lazy("没有计划")))
LAST = (
    ("7", lazy("超过 7 天没有跟进")),
    ("15", lazy("超过 15 天没有跟进")),
    ("30", lazy("超过 30 天没有跟进")),
    ("90", lazy("超过 90 天没有跟进")),
    ("never", lazy("从未跟进")),
)
VISITED = (
    ("7", lazy("超过 7 天没有拜访")),
    ("15", lazy("超过 15 天没有拜访")),
    ("30", lazy("超过 30 天没有拜访")),
    ("90", lazy("超过 90 天没有拜访")),
    ("never", lazy("从未拜访")),
)
WITHIN = (("7", lazy("7 天内")), ("15", lazy("15 天内")), ("30", lazy("30 天内")), ("90", lazy("90 天内")))

DEALT = (
    ("30", lazy("超过 30 天没有成交")),
    ("90", lazy("超过 90 天没有成交")),
    ("never", lazy("从未成交")),
)
IS_THERE = (("yes", lazy("已填写")), ("no", lazy("未填写")))

register(
    Filter("owner", lazy("负责人"), "owner", _equals(Customer.owner_id), _members),
    Filter("department", lazy("部门"), "owner", of_department, _departments),
    Filter("coworker", lazy("协作人"), "coworkers", _co_works, _members),
    Filter("creator", lazy("创建人"), "creator", _equals(Customer.creator_id), _members),
    Filter("tag", lazy("标签"), "tags", tagged, lambda actor: [(one, one) for one in known_tags()]),
    Filter("source", lazy("来源"), "source", _equals(Customer.source)),
    Filter(
        "region", lazy("地区"), "province city district", _contains(Customer.province, Customer.city, Customer.district)
    ),
    Filter("industry", lazy("行业"), "industry", _contains(Customer.industry)),
    Filter("phone", lazy("电话（至少三位数字）"), "phones", _with_digits),
    Filter("kind", lazy("类型"), "kind", _equals(Customer.kind), lambda actor: KINDS),
    Filter("short_name", lazy("简称"), "short_name", _contains(Customer.short_name)),
    Filter("credit_code", lazy("信用代码"), "credit_code", _contains(Customer.credit_code)),
    Filter("parent", lazy("上级客户"), "parent", _is_there(Customer.parent_id), lambda actor: IS_THERE),
    Filter("place", lazy("位置"), "location", _is_there(Customer.lat), lambda actor: IS_THERE),
    Filter("size", lazy("规模"), "size", _contains(Customer.size)),
    Filter("address", lazy("地址"), "address", _contains(Customer.address)),
    Filter("website", lazy("网址"), "website", _contains(Customer.website)),
    Filter("note", lazy("备注"), "note", _contains(Customer.note)),
    Filter("created", lazy("创建时间"), "created_at", _since(Customer.created_at), lambda actor: WITHIN),
    Filter("updated", lazy("更新时间"), "updated_at", _since(Customer.updated_at), lambda actor: WITHIN),
    Filter("next", lazy("下次跟进"), "next_follow_at", _next, lambda actor: NEXT),
    Filter("last", lazy("上次跟进"), "last_followed_at", _longer_ago(Customer.last_followed_at), lambda actor: LAST),
    Filter(
        "visited", lazy("上次拜访"), "last_visited_at", _longer_ago(Customer.last_visited_at), lambda actor: VISITED
    ),
    Filter("dealt", lazy("上次成交"), "last_deal_at", _longer_ago(Customer.last_deal_at), lambda actor: DEALT),
)


def described(chosen: Mapping[str, str], *, actor: Member) -> str:
    """Return chosen filters in words: 负责人：阿丽、标签：重点."""
    found = []
    for one in filters_for(actor):
        if one.name in chosen:
            choices = dict(one.choices(actor)) if one.choices else {}
            value = str(choices.get(chosen[one.name], chosen[one.name]))
            found.append(_("%(what)s：%(value)s", what=str(one.label), value=value))
    return _("、").join(found)
