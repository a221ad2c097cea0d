"""A good installation is green: no check fails on either host."""

import time

import pytest

from tests.doctor.conftest import Clinic
from wsapp.doctor import examine


@pytest.mark.parametrize("host", ["wecom", "dingtalk"])
def test_a_good_installation_is_green(inside: Clinic, host: str) -> None:
    started = time.monotonic()
    found = examine(inside.corp(host))
    for one in found:
        print(one.state, one.check, str(one.title), "|", str(one.evidence), "|", str(one.fix), round(one.seconds, 2))
    print(time.monotonic() - started)
    assert [one.check for one in found if one.state == "fail"] == []
