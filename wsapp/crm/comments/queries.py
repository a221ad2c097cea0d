"""Which comments there are. Who sees a record and reads its text sees what is said about it."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from wsapp.crm.comments.models import Comment, LogLike
from wsapp.crm.fields.access import reads
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.followups.queries import find_follow_up, visible_follow_ups
from wsapp.crm.org.models import Member
from wsapp.crm.visits.models import Visit
from wsapp.crm.visits.queries import find_visit, visible_visits
from wsapp.db import db, first, rows
from wsapp.kept import Kept, one_of
from wsapp.problems import Forbidden, NotFound
from wsapp.texts import _

TEXTS = {"follow_up": "text", "visit": "note"}  # the field that a comment speaks of
MOST_SHOWN = 200


def author_of(log: FollowUp | Visit) -> str:
    """Return whose follow-up or visit it is."""
    return log.author_id if isinstance(log, FollowUp) else log.member_id


def may_read(obj: str, actor: Member) -> bool:
    """Say whether the actor's role lets them read what is said about such a record."""
    return reads(actor, TEXTS[obj], obj)


def demand_read(log: FollowUp | Visit, actor: Member) -> None:
    """Raise Forbidden unless the actor may read what is said about a record that they see."""
    if not may_read(log.__tablename__, actor):
        raise Forbidden(_("您没有权限查看这条记录的内容"))


def find_log(obj: str, record_id: str, *, actor: Member) -> Any:
    """Return the follow-up or visit; raises NotFound for what the actor does not see."""
    return (find_follow_up if obj == "follow_up" else find_visit)(record_id, actor=actor)


def sees_log(obj: str, record_id: str, actor: Member) -> bool:
    """Say whether the actor sees a record, and reads its text."""
    model, condition = (FollowUp, visible_follow_ups) if obj == "follow_up" else (Visit, visible_visits)
    there = sa.select(model.id).where(model.id == record_id, condition(actor))
    return may_read(obj, actor) and first(there) is not None


def find_comment(comment_id: str, *, actor: Member) -> tuple[Comment, Any]:
    """Return a comment and its record; raises NotFound for what the actor does not see."""
    comment: Comment | None = first(sa.select(Comment).where(Comment.id == comment_id))
    if comment is None:
        raise NotFound(_("评论不存在或无权查看"))
    obj = "follow_up" if comment.follow_up_id else "visit"
    log = find_log(obj, comment.record_id, actor=actor)
    if not may_read(obj, actor):
        raise NotFound(_("评论不存在或无权查看"))
    return comment, log


def comments_on(log: FollowUp | Visit) -> Sequence[Comment]:
    """Return what was said about a record, the oldest first."""
    mine = getattr(Comment, f"{log.__tablename__}_id") == log.id
    return rows(sa.select(Comment).where(mine).order_by(Comment.created_at, Comment.id).limit(MOST_SHOWN))


def likes_on(log: FollowUp | Visit) -> Sequence[Any]:
    """Return (id, name) of those who like a record, by name."""
    mine = getattr(LogLike, f"{log.__tablename__}_id") == log.id
    liked = sa.select(Member.id, Member.name).join(
        LogLike, sa.and_(LogLike.corp_id == Member.corp_id, LogLike.member_id == Member.id)
    )
    return db.session.execute(liked.where(mine).order_by(Member.name, Member.id)).all()


_COMMENTS = Kept(
    sa.select(sa.func.coalesce(Comment.follow_up_id, Comment.visit_id).label("record"), sa.func.count().label("n"))
    .where(sa.or_(one_of(Comment.follow_up_id, "ids"), one_of(Comment.visit_id, "ids")))
    .group_by(sa.literal_column("1"))
)
_LIKES = Kept(
    sa.select(sa.func.coalesce(LogLike.follow_up_id, LogLike.visit_id).label("record"), sa.func.count().label("n"))
    .where(sa.or_(one_of(LogLike.follow_up_id, "ids"), one_of(LogLike.visit_id, "ids")))
    .group_by(sa.literal_column("1"))
)


def counts_of(record_ids: Sequence[str]) -> Mapping[str, tuple[int, int]]:
    """Return how many comments and likes records have, by id, in two queries."""
    if not record_ids:
        return {}
    said = {row.record: row.n for row in _COMMENTS.all(ids=list(record_ids))}
    liked = {row.record: row.n for row in _LIKES.all(ids=list(record_ids))}
    return {one: (said.get(one, 0), liked.get(one, 0)) for one in {*said, *liked}}
