"""Corp → its live connector, and the credentials that it is made of."""

import json
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from flask import current_app

from wsapp import clock, metrics
from wsapp.connectors import connector_class
from wsapp.connectors.base import (
    Account,
    Button,
    Connector,
    Message,
)
from wsapp.connectors.channels import Article, Attachment, Question
from wsapp.connectors.grouprobots import RobotAddress
from wsapp.connectors.http import HttpTransport
from wsapp.crm.groups.models import GroupRobot
from wsapp.crm.org import actions as org
from wsapp.crm.org.models import Corp
from wsapp.crm.org.queries import corp_at_host, corps
from wsapp.db import current_corp, db
from wsapp.guard import GuardedTransport
from wsapp.house import house
from wsapp.logs import register_secret
from wsapp.tokens import Tokens
from wsapp.usage import Usage
from wsapp.vault import digest

OVERLAP = timedelta(hours=24)  # that a replaced secret is still accepted: the host may sign with it for a while


# --- lines --------------------------------------------------------------------------------------------------------


class Lines:
    """The connectors of all corps, made when first needed and anew when their credentials change."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.lock = threading.Lock()
        self.usage = Usage()
        self.made: dict[int, tuple[str, Connector]] = {}  # corp → (what it was made of, the connector)

    def of(self, corp: Corp) -> Connector:
        """Return the connector of a corp."""
        mark = digest(corp.credentials + corp.name) + former_mark(corp)
        found = self.made.get(corp.id)
        if found and found[0] == mark:
            return found[1]
        with self.lock:
            found = self.made.get(corp.id)
            if not found or found[0] != mark:
                found = (mark, self._make(corp))
                self.made[corp.id] = found
        return found[1]

    def _make(self, corp: Corp) -> Connector:
        kind = connector_class(corp.host)
        values = open_credentials(corp)
        register_credentials(kind, values)
        settings = house().settings
        transport = GuardedTransport(HttpTransport(pool=32, observe=metrics.host_observer(corp.host)))
        made = kind(
            Account(corp.host_corp_id, corp.name, values, former_values(corp)),
            bases=settings.hosts.get(corp.host, {}),
            http=transport,
            tokens=Tokens(self.app, corp.id, corp.host),
            now=clock.now,
            public_url=settings.server.public_url,
        )
        if made.meters:
            transport.count = partial(self._count, corp.id, made)
        return made

    def _count(self, corp_id: int, connector: Connector, api: str) -> None:
        if meter := connector.meter_of(api):
            self.usage.add(corp_id, meter)


def lines() -> Lines:
    """Return the lines of the running installation."""
    found: Lines = house().lines
    return found


def seal_credentials(host: str, host_corp_id: str, values: Mapping[str, Any]) -> str:
    """Seal a corp's credential values for storage."""
    return house().vault.seal(json.dumps(dict(values)), corp=f"{host}/{host_corp_id}", field="credentials")


def open_credentials(corp: Corp) -> dict[str, Any]:
    """Open a corp's sealed credential values."""
    text = house().vault.open(corp.credentials, corp=f"{corp.host}/{corp.host_corp_id}", field="credentials")
    found: dict[str, Any] = json.loads(text)
    return found


def register_credentials(kind: type[Connector], values: Mapping[str, Any]) -> None:
    """Keep the secrets among credential values out of every log."""
    for field in kind.credential_fields:
        if field.secret and values.get(field.key):
            register_secret(str(values[field.key]))


def seal_robot_address(robot_id: str, address: RobotAddress) -> str:
    """Seal where a group robot of the current corp posts."""
    text = json.dumps(address.values())
    return house().vault.seal(text, corp=str(current_corp()), field=f"group_robot.{robot_id}")


def open_robot_address(robot: GroupRobot) -> RobotAddress:
    """Open where a group robot posts; what is secret of it is kept out of logs from here on."""
    text = house().vault.open(robot.address, corp=str(robot.corp_id), field=f"group_robot.{robot.id}")
    address = RobotAddress(**json.loads(text))
    for secret in (address.key, address.secret):
        if secret:
            register_secret(secret)
    return address


def connect_configured_corps() -> None:
    """Connect the corps of `config.toml`, or give them their present name and credentials. Commits.

    Secrets that the file replaces are accepted for a while longer, as after a change in the console.
    """
    for wanted in house().settings.corps:
        corp = corp_at_host(wanted.host, wanted.corp_id)
        if corp is None:
            sealed = seal_credentials(wanted.host, wanted.corp_id, wanted.values)
            org.connect_corp(wanted.host, wanted.corp_id, wanted.name, sealed)
            continue
        if corp.name != wanted.name:
            corp.name = wanted.name
        if open_credentials(corp) != dict(wanted.values):
            keep_credentials(corp, wanted.values)
    db.session.commit()


def is_configured(corp: Corp) -> bool:
    """Say whether a corp stands in `config.toml`: its values are changed there, for each start reads them again."""
    return any((one.host, one.corp_id) == (corp.host, corp.host_corp_id) for one in house().settings.corps)


# --- changing credentials -----------------------------------------------------------------------------------------


def keep_credentials(corp: Corp, values: Mapping[str, Any]) -> None:
    """Give a corp new credential values; secrets that change are accepted for OVERLAP longer. Does not commit.

    Access tokens of before are forgotten, and with them a circuit that wrong secrets had opened.
    """
    before, now = open_credentials(corp), clock.now()
    kind = connector_class(corp.host)
    kept = {key: one for key, one in _former(corp).items() if datetime.fromisoformat(one["until"]) > now}
    for field in kind.credential_fields:
        old, new = before.get(field.key) or "", values.get(field.key) or ""
        if field.secret and old and new and old != new:
            kept[field.key] = {"value": old, "at": now.isoformat(), "until": (now + OVERLAP).isoformat()}
    corp.credentials = seal_credentials(corp.host, corp.host_corp_id, values)
    corp.former = _seal_former(corp, kept) if kept else None
    corp.former_until = max((datetime.fromisoformat(one["until"]) for one in kept.values()), default=None)
    corp.fault = None
    org.forget_host_tokens(corp)


def former_values(corp: Corp) -> dict[str, str]:
    """Return the values that a corp replaced a short while ago and that are still accepted, by key."""
    return {key: one["value"] for key, one in _living(corp).items()}


def former_dates(corp: Corp) -> dict[str, tuple[datetime, datetime]]:
    """Return of each such value (replaced at, accepted until), by key."""
    living = _living(corp)
    return {
        key: (datetime.fromisoformat(one["at"]), datetime.fromisoformat(one["until"])) for key, one in living.items()
    }


def former_mark(corp: Corp) -> str:
    """Return what changes when the set of values does that are still accepted; empty without any."""
    if corp.former is None or corp.former_until is None or corp.former_until <= clock.now():
        return ""
    return f"+{digest(corp.former)}+{','.join(sorted(_living(corp)))}"


def _living(corp: Corp) -> dict[str, dict[str, str]]:
    now = clock.now()
    if corp.former_until is None or corp.former_until <= now:
        return {}
    return {key: one for key, one in _former(corp).items() if datetime.fromisoformat(one["until"]) > now}


def _former(corp: Corp) -> dict[str, dict[str, str]]:
    if not corp.former:
        return {}
    text = house().vault.open(corp.former, corp=f"{corp.host}/{corp.host_corp_id}", field="former")
    found: dict[str, dict[str, str]] = json.loads(text)
    return found


def _seal_former(corp: Corp, kept: Mapping[str, Any]) -> str:
    return house().vault.seal(json.dumps(dict(kept)), corp=f"{corp.host}/{corp.host_corp_id}", field="former")


def enabled_corps() -> list[Corp]:
    """Return the corps that people can sign in to."""
    return [corp for corp in corps() if corp.enabled]


def message_of(card: Mapping[str, Any]) -> Message:
    """Return a ledger row's neutral card (see `wsapp.crm.notifications.messages`) as what connectors take."""
    return Message(
        card=card["card"],
        title=card["title"],
        text=card.get("text", ""),
        lines=tuple((label, value) for label, value in card.get("lines", ())),
        url=card.get("url", ""),
        buttons=tuple(Button(**button) for button in card.get("buttons", ())),
        source=card.get("source", ""),
        state=card.get("state", ""),
        figure=tuple(card.get("figure", ("", ""))),
        questions=tuple(
            Question(
                one["key"], one["title"], tuple((key, text) for key, text in one["options"]), one.get("many", False)
            )
            for one in card.get("questions", ())
        ),
        articles=tuple(Article(**article) for article in card.get("articles", ())),
        attachment=Attachment(**card["attachment"]) if card.get("attachment") else None,
        form=card.get("form", "card"),
        frugal=card.get("frugal", False),
    )


def install(app: Any) -> None:
    """Give the app its lines."""
    app.extensions["wsapp"].lines = Lines(app)


def app_object() -> Any:
    """Return the real app behind the proxy, for threads that outlive a unit of work."""
    return current_app._get_current_object()  # type: ignore[attr-defined]
