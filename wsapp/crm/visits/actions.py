"""Checking in, checking out."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.actions import note_contact
from wsapp.crm.customers.clean import clean_line, clean_text
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.stages import move_stage
from wsapp.crm.events.actions import record
from wsapp.crm.fields.carriers import custom_of_new
from wsapp.crm.fields.values import keep_findable
from wsapp.crm.followups.actions import plan_next
from wsapp.crm.followups.recorded import recorded_at
from wsapp.crm.mentions import actions as mentions
from wsapp.crm.org.models import Member
from wsapp.crm.org.rights import demand
from wsapp.crm.org.rules import rule
from wsapp.crm.visits.consent import consents, without_positions
from wsapp.crm.visits.models import DONE, IN, Visit
from wsapp.crm.visits.places import learn_place, take_first_place, times_repeated
from wsapp.crm.visits.plans import end_plan, start_plan
from wsapp.crm.visits.rules import limits
from wsapp.crm.visits.trust import VERIFIED, Fix, trust_after, trust_of
from wsapp.db import db, first, new_id, rows
from wsapp.files import attach
from wsapp.geo import metres_between, to_gcj02
from wsapp.house import local
from wsapp.problems import Forbidden, Invalid
from wsapp.texts import _

MAX_ACCURACY = 50_000
CLOCK_SLACK = timedelta(minutes=5)
FIELDS = ("note", "location", "no_fix_reason", "set_place", "next_at", "next_action", "photos", "place_name", "plan")


def read_fix(location: Mapping[str, Any] | None, at: datetime | None = None) -> Fix | None:
    """Read a device's position {lat, lng, accuracy?, fixed_at?, coordinate?}; None when there is none.

    It was sent at `at`, or now. WGS-84 positions (`coordinate` "wgs84") are moved to the GCJ-02 grid. Raises Invalid.
    """
    if not location:
        return None
    try:
        lat, lng = float(location["lat"]), float(location["lng"])
        accuracy = None if location.get("accuracy") in (None, "") else float(location["accuracy"])
    except (KeyError, TypeError, ValueError):
        raise Invalid({"location": _("位置不正确，请重新定位")}) from None
    sane = isfinite(lat) and isfinite(lng) and -90 <= lat <= 90 and -180 <= lng <= 180 and (lat, lng) != (0, 0)
    if not sane or (accuracy is not None and not 0 <= accuracy <= MAX_ACCURACY):
        raise Invalid({"location": _("位置不正确，请重新定位")})
    now = at or clock.now()
    fixed_at = location.get("fixed_at") or now
    if not isinstance(fixed_at, datetime) or fixed_at > now + CLOCK_SLACK:
        raise Invalid({"location": _("定位时间不正确，请检查手机时间")})
    if location.get("coordinate") == "wgs84":
        lat, lng = to_gcj02((lat, lng))
    return Fix(lat, lng, accuracy, min(fixed_at, now))


def log_visit(customer: Customer, values: Mapping[str, Any], *, actor: Member, photos: Sequence[str] = ()) -> Visit:
    """Record that the actor is with the customer (拜访签到), where, and how far that can be trusted.

    The first visit to a customer without a place stores it when the actor says so (`set_place`); `plan` is the id of
    the planned visit that this is. Of who does not consent no position is kept, whatever was sent. `recorded_at` says
    when a phone without network took it down: the check-in was then, and the age of its position is counted to then.
    Raises Invalid.
    """
    demand(actor, "create", actor.id, obj="visit")
    recorded, now = recorded_at(values), clock.now()
    at = recorded or now
    fix, allowed = read_fix(values.get("location"), at), consents(actor)
    if not allowed:
        fix, values = None, {**values, "custom": without_positions(values.get("custom"))}
    note, next_action = clean_text(str(values.get("note") or "")), clean_line(str(values.get("next_action") or ""))
    reason = clean_line(str(values.get("no_fix_reason") or ""))[:100]
    if not allowed and not reason:
        reason = _("未同意使用位置")
    next_at = values.get("next_at")
    errors = {}
    if len(note) > rule("log.text"):
        errors["note"] = _("最多 %(most)d 个字", most=rule("log.text"))
    if len(next_action) > 120:
        errors["next_action"] = _("最多 %(most)d 个字", most=120)
    if next_at is not None and next_at < at - CLOCK_SLACK:
        errors["next_at"] = _("下次跟进时间应在将来")
    if errors:
        raise Invalid(errors)
    custom = custom_of_new("visit", values, {}, actor=actor, parent=customer.custom)
    named = mentions.named(note, values, customer=customer, obj="visit", actor=actor)
    plan = start_plan(values.get("plan"), customer, actor=actor)
    if fix and values.get("set_place"):
        take_first_place(customer, fix)
    by = limits()
    distance = metres_between((fix.lat, fix.lng), customer.place) if fix and customer.place else None
    visit = Visit(
        id=new_id(),
        customer_id=customer.id,
        member_id=actor.id,
        plan_id=plan.id if plan else None,
        state=IN,
        note=note,
        checked_in_at=at,
        recorded_at=recorded,
        lat=fix.lat if fix else None,
        lng=fix.lng if fix else None,
        accuracy=fix.accuracy if fix else None,
        fixed_at=fix.fixed_at if fix else None,
        place_name=clean_line(str(values.get("place_name") or ""))[:200] if allowed else "",
        distance=distance,
        trust=trust_of(
            fix,
            distance=distance,
            now=at,
            limits=by,
            repeated=times_repeated(fix, actor) if fix and by.repeats else 0,
            photos=len(photos),
        ),
        no_fix_reason="" if fix else reason,
        next_at=next_at,
        custom=custom,
        created_at=now,
        version=1,
    )
    db.session.add(visit)
    db.session.flush()
    keep_findable("visit", visit.id, custom)
    attach(photos, to=visit, owner_id=actor.id, most=rule("log.photos"))
    if visit.trust == VERIFIED:
        learn_place(customer)
    note_contact(customer, at=at, visited=True)
    if customer.stage == "new":
        move_stage(customer, "contacted", actor=actor)
    record(
        "visit.checked_in",
        visit,
        actor=actor,
        customer_id=customer.id,
        text=note[:500],
        trust=visit.trust,
        distance=None if distance is None else round(distance),
        photos=len(photos),
        plan=visit.plan_id,
        **mentions.facts(visit, named),
    )
    if next_at:
        plan_next(customer, next_at, next_action, actor=actor, source="visit", source_id=visit.id)
    return visit


def check_out(
    visit: Visit, *, actor: Member, result: str = "", note: str = "", values: Mapping[str, Any] | None = None
) -> bool:
    """End a visit (签退); says whether this call did it. Only whoever checked in.

    `values` may hold `mentions` and `unseen`, see `mentions.named`: whom the note names newly hears of it.
    """
    if visit.member_id != actor.id:
        raise Forbidden(_("只有签到的人可以签退"))
    result, note = clean_line(result), clean_text(note)
    if len(result) > 60:
        raise Invalid({"result": _("最多 %(most)d 个字", most=60)})
    if len(visit.note) + len(note) > rule("log.text"):
        raise Invalid({"note": _("最多 %(most)d 个字", most=rule("log.text"))})
    if visit.state != IN:
        return False
    named = _named_at_the_end(visit, note, values or {}, actor)
    visit.state, visit.checked_out_at, visit.result = DONE, clock.now(), result
    if note:
        visit.note = f"{visit.note}\n{note}".strip()
    stay = visit.checked_out_at - visit.checked_in_at if visit.checked_in_at else timedelta()
    visit.trust = trust_after(visit.trust, stay, limits())
    visit.version += 1
    end_plan(visit)
    minutes = round(stay.total_seconds() / 60)
    facts: dict[str, Any] = {"minutes": minutes, "result": result, **named}
    record("visit.checked_out", visit, actor=actor, customer_id=visit.customer_id, **facts)
    return True


def _named_at_the_end(visit: Visit, note: str, values: Mapping[str, Any], actor: Member) -> dict[str, Any]:
    if values.get("mentions") is None:
        return {}
    customer = first(sa.select(Customer).where(Customer.id == visit.customer_id))
    return mentions.facts(visit, mentions.named(note, values, customer=customer, obj="visit", actor=actor))


def close_forgotten(limit: int = 500) -> int:
    """Close visits of earlier days that nobody checked out of, at 23:59 of their day; returns how many."""
    today = local(clock.now()).replace(hour=0, minute=0, second=0, microsecond=0)
    forgotten = rows(sa.select(Visit).where(Visit.state == IN, Visit.checked_in_at < today).limit(limit))
    for visit in forgotten:
        day = local(visit.checked_in_at or today)
        visit.state, visit.closed_by_system = DONE, True
        visit.checked_out_at = max(
            visit.checked_in_at or today, day.replace(hour=23, minute=59, second=0, microsecond=0)
        )
        visit.version += 1
        end_plan(visit)
        record("visit.checked_out", visit, actor=None, customer_id=visit.customer_id, by_system=True)
    return len(forgotten)
