"""The audit log (操作日志): who did what, when, from where, and what changed; as a table to take away."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from flask import Blueprint, Response, g, request

from wsapp.admin.audit_words import field_word, object_word, people_in, value_word
from wsapp.admin.gate import PAGE_SIZE, next_url, not_for_you, show, storable
from wsapp.crm.audit.queries import SORTS, Wanted, entries, was_noted
from wsapp.crm.customers.queries import find_customers
from wsapp.crm.events.actions import record
from wsapp.crm.events.kinds import KINDS
from wsapp.crm.events.models import Event
from wsapp.crm.org.queries import names
from wsapp.crm.org.rights import reads_audit
from wsapp.db import db, writing
from wsapp.house import local, zone
from wsapp.paging import page
from wsapp.problems import NotFound
from wsapp.texts import _, lazy
from wsapp.web import require_member

bp = Blueprint("admin_audit", __name__, url_prefix="/admin")

FILTERS = ("who", "q", "kind", "via", "from", "to")
MOST_ROWS = 20_000
LOT = 1_000
QUIET = timedelta(hours=1)
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would calculate
WAYS = {
    "web": lazy("页面"),
    "api": lazy("接口"),
    "card": lazy("卡片"),
    "robot": lazy("机器人"),
    "callback": lazy("平台回调"),
    "job": lazy("后台任务"),
    "cli": lazy("命令行"),
}


@bp.before_request
def require_reader() -> Any:
    """Let administrators and auditors through: of the whole console, this is what an auditor reads."""
    answer = require_member()
    if answer is not None or reads_audit(g.member):
        return answer
    db.session.rollback()
    return not_for_you(), 403


@bp.get("/audit")
def index() -> str:
    """The log, newest first, narrowed by person, record, kind, way and days. Who reads it is in it, once an hour."""
    if not was_noted("audit.read", g.member, within=QUIET):
        with writing():
            record("audit.read", g.member, actor=g.member)
    typed = _typed(request.args)
    found, cursor = page(
        entries(_wanted(typed)),
        sorts=SORTS,
        sort="-at",
        id_column=Event.id,
        limit=PAGE_SIZE,
        cursor=request.args.get("cursor", ""),
    )
    people = names([row.actor_id for row in found])
    customers = _customers(found)
    rows = [
        {
            "url": f"/admin/audit/{row.id}",
            "text": str(KINDS.get(row.kind, row.kind)),
            "badge": ("", str(WAYS.get(row.via, row.via))) if row.via else None,
            "sub": " · ".join(
                filter(None, (_who(row, people), f"{local(row.at):%Y-%m-%d %H:%M:%S}", _what(row, customers), row.ip))
            ),
        }
        for row in found
    ]
    return show(
        "audit.html",
        "audit",
        rows=rows,
        typed=typed,
        kinds=[(kind, f"{text}（{kind}）") for kind, text in KINDS.items()],
        ways=[(way, str(text)) for way, text in WAYS.items()],
        next_url=next_url(cursor, **typed),
    )


def _typed(given: Mapping[str, str]) -> dict[str, str]:
    return {name: storable(given.get(name, "")).strip() for name in FILTERS}


def _wanted(typed: Mapping[str, str]) -> Wanted:
    until = _day(typed["to"])
    return Wanted(
        person=typed["who"],
        record=typed["q"].rpartition("/")[2],
        kind=typed["kind"],
        via=typed["via"],
        since=_day(typed["from"]),
        until=until + timedelta(days=1) if until else None,
    )


def _day(text: str) -> datetime | None:
    """Return the first moment of a typed day here; None for what is no day."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), zone())
    except ValueError:
        return None


def _who(row: Any, people: Mapping[str, str]) -> str:
    return people.get(row.actor_id or "", "") or _("系统")


def _customers(found: Sequence[Any]) -> Mapping[str, str]:
    """Return the names of the customers that events are about, as far as the reader sees these."""
    ids = [row.subject_id for row in found if row.subject_type == "customer" and not row.data.get("name")]
    return {one.id: one.name for one in find_customers(ids, actor=g.member).values()}


def _what(row: Any, customers: Mapping[str, str]) -> str:
    """Return what the event is about in words: a name or title that it carries, or has now; else type and id."""
    for field in ("name", "title", "label", "file", "route"):
        if row.data.get(field):
            return f"{object_word(row.subject_type)} {str(row.data[field])[:60]}"
    return f"{object_word(row.subject_type)} {customers.get(row.subject_id, row.subject_id)}"


@bp.get("/audit/<key:event_id>")
def one(event_id: str) -> str:
    """One event: everything that is known of it, with before and after of each field."""
    found = db.session.execute(entries(Wanted()).where(Event.id == event_id)).first()
    if found is None:
        raise NotFound(_("没有这条操作记录"))
    people = names([found.actor_id, *people_in(found.changes, found.data)])
    facts = [
        (_("操作"), f"{KINDS.get(found.kind, found.kind)}（{found.kind}）"),
        (_("操作人"), _who(found, people)),
        (_("时间"), f"{local(found.at):%Y-%m-%d %H:%M:%S}"),
        (_("方式"), str(WAYS.get(found.via, found.via))),
        (_("IP 地址"), found.ip),
        (_("对象"), f"{_what(found, _customers([found]))}（{found.subject_type}/{found.subject_id}）"),
        (_("原因"), found.reason),
        (_("请求编号"), found.request_id),
        (_("序号"), str(found.seq) if found.seq and found.seq > 0 else _("等待封存")),
    ]
    changes = [
        (field_word(field), *(_text(value_word(field, value, people)) for value in _pair(pair)))
        for field, pair in sorted(found.changes.items())
    ]
    more = [
        (field_word(name), _text(value_word(name, value, people)))
        for name, value in sorted(found.data.items())
        if name != "reason"
    ]
    return show("audit_one.html", "audit", facts=facts, changes=changes, more=more)


def _pair(pair: Any) -> Sequence[Any]:
    return pair if isinstance(pair, list) and len(pair) == 2 else [None, pair]


def _text(value: Any) -> str:
    if value in (None, "", [], {}):
        return "—"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- to take away -------------------------------------------------------------------------------------------------


@bp.post("/audit/export")
def export() -> Response:
    """What the filters show as csv (UTF-8, at most 20,000 rows, and then a line that says so), newest first. That is an
    entry of the log itself."""
    typed = _typed(request.form)
    record("audit.exported", g.member, actor=g.member, filter={name: text for name, text in typed.items() if text})
    db.session.commit()
    lines = "".join(_lines(_wanted(typed)))
    headers = {"Content-Disposition": "attachment; filename=audit.csv"}
    return Response(lines, content_type="text/csv; charset=utf-8", headers=headers)


def _lines(wanted: Wanted) -> Iterator[str]:
    heads = ("seq", "at", "actor", "via", "ip", "kind", "object", "reason", "changes", "data", "request_id")
    yield "\ufeff" + _line(heads)
    cursor: str | None = ""
    for _lot in range(MOST_ROWS // LOT):
        found, cursor = page(
            entries(wanted), sorts=SORTS, sort="-at", id_column=Event.id, limit=LOT, cursor=cursor or ""
        )
        people = names([row.actor_id for row in found])
        for row in found:
            yield _line(_cells(row, people))
        if not cursor:
            return
    yield _line((_("只有最新的 %(n)d 条；更早的请按日期分次导出", n=MOST_ROWS),))


def _cells(row: Any, people: Mapping[str, str]) -> tuple[str, ...]:
    return (
        str(row.seq or ""),
        local(row.at).isoformat(timespec="seconds"),
        people.get(row.actor_id or "", ""),
        row.via,
        row.ip,
        row.kind,
        f"{row.subject_type}/{row.subject_id}",
        row.reason,
        json.dumps(row.changes, ensure_ascii=False),
        json.dumps(row.data, ensure_ascii=False),
        row.request_id,
    )


def _line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([f"'{cell}" if cell.startswith(FORMULAS) else cell for cell in cells])
    return buffer.getvalue()
