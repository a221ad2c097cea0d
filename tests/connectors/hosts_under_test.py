"""Each host as the contract tests see it: how a person of its sample firm signs in, looks at the chat, presses."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from wsapp.connectors.emulator import Emulator, RunningEmulator


@dataclass
class HostUnderTest:
    """A running emulator with the facts that a scenario needs; `address` is the product's, once it is known."""

    name: str
    running: RunningEmulator
    agent: str
    corp_id: str
    seller: str
    seller_name: str
    manager: str
    bases: dict[str, str]
    settings: str  # the [[corps]] of this host
    send_apis: tuple[str, ...]
    address: str = ""

    @property
    def emulator(self) -> Any:
        return self.running.emulator

    def chats(self, user: str) -> list[dict[str, Any]]:
        """Return what a person's phone shows."""
        items = requests.get(f"{self.running.url}/_emulator/chats", params={"user": user}, timeout=10).json()["items"]
        return [item for item in items if not item.get("dropped")]

    def fault(self, **rule: Any) -> None:
        requests.post(f"{self.running.url}/_emulator/faults", json=rule, timeout=10).raise_for_status()

    def calls(self, *apis: str) -> int:
        counts = requests.get(f"{self.running.url}/_emulator/calls", timeout=10).json()["counts"]
        return sum(count for api, count in counts.items() if any(api.endswith(one) for one in apis))

    def kill_tokens(self) -> None:
        if hasattr(self.emulator, "kill_tokens"):
            self.emulator.kill_tokens()
            return
        answer = requests.post(f"{self.running.url}/_emulator/tokens", json={"corp": self.corp_id}, timeout=10)
        answer.raise_for_status()

    def press(self, user: str, card: str, key: str) -> None:
        """Press a button on a person's phone; returns once the product has answered. A card that is not in their chat
        cannot be pressed: nothing happens."""
        if self.name == "tiny":
            url = f"{self.address}/callbacks/tiny/{self.corp_id}/card"
            assert self.emulator.press(url, user, card, key).status_code == 200
            return
        body = {"user": user, "card": card, "key": key, "wait": True}
        answer = requests.post(f"{self.running.url}/phone/press", json=body, timeout=20)
        assert answer.ok or answer.status_code in (404, 409), answer.text

    def sign_in(self, browser: requests.Session, user: str) -> requests.Response:
        """Walk the silent sign-in of this host in `browser`; returns the last answer."""
        browser.headers["User-Agent"] = self.agent
        start = f"{self.address}/signin/{self.name}/{self.corp_id}"
        page = browser.get(start, params={"next": "/h5/me"}, allow_redirects=False, timeout=20)
        if page.status_code != 302:
            return self._post_code(browser, start, page.text, user)
        return browser.get(self._come_back(page.headers["Location"], user), allow_redirects=False, timeout=20)

    def _come_back(self, authorize: str, user: str) -> str:
        if self.name == "tiny":
            query = dict(part.split("=", 1) for part in urlsplit(authorize).query.split("&"))
            return f"{query['back']}?code={self.emulator.code(user)}&state={query['state']}"
        answer = requests.get(authorize.split("#")[0], params={"user": user}, allow_redirects=False, timeout=10)
        return answer.headers["Location"]

    def _post_code(self, browser: requests.Session, start: str, page: str, user: str) -> requests.Response:
        nonce = page.split('name="signin-nonce"')[1].split('content="')[1].split('"')[0]
        code = requests.post(
            f"{self.running.url}/webview/code",
            json={
                "corpId": self.corp_id,
                "clientId": self.emulator_app["client_id"],
                "user": user,
                "url": f"{self.address}/signin/",
            },
            timeout=10,
        ).json()["code"]
        return browser.post(
            f"{start}/code", json={"code": code, "nonce": nonce}, headers={"Origin": self.address}, timeout=20
        )

    @property
    def emulator_app(self) -> dict[str, Any]:
        from wsapp.connectors.dingtalk.emulator import demo_org

        app: dict[str, Any] = demo_org(self.address)["corps"][0]["apps"][0]
        return app


def load_sample(emulator: Emulator, address: str) -> None:
    """Give an emulator its sample firm with the product at `address`."""
    if emulator.host == "wecom":
        from wsapp.connectors.wecom.emulator import demo_org
    elif emulator.host == "dingtalk":
        from wsapp.connectors.dingtalk.emulator import demo_org
    else:
        return
    emulator.load(demo_org(address))  # type: ignore[attr-defined]
