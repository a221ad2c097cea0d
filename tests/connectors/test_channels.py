"""Every kind of message over HTTP through each emulator's own checks: what arrives, is refused, is taken back."""

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from PIL import Image

from tests.conftest import PUBLIC_URL
from wsapp.connectors.base import Account, Button, Connector, Message, Refused, TryLater
from wsapp.connectors.channels import Article, Attachment, Question
from wsapp.connectors.emulator import Fault, RunningEmulator
from wsapp.connectors.http import HttpTransport

PAGE = f"{PUBLIC_URL}/h5/tasks/1?corp=x"
PICTURE = f"{PUBLIC_URL}/static/app.css"
BUTTONS = (Button("done", "完成", "primary"), Button("snooze", "1 小时后"))
HEADING = "10 条动态"


class Tokens:
    """A token store of one process."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.lock = threading.RLock()

    def get(self, kind: str, fetch: Callable[[], tuple[str, float]], *, stale: str = "") -> str:
        with self.lock:
            if kind not in self.values or self.values[kind] == stale:
                self.values[kind] = fetch()[0]
            return self.values[kind]


@dataclass
class Line:
    """One host: its emulator, a connector without the product, and the people of its sample firm."""

    host: str
    running: RunningEmulator
    connector: Connector
    user: str
    robot: dict[str, str]
    send_api: str
    robot_api: str

    @property
    def emulator(self) -> Any:
        return self.running.emulator

    def say(self, message: Message) -> dict[str, Any]:
        """Send a message to the seller and return what their phone shows of it."""
        self.receipt = self.connector.send(self.connector.compose(message, [self.user]))
        return self.chat()[-1]

    def chat(self) -> list[dict[str, Any]]:
        found = [one for one in self.emulator.chats(self.user) if not one["dropped"] and not one.get("recalled")]
        return [one for one in found if not one.get("group")]

    def group(self) -> list[dict[str, Any]]:
        return [one for one in self.emulator.chats(self.user) if one.get("group")]

    def post(
        self, *messages: Message, post_id: str = "p1", robot: dict[str, str] | None = None, heading: str = HEADING
    ) -> bytes:
        address = self.connector.robot_address(robot or self.robot)
        body = self.connector.compose_post(messages, post_id, heading=heading)
        self.connector.post(address, body)
        return body


def _wecom(running: RunningEmulator) -> Line:
    from wsapp.connectors.wecom.connector import WeComConnector
    from wsapp.connectors.wecom.emulator import demo_corp
    from wsapp.connectors.wecom.emulator_demo import ROBOT_KEY

    values = demo_corp()
    bases = dict.fromkeys(WeComConnector.base_keys, running.url)
    connector = _connector(WeComConnector, values["corp_id"], values, bases)
    robot = {"webhook": f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={ROBOT_KEY}"}
    return Line("wecom", running, connector, "LinXiaoYan", robot, "/cgi-bin/message/send", "/cgi-bin/webhook/send")


def _dingtalk(running: RunningEmulator) -> Line:
    from wsapp.connectors.dingtalk.connector import DingTalkConnector
    from wsapp.connectors.dingtalk.emulator import ROBOT_SECRET, ROBOT_TOKEN, demo_corp

    values = demo_corp()
    bases = dict.fromkeys(DingTalkConnector.base_keys, running.url)
    connector = _connector(DingTalkConnector, values["corp_id"], values, bases)
    url = f"https://oapi.dingtalk.com/robot/send?access_token={ROBOT_TOKEN}"
    robot = {"webhook": url, "secret": ROBOT_SECRET}
    send_api = "/topapi/message/corpconversation/asyncsend_v2"
    return Line("dingtalk", running, connector, "zhouxiaoyu", robot, send_api, "/robot/send")


def _connector(kind: type[Connector], corp_id: str, values: dict[str, Any], bases: dict[str, str]) -> Connector:
    return kind(
        Account(corp_id, "样例", values),
        bases=bases,
        http=HttpTransport(),
        tokens=Tokens(),
        now=lambda: datetime.now(UTC),
        public_url=PUBLIC_URL,
    )


@pytest.fixture(params=["wecom", "dingtalk"])
def line(request: pytest.FixtureRequest, wecom: RunningEmulator, dingtalk: RunningEmulator) -> Line:
    return _wecom(wecom) if request.param == "wecom" else _dingtalk(dingtalk)


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), "#1a66ff").save(buffer, "JPEG")
    return buffer.getvalue()


def message(card: str = "n1", **more: Any) -> Message:
    return Message(card, **{"title": "本周回访计划", "url": PAGE, "source": "客户管理", **more})


# --- kinds --------------------------------------------------------------------------------------------------------

KINDS: dict[str, tuple[Message, str, str]] = {  # what the message has → kind at WeCom, at DingTalk
    "notice": (message(text="三家客户待回访"), "template_card", "action_card"),
    "buttons": (message(buttons=BUTTONS), "template_card", "interactive_card"),
    "figure": (message(figure=("12", "家新客户"), lines=(("华南", "8 家"),)), "template_card", "oa"),
    "report": (message(form="report", text="一\n二\n三", lines=(("新增", "12"),)), "markdown", "markdown"),
    "note": (message(form="note", text="连接测试成功"), "text", "text"),
    "one article": (message(articles=(Article("新品手册", "2026 秋季", PAGE, PICTURE),)), "news", "link"),
    "articles": (message(articles=(Article("甲", url=PAGE), Article("乙", url=PAGE))), "news", "markdown"),
    "links": (
        message(buttons=(Button("a", "看客户", url=PAGE), Button("b", "看待办", url=PAGE))),
        "template_card",
        "action_card",
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_best_kind_is_chosen_and_arrives(line: Line, name: str) -> None:
    wanted, wecom, dingtalk = KINDS[name]
    shown = line.say(wanted)
    assert shown["kind"] == {"wecom": wecom, "dingtalk": dingtalk}[line.host]
    words = " ".join([shown["title"], shown["text"], *(one["title"] for one in shown.get("articles") or ())])
    assert (wanted.articles[0].title if wanted.articles else "本周回访计划") in words
    assert not line.receipt.dropped


def test_a_figure_stands_large_and_a_status_can_change_later(line: Line) -> None:
    shown = line.say(message(figure=("12", "家新客户")))
    assert shown["figure"] == ["12", "家新客户"]
    if line.host == "dingtalk":
        line.connector.update_card(message(state="已阅 · 王总"), line.receipt, [line.user])
        assert line.chat()[-1]["state"] == "已阅 · 王总"


def test_questions_are_answered_on_the_card_or_open_the_page(line: Line) -> None:
    one = Question("reason", "为什么输单？", (("price", "价格"), ("time", "交期")), many=True)
    shown = line.say(message("n1", questions=(one,), buttons=(Button("send", "提交"),)))
    two = Question("when", "何时回访？", (("mon", "周一"), ("fri", "周五")))
    more = line.say(message("n2", questions=(one, two)))
    if line.host == "wecom":
        assert (shown["card_type"], more["card_type"]) == ("vote_interaction", "multiple_interaction")
        assert shown["questions"][0]["options"] == [["price", "价格"], ["time", "交期"]]
        assert shown["questions"][0]["many"]
        assert [one["key"] for one in more["questions"]] == ["reason", "when"]
    else:
        assert "为什么输单" in more["text"]
        assert "何时回访" in more["text"]


def test_pictures_and_files_are_uploaded_and_sent(line: Line) -> None:
    picture = line.connector.upload("image", "合影.jpg", jpeg())
    shown = line.say(message(attachment=Attachment("image", picture)))
    assert (shown["kind"], shown["media"], shown["title"]) == ("image", picture, "合影.jpg")
    file = line.connector.upload("file", "报价单（含税）.pdf", b"%PDF-1.7 ...")
    shown = line.say(message("n2", attachment=Attachment("file", file)))
    assert (shown["kind"], shown["title"]) == ("file", "报价单（含税）.pdf")


def test_files_that_the_host_would_refuse_never_leave(line: Line) -> None:
    for kind, name, body in (("image", "x.jpg", b""), ("image", "x.svg", b"<svg/>"), ("file", "x.pdf", b"")):
        with pytest.raises(Refused):
            line.connector.upload(kind, name, body)  # type: ignore[arg-type]
    with pytest.raises(Refused):
        line.connector.upload("file", "x.pdf", b"x" * ((20 << 20) + 1))
    assert not [api for api in line.emulator.call_counts if api.endswith("media/upload")]


def test_a_file_that_is_gone_becomes_words(line: Line) -> None:
    attachment = Attachment("file", "media-that-was-never-there")
    if line.host == "wecom":
        with pytest.raises(Refused):
            line.say(message(attachment=attachment))
        return
    shown = line.say(message(attachment=attachment, text="请查收报价单"))
    assert shown["kind"] == "action_card"
    assert "请查收报价单" in shown["text"]


def test_a_refused_kind_goes_out_plainer(line: Line) -> None:
    code = {"wecom": "40008", "dingtalk": "40035"}[line.host]
    line.emulator.faults.append(Fault(line.send_api, "code", options={"code": code, "message": "refused"}))
    shown = line.say(message(form="report", text="第一行"))
    assert shown["kind"] == {"wecom": "textcard", "dingtalk": "action_card"}[line.host]
    assert "第一行" in shown["text"]


def test_the_same_bytes_again_show_nothing_twice(line: Line) -> None:
    for number, (wanted, *_kinds) in enumerate(KINDS.values()):
        parcel = line.connector.compose(Message(**{**vars(wanted), "card": f"again{number}"}), [line.user])
        line.connector.send(parcel)
        before = len(line.chat())
        line.connector.send(parcel)
        assert len(line.chat()) == before


# --- taking back --------------------------------------------------------------------------------------------------


def test_a_message_is_taken_back_within_a_day(line: Line) -> None:
    line.say(message())
    assert len(line.chat()) == 1
    line.connector.recall(line.receipt)
    assert line.chat() == []


def test_after_a_day_nothing_is_taken_back(line: Line) -> None:
    line.say(message())
    line.emulator.clock.offset = 86_500
    with pytest.raises(Refused):
        line.connector.recall(line.receipt)
    assert len(line.chat()) == 1


# --- group robots -------------------------------------------------------------------------------------------------


def test_one_message_and_several_stand_in_the_group(line: Line) -> None:
    line.post(message(text="见到采购经理", lines=(("位置", "已核实"),)))
    line.post(*(message(f"n{n}", title=f"动态{n}") for n in range(10)), post_id="p2")
    single, merged = line.group()
    assert single["kind"] == {"wecom": "markdown", "dingtalk": "actionCard"}[line.host]
    assert "见到采购经理" in single["text"]
    assert "已核实" in single["text"]
    assert HEADING in merged["text"]
    assert all(f"动态{n}" in merged["text"] for n in range(10))


def test_a_robot_takes_twenty_a_minute(line: Line) -> None:
    for number in range(20):
        line.post(message(title=f"第 {number} 条"), post_id=f"p{number}")
    with pytest.raises(TryLater) as error:
        line.post(message(), post_id="more")
    assert error.value.after >= 60
    assert len(line.group()) == 20
    line.emulator.clock.offset = error.value.after + 61
    if line.host == "wecom":  # the other host would find the timestamp of our clock too old
        line.post(message(), post_id="more")
        assert len(line.group()) == 21


def test_a_removed_robot_and_a_wrong_signature_are_refused(line: Line) -> None:
    corp_id = line.connector.account.corp_id
    group = next(iter(line.emulator.groups.groups.values()))
    robot = next(iter(group.robots.values()))
    assert group.corp_id == corp_id
    if line.host == "dingtalk":
        with pytest.raises(Refused) as error:
            line.post(message(), robot={**line.robot, "secret": "SEC00000000000000"})
        assert error.value.code == "310000"
        with pytest.raises(Refused):
            line.post(message(), robot={"webhook": line.robot["webhook"], "secret": ""})
    robot.disabled = True
    with pytest.raises(Refused):
        line.post(message())
    robot.disabled, robot.removed = False, True
    with pytest.raises(Refused):
        line.post(message())
    assert line.group() == []


def test_only_addresses_of_the_host_are_taken(line: Line) -> None:
    good = line.robot["webhook"]
    for bad in (
        "",
        "https://evil.example/cgi-bin/webhook/send?key=3f9a1c52-7b0e",
        good.replace("https://", "https://evil.example@evil.example/"),
        good.replace("/send", "/other"),
        good.split("?")[0],
        good.split("=")[0] + "=../../x",
        "http://169.254.169.254/latest",
    ):
        with pytest.raises(Refused) as error:
            line.connector.robot_address({"webhook": bad})
        assert error.value.code == "webhook"
        assert bad not in str(error.value) or not bad


def test_a_post_is_known_by_its_id(dingtalk: RunningEmulator) -> None:
    line = _dingtalk(dingtalk)
    line.post(message())
    line.post(message())
    assert len(line.group()) == 1


def test_the_app_robot_posts_into_a_group(dingtalk: RunningEmulator) -> None:
    line = _dingtalk(dingtalk)
    robot = {"webhook": "cidLanhaiSales0001"}
    line.post(message(text="见到采购经理"), robot=robot)
    line.post(message("a"), message("b"), robot=robot)
    assert [one["kind"] for one in line.group()] == ["sampleActionCard", "sampleMarkdown"]


# --- DingTalk without the permission for work notifications --------------------------------------------------------


def test_the_robot_speaks_where_notices_are_forbidden(dingtalk: RunningEmulator) -> None:
    line = _dingtalk(dingtalk)
    app = next(iter(line.emulator.world.apps.values()))
    line.emulator.faults.append(Fault(line.send_api, "code", times=9, options={"code": "60011", "message": "no"}))
    shown = line.say(message(text="请看"))
    assert (shown["kind"], shown["title"], shown["source"]) == ("sampleActionCard", "本周回访计划", "机器人")
    assert line.connector.results(line.receipt, [line.user])[line.user].state == "delivered"
    line.emulator.chat.read(int(shown["id"]))
    assert line.connector.results(line.receipt, [line.user])[line.user].state == "read"
    line.connector.recall(line.receipt)
    assert line.chat() == []
    receipt = line.connector.send(line.connector.compose(message("n9"), ["simaxiangru"]))
    assert receipt.dropped == {"simaxiangru": "invalid"}
    assert app.client_id


def test_frugal_messages_cost_one_call(dingtalk: RunningEmulator) -> None:
    line = _dingtalk(dingtalk)
    shown = line.say(message(buttons=BUTTONS, frugal=True))
    assert shown["kind"] == "action_card"
    assert line.receipt.check_after is None


def test_what_counts_by_the_month(dingtalk: RunningEmulator, wecom: RunningEmulator) -> None:
    connector = _dingtalk(dingtalk).connector
    free = (
        "/v1.0/oauth2/accessToken",
        "/topapi/v2/user/get",
        "/topapi/v2/department/listsub",
        "/topapi/user/getbyunionid",
    )
    assert {connector.meter_of(api) for api in free} == {""}
    assert connector.meter_of("/topapi/message/corpconversation/asyncsend_v2") == "calls"
    assert connector.meter_of("/v1.0/card/instances/createAndDeliver") == "calls"
    assert connector.meter_of("/media/upload") == "calls"
    assert connector.meter_of("/robot/send") == "webhook"
    assert (connector.allowance("calls"), connector.allowance("webhook")) == (5000, 3000)
    assert not _wecom(wecom).connector.meters
