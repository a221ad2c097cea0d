"""How the stream of a corp is, for the console: open or not, since when, and when something last came over it."""

from typing import TypeGuard

from wsapp import clock, hosts
from wsapp.crm.org.models import STREAM_OPEN, STREAM_REFUSED, Corp, HostStream
from wsapp.crm.org.queries import stream_of
from wsapp.house import local
from wsapp.texts import _

MOMENT = "%Y-%m-%d %H:%M"


def facts(corp: Corp) -> list[tuple[str, str]]:
    """Return (label, value) rows; none where the host sends to an address."""
    if not hosts.lines().of(corp).streams:
        return []
    stream = stream_of(corp.id)
    last = stream.last_event_at if stream else None
    return [
        (_("Stream 连接"), _state(stream)),
        (_("最近推送"), local(last).strftime(MOMENT) if last else _("还没有收到")),
    ]


def trouble(corp: Corp) -> str:
    """Return why nothing comes over the corp's stream; empty while it is open, or where there is to be none."""
    if not hosts.lines().of(corp).streams:
        return ""
    stream = stream_of(corp.id)
    return "" if _is_watched(stream) and stream.state == STREAM_OPEN else _state(stream)


def _is_watched(stream: HostStream | None) -> TypeGuard[HostStream]:
    return stream is not None and stream.held_until is not None and stream.held_until >= clock.wall()


def _state(stream: HostStream | None) -> str:
    if not _is_watched(stream):
        return _("没有后台进程在保持连接")
    since = local(stream.since).strftime(MOMENT) if stream.since else ""
    if stream.state == STREAM_OPEN:
        return _("已连接，自 %(since)s", since=since)
    if stream.state == STREAM_REFUSED:
        return _("被拒绝：%(reason)s", reason=stream.reason)
    return _("正在重新连接：%(reason)s", reason=stream.reason) if stream.reason else _("正在连接")
