"""Pages about duplicates: told while typing, asked to share, merged with a choice per field, undone."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.h5.conftest import Book
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.belongings import LEFT, MOVED
from wsapp.crm.customers.models import Contact, Coworker, Customer
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import set_rules
from wsapp.crm.sharing.models import ShareRequest
from wsapp.crm.tasks.models import Task
from wsapp.crm.visits.models import Visit
from wsapp.db import Base, corp_scope, db

See = Callable[..., str]
Post = Callable[..., Any]
RowsOf = Callable[..., list[Any]]
SignIn = Callable[..., FlaskClient]


def add(app: Flask, cast: Cast, owner: Member, **values: Any) -> str:
    with app.app_context(), corp_scope(cast.corp_id):
        made = create_customer(values, actor=db.session.merge(owner)).id
        db.session.commit()
        return made


def test_who_is_known_is_told_while_typing(see: See, book: Book, ali: Member, cha: Member) -> None:
    mine = see(ali, "/h5/customers/duplicates?name=深圳华星木业&phones=&phones=138-0013-8000")
    assert mine.count(f'href="/h5/customers/{book.customer}"') == 2
    assert "向负责人申请共享" not in mine
    theirs = see(cha, "/h5/customers/duplicates?name=随便&phones=13800138000")
    assert "华***司（华南销售部、7 天内有跟进）" in theirs
    assert 'name="asked" value="phones:13800138000"' in theirs
    assert book.customer not in theirs
    assert "华星" not in theirs
    assert "notice" not in see(cha, "/h5/customers/duplicates?name=全新的名字&phones=13900000000")
    assert "notice" not in see(ali, f"/h5/customers/duplicates?phones=13800138000&customer={book.customer}")


def test_typing_tells_so_often_an_hour(app: Flask, cast: Cast, see: See, ali: Member, cha: Member) -> None:
    for n in range(4):
        add(app, cast, ali, name=f"第{n}家保密单位", phones=[f"1380013800{n}"])
    with app.app_context(), corp_scope(cast.corp_id):
        set_rules({"duplicates.hourly_asks": 2, "duplicates.owner": True})
        db.session.commit()
    assert "阿丽" in see(cha, "/h5/customers/duplicates?phones=13800138000")
    see(cha, "/h5/customers/duplicates?phones=13800138001")
    refused = see(cha, "/h5/customers/duplicates?phones=13800138002")
    assert "一小时后再试" in refused
    assert "第***" not in refused
    assert refused == see(cha, "/h5/customers/duplicates?phones=13999999999")


def test_numbers_of_contacts_count_too(
    app: Flask, cast: Cast, see: See, post: Post, rows_of: RowsOf, book: Book, ali: Member, cha: Member
) -> None:
    people = f"/h5/customers/{book.customer}/contacts"
    assert post(ali, people, {"name": "陈志远", "phones": "13511112222"}).status_code == 303
    theirs = see(cha, "/h5/customers/duplicates?phones=13511112222")
    assert "已有相同电话的客户：华***司（华南销售部" in theirs
    other = add(app, cast, cha, name="东莞宏远家私厂")
    contact = {"name": "陈工", "phones": "135 1111 2222"}
    asked = post(cha, f"/h5/customers/{other}/contacts", contact)
    assert asked.status_code == 409
    assert "华***司" in asked.text
    assert book.customer not in asked.text
    assert 'name="asked" value="phones:13511112222"' in asked.text
    assert post(cha, f"/h5/customers/{other}/contacts", {**contact, "similar_ok": "1"}).status_code == 303
    (first, second) = sorted(rows_of(Contact, ali), key=lambda one: one.created_at)
    with app.app_context(), corp_scope(cast.corp_id):
        set_rules({"duplicates.contact": "block"})
        db.session.commit()
    refused = post(cha, f"/h5/contacts/{second.id}", {"name": "陈工", "phones": ["13511112222", "13800138000"]})
    assert refused.status_code == 409
    kept = {"name": "陈工程师", "phones": "13511112222"}  # what stays is not looked at again
    assert post(cha, f"/h5/contacts/{second.id}", kept).status_code == 303
    assert post(ali, f"/h5/bin/new/contact/{first.id}", {}).status_code == 303
    assert "notice" not in see(cha, f"/h5/customers/duplicates?phones=13511112222&customer={other}")
    assert post(ali, f"/h5/bin/{first.id}/restoration", {}).status_code == 303
    assert "华***司" in see(cha, f"/h5/customers/duplicates?phones=13511112222&customer={other}")


def test_a_lead_that_is_like_a_customer_asks_once(see: See, post: Post, book: Book, ali: Member) -> None:
    lead = {"name": "深圳市华星木业", "phones": "13511112222"}
    asked = post(ali, "/h5/leads", lead)
    assert asked.status_code == 409
    assert f'href="/h5/customers/{book.customer}"' in asked.text
    assert 'name="similar_ok"' in asked.text
    assert post(ali, "/h5/leads", {**lead, "similar_ok": "1"}).status_code == 303


def test_the_bin_is_looked_through_where_the_rule_says_so(
    app: Flask, cast: Cast, see: See, post: Post, book: Book, ali: Member, cha: Member
) -> None:
    assert post(ali, f"/h5/bin/new/customer/{book.customer}", {}).status_code == 303
    asked = "/h5/customers/duplicates?name=深圳华星木业&phones=13800138000"
    assert "notice" not in see(cha, asked)
    with app.app_context(), corp_scope(cast.corp_id):
        set_rules({"duplicates.bin": True})
        db.session.commit()
    told = see(cha, asked)
    assert "已有相同电话的客户：华***司（在回收站，可请管理员恢复、7 天内有跟进）" in told
    assert "已有名称相近的客户：华***司（在回收站" in told
    assert book.customer not in told
    assert "向负责人申请共享" not in told
    mine = see(ali, asked)
    assert f'<a href="/h5/bin/{book.customer}">已有相同电话的客户：华星木业有限公司（在回收站，可以恢复）</a>' in mine
    assert "向负责人申请共享" not in mine
    assert (
        post(cha, "/h5/customers", {"name": "某某公司", "phones": "13800138000", "similar_ok": "1"}).status_code == 303
    )
    restored = {"anyway": "1"}
    assert post(ali, f"/h5/bin/{book.customer}/restoration", restored).status_code == 303
    assert "回收站" not in see(cha, asked)


def test_asking_to_share_from_the_form(
    see: See, post: Post, rows_of: RowsOf, book: Book, ali: Member, cha: Member, bob: Member
) -> None:
    told = post(cha, "/h5/customers", {"name": "某某公司", "phones": "13800138000"})
    assert told.status_code == 409
    assert 'form="share-form"' in told.text
    answer = post(cha, "/h5/share-requests", {"asked": "phones:13800138000", "reason": "老客户介绍"})
    assert answer.status_code == 303
    (request,) = rows_of(ShareRequest, ali)
    mine = see(cha, "/h5/share-requests")
    assert f"/h5/share-requests/{request.id}" in mine
    assert "等待答复" in mine
    as_asker = see(cha, f"/h5/share-requests/{request.id}")
    assert "华星" not in as_asker
    assert "share_read" not in as_asker
    page = see(ali, f"/h5/share-requests/{request.id}")
    assert "华星木业有限公司" in page
    assert "老客户介绍" in page
    assert post(cha, f"/h5/share-requests/{request.id}/answer", {"answer": "share_edit"}).status_code == 303
    assert rows_of(Coworker, ali) == []
    assert post(ali, f"/h5/share-requests/{request.id}/answer", {"answer": "share_edit"}).status_code == 303
    assert [(one.member_id, one.may_edit) for one in rows_of(Coworker, ali)] == [(cha.id, True)]
    assert "华星木业有限公司" in see(cha, f"/h5/customers/{book.customer}")
    assert "已共享编辑 · 阿丽" in see(bob, f"/h5/share-requests/{request.id}")


def test_merging_with_a_choice_for_each_field_and_undoing(
    app: Flask, cast: Cast, see: See, post: Post, rows_of: RowsOf, book: Book, ali: Member, bob: Member
) -> None:
    other = add(
        app, cast, bob, name="深圳市华星木业集团", phones=["13900139000"], level="B", stage="dealt", note="老客户"
    )
    assert f"/h5/customers/{other}/merge/{book.customer}" in see(bob, f"/h5/customers/{other}/merge")
    page = see(bob, f"/h5/customers/{other}/merge/{book.customer}")
    assert "深圳市华星木业集团" in page
    for field in ("name", "level", "stage", "owner"):
        assert f'name="{field}" value="loser"' in page, field
    assert 'name="note"' not in page  # one of them has none: nothing to choose
    versions = {one.id: one.version for one in rows_of(Customer, ali)}
    form = {"name": "loser", "level": "winner", "stage": "loser", "owner": "winner", "version": versions[other]}
    stale = post(bob, f"/h5/customers/{other}/merge/{book.customer}", {**form, "other_version": 77})
    assert stale.status_code == 409
    address = f"/h5/customers/{other}/merge/{book.customer}"
    done = post(bob, address, {**form, "other_version": versions[book.customer]})
    assert done.status_code == 303, done.text
    merged = {one.id: one for one in rows_of(Customer, ali)}
    winner, loser = merged[other], merged[book.customer]
    assert (winner.name, winner.level, winner.stage, winner.note) == ("华星木业有限公司", "B", "intent", "老客户")
    assert winner.phones == ["13900139000", "13800138000", "075526001234"]
    assert (winner.owner_id, winner.tags) == (bob.id, ["重点", "展会"])
    assert loser.merged_into_id == other
    for model in (FollowUp, Visit, Task):
        assert {one.customer_id for one in rows_of(model, ali)} == {other}, model
    assert [(one.member_id, one.customer_id) for one in rows_of(Coworker, ali)] == [(ali.id, other)]  # was an owner
    old_link = see(ali, f"/h5/customers/{book.customer}")
    assert "谈了价格，对方要样品" in old_link
    assert "合并到这里" in old_link
    assert f"/h5/customers/{other}/edit" in old_link

    assert "华星木业有限公司" in see(bob, f"/h5/customers/{other}/merge")
    undone = post(bob, f"/h5/customers/{other}/merge/{book.customer}/undo", {})
    assert undone.status_code == 303
    parted = {one.id: one for one in rows_of(Customer, ali)}
    winner, loser = parted[other], parted[book.customer]
    assert (winner.name, winner.stage, winner.phones) == ("深圳市华星木业集团", "dealt", ["13900139000"])
    assert (loser.name, loser.deleted_at, loser.merged_into_id) == ("华星木业有限公司", None, None)
    assert loser.phones == ["13800138000", "075526001234"]
    for model in (FollowUp, Visit, Task):
        assert {one.customer_id for one in rows_of(model, ali)} == {book.customer}, model
    assert rows_of(Coworker, ali) == []
    assert post(bob, f"/h5/customers/{other}/merge/{book.customer}/undo", {}).status_code == 404


def test_who_may_not_delete_cannot_merge(
    app: Flask, cast: Cast, see: See, post: Post, book: Book, ali: Member, cha: Member, bob: Member
) -> None:
    other = add(app, cast, cha, name="华星木业财务部")
    with app.app_context(), corp_scope(cast.corp_id):
        from wsapp import clock

        db.session.add(Coworker(customer_id=other, member_id=ali.id, may_edit=True, since=clock.now()))
        db.session.commit()
    assert "没有权限合并" in see(ali, f"/h5/customers/{book.customer}/merge/{other}")
    assert post(ali, f"/h5/customers/{book.customer}/merge/{other}", {"version": 1}).status_code == 403
    assert post(bob, f"/h5/customers/{book.customer}/merge/{other}", {"version": 1}).status_code == 404


def test_every_table_that_names_a_customer_moves_or_stays_on_purpose() -> None:
    naming = {
        mapper.class_.__tablename__
        for mapper in Base.registry.mappers
        if "customer_id" in mapper.columns and "corp_id" in mapper.columns
    }
    assert naming == {*MOVED, *LEFT}
