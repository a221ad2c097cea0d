"""What people are told of and by which ways: one line each. The channels page, the console's defaults and the sender
read these tables; a new kind of message or a new way is a line here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask_babel.speaklater import LazyString

from wsapp.texts import lazy

MESSAGE = "message"  # the host's work notification or card, to one person
EVERYBODY, LEADERS, ADMINS = "everybody", "leaders", "admins"


@dataclass(frozen=True)
class Channel:
    """A way by which people are told."""

    key: str
    title: LazyString


@dataclass(frozen=True)
class Topic:
    """Something that people may hear of: the ledger's kinds that speak of it, and whether each way is on by default.

    A way that is missing in `channels` does not exist for this topic. `audience` says who can hear of it at all.
    """

    key: str
    title: LazyString
    hint: LazyString
    kinds: tuple[str, ...]
    channels: Mapping[str, bool] = field(default_factory=lambda: {MESSAGE: True})
    audience: str = EVERYBODY


CHANNELS = (Channel(MESSAGE, lazy("应用消息")),)

TOPICS = (
    Topic(
        "due",
        lazy("待办到点提醒"),
        lazy("在您选定的时刻提醒，不受免打扰时段影响"),
        ("task.due", "task.snooze", "task.bundle"),
    ),
    Topic(
        "assigned",
        lazy("有人把待办交给我，或从我这里转走"),
        lazy("新的待办、待办转交"),
        ("task.assigned", "task.handed_over"),
    ),
    Topic(
        "overdue",
        lazy("我的待办逾期"),
        lazy("逾期后按工作日提醒，以及主管催办"),
        ("task.overdue", "task.asked"),
    ),
    Topic(
        "customers",
        lazy("客户分配给我，或从我这里转走"),
        lazy("新的客户、负责人变更、被回收到公海、抽签结果"),
        ("customer.assigned", "customer.lost", "customers.assigned", "draw.ended"),
    ),
    Topic(
        "briefs",
        lazy("早间清单和晚间小结"),
        lazy("工作日每天各一条，没有内容就不发送"),
        ("brief.morning", "brief.evening"),
    ),
    Topic("leavers", lazy("下属离职，需要交接"), lazy("发给直接主管，没有主管时发给管理员"), ("member.left",)),
    Topic(
        "pool",
        lazy("我管理的公海的动态"),
        lazy("发给公海管理员：有人领取或退回客户，以及每晚回收的结果"),
        ("pool.claimed", "pool.released", "pool.recycled"),
    ),
    Topic(
        "clock",
        lazy("客户即将回收到公海"),
        lazy("回收前提醒负责人，以及延期和退回申请的审批和答复"),
        ("pool.warning", "extension.asked", "extension.answered", "release.asked", "release.answered"),
    ),
    Topic(
        "unlinked",
        lazy("待办在平台里被我删除"),
        lazy("问一声要不要重新创建，待办本身不受影响"),
        ("task.unlinked",),
    ),
    Topic(
        "sharing",
        lazy("客户共享"),
        lazy("同事申请共享我的客户，以及我的申请得到答复"),
        ("share.asked", "share.answered", "share.passed"),
    ),
    Topic(
        "team_overdue",
        lazy("下属的待办逾期"),
        lazy("按逾期的工作日逐级发给主管"),
        ("team.overdue", "team.bundle"),
        audience=LEADERS,
    ),
    Topic("mentions", lazy("有人提到我"), lazy("同事在跟进、拜访或评论里 @ 我"), ("mention.named",)),
    Topic("comments", lazy("跟进和拜访的评论"), lazy("我写的，或我评论过的，几分钟内的合成一条"), ("comment.added",)),
    Topic(
        "help",
        lazy("请求协助和待办转交"),
        lazy("同事请我协作客户、接手待办，以及我的请求得到答复"),
        ("help.asked", "help.answered", "offer.asked", "offer.answered", "offer.waiting"),
    ),
    Topic(
        "approvals",
        lazy("待办延期和客户位置的审批"),
        lazy("发给主管审批，答复发给申请人"),
        ("delay.asked", "delay.answered", "move.asked", "move.answered"),
    ),
    Topic("shared", lazy("有人邀请我协作客户"), lazy("被加为协作人时提醒"), ("customer.shared",)),
    Topic("lead", lazy("线索超时未响应"), lazy("发给负责人"), ("lead.unanswered",)),
    Topic("watched", lazy("我关注的客户和待办的动态"), lazy("同事修改、跟进、拜访、完成时提醒"), ("watched.changed",)),
    Topic(
        "silent",
        lazy("客户长期未跟进"),
        lazy("按客户级别，超过天数提醒负责人，一天最多一条"),
        ("customer.silent",),
    ),
    Topic("birthday", lazy("联系人生日"), lazy("生日前一天提醒客户的负责人"), ("contact.birthday",)),
    Topic("team_leads", lazy("下属的线索超时未响应"), lazy("发给直接主管"), ("team.lead",), audience=LEADERS),
    Topic(
        "directory",
        lazy("通讯录异常"),
        lazy("发给管理员：大量成员离职、同步失败或等待确认"),
        ("directory.held", "directory.asking", "directory.failed"),
        audience=ADMINS,
    ),
    Topic(
        "unusual_looks",
        lazy("查看电话、导出异常"),
        lazy("发给管理员：某人一天查看的电话，或导出的行数，超过平时的三倍"),
        ("member.reveals_unusual", "member.exports_unusual"),
        audience=ADMINS,
    ),
    Topic(
        "allowance",
        lazy("平台调用额度将用完"),
        lazy("发给管理员：用到 70% 和 90% 时各提醒一次"),
        ("allowance.low",),
        audience=ADMINS,
    ),
    Topic(
        "digests",
        lazy("团队日报和周报"),
        lazy("异常在前，与前四周的平均值比较"),
        ("digest.daily", "digest.weekly"),
        audience=LEADERS,
    ),
    Topic(
        "team_visits",
        lazy("下属的拜访动态"),
        lazy("下属签到拜访后告诉直接主管"),
        ("visit.checked_in",),
        audience=LEADERS,
    ),
    Topic(
        "plans",
        lazy("拜访计划"),
        lazy("同事邀请我同行、改期、出发或取消，以及我的计划过了一天没有签到"),
        ("visit.planned", "visit.replanned", "visit.set_out", "visit.cancelled", "visit.missed"),
    ),
    Topic("visit_soon", lazy("拜访前提醒"), lazy("计划的拜访开始前，卡片上可以出发、签到"), ("visit.soon",)),
    Topic("reports", lazy("工作汇报"), lazy("同事提交或抄送给我的日报、周报"), ("report.sent",)),
    Topic(
        "report_due",
        lazy("提醒我提交工作汇报"),
        lazy("管理员设了时间才会提醒；休假时不提醒"),
        ("report.due",),
    ),
    Topic(
        "export",
        lazy("导出审批"),
        lazy("有人申请导出等您批准，或您的申请有了结果"),
        ("export.asking", "export.decided"),
    ),
)

TOPIC_OF = {kind: topic for topic in TOPICS for kind in topic.kinds}


# Sent for the sake of the calendar alone: never on a free day.
ON_WORKDAYS = frozenset({"task.overdue", "team.overdue", "team.bundle", "customer.silent", "report.due"})


# They are a summary themselves: never put off to a later one, nor merged into it.
SUMMARIES = frozenset({"brief.morning", "brief.evening", "digest.daily", "digest.weekly"})


def choice_key(topic: str, channel: str) -> str:
    """Return under which name the choice of a way for a topic is kept."""
    return f"{topic}/{channel}"


def topics_for(*, leads: bool, administers: bool) -> tuple[Topic, ...]:
    """Return what somebody can hear of, in the order in which it is shown."""
    audiences = {EVERYBODY, *([LEADERS] if leads else []), *([ADMINS] if administers else [])}
    return tuple(one for one in TOPICS if one.audience in audiences)


def choices(topics: Sequence[Topic]) -> list[dict[str, Any]]:
    """Return topics as the pages show them: key, title, hint, and the ways that there are as (choice key, title)."""
    titles = {one.key: one.title for one in CHANNELS}
    return [
        {
            "key": topic.key,
            "title": topic.title,
            "hint": topic.hint,
            "options": [(choice_key(topic.key, channel), titles[channel]) for channel in topic.channels],
        }
        for topic in topics
    ]
