"""DingTalk's to-dos and calendar over HTTP, with the emulator's limits, events and bad days."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import requests

from tests.connectors.dingtalk.conftest import Receiver
from wsapp.connectors.base import Identity, OutOfRange, Refused, TryLater
from wsapp.connectors.dingtalk.connector import DingTalkConnector
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator
from wsapp.connectors.emulator import Fault, RunningEmulator
from wsapp.connectors.todos import EnoughForToday, HostItem, Keeper

WU = Identity("wulei", "UNwulei0001iEiE")
CHINA = timedelta(hours=8)
ALL = frozenset({"title", "at", "all_day", "minutes"})
AT = datetime(2030, 5, 6, 7, 30, tzinfo=UTC)


def item(keeper: Keeper, source: str = "m1", **more: object) -> HostItem:
    wanted = HostItem(title="回访杭州某某科技有限公司", at=AT, note="带样品", url="/h5/tasks/t1?corp=d", source=source)
    return keeper.as_kept(replace(wanted, **more))  # type: ignore[arg-type]


@pytest.fixture(params=["todo", "entry"])
def keeper(request: pytest.FixtureRequest, connector: DingTalkConnector) -> Keeper:
    found = connector.todos() if request.param == "todo" else connector.calendar()
    assert found is not None
    return found


def test_an_item_is_made_read_changed_listed_and_deleted(keeper: Keeper) -> None:
    made = keeper.create(WU, "", item(keeper))
    found = keeper.read(WU, made.host_id)
    assert found is not None
    assert (found.title, found.at, found.source, found.done) == (made.title, AT, "m1", False)
    later = replace(made, title="改期", at=AT + timedelta(days=2))
    assert keeper.change(WU, "", later, ALL)
    (row,) = keeper.listed(WU, "", AT, AT + timedelta(days=3))
    assert (row.host_id, row.title, row.at) == (made.host_id, "改期", later.at)
    keeper.delete(WU, made.host_id)
    assert keeper.read(WU, made.host_id) is None
    assert not keeper.change(WU, "", later, ALL)
    keeper.delete(WU, made.host_id)
    assert list(keeper.listed(WU, "", AT, AT + timedelta(days=3))) == []


def test_the_link_leads_to_the_record(keeper: Keeper, emulator: DingTalkEmulator, receiver: Receiver) -> None:
    keeper.create(WU, "", item(keeper))
    (shown,) = emulator.agenda("wulei")
    assert shown["url"].startswith(f"{receiver.url}/h5/tasks/t1?corp=d")
    keeper.create(WU, "", item(keeper, "m2", url="http://evil.example/h5/tasks/t1"))
    assert all("evil" not in one["url"] for one in emulator.agenda("wulei"))


def test_creating_twice_makes_one(keeper: Keeper, emulator: DingTalkEmulator) -> None:
    first = keeper.create(WU, "", item(keeper))
    again = keeper.create(WU, "", item(keeper))
    assert first.host_id == again.host_id
    assert len(emulator.agenda("wulei")) == 1
    assert (keeper.find(WU, "", item(keeper)) or first).host_id == first.host_id
    assert keeper.find(WU, "", item(keeper, "other")) is None


def test_an_answer_that_is_lost_is_in_doubt(keeper: Keeper, emulator: DingTalkEmulator) -> None:
    keeper.read(WU, "x")  # the token is there
    emulator.faults.append(Fault("*", "reset_after"))
    with pytest.raises(TryLater) as caught:
        keeper.create(WU, "", item(keeper))
    assert caught.value.ambiguous
    assert keeper.find(WU, "", item(keeper)) is not None


def test_without_a_union_id_or_a_permission_it_is_refused(keeper: Keeper, emulator: DingTalkEmulator) -> None:
    with pytest.raises(OutOfRange):
        keeper.create(Identity("wulei"), "", item(keeper))
    for app in emulator.world.apps.values():
        app.missing_permissions = {"Todo.Todo.Write", "Calendar.Event.Write"}
    with pytest.raises(Refused) as caught:
        keeper.create(WU, "", item(keeper))
    assert caught.value.code == "Forbidden.AccessDenied.AccessTokenPermissionDenied"


def test_a_userid_is_no_union_id(running: RunningEmulator, connector: DingTalkConnector) -> None:
    token = {"x-acs-dingtalk-access-token": connector.calls.token()}
    for people, url in ((["wulei"], True), (["UNwulei0001iEiE"], False)):
        body = {"subject": "x", "executorIds": people, "detailUrl": {"appUrl": "a", "pcUrl": "b"} if url else {}}
        path = f"{running.url}/v1.0/todo/users/UNwulei0001iEiE/tasks"
        answer = requests.post(path, json=body, headers=token, timeout=5)
        assert (answer.status_code, answer.json()["code"]) == (400, "todo.taskCreate.paramError")


def test_long_and_hostile_titles_fit_and_come_back_as_they_were_kept(keeper: Keeper) -> None:
    for title in ("长" * 3000, "<a href='//evil.example'>点</a> [x](http://evil.example)", "\u202e\x00", " "):
        wanted = item(keeper, f"s{len(title)}", title=title)
        made = keeper.create(WU, "", wanted)
        found = keeper.read(WU, made.host_id)
        assert found is not None
        assert found.title == wanted.title
        assert "http://" not in found.title


def test_a_whole_day(connector: DingTalkConnector) -> None:
    day = datetime(2030, 5, 6, tzinfo=UTC) - CHINA
    calendar = connector.calendar()
    made = calendar.create(WU, "", item(calendar, at=day, all_day=True))
    found = calendar.read(WU, made.host_id)
    assert found is not None
    assert (found.all_day, found.at, found.minutes) == (True, day, 0)


def test_done_is_a_tick_or_a_mark(connector: DingTalkConnector) -> None:
    todos, calendar = connector.todos(), connector.calendar()
    made = todos.create(WU, "", item(todos))
    assert todos.change(WU, "", replace(made, done=True), frozenset({"done"}))
    found = todos.read(WU, made.host_id)
    assert found is not None
    assert found.done
    assert list(todos.listed(WU, "", AT, AT)) == []
    assert item(calendar, done=True).title.startswith("✓ ")


def test_the_days_share_of_entries_is_told_apart_from_being_busy(
    connector: DingTalkConnector, emulator: DingTalkEmulator
) -> None:
    emulator.knobs["entries_per_day"] = 2
    calendar = connector.calendar()
    for number in range(2):
        calendar.create(WU, "", item(calendar, f"m{number}"))
    with pytest.raises(EnoughForToday):
        calendar.create(WU, "", item(calendar, "m3"))
    assert connector.todos().create(WU, "", item(connector.todos())).host_id


@pytest.mark.parametrize("way", ["missing", "cancelled"])
def test_a_deleted_entry_is_gone_either_way(connector: DingTalkConnector, emulator: DingTalkEmulator, way: str) -> None:
    emulator.knobs["deleted_entry"] = way
    calendar = connector.calendar()
    made = calendar.create(WU, "", item(calendar))
    calendar.delete(WU, made.host_id)
    assert calendar.read(WU, made.host_id) is None


def test_many_are_listed_page_by_page(connector: DingTalkConnector) -> None:
    todos = connector.todos()
    for number in range(45):
        todos.create(WU, "", item(todos, f"m{number}"))
    assert {one.source for one in todos.listed(WU, "", AT, AT)} == {f"m{number}" for number in range(45)}


def test_what_a_person_does_is_told(
    keeper: Keeper, connector: DingTalkConnector, emulator: DingTalkEmulator, receiver: Receiver
) -> None:
    made = keeper.create(WU, "", item(keeper))
    (shown,) = emulator.agenda("wulei")
    emulator.act_on_item("wulei", shown["list"], made.host_id, "move", (AT + timedelta(hours=1)).timestamp())
    emulator.act_on_item("wulei", shown["list"], made.host_id, "delete", 0)
    emulator.wait_for_callbacks()
    events = [one.events[0] for one in receiver.wait_for(3)]
    heard = [one.data["items"] for one in events if one.kind == "item.changed" and one.data["items"]]
    assert heard == [[made.host_id]] * 2 or {tuple(dict.fromkeys(one)) for one in heard} == {(made.host_id,)}
    assert {one.data["list"] for one in events if one.kind == "item.changed"} == {shown["list"]}


def test_a_list_that_cannot_be_ticked(connector: DingTalkConnector, emulator: DingTalkEmulator) -> None:
    """Some clients only open the app's page: there, the tick is ours to set."""
    todos = connector.todos()
    made = todos.create(WU, "", item(todos))
    emulator.knobs["todos_tick"] = False
    assert not emulator.act_on_item("wulei", "todo", made.host_id, "complete", 0)
    assert emulator.agenda("wulei")[0]["acts"] == ["move", "delete"]
