"""What messages about planned visits say, who hears them, and what the buttons of a reminder do. Cards as in
`messages`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.queries import names_of, visible_names
from wsapp.crm.events.models import Event
from wsapp.crm.notifications.actions import (
    mark_acted,
    notification_with_card,
    refresh_card,
    set_shown,
    suppress_planned,
    tell,
)
from wsapp.crm.notifications.messages import Card, in_language_of, link, when
from wsapp.crm.notifications.models import PLANNED as WAITS
from wsapp.crm.notifications.models import SUPPRESSED, Notification
from wsapp.crm.notifications.reminders import Press
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member, member_by_userid, names
from wsapp.crm.org.rules import rule
from wsapp.crm.visits.models import AHEAD, CANCELLED, MISSED, ON_WAY, PLANNED, VisitPlan
from wsapp.crm.visits.plan_reminders import stamp
from wsapp.crm.visits.plans import cancel_plan, participants_of, set_out
from wsapp.db import first, rows
from wsapp.house import local
from wsapp.problems import Problem
from wsapp.texts import _

SOON = "visit.soon"
SET_OUT, CHECK_IN, CALL_OFF = "plan_set_out", "plan_check_in", "plan_cancel"  # keys of the reminder's buttons


def tell_of_plan(event: Event) -> None:
    """Tell those who go along of a plan, of changes to it and of its end, and whoever planned it that nobody went."""
    plan: VisitPlan | None = first(sa.select(VisitPlan).where(VisitPlan.id == event.subject_id))
    if plan is None:
        return
    _show_on_cards(plan)
    if event.kind in ("visit.planned", "visit.replanned", "visit.set_out") and plan.state not in AHEAD:
        return
    for reader_id, kind in _readers(event, plan).items():
        reader = member(reader_id)
        if reader is None or not reader.is_active or reader.id == event.actor_id:
            continue
        with in_language_of(reader):
            card = _plan_card(plan, kind, event)
        tell(reader, kind, card, key=f"event:{event.id}:{reader.id}", subject_id=plan.id)


def _readers(event: Event, plan: VisitPlan) -> dict[str, str]:
    """Return who hears, with the kind of message: who is asked along only now, or no longer, hears just that."""
    data = event.data
    if event.kind == "visit.missed":
        return {plan.member_id: event.kind}
    if event.kind != "visit.replanned":
        return dict.fromkeys(data.get("along", ()), event.kind)
    moved = data.get("along", ()) if data.get("moved") else ()
    return (
        dict.fromkeys(moved, event.kind)
        | dict.fromkeys(data.get("new", ()), "visit.planned")
        | dict.fromkeys(data.get("gone", ()), "visit.cancelled")
    )


def _plan_card(plan: VisitPlan, kind: str, event: Event) -> Card:
    customer = names_of([plan.customer_id]).get(plan.customer_id, "")
    doer = member(event.actor_id or plan.member_id)
    words = {"who": doer.name if doer else "", "customer": customer}
    reason = str(event.data.get("reason", ""))
    titles: Mapping[str, str] = {
        "visit.planned": _("%(who)s 邀请您一起拜访 %(customer)s", **words),
        "visit.replanned": _("%(who)s 调整了拜访时间：%(customer)s", **words),
        "visit.set_out": _("%(who)s 已出发去拜访 %(customer)s", **words),
        "visit.cancelled": _("%(who)s 取消了拜访：%(customer)s", **words)
        if reason
        else _("%(who)s 不再需要您一起拜访 %(customer)s", **words),
        "visit.missed": _("没有按计划拜访：%(customer)s", **words),
    }
    lines = [[_("原因"), reason]] if reason else []
    if kind == "visit.missed":
        lines = _absent(event.data.get("unopened", ()))
    return {
        "title": titles[kind][:120],
        "text": plan.purpose,
        "lines": [[_("时间"), _window(plan.starts_at, plan.ends_at)], *lines],
        "url": link(f"/h5/visits/plans/{plan.id}"),
        "buttons": [],
        "source": _("拜访计划"),
        "state": "",
    }


def _absent(ids: Sequence[str]) -> list[list[str]]:
    if not ids:
        return []
    called = names(ids)
    return [[_("没有打开应用的同行人"), _("、").join(called.get(one, "") for one in ids)]]


def _window(starts_at: datetime, ends_at: datetime) -> str:
    return f"{when(starts_at)} – {when(ends_at)}"


# --- the reminder before it ---------------------------------------------------------------------------------------


def remind_of_plan(plan_id: str, starts: int) -> None:
    """Remind those who go of a planned visit, unless it was moved, began, ended or was called off meanwhile."""
    plan: VisitPlan | None = first(sa.select(VisitPlan).where(VisitPlan.id == plan_id))
    if plan is None or plan.state != PLANNED or stamp(plan) != starts:
        return
    if not rule("visit.remind") or clock.now() >= plan.ends_at:
        return
    for reader_id in (plan.member_id, *participants_of(plan.id)):
        reader = member(reader_id)
        if reader is None or not reader.is_active:
            continue
        with in_language_of(reader):
            card = _reminder_card(plan, reader)
        # The person chose the minute of the visit: quiet hours do not hold its reminder back.
        tell(reader, SOON, card, key=f"plan:{plan.id}:{starts}:{reader.id}", subject_id=plan.id, chosen=True)


def _reminder_card(plan: VisitPlan, reader: Member) -> Card:
    customer = names_of([plan.customer_id]).get(plan.customer_id, "")
    called = names([plan.member_id, *participants_of(plan.id)])
    others = [name for one, name in called.items() if one != reader.id]
    along = [[_("一起去"), _("、").join(others)]] if others else []
    return {
        "title": _("拜访提醒：%(customer)s", customer=customer)[:120],
        "text": plan.purpose,
        "lines": [[_("时间"), _window(plan.starts_at, plan.ends_at)], [_("类型"), plan.kind], *along],
        "url": link(f"/h5/visits/plans/{plan.id}"),
        "buttons": _buttons(plan, reader),
        "source": _("拜访前提醒"),
        "state": "",
    }


def _buttons(plan: VisitPlan, reader: Member) -> list[dict[str, str]]:
    """The check-in opens its page, for it wants a position; only whoever planned it may call it off."""
    found = [{"key": SET_OUT, "text": _("出发"), "style": "primary"}]
    if visible_names([plan.customer_id], actor=reader):
        url = link(f"/h5/customers/{plan.customer_id}/visits/new?plan={plan.id}")
        found.append({"key": CHECK_IN, "text": _("签到"), "style": "plain", "url": url})
    if plan.member_id == reader.id:
        found.append({"key": CALL_OFF, "text": _("取消"), "style": "plain"})
    return found


def press(card: str, userid: str, action: str, *, fold: bool) -> Press | None:
    """Do what the button of a reminder says, once, for whom it was sent to; None for any other card."""
    notification = notification_with_card(card)
    if notification is None or notification.kind != SOON:
        return None
    plan: VisitPlan | None = first(sa.select(VisitPlan).where(VisitPlan.id == notification.subject_id))
    reader = member_by_userid(userid, fold=fold)
    if plan is None or reader is None or not reader.is_active or reader.id != notification.recipient_id:
        return Press(notification, False)
    with in_language_of(reader):
        counted = _act(plan, action, reader)
        set_shown(notification, _state_text(plan))
    if counted:
        mark_acted(notification)
    return Press(notification, counted)


def _act(plan: VisitPlan, action: str, reader: Member) -> bool:
    try:
        if action == SET_OUT:
            return set_out(plan, actor=reader)
        if action == CALL_OFF:
            return cancel_plan(plan, actor=reader, reason=_("在提醒卡片上取消"))
    except Problem:
        return False
    return False


def _show_on_cards(plan: VisitPlan) -> None:
    """Have the reminders of a plan show how it is, and stop those that have not gone out and say what is over."""
    if plan.state != PLANNED:
        suppress_planned(plan.id, _("拜访计划已变化"), kinds=(SOON,))
    told = sa.select(Notification).where(Notification.subject_id == plan.id, Notification.kind == SOON)
    for one in rows(told):
        reader = member(one.recipient_id)
        if reader is None:
            continue
        is_old = f":{stamp(plan)}:" not in one.key
        with in_language_of(reader):
            text = _("拜访已改期") if is_old else _state_text(plan)
        if is_old and one.state == WAITS and not one.attempts:
            one.state, one.reason = SUPPRESSED, text
        if text:
            refresh_card(one, text)


def _state_text(plan: VisitPlan) -> str:
    """Return what stands on a reminder in place of its buttons; empty while the visit is ahead."""
    at = f"{local(plan.left_at):%H:%M}" if plan.left_at else ""
    states: dict[str, Any] = {
        PLANNED: "",
        ON_WAY: _("已出发 %(at)s · 到达后点开签到", at=at),
        CANCELLED: _("拜访已取消"),
        MISSED: _("没有到访"),
    }
    return str(states.get(plan.state, _("已签到")))


def tell_of_arrival(event: Event) -> None:
    """Somebody checked in by a plan: its reminders say so."""
    found = sa.select(VisitPlan).where(VisitPlan.id == event.data.get("plan"))
    plan: VisitPlan | None = first(found) if event.data.get("plan") else None
    if plan is not None:
        _show_on_cards(plan)
