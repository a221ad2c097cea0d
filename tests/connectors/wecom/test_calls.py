"""Every answer of the host is judged by its own code, and tokens are fetched no more often than they must be."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from wsapp.connectors.base import (
    Answer,
    BadCode,
    BadCredentials,
    HostError,
    Message,
    OutOfRange,
    Refused,
    TryLater,
)
from wsapp.connectors.http import HttpTransport
from wsapp.connectors.wecom.calls import judge
from wsapp.connectors.wecom.codes import CODES, DeadToken, error_for
from wsapp.connectors.wecom.connector import WeComConnector
from wsapp.connectors.wecom.emulator_demo import APP_SECRET, CORP_ID

# --- by code --------------------------------------------------------------------------------------------------

BY_CODE = [
    (-1, TryLater),
    (6000, TryLater),
    (45009, TryLater),
    (45033, TryLater),
    (40001, BadCredentials),
    (40013, BadCredentials),
    (40091, BadCredentials),
    (60020, BadCredentials),
    (301002, BadCredentials),
    (50003, BadCredentials),
    (60111, OutOfRange),
    (60011, OutOfRange),
    (50002, OutOfRange),
    (81013, OutOfRange),
    (40029, BadCode),
    (42003, BadCode),
    (42022, BadCode),
    (48002, Refused),
    (60140, Refused),
    (50001, Refused),
    (424242, Refused),
]


@pytest.mark.parametrize(("code", "error"), BY_CODE)
def test_codes_over_the_wire(host: Any, connector: WeComConnector, code: int, error: type[HostError]) -> None:
    host.fault("user/get", "code", code=code, message="something")
    with pytest.raises(error) as caught:
        connector.person("LinXiaoYan")
    assert type(caught.value) is error
    assert caught.value.code == str(code)
    assert connector.person("LinXiaoYan").name == "林晓燕", "one bad answer leaves nothing behind"


def test_the_waits_follow_the_windows_of_the_host() -> None:
    def after(code: int, api: str) -> float:
        error = error_for(code, api)
        assert isinstance(error, TryLater)
        return error.after

    assert after(45009, "message/send") == 60
    assert after(45009, "gettoken") == 3600, "too many wrong secrets bar the IP for an hour"
    assert after(-1, "message/send") <= 10


def test_no_code_but_zero_is_success() -> None:
    for code in [*CODES, *range(42010, 42060), 1, 7, 10**9, -2]:
        assert (error_for(code, "message/send") is None) == (code == 0)


# --- by shape -------------------------------------------------------------------------------------------------


def answer(body: bytes, status: int = 200, **headers: str) -> Answer:
    from wsapp.connectors.http import parse_object

    return Answer(status, headers, body, parse_object(body))


HOSTILE = [
    b"",
    b"ok",
    b"<html><body>busy</body></html>",
    b"[]",
    b"null",
    b"0",
    b"{}",
    b'{"errcode":"0"}',
    b'{"errcode":false}',
    b'{"errcode":null}',
    b'{"errcode":0.0}',
    b'{"errcode":[0]}',
    b'{"errcode":{}}',
    b'{"errcode":NaN}',
    b'{"errcode":0,"errcode":40014}',
    b'{"errcode":0',
    b'{"status":1111,"wait":5}',
    b'{"errmsg":"ok"}',
    b'{"errcode":""}',
    b"[" * 5000,
    b'{"a":' * 40 + b"1" + b"}" * 40,
    b"\xff\xfe{",
    b'{"errcode":1e400}',
]


@pytest.mark.parametrize("body", HOSTILE)
def test_nothing_unclear_is_success(body: bytes) -> None:
    for writes in (True, False):
        with pytest.raises(TryLater) as caught:
            judge(answer(body), "message/send", proof="msgid", writes=writes)
        assert caught.value.ambiguous is writes


@pytest.mark.parametrize("status", [201, 204, 301, 302, 400, 403, 404, 429, 500, 502, 503, 504])
def test_other_statuses_are_no_answer(status: int) -> None:
    with pytest.raises(TryLater) as caught:
        judge(answer(b'{"errcode":0,"msgid":"1"}', status), "message/send", proof="msgid", writes=True)
    assert caught.value.ambiguous


def test_retry_after_is_obeyed_within_reason() -> None:
    for sent, waited in (("30", 30), ("999999", 3600), ("soon", 5), ("-1", 5), ("٣", 5)):
        with pytest.raises(TryLater) as caught:
            judge(answer(b"", 503, **{"retry-after": sent}), "x", proof="", writes=False)
        assert caught.value.after == waited


def test_a_missing_code_counts_only_with_the_result_itself() -> None:
    assert judge(answer(b'{"msgid":"1"}'), "message/send", proof="msgid", writes=True) == {"msgid": "1"}
    with pytest.raises(TryLater):
        judge(answer(b'{"msgid":""}'), "message/send", proof="msgid", writes=True)


def test_a_byte_order_mark_is_harmless() -> None:
    assert judge(answer(b'\xef\xbb\xbf{"errcode":0}'), "x", proof="", writes=False) == {"errcode": 0}


def test_a_host_that_omits_codes_and_adds_fields(host: Any, connector: WeComConnector, reminder: Message) -> None:
    host.knobs(omit_errcode=True, extra_fields=True)
    assert connector.person("LinXiaoYan").name == "林晓燕"
    assert connector.department("2").name == "销售部"
    assert [one.name for one in connector.departments()] == ["销售部", "华南组"]
    assert connector.sign_in(host.code_for("LinXiaoYan", connector)).userid == "LinXiaoYan"
    assert connector.send(connector.compose(reminder, ["LinXiaoYan"])).host_id


# --- a bad line -----------------------------------------------------------------------------------------------

BAD_LINES: list[tuple[str, dict[str, Any]]] = [
    ("html", {}),
    ("html", {"status": 502}),
    ("status", {"status": 504, "body": "gateway"}),
    ("truncate", {}),
    ("reset_before", {}),
    ("reset_after", {}),
    ("huge", {}),
]


@pytest.mark.parametrize(("fault", "options"), BAD_LINES)
def test_a_bad_line_is_ambiguous_for_a_send(
    host: Any, connector: WeComConnector, reminder: Message, fault: str, options: dict[str, Any]
) -> None:
    parcel = connector.compose(reminder, ["LinXiaoYan"])
    host.fault("message/send", fault, **options)
    with pytest.raises(TryLater) as caught:
        connector.send(parcel)
    assert caught.value.ambiguous
    receipt = connector.send(parcel)
    assert receipt.handle["response_code"]
    assert len(host.shown("LinXiaoYan")) == 1, "the same bytes show once, whichever try arrived"


def test_a_host_that_is_not_there_is_no_riddle(make: Callable[..., WeComConnector], tokens: Any) -> None:
    connector = make()
    tokens.values["app"] = "some-token"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        connector.calls.base = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(TryLater) as caught:
        connector.person("LinXiaoYan")
    assert not caught.value.ambiguous


@pytest.fixture
def dripping() -> Iterator[str]:
    """A server that sends one byte now and then, in the head or (with /body) in a body of known length."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                head = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n"
                connection.sendall(head + (b"\r\n" if b"/body" in connection.recv(4096) else b"X: "))
                while not over.wait(0.2):
                    try:
                        connection.sendall(b" ")
                    except OSError:
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    over.set()
    listener.close()


@pytest.mark.parametrize("part", ["/head", "/body"])
def test_a_dripping_host_is_cut_at_the_deadline(dripping: str, part: str) -> None:
    started = time.monotonic()
    with pytest.raises(TryLater) as caught:
        HttpTransport().request("GET", dripping + part, deadline=0.8)
    assert caught.value.ambiguous
    assert time.monotonic() - started < 30  # of the hundred that the drops would take


# --- tokens ---------------------------------------------------------------------------------------------------


def test_one_token_for_many_calls(host: Any, connector: WeComConnector) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: connector.person("LinXiaoYan").name, range(40)))
    assert set(names) == {"林晓燕"}
    assert host.calls("gettoken") == 1


@pytest.mark.parametrize("code", [40014, 42001])
def test_a_dead_token_is_replaced_once(host: Any, connector: WeComConnector, code: int) -> None:
    connector.person("LinXiaoYan")
    host.knobs(expired_token_code=code)
    host.advance(seconds=7201)
    assert connector.person("LinXiaoYan").name == "林晓燕"
    assert (host.calls("gettoken"), host.calls("user/get")) == (2, 3)


def test_revoked_tokens_are_replaced_by_one_refresh_for_all(host: Any, connector: WeComConnector) -> None:
    connector.person("LinXiaoYan")
    assert host.post("/_emulator/tokens", {})["revoked"] == 1
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(lambda _: connector.person("LinXiaoYan"), range(24)))) == 24
    assert host.calls("gettoken") == 2


@pytest.mark.parametrize("code", [40014, 42001])
@pytest.mark.parametrize("repeats", ["same", "new"])
def test_a_persistently_refused_token_does_not_hammer(
    host: Any, connector: WeComConnector, code: int, repeats: str
) -> None:
    host.knobs(gettoken_repeats=repeats)
    host.fault("user/get", "code", code=code, times=1000)
    for _ in range(10):
        with pytest.raises(TryLater) as caught:
            connector.person("LinXiaoYan")
        assert caught.value.code == str(code)
        assert caught.value.after >= 60
        assert not caught.value.ambiguous
    # 1 at first, then one for each call; where the host repeats its token there is no second try with it.
    assert host.calls("gettoken") == 11
    assert host.calls("user/get") == (10 if repeats == "same" else 20)


@pytest.mark.parametrize(
    ("values", "code"), [({"app_secret": "wrong"}, "40001"), ({"corp_id": "ww0000000000000000"}, "40013")]
)
def test_wrong_credentials_are_named_and_not_retried(
    host: Any, make: Callable[..., WeComConnector], values: dict[str, str], code: str
) -> None:
    with pytest.raises(BadCredentials) as caught:
        make(**values).person("LinXiaoYan")
    assert caught.value.code == code
    assert host.calls("gettoken") == 1


def test_a_secret_of_another_corp(host: Any, make: Callable[..., WeComConnector]) -> None:
    host.post("/_emulator/org", {"corps": [{"corp_id": "wwaaaaaaaaaaaaaaaa", "name": "别家"}]})
    with pytest.raises(BadCredentials) as caught:
        make(corp_id="wwaaaaaaaaaaaaaaaa").person("LinXiaoYan")
    assert caught.value.code == "40091"


def test_too_many_wrong_secrets_bar_the_ip_for_an_hour(host: Any, make: Callable[..., WeComConnector]) -> None:
    host.knobs(wrong_secrets_per_hour=3)
    for _ in range(3):
        with pytest.raises(BadCredentials):
            make(app_secret="wrong").person("LinXiaoYan")
    with pytest.raises(TryLater) as caught:
        make().person("LinXiaoYan")
    assert (caught.value.code, caught.value.after) == ("45009", 3600)
    host.advance(minutes=61)
    assert make().person("LinXiaoYan").name == "林晓燕"


def test_an_ip_that_becomes_trusted_a_minute_later(host: Any, connector: WeComConnector) -> None:
    host.post("/_emulator/apps", {"ips": ["10.9.8.7"]})
    host.advance(minutes=2)
    with pytest.raises(BadCredentials) as caught:
        connector.person("LinXiaoYan")
    assert caught.value.code == "60020"
    host.post("/_emulator/apps", {"ips": ["10.9.8.7", "127.0.0.1"]})
    with pytest.raises(BadCredentials):
        connector.person("LinXiaoYan")
    host.advance(minutes=2)
    assert connector.person("LinXiaoYan").name == "林晓燕"


@pytest.mark.parametrize("checks", [False, True])
def test_whether_gettoken_minds_the_ip(host: Any, connector: WeComConnector, checks: bool) -> None:
    host.knobs(gettoken_checks_ip=checks)
    host.post("/_emulator/apps", {"ips": ["10.9.8.7"]})
    with pytest.raises(BadCredentials):
        connector.person("LinXiaoYan")
    assert host.calls("user/get") == (0 if checks else 1)


def test_a_disabled_app_and_a_withdrawn_permission(host: Any, connector: WeComConnector) -> None:
    host.post("/_emulator/apps", {"forbidden": ["user/get"]})
    with pytest.raises(Refused) as refused:
        connector.person("LinXiaoYan")
    assert refused.value.code == "48002"
    host.post("/_emulator/apps", {"disabled": True})
    with pytest.raises(BadCredentials) as bad:
        connector.department("2")
    assert bad.value.code == "50003"


@pytest.mark.parametrize("token", [{"access_token": ""}, {"access_token": 7}, {}, {"access_token": "x" * 600}])
def test_a_token_that_is_none(token: dict[str, Any], make: Callable[..., WeComConnector]) -> None:
    connector = make()
    body = {"errcode": 0, "expires_in": 7200, **token}
    connector.calls.http = Fixed(Answer(200, {}, b"", body))
    with pytest.raises(TryLater):
        connector.calls.token()


@pytest.mark.parametrize("life", [0, -1, True, "7200", 1.5, None])
def test_a_life_that_is_none(life: Any, make: Callable[..., WeComConnector]) -> None:
    connector = make()
    connector.calls.http = Fixed(Answer(200, {}, b"", {"errcode": 0, "access_token": "t", "expires_in": life}))
    with pytest.raises(TryLater):
        connector.calls.token()


class Fixed:
    """A transport with one answer."""

    def __init__(self, found: Answer) -> None:
        self.found = found

    def request(self, method: str, url: str, **options: Any) -> Answer:
        return self.found


@pytest.mark.parametrize("remaining", ["full", "remaining"])
def test_repeated_gettoken_gives_the_same_token(host: Any, connector: WeComConnector, remaining: str) -> None:
    host.knobs(expires_in=remaining)
    first, life = connector.calls.fetch_token("app")
    host.advance(minutes=30)
    again, later = connector.calls.fetch_token("app")
    assert again == first
    assert later < life if remaining == "remaining" else later == life


def test_rates_block_for_their_own_window(host: Any, connector: WeComConnector) -> None:
    host.knobs(corp_minute=5)
    for _ in range(5):
        connector.person("LinXiaoYan")
    for _ in range(2):
        with pytest.raises(TryLater) as caught:
            connector.person("LinXiaoYan")
        assert (caught.value.code, caught.value.after) == ("45009", 60)
    host.advance(seconds=61)
    assert connector.person("LinXiaoYan").name == "林晓燕"


def test_rates_of_an_ip_and_of_an_hour(host: Any, connector: WeComConnector) -> None:
    host.knobs(ip_hour=3)
    for _ in range(3):
        connector.person("LinXiaoYan")
    with pytest.raises(TryLater):
        connector.person("LinXiaoYan")
    host.advance(minutes=61)
    assert connector.person("LinXiaoYan").name == "林晓燕"


@pytest.mark.parametrize("lives", [False, True])
def test_whether_an_old_token_outlives_a_new_one(host: Any, connector: WeComConnector, lives: bool) -> None:
    host.knobs(gettoken_repeats="new", old_token_lives=lives)
    old = connector.calls.token()
    fresh, _ = connector.calls.fetch_token("app")
    assert fresh != old
    assert connector.person("LinXiaoYan").name == "林晓燕"
    assert host.calls("gettoken") == (2 if lives else 3)


def test_too_many_calls_at_once(host: Any, connector: WeComConnector) -> None:
    host.knobs(concurrent_calls=1)
    with host.emulator.access.concurrent(CORP_ID, "user/get"):
        with pytest.raises(TryLater) as caught:
            connector.person("LinXiaoYan")
        assert caught.value.code == "45033"
        assert connector.department("2").name == "销售部", "each API is counted on its own"
    assert connector.person("LinXiaoYan").name == "林晓燕"


def test_nothing_secret_is_logged_or_raised(
    host: Any, make: Callable[..., WeComConnector], reminder: Message, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    connector = make()
    told = []
    for fault in ("html", "reset_after", "code"):
        host.fault("message/send", fault, code=40058)
        host.fault("gettoken", fault, code=-1)
        for _ in range(3):
            try:
                connector.send(connector.compose(reminder, ["LinXiaoYan"]))
            except HostError as error:
                told.append(f"{error!r} {error.__cause__!r}")
    code = host.code_for("LinXiaoYan", connector)
    connector.sign_in(code)
    with pytest.raises(BadCode):
        connector.sign_in(code)
    everything = caplog.text + "".join(told)
    token = connector.calls.token()
    assert told
    assert "40029" in caplog.text
    for secret in (APP_SECRET, token, code):
        # urllib3's own debug log shows query strings; it is not ours to switch on.
        ours = "\n".join(line for line in everything.splitlines() if "urllib3" not in line)
        assert secret not in ours


def test_a_dead_token_error_never_leaves(host: Any, connector: WeComConnector) -> None:
    host.fault("user/get", "code", code=40014, times=5)
    with pytest.raises(HostError) as caught:
        connector.person("LinXiaoYan")
    assert not isinstance(caught.value, DeadToken)
