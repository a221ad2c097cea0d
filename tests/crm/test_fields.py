"""Custom fields in the domain: formulas that stay harmless, and an index that is written later."""

import pytest
import sqlalchemy as sa
from flask import Flask

from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import Customer
from wsapp.crm.fields import numbers
from wsapp.crm.fields.definitions import add_field, change_field, delete_field, restore_field
from wsapp.crm.fields.finding import matching
from wsapp.crm.fields.formulas import names_in, work_out
from wsapp.crm.fields.indexing import index_lot
from wsapp.crm.fields.models import Field
from wsapp.crm.org.models import Member
from wsapp.db import db, rows
from wsapp.problems import Invalid

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
