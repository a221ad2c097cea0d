"""Contacts (联系人): a person at a customer; new, edit, call."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, g, url_for

from wsapp.crm.customers.contacts import add_contact, change_contact, clean_contact, find_contact
from wsapp.crm.customers.models import CONTACT_ROLES, GENDERS, Contact, Customer
from wsapp.crm.customers.queries import demand_right, find_customer, may_do
from wsapp.crm.customers.reveals import are_masked, may_reveal, reveal_phone, unmasked
from wsapp.crm.customers.tags import known_tags
from wsapp.crm.customers.telling import reached_by
from wsapp.crm.fields.access import HIDDEN, access, masked_phone
from wsapp.db import db
from wsapp.h5 import ownfields, panels, rows, words
from wsapp.h5.forms import Form, save
from wsapp.h5.known import ask_about, known
from wsapp.h5.pages import show
from wsapp.problems import Forbidden, Problem, Stale
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("contacts", __name__, url_prefix="/h5")
bp.before_request(require_member)

TEXTS = ("name", "gender", "title", "role", "wechat", "mail", "birthday", "note", "is_primary", "new_tags")
LISTS = ("phones", "tags")
MOST_TAGS_SHOWN = 30


@bp.get("/contacts/<key:contact_id>")
def page(contact_id: str) -> str:
    """One person: how to reach them, and what is known."""
    contact, customer = _both(contact_id)
    return show(
        "contacts/page.html",
        contact=contact,
        customer=customer,
        **_phones(contact),
        may_edit=may_do(customer, "edit", actor=g.member),
        badges=_badges(contact),
        facts=_facts(contact),
        **ownfields.shown("contact", contact.custom, {"role": contact.role, "gender": contact.gender}),
    )


def _both(contact_id: str) -> tuple[Contact, Customer]:
    contact = find_contact(contact_id, actor=g.member)
    return contact, find_customer(contact.customer_id, actor=g.member)


def _phones(contact: Contact) -> dict[str, Any]:
    """Return the numbers as the reader may see them: in full, in part, or none."""
    numbers = [] if access(g.member, "phones") == HIDDEN else contact.phones
    if not are_masked(g.member):
        return {"phones": [(one, rows.spaced_phone(one)) for one in numbers], "phones_masked": False}
    return {
        "phones": [masked_phone(one) for one in numbers],
        "phones_masked": True,
        "may_reveal": may_reveal(g.member),
    }


def _badges(contact: Contact) -> list[tuple[str, str]]:
    found = [("brand", _("主要联系人"))] if contact.is_primary else []
    if contact.role:
        found.append(("", str(words.CONTACT_ROLES[contact.role])))
    return found + panels.tag_badges(contact.tags)


def _facts(contact: Contact) -> list[tuple[str, str]]:
    values = {
        "title": contact.title,
        "gender": str(words.GENDERS[contact.gender]) if contact.gender else "",
        "wechat": contact.wechat,
        "mail": contact.mail,
        "birth_day": contact.birthday or "",
        "note": contact.note,
    }
    return [(str(words.CONTACT_FIELDS[field]), value) for field, value in values.items()]


@bp.post("/contacts/<key:contact_id>/phones/<int:position>")
def reveal(contact_id: str, position: int) -> Any:
    """Show one number in full, to call it; the look is noted and counted."""
    contact, customer = _both(contact_id)
    try:
        number = reveal_phone(contact, position, actor=g.member)
    except Forbidden as problem:
        db.session.rollback()
        return show("customers/phone.html", customer=customer, number="", problem=problem.detail), 403
    db.session.commit()
    text = rows.spaced_phone(number)
    return show("customers/phone.html", customer=customer, number=number, text=text, problem="")


# --- new ----------------------------------------------------------------------------------------------------------


@bp.get("/customers/<key:customer_id>/contacts/new")
def new(customer_id: str) -> str:
    customer = find_customer(customer_id, actor=g.member)
    demand_right(customer, "edit", actor=g.member)
    return _show_form(customer, Form({}))


@bp.post("/customers/<key:customer_id>/contacts")
def create(customer_id: str) -> Any:
    """Save a new contact."""
    form = _read()

    def act() -> str:
        customer = find_customer(customer_id, actor=g.member)
        values = _values(form)
        _ask_about_numbers(form, values["phones"], customer.id)
        add_contact(customer, values, actor=g.member)
        return url_for("customers.page", customer_id=customer_id)

    def again(problem: Problem | None) -> str:
        return _show_form(find_customer(customer_id, actor=g.member), form, problem=problem)

    return save(form, act, again=again, words=_("联系人已保存"))


def _ask_about_numbers(form: Form, numbers: Sequence[str], customer_id: str) -> None:
    """Ask once before it saves where other customers have a number, too."""
    if not form.typed["similar_ok"]:
        clean = clean_contact({"phones": numbers}, whole=False)["phones"]
        ask_about(reached_by(clean, actor=g.member, but=customer_id), _("其他客户已有这个电话，请先核对"))


def _read() -> Form:
    form = Form.read((*TEXTS, "similar_ok"), LISTS)
    form.typed["phones"] = [number for number in form.typed["phones"] if number.strip()]
    ownfields.take(form, "contact")
    return form


def _values(form: Form) -> dict[str, Any]:
    form.demand_clean()
    typed = form.typed
    for mark in ",，;；、":
        typed["new_tags"] = typed["new_tags"].replace(mark, " ")
    values = {name: typed[name] for name in (*TEXTS, *LISTS) if name not in ("new_tags", "is_primary")}
    values["tags"] = [*typed["tags"], *typed["new_tags"].split()]
    values |= {"custom": form.custom} if form.custom else {}
    return values | ({"is_primary": True} if typed["is_primary"] else {})


def _show_form(
    customer: Customer,
    form: Form,
    contact: Contact | None = None,
    conflict: dict[str, Any] | None = None,
    problem: Problem | None = None,
) -> str:
    return show(
        "contacts/form.html",
        counted=False,
        customer=customer,
        contact=contact,
        form=form,
        custom=ownfields.drawn("contact", form, contact.custom or {} if contact else None, parent=customer.custom),
        conflict=conflict,
        genders=[(key, words.GENDERS[key]) for key in GENDERS],
        roles=[(key, words.CONTACT_ROLES[key]) for key in CONTACT_ROLES],
        known_tags=list(known_tags())[:MOST_TAGS_SHOWN],
        shows_phones=access(g.member, "phones") == "edit",
        **known(problem),
    )


# --- edit ---------------------------------------------------------------------------------------------------------


@bp.get("/contacts/<key:contact_id>/edit")
def edit(contact_id: str) -> str:
    contact, customer = _both(contact_id)
    demand_right(customer, "edit", actor=g.member)
    return _show_form(customer, _form_of(contact), contact)


def _form_of(contact: Contact) -> Form:
    same = ("name", "gender", "title", "role", "wechat", "mail", "note")
    typed = {name: getattr(contact, name) for name in same} | {"birthday": contact.birthday or ""}
    phones = [masked_phone(one) for one in contact.phones] if are_masked(g.member) else contact.phones
    typed |= {"phones": phones, "tags": list(contact.tags), "is_primary": contact.is_primary}
    return Form.edit(typed | ownfields.typed("contact", contact.custom or {}), contact.version)


@bp.post("/contacts/<key:contact_id>")
def change(contact_id: str) -> Any:
    """Save an edit. When somebody else saved meanwhile, the form comes back with the difference."""
    form = _read()

    def act() -> str:
        contact, _customer = _both(contact_id)
        values = _values(form)
        if access(g.member, "phones") != "edit" or form.is_left("phones"):
            values.pop("phones")
        else:
            values["phones"] = unmasked(values["phones"], contact.phones)
            fresh = [one for one in values["phones"] if one not in contact.phones]
            _ask_about_numbers(form, fresh, contact.customer_id)
        change_contact(contact, values, actor=g.member, version=form.version)
        return url_for("contacts.page", contact_id=contact_id)

    def again(problem: Problem | None) -> str:
        contact, customer = _both(contact_id)
        conflict = None
        if isinstance(problem, Stale):
            form.errors.pop("", None)
            conflict = _conflict(contact, problem, *form.settle(_form_of(contact)))
        return _show_form(customer, form, contact, conflict, problem)

    return save(form, act, again=again, words=_("修改已保存"))


def _conflict(contact: Contact, problem: Stale, settled: set[str], taken: bool) -> dict[str, Any]:
    changes = {field: both for field, both in problem.changes.items() if field not in settled}
    differing = [
        (str(words.CONTACT_FIELDS[field]), _as_text(field, mine), _as_text(field, theirs))
        for field, (theirs, mine) in changes.items()
        if field in words.CONTACT_FIELDS
    ]
    differing += ownfields.differing("contact", changes)
    return {"rows": differing, "who": _("同事"), "at": rows.moment(contact.updated_at), "taken": taken}


def _as_text(field: str, value: Any) -> str:
    if field == "phones":
        return _("、").join(masked_phone(one) if are_masked(g.member) else one for one in value)
    if field == "is_primary":
        return _("是") if value else _("否")
    if field in ("role", "gender"):
        return str((words.CONTACT_ROLES if field == "role" else words.GENDERS)[value])
    return _("、").join(value) if isinstance(value, list) else str(value or "")
