"""Messages in the host's formats: within its limits, harmless whatever strangers typed, and always the same bytes."""

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsapp.connectors.base import Button, Message
from wsapp.connectors.wecom.connector import WeComConnector
from wsapp.connectors.wecom.emulator_cards import check_card, check_plain
from wsapp.connectors.wecom.messages import Writer
from wsapp.connectors.wecom.texts import cut, cut_bytes, inert, one_line, plain

PUBLIC = "https://crm.example.com"
WRITER = Writer(1000002, PUBLIC, buttons=True)
PRESSABLE = (Button("done", "完成", "primary"), Button("open", "打开", url=f"{PUBLIC}/h5/tasks/1"))


def card_of(message: Message, writer: Writer = WRITER) -> dict[str, Any]:
    found = json.loads(writer.message(message, ["LinXiaoYan"]))["template_card"]
    assert isinstance(found, dict)
    return found


def test_the_whole_body(reminder: Message, connector: WeComConnector, door: Any) -> None:
    parcel = connector.compose(reminder, ["LinXiaoYan", "WangJianGuo", "LinXiaoYan"])
    assert parcel.to == ("LinXiaoYan", "WangJianGuo")
    page = f"{door.url}/h5/tasks/7f3a"
    assert json.loads(parcel.body) == {
        "touser": "LinXiaoYan|WangJianGuo",
        "agentid": 1000002,
        "msgtype": "template_card",
        "enable_duplicate_check": 1,
        "duplicate_check_interval": 14400,
        "template_card": {
            "card_type": "button_interaction",
            "task_id": "task-7f3a-1",
            "source": {"desc": "客户管理", "desc_color": 0},
            "main_title": {"title": "待办：回访华星家具"},
            "horizontal_content_list": [
                {"keyname": "客户", "value": "深圳市华星家具有限公司"},
                {"keyname": "到期", "value": "今天 10:30"},
            ],
            "sub_title_text": "客户说周五前要报价",
            "card_action": {"type": 1, "url": page},
            "button_list": [
                {"text": "完成", "style": 1, "key": "done"},
                {"text": "1 小时后", "style": 2, "key": "snooze-1h"},
                {"text": "打开", "style": 2, "type": 1, "url": page},
            ],
        },
    }


def test_the_same_message_makes_the_same_bytes(reminder: Message, make: Callable[..., WeComConnector]) -> None:
    bodies = {make().compose(reminder, ["LinXiaoYan"]).body for _ in range(5)}
    assert len(bodies) == 1
    assert b"\\u" not in bodies.pop()


def test_without_a_callback_token_there_is_nothing_to_press(
    reminder: Message, make: Callable[..., WeComConnector]
) -> None:
    for missing in ({"callback_token": ""}, {"callback_aes_key": ""}):
        body = json.loads(make(**missing).compose(reminder, ["LinXiaoYan"]).body)
        assert body["template_card"]["card_type"] == "text_notice"
        assert "button_list" not in body["template_card"]
        assert body["template_card"]["jump_list"][0]["title"] == "打开"


def test_a_settled_card_shows_its_state_and_no_buttons() -> None:
    card = card_of(Message(card="a", title="t", buttons=PRESSABLE, state="林晓燕 已完成 · 11-22 10:31"))
    assert card["card_type"] == "text_notice"
    assert card["quote_area"]["quote_text"] == "林晓燕 已完成 · 11-22 10:31"
    assert "button_list" not in card
    assert "jump_list" not in card


def test_lines_that_do_not_fit_the_rows_follow_as_text() -> None:
    lines = tuple((f"第{number}", f"客户{number}") for number in range(9))
    card = card_of(Message(card="a", title="t", text="一共九条", lines=lines))
    assert len(card["horizontal_content_list"]) == 6
    assert card["sub_title_text"] == "一共九条\n第6：客户6\n第7：客户7\n第8：客户8"


def test_callback_buttons_come_before_links_when_there_are_too_many() -> None:
    links = tuple(Button(f"l{number}", "看", url=f"{PUBLIC}/h5/{number}") for number in range(4))
    calls = tuple(Button(f"c{number}", "做") for number in range(4))
    card = card_of(Message(card="a", title="t", buttons=links + calls))
    assert [one.get("key", one.get("url")) for one in card["button_list"]] == [
        f"{PUBLIC}/h5/0",
        f"{PUBLIC}/h5/1",
        "c0",
        "c1",
        "c2",
        "c3",
    ]


@pytest.mark.parametrize(
    ("url", "link"),
    [
        (f"{PUBLIC}/h5/tasks/1?a=1#b", f"{PUBLIC}/h5/tasks/1?a=1#b"),
        ("/h5/tasks/1", f"{PUBLIC}/h5/tasks/1"),
        ("", f"{PUBLIC}/h5/"),
        ("https://evil.example.com/", f"{PUBLIC}/h5/"),
        (f"{PUBLIC}.evil.example.com/", f"{PUBLIC}/h5/"),
        (f"{PUBLIC}@evil.example.com/", f"{PUBLIC}/h5/"),
        ("//evil.example.com/", f"{PUBLIC}/h5/"),
        ("javascript:alert(1)", f"{PUBLIC}/h5/"),
        (f'{PUBLIC}/"><a href="https://evil.example.com', f"{PUBLIC}/h5/"),
        (f"{PUBLIC}/\n", f"{PUBLIC}/h5/"),
        (f"{PUBLIC}/{'a' * 2100}", f"{PUBLIC}/h5/"),
    ],
)
def test_links_lead_home(url: str, link: str) -> None:
    assert WRITER.link(url) == link


@pytest.mark.parametrize("card", ["", "a b", "卡", "a" * 129, "a\n", "a/b"])
def test_a_card_id_that_the_host_would_refuse_is_a_bug(card: str) -> None:
    with pytest.raises(ValueError, match="id"):
        card_of(Message(card=card, title="t"))


@pytest.mark.parametrize("count", [0, 1001])
def test_too_few_or_too_many_recipients_are_a_bug(count: int) -> None:
    with pytest.raises(ValueError, match="recipients"):
        WRITER.message(Message(card="a", title="t"), [f"u{number}" for number in range(count)])


# --- whatever strangers type ----------------------------------------------------------------------------------

NASTY = [
    "<a href='https://evil.example.com'>点我</a>",
    "<div class='highlight'>x</div><br>",
    "[点我](https://evil.example.com)",
    "https://evil.example.com/?a=1",
    "www.evil.example.com",
    "evil.com",
    "中国移动.中国",
    "mailto:a@evil.com",
    "tel:13800000000",
    "&lt;a href=&quot;x&quot;&gt;",
    "<@all> @all <@LinXiaoYan>",
    "\u202e改到期日\u202c\u2066x\u2069",
    "a\x00b\x07c\x1bd\x7f",
    "零\u200b宽\ufeff",
    "第一行\r\n第二行\r第三行\u2028第四行",
    "\ud83d半个",
    "👨‍👩‍👧‍👦" * 50,
    "é̂" * 200,
    "'; DROP TABLE customers; --",
    '{"a":"\\u0041"}',
    "𠮷野家" * 80,
    "\\u4e2d\\n",
    "`code` **bold** # head > quote",
]


def everywhere(text: str) -> Message:
    buttons = (*(Button(f"k{number}", text) for number in range(3)), Button("open", text, url=text))
    return Message(
        card="a",
        title=text,
        text=text,
        lines=tuple((text, text) for _ in range(9)),
        url=text,
        buttons=buttons,
        source=text,
    )


def check_body(body: bytes) -> None:
    """What must hold for every body: the emulated host takes it, links lead home, nothing invisible is inside."""
    text = body.decode()
    assert "\\u" not in text.replace("\\\\u", "")
    envelope = json.loads(text)
    kind = envelope["msgtype"]
    if kind == "template_card":
        check_card(envelope[kind], has_callback=True)
    else:
        assert check_plain(kind, envelope[kind], card_limits="bytes") == envelope[kind], "the host would cut it"
    for value in strings(envelope):
        assert all(unicodedata.category(char) not in ("Cc", "Cs") or char == "\n" for char in value)
        assert not set(value) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\ufeff")
        if kind != "template_card":
            assert_no_foreign_link(value)
    for url in links(envelope):
        assert url.startswith(PUBLIC + "/")


def assert_no_foreign_link(value: str) -> None:
    """What a client could turn into a link or a tag, apart from our own link at the end."""
    ours = value.split('\n<a href="')[0] if "<a href=" in value else value
    if value.startswith(PUBLIC):
        return
    rest = ours.replace("<br>", "")
    assert "<" not in rest
    assert ">" not in rest
    assert "://" not in rest
    assert not re.search(r"www\.\w", rest)
    assert "evil.com" not in rest


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    found = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for one in found for text in strings(one)]


def links(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [text for key, text in value.items() if key == "url"]
        return own + [text for one in value.values() for text in links(one)]
    return [text for one in value for text in links(one)] if isinstance(value, list) else []


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("state", ["", "林晓燕 已完成"])
def test_nasty_texts_in_every_field_and_format(text: str, state: str) -> None:
    message = replace(everywhere(text), state=state and state + text)
    body = WRITER.message(message, ["LinXiaoYan"])
    check_body(body)
    for plainer in WRITER.plainer(body):
        check_body(plainer)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=300), st.text(max_size=40))
def test_any_text_in_every_field_and_format(text: str, state: str) -> None:
    body = WRITER.message(replace(everywhere(text), state=state), ["LinXiaoYan"])
    check_body(body)
    for plainer in WRITER.plainer(body):
        check_body(plainer)


def test_advised_lengths_hold() -> None:
    card = card_of(everywhere("很长的名字" * 60))
    assert len(card["main_title"]["title"]) <= 36
    assert len(card["source"]["desc"]) <= 20
    assert len(card["sub_title_text"]) <= 160
    assert all(len(one["keyname"]) <= 5 and len(one["value"]) <= 30 for one in card["horizontal_content_list"])
    assert all(len(one["text"]) <= 10 for one in card["button_list"])


def test_a_cut_never_tears_a_character() -> None:
    family = "👨‍👩‍👧‍👦"
    for limit in range(2, 20):
        assert cut(f"家庭{family}客户一二三四五六七八九十", limit).rstrip("…") in {
            f"家庭{family}客户一二三四五六七八九十"[:end] for end in [1, 2, *range(9, 25)]
        }
        assert len(cut("𠮷" * 30, limit)) == limit
    for limit in range(10, 60):
        text = cut_bytes(f"报价{family}é̂的客户们还有很多很多", limit)
        assert len(text.encode()) <= limit
        assert not text.rstrip("…").endswith("\u200d")
    assert cut("短", 5) == "短"
    assert cut_bytes("短", 5) == "短"


def test_plain_one_line_and_inert() -> None:
    assert plain(" a\r\nb\u2028c\td ") == "a\nb\ncd"
    assert one_line("第一行\n 第二行\u202e") == "第一行 第二行"
    assert inert("<b>3.5 元 & a.com http://x</b>") == "＜b＞3.5 元 ＆ a．com http：//x＜/b＞"


# --- plainer messages ----------------------------------------------------------------------------------------


def test_a_card_becomes_a_text_card_and_a_text(reminder: Message, connector: WeComConnector, door: Any) -> None:
    parcel = connector.compose(reminder, ["LinXiaoYan"])
    textcard, text = (json.loads(body) for body in connector.writer.plainer(parcel.body))
    url = f"{door.url}/h5/tasks/7f3a#card-task-7f3a-1"
    assert textcard["textcard"] == {
        "title": "待办：回访华星家具",
        "description": "客户：深圳市华星家具有限公司<br>到期：今天 10:30<br>客户说周五前要报价",
        "url": url,
    }
    assert text["text"]["content"].startswith("待办：回访华星家具\n客户：深圳市华星家具有限公司\n")
    assert text["text"]["content"].endswith(f'\n<a href="{url}">查看详情</a>')
    for one in (textcard, text):
        assert (one["enable_duplicate_check"], one["duplicate_check_interval"]) == (1, 14400)


def test_two_reminders_that_read_the_same_stay_two(connector: WeComConnector, reminder: Message) -> None:
    bodies = set()
    for card in ("a", "b"):
        body = connector.compose(replace(reminder, card=card), ["LinXiaoYan"]).body
        bodies |= {body, *connector.writer.plainer(body)}
    assert len(bodies) == 6
