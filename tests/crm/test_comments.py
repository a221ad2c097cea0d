"""Comments, likes and named colleagues: who may say something, who hears of it, and what goes along."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from wsapp import clock
from wsapp.crm.comments.actions import add_comment, change_comment, like, remove_comment
from wsapp.crm.comments.models import Comment, LogLike
from wsapp.crm.comments.queries import comments_on, counts_of, find_comment, likes_on
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.coworkers import add_coworker, coworkers_of
from wsapp.crm.customers.models import Customer
from wsapp.crm.deletions.actions import delete, restore
from wsapp.crm.deletions.queries import find_deletion
from wsapp.crm.events.models import Event
from wsapp.crm.fields.roles import rule_field
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.mentions.actions import Several, Unseen
from wsapp.crm.mentions.models import Mention
from wsapp.crm.mentions.queries import named_in
from wsapp.crm.notifications.comment_cards import tell_of_comments
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.phrases.actions import add_phrase, move_phrase, note_uses, own_phrases, phrases_for, remove_phrase
from wsapp.crm.phrases.rules import USUAL
from wsapp.crm.visits.actions import check_out, log_visit
from wsapp.db import db, rows
from wsapp.jobs.dispatcher import dispatch
from wsapp.outbox import Outbox
from wsapp.problems import Conflict, Forbidden, Invalid, NotFound


def own(member: Member) -> Member:
    found = db.session.merge(member)
    found.__dict__.pop("_sights", None)
    return found


def sent_to(member: Member, kind: str) -> list[Notification]:
    wanted = sa.select(Notification).where(Notification.recipient_id == member.id, Notification.kind == kind)
    return list(rows(wanted.order_by(Notification.id)))


def hear() -> None:
    for event_id in rows(sa.select(Event.id).order_by(Event.id)):
        dispatch(event_id)
    db.session.commit()


@pytest.fixture
def huaxing(here: Flask, ali: Member) -> Customer:
    made = create_customer({"name": "佛山市华星家具有限公司"}, actor=own(ali))
    db.session.commit()
    return made


@pytest.fixture
def log(huaxing: Customer, ali: Member) -> FollowUp:
    made = log_follow_up(huaxing, {"text": "谈了价格，对方要样品"}, actor=own(ali))
    db.session.commit()
    return made


def say(log: FollowUp, who: Member, text: str, named: Sequence[str] = ()) -> Comment:
    made = add_comment(log, text, actor=own(who), named=named)
    db.session.commit()
    return made


# --- comments -----------------------------------------------------------------------------------------------------


def test_the_author_and_earlier_commenters_hear_once_of_all_that_is_new(
    huaxing: Customer, log: FollowUp, ali: Member, bob: Member, guan: Member
) -> None:
    with time_machine.travel(clock.now(), tick=False):
        first = say(log, bob, "样品什么时候寄？")
    row = db.session.scalars(sa.select(Outbox).where(Outbox.kind == "comments.tell")).one()
    assert row.due_at == first.created_at + timedelta(minutes=2)
    say(log, guan, "运费我们出")
    tell_of_comments(row.payload["obj"], row.payload["record"])
    db.session.commit()
    (card,) = sent_to(ali, "comment.added")
    assert card.message["title"] == "老鲍 等 2 人 评论了您的跟进"
    assert card.message["text"] == "运费我们出"
    assert ["客户", "佛山市华星家具有限公司"] in card.message["lines"]
    assert [one.message["title"] for one in sent_to(bob, "comment.added")] == ["管姐 也评论了这条跟进"]
    assert sent_to(guan, "comment.added") == []  # what came before one's own first word is not news
    tell_of_comments("follow_up", log.id)
    db.session.commit()
    assert len(sent_to(ali, "comment.added")) == 1
    say(log, ali, "今天寄出")
    tell_of_comments("follow_up", log.id)
    assert [len(sent_to(one, "comment.added")) for one in (ali, bob, guan)] == [1, 2, 1]


def test_only_who_sees_the_record_says_or_hears_anything(
    huaxing: Customer, log: FollowUp, ali: Member, cha: Member, guan: Member
) -> None:
    comment = say(log, ali, "补充：要两套")
    with pytest.raises(NotFound):
        find_comment(comment.id, actor=own(cha))
    add_coworker(huaxing, own(cha), may_edit=False, actor=own(ali))
    db.session.commit()
    assert find_comment(comment.id, actor=own(cha))[0] is comment
    say(log, cha, "收到")
    db.session.execute(sa.text("DELETE FROM coworker"))
    db.session.commit()
    say(log, ali, "客户改主意了")
    tell_of_comments("follow_up", log.id)
    assert sent_to(cha, "comment.added") == []


def test_who_may_not_read_the_text_reads_no_comments(log: FollowUp, ali: Member, bob: Member, guan: Member) -> None:
    comment = say(log, ali, "补充：要两套")
    rule_field("follow_up", "text", {"manager": "denied"}, actor=own(guan))
    db.session.commit()
    reader = own(bob)
    reader.__dict__.pop("_field_rules", None)
    with pytest.raises(NotFound):
        find_comment(comment.id, actor=reader)
    with pytest.raises(Forbidden):
        add_comment(log, "？", actor=reader)


def test_a_comment_has_1_to_500_characters(log: FollowUp, ali: Member) -> None:
    for text in ("", "   ", "长" * 501):
        with pytest.raises(Invalid):
            add_comment(log, text, actor=own(ali))
    assert add_comment(log, "长" * 500, actor=own(ali)).text == "长" * 500


def test_changing_and_removing(log: FollowUp, ali: Member, bob: Member, cha: Member) -> None:
    comment = say(log, ali, "要两套")
    with pytest.raises(Forbidden):
        change_comment(comment, log, "要三套", actor=own(bob))
    change_comment(comment, log, "要三套", actor=own(ali))
    db.session.commit()
    assert comment.edited_at is not None
    with time_machine.travel(clock.now() + timedelta(hours=25), tick=False), pytest.raises(Forbidden):
        change_comment(comment, log, "要四套", actor=own(ali))
    with pytest.raises(Forbidden):
        remove_comment(comment, log, actor=own(cha))
    remove_comment(comment, log, actor=own(bob))  # who may delete the record
    db.session.commit()
    assert comments_on(log) == []


def test_likes_count_once_and_tell_nobody(log: FollowUp, ali: Member, bob: Member) -> None:
    for _press in range(2):
        like(log, on=True, actor=own(bob))
    like(log, on=True, actor=own(ali))
    db.session.commit()
    assert [name for _id, name in likes_on(log)] == ["老鲍", "阿丽"]
    assert counts_of([log.id]) == {log.id: (0, 2)}
    like(log, on=False, actor=own(bob))
    db.session.commit()
    assert [name for _id, name in likes_on(log)] == ["阿丽"]
    assert rows(sa.select(Notification)) == []


def test_they_go_with_the_follow_up_and_come_back(log: FollowUp, ali: Member, bob: Member) -> None:
    say(log, bob, "@阿丽 看一下")
    like(log, on=True, actor=own(bob))
    db.session.commit()
    log_id = log.id
    delete("follow_up", log_id, actor=own(ali))
    db.session.commit()
    assert [rows(sa.select(one)) for one in (Comment, LogLike, Mention)] == [[], [], []]
    restore(find_deletion(log_id, actor=own(ali)), actor=own(ali))
    db.session.commit()
    (back,) = rows(sa.select(Comment))
    assert (back.text, back.follow_up_id) == ("@阿丽 看一下", log_id)
    assert [one.member_id for one in rows(sa.select(Mention))] == [ali.id]
    assert counts_of([log_id]) == {log_id: (1, 1)}


# --- who is named -------------------------------------------------------------------------------------------------


def test_who_is_named_hears_once_by_a_card_with_the_beginning(huaxing: Customer, ali: Member, bob: Member) -> None:
    text = "@老鲍 请看一下报价，" + "很长的内容" * 40
    log = log_follow_up(huaxing, {"text": text, "mentions": [bob.id]}, actor=own(ali))
    db.session.commit()
    hear()
    hear()
    (card,) = sent_to(bob, "mention.named")
    assert card.message["title"] == "阿丽 在跟进里提到了您"
    assert card.message["text"].startswith("@老鲍 请看一下报价，很长的内容")
    assert len(card.message["text"]) == 101
    assert f"/h5/follow-ups/{log.id}?" in card.message["url"]
    assert named_in([log.id])[log.id] == [(bob.id, "老鲍", "bob")]


NAMED_BY = {
    "@老鲍 看看": ["bob"],
    "请＠老鲍看看，@管姐。": ["bob", "guan"],
    "@老鲍@管姐": ["bob", "guan"],
    "发到 sales@老鲍 信箱": [],
    "@阿丽 自己": [],
    "@没有这个人": [],
}


def test_names_behind_an_at_are_found(huaxing: Customer, ali: Member, bob: Member, guan: Member) -> None:
    for text, found in NAMED_BY.items():
        log = log_follow_up(huaxing, {"text": text, "mentions": []}, actor=own(ali))
        assert sorted(one[2] for one in named_in([log.id]).get(log.id, [])) == found, text


def test_a_text_from_elsewhere_names_nobody(huaxing: Customer, ali: Member, bob: Member) -> None:
    log_follow_up(huaxing, {"text": "@老鲍 看看"}, actor=own(ali))  # an import, an older program
    assert rows(sa.select(Mention)) == []


def test_of_two_with_one_name_one_is_chosen(huaxing: Customer, ali: Member, bob: Member, guan: Member) -> None:
    db.session.merge(guan).name = "老鲍"
    db.session.commit()
    with pytest.raises(Several) as asked:
        log_follow_up(huaxing, {"text": "@老鲍 看看", "mentions": []}, actor=own(ali))
    assert {one[0] for one in asked.value.people} == {bob.id, guan.id}
    db.session.rollback()
    log = log_follow_up(huaxing, {"text": "@老鲍 看看", "mentions": [guan.id]}, actor=own(ali))
    assert [one[0] for one in named_in([log.id])[log.id]] == [guan.id]


def test_who_may_not_see_it_is_asked_about_first(huaxing: Customer, ali: Member, cha: Member) -> None:
    values = {"text": "@小查 帮忙核对账期", "mentions": []}
    with pytest.raises(Unseen, match="小查 看不到这个客户：邀请协作，或不提醒") as asked:
        log_follow_up(huaxing, values, actor=own(ali))
    assert asked.value.may_invite
    db.session.rollback()
    assert rows(sa.select(FollowUp)) == []
    log_follow_up(huaxing, {**values, "unseen": "skip"}, actor=own(ali))
    db.session.commit()
    hear()
    assert rows(sa.select(Notification).where(Notification.recipient_id == cha.id)) == []
    log_follow_up(huaxing, {**values, "unseen": "invite"}, actor=own(ali))
    db.session.commit()
    hear()
    assert [one.member_id for one in coworkers_of(huaxing.id)] == [cha.id]
    assert [one.kind for one in rows(sa.select(Notification).where(Notification.recipient_id == cha.id))] == [
        "mention.named"
    ]


def test_who_cannot_invite_is_told_so(huaxing: Customer, ali: Member, cha: Member, guan: Member) -> None:
    db.session.merge(guan).role = ""
    add_coworker(huaxing, own(cha), may_edit=True, actor=own(ali))
    db.session.commit()
    with pytest.raises(Unseen, match="无法提醒") as asked:
        log_follow_up(huaxing, {"text": "@管姐 看", "mentions": [], "unseen": "invite"}, actor=own(cha))
    assert not asked.value.may_invite


def test_a_comment_names_and_an_edit_tells_only_the_new_ones(
    log: FollowUp, ali: Member, bob: Member, guan: Member
) -> None:
    comment = say(log, ali, "@老鲍 看一下")
    hear()
    change_comment(comment, log, "@老鲍 @管姐 看一下", actor=own(ali))
    db.session.commit()
    hear()
    assert [len(sent_to(one, "mention.named")) for one in (bob, guan)] == [1, 1]
    assert sent_to(bob, "mention.named")[0].message["title"] == "阿丽 在评论里提到了您"
    change_comment(comment, log, "不用看了", actor=own(ali))
    db.session.commit()
    assert named_in([comment.id]) == {}


def test_who_is_named_in_a_comment_does_not_hear_of_it_twice(log: FollowUp, ali: Member, bob: Member) -> None:
    say(log, bob, "@阿丽 样品寄了吗")
    hear()
    tell_of_comments("follow_up", log.id)
    assert [len(sent_to(ali, kind)) for kind in ("mention.named", "comment.added")] == [1, 0]


def test_a_visits_notes_name_too_when_it_ends(huaxing: Customer, ali: Member, bob: Member, guan: Member) -> None:
    values = {"note": "@老鲍 已到现场", "no_fix_reason": "室内", "mentions": []}
    visit = log_visit(huaxing, values, actor=own(ali))
    db.session.commit()
    hear()
    named = sent_to(bob, "mention.named")
    assert named[0].message["title"] == "阿丽 在拜访里提到了您"
    assert sent_to(bob, "visit.checked_in") == []  # one message is enough
    check_out(visit, actor=own(ali), note="@老鲍 @管姐 谈成了", values={"mentions": []})
    db.session.commit()
    hear()
    assert [len(sent_to(one, "mention.named")) for one in (bob, guan)] == [1, 1]


def test_at_most_20_are_named(huaxing: Customer, ali: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsapp.crm.mentions.actions.MOST", 1)
    with pytest.raises(Invalid, match="最多提到 1 人"):
        log_follow_up(huaxing, {"text": "@老鲍 @管姐", "mentions": []}, actor=own(ali))


# --- quick phrases ------------------------------------------------------------------------------------------------


def test_phrases_are_the_corps_and_ones_own_the_most_used_first(here: Flask, ali: Member, bob: Member) -> None:
    me = own(ali)
    usual = list(USUAL)
    assert phrases_for(me) == usual
    mine = [add_phrase(text, actor=me) for text in ("等总部批复", "改天再约")]
    assert phrases_for(me) == ["等总部批复", "改天再约", *usual]
    note_uses(f"今天{usual[2]}。", actor=me)
    note_uses(f"{usual[2]}，改天再约", actor=me)
    db.session.commit()
    db.session.expire_all()
    assert phrases_for(me)[:3] == [usual[2], "改天再约", "等总部批复"]
    assert phrases_for(own(bob)) == usual
    move_phrase(mine[0].id, up=True, actor=me)
    db.session.commit()
    assert [one.text for one in own_phrases(me)] == ["等总部批复", "改天再约"]
    assert phrases_for(me)[:3] == ["等总部批复", "改天再约", usual[2]]
    remove_phrase(mine[0].id, actor=me)
    db.session.commit()
    assert "等总部批复" not in phrases_for(me)


def test_limits_of_phrases(here: Flask, ali: Member, bob: Member) -> None:
    me = own(ali)
    made = [add_phrase(f"第 {n} 条", actor=me) for n in range(20)]
    with pytest.raises(Invalid, match="最多 20 条"):
        add_phrase("第二十一条", actor=me)
    remove_phrase(made[0].id, actor=me)
    db.session.flush()
    with pytest.raises(Conflict):
        add_phrase("第 1 条", actor=me)
    for text in ("", "长" * 101):
        with pytest.raises(Invalid):
            add_phrase(text, actor=me)
    with pytest.raises(NotFound):
        remove_phrase(made[1].id, actor=own(bob))
