"""The doctor's test card, after its button was pressed: it is to say so."""

from wsapp import leases
from wsapp.connectors.base import Receipt, Refused
from wsapp.db import current_corp, db
from wsapp.doctor import proofs
from wsapp.jobs.aftercare import line_of_corp
from wsapp.jobs.runner import Desk
from wsapp.leases import Claim


def settle(claim: Claim, desk: Desk) -> None:
    """Show in the chat that the call back arrived. A host that no longer allows it does no harm."""
    wanted = claim.payload
    _corp, connector = line_of_corp()
    card, receipt = proofs.settled(wanted["card"]), Receipt(wanted["card"], {"response_code": wanted["code"]})
    db.session.commit()
    try:
        with desk.calling(current_corp()):
            connector.update_card(card, receipt, (wanted["userid"],))
    except Refused as error:
        leases.finish(claim, note=f"the card stays as it was: {error}")
        db.session.commit()
