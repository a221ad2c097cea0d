"""The public pool (公海): what is in it, one of it in part, and claiming."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g, request, url_for

from wsapp.crm.customers.models import LEVELS, Customer
from wsapp.crm.customers.queries import current_id, phones_of
from wsapp.crm.customers.reveals import are_masked
from wsapp.crm.fields.access import STARS, masked_phone, reads
from wsapp.crm.pools.actions import claim_customer, claim_customers, look_at_details
from wsapp.crm.pools.draws import Standing, sign_up, standings
from wsapp.crm.pools.keeping import give_back, lost_by, rest_customer, why_resting
from wsapp.crm.pools.masking import SORTS, pooled, pooled_values
from wsapp.crm.pools.queries import (
    Allowance,
    PoolFacts,
    all_pools,
    allowance,
    cool_until,
    find_pooled,
    in_pool,
    make_first_pool,
    manages,
    pools_of,
    rests,
    ripe_at,
    today,
)
from wsapp.crm.pools.words import tell_date
from wsapp.crm.search.queries import named
from wsapp.db import db, writing
from wsapp.h5 import rows, words
from wsapp.h5.pages import PAGE_SIZE, arg, choice, cursor, go, here_with, next_page, show
from wsapp.house import local
from wsapp.paging import page as page_of
from wsapp.problems import Conflict, Forbidden, Invalid
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("pool", __name__, url_prefix="/h5/pool")
bp.before_request(require_member)


@bp.get("")
def index() -> str:
    """What is in one of my pools, newest first, each with a button that claims it."""
    if not all_pools():
        with writing():
            make_first_pool()
    mine = pools_of(g.member)
    pool = next((one for one in mine if one.id == arg("pool")), mine[0] if mine else None)
    if pool is None:
        return show("pool/index.html", pool=None, tabs=[], rows=[], left=[], levels=[], next_url="", q="", level="")
    found, after, level = _found(pool)
    return show(
        "pool/index.html",
        pool=pool,
        tabs=[(here_with(pool=one.id), one.name, one is pool, None) for one in mine] if len(mine) > 1 else [],
        rows=pooled_rows(pool, found),
        left=_left(allowance(pool, g.member)),
        levels=_levels(level),
        level=level,
        next_url=next_page(after),
        q=arg("q"),
        deals=manages(pool, g.member),
    )


def _found(pool: PoolFacts) -> tuple[list[Any], str | None, str]:
    level = choice("level", LEVELS) if reads(g.member, "level") else ""
    statement = pooled(pool, actor=g.member)
    if level:
        statement = statement.where(Customer.level == level)
    if arg("q"):
        statement = statement.where(named(arg("q")))
    found, after = page_of(
        statement, sorts=SORTS, sort="-pooled_at", id_column=Customer.id, limit=PAGE_SIZE, cursor=cursor()
    )
    return found, after, level


def _levels(level: str) -> list[dict[str, str]]:
    if not reads(g.member, "level"):
        return []
    found = [{"text": _("全部级别"), "url": here_with(level=None)}]
    return found + [{"text": _("%(level)s 级", level=one), "url": here_with(level=one)} for one in LEVELS]


def pooled_rows(pool: PoolFacts, found: Sequence[Any]) -> list[dict[str, Any]]:
    """Draw customers of a pool (see `masking.pooled`), each with the button that claims it where that is possible."""
    ids = [row.id for row in found]
    cooling = cool_until(pool, ids, actor=g.member)
    draws = standings(ids, actor=g.member) if pool.draws and ids else {}
    assigns = manages(pool, g.member)
    drawn = []
    for row in found:
        values = pooled_values(row, (), pool, actor=g.member)
        ripe = ripe_at(pool, row.pooled_at) or cooling.get(row.id)
        region = " ".join(filter(None, (values.get("province"), values.get("city"), values.get("industry"))))
        drawn.append(
            {
                "id": row.id,
                "url": url_for("pool.page", customer_id=row.id),
                "name": row.name,
                "level": values.get("level") or "",
                "region": region,
                "since": local(row.pooled_at) if row.pooled_at else None,
                "wait": _wait(row, ripe),
                "draw": _draw_words(draws.get(row.id)),
                "claim_url": "" if _wait(row, ripe) or _is_in(draws.get(row.id)) else _claim_url(row.id),
                "assign_url": url_for("owners.choose", customer_id=row.id) if assigns else "",
            }
        )
    return drawn


def _claim_url(customer_id: str) -> str:
    return url_for("pool.claim", customer_id=customer_id)


def _is_in(one: Standing | None) -> bool:
    return one is not None and one.is_in


def _draw_words(one: Standing | None) -> str:
    """Return how the draw for a customer stands, empty where nobody signed up."""
    if one is None:
        return ""
    words = _("%(n)d 人报名，%(at)s 抽签", n=one.people, at=f"{local(one.ends_at):%H:%M}")
    return _("已报名 · %(words)s", words=words) if one.is_in else words


def _wait(row: Any, ripe: datetime | None) -> str:
    """Return why a customer cannot be claimed now, empty when it can."""
    if rests(row):
        return _("休眠至 %(day)s", day=tell_date(row.rests_until))
    return _("%(at)s 起可领取", at=rows.moment(ripe)) if ripe else ""


def _left(found: Allowance) -> list[tuple[str, str, str, bool]]:
    """Return what I may still take, as the figures above the list."""

    def of(count: int, most: int) -> str:
        return f"{count}/{most}" if most else str(count)

    return [
        (
            of(found.claims, found.most_claims),
            _("今天已领取"),
            "",
            bool(found.most_claims) and found.claims >= found.most_claims,
        ),
        (
            of(found.holding, found.most_holding),
            _("名下客户"),
            "",
            bool(found.most_holding) and found.holding >= found.most_holding,
        ),
        (
            of(found.views, found.most_views),
            _("今天已看详情"),
            "",
            bool(found.most_views) and found.views >= found.most_views,
        ),
    ]


# --- one of it ----------------------------------------------------------------------------------------------------


@bp.get("/<key:customer_id>")
def page(customer_id: str) -> Any:
    """What may be known of a customer before it is claimed. So many of them a day may be looked at."""
    customer, pool = find_pooled(customer_id, actor=g.member)
    with writing():
        allowed = look_at_details(customer, pool, actor=g.member)
    if not allowed:
        detail = _("今天查看公海详情已达上限 %(most)d 个，请明天再来", most=pool.limit("daily_views"))
        return go(url_for("pool.index", pool=pool.id), detail)
    row = db.session.execute(pooled(pool, actor=g.member).where(Customer.id == customer.id)).one_or_none()
    if row is None:
        return go(url_for("pool.index", pool=pool.id), _("该客户不在公海中，可能刚被他人领取"))
    values = pooled_values(row, phones_of([row.id])[row.id], pool, actor=g.member)
    ripe = ripe_at(pool, row.pooled_at) or cool_until(pool, [row.id], actor=g.member).get(row.id)
    draw = standings([row.id], actor=g.member).get(row.id) if pool.draws else None
    return show(
        "pool/page.html",
        pool=pool,
        name=row.name,
        customer_id=row.id,
        badges=_badges(values),
        facts=_facts(values, row),
        phones=_phones(values),
        wait=_wait(row, ripe),
        draw=_draw_words(draw),
        may_claim=not _wait(row, ripe) and not _is_in(draw),
        assigns=manages(pool, g.member),
        **_managing(row, pool),
    )


def _managing(row: Any, pool: PoolFacts) -> dict[str, Any]:
    """Return what a manager of the pool can do with the customer: let it rest, or give it back to whom it left."""
    if not manages(pool, g.member):
        return {"rest": "", "first_day": None, "former": ""}
    former = lost_by(row.id)
    return {
        "rest": why_resting(row.id) or _("无") if rests(row) else "",
        "first_day": today() + timedelta(days=1),
        "former": former.name if former else "",
    }


@bp.post("/<key:customer_id>/rest")
def rest(customer_id: str) -> Any:
    """Keep it out of sight until a day; without a day, no longer."""
    try:
        until = date.fromisoformat(request.form["until"]) if request.form.get("until") else None
        rest_customer(customer_id, until, actor=g.member, reason=request.form.get("reason", "")[:500])
    except (Invalid, Forbidden, ValueError) as problem:
        db.session.rollback()
        detail = problem.detail if isinstance(problem, Invalid | Forbidden) else _("日期不正确")
        return go(url_for("pool.page", customer_id=customer_id), detail)
    db.session.commit()
    return go(url_for("pool.page", customer_id=customer_id), _("已休眠") if until else _("已恢复"))


@bp.post("/<key:customer_id>/return")
def give_back_to_owner(customer_id: str) -> Any:
    """Undo that it was recycled: it goes back to whom it left."""
    try:
        former = give_back(customer_id, actor=g.member)
    except (Conflict, Forbidden) as problem:
        db.session.rollback()
        return go(url_for("pool.page", customer_id=customer_id), problem.detail)
    db.session.commit()
    return go(url_for("pool.index"), _("已还给 %(name)s", name=former.name))


def _phones(values: dict[str, Any]) -> list[str]:
    found: list[str] = values.get("phones") or []
    return [one if STARS in one else masked_phone(one) for one in found] if are_masked(g.member) else found


def _badges(values: dict[str, Any]) -> list[tuple[str, str]]:
    found = [("brand", _("%(level)s 级", level=values["level"]))] if values.get("level") else []
    if values.get("stage"):
        found.append(("", str(words.STAGES[values["stage"]])))
    return found + [("", tag) for tag in values.get("tags") or ()]


def _facts(values: dict[str, Any], row: Any) -> list[tuple[str, str]]:
    address = " ".join(filter(None, (values.get(one) for one in ("province", "city", "district", "address"))))
    facts = [(str(words.CUSTOMER_FIELDS["address"]), address)]
    facts += [
        (str(words.CUSTOMER_FIELDS[one]), values.get(one) or "") for one in ("source", "industry", "website", "note")
    ]
    facts.append((_("进入公海"), rows.moment(row.pooled_at) if row.pooled_at else ""))
    if reads(g.member, "last_followed_at"):
        facts.append((_("上次跟进"), rows.moment(row.last_followed_at) if row.last_followed_at else ""))
    return facts


# --- claim --------------------------------------------------------------------------------------------------------


@bp.post("/<key:customer_id>/claim")
def claim(customer_id: str) -> Any:
    """Claim one, or sign up for its draw. Whoever was too late, or may not, is told why on the list."""
    back = _list_of(customer_id)
    try:
        if _draws_for(customer_id):
            standing = sign_up(customer_id, actor=g.member)
            db.session.commit()
            return go(back, _draw_words(standing))
        customer = claim_customer(customer_id, actor=g.member)
    except Conflict as problem:
        db.session.rollback()
        return go(back, problem.detail)
    db.session.commit()
    return go(url_for("customers.page", customer_id=customer.id), _("已领取，请尽快跟进"))


def _draws_for(customer_id: str) -> bool:
    """Say whether a customer is in one of my pools that draw."""
    drawing = [one.id for one in pools_of(g.member) if one.draws]
    if not drawing:
        return False
    there = sa.select(Customer.id).where(Customer.id == customer_id, sa.or_(*map(in_pool, drawing)))
    return db.session.scalar(there) is not None


def _list_of(customer_id: str) -> str:
    """Return the list from which a customer was to be claimed."""
    pool_ids = [one.id for one in pools_of(g.member)]
    is_it = Customer.id == current_id(customer_id)
    wanted = sa.select(Customer.pool_id).where(is_it, sa.or_(sa.false(), *map(in_pool, pool_ids)))
    pool_id = db.session.scalar(wanted)
    return url_for("pool.index", pool=pool_id)


@bp.post("/claims")
def claim_several() -> Any:
    """Claim those that are ticked, each for itself."""
    back = url_for("pool.index", pool=arg("pool") or None)
    try:
        got, refused = claim_customers(request.form.getlist("customers"), actor=g.member)
    except Invalid as problem:
        db.session.rollback()
        return go(back, problem.detail)
    db.session.commit()
    told = _("已领取 %(n)d 个客户", n=len(got)) if got else ""
    why = next(iter(refused.values())).detail if refused else ""
    lost = _("%(n)d 个没有领到：%(why)s", n=len(refused), why=why) if refused else ""
    return go(back, _("；").join(filter(None, (told, lost))))
