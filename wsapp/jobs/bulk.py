"""Bulk actions in the background."""

from wsapp.crm.bulk import actions
from wsapp.jobs.runner import Desk
from wsapp.leases import Claim


def go_on(claim: Claim, desk: Desk) -> None:
    """Somebody changes many customers at once: do the next lot."""
    actions.go_on(claim.payload["run"])
