"""Correcting a logged follow-up: by whom and how long, what is kept of it, who hears, and two at once."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.h5.conftest import Book
from wsapp import clock
from wsapp.crm.customers.contacts import add_contact
from wsapp.crm.customers.coworkers import add_coworker
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.events.models import Event
from wsapp.crm.fields.roles import rule_field
from wsapp.crm.followups.changes import change_follow_up
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.mentions.queries import named_in
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.queries import visible_events
from wsapp.crm.org.models import Member
from wsapp.db import corp_scope, db, rows
from wsapp.jobs.dispatcher import dispatch
from wsapp.problems import Forbidden, Stale

See, Post, RowsOf = Callable[..., str], Callable[..., Any], Callable[..., list[Any]]


@pytest.fixture
def log(book: Book, rows_of: RowsOf, ali: Member) -> FollowUp:
    found: FollowUp = rows_of(FollowUp, ali)[0]
    return found


def form(page: str, **typed: str) -> dict[str, str]:
    """The form of a page as it stands, with what is typed instead."""
    hidden = dict(re.findall(r'type="hidden" name="(version|began)" value="([^"]*)"', page))
    began = hidden["began"].replace("&#34;", '"')
    first = {"kind": "phone", "contact": "", "text": "谈了价格，对方要样品", "outcome": ""}
    return {"version": hidden["version"], "began": began, **first, **typed}


def test_a_slip_is_put_right_and_what_it_said_is_kept(
    book: Book, log: FollowUp, see: See, post: Post, rows_of: RowsOf, ali: Member, bob: Member
) -> None:
    page = f"/h5/follow-ups/{log.id}"
    assert f"{page}/edit" in see(ali, page)
    typed = form(see(ali, f"{page}/edit"), kind="wechat", text="谈了价格，对方要两套样品")
    assert post(ali, page, typed).location.endswith(page)
    shown = see(bob, page)
    for words in ("修改记录", "阿丽 修改于", "谈了价格，对方要样品", "谈了价格，对方要两套样品", "电话", "微信"):
        assert words in shown
    timeline = see(bob, f"/h5/customers/{book.customer}")
    assert "谈了价格，对方要两套样品" in timeline
    assert "评论 · 已修改" in timeline
    assert "阿丽 修改了跟进的方式、跟进内容" in timeline
    assert timeline.count(f"/h5/bin/new/follow_up/{log.id}") == 1  # the change does not say all of it again
    (changed,) = [one for one in rows_of(Event, ali) if one.kind == "follow_up.changed"]
    assert changed.changes == {
        "kind": ["phone", "wechat"],
        "text": ["谈了价格，对方要样品", "谈了价格，对方要两套样品"],
    }
    (now,) = rows_of(FollowUp, ali)
    assert (now.happened_at, now.next_at, now.author_id) == (log.happened_at, log.next_at, ali.id)
    assert "两套样品" in see(bob, "/h5/search?q=两套样品")


def test_nothing_changed_leaves_no_trace(log: FollowUp, see: See, post: Post, rows_of: RowsOf, ali: Member) -> None:
    page = f"/h5/follow-ups/{log.id}"
    assert post(ali, page, form(see(ali, f"{page}/edit"))).status_code == 303
    assert [one.version for one in rows_of(FollowUp, ali)] == [1]
    assert "follow_up.changed" not in [one.kind for one in rows_of(Event, ali)]
    assert "修改记录" not in see(ali, page)


def test_wrong_words_come_back_with_what_was_typed(log: FollowUp, see: See, post: Post, ali: Member) -> None:
    page = f"/h5/follow-ups/{log.id}"
    fresh = see(ali, f"{page}/edit")
    answer = post(ali, page, form(fresh, text=" ", outcome="同意试用"))
    assert answer.status_code == 422
    assert "请填写内容" in answer.text
    assert "同意试用" in answer.text
    assert post(ali, page, form(fresh, kind="pigeon")).status_code == 422
    assert post(ali, page, form(fresh, contact="0123456789abcdefghij")).status_code == 422


def test_the_author_for_a_day_then_whoever_leads_them(
    book: Book, log: FollowUp, see: See, post: Post, sign_in: Any, ali: Member, bob: Member, cha: Member
) -> None:
    page = f"/h5/follow-ups/{log.id}"
    for method, path in (("get", f"{page}/edit"), ("post", page)):
        stranger = sign_in(cha).get(path) if method == "get" else post(cha, path, {"text": "篡改"})
        assert stranger.status_code == 404
    with time_machine.travel(clock.now() + timedelta(hours=25)):
        assert f"{page}/edit" not in see(ali, page)
        late = sign_in(ali).get(f"{page}/edit")
        assert late.status_code == 403
        assert "跟进可由本人在 24 小时内修改，之后由上级修改" in late.text
        assert post(ali, page, {"text": "太晚", "kind": "phone"}).status_code == 403
        typed = form(see(bob, f"{page}/edit"), text="谈了价格，主管核对过")
        assert post(bob, page, typed).status_code == 303
        assert "老鲍 修改于" in see(ali, page)


def test_a_coworker_reads_and_changes_nothing(here: Flask, book: Book, log: FollowUp, ali: Member, cha: Member) -> None:
    owner, other = db.session.merge(ali), db.session.merge(cha)
    add_coworker(find_customer(book.customer, actor=owner), other, may_edit=True, actor=owner)
    with pytest.raises(Forbidden):
        change_follow_up(db.session.merge(log), {"text": "改成别的"}, actor=other)


def test_of_two_at_once_one_is_told_and_keeps_what_was_typed(
    book: Book, log: FollowUp, see: See, post: Post, rows_of: RowsOf, ali: Member, bob: Member
) -> None:
    page = f"/h5/follow-ups/{log.id}"
    mine = form(see(ali, f"{page}/edit"), text="我改的内容")
    theirs = form(see(bob, f"{page}/edit"), text="主管改的内容", outcome="同意试用")
    assert post(bob, page, theirs).status_code == 303
    answer = post(ali, page, mine)
    assert answer.status_code == 409
    for words in ("这条记录刚被修改过", "我改的内容", "主管改的内容", "仍按我的保存", "已采用对方保存的内容"):
        assert words in answer.text
    again = form(answer.text, text="我改的内容", outcome="同意试用")
    assert post(ali, page, again).status_code == 303
    (now,) = rows_of(FollowUp, ali)
    assert (now.text, now.outcome, now.version) == ("我改的内容", "同意试用", 3)


def test_a_version_that_was_taken_is_refused(here: Flask, log: FollowUp, ali: Member) -> None:
    kept = db.session.merge(log)
    assert kept.version == 1
    meanwhile = sa.update(FollowUp).where(FollowUp.id == log.id).values(version=2)
    db.session.execute(meanwhile.execution_options(synchronize_session=False))
    with pytest.raises(Stale):
        change_follow_up(kept, {"text": "太慢了"}, actor=db.session.merge(ali))


def test_only_whom_it_names_newly_hears_of_it(
    here: Flask, book: Book, log: FollowUp, ali: Member, bob: Member, guan: Member
) -> None:
    kept, owner = db.session.merge(log), db.session.merge(ali)
    for text in ("@老鲍 看一下价格", "@老鲍 @管姐 看一下价格"):
        change_follow_up(kept, {"text": text, "mentions": []}, actor=owner)
        db.session.commit()
    for event_id in rows(sa.select(Event.id).where(Event.kind == "follow_up.changed").order_by(Event.id)):
        dispatch(event_id)
    db.session.commit()
    told = rows(sa.select(Notification.recipient_id).where(Notification.kind == "mention.named"))
    assert sorted(told) == sorted([bob.id, guan.id])
    change_follow_up(kept, {"text": "不找人了", "mentions": []}, actor=owner)
    assert named_in([log.id]).get(log.id, []) == []


def test_with_whom_it_was_is_changed_and_a_hidden_field_stays_hidden(
    app: Flask, cast: Cast, book: Book, log: FollowUp, see: See, post: Post, rows_of: RowsOf, ali: Member, guan: Member
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        owner = db.session.merge(ali)
        contact = add_contact(find_customer(book.customer, actor=owner), {"name": "王总"}, actor=owner).id
        db.session.commit()
    page = f"/h5/follow-ups/{log.id}"
    assert post(ali, page, form(see(ali, f"{page}/edit"), contact=contact, text="王总要样品")).status_code == 303
    assert see(ali, page).count("王总") >= 3  # with whom, in the text, in what changed
    with app.app_context(), corp_scope(cast.corp_id):
        rule_field("follow_up", "text", {"seller": "hidden"}, actor=db.session.merge(guan))
        db.session.commit()
    hidden = see(ali, page)
    assert "王总要样品" not in hidden
    assert "谈了价格" not in hidden
    fresh = see(ali, f"{page}/edit")
    assert 'name="text"' not in fresh
    assert post(ali, page, form(fresh, text="偷改", contact=contact, outcome="同意")).status_code == 303
    (now,) = rows_of(FollowUp, ali)
    assert (now.text, now.outcome) == ("王总要样品", "同意")


def test_what_was_changed_is_for_whom_the_follow_up_is(
    here: Flask, book: Book, log: FollowUp, ali: Member, bob: Member, cha: Member
) -> None:
    """The event holds what was said before: who sees the manager's deeds need not see the seller's follow-ups."""
    change_follow_up(db.session.merge(log), {"text": "主管改的内容"}, actor=db.session.merge(bob))
    db.session.commit()
    told = sa.select(Event.id).where(Event.kind == "follow_up.changed")
    sees = {one.name: len(rows(told.where(visible_events(db.session.merge(one))))) for one in (ali, bob, cha)}
    assert sees == {"阿丽": 1, "老鲍": 1, "小查": 0}


def test_the_page_costs_what_it_did(
    app: Flask, book: Book, log: FollowUp, see: See, post: Post, sign_in: Callable[..., FlaskClient], ali: Member
) -> None:
    page, counted = f"/h5/follow-ups/{log.id}", []
    with app.app_context():
        engine = db.engine
        with corp_scope(ali.corp_id):
            owner = db.session.merge(ali)
            people = [
                add_contact(find_customer(book.customer, actor=owner), {"name": name}, actor=owner).id
                for name in ("王总", "李工", "赵会计")
            ]
            db.session.commit()
    for contact in people:
        post(ali, page, form(see(ali, f"{page}/edit"), contact=contact))
        asked: list[str] = []

        def note(*args: Any, asked: list[str] = asked) -> None:
            asked.append(args[2])

        client = sign_in(ali)
        sa.event.listen(engine, "before_cursor_execute", note)
        assert client.get(page).status_code == 200
        sa.event.remove(engine, "before_cursor_execute", note)
        counted.append(len(asked))
    assert len(set(counted)) == 1, counted
