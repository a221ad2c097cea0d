"""Changing a logged follow-up: by whom, how long, and what it said before."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.contacts import contact_of
from wsapp.crm.customers.models import Customer
from wsapp.crm.events.actions import record
from wsapp.crm.events.models import Event
from wsapp.crm.fields.access import demand_writable
from wsapp.crm.fields.carriers import custom_after, differences
from wsapp.crm.fields.values import keep_findable
from wsapp.crm.followups.actions import WORDS, clean_words
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.mentions import actions as mentions
from wsapp.crm.org.models import Member
from wsapp.crm.org.rights import may
from wsapp.crm.org.rules import rule
from wsapp.db import first, rows
from wsapp.problems import Forbidden, Stale
from wsapp.texts import _
from wsapp.versions import take_version

CHANGED = "follow_up.changed"
RULED = ("text", "outcome")  # fields that a role may be kept from writing


def may_change(follow_up: FollowUp, actor: Member) -> bool:
    """Say whether the actor may change what was logged: its author for a day (`log.editing`), then who leads them."""
    if not may(actor, "edit", follow_up.author_id, obj="follow_up"):
        return False
    ends = follow_up.created_at + timedelta(hours=rule("log.editing"))
    return follow_up.author_id != actor.id or clock.now() <= ends


def demand_change(follow_up: FollowUp, actor: Member) -> None:
    """Raise Forbidden where the actor may not change a follow-up."""
    if not may_change(follow_up, actor):
        hours = rule("log.editing")
        raise Forbidden(_("跟进可由本人在 %(n)d 小时内修改，之后由上级修改", n=hours))


def change_follow_up(
    follow_up: FollowUp, values: Mapping[str, Any], *, actor: Member, version: int | None = None
) -> FollowUp:
    """Change the given ones of kind, text, outcome, contact and the corp's own fields (修改跟进).

    When it happened, its photos and the next step stay: the pool's clock, figures and a task stand on those. Only whom
    it names newly hears of it. Raises Forbidden, Invalid, `mentions.Unseen`, Stale.
    """
    demand_change(follow_up, actor)
    customer = first(sa.select(Customer).where(Customer.id == follow_up.customer_id))
    clean = clean_words({field: values[field] for field in WORDS if field in values})
    if "contact" in values and (values["contact"] or None) != follow_up.contact_id:
        clean["contact_id"] = contact_of(customer, values["contact"])
    changes = {field: [getattr(follow_up, field), value] for field, value in clean.items()}
    changes = {field: both for field, both in changes.items() if both[0] != both[1]}
    demand_writable(actor, [field for field in RULED if field in changes], "follow_up")
    had, custom = custom_after("follow_up", follow_up, values, clean, actor=actor)
    changes |= differences(had, custom)
    if version is not None and version != follow_up.version:
        raise _stale(follow_up, changes)
    named = _named(follow_up, clean.get("text", follow_up.text), values, customer, actor)
    if changes:
        if not take_version(follow_up):
            raise _stale(follow_up, changes)
        for field, value in clean.items():
            setattr(follow_up, field, value)
        follow_up.custom = custom
        keep_findable("follow_up", follow_up.id, custom, had)
    if changes or named:
        facts = {"named": named} if named else {}
        record(CHANGED, follow_up, actor=actor, customer_id=follow_up.customer_id, changes=changes, **facts)
    return follow_up


def _named(
    follow_up: FollowUp, text: str, values: Mapping[str, Any], customer: Customer | None, actor: Member
) -> list[str]:
    """Keep whom it names now; returns whom it did not name before."""
    if values.get("mentions") is None:
        return []
    author = follow_up.author_id
    now = mentions.named(text, values, customer=customer, obj="follow_up", actor=actor, author_id=author)
    mentions.forget(follow_up, but=now)
    return mentions.keep(follow_up, now)


def _stale(follow_up: FollowUp, changes: Mapping[str, list[Any]]) -> Stale:
    both = {field: (_value_now(follow_up, field), after) for field, (_before, after) in changes.items()}
    return Stale(_("该跟进刚被他人修改，请核对后再保存"), record=follow_up, changes=both)


def _value_now(follow_up: FollowUp, field: str) -> Any:
    section, _dot, key = field.partition(".")
    return (follow_up.custom or {}).get(key) if key else getattr(follow_up, section)


def history_of(follow_up: FollowUp) -> Sequence[Event]:
    """Return the changes of a follow-up, newest first."""
    told = sa.select(Event).where(Event.subject_id == follow_up.id, Event.kind == CHANGED)
    return rows(told.order_by(Event.at.desc(), Event.id.desc()))
