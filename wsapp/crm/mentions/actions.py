"""Naming colleagues: who is meant, who may hear of it, writing it down."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.coworkers import add_coworker
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import may_by_right, visible_customers
from wsapp.crm.fields.access import reads
from wsapp.crm.mentions.models import Mention
from wsapp.crm.org.models import ACTIVE, Member
from wsapp.crm.org.queries import department_names
from wsapp.crm.org.rights import forget_sights, sight
from wsapp.db import current_corp, db, first, insert_unless_there, new_id, rows
from wsapp.problems import Invalid
from wsapp.texts import _

MOST = 20
LONGEST_NAME = 20  # letters after the @ that are looked at
INVITE, SKIP = "invite", "skip"  # what becomes of whoever may not see the record
# Not behind a letter or digit: that is a mail address.
AT = re.compile(rf"(?<![0-9A-Za-z_.])[@＠]([^\s@＠,，.。;；:：、!！?？()（）]{{1,{LONGEST_NAME}}})")


class Unseen(Invalid):
    """Some who are named may not see the record; asked before anything is saved. `may_invite`: they can be invited."""

    def __init__(self, people: Sequence[Member], *, may_invite: bool) -> None:
        names = _("、").join(one.name for one in people)
        words = _("%(names)s 看不到这个客户：邀请协作，或不提醒", names=names)
        super().__init__({"mentions": words if may_invite else _("%(names)s 看不到这个客户，无法提醒", names=names)})
        self.may_invite = may_invite


class Several(Invalid):
    """A name behind an @ is that of several colleagues: `people`, as (id, name and department); one is meant."""

    def __init__(self, name: str, people: Sequence[tuple[str, str]]) -> None:
        super().__init__({"mentions": _("有几位同事叫 %(name)s，请选择", name=name)})
        self.people = people


# --- who is meant -------------------------------------------------------------------------------------------------


def named(
    text: str, values: Mapping[str, Any], *, customer: Customer | None, obj: str, actor: Member, author_id: str = ""
) -> list[str]:
    """Return the ids of the colleagues whom a record about a customer names and who are to hear of it.

    `values["mentions"]` are ids that were chosen; names in the text behind an @ are found besides. Without that key
    nobody is named. `values["unseen"]` says what becomes of those who may not see the record: INVITE makes them
    co-workers who look, SKIP leaves them out; without it they are asked about. `author_id`: whose the record is, if
    not the actor's. Raises Invalid, Unseen.
    """
    author_id = author_id or actor.id
    if values.get("mentions") is None:
        return []
    people = _people(text, values["mentions"], actor)
    hidden = [one for one in people if not may_hear(one, customer, obj=obj, author_id=author_id)]
    if hidden:
        # What a phone sends later cannot be asked about any more.
        unseen = values.get("unseen") or (SKIP if values.get("recorded_at") else "")
        _settle(hidden, str(unseen), customer, actor)
    return [one.id for one in people if may_hear(one, customer, obj=obj, author_id=author_id)]


def _people(text: str, chosen: Iterable[str], actor: Member) -> list[Member]:
    wanted = list(dict.fromkeys(chosen))
    found = {one.id: one for one in rows(sa.select(Member).where(Member.id.in_(wanted), Member.status == ACTIVE))}
    if len(found) != len(wanted):
        raise Invalid({"mentions": _("找不到这位成员，或已离职")})
    found |= {one.id: one for one in _typed(text, {one.name for one in found.values()})}
    found.pop(actor.id, None)
    if len(found) > MOST:
        raise Invalid({"mentions": _("最多提到 %(most)d 人", most=MOST)})
    return list(found.values())


def _typed(text: str, chosen: set[str]) -> list[Member]:
    """Whom the names behind an @ mean: the longest name that begins there. Two of one name have to be chosen."""
    typed = AT.findall(text)
    starts = {word[:length] for word in typed for length in range(1, len(word) + 1)}
    if not starts:
        return []
    people: dict[str, list[Member]] = {}
    for one in rows(sa.select(Member).where(Member.name.in_(sorted(starts)), Member.status == ACTIVE)):
        people.setdefault(one.name, []).append(one)
    meant = {name for word in typed if (name := _longest(word, people)) and name not in chosen}
    if several := sorted(name for name in meant if len(people[name]) > 1):
        raise Several(several[0], [(one.id, _called(one)) for one in people[several[0]]])
    return [people[name][0] for name in sorted(meant)]


def _called(person: Member) -> str:
    return _("%(name)s（%(department)s）", name=person.name, department=_("、").join(department_names(person)))


def _longest(word: str, people: Mapping[str, Any]) -> str:
    return next((word[:length] for length in range(len(word), 0, -1) if word[:length] in people), "")


# --- who may hear -------------------------------------------------------------------------------------------------


def may_hear(person: Member, customer: Customer | None, *, obj: str, author_id: str) -> bool:
    """Say whether somebody sees a record (`obj`: follow_up or visit) about a customer (or none) of `author_id`'s."""
    covered = sight(person, obj)
    if covered.people is None or author_id in covered.people:
        return True
    if customer is None:
        return False
    seen = sa.select(Customer.id).where(Customer.id == customer.id, visible_customers(person))
    return covered.shared and first(seen) is not None


def _settle(hidden: Sequence[Member], unseen: str, customer: Customer | None, actor: Member) -> None:
    may_invite = customer is not None and may_by_right(customer, "edit", actor=actor) and reads(actor, "owner")
    if unseen == SKIP:
        return
    if unseen != INVITE or not may_invite or customer is None:
        raise Unseen(hidden, may_invite=may_invite)
    for one in hidden:
        try:
            add_coworker(customer, one, may_edit=False, actor=actor, quietly=True)
        except Invalid as problem:
            raise Invalid({"mentions": problem.detail}) from None
        forget_sights(one)


# --- writing it down ----------------------------------------------------------------------------------------------


def facts(record: Any, member_ids: Iterable[str]) -> dict[str, Any]:
    """Write down whom a new record names, and return what its event says of it: nothing where it names nobody."""
    fresh = keep(record, member_ids)
    return {"named": fresh} if fresh else {}


def keep(record: Any, member_ids: Iterable[str]) -> list[str]:
    """Write down whom a record names; returns the ids of those whom it did not name before."""
    column = f"{record.__tablename__}_id"
    empty = dict.fromkeys(("follow_up_id", "visit_id", "comment_id"))
    fresh = []
    for member_id in member_ids:
        row = {**empty, "corp_id": current_corp(), "id": new_id(), "member_id": member_id, column: record.id}
        if insert_unless_there(Mention, row):
            fresh.append(member_id)
    return fresh


def forget(record: Any, *, but: Iterable[str]) -> None:
    """Forget whom a record does not name any more."""
    column = getattr(Mention, f"{record.__tablename__}_id")
    gone = sa.delete(Mention).where(column == record.id, Mention.member_id.not_in(sorted(but)))
    db.session.execute(gone.execution_options(synchronize_session=False))
