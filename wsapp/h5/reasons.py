"""Why do I see this (为什么能看到): a customer's page says by which right its reader is here."""

from flask import Blueprint, g

from wsapp.crm.customers.queries import find_customer
from wsapp.crm.customers.reasons import deeds, reasons
from wsapp.h5 import words
from wsapp.h5.pages import show
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("reasons", __name__, url_prefix="/h5/customers")
bp.before_request(require_member)


@bp.get("/<key:customer_id>/why")
def page(customer_id: str) -> str:
    customer = find_customer(customer_id, actor=g.member)
    done = [
        (str(words.DEEDS[name]), _("可以") if yes else _("不可以")) for name, yes in deeds(customer, g.member).items()
    ]
    found = [{"text": text, "icon": "info"} for text in reasons(customer, g.member, reader=g.member)]
    return show(
        "customers/why.html", customer=customer, because=_("您能看到这位客户，因为："), reasons=found, deeds=done
    )
