"""Every page has its picture: made from the route map, a page that `make screenshots` does not know fails."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
KEY = "0" * 20

# Pages below /h5 and /admin without a picture of their own, and why.
ELSEWHERE = {
    "/admin/corps/set-ups/<key:set_up_id>": "leads to the step where one was",
    "/admin/corps/set-ups/<key:set_up_id>/<step>": "pictured by pressing its button",
    "/admin/corps/set-ups/<key:set_up_id>/<step>/heard": "a part of a page",
    "/admin/corps/set-ups/<key:set_up_id>/finish": "needs a host that calls back",
    "/admin/corps/set-ups/<key:set_up_id>/test-message": "a part of a page",
    "/admin/deliveries/<key:notification_id>/recall": "a question of one sentence",
    "/admin/directory/progress": "a part of a page",
    "/admin/first-run": "before there is an administrator; the demo has one",
    "/h5/bin/runs/<key:run_id>": "looks as the change of many",
    "/h5/follow-ups/drafts/<key:ask_id>": "a part of a page",
    "/h5/offline/session": "JSON",
    "/h5/sw.js": "a script",
    "/h5/colleagues": "JSON",
    "/h5/customers/duplicates": "a part of a page",
    "/h5/exports/<key:export_id>/decision": "needs a rule that asks for consent",
    "/h5/exports/<key:export_id>/result": "a file",
    "/h5/host-config": "JSON",
    "/h5/imports/<key:import_id>/result": "a file",
    "/h5/imports/templates/<name>": "a file",
    "/h5/me/identity": "a question of one sentence",
    "/h5/probe": "opened by the doctor alone",
}


@pytest.fixture(scope="module")
def pictures() -> Iterator[Any]:
    sys.path.insert(0, str(SCRIPTS))
    try:
        import screenshots

        yield screenshots
    finally:
        sys.path.remove(str(SCRIPTS))
        for name in ("screenshots", "book_pages", "field_pages", "together_pages"):
            sys.modules.pop(name, None)


def addresses(pictures: Any) -> set[str]:
    """Return the addresses of all pages with a picture, made-up keys in place of records."""
    book = pictures.book_pages
    found = {name: link.replace(book.KEY, KEY).replace(r"\w+", "x") for name, (_who, _at, link) in book.RECORDS.items()}
    done = {
        "bin": f"/h5/bin/new/customer/{KEY}",
        "many": "/h5/bin/runs/new",
        "bulk": f"/h5/bulk/{KEY}",
        "draft": f"/h5/imports/{KEY}",
        "export": f"/h5/exports/{KEY}",
        "deal": "/h5/pool/deal",
        "handover": f"/h5/handovers/{KEY}",
        "extension": f"/h5/extensions/{KEY}",
        "near": "/h5/nearby",
        "plan": f"/h5/visits/plans/{KEY}",
        "report": f"/h5/reports/{KEY}",
        "log": f"/h5/follow-ups/{KEY}",
        "comment": f"/h5/comments/{KEY}",
        "appeal": f"/h5/appeals/{KEY}",
        "errand": f"/h5/tasks/{KEY}",
    }
    shelf = book.Shelf("", found | done)
    paths = [f"/h5/{name}/{KEY}" for name in ("customers", "visits", "tasks", "team", "me/messages", "drafts")]
    story = pictures.Story(*paths, shelf)
    shown = {path for _name, _user, path in pictures.pages_of(pictures.SAMPLES[0], story)}
    shown |= {f"/admin/{name}" for name in (*pictures.CONSOLE, "doctor")}
    shown |= {shelf.address(path) for _name, path in book.CONSOLE}
    return {path.partition("?")[0] for path in shown}


def test_every_page_has_its_picture(app: Flask, pictures: Any) -> None:
    pages = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(("/h5", "/admin")) and "GET" in (rule.methods or ())
    }
    there = app.url_map.bind("localhost")
    pictured = {there.match(path, return_rule=True)[0].rule for path in addresses(pictures)}
    assert pages - pictured - set(ELSEWHERE) == set()
    assert set(ELSEWHERE) - pages == set()
    assert set(ELSEWHERE) & pictured == set()
