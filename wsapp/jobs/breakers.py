"""Circuit breakers: a corp whose host keeps failing is left alone for a while, then probed with a single call.

Kept in memory, one set a process: a worker that starts anew has forgotten, and finds out by a few calls. Secrets that
the host refuses are counted in the database besides (see `wsapp.tokens.Tokens`): those calls are never made at all.
"""

import threading
import time
from dataclasses import dataclass

FAILURES = 5  # in a row


@dataclass
class _State:
    failures: int = 0
    until: float = 0.0
    probing: bool = False


class Breakers:
    """Which corps' hosts are to be left alone. Safe for several threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.states: dict[int, _State] = {}

    def succeeded(self, corp_id: int) -> None:
        """The host answered as it should: all is well again."""
        with self.lock:
            self.states.pop(corp_id, None)

    def failed(self, corp_id: int, pause: float) -> None:
        """The host failed. After the fifth time in a row, or a failed probe, it has `pause` seconds of rest."""
        with self.lock:
            state = self.states.setdefault(corp_id, _State())
            state.failures += 1
            if state.failures >= FAILURES or state.probing:
                self._open(state, pause)

    def stop(self, corp_id: int, pause: float) -> None:
        """Leave a corp's host alone at once: wrong credentials, or a ban."""
        with self.lock:
            self._open(self.states.setdefault(corp_id, _State()), pause)

    @staticmethod
    def _open(state: _State, pause: float) -> None:
        state.until = time.monotonic() + pause
        state.probing = True

    def room(self, corp_id: int, most: int) -> int:
        """Return how many calls at a time are welcome: none while open, one as a probe after that, else `most`."""
        with self.lock:
            state = self.states.get(corp_id)
            if state is None or not state.probing:
                return most
            return 1 if time.monotonic() >= state.until else 0

    def is_open(self, corp_id: int) -> bool:
        """Say whether a batch under way should stop calling this corp's host."""
        return self.room(corp_id, 1) == 0
