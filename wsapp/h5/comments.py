"""Comments (评论) and likes: a follow-up's own page, and what is said about follow-ups and visits."""

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g, request, url_for

from wsapp import clock
from wsapp.crm.comments.actions import EDIT_WITHIN, add_comment, change_comment, like, remove_comment
from wsapp.crm.comments.models import Comment
from wsapp.crm.comments.queries import author_of, comments_on, find_comment, find_log, likes_on, may_read
from wsapp.crm.customers.contacts import contact_names
from wsapp.crm.customers.queries import visible_names
from wsapp.crm.fields.access import reads, row_shown
from wsapp.crm.fields.showing import facts_of_many
from wsapp.crm.followups.changes import may_change
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.followups.queries import find_follow_up
from wsapp.crm.mentions.queries import named_in
from wsapp.crm.org.queries import names
from wsapp.crm.org.rights import may
from wsapp.db import db
from wsapp.files import files_of
from wsapp.h5 import corrections, mentions, photos, rows, words
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import go, show
from wsapp.problems import Forbidden, Problem
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("comments", __name__, url_prefix="/h5")
bp.before_request(require_member)


# --- a follow-up --------------------------------------------------------------------------------------------------


@bp.get("/follow-ups/<key:follow_up_id>")
def page(follow_up_id: str) -> str:
    """A follow-up with what was said about it."""
    return draw(find_follow_up(follow_up_id, actor=g.member), begun())


def _show_follow_up(log: FollowUp, **more: Any) -> str:
    seen = row_shown(g.member, _row(log), "follow_up")
    customers = visible_names([log.customer_id], actor=g.member)
    pictures = files_of([log.id])[log.id] if reads(g.member, "photos", "follow_up") else []
    own = facts_of_many("follow_up", [(log.custom or {}, {"kind": log.kind})], actor=g.member)[0]
    return show(
        "followups/page.html",
        log=log,
        author=names([log.author_id]).get(log.author_id, ""),
        customer=customers.get(log.customer_id, ""),
        text=seen.text,
        facts=[
            (_("方式"), str(words.FOLLOW_UP_KINDS[log.kind])),
            (_("联系人"), contact_names([log.contact_id]).get(log.contact_id or "", "") if customers else ""),
            (_("结果"), seen.outcome),
            (_("发生时间"), rows.moment(log.happened_at)),
            (_("下次跟进"), rows.moment(log.next_at) if log.next_at else ""),
            (_("做什么"), seen.next_action),
            *own,
        ],
        photos=photos.links(pictures),
        may_correct=may_change(log, g.member),
        corrections=corrections.history(log) if log.version > 1 else [],
        may_remove=may(g.member, "delete", log.author_id, obj="follow_up"),
        **more,
    )


def _row(log: FollowUp) -> Any:
    wanted = sa.select(FollowUp.id, FollowUp.text, FollowUp.outcome, FollowUp.next_action)
    return db.session.execute(wanted.where(FollowUp.id == log.id)).one()


# --- what is said about it ----------------------------------------------------------------------------------------


def begun() -> Form:
    """Return an empty form of a comment."""
    return Form({"comment": "", "mentions": [], "unseen": ""})


def panel(log: Any, form: Form, problem: Problem | None = None) -> dict[str, Any]:
    """Return what `comments/panel.html` shows beside a record: its comments, likes, and the form."""
    obj = log.__tablename__
    if not may_read(obj, g.member):
        return {"talk": None}
    said = comments_on(log)
    people = names([one.author_id for one in said])
    liked = likes_on(log)
    named = named_in([log.id, *(one.id for one in said)])
    may_remove = may(g.member, "delete", author_of(log), obj=obj)
    return {
        "talk": {
            "comments": [_comment(one, people, named, may_remove) for one in said],
            "named": [name for _id, name, _userid in named.get(log.id, ())],
            "likes": [name for _id, name in liked],
            "is_liked": any(member_id == g.member.id for member_id, _name in liked),
            "url": url_for(f"comments.say_on_{obj}", record_id=log.id),
            "like_url": url_for(f"comments.like_{obj}", record_id=log.id),
            "form": form,
            "mentions": mentions.drawn(form, problem),
        }
    }


def _comment(one: Comment, people: dict[str, str], named: Any, may_remove: bool) -> dict[str, Any]:
    mine = one.author_id == g.member.id
    return {
        "id": one.id,
        "who": people.get(one.author_id, ""),
        "text": one.text,
        "at": one.created_at,
        "edited": one.edited_at is not None,
        "named": [name for _id, name, _userid in named.get(one.id, ())],
        "edit_url": url_for("comments.edit", comment_id=one.id)
        if mine and clock.now() <= one.created_at + EDIT_WITHIN
        else "",
        "remove_url": url_for("comments.remove", comment_id=one.id) if mine or may_remove else "",
    }


def draw(log: Any, form: Form, problem: Problem | None = None) -> str:
    """Show the record's page with the form of a comment as it was typed."""
    if log.__tablename__ == "follow_up":
        return _show_follow_up(log, **panel(log, form, problem))
    from wsapp.h5.visits import draw as draw_visit  # which asks this file for its panel

    return draw_visit(log, talk=form, problem=problem)


@bp.post("/follow-ups/<key:record_id>/comments")
def say_on_follow_up(record_id: str) -> Any:
    return _say("follow_up", record_id)


@bp.post("/visits/<key:record_id>/comments")
def say_on_visit(record_id: str) -> Any:
    return _say("visit", record_id)


def _say(obj: str, record_id: str) -> Any:
    form = Form.read(("comment", *mentions.FIELDS), mentions.LISTS)

    def act() -> str:
        log = find_log(obj, record_id, actor=g.member)
        chosen = mentions.values(form)
        _saying(
            form,
            lambda: add_comment(
                log, form.typed["comment"], actor=g.member, named=chosen["mentions"], unseen=chosen["unseen"]
            ),
        )
        return _page_of(obj, record_id)

    def again(problem: Problem | None) -> str:
        return draw(find_log(obj, record_id, actor=g.member), form, problem)

    find_log(obj, record_id, actor=g.member)
    return save(form, act, again=again, words=_("评论已发出"))


def _saying(form: Form, deed: Any) -> None:
    """Do it; what is wrong with the text stands below the comment's field."""
    try:
        deed()
    except Problem as problem:
        fields = getattr(problem, "fields", None)
        if fields and "text" in fields:
            fields["comment"] = fields.pop("text")
        raise


def _page_of(obj: str, record_id: str) -> str:
    if obj == "visit":
        return url_for("visits.page", visit_id=record_id)
    return url_for("comments.page", follow_up_id=record_id)


@bp.post("/follow-ups/<key:record_id>/like")
def like_follow_up(record_id: str) -> Any:
    return _like("follow_up", record_id)


@bp.post("/visits/<key:record_id>/like")
def like_visit(record_id: str) -> Any:
    return _like("visit", record_id)


def _like(obj: str, record_id: str) -> Any:
    """Like a record (`on` is "1"), or no longer."""
    like(find_log(obj, record_id, actor=g.member), on=request.form.get("on") == "1", actor=g.member)
    db.session.commit()
    return go(_page_of(obj, record_id))


# --- one's own words ----------------------------------------------------------------------------------------------


@bp.get("/comments/<key:comment_id>")
def edit(comment_id: str) -> str:
    """Change one's own comment."""
    comment, log = find_comment(comment_id, actor=g.member)
    if comment.author_id != g.member.id or clock.now() > comment.created_at + EDIT_WITHIN:
        raise Forbidden(_("评论只能由本人在 24 小时内修改"))
    chosen = [one[0] for one in named_in([comment.id]).get(comment.id, ())]
    return _show_edit(comment, log, Form({"comment": comment.text, "mentions": chosen, "unseen": ""}))


def _show_edit(comment: Comment, log: Any, form: Form, problem: Problem | None = None) -> str:
    return show(
        "comments/edit.html",
        counted=False,
        comment=comment,
        form=form,
        back=_page_of(log.__tablename__, log.id),
        mentions=mentions.drawn(form, problem),
    )


@bp.post("/comments/<key:comment_id>")
def change(comment_id: str) -> Any:
    """Save it; only whom it names newly hears of it."""
    form = Form.read(("comment", *mentions.FIELDS), mentions.LISTS)

    def act() -> str:
        comment, log = find_comment(comment_id, actor=g.member)
        chosen = mentions.values(form)
        text = form.typed["comment"]
        _saying(
            form,
            lambda: change_comment(
                comment, log, text, actor=g.member, named=chosen["mentions"], unseen=chosen["unseen"]
            ),
        )
        return _page_of(log.__tablename__, log.id)

    def again(problem: Problem | None) -> str:
        comment, log = find_comment(comment_id, actor=g.member)
        return _show_edit(comment, log, form, problem)

    find_comment(comment_id, actor=g.member)
    return save(form, act, again=again, words=_("评论已修改"))


@bp.post("/comments/<key:comment_id>/removal")
def remove(comment_id: str) -> Any:
    """Take a comment away."""
    comment, log = find_comment(comment_id, actor=g.member)
    remove_comment(comment, log, actor=g.member)
    db.session.commit()
    return go(_page_of(log.__tablename__, log.id), _("评论已删除"))
