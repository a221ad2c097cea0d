"""Members (成员) and departments (部门) from WeCom's JSON into ours.

Pages: user/get 90196, user/list 90201, department/get 95351, department/list 90208, agent/get 90227.
Since 2022-06 new apps get no avatar, phone or mail here: empty is normal. Everything is text typed by strangers.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from wsapp.connectors.base import DepartmentInfo, Person, TryLater

STATUS: dict[int, Literal["active", "disabled", "left"]] = {
    1: "active",
    2: "disabled",
    4: "active",  # has not opened the client yet (未激活): an employee all the same
    5: "left",
}
ROOT_PARENT = "0"


def person(found: Mapping[str, Any]) -> Person:
    """A member from user/get or from a row of user/list. Raises TryLater when there is no userid."""
    userid = _text(found.get("userid"))
    if not userid:
        raise TryLater("the host's answer has no userid", code="malformed")
    departments = _ids(found.get("department"))
    leaders = _list(found.get("is_leader_in_dept"))
    managers = [name for name in (_text(one) for one in _list(found.get("direct_leader"))) if name]
    return Person(
        userid=userid,
        name=_text(found.get("name")) or userid,
        departments=departments,
        main_department=_id(found.get("main_department")),
        leads=tuple(where for where, leads in zip(departments, leaders, strict=False) if leads in (1, "1", True)),
        manager=managers[0] if managers else "",
        position=_text(found.get("position")),
        avatar=_text(found.get("avatar")),
        phone=_text(found.get("mobile")),
        email=_text(found.get("biz_mail")) or _text(found.get("email")),
        status=STATUS.get(_number(found.get("status"), 1), "active"),
    )


def with_departments(known: Person, found: Mapping[str, Any]) -> Person:
    """`known` with the departments, leaderships and manager that another answer of the host names."""
    more = person(found)
    return replace(
        known,
        departments=more.departments,
        main_department=more.main_department,
        leads=more.leads,
        manager=known.manager or more.manager,
    )


def department(found: Mapping[str, Any]) -> DepartmentInfo:
    """A department from department/get or from a row of department/list. Raises TryLater when there is no id."""
    department_id = _id(found.get("id"))
    if not department_id:
        raise TryLater("the host's answer has no department id", code="malformed")
    parent = _id(found.get("parentid"))
    return DepartmentInfo(
        id=department_id,
        name=_text(found.get("name")) or department_id,
        parent="" if parent == ROOT_PARENT else parent,
        leaders=tuple(_text(one) for one in _list(found.get("department_leader")) if _text(one)),
        order=_number(found.get("order"), 0),
    )


def rows(found: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The list `name` of an answer, objects only."""
    return [row for row in _list(found.get(name)) if isinstance(row, dict)]


def visible_roots(agent: Mapping[str, Any]) -> tuple[str, ...]:
    """The departments that agent/get names as the app's visible range (可见范围)."""
    partys = agent.get("allow_partys")
    return _ids(partys.get("partyid")) if isinstance(partys, dict) else ()


def visible_people(agent: Mapping[str, Any]) -> tuple[str, ...]:
    """The userids that agent/get names one by one in the app's visible range."""
    infos = agent.get("allow_userinfos")
    users = rows(infos, "user") if isinstance(infos, dict) else []
    return tuple(userid for userid in (_text(one.get("userid")) for one in users) if userid)


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _id(value: Any) -> str:
    """A department's number as text; the host now and then writes numbers as strings."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return ""
    return str(value).strip()


def _ids(value: Any) -> tuple[str, ...]:
    return tuple(_id(one) for one in _list(value) if _id(one))


def _number(value: Any, default: int) -> int:
    digits = _id(value)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else default


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
