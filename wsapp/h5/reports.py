"""Work reports (工作汇报): writing one, reading those that were handed to me, and who has not handed one in."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g, url_for

from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import visible_customers, visible_names
from wsapp.crm.dashboards.digest_cards import TITLES
from wsapp.crm.dashboards.figures import CUSTOMERS, FOLLOW_UPS, VERIFIED, VISITS
from wsapp.crm.fields.access import row_shown
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.followups.queries import visible_follow_ups
from wsapp.crm.org.queries import leads_others, manager_of, names
from wsapp.crm.reports.actions import LONGEST, MOST_COPIES, OLDEST, TEXTS, change_report, hand_in, mark_read
from wsapp.crm.reports.cards import kind_words, period_words
from wsapp.crm.reports.content import (
    NEXT_PLANS,
    NEXT_TASKS,
    SECTIONS,
    TASKS,
    done_words,
    logged,
    next_words,
    told_figures,
)
from wsapp.crm.reports.models import DAY, KINDS, WEEK, ReportReader, WorkReport
from wsapp.crm.reports.queries import (
    SORTS,
    copyable,
    current,
    expected,
    find_report,
    readers_of,
    report_of,
    visible_reports,
    working_days,
)
from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.queries import visible_tasks
from wsapp.crm.visits.models import Visit, VisitPlan
from wsapp.crm.visits.plans import visible_plans
from wsapp.crm.visits.queries import visible_visits
from wsapp.db import db, writing
from wsapp.h5 import lists, rows, visit_lists
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import PAGE_SIZE, arg, choice, cursor, go, here_with, next_page, show
from wsapp.h5.plans import plan_rows
from wsapp.house import local
from wsapp.paging import page as page_of
from wsapp.problems import Forbidden, Problem
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("reports", __name__, url_prefix="/h5/reports")
bp.before_request(require_member)

MINE, TO_ME = "mine", "to-me"


@bp.get("")
def index() -> str:
    """My reports, or those that were handed to me, newest first."""
    whose = choice("whose", (MINE, TO_ME), MINE)
    handed = sa.select(ReportReader.report_id).where(ReportReader.member_id == g.member.id)
    mine = WorkReport.member_id == g.member.id if whose == MINE else WorkReport.id.in_(handed)
    columns = (WorkReport.id, WorkReport.kind, WorkReport.day, WorkReport.sent_at, WorkReport.member_id)
    found, after = page_of(
        sa.select(*columns).where(mine, visible_reports(g.member)),
        sorts=SORTS,
        sort="-sent_at",
        id_column=WorkReport.id,
        limit=PAGE_SIZE,
        cursor=cursor(),
    )
    tabs = [
        (here_with(whose=MINE), _("我的"), whose == MINE, None),
        (here_with(whose=TO_ME), _("给我的"), whose == TO_ME, None),
    ]
    return show(
        "reports/index.html",
        tabs=tabs,
        reports=_rows(found),
        next_url=next_page(after),
        leads=leads_others(g.member),
    )


def _rows(found: Sequence[Any]) -> list[rows.Row]:
    readers = readers_of([row.id for row in found])
    people = names([row.member_id for row in found])
    drawn = []
    for row in found:
        mine = row.member_id == g.member.id
        own = [one for one in readers[row.id] if mine or one.member_id == g.member.id]
        read = sum(1 for one in own if one.read_at)
        words = _("%(n)d/%(all)d 人已读", n=read, all=len(own)) if mine else (_("已读") if read else _("未读"))
        title = f"{kind_words(row.kind)} · {period_words(row.kind, row.day)}"
        drawn.append(
            {
                "url": url_for("reports.page", report_id=row.id),
                "icon": "edit",
                "text": title if mine else f"{people.get(row.member_id, '')} · {title}",
                "sub": rows.moment(row.sent_at),
                "badge": ("done" if read else "doing", words),
            }
        )
    return drawn


# --- writing ------------------------------------------------------------------------------------------------------


@bp.get("/new")
def new() -> Any:
    """A report, filled in from what I logged; where it is handed in already, that one."""
    kind, day = _period()
    known = report_of(g.member, kind, day)
    if known is not None:
        return go(url_for("reports.page", report_id=known.id))
    found = logged(g.member, kind, day)
    figures = {name: count for name, count in found.figures.items() if name != VERIFIED}  # not every reader may know it
    texts = {"summary": done_words(figures), "trouble": "", "outlook": next_words(figures)}
    return _show_form(Form({**texts, "kind": kind, "day": day.isoformat(), "copies": []}), kind, day)


def _period() -> tuple[str, date]:
    """Read the kind and day from the address; what is no day of the last ones is today, or this week."""
    kind = choice("kind", KINDS, DAY)
    return kind, _day(kind, arg("day"))


def _day(kind: str, text: str) -> date:
    now = current(kind)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return now
    day = day if kind == DAY else day - timedelta(days=day.weekday())
    return day if now - OLDEST[kind] <= day <= now else now


@bp.post("")
def create() -> Any:
    """Hand it in."""
    form = Form.read(("kind", "day", *TEXTS), ("copies",))
    kind = form.typed["kind"] if form.typed["kind"] in KINDS else DAY
    day = _day(kind, form.typed["day"])

    def act() -> str:
        values = {**form.typed, "kind": kind, "day": day}
        return url_for("reports.page", report_id=hand_in(values, actor=g.member).id)

    return save(form, act, again=lambda problem: _show_form(form, kind, day), words=_("汇报已提交"))


@bp.get("/<key:report_id>/edit")
def edit(report_id: str) -> str:
    """Change it, as long as nobody has read it."""
    report = _mine(report_id)
    copies = [one.member_id for one in readers_of([report.id])[report.id] if one.copied]
    values = {name: getattr(report, name) for name in TEXTS} | {"copies": copies}
    return _show_form(Form.edit(values, report.version), report.kind, report.day, report)


@bp.post("/<key:report_id>")
def change(report_id: str) -> Any:
    """Save the change."""
    form = Form.read(TEXTS, ("copies",))

    def act() -> str:
        change_report(_mine(report_id), form.typed, actor=g.member, version=form.version)
        return url_for("reports.page", report_id=report_id)

    def again(problem: Problem | None) -> str:
        report = _mine(report_id)
        form.version = report.version
        return _show_form(form, report.kind, report.day, report)

    return save(form, act, again=again, words=_("汇报已修改"))


def _mine(report_id: str) -> WorkReport:
    report = find_report(report_id, actor=g.member)
    if report.member_id != g.member.id:
        raise Forbidden(_("只有本人可以修改汇报"))
    return report


def _show_form(form: Form, kind: str, day: date, report: WorkReport | None = None) -> str:
    manager = manager_of(g.member)
    here = report or logged(g.member, kind, day)
    people = [(one.id, one.name) for one in copyable(g.member) if manager is None or one.id != manager.id]
    return show(
        "reports/form.html",
        counted=False,
        form=form,
        report=report,
        kind=kind,
        day=day,
        title=kind_words(kind),
        when=period_words(kind, day),
        other=None if report else _other(kind),
        earlier=_earlier(kind, day) if not report else "",
        manager=manager.name if manager else "",
        people=people,
        most=MOST_COPIES,
        longest=LONGEST,
        sections=_sections(told_figures(here.figures, g.member), here.items),
    )


def _other(kind: str) -> tuple[str, str]:
    other = WEEK if kind == DAY else DAY
    return url_for("reports.new", kind=other), _("写周报") if other == WEEK else _("写日报")


def _earlier(kind: str, day: date) -> str:
    before = day - timedelta(days=1 if kind == DAY else 7)
    return url_for("reports.new", kind=kind, day=before.isoformat()) if before >= current(kind) - OLDEST[kind] else ""


# --- reading ------------------------------------------------------------------------------------------------------


@bp.get("/<key:report_id>")
def page(report_id: str) -> str:
    """A report as its reader may see it: what else it holds is counted, not named. Opening it is reading it."""
    report = find_report(report_id, actor=g.member)
    with writing():
        mark_read(report, actor=g.member)
    readers = readers_of([report.id])[report.id]
    people = names([report.member_id, *(one.member_id for one in readers)])
    mine = report.member_id == g.member.id
    return show(
        "reports/page.html",
        report=report,
        title=f"{kind_words(report.kind)} · {period_words(report.kind, report.day)}",
        author=people.get(report.member_id, ""),
        facts=_facts(report),
        done=done_words(told_figures(report.figures, g.member)),
        sections=_sections(told_figures(report.figures, g.member), report.items),
        readers=[_reader(one, people) for one in readers],
        history=[_before(one) for one in reversed(report.history)],
        may_change=mine and not any(one.read_at for one in readers),
    )


def _facts(report: WorkReport) -> list[tuple[str, str]]:
    changed = rows.moment(report.updated_at) if report.history else ""
    return [
        (_("提交"), rows.moment(report.sent_at)),
        (_("修改"), changed),
        (_("总结"), report.summary),
        (_("困难和需要的支持"), report.trouble),
        (_("接下来"), report.outlook),
    ]


def _reader(one: ReportReader, people: dict[str, str]) -> rows.Row:
    role = _("抄送") if one.copied else _("主管")
    said = _("%(at)s 已读", at=rows.moment(one.read_at)) if one.read_at else _("未读")
    badge = ("done" if one.read_at else "", said)
    return {"url": "", "icon": "me", "text": people.get(one.member_id, ""), "sub": role, "badge": badge}


def _before(one: dict[str, Any]) -> tuple[str, str]:
    texts = "\n".join(filter(None, (one["summary"], one["trouble"], one["outlook"])))
    return rows.moment(local(datetime.fromisoformat(one["at"]))), texts


def _sections(figures: dict[str, int], items: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Return the sections that hold something: title, how many there are, rows of what may be seen, how many not."""
    found = []
    for name in SECTIONS:
        count = figures.get(name, 0)
        if not count:
            continue
        drawn = _DRAWN[name](items.get(name, []))
        found.append({"title": _title(name), "count": count, "rows": drawn, "more": max(count - len(drawn), 0)})
    return found


def _title(name: str) -> str:
    own = {TASKS: _("完成的待办"), NEXT_PLANS: _("接下来的拜访"), NEXT_TASKS: _("接下来的待办")}
    return own.get(name) or str(TITLES[name])


def _visits(ids: list[str]) -> list[rows.Row]:
    wanted = visit_lists.visit_list().where(Visit.id.in_(ids), visible_visits(g.member))
    return rows.visit_rows(db.session.execute(wanted.order_by(Visit.checked_in_at, Visit.id)), viewer_id="")


def _follow_ups(ids: list[str]) -> list[rows.Row]:
    columns = (FollowUp.id, FollowUp.customer_id, FollowUp.text, FollowUp.happened_at)
    wanted = sa.select(*columns).where(FollowUp.id.in_(ids), visible_follow_ups(g.member))
    found = db.session.execute(wanted.order_by(FollowUp.happened_at, FollowUp.id)).all()
    seen = visible_names((row.customer_id for row in found), actor=g.member)
    return [
        {
            "url": url_for("customers.page", customer_id=row.customer_id),
            "icon": "message",
            "text": seen[row.customer_id],
            "sub": " · ".join(
                filter(None, (rows.moment(row.happened_at), (row_shown(g.member, row, "follow_up").text or "")[:60]))
            ),
        }
        for row in found
        if row.customer_id in seen
    ]


def _tasks(ids: list[str]) -> list[rows.Row]:
    wanted = lists.task_list().where(Task.id.in_(ids), visible_tasks(g.member))
    return [
        {
            "url": url_for("tasks.page", task_id=row.id),
            "icon": "tasks",
            "text": row.title,
            "sub": rows.moment(row.done_at or row.due_at, all_day=row.all_day and not row.done_at),
        }
        for row in db.session.execute(wanted.order_by(Task.due_at, Task.id))
    ]


def _customers(ids: list[str]) -> list[rows.Row]:
    wanted = sa.select(Customer.id, Customer.name, Customer.created_at).where(
        Customer.id.in_(ids), visible_customers(g.member)
    )
    return [
        {
            "url": url_for("customers.page", customer_id=row.id),
            "icon": "customers",
            "text": row.name,
            "sub": rows.moment(row.created_at),
        }
        for row in db.session.execute(wanted.order_by(Customer.created_at, Customer.id))
    ]


def _plans(ids: list[str]) -> list[rows.Row]:
    wanted = visit_lists.plan_list().where(VisitPlan.id.in_(ids), visible_plans(g.member))
    return plan_rows(db.session.execute(wanted.order_by(VisitPlan.starts_at, VisitPlan.id)).all())


_DRAWN = {
    VISITS: _visits,
    FOLLOW_UPS: _follow_ups,
    TASKS: _tasks,
    CUSTOMERS: _customers,
    NEXT_PLANS: _plans,
    NEXT_TASKS: _tasks,
}


# --- the team -----------------------------------------------------------------------------------------------------


@bp.get("/team")
def team() -> str:
    """Who of my people has handed in, who was away, and who has not: of a day or a week."""
    kind = choice("kind", KINDS, DAY)
    day = _day(kind, arg("day"))
    found = expected(g.member, kind, day) if working_days(kind, day) else []
    step = timedelta(days=1 if kind == DAY else 7)
    earlier = day - step
    return show(
        "reports/team.html",
        when=period_words(kind, day),
        tabs=[(here_with(kind=one, day=None), kind_words(one), one == kind, None) for one in KINDS],
        earlier=here_with(day=earlier.isoformat()) if earlier >= current(kind) - OLDEST[kind] else "",
        later=here_with(day=(day + step).isoformat()) if day + step <= current(kind) else "",
        works=bool(working_days(kind, day)),
        leads=leads_others(g.member),
        missing=[_missing(one) for one in found if one.report is None],
        handed=[_handed(one) for one in found if one.report is not None],
    )


def _missing(one: Any) -> rows.Row:
    badge = ("", _("休假")) if one.away else ("overdue", _("未提交"))
    return {"url": url_for("team.page", member_id=one.member_id), "icon": "me", "text": one.name, "badge": badge}


def _handed(one: Any) -> rows.Row:
    return {
        "url": url_for("reports.page", report_id=one.report.report_id),
        "icon": "edit",
        "text": one.name,
        "sub": rows.moment(one.report.sent_at),
        "badge": ("done", _("已提交")),
    }
