"""The timeline of a customer or a task (动态): events in words, with what they speak of."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from flask import g, url_for

from wsapp.crm.comments.queries import counts_of, may_read
from wsapp.crm.customers.queries import visible_names
from wsapp.crm.dashboards.figures import Stretch
from wsapp.crm.events.models import Event
from wsapp.crm.fields.access import reads, row_shown, shown
from wsapp.crm.fields.showing import facts_of_many
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.notifications.queries import EVERYTHING, events_granted, visible_events
from wsapp.crm.org.queries import people as people_of
from wsapp.crm.org.queries import within_team
from wsapp.crm.org.rights import may
from wsapp.crm.visits.models import Visit
from wsapp.files import PHOTO, files_of
from wsapp.h5 import photos
from wsapp.h5.rows import came
from wsapp.h5.timeline_words import LOOKS, said
from wsapp.house import local
from wsapp.kept import Kept, columns_of, one_of
from wsapp.paging import page
from wsapp.texts import _

Item = dict[str, Any]
# Whose reason is a line of its own. What is typed about a deleted record goes with it.
WITH_REASON = ("task.cancelled", "customer.released", "customer.recycled", "share.asked")
SORTS = {"-at": (Event.at, True)}
RECORDED = ("follow_up.logged", "visit.checked_in")
LOGGED = (*RECORDED, "customer.created", "task.done")  # a day's work, as a team reads it


def of_customer(customer_id: str, *, limit: int, cursor: str) -> tuple[list[Item], str | None]:
    """Return what happened to a customer, newest first, and the cursor of what came before."""
    values: dict[str, str] | None = {"customer": customer_id}
    statement, granted = _OF_CUSTOMER, events_granted(g.member)
    if granted is not EVERYTHING:  # few people: the statement is put together for them
        statement, values = statement.params(customer=customer_id).where(granted), None
    found, after = page(
        statement, sorts=SORTS, sort="-at", id_column=Event.id, limit=limit, cursor=cursor, values=values
    )
    return _items(found, with_tasks=True), after


def of_team(day: Stretch, *, limit: int, cursor: str) -> tuple[list[Item], str | None]:
    """Return what the reader's people logged in a stretch, newest first, each with its customer if they see them."""
    logged = sa.select(*columns_of(Event)).where(
        Event.at >= day.begins,
        Event.at < day.ends,
        Event.kind.in_(LOGGED),
        within_team(Event.actor_id, g.member),
        visible_events(g.member),
    )
    found, after = page(logged, sorts=SORTS, sort="-at", id_column=Event.id, limit=limit, cursor=cursor)
    known = visible_names((event.customer_id for event in found), actor=g.member)
    items = _items(found, with_tasks=True)
    for item, event in zip(items, found, strict=True):
        about = known.get(event.customer_id or "")
        item["remove"] = ""
        item["what"] = f"{about} · {item['what']}" if about else item["what"]
        item["url"] = item["url"] or (url_for("customers.page", customer_id=event.customer_id) if about else "")
    return items, after


_EVENTS = sa.select(*columns_of(Event))
_OF_CUSTOMER = _EVENTS.where(Event.customer_id == sa.bindparam("customer", type_=sa.String), Event.kind.in_(LOOKS))
_OF_SUBJECT = Kept(
    _EVENTS.where(Event.subject_id == sa.bindparam("subject", type_=sa.String))
    .order_by(Event.at.desc(), Event.id.desc())
    .limit(50)
)


def of_task(task_id: str) -> list[Item]:
    """Return what happened to a task, newest first."""
    return _items(_OF_SUBJECT.all(subject=task_id), with_tasks=False)


def _items(events: Sequence[Any], *, with_tasks: bool) -> list[Item]:
    logs = _by_id(_LOGS, events, "follow_up.logged")
    visits = _by_id(_VISITS, events, "visit.checked_in")
    pictures = files_of([*logs, *visits], every=True)
    own = _own_facts(logs)
    talk = counts_of([*logs, *visits])
    known = people_of(
        [
            one
            for event in events
            for one in (
                event.actor_id,
                *(event.data.get(name) for name in ("owner", "assignee", "member", "asker", "leader")),
            )
        ]
    )
    people = {member_id: name for member_id, (name, _userid) in known.items()}
    items = []
    for event in events:
        icon, tone = LOOKS.get(event.kind, ("info", "quiet"))
        item: Item = {"icon": icon, "tone": tone, "at": local(event.at)}
        item["what"] = said(event, people)
        logged = event.subject_id if event.kind in RECORDED else ""  # what came later does not say all of it again
        item["text"] = "\n".join(filter(None, (_text(event, logs, visits), own.get(logged, ""))))
        item |= _place(visits.get(event.subject_id)) if event.kind == "visit.checked_in" else {}
        found = [one for one in pictures.get(logged, ()) if _reads_file(one, event.subject_type)]
        item["photos"] = photos.links(one for one in found if one.content_type == PHOTO)
        item["files"] = [(photos.link(one)[0], one.name) for one in found if one.content_type != PHOTO]
        record = logs.get(logged) or visits.get(logged)
        item["came"] = came(record) if record else ""
        item["url"] = _url(event) if with_tasks else ""
        item["talk"] = _talk(event, talk, logs.get(event.subject_id))
        item["remove"] = _removal(logs[logged]) if with_tasks and logged in logs else ""
        item["who"] = known[event.actor_id][::-1] if event.actor_id in known and event.actor_id != g.member.id else None
        items.append(item)
    return items


def _own_facts(logs: dict[str, Any]) -> dict[str, str]:
    """Return what the corp's own fields say of follow-ups, which have no page of their own."""
    records = [(log.custom or {}, {"kind": log.kind}) for log in logs.values()]
    facts = facts_of_many("follow_up", records, actor=g.member)
    return {
        log_id: "\n".join(_("%(what)s：%(value)s", what=label, value=text) for label, text in found)
        for log_id, found in zip(logs, facts, strict=True)
    }


def _reads_file(stored: Any, obj: str) -> bool:
    return reads(g.member, stored.part or "photos", obj)


_LOG = (
    FollowUp.id,
    FollowUp.author_id,
    FollowUp.text,
    FollowUp.outcome,
    FollowUp.kind,
    FollowUp.custom,
    FollowUp.recorded_at,
    FollowUp.created_at,
    FollowUp.version,
)
_LOGS = Kept(sa.select(*_LOG).where(one_of(FollowUp.id, "ids")))
_VISITS = Kept(
    sa.select(
        Visit.id, Visit.note, Visit.trust, Visit.distance, Visit.place_name, Visit.recorded_at, Visit.created_at
    ).where(one_of(Visit.id, "ids"))
)


def _by_id(records: Kept, events: Sequence[Any], kind: str) -> dict[str, Any]:
    ids = [event.subject_id for event in events if event.kind == kind]
    return {row.id: row for row in records.all(ids=ids)} if ids else {}


def _place(visit: Any) -> Item:
    if visit is None:
        return {}
    place: Item = {"place": shown(g.member, {"place_name": visit.place_name}, "visit").get("place_name", "")}
    if reads(g.member, "location", "visit"):
        place |= {"trust": visit.trust, "distance": None if visit.distance is None else round(visit.distance)}
    return place


def _text(event: Any, logs: dict[str, Any], visits: dict[str, Any]) -> str:
    if event.subject_id in logs and event.kind == "follow_up.logged":
        log = row_shown(g.member, logs[event.subject_id], "follow_up")
        return "\n".join(filter(None, (log.text, _("结果：%(text)s", text=log.outcome) if log.outcome else "")))
    if event.subject_id in visits and event.kind == "visit.checked_in":
        return row_shown(g.member, visits[event.subject_id], "visit").note or ""
    if event.kind == "visit.checked_out":
        return str(shown(g.member, {"result": event.data.get("result")}, "visit").get("result") or "")
    if event.kind == "task.done":
        return str(shown(g.member, {"done_note": event.data.get("note")}, "task").get("done_note") or "")
    if event.kind in WITH_REASON:
        return str(event.data.get("reason") or "")
    return ""


def _talk(event: Any, counts: Mapping[str, tuple[int, int]], log: Any) -> tuple[str, str] | None:
    """Where a follow-up or visit is talked about, also what it said before; and in words how much was said."""
    if event.kind not in RECORDED or not may_read(event.subject_type, g.member):
        return None
    comments, likes = counts.get(event.subject_id, (0, 0))
    if event.subject_type == "visit" and not comments + likes:
        return None  # a visit's page is linked anyway
    said = [_("%(n)d 条评论", n=comments) if comments else _("评论"), _("%(n)d 个赞", n=likes) if likes else ""]
    said += [_("已修改")] if log is not None and log.version > 1 else []
    if event.subject_type == "visit":
        url = url_for("visits.page", visit_id=event.subject_id)
    else:
        url = url_for("comments.page", follow_up_id=event.subject_id)
    return url, " · ".join(filter(None, said))


def _url(event: Any) -> str:
    if event.subject_type == "visit":
        return url_for("visits.page", visit_id=event.subject_id)
    return url_for("tasks.page", task_id=event.subject_id) if event.subject_type == "task" else ""


def _removal(log: Any) -> str:
    """Where whoever may deletes a follow-up: it has no page of its own."""
    if not may(g.member, "delete", log.author_id, obj="follow_up"):
        return ""
    return url_for("bin.new", obj="follow_up", record_id=log.id)
