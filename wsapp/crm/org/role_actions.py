"""Changing who may do what: roles and who holds them, by administrators; deputies, by oneself as well."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.org.models import ADMIN, Member
from wsapp.crm.org.queries import hold_corp, member_by_userid
from wsapp.crm.org.rights import definitions, forget_sights
from wsapp.crm.org.roles import (
    ACCESS,
    ACTIONS,
    BUILT_IN,
    DENIED,
    NOT_BY_VALUE,
    OBJECTS,
    SCOPES,
    VALUE_FIELDS,
    Delegation,
    Role,
)
from wsapp.crm.org.standing import changed
from wsapp.db import db, first, new_id, rows
from wsapp.house import zone
from wsapp.problems import Forbidden, Invalid, NotFound
from wsapp.texts import _

MAX_ROLES = 30
MAX_HELD = 10
LONGEST_AWAY = timedelta(days=92)
MOST_VALUES, LONGEST_VALUE = 30, 60


def save_role(key: str, *, name: str, grants: Mapping[str, Any], fields: Mapping[str, Any], actor: Member) -> None:
    """Keep a role's name, scopes and field rules; rules of custom fields that are not named here stay as they are.

    Raises Forbidden, NotFound, Invalid (the administrator's stays).
    """
    _demand_admin(actor)
    known = definitions().get(key)
    if known is None:
        raise NotFound(_("没有这个角色"))
    if key == ADMIN:
        raise Invalid({"name": _("管理员的权限不能修改")})
    name = name.strip()[:60]
    if not name and key not in BUILT_IN:
        raise Invalid({"name": _("请填写角色名称")})
    row = _row(key)
    row.name, row.grants = name, _clean_grants(grants)
    row.fields = _with_own(known.fields, fields)
    row.updated_at = clock.now()
    changed()


def copy_role(source: str, *, name: str, actor: Member) -> str:
    """Make a role of the corp's own that begins as a copy; returns its key. Raises Forbidden, NotFound, Invalid."""
    _demand_admin(actor)
    hold_corp()
    known = definitions().get(source)
    name = name.strip()[:60]
    if known is None or source == ADMIN:
        raise NotFound(_("没有这个角色"))
    if not name:
        raise Invalid({"name": _("请填写角色名称")})
    if len(definitions()) >= MAX_ROLES + len(BUILT_IN):
        raise Invalid({"name": _("最多 %(most)d 个自定义角色", most=MAX_ROLES)})
    row = _row(f"own_{secrets.token_hex(6)}")
    row.name = name
    row.grants = {obj: dict(known.grants.get(obj, {})) for obj in OBJECTS}
    row.fields = {obj: dict(rules) for obj, rules in known.fields.items()}
    changed()
    return row.key


def remove_role(key: str, *, actor: Member) -> None:
    """Remove a role of the corp's own that nobody holds; a built-in one returns to what it was."""
    _demand_admin(actor)
    hold_corp()
    row = first(sa.select(Role).where(Role.key == key))
    if row is None:
        raise NotFound(_("没有这个角色"))
    holders = [one for one in rows(sa.select(Member).where(Member.roles != [])) if key in (one.roles or ())]
    if key not in BUILT_IN and holders:
        raise Invalid({"name": _("还有 %(n)s 名成员是这个角色，请先给他们别的角色", n=len(holders))})
    db.session.delete(row)
    db.session.flush()
    changed()


def give_roles(member: Member, keys: Sequence[str], *, actor: Member) -> list[list[str]]:
    """Let a member hold exactly these roles (none: seller); returns [before, after]. Their sessions end.

    The administrator's is not among them: it is given and taken by `set_role`, which guards the last one.
    """
    _demand_admin(actor)
    hold_corp()
    db.session.refresh(member)
    wanted = list(dict.fromkeys(keys))
    if ADMIN in wanted or any(key not in definitions() for key in wanted):
        raise Invalid({"roles": _("没有这个角色")})
    if len(wanted) > MAX_HELD:
        raise Invalid({"roles": _("每人最多 %(most)d 个角色", most=MAX_HELD)})
    before = list(member.roles or ())
    if before != wanted:
        member.roles = wanted
        member.epoch += 1  # a change of rights ends the sessions that were opened with the old ones
        forget_sights(member)
    return [before, wanted]


def _demand_admin(actor: Member) -> None:
    if actor.role != ADMIN:
        raise Forbidden(_("只有管理员可以变更角色"))


def _row(key: str) -> Role:
    row: Role | None = first(sa.select(Role).where(Role.key == key))
    if row is None:
        now = clock.now()
        row = Role(id=new_id(), key=key, name="", grants={}, fields={}, created_at=now, updated_at=now)
        db.session.add(row)
    return row


def _clean_grants(grants: Mapping[str, Any]) -> dict[str, Any]:
    clean: dict[str, Any] = {}
    for obj, actions in grants.items():
        for action, grant in actions.items():
            scope = grant["scope"] if isinstance(grant, Mapping) else grant
            by_value = scope == "value"
            if obj not in OBJECTS or action not in ACTIONS or scope not in SCOPES:
                raise Invalid({f"grant.{obj}.{action}": _("请从列表中选择")})
            if by_value and (obj != "customer" or action in NOT_BY_VALUE):
                raise Invalid({f"grant.{obj}.{action}": _("按字段值只用于已有的客户")})
            if scope == "chosen" or by_value:
                scope = _clean_value(grant) if by_value else _clean_departments(grant, f"grant.{obj}.{action}")
            clean.setdefault(obj, {})[action] = scope
    return clean


def _clean_departments(grant: Any, name: str) -> dict[str, Any]:
    departments = list(grant.get("departments", ())) if isinstance(grant, Mapping) else []
    if not departments:
        raise Invalid({name: _("请至少选择一个部门")})
    return {"scope": "chosen", "departments": departments}


def _clean_value(grant: Any) -> dict[str, Any]:
    """Return a scope by field value: the field, and each value once, as it stands in customers."""
    given = grant if isinstance(grant, Mapping) else {}
    if given.get("field") not in VALUE_FIELDS:
        raise Invalid({"value_field": _("请从列表中选择")})
    values = list(dict.fromkeys(text for one in given.get("values", ()) if (text := " ".join(str(one).split()))))
    if not values:
        raise Invalid({"values": _("请至少填写一个字段值")})
    if len(values) > MOST_VALUES or any(len(one) > LONGEST_VALUE for one in values):
        words = _("最多 %(most)d 个值，每个不超过 %(long)d 个字", most=MOST_VALUES, long=LONGEST_VALUE)
        raise Invalid({"values": words})
    return {"scope": "value", "field": given["field"], "values": values}


def _with_own(present: Mapping[str, Mapping[str, str]], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the field rules that are given, and those of custom fields, which are set at the fields themselves."""
    clean = _clean_fields(fields)
    for obj, rules in present.items():
        for name, how in rules.items():
            if name.startswith("custom.") and name not in fields.get(obj, {}):
                clean.setdefault(obj, {})[name] = how
    return clean


def _clean_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    clean: dict[str, Any] = {}
    for obj, ruled in fields.items():
        for name, how in ruled.items():
            if obj not in OBJECTS or how not in (*ACCESS, DENIED):
                raise Invalid({f"field.{obj}.{name}": _("请从列表中选择")})
            if how != "edit":
                clean.setdefault(obj, {})[name] = how
    return clean


# --- deputies -----------------------------------------------------------------------------------------------------


def name_deputy(
    absent: Member, deputy: Member | None, *, starts_at: datetime | None, ends_at: datetime | None, actor: Member
) -> Delegation:
    """Let `deputy` do for `absent` what they may do themselves, for a time (休假代理). Replaces what was said before.

    Raises Forbidden unless it is one's own absence or the actor administers; Invalid for fields "deputy", "ends_at".
    """
    if actor.id != absent.id and actor.role != ADMIN:
        raise Forbidden(_("只能设置自己的休假代理"))
    if deputy is None or not deputy.is_active or deputy.id == absent.id:
        raise Invalid({"deputy": _("请选择另一位在职成员")})
    starts_at = starts_at or clock.now()
    if ends_at is None or ends_at <= max(starts_at, clock.now()):
        raise Invalid({"ends_at": _("结束时间应晚于开始时间和现在")})
    if ends_at - starts_at > LONGEST_AWAY:
        raise Invalid({"ends_at": _("代理最长 %(n)s 天", n=LONGEST_AWAY.days)})
    end_delegations(absent, actor=actor)
    row = Delegation(absent_id=absent.id, deputy_id=deputy.id, starts_at=starts_at, ends_at=ends_at)
    row.created_at = clock.now()
    db.session.add(row)
    db.session.flush()
    changed()
    return row


def end_delegations(absent: Member, *, actor: Member) -> int:
    """End whatever deputies somebody has; returns how many there were. Raises Forbidden."""
    if actor.id != absent.id and actor.role != ADMIN:
        raise Forbidden(_("只能设置自己的休假代理"))
    now = clock.now()
    found = rows(sa.select(Delegation).where(Delegation.absent_id == absent.id, Delegation.ends_at > now))
    for one in found:
        if one.starts_at < now:
            one.ends_at = now  # kept: while somebody was away, clocks stood still
        else:
            db.session.delete(one)
    db.session.flush()
    changed()
    return len(found)


def delegation_of(absent: Member) -> Delegation | None:
    """Return who stands in for somebody, now or soon."""
    wanted = sa.select(Delegation).where(Delegation.absent_id == absent.id, Delegation.ends_at > clock.now())
    found: Delegation | None = first(wanted.order_by(Delegation.starts_at))
    return found


def stood_in_by(deputy: Member) -> Sequence[Delegation]:
    """Return for whom somebody stands in, now or soon."""
    wanted = sa.select(Delegation).where(Delegation.deputy_id == deputy.id, Delegation.ends_at > clock.now())
    found: Sequence[Delegation] = rows(wanted.order_by(Delegation.starts_at))
    return found


def take_deputy(absent: Member, typed: Mapping[str, str], *, actor: Member) -> dict[str, list[Any]]:
    """Do what a form says: `deputy` (a userid), `starts_at` and `ends_at` as datetime-local fields; or `end`.

    Returns the changes for the event. Raises Forbidden, Invalid.
    """
    before = delegation_of(absent)
    was = before.deputy_id if before else None
    if typed.get("end"):
        end_delegations(absent, actor=actor)
        return {"deputy": [was, None]}
    userid = typed.get("deputy", "").replace("\0", "").strip()[:64]
    found = member_by_userid(userid, fold=False) or member_by_userid(userid, fold=True) if userid else None
    starts_at, ends_at = (_moment(typed.get(name, ""), name) for name in ("starts_at", "ends_at"))
    row = name_deputy(absent, found, starts_at=starts_at, ends_at=ends_at, actor=actor)
    return {"deputy": [was, row.deputy_id]}


def _moment(text: str, name: str) -> datetime | None:
    if not text:
        return None
    try:
        typed = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid({name: _("时间格式不正确")}) from None
    return typed if typed.tzinfo else typed.replace(tzinfo=zone())
