"""What messages about customers say: shared ones, leads that wait, birthdays. Cards as in `messages`."""

from collections.abc import Sequence

from wsapp.crm.notifications.messages import Card, link
from wsapp.texts import _


def _card(title: str, text: str, lines: list[list[str]], path: str, source: str) -> Card:
    return {
        "title": title[:120],
        "text": text,
        "lines": lines,
        "url": link(path),
        "buttons": [],
        "source": source,
        "state": "",
    }


def shared_card(customer_id: str, *, customer: str, giver: str, may_edit: bool) -> Card:
    """Return the card that tells somebody that they co-work on a customer from now on."""
    return _card(
        _("%(giver)s 邀请您协作客户：%(customer)s", giver=giver or _("系统"), customer=customer),
        "",
        [[_("权限"), _("查看和编辑") if may_edit else _("查看")]],
        f"/h5/customers/{customer_id}",
        _("客户协作"),
    )


def lead_card(customer_id: str, *, customer: str, minutes: int, owner: str = "") -> Card:
    """Return the card that says that a lead still waits for its first response: to its owner, or of `owner`."""
    title = (
        _("%(owner)s 的线索还没有响应：%(customer)s", owner=owner, customer=customer)
        if owner
        else _("线索等待首次响应：%(customer)s", customer=customer)
    )
    text = _("超过 %(n)s 分钟（工作时间）没有跟进。写一条跟进即为响应。", n=minutes)
    return _card(title, text, [], f"/h5/customers/{customer_id}", _("线索响应"))


def birthday_card(people: Sequence[tuple[str, str, str]]) -> Card:
    """Return the one card about the contacts whose birthday is tomorrow: (contact's id, name, customer's name)."""
    first_id, first_name, _first_customer = people[0]
    title = (
        _("明天是 %(name)s 的生日", name=first_name)
        if len(people) == 1
        else _("明天有 %(n)s 位联系人生日", n=len(people))
    )
    lines = [[name, customer] for _contact_id, name, customer in people[:6]]
    return _card(title, "", lines, f"/h5/contacts/{first_id}", _("联系人生日"))
