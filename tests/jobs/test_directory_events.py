"""What the hosts tell about people and departments, over HTTP: lost, doubled, forged or out of order, it ends right."""

import itertools
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
import time_machine

from tests.jobs.town import PERSON, Town, large, small, town
from wsapp import clock, rechecks
from wsapp.connectors.base import HostEvent
from wsapp.crm.events.models import Event
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org import directory as runs
from wsapp.crm.org.models import Corp, Member
from wsapp.db import db
from wsapp.jobs.periodic import enqueue_ticks
from wsapp.jobs.worker import Engine
from wsapp.outbox import Outbox


@pytest.fixture(params=["wecom", "dingtalk"])
def firm(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Town]:
    """A dozen people at each host in turn, read already."""
    with town(request.param, small(), database_url, tmp_path / "data") as found:
        assert found.sync().state == "done"
        yield found


def corp_of(firm: Town) -> Corp:
    db.session.rollback()
    wanted = sa.select(Corp).where(Corp.id == firm.corp_id).execution_options(populate_existing=True)
    found = db.session.scalars(wanted).one()
    db.session.commit()
    return found


def until(check: Callable[[], bool], seconds: float) -> None:
    """Wait until `check` holds."""
    begin = clock.wall()
    while not check():
        assert clock.wall() - begin < timedelta(seconds=seconds), f"not within {seconds} s"


# --- the life of a member -----------------------------------------------------------------------------------------


def test_the_whole_life_by_events(firm: Town) -> None:
    """Join, move, two departments, lead, be switched off, come back, leave, return: each right after its event."""
    firm.change("xin", "join", name="新同事", departments=[3])
    firm.work()
    assert firm.status("xin") == "active"
    firm.change("xin", "move", departments=[4, 5])
    firm.work()
    assert {one for one in firm.memberships() if one[0] == "xin"} == {("xin", "4", False), ("xin", "5", False)}
    firm.change("xin", "move", departments=[4, 5], leads=[4])
    firm.work()
    assert ("xin", "4", True) in firm.memberships()
    browser = firm.browser("s1")
    firm.disable("s1")
    firm.work()
    assert firm.status("s1") in ("disabled", "left", "active")
    firm.change("xin", "leave")
    firm.work()
    assert firm.status("xin") == "left"
    firm.change("xin", "join", name="新同事", departments=[3])
    firm.work()
    back = firm.member("xin")
    assert back is not None
    assert (back.status, back.epoch) == ("active", 1)
    assert {one for one in firm.memberships() if one[0] == "xin"} == {("xin", "3", False)}
    assert browser is not None


@pytest.mark.parametrize("how", ["leave", "disable"])
@pytest.mark.parametrize("firm", ["wecom"], indirect=True)
def test_access_ends_soon_after_the_event(firm: Town, how: str) -> None:
    """With a worker of its own, as in life: pages, and a token's calls."""
    browser = firm.browser("s1")
    assert firm.gets_in(browser)
    engine = Engine(firm.app, threads=2)
    engine.start()
    firm.change("s1", how)
    try:
        until(lambda: not firm.gets_in(browser), 30)
    finally:
        assert engine.stop()


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)
def test_access_ends_with_the_event_itself(firm: Town) -> None:
    """Before any worker has seen it."""
    browser = firm.browser("s1")
    firm.change("s1", "leave")
    assert not firm.gets_in(browser)


def test_access_ends_within_fifteen_minutes_without_any_event(firm: Town) -> None:
    browser = firm.browser("s1")
    with firm.silence():
        firm.change("s1", "leave")
    assert firm.gets_in(browser)
    db.session.execute(sa.update(Outbox).values(state="done").execution_options(synchronize_session=False))
    db.session.commit()
    start = clock.now()
    with time_machine.travel(start, tick=True) as travel:
        firm.emulator.clock.offset = 0
        for minute in range(1, 16):
            travel.move_to(start + timedelta(minutes=minute))
            db.session.rollback()
            enqueue_ticks()
            _only({"sweep.members", "members.check"})
            firm.work()
            if firm.status("s1") == "left":
                break
    assert minute <= 12
    assert not firm.gets_in(browser)
    assert firm.status("s2") == "active"  # who is not signed in was not asked for


def _only(kinds: set[str]) -> None:
    """Leave out the day's other work, which is not what is measured."""
    other = sa.update(Outbox).where(Outbox.state == "ready", Outbox.kind.not_in(kinds)).values(state="done")
    db.session.execute(other.execution_options(synchronize_session=False))
    db.session.commit()


def test_looking_after_those_who_are_signed_in_costs_a_call_each_ten_minutes(firm: Town) -> None:
    for userid in ("s1", "s2", "s3"):
        firm.browser(userid)
    old = clock.now() - timedelta(minutes=11)
    db.session.execute(sa.update(Member).values(checked_at=old).execution_options(synchronize_session=False))
    db.session.commit()
    firm.emulator.call_counts.clear()
    for _again in range(3):
        db.session.execute(sa.delete(Outbox).where(Outbox.kind == "sweep.members"))
        db.session.commit()
        enqueue_ticks()
        _only({"sweep.members", "members.check"})
        firm.work()
    assert firm.emulator.call_counts.get(PERSON[firm.host]) == 3
    assert firm.calls() == 3  # departments are not asked for when nothing has changed


# --- departments, ranges, administrators ----------------------------------------------------------------------------


def test_departments_follow_their_events(firm: Town) -> None:
    firm.change_department(6, "create", name="华北组", parent=2)
    firm.work()
    assert firm.paths()["6"] == "/1/2/6/"
    firm.change_department(6, "move", parent=5)
    firm.work()
    assert firm.paths()["6"] == "/1/5/6/"
    firm.change_department(6, "remove")
    firm.work()
    assert "6" not in firm.paths()


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)
def test_new_leaders_of_a_department_have_their_rights_after_its_event(firm: Town) -> None:
    firm.change_department(2, "lead", leaders=["lead"])
    firm.change("s1", "move", departments=[2], leads=[])
    firm.work()
    firm.change_department(2, "lead", leaders=["s1"])
    firm.work()
    led = {one for one in firm.memberships() if one[1] == "2" and one[2]}
    assert led == {("s1", "2", True)}


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)
def test_a_changed_range_reads_the_directory_anew(firm: Town) -> None:
    firm.change_range(departments=[2, 5], users=["boss"])
    assert firm.make_due("directory.start") == 1
    firm.work()
    run = runs.latest()[0]
    assert (run.cause, run.state, run.roots, run.people) == ("range", "done", 2, 12)


@pytest.mark.parametrize("firm", ["wecom"], indirect=True)
def test_a_narrower_range_shuts_out_by_the_apps_own_events(firm: Town) -> None:
    firm.change_range(departments=[1], users=[])
    browser = firm.browser("money")
    firm.change_range(departments=[2], users=["boss", "both"])
    firm.work()
    assert firm.status("money") == "left"
    assert not firm.gets_in(browser)
    firm.change_range(departments=[1], users=[])
    firm.work()
    assert firm.status("money") == "active"


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)
def test_administrators_of_the_host_are_administrators_after_the_event(firm: Town) -> None:
    member = firm.emulator.world.corps[firm.host_corp_id].members["s1"]
    member.admin = True
    firm.emulator.events.emit(firm.emulator.world.corps[firm.host_corp_id], "org_admin_add", UserId=["s1"])
    firm.emulator.wait_for_callbacks()
    firm.work()
    found = firm.member("s1")
    assert found is not None
    assert found.is_admin
    member.admin = False
    firm.emulator.events.emit(firm.emulator.world.corps[firm.host_corp_id], "org_admin_remove", UserId=["s1"])
    firm.emulator.wait_for_callbacks()
    firm.work()
    found = firm.member("s1")
    assert found is not None
    assert not found.is_admin


@pytest.mark.parametrize("firm", ["wecom"], indirect=True)
def test_a_new_userid_keeps_the_member(firm: Town) -> None:
    before = firm.member("s1")
    firm.change("s1", "rename", new_userid="LiWei")
    firm.work()
    after = firm.member("LiWei")
    assert before is not None
    assert after is not None
    assert (after.id, after.status) == (before.id, "active")
    assert firm.member("s1") is None


# --- doubled, forged, lost, out of order ------------------------------------------------------------------------------


def tell(firm: Town, *events: HostEvent) -> None:
    """Have the product hear events that passed the door: as if whoever knows the keys had sent them."""
    connector = rechecks.hosts.lines().of(corp_of(firm))
    for event in events:
        rechecks.take_hint(connector, event)
    db.session.commit()


def test_forged_events_change_nothing_for_long(firm: Town) -> None:
    before, statuses = firm.memberships(), firm.statuses()
    tell(
        firm,
        HostEvent("member.left", "f1", userids=("s1",)),
        HostEvent("member.changed", "f2", userids=("s2", "nobody", "x' or 1=1")),
        HostEvent("department.changed", "f3", data={"departments": ["2", "77", ""]}),
        HostEvent("member.changed", "f4", userids=("s3", "s4"), data={"renamed_to": "s4"}),
    )
    assert firm.status("s1") == "left"  # out at once, and back as soon as the host was asked
    firm.work()
    assert firm.statuses() == statuses
    assert firm.memberships() == before


def test_a_callback_with_a_wrong_signature_is_not_even_a_hint(firm: Town) -> None:
    path = f"/callbacks/{firm.host}/{firm.host_corp_id}" + ("/contacts" if firm.host == "wecom" else "")
    query = {"timestamp": str(int(clock.now().timestamp())), "nonce": "n", "signature": "0" * 40}
    answer = requests.post(f"{firm.address}{path}", params=query, data=b"<xml/>", timeout=10)
    assert answer.status_code == 403
    assert firm.statuses()["s1"] == "active"


@pytest.mark.parametrize("firm", ["wecom"], indirect=True)
def test_doubled_callbacks_count_once(firm: Town) -> None:
    firm.emulator.knobs["callback_copies"] = 3
    firm.change("s1", "leave")
    gone = firm.member("s1")
    assert gone is not None
    assert (gone.status, gone.epoch) == ("left", 1)
    firm.work()
    left = sa.select(sa.func.count()).where(Event.kind == "member.left").select_from(Event)
    assert db.session.scalar(left) == 1


@pytest.mark.parametrize("seed", range(2))
def test_whatever_arrives_in_whatever_order_the_night_puts_right(firm: Town, seed: int) -> None:
    """Real changes whose events are lost, doubled and shuffled, forged ones between; then the nightly run."""
    chance = random.Random(seed)
    told: list[HostEvent] = []
    ids = itertools.count()
    with firm.silence():
        for _change in range(8):
            userid = chance.choice(["s1", "s2", "s3", "both", "xin"])
            here = (
                firm.emulator.corps[firm.host_corp_id].user(userid) if firm.host == "wecom" else _member(firm, userid)
            )
            departments = chance.sample([3, 4, 5], chance.choice([1, 2]))
            action = chance.choice(["move", "leave"]) if here else "join"
            firm.change(userid, action, departments=departments, leads=chance.sample(departments, 1), name="某人")
            kind = "member.left" if action == "leave" else "member.changed"
            told.append(HostEvent(kind, f"e{next(ids)}", userids=(userid,)))
    told = [one for one in told if chance.random() < 0.7]  # lost
    told += [one for one in told if chance.random() < 0.3]  # doubled
    told.append(HostEvent(chance.choice(["member.left", "member.changed"]), "forged", userids=("money",)))
    chance.shuffle(told)
    tell(firm, *told)
    firm.work()
    run = firm.sync(accept=True, cause="nightly")
    assert run.state == "done"
    assert {one: status for one, status in firm.statuses().items() if status != "left"} == dict.fromkeys(
        _at_the_host(firm), "active"
    )
    assert firm.memberships() == {
        (userid, str(one), one in leads)
        for userid, (departments, leads) in _at_the_host(firm).items()
        for one in departments
    }
    assert corp_of(firm).leaving_held_at is None


def _member(firm: Town, userid: str) -> object:
    return firm.emulator.world.corps[firm.host_corp_id].members.get(userid)


def _at_the_host(firm: Town) -> dict[str, tuple[list[int], set[int]]]:
    if firm.host == "wecom":
        users = firm.emulator.corps[firm.host_corp_id].users.values()
    else:
        users = firm.emulator.world.corps[firm.host_corp_id].members.values()
    return {one.userid: (list(one.departments), set(one.leads)) for one in users}


# --- very many at once ------------------------------------------------------------------------------------------------


@pytest.fixture
def crowd(database_url: str, tmp_path: Path) -> Iterator[Town]:
    """Two hundred people at DingTalk, read already."""
    with town("dingtalk", large(200), database_url, tmp_path / "data") as found:
        assert found.sync().state == "done"
        yield found


def test_a_burst_of_leaving_is_held_alarmed_and_resolved(crowd: Town) -> None:
    """Five hundred hints of leaving, all false: sessions end, nobody is marked beyond the limit, one alarm."""
    db.session.execute(sa.update(Member).where(Member.userid == "u00199").values(role="admin", role_set_here=True))
    db.session.commit()
    browsers = [crowd.browser(userid) for userid in ("u00001", "u00150")]
    people = [one for one in crowd.layout.people if one != "u00199"]
    tell(crowd, *(HostEvent("member.left", f"e{number}", userids=(people[number % 199],)) for number in range(500)))
    assert not any(crowd.gets_in(one) for one in browsers)
    left = [one for one, status in crowd.statuses().items() if status == "left"]
    assert len(left) == 20
    assert len(crowd.statuses()) == 200
    assert corp_of(crowd).leaving_held_at is not None
    crowd.work()
    told = db.session.scalars(sa.select(Notification.kind).where(Notification.kind.startswith("directory"))).all()
    assert set(told) == {"directory.held"}
    assert len(told) == db.session.scalar(
        sa.select(sa.func.count()).select_from(Member).where(Member.role == "admin", Member.status == "active")
    )
    assert crowd.make_due("directory.start") == 1
    crowd.work()
    run = runs.latest()[0]
    assert (run.cause, run.state, run.leavers) == ("burst", "done", 0)
    assert set(crowd.statuses().values()) == {"active"}
    assert corp_of(crowd).leaving_held_at is None


def test_a_real_exodus_ends_access_at_once_and_waits_for_a_yes(crowd: Town) -> None:
    crowd.emulator.clock.offset = 0
    gone = [f"u{number:05d}" for number in range(10, 70)]
    browser = crowd.browser(gone[-1])
    members = crowd.emulator.world.corps[crowd.host_corp_id].members
    for userid in gone:
        del members[userid]
    crowd.emulator.world.sync_leaders(crowd.emulator.world.corps[crowd.host_corp_id])
    tell(crowd, *(HostEvent("member.left", f"e{userid}", userids=(userid,)) for userid in gone))
    assert not crowd.gets_in(browser)
    crowd.work()
    crowd.make_due("directory.start")
    crowd.work()
    run = runs.latest()[0]
    assert (run.state, run.leavers) == ("asking", 40)  # 20 were marked before the brake
    assert crowd.status(gone[-1]) == "active"
    assert crowd.sync(accept=True).state == "done"
    assert {one for one, status in crowd.statuses().items() if status == "left"} == set(gone)
    assert corp_of(crowd).leaving_held_at is None
