"""The scheduler: APScheduler ticks, in one process of the installation, and does nothing else than insert rows."""

import threading
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from wsapp import clock, logs
from wsapp.jobs.leader import Leadership, leadership
from wsapp.jobs.periodic import enqueue_ticks
from wsapp.jobs.worker import until_told

LOOK = 1.0  # seconds between two questions after the lead

log = logs.get_logger()


class Scheduler:
    """Ticks at each full minute while this process leads. What was missed is caught up by the keys of the ticks."""

    def __init__(self, app: Any) -> None:
        self.app = app
        with app.app_context():
            self.lead: Leadership = leadership()
        self.clock: BackgroundScheduler | None = None

    def look(self) -> bool:
        """Take or lose the lead, and start or stop ticking accordingly; says whether this process leads."""
        leads = self.lead.held()
        if leads and self.clock is None:
            self._begin()
        elif not leads and self.clock is not None:
            self._end()
        return leads

    def _begin(self) -> None:
        log.info("scheduler.leads")
        self.clock = BackgroundScheduler(timezone=clock.UTC)
        # One tick, however late: enqueue_ticks itself knows what is due.
        self.clock.add_job(
            self.tick,
            CronTrigger(second=0, timezone=clock.UTC),
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
        self.clock.start()
        self.tick()

    def _end(self) -> None:
        if self.clock is not None:
            self.clock.shutdown(wait=False)
            self.clock = None
            log.info("scheduler.follows")

    def tick(self) -> None:
        """Insert what is due. An error is logged: the next minute finds the same ticks again."""
        try:
            with self.app.app_context():
                enqueue_ticks()
        except Exception as error:  # noqa: BLE001 - the database is away; it will be back
            log.error("scheduler.tick_failed", error=type(error).__name__)

    def run(self, told: threading.Event) -> None:
        """Look after the lead until told to stop."""
        while not told.is_set():
            self.look()
            told.wait(LOOK)
        self._end()
        self.lead.resign()


def main(app: Any) -> int:
    """Tick until SIGTERM or SIGINT."""
    scheduler = Scheduler(app)
    with until_told() as told:
        scheduler.run(told)
    return 0
