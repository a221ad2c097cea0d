"""No text becomes markup: every hostile text in every text column, seen on every page (T30).

A page is compared with itself over harmless texts: it may hold no element, attribute or outside address that it does
not hold then. The texts go straight into the database, past every rule of the forms.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.conftest import DATABASE
from tests.security.filling import WRITTEN, fill, unfilled
from tests.security.markup import Markup
from tests.security.pages import World, all_pages
from tests.security.payloads import ADDRESSES, FORMATS, MARK, MARKUP, XSS
from wsapp.crm.org.models import Member
from wsapp.db import Base, db

SignIn = Callable[..., FlaskClient]

# The doctor's page spells our own address out; a way to a customer is asked of one map, names in the query alone.
OURS = ("http://127.0.0.1:8000/", "https://uri.amap.com/navigation?")
TOGETHER = 12  # markup works anywhere in a text, so several go into one; addresses only at its beginning
PARTS = 4
ROUNDS = [*ADDRESSES, *FORMATS, *(" ".join(MARKUP[at : at + TOGETHER]) for at in range(0, len(MARKUP), TOGETHER))]
# Escaping is the same over PostgreSQL, whose columns have lengths besides: there every twentieth text, alone.
MINE = ROUNDS if DATABASE == "sqlite" else XSS[::20]


def test_the_corpus_is_dangerous() -> None:
    """Each text does harm where it is not escaped, and this file's eyes see it."""
    plain = Markup("<p>甲</p><p title=\"甲\"></p><p title='甲'></p><title>甲</title>")
    for text in MARKUP:
        page = f"<p>{text}</p><p title=\"{text}\"></p><p title='{text}'></p><title>{text}</title>"
        assert Markup(page).kinds != plain.kinds, text
    for text in ADDRESSES:
        if not text.startswith("javascript&"):  # that one is spelt for HTML, and escaped on its way into it
            assert Markup(f'<a href="{escape(text)}">').foreign_addresses(), text
    assert len(set(XSS)) >= 150


def test_every_text_column_is_known(app: Flask) -> None:
    """A new column is either filled with hostile texts here, or named as one that people cannot write."""
    assert unfilled() == []


ELSEWHERE = {
    "doctor_result": "written by a round of the doctor, which calls the host",
    "host_stream": "of a host that pushes; this one calls back",
    "login_session": "comes with whoever looks",
}


def test_there_is_something_of_everything(app: Flask, cast: Cast, world: World) -> None:
    """A table without a row is one whose texts no page is tried with."""
    with app.app_context():
        for name in WRITTEN:
            table = Base.metadata.tables[name]
            mine = table.c.corp_id == cast.corp_id if "corp_id" in table.c else sa.true()
            there = db.session.scalar(sa.select(sa.func.count()).select_from(table).where(mine))
            assert bool(there) != (name in ELSEWHERE), name


@pytest.fixture
def look(app: Flask, world: World, sign_in: SignIn, ali: Member, guan: Member) -> Iterator[Any]:
    """`look()` → {who and address: page}, as the owner and as the administrator."""
    clients = {False: sign_in(ali), True: sign_in(guan)}
    for client in clients.values():  # what was searched lately shows from the first look on
        client.get("/h5/search?q=%E5%8D%8E%E6%98%9F")

    def looked() -> dict[str, Markup]:
        found = {}
        for path, office in all_pages(world):
            answer = clients[office].get(path)
            what = f"{'guan' if office else 'ali'} {path}"
            assert answer.status_code == 200, f"{what}: {answer.status_code}"
            found[what] = Markup(answer.text)
        return found

    return looked


@pytest.mark.parametrize("part", range(PARTS))
def test_no_text_becomes_markup(app: Flask, cast: Cast, look: Callable[[], dict[str, Markup]], part: int) -> None:
    fill(app, cast, "甲")
    harmless = look()
    shown = 0
    for text in MINE[part::PARTS]:
        fill(app, cast, text)
        for path, page in look().items():
            new = page.kinds - harmless[path].kinds
            assert not new, f"{path} with {text!r}: {sorted(new)}"
            foreign = [one for one in page.foreign_addresses() if not one[2].startswith(OURS)]
            assert foreign == [], f"{path} with {text!r}: {foreign}"
            assert page.scripts == [], f"{path} with {text!r}"
            assert str(7 * 191) not in page.text, f"{path} with {text!r}"
            shown += page.text.count(text[:12])
    assert shown > len(MINE[part::PARTS]) * 20  # the texts are really there


REFUSED = (303, 400, 404, 409, 422)  # 303: no language is a language, too
HARMLESS = ("甲", "甲" * 300, "1", "a b", "")
REFLECTING = (
    ("/h5/search", ("q", "cursor")),
    ("/h5/customers", ("q", "scope", "stage", "level", "cursor", "for")),
    ("/h5/customers/new", ("name", "phones")),
    ("/h5/tasks", ("scope", "state", "cursor")),
    ("/h5/tasks/new", ("customer", "title")),
    ("/h5/visits", ("scope", "cursor")),
    ("/h5/me/messages", ("cursor",)),
    ("/h5/customers/duplicates", ("name", "phones", "credit_code", "website", "city", "industry", "address")),
    ("/h5/customers/filter", ("q", "scope", "stage", "level", "source", "owner", "tag", "sort")),
    ("/h5/customers/choose", ("q", "scope", "stage", "level", "owner", "tag", "cursor")),
    ("/h5/customers/leaving", ("scope",)),
    ("/h5/leads", ("scope", "state", "sort", "cursor")),
    ("/h5/leads/new", ("name", "source", "phones")),
    ("/h5/pool", ("pool", "q", "level", "cursor")),
    ("/h5/bin", ("kind", "q", "cursor")),
    ("/h5/bin/runs/new", ("kind", "ids")),
    ("/h5/exports", ("object", "q", "stage", "level", "whose")),
    ("/h5/imports", ("object",)),
    ("/admin/fields", ("object",)),
    ("/admin/fields/new", ("object", "type")),
    ("/admin/roles/why", ("member", "customer")),
    ("/admin/bin", ("q", "cursor")),
    ("/admin/audit", ("who", "q", "kind", "via", "from", "to", "cursor")),
    ("/admin/members", ("q", "cursor")),
    ("/admin/deliveries", ("state", "recipient", "q", "cursor")),
    ("/admin/work", ("state", "cursor")),
    ("/h5/me/identity", ("next",)),
    ("/signin/", ("next", "corp", "bye")),
)
BELOW = (
    *("/h5/customers/{}", "/h5/visits/{}", "/nowhere/{}", "/signin/{}/x", "/files/{}"),
    *("/h5/contacts/{}", "/h5/pool/{}", "/h5/bin/{}", "/h5/imports/{}", "/h5/imports/templates/{}", "/h5/exports/{}"),
    *("/admin/roles/{}", "/admin/audit/{}", "/admin/fields/{}", "/admin/pools/{}"),
)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_address_becomes_markup(sign_in: SignIn, guan: Member, part: int) -> None:
    client = sign_in(guan)
    harmless = {path: _kinds(_asked(client, path, names, one) for one in HARMLESS) for path, names in REFLECTING}
    for text in MINE[part::PARTS]:
        for path, names in REFLECTING:
            page = _asked(client, path, names, text)
            new = page.kinds - harmless[path]
            assert not new, f"{path} with {text!r}: {sorted(new)}"
            assert page.foreign_addresses() == [], f"{path} with {text!r}"
        for path in BELOW:
            answer = client.get(path.format(quote(text, safe="")))
            assert answer.status_code in (302, 308, 400, 404), f"{path} with {text!r}"
            page = Markup(answer.text)
            assert page.foreign_addresses() == [], f"{path} with {text!r}"
            assert MARK not in str(page.skeleton), f"{path} with {text!r}"


def _kinds(pages: Iterable[Markup]) -> frozenset[Any]:
    """Each kind of element that pages have on harmless input, whether it is taken or refused."""
    return frozenset().union(*(page.kinds for page in pages))


def _asked(client: FlaskClient, path: str, names: Sequence[str], text: str) -> Markup:
    answer = client.get(path, query_string=dict.fromkeys(names, text))
    assert answer.status_code < 500, f"{path} with {text!r}"
    return Markup(answer.text)


FORMS = ("/h5/customers", "/h5/tasks", "/h5/me/language", "/admin/tokens", "/admin/first-run")
_FIELDS = """
name short_name phones kind level stage source address note tags new_tags website title due_at assignee
customer reminders repeat priority language code user days scope idempotency_key version lat lng accuracy
fixed_at photos next_at text
"""
FIELDS = _FIELDS.split()


def test_what_comes_back_in_a_refused_form_is_text(sign_in: SignIn, guan: Member) -> None:
    client = sign_in(guan)
    token = client.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0]
    for path in FORMS:
        kinds = _kinds(_posted(client, path, token, one) for one in HARMLESS)
        for text in MINE:
            page = _posted(client, path, token, text)
            assert not page.kinds - kinds, f"{path} with {text!r}: {sorted(page.kinds - kinds)}"
            assert page.foreign_addresses() == [], f"{path} with {text!r}"


def _posted(client: FlaskClient, path: str, token: str, text: str) -> Markup:
    client.environ_base["REMOTE_ADDR"] = f"127.0.1.{sum(text.encode(errors='replace')) % 250}"  # tries are counted
    answer = client.post(path, data={**dict.fromkeys(FIELDS, text), "csrf_token": token})
    assert answer.status_code in REFUSED, f"{path} with {text!r}: {answer.status_code}"
    return Markup(answer.text)


def test_json_answers_are_never_taken_for_pages(app: Flask, cast: Cast, world: World, ali: Member) -> None:
    fill(app, cast, MARKUP[0])
    client = app.test_client()
    headers = {"Authorization": f"Bearer {cast.token(ali)}"}
    for path in (
        "/customers",
        "/tasks",
        "/visits",
        "/follow-ups",
        "/contacts",
        "/leads",
        "/pools",
        "/deletions",
        "/events",
        "/members",
        "/departments",
        "/notifications",
    ):
        answer = client.get(f"/api/v1{path}", headers=headers)
        assert answer.status_code == 200
        assert answer.mimetype == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with app.app_context():
        assert db.session.scalar(sa.text("select count(*) from customer")) > 0
