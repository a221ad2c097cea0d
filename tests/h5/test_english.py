"""English is complete: no Chinese word of ours on any page of an English reader, no word without a translation."""

import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from babel.messages.pofile import read_po
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.h5.conftest import Book
from tests.h5.test_forms import FIX
from tests.h5.test_me import test_messages_say_why_they_did_not_arrive as write_messages
from tests.h5.test_pages import COMMON, records
from wsapp.crm.org.models import Member
from wsapp.crm.visits.rules import TYPES
from wsapp.db import corp_scope, db

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "wsapp/translations/en/LC_MESSAGES/messages.po"
CHINESE = re.compile("[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]+")
# what people and hosts wrote, and the language's own name for itself
DATA = [
    "深圳市南山区科技园南区高新南一道 6 号",
    "跟进 华星木业有限公司",
    "华星木业有限公司",
    "给华星打电话确认收货",
    # the corp's types of visits and their points, a rule
    *TYPES,
    *(one for line in TYPES for one in (line.partition("：")[0], *line.partition("：")[2].split("、"))),
    "寄样品前看陈列",
    "寄样品给华星",
    "谈了价格，对方要样品",
    "把报价单发我",
    "准备合同",
    "看了仓库",
    "寄样品",
    "木业有限公司",  # where a search marks the 华星 before it
    "华星",
    "测试企业",
    "华南销售部",
    "财务部",
    "森林木业",
    "蓝海科技",
    "重点",
    "展会",
    "阿丽",
    "老鲍",
    "小查",
    "管姐",
    "中文",
]


class Words(HTMLParser):
    """All that a page says: text, and attributes that are read out or shown."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        shown = ("aria-label", "placeholder", "alt", "title", "content", "value")
        self.found += [value or "" for name, value in attrs if name in shown]

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def chinese_of(page: str) -> set[str]:
    found = set()
    for text in Words(page).found:
        for data in DATA:
            text = text.replace(data, "")
        found |= set(CHINESE.findall(text))
    return found


@pytest.fixture
def reader(app: Flask, cast: Cast, book: Book, sign_in: Callable[..., FlaskClient]) -> Callable[[str], FlaskClient]:
    """`reader(name)` → a client of that member of the cast, who has chosen English."""

    def choose(name: str) -> FlaskClient:
        member = cast.member(name)
        with app.app_context(), corp_scope(member.corp_id):
            db.session.merge(member).language = "en"
            db.session.commit()
        return sign_in(member)

    return choose


@pytest.mark.parametrize("who", ["ali", "bob", "guan", "cha"])
def test_every_page_is_english(reader: Callable[[str], FlaskClient], book: Book, who: str) -> None:
    client = reader(who)
    for path in [*COMMON, *records(book), "/h5/customers?cursor=x", "/h5/search?q=x", "/h5/search?q=none"]:
        page = client.get(path).text
        assert '<html lang="en"' in page, path
        assert not chinese_of(page), path


def test_what_is_wrong_is_said_in_english(
    reader: Callable[[str], FlaskClient], post: Callable[..., Any], book: Book, ali: Member
) -> None:
    client = reader("ali")
    customer = f"/h5/customers/{book.customer}"
    posts: list[tuple[str, dict[str, Any]]] = [
        ("/h5/customers", {"name": "x", "phones": "1", "level": "Z", "stage": "z", "tags": ["y" * 30]}),
        ("/h5/customers", {"name": "Other", "phones": "13800138000"}),
        ("/h5/customers", {"name": "华星木业有限公司"}),
        (customer, {"name": "华星木业有限公司", "level": "B", "version": "9"}),
        (f"{customer}/follow-ups", {"text": "", "happened_at": "2090-01-01T00:00", "next_at": "x"}),
        (f"{customer}/follow-ups/draft", {"said": ""}),
        (f"{customer}/visits/draft", {"said": ""}),
        ("/h5/follow-ups/new", {"said": "Nobody", "name": "Nobody"}),
        (f"{customer}/visits", {}),
        (f"{customer}/visits", {**FIX, "lat": "0", "lng": "0"}),
        ("/h5/tasks", {"title": "", "due_at": "", "reminders": ["0", "5", "15", "30"], "assignee": "x"}),
        (f"/h5/tasks/{book.given}", {"title": "New", "due_at": "2030-01-01T09:00", "version": "9"}),
        (f"/h5/tasks/{book.given}/assignment", {"assignee": ""}),
        (f"/h5/tasks/{book.given}/snooze", {"until": "x"}),
        (f"/h5/visits/{book.visit}/check-out", {"result": "x" * 70}),
        ("/h5/photos", {}),
        ("/h5/me/language", {"language": "xx"}),
    ]
    for path, data in posts:
        answer = post(ali, path, data, client=client)
        assert answer.status_code in (409, 422), (path, answer.status_code)
        assert not chinese_of(answer.text), path


def test_deeds_and_history_are_english(
    reader: Callable[[str], FlaskClient], post: Callable[..., Any], book: Book, ali: Member, bob: Member
) -> None:
    client = reader("ali")
    customer = f"/h5/customers/{book.customer}"
    for path, data in (
        (customer, {"name": "华星木业有限公司", "level": "B", "address": "6 Gaoxin Road", "version": "1"}),
        (f"{customer}/follow-ups", {"text": "Talked", "kind": "mail", "outcome": "Fine"}),
        (f"/h5/visits/{book.visit}/check-out", {"result": "OK"}),
        (f"/h5/tasks/{book.today}/snooze", {"until": "tomorrow"}),
        (f"/h5/tasks/{book.overdue}/completion", {"note": "Sent"}),
        (f"/h5/tasks/{book.later}/cancellation", {"reason": "Later"}),
        (f"/h5/tasks/{book.given}/assignment", {"assignee": bob.id}),
    ):
        answer = post(ali, path, data, client=client)
        assert answer.status_code == 303, path
        assert not chinese_of(client.get(answer.location).text), path
    for path in (customer, "/h5/", "/h5/tasks?state=done", *records(book)):
        assert not chinese_of(client.get(path).text), path


def test_messages_are_explained_in_english(
    reader: Callable[[str], FlaskClient], app: Flask, cast: Cast, ali: Member, bob: Member, see: Any
) -> None:
    write_messages(app, cast, ali, bob, see)
    page = reader("ali").get("/h5/me/messages").text
    assert not chinese_of(page)
    assert "the task was dealt with" in page


def test_sign_in_and_errors_follow_the_browsers_language(app: Flask) -> None:
    client = app.test_client()
    for path in ("/signin/", "/h5/nothing", "/signin/?bye=1"):
        page = client.get(path, headers={"Accept-Language": "en-US,en;q=0.9"}).text
        assert '<html lang="en"' in page, path
        assert not chinese_of(page), path
        assert chinese_of(client.get(path, headers={"Accept-Language": "zh-CN"}).text), path


# The robot understands Chinese, and the hosts' consoles have Chinese words alone: English says them as they are.
QUOTED = (
    "记 森林 报价已发 周五回访",
    "提醒 明天下午3点 给森林打电话",
    "凭证与基础信息",
    "以下三项已在本系统保存，逐项复制到后台后点“保存”，企业微信会立即校验。",
)


def _quotes(chinese: str, said: list[str]) -> bool:
    """Whether Chinese words in a translation are those of its source, which names a place in a console or a command."""
    return ("›" in chinese or any(one in chinese for one in QUOTED)) and all(one in chinese for one in said)


def test_every_word_has_its_english_one(tmp_path: Path) -> None:
    """Gathered anew, each word has a translation with the same places to fill, and the compiled file is of it."""
    pot = tmp_path / "messages.pot"
    command = [
        sys.executable,
        "-m",
        "babel.messages.frontend",
        "-q",
        "extract",
        "-F",
        "babel.cfg",
        "-k",
        "lazy",
        "-k",
        "mark",
    ]
    command += ["--ignore-dirs=.*", "--no-location", "-o", str(pot), "."]
    subprocess.run(command, cwd=ROOT, check=True, timeout=100)
    with open(pot, "rb") as gathered, open(CATALOGUE, "rb") as committed:
        wanted = {message.id for message in read_po(gathered) if message.id}
        known = {message.id: str(message.string) for message in read_po(committed, locale="en") if message.id}
    missing = sorted(one for one in wanted if not known.get(one))
    assert not missing, f"make texts, then translate in {CATALOGUE.name}: {missing}"
    assert not sorted(set(known) - wanted), "make texts: no longer used"
    places = re.compile(r"%\(\w+\)[sd]|\{\w+\}|%%")
    for chinese, english in known.items():
        assert sorted(places.findall(chinese)) == sorted(places.findall(english)), chinese
        said = CHINESE.findall(english.replace("“", "").replace("”", ""))
        assert not said or _quotes(chinese, said), english
    from babel.support import Translations

    with open(CATALOGUE.with_suffix(".mo"), "rb") as compiled:
        spoken = Translations(compiled)
    assert {one: spoken.gettext(one) for one in known} == known, "make texts: the compiled file is older"
