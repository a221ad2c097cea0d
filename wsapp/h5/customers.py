"""Customers (客户): the list, the record with its timeline, new, edit."""

from collections import Counter
from collections.abc import Hashable
from functools import lru_cache, partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

import sqlalchemy as sa
from flask import Blueprint, current_app, g, redirect, request, url_for
from markupsafe import Markup

from wsapp.crm.appeals.places import change_or_ask
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.dedupe import find_duplicates
from wsapp.crm.customers.leads import OPEN
from wsapp.crm.customers.models import LEVELS, STAGES, Customer
from wsapp.crm.customers.queries import demand_right, find_customer, find_customers, may_do, phones_of
from wsapp.crm.customers.reveals import are_masked, may_reveal, phones_shown, reveal_phone, unmasked
from wsapp.crm.customers.tags import known_tags
from wsapp.crm.events.models import Event
from wsapp.crm.fields.access import HIDDEN, MASKED, access, locked, mask, masked_phone, reads, shown
from wsapp.crm.fields.conditions import FACTS
from wsapp.crm.org.queries import names
from wsapp.crm.org.rights import sight
from wsapp.crm.search import filters
from wsapp.crm.search.views import default_view
from wsapp.db import db, first
from wsapp.h5 import appeals, leaving, lists, ownfields, panels, rows, timeline, words
from wsapp.h5.forms import Form, save
from wsapp.h5.known import ask_about, known
from wsapp.h5.owners import may_part
from wsapp.h5.pages import PAGE_SIZE, Query, arg, choice, cursor, here_with, is_partial, next_page, query_values, show
from wsapp.h5.views import scopes_of, within
from wsapp.problems import Forbidden, Problem, Stale
from wsapp.texts import _, language
from wsapp.web import require_member

bp = Blueprint("customers", __name__, url_prefix="/h5/customers")
bp.before_request(require_member)

TEXTS = (
    "name",
    "short_name",
    "kind",
    "level",
    "stage",
    "source",
    "industry",
    "size",
    "province",
    "city",
    "district",
    "address",
    "website",
    "credit_code",
    "note",
    "new_tags",
)
LISTS = ("phones", "tags")
TAG_BREAKS = ",，;；、"
KNOWN_TAGS = 8
MOST_TAGS_SHOWN = 30
# `?for=…`: what a tap on a customer opens when the list was opened to choose one
TOWARDS = {"visit": "visits.new", "follow-up": "followups.new"}


@bp.get("")
def index() -> Any:
    """The list, mine or the team's, searched, filtered and sorted; opened bare, with the view that one chose for it."""
    if not request.args and (opened := default_view(g.member)):
        return redirect(f"{request.path}?{urlencode({'scope': 'mine', **opened[1]})}")
    scopes = scopes_of(g.member)
    scope = choice("scope", scopes, "mine")
    whose, within_it = within(scope, g.member)
    unread = frozenset(name for name in ("stage", "level") if not reads(g.member, name))
    stage = "" if "stage" in unread else choice("stage", STAGES)
    level = "" if "level" in unread else choice("level", LEVELS)
    text = arg("q")
    narrowed = filters.wanted(request.args, actor=g.member)
    found, after = lists.customer_page(
        g.member,
        whose=whose,
        text=text,
        stage=stage,
        level=level,
        limit=PAGE_SIZE,
        cursor=cursor(),
        more=[*within_it, *filters.conditions(narrowed, actor=g.member)],
        sort=(sort := arg("sort")) or "-updated_at",
    )
    towards = choice("for", TOWARDS)
    drawn = rows.customer_rows(found, owners=scope != "mine", towards=TOWARDS.get(towards, ""))
    return show(
        "customers/index.html",
        customers=drawn,
        next_url=next_page(after),
        controls=_controls(
            Chosen(scope, scopes, stage, level, towards, unread, tuple(narrowed.items()), sort),
            query_values(),
            language(),
        ),
        q=text,
        filtered=bool(text or stage or level or narrowed),
        towards=towards,
    )


class Chosen(NamedTuple):
    """What the list is narrowed to; `scopes` are those that the reader can choose.

    `unread`: by what the reader cannot filter, for their role hides it.
    """

    scope: str
    scopes: tuple[str, ...]
    stage: str
    level: str
    towards: str
    unread: frozenset[str]
    narrowed: tuple[tuple[str, str], ...] = ()
    sort: str = ""


@lru_cache(maxsize=512)
def _controls(chosen: Chosen, query: Query, speech: Hashable) -> Markup:
    """Draw what stands above the list, once for each address."""
    macros: Any = current_app.jinja_env.get_template("customers/controls.html").module
    drawn: Markup = macros.controls(
        action=url_for("customers.index"),
        q=dict(query).get("q", ""),
        keep={
            "scope": chosen.scope,
            "stage": chosen.stage,
            "level": chosen.level,
            "for": chosen.towards,
            "sort": chosen.sort,
            **dict(chosen.narrowed),
        },
        tabs=_tabs(chosen.scope, chosen.scopes),
        filters=_filters(chosen.stage, chosen.level, chosen.unread),
        more=f"{url_for('views.edit')}?{urlencode(query)}",
        narrowed=len(chosen.narrowed),
    )
    return drawn


def _tabs(scope: str, scopes: tuple[str, ...]) -> list[tuple[str, str, bool, None]]:
    everybody = _("全部") if "department" in scopes else _("团队")
    texts = {"mine": _("我负责的"), "shared": _("协作"), "department": _("本部门"), "team": everybody}
    return [(here_with(scope=key), text, scope == key, None) for key, text in texts.items() if key in scopes]


def _filters(stage: str, level: str, unread: frozenset[str]) -> list[dict[str, Any]]:
    """Return the two filters as menus of links."""
    stages = [{"text": _("全部阶段"), "url": here_with(stage=None)}]
    stages += [{"text": str(text), "url": here_with(stage=key)} for key, text in words.STAGES.items()]
    levels = [{"text": _("全部级别"), "url": here_with(level=None)}]
    levels += [{"text": _("%(level)s 级", level=key), "url": here_with(level=key)} for key in LEVELS]
    found = {
        "stage": {"label": str(words.STAGES[stage]) if stage else _("阶段"), "items": stages, "on": bool(stage)},
        "level": {
            "label": _("%(level)s 级", level=level) if level else _("级别"),
            "items": levels,
            "on": bool(level),
        },
    }
    return [menu for name, menu in found.items() if name not in unread]


# --- one customer -------------------------------------------------------------------------------------------------


@bp.get("/<key:customer_id>")
def page(customer_id: str) -> str:
    """The record: who it is, how to reach it, what is open, what happened."""
    customer = find_customer(customer_id, actor=g.member)
    items, after = timeline.of_customer(customer.id, limit=PAGE_SIZE, cursor=cursor())
    if is_partial() and cursor():
        return show("customers/timeline.html", items=items, next_url=next_page(after))
    tasks = [] if cursor() else _open_tasks(customer)
    owner = names([customer.owner_id]).get(customer.owner_id or "", "") if reads(g.member, "owner") else ""
    return show(
        "customers/page.html",
        customer=customer,
        owner=owner,
        **(phones := _phones(customer.id)),
        **panels.of_customer(customer, phones["phones"]),
        may_edit=may_do(customer, "edit", actor=g.member),
        may_part=may_part(customer, g.member),
        place=customer.place if reads(g.member, "location") else None,
        tasks=tasks,
        items=items,
        next_url=next_page(after),
        badges=_badges(customer),
        facts=_facts(customer, owner),
        **ownfields.shown("customer", customer.custom, {name: getattr(customer, name) for name in FACTS["customer"]}),
        beside=lists.beside(customer, g.member),
        leaving=leaving.on_record(customer),
        requests=appeals.of_customer(customer),
    )


def _open_tasks(customer: Customer) -> list[rows.Row]:
    found = lists.open_tasks_about(customer.id, g.member)
    return [{**row, "customer": ""} for row in rows.task_rows(found, viewer_id=g.member.id, snoozes=True)]


def _phones(customer_id: str) -> dict[str, Any]:
    """Return the numbers as the reader may see them: in full, in part, or none."""
    how = access(g.member, "phones")
    numbers = [] if how == HIDDEN else phones_of([customer_id])[customer_id]
    if not are_masked(g.member):
        return {"phones": [(one, rows.spaced_phone(one)) for one in numbers], "phones_masked": False}
    return {
        "phones": [masked_phone(one) for one in numbers],
        "phones_masked": True,
        "may_reveal": may_reveal(g.member),
    }


@bp.post("/<key:customer_id>/phones/<int:position>")
def reveal(customer_id: str, position: int) -> Any:
    """Show one number in full, to call it; the look is noted and counted."""
    customer = find_customer(customer_id, actor=g.member)
    try:
        number = reveal_phone(customer, position, actor=g.member)
    except Forbidden as problem:
        db.session.rollback()
        return show("customers/phone.html", customer=customer, number="", problem=problem.detail), 403
    db.session.commit()
    return show("customers/phone.html", customer=customer, number=number, text=rows.spaced_phone(number), problem="")


def _badges(customer: Customer) -> list[tuple[str, str]]:
    sees = partial(reads, g.member)
    found = [("brand", _("%(level)s 级", level=customer.level))] if customer.level and sees("level") else []
    if sees("stage"):
        found.append(("", str(words.STAGES[customer.stage])))
    if customer.lead in OPEN:
        found.append(("today", str(words.LEADS[customer.lead])))
    return found + (panels.tag_badges(customer.tags) if sees("tags") else [])


def _facts(customer: Customer, owner: str) -> list[tuple[str, str]]:
    parts = [getattr(customer, name) for name in ("province", "city", "district") if reads(g.member, name)]
    region = " ".join(filter(None, parts))
    address = mask("address", customer.address) if access(g.member, "address") == MASKED else customer.address
    values = {
        "short_name": customer.short_name,
        "kind": str(words.CUSTOMER_KINDS[customer.kind]),
        "region": " ".join(filter(None, (region, address if access(g.member, "address") != HIDDEN else ""))),
        "source": customer.source,
        "industry": customer.industry,
        "size": customer.size,
        "website": customer.website,
        "credit_code": customer.credit_code,
        "note": customer.note,
        "owner": owner,
        "last_followed_at": rows.moment(customer.last_followed_at) if customer.last_followed_at else "",
        "last_visited_at": rows.moment(customer.last_visited_at) if customer.last_visited_at else "",
        "last_deal_at": rows.moment(customer.last_deal_at) if customer.last_deal_at else "",
    }
    labels = {
        **words.CUSTOMER_FIELDS,
        "region": words.CUSTOMER_FIELDS["address"],
        "last_followed_at": _("上次跟进"),
        "last_visited_at": _("上次拜访"),
        "last_deal_at": _("上次成交"),
    }
    return [(str(labels[field]), value) for field, value in shown(g.member, values).items()]


# --- new ----------------------------------------------------------------------------------------------------------


@bp.get("/new")
def new() -> str:
    return _show_new(Form({"kind": "company", "name": arg("name"), "for": choice("for", TOWARDS)}))


@bp.post("")
def create() -> Any:
    """Save a new customer; a name like another's asks once before it saves, a known phone number is refused."""
    form = _read()

    def act() -> str:
        values = _posted_values(form)
        if not form.typed["similar_ok"]:
            ask_about(find_duplicates(values, actor=g.member), _("已有名称相同或相近的客户，请先核对"))
        endpoint = TOWARDS.get(form.typed["for"], "customers.page")
        return url_for(endpoint, customer_id=create_customer(values, actor=g.member).id)

    return save(form, act, again=lambda problem: _show_new(form, problem), words=_("客户已保存"))


def _show_new(form: Form, problem: Problem | None = None) -> str:
    return show("customers/new.html", counted=False, form=form, **known(problem), **_choices(form))


def _read() -> Form:
    form = Form.read((*TEXTS, "similar_ok", "for"), LISTS)
    form.typed["phones"] = [number for number in form.typed["phones"] if number.strip()]
    ownfields.take(form, "customer")
    return form


def _values(form: Form) -> dict[str, Any]:
    values = {name: form.typed[name] for name in (*TEXTS, *LISTS) if name != "new_tags"}
    return {**values, "tags": [*form.typed["tags"], *_split(form.typed["new_tags"])]}


def _split(text: str) -> list[str]:
    for mark in TAG_BREAKS:
        text = text.replace(mark, " ")
    return text.split()


def _choices(form: Form, customer: Customer | None = None) -> dict[str, Any]:
    return {
        "custom": ownfields.drawn("customer", form, customer.custom or {} if customer else None),
        "locked": locked(g.member, (*TEXTS, *LISTS)),
        "kinds": list(words.CUSTOMER_KINDS.items()),
        "levels": [(level, level) for level in LEVELS],
        "stages": list(words.STAGES.items()),
        "known_tags": _tags_in_use(),
    }


def _tags_in_use() -> list[str]:
    """Return the tags that the actor's own newest customers carry, most used first, then others of the corp's list."""
    recent = sa.select(Customer.tags).where(Customer.owner_id == g.member.id).order_by(Customer.updated_at.desc())
    used = Counter(tag for tags in db.session.scalars(recent.limit(60)) for tag in tags or ())
    listed = list(known_tags())
    mine = [tag for tag, _count in used.most_common(KNOWN_TAGS) if tag in listed or not listed]
    return list(dict.fromkeys([*mine, *listed]))[:MOST_TAGS_SHOWN]


# --- edit ---------------------------------------------------------------------------------------------------------


@bp.get("/<key:customer_id>/edit")
def edit(customer_id: str) -> str:
    customer = find_customer(customer_id, actor=g.member)
    demand_right(customer, "edit", actor=g.member)
    return _show_edit(customer, _form_of(customer))


def _form_of(customer: Customer) -> Form:
    typed = {name: getattr(customer, name) or "" for name in TEXTS if name != "new_tags"}
    typed |= {"phones": phones_shown(customer, actor=g.member), "tags": list(customer.tags)}
    typed["lead"] = customer.lead
    return Form.edit(shown(g.member, typed) | ownfields.typed("customer", customer.custom or {}), customer.version)


@bp.post("/<key:customer_id>")
def change(customer_id: str) -> Any:
    """Save an edit. When somebody else saved meanwhile, the form comes back with the difference."""
    form = _read()

    def act() -> str:
        customer = find_customer(customer_id, actor=g.member)
        values = _posted_values(form)
        if form.is_left("phones"):
            values.pop("phones", None)
        if "phones" in values and may_reveal(g.member):
            values["phones"] = unmasked(values["phones"], customer.phones)
        change_or_ask(customer, values, actor=g.member, version=form.version)
        return _after(customer_id)

    def again(problem: Problem | None) -> str:
        return _show_edit(find_customer(customer_id, actor=g.member), form, problem)

    return save(form, act, again=again, words=_("修改已保存"))


def _after(customer_id: str) -> str:
    """Return the customer's page; the list, where the change took away what let the actor see it (a field's value)."""
    if sight(g.member).having and not find_customers([customer_id], actor=g.member):
        return url_for("customers.index")
    return url_for("customers.page", customer_id=customer_id)


def _posted_values(form: Form) -> dict[str, Any]:
    """Return the fields that the form really held, so that a shorter form changes only what it shows."""
    form.demand_clean()
    posted = {name for name in request.form if name != "new_tags"}
    posted |= {"tags"} if "new_tags" in request.form else set()
    values = {name: value for name, value in _values(form).items() if name in posted}
    return values | ({"custom": form.custom} if form.custom else {})


def _show_edit(customer: Customer, form: Form, problem: Problem | None = None) -> str:
    conflict = None
    if isinstance(problem, Stale):
        form.errors.pop("", None)
        conflict = _conflict(customer, problem, *form.settle(_form_of(customer)))
    return show(
        "customers/edit.html",
        counted=False,
        customer=customer,
        form=form,
        conflict=conflict,
        **known(problem),
        **_choices(form, customer),
    )


def _conflict(customer: Customer, problem: Stale, settled: set[str], taken: bool) -> dict[str, Any]:
    """Return what both changed as (label, mine, theirs), who saved when, and whether anything was `taken` from them."""
    changes = {field: both for field, both in problem.changes.items() if field not in settled}
    latest: Event | None = first(
        sa.select(Event)
        .where(Event.subject_id == customer.id, Event.kind.in_(("customer.changed", "customer.assigned")))
        .order_by(Event.at.desc(), Event.id.desc())
        .limit(1)
    )
    who = names([latest.actor_id]).get(latest.actor_id or "", "") if latest else ""
    differing = [
        (str(words.CUSTOMER_FIELDS[field]), _as_text(field, mine), _as_text(field, theirs))
        for field, (theirs, mine) in changes.items()
        if field in words.CUSTOMER_FIELDS and reads(g.member, field)
    ]
    differing += ownfields.differing("customer", changes)
    at = rows.moment(latest.at if latest else customer.updated_at)
    return {"rows": differing, "who": who or _("系统"), "at": at, "taken": taken}


def _as_text(field: str, value: Any) -> str:
    if field == "kind":
        return str(words.CUSTOMER_KINDS.get(value, ""))
    if field == "stage":
        return str(words.STAGES.get(value, ""))
    if field == "phones" and are_masked(g.member):
        value = [masked_phone(one) for one in value]
    return _("、").join(value) if isinstance(value, list) else str(value or "")
