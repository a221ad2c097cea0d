"""Work on the customer book: leads that wait, tags that got another name, birthdays."""

from wsapp import outbox
from wsapp.crm.customers.leads import remind_of_lead
from wsapp.crm.customers.tags import LOT, replace_tag
from wsapp.jobs.runner import Desk
from wsapp.leases import Claim


def remind_lead(claim: Claim, desk: Desk) -> None:
    """A lead's first response is due: say so where there was none."""
    remind_of_lead(claim.payload["customer"], claim.payload["step"])


def replace_tags(claim: Claim, desk: Desk) -> None:
    """A tag was renamed, merged or removed: have the records follow, lot by lot."""
    if replace_tag(claim.payload["old"], claim.payload["new"]) >= LOT:
        outbox.enqueue("tags.replace", claim.payload)
