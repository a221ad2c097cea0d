"""The way of a customer through its lifecycle (阶段历程)."""

from flask import Blueprint, g

from wsapp import clock
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.customers.stages import stage_history
from wsapp.crm.fields.access import reads
from wsapp.h5 import words
from wsapp.h5.pages import show
from wsapp.house import local
from wsapp.problems import Forbidden
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("stages", __name__, url_prefix="/h5/customers/<key:customer_id>/stages")
bp.before_request(require_member)

DAY, HOUR = 86_400, 3_600


@bp.get("")
def page(customer_id: str) -> str:
    """Each stage with when it began, who moved it there, and how long it lasted."""
    customer = find_customer(customer_id, actor=g.member)
    if not reads(g.member, "stage"):
        raise Forbidden(_("您的角色不能查看客户阶段"))
    steps = stage_history(customer.id)
    since = customer.stage_since or customer.created_at
    seconds = int((clock.now() - since).total_seconds())
    lasted = [seconds, *(step.seconds for step in steps)]
    items = [
        {
            "stage": str(words.STAGES[step.after]),
            "at": local(step.at),
            "who": step.who or _("系统"),
            "lasted": duration(lasted[number]),
        }
        for number, step in enumerate(steps)
    ]
    first = steps[-1].before if steps else customer.stage
    items.append(
        {"stage": str(words.STAGES[first]), "at": local(customer.created_at), "who": "", "lasted": duration(lasted[-1])}
    )
    return show("customers/stages.html", customer=customer, items=items)


def duration(seconds: int) -> str:
    """Say how long something lasted, in its largest unit."""
    if seconds >= DAY:
        return _("%(n)s 天", n=seconds // DAY)
    if seconds >= HOUR:
        return _("%(n)s 小时", n=seconds // HOUR)
    return _("%(n)s 分钟", n=max(0, seconds) // 60)
