"""The product in a simulated month: both halves of the firm connected to their emulators over HTTP, people's deeds done
by the same actions as the pages call, and everything that is due executed as a worker does."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import requests
import sqlalchemy as sa
import time_machine
from flask import Flask

from tests.cast import settings_for
from tests.soak.month_firm import ROOT, Half
from tests.soak.month_records import Deed
from wsapp import outbox
from wsapp.cli_directory import sync_now
from wsapp.config import load
from wsapp.connectors import connector_classes
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator
from wsapp.connectors.dingtalk.emulator import demo_org as dingtalk_org
from wsapp.connectors.emulator import RunningEmulator
from wsapp.connectors.wecom.emulator import WeComEmulator
from wsapp.connectors.wecom.emulator import demo_org as wecom_org
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.events.actions import record
from wsapp.crm.events.models import Event
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.notifications.holding import plan_anew
from wsapp.crm.notifications.hours import hours_text
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.preferences import choose, declared
from wsapp.crm.org import standing
from wsapp.crm.org.models import CorpRule, Member
from wsapp.crm.org.queries import corps
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
from wsapp.db import corp_scope, db, first, upgrade
from wsapp.jobs.periodic import enqueue_ticks
from wsapp.jobs.worker import run_all

PUBLIC_URL = "http://127.0.0.1:8000"
SHANGHAI = ZoneInfo("Asia/Shanghai")
RULES = {"steps": "task.ladder", "ladder_at": "task.ladder_at", "evening": "brief.evening"}
MANY_CALLS = 10_000_000  # that DingTalk's edition of the firm grants a month


class Product:
    """The running product with both halves of the firm in it."""

    def __init__(self, app: Flask, emulators: dict[str, RunningEmulator], clock: time_machine.Traveller) -> None:
        self.app = app
        self.emulators = emulators
        self.clock = clock
        self.corps: dict[str, int] = {}
        self.ids: dict[tuple[str, str, int], str] = {}  # (host, kind, number) → the product's id
        self.members: dict[str, str] = {}

    # --- time ------------------------------------------------------------------------------------------------

    def at(self, moment: datetime, *, tick: bool) -> None:
        """Let it be a moment (no earlier than it is), and do what is due; `tick`: the scheduler ticks first."""
        self.go_to(moment)
        if tick:
            with self.app.app_context():
                enqueue_ticks()
        self.work()

    def go_to(self, moment: datetime) -> None:
        if datetime.now(SHANGHAI) < moment:
            self.clock.move_to(moment)

    def work(self) -> None:
        run_all(self.app)

    def next_due(self) -> datetime | None:
        """When a worker would wake."""
        with self.app.app_context():
            return outbox.next_due()

    # --- deeds -----------------------------------------------------------------------------------------------

    def do(self, half: Half, deed: Deed) -> None:
        """Have somebody do something, in a transaction as a page has it."""
        with self.app.app_context(), corp_scope(self.corps[half.host]):
            actor = db.session.get_one(Member, (self.corps[half.host], self.members[deed.actor]))
            DEEDS[deed.kind](self, half, deed, actor)
            db.session.commit()

    def keep(self, half: Half, kind: str, number: int, found: Any) -> None:
        self.ids[half.host, kind, number] = found.id

    def id_of(self, half: Half, kind: str, number: int) -> str:
        return self.ids[half.host, kind, number]

    # --- looking ---------------------------------------------------------------------------------------------

    def shown(self) -> list[dict[str, Any]]:
        """Every message in every chat, by the hosts' own word."""
        found = []
        for host, running in self.emulators.items():
            items = requests.get(f"{running.url}/_emulator/chats", timeout=120).json()["items"]
            found += [{**one, "host": host} for one in items]
        return found

    def calls(self) -> dict[str, dict[str, int]]:
        """How often each of the hosts' interfaces was called."""
        return {
            host: requests.get(f"{running.url}/_emulator/calls?api=-", timeout=30).json()["counts"]
            for host, running in self.emulators.items()
        }

    def in_each_corp(self, ask: Callable[[], Any]) -> dict[str, Any]:
        """Ask something in each corp."""
        found = {}
        with self.app.app_context():
            for host, corp_id in self.corps.items():
                with corp_scope(corp_id):
                    found[host] = ask()
        return found

    def ledger(self) -> dict[str, dict[tuple[str, str], int]]:
        """How many messages of each kind and state there are, by host."""

        def count() -> dict[tuple[str, str], int]:
            columns = (Notification.kind, Notification.state)
            rows = db.session.execute(sa.select(*columns, sa.func.count()).group_by(*columns)).all()
            return {(kind, state): number for kind, state, number in rows}

        return self.in_each_corp(count)

    def events(self) -> int:
        return sum(self.in_each_corp(lambda: db.session.scalar(sa.select(sa.func.count()).select_from(Event))).values())

    def unfinished(self) -> list[Any]:
        with self.app.app_context():
            wanted = sa.select(outbox.Outbox.kind, outbox.Outbox.state, outbox.Outbox.error)
            wanted = wanted.where(outbox.Outbox.state == outbox.DEAD)
            return [tuple(row) for row in db.session.execute(wanted)]


# --- deeds ------------------------------------------------------------------------------------------------------------


def _task_of(product: Product, half: Half, deed: Deed, actor: Member) -> Task:
    return find_task(product.id_of(half, "task", deed.subject), actor=actor)


def _create_task(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    more = deed.more
    customer = product.id_of(half, "customer", more["customer"]) if more["customer"] else None
    values = {
        "title": more["title"],
        "assignee": product.members[more["assignee"]],
        "kind": more["kind"],
        "due_at": more["due"],
        "all_day": more["all_day"],
        "reminders": list(more["before"]),
        "customer": customer,
        "repeat": more.get("repeat", ""),
        "repeat_free": more.get("free", "keep"),
    }
    product.keep(half, "task", deed.subject, tasks.create_task(values, actor=actor))


def _complete(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    task = _task_of(product, half, deed, actor)
    assert tasks.complete_task(task, actor=actor)
    if "next" in deed.more:
        following = first(sa.select(Task).where(Task.source == "repeat", Task.source_id == task.id))
        product.keep(half, "task", deed.more["next"], following)


def _cancel(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    assert tasks.cancel_task(_task_of(product, half, deed, actor), actor=actor, reason="客户改了计划")


def _move(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    tasks.change_task(_task_of(product, half, deed, actor), {"due_at": deed.more["due"]}, actor=actor)


def _note(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    tasks.change_task(_task_of(product, half, deed, actor), {"note": deed.more["note"]}, actor=actor)


def _snooze(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    assert tasks.snooze_task(_task_of(product, half, deed, actor), deed.more["until"], actor=actor)


def _ask(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    assert tasks.ask_about(_task_of(product, half, deed, actor), actor=actor)


def _assign(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    taker = product.members[deed.more["assignee"]]
    tasks.assign_task(_task_of(product, half, deed, actor), taker, actor=actor)


def _create_customer(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    values = {"name": deed.more["name"], "level": deed.more["level"]}
    product.keep(half, "customer", deed.subject, create_customer(values, actor=actor))


def _customer_of(product: Product, half: Half, number: int, actor: Member) -> Any:
    return find_customer(product.id_of(half, "customer", number), actor=actor)


def _follow_up(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    values = {key: deed.more[key] for key in ("text", "next_at", "next_action") if key in deed.more}
    logged = log_follow_up(_customer_of(product, half, deed.subject, actor), values, actor=actor)
    if "task" in deed.more:
        product.keep(half, "task", deed.more["task"], first(sa.select(Task).where(Task.source_id == logged.id)))


def _visit(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    values = {"note": "看了样品"}
    if "plan" in deed.more:
        values["plan"] = product.id_of(half, "plan", deed.more["plan"])
    customer = _customer_of(product, half, deed.more["customer"], actor)
    product.keep(half, "visit", deed.subject, log_visit(customer, values, actor=actor))


def _check_out(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    visit = first(sa.select(Visit).where(Visit.id == product.id_of(half, "visit", deed.subject)))
    assert check_out(visit, actor=actor)


def _plan(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    values = {
        "kind": next(iter(visit_types())),
        "starts_at": deed.more["begins"],
        "ends_at": deed.more["ends"],
        "purpose": "谈合作",
        "participants": [product.members[one] for one in deed.more["along"]],
    }
    customer = _customer_of(product, half, deed.more["customer"], actor)
    product.keep(half, "plan", deed.subject, plan_visit(customer, values, actor=actor))


def _cancel_plan(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    plan = find_plan(product.id_of(half, "plan", deed.subject), actor=actor)
    assert cancel_plan(plan, actor=actor, reason="客户出差了")


def _hand(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    customer = _customer_of(product, half, deed.subject, actor)
    hand_to(customer, product.members[deed.more["taker"]], actor=actor)


def _release(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    release_customer(_customer_of(product, half, deed.subject, actor), actor=actor, reason="暂时没有需求")


def _claim(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    claim_customer(product.id_of(half, "customer", deed.subject), actor=actor)


def _leave(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    deputy = db.session.get_one(Member, (actor.corp_id, product.members[deed.more["deputy"]]))
    starts = datetime.combine(deed.more["first"], time(), SHANGHAI)
    ends = datetime.combine(deed.more["last"], time(18), SHANGHAI)
    row = name_deputy(actor, deputy, starts_at=starts, ends_at=ends, actor=actor)
    record("member.deputy_changed", actor, actor=actor, changes={"deputy": [None, row.deputy_id]}, name=actor.name)


def _wish(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    channels = {key: key.partition("/")[0] not in deed.more["off"] for key in declared().channels}
    quiet, full = hours_text(deed.more["quiet"]), deed.more["full"]
    choose(actor, channels=channels, quiet_hours=quiet, digest_after=full, actor=actor)
    plan_anew(actor.id)


def _rules(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    values = {RULES[name]: _typed(value) for name, value in deed.more.items()}
    for key, change in set_rules(values).items():
        row = first(sa.select(CorpRule).where(CorpRule.id == key))
        record("rule.changed", row, actor=actor, changes={key: change})


def _typed(value: Any) -> Any:
    return f"{value:%H:%M}" if isinstance(value, time) else list(value)


def _day(product: Product, half: Half, deed: Deed, actor: Member) -> None:
    for one in set_days(deed.more["day"], deed.more["day"], works=deed.more["works"], note="公司活动"):
        before, after = one.values
        record("day.changed", one.row, actor=actor, changes={"works": [before, after]}, day=one.row.id)


DEEDS: dict[str, Callable[[Product, Half, Deed, Member], None]] = {
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
    "leave": _leave,
    "wish": _wish,
    "rules": _rules,
    "day": _day,
}


# --- setting up -------------------------------------------------------------------------------------------------------


def _org(half: Half) -> dict[str, Any]:
    """A host's description of its half, with the sample firm's app."""
    made = {"wecom": wecom_org, "dingtalk": dingtalk_org}[half.host](PUBLIC_URL)
    corp = made["corps"][0]
    is_wecom = half.host == "wecom"
    above = "parentid" if is_wecom else "parent"
    corp["departments"] = [
        {"id": number, "name": name, above: parent} for number, (name, parent) in half.departments.items()
    ]
    corp["users"] = [
        {
            "userid": one.userid,
            "name": one.name,
            "departments": [one.home],
            "leads": [one.leads] if one.leads else [],
            **({"position": ""} if is_wecom else {"unionid": f"UN{one.userid}", "admin": one.leads == ROOT}),
        }
        for one in half.people.values()
    ]
    corp["groups"] = []
    corp["apps"][0]["visible"] = {"users": [], "departments": [ROOT]}
    return made


@contextmanager
def running(
    data: Path, database_url: str, halves: list[Half], begins: datetime, *, migrated: bool = True
) -> Iterator[Product]:
    """Start the emulators and the product at a moment, and have the product read both directories."""
    from wsapp.app import create_app
    from wsapp.hosts import connect_configured_corps

    with ExitStack() as stack:
        clock = stack.enter_context(time_machine.travel(begins, tick=True))
        emulators = {}
        for half, make in zip(halves, (WeComEmulator, DingTalkEmulator), strict=True):
            emulator = make()
            emulator.load(_org(half))
            emulators[half.host] = stack.enter_context(emulator.start())
        standing._kept.clear()
        bases = {f"{host}_base": one.url for host, one in emulators.items()}
        settings_for(data, url=database_url, public_url=PUBLIC_URL, **bases)
        path = data / "config.toml"
        text = path.read_text().replace('quiet_hours = ""', 'quiet_hours = "21:00-08:00"')
        path.write_text(f'{text}monthly_calls = "{MANY_CALLS}"\n')
        app = create_app(load(path, {}, connector_classes()))
        if not migrated:
            upgrade(app)
        product = Product(app, emulators, clock)
        with app.app_context():
            connect_configured_corps()
            found = list(corps())
        for corp in found:
            _read_directory(product, corp.id, next(one for one in halves if one.host == corp.host))
        yield product
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def _read_directory(product: Product, corp_id: int, half: Half) -> None:
    product.corps[half.host] = corp_id
    with product.app.app_context(), corp_scope(corp_id):
        corp = next(one for one in corps() if one.id == corp_id)
        run = sync_now(corp, accept_leavers=False, tell=lambda run: None)
        assert (run.state, run.people) == ("done", len(half.people)), (run.state, run.code, run.people)
        set_rules({"recycle.mode": "off"})
        db.session.commit()
        for userid, member_id in db.session.execute(sa.select(Member.userid, Member.id)):
            product.members[userid] = member_id
        db.session.commit()
    for person in half.people.values():
        wished = {"off": person.off, "quiet": person.quiet, "full": person.full}
        product.do(half, Deed("wish", person.userid, 0, wished))
