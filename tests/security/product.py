"""The product as its operators run it: `wsapp serve` as real processes, and every secret that it was ever given.

All secrets are made anew for each run, so that a hit can be nothing else.
"""

import base64
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.browser.stack import eventually
from tests.cast import DINGTALK_AGENT, WECOM_AGENT
from tests.connectors.hosts_under_test import HostUnderTest
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator
from wsapp.connectors.dingtalk.emulator import demo_org as dingtalk_org
from wsapp.connectors.emulator import RunningEmulator
from wsapp.connectors.wecom.emulator import WeComEmulator
from wsapp.connectors.wecom.emulator import demo_org as wecom_org

STOP_WITHIN = 35
# Runs one command after the other, each in a process of its own that begins where the program has been imported: to
# read it from the disk anew for each takes longer than all that they do. What a command says goes into files.
COMMANDS = """
import atexit, gc, json, os, sys
import wsapp.cli, wsapp.cli_corps, wsapp.app, wsapp.serving
gc.freeze()
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        for stream, name in enumerate((os.devnull, asked["stdout"], asked["stderr"])):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), stream)
        os.environ.update(asked["environ"])
        sys.argv = ["wsapp", *asked["words"]]
        try:
            wsapp.cli.main()
        except SystemExit as end:
            atexit._run_exitfuncs()
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(end.code)  # taking the whole program down in good order takes as long as reading it
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def secret(length: int = 40) -> str:
    """A secret of letters and digits."""
    return secrets.token_hex(length // 2)


def aes_key() -> str:
    """A callback key: 43 letters and digits."""
    while True:
        text = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        if text.isalnum():
            return text


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@dataclass
class Product:
    """A running product with both hosts; `given` are the secrets by what they are, `seen` all that came out."""

    folder: Path
    url: str
    wecom: RunningEmulator
    dingtalk: RunningEmulator
    given: dict[str, str]
    issued: set[str] = field(default_factory=set)
    seen: list[tuple[str, str]] = field(default_factory=list)
    process: "subprocess.Popen[bytes] | None" = None
    commands: "subprocess.Popen[str] | None" = None

    # --- processes ---------------------------------------------------------------------------------------------

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WSAPP_", "PROMETHEUS_"))}
        return {**kept, **{f"CANARY_{name.upper()}": value for name, value in self.given.items()}}

    def start(self) -> None:
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "wsapp", "serve", "--config", str(self.folder / "config.toml")],
                cwd=self.folder,
                env=self.environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(self._is_up, "the product did not start", within=60)

    def _is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except requests.RequestException:  # it listens before it migrates, and answers after
            return False

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(STOP_WITHIN) == 0

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's events of this name."""
        lines = (self.folder / "log").read_text().splitlines()
        return [one for one in map(json.loads, lines) if one["event"] == name]

    def run(self, *words: str, config: str = "config.toml", environ: dict[str, str] | None = None) -> Any:
        """Run a command; what it says is among what came out."""
        if self.commands is None:
            self.commands = subprocess.Popen(
                [sys.executable, "-P", "-c", COMMANDS],
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self.commands.stdin
        assert self.commands.stdout
        asked = [*words, "--config", str(self.folder / config)]
        said = {name: self.folder / f"said-{name}" for name in ("stdout", "stderr")}
        where = {name: str(path) for name, path in said.items()}
        self.commands.stdin.write(json.dumps({"words": asked, "environ": environ or {}, **where}) + "\n")
        self.commands.stdin.flush()
        code = int(self.commands.stdout.readline())
        stdout, stderr = (path.read_text() for path in said.values())
        for path in said.values():
            path.unlink()
        done = subprocess.CompletedProcess(asked, code, stdout, stderr)
        self.seen.append((f"stderr of {words}", done.stderr))
        if words[:2] != ("token", "create"):  # whose very purpose it is to print one
            self.seen.append((f"stdout of {words}", done.stdout))
        return done

    # --- people --------------------------------------------------------------------------------------------------

    def browser(self, agent: str = WECOM_AGENT) -> requests.Session:
        """A browser that remembers all answers, headers included; cookies are what it was given to keep."""
        session = requests.Session()
        session.headers["User-Agent"] = agent
        session.hooks["response"].append(self._note)
        return session

    def _note(self, answer: requests.Response, **options: Any) -> None:
        off = answer.headers.get("Location", "").startswith((self.wecom.url, self.dingtalk.url))
        if off or not answer.url.startswith(self.url):
            return  # the way to the host carries the sign-in's state, as it must
        headers = {name: value for name, value in answer.headers.items() if name != "Set-Cookie"}
        self.seen.append((f"answer of {answer.request.method} {answer.url.split('?')[0]}", answer.text + str(headers)))

    @property
    def hosts(self) -> list[HostUnderTest]:
        """Both hosts with their sample firms."""
        return [
            HostUnderTest(
                *("wecom", self.wecom, WECOM_AGENT, corp_of(wecom_org("")), "LinXiaoYan", "林晓燕", "ZhaoMin"),
                *({}, "", ("/message/send",), self.url),
            ),
            HostUnderTest(
                *(
                    "dingtalk",
                    self.dingtalk,
                    DINGTALK_AGENT,
                    corp_of(dingtalk_org("")),
                    "zhouxiaoyu",
                    "周小雨",
                    "qianwei",
                ),
                *({}, "", ("/createAndDeliver",), self.url),
            ),
        ]

    def collect_issued(self) -> None:
        """Remember the tokens and tickets that the hosts have issued so far."""
        access, world = self.wecom.emulator.access, self.dingtalk.emulator.world  # type: ignore[attr-defined]
        self.issued |= set(access.grants) | {one.value for one in access.tickets.values()}
        self.issued |= set(world.tokens) | set(world.user_tokens) | set(world.refresh_tokens)
        self.issued |= {app.ticket for app in world.apps.values() if app.ticket}

    def secrets(self) -> dict[str, str]:
        """Every secret, by what it is."""
        return {**self.given, **{f"issued {number}": one for number, one in enumerate(sorted(self.issued))}}


def corp_of(org: dict[str, Any]) -> str:
    found: str = org["corps"][0]["corp_id"]
    return found


@contextmanager
def running(folder: Path) -> Iterator[Product]:
    """Start the product with secrets of its own; stop it at the end, if it is still there."""
    url = f"http://127.0.0.1:{free_port()}"
    given = {
        **{f"wecom_{name}": secret() for name in ("secret", "contacts_secret")},
        **{f"wecom_{name}": secret(24) for name in ("token", "contacts_token")},
        **{f"wecom_{name}": aes_key() for name in ("key", "contacts_key")},
        "dingtalk_secret": secret(),
        "dingtalk_token": secret(24),
        "dingtalk_key": aes_key(),
    }
    with WeComEmulator().start() as wecom, DingTalkEmulator().start() as dingtalk:
        wecom.emulator.load(_wecom(url, given))  # type: ignore[attr-defined]
        dingtalk.emulator.load(_dingtalk(url, given))  # type: ignore[attr-defined]
        product = Product(folder, url, wecom, dingtalk, given)
        _write_settings(product)
        try:
            product.start()
            yield product
            product.stop()
        finally:
            if product.commands is not None:
                product.commands.kill()
                product.commands.wait()
            if product.process is not None and product.process.poll() is None:
                product.process.kill()
                product.process.wait()


def _wecom(url: str, given: dict[str, str]) -> dict[str, Any]:
    org = wecom_org(url)
    corp = org["corps"][0]
    corp["contacts_secret"] = given["wecom_contacts_secret"]
    corp["contacts_callback"] |= {"token": given["wecom_contacts_token"], "aes_key": given["wecom_contacts_key"]}
    corp["apps"][0] |= {"secret": given["wecom_secret"], "token": given["wecom_token"], "aes_key": given["wecom_key"]}
    return org


def _dingtalk(url: str, given: dict[str, str]) -> dict[str, Any]:
    org = dingtalk_org(url)
    app = org["corps"][0]["apps"][0]
    app["client_secret"] = given["dingtalk_secret"]
    app["callback"] |= {"token": given["dingtalk_token"], "aes_key": given["dingtalk_key"]}
    return org


def _write_settings(product: Product) -> None:
    wecom, dingtalk = wecom_org("")["corps"][0], dingtalk_org("")["corps"][0]
    (product.folder / "contacts.secret").write_text(product.given["wecom_contacts_secret"] + "\n")
    (product.folder / "config.toml").write_text(f"""
[server]
public_url = "{product.url}"
bind = "{product.url.removeprefix("http://")}"
data_dir = "data"
[notifications]
quiet_hours = ""
[hosts.wecom]
api_base = "{product.wecom.url}"
oauth_base = "{product.wecom.url}"
login_base = "{product.wecom.url}"
[hosts.dingtalk]
oapi_base = "{product.dingtalk.url}"
api_base = "{product.dingtalk.url}"
login_base = "{product.dingtalk.url}"
[[corps]]
name = "森林木业"
host = "wecom"
corp_id = "{wecom["corp_id"]}"
agent_id = {wecom["apps"][0]["agent_id"]}
app_secret = "env:CANARY_WECOM_SECRET"
contacts_secret = "file:contacts.secret"
callback_token = "env:CANARY_WECOM_TOKEN"
callback_aes_key = "env:CANARY_WECOM_KEY"
contacts_callback_token = "env:CANARY_WECOM_CONTACTS_TOKEN"
contacts_callback_aes_key = "env:CANARY_WECOM_CONTACTS_KEY"
[[corps]]
name = "蓝海科技"
host = "dingtalk"
corp_id = "{dingtalk["corp_id"]}"
agent_id = {dingtalk["apps"][0]["agent_id"]}
client_id = "{dingtalk["apps"][0]["client_id"]}"
client_secret = "env:CANARY_DINGTALK_SECRET"
card_template_id = "{next(iter(dingtalk["apps"][0]["templates"]))}"
callback_token = "env:CANARY_DINGTALK_TOKEN"
callback_aes_key = "env:CANARY_DINGTALK_KEY"
""")
