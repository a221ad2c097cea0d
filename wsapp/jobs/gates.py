"""Gates: how many threads each host may keep busy. What comes beyond waits aside, and its thread is free for others."""

import threading
from collections import Counter, defaultdict, deque

from wsapp.leases import Lot


class Gates:
    """One gate a host, `most` threads through each. Safe for several threads."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.lock = threading.Lock()
        self.inside: Counter[str] = Counter()
        self.parked: dict[str, deque[Lot]] = defaultdict(deque)

    def enter(self, host: str, lot: Lot) -> bool:
        """Take a place; says False when there is none, and keeps the lot for whoever leaves next."""
        with self.lock:
            if self.inside[host] >= self.most:
                self.parked[host].append(lot)
                return False
            self.inside[host] += 1
            return True

    def leave(self, host: str) -> Lot | None:
        """Go on with a lot that waits for this host, keeping the place; None gives the place up."""
        with self.lock:
            if self.parked[host]:
                return self.parked[host].popleft()
            self.inside[host] -= 1
            return None

    def waiting(self, host: str | None = None) -> set[Lot]:
        """Return the lots that wait for one host, or for any."""
        with self.lock:
            lots = self.parked.values() if host is None else [self.parked[host]]
            return {lot for one in lots for lot in one}
