"""Many corps in many threads (T27): each hears of its own people, by its own token and ticket, and of nobody else's."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.conftest import PUBLIC_URL, SOAK
from wsapp import hosts
from wsapp.connectors.emulator import RunningEmulator
from wsapp.connectors.wecom.emulator import demo_org
from wsapp.crm.org import actions as org
from wsapp.crm.org.models import Corp
from wsapp.db import db

CORPS, CALLS, THREADS = (200, 50, 16) if SOAK else (20, 4, 16)


@pytest.fixture
def firms(app: Flask, wecom: RunningEmulator) -> list[Corp]:
    """Corps with people of the same userids, told apart by their names; each with a secret of its own."""
    with app.app_context():
        known = hosts.open_credentials(db.session.scalars(sa.select(Corp).where(Corp.host == "wecom")).first())
        made = []
        for number in range(CORPS):
            corp_id, secret = f"wwc{number:015d}", f"{number:043d}"
            firm = demo_org(PUBLIC_URL)["corps"][0]
            firm |= {"corp_id": corp_id, "groups": []}
            firm["apps"][0]["secret"] = secret
            for person in firm["users"]:
                person["name"] += f"·{number}"
            wecom.emulator.load({"corps": [firm]})  # type: ignore[attr-defined]
            values = known | {"app_secret": secret, "contacts_secret": ""}
            org.connect_corp("wecom", corp_id, f"第{number}家", hosts.seal_credentials("wecom", corp_id, values))
        db.session.commit()
        made = list(db.session.scalars(sa.select(Corp).where(Corp.host_corp_id.startswith("wwc")).order_by(Corp.id)))
        for corp in made:
            db.session.refresh(corp)
        db.session.expunge_all()
        db.session.rollback()
    assert len(made) == CORPS
    return made


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_no_corp_hears_of_another(app: Flask, wecom: RunningEmulator, firms: list[Corp]) -> None:
    url, access = f"{PUBLIC_URL}/h5/", wecom.emulator.access  # type: ignore[attr-defined]

    def ask(turn: int) -> tuple[set[str], dict[str, Any]]:
        with app.app_context():
            line = hosts.lines().of(firms[turn % CORPS])
            return {person.name.partition("·")[2] for person in line.members("3")}, line.js_config(url)

    # Neighbours in the list are asked about at the same moment, and each again and again.
    with ThreadPoolExecutor(THREADS) as pool:
        told = list(pool.map(ask, range(CORPS * CALLS)))
    for turn, (heard, page) in enumerate(told):
        corp_id = firms[turn % CORPS].host_corp_id
        assert heard == {str(turn % CORPS)}
        assert page["corp_id"] == corp_id
        for name, agent_id in (("signature", None), ("agent_signature", page["agent_id"])):
            signed = access.page_signature(corp_id, agent_id, page["nonce"], str(page["timestamp"]), url)
            assert page[name] == signed, (corp_id, name)
