"""Which pools there are for somebody, what is in them, and how much of it they may still take."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.leads import CONVERTED
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import current_id
from wsapp.crm.org.models import ADMIN, Department, Member, Membership
from wsapp.crm.org.rights import roles_of, sight
from wsapp.crm.org.rules import rule
from wsapp.crm.org.standing import changed, standing
from wsapp.crm.pools.models import CUSTOMERS, HIDDEN_AT_FIRST, LEADS, Ownership, Pool, PoolDay
from wsapp.db import current_corp, db, first, insert_unless_there, rows
from wsapp.house import local, local_now
from wsapp.problems import NotFound
from wsapp.texts import _

# The pool that every corp begins with: one id for all, so that two who need it first make it once.
FIRST_POOL = "00000000000000public"
DEALT = "dealt"
LATELY = timedelta(days=1)


@dataclass(frozen=True)
class PoolFacts:
    """A pool as it holds now, without its session. `own` are its own rules, `levels` its holding caps by level."""

    id: str
    name: str
    kind: str
    departments: frozenset[str]
    people: frozenset[str]
    roles: frozenset[str]
    managers: frozenset[str]
    hidden: frozenset[str]
    own: Mapping[str, Any]
    is_default: bool
    enabled: bool
    ruled_at: datetime | None

    def limit(self, name: str) -> int:
        """Return what holds in this pool: its own rule, else the corp's."""
        found = self.own.get(name)
        return int(rule(f"pool.{name}") if found is None else found)

    @property
    def levels(self) -> Mapping[str, int]:
        return self.own.get("level_holding") or {}

    @property
    def recycling(self) -> Mapping[str, Any]:
        """What it says otherwise than the corp's rules of recycling, by the names of `OWN_RECYCLING`."""
        return self.own.get("recycle") or {}

    @property
    def draws(self) -> bool:
        """Whether people sign up for a draw instead of claiming."""
        return bool(self.own.get("draw"))

    @property
    def is_for_all(self) -> bool:
        return not (self.departments or self.people or self.roles)


# --- pools --------------------------------------------------------------------------------------------------------


def all_pools() -> Sequence[PoolFacts]:
    """Return the corp's pools in order, kept until one is changed."""
    return standing("pools", _read_pools)


def _read_pools() -> Sequence[PoolFacts]:
    found = rows(sa.select(Pool).order_by(Pool.position, Pool.created_at, Pool.id))
    return tuple(
        PoolFacts(
            one.id,
            one.name,
            one.kind,
            frozenset(one.departments),
            frozenset(one.people),
            frozenset(one.roles),
            frozenset(one.managers),
            frozenset(one.hidden),
            dict(one.rules),
            one.is_default,
            one.enabled,
            one.ruled_at,
        )
        for one in found
    )


def make_first_pool() -> None:
    """Give a corp that has no pool of customers the one for everybody; nothing happens where there is one."""
    if any(one.kind == CUSTOMERS for one in all_pools()):
        return
    now = clock.now()
    values = {
        "corp_id": current_corp(),
        "id": FIRST_POOL,
        "name": _("公司公海"),
        "kind": CUSTOMERS,
        "departments": [],
        "people": [],
        "roles": [],
        "managers": [],
        "hidden": HIDDEN_AT_FIRST,
        "rules": {},
        "position": 0,
        "is_default": True,
        "enabled": True,
        "created_at": now,
        "updated_at": now,
    }
    insert_unless_there(Pool, values)
    changed()


def pools_of(actor: Member) -> list[PoolFacts]:
    """Return the enabled pools that the actor may claim from or manages."""
    return [one for one in all_pools() if one.enabled and (is_for(one, actor) or manages(one, actor))]


def pool_for(pool_id: str | None, *, actor: Member) -> PoolFacts:
    """Return one of the actor's pools; raises NotFound for all others."""
    found = next((one for one in pools_of(actor) if one.id == pool_id), None)
    if found is None:
        raise NotFound(_("公海不存在或无权查看"))
    return found


def is_for(pool: PoolFacts, person: Member) -> bool:
    """Say whether a pool is for somebody: for all, or they, a role or a department of theirs (or above) are named."""
    if pool.is_for_all or person.id in pool.people:
        return True
    if pool.roles and any(role.key in pool.roles for role in roles_of(person)):
        return True
    return bool(pool.departments & _lineage(person))


def manages(pool: PoolFacts, actor: Member) -> bool:
    """Say whether the actor manages a pool: named there, administrator, or in charge of everybody's customers."""
    return actor.role == ADMIN or actor.id in pool.managers or sight(actor, "customer", "transfer").people is None


def default_pool(person: Member | None, kind: str = CUSTOMERS) -> PoolFacts | None:
    """Return where a person's customers go: the default pool nearest to their department, else the corp's.

    Leads (`kind`) go to a pool of leads, and to one of customers where there is none.
    """
    return pool_of_department(person.main_department_id if person else None, kind)


def pool_of_department(department_id: str | None, kind: str = CUSTOMERS) -> PoolFacts | None:
    """Return where the customers of a department's people go, see `default_pool`."""
    return pool_of_path(_path_of(department_id), kind)


def pool_of_path(path: str, kind: str = CUSTOMERS) -> PoolFacts | None:
    """Return where the customers of the people of a department go, by its `path` ("": of no department)."""
    defaults = [one for one in all_pools() if one.enabled and one.is_default]
    wanted = [one for one in defaults if one.kind == kind] or [one for one in defaults if one.kind == CUSTOMERS]
    for part in reversed([part for part in path.split("/") if part]):
        for one in wanted:
            if part in one.departments:
                return one
    return next((one for one in wanted if not one.departments), wanted[0] if wanted else None)


def kind_of(lead: str) -> str:
    """Return of which kind a customer's pool is, by its column `lead`."""
    return LEADS if lead and lead != CONVERTED else CUSTOMERS


def _path_of(department_id: str | None) -> str:
    return (department_id and first(sa.select(Department.path).where(Department.id == department_id))) or ""


def _lineage(person: Member) -> frozenset[str]:
    """Return a person's departments and all above them. Remembered for the unit of work."""
    if "_lineage" not in person.__dict__:
        paths = rows(
            sa.select(Department.path)
            .join(
                Membership,
                sa.and_(Membership.department_id == Department.id, Membership.corp_id == Department.corp_id),
            )
            .where(Membership.member_id == person.id)
        )
        person.__dict__["_lineage"] = frozenset(part for path in paths for part in path.split("/") if part)
    found: frozenset[str] = person.__dict__["_lineage"]
    return found


# --- what is in them ----------------------------------------------------------------------------------------------


def in_pool(pool_id: str) -> sa.ColumnElement[bool]:
    """Return the condition for the customers of a pool. The caller has found the pool with `pool_for`."""
    return sa.and_(Customer.pool_id == pool_id, Customer.owner_id.is_(None), Customer.deleted_at.is_(None))


def is_awake() -> sa.ColumnElement[bool]:
    """Return the condition that a customer does not rest (沉睡): those who do only managers of the pool see."""
    return sa.or_(Customer.rests_until.is_(None), Customer.rests_until <= today())


def find_pooled(customer_id: str, *, actor: Member) -> tuple[Customer, PoolFacts]:
    """Return a customer that is in one of the actor's pools, and the pool; raises NotFound for all others.

    An id of before a merge leads to the winner here, too.
    """
    open_to = {one.id: one for one in pools_of(actor)}
    customer = _lying_in(open_to, customer_id)
    if customer is None and (other_id := current_id(customer_id)) != customer_id:
        customer = _lying_in(open_to, other_id)
    pool = open_to.get(customer.pool_id or "") if customer is not None else None
    if customer is None or pool is None or (rests(customer) and not manages(pool, actor)):
        raise NotFound(_("客户不存在或无权查看"))
    return customer, pool


def _lying_in(pool_ids: Iterable[str], customer_id: str) -> Customer | None:
    wanted = sa.select(Customer).where(
        Customer.id == customer_id,
        Customer.pool_id.in_(pool_ids),
        Customer.owner_id.is_(None),
        Customer.deleted_at.is_(None),
    )
    found: Customer | None = first(wanted)
    return found


def rests(row: Any) -> bool:
    """Say whether a pool's customer (or a row with its `rests_until`) rests today."""
    return row.rests_until is not None and row.rests_until > today()


def was_claimed_lately(customer_id: str, *, actor: Member) -> bool:
    """Say whether somebody was quicker: within a day the customer was claimed out of one of the actor's pools."""
    pool_ids = [one.id for one in pools_of(actor)]
    last = sa.exists().where(
        Ownership.corp_id == current_corp(),
        Ownership.customer_id == current_id(customer_id),
        Ownership.until.is_(None),
        Ownership.since > clock.now() - LATELY,
        Ownership.pool_id.in_(pool_ids),
    )
    return bool(db.session.scalar(sa.select(last)))


# --- how much somebody may take -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Allowance:
    """What somebody took today and holds; a limit of 0 is none."""

    claims: int
    most_claims: int
    holding: int
    most_holding: int
    views: int
    most_views: int

    @property
    def claims_left(self) -> int | None:
        return max(0, self.most_claims - self.claims) if self.most_claims else None


def today() -> date:
    """Return the day on the corp's calendar."""
    return local_now().date()


def day_key(member_id: str) -> str:
    """Return the id of the row that counts what somebody takes today."""
    return f"{member_id}:{today()}"


def allowance(pool: PoolFacts, actor: Member) -> Allowance:
    """Return what the actor may still take out of a pool."""
    row = db.session.execute(
        sa.select(PoolDay.claims, PoolDay.views).where(PoolDay.id == day_key(actor.id))
    ).one_or_none()
    return Allowance(
        row.claims if row else 0,
        pool.limit("daily_claims"),
        holding(actor),
        pool.limit("holding"),
        row.views if row else 0,
        pool.limit("daily_views"),
    )


def holding(person: Member, *, level: str | None = None) -> int:
    """Return how many customers somebody holds (of a level, where given); dealt ones only where a rule says so."""
    counted = [Customer.owner_id == person.id, Customer.deleted_at.is_(None)]
    if not rule("pool.holding_dealt"):
        counted.append(Customer.stage != DEALT)
    if level:
        counted.append(Customer.level == level)
    return db.session.scalar(sa.select(sa.func.count()).select_from(Customer).where(*counted)) or 0


def cool_until(pool: PoolFacts, customer_ids: Sequence[str], *, actor: Member) -> dict[str, datetime]:
    """Return until when the actor, as their former owner, may not claim customers; those past it are left out."""
    days = pool.limit("cool_down")
    if not days or not customer_ids:
        return {}
    statement = (
        sa.select(Ownership.customer_id, sa.func.max(Ownership.until).label("ended"))
        .where(
            Ownership.customer_id.in_(customer_ids),
            Ownership.owner_id == actor.id,
            Ownership.until > clock.now() - timedelta(days=days),
        )
        .group_by(Ownership.customer_id)
    )
    return {row.customer_id: row.ended + timedelta(days=days) for row in db.session.execute(statement)}


def ripe_at(pool: PoolFacts, pooled_at: datetime | None) -> datetime | None:
    """Return from when a customer may be claimed, None when it may already. Counts from when it entered the pool."""
    days = pool.limit("entry_delay")
    if not days or pooled_at is None:
        return None
    at = pooled_at + timedelta(days=days)
    return at if at > clock.now() else None


def tell_day(moment: datetime) -> str:
    """Return a moment as people read it in a refusal."""
    return f"{local(moment):%Y-%m-%d %H:%M}"
