"""The delivery ledger: each message, to whom, what happened to it and why."""

from typing import Any

import sqlalchemy as sa
from flask import g, request

from wsapp import hosts
from wsapp.admin.gate import PAGE_SIZE, go, next_url, pages, show, storable
from wsapp.connectors.base import Connector, Receipt
from wsapp.crm.notifications.actions import may_take_back, take_back
from wsapp.crm.notifications.models import DROPPED, FAILED, STATES, Notification
from wsapp.crm.notifications.queries import SORTS
from wsapp.crm.org.models import Member
from wsapp.db import db, first
from wsapp.doctor.findings import said_by_host
from wsapp.house import local
from wsapp.paging import page
from wsapp.problems import NotFound
from wsapp.texts import _
from wsapp.web import current_corp_row

bp = pages("deliveries")

MARKS = {"acted": "done", "read": "done", "delivered": "done", "failed": "overdue", "dropped": "overdue"}
MOST_PEOPLE = 500


@bp.get("/deliveries")
def index() -> str:
    """The messages of one person or of all, in one state or in any, latest due first."""
    person, state = storable(request.args.get("person", "")), request.args.get("state", "")
    state = state if state in STATES else ""
    statement = _select()
    if person:
        statement = statement.where(Notification.recipient_id == person)
    if state:
        statement = statement.where(Notification.state == state)
    found, cursor = page(
        statement,
        sorts=SORTS,
        sort="-due_at",
        id_column=Notification.id,
        limit=PAGE_SIZE,
        cursor=request.args.get("cursor", ""),
    )
    connector = _connector()
    return show(
        "deliveries.html",
        "deliveries",
        rows=[_row(one, connector) for one in found],
        person=person,
        state=state,
        people=_people(),
        states=[(one, state_text(one)) for one in STATES],
        next_url=next_url(cursor, person=person, state=state),
    )


def _select() -> Any:
    columns = (
        Notification.id,
        Notification.kind,
        Notification.message,
        Notification.state,
        Notification.reason,
        Notification.attempts,
        Notification.unknown,
        Notification.host_code,
        Notification.due_at,
        Notification.sent_at,
        Notification.settled_at,
        Notification.recalled_at,
        Notification.host_id,
        Notification.handle,
        Member.name.label("recipient"),
    )
    same = sa.and_(Member.id == Notification.recipient_id, Member.corp_id == Notification.corp_id)
    return sa.select(*columns).select_from(Notification).join(Member, same)


def _people() -> list[tuple[str, str]]:
    statement = sa.select(Member.id, Member.name).order_by(Member.name, Member.id).limit(MOST_PEOPLE)
    return [(one.id, one.name) for one in db.session.execute(statement)]


def _row(one: Any, connector: Connector) -> dict[str, Any]:
    kind = hosts.connector_class(current_corp_row().host)
    at_fault = one.state in (DROPPED, FAILED) and one.host_code
    return {
        "id": one.id,
        "title": one.message.get("title", ""),
        "recipient": one.recipient,
        "state": state_text(one.state),
        "mark": MARKS.get(one.state, ""),
        "due": local(one.due_at),
        "sent": local(one.sent_at) if one.sent_at else None,
        "settled": local(one.settled_at) if one.settled_at else None,
        "why": why(one),
        "advice": said_by_host(kind, one.host_code) if at_fault else None,
        "recall": _may_recall(one, connector),
        "recalled": bool(one.recalled_at),
    }


@bp.get("/deliveries/<key:notification_id>/recall")
def confirm_recall(notification_id: str) -> str:
    """Ask before a message is taken out of somebody's chat."""
    message, reader = _sent(notification_id)
    sent = local(message.sent_at or message.due_at)
    return show("recall.html", "deliveries", message=message, recipient=reader, sent=sent)


@bp.post("/deliveries/<key:notification_id>/recall")
def recall(notification_id: str) -> Any:
    """Have a message taken out of the chat again."""
    message, _reader = _sent(notification_id)
    take_back(message, actor=g.member)
    db.session.commit()
    return go("/admin/deliveries", _("正在撤回，稍后刷新可看到结果"))


def _sent(notification_id: str) -> tuple[Notification, str]:
    found = first(sa.select(Notification).where(Notification.id == notification_id))
    if found is None or not _may_recall(found, _connector()):
        raise NotFound(_("这条消息不能撤回：还没有发出，已撤回，或已超过 24 小时"))
    return found, str(first(sa.select(Member.name).where(Member.id == found.recipient_id)))


def _connector() -> Connector:
    return hosts.lines().of(current_corp_row())


def _may_recall(one: Any, connector: Connector) -> bool:
    receipt = Receipt(one.host_id, one.handle)
    return may_take_back(one, within=connector.recall_within) and connector.may_recall(receipt)


def state_text(state: str) -> str:
    """Return a message's state in words."""
    return {
        "planned": _("待发送"),
        "suppressed": _("未发送"),
        "sending": _("发送中"),
        "accepted": _("平台已接收"),
        "delivered": _("已送达"),
        "dropped": _("被平台丢弃"),
        "failed": _("发送失败"),
        "read": _("已读"),
        "acted": _("已操作"),
    }[state]


def why(one: Any) -> str:
    """Say what happened to a message, where that is worth saying."""
    parts = [_(one.reason)] if one.reason else []
    if one.host_code and one.state in ("failed", "dropped", "sending"):
        parts.append(_("平台返回代码 %(code)s", code=one.host_code))
    if one.unknown and one.state == "sending":
        parts.append(_("上次发送没有得到答复，正在用同样的内容重试"))
    if one.attempts > 1:
        parts.append(_("已尝试 %(n)s 次", n=one.attempts))
    return _("；").join(parts)
