"""The console and the API's words are complete in English."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.api.conftest import Rest
from tests.api.test_strictness import BAD_BODIES, BAD_FIELDS, BAD_QUERIES
from tests.cast import Cast
from tests.h5.test_english import chinese_of
from wsapp.admin.console import announce_first_run
from wsapp.crm.org.models import Member
from wsapp.db import corp_scope, db

PAGES = (
    "/admin/",
    "/admin/corps",
    "/admin/members",
    "/admin/work",
    "/admin/deliveries",
    "/admin/robots",
    "/admin/tokens",
    "/admin/first-run",
)


@pytest.fixture
def english(app: Flask, cast: Cast, sign_in: Callable[..., FlaskClient]) -> Callable[[str], FlaskClient]:
    """`english(name)` → that member's browser, in English."""

    def choose(name: str) -> FlaskClient:
        found = cast.member(name)
        with app.app_context(), corp_scope(found.corp_id):
            db.session.merge(found).language = "en"
            db.session.commit()
        return sign_in(found)

    return choose


def test_the_console_is_english(
    app: Flask, english: Callable[[str], FlaskClient], ali: Member, subtests: pytest.Subtests
) -> None:
    announce_first_run(app)
    desk, phone = english("guan"), english("ali")
    pages = [*PAGES, f"/admin/members/{ali.id}", *(f"/admin/work?state={one}" for one in ("dead", "done", "running"))]
    for client, paths in ((desk, pages), (phone, PAGES)):
        for path in paths:
            with subtests.test(path):
                page = client.get(path).get_data(as_text=True)
                assert '<html lang="en"' in page
                assert not chinese_of(page)


def test_refused_forms_are_english(app: Flask, english: Callable[[str], FlaskClient], guan: Member) -> None:
    announce_first_run(app)
    desk = english("guan")
    found = re.search(r'name="csrf-token" content="([^"]+)"', desk.get("/admin/").get_data(as_text=True))
    assert found
    for path, fields in (
        ("/admin/first-run", {"code": "1"}),
        ("/admin/tokens", {"days": "1"}),
        ("/admin/robots", {"name": ""}),
        ("/admin/robots/00000000000000000000/test", {}),
        (f"/admin/members/{guan.id}/role", {"role": "seller"}),
        ("/admin/work/1/revival", {}),
        ("/admin/tokens/x/revocation", {}),
    ):
        answer = desk.post(path, data={"csrf_token": found.group(1), **fields})
        assert answer.status_code in (404, 422)
        assert not chinese_of(answer.get_data(as_text=True)), path


def test_problems_are_english(app: Flask, cast: Cast, ali: Member, subtests: pytest.Subtests) -> None:
    rest = Rest(app, cast.token(ali))
    speak = {"Accept-Language": "en"}
    answers = [rest("POST", path, json=body, headers=speak) for path, body, _field, _word in BAD_FIELDS]
    answers += [rest.get(f"/customers?{query}", headers=speak) for query in BAD_QUERIES]
    for raw in BAD_BODIES.values():
        answers.append(rest("POST", "/customers", data=raw, content_type="application/json", headers=speak))
    answers += [rest(method, path, headers=speak) for method, path in (("GET", "/nope"), ("DELETE", "/customers"))]
    answers.append(app.test_client().get("/api/v1/tasks", headers=speak))
    answers.append(app.test_client().get("/api/docs", headers=speak))
    for answer in answers:
        with subtests.test(answer.request.path):
            assert not chinese_of(answer.get_data(as_text=True))
