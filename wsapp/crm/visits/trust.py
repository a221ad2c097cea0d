"""How far a check-in's position can be trusted. A label for the reader, never a wall for the writer."""

from dataclasses import dataclass
from datetime import datetime, timedelta

VERIFIED, NEAR, FAR, NO_FIX, STALE = "verified", "near", "far", "no_fix", "stale"

VERIFIED_METRES = 300


@dataclass(frozen=True)
class Limits:
    """By what a check-in is judged: metres, and the age of the position."""

    verified: int = VERIFIED_METRES
    near: int = 1000
    accuracy: int = 200
    age: timedelta = timedelta(minutes=2)


USUAL = Limits()


@dataclass(frozen=True)
class Fix:
    """A device's position, GCJ-02 degrees, accuracy in metres (None: the device did not say)."""

    lat: float
    lng: float
    accuracy: float | None
    fixed_at: datetime


def trust_of(fix: Fix | None, *, distance: float | None, now: datetime, limits: Limits = USUAL) -> str:
    """Return the trust state of a check-in at `now`, `distance` metres from the customer's known place.

    A coarse fix gets the benefit of the doubt (an indoor accuracy of 800 m is "near", not "far"), never "verified".
    Where the customer's place is unknown there is nothing to verify against: "near".
    """
    if fix is None:
        return NO_FIX
    if now - fix.fixed_at > limits.age:
        return STALE
    if distance is None:
        return NEAR
    accuracy = fix.accuracy if fix.accuracy is not None else float("inf")
    if distance <= limits.verified and accuracy <= limits.accuracy:
        return VERIFIED
    doubt = min(accuracy, limits.near)
    return NEAR if distance - doubt <= limits.near else FAR
