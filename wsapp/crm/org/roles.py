"""Roles (角色): what their holders may do with whose records, and how they see each field.

A role grants scopes (数据权限): `grants[object][action]` is one of `SCOPES`, or
`{"scope": "chosen", "departments": […]}`, or, of customers, `{"scope": "value", "field": …, "values": […]}`.
`fields[object][field]` is one of `ACCESS`, or "denied", which beats every other role of a person.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.crm.org.models import ADMIN, SELLER
from wsapp.db import Base, CorpScoped, Json, Moment, corp_key
from wsapp.texts import lazy

OBJECTS = ("customer", "follow_up", "visit", "task")  # contacts go with their customer
ACTIONS = ("see", "create", "edit", "transfer", "delete", "export", "import")
# Nobody's · one's own · and those shared with oneself · one's departments (those one leads, if any) · and all below ·
# departments that the role names · customers of whomever with a value that the role names, and "shared" · everybody's
SCOPES = ("none", "self", "shared", "department", "below", "chosen", "value", "all")
# By what a customer is covered whoever owns it (按字段值): columns of short texts, and what they are called.
VALUE_FIELDS: Mapping[str, Any] = {
    "source": lazy("来源"),
    "industry": lazy("行业"),
    "level": lazy("级别"),
    "size": lazy("规模"),
    "province": lazy("省份"),
    "city": lazy("城市"),
    "district": lazy("区县"),
}
NOT_BY_VALUE = ("create", "import")  # of what is not there yet, only the owner is known
ACCESS = ("hidden", "masked", "read", "edit")  # each wider than the one before
DENIED = "denied"
DIRECTOR, MANAGER, READER, AUDITOR = "director", "manager", "reader", "auditor"

Grants = Mapping[str, Mapping[str, Any]]


class Role(CorpScoped, Base):
    """A role that the corp made, or what it changed of a built-in one (`key` in `BUILT_IN`)."""

    __tablename__ = "role"
    __table_args__ = (sa.UniqueConstraint("corp_id", "key"),)

    key: Mapped[str] = mapped_column(sa.String(40))
    name: Mapped[str] = mapped_column(sa.String(60))
    grants: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    fields: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)


class Delegation(CorpScoped, Base):
    """While somebody is away (休假代理), their deputy does for them what they may do themselves."""

    __tablename__ = "delegation"
    __table_args__ = (
        corp_key("absent_id", "member", ondelete="CASCADE"),
        corp_key("deputy_id", "member", ondelete="CASCADE"),
        sa.Index("ix_delegation_ends", "corp_id", "ends_at"),
    )

    absent_id: Mapped[str] = mapped_column(sa.String(40))
    deputy_id: Mapped[str] = mapped_column(sa.String(40))
    starts_at: Mapped[datetime] = mapped_column(Moment)
    ends_at: Mapped[datetime] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)


@dataclass(frozen=True)
class Definition:
    """A role as it holds now."""

    key: str
    name: Any
    grants: Grants
    fields: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def _same_for_all(**scopes: str) -> Grants:
    granted = {action: scopes.get(action, "none") for action in ACTIONS}
    return dict.fromkeys(OBJECTS, granted)


EVERYTHING = _same_for_all(**dict.fromkeys(ACTIONS, "all"))
BUILT_IN: Mapping[str, Definition] = {
    one.key: one
    for one in (
        Definition(ADMIN, lazy("管理员"), EVERYTHING),
        Definition(
            DIRECTOR,
            lazy("销售总监"),
            _same_for_all(
                see="all", create="all", edit="all", transfer="all", delete="all", export="all", **{"import": "all"}
            ),
        ),
        Definition(
            MANAGER,
            lazy("部门主管"),
            _same_for_all(
                see="below",
                create="below",
                edit="below",
                transfer="below",
                delete="below",
                export="below",
                **{"import": "below"},
            ),
        ),
        Definition(
            SELLER,
            lazy("销售"),
            _same_for_all(
                see="shared",
                create="self",
                edit="shared",
                transfer="self",
                delete="self",
                export="self",
                **{"import": "self"},
            ),
        ),
        Definition(READER, lazy("只读"), _same_for_all(see="below")),
        Definition(AUDITOR, lazy("审计"), _same_for_all(see="all")),
    )
}
