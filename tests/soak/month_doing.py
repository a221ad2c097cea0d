"""What people do in a simulated month, by the same actions as the pages call."""

from collections.abc import Callable
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tests.soak.month_firm import Half
from tests.soak.month_records import Deed
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.events.actions import record
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.notifications.holding import plan_anew
from wsapp.crm.notifications.hours import hours_text
from wsapp.crm.notifications.preferences import choose, declared
from wsapp.crm.org.models import CorpRule, Member
from wsapp.crm.org.role_actions import name_deputy
from wsapp.crm.org.rules import set_rules
from wsapp.crm.org.workdays import set_days
from wsapp.crm.pools.actions import claim_customer, hand_to, release_customer
from wsapp.crm.tasks import actions as tasks
from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.queries import find_task
from wsapp.crm.visits.actions import check_out, log_visit
from wsapp.crm.visits.models import Visit
from wsapp.crm.visits.plans import cancel_plan, find_plan, plan_visit
from wsapp.crm.visits.rules import visit_types
from wsapp.crm.watches.actions import watch
from wsapp.db import db, first

SHANGHAI = ZoneInfo("Asia/Shanghai")
RULES = {"steps": "task.ladder", "ladder_at": "task.ladder_at", "evening": "brief.evening"}


class Book:
    """Under which ids the product knows what the month deals with."""

    def __init__(self) -> None:
        self.corps: dict[str, int] = {}  # by host
        self.members: dict[str, str] = {}  # by userid
        self.ids: dict[tuple[str, str, int], str] = {}  # by host, kind, number

    def keep(self, half: Half, kind: str, number: int, found: Any) -> None:
        self.ids[half.host, kind, number] = found.id

    def id_of(self, half: Half, kind: str, number: int) -> str:
        return self.ids[half.host, kind, number]


def _task_of(book: Book, half: Half, deed: Deed, actor: Member) -> Task:
    return find_task(book.id_of(half, "task", deed.subject), actor=actor)


def _create_task(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    more = deed.more
    customer = book.id_of(half, "customer", more["customer"]) if more["customer"] else None
    values = {
        "title": more["title"],
        "assignee": book.members[more["assignee"]],
        "kind": more["kind"],
        "due_at": more["due"],
        "all_day": more["all_day"],
        "reminders": list(more["before"]),
        "customer": customer,
        "repeat": more.get("repeat", ""),
        "repeat_free": more.get("free", "keep"),
    }
    book.keep(half, "task", deed.subject, tasks.create_task(values, actor=actor))


def _complete(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    task = _task_of(book, half, deed, actor)
    assert tasks.complete_task(task, actor=actor)
    if "next" in deed.more:
        following = first(sa.select(Task).where(Task.source == "repeat", Task.source_id == task.id))
        book.keep(half, "task", deed.more["next"], following)


def _cancel(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    assert tasks.cancel_task(_task_of(book, half, deed, actor), actor=actor, reason="客户改了计划")


def _move(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    tasks.change_task(_task_of(book, half, deed, actor), {"due_at": deed.more["due"]}, actor=actor)


def _note(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    tasks.change_task(_task_of(book, half, deed, actor), {"note": deed.more["note"]}, actor=actor)


def _snooze(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    assert tasks.snooze_task(_task_of(book, half, deed, actor), deed.more["until"], actor=actor)


def _ask(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    assert tasks.ask_about(_task_of(book, half, deed, actor), actor=actor)


def _assign(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    taker = book.members[deed.more["assignee"]]
    tasks.assign_task(_task_of(book, half, deed, actor), taker, actor=actor)


def _create_customer(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    values = {"name": deed.more["name"], "level": deed.more["level"]}
    book.keep(half, "customer", deed.subject, create_customer(values, actor=actor))


def _customer_of(book: Book, half: Half, number: int, actor: Member) -> Any:
    return find_customer(book.id_of(half, "customer", number), actor=actor)


def _follow_up(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    values = {key: deed.more[key] for key in ("text", "next_at", "next_action") if key in deed.more}
    logged = log_follow_up(_customer_of(book, half, deed.subject, actor), values, actor=actor)
    if "task" in deed.more:
        book.keep(half, "task", deed.more["task"], first(sa.select(Task).where(Task.source_id == logged.id)))


def _visit(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    values = {"note": "看了样品"}
    if "plan" in deed.more:
        values["plan"] = book.id_of(half, "plan", deed.more["plan"])
    customer = _customer_of(book, half, deed.more["customer"], actor)
    book.keep(half, "visit", deed.subject, log_visit(customer, values, actor=actor))


def _check_out(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    visit = first(sa.select(Visit).where(Visit.id == book.id_of(half, "visit", deed.subject)))
    assert check_out(visit, actor=actor)


def _plan(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    values = {
        "kind": next(iter(visit_types())),
        "starts_at": deed.more["begins"],
        "ends_at": deed.more["ends"],
        "purpose": "谈合作",
        "participants": [book.members[one] for one in deed.more["along"]],
    }
    customer = _customer_of(book, half, deed.more["customer"], actor)
    book.keep(half, "plan", deed.subject, plan_visit(customer, values, actor=actor))


def _cancel_plan(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    plan = find_plan(book.id_of(half, "plan", deed.subject), actor=actor)
    assert cancel_plan(plan, actor=actor, reason="客户出差了")


def _hand(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    customer = _customer_of(book, half, deed.subject, actor)
    hand_to(customer, book.members[deed.more["taker"]], actor=actor)


def _release(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    release_customer(_customer_of(book, half, deed.subject, actor), actor=actor, reason="暂时没有需求")


def _claim(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    claim_customer(book.id_of(half, "customer", deed.subject), actor=actor)


def _watch(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    assert watch(_customer_of(book, half, deed.subject, actor), actor=actor)


def _leave(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    deputy = db.session.get_one(Member, (actor.corp_id, book.members[deed.more["deputy"]]))
    starts = datetime.combine(deed.more["first"], time(), SHANGHAI)
    ends = datetime.combine(deed.more["last"], time(18), SHANGHAI)
    row = name_deputy(actor, deputy, starts_at=starts, ends_at=ends, actor=actor)
    record("member.deputy_changed", actor, actor=actor, changes={"deputy": [None, row.deputy_id]}, name=actor.name)


def _wish(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    channels = {key: key.partition("/")[0] not in deed.more["off"] for key in declared().channels}
    quiet, full = hours_text(deed.more["quiet"]), deed.more["full"]
    choose(actor, channels=channels, quiet_hours=quiet, digest_after=full, actor=actor)
    plan_anew(actor.id)


def _rules(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    values = {RULES[name]: _typed(value) for name, value in deed.more.items()}
    for key, change in set_rules(values).items():
        row = first(sa.select(CorpRule).where(CorpRule.id == key))
        record("rule.changed", row, actor=actor, changes={key: change})


def _typed(value: Any) -> Any:
    return f"{value:%H:%M}" if isinstance(value, time) else list(value)


def _day(book: Book, half: Half, deed: Deed, actor: Member) -> None:
    for one in set_days(deed.more["day"], deed.more["day"], works=deed.more["works"], note="公司活动"):
        before, after = one.values
        record("day.changed", one.row, actor=actor, changes={"works": [before, after]}, day=one.row.id)


DEEDS: dict[str, Callable[[Book, Half, Deed, Member], None]] = {
    "create_task": _create_task,
    "complete": _complete,
    "cancel": _cancel,
    "move": _move,
    "note": _note,
    "snooze": _snooze,
    "ask": _ask,
    "assign": _assign,
    "create_customer": _create_customer,
    "follow_up": _follow_up,
    "visit": _visit,
    "check_out": _check_out,
    "plan": _plan,
    "cancel_plan": _cancel_plan,
    "hand": _hand,
    "release": _release,
    "claim": _claim,
    "watch": _watch,
    "leave": _leave,
    "wish": _wish,
    "rules": _rules,
    "day": _day,
}
