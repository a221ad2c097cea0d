"""Pages of colleagues together: requests and their answers, comments, named colleagues, quick phrases."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.h5.conftest import Book
from wsapp import clock
from wsapp.crm.appeals.models import Appeal
from wsapp.crm.comments.models import Comment, LogLike
from wsapp.crm.customers.coworkers import coworkers_of
from wsapp.crm.customers.models import Customer
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.mentions.models import Mention
from wsapp.crm.org.models import Member
from wsapp.crm.phrases.models import Phrase
from wsapp.crm.tasks.models import Task
from wsapp.crm.visits.models import Visit
from wsapp.db import corp_scope, db

See = Callable[..., str]
Post = Callable[..., Any]
RowsOf = Callable[..., list[Any]]


@pytest.fixture
def log(book: Book, rows_of: RowsOf, ali: Member) -> str:
    """The id of 阿丽's follow-up in the book."""
    (found,) = rows_of(FollowUp, ali)
    return str(found.id)


def test_help_is_asked_for_and_answered_on_pages(
    app: Flask, cast: Cast, book: Book, see: See, post: Post, rows_of: RowsOf, ali: Member, cha: Member
) -> None:
    page = f"/h5/customers/{book.customer}/help"
    assert "请谁协助" in see(ali, page)
    refused = post(ali, page, {"people": cha.id, "note": "", "access": "read"})
    assert refused.status_code == 422
    assert "请写一句说明" in refused.text
    assert f'value="{cha.id}" selected' in refused.text  # nothing typed is lost
    assert post(ali, page, {"people": cha.id, "note": "要技术方案", "access": "edit"}).status_code == 303
    (appeal,) = rows_of(Appeal, ali)
    assert "已请 小查 协助，等待答复" in see(ali, f"/h5/customers/{book.customer}")
    assert "小查" in see(ali, page)
    asked = see(cha, f"/h5/appeals/{appeal.id}")
    assert "要技术方案" in asked
    assert "加入协作" in asked
    assert appeal.id in see(cha, "/h5/appeals")
    answer = f"/h5/appeals/{appeal.id}/answer"
    assert post(ali, answer, {"answer": "appeal_grant"}).status_code == 403
    assert post(cha, answer, {"answer": "appeal_grant"}).status_code == 303
    assert "已加入协作 · 小查" in see(ali, f"/h5/appeals/{appeal.id}")
    assert "华星木业" in see(cha, f"/h5/customers/{book.customer}")
    with app.app_context(), corp_scope(cast.corp_id):
        assert [one.may_edit for one in coworkers_of(book.customer)] == [True]


def test_a_request_is_taken_back(book: Book, see: See, post: Post, rows_of: RowsOf, ali: Member, cha: Member) -> None:
    post(ali, f"/h5/customers/{book.customer}/help", {"people": cha.id, "note": "x"})
    (appeal,) = rows_of(Appeal, ali)
    post(ali, f"/h5/appeals/{appeal.id}/withdrawal", {})
    assert "请求已撤回" in see(cha, f"/h5/appeals/{appeal.id}")
    assert "协助，等待答复" not in see(ali, f"/h5/customers/{book.customer}")


def test_a_task_is_offered_and_who_sees_no_customer_is_named_first(
    book: Book, see: See, post: Post, rows_of: RowsOf, ali: Member, cha: Member
) -> None:
    page = f"/h5/tasks/{book.today}/offer"
    assert "请同事接手" in see(ali, f"/h5/tasks/{book.today}")
    first = post(ali, page, {"person": cha.id, "note": "我出差"})
    assert first.status_code == 422
    assert "小查 看不到这位客户" in first.text
    assert f"/h5/customers/{book.customer}/help?to={cha.id}" in first.text
    assert post(ali, page, {"person": cha.id, "note": "我出差", "anyway": "1"}).status_code == 303
    (appeal,) = rows_of(Appeal, ali)
    assert "待办转交 · 小查" in see(ali, f"/h5/tasks/{book.today}")
    shown = see(cha, f"/h5/appeals/{appeal.id}")
    assert "给华星打电话确认收货" in shown
    assert "华星木业" not in shown
    post(cha, f"/h5/appeals/{appeal.id}/answer", {"answer": "appeal_grant"})
    assert next(one for one in rows_of(Task, ali) if one.id == book.today).assignee_id == cha.id


def test_more_time_is_asked_for_where_a_task_is_overdue(
    book: Book, see: See, post: Post, rows_of: RowsOf, sign_in: Any, ali: Member, bob: Member
) -> None:
    assert "请求延期" in see(ali, f"/h5/tasks/{book.overdue}")
    assert "请求延期" not in see(ali, f"/h5/tasks/{book.later}")
    assert "请求延期" not in see(bob, f"/h5/tasks/{book.overdue}")
    page = f"/h5/tasks/{book.overdue}/delay"
    assert sign_in(bob).get(page).status_code == 403
    later = (clock.now() + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")
    assert post(ali, page, {"due_at": "", "note": "出差"}).status_code == 422
    assert post(ali, page, {"due_at": later, "note": "出差"}).status_code == 303
    (appeal,) = rows_of(Appeal, ali)
    post(bob, f"/h5/appeals/{appeal.id}/answer", {"answer": "appeal_refuse", "reason": "今天就办"})
    assert "今天就办" in see(ali, f"/h5/appeals/{appeal.id}")


def test_a_visit_far_off_asks_for_the_customers_place(
    app: Flask, cast: Cast, book: Book, see: See, post: Post, rows_of: RowsOf, ali: Member, bob: Member
) -> None:
    assert "客户位置有误" not in see(ali, f"/h5/visits/{book.visit}")
    with app.app_context(), corp_scope(cast.corp_id):
        visit = db.session.scalars(sa.select(Visit)).one()
        visit.lat, visit.distance = 22.5631, 2200
        db.session.commit()
    assert "客户位置有误" in see(ali, f"/h5/visits/{book.visit}")
    post(ali, f"/h5/visits/{book.visit}/customer-place", {})
    assert "位置修改等待 老鲍 同意" in see(ali, f"/h5/customers/{book.customer}")
    (appeal,) = rows_of(Appeal, ali)
    shown = see(bob, f"/h5/appeals/{appeal.id}")
    assert "2.2 公里" in shown
    assert shown.count("geo:") == 2
    post(bob, f"/h5/appeals/{appeal.id}/answer", {"answer": "appeal_grant"})
    (moved,) = rows_of(Customer, ali)
    assert moved.lat == 22.5631


def test_comments_and_likes_on_a_follow_up_and_on_the_timeline(
    book: Book, log: str, see: See, post: Post, rows_of: RowsOf, sign_in: Any, ali: Member, bob: Member, cha: Member
) -> None:
    page = f"/h5/follow-ups/{log}"
    assert "谈了价格，对方要样品" in see(bob, page)
    assert post(bob, f"{page}/comments", {"comment": " "}).status_code == 422
    assert post(bob, f"{page}/comments", {"comment": "样品寄顺丰"}).status_code == 303
    post(bob, f"{page}/like", {"on": "1"})
    shown = see(ali, page)
    assert "样品寄顺丰" in shown
    assert "老鲍" in shown
    timeline = see(ali, f"/h5/customers/{book.customer}")
    assert "1 条评论 · 1 个赞" in timeline
    assert page in timeline
    assert sign_in(cha).get(page).status_code == 404
    assert post(cha, f"{page}/comments", {"comment": "打探"}).status_code == 404
    (comment,) = rows_of(Comment, ali)
    assert post(ali, f"/h5/comments/{comment.id}", {"comment": "篡改"}).status_code == 403
    assert post(bob, f"/h5/comments/{comment.id}", {"comment": "样品寄京东"}).status_code == 303
    assert "样品寄京东" in see(ali, page)
    post(bob, f"/h5/comments/{comment.id}/removal", {})
    assert "样品寄京东" not in see(ali, page)
    post(bob, f"{page}/like", {"on": ""})
    assert rows_of(LogLike, ali) == []


def test_comments_on_a_visit(book: Book, see: See, post: Post, ali: Member, bob: Member) -> None:
    page = f"/h5/visits/{book.visit}"
    assert post(bob, f"{page}/comments", {"comment": "@阿丽 仓库多大？"}).status_code == 303
    assert "提到：阿丽" in see(ali, page)


def test_who_may_not_see_the_customer_is_named_before_saving(
    book: Book, post: Post, rows_of: RowsOf, ali: Member, cha: Member
) -> None:
    path = f"/h5/customers/{book.customer}/follow-ups"
    asked = post(ali, path, {"kind": "phone", "text": "@小查 核对一下账期"})
    assert asked.status_code == 422
    assert "小查 看不到这个客户：邀请协作，或不提醒" in asked.text
    assert 'name="unseen" value="invite"' in asked.text
    assert "核对一下账期" in asked.text
    assert len(rows_of(FollowUp, ali)) == 1
    assert post(ali, path, {"kind": "phone", "text": "@小查 核对一下账期", "unseen": "skip"}).status_code == 303
    assert rows_of(Mention, ali) == []
    assert post(ali, path, {"kind": "phone", "text": "核对", "mentions": cha.id, "unseen": "invite"}).status_code == 303
    assert [one.member_id for one in rows_of(Mention, ali)] == [cha.id]


def test_typing_an_at_finds_colleagues(sign_in: Callable[..., FlaskClient], ali: Member, bob: Member) -> None:
    client = sign_in(ali)
    assert client.get("/h5/colleagues?q=老").get_json() == {
        "people": [{"id": bob.id, "name": "老鲍", "department": "华南销售部"}]
    }
    assert [one["id"] for one in client.get("/h5/colleagues?userid=BOB").get_json()["people"]] == [bob.id]
    assert client.get("/h5/colleagues?q=%25").get_json() == {"people": []}
    assert client.get("/h5/colleagues?q=艾薇").get_json() == {"people": []}  # another corp's


def test_a_phrase_goes_into_the_text_without_script(book: Book, see: See, post: Post, ali: Member) -> None:
    path = f"/h5/customers/{book.customer}/follow-ups"
    assert 'data-phrase="f-text"' in see(ali, f"{path}/new")
    answer = post(ali, f"{path}/draft", {"kind": "phone", "text": "谈了价格", "phrase": "客户要求寄样品"})
    assert answer.status_code == 200
    assert "谈了价格\n客户要求寄样品</textarea>" in answer.text
    visit = post(ali, f"/h5/customers/{book.customer}/visits/draft", {"note": "", "phrase": "电话没有接通"})
    assert "电话没有接通</textarea>" in visit.text


def test_ones_own_phrases_are_kept_put_in_order_and_counted(
    book: Book, see: See, post: Post, rows_of: RowsOf, ali: Member, bob: Member
) -> None:
    for text in ("等总部批复", "改天再约"):
        assert post(ali, "/h5/me/phrases", {"text": text}).status_code == 303
    assert post(ali, "/h5/me/phrases", {"text": "改天再约"}).status_code == 409
    second = next(one for one in rows_of(Phrase, ali) if one.text == "改天再约")
    post(ali, f"/h5/me/phrases/{second.id}/move", {"up": "1"})
    shown = see(ali, "/h5/me/phrases")
    assert shown.index("改天再约") < shown.index("等总部批复")
    post(ali, f"/h5/customers/{book.customer}/follow-ups", {"kind": "phone", "text": "改天再约，先发报价"})
    assert "用过 1 次" in see(ali, "/h5/me/phrases")
    assert post(bob, f"/h5/me/phrases/{second.id}/removal", {}).status_code == 404
    assert post(ali, f"/h5/me/phrases/{second.id}/removal", {}).status_code == 303
    assert "改天再约" not in see(ali, f"/h5/customers/{book.customer}/follow-ups/new")
