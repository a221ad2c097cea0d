"""What happens again and again, on one screen. A tick is an outbox row with the key `name:tick`: it happens once,
however many schedulers tick, and what a stopped product missed is done at its start."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.bots.drafts import forget_drafts
from wsapp.crm.appeals.help import end_coworkers
from wsapp.crm.customers.filing import KEYED, file_some
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.unmerge import forget_losers
from wsapp.crm.drafts.modelled import forget_asks
from wsapp.crm.groups.actions import forget_posts
from wsapp.crm.mirrors.actions import look_at_everybody
from wsapp.crm.notifications.birthdays import remind_of_birthdays
from wsapp.crm.org.access import forget_sign_ins
from wsapp.crm.org.models import Corp, Idempotency, LoginSession, SeenCallback
from wsapp.crm.org.setups import forget_former, forget_set_ups
from wsapp.crm.tasks.models import PLANNED, Reminder
from wsapp.crm.tasks.reminders import set_alarm
from wsapp.crm.transfer import exports
from wsapp.crm.transfer import storage as transfer_files
from wsapp.crm.visits.actions import close_forgotten
from wsapp.crm.visits.plans import close_missed
from wsapp.db import corp_scope, db, every_corp, gather_statistics, rows
from wsapp.files import ORPHAN_AFTER, orphans, remove_bytes
from wsapp.house import local_now
from wsapp.jobs import allowances, audits, bins, briefs, directory, follow_through, rechecking, recycling, reports
from wsapp.jobs.runner import Desk, Handler
from wsapp.leases import Claim

KEEP_ASKS = timedelta(hours=1)
KEEP_DONE = timedelta(days=90)  # finished rows of the outbox
KEEP_TICKS = timedelta(days=2)  # of them, those that come every minute
KEEP_DIGESTS = timedelta(days=7)  # of callbacks: no replay of theirs is accepted for longer than minutes
KEEP_ANSWERS = timedelta(hours=24)  # to writes with an idempotency key
KEEP_SET_UPS = timedelta(days=30)  # that nobody went on with
KEEP_SHEETS = timedelta(days=30)  # rows and result files of imports
KEEP_DRAFTS = timedelta(days=30)  # of what people dictated to the robot
FILE_AT_ONCE = 500
OVERLOOKED = timedelta(seconds=30)


@dataclass(frozen=True)
class Periodic:
    """Work that comes back: every minute, every hour, or daily at `at` on the clock on the wall here."""

    kind: str
    at: time | None = None
    hourly: bool = False

    def last_tick(self, now: datetime) -> datetime:
        """Return the newest tick that is due at `now` (aware, local)."""
        if self.hourly:
            return now.replace(minute=0, second=0, microsecond=0)
        if self.at is None:
            return now.replace(second=0, microsecond=0)
        today = now.replace(hour=self.at.hour, minute=self.at.minute, second=0, microsecond=0)
        return today if today <= now else today - timedelta(days=1)


PERIODIC = (
    Periodic("forget.asks", hourly=True),
    Periodic("sweep.reminders"),
    Periodic("check.allowances"),
    Periodic("sweep.briefs"),
    Periodic("sweep.reports"),
    Periodic("sweep.members"),
    Periodic("file.customers"),
    Periodic("close.visits", at=time(0, 5)),
    Periodic("plan.ladders", at=time(0, 10)),
    Periodic("recycle.nightly", at=time(2, 0)),
    Periodic("directory.nightly", at=time(2, 30)),
    Periodic("prune", at=time(3, 20)),
    Periodic("seal.audit"),
    Periodic("anchor.audit", hourly=True),
    Periodic("empty.bins", at=time(3, 30)),
    Periodic("forget.audit", at=time(3, 35)),
    Periodic("remind.birthdays", at=time(8, 30)),
    Periodic("remind.silence", at=time(8, 40)),
    Periodic("look.mirrors", at=time(3, 40)),
    Periodic("gather.statistics", at=time(3, 50)),
)


def enqueue_ticks() -> list[str]:
    """Put every tick that is due and not there yet in line, and commit; returns the keys that are new."""
    now = local_now()
    fresh = []
    for one in PERIODIC:
        tick = one.last_tick(now)
        key = f"{one.kind}:{tick:%Y-%m-%dT%H:%M%z}"
        if outbox.enqueue(one.kind, {}, key=key, due_at=clock.now(), corp=False):
            fresh.append(key)
    db.session.commit()
    return fresh


# --- what they do -------------------------------------------------------------------------------------------------


def sweep_reminders(claim: Claim, desk: Desk) -> None:
    """Set the alarm of corps in which a reminder is overdue: whatever became of its own alarm, it rings."""
    overdue = clock.now() - OVERLOOKED
    with every_corp():
        waiting = sa.exists().where(Reminder.corp_id == Corp.id, Reminder.state == PLANNED, Reminder.fire_at <= overdue)
        corp_ids = rows(sa.select(Corp.id).where(waiting))
    for corp_id in corp_ids:
        with corp_scope(corp_id):
            set_alarm(clock.now())


def close_visits(claim: Claim, desk: Desk) -> None:
    """Close the visits that nobody checked out of, the plans to which nobody went, and co-work whose day is over."""
    for _corp_id in _corps():
        while close_forgotten():
            db.session.flush()
        while close_missed():
            db.session.flush()
        end_coworkers()


def file_customers(claim: Claim, desk: Desk) -> None:
    """File the customers under the keys by which duplicates are found, where nobody has: after an upgrade, say."""
    with every_corp():
        unfiled = sa.exists().where(Customer.corp_id == Corp.id, Customer.keyed < KEYED)
        corp_ids = rows(sa.select(Corp.id).where(unfiled))
    left = False
    for corp_id in corp_ids:
        with corp_scope(corp_id):
            left |= file_some(FILE_AT_ONCE) == FILE_AT_ONCE
    if left:  # and on with it, in a transaction of its own
        outbox.enqueue("file.customers", {}, corp=False)


def look_at_mirrors(claim: Claim, desk: Desk) -> None:
    """Have the hosts asked what they have of people's to-dos and calendars: lost events are made good."""
    for _corp_id in _corps():
        look_at_everybody(local_now())


def birthdays(claim: Claim, desk: Desk) -> None:
    """Tell owners whose birthday is tomorrow, corp by corp."""
    for _corp_id in _corps():
        remind_of_birthdays(local_now().date())


def forget_asks_of_all(claim: Claim, desk: Desk) -> None:
    """Delete the sentences that a model was asked about: their forms are long filled in."""
    for _corp_id in _corps():
        forget_asks(clock.now() - KEEP_ASKS)


def statistics(claim: Claim, desk: Desk) -> None:
    """Have the database look at what it holds, so that it finds its quickest ways."""
    gather_statistics()


def prune(claim: Claim, desk: Desk) -> None:
    """Throw away what nobody needs any more."""
    now = clock.now()
    outbox.prune(now - KEEP_DONE)
    outbox.prune(now - KEEP_TICKS, kinds=[*(one.kind for one in PERIODIC), "members.check"])
    forget_sign_ins(now - timedelta(days=1))
    forget_set_ups(now - KEEP_SET_UPS)
    forget_former(now)
    with every_corp():
        for statement in (
            sa.delete(SeenCallback).where(SeenCallback.seen_at < now - KEEP_DIGESTS),
            sa.delete(Idempotency).where(
                Idempotency.created_at < now - KEEP_ANSWERS,
                sa.or_(Idempotency.keep_until.is_(None), Idempotency.keep_until < now),
            ),
            sa.delete(LoginSession).where(LoginSession.ends_at < now),
        ):
            db.session.execute(statement.execution_options(synchronize_session=False))
    for _corp_id in _corps():
        forget_drafts(now - KEEP_DRAFTS)
        while forget_losers(now):
            db.session.flush()
        exports.forget_old(now)
        transfer_files.forget_older(now - KEEP_SHEETS)
        forget_posts(now - KEEP_DONE)
        for stored in orphans(now - ORPHAN_AFTER):
            remove_bytes(stored)
            db.session.delete(stored)
    db.session.flush()


def _corps() -> Iterator[int]:
    """Enter one corp after the other."""
    for corp_id in rows(sa.select(Corp.id).order_by(Corp.id)):
        with corp_scope(corp_id):
            yield corp_id
            db.session.flush()


HANDLERS: dict[str, Handler] = {
    "forget.asks": forget_asks_of_all,
    "sweep.reminders": sweep_reminders,
    "check.allowances": allowances.check,
    "sweep.briefs": briefs.sweep,
    "sweep.reports": reports.sweep,
    "sweep.members": rechecking.sweep_members,
    "file.customers": file_customers,
    "close.visits": close_visits,
    "recycle.nightly": recycling.nightly,
    "directory.nightly": directory.nightly,
    "remind.birthdays": birthdays,
    "plan.ladders": follow_through.plan_all_ladders,
    "remind.silence": follow_through.tell_all_silence,
    "prune": prune,
    "look.mirrors": look_at_mirrors,
    "gather.statistics": statistics,
    "seal.audit": audits.seal_all,
    "anchor.audit": audits.drop_anchors,
    "forget.audit": audits.forget,
    "empty.bins": bins.empty,
}
