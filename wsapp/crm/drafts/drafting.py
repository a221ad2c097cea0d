"""The draft of a follow-up out of one sentence: what is filled in, and what has to be asked. Nothing is stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from wsapp.crm.customers.models import Customer
from wsapp.crm.drafts.day import IMPOSSIBLE, PAST, UNSURE, VAGUE
from wsapp.crm.drafts.moments import Found
from wsapp.crm.drafts.people import Named, called, contacts_in, named_in
from wsapp.crm.drafts.sentences import Said, understand
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import rule
from wsapp.texts import _


@dataclass(frozen=True)
class Draft:
    """What a form begins with. `questions`: field → what to look at again, never silent about a date.

    `choices` are the customers that may be meant where it is not certain. `contact` is (id, name).
    """

    said: Said
    customer: Any = None  # row or Customer
    choices: Sequence[Any] = ()
    contact: tuple[str, str] | None = None
    questions: dict[str, str] = field(default_factory=dict)

    @property
    def next_at(self) -> datetime | None:
        """Return the moment of the next follow-up."""
        return self.said.next.moment if self.said.next else None

    @property
    def alternatives(self) -> Sequence[datetime]:
        """Return the moments that may be meant instead."""
        return self.said.next.others if self.said.next else ()


def draft(sentence: str, *, actor: Member, now: datetime, customer: Customer | None = None, name: str = "") -> Draft:
    """Return the draft of a sentence. `now` is aware and local.

    `customer`: whom it is about, chosen before; `name`: what to look for instead of the names in the sentence. Only
    customers that the actor sees are ever named.
    """
    said = understand(sentence, now)
    questions = _questions(said, now)
    if customer is not None:
        people = contacts_in(said, customer.id, actor=actor)
        if other := _somebody_else(said, customer, actor=actor):
            questions["customer"] = _("这句话提到“%(name)s”，请核对客户", name=other)
        return _with_person(Draft(said, customer, questions=questions), people)
    found = called(name, actor=actor) if name else named_in(said, actor=actor)
    if found.is_sure:
        return _with_person(Draft(said, found.customers[0], questions=questions), _people(said, found, actor))
    questions["customer"] = _whom(found)
    return Draft(said, None, found.customers, questions=questions)


def _people(said: Said, found: Named, actor: Member) -> Sequence[tuple[str, str]]:
    return found.contacts or contacts_in(said, found.customers[0].id, actor=actor)


def _somebody_else(said: Said, customer: Customer, *, actor: Member) -> str:
    """Return the name of another customer that a sentence is about for certain, else ""."""
    found = named_in(said, actor=actor)
    if not found.is_sure or found.customers[0].id == customer.id:
        return ""
    return str(found.customers[0].name)


def _with_person(made: Draft, people: Sequence[tuple[str, str]]) -> Draft:
    if len(people) == 1:
        return Draft(made.said, made.customer, made.choices, people[0], made.questions)
    if people:
        names = "、".join(name for _id, name in people)
        made.questions["contact"] = _("是哪一位：%(names)s", names=names)
    return made


def _whom(found: Named) -> str:
    if not found.customers:
        return _("没有听出是哪位客户")
    return _("是这位客户吗") if len(found.customers) == 1 else _("有几位客户都像，请选择")


# --- questions ----------------------------------------------------------------------------------------------------


def _questions(said: Said, now: datetime) -> dict[str, str]:
    questions = {}
    if said.next is not None and (words := about_moment(said.next, said.next_words, now)):
        questions["next_at"] = words
    if said.amount is not None and not said.amount_is_sure:
        questions["amount"] = _("“%(words)s”是大概的数，请核对金额", words=said.amount_words)
    if said.happened is not None and said.happened < now - timedelta(hours=rule("log.back_dating")):
        questions["happened_at"] = _("说的时间太早，不能补记，请核对")
    return questions


def about_moment(found: Found, words: str, now: datetime) -> str:
    """Return what to ask about a moment, "" where it is certain and to come."""
    if found.doubt == IMPOSSIBLE:
        return _("没有“%(words)s”这一天，请选择时间", words=words)
    if found.moment is None:
        if found.doubt == UNSURE:
            return _("“%(words)s”的放假安排还没有公布，请选择时间", words=words)
        return _("“%(words)s”没有说清是什么时候，请选择时间", words=words)
    if found.moment <= now and not (found.is_day and found.moment.date() >= now.date()):
        return _("“%(words)s”已经过去，请核对时间", words=words)
    if found.doubt == PAST:
        return _("今年或本月的“%(words)s”已经过去，按下一个填写，请核对", words=words)
    if found.doubt == UNSURE:
        return _("“%(words)s”的放假安排还没有公布，请核对时间", words=words)
    if found.doubt == VAGUE:
        return _("“%(words)s”只是个大概，请核对时间", words=words)
    return _("“%(words)s”可能有两种意思，请核对时间", words=words) if found.doubt else ""
