"""The emulated host pushes real callbacks, and our reader takes them: comings, goings, retries and bad habits."""

import threading
import time
from typing import Any

import pytest
import requests

from wsapp.connectors.base import BadCallback, Callback
from wsapp.connectors.wecom.connector import WeComConnector
from wsapp.connectors.wecom.emulator_callbacks import cdata, sealed
from wsapp.connectors.wecom.emulator_demo import AGENT_ID, CORP_ID


def settle(host: Any) -> None:
    host.emulator.wait_for_callbacks()


def kinds(door: Any) -> list[tuple[str, tuple[str, ...]]]:
    return sorted((event.kind, event.userids) for event in door.events)


@pytest.mark.parametrize("contacts", [False, True])
def test_url_verification(host: Any, connector: WeComConnector, contacts: bool) -> None:
    assert host.post("/_emulator/verify", {"contacts": contacts}) == {"ok": True, "status": 200}


def test_url_verification_needs_the_exact_echo(host: Any, door: Any, connector: WeComConnector) -> None:
    door.reply = b'"1616140317555161061"\n'
    assert host.post("/_emulator/verify", {})["ok"] is False


def test_verification_with_another_key(host: Any, door: Any, make: Any) -> None:
    door.connector = make(callback_aes_key="A" * 43)
    assert host.post("/_emulator/verify", {}) == {"ok": False, "status": 403}


CHANGES = [
    ("leave", {}, [("member.left", ("LinXiaoYan",))] * 2),
    ("disable", {}, [("member.changed", ("LinXiaoYan",)), ("member.left", ("LinXiaoYan",))]),
    ("move", {"departments": [4]}, [("member.changed", ("LinXiaoYan",)), ("member.left", ("LinXiaoYan",))]),
    ("move", {"departments": [2]}, [("member.changed", ("LinXiaoYan",))]),
    ("hide", {"agent_id": AGENT_ID}, [("member.left", ("LinXiaoYan",))]),
    ("rename", {"new_userid": "LinXiaoYan2"}, [("member.changed", ("LinXiaoYan", "LinXiaoYan2"))]),
]


@pytest.mark.parametrize(("action", "more", "expected"), CHANGES)
def test_people_who_change(
    host: Any, door: Any, connector: WeComConnector, action: str, more: dict[str, Any], expected: list[Any]
) -> None:
    host.post("/_emulator/people", {"action": action, "userid": "LinXiaoYan", **more})
    settle(host)
    assert kinds(door) == expected


def test_people_who_come_back_and_people_who_join(host: Any, door: Any, connector: WeComConnector) -> None:
    host.post("/_emulator/people", {"action": "disable", "userid": "LinXiaoYan"})
    host.post("/_emulator/people", {"action": "enable", "userid": "LinXiaoYan"})
    host.post("/_emulator/people", {"action": "show", "userid": "OuYangMuRong", "agent_id": AGENT_ID})
    host.post("/_emulator/people", {"action": "join", "userid": "XinRen", "name": "新人", "departments": [3]})
    settle(host)
    assert kinds(door).count(("member.changed", ("LinXiaoYan",))) == 3
    assert kinds(door).count(("member.changed", ("OuYangMuRong",))) == 1
    assert kinds(door).count(("member.changed", ("XinRen",))) == 2
    assert connector.person("OuYangMuRong").name == "欧阳慕容"


@pytest.mark.parametrize("body", [{"action": "fly"}, {"action": "leave", "userid": "NoBody"}, {"action": "change"}, {}])
def test_nonsense_changes_nothing(host: Any, body: dict[str, Any]) -> None:
    answer = requests.post(host.url + "/_emulator/people", json={"userid": "LinXiaoYan", **body}, timeout=10)
    assert answer.status_code == 422


@pytest.mark.parametrize("apps_too", [False, True])
def test_whether_apps_hear_of_contacts(host: Any, door: Any, connector: WeComConnector, apps_too: bool) -> None:
    host.knobs(apps_get_change_contact=apps_too)
    host.post("/_emulator/people", {"action": "move", "userid": "LinXiaoYan", "departments": [2]})
    settle(host)
    assert len(door.events) == (2 if apps_too else 1)


@pytest.mark.parametrize(("tries", "answers"), [(3, [500, 403, 200]), (3, [500] * 3), (4, [302, 500, 204, 500])])
def test_unanswered_callbacks_come_again_in_a_new_envelope(
    host: Any, door: Any, connector: WeComConnector, tries: int, answers: list[int]
) -> None:
    host.knobs(callback_tries=tries)
    door.statuses = list(answers)
    host.post("/_emulator/events", {"event": "enter_agent", "from": "LinXiaoYan"})
    settle(host)
    callbacks = [one for one in door.seen if isinstance(one, Callback)]
    assert len(callbacks) == tries
    assert len({one.digest for one in callbacks}) == tries
    assert len({query["nonce"][0] for query in door.queries}) == tries
    assert len({one.events[0].id for one in callbacks}) == 1


@pytest.mark.parametrize(("plaintext", "ids"), [("same", 1), ("new", 2)])
def test_whether_a_retry_keeps_its_create_time(
    host: Any, door: Any, connector: WeComConnector, plaintext: str, ids: int
) -> None:
    host.knobs(retry_plaintext=plaintext, callback_pause=1.1)
    door.statuses = [500]
    host.post("/_emulator/events", {"event": "enter_agent"})
    settle(host)
    assert len({event.id for event in door.events}) == ids


def test_copies_bursts_and_losses(host: Any, door: Any, connector: WeComConnector) -> None:
    host.knobs(callback_copies=2, callbacks_to_lose=1)
    host.post("/_emulator/events", {"event": "enter_agent", "from": "Lost"})
    host.post("/_emulator/events", {"event": "view", "from": "LinXiaoYan"})
    settle(host)
    assert [event.userids for event in door.events] == [("LinXiaoYan",)] * 2
    host.knobs(callback_copies=1)
    host.post("/_emulator/events", {"event": "view", "times": 60})
    settle(host)
    assert len(door.events) == 62
    assert len({event.id for event in door.events[2:]}) <= 2, "a burst of equal events in one second looks alike"


def test_a_late_callback_and_a_host_whose_clock_is_wrong(host: Any, door: Any, connector: WeComConnector) -> None:
    host.knobs(callback_delay=0.3)
    started = time.monotonic()
    host.post("/_emulator/events", {"event": "view"})
    settle(host)
    assert time.monotonic() - started >= 0.3
    host.knobs(callback_delay=0, callback_clock_error=600, callback_tries=1)
    host.post("/_emulator/events", {"event": "view"})
    settle(host)
    assert isinstance(door.seen[-1], BadCallback)


def test_strangers_and_unknown_events(host: Any, door: Any, connector: WeComConnector) -> None:
    host.post("/_emulator/events", {"event": "brand_new_event", "inner": cdata("Novelty", "]]> & <b>")})
    settle(host)
    assert [event.kind for event in door.events] == ["other"]
    app = host.emulator.corps[CORP_ID].apps[AGENT_ID]
    for corp_id, token in ((CORP_ID, "wrongToken"), ("ww0000000000000001", app.door.token)):
        stranger = type(app.door)(app.door.url, token, app.door.aes_key)
        query, body = sealed(stranger, corp_id, "<xml/>", AGENT_ID, host.emulator.clock.time())
        assert requests.post(app.door.url, params=query, data=body, timeout=10).status_code == 403


def test_api_calls_make_no_events(host: Any, door: Any, connector: WeComConnector) -> None:
    connector.person("LinXiaoYan")
    list(connector.departments())
    settle(host)
    assert door.events == []


def test_a_passive_reply_greys_the_presser_s_buttons(
    host: Any, door: Any, connector: WeComConnector, reminder: Any
) -> None:
    from wechatpy.work.crypto import WeChatCrypto

    people = ["LinXiaoYan", "ChenZiHao"]
    connector.send(connector.compose(reminder, people))
    app = host.emulator.corps[CORP_ID].apps[AGENT_ID]
    inner = (
        "<xml><ToUserName>LinXiaoYan</ToUserName><FromUserName>corp</FromUserName><CreateTime>1</CreateTime>"
        "<MsgType>update_button</MsgType><Button><ReplaceName>已完成</ReplaceName></Button></xml>"
    )
    crypto = WeChatCrypto(app.door.token, app.door.aes_key, CORP_ID)
    door.reply = crypto.encrypt_message(inner, "nonce1", "1700000000").encode()
    found = host.post("/phone/press", {"user": "LinXiaoYan", "card": reminder.card, "key": "done"})
    assert (found["chat"]["state"], found["chat"]["buttons"]) == ("已完成", [])
    assert host.shown("ChenZiHao")[0]["state"] == ""
    for garbage in (b"ok", b"<xml><Encrypt>x</Encrypt></xml>", b"<Encrypt>", b"\xff<Encrypt>"):
        door.reply = garbage
        body = {"user": "ChenZiHao", "card": reminder.card, "key": "done"}
        assert host.post("/phone/press", body)["chat"]["state"] == ""


def test_an_app_without_a_door_is_told_nothing(host: Any, door: Any, connector: WeComConnector) -> None:
    host.post("/_emulator/apps", {"callback_url": ""})
    host.post("/_emulator/people", {"action": "hide", "userid": "LinXiaoYan", "agent_id": AGENT_ID})
    settle(host)
    assert door.seen == []


def test_a_slow_door_is_left_after_the_deadline(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline is five seconds; the test makes it shorter rather than wait."""
    import socket

    from wsapp.connectors.wecom import emulator_callbacks

    monkeypatch.setattr(emulator_callbacks, "POST_DEADLINE", 0.2)
    accepted = threading.Semaphore(0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connections = []

        def accept() -> None:
            for _ in range(3):
                connections.append(silent.accept())
                accepted.release()

        threading.Thread(target=accept, daemon=True).start()
        host.post("/_emulator/apps", {"callback_url": f"http://127.0.0.1:{silent.getsockname()[1]}/"})
        host.post("/_emulator/events", {"event": "view"})
        settle(host)
        assert all(accepted.acquire(timeout=5) for _ in range(3))
        for connection, _ in connections:
            connection.close()
    (push,) = requests.get(host.url + "/_emulator/stats", timeout=10).json()["pushes"]
    assert push == {"status": 0, "tries": 3}
