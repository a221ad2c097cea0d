"""The directory read whole, over HTTP, on both hosts: everybody, in the fewest calls, through kills and refusals."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.jobs.town import PEOPLE_PAGE, QUICK, Town, small, town
from wsapp import arrivals, clock, hosts
from wsapp.connectors.base import TryLater
from wsapp.crm.events.models import Event
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org import directory as runs
from wsapp.crm.org.access import create_token
from wsapp.crm.org.models import Corp, Department, DirectoryRun, DirectoryStep, Member
from wsapp.crm.org.queries import team_ids
from wsapp.db import db
from wsapp.jobs.directory import Throttle, Walker, nightly
from wsapp.jobs.pace import PACE
from wsapp.jobs.runner import Desk
from wsapp.outbox import Outbox


@pytest.fixture(params=["wecom", "dingtalk"])
def firm(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Town]:
    """A dozen people at each host in turn."""
    with town(request.param, small(), database_url, tmp_path / "data") as found:
        yield found


def events(kind: str) -> list[Event]:
    db.session.rollback()
    return list(db.session.scalars(sa.select(Event).where(Event.kind == kind).order_by(Event.at, Event.id)))


# --- who is there -------------------------------------------------------------------------------------------------


def test_everybody_is_there_with_departments_and_leaderships(firm: Town) -> None:
    run = firm.sync()
    assert (run.state, run.people, run.departments, run.departments_read, run.roots) == ("done", 12, 5, 5, 1)
    assert firm.statuses() == dict.fromkeys(firm.layout.people, "active")
    expected = {
        (userid, str(one), one in row.get("leads", ()))
        for userid, row in firm.layout.people.items()
        for one in row["departments"]
    }
    assert firm.memberships() == expected
    assert firm.paths() == {"1": "/1/", "2": "/1/2/", "3": "/1/2/3/", "4": "/1/2/4/", "5": "/1/5/"}
    assert db.session.scalar(sa.select(sa.func.count()).select_from(DirectoryStep)) == 0


def test_no_more_calls_than_needed_are_made(firm: Town) -> None:
    run = firm.sync()
    assert {api: count for api, count in firm.emulator.call_counts.items() if api in firm.fewest_by_api()} == (
        firm.fewest_by_api()
    )
    assert firm.calls() == firm.fewest_calls() == run.calls


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)
def test_people_of_one_name_are_two_and_tokens_work_for_those_who_never_came(firm: Town) -> None:
    firm.sync()
    both = [firm.member("s1"), firm.member("s2")]
    assert [one and one.name for one in both] == ["李伟", "李伟"]
    assert both[0] is not None
    assert create_token(both[0], scopes=("read",), days=1).startswith("wsapp_")


def test_leaders_have_their_rights_right_after(firm: Town) -> None:
    firm.sync()
    boss, lead, seller = (firm.member(one) for one in ("boss", "lead", "s1"))
    assert boss
    assert lead
    assert seller
    assert (boss.role, lead.role, seller.role) == ("admin", "seller", "seller")
    assert team_ids(seller) == {seller.id}
    wanted = {one for one in firm.layout.people if one.startswith("s")} | {"lead", "both"}
    ids = db.session.scalars(sa.select(Member.id).where(Member.userid.in_(wanted)))
    assert team_ids(lead) == set(ids)


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)
def test_a_second_time_changes_nothing_but_the_date(firm: Town) -> None:
    first = firm.sync()
    before = firm.memberships()
    second = firm.sync()
    assert (first.joined, second.joined, second.returned, second.leavers) == (12, 0, 0, 0)
    assert firm.memberships() == before
    assert {one.epoch for one in db.session.scalars(sa.select(Member))} == {0}


@pytest.mark.parametrize("firm", ["wecom"], indirect=True)
def test_the_first_opening_of_somebody_known_is_as_always(firm: Town) -> None:
    firm.sync()
    before = firm.member("both")
    assert before
    again = arrivals.arrive(_corp(firm), "both")
    assert (again.id, again.epoch) == (before.id, 0)
    assert ("both", "5", True) in firm.memberships()


def test_a_range_of_several_sub_departments_and_single_people_is_walked_whole(firm: Town) -> None:
    firm.change_range(departments=[3, 4], users=["boss"])
    firm.emulator.call_counts.clear()
    run = firm.sync()
    assert (run.state, run.roots, run.departments) == ("done", 2, 2)
    seen = {one for one, row in firm.layout.people.items() if {3, 4} & set(row["departments"])} | {"boss"}
    assert {one for one, status in firm.statuses().items() if status == "active"} >= seen
    assert run.people == len(seen) == 10


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)
def test_a_root_below_another_is_not_counted_twice(firm: Town) -> None:
    firm.change_range(departments=[2, 3], users=["s1"])
    run = firm.sync()
    assert (run.state, run.departments, run.people) == ("done", 3, 10)
    assert firm.paths()["3"] == "/2/3/"


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)
def test_members_with_few_fields_are_members(firm: Town) -> None:
    firm.change("nu", "join", departments=[5])
    firm.sync()
    found = firm.member("nu")
    assert found is not None
    assert (found.name, found.phone, found.position) == ("nu", "", "")


# --- an empty answer, refusals --------------------------------------------------------------------------------------


def test_an_empty_answer_is_an_error_and_nobody_leaves(firm: Town) -> None:
    firm.sync()
    firm.change_range(departments=[], users=[])
    db.session.execute(sa.update(Outbox).where(Outbox.kind != "event").values(state="done"))
    db.session.commit()
    active_before = {one for one, status in firm.statuses().items() if status == "active"}
    run = firm.sync()
    assert (run.state, run.code, run.people) == ("failed", "empty", 0)
    assert {one for one, status in firm.statuses().items() if status == "active"} == active_before


@pytest.mark.parametrize("firm", ["wecom"], indirect=True)
def test_a_missing_permission_ends_the_run_in_words(firm: Town) -> None:
    code = {"wecom": 48002, "dingtalk": 60011}[firm.host]
    firm.fault(PEOPLE_PAGE[firm.host], "code", times=99, code=code)
    run = firm.sync(cause="nightly")
    assert (run.state, run.code) == ("failed", str(code))
    assert run.reason


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)
def test_wrong_secrets_end_the_run_and_show_in_the_console(firm: Town) -> None:
    api = {"wecom": "/cgi-bin/agent/get", "dingtalk": "/auth/scopes"}[firm.host]
    firm.fault(api, "code", times=9, code=60020)
    assert firm.sync().state == "failed"
    assert (_corp(firm).fault or "").startswith("60020")


def test_a_department_that_is_refused_costs_nobody_their_access(firm: Town) -> None:
    firm.sync()
    code = {"wecom": 60011, "dingtalk": 50004}[firm.host]
    firm.fault(PEOPLE_PAGE[firm.host], "code", code=code)
    run = firm.sync()
    assert (run.state, run.refused, run.code) == ("done", 1, str(code))
    assert set(firm.statuses().values()) == {"active"}


# --- leavers --------------------------------------------------------------------------------------------------------


def test_who_is_gone_has_left_and_who_is_back_gets_in_again(firm: Town) -> None:
    firm.sync()
    browser = firm.browser("s1")
    with firm.silence():
        firm.change("s1", "leave")
        firm.change("s2", "leave")
    run = firm.sync()
    assert (run.state, run.leavers) == ("done", 2)
    gone = firm.member("s1")
    assert gone
    assert gone.left_at
    assert (gone.status, gone.epoch) == ("left", 1)
    assert not firm.gets_in(browser)
    assert len(events("member.left")) == 2
    with firm.silence():
        firm.change("s1", "join", **firm.layout.people["s1"])
    run = firm.sync()
    assert (run.returned, run.joined) == (1, 0)
    back = firm.member("s1")
    assert back
    assert (back.id, back.status, back.left_at) == (gone.id, "active", None)
    assert not firm.gets_in(browser)  # the old session stays dead
    assert firm.gets_in(firm.browser("s1"))


def test_more_than_a_fifth_stops_and_asks(firm: Town) -> None:
    firm.sync()
    with firm.silence():
        for userid in ("s1", "s2", "s3"):
            firm.change(userid, "leave")
    run = firm.sync()
    assert (run.state, run.leavers, run.known) == ("asking", 3, 12)
    assert set(firm.statuses().values()) == {"active"}
    firm.work()
    told = db.session.scalars(sa.select(Notification).where(Notification.kind == "directory.asking")).all()
    boss = firm.member("boss")
    assert boss
    assert [one.recipient_id for one in told] == [boss.id]
    run = firm.sync(accept=True)
    assert (run.state, run.leavers) == ("done", 3)
    assert sorted(one for one, status in firm.statuses().items() if status == "left") == ["s1", "s2", "s3"]


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)
def test_two_of_twelve_do_not_ask(firm: Town) -> None:
    firm.sync()
    with firm.silence():
        firm.change("s1", "leave")
        firm.change("s2", "leave")
    assert firm.sync().state == "done"


@pytest.mark.parametrize("firm", ["wecom"], indirect=True)
def test_who_is_missing_from_the_lists_is_asked_for_alone_first(firm: Town) -> None:
    """Somebody moves, while we read, from a department not yet read to one that was."""
    firm.sync()
    run_id = firm.begin()
    walker = Walker(_corp(firm), _connector(firm), run_id, "test", QUICK)
    assert walker.take()
    while walker.go_on(0) is False:
        step = runs.next_step(run_id)
        db.session.commit()
        if step is not None and step.kind == "people" and step.target == "5":
            break
    with firm.silence():
        firm.change("money", "move", departments=[1])
    while not walker.go_on(0):
        pass
    assert firm.run(run_id).state == "done"
    assert firm.status("money") == "active"
    assert ("money", "1", False) in firm.memberships()


@pytest.mark.parametrize("firm", ["wecom"], indirect=True)
def test_a_department_that_is_gone_keeps_its_place_and_the_sight_on_its_people(firm: Town) -> None:
    firm.sync()
    with firm.silence():
        for userid, row in firm.layout.people.items():
            if 4 in row["departments"]:
                firm.change(userid, "move", departments=[3])
        firm.change_department(4, "remove")
    assert firm.sync().state == "done"
    assert "4" not in firm.paths()
    gone = db.session.scalars(sa.select(Department).where(Department.id == "4")).one()
    assert gone.gone_at is not None
    assert set(firm.statuses().values()) == {"active"}


@pytest.mark.parametrize("firm", ["wecom"], indirect=True)
def test_moved_departments_take_everything_below_along(firm: Town) -> None:
    firm.sync()
    with firm.silence():
        firm.change_department(2, "move", parent=5)
    firm.sync()
    assert firm.paths() == {"1": "/1/", "5": "/1/5/", "2": "/1/5/2/", "3": "/1/5/2/3/", "4": "/1/5/2/4/"}


# --- interruptions --------------------------------------------------------------------------------------------------


def _corp(firm: Town) -> Corp:
    wanted = sa.select(Corp).where(Corp.id == firm.corp_id).execution_options(populate_existing=True)
    found = db.session.scalars(wanted).one()
    db.session.commit()
    return found


def _connector(firm: Town) -> hosts.Connector:
    found = hosts.lines().of(_corp(firm))
    db.session.commit()
    return found


def test_a_killed_run_goes_on_where_it_was(firm: Town) -> None:
    """A worker dies after each step in turn: nothing is asked for twice but what it was about to write down."""
    run_id = firm.begin()
    turns = 0
    while firm.run(run_id).state == "running":
        turns += 1
        walker = Walker(_corp(firm), _connector(firm), run_id, f"worker {turns}", QUICK)
        _let_hold_expire(run_id)
        assert walker.take()
        walker.go_on(0)  # one step, and never a word again
    run = firm.run(run_id)
    assert (run.state, run.people) == ("done", 12)
    assert turns > firm.calls()
    assert firm.calls() == firm.fewest_calls()


def _let_hold_expire(run_id: str) -> None:
    past = clock.now() - timedelta(minutes=2)
    change = sa.update(DirectoryRun).where(DirectoryRun.id == run_id, DirectoryRun.holder.is_not(None))
    db.session.execute(change.values(held_until=past).execution_options(synchronize_session=False))
    db.session.commit()


@pytest.mark.parametrize("firm", ["wecom"], indirect=True)
def test_only_one_works_on_a_run_and_whoever_lost_it_writes_nothing(firm: Town) -> None:
    run_id = firm.begin()
    first = Walker(_corp(firm), _connector(firm), run_id, "first", QUICK)
    second = Walker(_corp(firm), _connector(firm), run_id, "second", QUICK)
    assert first.take()
    assert not second.take()
    _let_hold_expire(run_id)
    assert second.take()
    with pytest.raises(runs.HoldLost):
        first.go_on(0)
    assert firm.run(run_id).calls == 0
    second.give_back()
    assert first.take()


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)
def test_a_second_start_joins_the_run_under_way(firm: Town) -> None:
    assert firm.begin() == firm.begin(accept=True)
    assert firm.work() > 0
    assert db.session.scalar(sa.select(sa.func.count()).select_from(DirectoryRun)) == 1


@pytest.mark.parametrize(
    ("firm", "fault"),
    [
        ("wecom", "status"),
        ("dingtalk", "reset_before"),
        ("wecom", "reset_after"),
        ("dingtalk", "truncate"),
        ("wecom", "html"),
        ("dingtalk", "busy"),
        ("wecom", "throttled"),
        ("dingtalk", "throttled"),
    ],
    indirect=["firm"],
)
def test_a_host_that_stumbles_is_asked_again(firm: Town, fault: str) -> None:
    options: dict[str, object] = {"status": 502} if fault in ("status", "html") else {}
    kind = fault
    if fault in ("busy", "throttled"):
        codes = {"busy": ("-1", "-1"), "throttled": ("45009", "90018")}[fault]
        kind, options = "code", {"code": codes[firm.host == "dingtalk"]}
    firm.fault(PEOPLE_PAGE[firm.host], kind, skip=2, **options)
    run_id = firm.begin()
    firm.work()
    for _again in range(5):
        if firm.run(run_id).state != "running":
            break
        firm.make_due("directory.walk")
        firm.work()
    run = firm.run(run_id)
    assert (run.state, run.people, run.refused) == ("done", 12, 0)
    assert firm.calls() == firm.fewest_calls() + 1


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)
def test_a_stumbling_host_is_left_alone_for_as_long_as_it_wants(firm: Town) -> None:
    code = {"wecom": "45009", "dingtalk": "90003"}[firm.host]
    firm.fault(PEOPLE_PAGE[firm.host], "code", code=code)
    firm.begin()
    firm.work(Desk(PACE), rounds=1)
    row = db.session.scalars(sa.select(Outbox).where(Outbox.kind == "directory.walk")).one()
    assert row.state == "ready"
    assert row.due_at > clock.now() + timedelta(seconds=40)


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)
def test_calls_keep_their_distance(firm: Town) -> None:
    """Measured at the host, at the pace of life."""
    firm.begin()
    firm.work(Desk(PACE))
    at = sorted(one["at"] for one in firm.emulator.calls if one["api"] in firm.fewest_by_api())
    assert len(at) == firm.fewest_calls()
    rate = (len(at) - 1) / (at[-1] - at[0])
    assert rate <= {"wecom": 18, "dingtalk": 10}[firm.host] * 1.1


def test_the_throttle_catches_up_with_nothing() -> None:
    throttle = Throttle(1000, PACE)
    throttle.next = 0.0  # long ago: the time since is not made up for
    throttle.wait()
    assert throttle.next > 0


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)
def test_every_night_each_corp_is_read_and_what_hangs_gives_way(firm: Town) -> None:
    old = firm.begin()
    change = sa.update(DirectoryRun).where(DirectoryRun.id == old).values(started_at=clock.now() - timedelta(hours=21))
    db.session.execute(change.execution_options(synchronize_session=False))
    db.session.commit()
    nightly(None, Desk(QUICK))  # type: ignore[arg-type]
    db.session.commit()
    assert firm.run(old).code == "stale"
    firm.work()
    newest = runs.latest()[0]
    assert (newest.cause, newest.state, newest.people) == ("nightly", "done", 12)
    corps = db.session.scalar(sa.select(sa.func.count(DirectoryRun.corp_id.distinct())))
    assert corps == 1  # the other corp is switched off


@pytest.mark.parametrize("firm", ["wecom"], indirect=True)
def test_a_run_that_never_gets_through_is_given_up(firm: Town) -> None:
    run_id = firm.begin()
    firm.fault(PEOPLE_PAGE[firm.host], "status", times=1000, status=500)
    row = db.session.scalars(sa.select(Outbox).where(Outbox.kind == "directory.walk")).one()
    row.attempts = PACE.max_tries - 1
    db.session.commit()
    firm.work(rounds=1)
    for _again in range(4):
        if firm.make_due("directory.walk"):
            waiting = sa.update(Outbox).where(Outbox.kind == "directory.walk").values(attempts=PACE.max_tries - 1)
            db.session.execute(waiting.execution_options(synchronize_session=False))
            db.session.commit()
            firm.work(rounds=1)
    assert (firm.run(run_id).state, firm.run(run_id).code) == ("failed", "gave_up")


@pytest.mark.parametrize("firm", ["wecom"], indirect=True)
def test_a_host_error_reaches_whoever_waits(firm: Town) -> None:
    firm.fault(PEOPLE_PAGE[firm.host], "status", status=500)
    run_id = firm.begin()
    walker = Walker(_corp(firm), _connector(firm), run_id, "test", QUICK)
    assert walker.take()
    with pytest.raises(TryLater):
        walker.go_on(60)
    assert firm.run(run_id).state == "running"
