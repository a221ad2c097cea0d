"""The timeline of a customer or a task (动态): events in words, with what they speak of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import g, url_for

from wsapp.crm.events.models import Event
from wsapp.crm.fields.access import reads, row_shown, shown
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.notifications.queries import EVERYTHING, events_granted
from wsapp.crm.org.queries import people as people_of
from wsapp.crm.visits.models import Visit
from wsapp.files import files_of
from wsapp.h5 import photos, words
from wsapp.h5.rows import moment
from wsapp.house import local
from wsapp.kept import Kept, columns_of, one_of
from wsapp.paging import page
from wsapp.texts import _

Item = dict[str, Any]
SORTS = {"-at": (Event.at, True)}

# kind → (icon, tone)
LOOKS = {
    "customer.created": ("customers", ""),
    "customer.changed": ("edit", "quiet"),
    "customer.assigned": ("swap", "quiet"),
    "customer.merged": ("customers", "quiet"),
    "customer.unmerged": ("customers", "quiet"),
    "customer.shared": ("team", "quiet"),
    "customer.unshared": ("team", "quiet"),
    "contact.added": ("me", "quiet"),
    "contact.changed": ("me", "quiet"),
    "lead.opened": ("filter", "quiet"),
    "lead.changed": ("filter", "quiet"),
    "lead.unanswered": ("alert", ""),
    "customer.claimed": ("pool", ""),
    "customer.released": ("pool", "quiet"),
    "customer.recycled": ("pool", "quiet"),
    "follow_up.logged": ("message", ""),
    "visit.checked_in": ("visit", ""),
    "visit.checked_out": ("check", "quiet"),
    "task.created": ("tasks", "quiet"),
    "task.changed": ("edit", "quiet"),
    "task.assigned": ("swap", "quiet"),
    "task.done": ("check", "done"),
    "task.snoozed": ("snooze", "quiet"),
    "task.cancelled": ("close", "quiet"),
    "task.overdue": ("alert", ""),
    "task.unlinked": ("info", "quiet"),
}


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
    pictures = files_of([*logs, *visits])
    known = people_of(
        [
            one
            for event in events
            for one in (event.actor_id, event.data.get("owner"), event.data.get("assignee"), event.data.get("member"))
        ]
    )
    people = {member_id: name for member_id, (name, _userid) in known.items()}
    items = []
    for event in events:
        icon, tone = LOOKS.get(event.kind, ("info", "quiet"))
        item: Item = {"icon": icon, "tone": tone, "at": local(event.at)}
        item["what"] = _what(event, people)
        item["text"] = _text(event, logs, visits)
        item |= _place(visits.get(event.subject_id)) if event.kind == "visit.checked_in" else {}
        if reads(g.member, "photos", event.subject_type):
            item["photos"] = photos.links(pictures.get(event.subject_id, ()))
        item["url"] = _url(event) if with_tasks else ""
        item["who"] = known[event.actor_id][::-1] if event.actor_id in known and event.actor_id != g.member.id else None
        items.append(item)
    return items


_LOGS = Kept(sa.select(FollowUp.id, FollowUp.text, FollowUp.outcome).where(one_of(FollowUp.id, "ids")))
_VISITS = Kept(
    sa.select(Visit.id, Visit.note, Visit.trust, Visit.distance, Visit.place_name).where(one_of(Visit.id, "ids"))
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
    if event.kind in ("task.cancelled", "customer.released", "customer.recycled"):
        return str(event.data.get("reason") or "")
    return ""


def _url(event: Any) -> str:
    if event.subject_type == "visit":
        return url_for("visits.page", visit_id=event.subject_id)
    return url_for("tasks.page", task_id=event.subject_id) if event.subject_type == "task" else ""


def _what(event: Any, people: dict[str, str]) -> str:
    """Say who did what, in one line."""
    who = people.get(event.actor_id or "", "") or _("系统")
    data = event.data
    match event.kind:
        case "customer.created":
            return _("%(who)s 新建了客户", who=who)
        case "customer.changed":
            return _("%(who)s 修改了%(fields)s", who=who, fields=_fields(event, words.CUSTOMER_FIELDS))
        case "customer.assigned":
            if not reads(g.member, "owner"):
                return _("%(who)s 修改了%(fields)s", who=who, fields=words.CUSTOMER_FIELDS["owner"])
            return _("%(who)s 把负责人改为 %(name)s", who=who, name=people.get(data.get("owner", ""), "—"))
        case "customer.claimed":
            return _("%(who)s 从%(pool)s领取", who=who, pool=data.get("pool_name", ""))
        case "customer.released":
            return _("%(who)s 退回%(pool)s", who=who, pool=data.get("pool_name", ""))
        case "customer.recycled":
            return _("%(who)s 回收到%(pool)s", who=who, pool=data.get("pool_name", ""))
        case "customer.shared" | "customer.unshared" | "contact.added" | "contact.changed":
            return _people_words(event, who, people)
        case "lead.opened" | "lead.changed" | "lead.unanswered":
            return _lead_words(event, who)
        case "customer.merged":
            return _("%(who)s 把客户 %(name)s 合并到这里", who=who, name=data.get("name", ""))
        case "customer.unmerged":
            return _("%(who)s 撤销了与客户 %(name)s 的合并", who=who, name=data.get("name", ""))
        case "follow_up.logged":
            return _(
                "%(who)s 跟进 · %(kind)s", who=who, kind=words.FOLLOW_UP_KINDS.get(data.get("follow_up_kind", ""), "")
            )
        case "visit.checked_in":
            return _("%(who)s 拜访签到", who=who)
        case "visit.checked_out":
            return _check_out_words(event, who)
        case _:
            return _task_words(event, who, people)


def _people_words(event: Any, who: str, people: dict[str, str]) -> str:
    name = event.data.get("name") or people.get(event.data.get("member", ""), "—")
    match event.kind:
        case "customer.shared":
            return _("%(who)s 邀请 %(name)s 协作", who=who, name=name)
        case "customer.unshared":
            return _("%(name)s 不再协作", name=name)
        case "contact.added":
            return _("%(who)s 新建了联系人 %(name)s", who=who, name=name)
        case _:
            return _("%(who)s 修改了联系人 %(name)s", who=who, name=name)


def _lead_words(event: Any, who: str) -> str:
    if event.kind == "lead.opened":
        return _("%(who)s 登记为线索", who=who)
    if event.kind == "lead.unanswered":
        return _("线索超时未响应")
    state = words.LEADS.get(event.changes["lead"][1], "")
    reason = words.INVALID_REASONS.get(event.data.get("reason", ""))
    if reason:
        return _("%(who)s 把线索标为%(state)s：%(reason)s", who=who, state=state, reason=reason)
    return _("%(who)s 把线索标为%(state)s", who=who, state=state)


def _check_out_words(event: Any, who: str) -> str:
    if event.data.get("by_system"):
        return _("拜访在当天 23:59 自动签退")
    return _("%(who)s 拜访签退，停留 %(n)s 分钟", who=who, n=event.data.get("minutes", 0))


def _task_words(event: Any, who: str, people: dict[str, str]) -> str:
    data = event.data
    title = data.get("title", "")
    match event.kind:
        case "task.created":
            return _("%(who)s 新建待办：%(title)s", who=who, title=title)
        case "task.changed":
            return _("%(who)s 修改了待办的%(fields)s", who=who, fields=_fields(event, words.TASK_FIELDS))
        case "task.assigned":
            return _("%(who)s 把待办交给 %(name)s", who=who, name=people.get(data.get("assignee", ""), "—"))
        case "task.done":
            return _("%(who)s 完成了待办：%(title)s", who=who, title=title)
        case "task.snoozed":
            until = datetime.fromisoformat(data["until"])
            return _("%(who)s 把待办推迟到 %(until)s", who=who, until=moment(until))
        case "task.cancelled":
            return _("%(who)s 取消了待办：%(title)s", who=who, title=title)
        case "task.unlinked":
            return _("%(who)s 在平台的列表里删除了这条待办", who=who)
        case "task.overdue":
            return _("待办已逾期：%(title)s", title=title)
        case _:
            return event.kind


def _fields(event: Any, labels: dict[str, Any]) -> str:
    known = [str(labels[field]) for field in event.changes if field in labels]
    return _("、").join(known) or _("资料")
