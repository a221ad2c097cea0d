"""Callbacks: what each event becomes, and that forged, replayed, foreign and oversized ones get nowhere."""

import os
import random
import re
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from wechatpy.work.crypto import PrpCrypto, WeChatCrypto

from tests.effort import effort
from wsapp.connectors.base import Account, BadCallback, Callback, CallbackRequest
from wsapp.connectors.wecom import callbacks, crypto
from wsapp.connectors.wecom.emulator_demo import CORP_ID, demo_corp

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
ACCOUNT = Account(CORP_ID, "森林木业", demo_corp())
FUZZ = int(os.environ.get("WSAPP_FUZZ", "2000"))
PRESS = (
    f"<xml><ToUserName><![CDATA[{CORP_ID}]]></ToUserName><FromUserName><![CDATA[LinXiaoYan]]></FromUserName>"
    "<CreateTime>1795312800</CreateTime><MsgType><![CDATA[event]]></MsgType>"
    "<Event><![CDATA[template_card_event]]></Event><EventKey><![CDATA[done]]></EventKey>"
    "<TaskId><![CDATA[task-1]]></TaskId><CardType><![CDATA[button_interaction]]></CardType>"
    "<ResponseCode><![CDATA[rc-1]]></ResponseCode><AgentID>1000002</AgentID></xml>"
)


def arriving(
    plain: str | bytes = PRESS, *, kind: str = "app", at: datetime = NOW, account: Account = ACCOUNT, nonce: str = "n1"
) -> CallbackRequest:
    """A callback as the host makes it, sealed by wechatpy."""
    token, aes_key = (str(account[name]) for name in callbacks.KINDS[kind])
    encrypted = PrpCrypto(WeChatCrypto(token, aes_key, account.corp_id).key).encrypt(plain, account.corp_id).decode()
    return signed(encrypted, token, at=at, kind=kind, nonce=nonce)


def signed(encrypted: str, token: str, *, at: datetime = NOW, kind: str = "app", nonce: str = "n1") -> CallbackRequest:
    timestamp = str(int(at.timestamp()))
    query = {
        "msg_signature": [crypto.sign(token, timestamp, nonce, encrypted)],
        "timestamp": [timestamp],
        "nonce": [nonce],
    }
    body = f"<xml><ToUserName>{CORP_ID}</ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt><AgentID></AgentID></xml>"
    return CallbackRequest(kind, "POST", query, {}, body.encode())


def encrypted_of(request: CallbackRequest) -> str:
    found = re.search(r"CDATA\[([^]]+)]]></Encrypt", request.body.decode())
    assert found is not None
    return found.group(1)


def read(request: CallbackRequest) -> Callback:
    return callbacks.read(request, ACCOUNT, NOW)


# --- what events become ---------------------------------------------------------------------------------------


def test_a_press_names_person_card_button_and_response_code() -> None:
    callback = read(arriving())
    (event,) = callback.events
    assert (event.kind, event.userids, event.card, event.action) == ("card.pressed", ("LinXiaoYan",), "task-1", "done")
    assert event.data["response_code"] == "rc-1"
    assert callback.reply.status == 200
    assert callback.reply.body == b""


EVENTS = [
    ("ChangeContactEvent.CreateUser.xml", "member.changed", ("zhangsan",)),
    ("ChangeContactEvent.UpdateUser.xml", "member.changed", ("zhangsan", "zhangsan001")),
    ("ChangeContactEvent.DeleteUser.xml", "member.left", ("zhangsan",)),
    ("ChangeContactEvent.CreateParty.xml", "department.changed", ()),
    ("ChangeContactEvent.UpdateParty.xml", "department.changed", ()),
    ("ChangeContactEvent.DeleteParty.xml", "department.changed", ()),
    ("ChangeContactEvent.UpdateTag.xml", "other", ()),
    ("SubscribePushEvent.xml", "member.changed", ("UserID",)),
    ("UnsubscribePushEvent.xml", "member.left", ("UserID",)),
    ("TemplateCardPushEvent.xml", "card.pressed", ("FromUser",)),
    ("EnterAgentPushEvent.xml", "other", ("FromUser",)),
    ("LocationPushEvent.xml", "other", ("FromUser",)),
    ("CloseInactiveAgentEvent.xml", "other", ("FromUser",)),
    ("BatchJobResultEvent.xml", "other", ("FromUser",)),
    ("TextMessageEvent.xml", "robot.message", ("fromUser",)),
]


@pytest.mark.parametrize(("name", "kind", "userids"), EVENTS)
def test_recorded_events(fixture: Callable[[str], Any], name: str, kind: str, userids: tuple[str, ...]) -> None:
    for door in ("app", "contacts"):
        (event,) = read(arriving(fixture(f"events/{name}"), kind=door)).events
        assert (event.kind, event.userids) == (kind, userids)


def test_departments_are_named(fixture: Callable[[str], Any]) -> None:
    (event,) = read(arriving(fixture("events/ChangeContactEvent.UpdateParty.xml"), kind="contacts")).events
    assert event.data["departments"] == ["2"]


def test_both_spellings_of_options_are_read(fixture: Callable[[str], Any]) -> None:
    recorded = fixture("events/TemplateCardPushEvent.xml")
    for text in (recorded, recorded.replace("Opiton", "Option")):
        (event,) = read(arriving(text)).events
        assert event.data["selected"] == {
            "QuestionKey1": ["OpitonId1", "OpitonId2"] if text is recorded else ["OptionId1", "OptionId2"],
            "QuestionKey2": ["OpitonId3", "OpitonId4"] if text is recorded else ["OptionId3", "OptionId4"],
        }


def test_a_retry_has_another_digest_and_the_same_event_id() -> None:
    first, again = read(arriving(nonce="n1")), read(arriving(nonce="n2"))
    assert first.digest != again.digest
    assert first.events[0].id == again.events[0].id


def test_events_of_one_second_and_sender_stay_apart() -> None:
    other = PRESS.replace("rc-1", "rc-2")
    assert read(arriving()).events[0].id != read(arriving(other)).events[0].id


def test_messages_go_by_their_own_id(fixture: Callable[[str], Any]) -> None:
    (event,) = read(arriving(fixture("events/TextMessageEvent.xml"))).events
    assert re.fullmatch(r"msg-\d+", event.id)


def test_url_verification_answers_exactly_the_echo() -> None:
    posted = arriving("1616140317555161061")
    request = replace(posted, method="GET", body=b"", query={**posted.query, "echostr": [encrypted_of(posted)]})
    callback = read(request)
    assert callback.reply.body == b"1616140317555161061"
    assert callback.events == ()


# --- what gets nowhere ----------------------------------------------------------------------------------------


def refused(request: CallbackRequest, account: Account = ACCOUNT) -> None:
    with pytest.raises(BadCallback):
        callbacks.read(request, account, NOW)


@pytest.mark.parametrize("minutes", [-6, 6, -600, 100_000])
def test_a_stale_or_future_timestamp(minutes: int) -> None:
    refused(arriving(at=datetime.fromtimestamp(NOW.timestamp() + 60 * minutes, UTC)))


def test_five_minutes_are_still_good() -> None:
    for seconds in (-299, 299):
        assert read(arriving(at=datetime.fromtimestamp(NOW.timestamp() + seconds, UTC))).events


def test_digits_moved_between_timestamp_and_nonce() -> None:
    """The signature covers the joined parts without a delimiter, so moved digits keep it valid (T02)."""
    good = next(one for one in (arriving(nonce="1234567890") for _ in range(1000)) if encrypted_of(one)[0].isalpha())
    timestamp, nonce = good.query["timestamp"][0], good.query["nonce"][0]
    joined, still_signed = nonce + timestamp, 0
    for cut in range(1, len(joined)):
        for moved in ((joined[:cut], joined[cut:]), (joined[cut:], joined[:cut])):
            if moved == (nonce, timestamp):
                continue
            query = {**good.query, "nonce": [moved[0]], "timestamp": [moved[1]]}
            parts = (str(ACCOUNT["callback_token"]), moved[1], moved[0], encrypted_of(good))
            still_signed += crypto.is_signed(*parts, good.query["msg_signature"][0])
            refused(replace(good, query=query))
    assert still_signed >= 10, "the signature alone does not help"


@pytest.mark.parametrize("field", ["msg_signature", "timestamp", "nonce"])
def test_fields_once_each_and_no_others(field: str) -> None:
    good = arriving()
    refused(replace(good, query={key: value for key, value in good.query.items() if key != field}))
    refused(replace(good, query={**good.query, field: good.query[field] * 2}))
    refused(replace(good, query={**good.query, field: []}))
    refused(replace(good, query={**good.query, "extra": ["1"]}))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "get", ""])
def test_other_methods(method: str) -> None:
    refused(replace(arriving(), method=method))


def test_an_unknown_or_unset_kind() -> None:
    refused(replace(arriving(), kind="robot"))
    bare = Account(CORP_ID, "", {**demo_corp(), "callback_token": "", "callback_aes_key": ""})
    refused(arriving(), bare)


def test_another_corp_another_door() -> None:
    """Five corps with two doors each: only the ten right pairs open (T06)."""
    random_ = random.Random(6)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

    def corp(number: int) -> Account:
        keys = ["".join(random_.choices(letters, k=42)) + "A" for _ in range(2)]
        return Account(
            f"ww{number:016x}",
            "",
            {
                "callback_token": f"token{number}a",
                "callback_aes_key": keys[0],
                "contacts_callback_token": f"token{number}c",
                "contacts_callback_aes_key": keys[1],
            },
        )

    corps = [corp(number) for number in range(5)]
    opened = 0
    for sender in corps:
        for kind in callbacks.KINDS:
            request = arriving(account=sender, kind=kind)
            for receiver in corps:
                for at in callbacks.KINDS:
                    try:
                        callbacks.read(replace(request, kind=at), receiver, NOW)
                    except BadCallback:
                        assert (sender, kind) != (receiver, at)
                    else:
                        assert (sender, kind) == (receiver, at)
                        opened += 1
    assert opened == 10


def test_a_corp_that_shares_token_and_key_still_needs_its_own_id() -> None:
    refused(arriving(), Account("ww0000000000000001", "", demo_corp()))


MUTATIONS: list[Callable[[random.Random, str], str]] = [
    lambda rnd, text: _flip(rnd, text),
    lambda rnd, text: text[: rnd.randrange(len(text))] if text else "x",
    lambda rnd, text: text + rnd.choice("A=0\x00 \n"),
    lambda rnd, text: text.swapcase() if text.swapcase() != text else text + "x",
    lambda rnd, text: text[::-1] if text[::-1] != text else text + "x",
    lambda rnd, text: "",
    lambda rnd, text: text * 2,
    lambda rnd, text: "".join(rnd.sample(text, len(text))) + "~",
]


def _flip(rnd: random.Random, text: str) -> str:
    at = rnd.randrange(len(text))
    return text[:at] + chr((ord(text[at]) ^ (1 << rnd.randrange(7))) or 1) + text[at + 1 :]


def mutated(rnd: random.Random, good: CallbackRequest, encrypted: str) -> CallbackRequest:
    """One callback with one thing wrong. What is outside of `Encrypt` in the body is not covered by the signature."""
    field = rnd.choice(["msg_signature", "timestamp", "nonce", "body", "body", "garbage"])
    change = rnd.choice(MUTATIONS)
    if field == "garbage":
        return replace(good, body=rnd.randbytes(rnd.randrange(400)))
    if field == "body":
        worse = change(rnd, encrypted)
        if worse.strip() == encrypted:
            worse += "x"
        return replace(good, body=good.body.replace(encrypted.encode(), worse.encode(errors="replace")))
    return replace(good, query={**good.query, field: [change(rnd, good.query[field][0])]})


@pytest.mark.soak
def test_mutated_callbacks_are_all_refused_alike() -> None:
    rnd = random.Random(20261122)
    good = arriving()
    assert read(good).events
    for number in range(FUZZ):
        request = mutated(rnd, good, encrypted_of(good))
        try:
            callback = callbacks.read(request, ACCOUNT, NOW)
        except BadCallback:
            continue
        pytest.fail(f"number {number} was accepted: {request!r} → {callback!r}")


@pytest.mark.soak
def test_signed_garbage_is_refused_alike() -> None:
    """Whoever knows the token but not the key; and whoever knows both but writes nonsense (T04)."""
    rnd = random.Random(4)
    token = str(ACCOUNT["callback_token"])
    for _ in range(FUZZ // 4):
        size = rnd.choice([0, 1, 15, 16, 32, 64, 100])
        text = crypto.base64.b64encode(rnd.randbytes(size)).decode()
        refused(signed(rnd.choice([text, text + "=", "é", "]]>", "&amp;", "<a>"]), token))
    for plain in (b"", b"\xff\xfe", b"{}", b"<xml>", b"<a/>", b"<xml/><xml/>", b"hello", b"<xml><MsgId>1</MsgId>" * 2):
        refused(arriving(plain))
    refused(arriving(PRESS.replace("</xml>", "<Event>unsubscribe</Event></xml>")))


BOMBS = {
    "deep": b"<a>" * 20_000 + b"</a>" * 1,
    "deep inside": b"<xml>" + b"<Encrypt>" * 6_000 + b"</Encrypt>" * 1 + b"</xml>",
    "wide": b"<xml>" + b"<a/>" * 15_000 + b"</xml>",
    "laughs": b'<!DOCTYPE x [<!ENTITY a "'
    + b"ha" * 1000
    + b'"><!ENTITY b "&a;&a;&a;&a;">]><xml><Encrypt>&b;</Encrypt></xml>',
    "external": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><Encrypt>&a;</Encrypt></xml>',
    "attributes": b"<xml " + b" ".join(b"a%d='1'" % number for number in range(6_000)) + b"/>",
    "64 KB and one": b"<xml>" + b" " * (64 * 1024 - 10) + b"</xml>",
    "50 MB": b"x" * 50_000_000,
    "two Encrypt": b"<xml><Encrypt>a</Encrypt><Encrypt>a</Encrypt></xml>",
    "utf-16": '<?xml version="1.0" encoding="utf-16"?><xml><Encrypt>a</Encrypt></xml>'.encode("utf-16"),
    "other encoding": b'<?xml version="1.0" encoding="utf-7"?><xml>+ADw-Encrypt+AD4-</xml>',
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_cheap(name: str) -> None:
    request = replace(arriving(), body=BOMBS[name])
    _, calls = effort(lambda: refused(request))
    tracemalloc.start()
    refused(request)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert calls < 100_000
    assert peak < 5_000_000


def test_nothing_secret_in_what_is_raised() -> None:
    for request in (arriving(at=datetime(2001, 1, 1, tzinfo=UTC)), replace(arriving(), body=b"<xml/>")):
        with pytest.raises(BadCallback) as caught:
            read(request)
        told = f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"
        assert str(ACCOUNT["callback_token"]) not in told
        assert str(ACCOUNT["callback_aes_key"]) not in told
