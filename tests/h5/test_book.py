"""Contacts, co-workers, stages, groups and leads on the pages."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Flask

from tests.cast import Cast
from tests.h5.conftest import Book
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.leads import start_lead
from wsapp.crm.customers.models import Contact, Coworker, Customer
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import set_rules
from wsapp.db import corp_scope, db

See = Callable[..., str]
Post = Callable[..., Any]
RowsOf = Callable[..., list[Any]]


def add_contact(post: Post, who: Member, customer: str, **more: Any) -> Any:
    return post(who, f"/h5/customers/{customer}/contacts", {"name": "陈志远", "phones": "13811112222", **more})


def test_a_contact_is_added_shown_and_changed(book: Book, ali: Member, see: See, post: Post, rows_of: RowsOf) -> None:
    assert 'name="birthday"' in see(ali, f"/h5/customers/{book.customer}/contacts/new")
    answer = add_contact(
        post, ali, book.customer, title="采购总监", role="decides", birthday="05-03", new_tags="老乡，酒量好"
    )
    assert answer.status_code == 303
    (contact,) = rows_of(Contact, ali)
    assert (contact.is_primary, contact.birthday, contact.tags) == (True, "05-03", ["老乡", "酒量好"])
    record = see(ali, f"/h5/customers/{book.customer}")
    assert "陈志远" in record
    assert "采购总监 · 决策人" in record
    assert "138****2222" in record
    assert "13811112222" not in record
    form = see(ali, f"/h5/contacts/{contact.id}/edit")
    assert "138****2222" in form
    changed = {"name": "陈志远", "phones": "138****2222", "mail": "chen@example.com", "version": "1", "is_primary": "1"}
    assert post(ali, f"/h5/contacts/{contact.id}", changed).status_code == 303
    (contact,) = rows_of(Contact, ali)
    assert (contact.phones, contact.mail) == (["13811112222"], "chen@example.com")
    stale = post(ali, f"/h5/contacts/{contact.id}", changed | {"title": "总经理"})
    assert stale.status_code == 409
    assert "总经理" in stale.text


def test_a_contacts_number_is_shown_on_request_and_noted(
    app: Flask, cast: Cast, book: Book, ali: Member, see: See, post: Post, rows_of: RowsOf
) -> None:
    add_contact(post, ali, book.customer)
    (contact,) = rows_of(Contact, ali)
    assert "13811112222" not in see(ali, f"/h5/contacts/{contact.id}")
    shown = post(ali, f"/h5/contacts/{contact.id}/phones/0", {})
    assert "tel:13811112222" in shown.text
    with app.app_context(), corp_scope(cast.corp_id):
        set_rules({"phones.masked": False})
        db.session.commit()
    record = see(ali, f"/h5/customers/{book.customer}")
    assert "tel:13811112222" in record
    assert 'data-copy="13811112222"' in record


def test_a_removed_contact_leaves_its_follow_ups(
    book: Book, ali: Member, see: See, post: Post, rows_of: RowsOf
) -> None:
    add_contact(post, ali, book.customer)
    (contact,) = rows_of(Contact, ali)
    form = see(ali, f"/h5/customers/{book.customer}/follow-ups/new?contact={contact.id}")
    assert f'<option value="{contact.id}" selected>' in form
    logged = {"kind": "phone", "text": "谈价", "contact": contact.id}
    assert post(ali, f"/h5/customers/{book.customer}/follow-ups", logged).status_code == 303
    deletion = f"/h5/bin/new/contact/{contact.id}"
    assert deletion in see(ali, f"/h5/contacts/{contact.id}")
    assert post(ali, deletion, {}).status_code == 303
    record = see(ali, f"/h5/customers/{book.customer}")
    assert "还没有联系人" in record
    assert "谈价" in record


def test_a_coworker_sees_the_customer_in_a_tab_of_their_own(
    book: Book, ali: Member, cha: Member, see: See, post: Post, rows_of: RowsOf
) -> None:
    assert "华星木业" not in see(cha, "/h5/customers?scope=shared")
    page = see(ali, f"/h5/customers/{book.customer}/coworkers")
    assert f'value="{cha.id}"' in page
    assert f'value="{ali.id}"' not in page
    shared = {"member": cha.id, "access": "read"}
    assert post(ali, f"/h5/customers/{book.customer}/coworkers", shared).status_code == 303
    assert "华星木业" in see(cha, "/h5/customers?scope=shared")
    assert "华星木业" not in see(cha, "/h5/customers?scope=mine")
    record = see(cha, f"/h5/customers/{book.customer}")
    assert "contacts/new" not in record
    refused = post(cha, f"/h5/customers/{book.customer}/coworkers", {"member": cha.id, "access": "edit"})
    assert refused.status_code in (403, 422)
    assert [one.may_edit for one in rows_of(Coworker, ali)] == [False]
    assert post(cha, f"/h5/customers/{book.customer}/coworkers/removal", {"member": cha.id}).status_code == 303
    assert rows_of(Coworker, ali) == []


def test_the_way_through_the_stages_is_shown(book: Book, ali: Member, see: See, post: Post) -> None:
    changed = {"stage": "dealt", "version": "1"}
    assert post(ali, f"/h5/customers/{book.customer}", changed).status_code == 303
    page = see(ali, f"/h5/customers/{book.customer}/stages")
    assert page.index("已成交") < page.index("有意向")
    assert "阿丽" in page


def test_a_group_shows_only_what_its_reader_sees(
    app: Flask, cast: Cast, book: Book, ali: Member, cha: Member, see: See
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        owner, other = db.session.merge(ali), db.session.merge(cha)
        create_customer({"name": "华星东莞分公司", "parent": book.customer}, actor=owner)
        hidden = create_customer({"name": "华星中山分公司"}, actor=other)
        hidden.parent_id = book.customer
        db.session.commit()
    assert "1 家下级" in see(ali, f"/h5/customers/{book.customer}")
    group = see(ali, f"/h5/customers/{book.customer}/group")
    assert "华星东莞分公司" in group
    assert "华星中山分公司" not in group


def test_a_customer_is_put_under_another_but_never_under_its_own(
    book: Book, ali: Member, see: See, post: Post, rows_of: RowsOf
) -> None:
    post(ali, "/h5/customers", {"name": "华星集团", "similar_ok": "1"})
    (top,) = [one for one in rows_of(Customer, ali) if one.name == "华星集团"]
    page = f"/h5/customers/{book.customer}/group"
    assert f'<option value="{top.id}"' in see(ali, page)
    assert post(ali, page, {"parent": top.id, "version": "1"}).status_code == 303
    assert see(ali, page).index("华星集团") < see(ali, page).index("华星木业有限公司</a>")
    circle = post(ali, f"/h5/customers/{top.id}/group", {"parent": book.customer, "version": "1"})
    assert circle.status_code == 422
    assert "自己的下级" in circle.text


def test_a_lead_waits_in_its_list_until_somebody_answers(
    book: Book, ali: Member, bob: Member, cha: Member, see: See, post: Post, rows_of: RowsOf
) -> None:
    lead = {"name": "东莞市明辉五金", "phones": "13900139000", "source": "转介绍", "contact_name": "黄敏"}
    assert post(ali, "/h5/leads", lead).status_code == 303
    (row,) = [one for one in rows_of(Customer, ali) if one.lead]
    assert "东莞市明辉五金" in see(ali, "/h5/leads")
    assert "东莞市明辉五金" in see(bob, "/h5/leads?scope=team")
    assert "东莞市明辉五金" not in see(cha, "/h5/leads")
    record = see(ali, f"/h5/customers/{row.id}")
    assert "评分" in record
    assert "转为客户" in record
    assert "黄敏" in record
    post(ali, f"/h5/customers/{row.id}/follow-ups", {"kind": "phone", "text": "打过电话"})
    assert "东莞市明辉五金" not in see(ali, "/h5/leads")
    assert "东莞市明辉五金" in see(ali, "/h5/leads?state=working")
    assert post(ali, f"/h5/leads/{row.id}/state", {"state": "invalid"}).status_code == 303
    assert "东莞市明辉五金" in see(ali, "/h5/leads?state=working")
    post(ali, f"/h5/leads/{row.id}/state", {"state": "invalid", "reason": "no_need"})
    assert "没有需求" in see(ali, f"/h5/customers/{row.id}")
    post(ali, f"/h5/leads/{row.id}/state", {"state": "working"})
    post(ali, f"/h5/leads/{row.id}/state", {"state": "converted"})
    assert "东莞市明辉五金" in see(ali, "/h5/leads?state=converted")
    known = post(ali, "/h5/leads", lead)
    assert known.status_code == 409
    assert f"/h5/customers/{row.id}" in known.text


def test_leads_are_put_in_order(
    app: Flask, cast: Cast, ali: Member, see: See, post: Post, rows_of: RowsOf, sign_in: Any
) -> None:
    """By what is due first, by score, by source; each page goes on where the one before ended."""
    full = {"phones": ["13900139000"], "address": "顺德区龙江镇", "industry": "家具", "source": "老客户转介绍"}
    with app.app_context(), corp_scope(cast.corp_id):
        own, now = db.session.merge(ali), clock.now()
        for number in range(24):
            values = full if number == 7 else {"source": "展会"} if number % 2 else {}
            lead = create_customer({"name": f"第{number:02d}家工厂", **values}, actor=own)
            start_lead(lead, actor=own)
            lead.respond_by = now + timedelta(minutes=24 - number)
        db.session.commit()

    def order(query: str) -> list[str]:
        first = see(ali, f"/h5/leads?{query}")
        following = first.split('hx-get="')[-1].split('"')[0].replace("&amp;", "&")
        second = sign_in(ali).get(following, headers={"HX-Request": "true"}).text
        return re.findall(r"第\d\d家工厂", first + second)

    everyone = sorted({f"第{number:02d}家工厂" for number in range(24)})
    due, score, source = order("state=new"), order("sort=-score"), order("sort=source")
    assert list(dict.fromkeys(due)) == everyone[::-1]
    for found in (score, source):
        assert sorted(set(found)) == everyone
    assert score[0] == "第07家工厂"
    totals = [int(text) for text in re.findall(r">(\d+) 分<", see(ali, "/h5/leads?sort=-score"))]
    assert totals == sorted(totals, reverse=True)
    assert totals[0] == 40
    assert source[-1] == "第07家工厂"
    assert sign_in(ali).get("/h5/leads?sort=nonsense").status_code == 200
