"""Positions on the ground: distance, and the offset grid that maps in China are drawn on."""

from math import asin, cos, pi, radians, sin, sqrt

EARTH_METRES = 6_371_008.8
# GCJ-02 (国测局坐标) is a fixed disturbance of WGS-84 on the Krasovsky ellipsoid; the constants are its public values.
KRASOVSKY_AXIS = 6_378_245.0
KRASOVSKY_ECCENTRICITY = 0.00669342162296594323

Position = tuple[float, float]  # latitude, longitude in degrees


def metres_between(one: Position, other: Position) -> float:
    """Return the great-circle distance in metres (haversine)."""
    lat1, lng1, lat2, lng2 = (radians(value) for value in (*one, *other))
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lng2 - lng1) / 2) ** 2
    return 2 * EARTH_METRES * asin(sqrt(min(1.0, half)))


def to_gcj02(position: Position) -> Position:
    """Return a WGS-84 position on the GCJ-02 grid; outside mainland China the two are the same."""
    lat, lng = position
    if not (0.83 <= lat <= 55.83 and 72.0 <= lng <= 137.84):
        return position
    north, east = _shift(lng - 105.0, lat - 35.0)
    rad = lat / 180.0 * pi
    magic = 1 - KRASOVSKY_ECCENTRICITY * sin(rad) ** 2
    root = sqrt(magic)
    meridian = KRASOVSKY_AXIS * (1 - KRASOVSKY_ECCENTRICITY) / (magic * root)
    parallel = KRASOVSKY_AXIS / root * cos(rad)
    return lat + north * 180.0 / (meridian * pi), lng + east * 180.0 / (parallel * pi)


def _shift(x: float, y: float) -> Position:
    """Return the disturbance in metres north and east at `x` degrees east of 105° and `y` north of 35°."""
    common = (20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x)) + common
    north += (20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    north += (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y * pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x)) + common
    east += (20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    east += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
    return north, east
