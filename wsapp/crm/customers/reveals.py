"""Telephone numbers on pages (查看电话): in part until somebody asks. Each look is an event, counted by the day."""

from collections.abc import Sequence
from datetime import date, timedelta
from statistics import median

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import Contact, Customer, PhoneReveal
from wsapp.crm.events.actions import record
from wsapp.crm.fields.access import HIDDEN, MASKED, access, masked_phone
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import Rule, declare, rule
from wsapp.db import current_corp, db, insert_unless_there, rows
from wsapp.house import local
from wsapp.problems import Forbidden, NotFound
from wsapp.texts import _, lazy

declare(
    Rule("phones.masked", "switch", True, lazy("页面上的电话只显示一部分"), hint=lazy("点一下才显示全部，并留下记录")),
    Rule("phones.reveals", "number", 100, lazy("每人每天查看电话的上限"), least=1, most=1000, unit=lazy("次"), hint=""),
)
USUAL_DAYS = timedelta(days=30)  # over which one's own usual number is taken
FEWEST_DAYS = 5  # before that nothing is usual yet
UNUSUAL = 3  # times one's own median
FEWEST = 10  # so many looks a day never alarm anybody


def phones_shown(customer: Customer, *, actor: Member) -> list[str]:
    """Return a customer's numbers as a page or a card shows them to the actor: none, in part, or in full."""
    how = access(actor, "phones")
    if how == HIDDEN:
        return []
    return [masked_phone(one) for one in customer.phones] if how == MASKED or rule("phones.masked") else customer.phones


def phones_told(customer: Customer, *, actor: Member) -> list[str]:
    """Return a customer's numbers to somebody who asked for this very customer: in full, noted and counted as looks.

    In part where the actor may not have them in full, or not so many today.
    """
    if not may_reveal(actor) or not rule("phones.masked"):
        return phones_shown(customer, actor=actor)
    told = phones_shown(customer, actor=actor)
    for position in range(len(told)):
        try:
            told[position] = reveal_phone(customer, position, actor=actor)
        except Forbidden:
            break
    return told


def unmasked(typed: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return what somebody typed over numbers in part: those that they left as they were stand for the known ones."""
    left = list(known)
    found = []
    for text in typed:
        meant = next((one for one in left if masked_phone(one) == text), "")
        if meant:
            left.remove(meant)
        found.append(meant or text)
    return found


def are_masked(actor: Member) -> bool:
    """Say whether pages show the actor numbers in part."""
    return bool(access(actor, "phones") == MASKED or rule("phones.masked"))


def may_reveal(actor: Member) -> bool:
    """Say whether the actor may have a number shown in full."""
    return access(actor, "phones") not in (HIDDEN, MASKED)


def reveal_phone(customer: Customer | Contact, position: int, *, actor: Member) -> str:
    """Return a number of a customer or a contact in full, and note that the actor looked (查看电话).

    Raises Forbidden where the actor's role masks numbers or the day's limit is reached, NotFound for no such number.
    """
    if not may_reveal(actor):
        raise Forbidden(_("您的角色不能查看完整电话"))
    if not 0 <= position < len(customer.phones):
        raise NotFound(_("没有这个电话"))
    number = customer.phones[position]
    count = _count_up(actor)
    record(
        "customer.phone_revealed",
        customer,
        actor=actor,
        customer_id=customer.customer_id if isinstance(customer, Contact) else customer.id,
        phone=masked_phone(number),
        count=count,
    )
    if count == _alarm_at(actor):
        record("member.reveals_unusual", actor, actor=None, name=actor.name, count=count)
    return number


def _count_up(actor: Member) -> int:
    """Count one more look of today and return how many; of many at once none goes beyond the limit."""
    today, most = _today(), rule("phones.reveals")
    key = f"{actor.id}:{today.isoformat()}"
    empty = {"corp_id": current_corp(), "id": key, "member_id": actor.id, "day": today, "count": 0}
    insert_unless_there(PhoneReveal, empty)
    taken = db.session.execute(
        sa.update(PhoneReveal)
        .where(PhoneReveal.id == key, PhoneReveal.count < most)
        .values(count=PhoneReveal.count + 1)
        .returning(PhoneReveal.count)
        .execution_options(synchronize_session=False)
    ).scalar()
    if taken is None:
        raise Forbidden(_("今天查看电话已达 %(most)d 次，请明天再试或联系管理员", most=most))
    return int(taken)


def _alarm_at(actor: Member) -> int:
    """Return at which look of today the administrators are told: three times one's own usual day, 0 for never."""
    usual = _counts_before(actor)
    if len(usual) < FEWEST_DAYS:
        return 0
    return max(FEWEST, int(UNUSUAL * median(usual))) + 1


def _counts_before(actor: Member) -> Sequence[int]:
    since = _today() - USUAL_DAYS
    wanted = sa.select(PhoneReveal.count).where(
        PhoneReveal.member_id == actor.id, PhoneReveal.day >= since, PhoneReveal.day < _today()
    )
    return rows(wanted)


def _today() -> date:
    return local(clock.now()).date()
