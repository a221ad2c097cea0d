"""What one running installation has: settings, vault and corps' lines to their hosts. Reached from any unit of work."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import current_app

from wsapp import clock
from wsapp.config import Settings
from wsapp.vault import Vault


@dataclass
class House:
    """Settings and shared objects of one app. `origins` are our own addresses (in the demo its phones' too)."""

    settings: Settings
    vault: Vault
    origins: frozenset[str] = frozenset()
    lines: Any = None  # wsapp.hosts.Lines, set at assembly: the house does not know the hosts
    extra: dict[str, Any] = field(default_factory=dict)


def house() -> House:
    """Return the house of the current app context."""
    found: House = current_app.extensions["wsapp"]
    return found


def zone() -> ZoneInfo:
    """Return the time zone in which people here read clocks."""
    return house().settings.notifications.zone


def local(moment: datetime) -> datetime:
    """Return a moment on the clock on the wall here."""
    return moment.astimezone(zone())


def local_now() -> datetime:
    """Return now on the clock on the wall here."""
    return local(clock.now())
