"""Who sees and fills in a custom field: what each role's rules of fields say of it."""

from collections.abc import Mapping

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.events.actions import record
from wsapp.crm.org.models import ADMIN, Member
from wsapp.crm.org.rights import definitions
from wsapp.crm.org.roles import ACCESS, DENIED, Role
from wsapp.crm.org.standing import changed
from wsapp.db import db, first, new_id
from wsapp.problems import Forbidden, Invalid
from wsapp.texts import _


def access_by_role(obj: str, name: str) -> dict[str, tuple[str, str]]:
    """Return role key → (its name, how its holders see the field `name`); the administrator's is always "edit"."""
    return {
        key: (str(one.name), one.fields.get(obj, {}).get(name, "edit"))
        for key, one in definitions().items()
        if key != ADMIN
    }


def rule_field(obj: str, name: str, wanted: Mapping[str, str], *, actor: Member) -> None:
    """Set how the holders of roles see a field: role key → one of `ACCESS`, or "denied". Raises Invalid; Forbidden."""
    if not actor.is_admin:
        raise Forbidden(_("只有管理员可以设置字段"))
    present = access_by_role(obj, name)
    if any(key not in present or how not in (*ACCESS, DENIED) for key, how in wanted.items()):
        raise Invalid({"access": _("请从列表中选择")})
    for key, how in wanted.items():
        if present[key][1] != how:
            _rule(key, obj, name, how, before=present[key][1], actor=actor)


def _rule(key: str, obj: str, name: str, how: str, *, before: str, actor: Member) -> None:
    now = clock.now()
    role: Role | None = first(sa.select(Role).where(Role.key == key))
    if role is None:
        role = Role(id=new_id(), key=key, name="", grants={}, fields={}, created_at=now, updated_at=now)
        db.session.add(role)
    of_object = {field: level for field, level in role.fields.get(obj, {}).items() if field != name}
    if how != "edit":
        of_object[name] = how
    role.fields = {**role.fields, obj: of_object}
    role.updated_at = now
    db.session.flush()
    changed()
    record("role.changed", role, actor=actor, changes={f"{obj}.{name}": [before, how]}, key=key)
