"""From an empty installation to a connected corp, by the one-time code and the wizard, beside the host's own console.

Everything is real: `wsapp serve` over HTTP, the emulated host with its developer console in a second tab, Chromium.
Whatever the administrator types or uploads is counted; what is only copied into the host's console is not.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.browser.stack import eventually
from wsapp.connectors.emulator import Emulator

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

MOST_TYPED = 7
BASES = {"wecom": ("api_base", "oauth_base", "login_base"), "dingtalk": ("oapi_base", "api_base", "login_base")}
SIZES = {"wecom": {"width": 390, "height": 844}, "dingtalk": {"width": 1280, "height": 800}}
# Who signs in at the end; step of the wizard → form of the host's console and which of its fields take what, in order.
ADMINS = {"wecom": ("WangJianGuo", "王建国"), "dingtalk": ("sunlihua", "孙丽华")}
CONSOLES: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "wecom": {
        "home": ("home", ("url",)),
        "domain": ("domain", ("domain",)),
        "callback": ("callback", ("url", "token", "aes_key")),
        "contacts": ("contacts", ("url", "token", "aes_key")),
    },
    "dingtalk": {
        "web": ("home", ("url",)),
        "events": ("events", ("url", "token", "aes_key")),
    },
}


@dataclass
class Host:
    """An emulated host whose only app was created a minute ago: nothing is set up in its console."""

    name: str
    emulator: Emulator
    url: str

    def chats(self, user: str) -> list[dict[str, Any]]:
        answer = requests.get(f"{self.url}/_emulator/chats", {"user": user}, timeout=10)
        found: list[dict[str, Any]] = answer.json()["items"]
        return found


@contextmanager
def started_host(name: str) -> Iterator[Host]:
    module: Any = import_module(f"wsapp.connectors.{name}.emulator")
    emulator = module.EMULATOR()
    org = module.demo_org("http://127.0.0.1:1")
    for corp in org["corps"]:
        corp.pop("contacts_callback", None)
        for app in corp["apps"]:
            app |= {"home_url": ""}
            for key in ("trusted_domains", "callback_url", "token", "aes_key", "redirect_urls", "callback"):
                app.pop(key, None)
    emulator.load(org)
    with emulator.start() as running:
        yield Host(name, emulator, running.url)


@contextmanager
def served(folder: Path, hosts: dict[str, Host]) -> Iterator[tuple[str, str]]:
    """`wsapp serve` without any corp; yields its address and the one-time code of its log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    bases = "".join(
        f"[hosts.{name}]\n" + "".join(f'{key} = "{host.url}"\n' for key in BASES[name]) for name, host in hosts.items()
    )
    settings = folder / "config.toml"
    settings.write_text(
        f'[server]\nbind = "127.0.0.1:{port}"\npublic_url = "{url}"\n[notifications]\nquiet_hours = ""\n{bases}'
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("WSAPP_", "PROMETHEUS_"))}
    log = folder / "log"
    with log.open("w") as sink:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "wsapp", "serve", "--config", str(settings)],
            stderr=sink,
            cwd=folder,
            env=environ,
        )
    try:
        yield url, eventually(lambda: _code(log), "no one-time code in the log", within=60)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(35)
        finally:
            process.kill()


def _code(log: Path) -> str:
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    started = any(line["event"] == "serve.started" for line in lines)
    return next((str(line["one_time"]) for line in lines if line["event"] == "first_run.code" and started), "")


@dataclass
class Administrator:
    """A person with the wizard in one tab and the host's console in another, who counts what they type."""

    page: Page
    console: Page
    host: Host
    url: str
    typed: list[str] = field(default_factory=list)

    def type(self, name: str, value: str) -> None:
        self.page.locator(f'[name="{name}"]').fill(value)
        self.typed.append(name)

    def copied(self, key: str) -> str:
        """What the console shows, copied by hand."""
        self.console.goto(f"{self.host.url}/console")
        return self.console.locator(f"#{key}").inner_text()

    def paste(self, form: str, names: tuple[str, ...]) -> None:
        """Take what the wizard shows on this step, in its order, into a form of the console, and save it there."""
        values = [one.input_value() for one in self.page.locator("[data-paste]").all()]
        self.console.goto(f"{self.host.url}/console")
        section = self.console.locator(f'form[action="/console/{form}"]')
        for name, value in zip(names, values, strict=False):
            section.locator(f'[name="{name}"]').fill(value)
        section.get_by_role("button").click()
        expect(self.console.locator("#said.good")).to_be_visible()

    def upload_file(self) -> None:
        self.console.goto(f"{self.host.url}/console")
        with self.console.expect_download() as download:
            self.console.locator('a[href="/console/file"]').click()
        path = download.value.path()
        content = Path(path).read_bytes()
        file = {"name": download.value.suggested_filename, "mimeType": "text/plain", "buffer": content}
        self.page.locator("#f-file").set_input_files([file])  # type: ignore[list-item]
        self.typed.append("file")
        self.page.get_by_role("button", name="保存校验文件").click()
        expect(self.page.get_by_text("已提供")).to_be_visible()

    def next(self) -> None:
        before = self.page.url
        self.page.get_by_role("button", name="下一步").click()
        expect(self.page).not_to_have_url(before)

    @property
    def step(self) -> str:
        return self.page.url.rpartition("/")[2]


def enter_the_code(person: Administrator, code: str) -> None:
    person.page.goto(f"{person.url}/admin/")
    person.type("code", code)
    person.page.get_by_role("button", name="继续").click()


def fill_the_first_page(person: Administrator) -> None:
    """A wrong secret first: it is named before the page is left, and nothing else is lost."""
    keys = {
        "wecom": ("corp_id", "agent_id", "app_secret"),
        "dingtalk": ("corp_id", "agent_id", "client_id", "client_secret"),
    }
    *plain, secret = keys[person.host.name]
    for key in plain:
        person.type(key, person.copied(key))
    person.page.locator(f'[name="{secret}"]').fill("wrong-secret-0123456789")
    person.page.locator(f'[name="{secret}"]').blur()
    expect(person.page.locator("#checked .notice_bad")).to_contain_text("Secret")
    person.type(secret, person.copied(secret))
    person.page.locator(f'[name="{secret}"]').blur()
    expect(person.page.locator("#checked .notice_good")).to_contain_text("已确认")
    person.next()


def walk_through_the_steps(person: Administrator) -> None:
    for _step in range(10):
        key = person.step
        if key == "finish":
            return
        if key == "domain":
            person.upload_file()
        if form := CONSOLES[person.host.name].get(key):
            person.paste(*form)
            if form[0] in ("callback", "events"):
                expect(person.page.locator("#heard .notice_good")).to_contain_text("校验")
        person.next()
    raise AssertionError(f"no end after {person.step}")


def finish(person: Administrator, userid: str, name: str) -> None:
    """Sign in through the host, become administrator, send oneself a message."""
    page = person.page
    page.get_by_role("link", name=re.compile("登录“")).click()
    page.get_by_role("link", name=re.compile(name)).click()
    expect(page.get_by_text(f"您已登录为 {name}")).to_be_visible()
    take = page.get_by_role("button", name="成为管理员")
    if take.count():
        take.click()
    page.get_by_role("button", name="发送测试消息").click()
    expect(page.locator("#test-message .notice_good")).to_contain_text("已发送", timeout=20_000)
    eventually(lambda: any("测试消息" in one["title"] for one in person.host.chats(userid)), "no message arrived")
    see_the_doctor(person)
    page.get_by_role("button", name="完成").click()
    expect(page.get_by_text("已接入的企业")).to_be_visible()


def see_the_doctor(person: Administrator) -> None:
    """The doctor finds nothing wrong with what the wizard set up."""
    page, finish_page = person.page, person.page.url
    page.get_by_role("link", name="打开体检").click()
    expect(page.locator("#doctor .notice").first).to_contain_text(
        re.compile("可以使用|一切正常|需要处理"), timeout=60_000
    )
    wrong = page.locator("#doctor li", has=page.locator(".badge_overdue")).all_inner_texts()
    assert wrong == []
    page.goto(finish_page)


@pytest.mark.parametrize("name", ["wecom", "dingtalk"])
def test_an_empty_installation_is_connected_with_seven_typed_values(
    browser: Browser, tmp_path: Path, name: str
) -> None:
    with started_host(name) as host, served(tmp_path, {name: host}) as (url, code):
        context = browser.new_context(viewport=SIZES[name], locale="zh-CN", timezone_id="Asia/Shanghai")  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        person = Administrator(context.new_page(), context.new_page(), host, url)
        problems: list[str] = []
        person.page.on("pageerror", lambda error: problems.append(str(error)))
        try:
            enter_the_code(person, code)
            label = "企业微信" if name == "wecom" else "钉钉"
            person.page.get_by_role("button", name=f"接入{label}").click()
            fill_the_first_page(person)
            walk_through_the_steps(person)
            finish(person, *ADMINS[name])
        except BaseException:
            person.page.screenshot(path=tmp_path / "wizard.png", full_page=True)
            raise
        finally:
            context.close()
        assert problems == []
        assert len(person.typed) <= MOST_TYPED, person.typed
        assert host.emulator.call_counts.get("/cgi-bin/gettoken", 0) <= 6
