"""The story of a message (为什么没收到): what happened to it, when and why, and what its reader can do."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from wsapp import clock, outbox
from wsapp.connectors import connector_class
from wsapp.crm.notifications.actions import result_key, send_key
from wsapp.crm.notifications.models import DIGEST, QUIET
from wsapp.crm.org.models import Corp
from wsapp.h5 import words
from wsapp.h5.rows import Row, moment
from wsapp.house import local
from wsapp.texts import _

GAVE_UP = "gave_up"  # our own code: the end of our patience, not the host's answer
LOOKS = 2  # the host is asked so often what became of a message


@dataclass(frozen=True)
class Story:
    """`headline` says in a line what happened; `advice` what to do, each with an address or ""; `steps` are timeline
    items; a story that `goes_on` is worth another look in seconds."""

    headline: str
    advice: list[tuple[str, str]] = field(default_factory=list)
    steps: list[Row] = field(default_factory=list)
    goes_on: bool = False


def headline(row: Any, *, following: datetime | None = None) -> str:
    """Say in a line what happened to a message and why. `following` is known where a single one is looked at: when it
    is tried next, or when the host is asked what became of it."""
    parts = [_happened(row, following)]
    if row.host_code and row.host_code != GAVE_UP and row.state in ("failed", "dropped", "sending"):
        parts.append(_("平台返回代码 %(code)s", code=row.host_code))
    if row.attempts > 1:
        parts.append(_("已尝试 %(n)s 次", n=row.attempts))
    return _("；").join(filter(None, parts))


def _happened(row: Any, following: datetime | None) -> str:
    match row.state:
        case "planned":
            return _waiting(row, following)
        case "suppressed":
            return _(row.reason)  # reasons of messages that were stopped are source strings of the catalogue
        case "sending" if row.unknown:
            return _("平台没有回应，正在用同样的内容重试")
        case "sending":
            return _("平台暂时没有接收，%(at)s 再试", at=_minute(following)) if following else _("正在交给平台")
        case "accepted" if following:
            return _("平台已接收，%(at)s 询问送达结果", at=_minute(following))
        case "accepted":
            return _("平台已接收，没有送达回执")
        case "delivered":
            return _("平台确认已送达")
        case "dropped":
            return _("平台接收后没有给您显示")
        case "failed" if row.host_code == GAVE_UP:
            return _("一直没有成功，已放弃")
        case "failed":
            return _("平台拒绝了这条消息")
        case _:
            return ""


def _waiting(row: Any, following: datetime | None) -> str:
    if row.held == QUIET:
        return _("在免打扰时段，%(at)s 发送", at=moment(row.due_at))
    if row.held == DIGEST:
        return _("当天的消息较多，%(at)s 合并发送", at=moment(row.due_at))
    until = max(filter(None, (row.due_at, following)))
    if until > clock.now():
        queued = row.due_at <= clock.now()
        return _("排队等待，%(at)s 再发", at=_minute(until)) if queued else _("将在 %(at)s 发送", at=moment(until))
    return _("即将发送")


def _minute(at: datetime | None) -> str:
    return f"{local(at):%H:%M:%S}" if at else ""


# --- one message, in full -----------------------------------------------------------------------------------------


def story(row: Any, corp: Corp) -> Story:
    """Tell the whole story of one message."""
    following = _following(row)
    return Story(headline(row, following=following), _advice(row, corp), _steps(row), _goes_on(row, following))


def _following(row: Any) -> datetime | None:
    """When something is done about a message next."""
    if row.state in ("planned", "sending"):
        return outbox.waits_until(send_key(row.id))
    if row.state != "accepted":
        return None
    looks = (outbox.waits_until(result_key(row.id, row.attempts, number)) for number in range(LOOKS))
    return next(filter(None, looks), None)


def _goes_on(row: Any, following: datetime | None) -> bool:
    soon = clock.now() + timedelta(minutes=1)
    if row.state in ("planned", "sending"):
        return bool(max(filter(None, (row.due_at, following))) <= soon)
    return following is not None and following <= soon


def _steps(row: Any) -> list[Row]:
    kind = words.MESSAGE_KINDS.get(row.kind, row.kind)
    steps = [_step("bell", _("产生：%(kind)s", kind=kind), row.created_at)]
    if row.held:
        why = _("免打扰时段") if row.held == QUIET else _("当天的消息较多")
        steps.append(_step("moon", _("%(why)s，改到 %(at)s 发送", why=why, at=moment(row.due_at)), row.created_at))
    if row.tried_at and (row.attempts or row.sent_at):
        tries = _("第 %(n)s 次发送", n=row.attempts) if row.attempts > 1 else _("交给平台")
        steps.append(_step("refresh" if row.attempts > 1 else "message", tries, row.tried_at))
    if row.sent_at:
        steps.append(_step("check", _("平台已接收"), row.sent_at))
    if row.settled_at or row.state in ("read", "acted"):
        state = words.MESSAGE_STATES.get(row.state, row.state)
        icon = "alert" if row.state in ("failed", "dropped") else "close" if row.state == "suppressed" else "check"
        steps.append(_step(icon, str(state), row.settled_at or row.sent_at or row.due_at))
    return steps[::-1]


def _step(icon: str, what: str, at: datetime) -> Row:
    return {"icon": icon, "what": what, "at": local(at)}


def _advice(row: Any, corp: Corp) -> list[tuple[str, str]]:
    match row.state:
        case "suppressed" if row.merged_into:
            return [(_("查看合并后的那条消息"), f"/h5/me/messages/{row.merged_into}")]
        case "suppressed":
            return [(_("在通知设置里可以打开或关闭每类消息"), "/h5/me/channels")]
        case "planned" | "sending" if row.held == QUIET:
            return [(_("在通知设置里可以修改免打扰时段"), "/h5/me/channels")]
        case "planned" | "sending" if row.held == DIGEST:
            return [(_("在通知设置里可以改为每条都发"), "/h5/me/channels")]
        case "planned" | "sending" if corp.fault:
            return [(_("平台拒绝了应用的凭证，请联系管理员。修正后自动继续发送，不会丢失。"), "")]
        case "failed" | "dropped":
            return _advice_of_host(row, corp)
        case "accepted":
            return [
                (_("聊天里没有看到？请确认没有把这个应用设为消息免打扰，并检查手机是否允许通知。"), ""),
                (_("发一条测试消息试试"), "/h5/me/channels#test"),
            ]
        case _:
            return []


def _advice_of_host(row: Any, corp: Corp) -> list[tuple[str, str]]:
    """What the host's own code asks for, in the words that the doctor uses, too."""
    told = connector_class(corp.host).instruction(row.host_code) if row.host_code else None
    if told:
        place = _("（在平台管理后台：%(place)s）", place=str(told.place)) if told.place else ""
        return [(_("请管理员处理：%(fix)s", fix=str(told.fix)) + place, "")]
    if row.state == "dropped":
        return [(_("可能是当天的消息达到了平台上限，或应用不再对您可见。请联系管理员。"), "")]
    return [(_("请把上面的代码告诉管理员。内容仍可在应用里查看。"), "")]
