"""Briefs and digests at work: what is due is put in line once a day, and goes out lot by lot."""

import sqlalchemy as sa

from wsapp import outbox
from wsapp.crm.dashboards.briefs import send_briefs
from wsapp.crm.dashboards.digests import send_digests
from wsapp.crm.dashboards.rounds import DAILY, WEEKLY, due_rounds
from wsapp.crm.org.queries import corps
from wsapp.db import corp_scope, rows
from wsapp.house import local_now
from wsapp.jobs.runner import Desk
from wsapp.leases import Claim
from wsapp.outbox import Outbox

KIND = "brief"


def sweep(claim: Claim, desk: Desk) -> None:
    """Put the rounds whose time has come in line, each once a day and corp, however often and late the clock ticks."""
    now = local_now()
    due = {}
    for corp in corps():
        with corp_scope(corp.id):
            for one in due_rounds(now):
                due[f"{KIND}:{one}:{corp.id}:{now.date()}"] = (corp.id, one)
    known = set(rows(sa.select(Outbox.key).where(Outbox.key.in_(sorted(due))))) if due else set()
    for key, (corp_id, one) in due.items():
        if key not in known:
            with corp_scope(corp_id):
                outbox.enqueue(KIND, {"round": one, "day": str(now.date()), "after": ""}, key=key)


def send(claim: Claim, desk: Desk) -> None:
    """Send a round to the next lot of people, and go on with those behind them. What is of another day is dropped."""
    one, day, after = claim.payload["round"], claim.payload["day"], claim.payload["after"]
    if day != str(local_now().date()):
        return
    following = send_digests(one, after) if one in (DAILY, WEEKLY) else send_briefs(one, after)
    if following:
        key = f"{KIND}:{one}:{claim.corp_id}:{day}:{following}"
        outbox.enqueue(KIND, {"round": one, "day": day, "after": following}, key=key)
