"""/reports: work reports, to read. They are written in the app."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from flask import g

from wsapp.api.base import Answer, reads, resource
from wsapp.api.lists import Named, Select, listed, one, text_of, userids
from wsapp.api.schemas_field import Report as ReportRecord
from wsapp.api.schemas_field import ReportList, ReportPage, ReportPath
from wsapp.crm.reports.content import told_figures
from wsapp.crm.reports.models import WorkReport
from wsapp.crm.reports.queries import SORTS, readers_of, visible_reports
from wsapp.problems import Invalid
from wsapp.texts import _

bp = resource("reports", "Work reports: a day or a week, handed to the manager")

COLUMNS = (
    WorkReport.id,
    WorkReport.version,
    WorkReport.kind,
    WorkReport.day,
    WorkReport.summary,
    WorkReport.trouble,
    WorkReport.outlook,
    WorkReport.figures,
    WorkReport.sent_at,
    WorkReport.updated_at,
)
PLAIN = ("id", "version", "author", "kind", "summary", "trouble", "outlook")


def _select(author: Named) -> Select:
    return author.join(sa.select(*COLUMNS, author.userid).select_from(WorkReport)).where(visible_reports(g.member))


def _show(found: Sequence[Any]) -> list[dict[str, Any]]:
    readers = readers_of([row.id for row in found])
    called = userids([one.member_id for those in readers.values() for one in those])
    return [
        {field: getattr(row, field) for field in PLAIN}
        | {
            "day": row.day.isoformat(),
            "figures": told_figures(row.figures, g.member),
            "readers": [
                {"member": called[one.member_id], "copied": one.copied, "read_at": text_of(one.read_at)}
                for one in readers[row.id]
            ],
            "sent_at": text_of(row.sent_at),
            "updated_at": text_of(row.updated_at),
        }
        for row in found
    ]


@bp.get("/reports", responses={200: ReportPage})
@reads
def index(query: ReportList) -> Answer:
    """List the work reports that the user may see, latest first."""
    author = Named(WorkReport.member_id, "author")
    statement = _select(author)
    if query.author:
        statement = statement.where(author.is_called(query.author))
    if query.kind:
        statement = statement.where(WorkReport.kind == query.kind)
    if query.day:
        statement = statement.where(WorkReport.day == _day(query.day))
    if query.q.strip():
        statement = statement.where(WorkReport.summary.contains(query.q.strip(), autoescape=True))
    return listed(statement, query, sorts=SORTS, default="-sent_at", id_column=WorkReport.id, show=_show)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid({"day": _("应为日期，例如 2026-01-31")}) from None


@bp.get("/reports/<report_id>", responses={200: ReportRecord})
@reads
def show(path: ReportPath) -> Answer:
    """Return a work report. Reading it here is not the reading that its author is told of."""
    record = one(_select(Named(WorkReport.member_id, "author")).where(WorkReport.id == path.report_id), show=_show)
    return Answer(record, version=record["version"])
