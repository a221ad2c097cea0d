"""The clock against a reference that walks day by day: who leaves when. A missing date never does."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import LEVELS, Customer
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.org.models import Member
from wsapp.crm.org.role_actions import end_delegations, name_deputy
from wsapp.crm.org.rules import set_rules
from wsapp.crm.org.standing import changed
from wsapp.crm.pools.clocks import absences, clock_of, clock_of_customer, clock_rows, due_by, today
from wsapp.crm.pools.models import CUSTOMERS, LEADS, Pool
from wsapp.crm.pools.queries import make_first_pool
from wsapp.crm.pools.terms import rulebook
from wsapp.db import db, insert_rows, new_id
from wsapp.house import zone

ZONE = "Asia/Shanghai"
DATES = ("owned_since", "last_followed_at", "clock_at", "last_visited_at", "last_deal_at")


def own(member: Member) -> Member:
    return db.session.merge(member)


# --- the reference ------------------------------------------------------------------------------------------------


def reference(row: dict[str, Any], rules: dict[str, Any], away: list[tuple[date, date]]) -> date | None:
    """Return the day on which a customer leaves by its dates alone, found by walking through the calendar."""
    days = []
    for condition in ("no_follow", "no_visit", "no_deal"):
        allowed = rules.get(f"recycle.{condition}", {"no_follow": 15, "no_visit": 0, "no_deal": 180}[condition])
        if condition == "no_follow" and row["level"]:
            allowed = rules.get(f"recycle.no_follow_{row['level']}", 0) or allowed
        if allowed:
            days.append(walk(row, condition, allowed, rules, away))
    if not days:
        return None
    first = max(days) if rules.get("recycle.joined", "or") == "and" else min(days)
    return max(first, there(row["created_at"]) + timedelta(days=rules.get("recycle.new_days", 7)))


def walk(row: dict[str, Any], condition: str, allowed: int, rules: dict[str, Any], away: Any) -> date:
    touched = [row["created_at"]]
    if row["owned_since"]:
        touched.append(row["owned_since"])
    if condition == "no_deal":
        touched += [row["last_deal_at"]] if row["last_deal_at"] else []
    else:
        touched += [row["last_visited_at"]] if row["last_visited_at"] else []
        if row["last_deal_at"]:
            touched.append(row["last_deal_at"] + timedelta(days=rules.get("recycle.deal_grace", 90)))
        if condition == "no_follow":
            followed = row["clock_at"] if row["clock_at"] else row["last_followed_at"]
            touched += [followed] if followed else []
    day, counted = max(there(one) for one in touched), 0
    while counted <= allowed:
        day += timedelta(days=1)
        if not any(start <= day <= end for start, end in away):
            counted += 1
    return day


def there(moment: datetime) -> date:
    return clock.local(moment, ZONE).date()


# --- against it ---------------------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 22, 4, 30, tzinfo=clock.UTC)
hours = st.integers(0, 24 * 300)
moments = st.one_of(st.none(), hours.map(lambda one: NOW - timedelta(hours=one)))
rule_sets = st.fixed_dictionaries(
    {},
    optional={
        "recycle.joined": st.sampled_from(["and", "or"]),
        "recycle.no_follow": st.sampled_from([0, 1, 15, 40]),
        "recycle.no_follow_A": st.sampled_from([0, 3]),
        "recycle.no_follow_D": st.sampled_from([0, 60]),
        "recycle.no_visit": st.sampled_from([0, 2, 30]),
        "recycle.no_deal": st.sampled_from([0, 7, 180]),
        "recycle.deal_grace": st.sampled_from([0, 10]),
        "recycle.new_days": st.sampled_from([0, 30]),
    },
)
customers = st.lists(
    st.tuples(
        st.booleans(),  # 阿丽's, else 小查's
        st.fixed_dictionaries(
            {
                "level": st.sampled_from([None, *LEVELS]),
                "lead": st.sampled_from(["", "", "new", "converted"]),
                "created_at": hours.map(lambda one: NOW - timedelta(hours=one)),
                **dict.fromkeys(DATES, moments),
            }
        ),
    ),
    min_size=5,
    max_size=12,
)


@contextmanager
def rolled_back() -> Iterator[None]:
    try:
        yield
    finally:
        db.session.rollback()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    found=customers,
    rules=rule_sets,
    of_pools=st.lists(rule_sets, max_size=2),
    starts=st.integers(-40, 10),
    length=st.integers(0, 20),
)
def test_the_clock_is_what_the_calendar_says(
    here: Flask,
    ali: Member,
    cha: Member,
    found: list[tuple[bool, dict[str, Any]]],
    rules: dict[str, Any],
    of_pools: list[dict[str, Any]],
    starts: int,
    length: int,
) -> None:
    with rolled_back():
        set_rules(rules)
        make_pools(of_pools)
        away = []
        if length:
            first = there(NOW) + timedelta(days=starts)
            away = [(first, first + timedelta(days=length - 1))]
        rows = [
            {
                "id": new_id(),
                "name": "某某公司",
                "name_key": "某某公司",
                "owner_id": ali.id if owned else cha.id,
                "updated_at": NOW,
                "tags": [],
                "custom": {},
                "version": 1,
                **dict.fromkeys(BLANK, ""),
                **one,
            }
            for owned, one in found
        ]
        insert_rows(Customer, rows)
        here_hold = {row["id"]: rules | own_rules(row, of_pools, ali) for row in rows}
        expected = {row["id"]: reference(row, here_hold[row["id"]], away) for row in rows}
        now = rulebook()
        read = {row.id: row for row in db.session.execute(clock_rows())}
        leave = dict.fromkeys((ali.id, cha.id), away)
        clocks = {key: clock_of(row, now.of(row), leave, now=NOW) for key, row in read.items()}
        assert {key: one and one.leaves_on for key, one in clocks.items()} == expected
        # Asked in the database without anybody's leave: never fewer, and without leave the very ones.
        day = there(NOW)
        in_sql = set(db.session.scalars(sa.select(Customer.id).where(due_by(now, day))))
        due = {key for key, one in expected.items() if one and one <= day}
        assert due <= in_sql
        plain = {row["id"]: reference(row, {**here_hold[row["id"]], "recycle.new_days": 0}, []) for row in rows}
        assert in_sql == {key for key, one in plain.items() if one and one <= day}


def make_pools(of_pools: list[dict[str, Any]]) -> None:
    """Make the corp's pool; one of 阿丽's department with the first rules, and one of leads with the second."""
    make_first_pool()
    places = ({"kind": CUSTOMERS, "departments": ["2"]}, {"kind": LEADS, "departments": []})
    for place, rules in zip(places, of_pools, strict=False):
        own = {key.removeprefix("recycle."): value for key, value in rules.items()}
        pool = Pool(name="公海", is_default=True, rules={"recycle": own}, created_at=NOW, updated_at=NOW, **place)
        db.session.add(pool)
    db.session.flush()
    changed()


def own_rules(row: dict[str, Any], of_pools: list[dict[str, Any]], ali: Member) -> dict[str, Any]:
    """Return what the pool says otherwise into which a customer would fall."""
    if row["lead"] == "new" and len(of_pools) > 1:
        return of_pools[1]
    return of_pools[0] if of_pools and row["owner_id"] == ali.id else {}


BLANK = ("short_name", "source", "industry", "size", "province", "city", "district", "address", "place_source")
BLANK += ("website", "credit_code", "note", "lead", "invalid_reason")


# --- in life ------------------------------------------------------------------------------------------------------


@pytest.fixture
def huaxing(here: Flask, ali: Member) -> Customer:
    made = create_customer({"name": "佛山市华星家具有限公司"}, actor=own(ali))
    made.created_at = clock.now() - timedelta(days=100)
    made.last_followed_at = clock.now() - timedelta(days=5)
    db.session.commit()
    return made


def leaves_in(customer: Customer) -> int:
    db.session.flush()
    _row, one = clock_of_customer(customer.id)
    assert one is not None
    return (one.leaves_on - today()).days


def test_a_customer_claimed_today_and_never_followed_does_not_leave(here: Flask, ali: Member) -> None:
    made = create_customer({"name": "江门红木博览城"}, actor=own(ali))
    made.created_at = clock.now() - timedelta(days=170)
    made.owned_since = clock.now()
    db.session.flush()
    assert leaves_in(made) == 16
    assert due_now() == set()


def due_now() -> set[str]:
    return set(db.session.scalars(sa.select(Customer.id).where(due_by(rulebook(), today()))))


def test_only_follow_ups_that_say_something_reset_the_clock(huaxing: Customer, ali: Member) -> None:
    assert leaves_in(huaxing) == 11
    log_follow_up(huaxing, {"text": "打过"}, actor=own(ali))
    assert leaves_in(huaxing) == 11
    assert there(huaxing.last_followed_at) == today()  # type: ignore[arg-type]
    log_follow_up(huaxing, {"text": "对方要求下周报价"}, actor=own(ali))
    assert leaves_in(huaxing) == 16
    huaxing.last_followed_at = clock.now() - timedelta(days=3)
    assert leaves_in(huaxing) == 13
    log_follow_up(huaxing, {"text": "对方要求下周报价"}, actor=own(ali))  # the last text once more
    assert leaves_in(huaxing) == 13
    set_rules({"recycle.skip_trivial": False})
    log_follow_up(huaxing, {"text": "嗯"}, actor=own(ali))
    assert leaves_in(huaxing) == 16


def test_whether_a_co_worker_resets_it_is_a_rule(huaxing: Customer, ali: Member, bob: Member, cha: Member) -> None:
    set_rules({"recycle.coworkers_count": False})
    log_follow_up(huaxing, {"text": "我也去见了他们的采购"}, actor=own(cha))
    assert leaves_in(huaxing) == 11
    log_follow_up(huaxing, {"text": "主管一起去谈了合同条款"}, actor=own(bob))  # who leads the owner
    assert leaves_in(huaxing) == 16


def test_it_stands_still_while_the_owner_is_away(huaxing: Customer, ali: Member, bob: Member) -> None:
    ends = clock.start_of_day(today() + timedelta(days=4), zone())
    name_deputy(own(ali), own(bob), starts_at=None, ends_at=ends, actor=own(ali))
    _row, one = clock_of_customer(huaxing.id)
    assert one is not None
    assert (one.held, (one.leaves_on - today()).days, one.paused) == ("away", 15, 4)
    end_delegations(own(ali), actor=own(ali))  # back early: the days until now stay paused
    assert leaves_in(huaxing) == 12
    assert absences()[ali.id][0][0] == today()
