"""/follow-ups/<id>/comments and /visits/<id>/comments: what colleagues say about a record, and who likes it."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask import g

from wsapp.api.base import Answer, may_be_empty, member_named, reads, resource, writes
from wsapp.api.lists import listed, text_of, userids
from wsapp.api.schemas_in import VisitPath
from wsapp.api.schemas_logs import FollowUpPath
from wsapp.api.schemas_together import Comment as CommentRecord
from wsapp.api.schemas_together import CommentList, CommentNew, CommentPage, CommentPath, LikeNew, Likes
from wsapp.crm.comments.actions import add_comment, like, remove_comment
from wsapp.crm.comments.models import Comment
from wsapp.crm.comments.queries import demand_read, find_comment, find_log, likes_on
from wsapp.crm.mentions.queries import named_in

bp = resource("comments", "Comments and likes: what colleagues say about follow-ups and visits")

SORTS = {"created_at": (Comment.created_at, False), "-created_at": (Comment.created_at, True)}
COLUMNS = (Comment.id, Comment.author_id, Comment.text, Comment.created_at, Comment.edited_at)


def _show(found: Sequence[Any]) -> list[dict[str, Any]]:
    authors, named = userids([row.author_id for row in found]), named_in([row.id for row in found])
    return [
        {
            "id": row.id,
            "author": authors.get(row.author_id, ""),
            "text": row.text,
            "mentions": [userid for _id, _name, userid in named.get(row.id, ())],
            "created_at": text_of(row.created_at),
            "edited_at": text_of(row.edited_at),
        }
        for row in found
    ]


def _list(obj: str, record_id: str, query: CommentList) -> Answer:
    log = find_log(obj, record_id, actor=g.member)
    demand_read(log, g.member)
    said = sa.select(*COLUMNS).where(getattr(Comment, f"{obj}_id") == log.id)
    return listed(said, query, sorts=SORTS, default="created_at", id_column=Comment.id, show=_show)


def _say(obj: str, record_id: str, body: CommentNew) -> Answer:
    log = find_log(obj, record_id, actor=g.member)
    named = [member_named(one, name="mentions").id for one in body.mentions]
    made = add_comment(log, body.text, actor=g.member, named=named, unseen=body.unseen or "")
    return Answer(_show([made])[0], 201)


def _like(obj: str, record_id: str, body: LikeNew) -> Answer:
    log = find_log(obj, record_id, actor=g.member)
    like(log, on=body.on, actor=g.member)
    called = userids([member_id for member_id, _name in likes_on(log)])
    return Answer({"likes": sorted(called.values())})


@bp.get("/follow-ups/<follow_up_id>/comments", responses={200: CommentPage})
@reads
def of_follow_up(path: FollowUpPath, query: CommentList) -> Answer:
    """List what was said about a follow-up, the oldest first."""
    return _list("follow_up", path.follow_up_id, query)


@bp.post("/follow-ups/<follow_up_id>/comments", responses={201: CommentRecord})
@writes
def say_on_follow_up(path: FollowUpPath, body: CommentNew) -> Answer:
    """Comment on a follow-up: its author and earlier commenters hear of it, who is named at once."""
    return _say("follow_up", path.follow_up_id, body)


@bp.post("/follow-ups/<follow_up_id>/like", responses={200: Likes})
@may_be_empty
@writes
def like_follow_up(path: FollowUpPath, body: LikeNew) -> Answer:
    """Like a follow-up, or no longer."""
    return _like("follow_up", path.follow_up_id, body)


@bp.get("/visits/<visit_id>/comments", responses={200: CommentPage})
@reads
def of_visit(path: VisitPath, query: CommentList) -> Answer:
    """List what was said about a visit, the oldest first."""
    return _list("visit", path.visit_id, query)


@bp.post("/visits/<visit_id>/comments", responses={201: CommentRecord})
@writes
def say_on_visit(path: VisitPath, body: CommentNew) -> Answer:
    """Comment on a visit: whoever made it and earlier commenters hear of it, who is named at once."""
    return _say("visit", path.visit_id, body)


@bp.post("/visits/<visit_id>/like", responses={200: Likes})
@may_be_empty
@writes
def like_visit(path: VisitPath, body: LikeNew) -> Answer:
    """Like a visit, or no longer."""
    return _like("visit", path.visit_id, body)


@bp.delete("/comments/<comment_id>", responses={200: CommentRecord})
@may_be_empty
@writes
def remove(path: CommentPath) -> Answer:
    """Take a comment away: one's own, or for who may delete the record; answers it."""
    comment, log = find_comment(path.comment_id, actor=g.member)
    gone = _show([comment])[0]
    remove_comment(comment, log, actor=g.member)
    return Answer(gone)
