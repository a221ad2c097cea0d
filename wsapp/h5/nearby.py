"""Customers around me (附近客户), the way over a day's stops (今日路线). Where I am is used once and kept nowhere."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, g, request, url_for

from wsapp.crm.customers.queries import find_customer
from wsapp.crm.fields.access import reads
from wsapp.crm.pools.nearby import pooled_near
from wsapp.crm.pools.queries import pools_of
from wsapp.crm.visits.actions import read_fix
from wsapp.crm.visits.consent import consents
from wsapp.crm.visits.nearby import KILOMETRES, customers_near, places_of
from wsapp.crm.visits.route import MOST, shortest
from wsapp.geo import Position
from wsapp.h5 import visit_lists
from wsapp.h5.pages import arg, choice, here_with, show
from wsapp.h5.pool import pooled_rows
from wsapp.h5.rows import Row, moment
from wsapp.problems import Invalid
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("nearby", __name__, url_prefix="/h5")
bp.before_request(require_member)

# Amap's URI for a way to one place (lbs.amap.com/api/uri-api/guide/travel/route): GCJ-02, longitude first. The hosts'
# own scripts show a place (openLocation) but take no way over several.
NAVIGATION = "https://uri.amap.com/navigation"
UNVISITED = 7  # days
POOLED = 20  # customers of the pools shown
CHOSEN = 40  # stops that an address may name at all


@bp.get("/nearby")
def page() -> str:
    """Customers within some kilometres of me, or of the customer `customer`."""
    around, start, error = _start()
    kilometres = int(choice("km", [str(one) for one in KILOMETRES], str(KILOMETRES[1])))
    nearest, unvisited = arg("sort") == "distance", arg("unvisited") == "1"
    found = (
        customers_near(
            start,
            kilometres,
            actor=g.member,
            unvisited_days=UNVISITED if unvisited else 0,
            by_distance=nearest,
        )
        if start
        else []
    )
    return show(
        "visits/nearby.html",
        counted=False,
        around=around,
        start=start,
        found=[_row(one) for one in found if one.id != arg("customer")],
        pooled=_pooled(start, kilometres) if start else [],
        consents=consents(g.member),
        error=error,
        most=MOST,
        radii=[(here_with(km=str(one)), _("%(n)d 公里", n=one), one == kilometres, None) for one in KILOMETRES],
        sorts=[
            (here_with(sort=""), _("值得去的在前"), not nearest, None),
            (here_with(sort="distance"), _("近的在前"), nearest, None),
        ],
        unvisited=unvisited,
        switch_url=here_with(unvisited="" if unvisited else "1"),
        unvisited_days=UNVISITED,
    )


def _pooled(start: Position, kilometres: int) -> list[Row]:
    """Customers of my pools around a place, as the pool's own list shows them, the nearest first."""
    drawn: list[tuple[int, Row]] = []
    for pool in pools_of(g.member):
        near = pooled_near(start, kilometres, pool, actor=g.member, steps=KILOMETRES)
        if near:
            rows_of_pool = pooled_rows(pool, [one.row for one in near])
            drawn += [
                (one.kilometres, {**row, "within": one.kilometres, "pool": pool.name, "draws": pool.draws})
                for one, row in zip(near, rows_of_pool, strict=True)
            ]
    return [row for _within, row in sorted(drawn, key=lambda pair: pair[0])][:POOLED]


def _start() -> tuple[str, Position | None, str]:
    """Return the name of the customer around whom to look, the place, and what is wrong with it."""
    customer_id = arg("customer")
    if customer_id:
        customer = find_customer(customer_id, actor=g.member)
        return customer.name, customer.place if reads(g.member, "location") else None, ""
    return "", *_mine()


def _mine() -> tuple[Position | None, str]:
    """Return where the reader is by what the page's script found; nothing of who does not consent."""
    if not arg("lat") or not consents(g.member):
        return None, ""
    try:
        fix = read_fix({name: arg(name) for name in ("lat", "lng", "coordinate")} | {"fixed_at": None})
    except Invalid as problem:
        return None, problem.fields["location"]
    return (fix.lat, fix.lng) if fix else None, ""


def _row(one: Any) -> Row:
    followed: datetime | None = one.last_followed_at
    return {
        "id": one.id,
        "url": url_for("customers.page", customer_id=one.id),
        "text": one.name,
        "level": one.level or "",
        "sub": " · ".join(
            (
                _away(one.metres),
                _("上次跟进 %(at)s", at=moment(followed, all_day=True)) if followed else _("还没有跟进"),
                *([_("下次 %(at)s", at=moment(one.next_follow_at))] if one.next_follow_at else []),
            )
        ),
    }


def _away(metres: float) -> str:
    return _("%(n)s 米", n=round(metres)) if metres < 1000 else _("%(n)s 公里", n=f"{metres / 1000:.1f}")


# --- the way ------------------------------------------------------------------------------------------------------


@bp.get("/route")
def route() -> str:
    """The shortest way over the chosen stops (`stop`, at most ten), or over today's planned visits."""
    wanted = list(dict.fromkeys(filter(None, request.args.getlist("stop")[:CHOSEN])))
    if not wanted:
        wanted = list(dict.fromkeys(row.customer_id for row in visit_lists.todays_plans(g.member)))
    start, error = _mine()
    stops = places_of(wanted, actor=g.member)
    if len(stops) > MOST:
        error = _("最多 %(most)d 站，请少选几位客户", most=MOST)
        stops = []
    order, metres = shortest([(one.lat, one.lng) for one in stops], start)
    return show(
        "visits/route.html",
        counted=False,
        stops=_legs([stops[at] for at in order], start),
        wanted=[one.id for one in stops],
        length=_away(metres) if metres >= 1 else "",
        unplaced=len(wanted) - len(stops) if not error else 0,
        started=start is not None,
        consents=consents(g.member),
        error=error,
    )


def _legs(stops: Sequence[Any], start: Position | None) -> list[Row]:
    """Draw the stops in their order, each with the link that leads there from the one before."""
    legs, before, origin = [], start, ""
    for stop in stops:
        there = f"{stop.lng},{stop.lat},{stop.name.replace(',', ' ')}"
        way = {"to": there, "mode": "car", "coordinate": "gaode", "callnative": "1"}
        if before is not None:
            way["from"] = f"{before[1]},{before[0]},{origin or _('我的位置')}"
        legs.append(
            {
                "id": stop.id,
                "name": stop.name,
                "lat": stop.lat,
                "lng": stop.lng,
                "address": stop.address,
                "url": url_for("customers.page", customer_id=stop.id),
                "way": f"{NAVIGATION}?{urlencode(way)}",
            }
        )
        before, origin = (stop.lat, stop.lng), stop.name.replace(",", " ")
    return legs
