"""What a reference calendar starts from: working days, what the corp has set, kinds of messages and their rules.

As the documents have it, written apart from the product; see `calendar_reference`.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from tests.soak.month_firm import Hours

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
# The State Council's notice for 2026: Mid-Autumn and National Day, and the weekends worked instead.
HOLIDAYS = {date(2026, 9, 25) + n * DAY for n in range(3)} | {date(2026, 10, 1) + n * DAY for n in range(7)}
MADE_UP = {date(2026, 9, 20), date(2026, 10, 10)}
STILL_NEWS = timedelta(minutes=2)
COLLECTIONS = (time(8, 30), time(18))
SILENT_AT = time(8, 40)
MISSED_AT = time(0, 5)
SILENT_AFTER = {"A": 7, "B": 15, "C": 30, "D": 60, None: 30}
MOST_IN_A_MINUTE = {"wecom": 25}  # for one person
LEAVES_NO_TRACE = "digest"  # the kind of a message that speaks of several

TOPIC = {
    "task.due": "due",
    "task.snooze": "due",
    "task.assigned": "assigned",
    "task.handed_over": "assigned",
    "task.overdue": "overdue",
    "task.asked": "overdue",
    "team.overdue": "team_overdue",
    "customer.assigned": "customers",
    "customer.lost": "customers",
    "brief.morning": "briefs",
    "brief.evening": "briefs",
    "digest.daily": "digests",
    "digest.weekly": "digests",
    "customer.silent": "silent",
    "watched.changed": "watched",
    "visit.checked_in": "team_visits",
    "visit.planned": "plans",
    "visit.soon": "visit_soon",
    "visit.cancelled": "plans",
    "visit.missed": "plans",
}
ON_WORKDAYS = {"task.overdue", "team.overdue", "customer.silent"}
CHOSEN = {"task.due", "task.snooze", "visit.soon"}  # a person chose the minute
SUMMARIES = {"brief.morning", "brief.evening", "digest.daily", "digest.weekly"}
ABOUT_TASKS = {"task.assigned", "task.overdue", "task.asked", "team.overdue"}


@dataclass
class Rules:
    """What the corp has set; changes of it come in the middle of the month."""

    steps: tuple[int, ...] = (1, 3, 5, 7)
    ladder_at: time = time(9)
    all_day_at: time = time(8, 30)
    morning: time = time(8, 30)
    evening: time = time(18)
    daily: time = time(18, 30)
    weekly: time = time(9)
    before_visits: int = 30  # minutes
    own_days: dict[date, bool] = field(default_factory=dict)

    def works(self, day: date) -> bool:
        if day in self.own_days:
            return self.own_days[day]
        return day in MADE_UP or (day.weekday() < 5 and day not in HOLIDAYS)

    def workday_from(self, day: date) -> date:
        while not self.works(day):
            day += DAY
        return day

    def is_first_of_week(self, day: date) -> bool:
        monday = day - day.weekday() * DAY
        return day == self.workday_from(monday)


def quiet_ends(hours: Hours | None, moment: datetime) -> datetime:
    """A moment, or the end of the quiet hours that it lies in."""
    if hours is None:
        return moment
    starts, ends = hours
    at = moment.time()
    inside = starts <= at < ends if starts < ends else at >= starts or at < ends
    if not inside:
        return moment
    day = moment.date() + DAY if at >= ends else moment.date()
    return datetime.combine(day, ends, moment.tzinfo)


def next_collection(now: datetime) -> datetime:
    """When the further messages of a full day go out: in the evening, or the next morning."""
    evening = datetime.combine(now.date(), COLLECTIONS[1], now.tzinfo)
    return evening if evening > now else datetime.combine(now.date() + DAY, COLLECTIONS[0], now.tzinfo)


def said(day: date) -> str:
    return f"{day.month}月{day.day}日"
