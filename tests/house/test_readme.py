"""What the READMEs and docs promise is there: files, targets, commands, addresses; and both languages say the same."""

import re
import shlex
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
from flask import Flask

from wsapp import (
    cli,
    cli_audit,
    cli_corps,
    cli_directory,
    cli_doctor,
    cli_recycle,
    cli_search,
    cli_transfer,
    config,
)
from wsapp.connectors import connector_classes

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.zh-CN.md")
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))
    if path.name != "CHANGELOG.md"
)
LINK = re.compile(r'\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"')
FENCE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
HOSTED = re.compile(r"https://crm\.example\.com(/[^\s`，。）)]*)")


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose(page: str) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", text(page))


def blocks(page: str, *kinds: str) -> str:
    return "\n".join(body for kind, body in FENCE.findall(text(page)) if kind in kinds)


def headings(page: str) -> list[int]:
    return [len(one) for one in re.findall(r"^(#+) ", prose(page), re.MULTILINE)]


def anchors(page: str) -> set[str]:
    found = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in found}


# --- both languages ---------------------------------------------------------------------------------------------------


def test_both_languages_have_the_same_headings() -> None:
    first, second = READMES
    assert headings(first) == headings(second)
    assert len(headings(first)) >= 10


def test_both_languages_show_the_same() -> None:
    """The same pictures, links, commands, settings and table rows, in the same order."""
    first, second = (text(one) for one in READMES)
    for pattern in (r"docs/screenshots/[\w.-]+\.png", r"https?://[^\s`)，。）]+", r"(?<=→ )`\w+`"):
        assert re.findall(pattern, first) == re.findall(pattern, second), pattern
    assert len(re.findall(r"^\|", first, re.MULTILINE)) == len(re.findall(r"^\|", second, re.MULTILINE))
    for kind in ("sh", "toml", "nginx"):
        written = [[line.split("#")[0].strip() for line in blocks(one, kind).splitlines()] for one in READMES]
        assert written[0] == written[1], kind


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for found in LINK.finditer(prose(page)):
        target = unquote(found[1] or found[2])
        if re.match(r"https?:|mailto:", target):
            continue
        path, _hash, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(_page_of(file)), f"{page}: {target}"


def _page_of(file: Path) -> str:
    return file.resolve().relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES)
def test_named_files_exist(page: str) -> None:
    for name in re.findall(r"`((?:docs|tests|wsapp|scripts|frontend|templates_h5|migrations)/[\w./*-]*)`", prose(page)):
        found = list(ROOT.glob(name)) if "*" in name else [ROOT / name]
        assert found, f"{page}: {name}"
        assert all(one.exists() for one in found), f"{page}: {name}"


# --- commands ---------------------------------------------------------------------------------------------------------


def commands(page: str) -> list[list[str]]:
    """Every line of the page's shell blocks, and every `make …` or `wsapp …` in its prose, as words."""
    lines = [line.split(" #")[0].strip() for line in blocks(page, "sh", "").splitlines()]
    lines += re.findall(r"`((?:make|\.venv/bin/wsapp|wsapp) [^`]+)`", prose(page))
    return [shlex.split(line) for line in lines if line.startswith(("make ", ".venv/bin/", "wsapp "))]


@pytest.mark.parametrize("page", PAGES)
def test_named_commands_exist(page: str) -> None:
    # They register their commands.
    assert all((cli_audit, cli_corps, cli_directory, cli_doctor, cli_recycle, cli_search, cli_transfer))
    targets = set(re.findall(r"(?m)^([a-z][a-z-]*):", text("Makefile")))
    not_yet = {"backup", "restore"}
    for words in commands(page):
        program, *rest = words
        if program == "make":
            names = [word for word in rest if "=" not in word]
            assert set(names) <= targets, f"{page}: {words}"
        elif program.endswith("wsapp") and rest and rest[0] not in not_yet and not rest[0].startswith("-"):
            _check(cli.program, rest, f"{page}: {words}")


def _check(command: click.Command, words: list[str], what: str) -> None:
    """Walk into the groups; every option named must be one of the command's."""
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.commands.get(words[0].strip(",.;:…|"))
        assert found is not None, what
        command, words = found, words[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    for word in words:
        if word.startswith("--"):
            assert word.strip(",.;:").split("=")[0] in known, what


# --- settings and addresses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", READMES)
def test_the_settings_shown_are_taken(page: str, tmp_path: Path) -> None:
    """The blocks of both hosts load as they stand, once the secrets are there."""
    corps = [body for kind, body in FENCE.findall(text(page)) if kind == "toml" and "[[corps]]" in body]
    assert len(corps) == 2
    path = tmp_path / "config.toml"
    path.write_text("\n".join(corps).replace("dingxxxxxxxx", "dingabcdefgh"), encoding="utf-8")
    names = re.findall(r'"env:(\w+)"', path.read_text(encoding="utf-8"))
    environ = {name: "a" * 43 if "AES" in name else "b" * 20 for name in names}
    settings = config.load(path, environ, connector_classes())
    assert [corp.host for corp in settings.corps] == ["wecom", "dingtalk"]


@pytest.mark.parametrize("page", [*READMES, "docs/connect-wecom.md", "docs/connect-dingtalk.md"])
def test_the_addresses_shown_are_ours(app: Flask, page: str) -> None:
    """Each address that goes into a host's console is a route of the product."""
    routes = app.url_map.bind("crm.example.com")
    shown = [one.split("?")[0].rstrip(".,:;") for one in HOSTED.findall(text(page)) if "WW_verify" not in one]
    assert len(shown) >= 3
    for path in shown:
        assert routes.test(path, "GET") or routes.test(path, "POST"), f"{page}: {path}"


@pytest.mark.parametrize("page", READMES)
def test_the_people_of_the_demo_are_there(page: str) -> None:
    from wsapp.connectors.dingtalk.emulator import demo_org as dingtalk
    from wsapp.connectors.wecom.emulator import demo_org as wecom

    table = next(part for part in text(page).split("\n\n") if part.startswith(("| as |", "| 身份 |")))
    for org in (wecom(""), dingtalk("")):
        corp = org["corps"][0]
        assert corp["name"] in table
        for person in corp["users"]:
            assert person["name"] in table
