"""Which reports a person may see, who they can be handed to, who has handed one in and who has not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Customer
from wsapp.crm.fields.access import reads
from wsapp.crm.org.absences import is_away
from wsapp.crm.org.models import ACTIVE, Member, Membership
from wsapp.crm.org.queries import administrators, assignable_members, manager_of, within_team
from wsapp.crm.org.rights import sight
from wsapp.crm.org.workdays import is_workday
from wsapp.crm.reports.models import DAY, ReportReader, WorkReport
from wsapp.crm.tasks.models import Task
from wsapp.db import db, first, rows
from wsapp.house import local_now
from wsapp.problems import NotFound
from wsapp.texts import _

SORTS = {"-sent_at": (WorkReport.sent_at, True), "sent_at": (WorkReport.sent_at, False)}
MOST_PEOPLE = 500


def visible_reports(actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition for the reports that the actor may see: their own, those handed to them, their people's."""
    if sight(actor, "follow_up").people is None:
        return sa.true()
    handed = sa.select(ReportReader.report_id).where(ReportReader.member_id == actor.id)
    theirs = within_team(WorkReport.member_id, actor, "follow_up")
    return sa.or_(WorkReport.member_id == actor.id, WorkReport.id.in_(handed), theirs)


def find_report(report_id: str, *, actor: Member) -> WorkReport:
    """Return a report that the actor may see; raises NotFound for all others."""
    found: WorkReport | None = first(sa.select(WorkReport).where(WorkReport.id == report_id, visible_reports(actor)))
    if found is None:
        raise NotFound(_("汇报不存在或无权查看"))
    return found


def report_of(author: Member, kind: str, day: date) -> WorkReport | None:
    """Return somebody's report of a period."""
    theirs = (WorkReport.member_id == author.id, WorkReport.kind == kind, WorkReport.day == day)
    found: WorkReport | None = first(sa.select(WorkReport).where(*theirs))
    return found


def readers_of(report_ids: Sequence[str]) -> dict[str, list[ReportReader]]:
    """Return to whom reports were handed, by report, the manager first."""
    found: dict[str, list[ReportReader]] = {one: [] for one in report_ids}
    asked = sa.select(ReportReader).where(ReportReader.report_id.in_(sorted(found)))
    for one in rows(asked.order_by(ReportReader.copied, ReportReader.id)) if found else ():
        found[one.report_id].append(one)
    return found


def copyable(actor: Member) -> Sequence[Member]:
    """Return who may get a copy, by name: the actor's team, those above them, of their departments, administrators."""
    found = {one.id: one for one in (*assignable_members(actor), *administrators())}
    above, seen = manager_of(actor), {actor.id}
    while above is not None and above.id not in seen:
        found[above.id] = above
        seen.add(above.id)
        above = manager_of(above)
    mine = sa.select(Membership.department_id).where(Membership.member_id == actor.id)
    beside = sa.select(Membership.member_id).where(Membership.department_id.in_(mine))
    near = sa.select(Member).where(Member.status == ACTIVE, Member.id.in_(beside)).order_by(Member.name)
    found |= {one.id: one for one in rows(near.limit(MOST_PEOPLE))}
    found.pop(actor.id, None)
    return sorted((one for one in found.values() if one.status == ACTIVE), key=lambda one: (one.name, one.id))


# --- who has handed in --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Expected:
    """Somebody of whom a report is expected: it (a row: report_id, sent_at) or None, and whether they were away."""

    member_id: str
    name: str
    report: Any
    away: bool


def expected(actor: Member, kind: str, day: date) -> list[Expected]:
    """Return the actor's people of a period: who has not handed in, who was away, who has. One statement.

    Expected is whoever has work here, a customer (as far as owners may be told) or an open task. Who was away on all of
    its working days owes none.
    """
    theirs = sa.and_(
        WorkReport.corp_id == Member.corp_id,
        WorkReport.member_id == Member.id,
        WorkReport.kind == kind,
        WorkReport.day == day,
        visible_reports(actor),
    )
    people = (
        sa.select(Member.id, Member.name, WorkReport.id.label("report_id"), WorkReport.sent_at)
        .outerjoin(WorkReport, theirs)
        .where(
            Member.status == ACTIVE,
            Member.id != actor.id,
            within_team(Member.id, actor, "follow_up"),
            sa.or_(have_work(owners=reads(actor, "owner")), WorkReport.id.is_not(None)),
        )
    )
    found = [
        Expected(row.id, row.name, row if row.report_id else None, was_away(row.id, kind, day))
        for row in db.session.execute(people.order_by(Member.name, Member.id).limit(MOST_PEOPLE))
    ]
    return sorted(found, key=lambda one: (one.report is not None, one.away))


def have_work(*, owners: bool = True) -> sa.ColumnElement[bool]:
    """Return the condition for members who have a customer (not without `owners`: it tells of them) or an open task."""
    customers = sa.exists().where(
        Customer.corp_id == Member.corp_id, Customer.owner_id == Member.id, Customer.deleted_at.is_(None)
    )
    tasks = sa.exists().where(Task.corp_id == Member.corp_id, Task.assignee_id == Member.id, Task.done_at.is_(None))
    return sa.or_(customers, tasks) if owners else tasks


def working_days(kind: str, day: date) -> list[date]:
    """Return the working days of a period."""
    every = [day + timedelta(days=number) for number in range(1 if kind == DAY else 7)]
    return [one for one in every if is_workday(one)]


def was_away(member_id: str, kind: str, day: date) -> bool:
    """Say whether somebody was away on all working days of a period."""
    found = working_days(kind, day)
    return bool(found) and all(is_away(member_id, one) for one in found)


def current(kind: str) -> date:
    """Return the day, or the Monday, of the period of now."""
    today = local_now().date()
    return today if kind == DAY else today - timedelta(days=today.weekday())
