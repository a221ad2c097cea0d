"""What the messages about requests to share say."""

from wsapp.crm.customers.models import Customer
from wsapp.crm.notifications.messages import Card, link, when
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import department_names, names
from wsapp.crm.sharing.models import EDIT, HANDED, OPEN, OVER, READ, ShareRequest
from wsapp.texts import _


def buttons() -> list[dict[str, str]]:
    """Return the answers that a request's card and its page offer."""
    return [
        {"key": "share_read", "text": _("共享查看"), "style": "primary"},
        {"key": "share_edit", "text": _("共享编辑"), "style": "plain"},
        {"key": "share_hand", "text": _("转给对方"), "style": "plain"},
        {"key": "share_refuse", "text": _("拒绝"), "style": "plain"},
    ]


def asked_card(request: ShareRequest, *, customer: str, asker: Member) -> Card:
    """Return the card that asks for an answer."""
    lines = [[_("客户"), customer], [_("部门"), _("、").join(department_names(asker)) or "—"]]
    if request.reason:
        lines.append([_("说明"), request.reason])
    return {
        "title": _("%(who)s 申请共享您的客户", who=asker.name),
        "text": "",
        "lines": lines,
        "url": link(f"/h5/share-requests/{request.id}"),
        "buttons": buttons(),
        "source": _("客户共享"),
        "state": "",
    }


def answered_card(request: ShareRequest, *, customer: Customer, decider: Member) -> Card:
    """Return the card that tells the asker. A refusal names no more than the check did."""
    granted = request.state in (READ, EDIT, HANDED)
    return {
        "title": _titles(request),
        "text": "" if granted else _("如有疑问，请直接与同事沟通。"),
        "lines": [[_("客户"), customer.name], [_("答复"), decider.name]] if granted else [],
        "url": link(f"/h5/customers/{customer.id}" if granted else f"/h5/share-requests/{request.id}"),
        "buttons": [],
        "source": _("客户共享"),
        "state": "",
    }


def _titles(request: ShareRequest) -> str:
    return {
        READ: _("申请已通过：您可以查看这位客户"),
        EDIT: _("申请已通过：您可以查看和编辑这位客户"),
        HANDED: _("这位客户已转给您负责"),
    }.get(request.state, _("您的共享申请被拒绝"))


def waiting_card(request: ShareRequest, *, reader: Member) -> Card:
    """Return the card that tells the asker to whom the request was passed on."""
    return {
        "title": _("负责人两天没有答复，申请已转给主管"),
        "text": "",
        "lines": [[_("申请时间"), when(request.created_at)]],
        "url": link(f"/h5/share-requests/{request.id}"),
        "buttons": [],
        "source": _("客户共享"),
        "state": "",
    }


def state_text(request: ShareRequest) -> str:
    """Return what stands in place of the buttons, empty while nobody has answered."""
    if request.state == OPEN or request.decided_at is None:
        return ""
    if request.state == OVER:
        return _("申请已失效")
    said = {READ: _("已共享查看"), EDIT: _("已共享编辑"), HANDED: _("已转给对方")}.get(request.state, _("已拒绝"))
    who = names([request.decider_id]).get(request.decider_id or "", "")
    return _("%(said)s · %(who)s %(time)s", said=said, who=who, time=when(request.decided_at))
