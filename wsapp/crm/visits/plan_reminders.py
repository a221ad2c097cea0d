"""The reminder before a planned visit (拜访前提醒): an outbox row for each plan and time, checked when it is due."""

from datetime import timedelta

from wsapp import clock, outbox
from wsapp.crm.org.rules import rule
from wsapp.crm.visits.models import VisitPlan

KIND = "plan.remind"


def plan_reminder(plan: VisitPlan) -> None:
    """Put the reminder of a plan that was made or moved in line, by the corp's rule of now; once for each time.

    What is left from an earlier time finds, when it is due, that the plan is elsewhere. A plan that is made later than
    its reminder would come has none.
    """
    minutes = rule("visit.remind")
    due_at = plan.starts_at - timedelta(minutes=minutes)
    if not minutes or due_at < clock.now():
        return
    payload = {"plan": plan.id, "starts": stamp(plan)}
    outbox.enqueue(KIND, payload, key=f"{KIND}:{plan.id}:{stamp(plan)}", due_at=due_at)


def stamp(plan: VisitPlan) -> int:
    """Return what tells one time of a plan from another: seconds since 1970."""
    return round(plan.starts_at.timestamp())
