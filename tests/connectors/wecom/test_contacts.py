"""Members and departments as one app sees them, and how the host's oddities arrive here."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from wsapp.connectors.base import OutOfRange, Person, Refused, TryLater
from wsapp.connectors.wecom import people
from wsapp.connectors.wecom.connector import WeComConnector
from wsapp.connectors.wecom.emulator_demo import CONTACTS_SECRET, CORP_ID


def test_a_manager_as_the_host_tells_it(connector: WeComConnector, host: Any) -> None:
    assert connector.person("wangjianguo") == Person(
        userid="WangJianGuo",
        name="王建国",
        departments=("2",),
        main_department="2",
        leads=("2",),
        manager="ZhaoMin",
        position="销售总监",
    )


def test_the_recorded_member(fixture: Callable[[str], Any]) -> None:
    found = people.person(fixture("answers/user.get.json"))
    assert (found.userid, found.name, found.departments) == ("zhangsan", "张三", ("1", "2"))
    assert found.leads == ("1",), "is_leader_in_dept runs parallel to department"
    assert (found.manager, found.main_department, found.phone) == ("lisi", "1", "13800000000")
    assert found.status == "active"


@pytest.mark.parametrize(
    ("status", "is_"), [(1, "active"), (2, "disabled"), (4, "active"), (5, "left"), ("2", "disabled"), (9, "active")]
)
def test_states_of_a_member(status: Any, is_: str) -> None:
    assert people.person({"userid": "a", "status": status}).status == is_


HOSTILE = [
    {"name": 7, "department": "1", "is_leader_in_dept": 1, "direct_leader": "x", "main_department": []},
    {"department": [None, True, {}, "3", 4], "is_leader_in_dept": ["1"], "status": "x", "position": None},
    {"department": [1], "is_leader_in_dept": [], "direct_leader": [None, ""], "mobile": 13800000000},
]


@pytest.mark.parametrize("row", HOSTILE)
def test_wrong_types_become_empty(row: dict[str, Any]) -> None:
    found = people.person({"userid": "a", **row})
    assert found.name == "a"
    assert all(isinstance(one, str) and one for one in found.departments)
    assert (found.manager, found.phone, found.position) == ("", "", "")


@pytest.mark.parametrize("row", [{}, {"userid": ""}, {"userid": 7}, {"userid": None}])
def test_nobody_is_no_member(row: dict[str, Any]) -> None:
    with pytest.raises(TryLater):
        people.person(row)


@pytest.mark.parametrize("code", [60111, 60011])
@pytest.mark.parametrize("userid", ["OuYangMuRong", "NoBody"])
def test_outside_the_visible_range(host: Any, connector: WeComConnector, userid: str, code: int) -> None:
    host.knobs(invisible_user_code=code)
    with pytest.raises(OutOfRange) as caught:
        connector.person(userid)
    assert caught.value.code == str(code)


@pytest.mark.parametrize("userid", ["", "a b", "a/../b", "中文", "a" * 65, "-a", "a&access_token=x"])
def test_what_cannot_be_a_userid_is_not_asked_for(host: Any, connector: WeComConnector, userid: str) -> None:
    with pytest.raises(OutOfRange):
        connector.person(userid)
    assert host.calls("user/get") == 0


def test_a_disabled_member_and_a_leaver(host: Any, connector: WeComConnector) -> None:
    host.post("/_emulator/people", {"action": "disable", "userid": "ChenZiHao"})
    assert connector.person("ChenZiHao").status == "disabled"
    host.post("/_emulator/people", {"action": "leave", "userid": "ChenZiHao"})
    with pytest.raises(OutOfRange):
        connector.person("ChenZiHao")


def test_departments_from_each_visible_root(host: Any, connector: WeComConnector) -> None:
    found = {one.id: one for one in connector.departments()}
    assert set(found) == {"2", "3"}
    assert (found["2"].leaders, found["2"].parent) == (("WangJianGuo",), "1")
    host.emulator.corps[CORP_ID].apps[1000002].departments |= {3, 4}
    assert [one.id for one in connector.departments()] == ["2", "3", "4"], "each once, however many roots reach it"


def test_a_root_that_vanishes_meanwhile(host: Any, connector: WeComConnector) -> None:
    host.emulator.corps[CORP_ID].apps[1000002].departments |= {99}
    assert {one.id for one in connector.departments()} == {"2", "3"}


def test_the_root_department_has_no_parent(host: Any, connector: WeComConnector) -> None:
    host.emulator.corps[CORP_ID].apps[1000002].departments = {1}
    assert connector.department("1").parent == ""


def test_an_invisible_or_unknown_department(make: Callable[..., WeComConnector], host: Any) -> None:
    connector = make(contacts_secret="")
    for department_id in ("4", "99"):
        with pytest.raises(OutOfRange):
            connector.department(department_id)


@pytest.mark.parametrize("let_in", [True, False])
def test_contact_sync_fills_in_where_the_host_lets_it(
    host: Any, connector: WeComConnector, make: Callable[..., WeComConnector], let_in: bool
) -> None:
    """赵敏 is visible alone: the app may not see the root department that she leads."""
    if not let_in:
        host.emulator.corps[CORP_ID].contacts_ips.clear()
    boss = connector.person("ZhaoMin")
    assert (boss.name, boss.departments, boss.leads) == ("赵敏", ("1",) if let_in else (), ("1",) if let_in else ())
    if let_in:
        assert connector.department("1").name == "森林木业"
    else:
        with pytest.raises(OutOfRange):
            connector.department("1")
    assert make(contacts_secret="").person("ZhaoMin").leads == ()
    with pytest.raises(OutOfRange):
        connector.person("OuYangMuRong")


def test_a_wrong_contact_secret_does_not_stop_the_app(make: Callable[..., WeComConnector], host: Any) -> None:
    assert make(contacts_secret="wrong").person("ZhaoMin").name == "赵敏"


def test_a_host_that_only_knows_the_list(host: Any, connector: WeComConnector) -> None:
    host.fault("department/get", "code", code=48005, times=2)
    assert connector.department("3").name == "华南组"
    with pytest.raises(OutOfRange):
        connector.department("4")


def test_direct_members_only(connector: WeComConnector, host: Any) -> None:
    assert [one.userid for one in connector.members("2")] == ["WangJianGuo"]
    assert [one.userid for one in connector.members("3")] == ["LinXiaoYan", "ChenZiHao"]


@pytest.mark.parametrize(("masked", "avatar"), [("absent", False), ("default", True)])
def test_new_apps_see_nothing_private(host: Any, connector: WeComConnector, masked: str, avatar: bool) -> None:
    host.emulator.corps[CORP_ID].users["linxiaoyan"].private["mobile"] = "13800000000"
    host.knobs(masked_fields=masked)
    found = connector.person("LinXiaoYan")
    assert (found.phone, bool(found.avatar)) == ("", avatar)
    host.post("/_emulator/apps", {"shows_private": True})
    assert connector.person("LinXiaoYan").phone == "13800000000"


# --- contact sync ---------------------------------------------------------------------------------------------


def sync(host: Any, method: str, api: str, **options: Any) -> Any:
    token = requests.get(
        f"{host.url}/cgi-bin/gettoken", params={"corpid": CORP_ID, "corpsecret": CONTACTS_SECRET}, timeout=10
    ).json()["access_token"]
    params = {"access_token": token, **options.pop("params", {})}
    return requests.request(method, f"{host.url}/cgi-bin/{api}", params=params, timeout=10, **options).json()


def test_contact_sync_has_a_token_of_its_own(host: Any, connector: WeComConnector) -> None:
    assert connector.calls.token("contacts") != connector.calls.token("app")
    pairs = connector.calls.post("user/list_id", b"{}", proof="dept_user", family="contacts")["dept_user"]
    assert {"userid": "OuYangMuRong", "department": 4} in pairs, "the skeleton knows no visible range"


def test_contact_sync_from_a_new_ip_sees_the_skeleton_only(host: Any) -> None:
    host.emulator.corps[CORP_ID].contacts_ips.clear()
    assert sync(host, "GET", "user/get", params={"userid": "ZhaoMin"})["errcode"] == 48009
    host.emulator.corps[CORP_ID].contacts_ips.add("127.0.0.1")
    assert sync(host, "GET", "user/get", params={"userid": "OuYangMuRong"})["name"] == "欧阳慕容"
    assert len(sync(host, "GET", "department/simplelist")["department_id"]) == 4


def test_contact_sync_cannot_send_or_sign_in(host: Any) -> None:
    assert sync(host, "POST", "message/send", json={})["errcode"] == 48002
    assert sync(host, "GET", "auth/getuserinfo", params={"code": "x"})["errcode"] == 50001


def test_the_skeleton_comes_in_pages_behind_a_cursor_that_expires(host: Any) -> None:
    host.emulator.corps[CORP_ID].users["linxiaoyan"].departments = [3, 4]
    pairs, cursor = [], ""
    while True:
        found = sync(host, "POST", "user/list_id", json={"limit": 2, "cursor": cursor})
        pairs += [(row["userid"], row["department"]) for row in found["dept_user"]]
        cursor = found["next_cursor"]
        if not cursor:
            break
    assert len(pairs) == 6
    assert {("LinXiaoYan", 3), ("LinXiaoYan", 4)} <= set(pairs), "a member of two departments comes twice"
    stale = sync(host, "POST", "user/list_id", json={"limit": 2})["next_cursor"]
    host.advance(hours=2)
    assert sync(host, "POST", "user/list_id", json={"limit": 2, "cursor": stale})["errcode"] == 50100


def test_the_app_has_no_skeleton(host: Any, connector: WeComConnector) -> None:
    with pytest.raises(Refused):
        connector.calls.post("user/list_id", json.dumps({"limit": 10}).encode(), proof="dept_user")
