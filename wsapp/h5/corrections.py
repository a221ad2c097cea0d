"""Correcting a logged follow-up (修改跟进), and what it said before."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, g, url_for

from wsapp.crm.customers.contacts import contact_names, contacts_of
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customers
from wsapp.crm.fields.access import changes_shown, locked, shown
from wsapp.crm.fields.showing import change_shown
from wsapp.crm.followups.changes import RULED, change_follow_up, demand_change, history_of
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.followups.queries import find_follow_up
from wsapp.crm.mentions.queries import named_in
from wsapp.crm.org.queries import names
from wsapp.h5 import lists, mentions, ownfields, rows, words
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import show
from wsapp.problems import Problem, Stale
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("corrections", __name__, url_prefix="/h5/follow-ups/<key:follow_up_id>")
bp.before_request(require_member)

TEXTS = ("kind", "contact", "text", "outcome", *mentions.FIELDS)
Row = tuple[str, str, str]


@bp.get("/edit")
def edit(follow_up_id: str) -> str:
    """The form of a follow-up as it is now; Forbidden where the reader may not change it."""
    log = _find(follow_up_id)
    return _show(log, _form_of(log))


@bp.post("")
def change(follow_up_id: str) -> Any:
    """Save a correction. When somebody else saved meanwhile, the form comes back with the difference."""
    _find(follow_up_id)
    form = Form.read(TEXTS, mentions.LISTS)
    ownfields.take(form, "follow_up")

    def act() -> str:
        log = _find(follow_up_id)
        values = _values(form)
        if _customer_of(log) is None:
            del values["contact"]  # not the editor's to see, and not changed either
        change_follow_up(log, values, actor=g.member, version=form.version)
        return url_for("comments.page", follow_up_id=follow_up_id)

    def again(problem: Problem | None) -> str:
        log = _find(follow_up_id)
        conflict = None
        if isinstance(problem, Stale):
            form.errors.pop("", None)
            conflict = _conflict(log, problem, *form.settle(_form_of(log)))
        return _show(log, form, conflict, problem)

    return save(form, act, again=again, words=_("修改已保存"))


def _find(follow_up_id: str) -> FollowUp:
    log = find_follow_up(follow_up_id, actor=g.member)
    demand_change(log, g.member)
    return log


def _form_of(log: FollowUp) -> Form:
    typed = shown(g.member, {"kind": log.kind, "text": log.text, "outcome": log.outcome}, "follow_up")
    chosen = [one[0] for one in named_in([log.id]).get(log.id, ())]
    typed |= {"contact": log.contact_id or "", "mentions": chosen, "unseen": ""}
    return Form.edit(typed | ownfields.typed("follow_up", log.custom or {}), log.version)


def _values(form: Form) -> dict[str, Any]:
    values: dict[str, Any] = {name: form.typed[name] for name in ("kind", "contact", "text", "outcome")}
    values |= mentions.values(form)
    for name in locked(g.member, RULED, "follow_up"):
        del values[name]
    if "text" not in values:
        del values["mentions"]  # one names colleagues in the text
    if form.custom:
        values["custom"] = form.custom
    form.demand_clean()
    return values


def _show(log: FollowUp, form: Form, conflict: dict[str, Any] | None = None, problem: Problem | None = None) -> str:
    customer = _customer_of(log)
    return show(
        "followups/edit.html",
        counted=False,
        log=log,
        customer=customer,
        form=form,
        conflict=conflict,
        kinds=list(words.FOLLOW_UP_KINDS.items()),
        contacts=_contacts(log, customer),
        locked=locked(g.member, RULED, "follow_up"),
        mentions=mentions.drawn(form, problem),
        custom=ownfields.drawn("follow_up", form, log.custom or {}, parent=customer.custom if customer else None),
    )


def _customer_of(log: FollowUp) -> Customer | None:
    """Return the customer, where the reader sees them: only then the reader sees whom of them it was with."""
    return find_customers([log.customer_id], actor=g.member).get(log.customer_id)


def _contacts(log: FollowUp, customer: Customer | None) -> list[tuple[str, str]]:
    """Whom it can have been with: the customer's people, and whoever it was with, gone or not."""
    there = {one.id: one.name for one in contacts_of(log.customer_id)} if customer else {}
    return list({**(contact_names([log.contact_id]) if customer else {}), **there}.items())


def _conflict(log: FollowUp, problem: Stale, settled: set[str], taken: bool) -> dict[str, Any]:
    """Return what differs as (label, mine, theirs), by whom, and when it was saved."""
    both = {field: [theirs, mine] for field, (theirs, mine) in problem.changes.items() if field not in settled}
    differing = [(label, mine, theirs) for label, theirs, mine in _in_words(both, _with_whom(log, [both]))]
    at = next((one.at for one in history_of(log)), log.created_at)
    return {"rows": differing, "who": lists.last_actor(log.id) or _("同事"), "at": rows.moment(at), "taken": taken}


# --- what it said before ------------------------------------------------------------------------------------------


def history(log: FollowUp) -> list[dict[str, Any]]:
    """Return a follow-up's changes, newest first: who, when, and (what, before, after) as far as the reader sees it."""
    told = history_of(log)
    people = names([one.actor_id for one in told])
    known = _with_whom(log, [one.changes for one in told])
    return [
        {
            "who": people.get(one.actor_id or "", ""),
            "at": rows.moment(one.at),
            "rows": _in_words(changes_shown(g.member, one.changes, "follow_up"), known),
        }
        for one in told
        if one.changes
    ]


def _with_whom(log: FollowUp, told: Sequence[dict[str, list[Any]]]) -> dict[str, str]:
    """Return the names of all contacts that changes speak of, where the reader sees the customer."""
    ids = [one for changes in told for one in changes.get("contact_id", ())]
    return contact_names(ids) if ids and _customer_of(log) else {}


def _in_words(changes: dict[str, list[Any]], known: dict[str, str]) -> list[Row]:
    return [
        change_shown("follow_up", field, before, after)
        if field.startswith("custom.")
        else (str(words.FOLLOW_UP_FIELDS[field]), _as_text(field, before, known), _as_text(field, after, known))
        for field, (before, after) in changes.items()
    ]


def _as_text(field: str, value: Any, known: dict[str, str]) -> str:
    if field == "kind":
        return str(words.FOLLOW_UP_KINDS.get(value, ""))
    return known.get(value or "", "") if field == "contact_id" else str(value or "")
