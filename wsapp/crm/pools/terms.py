"""The rules of recycling: the corp's, and those of pools that say otherwise for the customers that fall into them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.leads import CONVERTED
from wsapp.crm.customers.models import LEVELS, Customer
from wsapp.crm.org.models import Department, Member
from wsapp.crm.org.rules import rule
from wsapp.crm.pools.models import LEADS, POOL_KINDS
from wsapp.crm.pools.queries import PoolFacts, all_pools, kind_of, pool_of_department, pool_of_path
from wsapp.db import current_corp, db

FOLLOW, VISIT, DEAL = "no_follow", "no_visit", "no_deal"  # the conditions, by the names of their rules


@dataclass(frozen=True)
class Terms:
    """Rules of recycling as they hold for some customers. `follow` gives the days without a follow-up by level ("":
    none).
    """

    mode: str
    joined: str
    follow: Mapping[str, int]
    visit: int
    deal: int
    grace: int
    new_days: int
    warn: tuple[int, ...]  # days before, the earliest first

    @property
    def lead(self) -> int:
        return self.warn[0] if self.warn else 0

    def days(self, level: str | None) -> dict[str, int]:
        """Return the conditions that hold for a level, with their days."""
        found = {FOLLOW: self.follow[level or ""], VISIT: self.visit, DEAL: self.deal}
        return {name: days for name, days in found.items() if days}


def terms(own: Mapping[str, Any] | None = None) -> Terms:
    """Return the corp's rules, but for those that a pool has of its `own` (by the names of `OWN_RECYCLING`)."""
    wishes = own or {}

    def of(name: str) -> Any:
        return wishes[name] if name in wishes else rule(f"recycle.{name}")

    general = int(of("no_follow"))
    by_level = {level: int(of(f"no_follow_{level}")) or general for level in LEVELS}
    return Terms(
        of("mode"),
        of("joined"),
        {"": general, **by_level},
        int(of("no_visit")),
        int(of("no_deal")),
        int(of("deal_grace")),
        int(of("new_days")),
        tuple(sorted({one for one in of("warn") if one > 0}, reverse=True)),
    )


class Rulebook:
    """Which rules hold for which customer: those of the pool it would fall into, else the corp's.

    Where it falls is decided once for each department and kind. Mode and warnings are the corp's everywhere.
    """

    def __init__(self) -> None:
        self.usual = terms()
        defaults = [one for one in all_pools() if one.enabled and one.is_default]
        self.own = {one.id: terms(one.recycling) for one in defaults if one.recycling}
        self._falls: dict[tuple[str | None, str], PoolFacts | None] = {}

    def pool_of(self, row: Any) -> PoolFacts | None:
        """Return the pool that a customer falls into, from its `lead` and its owner's department (`home`)."""
        key = (row.home, kind_of(row.lead))
        if key not in self._falls:
            self._falls[key] = pool_of_department(*key)
        return self._falls[key]

    def of(self, row: Any) -> Terms:
        """Return the rules for a customer (a row with its `lead` and its owner's department as `home`)."""
        pool = self.pool_of(row) if self.own else None
        return self.own.get(pool.id, self.usual) if pool else self.usual

    def parts(self) -> list[tuple[sa.ColumnElement[bool], Terms]]:
        """Return the rules with the condition for the customers for which they hold; each has exactly one."""
        if not self.own:
            return [(sa.true(), self.usual)]
        found = list(self._own_parts())
        rest = sa.not_(sa.or_(*(whose for whose, _rules in found)))
        return [*found, (rest, self.usual)]

    def _own_parts(self) -> Iterator[tuple[sa.ColumnElement[bool], Terms]]:
        paths = db.session.execute(sa.select(Department.id, Department.path)).all()
        for kind in POOL_KINDS:
            homes: dict[str, list[str]] = defaultdict(list)
            for department_id, path in paths:
                pool = pool_of_path(path, kind)
                homes[pool.id if pool else ""].append(department_id)
            rest = pool_of_path("", kind)  # of people without a department
            for pool_id, rules in self.own.items():
                if rest is not None and pool_id == rest.id:
                    others = [one for other, some in homes.items() if other != pool_id for one in some]
                    yield sa.and_(_is_of(kind), sa.not_(_owned_in(others))), rules
                elif homes[pool_id]:
                    yield sa.and_(_is_of(kind), _owned_in(homes[pool_id])), rules


def rulebook() -> Rulebook:
    """Return the rules of recycling as they hold now."""
    return Rulebook()


def _is_of(kind: str) -> sa.ColumnElement[bool]:
    """Return `kind_of` as a condition."""
    is_lead = sa.and_(Customer.lead != "", Customer.lead != CONVERTED)
    return is_lead if kind == LEADS else sa.not_(is_lead)


def _owned_in(departments: Sequence[str]) -> sa.ColumnElement[bool]:
    owners = sa.select(Member.id).where(Member.corp_id == current_corp(), Member.main_department_id.in_(departments))
    return Customer.owner_id.in_(owners)
