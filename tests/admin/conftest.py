"""An installation without any corp, and walking through its wizard."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.cast import BROWSER_AGENT, settings_for
from tests.conftest import PUBLIC_URL
from wsapp.admin.console import announce_first_run
from wsapp.connectors.dingtalk import emulator as dingtalk_emulator
from wsapp.connectors.emulator import RunningEmulator
from wsapp.connectors.wecom import emulator_demo as wecom_demo


@pytest.fixture
def bare(database_url: str, tmp_path: Path, wecom: RunningEmulator, dingtalk: RunningEmulator) -> Iterator[Flask]:
    """The product as just installed: no corp is connected, none stands in its settings."""
    from wsapp.app import create_app
    from wsapp.db import db

    settings = settings_for(
        tmp_path / "data", url=database_url, public_url=PUBLIC_URL, wecom_base=wecom.url, dingtalk_base=dingtalk.url
    )
    made = create_app(replace(settings, corps=()))
    yield made
    with made.app_context():
        db.session.remove()
        db.engine.dispose()


@dataclass
class Wizard:
    """A browser that holds the one-time code, walking through the wizard of one host."""

    client: FlaskClient
    app: Flask
    url: str = ""
    typed: int = 0

    @property
    def token(self) -> str:
        found = re.search(r'name="csrf-token" content="([^"]+)"', self.client.get("/signin/").text)
        assert found
        return found[1]

    def post(self, path: str, **data: Any) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.token, **data})

    def begin(self, host: str) -> None:
        answer = self.post("/admin/corps", host=host)
        assert answer.status_code == 303, answer.text
        self.url = answer.location

    def save(self, step: str, **values: str) -> TestResponse:
        """Post a step's page; values that are not empty count as typed."""
        self.typed += sum(1 for one in values.values() if one)
        return self.post(f"{self.url}/{step}", **values)

    def check(self, step: str, **values: str) -> str:
        """What the page says under the fields while they are being filled in."""
        answer = self.post(f"{self.url}/{step}/check", **values)
        assert answer.status_code == 200
        return answer.text

    def page(self, step: str) -> str:
        answer = self.client.get(f"{self.url}/{step}")
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture
def wizard(bare: Flask) -> Wizard:
    """A browser in which the one-time code of the empty installation was entered."""
    code = announce_first_run(bare)
    made = Wizard(bare.test_client(), bare)
    made.client.environ_base["HTTP_USER_AGENT"] = BROWSER_AGENT
    made.client.environ_base["HTTP_HOST"] = "127.0.0.1:8000"
    assert made.post("/admin/first-run", code=code).location == "/admin/corps"
    return made


WECOM = {
    "corp_id": wecom_demo.CORP_ID,
    "name": "森林木业（深圳）有限公司",
    "agent_id": str(wecom_demo.AGENT_ID),
    "app_secret": wecom_demo.APP_SECRET,
}
_APP = dingtalk_emulator.demo_org("")["corps"][0]
DINGTALK = {
    "corp_id": _APP["corp_id"],
    "name": "杭州蓝海科技股份有限公司",
    "agent_id": str(_APP["apps"][0]["agent_id"]),
    "client_id": _APP["apps"][0]["client_id"],
    "client_secret": _APP["apps"][0]["client_secret"],
}
