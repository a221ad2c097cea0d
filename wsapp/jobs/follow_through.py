"""Follow-through at work: ladders planned anew, and owners told of customers whom nobody follows up. Lot by lot."""

from wsapp import outbox
from wsapp.crm.org.queries import corps
from wsapp.crm.pools.clocks import today
from wsapp.crm.pools.silence import tell_of_silence
from wsapp.crm.tasks.ladder import plan_later, replan
from wsapp.crm.tasks.reminders import set_alarm
from wsapp.db import corp_scope
from wsapp.jobs.runner import Desk
from wsapp.leases import Claim


def plan_all_ladders(claim: Claim, desk: Desk) -> None:
    """Have every corp's ladders looked at once a day: a new version of the public calendar may have come."""
    for corp in corps():
        with corp_scope(corp.id):
            plan_later()


def plan_ladders(claim: Claim, desk: Desk) -> None:
    """Plan a corp's ladders anew, some hundreds at a time."""
    moments, after = replan(claim.payload["after"])
    for moment in moments:
        set_alarm(moment)
    if after:
        plan_later(after)


def tell_all_silence(claim: Claim, desk: Desk) -> None:
    """Put the day's round of silent customers in line for every corp."""
    for corp in corps():
        with corp_scope(corp.id):
            outbox.enqueue("silence", {"after": ""}, key=f"silence:{corp.id}:{today()}")


def tell_silence(claim: Claim, desk: Desk) -> None:
    """Tell some owners of a corp of their silent customers, and go on with the next."""
    after = tell_of_silence(today(), claim.payload["after"])
    if after:
        outbox.enqueue("silence", {"after": after}, key=f"silence:{claim.corp_id}:{today()}:{after}")
