"""What a host tells about a person and their departments, written down."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from wsapp.connectors.base import Connector, DepartmentInfo, OutOfRange, Person
from wsapp.crm.events.actions import record
from wsapp.crm.org import actions as org
from wsapp.crm.org.models import LEFT, Corp, Department, Member
from wsapp.crm.org.queries import member_by_userid
from wsapp.db import corp_scope, db, first
from wsapp.hosts import lines

MAX_CHAIN = 16  # departments from the bottom to the root


def arrive(corp: Corp, userid: str) -> Member:
    """Ask the host who a person is and write it down: created at the first open, refreshed later. Commits.

    Raises OutOfRange when the host does not show this person to the app, TryLater, BadCredentials.
    """
    connector = lines().of(corp)
    db.session.rollback()
    return write_person(corp, connector.person(userid))


def write_person(corp: Corp, person: Person) -> Member:
    """Write down a person whom the host just named, after asking for their departments. Commits.

    Raises TryLater, BadCredentials.
    """
    connector = lines().of(corp)
    db.session.rollback()
    chains = department_chains(connector, [*person.departments, *person.leads])
    with corp_scope(corp.id):
        return _write_down(connector, person, chains)


def department_chains(connector: Connector, department_ids: Sequence[str]) -> dict[str, DepartmentInfo]:
    """Ask the host for departments and everything above them, up to the root or the end of our sight."""
    found: dict[str, DepartmentInfo] = {}
    for department_id in dict.fromkeys(department_ids):
        current = department_id
        for _level in range(MAX_CHAIN):
            if not current or current in found:
                break
            try:
                found[current] = connector.department(current)
            except OutOfRange:
                break
            current = found[current].parent
    return found


def keep_departments(infos: Mapping[str, DepartmentInfo]) -> Callable[[str], Department | None]:
    """Write departments down under their parents; returns a look-up of departments by id, those known before, too."""
    kept: dict[str, Department] = {}

    def keep(department_id: str) -> Department | None:
        if department_id in kept:
            return kept[department_id]
        info = infos.get(department_id)
        if info is None:
            known: Department | None = first(sa.select(Department).where(Department.id == department_id))
            return known
        kept[department_id] = org.keep_department(info, parent=keep(info.parent) if info.parent else None)
        return kept[department_id]

    for department_id in infos:
        keep(department_id)
    return keep


def _write_down(connector: Connector, person: Person, infos: Mapping[str, DepartmentInfo]) -> Member:
    keep = keep_departments(infos)
    before = member_by_userid(person.userid, fold=connector.userid_case == "fold")
    had_left = before is not None and before.status == LEFT
    departments = tuple(one for one in person.departments if keep(one))
    leads = {one for one in person.leads if keep(one)}
    leads |= {info.id for info in infos.values() if person.userid in info.leaders}
    leads_root = any(infos[one].parent == "" for one in leads if one in infos)
    main = person.main_department if person.main_department in departments else ""
    facts = replace(person, departments=departments, leads=tuple(sorted(leads)), main_department=main)
    member, is_new = org.keep_member(facts, fold=connector.userid_case == "fold", leads_root=leads_root)
    if is_new:
        record("member.joined", member, actor=member, name=member.name)
    elif had_left and member.status != LEFT:
        record("member.returned", member, actor=None, name=member.name)
    db.session.commit()
    return member
