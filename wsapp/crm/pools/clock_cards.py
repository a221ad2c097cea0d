"""What the messages about customers that leave their owner say."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from wsapp.crm.notifications.messages import BUNDLE_SHOWN, Card, link, when
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import names
from wsapp.crm.pools.models import GRANTED, KEEP, OPEN, OVER, Draw, OwnerRequest
from wsapp.crm.pools.words import tell_date
from wsapp.texts import _

EXTEND, GRANT, REFUSE = "clock_extend", "clock_grant", "clock_refuse"  # keys of buttons


def _card(title: str, lines: Sequence[list[str]], path: str, text: str = "", buttons: Any = ()) -> Card:
    return {
        "title": title[:120],
        "text": text,
        "lines": list(lines),
        "url": link(path),
        "buttons": list(buttons),
        "source": _("公海回收"),
        "state": "",
    }


def warning_card(near: Sequence[Any], *, day: date) -> Card:
    """Return the one card that tells an owner which of their customers (id, name, warned_for) leave soon."""
    soonest = near[0]
    left = (soonest.warned_for - day).days
    if len(near) == 1:
        title = _("%(name)s 将在 %(n)d 天后回收到公海", name=soonest.name, n=left)
        lines = [[_("客户"), soonest.name], [_("回收日期"), tell_date(soonest.warned_for)]]
        buttons = [{"key": EXTEND, "text": _("申请延期"), "style": "primary"}]
        return _card(title, lines, f"/h5/customers/{soonest.id}", _("写跟进或拜访后会重新计时。"), buttons)
    lines = [[tell_date(one.warned_for), one.name] for one in near[:BUNDLE_SHOWN]]
    more = len(near) - len(lines)
    text = _("还有 %(count)d 个，点开查看", count=more) if more else ""
    return _card(_("%(n)d 个客户即将回收到公海", n=len(near)), lines, "/h5/customers/leaving", text)


def silence_card(silent: Sequence[tuple[str, str, int]]) -> Card:
    """Return the one card that tells an owner whom nobody followed up: (id, name, days), the longest first."""
    customer_id, name, days = silent[0]
    if len(silent) == 1:
        card = _card(
            _("%(name)s 已 %(n)d 天未跟进", name=name, n=days), [[_("客户"), name]], f"/h5/customers/{customer_id}"
        )
    else:
        lines = [[_("%(n)d 天未跟进", n=since), one] for _id, one, since in silent[:BUNDLE_SHOWN]]
        more = len(silent) - len(lines)
        text = _("还有 %(count)d 个，点开查看", count=more) if more else ""
        title = _("%(n)d 个客户长期未跟进", n=len(silent))
        card = _card(title, lines, "/h5/customers?sort=updated_at", text)
    return {**card, "source": _("跟进提醒")}


def lost_card(lost: Sequence[Any]) -> Card:
    """Return the one card that tells an owner which customers (id, name, reason) went to a pool."""
    if len(lost) == 1:
        lines = [[_("客户"), lost[0].name], [_("原因"), lost[0].reason]]
        return _card(_("客户已回收到公海：%(name)s", name=lost[0].name), lines, "/h5/pool")
    lines = [[one.reason, one.name] for one in lost[:BUNDLE_SHOWN]]
    more = len(lost) - len(lines)
    text = _("还有 %(count)d 个，点开查看", count=more) if more else ""
    return _card(_("%(n)d 个客户已回收到公海", n=len(lost)), lines, "/h5/pool", text)


def result_card(pools: Sequence[tuple[str, int, int]]) -> Card:
    """Return the card that tells who manages pools what a night brought: (pool, customers, former owners)."""
    total = sum(customers for _name, customers, _owners in pools)
    lines = [
        [name, _("%(n)d 个客户，来自 %(people)d 人", n=customers, people=owners)] for name, customers, owners in pools
    ]
    return _card(_("昨晚有 %(n)d 个客户回收到公海", n=total), lines, "/h5/pool")


# --- requests -----------------------------------------------------------------------------------------------------


def answers(wish: str) -> list[dict[str, str]]:
    """Return the answers that a request's card and its page offer."""
    return [
        {"key": GRANT, "text": _("同意延期") if wish == KEEP else _("同意退回"), "style": "primary"},
        {"key": REFUSE, "text": _("不同意"), "style": "plain"},
    ]


def asked_card(request: OwnerRequest, *, customer: str, asker: Member, reason: str, days: int) -> Card:
    """Return the card that asks a manager for more time."""
    lines = [
        [_("客户"), customer],
        [_("回收日期"), tell_date(request.leaves_on)],
        [_("回收原因"), reason],
        [_("延长"), _("%(n)d 天", n=days)],
    ]
    title = _("%(who)s 申请延期保留客户", who=asker.name)
    return _card(title, lines, f"/h5/extensions/{request.id}", "", answers(KEEP))


def release_asked_card(request: OwnerRequest, *, customer: str, asker: Member, pool: str) -> Card:
    """Return the card that asks a manager whether a customer may go back into a pool."""
    lines = [[_("客户"), customer], [_("原因"), request.reason], [_("退回到"), pool]]
    title = _("%(who)s 申请退回客户", who=asker.name)
    return _card(title, lines, f"/h5/extensions/{request.id}", "", answers(request.wish))


def answered_card(request: OwnerRequest, *, customer: str, decider: Member) -> Card:
    """Return the card that tells the owner how their request ended."""
    lines = [[_("客户"), customer], [_("答复"), decider.name]]
    is_granted = request.state == GRANTED
    if request.wish != KEEP:
        title = _("退回已同意，客户已进入公海") if is_granted else _("退回未获同意，客户仍由您负责")
        return _card(title, lines, "/h5/pool" if is_granted else f"/h5/customers/{request.customer_id}")
    if is_granted and request.kept_until:
        title = _("延期已同意，保留到 %(day)s", day=tell_date(request.kept_until))
    else:
        title = _("延期未获同意，将在 %(day)s 回收", day=tell_date(request.leaves_on))
    return _card(title, lines, f"/h5/customers/{request.customer_id}")


def state_text(request: OwnerRequest) -> str:
    """Return what stands in place of the buttons, empty while nobody has answered."""
    if request.state == OPEN or request.decided_at is None:
        return ""
    if request.state == OVER:
        return _("申请已失效")
    is_granted = request.state == GRANTED
    if request.wish == KEEP:
        said = _("已同意延期") if is_granted else _("未同意延期")
    else:
        said = _("已同意退回") if is_granted else _("未同意退回")
    who = names([request.decider_id]).get(request.decider_id or "", "")
    return _("%(said)s · %(who)s %(time)s", said=said, who=who, time=when(request.decided_at))


# --- draws --------------------------------------------------------------------------------------------------------


def draw_card(draw: Draw, *, customer: str, people: int, reader: Member) -> Card:
    """Return the card that tells somebody who signed up for a customer how the draw ended."""
    lines = [[_("客户"), customer], [_("报名人数"), _("%(n)d 人", n=people)]]
    if draw.winner_id == reader.id:
        return _card(_("您抽中了 %(name)s", name=customer), lines, f"/h5/customers/{draw.customer_id}")
    if draw.winner_id is None:
        return _card(_("抽签未成：%(name)s", name=customer), lines, "/h5/pool", _("客户已不在公海，或没有人可以领取。"))
    return _card(_("没有抽中 %(name)s", name=customer), lines, "/h5/pool")
