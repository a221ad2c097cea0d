"""What people do with exports: ask for a list, get it at once or with somebody's consent, fetch it for a day."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import mean
from typing import Any

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.events.actions import record
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import in_language_of, link
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import administrators, manager_of, member
from wsapp.crm.org.rights import sight
from wsapp.crm.org.rules import rule
from wsapp.crm.transfer import rules as _rules  # noqa: F401 - declares them
from wsapp.crm.transfer import storage
from wsapp.crm.transfer.headings import in_full
from wsapp.crm.transfer.lists import count_rows, rows_of, table
from wsapp.crm.transfer.models import (
    ASKING,
    DONE,
    FAILED,
    FORMATS,
    OBJECTS,
    QUEUED,
    REFUSED,
    RUNNING,
    ExportJob,
)
from wsapp.crm.transfer.writing import write
from wsapp.db import db, first, new_id, rows
from wsapp.house import local, local_now
from wsapp.problems import Forbidden, Invalid, NotFound
from wsapp.texts import _

LIFE = timedelta(hours=24)  # of the file
USUAL_DAYS = timedelta(days=30)  # over which one's own mean is taken
UNUSUAL = 3  # times one's own mean
FEWEST_ROWS = 500  # so many rows a day never alarm anybody
FILTERS: Mapping[str, tuple[str, ...]] = {
    "customer": ("q", "owner", "pool", "stage", "level", "tag", "updated_since"),
    "follow_up": ("q", "author", "customer"),
}


# --- who may ------------------------------------------------------------------------------------------------------


def may_export(actor: Member, obj: str = "customer") -> bool:
    found = sight(actor, obj, "export")
    return found.people is None or bool(found.people)


def find_export(job_id: str, *, actor: Member) -> ExportJob:
    """Return an export of the actor's own. Raises NotFound for everybody else's."""
    found: ExportJob | None = first(sa.select(ExportJob).where(ExportJob.id == job_id, ExportJob.member_id == actor.id))
    if found is None:
        raise NotFound(_("没有这次导出，或无权查看"))
    return found


def find_asked(job_id: str, *, actor: Member) -> ExportJob:
    """Return an export on which the actor may decide. Raises NotFound."""
    found: ExportJob | None = first(sa.select(ExportJob).where(ExportJob.id == job_id))
    if found is None or found.member_id == actor.id or actor.id not in {one.id for one in _deciders(found)}:
        raise NotFound(_("没有这次导出，或无权查看"))
    return found


def exports_of(actor: Member, limit: int = 20) -> Sequence[ExportJob]:
    """Return the newest exports of the actor."""
    return rows(sa.select(ExportJob).where(ExportJob.member_id == actor.id).order_by(ExportJob.id.desc()).limit(limit))


def waiting_for(actor: Member) -> Sequence[ExportJob]:
    """Return the exports that wait for the actor's word."""
    waiting = rows(sa.select(ExportJob).where(ExportJob.state == ASKING).order_by(ExportJob.id).limit(100))
    return [one for one in waiting if one.member_id != actor.id and actor.id in {who.id for who in _deciders(one)}]


def _deciders(job: ExportJob) -> list[Member]:
    """Return who may say yes: the manager of whoever asks, and the administrators."""
    asker = member(job.member_id)
    manager = manager_of(asker) if asker else None
    found = {one.id: one for one in (*([manager] if manager else []), *administrators()) if one.id != job.member_id}
    return list(found.values())


# --- asking -------------------------------------------------------------------------------------------------------


def request_export(
    *,
    actor: Member,
    obj: str,
    format: str,
    filter: Mapping[str, Any] | None = None,
    columns: Sequence[str] = (),
    free: bool = False,
) -> ExportJob:
    """Ask for a list as a file; puts the work in line, or asks for consent where a rule wants it.

    `columns`: keys in their order, none for all. `free`: whoever runs the machine asks, who could read the database as
    well. Raises Invalid, Forbidden.
    """
    chosen = _checked(obj, format, filter or {})
    if not may_export(actor, obj):
        raise Forbidden(_("您没有导出的权限，请联系管理员"))
    wanted = _checked_columns(obj, columns, actor)
    total = count_rows(obj, chosen, actor=actor)
    most = int(rule("export.rows"))
    if total > most and not free:
        raise Invalid({"filter": _("共 %(n)d 行，一次最多导出 %(most)d 行，请缩小范围", n=total, most=most)})
    reason = "" if free or actor.is_admin else _reason(actor, obj, total, wanted)
    job = ExportJob(
        id=new_id(),
        member_id=actor.id,
        object=obj,
        format=format,
        filter=chosen,
        columns=wanted,
        total=total,
        reason=reason,
        state=ASKING if reason else QUEUED,
        created_at=clock.now(),
    )
    db.session.add(job)
    db.session.flush()
    record("export.requested", job, actor=actor, object=obj, filter=chosen, columns=wanted, rows=total, reason=reason)
    if not free:
        _tell_unusual(job, actor)
    if reason:
        _ask(job, actor)
    elif not free:
        _enqueue(job)
    return job


def _checked(obj: str, format: str, filter: Mapping[str, Any]) -> dict[str, Any]:
    errors = {}
    if obj not in OBJECTS:
        errors["object"] = _("请从列表中选择")
    if format not in FORMATS:
        errors["format"] = _("请从列表中选择")
    for name in filter:
        if name not in FILTERS.get(obj, ()):
            errors[f"filter.{name[:40]}"] = _("不支持按“%(name)s”筛选", name=name[:40])
    chosen = {name: str(value)[:200] for name, value in filter.items() if value not in (None, "")}
    if chosen.get("updated_since") and "updated_since" not in errors:
        try:
            if datetime.fromisoformat(chosen["updated_since"]).tzinfo is None:
                raise ValueError
        except ValueError:
            errors["filter.updated_since"] = _("时间要带时区，例如 2026-01-31T09:00:00+08:00")
    if errors:
        raise Invalid(errors)
    return chosen


def _checked_columns(obj: str, columns: Sequence[str], actor: Member) -> list[str]:
    known = {column.key for column in table(obj, actor)}
    unknown = next((key for key in columns if key not in known), None)
    if unknown is not None:
        raise Invalid({"columns": _("没有“%(name)s”这一列，或您无权查看", name=unknown[:60])})
    return list(dict.fromkeys(columns))


def last_columns(obj: str, *, actor: Member) -> list[str]:
    """Return the columns that the actor chose the last time, in their order; none: all."""
    mine = sa.select(ExportJob.columns).where(ExportJob.member_id == actor.id, ExportJob.object == obj)
    return list(first(mine.order_by(ExportJob.id.desc()).limit(1)) or ())


def _reason(actor: Member, obj: str, total: int, columns: Sequence[str]) -> str:
    """Return why an export needs consent, nothing when it does not."""
    if rule("export.approval"):
        most = int(rule("export.approval_rows"))
        if total > most:
            return _("超过 %(most)d 行", most=most)
        has_phones = obj == "customer" and (not columns or "phones" in columns)
        if has_phones and total and in_full(obj, "phones", actor):
            return _("含完整电话号码")
    daily = int(rule("export.daily_rows"))
    if total + taken_today(actor) > daily:
        return _("超过每天 %(most)d 行的额度", most=daily)
    return ""


def taken_today(actor: Member) -> int:
    """Return how many rows the actor had today without anybody's consent."""
    midnight = local_now().replace(hour=0, minute=0, second=0, microsecond=0)
    mine = sa.select(sa.func.sum(ExportJob.total)).where(
        ExportJob.member_id == actor.id,
        ExportJob.created_at >= midnight,
        ExportJob.reason == "",
        ExportJob.state != FAILED,
    )
    return int(db.session.scalar(mine) or 0)


def _tell_unusual(job: ExportJob, actor: Member) -> None:
    """Note it, once a day, when the actor asks for far more rows than on the days of the last month on which they did:
    more than three times their mean, and than anybody may ask for without being noticed."""
    today = local(job.created_at).date()
    since = job.created_at - USUAL_DAYS
    mine = sa.select(ExportJob.created_at, ExportJob.total).where(
        ExportJob.member_id == actor.id, ExportJob.created_at >= since, ExportJob.state != FAILED
    )
    days: dict[date, int] = {}
    for row in db.session.execute(mine):
        day = local(row.created_at).date()
        days[day] = days.get(day, 0) + row.total
    count = days.pop(today)
    usual = [rows_of_day for rows_of_day in days.values() if rows_of_day]
    most = max(FEWEST_ROWS, UNUSUAL * mean(usual) if usual else 0)
    if count - job.total <= most < count:
        record("member.exports_unusual", actor, actor=None, name=actor.name, count=count)


def _enqueue(job: ExportJob) -> None:
    outbox.enqueue("export.run", {"job": job.id}, key=f"export:{job.id}")


def _ask(job: ExportJob, asker: Member) -> None:
    for reader in _deciders(job):
        with in_language_of(reader):
            card = _card(
                job, _("%(who)s 申请导出 %(n)d 行", who=asker.name, n=job.total), f"/h5/exports/{job.id}/decision"
            )
        tell(reader, "export.asking", card, key=f"export:{job.id}:{reader.id}", subject_id=job.id)


def _card(job: ExportJob, title: str, path: str) -> dict[str, Any]:
    lines = [[_("内容"), _("客户") if job.object == "customer" else _("跟进")], [_("原因"), job.reason]]
    return {
        "title": title,
        "text": "",
        "lines": [line for line in lines if line[1]],
        "url": link(path),
        "buttons": [],
        "source": _("导出审批"),
        "state": "",
    }


def decide(job: ExportJob, *, actor: Member, yes: bool) -> None:
    """Say yes or no to an export, once. Raises Invalid when somebody did already."""
    taken = db.session.execute(
        sa.update(ExportJob)
        .where(ExportJob.id == job.id, ExportJob.state == ASKING)
        .values(state=QUEUED if yes else REFUSED, decider_id=actor.id, decided_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    if taken.rowcount != 1:  # type: ignore[attr-defined]
        raise Invalid({"": _("这次导出已经有人处理过了")})
    db.session.refresh(job)
    record("export.decided", job, actor=actor, yes=yes, rows=job.total, member=job.member_id)
    if yes:
        _enqueue(job)
    asker = member(job.member_id)
    if asker is not None:
        with in_language_of(asker):
            words = _("导出申请已通过，正在准备文件") if yes else _("导出申请未通过")
            card = _card(job, words, f"/h5/exports/{job.id}")
        tell(asker, "export.decided", card, key=f"export:{job.id}:decided", subject_id=job.id)


# --- making -------------------------------------------------------------------------------------------------------


def begin(job_id: str) -> ExportJob | None:
    """Take an export in hand; None when there is nothing to do."""
    job: ExportJob | None = first(sa.select(ExportJob).where(ExportJob.id == job_id))
    if job is None or job.state not in (QUEUED, RUNNING):
        return None
    actor = member(job.member_id)
    if actor is None or not actor.is_active:
        job.state, job.fault, job.finished_at = FAILED, _("申请导出的人已离职"), clock.now()
        return None
    job.state = RUNNING
    return job


def make_file(job: ExportJob, path: Path | None = None) -> tuple[Path, int]:
    """Write an export's file, reading only; returns where it lies and how many rows it has."""
    actor = member(job.member_id)
    assert actor is not None
    place = path or storage.place(job.id, storage.EXPORT)
    count = 0
    with in_language_of(actor):
        found = table(job.object, actor, job.columns)

        def lines() -> Any:
            nonlocal count
            yield [str(column.title) for column in found]
            for row in rows_of(job.object, job.filter, found, actor=actor):
                count += 1
                yield row
            yield [watermark(actor)]

        write(place, lines(), format=job.format)
    return place, count


def watermark(actor: Member) -> str:
    """Return the last line of a file: whose it is, and since when. Our import leaves it out."""
    return _(
        "水印：%(who)s（%(userid)s）于 %(when)s 导出，仅限本人使用",
        who=actor.name,
        userid=actor.userid,
        when=f"{local(clock.now()):%Y-%m-%d %H:%M}",
    )


def finish(job: ExportJob, count: int) -> None:
    """Note that an export's file is ready."""
    now = clock.now()
    job.state, job.done, job.finished_at, job.expires_at = DONE, count, now, now + LIFE
    record(
        "export.made",
        job,
        actor=member(job.member_id),
        object=job.object,
        filter=dict(job.filter),
        columns=list(job.columns),
        rows=count,
        format=job.format,
    )


def ready_file(job: ExportJob, *, actor: Member) -> Path:
    """Return where a finished export of the actor's lies, and note that they fetch it. Raises NotFound when over."""
    place = storage.place(job.id, storage.EXPORT)
    if job.state != DONE or job.expires_at is None or job.expires_at <= clock.now() or not place.is_file():
        raise NotFound(_("文件不存在或链接已过期"))
    record("export.fetched", job, actor=actor, rows=job.done)
    return place


def forget_old(before: datetime) -> int:
    """Delete the files of exports that ended before; returns how many. What was exported stays on record."""
    old = rows(sa.select(ExportJob).where(ExportJob.expires_at < before, ExportJob.state == DONE).limit(500))
    for job in old:
        storage.forget(job.id)
        job.state = "expired"
    return len(old)
