"""The one box: what a query finds of each kind, a few of each, only of what the actor may see."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from markupsafe import Markup, escape
from sqlalchemy.orm import aliased

from wsapp.crm.customers.contacts import visible_contacts
from wsapp.crm.customers.models import Contact, Customer
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.fields.access import reads
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.followups.queries import visible_follow_ups
from wsapp.crm.org.models import Member
from wsapp.crm.org.rights import sight
from wsapp.crm.search.grams import squeeze
from wsapp.crm.search.queries import contacts_with, fields_of, follow_ups_with, part_seen, reaches_texts, terms_of
from wsapp.crm.search.typos import nearly_matching
from wsapp.db import db

AROUND = 30  # characters shown before and behind what was found in a long text


def nearly(text: str, *, actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition that a customer is what a mistyped query may have meant."""
    return nearly_matching(text, fields_of(actor), Customer.id, seen=part_seen(actor))


def contacts(text: str, *, actor: Member, limit: int) -> Sequence[Any]:
    """Return (id, name, title, customer_id, customer_name) of contacts, last changed first."""
    about = aliased(Customer)  # not the table itself: the condition of sight asks for it again
    columns = (Contact.id, Contact.name, Contact.title, Contact.customer_id, about.name.label("customer_name"))
    same = sa.and_(about.corp_id == Contact.corp_id, about.id == Contact.customer_id)
    found = sa.select(*columns).join(about, same).where(visible_contacts(actor), contacts_with(text, actor=actor))
    return db.session.execute(found.order_by(Contact.updated_at.desc(), Contact.id).limit(limit)).all()


def follow_ups(text: str, *, actor: Member, limit: int) -> Sequence[Any]:
    """Return (id, text, happened_at, customer_id, customer_name) of follow-ups, newest first."""
    if not reaches_texts(text) or not reads(actor, "text", "follow_up"):
        return []
    covered = sight(actor, "follow_up")
    # Whoever sees all, or what is about their customers, sees every one that is about a customer they see.
    theirs = sa.true() if covered.people is None or covered.shared else visible_follow_ups(actor)
    same = sa.and_(Customer.corp_id == FollowUp.corp_id, Customer.id == FollowUp.customer_id)
    found = (
        sa.select(FollowUp.id, FollowUp.text, FollowUp.happened_at, FollowUp.customer_id)
        .add_columns(Customer.name.label("customer_name"))
        .join(Customer, same)
        .where(follow_ups_with(text, actor=actor), theirs, visible_customers(actor))
        .order_by(FollowUp.happened_at.desc(), FollowUp.id.desc())
        .limit(limit)
    )
    return db.session.execute(found).all()


# --- showing what was found ---------------------------------------------------------------------------------------


def marked(text: str, query: str) -> Markup:
    """Return a text with what the query asked for marked, cut to the neighbourhood of the first mark."""
    spans = _spans(text, terms_of(query))
    start = max(0, spans[0][0] - AROUND) if spans else 0
    end = min(len(text), (spans[0][1] if spans else 0) + 2 * AROUND)
    shown = Markup("…") if start else Markup("")
    at = start
    for begin, stop in spans:
        if begin >= at and stop <= end:
            shown += escape(text[at:begin]) + Markup("<mark>") + escape(text[begin:stop]) + Markup("</mark>")
            at = stop
    return shown + escape(text[at:end]) + (Markup("…") if end < len(text) else Markup(""))


def _spans(text: str, terms: Sequence[str]) -> list[tuple[int, int]]:
    """Return where the terms stand in a text as people wrote it, in order."""
    letters = [(letter, at) for at, char in enumerate(text) for letter in squeeze(char)]
    bare = "".join(letter for letter, _at in letters)
    found = []
    for term in terms:
        begin = bare.find(term)
        if begin >= 0:
            found.append((letters[begin][1], letters[begin + len(term) - 1][1] + 1))
    return sorted(found)
