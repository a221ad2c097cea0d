"""What a piece of work costs, counted so that every machine counts alike.

A clock measures the machine as much as the code, so no test fails by one: what is done in Python is counted in calls.
What is done inside one call of a C library is not seen; there `PATIENCE` tells work that grows faster than its input
from a slow machine.
"""

import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

PATIENCE = 10  # seconds: a hundred times the goal
Answer = TypeVar("Answer")


def effort(work: Callable[[], Answer], patience: float = PATIENCE) -> tuple[Answer, int]:
    """Do the work in this thread; returns what it returns, and how many functions were called, of Python or of C.

    Raises:
        AssertionError: It took longer than the patience, in seconds of the processor.

    """
    calls = 0

    def count(_frame: object, event: str, _arg: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before, started = sys.getprofile(), time.thread_time()
    sys.setprofile(count)
    try:
        answer = work()
    finally:
        sys.setprofile(before)
    assert time.thread_time() - started < patience, "it hangs"
    return answer, calls
