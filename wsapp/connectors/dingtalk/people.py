"""From DingTalk's contact records to our people and departments. Absent fields are normal; types are read leniently."""

from collections.abc import Mapping
from typing import Any

from wsapp.connectors.base import DepartmentInfo, NotAMember, OutOfRange, Person
from wsapp.connectors.dingtalk.codes import as_bool, as_dict, as_int, as_list, as_text

ROOT = "1"
MAX_NAME = 200


def person_from(record: Mapping[str, Any], asked_department: str = "") -> Person:
    """Return a member out of `topapi/v2/user/get` or one row of `topapi/v2/user/list`.

    A row of the list says only for the department that was asked whether the person leads it.
    Raises OutOfRange when the record names nobody.
    """
    userid = as_text(record.get("userid"), 64)
    if not userid:
        raise OutOfRange("the host returned no such member", code="60121")
    departments = tuple(text for one in as_list(record.get("dept_id_list")) if (text := as_text(one, 20)))
    return Person(
        userid=userid,
        name=as_text(record.get("name"), MAX_NAME) or userid,
        departments=departments,
        main_department=departments[0] if departments else "",
        leads=_leads(record, asked_department),
        manager=as_text(record.get("manager_userid"), 64),
        position=as_text(record.get("title"), MAX_NAME),
        avatar=as_text(record.get("avatar"), 1000),
        phone=as_text(record.get("mobile"), 40),
        email=as_text(record.get("email"), 200) or as_text(record.get("org_email"), 200),
        unionid=as_text(record.get("unionid"), 128),
        is_admin=as_bool(record.get("admin")) or as_bool(record.get("boss")),
        # Not yet activated (active = false) is still an employee: nothing here means "disabled".
        status="active",
    )


def _leads(record: Mapping[str, Any], asked_department: str) -> tuple[str, ...]:
    if "leader_in_dept" not in record:
        return (asked_department,) if asked_department and as_bool(record.get("leader")) else ()
    rows = [as_dict(row) for row in as_list(record["leader_in_dept"])]
    return tuple(as_text(row.get("dept_id"), 20) for row in rows if as_bool(row.get("leader")))


def department_from(record: Mapping[str, Any]) -> DepartmentInfo:
    """Return a department out of `department/get` or `listsub`. `order` may exceed 2^53. Raises OutOfRange."""
    number = as_text(record.get("dept_id"), 20)
    if not number:
        raise OutOfRange("the host returned no such department", code="60003")
    parent = as_text(record.get("parent_id"), 20)
    return DepartmentInfo(
        id=number,
        name=as_text(record.get("name"), MAX_NAME) or number,
        parent="" if number == ROOT or parent == "0" else parent,
        leaders=tuple(as_text(one, 64) for one in as_list(record.get("dept_manager_userid_list")) if one),
        order=as_int(record.get("order")) or 0,
    )


def employee_userid(result: Mapping[str, Any]) -> str:
    """Return the userid that a unionid maps to. Raises NotAMember for external contacts and strangers."""
    userid = as_text(result.get("userid"), 64)
    if as_int(result.get("contact_type")) != 0 or not userid:
        raise NotAMember("this person is no employee of this organisation")
    return userid
