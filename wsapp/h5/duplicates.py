"""Duplicates (查重): who is known already while somebody types, and making one of two customers."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, g, request, url_for

from wsapp.crm.customers.actions import MAX_PHONES
from wsapp.crm.customers.asks import demand_asks_left, take_asks, too_many
from wsapp.crm.customers.dedupe import find_duplicates
from wsapp.crm.customers.merge import CHOICES, CUSTOM, LOSER, WINNER, merge_customers
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import demand_right, find_customer, find_customers, may_do
from wsapp.crm.customers.reveals import are_masked
from wsapp.crm.customers.telling import MOST, tell, to_ask_for
from wsapp.crm.customers.unmerge import find_merge, merges_of, undo_merge
from wsapp.crm.fields.access import HIDDEN, access, masked_phone, reads
from wsapp.crm.fields.showing import change_shown, readable
from wsapp.crm.org.queries import names
from wsapp.db import db, writing
from wsapp.h5 import lists, rows, words
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import arg, go, per_member, show
from wsapp.problems import Problem, TooMany
from wsapp.texts import _
from wsapp.web import limiter, require_member

bp = Blueprint("duplicates", __name__, url_prefix="/h5/customers")
bp.before_request(require_member)

RATE = "60 per minute"
LOOKED_AT = ("name", "credit_code", "website", "city", "industry", "address")
CANDIDATES = 20
LABELS = {"region": "province", "location": "lat", "parent": "parent_id"}  # field of CHOICES → word


# --- while typing -------------------------------------------------------------------------------------------------


@bp.get("/duplicates")
@limiter.limit(RATE, key_func=per_member)
def index() -> str:
    """What stands below the form while it is being filled in: who is known already by name, phone, code, website."""
    values: dict[str, Any] = {name: arg(name) for name in LOOKED_AT}
    values["phones"] = [one[:40] for one in request.args.getlist("phones")[:MAX_PHONES]]
    but = find_customer(arg("customer"), actor=g.member).id if arg("customer") else ""
    try:
        told, asked = _look(values, but)
    except TooMany as problem:
        return show("customers/known.html", counted=False, told=[], asked=[], words=problem.detail)
    return show("customers/known.html", counted=False, told=told, asked=asked, words="")


def _look(values: Mapping[str, Any], but: str) -> tuple[list[dict[str, Any]], list[str]]:
    demand_asks_left(g.member)
    hits = find_duplicates(values, actor=g.member, but=but)[:MOST]
    told = tell(hits)
    if asked := sorted({one.asked for one in hits if not one.visible}):
        with writing():
            may_tell = take_asks(g.member, asked)
        if not may_tell:
            raise too_many()
    return told, to_ask_for(hits)


# --- merging ------------------------------------------------------------------------------------------------------


@bp.get("/<key:customer_id>/merge")
def choose(customer_id: str) -> str:
    """With which customer to merge: those that are alike, or what is searched for; and what can be undone."""
    customer = find_customer(customer_id, actor=g.member)
    demand_right(customer, "edit", actor=g.member)
    text = arg("q")
    found = _found(text, customer) if text else _alike(customer)
    owners = names([one.owner_id for one in found])
    return show(
        "customers/merge_choose.html",
        counted=False,
        customer=customer,
        q=text,
        found=[
            {
                "name": one.name,
                "sub": _candidate(one, owners),
                "url": url_for("duplicates.compare", customer_id=customer.id, other_id=one.id),
            }
            for one in found
        ],
        undoable=_undoable(customer),
    )


def _candidate(one: Customer, owners: Mapping[str, str]) -> str:
    """What tells customers of one name apart."""
    said = [_("负责人 %(name)s", name=owners.get(one.owner_id or "", "—"))] if reads(g.member, "owner") else []
    if one.level and reads(g.member, "level"):
        said.append(_("%(level)s 级", level=one.level))
    return " · ".join([*said, _("%(at)s 新建", at=rows.moment(one.created_at))])


def _found(text: str, customer: Customer) -> Sequence[Customer]:
    page, _after = lists.customer_page(
        g.member, whose="team", text=text, stage="", level="", limit=CANDIDATES, cursor=""
    )
    ids = [one.id for one in page if one.id != customer.id]
    known = find_customers(ids, actor=g.member)
    return [known[one] for one in ids if one in known]


def _alike(customer: Customer) -> Sequence[Customer]:
    values = {name: getattr(customer, name) for name in LOOKED_AT}
    hits = find_duplicates({**values, "phones": customer.phones}, actor=g.member, but=customer.id)
    return list(find_customers([one.customer.id for one in hits if one.visible], actor=g.member).values())


def _undoable(customer: Customer) -> list[dict[str, Any]]:
    found = merges_of(customer.id)
    people = names([one.actor_id for one in found])
    return [
        {
            "name": one.name,
            "at": rows.moment(one.at),
            "until": rows.moment(one.until),
            "who": people.get(one.actor_id or "", ""),
            "url": url_for("duplicates.undo", customer_id=customer.id, loser_id=one.loser_id),
        }
        for one in found
    ]


@bp.get("/<key:customer_id>/merge/<key:other_id>")
def compare(customer_id: str, other_id: str) -> str:
    """Both customers side by side: of each field that differs one value is chosen."""
    pair = _pair(customer_id, other_id)
    return _show_compare(*pair, Form({}))


@bp.post("/<key:customer_id>/merge/<key:other_id>")
def merge(customer_id: str, other_id: str) -> Any:
    """Merge the other customer into this one."""
    fields = (*CHOICES, *(f"{CUSTOM}{key}" for key in readable("customer", g.member)))
    form = Form.read((*fields, "other_version"))

    def act() -> str:
        winner, loser = _pair(customer_id, other_id)
        choices = {field: form.typed[field] for field in fields if form.typed[field]}
        seen = int(form.typed["other_version"]) if form.typed["other_version"].isdecimal() else None
        merge_customers(loser, winner, actor=g.member, choices=choices, versions=(seen, form.version))
        return url_for("customers.page", customer_id=winner.id)

    def again(problem: Problem | None) -> str:
        winner, loser = _pair(customer_id, other_id)
        form.version = winner.version
        return _show_compare(winner, loser, form)

    return save(form, act, again=again, words=_("已合并，30 天内可以撤销"))


def _pair(customer_id: str, other_id: str) -> tuple[Customer, Customer]:
    return find_customer(customer_id, actor=g.member), find_customer(other_id, actor=g.member)


def _show_compare(winner: Customer, loser: Customer, form: Form) -> str:
    form.version = form.version or winner.version
    form.typed["other_version"] = str(loser.version)
    return show(
        "customers/merge.html",
        counted=False,
        winner=winner,
        loser=loser,
        form=form,
        questions=_questions(winner, loser),
        phones=_phones([*winner.phones, *loser.phones]),
        most_phones=MAX_PHONES,
        may=may_do(winner, "edit", actor=g.member) and may_do(loser, "delete", actor=g.member),
    )


def _phones(numbers: Sequence[str]) -> list[str]:
    if access(g.member, "phones") == HIDDEN:
        return []
    both = dict.fromkeys(numbers)
    return [masked_phone(one) for one in both] if are_masked(g.member) else list(both)


def _questions(winner: Customer, loser: Customer) -> list[dict[str, Any]]:
    """The fields in which both say something different, with both values in words. The others need no choice."""
    owners = names([winner.owner_id, loser.owner_id])
    parents = names_of_parents(winner, loser)
    found = []
    for field in CHOICES:
        mine, theirs = (_words(field, one, owners, parents) for one in (winner, loser))
        if mine != theirs and mine and theirs and reads(g.member, field):
            label = str(words.CUSTOMER_FIELDS.get(LABELS.get(field, field), field))
            found.append({"field": field, "label": label, "options": [(WINNER, mine), (LOSER, theirs)]})
    return found + _custom_questions(winner, loser)


def _custom_questions(winner: Customer, loser: Customer) -> list[dict[str, Any]]:
    found = []
    for key in readable("customer", g.member):
        mine, theirs = ((one.custom or {}).get(key) for one in (winner, loser))
        if mine != theirs and mine not in (None, "", []) and theirs not in (None, "", []):
            field = f"{CUSTOM}{key}"
            label, *both = change_shown("customer", field, mine, theirs)
            found.append({"field": field, "label": label, "options": list(zip((WINNER, LOSER), both, strict=True))})
    return found


def names_of_parents(*customers: Customer) -> dict[str, str]:
    """Return the names of the parents that the reader may see, by id."""
    known = find_customers([one.parent_id for one in customers], actor=g.member)
    return {one.id: one.name for one in known.values()}


def _words(field: str, customer: Customer, owners: Mapping[str, str], parents: Mapping[str, str]) -> str:
    match field:
        case "kind":
            return str(words.CUSTOMER_KINDS[customer.kind])
        case "stage":
            return str(words.STAGES[customer.stage])
        case "owner":
            return owners.get(customer.owner_id or "", "") or (_("公海") if customer.pool_id else "")
        case "parent":
            return parents.get(customer.parent_id or "", "")
        case "location":
            return f"{customer.lat:.5f}, {customer.lng:.5f}" if customer.place else ""
        case "region":
            return " ".join(filter(None, (customer.province, customer.city, customer.district)))
        case _:
            return str(getattr(customer, field) or "")


@bp.post("/<key:customer_id>/merge/<key:loser_id>/undo")
def undo(customer_id: str, loser_id: str) -> Any:
    """Take a merge back."""
    winner = find_customer(customer_id, actor=g.member)
    loser = undo_merge(find_merge(winner, loser_id), winner, actor=g.member)
    address = url_for("customers.page", customer_id=loser.id)
    db.session.commit()
    return go(address, _("已撤销合并，两位客户恢复原样"))
