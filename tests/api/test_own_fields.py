"""Custom fields of every object over REST: contacts, follow-ups, visits, tasks and leads carry them as customers do."""

import io
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Rest
from tests.api.test_fields import wrong
from wsapp.crm.org.models import Member

MakeRest = Callable[..., Rest]
PLACE = {"lat": 22.84, "lng": 113.25, "accuracy": 20}
DUE = "2030-01-31T09:00:00+08:00"
# object → address, a body, whether it can be changed
OBJECTS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "contact": ("/contacts", {"name": "李工", "role": "decides"}, True),
    "follow_up": ("/follow-ups", {"text": "谈了价格", "kind": "phone"}, False),
    "visit": ("/visits", {"note": "看了仓库", "location": PLACE}, False),
    "task": ("/tasks", {"title": "寄样品", "due_at": DUE, "kind": "call"}, True),
}


@pytest.fixture
def boss(rest: MakeRest, guan: Member) -> Rest:
    return rest(guan)


def test_every_object_carries_its_own_fields(boss: Rest, me: Rest) -> None:
    customer = me.made("/customers", {"name": "佛山市华星家具有限公司"})["id"]
    for obj, (address, body, changes) in OBJECTS.items():
        for key, more in (("grade", {"required": True, "indexed": True}), ("code", {"unique": True})):
            boss.made("/fields", {"object": obj, "key": key, "label": f"{obj}{key}", "type": "text", **more})
        with_customer = {**body, "customer": customer}
        assert wrong(me.post(address, with_customer)) == ["custom.grade"], obj
        assert wrong(me.post(address, {**with_customer, "custom": {"other": "1", "grade": "甲"}})) == ["custom.other"]
        made = me.made(address, {**with_customer, "custom": {"grade": "甲", "code": "A1"}})
        assert made["custom"] == {"grade": "甲", "code": "A1"}, obj
        assert wrong(me.post(address, {**with_customer, "custom": {"grade": "乙", "code": "a1"}})) == ["custom.code"]
        other = me.made(address, {**with_customer, "custom": {"grade": "乙"}})
        found = me.items(f"{address}?custom=" + '{"grade": {"starts": "甲"}}')
        assert [one["id"] for one in found] == [made["id"]], obj
        assert me.get(f"{address}/{made['id']}").get_json()["custom"] == made["custom"]
        if changes:
            changed = me.patch(f"{address}/{other['id']}", {"custom": {"grade": "丙"}}).get_json()
            assert changed["custom"] == {"grade": "丙"}
            event = next(one for one in me.items(f"/events?subject={other['id']}") if one["kind"] == f"{obj}.changed")
            assert event["changes"] == {"custom.grade": ["乙", "丙"]}
            assert me.items(f"{address}?custom=" + '{"grade": "乙"}') == []


def test_rules_look_at_the_record_and_roles_hide_its_fields(boss: Rest, me: Rest) -> None:
    show_if = [{"field": "kind", "op": "eq", "value": "call"}]
    boss.made(
        "/fields",
        {
            "object": "task",
            "key": "script",
            "label": "话术",
            "type": "text",
            "required": True,
            "settings": {"show_if": show_if},
        },
    )
    task = {"title": "寄样品", "due_at": DUE}
    assert wrong(me.post("/tasks", {**task, "kind": "call"})) == ["custom.script"]
    assert me.made("/tasks", {**task, "kind": "visit", "custom": {"script": "不该留下"}})["custom"] == {}


def test_a_lead_is_a_kind_of_customer_with_a_form_of_its_own(boss: Rest, me: Rest) -> None:
    of_leads = {"object": "customer", "type": "text", "required": True, "settings": {"kinds": ["lead"]}}
    boss.made("/fields", {"key": "campaign", "label": "活动", **of_leads})
    assert me.made("/customers", {"name": "佛山市华星家具有限公司"})["custom"] == {}
    assert wrong(me.post("/leads", {"name": "中山灯具厂"})) == ["custom.campaign"]
    lead = me.made("/leads", {"name": "中山灯具厂", "custom": {"campaign": "广交会"}})
    assert me.get(f"/customers/{lead['id']}").get_json()["custom"] == {"campaign": "广交会"}


def test_files_are_uploaded_named_and_seen_with_their_record(boss: Rest, me: Rest, rest: MakeRest, cha: Member) -> None:
    boss.made("/fields", {"object": "customer", "key": "papers", "label": "合同附件", "type": "file"})
    answer = me("POST", "/files", data={"file": (io.BytesIO(b"%PDF-1.7\nhello"), "合同.pdf")})
    assert answer.status_code == 201, answer.text
    paper = answer.get_json()
    assert paper["content_type"] == "application/pdf"
    stranger = rest(cha)
    assert wrong(stranger.post("/customers", {"name": "别人的公司", "custom": {"papers": [paper["id"]]}})) == [
        "custom.papers"
    ]
    made = me.made("/customers", {"name": "佛山市华星家具有限公司", "custom": {"papers": [paper["id"]]}})
    assert made["custom"] == {"papers": [paper["id"]]}
    assert me.get(f"/files/{paper['id']}").status_code == 200
    assert boss.get(f"/files/{paper['id']}").status_code == 200
    assert stranger.get(f"/files/{paper['id']}").status_code == 404
    assert wrong(me.post("/follow-ups", {"customer": made["id"], "text": "附件", "photos": [paper["id"]]})) == [
        "photos"
    ]
