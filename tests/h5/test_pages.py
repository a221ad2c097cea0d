"""Every page, for everybody: who sees it, who does not, and what stands on it."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.cast import BROWSER_AGENT, DINGTALK_AGENT, WECOM_AGENT
from tests.h5.conftest import Book
from wsapp.crm.org.models import Member

SignIn = Callable[..., FlaskClient]

COMMON = (
    "/h5/",
    "/h5/customers",
    "/h5/customers?scope=team&stage=intent&level=A&q=%E5%8D%8E%E6%98%9F",
    "/h5/customers?for=visit",
    "/h5/customers/new",
    "/h5/visits",
    "/h5/visits?scope=team",
    "/h5/tasks",
    "/h5/tasks?scope=given",
    "/h5/tasks?scope=team",
    "/h5/tasks?state=done",
    "/h5/tasks/new",
    "/h5/follow-ups/new",
    "/h5/search",
    "/h5/search?q=%E5%8D%8E%E6%98%9F",
    "/h5/search?q=8001",
    "/h5/team",
    "/h5/board",
    "/h5/board?span=week",
    "/h5/board/list?what=follow_ups",
    "/h5/board/list?what=overdue",
    "/h5/board/feed",
    "/h5/briefs/morning",
    "/h5/briefs/evening",
    "/h5/visits/plans",
    "/h5/nearby",
    "/h5/nearby?lat=22.5431&lng=114.0579&coordinate=gcj02&km=10",
    "/h5/route",
    "/h5/me",
    "/h5/me/location",
    "/h5/offline",
    "/h5/me/messages",
)


def records(book: Book) -> list[str]:
    return [
        f"/h5/customers/{book.customer}",
        f"/h5/customers/{book.customer}/edit",
        f"/h5/customers/{book.customer}/follow-ups/new",
        f"/h5/customers/{book.customer}/visits/new",
        f"/h5/customers/{book.customer}/visit-plans/new",
        f"/h5/visits/plans/{book.plan}",
        f"/h5/visits/{book.visit}",
        f"/h5/tasks/{book.overdue}",
        f"/h5/tasks/{book.overdue}/edit",
        f"/h5/tasks/{book.given}",
    ]


@pytest.mark.parametrize("who", ["ali", "bob", "guan"])
def test_owner_leader_and_administrator_see_every_page(
    sign_in: SignIn, book: Book, request: pytest.FixtureRequest, who: str
) -> None:
    client = sign_in(request.getfixturevalue(who))
    for path in [*COMMON, *records(book)]:
        answer = client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.text[:2000]}"
        assert answer.text.count("<h1") == 1, path


@pytest.mark.parametrize("who", ["cha", "ivy"])
def test_a_stranger_and_another_corp_find_nothing(
    sign_in: SignIn, book: Book, request: pytest.FixtureRequest, who: str
) -> None:
    client = sign_in(request.getfixturevalue(who))
    for path in COMMON:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "华星木业" not in answer.text
        assert "寄样品" not in answer.text
    for path in records(book):
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert "华星" not in answer.text


@pytest.mark.parametrize("agent", [WECOM_AGENT, DINGTALK_AGENT, BROWSER_AGENT])
def test_pages_carry_one_hosts_script_and_nothing_inline(sign_in: SignIn, ali: Member, book: Book, agent: str) -> None:
    client = sign_in(ali, agent=agent)
    for path in [*COMMON, *records(book)]:
        page = client.get(path).text
        assert " style=" not in page, path
        assert "<script>" not in page, path
        assert " onclick=" not in page, path
        assert page.count("host/") + page.count("host-browser") == 1, path
