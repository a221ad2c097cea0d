"""One spoken or typed sentence fills the form of a follow-up (说一句). Nothing is kept until that form is saved."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, g, request, url_for

from wsapp.crm.customers.clean import clean_line, clean_text
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.drafts import modelled
from wsapp.crm.drafts.drafting import Draft, draft
from wsapp.crm.drafts.models import DONE, WAITING
from wsapp.crm.drafts.sentences import LONGEST
from wsapp.crm.fields.forms import writable
from wsapp.crm.org.queries import names
from wsapp.db import writing
from wsapp.h5.forms import Form, input_value
from wsapp.h5.pages import per_member, show
from wsapp.house import local, local_now
from wsapp.texts import _
from wsapp.web import limiter, require_member

bp = Blueprint("saying", __name__, url_prefix="/h5")
bp.before_request(require_member)

RATE = "60 per minute"
MOST_NAME = 60
# What of a draft a form has a field for, and what it calls it
FIELDS: Mapping[str, Mapping[str, str]] = {
    "follow_up": {
        name: name for name in ("kind", "contact", "text", "outcome", "happened_at", "next_at", "next_action")
    },
    "visit": {"text": "note", "next_at": "next_at", "next_action": "next_action"},
}


@bp.get("/follow-ups/new")
def new() -> str:
    """Say or write a sentence, without having chosen a customer."""
    return _ask("", None, "", "")


@bp.post("/follow-ups/new")
@limiter.limit(RATE, key_func=per_member)
def create() -> Any:
    """Show the form that the sentence fills; asks for the customer where it is not certain."""
    sentence, name = said_here(), clean_line(request.form.get("name", "").replace("\0", ""))[:MOST_NAME]
    if not sentence:
        return _ask(sentence, None, name, _("请先说一句或写一句")), 422
    chosen = request.form.get("customer", "")
    customer = find_customer(chosen, actor=g.member) if chosen else None
    made = draft(sentence, actor=g.member, now=local_now(), customer=customer, name=name)
    if made.customer is None:
        return _ask(sentence, made, name, ""), 422 if name else 200
    return _form(find_customer(made.customer.id, actor=g.member), made)


def _ask(sentence: str, made: Draft | None, name: str, error: str) -> str:
    owners = names([one.owner_id for one in made.choices]) if made else {}
    values = {"said": sentence, "made": made, "owners": owners, "name": name, "error": error}
    return show("followups/say.html", counted=False, **values)


def _form(customer: Customer, made: Draft) -> str:
    from wsapp.h5.followups import begun, draw  # which asks this file to fill its form

    form = begun()
    return draw(customer, form, fill(form, made))


def said_here() -> str:
    """Return the sentence that was posted, without what no text has."""
    return clean_text(request.form.get("said", "")[: 2 * LONGEST].replace("\0", ""))[:LONGEST]


def fill(form: Form, made: Draft, *, obj: str = "follow_up") -> dict[str, Any]:
    """Put a draft into the form of a follow-up or a visit, as far as it has the fields.

    Returns what the page says of it: {"marks": names of fields, "facts": [(label, words)], "asks": [words],
    "quick": [(words, field value)] of moments that may be meant}. What has to be looked at stands below its field.
    """
    money = _money_field(obj) if made.said.amount is not None else ""
    names_here = FIELDS[obj]
    with_text = not (form.typed.get(names_here["text"]) or "").strip()
    found = _values(made, form.typed, names_here)
    form.typed |= found | ({money: f"{made.said.amount:f}"} if money else {})
    if money and "amount" in made.questions:
        form.errors[money] = made.questions["amount"]
    asks = {name: words for name, words in made.questions.items() if name in form.typed}
    form.errors |= asks
    return {
        "marks": list(found),
        "facts": _facts(made),
        "asks": [
            made.questions[name] for name in ("customer", *(() if money else ("amount",))) if name in made.questions
        ],
        "quick": [(_moment_words(one), input_value(one)) for one in made.alternatives],
        "better": _ask_model(made, obj, with_text),
    }


def _ask_model(made: Draft, obj: str, with_text: bool) -> str:
    """Have a model asked about the sentence, where one is; returns the address of what comes of it, else ""."""
    if not modelled.is_on():
        return ""
    with writing():
        ask_id = modelled.begin_ask(said_here(), made, obj=obj, with_text=with_text, actor=g.member)
    return url_for("saying.better", ask_id=ask_id)


@bp.get("/follow-ups/drafts/<key:ask_id>")
def better(ask_id: str) -> str:
    """A part of the form: what a model made of the sentence. Until it has answered the part asks again by itself."""
    ask = modelled.find_ask(ask_id, actor=g.member)
    if ask.state == WAITING and not modelled.is_too_late(ask):
        return show("followups/better.html", counted=False, again=url_for("saying.better", ask_id=ask_id))
    found = modelled.better(ask, actor=g.member) if ask.state == DONE else modelled.Better()
    names_here = FIELDS[ask.object]
    values = {names_here[name]: value for name, value in found.values.items() if name in names_here}
    return show("followups/better.html", counted=False, again="", values=values, asks=found.asks)


def _values(made: Draft, typed: Mapping[str, Any], names_here: Mapping[str, str]) -> dict[str, str]:
    """Return what a draft says under a form's own names; a text goes behind what was typed before."""
    said = made.said
    found = {"kind": said.kind, "outcome": said.outcome, "next_action": said.action}
    found["next_at"] = input_value(made.next_at)
    found["contact"] = made.contact[0] if made.contact else ""
    found["happened_at"] = input_value(said.happened) if "happened_at" not in made.questions else ""
    before = (typed.get(names_here["text"]) or "").strip()
    found["text"] = f"{before}\n{said.text}" if before and said.text not in before else before or said.text
    return {names_here[name]: value for name, value in found.items() if value and name in names_here}


def _money_field(obj: str) -> str:
    """Return the name of the corp's own field for money in such a record, where there is one and no other."""
    found = [field.name for field in writable(obj, g.member) if field.type == "money"]
    return found[0] if len(found) == 1 else ""


def _facts(made: Draft) -> list[tuple[str, str]]:
    amount = made.said.amount
    money = f"{amount:,.2f}".removesuffix(".00") if amount is not None else ""
    found = [
        (_("客户"), made.customer.name if made.customer else ""),
        (_("联系人"), made.contact[1] if made.contact else ""),
        (_("金额"), _("%(amount)s 元", amount=money) if money else ""),
    ]
    return [(label, words) for label, words in found if words]


def _moment_words(moment: Any) -> str:
    at = local(moment)
    weekdays = (_("周一"), _("周二"), _("周三"), _("周四"), _("周五"), _("周六"), _("周日"))
    return f"{at:%m-%d} {weekdays[at.weekday()]} {at:%H:%M}"
