"""The shortest way over a day's stops (今日路线): straight lines, computed here, so that it needs no network.

Ten stops are few enough to be solved exactly: by the best way to end at each stop after each set of others (Held and
Karp, 1962), a thousand sets and not three million orders.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations

from wsapp.geo import Position, metres_between

MOST = 10


def shortest(stops: Sequence[Position], start: Position | None = None) -> tuple[list[int], float]:
    """Return the order of the stops (their places in the list) with the shortest way, and its length in metres.

    The way begins at `start`, or without one at whichever stop suits best, and does not return. Of ways of one length
    that in which the stops keep their order. Raises ValueError for more than MOST stops.
    """
    if len(stops) > MOST:
        raise ValueError(f"more than {MOST} stops")
    if not stops:
        return [], 0.0
    between = [[metres_between(one, other) for other in stops] for one in stops]
    best = {
        (1 << at, at): (metres_between(start, one) if start else 0.0, -1)  # length, the stop before
        for at, one in enumerate(stops)
    }
    for size in range(2, len(stops) + 1):
        for chosen in combinations(range(len(stops)), size):
            seen = sum(1 << at for at in chosen)
            for last in chosen:
                rest = seen & ~(1 << last)
                best[seen, last] = _least((best[rest, at][0] + between[at][last], at) for at in chosen if at != last)
    seen = (1 << len(stops)) - 1
    length, at = _least((best[seen, last][0], last) for last in range(len(stops)))
    order = []
    while at != -1:
        order.append(at)
        before = best[seen, at][1]
        seen, at = seen & ~(1 << at), before
    return order[::-1], length


def _least(ways: Iterable[tuple[float, int]]) -> tuple[float, int]:
    return min(ways, key=lambda way: (way[0], -way[1]))
