"""Commenting on follow-ups and visits, changing and removing one's words, liking."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.comments.models import Comment, LogLike
from wsapp.crm.comments.queries import author_of, demand_read
from wsapp.crm.customers.clean import clean_text
from wsapp.crm.customers.models import Customer
from wsapp.crm.events.actions import record
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.mentions import actions as mentions
from wsapp.crm.org.models import Member
from wsapp.crm.org.rights import may
from wsapp.crm.visits.models import Visit
from wsapp.db import current_corp, db, first, insert_unless_there, new_id
from wsapp.problems import Forbidden, Invalid
from wsapp.texts import _

LONGEST = 500
GATHER = timedelta(minutes=2)  # so long comments are gathered for one message
EDIT_WITHIN = timedelta(hours=24)
Log = FollowUp | Visit


def add_comment(log: Log, text: str, *, actor: Member, named: Sequence[str] = (), unseen: str = "") -> Comment:
    """Say something about a follow-up or visit that the actor sees (评论); `named` and `unseen` as in `mentions`.

    Its author and earlier commenters hear of it within minutes, in one message; who is named at once. Raises Invalid,
    Forbidden.
    """
    demand_read(log, actor)
    clean = _clean(text)
    readers = _named(log, clean, named, unseen, actor)
    comment = Comment(
        id=new_id(),
        follow_up_id=log.id if isinstance(log, FollowUp) else None,
        visit_id=log.id if isinstance(log, Visit) else None,
        author_id=actor.id,
        text=clean,
        created_at=clock.now(),
    )
    db.session.add(comment)
    db.session.flush()
    _record("comment.added", log, comment, actor, mentions.keep(comment, readers))
    payload = {"obj": log.__tablename__, "record": log.id}
    outbox.enqueue("comments.tell", payload, key=f"comments:{comment.id}", due_at=clock.now() + GATHER)
    return comment


def change_comment(
    comment: Comment, log: Log, text: str, *, actor: Member, named: Sequence[str] = (), unseen: str = ""
) -> Comment:
    """Change one's own words within a day; only whom they name newly hears of it. Raises Invalid, Forbidden."""
    demand_read(log, actor)
    if comment.author_id != actor.id or clock.now() > comment.created_at + EDIT_WITHIN:
        raise Forbidden(_("评论只能由本人在 24 小时内修改"))
    clean = _clean(text)
    readers = _named(log, clean, named, unseen, actor)
    mentions.forget(comment, but=readers)
    fresh = mentions.keep(comment, readers)
    if clean != comment.text or fresh:
        comment.text, comment.edited_at = clean, clock.now()
        db.session.flush()
        _record("comment.changed", log, comment, actor, fresh)
    return comment


def remove_comment(comment: Comment, log: Log, *, actor: Member) -> None:
    """Take a comment away: one's own, or for who may delete the record. Raises Forbidden."""
    if comment.author_id != actor.id and not may(actor, "delete", author_of(log), obj=log.__tablename__):
        raise Forbidden(_("只有评论的人，或可以删除这条记录的人可以删除评论"))
    db.session.delete(comment)
    db.session.flush()
    _record("comment.removed", log, comment, actor, [])


def like(log: Log, *, on: bool, actor: Member) -> None:
    """Like a follow-up or visit (点赞), or no longer. Nobody is told."""
    demand_read(log, actor)
    column = f"{log.__tablename__}_id"
    if on:
        row = {"follow_up_id": None, "visit_id": None, "member_id": actor.id, column: log.id}
        insert_unless_there(LogLike, {**row, "corp_id": current_corp(), "id": new_id()})
        return
    mine = sa.delete(LogLike).where(getattr(LogLike, column) == log.id, LogLike.member_id == actor.id)
    db.session.execute(mine.execution_options(synchronize_session=False))


def _clean(text: str) -> str:
    clean = clean_text(text)
    if not 1 <= len(clean) <= LONGEST:
        raise Invalid({"text": _("请填写 1–%(most)d 个字", most=LONGEST)})
    return clean


def _named(log: Log, text: str, named: Sequence[str], unseen: str, actor: Member) -> list[str]:
    customer: Customer | None = first(sa.select(Customer).where(Customer.id == log.customer_id))
    values = {"mentions": named, "unseen": unseen}
    return mentions.named(text, values, customer=customer, obj=log.__tablename__, actor=actor, author_id=author_of(log))


def _record(kind: str, log: Log, comment: Comment, actor: Member, fresh: Sequence[str]) -> None:
    """Not on the customer's timeline: there the record itself says how much was said of it."""
    facts: dict[str, Any] = {"obj": log.__tablename__, "record": log.id}
    if fresh:
        facts["named"] = list(fresh)
    record(kind, comment, actor=actor, **facts)
