"""Handing a report in, changing it until somebody has read it, reading it, reminding of it."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.clean import clean_text
from wsapp.crm.events.actions import record
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import in_language_of
from wsapp.crm.org.models import ACTIVE, Member
from wsapp.crm.org.queries import manager_of, member
from wsapp.crm.reports import rules  # noqa: F401 - declares what is asked for by the jobs
from wsapp.crm.reports.cards import missing_card, report_card
from wsapp.crm.reports.content import logged
from wsapp.crm.reports.models import DAY, KINDS, ReportReader, WorkReport
from wsapp.crm.reports.queries import copyable, current, have_work, readers_of, report_of, was_away
from wsapp.db import current_corp, db, first, insert_unless_there, new_id, rows
from wsapp.problems import Conflict, Forbidden, Invalid, Stale
from wsapp.texts import _

TEXTS = ("summary", "trouble", "outlook")
LONGEST = 3000
MOST_COPIES = 5
OLDEST = {DAY: timedelta(days=7), "week": timedelta(days=14)}
LOT = 50  # people reminded in one transaction


def hand_in(values: Mapping[str, Any], *, actor: Member) -> WorkReport:
    """Hand a report in (提交汇报): {kind, day, summary, trouble?, outlook?, copies? [member ids]}.

    It goes to whoever looks after the actor, with copies to up to five, as one card each. One a person, kind and
    period: a second one raises Conflict. Raises Invalid.
    """
    errors: dict[str, str] = {}
    kind, day = str(values.get("kind") or ""), values.get("day")
    if kind not in KINDS or not isinstance(day, date):
        raise Invalid({"kind": _("请从列表中选择")})
    if kind != DAY:
        day -= timedelta(days=day.weekday())
    if not current(kind) - OLDEST[kind] <= day <= current(kind):
        errors["day"] = _("只能提交最近的汇报")
    texts = _texts(values, errors)
    copies = _copies(values.get("copies") or (), (), actor, errors)
    manager = manager_of(actor)
    if manager is None and not copies:
        errors["copies"] = _("没有找到您的主管，请至少选择一位抄送人")
    if errors:
        raise Invalid(errors)
    now, found = clock.now(), logged(actor, kind, day)
    key = {"corp_id": current_corp(), "id": new_id(), "member_id": actor.id, "kind": kind, "day": day}
    more = {"figures": found.figures, "items": found.items, "history": [], "version": 1}
    if not insert_unless_there(WorkReport, {**key, **texts, **more, "sent_at": now, "updated_at": now}):
        raise Conflict({"day": _("这个时段的汇报已经提交过，请打开后修改")})
    report: WorkReport = first(sa.select(WorkReport).where(WorkReport.id == key["id"]))
    _hand_to(report, [manager.id] if manager else [], copied=False)
    _hand_to(report, [one for one in copies if manager is None or one != manager.id], copied=True)
    _tell_readers(report, actor)
    record("report.sent", report, actor=actor, report_kind=kind, day=day.isoformat())
    return report


def change_report(report: WorkReport, values: Mapping[str, Any], *, actor: Member, version: int | None = None) -> bool:
    """Change one's own report, as long as nobody has read it; says whether anything changed.

    What it is filled in from is counted anew; the texts of before stay with it. Raises Forbidden, Invalid, Stale.
    """
    if report.member_id != actor.id:
        raise Forbidden(_("只有本人可以修改汇报"))
    readers = readers_of([report.id])[report.id]
    if any(one.read_at for one in readers):
        raise Forbidden(_("已有人看过这份汇报，不能再改"))
    errors: dict[str, str] = {}
    before = [one.member_id for one in readers if one.copied]
    texts = _texts({name: getattr(report, name) for name in TEXTS} | dict(values), errors)
    copies = _copies(values.get("copies", before), before, actor, errors)
    if errors:
        raise Invalid(errors)
    had = {name: getattr(report, name) for name in TEXTS}
    if version is not None and version != report.version:
        changes = {name: (had[name], text) for name, text in texts.items() if text != had[name]}
        raise Stale(_("该汇报刚被修改，请核对后再保存"), record=report, changes=changes)
    managers = [one.member_id for one in readers if not one.copied]
    copies = [one for one in copies if one not in managers]
    if not managers and not copies:
        raise Invalid({"copies": _("没有找到您的主管，请至少选择一位抄送人")})
    if texts == had and {*copies} == {*before}:
        return False
    now, found = clock.now(), logged(actor, report.kind, report.day)
    if texts != had:
        report.history = [*report.history, {"at": report.updated_at.isoformat(), **had}]
    for name, text in texts.items():
        setattr(report, name, text)
    report.figures, report.items, report.updated_at = found.figures, found.items, now
    report.version += 1
    gone = [one for one in before if one not in copies]
    db.session.execute(
        sa.delete(ReportReader).where(ReportReader.report_id == report.id, ReportReader.member_id.in_(gone))
    )
    _hand_to(report, [one for one in copies if one not in before], copied=True)
    _tell_readers(report, actor)
    record("report.changed", report, actor=actor, report_kind=report.kind, day=report.day.isoformat())
    return True


def _texts(values: Mapping[str, Any], errors: dict[str, str]) -> dict[str, str]:
    texts = {name: clean_text(str(values.get(name) or "")) for name in TEXTS}
    for name, text in texts.items():
        if len(text) > LONGEST:
            errors[name] = _("最多 %(most)d 个字", most=LONGEST)
    if not texts["summary"]:
        errors["summary"] = _("请填写总结")
    return texts


def _copies(wanted: Sequence[str], before: Sequence[str], actor: Member, errors: dict[str, str]) -> list[str]:
    copies = list(dict.fromkeys(wanted))
    if len(copies) > MOST_COPIES:
        errors["copies"] = _("最多抄送 %(most)d 人", most=MOST_COPIES)
    elif copies and not {*copies} <= {one.id for one in copyable(actor)} | {*before}:
        errors["copies"] = _("请从列表中选择")
    return copies


def _hand_to(report: WorkReport, member_ids: Sequence[str], *, copied: bool) -> None:
    db.session.add_all(
        ReportReader(id=new_id(), report_id=report.id, member_id=one, copied=copied) for one in member_ids
    )
    db.session.flush()


def _tell_readers(report: WorkReport, author: Member) -> None:
    """Each reader has one card of a report, whatever is changed later: it opens what stands there then."""
    for one in readers_of([report.id])[report.id]:
        reader = member(one.member_id)
        if reader is None or not reader.is_active:
            continue
        with in_language_of(reader):
            card = report_card(report, author, reader)
        tell(reader, "report.sent", card, key=f"report:{report.id}:{reader.id}", subject_id=report.id)


def mark_read(report: WorkReport, *, actor: Member) -> bool:
    """Note that somebody to whom a report was handed has opened it; says whether that is new."""
    unread = (
        ReportReader.report_id == report.id,
        ReportReader.member_id == actor.id,
        ReportReader.read_at.is_(None),
    )
    done: Any = db.session.execute(sa.update(ReportReader).where(*unread).values(read_at=clock.now()))
    return bool(done.rowcount)


# --- reminding ----------------------------------------------------------------------------------------------------


def remind_of_reports(kind: str, after_id: str = "") -> str:
    """Remind some people, those behind the member `after_id`, of the report of now that they have not handed in.

    Not who is away, has no work here or nobody to hand it to. Returns where to go on, "" when everybody was asked.
    """
    day = current(kind)
    wanted = sa.select(Member).where(Member.status == ACTIVE, Member.id > after_id, have_work())
    people = rows(wanted.order_by(Member.id).limit(LOT))
    for reader in people:
        if was_away(reader.id, kind, day) or is_away_now(reader) or manager_of(reader) is None:
            continue
        if report_of(reader, kind, day) is not None:
            continue
        with in_language_of(reader):
            card = missing_card(kind, day)
        tell(reader, "report.due", card, key=f"report.due:{kind}:{day}:{reader.id}")
    return people[-1].id if len(people) == LOT else ""


def is_away_now(reader: Member) -> bool:
    """Say whether somebody is away today."""
    return was_away(reader.id, DAY, current(DAY))
