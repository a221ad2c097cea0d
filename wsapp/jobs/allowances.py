"""The monthly allowance of a corp's host: watched, warned of at 70 and 90 per cent, saved when it is low."""

from wsapp import hosts
from wsapp.connectors.base import Connector
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import allowance_card, in_language_of
from wsapp.crm.org.models import Corp
from wsapp.crm.org.queries import administrators, corps
from wsapp.db import corp_scope, db
from wsapp.jobs.runner import Desk
from wsapp.leases import Claim
from wsapp.texts import _
from wsapp.usage import LOW, VERY_LOW, percent, this_month, used


def check(claim: Claim, desk: Desk) -> None:
    """Warn each corp's administrators, once a month for each mark that is passed."""
    for corp in corps():
        connector = hosts.lines().of(corp) if corp.enabled else None
        if connector is None or not connector.meters:
            continue
        for meter, count in used(corp.id).items():
            share = percent(count, connector.allowance(meter))
            mark = next((one for one in (VERY_LOW, LOW) if share >= one), 0)
            if mark:
                with corp_scope(corp.id):
                    _warn(connector, meter, count, mark)
                    db.session.flush()


def _warn(connector: Connector, meter: str, count: int, mark: int) -> None:
    month, most = this_month(), connector.allowance(meter)
    for reader in administrators():
        with in_language_of(reader):
            card = allowance_card(_(connector.meters.get(meter, meter)), count, most, mark)
        tell(reader, "allowance.low", card, key=f"allowance:{month}:{meter}:{mark}:{reader.id}")


def runs_low(corp: Corp, connector: Connector) -> bool:
    """Say whether messages should take the cheapest form from here on: 90 per cent of any allowance is used."""
    if not connector.meters:
        return False
    return any(percent(count, connector.allowance(meter)) >= VERY_LOW for meter, count in used(corp.id).items())
