"""What the timeline says of each kind of event, and how it looks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import g

from wsapp.crm.events.kinds import KINDS
from wsapp.crm.fields.access import reads
from wsapp.crm.fields.definitions import fields_of
from wsapp.crm.pools.models import GRANTED
from wsapp.h5 import words
from wsapp.h5.rows import moment
from wsapp.texts import _, lazy

# kind → (icon, tone)
LOOKS = {
    "customer.created": ("customers", ""),
    "customer.changed": ("edit", "quiet"),
    "customer.assigned": ("swap", "quiet"),
    "customer.merged": ("customers", "quiet"),
    "customer.unmerged": ("customers", "quiet"),
    "customer.shared": ("team", "quiet"),
    "customer.unshared": ("team", "quiet"),
    "contact.added": ("me", "quiet"),
    "contact.changed": ("me", "quiet"),
    "lead.opened": ("filter", "quiet"),
    "lead.changed": ("filter", "quiet"),
    "lead.unanswered": ("alert", ""),
    "customer.phone_revealed": ("phone", "quiet"),
    "customer.locked": ("lock", "quiet"),
    "customer.rested": ("clock", "quiet"),
    "customer.deleted": ("trash", "quiet"),
    "customer.restored": ("refresh", "quiet"),
    "contact.deleted": ("trash", "quiet"),
    "contact.restored": ("refresh", "quiet"),
    "follow_up.deleted": ("trash", "quiet"),
    "follow_up.restored": ("refresh", "quiet"),
    "visit.deleted": ("trash", "quiet"),
    "visit.restored": ("refresh", "quiet"),
    "task.deleted": ("trash", "quiet"),
    "task.restored": ("refresh", "quiet"),
    "share.asked": ("team", "quiet"),
    "share.answered": ("team", "quiet"),
    "extension.asked": ("snooze", "quiet"),
    "extension.answered": ("snooze", "quiet"),
    "release.asked": ("pool", "quiet"),
    "release.answered": ("pool", "quiet"),
    "customer.claimed": ("pool", ""),
    "customer.released": ("pool", "quiet"),
    "customer.recycled": ("pool", "quiet"),
    "appeal.asked": ("team", "quiet"),
    "appeal.answered": ("team", "quiet"),
    "follow_up.logged": ("message", ""),
    "follow_up.changed": ("edit", "quiet"),
    "visit.planned": ("calendar", "quiet"),
    "visit.cancelled": ("close", "quiet"),
    "visit.missed": ("alert", "quiet"),
    "visit.replanned": ("calendar", "quiet"),
    "visit.set_out": ("visit", "quiet"),
    "visit.checked_in": ("visit", ""),
    "visit.checked_out": ("check", "quiet"),
    "task.created": ("tasks", "quiet"),
    "task.changed": ("edit", "quiet"),
    "task.assigned": ("swap", "quiet"),
    "task.done": ("check", "done"),
    "task.snoozed": ("snooze", "quiet"),
    "task.cancelled": ("close", "quiet"),
    "task.overdue": ("alert", ""),
    "task.escalated": ("alert", ""),
    "task.asked": ("message", "quiet"),
    "task.unlinked": ("info", "quiet"),
}
OBJECTS = {
    "customer": lazy("客户"),
    "contact": lazy("联系人"),
    "follow_up": lazy("跟进"),
    "visit": lazy("拜访"),
    "task": lazy("待办"),
}
NAMED = ("contact", "task")  # of the others what was written is in the bin, and nowhere else
SHARES = {"read": lazy("可查看"), "edit": lazy("可修改"), "handed": lazy("转交"), "refused": lazy("拒绝")}


def said(event: Any, people: Mapping[str, str]) -> str:
    """Say who did what, in one line."""
    who = people.get(event.actor_id or "", "") or _("系统")
    data = event.data
    match event.kind:
        case "customer.created":
            return _("%(who)s 新建了客户", who=who)
        case "customer.changed":
            return _("%(who)s 修改了%(fields)s", who=who, fields=_fields(event, words.CUSTOMER_FIELDS))
        case "customer.assigned":
            if not reads(g.member, "owner"):
                return _("%(who)s 修改了%(fields)s", who=who, fields=words.CUSTOMER_FIELDS["owner"])
            return _("%(who)s 把负责人改为 %(name)s", who=who, name=people.get(data.get("owner", ""), "—"))
        case "customer.claimed":
            return _("%(who)s 从%(pool)s领取", who=who, pool=data.get("pool_name", ""))
        case "customer.released":
            return _("%(who)s 退回%(pool)s", who=who, pool=data.get("pool_name", ""))
        case "customer.recycled":
            return _("%(who)s 回收到%(pool)s", who=who, pool=data.get("pool_name", ""))
        case "customer.shared" | "customer.unshared" | "contact.added" | "contact.changed":
            return _people_words(event, who, people)
        case "lead.opened" | "lead.changed" | "lead.unanswered":
            return _lead_words(event, who)
        case "customer.merged":
            return _("%(who)s 把客户 %(name)s 合并到这里", who=who, name=data.get("name", ""))
        case "customer.unmerged":
            return _("%(who)s 撤销了与客户 %(name)s 的合并", who=who, name=data.get("name", ""))
        case "follow_up.logged":
            return _(
                "%(who)s 跟进 · %(kind)s", who=who, kind=words.FOLLOW_UP_KINDS.get(data.get("follow_up_kind", ""), "")
            )
        case "follow_up.changed":
            return _("%(who)s 修改了跟进的%(fields)s", who=who, fields=_fields(event, words.FOLLOW_UP_FIELDS))
        case "visit.planned" | "visit.cancelled" | "visit.missed" | "visit.replanned" | "visit.set_out":
            return _plan_words(event, who)
        case "visit.checked_in":
            return _("%(who)s 拜访签到", who=who)
        case "visit.checked_out":
            return _check_out_words(event, who)
        case "customer.locked" | "customer.rested" | "extension.asked" | "extension.answered":
            return _clock_words(event, who)
        case "release.asked" | "release.answered":
            return _release_words(event, who)
        case "appeal.asked" | "appeal.answered":
            return _appeal_words(event, who, people)
        case "share.asked" | "share.answered":
            return _share_words(event, who, people)
        case "customer.phone_revealed":
            return _("%(who)s 查看了完整电话 %(phone)s", who=who, phone=data.get("phone", ""))
        case kind if kind.endswith((".deleted", ".restored")):
            return _bin_words(event, who)
        case _:
            return _task_words(event, who, people)


def _plan_words(event: Any, who: str) -> str:
    match event.kind:
        case "visit.planned":
            return _("%(who)s 计划在 %(at)s 拜访", who=who, at=moment(datetime.fromisoformat(event.data["at"])))
        case "visit.cancelled":
            return _("%(who)s 取消了拜访计划", who=who)
        case "visit.replanned":
            return _(
                "%(who)s 调整了拜访计划，现在是 %(at)s", who=who, at=moment(datetime.fromisoformat(event.data["at"]))
            )
        case "visit.set_out":
            return _("%(who)s 出发去拜访", who=who)
    return _("没有按计划拜访")


def _people_words(event: Any, who: str, people: Mapping[str, str]) -> str:
    name = event.data.get("name") or people.get(event.data.get("member", ""), "—")
    match event.kind:
        case "customer.shared":
            return _("%(who)s 邀请 %(name)s 协作", who=who, name=name)
        case "customer.unshared":
            return _("%(name)s 不再协作", name=name)
        case "contact.added":
            return _("%(who)s 新建了联系人 %(name)s", who=who, name=name)
        case _:
            return _("%(who)s 修改了联系人 %(name)s", who=who, name=name)


def _lead_words(event: Any, who: str) -> str:
    if event.kind == "lead.opened":
        return _("%(who)s 登记为线索", who=who)
    if event.kind == "lead.unanswered":
        return _("线索超时未响应")
    state = words.LEADS.get(event.changes["lead"][1], "")
    reason = words.INVALID_REASONS.get(event.data.get("reason", ""))
    if reason:
        return _("%(who)s 把线索标为%(state)s：%(reason)s", who=who, state=state, reason=reason)
    return _("%(who)s 把线索标为%(state)s", who=who, state=state)


def _bin_words(event: Any, who: str) -> str:
    obj, _dot, deed = event.kind.partition(".")
    name = event.data.get("title", "") if obj in NAMED else ""
    words = {"what": OBJECTS.get(obj, ""), "name": name, "who": who}
    if deed == "restored":
        return _("%(who)s 恢复了%(what)s %(name)s", **words).rstrip()
    return _("%(who)s 删除了%(what)s %(name)s", **words).rstrip()


def _clock_words(event: Any, who: str) -> str:
    if event.kind == "customer.locked":
        return _("%(who)s 锁定了客户", who=who) if event.data.get("locked") else _("%(who)s 取消了锁定", who=who)
    if event.kind == "customer.rested":
        until = event.data.get("until")
        return _("%(who)s 让客户休眠至 %(until)s", who=who, until=until) if until else _("%(who)s 恢复了客户", who=who)
    if event.kind == "extension.asked":
        return _("%(who)s 申请延期回收", who=who)
    if until := event.data.get("until"):
        return _("%(who)s 同意延期到 %(until)s", who=who, until=until)
    return _("%(who)s 没有同意延期", who=who)


def _release_words(event: Any, who: str) -> str:
    if event.kind == "release.asked":
        return _("%(who)s 申请退回公海", who=who)
    granted = event.data.get("answer") == GRANTED
    return _("%(who)s 同意退回公海", who=who) if granted else _("%(who)s 没有同意退回公海", who=who)


def _share_words(event: Any, who: str, people: Mapping[str, str]) -> str:
    if event.kind == "share.asked":
        return _("%(who)s 申请共享客户", who=who)
    said = SHARES.get(event.data.get("answer", ""), "")
    name = people.get(event.data.get("asker", ""), "—")
    return _("%(who)s 答复了 %(name)s 的共享申请：%(answer)s", who=who, name=name, answer=said)


def _appeal_words(event: Any, who: str, people: Mapping[str, str]) -> str:
    wish, yes = event.data.get("wish"), event.data.get("answer") == GRANTED
    if event.kind == "appeal.asked":
        name = people.get(event.data.get("member", ""), "—")
        return {
            "help": _("%(who)s 请 %(name)s 协助", who=who, name=name),
            "offer": _("%(who)s 请 %(name)s 接手待办", who=who, name=name),
            "delay": _("%(who)s 申请待办延期", who=who),
        }.get(str(wish), _("%(who)s 申请修改客户位置", who=who))
    said = {
        "help": (_("%(who)s 加入协作", who=who), _("%(who)s 谢绝了协助", who=who)),
        "offer": (_("%(who)s 接受了待办", who=who), _("%(who)s 谢绝了待办", who=who)),
        "delay": (_("%(who)s 同意待办延期", who=who), _("%(who)s 没有同意待办延期", who=who)),
    }.get(str(wish), (_("%(who)s 同意修改客户位置", who=who), _("%(who)s 没有同意修改客户位置", who=who)))
    return said[0 if yes else 1]


def _check_out_words(event: Any, who: str) -> str:
    if event.data.get("by_system"):
        return _("拜访在当天 23:59 自动签退")
    return _("%(who)s 拜访签退，停留 %(n)s 分钟", who=who, n=event.data.get("minutes", 0))


def _task_words(event: Any, who: str, people: Mapping[str, str]) -> str:
    data = event.data
    title = data.get("title", "")
    match event.kind:
        case "task.created":
            return _("%(who)s 新建待办：%(title)s", who=who, title=title)
        case "task.changed":
            return _("%(who)s 修改了待办的%(fields)s", who=who, fields=_fields(event, words.TASK_FIELDS))
        case "task.assigned":
            return _("%(who)s 把待办交给 %(name)s", who=who, name=people.get(data.get("assignee", ""), "—"))
        case "task.done":
            return _("%(who)s 完成了待办：%(title)s", who=who, title=title)
        case "task.snoozed":
            until = datetime.fromisoformat(data["until"])
            return _("%(who)s 把待办推迟到 %(until)s", who=who, until=moment(until))
        case "task.cancelled":
            return _("%(who)s 取消了待办：%(title)s", who=who, title=title)
        case "task.unlinked":
            return _("%(who)s 在平台的列表里删除了这条待办", who=who)
        case "task.overdue":
            return _("待办已逾期：%(title)s", title=title)
        case "task.escalated":
            return _escalated(data, people, title)
        case "task.asked":
            return _("%(who)s 催办：%(title)s", who=who, title=title)
        case _:
            return str(KINDS.get(event.kind, event.kind))


def _escalated(data: Mapping[str, Any], people: Mapping[str, str], title: str) -> str:
    leader = people.get(data.get("leader") or "", "")
    if leader:
        return _("待办仍未处理，已告诉 %(name)s：%(title)s", name=leader, title=title)
    return _("待办仍未处理：%(title)s", title=title)


def _fields(event: Any, labels: dict[str, Any]) -> str:
    known = [str(labels[field]) for field in event.changes if field in labels]
    return _("、").join([*known, *_own_fields(event)]) or _("资料")


def _own_fields(event: Any) -> list[str]:
    """Return the labels of the corp's own fields that changed, as far as the reader sees these fields."""
    keys = [field.removeprefix("custom.") for field in event.changes if field.startswith("custom.")]
    there = fields_of(event.subject_type) if keys else {}
    return [there[key].label for key in keys if key in there and reads(g.member, f"custom.{key}", event.subject_type)]
