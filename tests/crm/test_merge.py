"""Merging: what a merge leaves behind, field by field and row by row, and what its undoing gives back."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.jobs.conftest import run_due
from wsapp import clock, outbox
from wsapp.crm.audit.chain import seal, verify
from wsapp.crm.customers.actions import change_customer, create_customer
from wsapp.crm.customers.contacts import add_contact
from wsapp.crm.customers.merge import merge_customers
from wsapp.crm.customers.models import Contact, Customer, CustomerMerge, StageChange
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.customers.stages import stage_history
from wsapp.crm.customers.unmerge import find_merge, forget_losers, undo_merge
from wsapp.crm.deletions.actions import delete, purge, restore
from wsapp.crm.deletions.queries import find_deletion
from wsapp.crm.events.models import Event
from wsapp.crm.fields.definitions import add_field
from wsapp.crm.fields.finding import HAS_VALUE
from wsapp.crm.fields.models import CustomValue
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import set_rules
from wsapp.crm.pools.actions import hand_to, release_customer
from wsapp.crm.pools.models import Ownership
from wsapp.db import db, rows
from wsapp.problems import Forbidden, Invalid, NotFound

IMPORTANT = [column.key for column in sa.inspect(Customer).column_attrs if column.key not in ("version", "updated_at")]


@pytest.fixture
def boss(here: Flask, guan: Member, bob: Member) -> Member:
    return db.session.merge(bob)


@pytest.fixture
def seller(here: Flask, guan: Member, bob: Member, ali: Member) -> Member:
    return db.session.merge(ali)


def made(actor: Member, name: str, **values: Any) -> Customer:
    customer = create_customer({"name": name, **values}, actor=actor)
    db.session.commit()
    return customer


def picture(*customers: Customer) -> list[dict[str, Any]]:
    """Everything of the customers that undoing a merge has to give back."""
    db.session.expire_all()
    return [{key: getattr(one, key) for key in IMPORTANT} | {"phones": one.phones} for one in customers]


def undone(winner: Customer, loser_id: str, actor: Member) -> Customer:
    found = undo_merge(find_merge(winner, loser_id), winner, actor=actor)
    db.session.commit()
    db.session.expire_all()
    return found


def test_the_stage_that_is_chosen_is_a_step_of_the_winner(boss: Member) -> None:
    winner, loser = made(boss, "佛山市华星家具有限公司"), made(boss, "华星家具顺德分公司", stage="dealt")
    change_customer(winner, {"stage": "contacted"}, actor=boss)
    db.session.commit()
    before = picture(winner, loser)
    merge_customers(loser, winner, actor=boss, choices={"stage": "loser"})
    db.session.commit()
    latest = stage_history(winner.id)[0]
    assert (latest.before, latest.after, latest.userid) == ("contacted", "dealt", "bob")
    assert winner.stage_since == latest.at
    undone(winner, loser.id, boss)
    assert picture(winner, loser) == before
    assert [one.after for one in stage_history(winner.id)] == ["contacted"]


def test_a_stage_that_moved_on_since_stays(boss: Member) -> None:
    winner, loser = made(boss, "佛山市华星家具有限公司"), made(boss, "华星家具顺德分公司", stage="intent")
    merge_customers(loser, winner, actor=boss, choices={"stage": "loser"})
    change_customer(winner, {"stage": "dealt"}, actor=boss)
    db.session.commit()
    undone(winner, loser.id, boss)
    assert winner.stage == "dealt"
    assert [one.after for one in stage_history(winner.id)] == ["dealt", "intent"]
    assert db.session.scalar(sa.select(sa.func.count()).select_from(StageChange)) == 2


def test_custom_fields_are_chosen_joined_and_given_back(boss: Member, guan: Member) -> None:
    guan = db.session.merge(guan)
    for key, label in (("brand", "主营品牌"), ("car_no", "车牌"), ("floor", "楼层")):
        flags = {"indexed": True, "unique": key == "car_no"}
        add_field({"object": "customer", "key": key, "label": label, "type": "text", **flags}, actor=guan)
    db.session.commit()
    winner = made(boss, "佛山市华星家具有限公司", custom={"brand": "欧派"})
    loser = made(boss, "华星家具顺德分公司", custom={"brand": "索菲亚", "car_no": "粤E12345", "floor": "三层"})
    before = picture(winner, loser)
    with pytest.raises(Invalid):
        merge_customers(loser, winner, actor=boss, choices={"custom.nonsense": "loser"})
    db.session.rollback()
    merge_customers(loser, winner, actor=boss, choices={"custom.brand": "loser"})
    db.session.commit()
    assert winner.custom == {"brand": "索菲亚", "car_no": "粤E12345", "floor": "三层"}
    found_by = set(rows(sa.select(CustomValue.record_id)))
    assert found_by == {winner.id}
    event = db.session.execute(sa.select(Event).where(Event.kind == "customer.merged")).scalar_one()
    assert event.changes["custom.brand"] == ["欧派", "索菲亚"]
    change_customer(winner, {"custom": {"floor": "四层"}}, actor=boss)
    db.session.commit()
    undone(winner, loser.id, boss)
    assert picture(winner, loser)[1] == before[1]
    assert winner.custom == {"brand": "欧派", "floor": "四层"}  # what was changed since stays
    filled_in = rows(sa.select(CustomValue.record_id).where(HAS_VALUE))
    assert sorted(filled_in) == sorted([winner.id] * 2 + [loser.id] * 3)


def test_whose_it_is_goes_with_the_choice_and_its_history_with_it(boss: Member, seller: Member) -> None:
    winner, loser = made(boss, "佛山市华星家具有限公司"), made(boss, "华星家具顺德分公司")
    hand_to(winner, seller.id, actor=boss)
    db.session.commit()
    merge_customers(loser, winner, actor=boss, choices={"owner": "loser"})
    db.session.commit()
    assert winner.owner_id == boss.id
    times = list(rows(sa.select(Ownership).where(Ownership.customer_id == winner.id)))
    assert sorted((one.owner_id, one.ending) for one in times) == sorted([(seller.id, "merged"), (boss.id, "assigned")])
    undone(winner, loser.id, boss)
    assert winner.owner_id == seller.id
    (now,) = rows(sa.select(Ownership).where(Ownership.customer_id == winner.id, Ownership.until.is_(None)))
    assert (now.owner_id, now.ending) == (seller.id, "")


def test_what_lies_in_a_pool_takes_the_owner_of_the_other(boss: Member, guan: Member) -> None:
    guan = db.session.merge(guan)
    pooled, owned = made(boss, "佛山市华星家具有限公司"), made(boss, "华星家具顺德分公司")
    release_customer(pooled, actor=boss, reason="客户太多")
    db.session.commit()
    assert pooled.pool_id
    before = picture(pooled, owned)
    merge_customers(owned, pooled, actor=guan)
    db.session.commit()
    assert (pooled.owner_id, pooled.pool_id, pooled.pooled_at) == (boss.id, None, None)
    undone(pooled, owned.id, guan)
    assert picture(pooled, owned) == before


def test_who_may_not_transfer_cannot_choose_another_owner(boss: Member, seller: Member) -> None:
    theirs, mine = made(boss, "佛山市华星家具有限公司"), made(seller, "华星家具顺德分公司")
    from wsapp.crm.customers.coworkers import add_coworker

    add_coworker(theirs, seller, may_edit=False, actor=boss)
    db.session.commit()
    with pytest.raises(Forbidden):
        merge_customers(mine, theirs, actor=seller, choices={"owner": "loser"})


def test_a_contact_deleted_before_the_merge_comes_back_with_the_winner(boss: Member) -> None:
    winner, loser = made(boss, "佛山市华星家具有限公司"), made(boss, "华星家具顺德分公司")
    contact = add_contact(loser, {"name": "王建国", "phones": ["13900139000"]}, actor=boss)
    db.session.commit()
    contact_id = contact.id
    delete("contact", contact_id, actor=boss)
    merge_customers(loser, winner, actor=boss)
    db.session.commit()
    restore(find_deletion(contact_id, actor=boss), actor=boss)
    db.session.commit()
    assert list(rows(sa.select(Contact.customer_id))) == [winner.id]


def test_the_audit_chain_holds_over_merge_and_undo(boss: Member) -> None:
    winner, loser = made(boss, "佛山市华星家具有限公司"), made(boss, "华星家具顺德分公司", note="老客户")
    seal()
    merge_customers(loser, winner, actor=boss)
    db.session.commit()
    moved = set(rows(sa.select(Event.customer_id).where(Event.subject_id == loser.id)))
    assert moved == {winner.id}
    seal()
    assert verify().bad is None
    undone(winner, loser.id, boss)
    seal()
    report = verify()
    assert (report.bad, report.count) == (None, db.session.scalar(sa.select(sa.func.count()).select_from(Event)))


def over(*merges: CustomerMerge) -> None:
    """Let the time in which merges can be undone be over."""
    for number, one in enumerate(merges, -len(merges)):
        one.until = clock.now() + timedelta(seconds=number)
    db.session.commit()


def test_after_thirty_days_only_the_old_ids_are_left_and_lead_to_the_winner(here: Flask, boss: Member) -> None:
    first, second, winner = (made(boss, name, phones=[phone]) for name, phone in THREE)
    young = made(boss, "中山启明灯饰")
    hand_to(second, boss.id, actor=boss)
    ids = [first.id, second.id]
    merges = [merge_customers(first, second, actor=boss), merge_customers(second, winner, actor=boss)]
    merge_customers(young, winner, actor=boss)
    undone_one = made(boss, "深圳联丰卫浴")
    back = merge_customers(undone_one, winner, actor=boss)
    undone(winner, undone_one.id, boss)
    over(*merges, back)
    with pytest.raises(NotFound):
        find_merge(winner, second.id)
    outbox.enqueue("prune", {}, corp=False)
    db.session.commit()
    run_due(here, kinds=("prune",))
    db.session.expire_all()
    assert set(rows(sa.select(Customer.id))) == {winner.id, young.id, undone_one.id}
    assert [find_customer(one, actor=boss).id for one in (*ids, young.id)] == [winner.id] * 3
    kept = {one.loser_id: one.kept for one in rows(sa.select(CustomerMerge))}
    assert (kept.pop(young.id) != {}, kept) == (True, {one: {} for one in ids})  # no number, no name stays behind
    assert undone(winner, young.id, boss).name == "中山启明灯饰"


THREE = (
    ("华星家具顺德分公司", "13800138001"),
    ("华星家具佛山总店", "13800138002"),
    ("佛山市华星家具有限公司", "13800138003"),
)


def test_old_ids_wait_while_the_winner_is_in_the_bin_and_end_with_it(boss: Member) -> None:
    first, second, winner = (made(boss, name) for name, _phone in THREE)
    winner_id, ids = winner.id, [first.id, second.id]
    merges = [merge_customers(first, second, actor=boss), merge_customers(second, winner, actor=boss)]
    over(merges[0])
    delete("customer", winner_id, actor=boss)
    forget_losers(clock.now())
    db.session.commit()
    with pytest.raises(NotFound):
        find_customer(ids[0], actor=boss)
    restore(find_deletion(winner_id, actor=boss), actor=boss)
    db.session.commit()
    assert [find_customer(one, actor=boss).id for one in ids] == [winner_id] * 2
    purge(delete("customer", winner_id, actor=boss), actor=boss, reason="测试数据")
    db.session.commit()
    assert (list(rows(sa.select(Customer.id))), list(rows(sa.select(CustomerMerge.id)))) == ([], [])


def test_where_the_rule_lets_several_have_a_number_all_keep_it(boss: Member) -> None:
    set_rules({"duplicates.phone": "warn"})
    winner = made(boss, "佛山市华星家具有限公司", phones=["13800138000"])
    loser = made(boss, "东莞宏远家私", phones=["13800138000", "13900139000"])
    third = made(boss, "中山启明灯饰", phones=["13800138000"])
    set_rules({"duplicates.phone": "block"})
    before = picture(winner, loser)
    merge_customers(loser, winner, actor=boss)
    db.session.commit()
    assert winner.phones == ["13800138000", "13900139000"]
    undone(winner, loser.id, boss)
    assert picture(winner, loser) == before
    assert third.phones == ["13800138000"]
