"""Custom fields in the domain: formulas that stay harmless, and an index that is written later."""

import pytest
import sqlalchemy as sa
from flask import Flask

from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.merge import merge_customers
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.unmerge import undo_merge
from wsapp.crm.deletions.actions import Conflicting, delete, purge, restore
from wsapp.crm.fields import numbers
from wsapp.crm.fields.access import access
from wsapp.crm.fields.definitions import add_field, change_field, delete_field, restore_field
from wsapp.crm.fields.finding import matching
from wsapp.crm.fields.formulas import names_in, work_out
from wsapp.crm.fields.indexing import index_lot
from wsapp.crm.fields.models import CustomField, Field
from wsapp.crm.fields.roles import rule_field
from wsapp.crm.fields.showing import outward
from wsapp.crm.org.models import Member
from wsapp.crm.org.role_actions import save_role
from wsapp.db import db, first, rows
from wsapp.problems import Duplicate, Invalid

HOSTILE = (
    "__import__('os').system('id')",
    "().__class__.__bases__[0].__subclasses__()",
    "a.__class__",
    "a[0]",
    "[x for x in (1,2)]",
    "(lambda: 1)()",
    "2 ** 99999999",
    "1 << 9999999",
    "f'{a}'",
    "open('/etc/passwd')",
    "eval('1')",
    "IF(a, b, key=1)",
    "a := 1",
    "(" * 60 + "a" + ")" * 60 + "+" * 30 + "1",
    "1" * 501,
    "",
    "a; b",
)


@pytest.mark.parametrize("formula", HOSTILE)
def test_a_hostile_formula_is_refused(formula: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        names_in(formula)


@pytest.mark.parametrize(
    ("formula", "result"),
    [
        ("a + b * 2", 13),
        ("ROUND(a / b, 2)", 0.6),
        ("a / 0", None),
        ("t * 99999999", None),
        ("t % a", None),
        ("IF(a > b, '多', '少')", "少"),
        ("CONCAT(t, '-', a)", "字-3.0"),
        ("DAYS(d, '2026-01-01')", 30),
        ("a if missing else b", None),
        ("a * 1e300 * 1e300", None),
    ],
)
def test_a_formula_yields_a_value_or_nothing(formula: str, result: object) -> None:
    fields = {key: Field("", "customer", key, key, kind) for key, kind in (("a", "number"), ("b", "money"))}
    fields |= {key: Field("", "customer", key, key, kind) for key, kind in (("t", "text"), ("d", "date"))}
    fields["missing"] = Field("", "customer", "missing", "missing", "number")
    field = Field("", "customer", "f", "f", "formula", settings={"formula": formula})
    assert work_out(field, fields, {"a": 3, "b": "5.00", "t": "字", "d": "2026-01-31"}) == result


def test_keys_of_numbers_compare_as_the_numbers_do() -> None:
    given = [-999_999_999_999, -20.5, -20.4, -0.000001, 0, 0.000001, 3, 20, 100, 999_999_999_999]
    keys = [numbers.sort_key(one) for one in given]
    assert keys == sorted(keys)
    assert len({len(one) for one in keys}) == 1


def test_a_field_is_indexed_later_and_comes_back_with_its_values(here: Flask, ali: Member, guan: Member) -> None:
    field = add_field({"object": "customer", "key": "city_of", "label": "城市", "type": "text"}, actor=guan)
    for name, city in (("华星家具有限公司", "佛山"), ("宏兴灯具有限公司", "中山")):
        create_customer({"name": name, "custom": {"city_of": city}}, actor=ali)
    change_field(field, {"indexed": True}, actor=guan)
    assert field.indexing
    with pytest.raises(Invalid):
        matching("customer", {"city_of": "佛山"}, actor=ali, id_column=Customer.id)
    index_lot(field.id, "")
    assert _found(ali) == ["华星家具有限公司"]
    delete_field(field, actor=guan)
    with pytest.raises(Invalid):
        matching("customer", {"city_of": "佛山"}, actor=ali, id_column=Customer.id)
    restore_field(field, actor=guan)
    index_lot(field.id, "")
    assert _found(ali) == ["华星家具有限公司"]


def _found(actor: Member) -> list[str]:
    conditions = matching("customer", {"city_of": "佛山"}, actor=actor, id_column=Customer.id)
    db.session.flush()
    return list(rows(sa.select(Customer.name).where(*conditions)))


def test_a_formula_is_never_out_of_date(here: Flask, ali: Member, guan: Member) -> None:
    add_field({"object": "customer", "key": "price", "label": "单价", "type": "money"}, actor=guan)
    formula = add_field(
        {
            "object": "customer",
            "key": "sum",
            "label": "总额",
            "type": "formula",
            "formula": "price * 2",
            "indexed": True,
        },
        actor=guan,
    )
    customer = create_customer({"name": "华星家具有限公司", "custom": {"price": "3"}}, actor=ali)
    assert "sum" not in customer.custom
    assert outward("customer", [customer.custom])[0]["sum"] == 6
    assert names_with({"sum": {"gte": 6}}, ali) == ["华星家具有限公司"]
    change_field(formula, {"formula": "price * 3"}, actor=guan)
    assert outward("customer", [customer.custom])[0]["sum"] == 9
    assert formula.indexing
    index_lot(formula.id, "")
    assert names_with({"sum": 9}, ali) == ["华星家具有限公司"]
    assert names_with({"sum": "6"}, ali) == []
    price = first(sa.select(CustomField).where(CustomField.key == "price"))
    with pytest.raises(Invalid):
        change_field(price, {"type": "text"}, actor=guan)


def names_with(wanted: dict[str, object], actor: Member) -> list[str]:
    db.session.flush()
    found = sa.select(Customer.name).where(*matching("customer", wanted, actor=actor, id_column=Customer.id))
    return list(rows(found))


def test_a_deleted_record_leaves_its_unique_value_and_comes_back_with_it(
    here: Flask, ali: Member, guan: Member
) -> None:
    add_field({"object": "customer", "key": "code", "label": "编码", "type": "text", "unique": True}, actor=guan)
    first_one = create_customer({"name": "华星家具有限公司", "custom": {"code": "A1"}}, actor=ali)
    deletion = delete("customer", first_one.id, actor=guan)
    second = create_customer({"name": "宏兴灯具有限公司", "custom": {"code": "A1"}}, actor=ali)
    with pytest.raises(Conflicting):
        restore(deletion, actor=guan)
    gone = delete("customer", second.id, actor=guan)
    purge(gone, actor=guan, reason="测试数据")
    restore(deletion, actor=guan)
    with pytest.raises(Duplicate):
        create_customer({"name": "东兴建材有限公司", "custom": {"code": "A1"}}, actor=ali)


def test_a_merge_joins_what_is_found(here: Flask, ali: Member, guan: Member) -> None:
    for key in ("code", "mark"):
        add_field(
            {"object": "customer", "key": key, "label": key, "type": "text", "unique": True, "indexed": True},
            actor=guan,
        )
    loser = create_customer({"name": "华星家具有限公司", "custom": {"code": "A1", "mark": "M"}}, actor=ali)
    winner = create_customer({"name": "宏兴灯具有限公司", "custom": {"code": "B2"}}, actor=ali)
    merged = merge_customers(loser, winner, actor=guan)
    assert names_with({"mark": "M"}, ali) == ["宏兴灯具有限公司"]
    assert names_with({"code": "A1"}, ali) == []
    undo_merge(merged, winner, actor=guan)
    assert names_with({"mark": "M"}, ali) == ["华星家具有限公司"]
    assert names_with({"code": "A1"}, ali) == ["华星家具有限公司"]


def test_what_a_hidden_field_is_worked_into_is_hidden(here: Flask, ali: Member, guan: Member) -> None:
    add_field({"object": "customer", "key": "cost", "label": "成本", "type": "money"}, actor=guan)
    add_field(
        {"object": "customer", "key": "twice", "label": "两倍", "type": "formula", "formula": "cost * 2"}, actor=guan
    )
    rule_field("customer", "custom.cost", {"seller": "hidden"}, actor=guan)
    assert access(ali, "custom.twice") == "hidden"
    assert access(guan, "custom.twice") == "edit"


def test_a_role_that_is_saved_keeps_what_it_says_of_custom_fields(here: Flask, ali: Member, guan: Member) -> None:
    for obj in ("customer", "contact"):
        add_field({"object": obj, "key": "cost", "label": "成本", "type": "money"}, actor=guan)
        rule_field(obj, "custom.cost", {"seller": "hidden"}, actor=guan)
    save_role("seller", name="", grants={}, fields={"customer": {"note": "read"}}, actor=guan)
    assert [access(ali, name) for name in ("custom.cost", "note")] == ["hidden", "read"]
    assert access(ali, "custom.cost", "contact") == "hidden"
