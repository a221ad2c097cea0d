"""What messages about planned visits say, and who hears them. Cards as in `messages`."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from wsapp.crm.customers.queries import names_of
from wsapp.crm.events.models import Event
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import Card, in_language_of, link, when
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member, names
from wsapp.crm.visits.models import PLANNED, VisitPlan
from wsapp.db import first
from wsapp.texts import _


def tell_of_plan(event: Event) -> None:
    """Tell those who go along of a plan and of its end, and whoever planned it that nobody went."""
    plan: VisitPlan | None = first(sa.select(VisitPlan).where(VisitPlan.id == event.subject_id))
    if plan is None or (event.kind == "visit.planned" and plan.state != PLANNED):
        return
    readers = [plan.member_id] if event.kind == "visit.missed" else event.data.get("along", ())
    for reader in filter(None, map(member, readers)):
        if not reader.is_active or reader.id == event.actor_id:
            continue
        with in_language_of(reader):
            card = _plan_card(plan, event, reader)
        tell(reader, event.kind, card, key=f"event:{event.id}:{reader.id}", subject_id=plan.id)


def _plan_card(plan: VisitPlan, event: Event, reader: Member) -> Card:
    customer = names_of([plan.customer_id]).get(plan.customer_id, "")
    host = member(plan.member_id)
    words = {"who": host.name if host else "", "customer": customer}
    title, lines = {
        "visit.planned": (_("%(who)s 邀请您一起拜访 %(customer)s", **words), []),
        "visit.cancelled": (
            _("%(who)s 取消了拜访：%(customer)s", **words),
            [[_("原因"), str(event.data.get("reason", ""))]],
        ),
        "visit.missed": (
            _("没有按计划拜访：%(customer)s", **words),
            _absent(event.data.get("unopened", ())),
        ),
    }[event.kind]
    return {
        "title": title[:120],
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
