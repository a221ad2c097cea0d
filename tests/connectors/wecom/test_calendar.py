"""WeCom's calendar over HTTP, with the emulator's limits, events and bad days."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.connectors.wecom.conftest import Door, Host
from wsapp.connectors.base import Callback, Identity, OutOfRange, Refused, TryLater
from wsapp.connectors.emulator import Fault
from wsapp.connectors.todos import HomeGone, HostItem, Keeper
from wsapp.connectors.wecom.calendar import PAGE
from wsapp.connectors.wecom.connector import WeComConnector

LIN = Identity("LinXiaoYan")
AT = datetime(2030, 5, 6, 7, 30, tzinfo=UTC)
CHINA = timedelta(hours=8)
ALL = frozenset({"title", "at", "all_day", "minutes"})


def item(keeper: Keeper, source: str = "m1", **more: object) -> HostItem:
    wanted = HostItem(title="回访深圳市某某木业有限公司", at=AT, note="带样品", source=source)
    return keeper.as_kept(replace(wanted, **more))  # type: ignore[arg-type]


@pytest.fixture
def keeper(connector: WeComConnector) -> Keeper:
    assert connector.todos() is None  # no API of the host's makes to-dos for an app
    return connector.calendar()


@pytest.fixture
def home(keeper: Keeper) -> str:
    return keeper.home(LIN)


def test_an_entry_is_made_read_changed_listed_and_deleted(keeper: Keeper, home: str, host: Host) -> None:
    made = keeper.create(LIN, home, item(keeper))
    found = keeper.read(LIN, made.host_id)
    assert found is not None
    assert (found.title, found.at, found.minutes, found.source) == (made.title, AT, 30, "m1")
    later = replace(made, title="改期", at=AT + timedelta(days=2), minutes=60)
    assert keeper.change(LIN, home, later, ALL)
    (row,) = keeper.listed(LIN, home, AT, AT)
    assert (row.host_id, row.title, row.at, row.minutes) == (made.host_id, "改期", later.at, 60)
    (shown,) = host.emulator.agenda("LinXiaoYan")
    assert shown["acts"] == ["move", "delete"]
    keeper.delete(LIN, made.host_id)
    assert keeper.read(LIN, made.host_id) is None
    assert not keeper.change(LIN, home, later, ALL)
    keeper.delete(LIN, made.host_id)
    assert list(keeper.listed(LIN, home, AT, AT)) == []


@pytest.mark.parametrize("way", ["status", "absent", "code"])
def test_a_deleted_entry_is_gone_whatever_the_host_says_of_it(keeper: Keeper, home: str, host: Host, way: str) -> None:
    host.emulator.knobs["deleted_schedule"] = way
    made = keeper.create(LIN, home, item(keeper))
    keeper.delete(LIN, made.host_id)
    assert keeper.read(LIN, made.host_id) is None


def test_one_created_in_doubt_is_found_by_its_source(keeper: Keeper, home: str, host: Host) -> None:
    host.emulator.faults.append(Fault("/cgi-bin/oa/schedule/add", "reset_after"))
    with pytest.raises(TryLater) as caught:
        keeper.create(LIN, home, item(keeper))
    assert caught.value.ambiguous
    found = keeper.find(LIN, home, item(keeper))
    assert found is not None
    assert found.source == "m1"
    assert keeper.find(LIN, home, item(keeper, "other")) is None


def test_more_than_a_page_is_listed(keeper: Keeper, home: str, host: Host) -> None:
    made = keeper.create(LIN, home, item(keeper))
    book = host.emulator.calendars
    for number in range(PAGE):
        book.schedules[f"x{number}"] = replace(book.schedules[made.host_id], id=f"x{number}")
    assert len(list(keeper.listed(LIN, home, AT, AT))) == PAGE + 1


def test_whole_days_and_done(keeper: Keeper, home: str) -> None:
    day = datetime(2030, 5, 6, tzinfo=UTC) - CHINA
    made = keeper.create(LIN, home, item(keeper, at=day, all_day=True))
    found = keeper.read(LIN, made.host_id)
    assert found is not None
    assert (found.all_day, found.at, found.minutes) == (True, day, 0)
    assert item(keeper, done=True).title.startswith("✓ ")


def test_long_and_hostile_titles_fit_and_come_back_as_they_were_kept(keeper: Keeper, home: str) -> None:
    for title in ("长" * 300, "<a href='//evil.example'>点</a> http://evil.example", "\u202e\x00", " "):
        wanted = item(keeper, f"s{len(title)}", title=title, url="http://evil.example/h5/tasks/1")
        found = keeper.read(LIN, keeper.create(LIN, home, wanted).host_id)
        assert found is not None
        assert found.title == wanted.title
        assert len(found.title) <= 128


def test_no_link_leads_elsewhere(keeper: Keeper, home: str, host: Host, door: Door) -> None:
    keeper.create(LIN, home, item(keeper, url="http://evil.example/h5/tasks/1"))
    keeper.create(LIN, home, item(keeper, "m2", url=f"{door.url}/h5/tasks/2?corp=x"))
    urls = {one["source"]: one["url"] for one in host.emulator.agenda("LinXiaoYan")}
    assert urls == {"m1": f"{door.url}/h5/#m1", "m2": f"{door.url}/h5/tasks/2?corp=x#m2"}


def test_what_the_host_refuses(keeper: Keeper, home: str, host: Host) -> None:
    with pytest.raises(OutOfRange):
        keeper.home(Identity("OuYangMuRong"))  # of finance, outside the visible range
    with pytest.raises(HomeGone):
        keeper.create(LIN, "wcNobody", item(keeper))
    with host.emulator.lock:
        host.emulator.calendars.delete_calendar("LinXiaoYan", home)
    with pytest.raises(HomeGone):
        keeper.create(LIN, home, item(keeper))
    assert list(keeper.listed(LIN, home, AT, AT)) == []
    for corp in host.emulator.corps.values():
        for app in corp.apps.values():
            app.forbidden = {"oa/calendar/add"}
    with pytest.raises(Refused) as caught:
        keeper.home(LIN)
    assert caught.value.code == "48002"


def test_what_the_person_does_is_told_and_what_the_app_does_is_not(
    keeper: Keeper, home: str, host: Host, door: Door, connector: WeComConnector
) -> None:
    made = keeper.create(LIN, home, item(keeper))
    keeper.change(LIN, home, replace(made, title="改名"), ALL)
    with host.emulator.lock:
        for act in ("move", "delete"):
            assert host.emulator.act_on_item("LinXiaoYan", "entry", made.host_id, act, AT.timestamp())
        host.emulator.calendars.delete_calendar("LinXiaoYan", home)
    host.emulator.wait_for_callbacks()
    events = [one.events[0] for one in door.seen if isinstance(one, Callback)]
    assert [one.kind for one in events] == ["item.changed"] * 3
    told = sorted((one.data["change"], tuple(one.data["items"]), one.data.get("home", "")) for one in events)
    assert told == [
        ("delete_calendar", (), home),
        ("delete_schedule", (made.host_id,), ""),
        ("modify_schedule", (made.host_id,), ""),
    ]


def test_nobody_else_may_change_an_entry(keeper: Keeper, home: str, host: Host) -> None:
    made = keeper.create(LIN, home, item(keeper))
    assert not host.emulator.act_on_item("ChenZiHao", "entry", made.host_id, "delete", 0)


def test_another_app_may_not_touch_it(
    keeper: Keeper, home: str, host: Host, make: Callable[..., WeComConnector]
) -> None:
    from wsapp.connectors.wecom.emulator_org import app_from

    made = keeper.create(LIN, home, item(keeper))
    corp = next(iter(host.emulator.corps.values()))
    corp.apps[7] = app_from({"agent_id": 7, "secret": "another-secret-of-another-app"}, corp, 0)
    other = make(agent_id=7, app_secret="another-secret-of-another-app")
    other.tokens.values.clear()  # type: ignore[attr-defined]
    with pytest.raises(Refused) as caught:
        other.calendar().read(LIN, made.host_id)
    assert caught.value.code == "90466"
