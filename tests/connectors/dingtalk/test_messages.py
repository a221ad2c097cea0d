"""Messages in DingTalk's formats: within every limit, the same bytes each time, and no foreign link or mention."""

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsapp.connectors.base import Button, Message
from wsapp.connectors.dingtalk import messages
from wsapp.connectors.dingtalk.connector import DingTalkConnector

OURS = "https://crm.example.com"
BUTTONS = (Button("done", "完成", "primary"), Button("snooze_1h", "1小时后"), Button("open", "打开", url="/h5/tasks/1"))
REMINDER = Message(
    card="task-1-20261122",
    title="回访 杭州华星木业有限公司",
    text="约了王总谈报价",
    lines=(("客户", "杭州华星木业有限公司"), ("截止", "今天 15:30")),
    url="/h5/tasks/1",
    buttons=BUTTONS,
    source="客户管理",
)

# What a renderer of DingTalk's markdown, or a client that picks up addresses, would act on.
ACTIVE = re.compile(
    r"\[[^\]]*\]\s*[(\[]"  # link, image, reference
    r"|<[a-zA-Z/!?]"  # HTML, autolink
    r"|(?<![\w.])[a-zA-Z][a-zA-Z0-9+.-]*://"  # address with a scheme
    r"|\bwww\.|\b[\w-]+\.(?:com|cn|net|org|io|xyz|top|公司)\b"  # bare domain
    r"|@\w"  # mention
    r"|[\u202a-\u202e\u2066-\u2069\u200e\u200f]|[\x00-\x08\x0b-\x1f]"
)

PAYLOADS = [
    "[点这里](http://evil.example.com/x)",
    "![x](http://evil.com/a.png)",
    "<http://evil.com>",
    "<a href='//evil.com'>x</a>",
    "http://evil.com",
    "HTTPS://EVIL.COM/登录",
    "www.evil.com/login",
    "evil.com",
    "请访问 evil.cn 登录",
    "dingtalk://dingtalkclient/x",
    "javascript:alert(1)",
    "[a]: http://evil.com",
    "[a][b]",
    "[x](dingtalk://x)",
    "@all",
    "@13800000000",
    "@manager01 请付款",
    "＠all",
    "# 大标题",
    "**加粗**",
    "*斜* _下划_ `代码`",
    "> 引用",
    "- 项\n- 项",
    "1. 一\n2. 二",
    "---",
    "![](data:image/png;base64,xx)",
    "&#91;x&#93;&#40;http://evil.com&#41;",
    "&lt;a&gt;",
    "\u202egnp.exe",
    "a\u200bb",
    "\ufeff题",
    "行一\r\n行二\r行三\u2028行四",
    "x\x00y\x07z\x1b[31m",
    "\\[x\\](http://evil.com)",
    "[x]\n(http://evil.com)",
    "|a|b|\n|-|-|",
    "~~删~~",
    "<script>alert(1)</script>",
    "evil。com",
    "http:／／evil.com",
    "hxxp://evil[.]com",
    "mailto:a@evil.com",
    "a@evil.com",
    "tel:110",
    "\ud83d\ude00 好",
    "😀" * 50,
    "例子.公司",
    "http://127.0.0.1:8000/",
    "//evil.com/x",
    "\\\\evil.com\\x",
    "[[x]](http://evil.com)",
    "<!-- x -->",
    "${title}",
    "{{7*7}}",
]


def notice(message: Message) -> dict[str, Any]:
    return messages.action_card(message, OURS)["action_card"]


def shown_texts(message: Message) -> list[str]:
    """Every text that a person sees, out of both formats, without our own link."""
    card = notice(message)
    params = messages.card_params(message, OURS)
    lines = [part for row in json.loads(params["lines"]) for part in row.values()]
    texts = [card["title"], card["markdown"], card["single_title"], *lines]
    return texts + [params[name] for name in ("title", "text", "lines_text", "state", "source", "button1")]


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("field", ["title", "text", "label", "value", "source", "state", "button"])
def test_a_persons_text_starts_nothing(payload: str, field: str) -> None:
    fields: dict[str, Any] = {"card": "t-1", "title": "回访", "url": "/h5/tasks/1"}
    fields |= {"label": {"lines": ((payload, "值"),)}, "value": {"lines": (("客户", payload),)}}.get(
        field, {"buttons": (Button("k", payload),)} if field == "button" else {field: payload}
    )
    for text in shown_texts(Message(**fields)):
        inert = text.removeprefix("### ") if text.startswith("### ") else text
        assert not ACTIVE.search(html.unescape(inert)), inert
        inert.encode()


def test_the_pattern_of_this_test_finds_what_it_should() -> None:
    dangerous = ["[a](b)", "<a>", "http://x", "www.x", "evil.com", "@all", "\u202e"]
    assert [bool(ACTIVE.search(text)) for text in dangerous] == [True] * len(dangerous)


def test_plain_texts_stay_readable() -> None:
    text = "约了王总（3.5 万元，A-12 号），地址：中山路 8 号；电话 0571-8888；版本 V2.0"
    assert messages.escape(text) == text


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.com/",
        "https://crm.example.com.evil.com/",
        "https://crm.example.com@evil.com/",
        "//evil.com",
        "https:evil.com",
        "javascript:alert(1)",
        "https://crm.example.com\\@evil.com",
        "https://crm.example.com:8443/x",
        "http://crm.example.com/",
        "/h5/ x",
        "https://crm.example.com/\n",
        "dingtalk://x",
        "",
        "https://crm.example.com/" + "x" * 500,
        "/h5/" + "页" * 10,
        "https://CRM.example.com.evil/",
    ],
)
def test_a_link_never_leaves_us(url: str) -> None:
    assert notice(Message("t-1", "x", url=url))["single_url"] == f"{OURS}/h5/"


@pytest.mark.parametrize("url", ["/h5/tasks/1?from=card", f"{OURS}/h5/tasks/1", f"{OURS}?x=1"])
def test_our_own_links_stay(url: str) -> None:
    expected = OURS + url if url.startswith("/") else url
    assert notice(Message("t-1", "x", url=url))["single_url"] == expected


text = st.text(max_size=3000)


@settings(max_examples=150, deadline=None)
@given(text, text, st.lists(st.tuples(text, text), max_size=15), text, st.booleans())
def test_nothing_exceeds_the_hosts_limits(
    title: str, body: str, lines: list[tuple[str, str]], state: str, settled: bool
) -> None:
    buttons = tuple(Button(f"k{number}", body[:40] or "x") for number in range(6))
    message = Message(
        "c-1", title, body, tuple(lines), "/h5/" + "x" * 490, buttons, body[:90], state if settled else ""
    )
    whole = messages.action_card(message, OURS)
    assert len(json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()) <= 2048
    card = whole["action_card"]
    assert 1 <= len(card["single_title"]) <= 20
    assert len(card["single_url"]) <= 500
    assert messages.short_code("c-1") in card["markdown"]
    for name, value in messages.card_params(message, OURS).items():
        assert isinstance(value, str)
        assert len(value.encode()) <= 1024, name
        assert len(name.encode()) <= 100


def test_the_text_is_shortened_not_the_link() -> None:
    message = Message("t-1", "回访", "很长的备注" * 600, (("客户", "华星木业"),), "/h5/" + "x" * 400)
    card = notice(message)
    assert card["single_url"].endswith("x" * 400)
    assert "华星木业" in card["markdown"]
    assert "…" in card["markdown"]
    size = len(json.dumps(messages.action_card(message, OURS), ensure_ascii=False, separators=(",", ":")).encode())
    assert 2000 < size <= 2048


def test_two_reminders_of_equal_text_differ() -> None:
    """Equal content reaches a person once a day only."""
    first, second = (notice(Message(f"task-1-{number}", "交水电费")) for number in (1, 2))
    assert first != second
    assert first == notice(Message("task-1-1", "交水电费"))


def test_an_action_card_reads_well() -> None:
    card = notice(REMINDER)
    assert card["title"] == "回访 杭州华星木业有限公司"
    assert card["single_title"] == "打开"
    assert card["markdown"].split("\n\n") == [
        "### 回访 杭州华星木业有限公司",
        "约了王总谈报价",
        f"客户：杭州华星木业有限公司  \n  截止：今天 15:30  \n  客户管理 · 编号 {messages.short_code(REMINDER.card)}",
    ]


def test_card_parameters() -> None:
    params = messages.card_params(REMINDER, OURS)
    assert json.loads(params["buttons"]) == [
        {"key": "done", "text": "完成", "style": "primary"},
        {"key": "snooze_1h", "text": "1小时后", "style": "plain"},
    ]
    assert [params[f"button{slot}"] for slot in (1, 2, 3, 4)] == ["完成", "1小时后", "", ""]
    assert [params[f"button{slot}_key"] for slot in (1, 2, 3, 4)] == ["done", "snooze_1h", "", ""]
    assert json.loads(params["lines"])[1] == {"label": "截止", "value": "今天 15:30"}
    assert params["url"] == f"{OURS}/h5/tasks/1"


def test_a_settled_card_names_the_same_parameters() -> None:
    """An update goes by key: what the first card named, the second must name too, or it would stay."""
    settled = messages.card_params(Message(REMINDER.card, REMINDER.title, state="吴磊 15:31 已完成"), OURS)
    assert set(settled) == set(messages.card_params(REMINDER, OURS))


def test_the_setup_page_names_every_parameter_of_the_card() -> None:
    page = (DingTalkConnector.folder / "setup.md").read_text(encoding="utf-8")
    for name in messages.card_params(REMINDER, OURS):
        known = {"buttons", "button2", "button3", "button2_key", "button3_key", "button4_key"}
        assert name in known or f"${{{name}}}" in page, name


def test_compose_is_pure(make_connector: Callable[..., DingTalkConnector]) -> None:
    one, other = make_connector(), make_connector()
    assert one.compose(REMINDER, ["wulei"]) == other.compose(REMINDER, ["wulei"])
    parcel = one.compose(REMINDER, ["wulei", "wulei", "zhouxiaoyu"])
    assert parcel.to == ("wulei", "zhouxiaoyu")
    assert b"\\u" not in parcel.body
    assert one.account["client_secret"].encode() not in parcel.body


@pytest.mark.parametrize(
    ("message", "values", "channel"),
    [
        (REMINDER, {}, "card"),
        (REMINDER, {"card_template_id": ""}, "notice"),
        (Message("t-1", "日报"), {}, "notice"),
        (Message("t-1", "日报", buttons=(Button("open", "打开", url="/h5/"),)), {}, "notice"),
        (Message("t-1", "x", buttons=BUTTONS, state="已完成"), {}, "notice"),
    ],
)
def test_the_best_format_is_chosen(
    make_connector: Callable[..., DingTalkConnector], message: Message, values: dict[str, str], channel: str
) -> None:
    assert make_connector(**values).compose(message, ["wulei"]).channel == channel


@pytest.mark.parametrize("people", [[], [f"u{number}" for number in range(101)]])
def test_a_message_goes_to_a_hundred_at_most(connector: DingTalkConnector, people: list[str]) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        connector.compose(REMINDER, people)
