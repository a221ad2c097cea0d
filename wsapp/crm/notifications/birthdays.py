"""Birthdays (生日提醒): owners hear of their customers' contacts the day before, where the corp wants it."""

from collections import defaultdict
from datetime import date, timedelta

import sqlalchemy as sa

from wsapp.crm.customers.models import Contact, Customer
from wsapp.crm.customers.rules import reminds_of_birthdays
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.book_cards import birthday_card
from wsapp.crm.notifications.messages import in_language_of
from wsapp.crm.org.queries import member
from wsapp.db import db


def remind_of_birthdays(today: date) -> int:
    """Tell owners of the current corp who has a birthday tomorrow, in one card each; returns how many were told."""
    if not reminds_of_birthdays():
        return 0
    tomorrow = today + timedelta(days=1)
    days = [f"{tomorrow:%m-%d}"]
    if days == ["03-01"] and today.day == 28:  # no leap year: who was born on the 29th celebrates now
        days.append("02-29")
    found = db.session.execute(
        sa.select(Contact.id, Contact.name, Customer.name.label("customer"), Customer.owner_id)
        .join(Customer, sa.and_(Customer.corp_id == Contact.corp_id, Customer.id == Contact.customer_id))
        .where(
            Contact.birth_day.in_(days),
            Contact.deleted_at.is_(None),
            Customer.deleted_at.is_(None),
            Customer.owner_id.is_not(None),
        )
        .order_by(Contact.name, Contact.id)
    )
    people: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for row in found:
        people[row.owner_id].append((row.id, row.name, row.customer))
    for owner_id, theirs in people.items():
        reader = member(owner_id)
        if reader is None or not reader.is_active:
            continue
        with in_language_of(reader):
            card = birthday_card(theirs)
        tell(reader, "contact.birthday", card, key=f"birthday:{tomorrow}:{owner_id}", subject_id=theirs[0][0])
    return len(people)
