"""What messages about appeals say. Cards as in `notifications.messages`."""

from datetime import date, datetime
from typing import Any

from wsapp.crm.appeals.models import DELAY, GRANTED, HELP, MOVE, OFFER, OPEN, REFUSED, WITHDRAWN, Appeal
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import names_of, visible_names
from wsapp.crm.notifications.messages import Card, link, when
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import names
from wsapp.crm.tasks.models import Task
from wsapp.texts import _

# Keys of buttons.
GRANT, REFUSE = "appeal_grant", "appeal_refuse"


def buttons(wish: str) -> list[dict[str, str]]:
    """Return the answers that an appeal's card and its page offer."""
    yes, no = {
        HELP: (_("加入协作"), _("谢绝")),
        OFFER: (_("接受"), _("谢绝")),
    }.get(wish, (_("同意"), _("不同意")))
    return [{"key": GRANT, "text": yes, "style": "primary"}, {"key": REFUSE, "text": no, "style": "plain"}]


def asked_card(appeal: Appeal, *, about: Customer | Task, asker: Member, reader: Member) -> Card:
    """Return the card that asks for an answer."""
    return _card(_asked_title(appeal, asker.name), facts_of(appeal, about, reader=reader), appeal, buttons(appeal.wish))


def _asked_title(appeal: Appeal, who: str) -> str:
    return {
        HELP: _("%(who)s 请您协助一位客户", who=who),
        OFFER: _("%(who)s 想把一条待办转给您", who=who),
        DELAY: _("%(who)s 申请待办延期", who=who),
        MOVE: _("%(who)s 申请修改客户位置", who=who),
    }[appeal.wish]


def facts_of(appeal: Appeal, about: Customer | Task | None, *, reader: Member) -> list[list[str]]:
    """Return what an appeal is about, as (label, words), for one of its parties.

    Of an offered task, who does not see its customer is not told the customer's name.
    """
    found: list[list[str]] = []
    if isinstance(about, Task):
        customers = visible_names([about.customer_id], actor=reader)
        if name := customers.get(about.customer_id or ""):
            found.append([_("客户"), name])
        found += [[_("待办"), about.title], [_("到期"), when(about.due_at, all_day=about.all_day)]]
    elif about is not None:
        found.append([_("客户"), about.name])
    found += _wishes(appeal)
    if appeal.note:
        found.append([_("说明"), appeal.note])
    return found


def _wishes(appeal: Appeal) -> list[list[str]]:
    facts: Any = appeal.facts
    if appeal.wish == HELP:
        access = _("查看和编辑") if facts["may_edit"] else _("查看")
        until = day_words(date.fromisoformat(facts["until"])) if facts["until"] else _("不限")
        return [[_("权限"), access], [_("协作到"), until]]
    if appeal.wish == DELAY:
        return [[_("申请延到"), when(datetime.fromisoformat(facts["due_at"]))]]
    if appeal.wish == MOVE:
        return [[_("距原位置"), metres_words(facts["metres"])]]
    return []


def day_words(day: date) -> str:
    """Return a day as people write it."""
    return _("%(year)d年%(month)d月%(day)d日", year=day.year, month=day.month, day=day.day)


def metres_words(metres: int | None) -> str:
    """Return how far a place moves; None: it is taken away."""
    if metres is None:
        return _("清除位置")
    return _("%(n)s 公里", n=round(metres / 1000, 1)) if metres >= 1000 else _("%(n)s 米", n=metres)


def answered_card(appeal: Appeal, *, about: Customer | Task, decider: Member, reader: Member) -> Card:
    """Return the card that tells the asker (and an owner in whose name they asked)."""
    lines = facts_of(appeal, about, reader=reader)[: 3 if isinstance(about, Task) else 1]
    if appeal.reason:
        lines.append([_("原因"), appeal.reason])
    return _card(_answered_title(appeal, decider.name), lines, appeal, [])


def _answered_title(appeal: Appeal, who: str) -> str:
    yes = {
        HELP: _("%(who)s 已加入协作", who=who),
        OFFER: _("%(who)s 接受了您的待办", who=who),
        DELAY: _("%(who)s 同意了延期", who=who),
        MOVE: _("%(who)s 同意了位置修改", who=who),
    }
    no = {
        HELP: _("%(who)s 谢绝了协助", who=who),
        OFFER: _("%(who)s 谢绝了您的待办", who=who),
        DELAY: _("%(who)s 没有同意延期", who=who),
        MOVE: _("%(who)s 没有同意位置修改", who=who),
    }
    return (yes if appeal.state == GRANTED else no)[appeal.wish]


def waiting_card(appeal: Appeal, task: Task) -> Card:
    """Return the card that tells who offered a task that it is due and nobody has answered."""
    who = names([appeal.reader_id]).get(appeal.reader_id, "")
    lines = [[_("待办"), task.title], [_("到期"), when(task.due_at, all_day=task.all_day)]]
    card = _card(_("%(who)s 还没有答复您的转交", who=who), lines, appeal, [])
    card["text"] = _("待办仍由您负责，请及时处理，或撤回后转给他人。")
    return card


def _card(title: str, lines: list[list[str]], appeal: Appeal, offered: list[dict[str, str]]) -> Card:
    return {
        "title": title[:120],
        "text": "",
        "lines": lines,
        "url": link(f"/h5/appeals/{appeal.id}"),
        "buttons": offered,
        "source": {HELP: _("请求协助"), OFFER: _("待办转交"), DELAY: _("待办延期"), MOVE: _("客户位置")}[appeal.wish],
        "state": "",
    }


def state_text(appeal: Appeal) -> str:
    """Return what stands in place of the buttons, empty while nobody has answered."""
    if appeal.state == OPEN or appeal.decided_at is None:
        return ""
    if appeal.state not in (GRANTED, REFUSED):
        return _("请求已撤回") if appeal.state == WITHDRAWN else _("请求已失效")
    yes = {HELP: _("已加入协作"), OFFER: _("已接受")}.get(appeal.wish, _("已同意"))
    no = {HELP: _("已谢绝"), OFFER: _("已谢绝")}.get(appeal.wish, _("未同意"))
    who = names([appeal.decider_id]).get(appeal.decider_id or "", "")
    said = yes if appeal.state == GRANTED else no
    return _("%(said)s · %(who)s %(time)s", said=said, who=who, time=when(appeal.decided_at))


def about_words(appeal: Appeal, task: Task | None) -> str:
    """Return in one line what an appeal is about, for its parties' lists."""
    if task is not None:
        return task.title
    return names_of([appeal.customer_id]).get(appeal.customer_id or "", "")
