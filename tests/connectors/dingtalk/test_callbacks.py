"""Callbacks: what is genuine is read, whatever else is refused in one way, quickly."""

import base64
import json
import os
import random
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.effort import effort
from wsapp.connectors.base import Account, BadCallback, CallbackRequest, Message
from wsapp.connectors.dingtalk.callbacks import CallbackReader
from wsapp.connectors.dingtalk.connector import DingTalkConnector
from wsapp.connectors.dingtalk.crypto import card_signature, event_signature, robot_signature
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator, demo_org, demo_values
from wsapp.connectors.dingtalk.emulator_events import encrypt_frame, is_success
from wsapp.connectors.dingtalk.emulator_world import Subscription

ORG = demo_org("https://crm.example.com")
CORP = ORG["corps"][0]["corp_id"]
VALUES = demo_values(ORG)
NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
MILLIS = str(int(NOW.timestamp() * 1000))
SUBSCRIPTION = Subscription("", VALUES["callback_token"], VALUES["callback_aes_key"], VALUES["client_id"])
EVENT = {"EventType": "user_leave_org", "CorpId": CORP, "eventId": "e-1", "UserId": ["zhouxiaoyu", "wulei"]}


def reader(now: datetime = NOW, corp_id: str = CORP, **values: Any) -> CallbackReader:
    return CallbackReader(Account(corp_id, "x", {**VALUES, **values}), lambda: now)


def push(
    event: Any = EVENT,
    *,
    subscription: Subscription = SUBSCRIPTION,
    timestamp: str = MILLIS,
    nonce: str = "n0nce123",
    names: tuple[str, ...] = ("signature", "msg_signature"),
) -> CallbackRequest:
    text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
    encrypt = encrypt_frame(subscription, text)
    signature = event_signature(subscription.token, timestamp, nonce, encrypt)
    query = {**{name: [signature] for name in names}, "timestamp": [timestamp], "nonce": [nonce]}
    body = json.dumps({"encrypt": encrypt}).encode()
    return CallbackRequest("", "POST", query, {"content-type": "application/json"}, body)


def press(body: Any = None, timestamp: str = MILLIS, secret: str = VALUES["client_secret"]) -> CallbackRequest:
    content = json.dumps({"cardPrivateData": {"actionIds": ["done"], "params": {}}})
    whole = {"type": "actionCallback", "outTrackId": "t-1", "corpId": CORP, "userId": "wulei", "content": content}
    headers = {
        "x-ddpaas-signature-timestamp": timestamp,
        "x-ddpaas-signature": card_signature(secret, timestamp),
    }
    data = body if isinstance(body, bytes) else json.dumps({**whole, **(body or {})}).encode()
    return CallbackRequest("card", "POST", {}, headers, data)


def changed(request: CallbackRequest, **query: Any) -> CallbackRequest:
    merged = {**request.query, **query}
    return replace(request, query={name: value for name, value in merged.items() if value is not None})


# --- what is genuine ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("signature",), ("msg_signature",), ("signature", "msg_signature")])
@pytest.mark.parametrize("digits", [10, 13])
def test_an_event_is_read_and_answered(names: tuple[str, ...], digits: int) -> None:
    callback = reader().read(push(names=names, timestamp=MILLIS[:digits]))
    event = callback.events[0]
    assert (event.kind, event.id, event.userids) == ("member.left", "e-1", ("zhouxiaoyu", "wulei"))
    assert is_success(SUBSCRIPTION, callback.reply.body)
    assert callback.reply.status == 200


@pytest.mark.parametrize(
    ("body", "kind", "userids", "departments"),
    [
        ({"EventType": "user_add_org", "UserId": ["a"]}, "member.changed", ("a",), []),
        ({"eventType": "user_modify_org", "userId": ["a"]}, "member.changed", ("a",), []),
        ({"EVENTTYPE": "user_active_org", "USERID": "a"}, "member.changed", ("a",), []),
        ({"EventType": "org_admin_add", "UserId": ["a"]}, "member.changed", ("a",), []),
        ({"EventType": "org_dept_modify", "DeptId": [7, "8"]}, "department.changed", (), ["7", "8"]),
        ({"EventType": "org_dept_remove", "deptId": [7]}, "department.changed", (), ["7"]),
        ({"EventType": "inner_app_scopes_change", "userIds": ["a"]}, "range.changed", ("a",), []),
        ({"EventType": "check_url"}, "other", (), []),
        ({"EventType": "never_heard_of"}, "other", (), []),
        ({"EventType": ["user_leave_org"], "UserId": {"a": 1}}, "other", (), []),
        ({}, "other", (), []),
    ],
)
def test_events_are_told_in_our_words(
    body: dict[str, Any], kind: str, userids: tuple[str, ...], departments: list[str]
) -> None:
    callback = reader().read(push(body))
    event = callback.events[0]
    assert (event.kind, event.userids, event.data["departments"]) == (kind, userids, departments)
    assert len(event.id) == 64  # no eventId: the hash of the plaintext
    assert is_success(SUBSCRIPTION, callback.reply.body)


def test_a_leave_event_may_name_a_thousand_people() -> None:
    people = [f"u{number}" for number in range(1000)]
    assert reader().read(push({**EVENT, "UserId": people})).events[0].userids == tuple(people)


def test_a_retry_has_another_digest_and_the_same_id() -> None:
    first, second = reader().read(push()), reader().read(push())
    assert first.digest != second.digest
    assert first.events[0].id == second.events[0].id


def test_digit_shifted_copies_of_one_push_have_one_digest() -> None:
    """The signature covers undelimited strings: moving digits from one field to the next leaves it valid (T02)."""
    timestamp = MILLIS[:10] + "830"
    request = push(nonce="179999", timestamp=timestamp)
    while not json.loads(request.body)["encrypt"][0].isalpha():  # sorts behind both numbers
        request = push(nonce="179999", timestamp=timestamp)
    shifted = changed(request, timestamp=[timestamp[:10]], nonce=[timestamp[10:] + "179999"])
    assert reader().read(shifted).digest == reader().read(request).digest


def test_the_corp_id_is_accepted_as_owner_key() -> None:
    callback = reader().read(push(subscription=replace(SUBSCRIPTION, owner=CORP)))
    assert is_success(replace(SUBSCRIPTION, owner=CORP), callback.reply.body)


def test_a_press_is_read() -> None:
    callback = reader().read(press())
    event = callback.events[0]
    assert (event.kind, event.card, event.action, event.userids) == ("card.pressed", "t-1", "done", ("wulei",))
    assert callback.reply.body == b"{}"


@pytest.mark.parametrize(
    ("content", "action"),
    [
        ({"cardPrivateData": {"actionIds": ["button1"], "params": {"action": "snooze_1h"}}}, "snooze_1h"),
        ({"cardPrivateData": {"actionIds": ["done"]}}, "done"),
        ({"cardPrivateData": {"params": {"action": "done"}}}, "done"),
        ({"cardPrivateData": {"actionIds": [], "params": {"action": 5}}}, "5"),
        ({"cardPrivateData": []}, ""),
        ({}, ""),
    ],
)
def test_the_button_is_found(content: dict[str, Any], action: str) -> None:
    assert reader().read(press({"content": json.dumps(content)})).events[0].action == action


def test_the_answer_to_a_press_shows_the_state(make_connector: Callable[..., DingTalkConnector]) -> None:
    connector = make_connector()
    connector.now = lambda: NOW
    callback = connector.read_callback(press())
    reply = connector.answer_press(callback, Message("t-1", "回访 华星木业", state="吴磊 15:31 已完成"))
    answer = json.loads(reply.body)
    assert answer["cardUpdateOptions"] == {"updateCardDataByKey": True}
    params = answer["cardData"]["cardParamMap"]
    assert (params["state"], params["title"], params["buttons"]) == ("吴磊 15:31 已完成", "回访 华星木业", "[]")
    assert {params[f"button{slot}"] for slot in (1, 2, 3, 4)} == {""}
    event = connector.read_callback(push(timestamp=MILLIS))
    assert connector.answer_press(event, Message("t-1", "x")) is event.reply


def test_a_message_to_the_robot_is_read() -> None:
    body = {
        "msgId": "m-1",
        "senderStaffId": "wulei",
        "chatbotCorpId": CORP,
        "conversationType": "2",
        "text": {"content": " 今天的待办 "},
        "sessionWebhook": "https://elsewhere.example.com/robot/sendBySession?session=0123456789abcdef",
        "sessionWebhookExpiredTime": 1_700_005_400_000,
    }
    headers = {"timestamp": MILLIS, "sign": robot_signature(VALUES["client_secret"], MILLIS)}
    callback = reader().read(CallbackRequest("robot", "POST", {}, headers, json.dumps(body).encode()))
    event = callback.events[0]
    assert (event.kind, event.id, event.userids) == ("robot.message", "m-1", ("wulei",))
    reply = {"session": "0123456789abcdef", "until": 1_700_005_400_000, "group": True}  # the address is not kept
    assert event.data == {"text": "今天的待办", "conversation": "", "group": True, "reply": reply}
    assert (callback.reply.status, callback.reply.body) == (200, b"")


# --- what is not ----------------------------------------------------------------------------------------------


GENUINE = push()
REFUSED: dict[str, tuple[CallbackReader, CallbackRequest]] = {
    "method": (reader(), replace(GENUINE, method="GET")),
    "kind": (reader(), replace(GENUINE, kind="elsewhere")),
    "no signature": (reader(), changed(GENUINE, signature=None, msg_signature=None)),
    "signature twice": (reader(), changed(GENUINE, signature=[GENUINE.query["signature"][0]] * 2)),
    "two signatures": (reader(), changed(GENUINE, msg_signature=["0" * 40])),
    "no timestamp": (reader(), changed(GENUINE, timestamp=None)),
    "timestamp twice": (reader(), changed(GENUINE, timestamp=[MILLIS, MILLIS])),
    "no nonce": (reader(), changed(GENUINE, nonce=None)),
    "timestamp of 11 digits": (reader(), push(timestamp=MILLIS[:11])),
    "timestamp in other digits": (reader(), push(timestamp="".join(chr(0x660 + int(d)) for d in MILLIS))),
    "too old": (reader(NOW + timedelta(seconds=301)), GENUINE),
    "too new": (reader(NOW - timedelta(seconds=301)), GENUINE),
    "long nonce": (reader(), push(nonce="n" * 65)),
    "upper-case signature": (reader(), changed(GENUINE, signature=["A" * 40], msg_signature=None)),
    "another token": (reader(callback_token="other"), GENUINE),
    "another key": (reader(callback_aes_key="z" * 43), GENUINE),
    "no key set up": (reader(callback_token="", callback_aes_key=""), GENUINE),
    "key of 42": (reader(callback_aes_key="z" * 42), GENUINE),
    "another app": (reader(client_id="dingother", corp_id="dingotherotherother0"), GENUINE),
    "another corp inside": (reader(), push({**EVENT, "CorpId": "ding0123456789abcdef"})),
    "a corp that is a number": (reader(), push({**EVENT, "CorpId": 5})),
    "no owner": (reader(), push(subscription=replace(SUBSCRIPTION, owner=""))),
    "a longer owner": (reader(), push(subscription=replace(SUBSCRIPTION, owner=VALUES["client_id"] + "x"))),
    "plain text inside": (reader(), push("success")),
    "a list inside": (reader(), push("[1]")),
    "broken JSON inside": (reader(), push('{"EventType":')),
    "deep JSON inside": (reader(), push('{"a":' * 40 + "1" + "}" * 40)),
    "repeated keys inside": (reader(), push('{"EventType":"a","EventType":"b"}')),
    "no JSON": (reader(), replace(GENUINE, body=b"encrypt=abc")),
    "no encrypt": (reader(), replace(GENUINE, body=b"{}")),
    "encrypt is a list": (reader(), replace(GENUINE, body=b'{"encrypt":["a"]}')),
    "two encrypts": (reader(), replace(GENUINE, body=GENUINE.body[:-1] + b"," + GENUINE.body[1:])),
    "press without signature": (reader(), replace(press(), headers={})),
    "press with a wrong secret": (reader(), press(secret="wrong")),
    "press too old": (reader(NOW + timedelta(seconds=301)), press()),
    "press with a timestamp of 12 digits": (reader(), press(timestamp=MILLIS[:12])),
    "press of another corp": (reader(), press({"corpId": "ding0123456789abcdef"})),
    "press of nobody": (reader(), press({"userId": ""})),
    "press of no card": (reader(), press({"outTrackId": ""})),
    "press of a card that is not ours": (reader(), press({"outTrackId": "Card 1"})),
    "press of another type": (reader(), press({"type": "other"})),
    "press with no body": (reader(), press(b"")),
    "press without our secret": (reader(client_secret=""), press(secret="")),
    "robot without sign": (reader(), CallbackRequest("robot", "POST", {}, {"timestamp": MILLIS}, b"{}")),
    "robot two minutes past an hour": (
        reader(NOW + timedelta(minutes=62)),
        CallbackRequest(
            "robot", "POST", {}, {"timestamp": MILLIS, "sign": robot_signature(VALUES["client_secret"], MILLIS)}, b"{}"
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    who, request = REFUSED[name]
    with pytest.raises(BadCallback):
        who.read(request)


def test_five_corps_accept_only_their_own() -> None:
    """T06: each route takes its own corp's push and no other's, although token and key are shared."""
    corps = [f"ding{number:016x}" for number in range(5)]
    readers = {corp: reader(corp_id=corp, client_id=f"dingapp{corp[4:]}") for corp in corps}
    accepted = []
    for sender in corps:
        for receiver in corps:
            subscription = replace(SUBSCRIPTION, owner=f"dingapp{sender[4:]}")
            try:
                readers[receiver].read(push({"EventType": "check_url"}, subscription=subscription))
            except BadCallback:
                continue
            accepted.append((sender, receiver))
    assert accepted == [(corp, corp) for corp in corps]


def mutated(rng: random.Random, request: CallbackRequest) -> CallbackRequest:
    """Change one genuine request in one place, so that it is no longer what the host sent."""
    body = bytearray(request.body)
    query = {name: list(values) for name, values in request.query.items()}
    headers = dict(request.headers)
    choice = rng.randrange(8)
    if choice <= 2:
        at = rng.randrange(len(body))
        body[at] ^= 1 << rng.randrange(8)
    elif choice == 3:
        body = body[: rng.randrange(len(body))]
    elif choice == 4 and query:
        name = rng.choice(sorted(query))
        text = list(query[name][0])
        text[rng.randrange(len(text))] = chr(rng.randrange(32, 300))
        query[name] = ["".join(text)]
    elif choice == 5 and query:
        query.pop(rng.choice(["timestamp", "nonce"]))
    elif choice == 6:
        body[rng.randrange(len(body)) : rng.randrange(len(body))] = bytes(rng.randbytes(rng.randrange(1, 40)))
    else:
        for name in [one for one in headers if one.startswith("x-ddpaas")] or ["content-type"]:
            headers[name] = headers[name][:-2] + chr(rng.randrange(33, 127)) * 2
        if query:
            query["nonce"] = [query["nonce"][0] + "x"]
    return replace(request, body=bytes(body), query=query, headers=headers)


def same_in_effect(one: CallbackRequest, other: CallbackRequest) -> bool:
    """Whether a mutation left everything that is signed as it was (it hit a letter of the JSON around it)."""

    def essence(request: CallbackRequest) -> Any:
        try:
            encrypt = json.loads(request.body).get("encrypt")
        except (ValueError, AttributeError):
            encrypt = None
        return encrypt, request.query

    return essence(one) == essence(other)


@pytest.mark.soak
def test_mutated_pushes_are_all_refused() -> None:
    rng, who, tried = random.Random(20261122), reader(), 0
    genuine = [push(), push({"EventType": "check_url"}), push({**EVENT, "note": "张三" * 50})]
    count = int(os.environ.get("WSAPP_FUZZ", "2000"))
    while tried < count:
        original = rng.choice(genuine)
        request = mutated(rng, original)
        if same_in_effect(original, request):
            continue
        tried += 1
        with pytest.raises(BadCallback):
            who.read(request)


@pytest.mark.soak
def test_signed_garbage_ends_in_the_same_refusal() -> None:
    """Bytes that the host's own key signed, but that are no event: no other exception comes out (T04)."""
    rng, who = random.Random(7), reader()
    for number in range(int(os.environ.get("WSAPP_FUZZ", "2000")) // 4):
        length = rng.randrange(1, 200)
        raw = rng.randbytes(length * 16 if number % 2 else length)
        encrypt = base64.b64encode(raw).decode()
        signature = event_signature(SUBSCRIPTION.token, MILLIS, "n", encrypt)
        query = {"signature": [signature], "timestamp": [MILLIS], "nonce": ["n"]}
        body = json.dumps({"encrypt": encrypt}).encode()
        with pytest.raises(BadCallback):
            who.read(CallbackRequest("", "POST", query, {}, body))


def test_mutated_presses_never_raise_anything_else() -> None:
    """The host signs the timestamp alone, so a changed body may pass; a changed header never does."""
    rng, who = random.Random(8), reader()
    original = press()
    for _ in range(500):
        request = mutated(rng, original)
        try:
            callback = who.read(request)
        except BadCallback:
            continue
        assert request.headers == original.headers
        assert callback.digest != who.read(original).digest


@pytest.mark.parametrize(
    "body",
    [
        b'{"encrypt":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b"[" * 65_000,
        b'{"a":' * 13_000,
        b'{"encrypt":"' + b"A" * (64 * 1024 - 14) + b'"}',
        b" " * (64 * 1024 + 1),
        b'{"encrypt":"' + b"A" * 10_000_000 + b'"}',
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"encrypt":' + b"1" * 60_000 + b"}",
        b'{"encrypt":"\\ud800"}',
        b"\x1f\x8b\x08\x00" + b"\x00" * 1000,
    ],
    ids=lambda body: f"{body[:12]!r}x{len(body)}",
)
@pytest.mark.parametrize("kind", ["", "card", "robot"])
def test_bombs_are_refused_at_once(body: bytes, kind: str) -> None:
    headers = {
        **press().headers,
        "timestamp": MILLIS,
        "sign": robot_signature(VALUES["client_secret"], MILLIS),
    }
    request = CallbackRequest(kind, "POST", GENUINE.query, headers, body)
    who = reader()

    def refuse() -> None:
        with pytest.raises(BadCallback):
            who.read(request)

    _, calls = effort(refuse)
    tracemalloc.start()
    refuse()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert calls < 100_000
    assert peak < 5_000_000


def test_nothing_secret_is_said_when_refusing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    for who, request in REFUSED.values():
        with pytest.raises(BadCallback) as raised:
            who.read(request)
        assert len(str(raised.value)) < 40
    reader().read(push())
    said = caplog.text
    for secret in (VALUES["client_secret"], VALUES["callback_token"], VALUES["callback_aes_key"]):
        assert secret not in said
    assert "client_id" in said  # which kind of owner key matched is worth knowing
    assert VALUES["client_id"] not in said


@pytest.mark.parametrize("digits", [10, 13])
@pytest.mark.parametrize("name", ["both", "signature", "msg_signature"])
def test_pushes_of_the_emulator_are_read(emulator: DingTalkEmulator, digits: int, name: str) -> None:
    emulator.knobs.update(timestamp_digits=digits, signature_name=name)
    query, body = emulator.events.seal(SUBSCRIPTION, EVENT)
    request = CallbackRequest("", "POST", parse_qs(query), {}, body)
    assert reader(datetime.now(UTC)).read(request).events[0].kind == "member.left"
