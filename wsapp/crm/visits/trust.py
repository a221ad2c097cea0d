"""How far a check-in's position can be trusted. A label for the reader, never a wall for the writer."""

from dataclasses import dataclass
from datetime import datetime, timedelta

VERIFIED, NEAR, FAR, NO_FIX, STALE = "verified", "near", "far", "no_fix", "stale"

VERIFIED_METRES = 300
NEAR_METRES = 1000
VERIFIED_ACCURACY = 200
MAX_AGE = timedelta(minutes=2)


@dataclass(frozen=True)
class Fix:
    """A device's position, GCJ-02 degrees, accuracy in metres (None: the device did not say)."""

    lat: float
    lng: float
    accuracy: float | None
    fixed_at: datetime


def trust_of(fix: Fix | None, *, distance: float | None, now: datetime) -> str:
    """Return the trust state of a check-in at `now`, `distance` metres from the customer's known place.

    A coarse fix gets the benefit of the doubt (an indoor accuracy of 800 m is "near", not "far"), never "verified".
    Where the customer's place is unknown there is nothing to verify against: "near".
    """
    if fix is None:
        return NO_FIX
    if now - fix.fixed_at > MAX_AGE:
        return STALE
    if distance is None:
        return NEAR
    accuracy = fix.accuracy if fix.accuracy is not None else float("inf")
    if distance <= VERIFIED_METRES and accuracy <= VERIFIED_ACCURACY:
        return VERIFIED
    doubt = min(accuracy, NEAR_METRES)
    return NEAR if distance - doubt <= NEAR_METRES else FAR
