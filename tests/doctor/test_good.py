"""A good installation is green: no check fails on either host."""

from typing import Any

import pytest

from tests.doctor.conftest import Clinic
from tests.doctor.mistakes import app_of
from wsapp.doctor import examine


@pytest.mark.parametrize("host", ["wecom", "dingtalk"])
def test_a_good_installation_is_green(inside: Clinic, host: str) -> None:
    found = examine(inside.corp(host))
    assert [one.check for one in found if one.state == "fail"] == []


@pytest.mark.parametrize(
    ("host", "check", "lost"),
    [
        ("wecom", "calendar", {"forbidden": {"oa/schedule/get"}}),
        ("dingtalk", "todos", {"missing_permissions": {"Todo.Todo.Write"}}),
        ("dingtalk", "todos", {"missing_permissions": {"Todo.Todo.Read"}}),
        ("dingtalk", "calendar", {"missing_permissions": {"Calendar.Event.Write"}}),
    ],
)
def test_a_permission_that_is_not_needed_is_a_hint(inside: Clinic, host: str, check: str, lost: dict[str, Any]) -> None:
    for name, value in lost.items():
        setattr(app_of(inside, host), name, value)
    found = {one.check: one for one in examine(inside.corp(host), sends=False)}
    assert [one.check for one in found.values() if one.state == "fail"] == []
    assert found[check].state == "warn"
    assert found[check].code
    assert str(found[check].fix)
