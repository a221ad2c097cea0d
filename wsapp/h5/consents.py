"""Consent to the use of my position (位置授权): what it is for, giving it, taking it back."""

from typing import Any

from flask import Blueprint, g, request, url_for

from wsapp.crm.visits.consent import consent_of, give_consent, withdraw_consent
from wsapp.db import db
from wsapp.h5.pages import go, show
from wsapp.h5.rows import moment
from wsapp.texts import _
from wsapp.web import require_member, safe_path

bp = Blueprint("consents", __name__, url_prefix="/h5/me/location")
bp.before_request(require_member)


@bp.get("")
def page() -> str:
    """What my position is used for, and what I decided about it."""
    kept = consent_of(g.member)
    return show(
        "visits/consent_page.html",
        counted=False,
        given=bool(kept and not kept.withdrawn_at),
        since=moment(kept.withdrawn_at or kept.given_at) if kept else "",
        decided=kept is not None,
        by_api=bool(kept and not kept.withdrawn_at and kept.way == "api"),
    )


@bp.post("/consent")
def give() -> Any:
    """Let my position be used, and go on to where it was asked for."""
    give_consent(actor=g.member)
    db.session.commit()
    return go(_next(), _("已同意使用位置，可随时在“我的”里撤回"))


@bp.post("/withdrawal")
def withdraw() -> Any:
    """Refuse it, or take it back; `erase` is "1": what was recorded goes, too."""
    withdraw_consent(actor=g.member, erase=request.form.get("erase") == "1")
    db.session.commit()
    return go(_next(), _("已关闭位置使用，不再保存您的位置"))


def _next() -> str:
    return safe_path(request.form.get("next", ""), default=url_for("consents.page"))
