"""What somebody may do with whose records: the one answer for every door, from roles, departments and deputies."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from wsapp import clock
from wsapp.crm.org.models import ADMIN, SELLER, Department, Member, Membership
from wsapp.crm.org.roles import ACCESS, AUDITOR, BUILT_IN, DENIED, MANAGER, Definition, Delegation, Role
from wsapp.crm.org.standing import standing
from wsapp.db import db, rows
from wsapp.kept import Kept, one_of
from wsapp.problems import Forbidden
from wsapp.texts import _


@dataclass(frozen=True)
class Sight:
    """Whose records a right covers: everybody's, or those of `people`; `shared`: those shared with the actor, too.

    `having`: and customers of anybody with one of these (field, value).
    """

    people: frozenset[str] | None
    shared: bool = False
    having: frozenset[tuple[str, str]] = frozenset()

    def covers(self, owner_id: str | None, *, shared: bool = False) -> bool:
        """Say whether it covers a record of `owner_id`; `shared`: the actor co-works on it."""
        return self.people is None or owner_id in self.people or (self.shared and shared)

    def covers_by_value(self, customer: Any) -> bool:
        """Say whether it covers a customer (or a row of one) for what stands in its fields, whoever owns it."""
        return any(getattr(customer, field) == value for field, value in self.having)

    def values(self) -> dict[str, list[str]]:
        """Return `having` by field."""
        found: dict[str, list[str]] = {}
        for field, value in sorted(self.having):
            found.setdefault(field, []).append(value)
        return found


# --- roles --------------------------------------------------------------------------------------------------------


def definitions() -> Mapping[str, Definition]:
    """Return the corp's roles by key: the built-in ones, as changed here, then its own."""
    return standing("roles", _read_definitions)


def _read_definitions() -> Mapping[str, Definition]:
    found = dict(BUILT_IN)
    for row in db.session.execute(sa.select(Role.key, Role.name, Role.grants, Role.fields).order_by(Role.created_at)):
        built_in = BUILT_IN.get(row.key)
        grants = {**(built_in.grants if built_in else {}), **row.grants}
        found[row.key] = Definition(row.key, row.name or (built_in.name if built_in else ""), grants, row.fields)
    return found


def roles_of(actor: Member) -> tuple[Definition, ...]:
    """Return the roles that a member holds: those given here (seller where none is), and manager where they lead."""
    known = definitions()
    if actor.role == ADMIN:
        return (known[ADMIN],)
    keys = [key for key in actor.roles or () if key in known] or [SELLER]
    if MANAGER not in keys and _led(actor):
        keys.append(MANAGER)
    return tuple(known[key] for key in keys)


def reads_audit(actor: Member) -> bool:
    """Say whether the actor may read the audit log: administrators and auditors."""
    return actor.is_admin or any(role.key == AUDITOR for role in roles_of(actor))


# --- whose records ------------------------------------------------------------------------------------------------


def sight(actor: Member, obj: str = "customer", action: str = "see") -> Sight:
    """Return whose `obj` the actor may `action`. Remembered on the actor for the rest of the unit of work."""
    kept: dict[tuple[str, str], Sight] = actor.__dict__.setdefault("_sights", {})
    found = kept.get((obj, action))
    if found is None:
        found = kept[obj, action] = _widest(_sights(actor, obj, action))
    return found


def may(actor: Member, action: str, owner_id: str | None, *, obj: str = "customer", shared: bool = False) -> bool:
    """Say whether the actor may do something with a record of `owner_id`; `shared`: they co-work on it."""
    return sight(actor, obj, action).covers(owner_id, shared=shared)


def demand(actor: Member, action: str, owner_id: str | None, *, obj: str = "customer", shared: bool = False) -> None:
    """Raise Forbidden unless the actor may do it."""
    if not may(actor, action, owner_id, obj=obj, shared=shared):
        raise Forbidden(_("您没有权限这样做，请联系管理员"))


def forget_sights(actor: Member) -> None:
    """Work it out anew: the actor's roles or departments were changed."""
    for name in ("_sights", "_led", "_people", "_field_rules"):
        actor.__dict__.pop(name, None)


def _sights(actor: Member, obj: str, action: str) -> Iterable[Sight]:
    if (obj, action) == ("task", "see"):
        yield Sight(frozenset({actor.id}))  # who is given something to do sees it, whatever their role
    for role in roles_of(actor):
        yield _of_grant(actor, role.grants.get(obj, {}).get(action, "none"))
    for absent in stood_in_for(actor):
        theirs = sight(absent, obj, action)
        yield Sight(theirs.people, having=theirs.having)


def _of_grant(actor: Member, grant: Any) -> Sight:
    scope = grant["scope"] if isinstance(grant, Mapping) else grant
    if scope == "all":
        return Sight(None, True)
    if scope == "none":
        return Sight(frozenset())
    if scope in ("self", "shared"):
        return Sight(frozenset({actor.id}), scope == "shared")
    if scope == "value":
        return Sight(frozenset({actor.id}), True, frozenset((grant["field"], one) for one in grant["values"]))
    departments = tuple(grant["departments"]) if scope == "chosen" else _led(actor) or _own_departments(actor)
    return Sight(_people_in(actor, departments, below=scope != "department") | {actor.id}, True)


def _widest(sights: Iterable[Sight]) -> Sight:
    people: frozenset[str] = frozenset()
    having: frozenset[tuple[str, str]] = frozenset()
    shared = False
    for one in sights:
        if one.people is None:
            return one
        people |= one.people
        having |= one.having
        shared |= one.shared
    return Sight(people, shared, having)


def stood_in_for(actor: Member) -> Iterable[Member]:
    """Return whoever is away now and has the actor as deputy. A deputy of a deputy is nobody's."""
    if actor.__dict__.get("_as_absent"):
        return ()
    now = clock.now()
    wanted = [absent for absent, deputy, starts, ends in _delegations() if deputy == actor.id and starts <= now < ends]
    if not wanted:
        return ()
    found = rows(sa.select(Member).where(Member.id.in_(wanted)))
    for one in found:
        one.__dict__["_as_absent"] = True
    return found


def _delegations() -> Any:
    return standing("delegations", _read_delegations)


def _read_delegations() -> Any:
    columns = (Delegation.absent_id, Delegation.deputy_id, Delegation.starts_at, Delegation.ends_at)
    return [tuple(row) for row in db.session.execute(sa.select(*columns).where(Delegation.ends_at > clock.now()))]


# --- departments --------------------------------------------------------------------------------------------------


def _led(actor: Member) -> tuple[str, ...]:
    """Return the departments that the actor leads. The same statement finds who belongs to them and below."""
    if "_led" not in actor.__dict__:
        found = _TEAM.all(member=actor.id)
        led = tuple(sorted({row.department_id for row in found}))
        actor.__dict__["_led"] = led
        _kept_people(actor)[led, True] = frozenset(row.member_id for row in found)
    known: tuple[str, ...] = actor.__dict__["_led"]
    return known


def _own_departments(actor: Member) -> tuple[str, ...]:
    return tuple(rows(sa.select(Membership.department_id).where(Membership.member_id == actor.id)))


def _people(below: bool, *columns: Any) -> tuple[sa.Select[Any], Any]:
    """Return the select of who belongs to departments, and the alias of these departments to name them by."""
    there, top = aliased(Department), aliased(Department)
    # Compared as text, not with LIKE: a host's department id may hold a wildcard.
    covered = sa.func.substr(there.path, 1, sa.func.length(top.path)) == top.path if below else there.id == top.id
    found = (
        sa.select(Membership.member_id, *columns)
        .join(there, sa.and_(there.id == Membership.department_id, there.corp_id == Membership.corp_id))
        .join(top, sa.and_(covered, top.corp_id == there.corp_id))
        .distinct()
    )
    return found, top


def _people_of_given(below: bool) -> sa.Select[Any]:
    found, top = _people(below)
    return found.where(one_of(top.id, "departments"))


def _team() -> sa.Select[Any]:
    own = aliased(Membership)
    found, top = _people(True, own.department_id)
    leads = sa.and_(own.department_id == top.id, own.corp_id == top.corp_id, own.leads)
    return found.join(own, leads).where(own.member_id == sa.bindparam("member"))


_PEOPLE_OF, _PEOPLE_BELOW = Kept(_people_of_given(below=False)), Kept(_people_of_given(below=True))
_TEAM = Kept(_team())


def _kept_people(actor: Member) -> dict[tuple[tuple[str, ...], bool], frozenset[str]]:
    kept: dict[tuple[tuple[str, ...], bool], frozenset[str]] = actor.__dict__.setdefault("_people", {})
    return kept


def _people_in(actor: Member, departments: tuple[str, ...], *, below: bool) -> frozenset[str]:
    """Return who belongs to departments; one statement for all rights of the actor that reach as far."""
    kept = _kept_people(actor)
    if (departments, below) not in kept:
        statement = _PEOPLE_BELOW if below else _PEOPLE_OF
        found = statement.all(departments=list(departments))
        kept[departments, below] = frozenset(row.member_id for row in found)
    return kept[departments, below]


# --- fields -------------------------------------------------------------------------------------------------------


def field_access(actor: Member, obj: str = "customer") -> Mapping[str, str]:
    """Return how the actor sees the fields that a rule of a role names: one of `ACCESS`. All others they may edit.

    Of several roles the widest counts, where every one of them has a rule; "denied" of any role hides the field, from
    an administrator who holds it as well.
    """
    ruled = [role.fields.get(obj, {}) for role in roles_of(actor)]
    if actor.role == ADMIN:
        held = (definitions().get(key) for key in actor.roles or ())
        denied = [name for one in held if one for name, how in one.fields.get(obj, {}).items() if how == DENIED]
        return dict.fromkeys(denied, "hidden")
    found: dict[str, str] = {}
    for name in {name for one in ruled for name in one}:
        wishes = [one.get(name, "edit") for one in ruled]
        found[name] = "hidden" if DENIED in wishes else max(wishes, key=ACCESS.index)
    return found
