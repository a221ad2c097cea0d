"""Sending to the emulated host: repeats, partial failures, silent drops, refused cards, updates, presses."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import requests

from wsapp.connectors.base import BadCredentials, Button, Message, OutOfRange, Parcel, Receipt, Refused, TryLater
from wsapp.connectors.wecom.connector import WeComConnector
from wsapp.connectors.wecom.emulator_demo import CORP_ID

ME = ["LinXiaoYan"]


def test_what_is_sent_is_what_is_seen(host: Any, connector: WeComConnector, reminder: Message) -> None:
    receipt = connector.send(connector.compose(reminder, ME))
    assert receipt.dropped == {}
    assert receipt.check_after is None
    (shown,) = host.shown("LinXiaoYan")
    assert shown["msgid"] == receipt.host_id
    assert (shown["kind"], shown["card"], shown["title"]) == ("template_card", reminder.card, reminder.title)
    assert shown["lines"] == [list(line) for line in reminder.lines]
    assert [(one["key"], one["text"]) for one in shown["buttons"]] == [
        ("done", "完成"),
        ("snooze-1h", "1 小时后"),
        ("", "打开"),
    ]
    assert shown["url"] == reminder.url
    assert host.shown("WangJianGuo") == []


# --- recipients -----------------------------------------------------------------------------------------------


def test_some_recipients_out_of_range(host: Any, connector: WeComConnector, reminder: Message) -> None:
    receipt = connector.send(connector.compose(reminder, ["LinXiaoYan", "OuYangMuRong", "NoBody"]))
    assert receipt.dropped == {"OuYangMuRong": "81013", "NoBody": "81013"}
    assert len(host.shown()) == 1


def test_all_recipients_out_of_range(connector: WeComConnector, reminder: Message) -> None:
    with pytest.raises(OutOfRange) as caught:
        connector.send(connector.compose(reminder, ["OuYangMuRong", "NoBody"]))
    assert caught.value.code == "81013"


def test_userids_are_the_same_in_any_case(host: Any, connector: WeComConnector, reminder: Message) -> None:
    receipt = connector.send(connector.compose(reminder, ["LINXIAOYAN", "OUYANGMURONG"]))
    assert receipt.dropped == {"OUYANGMURONG": "81013"}
    assert len(host.shown("linxiaoyan")) == 1


def test_a_member_without_a_licence(host: Any, connector: WeComConnector, reminder: Message) -> None:
    host.emulator.corps[CORP_ID].users["chenzihao"].unlicensed = True
    receipt = connector.send(connector.compose(reminder, ["LinXiaoYan", "ChenZiHao"]))
    assert receipt.dropped == {"ChenZiHao": "701008"}


def test_a_leaver_gets_nothing_more(host: Any, connector: WeComConnector, reminder: Message) -> None:
    host.post("/_emulator/people", {"action": "leave", "userid": "LinXiaoYan"})
    with pytest.raises(OutOfRange):
        connector.send(connector.compose(reminder, ME))


def test_the_wrong_agent(make: Callable[..., WeComConnector], reminder: Message) -> None:
    connector = make(agent_id=1000009)
    with pytest.raises(BadCredentials) as caught:
        connector.send(connector.compose(reminder, ME))
    assert caught.value.code == "301002"
    with pytest.raises(BadCredentials):
        make(agent_id="一").compose(reminder, ME)


# --- repeats --------------------------------------------------------------------------------------------------


def test_the_same_bytes_show_once(host: Any, connector: WeComConnector, reminder: Message) -> None:
    parcel = connector.compose(reminder, ME)
    receipts = [connector.send(parcel) for _ in range(4)]
    assert len(host.shown()) == 1
    assert {one.host_id for one in receipts} == {receipts[0].host_id}
    assert requests.get(host.url + "/_emulator/stats", timeout=10).json()["repeats"] == 3


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("hours", [0, 3.9, 4.1, 30])
def test_a_retry_shows_once_however_late(
    host: Any, connector: WeComConnector, reminder: Message, hours: float, first: bool
) -> None:
    """Within four hours the host knows the bytes; after that, and where it looks at the card first, its id."""
    host.knobs(duplicates_first=first)
    parcel = connector.compose(reminder, ME)
    host.fault("message/send", "reset_after")
    with pytest.raises(TryLater):
        connector.send(parcel)
    host.advance(hours=hours)
    receipt = connector.send(parcel)
    assert len(host.shown()) == 1
    known = first and hours < 4
    assert bool(receipt.handle.get("repeat")) is not known
    assert ("response_code" in receipt.handle) is known


@pytest.mark.parametrize("answer", ["same", "bare"])
def test_what_a_repeat_is_answered(host: Any, connector: WeComConnector, reminder: Message, answer: str) -> None:
    host.knobs(duplicate_answer=answer)
    parcel = connector.compose(reminder, ME)
    first, again = connector.send(parcel), connector.send(parcel)
    assert again.host_id == (first.host_id if answer == "same" else "")
    assert len(host.shown()) == 1


def test_without_the_check_the_host_shows_twice(host: Any, connector: WeComConnector) -> None:
    """The emulator is not kinder than the host: without the check a repeat is a second message."""
    body = json.dumps({"touser": "LinXiaoYan", "agentid": 1000002, "msgtype": "text", "text": {"content": "hi"}})
    for _ in range(2):
        connector.calls.post("message/send", body.encode(), proof="msgid")
    assert len(host.shown()) == 2


# --- silent drops ---------------------------------------------------------------------------------------------


def test_beyond_thirty_a_minute_the_host_drops_in_silence(
    host: Any, connector: WeComConnector, reminder: Message
) -> None:
    for number in range(33):
        receipt = connector.send(connector.compose(replace(reminder, card=f"c-{number}"), ME))
        assert receipt.dropped == {}
    assert len(host.shown("LinXiaoYan")) == 30
    assert [one["dropped"] for one in host.emulator.chats("LinXiaoYan")].count("minute") == 3
    host.advance(seconds=61)
    connector.send(connector.compose(replace(reminder, card="later"), ME))
    assert len(host.shown("LinXiaoYan")) == 31


def test_beyond_a_thousand_an_hour_too(host: Any, connector: WeComConnector, reminder: Message) -> None:
    host.knobs(person_minute=0, person_hour=5)
    for number in range(7):
        connector.send(connector.compose(replace(reminder, card=f"c-{number}"), ME))
    assert len(host.shown("LinXiaoYan")) == 5
    assert {one["dropped"] for one in host.emulator.chats("LinXiaoYan")} == {"", "hour"}


def test_our_own_pace_stays_below_the_hosts(connector: WeComConnector, host: Any) -> None:
    assert connector.quota()["person_minute"] < host.emulator.knobs["person_minute"]
    assert connector.quota()["person_hour"] <= host.emulator.knobs["person_hour"]


def test_a_day_that_is_used_up(host: Any, connector: WeComConnector, reminder: Message) -> None:
    host.knobs(sends_per_day=2)
    connector.send(connector.compose(reminder, ["LinXiaoYan", "WangJianGuo"]))
    with pytest.raises(TryLater) as caught:
        connector.send(connector.compose(replace(reminder, card="b"), ME))
    assert caught.value.code == "45009"
    assert not caught.value.ambiguous


# --- refused cards --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [42017, 42028, 42039, 43012, 40058, 40008])
def test_a_refused_card_goes_out_as_a_text_card(
    host: Any, connector: WeComConnector, reminder: Message, code: int
) -> None:
    host.fault("message/send", "code", code=code)
    receipt = connector.send(connector.compose(reminder, ME))
    assert receipt.handle == {"channel": "textcard"}
    (shown,) = host.shown("LinXiaoYan")
    assert shown["kind"] == "textcard"
    assert shown["url"].startswith(reminder.url)
    assert "深圳市华星家具有限公司" in shown["text"]


def test_a_refused_text_card_goes_out_as_text(host: Any, connector: WeComConnector, reminder: Message) -> None:
    host.fault("message/send", "code", code=43012)
    host.fault("message/send", "code", code=40058)
    receipt = connector.send(connector.compose(reminder, ME))
    assert receipt.handle == {"channel": "text"}
    assert [one["kind"] for one in host.shown()] == ["text"]
    assert host.calls("message/send") == 3


def test_when_text_is_refused_as_well(host: Any, connector: WeComConnector, reminder: Message) -> None:
    host.fault("message/send", "code", code=40058, times=3)
    with pytest.raises(Refused) as caught:
        connector.send(connector.compose(reminder, ME))
    assert caught.value.code == "40058"
    assert host.calls("message/send") == 3


def test_an_app_that_lost_its_callback_url(host: Any, connector: WeComConnector, reminder: Message) -> None:
    host.post("/_emulator/apps", {"callback_url": ""})
    parcel = connector.compose(reminder, ME)
    for _ in range(3):  # a retry of the whole sending shows nothing twice either
        assert connector.send(parcel).handle == {"channel": "textcard"}
    assert [one["kind"] for one in host.shown()] == ["textcard"]


def test_other_refusals_are_not_softened(host: Any, connector: WeComConnector, reminder: Message) -> None:
    host.fault("message/send", "code", code=48002)
    with pytest.raises(Refused):
        connector.send(connector.compose(reminder, ME))
    assert host.calls("message/send") == 1


def test_a_notice_without_buttons_is_taken_without_a_callback_url(host: Any, connector: WeComConnector) -> None:
    host.post("/_emulator/apps", {"callback_url": ""})
    receipt = connector.send(connector.compose(Message(card="n", title="日报", url="/h5/"), ME))
    assert receipt.handle == {"channel": "template_card"}


@pytest.mark.parametrize("limits", ["bytes", "characters"])
def test_text_cards_fit_whatever_the_limits_mean(
    host: Any, connector: WeComConnector, reminder: Message, limits: str
) -> None:
    host.knobs(textcard_limits=limits)
    host.post("/_emulator/apps", {"callback_url": ""})
    long = replace(reminder, title="很长的标题" * 40, text="很长的说明" * 200)
    receipt = connector.send(connector.compose(long, ME))
    assert receipt.handle == {"channel": "textcard"}
    (shown,) = host.shown()
    sent = json.loads(next(iter(connector.writer.plainer(connector.compose(long, ME).body))))["textcard"]
    assert (shown["title"], shown["text"]) == (sent["title"], sent["description"]), "the host cut nothing"


# --- updates --------------------------------------------------------------------------------------------------


def settled(message: Message, state: str = "林晓燕 已完成 · 11-22 10:31") -> Message:
    return replace(message, state=state)


def test_an_update_shows_the_state_to_everybody(host: Any, connector: WeComConnector, reminder: Message) -> None:
    people = ["LinXiaoYan", "WangJianGuo"]
    receipt = connector.send(connector.compose(reminder, people))
    connector.update_card(settled(reminder), receipt, people)
    for person in people:
        (shown,) = host.shown(person)
        assert shown["state"] == "林晓燕 已完成 · 11-22 10:31"
        assert shown["buttons"] == []
        assert shown["title"] == reminder.title
        assert shown["lines"] == [list(line) for line in reminder.lines]


def test_a_response_code_is_good_for_one_update(host: Any, connector: WeComConnector, reminder: Message) -> None:
    receipt = connector.send(connector.compose(reminder, ME))
    connector.update_card(settled(reminder), receipt, ME)
    with pytest.raises(Refused) as caught:
        connector.update_card(settled(reminder, "第二次"), receipt, ME)
    assert caught.value.code == "60140"
    assert host.shown()[0]["state"] == "林晓燕 已完成 · 11-22 10:31"


@pytest.mark.parametrize(("limit", "hours", "good"), [(72, 71, True), (72, 73, False), (24, 25, False)])
def test_a_response_code_lives_three_days(
    host: Any, connector: WeComConnector, reminder: Message, limit: int, hours: int, good: bool
) -> None:
    host.knobs(response_code_hours=limit)
    receipt = connector.send(connector.compose(reminder, ME))
    host.advance(hours=hours)
    if good:
        connector.update_card(settled(reminder), receipt, ME)
        assert host.shown()[0]["state"]
    else:
        with pytest.raises(Refused):
            connector.update_card(settled(reminder), receipt, ME)


def test_an_update_can_keep_the_buttons(host: Any, connector: WeComConnector, reminder: Message) -> None:
    receipt = connector.send(connector.compose(reminder, ME))
    connector.update_card(replace(reminder, title="待办：改到明天"), receipt, ME)
    (shown,) = host.shown()
    assert shown["title"] == "待办：改到明天"
    assert len(shown["buttons"]) == 3
    assert host.post("/phone/press", {"user": "LinXiaoYan", "card": reminder.card, "key": "done"})["status"] == 200


@pytest.mark.parametrize("handle", [{}, {"channel": "textcard"}, {"response_code": ""}, {"response_code": 7}])
def test_what_has_no_response_code_cannot_be_updated(
    host: Any, connector: WeComConnector, reminder: Message, handle: dict[str, Any]
) -> None:
    with pytest.raises(Refused):
        connector.update_card(settled(reminder), Receipt("m", handle), ME)
    assert host.calls("message/update_template_card") == 0


def test_a_lost_answer_to_an_update_is_ambiguous(host: Any, connector: WeComConnector, reminder: Message) -> None:
    receipt = connector.send(connector.compose(reminder, ME))
    host.fault("message/update_template_card", "reset_after")
    with pytest.raises(TryLater) as caught:
        connector.update_card(settled(reminder), receipt, ME)
    assert caught.value.ambiguous
    with pytest.raises(Refused):
        connector.update_card(settled(reminder), receipt, ME)
    assert host.shown()[0]["state"]


# --- presses --------------------------------------------------------------------------------------------------


def press(host: Any, user: str, card: str, key: str = "done", **more: Any) -> Any:
    return host.post("/phone/press", {"user": user, "card": card, "key": key, **more})


def test_a_press_comes_back_with_a_code_of_its_own(
    host: Any, door: Any, connector: WeComConnector, reminder: Message
) -> None:
    receipt = connector.send(connector.compose(reminder, ME))
    found = press(host, "LinXiaoYan", reminder.card)
    assert found["status"] == 200
    (event,) = door.events
    assert (event.kind, event.userids, event.card, event.action) == (
        "card.pressed",
        ("LinXiaoYan",),
        reminder.card,
        "done",
    )
    fresh = event.data["response_code"]
    assert fresh != receipt.handle["response_code"]
    connector.update_card(settled(reminder), receipt, ME)
    connector.update_card(settled(reminder, "按钮回调更新"), Receipt("", {"response_code": fresh}), ME)
    assert host.shown()[0]["state"] == "按钮回调更新"


def test_several_people_press_one_card(host: Any, door: Any, connector: WeComConnector, reminder: Message) -> None:
    people = ["LinXiaoYan", "ChenZiHao", "WangJianGuo"]
    receipt = connector.send(connector.compose(reminder, people))
    for person in people:
        assert press(host, person, reminder.card)["status"] == 200
    assert [event.userids for event in door.events] == [(person,) for person in people]
    assert len({event.id for event in door.events}) == 3
    connector.update_card(settled(reminder), receipt, people)
    gone = press(host, "LinXiaoYan", reminder.card)
    assert (gone["status"], gone["error"]) == (409, "no such button")
    assert press(host, "LinXiaoYan", reminder.card, stale=True)["status"] == 200, "a client that is behind"
    assert len(door.events) == 4


def test_only_what_one_has_can_be_pressed(host: Any, connector: WeComConnector, reminder: Message) -> None:
    connector.send(connector.compose(reminder, ME))
    assert press(host, "ChenZiHao", reminder.card)["status"] == 404
    assert press(host, "LinXiaoYan", "no-such-card")["status"] == 404
    assert press(host, "LinXiaoYan", reminder.card, key="no-such-key")["status"] == 409
    assert press(host, "LinXiaoYan", reminder.card, key="")["status"] == 409, "a link is no callback button"


def test_a_press_can_wait_for_the_new_card(host: Any, door: Any, connector: WeComConnector, reminder: Message) -> None:
    import threading

    receipt = connector.send(connector.compose(reminder, ME))
    pressed: list[Any] = []
    waiting = threading.Thread(target=lambda: pressed.append(press(host, "LinXiaoYan", reminder.card, wait=10)))
    waiting.start()
    connector.update_card(settled(reminder), receipt, ME)
    waiting.join(15)
    assert pressed
    assert pressed[0]["chat"]["state"] or pressed[0].get("error") == "no such button"


@pytest.mark.parametrize("spelling", ["OptionIds", "OpitonIds"])
def test_chosen_options_in_both_spellings(
    host: Any, door: Any, connector: WeComConnector, reminder: Message, spelling: str
) -> None:
    host.knobs(option_spelling=spelling)
    connector.send(connector.compose(reminder, ME))
    press(host, "LinXiaoYan", reminder.card, selected={"reason": ["price", "time"]})
    assert door.events[0].data["selected"] == {"reason": ["price", "time"]}


@pytest.mark.parametrize("gives_code", [True, False])
def test_a_notice_with_a_menu(host: Any, door: Any, connector: WeComConnector, gives_code: bool) -> None:
    host.knobs(notice_response_code=gives_code)
    menu = {"desc": "更多", "action_list": [{"text": "不再提醒", "key": "mute"}]}
    card = {"card_type": "text_notice", "task_id": "n1", "main_title": {"title": "日报"}, "action_menu": menu}
    card["card_action"] = {"type": 1, "url": "https://crm.example.com/"}
    body = {"touser": "LinXiaoYan", "agentid": 1000002, "msgtype": "template_card", "template_card": card}
    receipt = connector.send(Parcel("template_card", json.dumps(body, ensure_ascii=False).encode(), ("LinXiaoYan",)))
    assert ("response_code" in receipt.handle) is gives_code
    assert press(host, "LinXiaoYan", "n1", key="mute")["status"] == 200
    assert (door.events[0].kind, door.events[0].action) == ("card.pressed", "mute")


# --- the emulated host's own strictness -----------------------------------------------------------------------

BAD_CARDS: list[tuple[int, dict[str, Any]]] = [
    (42031, {"card_type": "new_kind"}),
    (42014, {"task_id": ""}),
    (42014, {"task_id": "a b"}),
    (42033, {"main_title": {}}),
    (42017, {"button_list": []}),
    (42017, {"button_list": [{"text": "a", "key": str(number)} for number in range(7)]}),
    (42038, {"button_list": [{"key": "a"}]}),
    (42039, {"button_list": [{"text": "a"}]}),
    (42039, {"button_list": [{"text": "a", "key": "k" * 1025}]}),
    (42039, {"button_list": [{"text": "a", "key": "k"}, {"text": "b", "key": "k"}]}),
    (42028, {"button_list": [{"text": "a", "type": 1}]}),
    (42028, {"card_action": {"type": 1, "url": "crm.example.com"}}),
    (42035, {"horizontal_content_list": [{"keyname": "a"}] * 7}),
    (42027, {"horizontal_content_list": [{"value": "a"}]}),
    (42042, {"jump_list": [{"title": "a", "type": 0}] * 4}),
    (42037, {"action_menu": {"action_list": []}}),
    (42051, {"action_menu": {"action_list": [{"key": "a"}, {"key": "a"}]}}),
    (42043, {"button_selection": {"option_list": [{"id": "a", "text": "a"}]}}),
    (42045, {"card_type": "text_notice"}),
    (42045, {"card_type": "news_notice"}),
    (42037, {"card_type": "vote_interaction", "checkbox": {"question_key": "q", "option_list": []}}),
    (42047, {"card_type": "multiple_interaction"}),
]


@pytest.mark.parametrize(("code", "changes"), BAD_CARDS)
def test_cards_are_checked_as_the_host_checks_them(
    host: Any, connector: WeComConnector, code: int, changes: dict[str, Any]
) -> None:
    card = {
        "card_type": "button_interaction",
        "task_id": "t",
        "main_title": {"title": "标题"},
        "button_list": [{"text": "完成", "key": "done"}],
    }
    found = raw_send(host, connector, msgtype="template_card", template_card={**card, **changes})
    assert found["errcode"] == code
    assert host.shown() == []


def raw_send(host: Any, connector: WeComConnector, **body: Any) -> Any:
    whole = {"touser": "LinXiaoYan", "agentid": 1000002, **body}
    return requests.post(
        f"{host.url}/cgi-bin/message/send",
        params={"access_token": connector.calls.token()},
        data=json.dumps({key: value for key, value in whole.items() if value is not None}, ensure_ascii=False).encode(),
        timeout=10,
    ).json()


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (82001, {"touser": None, "msgtype": "text", "text": {"content": "a"}}),
        (
            40032,
            {"touser": "|".join(f"u{number}" for number in range(1001)), "msgtype": "text", "text": {"content": "a"}},
        ),
        (40008, {"msgtype": "pigeon", "pigeon": {}}),
        (44004, {"msgtype": "text", "text": {"content": ""}}),
        (40063, {"msgtype": "text"}),
        (41016, {"msgtype": "textcard", "textcard": {"description": "a", "url": "https://a/"}}),
        (41033, {"msgtype": "textcard", "textcard": {"title": "a", "url": "https://a/"}}),
        (41010, {"msgtype": "textcard", "textcard": {"title": "a", "description": "a"}}),
        (301002, {"agentid": 1, "msgtype": "text", "text": {"content": "a"}}),
        (301002, {"agentid": "1000002", "msgtype": "text", "text": {"content": "a"}}),
    ],
)
def test_bodies_are_checked_as_the_host_checks_them(
    host: Any, connector: WeComConnector, code: int, body: dict[str, Any]
) -> None:
    assert raw_send(host, connector, **body)["errcode"] == code


@pytest.mark.parametrize("refuses", [True, False])
def test_escaped_chinese(host: Any, connector: WeComConnector, refuses: bool) -> None:
    host.knobs(refuses_escapes=refuses)
    body = {"touser": "LinXiaoYan", "agentid": 1000002, "msgtype": "text", "text": {"content": "中文"}}
    found = requests.post(
        f"{host.url}/cgi-bin/message/send",
        params={"access_token": connector.calls.token()},
        json=body,
        timeout=10,
    ).json()
    assert found["errcode"] == (40033 if refuses else 0)


def test_departments_everybody_and_long_text(host: Any, connector: WeComConnector) -> None:
    text = {"content": "长" * 1000}
    assert raw_send(host, connector, touser="@all", msgtype="text", text=text)["errcode"] == 0
    assert {one["user"] for one in host.shown()} == {"LinXiaoYan", "ChenZiHao", "WangJianGuo", "ZhaoMin"}
    assert all(len(one["text"].encode()) <= 2048 for one in host.shown())
    found = raw_send(host, connector, touser=None, toparty="3|4|99", msgtype="text", text=text)
    assert found["invalidparty"] == "4|99"
    assert len(host.shown("ChenZiHao")) == 2


def test_recall_within_a_day(host: Any, connector: WeComConnector, reminder: Message) -> None:
    receipt = connector.send(connector.compose(reminder, ME))
    body = json.dumps({"msgid": receipt.host_id}).encode()
    connector.calls.post("message/recall", body, proof="")
    assert host.shown()[0]["recalled"]
    host.advance(hours=25)
    with pytest.raises(Refused):
        connector.calls.post("message/recall", body, proof="")


def test_a_task_id_is_never_used_again(host: Any, connector: WeComConnector, reminder: Message) -> None:
    connector.send(connector.compose(reminder, ME))
    other = connector.compose(replace(reminder, buttons=(Button("done", "好"),)), ME)
    assert connector.send(other).handle["repeat"]
    host.knobs(reused_task_id_code=42999)
    with pytest.raises(Refused):
        connector.send(other)
