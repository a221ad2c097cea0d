"""Customers: clean input, one of each phone, the optimistic lock, and who sees whom."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.cast import Cast
from wsapp.crm.customers.actions import assign_customer, change_customer, create_customer
from wsapp.crm.customers.clean import clean_line, name_key, normal_phone
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import customers_with_similar_name, find_customer
from wsapp.crm.events.models import Event
from wsapp.crm.org.models import Member
from wsapp.db import corp_scope, db
from wsapp.problems import Duplicate, Forbidden, Invalid, NotFound, Stale


def own(member: Member) -> Member:
    return db.session.merge(member)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("13800138000", "13800138000"),
        ("138 0013 8000", "13800138000"),
        ("+86 138-0013-8000", "13800138000"),
        ("8613800138000", "13800138000"),
        ("１３８００１３８０００", "13800138000"),
        ("0755-26000000", "075526000000"),
        ("(0755) 2600 0000 转 801", "075526000000-801"),
        ("+86 755 26000000", "075526000000"),
        ("400-820-8820", "4008208820"),
        ("+852 9123 4567", "+85291234567"),
        ("00852 91234567", "+85291234567"),
        ("95588", "95588"),
    ],
)
def test_phone_numbers_have_one_normal_form(here: Flask, typed: str, kept: str) -> None:
    assert normal_phone(typed) == kept


@pytest.mark.parametrize("typed", ["", "123", "138001380001", "电话", "13800138000a", "+0123456789", "1" * 40])
def test_what_is_no_phone_number_says_what_one_looks_like(here: Flask, typed: str) -> None:
    with pytest.raises(ValueError, match="11 位"):
        normal_phone(typed)


def test_names_compare_without_brackets_and_legal_forms() -> None:
    keys = {
        name_key(name) for name in ("深圳森林木业有限公司", "深圳森林木业（深圳）有限公司", "深圳森林木业 有限公司")
    }
    assert len(keys) == 1
    assert name_key("有限公司") != ""
    assert clean_line("  华\u200b星\t科技\u202e ") == "华星 科技"


def test_create_and_change_leave_a_trail(here: Flask, ali: Member) -> None:
    actor = own(ali)
    customer = create_customer({"name": "华星科技", "phones": ["138 0013 8000"], "level": "A"}, actor=actor)
    db.session.commit()
    change_customer(customer, {"level": "B", "phones": ["13900139000"]}, actor=actor, version=1)
    db.session.commit()
    assert (customer.version, customer.phones, customer.level) == (2, ["13900139000"], "B")
    events = db.session.scalars(sa.select(Event).where(Event.customer_id == customer.id).order_by(Event.id)).all()
    assert [event.kind for event in events] == ["customer.created", "customer.changed"]
    assert events[1].changes["level"] == ["A", "B"]
    before, after = events[1].changes["phones"]
    assert before != after
    assert all(one.startswith("#") for one in (*before, *after))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "一"}, "name"),
        ({"name": " \u200b "}, "name"),
        ({"name": "长" * 121}, "name"),
        ({"name": "华星", "level": "Z"}, "level"),
        ({"name": "华星", "stage": "won"}, "stage"),
        ({"name": "华星", "phones": ["1" * 11]}, "phones"),
        ({"name": "华星", "phones": [f"1380013800{n}" for n in range(6)]}, "phones"),
        ({"name": "华星", "tags": ["x"] * 3 + [str(n) for n in range(30)]}, "tags"),
        ({"name": "华星", "location": {"lat": 91, "lng": 0}}, "location"),
        ({"name": "华星", "location": {"lat": 0, "lng": 0}}, "location"),
        ({"name": "华星", "address": "长" * 301}, "address"),
    ],
)
def test_wrong_input_names_its_field(here: Flask, ali: Member, values: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        create_customer(values, actor=own(ali))
    assert field in caught.value.fields


def test_a_taken_phone_is_refused_and_its_owner_told_only_to_who_may_see_it(
    here: Flask, ali: Member, bob: Member, cha: Member
) -> None:
    create_customer({"name": "华星科技", "phones": ["13800138000"]}, actor=own(ali))
    db.session.commit()
    with pytest.raises(Duplicate) as seen:
        create_customer({"name": "别名", "phones": ["+86 13800138000"]}, actor=own(bob))
    assert "华星科技" in seen.value.fields["phones"]
    db.session.rollback()
    with pytest.raises(Duplicate) as hidden:
        create_customer({"name": "别名", "phones": ["13800138000"]}, actor=own(cha))
    assert "华星" not in hidden.value.fields["phones"]
    assert hidden.value.record_id == ""


def _at_once(count: int, work: Callable[[int], None]) -> list[BaseException]:
    barrier, errors = threading.Barrier(count), []

    def run(number: int) -> None:
        barrier.wait(30)
        try:
            work(number)
        except Exception as error:  # noqa: BLE001 - whatever a thread meets is looked at afterwards
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return errors


def test_twenty_simultaneous_saves_of_one_phone_leave_one_customer(app: Flask, cast: Cast, ali: Member) -> None:
    def save(number: int) -> None:
        with app.app_context(), corp_scope(cast.corp_id):
            create_customer({"name": f"华星科技 {number}", "phones": ["13800138000"]}, actor=own(ali))
            db.session.commit()

    errors = _at_once(20, save)
    assert [type(error) for error in errors] == [Duplicate] * 19
    with app.app_context(), corp_scope(cast.corp_id):
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Customer)) == 1


def test_of_two_edits_at_once_one_is_told_the_difference(app: Flask, cast: Cast, ali: Member) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        customer_id = create_customer({"name": "华星科技"}, actor=own(ali)).id
        db.session.commit()

    def edit(number: int) -> None:
        with app.app_context(), corp_scope(cast.corp_id):
            actor = own(ali)
            customer = find_customer(customer_id, actor=actor)
            change_customer(customer, {"short_name": f"华星{number}"}, actor=actor, version=1)
            db.session.commit()

    errors = _at_once(8, edit)
    assert [type(error) for error in errors] == [Stale] * 7
    assert all("short_name" in error.changes for error in errors if isinstance(error, Stale))


def test_who_sees_whom(
    app: Flask, cast: Cast, ali: Member, bob: Member, cha: Member, guan: Member, ivy: Member
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        customer_id = create_customer({"name": "华星科技"}, actor=own(ali)).id
        db.session.commit()
        for reader in (ali, bob, guan):
            assert find_customer(customer_id, actor=own(reader)).name == "华星科技"
        with pytest.raises(NotFound):
            find_customer(customer_id, actor=own(cha))
    with app.app_context(), corp_scope(cast.other_corp_id), pytest.raises(NotFound):
        find_customer(customer_id, actor=own(ivy))


def test_a_leader_hands_customers_to_the_team_only(here: Flask, ali: Member, bob: Member, cha: Member) -> None:
    customer = create_customer({"name": "华星科技"}, actor=own(ali))
    assign_customer(customer, bob.id, actor=own(bob))
    assert customer.owner_id == bob.id
    with pytest.raises(Invalid):
        assign_customer(customer, cha.id, actor=own(bob))
    with pytest.raises(Forbidden):
        create_customer({"name": "新客户"}, actor=own(ali), owner=own(bob))


def test_similar_names_are_found_whoever_owns_them(here: Flask, ali: Member) -> None:
    create_customer({"name": "深圳森林木业有限公司"}, actor=own(ali))
    assert [row.name for row in customers_with_similar_name("深圳森林木业")] == ["深圳森林木业有限公司"]
