"""Reading commands: what the robot answers, as neutral cards (see `wsapp.crm.notifications.messages`).

Everything is read within the asker's own rights. In a group others read along, so telephone numbers are masked there,
wherever they stand.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from wsapp.bots.sight import MOST, customers_called
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer, names_of
from wsapp.crm.customers.reveals import phones_shown, phones_told
from wsapp.crm.fields.access import reads
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.followups.queries import visible_follow_ups
from wsapp.crm.notifications.messages import Card, link, when
from wsapp.crm.org.models import ACTIVE, Member
from wsapp.crm.org.queries import leads_others, names, within_team
from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.queries import are_open, are_overdue, start_of_today
from wsapp.crm.visits.figures import todays_figures
from wsapp.db import db, first, rows
from wsapp.house import local
from wsapp.texts import _

LINKS = 3  # as many jumps as every host's card has
SHOWN_TASKS = 6
SHOWN_PEOPLE = 8
TEAM_MOST = 500
SHOWN_TEXT = 60
# Mainland mobiles and landlines with or without separators, and anything international: six digits and more in a row.
_PHONE = re.compile(r"(?<![0-9])\+?[0-9](?:[ \-–()（）]?[0-9]){5,17}(?![0-9])")


def card(title: str, *, text: str = "", lines: Sequence[Sequence[str]] = (), path: str = "/h5/") -> Card:
    """Return an answer's card, which opens the page `path`."""
    return {
        "title": title,
        "text": text,
        "lines": [list(line) for line in lines],
        "url": link(path),
        "buttons": [],
        "source": _("机器人"),
        "state": "",
    }


def jump(text: str, path: str) -> dict[str, str]:
    """Return a button that opens a page of ours."""
    return {"key": "", "text": text, "style": "plain", "url": link(path)}


# --- what is answered ---------------------------------------------------------------------------------------------


def find(name: str, *, actor: Member, alone: bool) -> Card:
    """查: one customer, or several to choose from. `alone`: nobody reads along, so numbers may be told in full."""
    if not name:
        return card(_("要查哪位客户？"), text=_("请写上客户名称，例如：查 森林"), path="/h5/customers")
    found = customers_called(name, actor=actor)
    if not found:
        return unknown_customer(name)
    return _customer(found[0].id, actor=actor, alone=alone) if len(found) == 1 else _several(name, found, actor)


def unknown_customer(name: str) -> Card:
    """The answer for a name that nobody visible bears: whether there is such a customer is not told."""
    text = _("可能名称不同，或您没有查看权限。换个关键词再试，或在应用里搜索。")
    return card(_("没有找到“%(name)s”", name=name[:30]), text=text, path="/h5/customers")


def _customer(customer_id: str, *, actor: Member, alone: bool) -> Card:
    customer = find_customer(customer_id, actor=actor)
    sees = partial(reads, actor)
    phones = (phones_told if alone else phones_shown)(customer, actor=actor)
    said = sa.select(FollowUp.text).where(FollowUp.customer_id == customer.id, visible_follow_ups(actor))
    last = first(said.order_by(FollowUp.happened_at.desc()).limit(1))
    lines = [
        (_("负责人"), names([customer.owner_id]).get(customer.owner_id or "", "—") if sees("owner") else ""),
        (_("级别"), (customer.level or "") if sees("level") else ""),
        (_("电话"), _("、").join(phones)),
        (_("上次跟进"), _last(customer) if sees("last_followed_at") else ""),
        (_("下次跟进"), when(customer.next_follow_at) if customer.next_follow_at and sees("next_follow_at") else ""),
    ]
    shown = [line for line in lines if line[1]]
    text = _("最近：%(text)s", text=_short(last)) if last and sees("text", "follow_up") else ""
    return card(customer.name, text=text, lines=shown, path=f"/h5/customers/{customer.id}")


def _last(customer: Customer) -> str:
    return when(customer.last_followed_at) if customer.last_followed_at else _("还没有")


def _several(name: str, found: Sequence[Any], actor: Member) -> Card:
    owners = names([one.owner_id for one in found]) if reads(actor, "owner") else None
    lines = [
        (str(number), one.name if owners is None else f"{one.name} · {owners.get(one.owner_id or '', '—')}")
        for number, one in enumerate(found[:MOST], start=1)
    ]
    more = len(found) > MOST
    title = _("“%(name)s”有多位客户", name=name[:30])
    answer = card(title, text=_("还有更多，请把名称写得更完整") if more else "", lines=lines, path="/h5/customers")
    answer["buttons"] = [jump(f"{n}. {one.name}", f"/h5/customers/{one.id}") for n, one in enumerate(found[:LINKS], 1)]
    return answer


def today(*, actor: Member) -> Card:
    """今天: what is overdue and what is due, soonest first."""
    tomorrow = start_of_today() + timedelta(days=1)
    statement = sa.select(Task).where(Task.assignee_id == actor.id, are_open(), Task.due_at < tomorrow)
    mine = rows(statement.order_by(Task.due_at, Task.id).limit(SHOWN_TASKS))
    counted = sa.select(sa.func.count(), sa.func.count().filter(are_overdue())).select_from(Task)
    total, overdue = db.session.execute(
        counted.where(Task.assignee_id == actor.id, are_open(), Task.due_at < tomorrow)
    ).one()
    visits, logs, _overdue = todays_figures([actor.id], actor=actor)[actor.id]
    customers = names_of([task.customer_id for task in mine])
    lines = [(_due(task), _about(task, customers)) for task in mine]
    text = _("今天已拜访 %(visits)d 次，跟进 %(logs)d 次", visits=visits, logs=logs)
    if total > len(mine):
        text += "\n" + _("还有 %(count)d 条，点开查看", count=total - len(mine))
    title = _("今天 %(due)d 条待办，%(overdue)d 条逾期", due=total - overdue, overdue=overdue)
    return card(title if total else _("今天没有待办"), text=text, lines=lines, path="/h5/")


def _due(task: Task) -> str:
    """When, in five characters: labels are no longer on every host."""
    if local(task.due_at) < start_of_today():
        return _("逾期")
    return _("全天") if task.all_day else f"{local(task.due_at):%H:%M}"


def _about(task: Task, customers: dict[str, str]) -> str:
    customer = customers.get(task.customer_id or "", "")
    return f"{task.title} · {customer}" if customer and customer not in task.title else task.title


def team(*, actor: Member) -> Card:
    """团队今天: who did what, those who did nothing first."""
    if not leads_others(actor):
        return card(_("您没有团队"), text=_("部门负责人和管理员可以查看团队的今天。试试：今天"), path="/h5/")
    statement = sa.select(Member.id, Member.name).where(Member.status == ACTIVE, within_team(Member.id, actor))
    people = db.session.execute(statement.order_by(Member.name).limit(TEAM_MOST)).all()
    figures = todays_figures([one.id for one in people], actor=actor)
    idle = [one for one in people if sum(figures[one.id][:2]) == 0]
    ranked = sorted(people, key=lambda one: (sum(figures[one.id][:2]) == 0, -sum(figures[one.id][:2]), one.name))
    lines = [(one.name, _figures(*figures[one.id])) for one in ranked[:SHOWN_PEOPLE]]
    visits, logs, overdue = (sum(column) for column in zip(*figures.values(), strict=True))
    title = _("团队今天：拜访 %(visits)d，跟进 %(logs)d，逾期 %(overdue)d", visits=visits, logs=logs, overdue=overdue)
    return card(title, text=_who_is_idle(idle), lines=lines, path="/h5/team")


def _figures(visits: int, logs: int, overdue: int) -> str:
    said = _("拜访 %(visits)d · 跟进 %(logs)d", visits=visits, logs=logs)
    return said + (" · " + _("逾期 %(n)s", n=overdue) if overdue else "")


def _who_is_idle(people: Sequence[Any]) -> str:
    if not people:
        return _("每个人今天都有跟进或拜访")
    named = _("、").join(one.name for one in people[:SHOWN_PEOPLE])
    if len(people) > SHOWN_PEOPLE:
        return _("今天还没有跟进：%(names)s 等 %(count)d 人", names=named, count=len(people))
    return _("今天还没有跟进：%(names)s", names=named)


def help_card(title: str = "") -> Card:
    """帮助: what can be said, as examples."""
    lines = [
        (_("查"), _("查 森林：看客户")),
        (_("今天"), _("今天：我的待办和跟进")),
        (_("团队"), _("团队今天：谁跟进了，谁还没有")),
        (_("记"), _("记 森林 报价已发 周五回访")),
        (_("提醒"), _("提醒 明天下午3点 给森林打电话")),
    ]
    text = _("记和提醒会先发一张卡片，您确认后才写入。")
    return card(title or _("可以这样对我说"), text=text, lines=lines)


def stranger() -> Card:
    """The answer to whoever is not (or no longer) a member here."""
    text = _("请先在工作台打开一次应用；如果打不开，请管理员把您加入应用的可见范围。")
    return card(_("抱歉，我还不认识您"), text=text)


# --- in a group ---------------------------------------------------------------------------------------------------


def for_group(answer: Card) -> Card:
    """Return an answer fit for a group: every telephone number masked but for its last four digits."""
    return {
        **answer,
        "title": masked(answer["title"]),
        "text": masked(answer["text"]),
        "lines": [[masked(label), masked(value)] for label, value in answer["lines"]],
        "buttons": [{**one, "text": masked(one["text"])} for one in answer["buttons"]],
    }


def masked(text: str) -> str:
    """Mask what may be a telephone number: 138····8000."""
    return _PHONE.sub(_mask, text)


def _mask(match: re.Match[str]) -> str:
    digits = re.sub(r"[^0-9]", "", match.group())
    if len(digits) < 7:
        return match.group()
    return f"{digits[:3] if len(digits) > 9 else ''}····{digits[-4:]}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_TEXT else line[: SHOWN_TEXT - 1] + "…"
