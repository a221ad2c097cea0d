"""Sending: what is shown to whom by the host's own rules, what was dropped in silence, presses and updates."""

import json
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests

from wsapp.connectors.base import Button, Callback, CallbackReply, Delivery, HostError, Message, Refused, TryLater
from wsapp.connectors.dingtalk.connector import DingTalkConnector
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator
from wsapp.connectors.dingtalk.emulator_world import App

SEND = "/topapi/message/corpconversation/asyncsend_v2"
RESULT = "/topapi/message/corpconversation/getsendresult"
CARD = "/v1.0/card/instances/createAndDeliver"
UPDATE = "/v1.0/card/instances"
REGISTER = "/v1.0/card/callbacks/register"
BUTTONS = (Button("done", "完成", "primary"), Button("snooze_1h", "1小时后"))
REMINDER = Message("task-1", "回访 华星木业", "谈报价", (("截止", "今天 15:30"),), "/h5/tasks/1", BUTTONS)
DIGEST = Message("digest-1", "日报", "今日 3 条待办", url="/h5/")
Post = Callable[..., requests.Response]


def fault(post: Post, api: str, kind: str, **options: Any) -> None:
    post("/_emulator/faults", {"api": api, "fault": kind, **options})


def settle(emulator: DingTalkEmulator) -> None:
    emulator.clock.offset += 2


# --- work notifications ---------------------------------------------------------------------------------------


def test_a_notice_is_shown_and_its_result_known(connector: DingTalkConnector, emulator: DingTalkEmulator) -> None:
    parcel = connector.compose(DIGEST, ["wulei", "zhouxiaoyu"])
    receipt = connector.send(parcel)
    assert receipt.host_id == receipt.handle["task_id"]
    assert receipt.check_after == 10
    assert connector.results(receipt, parcel.to) == {"wulei": Delivery("pending"), "zhouxiaoyu": Delivery("pending")}
    settle(emulator)
    assert connector.results(receipt, parcel.to)["wulei"] == Delivery("delivered")
    shown = emulator.chats("wulei")[0]
    assert (shown["kind"], shown["title"], shown["buttons"][0]["text"]) == ("action_card", "日报", "查看详情")
    assert shown["url"].endswith("/h5/")


@pytest.mark.parametrize("full", [True, False])
def test_reading_is_known(connector: DingTalkConnector, emulator: DingTalkEmulator, post: Post, full: bool) -> None:
    emulator.knobs["full_lists"] = full
    receipt = connector.send(connector.compose(DIGEST, ["wulei"]))
    settle(emulator)
    post("/phone/read", {"id": emulator.chats("wulei")[0]["id"]})
    assert connector.results(receipt, ["wulei"]) == {"wulei": Delivery("read")}


def test_a_repeat_after_a_lost_answer_shows_once(
    connector: DingTalkConnector, emulator: DingTalkEmulator, post: Post
) -> None:
    """143106 on the repeat is the proof that the first try arrived (fact 2)."""
    parcel = connector.compose(DIGEST, ["wulei"])
    fault(post, SEND, "reset_after")
    with pytest.raises(TryLater) as raised:
        connector.send(parcel)
    assert raised.value.ambiguous
    receipt = connector.send(parcel)
    settle(emulator)
    assert connector.results(receipt, parcel.to) == {"wulei": Delivery("delivered", "143106")}
    assert len(emulator.chats("wulei")) == 1


@pytest.mark.parametrize("code", ["15", "88", "-1", "ServiceUnavailable", "system.busy"])
def test_a_gateway_that_gave_up_may_have_sent_it(
    connector: DingTalkConnector, emulator: DingTalkEmulator, post: Post, code: str
) -> None:
    """The gateway waits 3 s for its back end, then answers an error although the write goes through."""
    parcel = connector.compose(DIGEST, ["wulei"])
    fault(post, SEND, "code", code=code, after=True)
    with pytest.raises(TryLater) as raised:
        connector.send(parcel)
    assert raised.value.ambiguous
    receipt = connector.send(parcel)
    settle(emulator)
    assert connector.results(receipt, parcel.to) == {"wulei": Delivery("delivered", "143106")}
    assert len(emulator.chats("wulei")) == 1


def test_a_lost_request_is_shown_once_too(connector: DingTalkConnector, emulator: DingTalkEmulator, post: Post) -> None:
    parcel = connector.compose(DIGEST, ["wulei"])
    fault(post, SEND, "reset_before")
    with pytest.raises(TryLater):
        connector.send(parcel)
    receipt = connector.send(parcel)
    settle(emulator)
    assert connector.results(receipt, parcel.to) == {"wulei": Delivery("delivered")}


def test_equal_content_is_dropped_until_midnight_in_china(
    connector: DingTalkConnector, emulator: DingTalkEmulator
) -> None:
    china = timezone(timedelta(hours=8))
    now = datetime.fromtimestamp(time.time(), china)
    evening = now.replace(hour=23, minute=59, second=30, microsecond=0)
    emulator.clock.offset = evening.timestamp() - time.time()
    parcel = connector.compose(DIGEST, ["wulei"])
    connector.send(parcel)
    connector.send(parcel)
    assert len(emulator.chats("wulei")) == 1
    emulator.clock.offset += 60
    connector.send(parcel)
    assert len(emulator.chats("wulei")) == 2


def test_two_reminders_of_equal_text_are_both_shown(connector: DingTalkConnector, emulator: DingTalkEmulator) -> None:
    for number in range(3):
        connector.send(connector.compose(Message(f"task-9-{number}", "交水电费"), ["wulei"]))
    assert len(emulator.chats("wulei")) == 3


@pytest.mark.parametrize(("knob", "limit", "code"), [("per_day", 3, "143105"), ("per_minute", 3, "143103")])
def test_limits_drop_in_silence(
    connector: DingTalkConnector, emulator: DingTalkEmulator, knob: str, limit: int, code: str
) -> None:
    emulator.knobs[knob] = limit
    receipts = [connector.send(connector.compose(Message(f"m-{n}", "提醒"), ["wulei"])) for n in range(5)]
    settle(emulator)
    states = [connector.results(receipt, ["wulei"])["wulei"] for receipt in receipts]
    assert states == [Delivery("delivered")] * 3 + [Delivery("dropped", code)] * 2
    assert len(emulator.chats("wulei")) == 3


def test_limits_end(connector: DingTalkConnector, emulator: DingTalkEmulator) -> None:
    emulator.knobs.update(per_day=3, per_minute=2)
    for number, wait in ((1, 0), (2, 60), (3, 60), (4, 86400)):
        emulator.clock.offset += wait
        connector.send(connector.compose(Message(f"m-{number}", "提醒"), ["wulei"]))
    assert len(emulator.chats("wulei")) == 4


@pytest.mark.parametrize(
    ("position", "delivery"), [("failed", Delivery("dropped", "failed")), ("delivered", Delivery("delivered"))]
)
def test_people_who_get_nothing(
    connector: DingTalkConnector, emulator: DingTalkEmulator, position: str, delivery: Delivery
) -> None:
    emulator.knobs["outside_range"] = position
    people = ["wulei", "simaxiangru", "nobody"]
    receipt = connector.send(connector.compose(DIGEST, people))
    settle(emulator)
    assert connector.results(receipt, people) == {
        "wulei": Delivery("delivered"),
        "simaxiangru": delivery,
        "nobody": Delivery("dropped", "invalid"),
    }


@pytest.mark.parametrize("code", ["41052", "15"])
def test_a_result_that_is_not_ready(connector: DingTalkConnector, post: Post, code: str) -> None:
    receipt = connector.send(connector.compose(DIGEST, ["wulei"]))
    fault(post, RESULT, "code", code=code)
    assert connector.results(receipt, ["wulei"]) == {"wulei": Delivery("pending")}


def test_a_result_is_gone_after_a_day(connector: DingTalkConnector, emulator: DingTalkEmulator) -> None:
    receipt = connector.send(connector.compose(DIGEST, ["wulei"]))
    emulator.clock.offset += 86401
    with pytest.raises(Refused):
        connector.results(receipt, ["wulei"])


def test_results_of_another_shape_are_pending(connector: DingTalkConnector, post: Post) -> None:
    receipt = connector.send(connector.compose(DIGEST, ["wulei"]))
    for body in (
        '{"errcode":0}',
        '{"errcode":0,"send_result":[]}',
        '{"errcode":0,"send_result":{"forbidden_list":[5]}}',
    ):
        fault(post, RESULT, "status", status=200, body=body)
        assert connector.results(receipt, ["wulei"]) == {"wulei": Delivery("pending")}


# --- interactive cards ----------------------------------------------------------------------------------------


def test_a_card_with_buttons(connector: DingTalkConnector, emulator: DingTalkEmulator, app: App, receiver: Any) -> None:
    parcel = connector.compose(REMINDER, ["wulei"])
    receipt = connector.send(parcel)
    assert (receipt.host_id, receipt.dropped, receipt.check_after) == ("task-1", {}, None)
    shown = emulator.chats("wulei")[0]
    assert (shown["kind"], shown["card"], shown["title"]) == ("interactive_card", "task-1", "回访 华星木业")
    assert [button["key"] for button in shown["buttons"]] == ["done", "snooze_1h"]
    assert shown["lines"] == [["截止", "今天 15:30"]]
    assert connector.results(receipt, parcel.to) == {}
    route = app.routes["wsapp-dingb1a5e0c3d7f92468"]
    assert route == (f"{receiver.url}/callbacks/dingtalk/dingb1a5e0c3d7f92468/card", app.client_secret)


def test_the_route_is_registered_once(connector: DingTalkConnector, emulator: DingTalkEmulator) -> None:
    for number in range(3):
        connector.send(connector.compose(Message(f"t-{number}", "x", buttons=BUTTONS), ["wulei"]))
    assert emulator.call_counts[REGISTER] == 1


def test_another_secret_registers_the_route_again(
    connector: DingTalkConnector, make_connector: Callable[..., DingTalkConnector], app: App, tokens: Any
) -> None:
    connector.send(connector.compose(REMINDER, ["wulei"]))
    app.client_secret = "another-app-secret"
    other = make_connector(client_secret="another-app-secret")
    other.send(other.compose(Message("t-2", "x", buttons=BUTTONS), ["wulei"]))
    assert app.routes["wsapp-dingb1a5e0c3d7f92468"][1] == "another-app-secret"


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "truncate", "status"])
def test_a_card_is_shown_once_whatever_got_lost(
    connector: DingTalkConnector, emulator: DingTalkEmulator, post: Post, kind: str
) -> None:
    parcel = connector.compose(REMINDER, ["wulei"])
    fault(post, CARD, kind)
    with pytest.raises(TryLater) as raised:
        connector.send(parcel)
    assert raised.value.ambiguous
    receipt = connector.send(parcel)
    assert receipt.handle == {"out_track_id": "task-1"}
    assert [shown["kind"] for shown in emulator.chats("wulei")] == ["interactive_card"]


def test_one_card_for_several_people(connector: DingTalkConnector, emulator: DingTalkEmulator) -> None:
    receipt = connector.send(connector.compose(REMINDER, ["wulei", "simaxiangru", "zhouxiaoyu", "nobody"]))
    assert set(receipt.dropped) == {"simaxiangru", "nobody"}
    assert receipt.dropped["nobody"] == "param.userIdNotExist"
    connector.update_card(Message("task-1", "回访 华星木业", state="吴磊 15:31 已完成"), receipt, ["wulei"])
    assert emulator.chats("zhouxiaoyu")[0]["state"] == "吴磊 15:31 已完成"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"remove": True}, "templateNotExist"),
        ({"published": False}, "templateUnpublished"),
    ],
)
def test_without_a_template_the_notice_goes_out(
    connector: DingTalkConnector,
    emulator: DingTalkEmulator,
    post: Post,
    app: App,
    change: dict[str, bool],
    why: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    post("/_emulator/template", {"client_id": app.client_id, "template": next(iter(app.templates)), **change})
    receipt = connector.send(connector.compose(REMINDER, ["wulei"]))
    assert receipt.handle["task_id"]
    assert emulator.chats("wulei")[0]["kind"] == "action_card"
    assert why in caplog.text


def test_without_the_permission_the_notice_goes_out(
    connector: DingTalkConnector, emulator: DingTalkEmulator, app: App
) -> None:
    app.missing_permissions.add("Card.Instance.Write")
    assert connector.send(connector.compose(REMINDER, ["wulei"])).handle["task_id"]
    assert [shown["kind"] for shown in emulator.chats("wulei")] == ["action_card"]


def test_a_fall_back_is_repeated_by_the_same_bytes(
    connector: DingTalkConnector, emulator: DingTalkEmulator, app: App, post: Post
) -> None:
    app.templates.clear()
    parcel = connector.compose(REMINDER, ["wulei"])
    fault(post, SEND, "reset_after")
    with pytest.raises(TryLater):
        connector.send(parcel)
    receipt = connector.send(parcel)
    settle(emulator)
    assert connector.results(receipt, parcel.to) == {"wulei": Delivery("delivered", "143106")}
    assert len(emulator.chats("wulei")) == 1


def test_a_card_that_reached_nobody_becomes_a_notice(connector: DingTalkConnector, emulator: DingTalkEmulator) -> None:
    """Failures per space stand inside HTTP 200."""
    emulator.knobs["card_delivery"] = "robot is not in this conversation"
    assert connector.send(connector.compose(REMINDER, ["wulei"])).handle["task_id"]
    assert [shown["kind"] for shown in emulator.chats("wulei")] == ["action_card"]


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "code"])
def test_a_card_that_reached_nobody_is_not_taken_for_arrived_on_retry(
    connector: DingTalkConnector, emulator: DingTalkEmulator, post: Post, kind: str
) -> None:
    emulator.knobs["card_delivery"] = "robot is not in this conversation"
    parcel = connector.compose(REMINDER, ["wulei"])
    fault(post, SEND, kind, **({"code": "90018"} if kind == "code" else {}))
    with pytest.raises(TryLater) as raised:
        connector.send(parcel)
    assert raised.value.after >= 30
    receipt = connector.send(parcel)
    settle(emulator)
    assert connector.results(receipt, parcel.to)["wulei"].state == "delivered"
    assert [shown["kind"] for shown in emulator.chats("wulei")] == ["action_card"]


@pytest.mark.parametrize("code", ["90018", "Forbidden.AccessDenied.QpsLimitForApi", "system.busy"])
def test_a_throttled_card_is_tried_again_as_a_card(
    connector: DingTalkConnector, emulator: DingTalkEmulator, post: Post, code: str
) -> None:
    parcel = connector.compose(REMINDER, ["wulei"])
    for api in (REGISTER, CARD):
        fault(post, api, "code", code=code)
        with pytest.raises(TryLater):
            connector.send(parcel)
    connector.send(parcel)
    assert [shown["kind"] for shown in emulator.chats("wulei")] == ["interactive_card"]


def test_an_update_keeps_what_it_does_not_name(
    connector: DingTalkConnector, emulator: DingTalkEmulator, app: App
) -> None:
    receipt = connector.send(connector.compose(REMINDER, ["wulei"]))
    card = emulator.chat.cards.cards[app.client_id, "task-1"]
    card.params["of_the_template"] = "stays"
    connector.update_card(Message("task-1", "回访 华星木业", state="已取消"), receipt, ["wulei"])
    shown = emulator.chats("wulei")[0]
    assert (shown["state"], shown["buttons"], shown["params"]["of_the_template"]) == ("已取消", [], "stays")


def test_what_cannot_be_updated(connector: DingTalkConnector, emulator: DingTalkEmulator, post: Post) -> None:
    notice = connector.send(connector.compose(DIGEST, ["wulei"]))
    with pytest.raises(Refused):
        connector.update_card(DIGEST, notice, ["wulei"])
    card = connector.send(connector.compose(REMINDER, ["wulei"]))
    post("/_emulator/reset", {})
    with pytest.raises(Refused) as raised:
        connector.update_card(REMINDER, card, ["wulei"])
    assert raised.value.code == "param.cardNotExist"


def test_an_update_is_repeated_without_harm(
    connector: DingTalkConnector, emulator: DingTalkEmulator, post: Post
) -> None:
    receipt = connector.send(connector.compose(REMINDER, ["wulei"]))
    settled = Message("task-1", "回访 华星木业", state="已完成")
    fault(post, UPDATE, "reset_after")
    with pytest.raises(TryLater):
        connector.update_card(settled, receipt, ["wulei"])
    connector.update_card(settled, receipt, ["wulei"])
    assert emulator.chats("wulei")[0]["state"] == "已完成"


# --- presses --------------------------------------------------------------------------------------------------


def pressed(post: Post, key: str = "done", card: str = "task-1", user: str = "wulei") -> dict[str, Any]:
    answer: dict[str, Any] = post("/phone/press", {"user": user, "card": card, "key": key}).json()
    return answer


def settle_on_press(connector: DingTalkConnector) -> Callable[[Callback], CallbackReply]:
    def settle_press(callback: Callback) -> CallbackReply:
        event = callback.events[0]
        return connector.answer_press(
            callback, Message(event.card, "回访 华星木业", state=f"{event.userids[0]} 已完成")
        )

    return settle_press


@pytest.mark.parametrize("params", [True, False])
def test_a_press_travels_there_and_back(
    connector: DingTalkConnector, emulator: DingTalkEmulator, receiver: Any, post: Post, params: bool
) -> None:
    emulator.knobs["press_params"] = params
    receiver.press = settle_on_press(connector)
    connector.send(connector.compose(REMINDER, ["wulei"]))
    answer = pressed(post, "snooze_1h")
    assert (answer["status"], answer["chat"]["state"], answer["chat"]["buttons"]) == (200, "wulei 已完成", [])
    event = receiver.callbacks[0].events[0]
    assert (event.kind, event.card, event.action, event.userids) == ("card.pressed", "task-1", "snooze_1h", ("wulei",))


def test_two_people_press_one_card(
    connector: DingTalkConnector, emulator: DingTalkEmulator, receiver: Any, post: Post
) -> None:
    receiver.press = settle_on_press(connector)
    connector.send(connector.compose(REMINDER, ["wulei", "zhouxiaoyu"]))
    pressed(post)
    pressed(post, user="zhouxiaoyu")
    assert [callback.events[0].userids for callback in receiver.callbacks] == [("wulei",), ("zhouxiaoyu",)]
    assert len({callback.digest for callback in receiver.callbacks}) == 2
    assert emulator.chats("wulei")[0]["state"] == emulator.chats("zhouxiaoyu")[0]["state"]


def test_a_press_that_is_answered_empty_changes_nothing(connector: DingTalkConnector, post: Post) -> None:
    connector.send(connector.compose(REMINDER, ["wulei"]))
    answer = pressed(post)
    assert (answer["status"], answer["chat"]["state"], len(answer["chat"]["buttons"])) == (200, "", 2)


def test_a_press_that_is_refused(connector: DingTalkConnector, app: App, receiver: Any, post: Post) -> None:
    connector.send(connector.compose(REMINDER, ["wulei"]))
    url, _ = app.routes["wsapp-dingb1a5e0c3d7f92468"]
    for secret in ("", "wrong"):  # without a secret the host sends no signature at all
        app.routes["wsapp-dingb1a5e0c3d7f92468"] = (url, secret)
        assert pressed(post)["status"] == 403
    assert receiver.callbacks == []


def test_a_press_that_is_answered_late(
    connector: DingTalkConnector, emulator: DingTalkEmulator, receiver: Any, post: Post
) -> None:
    emulator.knobs["press_seconds"] = 0.2
    release = threading.Event()

    def late(callback: Callback) -> CallbackReply:
        release.wait(10)
        return settle_on_press(connector)(callback)

    receiver.press = late
    connector.send(connector.compose(REMINDER, ["wulei"]))
    answer = pressed(post)
    release.set()
    assert (answer["status"], answer["chat"]["state"]) == (0, "")


def test_there_is_no_such_card(post: Post) -> None:
    assert post("/phone/press", {"user": "wulei", "card": "nope", "key": "done"}).status_code == 404


# --- volume ---------------------------------------------------------------------------------------------------


def test_three_hundred_reminders_through_a_bad_day(
    connector: DingTalkConnector, emulator: DingTalkEmulator, post: Post
) -> None:
    """Every fourth call goes wrong in some way; each reminder is repeated by its own bytes until it is accepted."""
    kinds = ["reset_after", "reset_before", "truncate", "html", "status"]
    fault_list = [
        {"api": api, "fault": kind, "times": 1, "skip": 3} for _ in range(8) for api in (CARD, SEND) for kind in kinds
    ]
    post("/_emulator/faults", fault_list)
    for number in range(300):
        buttons = BUTTONS if number % 2 else ()
        parcel = connector.compose(Message(f"m-{number}", f"提醒 {number}", buttons=buttons), ["wulei"])
        for _ in range(20):
            try:
                connector.send(parcel)
                break
            except TryLater:
                continue
    assert len(emulator.faults) < 10  # the day was bad
    titles = [shown["title"] for shown in emulator.chats("wulei")]
    assert sorted(titles) == sorted(f"提醒 {number}" for number in range(300))


def test_bad_parameters_are_refused_by_the_host(connector: DingTalkConnector) -> None:
    """The emulator is no friendlier than the host: a body that breaks a rule is no success."""
    good = json.loads(connector.compose(REMINDER, ["wulei"]).body)["card"]
    connector.send(connector.compose(Message("warm-1", "x", buttons=BUTTONS), ["wulei"]))
    cases: list[tuple[str, dict[str, Any]]] = [
        ("param.outTrackIdEmpty", {"outTrackId": ""}),
        ("param.cardTemplateIdEmpty", {"cardTemplateId": None}),
        ("param.openSpaceIdEmpty", {"openSpaceId": ""}),
        ("param.openSpaceIdInvalid", {"openSpaceId": "IM_ROBOT.wulei"}),
        ("param.openDeliverModelEmpty", {"imRobotOpenDeliverModel": None}),
        ("param.openDeliverModelError", {"imRobotOpenDeliverModel": {"spaceType": "IM_GROUP"}}),
        ("param.openDeliverModelError", {"imRobotOpenDeliverModel": {"spaceType": "IM_ROBOT", "robotCode": "other"}}),
        ("param.openSpaceModelInvalid", {"imRobotOpenSpaceModel": None}),
        ("param.callbackRouteKeyNotExist", {"callbackRouteKey": "unknown"}),
        ("param.cardPublicDataEmpty", {"cardData": {}}),
        ("param.invalid", {"cardData": {"cardParamMap": {"title": 5}}}),
        ("param.invalid", {"cardData": {"cardParamMap": {"title": "x" * 1025}}}),
        ("param.invalid", {"callbackType": "http"}),
    ]
    for code, change in cases:
        with pytest.raises(HostError) as raised:
            connector.calls.api("POST", CARD, {**good, **change}, write=True)
        assert raised.value.code == code
