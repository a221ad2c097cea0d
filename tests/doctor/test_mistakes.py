"""Every mistake that people make, one by one: the doctor names it first, with its fix, and blames nobody else."""

from contextlib import ExitStack

import pytest

from tests.doctor.conftest import Clinic
from tests.doctor.mistakes import DINGTALK, OWN, WECOM, Mistake
from wsapp.doctor import Finding, examine

MISTAKES = {"wecom": (*OWN, *WECOM), "dingtalk": (*OWN, *DINGTALK)}
LEAST = 30


@pytest.mark.parametrize("host", ["wecom", "dingtalk"])
def test_the_doctor_names_every_mistake(inside: Clinic, host: str) -> None:
    wrong = [said for mistake in MISTAKES[host] if (said := _examined(inside, host, mistake))]
    assert len(MISTAKES[host]) >= LEAST
    assert not wrong, "\n".join(wrong)


def _examined(clinic: Clinic, host: str, mistake: Mistake) -> str:
    """Make a mistake and examine; returns what the doctor got wrong about it, empty when nothing."""
    clinic.fresh(host)
    clinic.change(host)
    with ExitStack() as stack:
        mistake.deed(clinic, host, stack)
        found = examine(clinic.corp(host))
    failed = [one for one in found if one.state == "fail"]
    return _complaint(mistake, failed)


def _complaint(mistake: Mistake, failed: list[Finding]) -> str:
    names = [f"{one.check} ({one.code}: {one.evidence})" for one in failed]
    if not failed or failed[0].check != mistake.check:
        return f"{mistake.name}: wanted {mistake.check}, got {names or 'nothing'}"
    first = failed[0]
    if mistake.code and first.code != mistake.code:
        return f"{mistake.name}: wanted code {mistake.code}, got {first.code}"
    if not str(first.fix) or not str(first.evidence):
        return f"{mistake.name}: says not what to do"
    if len(failed) > 1:
        return f"{mistake.name}: blames more than the cause: {names}"
    return ""
