"""What the administrator is told fits what the connector asks for."""

import re

import pytest

from wsapp.connectors.wecom.codes import CODES
from wsapp.connectors.wecom.connector import WeComConnector
from wsapp.connectors.wecom.emulator_demo import demo_corp

PAGE = (WeComConnector.folder / "setup.md").read_text(encoding="utf-8")


def test_every_credential_is_explained() -> None:
    for field in WeComConnector.credential_fields:
        assert field.label in PAGE or field.label.removeprefix("接收消息 ") in PAGE, field.key


def test_every_callback_address_is_shown() -> None:
    for kind in WeComConnector.callback_kinds:
        assert "{public_url}/callbacks/wecom/{corp_id}/" + kind in PAGE


def test_every_code_in_the_page_is_one_that_we_know() -> None:
    rows = re.findall(r"^\| ([\d、]+) \|", PAGE, re.MULTILINE)
    named = {int(code) for row in rows for code in row.split("、")}
    assert len(named) >= 15
    assert named <= set(CODES) | {80001}, "80001 comes from the page script, not from the server"


def test_the_fields_take_the_values_of_the_sample_firm() -> None:
    corp = demo_corp()
    for field in WeComConnector.credential_fields:
        value = str(corp[field.key])
        assert re.fullmatch(field.pattern or ".+", value), field.key


@pytest.mark.parametrize(
    ("agent", "ours"),
    [
        ("Mozilla/5.0 (iPhone) Mobile/14C92 wxwork/2.4.2 MicroMessenger/6.3.22 Language/zh", True),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/120 wxwork/4.1.22 (MicroMessenger/6.2) WindowsWechat", True),
        ("Mozilla/5.0 (iPhone) Mobile/14C92 MicroMessenger/6.5.23 NetType/WIFI", False),
        ("Mozilla/5.0 (iPhone) AliApp(DingTalk/7.8.1)", False),
        ("Mozilla/5.0 Chrome/120", False),
    ],
)
def test_the_client_is_known_by_its_user_agent(agent: str, ours: bool) -> None:
    assert bool(WeComConnector.user_agent.search(agent)) is ours
