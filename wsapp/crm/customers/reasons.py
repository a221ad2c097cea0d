"""Why somebody sees, or does not see, a customer (为什么能看到): the same rights as everywhere, said in words."""

from collections.abc import Sequence

import sqlalchemy as sa

from wsapp.crm.customers import dedupe_rules as _rules  # noqa: F401 - declares them
from wsapp.crm.customers.models import Coworker, Customer
from wsapp.crm.customers.queries import may_do
from wsapp.crm.fields.access import STARS, reads
from wsapp.crm.org.models import ADMIN, Member
from wsapp.crm.org.queries import names
from wsapp.crm.org.rights import roles_of, sight, stood_in_for
from wsapp.crm.org.roles import VALUE_FIELDS
from wsapp.crm.org.rules import rule
from wsapp.db import first
from wsapp.texts import _

DEEDS = ("see", "edit", "transfer", "delete", "export")


def sees_customer(customer: Customer, person: Member) -> bool:
    """Say whether a person sees a customer, as every list and page decides it."""
    return customer.deleted_at is None and may_do(customer, "see", actor=person)


def reasons(customer: Customer, person: Member, *, reader: Member) -> Sequence[str]:
    """Return every reason why a person sees a customer; where they do not, what is missing. The owner is named to a
    reader who sees the customer and its owner; to others as the duplicate check names them.
    """
    found = [] if customer.deleted_at is not None else list(_granting(customer, person, reader))
    return found or list(_missing(customer, person, reader))


def deeds(customer: Customer, person: Member) -> dict[str, bool]:
    """Return what a person may do with a customer: "see", "edit", "transfer", "delete", "export"."""
    there = customer.deleted_at is None
    return {action: there and may_do(customer, action, actor=person) for action in DEEDS}


def _owner_as_told(customer: Customer, reader: Member) -> str:
    """Return the owner's name, or stars where the reader is not to know it."""
    told = reads(reader, "owner") if sees_customer(customer, reader) else rule("duplicates.owner")
    return names([customer.owner_id]).get(customer.owner_id or "", STARS) if told else STARS


def _granting(customer: Customer, person: Member, reader: Member) -> Sequence[str]:
    covered, said = sight(person), []
    roles = _("、").join(str(one.name) for one in roles_of(person))
    if person.role == ADMIN:
        said.append(_("管理员可以查看所有客户"))
    elif covered.people is None:
        said.append(_("角色“%(roles)s”可以查看全部客户", roles=roles))
    if customer.owner_id == person.id:
        said.append(_("是这位客户的负责人"))
    elif covered.people is not None and customer.owner_id in covered.people:
        owner = _owner_as_told(customer, reader)
        said.append(_("负责人 %(name)s 在角色“%(roles)s”可查看的范围内", name=owner, roles=roles))
    for field, value in sorted(covered.having):
        if getattr(customer, field) == value:
            shown = value if reads(reader, field) else STARS
            said.append(_("客户的%(field)s是“%(value)s”，在可查看的范围内", field=VALUE_FIELDS[field], value=shown))
    for absent in stood_in_for(person):
        theirs = sight(absent)
        if theirs.covers(customer.owner_id) or theirs.covers_by_value(customer):
            said.append(_("正在代理 %(name)s", name=absent.name))
    if covered.shared and _is_coworker(customer, person):
        said.append(_("是这位客户的协作人"))
    return said


def _missing(customer: Customer, person: Member, reader: Member) -> Sequence[str]:
    if customer.deleted_at is not None:
        return [_("客户已删除，只有管理员能在回收站看到")]
    roles = _("、").join(str(one.name) for one in roles_of(person))
    said = []
    if customer.owner_id is None:
        said.append(_("客户没有负责人，在公海里：请到公海查看或领取"))
    else:
        owner = _owner_as_told(customer, reader)
        said.append(_("负责人 %(name)s 不在角色“%(roles)s”可查看的范围内", name=owner, roles=roles))
    if _is_coworker(customer, person):
        said.append(_("虽然是协作人，但角色不允许查看别人共享的客户"))
    else:
        said.append(_("不是这位客户的协作人"))
    return said


def _is_coworker(customer: Customer, person: Member) -> bool:
    shared = sa.select(Coworker.id).where(Coworker.customer_id == customer.id, Coworker.member_id == person.id)
    return first(shared) is not None
