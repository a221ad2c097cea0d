"""Who may open the console, and what its pages share."""

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, flash, g, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from wsapp.admin import menu
from wsapp.crm.org.access import first_run_waits
from wsapp.crm.org.queries import admin_names
from wsapp.db import db
from wsapp.texts import _
from wsapp.web import require_member

PAGE_SIZE = 30


def pages(name: str) -> Blueprint:
    """Return the blueprint of a part of the console: for administrators only."""
    bp = Blueprint(f"admin_{name}", __name__, url_prefix="/admin")
    bp.before_request(require_admin)
    return bp


def require_admin() -> Any:
    """Let administrators through; send strangers to sign in, tell all others whom to ask."""
    answer = require_member()
    if answer is not None or g.member.is_admin:
        return answer
    db.session.rollback()
    return not_for_you(), 403


def not_for_you() -> str:
    """Return the page that says whom to ask."""
    return render_template("admin/refused.html", admins=admin_names(), first_run=first_run_waits())


def show(template: str, here: str, **values: Any) -> str:
    """Render a page of the console; `here` names its place in the menu."""
    place = menu.place(here)
    is_below = place is not None and request.path != place.url
    # An auditor has one page of the console, and no way to the others; the first run has nobody signed in.
    is_admin = g.member is not None and g.member.is_admin
    console = {
        "here": here,
        "title": _("管理后台") if place is None else str(place.label),
        "back": place.url if place and is_below else (menu.HOME if place and is_admin else "/h5/me"),
        "groups": menu.GROUPS if is_admin else (),
        "tabs": [(one.url, one.label, one.key == here, None) for one in menu.neighbours(here) if is_admin],
    }
    return render_template(f"admin/{template}", console=console, **values)


def go(url: str, words: str = "") -> BaseResponse:
    """Go on to a page after a deed, where `words` are shown once."""
    if words:
        flash(words, "")
    return redirect(url, 303)


def next_url(cursor: str | None, **kept: str) -> str:
    """Return the address of the next page of this list, empty at the end."""
    query = {name: value for name, value in {**kept, "cursor": cursor or ""}.items() if value}
    return f"{request.path}?{urlencode(query)}" if cursor else ""


def storable(text: str) -> str:
    """Return a query value without what a database refuses."""
    return text.replace("\x00", "")[:100]
