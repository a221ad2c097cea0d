"""The board (看板) of whoever looks after others: figures compared with what is usual, exceptions, a trend, the team.

Each figure opens the list that it counts. Nothing is kept: what the page shows is how it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g, url_for

from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import visible_names
from wsapp.crm.dashboards import figures as counting
from wsapp.crm.dashboards.digest_cards import TITLES, said
from wsapp.crm.dashboards.figures import CUSTOMERS, FIGURES, FOLLOW_UPS, VISITS, Scope, Stretch
from wsapp.crm.fields.access import row_shown
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import leads_others, member, names
from wsapp.crm.pools.clocks import today
from wsapp.crm.pools.words import days_left, why
from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.queries import are_overdue
from wsapp.crm.visits.models import Visit
from wsapp.h5 import charts, lists, rows, timeline, visit_lists, words
from wsapp.h5.pages import PAGE_SIZE, arg, choice, cursor, here_with, next_page, show
from wsapp.house import local_now
from wsapp.paging import page as page_of
from wsapp.problems import NotFound
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("board", __name__, url_prefix="/h5/board")
bp.before_request(require_member)

DAY, WEEK = "day", "week"
TREND_DAYS = 14
LABEL_EVERY = 3
MOST_PEOPLE = 200
MOST_SHOWN = 500  # customers or people in one list
OLDEST = timedelta(days=731)
LOST = "lost"
OVERDUE, LEAVING, IDLE, STAGE = "overdue", "leaving", "idle", "stage"


@dataclass(frozen=True)
class Span:
    """The day or week that the page speaks of, and with what it is compared."""

    kind: str
    first: date
    stretch: Stretch
    before: Sequence[Stretch]

    def url(self, endpoint: str, **more: Any) -> str:
        """Return the address of a page about this span."""
        return url_for(endpoint, span=self.kind, day=self.first.isoformat(), **more)


def _span() -> Span:
    """Read the span from the address: `span`, `day` (any of a week). What is not a day of the last years is today."""
    today = local_now().date()
    try:
        day = date.fromisoformat(arg("day"))
    except ValueError:
        day = today
    if not today - OLDEST <= day <= today:
        day = today
    if choice("span", (DAY, WEEK), DAY) == DAY:
        return Span(DAY, day, counting.days(day), counting.same_days_before(day))
    monday = day - timedelta(days=day.weekday())
    return Span(WEEK, monday, counting.days(monday, 7), counting.weeks_before(monday))


@bp.get("")
def index() -> str:
    """The figures of a day or week, what is out of order, two weeks as a chart, and each person's part."""
    scope, span = counting.scope_of(g.member), _span()
    compared = counting.compared(scope, span.stretch, span.before)
    overdue = counting.overdue_by_person(scope)
    idle = counting.idle(scope, span.stretch, day=local_now().date(), but=g.member.id)
    step = timedelta(days=1 if span.kind == DAY else 7)
    return show(
        "board/index.html",
        leads=leads_others(g.member),
        tabs=[
            (here_with(span=kind, day=None), text, span.kind == kind, None)
            for kind, text in ((DAY, _("按天")), (WEEK, _("按周")))
        ],
        when=_words(span),
        earlier=url_for("board.index", span=span.kind, day=(span.first - step).isoformat()),
        later=url_for("board.index", span=span.kind, day=(span.first + step).isoformat())
        if span.first + step <= local_now().date()
        else "",
        wrong=_exceptions(scope, span, overdue, idle),
        figures=[
            {"url": span.url("board.listed", what=name), "text": str(TITLES[name]), "value": said(compared[name])}
            for name in FIGURES
            if name in compared
        ],
        funnel=_funnel(scope),
        trend=_trend(scope),
        people=_people(scope, span, overdue, idle),
        owners=scope.owners,
        feed_url=url_for("board.feed", day=span.first.isoformat()),
    )


def _words(span: Span) -> str:
    first = _("%(month)d月%(day)d日", month=span.first.month, day=span.first.day)
    if span.kind == DAY:
        return first
    last = span.first + timedelta(days=6)
    return f"{first} – {_('%(month)d月%(day)d日', month=last.month, day=last.day)}"


def _exceptions(scope: Scope, span: Span, overdue: Mapping[str, int], idle: Sequence[Any]) -> list[rows.Row]:
    found: list[rows.Row] = []
    if overdue:
        text = _("%(n)d 人有逾期待办", n=len(overdue))
        url = url_for("board.listed", what=OVERDUE)
        found.append({"url": url, "icon": "alert", "text": text, "value": str(sum(overdue.values()))})
    if leaving := len(counting.leaving_soon(scope)):
        url = url_for("board.listed", what=LEAVING)
        found.append({"url": url, "icon": "clock", "text": _("3 天内回收的客户"), "value": str(leaving)})
    if idle:
        named = _("、").join(one.name for one in idle[:5])
        text = _("%(n)d 人没有动静", n=len(idle))
        found.append({"url": span.url("board.listed", what=IDLE), "icon": "team", "text": text, "sub": named})
    return found


def _funnel(scope: Scope) -> list[dict[str, Any]]:
    """Draw the people's customers by stage, each stage leading to them; nothing while there are none."""
    found = counting.by_stage(scope)
    most = max(found.values(), default=0)
    return [
        {
            "url": url_for("board.listed", what=STAGE, stage=stage),
            "text": str(text),
            "count": found.get(stage, 0),
            "width": round(100 * found.get(stage, 0) / most, 1),
            "lost": stage == LOST,
        }
        for stage, text in words.STAGES.items()
        if most
    ]


def _trend(scope: Scope) -> dict[str, Any]:
    today = local_now().date()
    days = [today - timedelta(days=back) for back in reversed(range(TREND_DAYS))]
    found = counting.totals(scope, [counting.days(day) for day in days], (VISITS, FOLLOW_UPS))
    labels = [f"{day.month}/{day.day}" if at % LABEL_EVERY == 1 else "" for at, day in enumerate(days)]
    return {
        "chart": charts.chart(found[VISITS], found[FOLLOW_UPS], labels),
        "label": _(
            "最近 %(days)d 天：拜访 %(visits)d 次，跟进 %(logs)d 次",
            days=TREND_DAYS,
            visits=sum(found[VISITS]),
            logs=sum(found[FOLLOW_UPS]),
        ),
    }


def _people(scope: Scope, span: Span, overdue: Mapping[str, int], idle: Sequence[Any]) -> list[dict[str, Any]]:
    """Each person's part, who did most first, whoever did nothing last."""
    done = counting.by_person(scope, span.stretch, (CUSTOMERS, FOLLOW_UPS, VISITS))
    parts = {who: done.get(who, {}) for who in (*done, *overdue, *(one.id for one in idle))}
    ranked = sorted(parts, key=lambda who: (-sum(parts[who].values()), -overdue.get(who, 0), who))[:MOST_PEOPLE]
    called = names(ranked)
    return [
        {
            "name": called.get(who, ""),
            "url": url_for("team.page", member_id=who),
            "cells": [
                *(
                    (parts[who].get(name, 0), span.url("board.listed", what=name, person=who))
                    for name in _columns(scope)
                ),
                (overdue.get(who, 0), url_for("board.listed", what=OVERDUE, person=who)),
            ],
        }
        for who in ranked
        if any(parts[who].values()) or who in overdue or who in {one.id for one in idle}
    ]


def _columns(scope: Scope) -> Sequence[str]:
    return (VISITS, FOLLOW_UPS, CUSTOMERS) if scope.owners else (VISITS, FOLLOW_UPS)


# --- what a figure counts -----------------------------------------------------------------------------------------


@bp.get("/list")
def listed() -> str:
    """The records that a figure counts, newest first: `what`, `span`, `day`, `person`."""
    scope, what = counting.scope_of(g.member), choice("what", (*FIGURES, OVERDUE, LEAVING, IDLE, STAGE), VISITS)
    if not scope.has(what) or (what == STAGE and not scope.stages):
        raise NotFound(_("没有这样的数字"))
    span, person = _span(), member(arg("person")) if arg("person") else None
    if what == CUSTOMERS and not scope.owners:
        person = None
    if what == OVERDUE:
        return _overdue(scope, person)
    if what == STAGE:
        return _of_stage(scope, choice("stage", words.STAGES, LOST))
    if what == LEAVING:
        return _list(_("3 天内回收的客户"), "", _leaving(scope), None, None)
    if what == IDLE:
        return _list(_("没有动静的人"), _words(span), _idle(scope, span), None, span)
    whose = [counting.person_of(what) == person.id] if person else []
    statement = _LISTS[what if what in (CUSTOMERS, FOLLOW_UPS) else VISITS].where(
        counting.counted_by(what, scope), counting.during(what, span.stretch), *whose
    )
    at = counting.moment_of(what)
    ids = {CUSTOMERS: Customer.id, FOLLOW_UPS: FollowUp.id}.get(what, Visit.id)
    found, after = page_of(
        statement, sorts={"-at": (at, True)}, sort="-at", id_column=ids, limit=PAGE_SIZE, cursor=cursor()
    )
    drawn = _DRAWN[what](found) if what in _DRAWN else rows.visit_rows(found, viewer_id="")
    title = str(TITLES[what])
    return _list(f"{title} · {person.name}" if person and found else title, _words(span), drawn, after, span)


def _list(title: str, sub: str, drawn: Sequence[rows.Row], after: str | None, span: Span | None) -> str:
    back = span.url("board.index") if span else url_for("board.index")
    return show("board/list.html", title=title, sub=sub, rows=drawn, next_url=next_page(after), back=back)


def _overdue(scope: Scope, person: Member | None) -> str:
    whose = [Task.assignee_id == person.id] if person else []
    statement = lists.task_list().where(scope.within(Task.assignee_id, "task"), are_overdue(), *whose)
    found, after = page_of(
        statement,
        sorts={"due_at": (Task.due_at, False)},
        sort="due_at",
        id_column=Task.id,
        limit=PAGE_SIZE,
        cursor=cursor(),
    )
    drawn = [
        {
            "url": url_for("tasks.page", task_id=row.id),
            "icon": "tasks",
            "text": row.title,
            "sub": " · ".join(filter(None, (row.assignee_name, rows.moment(row.due_at, all_day=row.all_day)))),
            "badge": ("overdue", _("已逾期")),
        }
        for row in found
    ]
    return _list(_("逾期待办"), person.name if person and found else "", drawn, after, None)


def _of_stage(scope: Scope, stage: str) -> str:
    found, after = page_of(
        _CUSTOMERS.add_columns(Customer.updated_at).where(counting.owned(scope), Customer.stage == stage),
        sorts={"-updated_at": (Customer.updated_at, True)},
        sort="-updated_at",
        id_column=Customer.id,
        limit=PAGE_SIZE,
        cursor=cursor(),
    )
    return _list(_("客户阶段"), str(words.STAGES[stage]), _customer_rows(found, "updated_at"), after, None)


def _leaving(scope: Scope) -> list[rows.Row]:
    found = counting.leaving_soon(scope)[:MOST_SHOWN]
    owners = names([row.owner_id for row, _one in found]) if scope.owners else {}
    return [
        {
            "url": url_for("customers.page", customer_id=row.id),
            "icon": "customers",
            "text": row.name,
            "sub": " · ".join(filter(None, (owners.get(row.owner_id, ""), days_left(one, today()), why(one)))),
        }
        for row, one in found
    ]


def _idle(scope: Scope, span: Span) -> list[rows.Row]:
    found = counting.idle(scope, span.stretch, day=local_now().date(), but=g.member.id)[:MOST_SHOWN]
    return [{"url": url_for("team.page", member_id=one.id), "icon": "me", "text": one.name} for one in found]


_CUSTOMERS = sa.select(Customer.id, Customer.name, Customer.created_at, Member.name.label("person")).outerjoin(
    Member, sa.and_(Member.corp_id == Customer.corp_id, Member.id == Customer.owner_id)
)
_FOLLOW_UPS = sa.select(
    FollowUp.id, FollowUp.customer_id, FollowUp.happened_at, FollowUp.text, Member.name.label("person")
).join(Member, sa.and_(Member.corp_id == FollowUp.corp_id, Member.id == FollowUp.author_id))
_LISTS: Mapping[str, Any] = {CUSTOMERS: _CUSTOMERS, FOLLOW_UPS: _FOLLOW_UPS, VISITS: visit_lists.visit_list()}


def _customer_rows(found: Sequence[Any], at: str = "created_at") -> list[rows.Row]:
    owners = counting.scope_of(g.member).owners
    return [
        {
            "url": url_for("customers.page", customer_id=row.id),
            "icon": "customers",
            "text": row.name,
            "sub": " · ".join(filter(None, (row.person if owners else "", rows.moment(getattr(row, at))))),
        }
        for row in found
    ]


def _follow_up_rows(found: Sequence[Any]) -> list[rows.Row]:
    seen = visible_names((row.customer_id for row in found), actor=g.member)
    drawn = []
    for row in found:
        about = seen.get(row.customer_id)
        text = row_shown(g.member, row, "follow_up").text or ""
        drawn.append(
            {
                "url": url_for("customers.page", customer_id=row.customer_id) if about else "",
                "icon": "edit",
                "text": about or _("无权查看的客户"),
                "sub": " · ".join(filter(None, (row.person, rows.moment(row.happened_at), text[:60]))),
            }
        )
    return drawn


_DRAWN: Mapping[str, Any] = {CUSTOMERS: _customer_rows, FOLLOW_UPS: _follow_up_rows}


# --- who logged what ----------------------------------------------------------------------------------------------


@bp.get("/feed")
def feed() -> str:
    """Who logged what on a day: follow-ups, visits, new customers and finished tasks of one's people, newest first."""
    span = _span()
    items, after = timeline.of_team(span.stretch, limit=PAGE_SIZE, cursor=cursor())
    return show(
        "board/feed.html", items=items, next_url=next_page(after), when=_words(span), back=span.url("board.index")
    )
