"""Logging follow-ups."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.actions import note_contact
from wsapp.crm.customers.clean import clean_line, clean_text
from wsapp.crm.customers.contacts import contact_of
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.stages import move_stage
from wsapp.crm.events.actions import record
from wsapp.crm.fields.carriers import custom_of_new
from wsapp.crm.fields.values import keep_findable
from wsapp.crm.followups import rules  # noqa: F401 - declares what is asked for here
from wsapp.crm.followups.models import KINDS, FollowUp
from wsapp.crm.followups.recorded import recorded_at
from wsapp.crm.mentions import actions as mentions
from wsapp.crm.org.models import Member
from wsapp.crm.org.rights import demand, may
from wsapp.crm.org.rules import rule
from wsapp.crm.tasks.actions import create_task
from wsapp.db import db, first, new_id
from wsapp.files import attach
from wsapp.problems import Invalid
from wsapp.texts import _

SHORTEST = 5  # characters of a follow-up that counts
SLACK = timedelta(minutes=5)  # phones' clocks run ahead
WORDS = ("kind", "text", "outcome")
FIELDS = ("kind", "text", "outcome", "happened_at", "next_at", "next_action", "contact", "photos")


def log_follow_up(
    customer: Customer, values: Mapping[str, Any], *, actor: Member, photos: Sequence[str] = ()
) -> FollowUp:
    """Record what was said to a customer (记录跟进); a next date becomes a task of the actor's.

    `photos` are ids of files that the actor uploaded; `recorded_at` says when a phone without network took it down; for
    `mentions` and `unseen` see `mentions.named`. Raises Invalid.
    """
    demand(actor, "create", actor.id, obj="follow_up")
    recorded = recorded_at(values)
    clean = _clean(values, recorded or clock.now())
    counts = resets_clock(customer, clean["text"], actor=actor)
    custom = custom_of_new("follow_up", values, clean, actor=actor, parent=customer.custom)
    named = mentions.named(clean["text"], values, customer=customer, obj="follow_up", actor=actor)
    follow_up = FollowUp(
        **clean,
        custom=custom,
        contact_id=contact_of(customer, values.get("contact")),
        id=new_id(),
        customer_id=customer.id,
        author_id=actor.id,
        recorded_at=recorded,
        created_at=clock.now(),
        version=1,
    )
    db.session.add(follow_up)
    db.session.flush()
    keep_findable("follow_up", follow_up.id, custom)
    attach(photos, to=follow_up, owner_id=actor.id, most=rule("log.photos"))
    note_contact(customer, at=follow_up.happened_at, counts=counts)
    if customer.stage == "new":
        move_stage(customer, "contacted", actor=actor)
    record(
        "follow_up.logged",
        follow_up,
        actor=actor,
        customer_id=customer.id,
        text=follow_up.text[:500],
        follow_up_kind=follow_up.kind,
        outcome=follow_up.outcome,
        photos=len(photos),
        **mentions.facts(follow_up, named),
    )
    if follow_up.next_at:
        plan_next(
            customer, follow_up.next_at, follow_up.next_action, actor=actor, source="follow_up", source_id=follow_up.id
        )
    return follow_up


def resets_clock(customer: Customer, text: str, *, actor: Member) -> bool:
    """Say whether a follow-up begins the pool's clock anew: not for a word or two, nor the last text once more."""
    is_coworker = customer.owner_id is not None and not may(actor, "edit", customer.owner_id)
    if is_coworker and not rule("recycle.coworkers_count"):
        return False
    if not rule("recycle.skip_trivial"):
        return True
    if len(text.strip()) < SHORTEST:
        return False
    newest = sa.select(FollowUp.text).where(FollowUp.customer_id == customer.id)
    return first(newest.order_by(FollowUp.happened_at.desc(), FollowUp.id.desc()).limit(1)) != text


def plan_next(customer: Customer, at: datetime, action: str, *, actor: Member, source: str, source_id: str) -> None:
    """Create the task that a next date asks for."""
    title = action or _("跟进 %(name)s", name=customer.short_name or customer.name)
    values = {"title": title[:120], "customer": customer.id, "kind": "follow_up", "due_at": at}
    create_task(values, actor=actor, source=source, source_id=source_id)


def _clean(values: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """Check what was typed; `at` is when: what lay ahead then may have passed until it came."""
    now = clock.now()
    clean, errors = _words({**dict.fromkeys(WORDS), **values})
    clean |= {
        "happened_at": values.get("happened_at") or at,
        "next_at": values.get("next_at"),
        "next_action": clean_line(str(values.get("next_action") or "")),
    }
    if len(clean["next_action"]) > 120:
        errors["next_action"] = _("最多 %(most)d 个字", most=120)
    if clean["happened_at"] > now + SLACK:
        errors["happened_at"] = _("发生时间不能在将来")
    elif clean["happened_at"] < now - timedelta(hours=rule("log.back_dating")):
        errors["happened_at"] = _("发生时间不能早于 %(n)s 小时前", n=rule("log.back_dating"))
    if clean["next_at"] is not None and clean["next_at"] < at - SLACK:
        errors["next_at"] = _("下次跟进时间应在将来")
    if errors:
        raise Invalid(errors)
    return clean


def clean_words(values: Mapping[str, Any]) -> dict[str, Any]:
    """Check the given ones of kind, text and outcome. Raises Invalid."""
    clean, errors = _words(values)
    if errors:
        raise Invalid(errors)
    return clean


def _words(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the given ones of `WORDS` as they are kept, and what is wrong with them."""
    clean: dict[str, Any] = {"kind": values["kind"] or "phone"} if "kind" in values else {}
    clean |= {"text": clean_text(str(values["text"] or ""))} if "text" in values else {}
    clean |= {"outcome": clean_line(str(values["outcome"] or ""))} if "outcome" in values else {}
    errors = {}
    if clean.get("kind", "phone") not in KINDS:
        errors["kind"] = _("请从列表中选择")
    if not 1 <= len(clean.get("text", "-")) <= rule("log.text"):
        errors["text"] = _("请填写内容，最多 %(most)d 个字", most=rule("log.text"))
    if len(clean.get("outcome", "")) > 60:
        errors["outcome"] = _("最多 %(most)d 个字", most=60)
    return clean, errors
