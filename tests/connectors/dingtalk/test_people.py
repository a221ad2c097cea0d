"""People and departments: absent fields, big numbers, several roots, pages, and the visible range."""

from collections.abc import Callable
from typing import Any

import pytest
import requests

from wsapp.connectors.base import NotAMember, OutOfRange
from wsapp.connectors.dingtalk.connector import DingTalkConnector
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator
from wsapp.connectors.dingtalk.emulator_world import App
from wsapp.connectors.dingtalk.people import department_from, employee_userid, person_from

CORP = "dingb1a5e0c3d7f92468"
Post = Callable[..., requests.Response]


def test_a_person(connector: DingTalkConnector) -> None:
    person = connector.person("sunlihua")
    assert (person.name, person.departments, person.leads, person.manager) == ("孙丽华", ("2",), ("2",), "qianwei")
    assert (person.position, person.phone, person.unionid) == ("销售总监", "13900010003", "UNsunlihua0001iEiE")
    assert (person.is_admin, person.status, person.avatar) == (False, "active", "")
    assert connector.person("qianwei").is_admin


@pytest.mark.parametrize(("userid", "code"), [("simaxiangru", "50002"), ("nobody", "33012"), ("ZhouXiaoYu", "33012")])
def test_out_of_range(connector: DingTalkConnector, userid: str, code: str) -> None:
    with pytest.raises(OutOfRange) as raised:
        connector.person(userid)
    assert raised.value.code == code


def test_gone(connector: DingTalkConnector, post: Post) -> None:
    post("/_emulator/people", {"userid": "wulei", "action": "leave"})
    with pytest.raises(OutOfRange) as raised:
        connector.person("wulei")
    assert raised.value.code == "60121"


def test_the_range_follows_the_person(connector: DingTalkConnector, post: Post) -> None:
    post("/_emulator/people", {"userid": "wulei", "action": "move", "departments": [1]})
    with pytest.raises(OutOfRange):
        connector.person("wulei")
    post("/_emulator/people", {"userid": "wulei", "action": "move", "departments": [1, 4], "leads": [4]})
    person = connector.person("wulei")
    assert (person.departments, person.leads) == (("1", "4"), ("4",))


@pytest.mark.parametrize(
    ("missing", "field"), [("fieldMobile", "phone"), ("fieldEmail", "email"), ("qyapi_get_member", None)]
)
def test_missing_permissions(connector: DingTalkConnector, app: App, missing: str, field: str | None) -> None:
    app.corp.members["wulei"].email = "wulei@example.com"
    app.missing_permissions.add(missing)
    if field:
        assert getattr(connector.person("wulei"), field) == ""
        return
    with pytest.raises(Exception, match="qyapi_get_member"):
        connector.person("wulei")


def test_a_department(connector: DingTalkConnector) -> None:
    one = connector.department("2")
    assert (one.id, one.name, one.parent, one.leaders) == ("2", "销售部", "1", ("sunlihua",))
    assert one.order > 2**53


@pytest.mark.parametrize(
    ("number", "code"), [("1", "50004"), ("99", "60003"), ("", "60003"), ("-1", "60003"), ("x", "60003")]
)
def test_departments_out_of_range(connector: DingTalkConnector, number: str, code: str) -> None:
    with pytest.raises(OutOfRange) as raised:
        connector.department(number)
    assert raised.value.code == code


def test_every_visible_root_is_walked(connector: DingTalkConnector, app: App) -> None:
    assert {one.id for one in connector.departments()} == {"2", "3", "4"}
    app.visible = None
    found = {one.id: one.parent for one in connector.departments()}
    assert found == {"1": "", "2": "1", "3": "2", "4": "1"}


def test_a_department_that_vanishes_while_walking(connector: DingTalkConnector, app: App) -> None:
    walk = connector.departments()
    assert next(walk).id == "2"
    del app.corp.departments[4]
    app.corp.version += 1
    assert [one.id for one in walk] == ["3"]


def test_departments_that_form_a_circle_end(connector: DingTalkConnector, app: App) -> None:
    app.corp.departments[2].parent = 3
    app.corp.version += 1
    assert sorted(one.id for one in connector.departments()) == ["2", "3", "4"]


def test_members_come_in_pages(connector: DingTalkConnector, emulator: DingTalkEmulator, app: App) -> None:
    users = [{"userid": f"u{number}", "name": f"员工{number}", "departments": [4]} for number in range(230)]
    emulator.load({"corp_id": CORP, "users": users})
    found = list(connector.members("4"))
    assert len({one.userid for one in found}) == len(found) == 231
    assert emulator.call_counts["/topapi/v2/user/list"] == 3
    assert next(one for one in found if one.userid == "qianwei").leads == ("4",)
    assert next(one for one in found if one.userid == "u7").leads == ()


def test_people_authorised_one_by_one(connector: DingTalkConnector, app: App) -> None:
    app.visible = {"departments": [4], "users": ["simaxiangru", "gone"]}
    assert [one.userid for one in connector.members("")] == ["simaxiangru"]
    assert connector.person("simaxiangru").name == "司马相如"


def test_members_out_of_range(connector: DingTalkConnector) -> None:
    with pytest.raises(OutOfRange):
        list(connector.members("1"))


# --- records as the host has been seen to send them -----------------------------------------------------------


def test_a_record_with_texts_for_numbers() -> None:
    person = person_from(
        {
            "userid": "manager01",
            "name": "张三",
            "admin": "true",
            "boss": "false",
            "dept_id_list": ["1", 458001],
            "leader_in_dept": [{"dept_id": "458001", "leader": "true"}, {"dept_id": 1, "leader": False}],
        }
    )
    assert (person.departments, person.leads, person.is_admin) == (("1", "458001"), ("458001",), True)


def test_a_bare_record() -> None:
    person = person_from({"userid": "u1"})
    assert (person.name, person.departments, person.leads, person.phone, person.is_admin) == ("u1", (), (), "", False)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"userid": None},
        {"userid": ["u1"]},
        {"userid": {}, "name": "x"},
    ],
)
def test_no_record(record: dict[str, Any]) -> None:
    with pytest.raises(OutOfRange):
        person_from(record)


def test_wrong_types_do_no_harm() -> None:
    record = {
        "userid": "u1",
        "name": ["x"],
        "dept_id_list": "1,2",
        "leader_in_dept": {"dept_id": 1},
        "mobile": 139,
        "title": None,
        "unionid": True,
        "manager_userid": {},
        "avatar": "x" * 5000,
    }
    person = person_from(record)
    assert (person.name, person.departments, person.leads, person.phone) == ("u1", (), (), "139")
    assert len(person.avatar) == 1000


def test_the_root_has_no_parent() -> None:
    assert department_from({"dept_id": 1, "name": "公司", "parent_id": 0}).parent == ""
    assert (
        department_from({"dept_id": "7", "name": "组", "parent_id": "1", "order": "176343123456789512"}).parent == "1"
    )
    with pytest.raises(OutOfRange):
        department_from({"name": "无"})


@pytest.mark.parametrize("result", [{}, {"userid": "u"}, {"userid": "u", "contact_type": 1}, {"contact_type": 0}])
def test_who_is_no_employee(result: dict[str, Any]) -> None:
    with pytest.raises(NotAMember):
        employee_userid(result)
    assert employee_userid({"userid": "u", "contact_type": "0"}) == "u"
