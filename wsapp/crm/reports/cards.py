"""What the cards of reports say, and how a period is called. Cards as in `notifications.messages`."""

from datetime import date, timedelta

from wsapp.crm.notifications.messages import Card, link
from wsapp.crm.org.models import Member
from wsapp.crm.reports.content import done_words, next_words, told_figures
from wsapp.crm.reports.models import DAY, WorkReport
from wsapp.texts import _

SHOWN = 200  # characters of a text on a card


def period_words(kind: str, day: date) -> str:
    """Return a period in words: 3月4日, 3月2日 – 3月8日."""
    first = _("%(month)d月%(day)d日", month=day.month, day=day.day)
    if kind == DAY:
        return first
    last = day + timedelta(days=6)
    return f"{first} – {_('%(month)d月%(day)d日', month=last.month, day=last.day)}"


def kind_words(kind: str) -> str:
    """Return what a kind of report is called."""
    return _("日报") if kind == DAY else _("周报")


def report_card(report: WorkReport, author: Member, reader: Member) -> Card:
    """Return the card that brings a report: its figures, as far as the reader may know them, and its summary."""
    figures = told_figures(report.figures, reader)
    lines = [[_("完成"), done_words(figures)], [_("接下来"), next_words(figures)], [_("困难"), report.trouble[:60]]]
    words = {"who": author.name, "kind": kind_words(report.kind), "when": period_words(report.kind, report.day)}
    return {
        "title": _("%(who)s 的%(kind)s · %(when)s", **words)[:120],
        "text": report.summary[:SHOWN],
        "lines": [line for line in lines if line[1]],
        "url": link(f"/h5/reports/{report.id}"),
        "buttons": [],
        "source": _("工作汇报"),
        "state": "",
    }


def missing_card(kind: str, day: date) -> Card:
    """Return the card that reminds of a report which is not handed in."""
    return {
        "title": _("还没有提交%(kind)s · %(when)s", kind=kind_words(kind), when=period_words(kind, day)),
        "text": _("已按您的记录填好，补充几句就可以提交。"),
        "lines": [],
        "url": link(f"/h5/reports/new?kind={kind}"),
        "buttons": [],
        "source": _("工作汇报"),
        "state": "",
    }
