"""Where a deed comes from: the door says so once for each unit of work, every event of it remembers."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """`via`: web, api, job, card, robot, callback or cli; `ip`: of who asked, by trusted proxies only."""

    via: str = "cli"
    ip: str = ""


OPERATOR = Origin()
_origin: ContextVar[Origin] = ContextVar("origin", default=OPERATOR)


def comes_from(via: str, ip: str = "") -> None:
    """Say where everything in this unit of work comes from, from here on."""
    _origin.set(Origin(via, ip[:45]))


def origin() -> Origin:
    """Return where this unit of work comes from; a command of the operator's where no door said anything."""
    return _origin.get()
