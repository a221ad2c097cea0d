"""What messages about comments and mentions say, and who hears them. Cards as in `messages`."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from wsapp.crm.comments.models import Comment
from wsapp.crm.comments.queries import TEXTS, author_of, sees_log
from wsapp.crm.customers.queries import names_of
from wsapp.crm.events.models import Event
from wsapp.crm.fields.access import shown
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.mentions.queries import named_in
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import Card, in_language_of, link
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member, names
from wsapp.crm.visits.models import Visit
from wsapp.db import db, first, rows
from wsapp.texts import _

NAMED, SAID = "mention.named", "comment.added"  # kinds of messages
BEGINNING = 100  # letters of a text that a card shows
MODELS: dict[str, Any] = {"follow_up": FollowUp, "visit": Visit}
PATHS = {"follow_up": "/h5/follow-ups/", "visit": "/h5/visits/"}


# --- mentions -----------------------------------------------------------------------------------------------------


def tell_named(event: Event) -> None:
    """Tell whom a record names, once each, with the beginning of its text; nobody who may not see it."""
    is_comment, writer = event.subject_type == Comment.__tablename__, member(event.actor_id)
    obj = event.data["obj"] if is_comment else event.subject_type
    log_id = event.data["record"] if is_comment else event.subject_id
    log = first(sa.select(MODELS[obj]).where(MODELS[obj].id == log_id))
    comment = _comment(event.subject_id) if is_comment else None
    if log is None or writer is None or (is_comment and comment is None):
        return  # taken away meanwhile
    for reader in filter(None, map(member, event.data["named"])):
        if not reader.is_active or not sees_log(obj, log.id, reader):
            continue
        with in_language_of(reader):
            card = _named_card(log, comment, writer=writer.name, reader=reader)
        tell(reader, NAMED, card, key=f"event:{event.id}:{reader.id}", subject_id=log.id)


def _comment(comment_id: str) -> Comment | None:
    found: Comment | None = first(sa.select(Comment).where(Comment.id == comment_id))
    return found


def _named_card(log: Any, comment: Comment | None, *, writer: str, reader: Member) -> Card:
    obj = log.__tablename__
    field = TEXTS[obj]
    text = comment.text if comment else shown(reader, {field: getattr(log, field)}, obj).get(field) or ""
    title = {
        ("follow_up", False): _("%(who)s 在跟进里提到了您", who=writer),
        ("visit", False): _("%(who)s 在拜访里提到了您", who=writer),
    }.get((obj, comment is not None), _("%(who)s 在评论里提到了您", who=writer))
    return _card(title, text, log, _("提到我的"))


# --- comments -----------------------------------------------------------------------------------------------------


def tell_of_comments(obj: str, record_id: str) -> None:
    """Tell the author of a record and those who commented earlier what is new there: one message each."""
    column = getattr(Comment, f"{obj}_id")
    taken = sa.update(Comment).where(column == record_id, Comment.told.is_(False)).values(told=True)
    fresh_ids = set(db.session.scalars(taken.returning(Comment.id).execution_options(synchronize_session=False)).all())
    log = first(sa.select(MODELS[obj]).where(MODELS[obj].id == record_id))
    if log is None or not fresh_ids:
        return
    said = rows(sa.select(Comment).where(column == record_id).order_by(Comment.created_at, Comment.id))
    for reader_id in dict.fromkeys([author_of(log), *(one.author_id for one in said)]):
        reader = member(reader_id)
        news = _news(said, fresh_ids, reader_id, is_author=reader_id == author_of(log))
        if reader is None or not news or not reader.is_active or not sees_log(obj, record_id, reader):
            continue
        with in_language_of(reader):
            card = _comments_card(log, news, reader)
        tell(reader, SAID, card, key=f"comments:{news[-1].id}:{reader.id}", subject_id=record_id)


def _news(said: Sequence[Comment], fresh_ids: set[str], reader_id: str, *, is_author: bool) -> list[Comment]:
    """What is new to a reader: by others, after their own first word, and not what named them (they heard of that)."""
    begins = next((n for n, one in enumerate(said) if one.author_id == reader_id), len(said))
    later = said if is_author else said[begins:]
    news = [one for one in later if one.id in fresh_ids and one.author_id != reader_id]
    named = named_in([one.id for one in news])
    return [one for one in news if reader_id not in {who[0] for who in named.get(one.id, ())}]


def _comments_card(log: Any, news: Sequence[Comment], reader: Member) -> Card:
    people = list(dict.fromkeys(one.author_id for one in news))
    called = names(people)
    who = called.get(people[0], "")
    if len(people) > 1:
        who = _("%(who)s 等 %(n)d 人", who=who, n=len(people))
    is_theirs = author_of(log) == reader.id
    if log.__tablename__ == "follow_up":
        title = _("%(who)s 评论了您的跟进", who=who) if is_theirs else _("%(who)s 也评论了这条跟进", who=who)
    else:
        title = _("%(who)s 评论了您的拜访", who=who) if is_theirs else _("%(who)s 也评论了这次拜访", who=who)
    card = _card(title, news[-1].text, log, _("评论"))
    if len(news) > 1:
        card["lines"].append([_("新评论"), _("%(n)d 条", n=len(news))])
    return card


def _card(title: str, text: str, log: Any, source: str) -> Card:
    customer = names_of([log.customer_id]).get(log.customer_id or "", "")
    beginning = " ".join(text.split())
    return {
        "title": title[:120],
        "text": beginning[:BEGINNING] + ("…" if len(beginning) > BEGINNING else ""),
        "lines": [[_("客户"), customer]] if customer else [],
        "url": link(f"{PATHS[log.__tablename__]}{log.id}"),
        "buttons": [],
        "source": source,
        "state": "",
    }
