"""The page that a phone opens by QR code to prove our signature to the host's client (see `wsapp.doctor.proofs`)."""

from typing import Any

from flask import Blueprint, abort, g, jsonify, render_template, request, url_for

from wsapp import hosts
from wsapp.db import db
from wsapp.doctor import proofs
from wsapp.texts import _
from wsapp.web import current_corp_row, limiter, posted_json, require_member

bp = Blueprint("probe", __name__, url_prefix="/h5")
bp.before_request(require_member)

RATE = "20 per minute"


@bp.get("/probe")
def show() -> Any:
    """Ask the host's client to take our signature, and say what it said."""
    ticket = _ticket()
    if proofs.corp_of(ticket) != g.member.corp_id:
        return render_template("probe/show.html", over=True, hide_nav=True), 404
    corp = current_corp_row()
    fits = g.client.host == corp.host
    return render_template(
        "probe/show.html",
        over=False,
        fits=fits,
        host_label=_(hosts.connector_class(corp.host).label),
        hide_nav=True,
        report_url=url_for("probe.report", ticket=ticket),
    )


def _ticket() -> str:
    return request.args.get("ticket", "")[:200]


@bp.post("/probe")
@limiter.limit(RATE)
def report() -> Any:
    """Take what the client said: JSON {"worked", "code", "message", "device"}. Once for each ticket."""
    ticket = _ticket()
    if proofs.corp_of(ticket) != g.member.corp_id:
        abort(404)
    said = posted_json()
    kept = proofs.report(
        ticket,
        hosts.connector_class(current_corp_row().host),
        worked=said.get("worked") is True,
        code=str(said.get("code") or ""),
        message=str(said.get("message") or ""),
        device=str(said.get("device") or ""),
    )
    db.session.commit()
    return (jsonify(kept=True), 200) if kept else (jsonify(kept=False), 409)
