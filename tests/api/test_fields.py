"""Custom fields over REST: definitions, values in and out, uniqueness, filters and sorts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.conftest import Rest
from wsapp.crm.org.models import Member

MakeRest = Callable[..., Rest]


@pytest.fixture
def boss(rest: MakeRest, guan: Member) -> Rest:
    """The administrator's REST client."""
    return rest(guan)


def define(boss: Rest, key: str, kind: str, **more: Any) -> dict[str, Any]:
    return boss.made("/fields", {"object": "customer", "key": key, "label": f"字段{key}", "type": kind, **more})


def wrong(answer: Any) -> list[str]:
    assert answer.status_code in (409, 422), answer.text
    return sorted(one["field"] for one in answer.get_json()["errors"])


# --- definitions --------------------------------------------------------------------------------------------------


def test_an_administrator_defines_a_field_and_everybody_reads_it(boss: Rest, me: Rest) -> None:
    made = define(boss, "floor_area", "number", settings={"decimals": 1, "unit": "㎡", "min": 0}, indexed=True)
    wanted = {"object": "customer", "key": "floor_area", "type": "number", "options": [], "required": False}
    assert {name: made[name] for name in wanted} == wanted
    assert made["settings"] == {"decimals": 1, "unit": "㎡", "min": 0}
    assert [one["key"] for one in me.items("/fields?object=customer")] == ["floor_area"]
    assert me.get(f"/fields/{made['id']}").get_json() == made


def test_only_an_administrator_changes_fields(boss: Rest, me: Rest) -> None:
    made = define(boss, "grade", "text")
    for answer in (
        me.post("/fields", {"object": "customer", "key": "x", "label": "标", "type": "text"}),
        me.patch(f"/fields/{made['id']}", {"label": "改"}),
        me("DELETE", f"/fields/{made['id']}"),
    ):
        assert answer.status_code == 403
    assert [one["label"] for one in me.items("/fields")] == ["字段grade"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"type": "single"}, "options"),
        ({"type": "single", "options": [f"选项{n}" for n in range(201)]}, "options"),
        ({"type": "text", "label": " "}, "label"),
        ({"type": "text", "key": "1a"}, "key"),
        ({"type": "text", "key": "stage"}, "key"),
        ({"type": "text", "key": "a.b"}, "key"),
        ({"type": "long_text", "unique": True}, "unique"),
        ({"type": "address", "indexed": True}, "indexed"),
        ({"type": "formula", "settings": {"formula": "__import__('os')"}}, "formula"),
        ({"type": "formula", "settings": {"formula": "missing * 2"}}, "formula"),
        ({"type": "number", "settings": {"min": 5, "max": 1}}, "min"),
        ({"type": "sub_table", "settings": {"columns": [{"label": "列", "type": "sub_table"}]}}, "columns"),
        ({"type": "text", "settings": {"show_if": [{"field": "owner_id", "op": "eq", "value": "x"}]}}, "show_if"),
        ({"type": "number", "settings": {"default": {"value": "很多"}}}, "default"),
    ],
)
def test_a_design_that_cannot_be_is_refused(boss: Rest, values: dict[str, Any], field: str) -> None:
    answer = boss.post("/fields", {"object": "customer", "key": "it", "label": "名称", **values})
    assert answer.status_code == 422
    assert field in wrong(answer)


def test_a_key_is_used_once(boss: Rest) -> None:
    made = define(boss, "once", "text")
    again = {"object": "customer", "key": "once", "label": "再来", "type": "text"}
    assert wrong(boss.post("/fields", again)) == ["key"]
    assert boss("DELETE", f"/fields/{made['id']}").status_code == 200
    assert boss.get(f"/fields/{made['id']}").status_code == 404
    assert wrong(boss.post("/fields", again)) == ["key"]


def test_ten_fields_are_indexed_and_no_more(boss: Rest) -> None:
    for number in range(10):
        define(boss, f"indexed_{number}", "text", indexed=True)
    answer = boss.post("/fields", {"object": "customer", "key": "more", "label": "多", "type": "text", "indexed": True})
    assert wrong(answer) == ["indexed"]


def test_a_type_changes_only_without_loss(boss: Rest, me: Rest) -> None:
    grade = define(boss, "grade", "single", options=["甲", "乙"])
    made = me.made("/customers", {"name": "佛山市华星家具有限公司", "custom": {"grade": "甲"}})
    assert wrong(boss.patch(f"/fields/{grade['id']}", {"type": "number"})) == ["type"]
    assert boss.patch(f"/fields/{grade['id']}", {"type": "text"}).get_json()["type"] == "text"
    assert me.get(f"/customers/{made['id']}").get_json()["custom"] == {"grade": "甲"}


# --- values -------------------------------------------------------------------------------------------------------

GIVEN_AND_KEPT: list[tuple[str, dict[str, Any], Any, Any]] = [
    ("text", {}, " 红 木\u200b ", "红 木"),
    ("long_text", {}, "一\r\n二 ", "一\n二"),
    ("number", {}, "1,234.567", 1234.57),
    ("number", {"settings": {"decimals": 0}}, 12.0, 12),
    ("money", {}, 1234.5, "1234.50"),
    ("percent", {}, "12.5%", 12.5),
    ("date", {}, "2026/1/5", "2026-01-05"),
    ("time", {}, "9:05", "09:05"),
    ("yes_no", {}, False, False),
    ("single", {"options": ["甲", "乙"]}, "乙", "乙"),
    ("multiple", {"options": ["甲", "乙", "丙"]}, ["丙", "甲"], ["甲", "丙"]),
    ("cascading", {"options": ["华东/上海", "华南 / 深圳"]}, "华南/深圳", "华南/深圳"),
    ("person", {}, "ali", "ali"),
    ("department", {}, "2", "2"),
    ("phone", {}, "+86 139-2345-6789", "13923456789"),
    ("mail", {}, "a.b@example.com", "a.b@example.com"),
    ("link", {}, "example.com/a?b=1", "https://example.com/a?b=1"),
    ("address", {}, {"text": "大良街道", "lat": 22.8, "lng": 113.2}, {"text": "大良街道", "lat": 22.8, "lng": 113.2}),
    (
        "sub_table",
        {"settings": {"columns": [{"key": "name", "label": "品名"}, {"key": "n", "label": "数量", "type": "number"}]}},
        [{"name": "椅子", "n": "4"}, {}],
        [{"name": "椅子", "n": 4}],
    ),
]


@pytest.mark.parametrize(("kind", "design", "given", "kept"), GIVEN_AND_KEPT, ids=lambda one: str(one)[:20])
def test_each_type_keeps_its_value(
    boss: Rest, me: Rest, kind: str, design: dict[str, Any], given: Any, kept: Any
) -> None:
    define(boss, "it", kind, **design)
    made = me.made("/customers", {"name": "佛山市华星家具有限公司", "custom": {"it": given}})
    assert made["custom"] == {"it": kept}
    again = me.patch(f"/customers/{made['id']}", {"custom": made["custom"]})
    assert (again.status_code, again.get_json()["version"]) == (200, 1)
    gone = me.patch(f"/customers/{made['id']}", {"custom": {"it": None}}).get_json()
    assert (gone["custom"], gone["version"]) == ({}, 2)


@pytest.mark.parametrize(
    ("kind", "design", "given"),
    [
        ("text", {}, "字" * 201),
        ("text", {}, ["字"]),
        ("number", {}, "很多"),
        ("number", {}, True),
        ("number", {}, "1e500"),
        ("number", {"settings": {"max": 10}}, 11),
        ("money", {}, "1e13"),
        ("date", {}, "2026-02-30"),
        ("time", {}, "24:00"),
        ("yes_no", {}, "也许"),
        ("single", {"options": ["甲"]}, "丁"),
        ("multiple", {"options": ["甲"]}, ["甲", "丁"]),
        ("person", {}, "bob"),
        ("person", {}, "ivy"),
        ("department", {}, "3"),
        ("phone", {}, "12345"),
        ("mail", {}, "a@b"),
        ("link", {}, "javascript:alert(1)"),
        ("address", {}, {"text": "某处", "lat": 95, "lng": 1}),
        ("serial", {}, "0001"),
        ("relation", {}, "0" * 20),
        ("sub_table", {"settings": {"columns": [{"key": "n", "label": "数量", "type": "number"}]}}, [{"n": 1}] * 51),
        ("sub_table", {"settings": {"columns": [{"key": "n", "label": "数量", "type": "number"}]}}, [{"m": 1}]),
        ("heading", {}, "字"),
    ],
    ids=lambda one: str(one)[:20],
)
def test_what_does_not_fit_is_refused_by_name(
    boss: Rest, me: Rest, kind: str, design: dict[str, Any], given: Any
) -> None:
    define(boss, "it", kind, **design)
    answer = me.post("/customers", {"name": "佛山市华星家具有限公司", "custom": {"it": given}})
    assert answer.status_code == 422
    assert wrong(answer) == ["custom.it"]
    assert me.items("/customers") == []


def test_an_unknown_key_is_refused(boss: Rest, me: Rest) -> None:
    define(boss, "known", "text")
    answer = me.post("/customers", {"name": "佛山市华星家具有限公司", "custom": {"known": "一", "other": "二"}})
    assert wrong(answer) == ["custom.other"]


def test_a_required_field_is_demanded_and_a_change_of_others_is_not(boss: Rest, me: Rest) -> None:
    old = me.made("/customers", {"name": "佛山市华星家具有限公司"})
    define(boss, "must", "text", required=True)
    assert wrong(me.post("/customers", {"name": "中山灯具厂"})) == ["custom.must"]
    assert me.patch(f"/customers/{old['id']}", {"level": "A"}).status_code == 200
    made = me.made("/customers", {"name": "中山灯具厂", "custom": {"must": "有"}})
    assert wrong(me.patch(f"/customers/{made['id']}", {"custom": {"must": ""}})) == ["custom.must"]


def test_changes_are_told_field_by_field(boss: Rest, me: Rest) -> None:
    define(boss, "grade", "text")
    made = me.made("/customers", {"name": "佛山市华星家具有限公司", "custom": {"grade": "甲"}})
    me.patch(f"/customers/{made['id']}", {"custom": {"grade": "乙"}})
    changed = next(one for one in me.items(f"/events?subject={made['id']}") if one["kind"] == "customer.changed")
    assert changed["changes"] == {"custom.grade": ["甲", "乙"]}


# --- defaults, rules, formulas, serial numbers --------------------------------------------------------------------


def test_defaults_come_from_the_user_the_day_and_the_parent(boss: Rest, me: Rest) -> None:
    define(boss, "keeper", "person", settings={"default": {"from": "user"}})
    define(boss, "since", "date", settings={"default": {"from": "today"}})
    define(boss, "trade", "text", settings={"default": {"from": "parent"}})
    define(boss, "grade", "single", options=["甲", "乙"], settings={"default": {"value": "乙"}})
    parent = me.made("/customers", {"name": "广东宏兴集团", "custom": {"trade": "不锈钢"}})
    child = me.made("/customers", {"name": "顺德制品厂", "parent": parent["id"], "custom": {"grade": "甲"}})
    assert {key: child["custom"][key] for key in ("keeper", "trade", "grade")} == {
        "keeper": "ali",
        "trade": "不锈钢",
        "grade": "甲",
    }
    assert len(child["custom"]["since"]) == 10


def test_rules_show_require_and_lock(boss: Rest, me: Rest) -> None:
    define(boss, "export", "yes_no")
    if_export = [{"field": "export", "op": "eq", "value": True}]
    define(boss, "country", "text", settings={"show_if": if_export, "require_if": if_export})
    define(boss, "contract", "text", settings={"readonly_if": [{"field": "stage", "op": "eq", "value": "dealt"}]})
    hidden = me.made("/customers", {"name": "佛山市华星家具有限公司", "custom": {"country": "德国"}})
    assert hidden["custom"] == {}
    assert wrong(me.post("/customers", {"name": "中山灯具厂", "custom": {"export": True}})) == ["custom.country"]
    both = {"export": True, "country": "德国", "contract": "A-1"}
    made = me.made("/customers", {"name": "中山灯具厂", "stage": "dealt", "custom": both})
    assert wrong(me.patch(f"/customers/{made['id']}", {"custom": {"contract": "A-2"}})) == ["custom.contract"]
    assert me.patch(f"/customers/{made['id']}", {"custom": {"country": "法国"}}).status_code == 200


def test_a_field_belongs_to_one_kind_of_customer(boss: Rest, me: Rest) -> None:
    define(boss, "legal_person", "text", required=True, settings={"kinds": ["company"]})
    assert me.made("/customers", {"name": "王小明", "kind": "person"})["custom"] == {}
    assert wrong(me.post("/customers", {"name": "中山灯具厂", "kind": "company"})) == ["custom.legal_person"]


def test_a_formula_follows_its_fields(boss: Rest, me: Rest) -> None:
    define(boss, "price", "money")
    define(boss, "pieces", "number")
    define(boss, "total", "formula", settings={"formula": "ROUND(price * pieces * 0.9, 2) if pieces > 1 else price"})
    made = me.made("/customers", {"name": "中山灯具厂", "custom": {"price": "19.90", "pieces": 3}})
    assert made["custom"]["total"] == 53.73
    less = me.patch(f"/customers/{made['id']}", {"custom": {"pieces": None}}).get_json()
    assert "total" not in less["custom"]


def test_serial_numbers_have_no_gap(boss: Rest, me: Rest) -> None:
    define(boss, "number", "serial", settings={"prefix": "KH-", "digits": 3})
    phone = {"phones": ["13800138000"]}
    assert me.made("/customers", {"name": "第一家灯具厂", **phone})["custom"] == {"number": "KH-001"}
    assert me.post("/customers", {"name": "重复的电话", **phone}).status_code == 409
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: me.made("/customers", {"name": f"并发客户{n}号"}), range(8)))
    assert sorted(one["custom"]["number"] for one in made) == [f"KH-{n:03d}" for n in range(2, 10)]


# --- unique -------------------------------------------------------------------------------------------------------


def test_a_unique_value_is_taken_once_also_at_the_same_moment(boss: Rest, me: Rest) -> None:
    define(boss, "code", "text", unique=True)
    bodies = [{"name": f"客户第{n}家有限公司", "custom": {"code": "A-1"}} for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: me.post("/customers", body), bodies))
    assert sorted(one.status_code for one in answers) == [201] + [409] * 7
    assert {tuple(wrong(one)) for one in answers if one.status_code == 409} == {("custom.code",)}
    other = me.made("/customers", {"name": "另一家有限公司", "custom": {"code": "A-2"}})
    assert wrong(me.patch(f"/customers/{other['id']}", {"custom": {"code": "a-1"}})) == ["custom.code"]
    assert me.patch(f"/customers/{other['id']}", {"custom": {"code": "A-3"}}).status_code == 200
    assert me.made("/customers", {"name": "再一家有限公司", "custom": {"code": "A-2"}})["custom"] == {"code": "A-2"}


# --- finding ------------------------------------------------------------------------------------------------------


@pytest.fixture
def book(boss: Rest, me: Rest) -> Rest:
    """阿丽's book: four customers with a budget and a city, and one with neither."""
    define(boss, "budget", "money", indexed=True)
    define(boss, "city_of", "single", options=["上海", "深圳"], indexed=True)
    define(boss, "tags_of", "multiple", options=["甲", "乙"], indexed=True)
    for name, budget, city in (
        ("一", "-5", "上海"),
        ("二", "100", "深圳"),
        ("三", "20.5", "上海"),
        ("四", "3000", "深圳"),
    ):
        custom = {"budget": budget, "city_of": city, "tags_of": ["甲", "乙"] if city == "上海" else ["乙"]}
        me.made("/customers", {"name": f"客户{name}", "custom": custom})
    me.made("/customers", {"name": "客户零"})
    return me


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ('{"city_of": "上海"}', "一三"),
        ('{"city_of": {"in": ["上海", "深圳"]}}', "一二三四"),
        ('{"budget": {"gte": 20.5, "lt": "3000"}}', "二三"),
        ('{"budget": -5}', "一"),
        ('{"budget": {"empty": true}}', "零"),
        ('{"tags_of": "甲"}', "一三"),
        ('{"tags_of": "乙", "budget": {"gt": 0}}', "二三四"),
        ('{"city_of": {"starts": "深"}}', "二四"),
        ('{"city_of": {"starts": "%"}}', ""),
    ],
)
def test_lists_are_filtered_by_indexed_fields(book: Rest, wanted: str, found: str) -> None:
    items = book.get("/customers", query_string={"custom": wanted}).get_json()["items"]
    assert "".join(sorted(one["name"][-1] for one in items)) == "".join(sorted(found))


def test_lists_are_sorted_by_indexed_fields_page_by_page(book: Rest) -> None:
    for sort, expected in (("custom.budget", "零一三二四"), ("-custom.budget", "四二三一零")):
        names, cursor = "", ""
        while cursor is not None:
            page = book.get("/customers", query_string={"sort": sort, "limit": 2, "cursor": cursor}).get_json()
            names, cursor = names + "".join(one["name"][-1] for one in page["items"]), page["next_cursor"]
        assert names == expected


@pytest.mark.parametrize(
    "query",
    [
        {"custom": "{"},
        {"custom": '{"nothing": 1}'},
        {"custom": '{"budget": {"like": 1}}'},
        {"custom": '{"budget": "很多"}'},
        {"custom": '{"budget": null}'},
        {"sort": "custom.nothing"},
        {"sort": "custom.tags_of"},
        {"sort": "custom.budget desc"},
    ],
)
def test_what_cannot_be_looked_for_is_refused(book: Rest, query: dict[str, str]) -> None:
    assert book.get("/customers", query_string=query).status_code == 422


def test_a_field_is_changed_at_the_version_that_was_read(boss: Rest) -> None:
    made = define(boss, "trade_fair", "text")
    path = f"/fields/{made['id']}"
    changed = boss.patch(path, {"label": "展会"}, headers={"If-Match": f'"{made["version"]}"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, f'"{made["version"] + 1}"')
    stale = boss.patch(path, {"label": "展销会"}, headers={"If-Match": f'"{made["version"]}"'})
    assert (stale.status_code, stale.get_json()["current"]["label"]) == (412, "展会")


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"hnit": "x"}, "settings.hnit"),
        ({"min": "nan"}, "settings.min"),
        ({"kinds": 5}, "settings.kinds"),
        ({"decimals": True}, "settings.decimals"),
        ({"columns": [{"label": "列", "options": 5}]}, "settings.columns.0.options"),
        ({"show_if": [{"field": [], "op": "eq"}]}, "settings.show_if.0.field"),
        ({"default": {"from": "moon"}}, "settings.default.from"),
        ({"default": "x"}, "settings.default"),
        (5, "settings"),
    ],
)
def test_settings_that_nobody_knows_are_refused_by_name(boss: Rest, settings: Any, field: str) -> None:
    answer = boss.post("/fields", {"label": "楼层", "type": "number", "settings": settings})
    assert answer.status_code == 422
    assert [one["field"] for one in answer.get_json()["errors"]] == [field]
