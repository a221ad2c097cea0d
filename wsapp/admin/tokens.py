"""API tokens: made here for oneself, shown once, ended at any time."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import g, request

from wsapp import clock
from wsapp.admin.gate import go, pages, show, storable
from wsapp.crm.events.actions import record
from wsapp.crm.org.access import create_token, revoke_token
from wsapp.crm.org.models import ApiToken, Member
from wsapp.db import db
from wsapp.house import local
from wsapp.problems import Invalid, NotFound
from wsapp.texts import _
from wsapp.web import demand_fresh_sign_in

bp = pages("tokens")

DAYS = (7, 30, 90, 180, 365)
MOST = 500


@bp.get("/tokens")
def index() -> str:
    """All live tokens of the corp, and the form for a new one."""
    return _show()


def _show(*, fresh: str = "", errors: dict[str, str] | None = None, typed: dict[str, Any] | None = None) -> str:
    return show(
        "tokens.html",
        "tokens",
        rows=[_row(one) for one in _live()],
        fresh=fresh,
        errors=errors or {},
        typed=typed or {"scope": ["read"], "days": "90"},
        days=[(str(one), _("%(n)s 天", n=one)) for one in DAYS],
        scopes=[("read", _("读取")), ("write", _("写入"))],
    )


def _live() -> Any:
    same = sa.and_(Member.id == ApiToken.member_id, Member.corp_id == ApiToken.corp_id)
    statement = (
        sa.select(
            ApiToken.id,
            ApiToken.scopes,
            ApiToken.created_at,
            ApiToken.expires_at,
            ApiToken.used_at,
            Member.name,
            Member.userid,
        )
        .select_from(ApiToken)
        .join(Member, same)
        .where(ApiToken.expires_at > clock.now(), ApiToken.epoch == Member.epoch)
        .order_by(ApiToken.created_at.desc(), ApiToken.id)
        .limit(MOST)
    )
    return db.session.execute(statement).all()


def _row(one: Any) -> dict[str, Any]:
    return {
        "id": one.id,
        "mark": one.id[:8],
        "owner": one.name,
        "userid": one.userid,
        "scopes": ", ".join(one.scopes),
        "created": local(one.created_at),
        "expires": local(one.expires_at),
        "soon": one.expires_at - clock.now() < timedelta(days=7),
        "used": local(one.used_at) if one.used_at else None,
    }


@bp.post("/tokens")
def create() -> Any:
    """Make a token of the administrator's own; the answer to this request shows it, and nothing ever after."""
    demand_fresh_sign_in("/admin/tokens")
    scopes, days = request.form.getlist("scope"), request.form.get("days", "")
    typed = {"scope": scopes, "days": days}
    try:
        if not scopes:
            raise Invalid({"scope": _("请至少选择一项权限")})
        if days not in {str(one) for one in DAYS}:
            raise Invalid({"days": _("请从列表中选择")})
        token = create_token(g.member, scopes=scopes, days=int(days))
    except Invalid as problem:
        db.session.rollback()
        return _show(errors=problem.fields, typed=typed), 422
    record("token.created", g.member, actor=g.member, scopes=sorted(set(scopes)), days=int(days))
    db.session.commit()
    return _show(fresh=token), 201


@bp.post("/tokens/<token_id>/revocation")
def revoke(token_id: str) -> Any:
    """End a token at once."""
    if not revoke_token(storable(token_id), actor=g.member):
        raise NotFound(_("没有这个令牌，可能已被吊销"))
    db.session.commit()
    return go("/admin/tokens", _("令牌已吊销"))
