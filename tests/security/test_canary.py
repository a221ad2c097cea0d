"""No secret leaves (T50): a day's life on both hosts, with all that goes wrong, and then a look at everything that came
out: logs, answers, metrics, what commands say, process titles, and the files of the data folder.

The one-time code of the first run stands in the log on purpose, a new token on its page and in its command's output;
anywhere else they count like the others.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.browser.stack import eventually
from tests.connectors.hosts_under_test import HostUnderTest
from tests.security.leaks import assert_nothing_left, look_at_processes
from tests.security.product import Product, aes_key, running, secret

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

SEND_APIS = {
    "wecom": ("/cgi-bin/message/send",),
    "dingtalk": ("/v1.0/card/instances/createAndDeliver", "/topapi/message/corpconversation/asyncsend_v2"),
}
TOKEN_APIS = {"wecom": ("/cgi-bin/gettoken",), "dingtalk": ("/v1.0/oauth2/accessToken", "/gettoken")}
SIGN_IN_APIS = {"wecom": ("/cgi-bin/auth/getuserinfo",), "dingtalk": ("/topapi/v2/user/getuserinfo",)}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("canary")) as started:
        yield started


def test_no_secret_leaves(product: Product) -> None:
    for host in product.hosts:
        sign_in_with_all_that_fails(product, host)
    make_the_first_administrator(product)
    tokens = {host.name: make_a_token(product, host) for host in product.hosts}
    for host in product.hosts:
        work_with_all_that_fails(product, host, tokens[host.name])
        abuse_the_callbacks(product, host)
        abuse_the_api(product, host, tokens[host.name])
    mistype_commands(product)
    mistype_settings(product)
    for host in product.hosts:  # a host that said "too fast" is left alone for half a minute: meanwhile, all the above
        finish_the_work(product, host, tokens[host.name])
    for path in ("/metrics", "/readyz", "/healthz", "/api/v1/openapi.json", "/nowhere", "/h5/", "/signin/", "/admin/"):
        product.browser().get(product.url + path, timeout=20)
    look_at_processes(product)
    product.collect_issued()
    product.stop()
    assert_nothing_left(product)


# --- the day --------------------------------------------------------------------------------------------------------


def sign_in_with_all_that_fails(product: Product, host: HostUnderTest) -> None:
    """Sign in through every fault of the host, then for good."""
    leak = f"hint: [{product.given[f'{host.name}_secret']}] access_token={product.given[f'{host.name}_token']}"
    faults: list[dict[str, Any]] = [
        {"fault": "status", "status": 500, "body": leak},
        {"fault": "html"},
        {"fault": "truncate"},
        {"fault": "reset_before"},
        {"fault": "code", "code": 40029 if host.name == "wecom" else 40078, "message": leak},
        {"fault": "code", "code": 60020, "message": leak},
    ]
    for number, fault in enumerate(faults):
        for api in (TOKEN_APIS if number == 0 else SIGN_IN_APIS)[host.name]:
            host.fault(api=api, **fault)
        remember(product, host, product.browser(host.agent), host.seller)
    with host.emulator.lock:
        host.emulator.faults.clear()
    for user in (host.seller, host.manager):
        browser = product.browser(host.agent)
        assert remember(product, host, browser, user) in (200, 302)
        assert browser.get(f"{product.url}/h5/me", timeout=20).status_code == 200
        browser.get(f"{product.url}/h5/host-config", params={"url": f"{product.url}/h5/"}, timeout=20)
    product.collect_issued()


def remember(product: Product, host: HostUnderTest, browser: requests.Session, user: str) -> int:
    """Sign in; every cookie and the session inside it count as secrets from now on."""
    answer = host.sign_in(browser, user)
    for cookie in browser.cookies:
        keep(product, "cookie", cookie.value or "")
        keep(product, "session", _session_token(cookie.value or ""))
    if "state" in (query := parse_qs(urlsplit(answer.url).query)):
        keep(product, "state", query["state"][0])
    if "code" in query:
        keep(product, "code", query["code"][0])
    return answer.status_code


def _session_token(cookie: str) -> str:
    import base64
    import zlib

    body = cookie.split(".")[1 if cookie.startswith(".") else 0]
    raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    found: dict[str, Any] = json.loads(zlib.decompress(raw) if cookie.startswith(".") else raw)
    return str(found.get("token", ""))


def keep(product: Product, kind: str, value: str) -> None:
    if len(value) >= 12:
        product.given[f"{kind} {len(product.given)}"] = value


def make_the_first_administrator(product: Product) -> None:
    """Try wrong codes, then the one of the log."""
    (event,) = product.events("first_run.code")
    code = event["one_time"]
    browser = product.browser()
    token = csrf(browser.get(f"{product.url}/admin/first-run", timeout=20).text)
    for typed in ("000000", code[:-1], code):
        browser.post(f"{product.url}/admin/first-run", data={"code": typed, "csrf_token": token}, timeout=20)
    product.given["first-run code"] = code
    for cookie in browser.cookies:
        keep(product, "set-up cookie", cookie.value or "")


def csrf(page: str) -> str:
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert found
    return found[1]


def make_a_token(product: Product, host: HostUnderTest) -> str:
    """Make API tokens by the command and in the console."""
    words = ("token", "create", "--corp", host.corp_id, "--user", host.seller)
    done = product.run(*words)
    assert done.returncode == 0, done.stderr
    token: str = done.stdout.split()[-1]
    keep(product, "API token", token)
    admin = requests.Session()  # not a noting one: this page shows the token on purpose
    host.sign_in(admin, host.manager)
    page = admin.get(f"{product.url}/admin/tokens", timeout=20)
    data = {"scope": ["read"], "days": "30", "csrf_token": csrf(page.text)}
    shown = admin.post(f"{product.url}/admin/tokens", data=data, timeout=20)
    fresh = re.search(r'id="fresh-token">([^<]+)<', shown.text)
    assert fresh, shown.text[:500]
    keep(product, "API token", fresh[1])
    again = admin.get(f"{product.url}/admin/tokens", timeout=20)
    product.seen.append(("the tokens' page", again.text))
    return token


def work_with_all_that_fails(product: Product, host: HostUnderTest, token: str) -> None:
    """Have reminders go out through every fault, and die."""
    leak = f"hint: [{product.given[f'{host.name}_secret']}] ticket={product.given[f'{host.name}_key']}"
    api = product.browser()
    api.headers["Authorization"] = f"Bearer {token}"
    faults: list[dict[str, Any]] = [
        {"fault": "status", "status": 502, "body": leak},
        {"fault": "html"},
        {"fault": "reset_after"},
        {"fault": "code", "code": 45009 if host.name == "wecom" else 90018, "message": leak},
        {"fault": "code", "code": 40014, "message": leak},
        {"fault": "code", "code": 40058 if host.name == "wecom" else 40035, "message": leak},
    ]
    for number, fault in enumerate(faults):
        for path in SEND_APIS[host.name]:
            host.fault(api=path, **fault)
        add_task(product, api, f"寄样品 {number}")
        product.collect_issued()
        host.kill_tokens()
    eventually(lambda: tried(product, api, len(faults)), "no try of a message", within=60)
    with host.emulator.lock:
        host.emulator.faults.clear()
    add_task(product, api, "寄样品 好")


def finish_the_work(product: Product, host: HostUnderTest, token: str) -> None:
    """Have the last reminder arrive and be pressed."""
    api = product.browser()
    api.headers["Authorization"] = f"Bearer {token}"
    states = {"accepted", "delivered", "failed", "sending", "planned", "dropped"}
    card = eventually(lambda: [one for one in host.chats(host.seller) if "好" in one["title"]], "no card", within=60)[
        -1
    ]
    host.press(host.seller, card["card"], "done")
    eventually(lambda: "done" in task_states(product, api), "the press did nothing", within=30)
    assert {one["state"] for one in ledger(product, api)} & states


def add_task(product: Product, api: requests.Session, title: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    answer = api.post(f"{product.url}/api/v1/tasks", json={"title": title, "due_at": now}, timeout=20)
    assert answer.status_code == 201, answer.text


def ledger(product: Product, api: requests.Session) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"{product.url}/api/v1/notifications", timeout=20).json()["items"]
    return found


def tried(product: Product, api: requests.Session, count: int) -> bool:
    return sum(one["attempts"] > 0 or one["state"] not in ("planned",) for one in ledger(product, api)) >= count // 2


def task_states(product: Product, api: requests.Session) -> list[str]:
    return [one["state"] for one in api.get(f"{product.url}/api/v1/tasks", timeout=20).json()["items"]]


def abuse_the_callbacks(product: Product, host: HostUnderTest) -> None:
    """Send callbacks that carry the secrets themselves, where they do not belong."""
    browser = product.browser()
    given = list(product.given.values())
    for kind in ("app", "contacts", "card", "robot", ""):
        url = f"{product.url}/callbacks/{host.name}/{host.corp_id}/{kind}".rstrip("/")
        for value in given[:9]:
            query = {
                "msg_signature": value,
                "signature": value,
                "timestamp": "1790000000",
                "nonce": value,
                "echostr": value,
            }
            browser.get(url, params=query, timeout=20)
            browser.post(url, params=query, data=f"<xml><Encrypt>{value}</Encrypt></xml>", timeout=20)
            browser.post(url, params=query, json={"encrypt": value}, headers={"x-ddpaas-signature": value}, timeout=20)


def abuse_the_api(product: Product, host: HostUnderTest, token: str) -> None:
    """Show tokens in all the wrong ways."""
    wrong = token[:-2] + "xx"
    for headers in (
        {"Authorization": f"Bearer {wrong}"},
        {"Authorization": f"Basic {token}"},
        {"Authorization": token},
        {"Authorization": f"Bearer  {token} {token}"},
        {"X-Request-Id": token, "Referer": f"{product.url}/?access_token={token}", "User-Agent": token},
    ):
        product.browser().get(
            f"{product.url}/api/v1/customers?access_token={token}&code={token}", headers=headers, timeout=20
        )
    good = product.browser()
    good.headers["Authorization"] = f"Bearer {token}"
    good.post(
        f"{product.url}/api/v1/customers", data=b"[" * 50_000, headers={"Content-Type": "application/json"}, timeout=20
    )
    good.get(f"{product.url}/api/v1/customers/x?cursor=%00", timeout=20)


def mistype_commands(product: Product) -> None:
    """Commands with wrong values, and a corp whose secret the host refuses."""
    bad = {
        "WSAPP_CORP_AGENT_ID": "1000009",
        "WSAPP_CORP_APP_SECRET": secret(),
        "WSAPP_CORP_CALLBACK_AES_KEY": aes_key()[:-1],
    }
    keep(product, "wrong secret", bad["WSAPP_CORP_APP_SECRET"])
    keep(product, "short key", bad["WSAPP_CORP_CALLBACK_AES_KEY"])
    add = ("corp", "add", "--host", "wecom", "--corp-id", "wwcanary0000000001")
    assert product.run(*add, environ=bad).returncode == 2
    del bad["WSAPP_CORP_CALLBACK_AES_KEY"]
    assert product.run(*add, environ=bad).returncode == 1  # the host knows no such corp
    assert product.run(*add, "--no-check", environ=bad).returncode == 0
    (product.folder / "broken").write_text(bad["WSAPP_CORP_APP_SECRET"] + " \n x")
    assert product.run(*add, "--secret-file", f"app_secret={product.folder / 'broken'}", environ=bad).returncode == 2
    assert product.run(*add, "--value", f"app_secret={bad['WSAPP_CORP_APP_SECRET']}").returncode == 2
    assert product.run("corp", "list").returncode == 0
    assert product.run("token", "create", "--corp", "wwcanary0000000001", "--user", "nobody").returncode == 1
    product.run("db", "check")
    browser = product.browser(product.hosts[0].agent)
    off = browser.get(f"{product.url}/signin/wecom/wwcanary0000000001", allow_redirects=False, timeout=20)
    state = parse_qs(urlsplit(off.headers["Location"]).query)["state"][0]
    keep(product, "state", state)
    browser.get(
        f"{product.url}/signin/wecom/wwcanary0000000001/return", params={"code": secret(), "state": state}, timeout=20
    )


MISTAKES = (
    ('app_secret = "env:CANARY_WECOM_SECRET"', 'app_secrett = "{wecom_secret}"'),
    ('app_secret = "env:CANARY_WECOM_SECRET"', 'app_secret = "{wecom_secret} "'),
    ('app_secret = "env:CANARY_WECOM_SECRET"', 'app_secret = ["{wecom_secret}"]'),
    ('app_secret = "env:CANARY_WECOM_SECRET"', "app_secret = {wecom_secret}"),
    ('app_secret = "env:CANARY_WECOM_SECRET"', 'app_secret = "{wecom_secret}'),
    ('app_secret = "env:CANARY_WECOM_SECRET"', 'app_secret = "env:{wecom_secret}"'),
    ('callback_aes_key = "env:CANARY_WECOM_KEY"', 'callback_aes_key = "{wecom_key}x"'),
    ('callback_token = "env:CANARY_WECOM_TOKEN"', 'callback_token = "{wecom_token}-{wecom_token}"'),
    (
        "[notifications]",
        '[database]\nurl = "postgresql+psycopg://wsapp:{wecom_secret}@127.0.0.1:9/wsapp"\n[notifications]',
    ),
    ("[notifications]", '[database]\nurl = "mysql://wsapp:{wecom_secret}@127.0.0.1:9/wsapp"\n[notifications]'),
    ("[notifications]", '[queue]\nurl = "kafka://wsapp:{wecom_secret}@127.0.0.1:9/"\n[notifications]'),
)


def mistype_settings(product: Product) -> None:
    """Settings with secrets in the wrong place or shape; each is refused without being repeated."""
    good = (product.folder / "config.toml").read_text().replace('data_dir = "data"', 'data_dir = "other"')
    for number, (before, after) in enumerate(MISTAKES):
        assert before in good
        path = product.folder / f"mistake-{number}.toml"
        path.write_text(good.replace(before, after.format(**product.given)))
        done = product.run("corp", "list", config=path.name)
        assert done.returncode in (1, 2), (after, done.stdout)
        assert len(done.stderr.splitlines()) == 1, done.stderr
        path.unlink()
