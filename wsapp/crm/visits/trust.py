"""How far a check-in's position can be trusted. A label for the reader, never a wall for the writer."""

from dataclasses import dataclass
from datetime import datetime, timedelta

VERIFIED, NEAR, FAR, NO_FIX, STALE = "verified", "near", "far", "no_fix", "stale"

VERIFIED_METRES = 300


@dataclass(frozen=True)
class Limits:
    """By what a check-in is judged: metres, the age of the position, and what else "verified" asks for.

    `repeats`: as many earlier check-ins from the very same coordinates are no chance (0: not looked at); `photo`: one
    must be there; `stay`: how long it must have lasted when it ends (zero: any).
    """

    verified: int = VERIFIED_METRES
    near: int = 1000
    accuracy: int = 200
    age: timedelta = timedelta(minutes=2)
    repeats: int = 0
    photo: bool = False
    stay: timedelta = timedelta()


USUAL = Limits()


@dataclass(frozen=True)
class Fix:
    """A device's position, GCJ-02 degrees, accuracy in metres (None: the device did not say)."""

    lat: float
    lng: float
    accuracy: float | None
    fixed_at: datetime


def trust_of(
    fix: Fix | None,
    *,
    distance: float | None,
    now: datetime,
    limits: Limits = USUAL,
    repeated: int = 0,
    photos: int = 0,
) -> str:
    """Return the trust state of a check-in at `now`, `distance` metres from the customer's known place.

    A coarse fix gets the benefit of the doubt (an indoor accuracy of 800 m is "near", not "far"), never "verified".
    Where the customer's place is unknown there is nothing to verify against: "near". `repeated` is how many earlier
    check-ins of the same person have the very same coordinates, which satellites do not give twice.
    """
    if fix is None:
        return NO_FIX
    if now - fix.fixed_at > limits.age:
        return STALE
    if distance is None:
        return NEAR
    accuracy = fix.accuracy if fix.accuracy is not None else float("inf")
    if distance <= limits.verified and accuracy <= limits.accuracy:
        doubtful = (limits.repeats and repeated >= limits.repeats) or (limits.photo and not photos)
        return NEAR if doubtful else VERIFIED
    doubt = min(accuracy, limits.near)
    return NEAR if distance - doubt <= limits.near else FAR


def trust_after(trust: str, stay: timedelta, limits: Limits = USUAL) -> str:
    """Return the trust state of a visit that ended after `stay`: one that was too short is not verified any more."""
    return NEAR if trust == VERIFIED and stay < limits.stay else trust
