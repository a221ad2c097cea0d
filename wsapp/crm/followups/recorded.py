"""When something was written down (记录时间), where it reaches us later than that: a phone without network keeps it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from wsapp import clock
from wsapp.crm.org.rules import rule
from wsapp.problems import Invalid
from wsapp.texts import _

LATE = timedelta(minutes=2)  # what came sooner after it was written is shown as one moment


def recorded_at(values: Mapping[str, Any]) -> datetime | None:
    """Return when values were written down that came later than that (`recorded_at`), None where that is now.

    Never in the future. Raises Invalid for what lies longer back than the corp lets people write down afterwards.
    """
    told, now = values.get("recorded_at"), clock.now()
    if not isinstance(told, datetime) or told >= now:
        return None
    if told < now - timedelta(hours=rule("log.back_dating")):
        raise Invalid({"recorded_at": _("记录时间早于 %(n)s 小时前，不能再补记", n=rule("log.back_dating"))})
    return told


def came_late(recorded: datetime | None, received: datetime) -> bool:
    """Say whether something reached us so long after it was written down that both moments are shown."""
    return recorded is not None and received - recorded > LATE
