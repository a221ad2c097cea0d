"""What messages say: neutral cards in the reader's language, as plain data (the connectors know how to draw them).

A card: {"title", "text", "lines": [[label, value]], "url", "buttons": [{"key", "text", "style"}], "source", "state"}.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.queries import names_of
from wsapp.crm.fields.access import read_by_all, shown
from wsapp.crm.org.models import Corp, Member
from wsapp.crm.org.standing import standing
from wsapp.crm.tasks.models import CANCELLED, DONE, Task
from wsapp.db import current_corp, first
from wsapp.house import house, local, local_now
from wsapp.texts import _, speaking

Card = dict[str, Any]

SNOOZES = ("snooze_60", "snooze_tomorrow", "snooze_monday")
BUNDLE_SHOWN = 6


def link(path: str) -> str:
    """Return the address that opens a page of ours in the right corp, signed in on the way."""
    host_corp_id = standing("host_corp_id", _host_corp_id)
    mark = "&" if "?" in path else "?"
    return f"{house().settings.server.public_url}{path}{mark}corp={host_corp_id}"


def _host_corp_id() -> Any:
    return first(sa.select(Corp.host_corp_id).where(Corp.id == current_corp()))


def when(moment: datetime, *, all_day: bool = False) -> str:
    """Return a moment as people say it: 今天 15:30, 明天 09:00, 3月5日 周四 14:00."""
    there, now = local(moment), local_now()
    days = (there.date() - now.date()).days
    names = {-1: _("昨天"), 0: _("今天"), 1: _("明天"), 2: _("后天")}
    weekdays = (_("周一"), _("周二"), _("周三"), _("周四"), _("周五"), _("周六"), _("周日"))
    if days in names:
        day = names[days]
    else:
        day = _("%(month)d月%(day)d日 %(weekday)s", month=there.month, day=there.day, weekday=weekdays[there.weekday()])
    return day if all_day else f"{day} {there:%H:%M}"


def task_card(task: Task, *, kind: str, reader: Member | None, customers: Mapping[str, str] | None = None) -> Card:
    """Return the card that reminds of a task, or that shows its end. `kind` is the reminder's: due, snooze, overdue.

    `reader` sees the task's fields as their role says; None for a group, where nobody knows who reads along.
    `customers`: their names by id, where they were asked for already.
    """
    named = names_of([task.customer_id]) if customers is None else customers
    customer = named.get(task.customer_id or "")
    lines = [[_("到期"), when(task.due_at, all_day=task.all_day)]]
    if customer:
        lines.insert(0, [_("客户"), customer])
    if note := _told(reader, "note", task.note, "task"):
        lines.append([_("备注"), note])
    heading = {"overdue": _("待办已逾期"), "snooze": _("稍后提醒"), "assigned": _("新的待办")}.get(kind, _("待办提醒"))
    return {
        "title": task.title,
        "text": "",
        "lines": lines,
        "url": link(f"/h5/tasks/{task.id}"),
        "buttons": task_buttons() if task.is_open else [],
        "source": heading,
        "state": "",
    }


def _told(reader: Member | None, field: str, value: Any, obj: str) -> Any:
    """Return a field as a card may tell it: to its reader as their role says, to a group if no role hides it at all."""
    if reader is None:
        return value if read_by_all(field, obj) else None
    return shown(reader, {field: value}, obj).get(field)


def task_buttons() -> list[dict[str, str]]:
    """Return the buttons of a task card."""
    return [
        {"key": "done", "text": _("完成"), "style": "primary"},
        {"key": "snooze_60", "text": _("1 小时后"), "style": "plain"},
        {"key": "snooze_tomorrow", "text": _("明天 9 点"), "style": "plain"},
        {"key": "snooze_monday", "text": _("下周一"), "style": "plain"},
    ]


def task_state(task: Task, *, who: str) -> str:
    """Return the line that stands on a card in place of its buttons, empty while the task is simply open."""
    if task.state == DONE and task.done_at:
        return _("已完成 · %(who)s %(time)s", who=who, time=_clock_time(task.done_at))
    if task.state == CANCELLED and task.done_at:
        return _("已取消 · %(who)s %(time)s", who=who, time=_clock_time(task.done_at))
    if task.snoozed_until and task.snoozed_until > clock.now():
        return _("已推迟到 %(time)s", time=when(task.snoozed_until))
    return ""


def _clock_time(moment: datetime) -> str:
    return when(moment) if local(moment).date() != local_now().date() else f"{local(moment):%H:%M}"


def bundle_card(tasks: Sequence[Task]) -> Card:
    """Return the one card for everything that fell due while the product was down."""
    shown = tasks[:BUNDLE_SHOWN]
    lines = [[when(task.due_at, all_day=task.all_day), task.title] for task in shown]
    more = len(tasks) - len(shown)
    return {
        "title": _("系统暂停期间有 %(count)d 条待办到期", count=len(tasks)),
        "text": _("还有 %(count)d 条，点开查看", count=more) if more else "",
        "lines": lines,
        "url": link("/h5/tasks"),
        "buttons": [],
        "source": _("待办提醒"),
        "state": "",
    }


def digest_card(cards: Sequence[Card], *, quiet: bool) -> Card:
    """Return the one card for messages that were held back: by quiet hours, or because there were many that day."""
    shown = cards[:BUNDLE_SHOWN]
    more = len(cards) - len(shown)
    count = len(cards)
    return {
        "title": _("免打扰期间有 %(count)d 条消息", count=count) if quiet else _("又有 %(count)d 条消息", count=count),
        "text": _("还有 %(count)d 条，点开查看", count=more) if more else "",
        "lines": [[card.get("source") or _("消息"), card["title"]] for card in shown],
        "url": link("/h5/me/messages"),
        "buttons": [],
        "source": _("消息汇总"),
        "state": "",
    }


def test_card(at: datetime) -> Card:
    """Return the card by which people see whether messages reach them."""
    return {
        "title": _("测试消息 %(time)s", time=f"{local(at):%H:%M:%S}"),
        "text": _("看到这条消息，说明提醒可以送达您。"),
        "lines": [],
        "url": link("/h5/me/channels"),
        "buttons": [],
        "source": _("通知设置"),
        "state": "",
    }


def photo_card(path: str, attachment: dict[str, str] | None) -> Card:
    """Return the message that brings a photo into somebody's chat; else a link to its record."""
    card: Card = {
        "title": _("照片"),
        "text": "" if attachment else _("平台没有接受这张照片，请点开查看。"),
        "lines": [],
        "url": link(path),
        "buttons": [],
        "source": _("照片"),
        "state": "",
    }
    return {**card, "attachment": attachment} if attachment else card


def allowance_card(meter: str, count: int, most: int, mark: int) -> Card:
    """Return the card that warns administrators: the host's monthly allowance is running out."""
    advice = (
        _(
            "从现在起改用最省的消息形式：不再查询送达结果，卡片改为普通通知。用完后平台会拒绝发送，请购买增购包或升级版本。"
        )
        if mark >= 90
        else _("到 90% 时系统会自动改用最省的消息形式。")
    )
    return {
        "title": _("本月%(meter)s已用 %(mark)d%%", meter=meter, mark=mark),
        "text": advice,
        "lines": [[_("已用"), str(count)], [_("额度"), str(most)]],
        "url": link("/admin/"),
        "buttons": [],
        "source": _("平台额度"),
        "state": "",
    }


def visit_card(
    visit: Any,
    *,
    author: str,
    customer: str,
    text: str,
    trust: str,
    distance: float | None,
    reader: Member | None,
) -> Card:
    """Return the card that tells a manager, or (`reader` None) a group, of a visit."""
    trusts = {
        "verified": _("已核实"),
        "near": _("附近"),
        "far": _("较远"),
        "no_fix": _("无定位"),
        "stale": _("定位过期"),
    }
    place = trusts.get(trust, trust)
    if distance is not None:
        place = _("%(trust)s · 距客户 %(metres)d 米", trust=place, metres=distance)
    return {
        "title": _("%(author)s 拜访了 %(customer)s", author=author, customer=customer),
        "text": _told(reader, "note", text, "visit") or "",
        "lines": [[_("位置"), place]] if _told(reader, "trust", trust, "visit") else [],
        "url": link(f"/h5/visits/{visit}"),
        "buttons": [],
        "source": _("拜访动态"),
        "state": "",
    }


def overdue_card(task: Task, *, assignee: str, reader: Member | None) -> Card:
    """Return the card that tells a manager, or (`reader` None) a group, of overdue work."""
    card = task_card(task, kind="overdue", reader=reader)
    card["title"] = _("%(assignee)s 的待办已逾期：%(title)s", assignee=assignee, title=task.title)[:120]
    card["buttons"] = []
    return card


def handed_over_card(task: Task, *, giver: str, taker: str, reader: Member) -> Card:
    """Return the card that tells the former assignee that a task moved on."""
    card = task_card(task, kind="assigned", reader=reader)
    card["title"] = _("%(giver)s 把待办转给了 %(taker)s：%(title)s", giver=giver, taker=taker, title=task.title)[:120]
    card["buttons"] = []
    card["source"] = _("待办转交")
    return card


def unusual_card(kind: str, member_id: str, *, name: str, count: int) -> Card:
    """Return the card that tells an administrator of somebody who looks at, or takes out, far more than usual."""
    looks = _("%(name)s 今天已查看 %(n)s 次电话", name=name, n=count)
    rows = _("%(name)s 今天已申请导出 %(n)s 行", name=name, n=count)
    return {
        "title": rows if kind == "member.exports_unusual" else looks,
        "text": _("超过本人平时的三倍。请确认是否正常；需要时可以让对方退出登录，或调整角色。"),
        "lines": [],
        "url": link(f"/admin/members/{member_id}"),
        "buttons": [],
        "source": _("数据安全"),
        "state": "",
    }


def directory_card(kind: str, data: Mapping[str, Any]) -> Card:
    """Return the card that tells an administrator what is wrong with the directory."""
    titles = {
        "directory.held": _("短时间内大量成员离职，已暂停标记"),
        "directory.asking": _("通讯录同步需要确认：%(n)s 名成员将标记为离职", n=data.get("leavers", 0)),
        "directory.failed": _("通讯录同步失败"),
    }
    texts = {
        "directory.held": _("相关人员已退出登录。系统即将完整同步一次通讯录，请核对结果。"),
        "directory.asking": _("占成员的两成以上。请先检查应用的可见范围；没有标记任何人。"),
        "directory.failed": _("成员和部门保持上次同步的样子，请查看原因。"),
    }
    return {
        "title": titles[kind],
        "text": texts[kind],
        "lines": [],
        "url": link("/admin/directory"),
        "buttons": [],
        "source": _("通讯录"),
        "state": "",
    }


def unlinked_card(task: Task, *, in_calendar: bool, reader: Member) -> Card:
    """Return the card that asks what is to become of a task that was deleted in the host's own list."""
    card = task_card(task, kind="unlinked", reader=reader)
    card["text"] = (
        _("您在日程里删除了它，待办本身还在。点开可以重新放回日程，或不再同步这一条。")
        if in_calendar
        else _("您在平台的待办里删除了它，待办本身还在。点开可以重新创建，或不再同步这一条。")
    )
    card["buttons"] = []
    card["source"] = _("待办同步")
    return card


def customer_card(customer_id: str, name: str, *, title: str, lines: Sequence[list[str]], path: str = "") -> Card:
    """Return the card that tells of a customer who changed hands; it opens the record, or `path`."""
    return {
        "title": title[:120],
        "text": "",
        "lines": [[_("客户"), name], *lines],
        "url": link(path or f"/h5/customers/{customer_id}"),
        "buttons": [],
        "source": _("客户归属"),
        "state": "",
    }


def customers_card(count: int, *, giver: str) -> Card:
    """Return the one card for many customers that were given to somebody together."""
    return {
        "title": _("%(giver)s 分配给您 %(count)d 个客户", giver=giver, count=count)[:120],
        "text": _("请尽快联系，点开查看客户列表。"),
        "lines": [],
        "url": link("/h5/customers"),
        "buttons": [],
        "source": _("客户归属"),
        "state": "",
    }


def leaver_card(leaver: Member, *, customers: int, tasks: int) -> Card:
    """Return the card that asks a manager to hand over what somebody who left had."""
    return {
        "title": _("%(name)s 已离职，请交接客户", name=leaver.name)[:120],
        "text": _("系统已按现有工作量给出接手建议，确认后 7 天内可以撤销。"),
        "lines": [[_("客户"), str(customers)], [_("未完成的待办"), str(tasks)]],
        "url": link(f"/h5/team/{leaver.id}/handover"),
        "buttons": [],
        "source": _("离职交接"),
        "state": "",
    }


def in_language_of(reader: Member) -> Any:
    """Return the context in which a message to `reader` is written."""
    return speaking(reader.language)
