"""Customers that leave for a pool (即将回收): which, when and why, and asking to keep them for longer."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g, request, url_for

from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer, may_by_right, names_of, visible_customers
from wsapp.crm.fields.access import reads
from wsapp.crm.org.queries import leads_others, names
from wsapp.crm.org.rules import rule
from wsapp.crm.pools.answers import decide, show_decided
from wsapp.crm.pools.clock_cards import answers, state_text
from wsapp.crm.pools.clocks import Clock, clock_of_customer, leaving, sees_clocks, today
from wsapp.crm.pools.extensions import SOON, ask_for_extension, lock_customer, used
from wsapp.crm.pools.models import KEEP, OPEN, RELEASE, OwnerRequest
from wsapp.crm.pools.queries import all_pools
from wsapp.crm.pools.requests import find_request, may_decide, requests_of
from wsapp.crm.pools.terms import rulebook
from wsapp.crm.pools.words import days_left, tell_date, what_resets, why
from wsapp.db import db
from wsapp.h5.pages import choice, go, here_with, show
from wsapp.h5.rows import moment
from wsapp.problems import Conflict, Forbidden, Invalid
from wsapp.texts import _, lazy
from wsapp.web import require_member

bp = Blueprint("leaving", __name__, url_prefix="/h5")
bp.before_request(require_member)

WISHES = {KEEP: lazy("延期申请"), RELEASE: lazy("退回申请")}
MOST_LOOKED_AT, MOST_SHOWN = 2_000, 200


# --- the record ---------------------------------------------------------------------------------------------------


def on_record(customer: Customer) -> dict[str, Any] | None:
    """Return what a customer's record says of its clock; None where nothing runs. One statement."""
    if customer.owner_id is None or not sees_clocks(g.member):
        return None
    _row, one = clock_of_customer(customer.id)
    if one is None:
        return None
    soon = not one.held and _is_soon(one)
    return {
        "value": _standing(one),
        "title": _("%(left)s回收到公海：%(why)s", left=days_left(one, today()), why=why(one)) if soon else "",
        "resets": what_resets(one),
        "may_ask": soon and customer.owner_id == g.member.id,
    }


def _standing(one: Clock) -> str:
    held = {"locked": _("已锁定"), "asked": _("延期申请中"), "away": _("休假中，已暂停")}
    return held.get(one.held) or _dated(one, days_left(one, today()))


def _dated(one: Clock, words: str) -> str:
    return _("%(day)s · %(left)s", day=tell_date(one.leaves_on), left=words)


@bp.get("/customers/<key:customer_id>/clock")
def page(customer_id: str) -> str:
    """Why it is leaving: the clock that runs, the rule, the day, what begins it anew."""
    customer = find_customer(customer_id, actor=g.member)
    row, one = clock_of_customer(customer.id) if sees_clocks(g.member) else (None, None)
    return show(
        "leaving/page.html",
        customer=customer,
        facts=_facts(one, customer.id) if one else [],
        title=_standing(one) if one else _("这位客户不会被回收"),
        resets=what_resets(one) if one and not one.held else "",
        may_ask=one is not None and one.held in ("", "away") and _is_soon(one) and customer.owner_id == g.member.id,
        may_log=one is not None and customer.owner_id == g.member.id,
        may_lock=row is not None and may_by_right(customer, "transfer", actor=g.member),
        locked=row is not None and row.locked_at is not None,
    )


def _is_soon(one: Clock) -> bool:
    return (one.leaves_on - today()).days <= SOON


def _facts(one: Clock, customer_id: str) -> list[tuple[str, str]]:
    facts = [
        (_("回收规则"), why(one)),
        (_("从这一天算起"), tell_date(one.base)),
        (_("回收日期"), _dated(one, _("延期申请中")) if one.held == "asked" else _standing(one)),
    ]
    if one.paused:
        facts.append((_("休假暂停"), _("%(n)d 天", n=one.paused)))
    if count := used(customer_id, one):
        facts.append((_("已延期"), _("%(n)d 次，最多 %(most)d 次", n=count, most=rule("recycle.extensions"))))
    return facts


@bp.post("/customers/<key:customer_id>/extension")
def extend(customer_id: str) -> Any:
    """Ask to keep it for longer."""
    back = url_for("customers.page", customer_id=customer_id)
    try:
        ask_for_extension(customer_id, actor=g.member)
    except (Invalid, Conflict, Forbidden) as problem:
        db.session.rollback()
        return go(back, problem.detail)
    db.session.commit()
    return go(back, _("已申请延期，等待主管答复"))


@bp.post("/customers/<key:customer_id>/lock")
def lock(customer_id: str) -> Any:
    """Keep it from being recycled, or no longer (`locked` empty)."""
    locked = request.form.get("locked") == "1"
    back = url_for("leaving.page", customer_id=customer_id)
    try:
        lock_customer(customer_id, locked=locked, actor=g.member)
    except (Invalid, Forbidden) as problem:
        db.session.rollback()
        return go(back, problem.detail)
    db.session.commit()
    return go(back, _("已锁定，不会被回收") if locked else _("已解除锁定"))


# --- the list -----------------------------------------------------------------------------------------------------


@bp.get("/customers/leaving")
def index() -> str:
    """Which of mine, or of my team's, leave within a week, soonest first."""
    scopes = ("mine", "team") if leads_others(g.member) else ("mine",)
    scope = choice("scope", scopes, "mine")
    found = _found(scope) if sees_clocks(g.member) else []
    owners = names([row.owner_id for row, _one in found]) if scope == "team" and reads(g.member, "owner") else {}
    texts = {"mine": _("我负责的"), "team": _("团队")}
    return show(
        "leaving/index.html",
        tabs=[(here_with(scope=key), texts[key], key == scope, None) for key in scopes] if len(scopes) > 1 else [],
        rows=[
            {
                "url": url_for("customers.page", customer_id=row.id),
                "name": row.name,
                "left": days_left(one, today()),
                "why": why(one),
                "owner": owners.get(row.owner_id, ""),
                "asked": one.held == "asked",
                "extend_url": url_for("leaving.extend", customer_id=row.id)
                if row.owner_id == g.member.id and not one.held
                else "",
            }
            for row, one in found
        ],
    )


def _found(scope: str) -> list[tuple[Any, Clock]]:
    whose: sa.ColumnElement[bool] = visible_customers(g.member)
    if scope == "mine":
        whose = Customer.owner_id == g.member.id
    return leaving(rulebook(), today() + timedelta(days=SOON), whose, most=MOST_LOOKED_AT)[:MOST_SHOWN]


# --- requests -----------------------------------------------------------------------------------------------------


@bp.get("/extensions")
def requests() -> str:
    """What I asked for and what I was asked, newest first."""
    found = requests_of(g.member)
    about, people = names_of([one.customer_id for one in found]), names([one.owner_id for one in found])
    return show(
        "leaving/requests.html",
        rows=[
            {
                "url": url_for("leaving.one", request_id=one.id),
                "title": about.get(one.customer_id, ""),
                "sub": _(
                    "%(wish)s · %(who)s · %(at)s",
                    wish=WISHES[one.wish],
                    who=people.get(one.owner_id, ""),
                    at=moment(one.created_at),
                ),
                "state": state_text(one) or _("等待答复"),
                "open": one.state == OPEN,
            }
            for one in found
        ],
    )


@bp.get("/extensions/<key:request_id>")
def one(request_id: str) -> str:
    """One request: how it stands, and the answers for whoever may give them."""
    found = find_request(request_id, actor=g.member)
    return show(
        "leaving/request.html",
        request_id=found.id,
        facts=_request_facts(found),
        state=state_text(found),
        title=WISHES[found.wish],
        answers=answers(found.wish) if found.state == OPEN and may_decide(found, actor=g.member) else [],
        record=url_for("customers.page", customer_id=found.customer_id),
    )


def _request_facts(found: OwnerRequest) -> list[tuple[str, str]]:
    facts = [
        (_("申请人"), names([found.owner_id]).get(found.owner_id, "")),
        (_("客户"), names_of([found.customer_id]).get(found.customer_id, "")),
        (_("申请时间"), moment(found.created_at)),
    ]
    if found.leaves_on:
        facts.append((_("回收日期"), tell_date(found.leaves_on)))
    if found.wish != KEEP:
        pool = next((one.name for one in all_pools() if one.id == found.pool_id), _("部门的默认公海"))
        facts += [(_("原因"), found.reason), (_("退回到"), pool)]
    if found.kept_until:
        facts.append((_("保留到"), tell_date(found.kept_until)))
    return facts


@bp.post("/extensions/<key:request_id>/answer")
def settle(request_id: str) -> Any:
    """`answer` is the key of one of the card's buttons."""
    found = find_request(request_id, actor=g.member)
    if decide(found, request.form.get("answer", "")[:20], actor=g.member):
        show_decided(found)
    said = state_text(found)
    db.session.commit()
    return go(url_for("leaving.one", request_id=request_id), said or _("请重新选择"))
