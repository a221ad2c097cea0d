"""Pictures of every kind of message as the emulated phones show it, under docs/messages/: `make screenshots`.

Each message is composed by the real connector from one neutral message, sent over HTTP to the emulator of its host,
which checks it as the host does, and photographed in the chat of the emulated phone.
"""

import io
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser.conftest import CHROMIUM  # noqa: E402
from tests.connectors.test_channels import Line, _dingtalk, _wecom  # noqa: E402
from wsapp.connectors.base import Button, Message  # noqa: E402
from wsapp.connectors.channels import Article, Attachment, Question  # noqa: E402

TARGET = ROOT / "docs" / "messages"
PAGE = "http://127.0.0.1:8000/h5/tasks/1?corp=x"
PHONE = {"width": 390, "height": 1400}  # tall, so that no card is cut
DONE = Button("done", "完成", "primary")
SNOOZES = (Button("snooze_60", "1 小时后"), Button("snooze_tomorrow", "明天 9 点"), Button("snooze_monday", "下周一"))
CUSTOMER = "深圳市森林木业家居股份有限公司"

MESSAGES: dict[str, Message] = {
    "reminder": Message(
        "c1",
        "把含运费的报价单发给采购经理",
        lines=(("客户", CUSTOMER), ("到期", "今天 15:30")),
        url=PAGE,
        buttons=(DONE, *SNOOZES),
        source="待办提醒",
    ),
    "notice": Message(
        "c2",
        f"林晓燕 拜访了 {CUSTOMER}",
        text="见到采购经理，确认下个月的用量，样品留在前台。",
        lines=(("位置", "已核实 · 距客户 86 米"),),
        url=PAGE,
        source="拜访动态",
    ),
    "figure": Message(
        "c3",
        "华南销售部 · 今日新增",
        lines=(("林晓燕", "7 家"), ("陈子豪", "5 家")),
        url=PAGE,
        source="团队日报",
        figure=("12", "家新客户"),
    ),
    "vote": Message(
        "c4",
        "这个商机为什么输单？",
        text="选好后提交，结果记到商机里",
        url=PAGE,
        buttons=(Button("send", "提交"),),
        source="商机复盘",
        questions=(Question("why", "输单原因", (("price", "价格"), ("time", "交期"), ("fit", "功能不符")), many=True),),
    ),
    "choices": Message(
        "c5",
        "安排下周的回访",
        url=PAGE,
        buttons=(Button("send", "提交"),),
        source="拜访计划",
        questions=(
            Question("day", "哪一天", (("mon", "周一"), ("wed", "周三"), ("fri", "周五"))),
            Question("how", "怎么拜访", (("visit", "上门"), ("call", "电话"))),
        ),
    ),
    "report": Message(
        "c6",
        "华南销售部周报 · 11 月第 3 周",
        text="例外先看：2 家客户 7 天后回收公海。",
        lines=(("新客户", "12 家，比前四周均值多 3 家"), ("拜访", "31 次，核实 28 次"), ("逾期待办", "陈子豪 4 条")),
        url=PAGE,
        source="团队周报",
        form="report",
    ),
    "articles": Message(
        "c7",
        "本周学习资料",
        url=PAGE,
        source="培训",
        articles=(
            Article("2026 秋季新品手册", "三个系列的卖点与报价", PAGE),
            Article("物流时效说明", "华南到华东 48 小时", PAGE),
        ),
    ),
    "links": Message(
        "c8",
        "两家客户即将回收",
        lines=((CUSTOMER, "还有 3 天"), ("佛山市华星家具有限公司", "还有 1 天")),
        url=PAGE,
        buttons=(Button("a", "看客户", url=PAGE), Button("b", "申请延期", url=PAGE)),
        source="公海提醒",
    ),
    "note": Message("c9", "连接测试成功", text="看到这条消息，说明提醒可以送达您。", url=PAGE, form="note"),
}


def photograph(page: Page, line: Line, name: str, wanted: Message) -> None:
    """Send one message to an empty chat and take its picture."""
    line.emulator.forget()
    line.say(replace(wanted, card=f"{wanted.card}-{datetime.now(UTC).timestamp():.0f}"))
    _shoot(page, line, name)


def _shoot(page: Page, line: Line, name: str, group: str = "") -> None:
    page.goto(f"{line.running.url}/phone?bare=1&user={line.user}")
    row = page.locator(f'[data-group="{group}"]') if group else page.locator("#talk")
    row.click()
    card = page.locator("article.card").last
    card.wait_for()
    page.wait_for_timeout(350)  # the card slides in
    whole = Image.open(io.BytesIO(card.screenshot(animations="disabled")))
    picture = whole.convert("P", palette=Image.Palette.ADAPTIVE, colors=128)
    picture.save(TARGET / f"{line.host}-{name}.png", optimize=True)


def photo() -> bytes:
    """A made-up photo: a shelf in a warehouse."""
    image = Image.new("RGB", (900, 600), "#d9cfc0")
    draw, chance = ImageDraw.Draw(image), random.Random(7)
    for row in range(3):
        bottom = 190 * (row + 1)
        for column in range(9):
            height = chance.randint(60, 140)
            left = 20 + column * 97
            draw.rectangle((left, bottom - height, left + 84, bottom), fill=(150 + row * 20, 110 + column * 6, 70))
        draw.rectangle((0, bottom, 900, bottom + 12), fill="#6b5a45")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def files(page: Page, line: Line) -> None:
    line.emulator.forget()
    picture = line.connector.upload("image", "合影.jpg", photo())
    line.say(Message("f1", "合影", attachment=Attachment("image", picture)))
    _shoot(page, line, "image")
    file = line.connector.upload("file", "报价单（含税）.pdf", b"%PDF-1.7 sample")
    line.say(Message("f2", "报价单", attachment=Attachment("file", file)))
    _shoot(page, line, "file")


def groups(page: Page, line: Line) -> None:
    line.emulator.forget()
    group = next(iter(line.emulator.groups.groups.values())).id
    line.post(MESSAGES["notice"], post_id="one")
    _shoot(page, line, "group", group)
    many = [replace(MESSAGES["notice"], card=f"m{n}", title=f"陈子豪 新建了客户 {CUSTOMER}{n}") for n in range(1, 7)]
    line.post(*many, post_id="many", heading="6 条新动态")
    _shoot(page, line, "group-merged", group)


def main() -> None:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator
    from wsapp.connectors.dingtalk.emulator import demo_org as dingtalk_org
    from wsapp.connectors.wecom.emulator import WeComEmulator
    from wsapp.connectors.wecom.emulator import demo_org as wecom_org

    TARGET.mkdir(parents=True, exist_ok=True)
    hosts: tuple[tuple[Any, Callable[..., dict[str, Any]], Callable[..., Line]], ...] = (
        (WeComEmulator, wecom_org, _wecom),
        (DingTalkEmulator, dingtalk_org, _dingtalk),
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--lang=zh-CN"])
        for emulator, org, make_line in hosts:
            made = emulator()
            made.load(org("http://127.0.0.1:8000"))
            with made.start() as running:
                line = make_line(running)
                page = browser.new_context(viewport=PHONE, device_scale_factor=1.5).new_page()
                for name, wanted in MESSAGES.items():
                    photograph(page, line, name, wanted)
                files(page, line)
                groups(page, line)
        browser.close()
    print(f"{len(list(TARGET.glob('*.png')))} pictures in {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
