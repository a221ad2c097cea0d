"""Recycling in the console: what tonight would take, and how the last nights went."""

from typing import Any

from wsapp.admin.gate import pages, show
from wsapp.crm.org.queries import names
from wsapp.crm.pools.clocks import today
from wsapp.crm.pools.models import DONE, RecycleRun
from wsapp.crm.pools.recycling import recent_runs
from wsapp.crm.pools.rehearsal import SHOWN, rehearse
from wsapp.crm.pools.rules import OFF
from wsapp.crm.pools.terms import Rulebook, rulebook
from wsapp.crm.pools.words import tell_date, why
from wsapp.texts import _

bp = pages("recycling")


@bp.get("/recycling")
def index() -> str:
    """What the rules as they hold take now and within a week; the last runs."""
    book = rulebook()
    runs = [(tell_date(one.day), _run(one)) for one in recent_runs()]
    return show("recycling.html", "recycling", is_off=book.usual.mode == OFF, runs=runs, **rehearsed(book))


def rehearsed(book: Rulebook) -> dict[str, Any]:
    """Return what a page shows of what rules would take: the counts, the owners who lose most, the soonest."""
    found = rehearse(book, today())
    owners = names([*found.soon, *(row.owner_id for row, _one in found.first)])
    return {
        "due": found.due.total(),
        "soon": found.soon.total(),
        "people": len(found.soon),
        "held": found.held,
        "owners": [
            (owners.get(one, ""), _("今天到期 %(n)d 个，7 天内 %(all)d 个", n=found.due[one], all=count))
            for one, count in found.soon.most_common(SHOWN)
        ],
        "first": [
            {
                "url": f"/h5/customers/{row.id}",
                "text": row.name,
                "sub": f"{owners.get(row.owner_id, '')} · {why(one)}",
                "value": tell_date(one.leaves_on),
            }
            for row, one in found.first
        ],
    }


def _run(one: RecycleRun) -> str:
    told = _("回收 %(n)d 个，预警 %(w)d 个", n=one.moved, w=one.warned)
    return told if one.state == DONE else _("%(told)s，进行中", told=told)
