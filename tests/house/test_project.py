"""The project itself: locks that name no registry, licences that are told, targets that say what they do."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
COPYLEFT = re.compile(r"LGPL|Lesser General Public|MPL|Mozilla Public", re.IGNORECASE)
FORBIDDEN = re.compile(r"(?<![L])GPL|(?<!Lesser )General Public License|AGPL|Affero|SSPL|Commons Clause", re.IGNORECASE)


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(lock):
    """Name → version of everything that a lock file pins."""
    pins = re.findall(r"(?m)^([A-Za-z0-9_.-]+)==(\S+)", (ROOT / lock).read_text())
    return {canonical(name): version for name, version in pins}


def licence(name):
    """What a package says of its licence, in one text; None where it is not installed here."""
    try:
        about = distribution(name).metadata
    except PackageNotFoundError:
        return None
    classifiers = [one for one in about.get_all("Classifier") or [] if one.startswith("License")]
    # Some put the whole text into "License": its first line is the name.
    return " ".join([about.get("License-Expression") or "", (about.get("License") or "").split("\n")[0], *classifiers])


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_hashed_and_names_no_registry(lock):
    text = (ROOT / lock).read_text()
    assert not re.search(r"https?://|file://|--(extra-)?index|--find-links|--trusted-host", text)
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_lock_holds_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = {canonical(re.match(r"[A-Za-z0-9_.-]+", text)[0]) for text in project["project"]["dependencies"]}
    assert names <= set(locked("requirements.lock"))
    tools = {canonical(re.match(r"[A-Za-z0-9_.-]+", text)[0]) for text in project["dependency-groups"]["dev"]}
    assert tools <= set(locked("requirements-dev.lock"))


def test_both_locks_agree():
    base, dev = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {name: (version, dev[name]) for name, version in base.items() if dev.get(name, version) != version} == {}


def test_every_copyleft_dependency_stands_in_the_notice():
    notice = (ROOT / "NOTICE").read_text()
    told = {name: licence(name) for name in locked("requirements.lock")}
    copyleft = {name for name, text in told.items() if text and COPYLEFT.search(text)}
    assert {"dramatiq", "dingtalk-sdk", "psycopg", "certifi"} <= copyleft
    assert {name for name in copyleft if name not in notice} == set()


def test_no_dependency_forbids_our_licence():
    told = {name: licence(name) for name in locked("requirements.lock")}
    assert {name: text for name, text in told.items() if text and FORBIDDEN.search(text)} == {}


def test_every_make_target_is_explained():
    text = (ROOT / "Makefile").read_text()
    promised = {"install", "demo", "test", "lint", "bench", "soak", "dev", "screenshots", "lock"}
    explained = set(re.findall(r"(?m)^([a-z-]+):.*## \S", text))
    assert promised <= explained


def test_continuous_integration_runs_what_developers_run():
    commands = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")]
    assert commands[-1] == "exec make test"
