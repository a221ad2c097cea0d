"""Public pools: who may claim from which, what is hidden until then, and the limits."""

from typing import Any

import sqlalchemy as sa
from flask import g, request

from wsapp.admin.gate import go, pages, show, storable
from wsapp.admin.recycling import rehearsed
from wsapp.crm.customers.models import LEVELS, Customer
from wsapp.crm.org.models import ACTIVE, ADMIN, Department, Member
from wsapp.crm.org.rights import definitions
from wsapp.crm.org.rules import declared, rule
from wsapp.crm.pools.models import HIDDEN_AT_FIRST, HIDEABLE, OWN_RECYCLING, OWN_RULES, Pool
from wsapp.crm.pools.queries import all_pools, make_first_pool
from wsapp.crm.pools.settings import change_pool, find_pool_row, make_pool, pool_rows
from wsapp.crm.pools.terms import rulebook
from wsapp.db import db, rows, writing
from wsapp.problems import Invalid
from wsapp.texts import _, lazy

bp = pages("pools")

MOST_CHOICES = 500
RECYCLING = tuple(f"recycle.{name}" for name in OWN_RECYCLING)
TEXTS = ("name", "kind", "position", *OWN_RULES, *(f"level_{level}" for level in LEVELS), *RECYCLING)
LISTS = ("departments", "people", "roles", "managers", "hidden")
SWITCHES = ("is_default", "enabled", "draw")
FIELDS = {
    "phones": lazy("电话"),
    "address": lazy("地址"),
    "website": lazy("网址"),
    "note": lazy("备注"),
    "source": lazy("来源"),
    "industry": lazy("行业"),
    "tags": lazy("标签"),
}


@bp.get("/pools")
def index() -> str:
    """The corp's pools with how much is in each, and the form for a new one."""
    if not all_pools():
        with writing():
            make_first_pool()
    return _show(typed={"enabled": True, "hidden": HIDDEN_AT_FIRST})


def _show(*, typed: dict[str, Any], errors: dict[str, str] | None = None) -> str:
    counts = dict(
        db.session.execute(
            sa.select(Customer.pool_id, sa.func.count())
            .where(Customer.pool_id.is_not(None), Customer.owner_id.is_(None), Customer.deleted_at.is_(None))
            .group_by(Customer.pool_id)
        ).all()
    )
    departments = dict(_departments())
    drawn = [_row(one, counts.get(one.id, 0), departments) for one in pool_rows()]
    return show("pools.html", "pools", pools=drawn, **_form(typed, errors or {}))


def _row(pool: Pool, count: int, departments: dict[str, str]) -> dict[str, Any]:
    names = [departments.get(one, one).strip() for one in pool.departments]
    names += [str(role.name) for key, role in definitions().items() if key in pool.roles]
    scope = _("、").join(names) or (_("指定成员") if pool.people or pool.roles else _("全公司"))
    badge = _("默认") if pool.is_default else ""
    return {
        "url": f"/admin/pools/{pool.id}",
        "icon": "pool",
        "text": pool.name,
        "sub": scope,
        "value": _("%(n)s 个客户", n=count),
        "badge": ("", _("已停用")) if not pool.enabled else ("brand", badge) if badge else None,
    }


def _form(typed: dict[str, Any], errors: dict[str, str]) -> dict[str, Any]:
    """Return what the form of a pool shows."""
    numbers = [(name, declared()[f"pool.{name}"]) for name in OWN_RULES]
    return {
        "typed": typed,
        "errors": errors,
        "departments": _departments(),
        "people": _people(),
        "roles": [(key, str(role.name)) for key, role in definitions().items() if key != ADMIN],
        "hideable": [(one, FIELDS[one]) for one in HIDEABLE],
        "numbers": [(name, one.label, str(rule(one.key)), one.hint) for name, one in numbers],
        "recycling": [(key, declared()[key]) for key in RECYCLING],
        "standards": {key: _as_words(key) for key in RECYCLING},
        "levels": [(f"level_{level}", _("%(level)s 级持有上限", level=level)) for level in LEVELS],
    }


def _as_words(key: str) -> str:
    """Return what the corp's rule says."""
    one, value = declared()[key], rule(key)
    return str(dict(one.choices)[value]) if one.kind == "choice" else str(value)


def _departments() -> list[tuple[str, str]]:
    statement = sa.select(Department).where(Department.gone_at.is_(None)).order_by(Department.path).limit(MOST_CHOICES)
    return [(one.id, "\u2003" * max(0, one.path.count("/") - 2) + one.name) for one in rows(statement)]


def _people() -> list[tuple[str, str]]:
    statement = sa.select(Member.id, Member.name).where(Member.status == ACTIVE).order_by(Member.name)
    return [(row.id, row.name) for row in db.session.execute(statement.limit(MOST_CHOICES))]


def _read() -> dict[str, Any]:
    typed: dict[str, Any] = {name: storable(request.form.get(name, "")) for name in TEXTS}
    typed |= {name: [storable(one) for one in request.form.getlist(name)] for name in LISTS}
    return typed | {name: request.form.get(name) == "1" for name in SWITCHES}


@bp.post("/pools")
def create() -> Any:
    """Make a pool."""
    typed = _read()
    try:
        pool = make_pool(typed, actor=g.member)
    except Invalid as problem:
        db.session.rollback()
        return _show(typed=typed, errors=problem.fields), 422
    if _is_to_rehearse(pool):
        return _rehearse(typed, "/admin/pools")
    db.session.commit()
    return go("/admin/pools", _("公海已创建"))


@bp.get("/pools/<key:pool_id>")
def page(pool_id: str) -> str:
    """One pool, to be changed."""
    pool = find_pool_row(pool_id)
    typed = {name: getattr(pool, name) for name in ("name", "kind", "position", "is_default", "enabled", *LISTS)}
    typed["draw"] = bool(pool.rules.get("draw"))
    typed |= {name: pool.rules.get(name, "") for name in OWN_RULES}
    typed |= {f"recycle.{name}": value for name, value in (pool.rules.get("recycle") or {}).items()}
    typed |= {f"level_{level}": number for level, number in (pool.rules.get("level_holding") or {}).items()}
    return show("pool.html", "pools", pool=pool, **_form(typed, {}))


@bp.post("/pools/<key:pool_id>")
def change(pool_id: str) -> Any:
    """Save what was changed."""
    pool, typed = find_pool_row(pool_id), _read()
    try:
        change_pool(pool, typed, actor=g.member)
    except Invalid as problem:
        db.session.rollback()
        return show("pool.html", "pools", pool=find_pool_row(pool_id), **_form(typed, problem.fields)), 422
    if _is_to_rehearse(pool):
        return _rehearse(typed, f"/admin/pools/{pool_id}")
    db.session.commit()
    return go("/admin/pools", _("公海已保存"))


# --- rules of recycling of its own --------------------------------------------------------------------------------


def _is_to_rehearse(pool: Pool) -> bool:
    return pool.ruled_at is not None and pool.ruled_at == pool.updated_at and "rehearsed" not in request.form


def _rehearse(typed: dict[str, Any], action: str) -> str:
    """Show what the changed rules would take, before they hold; the session has them, and forgets them."""
    kept = [(name, str(typed[name])) for name in TEXTS]
    kept += [(name, one) for name in LISTS for one in typed[name]]
    kept += [(name, "1") for name in SWITCHES if typed[name]]
    found = rehearsed(rulebook())
    db.session.rollback()
    return show("rules_rehearsed.html", "pools", kept=[*kept, ("rehearsed", "1")], action=action, **found)
