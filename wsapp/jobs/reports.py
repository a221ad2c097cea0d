"""Reminders of reports at work: where a corp asks for them, put in line once a day, and sent lot by lot."""

from datetime import date, datetime, time, timedelta

import sqlalchemy as sa

from wsapp import outbox
from wsapp.crm.org.queries import corps
from wsapp.crm.org.rules import rule
from wsapp.crm.org.workdays import is_workday
from wsapp.crm.reports.actions import remind_of_reports
from wsapp.crm.reports.models import DAY, KINDS
from wsapp.crm.reports.queries import working_days
from wsapp.crm.reports.rules import NEVER
from wsapp.db import corp_scope, rows
from wsapp.house import local_now
from wsapp.jobs.runner import Desk
from wsapp.leases import Claim
from wsapp.outbox import Outbox

KIND = "report.remind"
STILL_WORTH = timedelta(hours=4)  # so late it still comes after the product was down


def sweep(claim: Claim, desk: Desk) -> None:
    """Put the reminders whose time has come in line, each once a day and corp, however often the clock ticks."""
    now = local_now()
    due = {}
    for corp in corps():
        with corp_scope(corp.id):
            for kind in KINDS:
                if is_due(kind, now):
                    due[f"{KIND}:{kind}:{corp.id}:{now.date()}"] = (corp.id, kind)
    known = set(rows(sa.select(Outbox.key).where(Outbox.key.in_(sorted(due))))) if due else set()
    for key, (corp_id, kind) in due.items():
        if key not in known:
            with corp_scope(corp_id):
                outbox.enqueue(KIND, {"kind": kind, "day": str(now.date()), "after": ""}, key=key)


def is_due(kind: str, now: datetime) -> bool:
    """Say whether people of the current corp are to be reminded now: of the week on its last working day."""
    at = rule(f"report.{kind}")
    if at == NEVER or not is_workday(now.date()) or (kind != DAY and now.date() != last_of_week(now.date())):
        return False
    begins = datetime.combine(now.date(), time.fromisoformat(at), now.tzinfo)
    return begins <= now < begins + STILL_WORTH


def last_of_week(day: date) -> date | None:
    """Return the last working day of a day's week, None when it has none."""
    found = working_days("week", day - timedelta(days=day.weekday()))
    return found[-1] if found else None


def send(claim: Claim, desk: Desk) -> None:
    """Remind the next lot of people, and go on with those behind them. What is of another day is dropped."""
    kind, day, after = claim.payload["kind"], claim.payload["day"], claim.payload["after"]
    if day != str(local_now().date()):
        return
    following = remind_of_reports(kind, after)
    if following:
        key = f"{KIND}:{kind}:{claim.corp_id}:{day}:{following}"
        outbox.enqueue(KIND, {"kind": kind, "day": day, "after": following}, key=key)
