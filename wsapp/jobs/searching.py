"""The search index in the background: pinyin after a save, and everything anew after an upgrade."""

from wsapp import outbox
from wsapp.crm.search import building
from wsapp.crm.search.sounds import keep_readings
from wsapp.db import gather_statistics
from wsapp.jobs.runner import Desk
from wsapp.leases import Claim


def spell(claim: Claim, desk: Desk) -> None:
    """Customers or contacts were saved: write down how their names sound."""
    building.spell(claim.payload["kind"], claim.payload["ids"])


def rebuild(claim: Claim, desk: Desk) -> None:
    """Index one lot of the corp's records, and put the next one in line."""
    keep_readings()
    kind, after = claim.payload.get("kind", building.CUSTOMER), claim.payload.get("after", "")
    following = building.build_next(kind, after, spell=True)
    if following is not None:
        kind, after, _done = following
        outbox.enqueue("search.rebuild", {"kind": kind, "after": after})
    else:
        gather_statistics()
