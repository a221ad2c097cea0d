"""Setting up pools: what an administrator says of one."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.clean import clean_line
from wsapp.crm.customers.models import LEVELS
from wsapp.crm.events.actions import record
from wsapp.crm.org.models import Department, Member
from wsapp.crm.org.rights import definitions
from wsapp.crm.org.rules import declared
from wsapp.crm.org.standing import changed
from wsapp.crm.pools.models import HIDEABLE, OWN_RECYCLING, OWN_RULES, POOL_KINDS, Pool
from wsapp.crm.pools.queries import all_pools
from wsapp.db import db, first, new_id, rows
from wsapp.problems import Invalid, NotFound
from wsapp.texts import _

MOST_POOLS = 50
MOST_HOLDING = 10_000
RULING = {"kind", "departments", "is_default", "enabled"}  # what decides which customers fall into a pool


def find_pool_row(pool_id: str) -> Pool:
    """Return a pool to be changed; raises NotFound."""
    found: Pool | None = first(sa.select(Pool).where(Pool.id == pool_id))
    if found is None:
        raise NotFound(_("公海不存在或无权查看"))
    return found


def pool_rows() -> list[Pool]:
    """Return all pools of the corp in order."""
    return list(rows(sa.select(Pool).order_by(Pool.position, Pool.created_at, Pool.id)))


def make_pool(values: Mapping[str, Any], *, actor: Member) -> Pool:
    """Make a pool. The caller has made sure that the actor may. Raises Invalid."""
    clean = _clean(values)
    if (db.session.scalar(sa.select(sa.func.count()).select_from(Pool)) or 0) >= MOST_POOLS:
        raise Invalid({"name": _("最多 %(most)d 个公海", most=MOST_POOLS)})
    now = clock.now()
    pool = Pool(**clean, id=new_id(), created_at=now, updated_at=now)
    db.session.add(pool)
    db.session.flush()
    changed()
    if pool.is_default and _some_rule():
        pool.ruled_at = now
    record("pool.created", pool, actor=actor, name=pool.name)
    return pool


def change_pool(pool: Pool, values: Mapping[str, Any], *, actor: Member) -> None:
    """Change a pool to exactly these values. Raises Invalid.

    `ruled_at` is then `updated_at` where other rules of recycling hold for some customers than before.
    """
    clean = _clean(values)
    changes = {name: [getattr(pool, name), value] for name, value in clean.items() if getattr(pool, name) != value}
    if not changes:
        return
    before = pool.rules.get("recycle")
    for name, value in clean.items():
        setattr(pool, name, value)
    pool.updated_at = clock.now()
    db.session.flush()
    changed()
    if pool.rules.get("recycle") != before or (RULING & set(changes) and _some_rule()):
        pool.ruled_at = pool.updated_at
    record("pool.changed", pool, actor=actor, changes=changes, name=pool.name)


def _some_rule() -> bool:
    """Say whether any pool has rules of recycling of its own: else it is all the same who falls where."""
    return any(one.recycling for one in all_pools())


def _clean(values: Mapping[str, Any]) -> dict[str, Any]:
    errors: dict[str, str] = {}
    clean: dict[str, Any] = {
        "name": clean_line(str(values.get("name") or "")),
        "kind": values.get("kind") or POOL_KINDS[0],
        "departments": _known(Department.id, values.get("departments"), "departments", errors),
        "people": _known(Member.id, values.get("people"), "people", errors),
        "roles": _known_roles(values.get("roles"), errors),
        "managers": _known(Member.id, values.get("managers"), "managers", errors),
        "hidden": [one for one in HIDEABLE if one in (values.get("hidden") or ())],
        "rules": _clean_rules(values, errors),
        "position": _number(values.get("position") or 0, 999, "position", errors) or 0,
        "is_default": bool(values.get("is_default")),
        "enabled": bool(values.get("enabled")),
    }
    if not 1 <= len(clean["name"]) <= 60:
        errors["name"] = _("名称应为 1–60 个字")
    if clean["kind"] not in POOL_KINDS:
        errors["kind"] = _("请从列表中选择")
    if errors:
        raise Invalid(errors)
    return clean


def _known(column: Any, wanted: Any, field: str, errors: dict[str, str]) -> list[str]:
    """Return those wanted, each once; an unknown one is an error."""
    ids = list(dict.fromkeys(str(one) for one in wanted or () if one))
    found = set(db.session.scalars(sa.select(column).where(column.in_(ids)))) if ids else set()
    if len(found) != len(ids):
        errors[field] = _("请从列表中选择")
    return [one for one in ids if one in found]


def _known_roles(wanted: Any, errors: dict[str, str]) -> list[str]:
    keys = list(dict.fromkeys(str(one) for one in wanted or () if one))
    if not set(keys) <= set(definitions()):
        errors["roles"] = _("请从列表中选择")
    return keys


def _clean_rules(values: Mapping[str, Any], errors: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in OWN_RULES:
        number = _number(values.get(name), declared()[f"pool.{name}"].most, name, errors)
        if number is not None:
            found[name] = number
    levels = {
        level: number
        for level in LEVELS
        if (number := _number(values.get(f"level_{level}"), MOST_HOLDING, f"level_{level}", errors))
    }
    recycling = _clean_recycling(values, errors)
    found |= {"draw": True} if values.get("draw") else {}
    return found | ({"level_holding": levels} if levels else {}) | ({"recycle": recycling} if recycling else {})


def _clean_recycling(values: Mapping[str, Any], errors: dict[str, str]) -> dict[str, Any]:
    """Return what the pool says otherwise of recycling, from the fields "recycle.no_follow", …"""
    found: dict[str, Any] = {}
    for name in OWN_RECYCLING:
        key = f"recycle.{name}"
        one, typed = declared()[key], str("" if values.get(key) is None else values[key]).strip()
        if one.kind == "choice":
            if typed and typed not in dict(one.choices):
                errors[key] = _("请从列表中选择")
            elif typed:
                found[name] = typed
        elif (number := _number(typed, one.most, key, errors)) is not None:
            found[name] = number
    return found


def _number(value: Any, most: int, field: str, errors: dict[str, str]) -> int | None:
    """Return a whole number; None for nothing typed, which means: as the corp's rule says."""
    text = "" if value is None else str(value).strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= most):
        errors[field] = _("应为 %(least)d–%(most)d 的整数", least=0, most=most)
        return None
    return int(text)
