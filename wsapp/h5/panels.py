"""What a customer's record shows beside itself: its people, who else works on it, its group, its lead."""

from collections.abc import Sequence
from typing import Any

from flask import g, url_for

from wsapp import clock
from wsapp.crm.customers.contacts import contacts_of
from wsapp.crm.customers.coworkers import coworkers_of
from wsapp.crm.customers.families import relatives
from wsapp.crm.customers.leads import INVALID, OPEN, Score, score_of, sees_score
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.reveals import are_masked
from wsapp.crm.customers.tags import known_tags
from wsapp.crm.fields.access import HIDDEN, access, masked_phone, reads
from wsapp.h5 import rows, words
from wsapp.texts import _


def of_customer(customer: Customer, phones: Any) -> dict[str, Any]:
    """Return the panels' values: one statement each for contacts, co-workers and the group."""
    people = contacts_of(customer.id)
    return {
        "contacts": contact_rows(people),
        "around": _around(customer),
        "lead": _lead(customer, bool(phones), bool(people)) if customer.lead else None,
        "lead_reasons": list(words.INVALID_REASONS.items()),
    }


def contact_rows(people: Any) -> list[rows.Row]:
    """Return contacts as rows with the one number that a tap dials, as the reader may see it."""
    how, masked = access(g.member, "phones"), are_masked(g.member)
    drawn = []
    for one in people:
        number = one.phones[0] if one.phones and how != HIDDEN else ""
        said = [one.title, str(words.CONTACT_ROLES[one.role]) if one.role else ""]
        drawn.append(
            {
                "url": url_for("contacts.page", contact_id=one.id),
                "name": one.name,
                "sub": " · ".join(filter(None, said)),
                "is_primary": one.is_primary,
                "phone": "" if masked else number,
                "shown": (masked_phone(number) if masked else rows.spaced_phone(number)) if number else "",
            }
        )
    return drawn


TAG_MARKS = {"grey": "", "blue": "brand", "green": "done", "orange": "today", "red": "overdue"}  # kinds of badges


def tag_badges(tags: Sequence[str]) -> list[tuple[str, str]]:
    """Return tags as badges in the colours of the corp's list."""
    colours = known_tags() if tags else {}
    return [(TAG_MARKS[colours.get(tag, "grey")], tag) for tag in tags]


def _around(customer: Customer) -> list[rows.Row]:
    """Return links to the pages about a customer: who co-works on it, its group, its stages, watching."""
    found = [_coworkers(customer)]
    parent, below = relatives(customer, actor=g.member)
    if reads(g.member, "parent"):
        said = parent.name if parent else _("%(n)s 家下级", n=below) if below else _("无")
        url = url_for("families.page", customer_id=customer.id)
        text = _("所属集团") if parent else _("集团")
        found.append({"url": url, "icon": "customers", "text": text, "value": said})
    if reads(g.member, "stage"):
        since = customer.stage_since or customer.created_at
        value = _("%(stage)s · %(n)s 天", stage=words.STAGES[customer.stage], n=(clock.now() - since).days)
        url = url_for("stages.page", customer_id=customer.id)
        found.append({"url": url, "icon": "clock", "text": _("阶段历程"), "value": value})
    found.append({"url": url_for("watches.page", customer_id=customer.id), "icon": "bell", "text": _("关注")})
    return found


def _coworkers(customer: Customer) -> rows.Row:
    people = coworkers_of(customer.id)
    names = _("、").join(one.name for one in people[:3])
    value = _("%(names)s 等 %(n)s 人", names=names, n=len(people)) if len(people) > 3 else names
    url = url_for("coworkers.page", customer_id=customer.id)
    return {"url": url, "icon": "team", "text": _("协作人"), "value": value or _("无")}


def _lead(customer: Customer, has_phone: bool, has_contact: bool) -> dict[str, Any]:
    score = score_of(_facts(customer, has_phone, has_contact), clock.now()) if sees_score(g.member) else None
    return {
        "state": str(words.LEADS[customer.lead]),
        "state_key": customer.lead,
        "is_open": customer.lead in OPEN,
        "is_invalid": customer.lead == INVALID,
        "may_confirm": customer.lead in OPEN[:2],
        "reason": str(words.INVALID_REASONS.get(customer.invalid_reason, "")),
        "score": score,
        "parts": score_parts(score) if score else [],
        "answer": response_words(customer),
    }


def _facts(customer: Customer, has_phone: bool, has_contact: bool) -> dict[str, Any]:
    fields = ("address", "industry", "size", "website", "source", "level", "last_followed_at")
    return {field: getattr(customer, field) for field in fields} | {"phone": has_phone, "contact": has_contact}


def score_parts(score: Score) -> list[tuple[str, str]]:
    """Say what each part of a score brought, as (label, points)."""
    return [
        (str(words.SCORE_PARTS[part]), _("%(points)s / %(most)s 分", points=points, most=most))
        for part, points, most in score.parts
    ]


def response_words(lead: Any) -> str:
    """Say whether a lead's first response came, and in time."""
    if lead.responded_at:
        late = lead.respond_by and lead.responded_at > lead.respond_by
        at = rows.moment(lead.responded_at)
        return _("%(at)s 首次响应，已超时", at=at) if late else _("%(at)s 首次响应", at=at)
    if not lead.respond_by:
        return ""
    at = rows.moment(lead.respond_by)
    return _("响应已超时：%(at)s", at=at) if lead.respond_by < clock.now() else _("请在 %(at)s 前响应", at=at)
