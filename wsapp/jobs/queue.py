"""The queue by shape of deployment: in this process, through Redis, or through RabbitMQ. Dramatiq executes in all.

Only ids of borrowed rows travel. Dramatiq's own retries are off, for the row is the truth: a message that is lost, late
or delivered twice finds its lease gone and does nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

import dramatiq
from dramatiq.brokers.stub import StubBroker

QUEUE = "wsapp"
ACTOR = "run_rows"
IDLE_MILLISECONDS = 250

Run = Callable[[Sequence[int], str], None]


class Queue:
    """A broker with its one actor, and this process's worker threads behind it."""

    def __init__(self, url: str, run: Run, *, threads: int) -> None:
        self.is_shared = bool(url)  # what is handed in may run in another process
        self.broker = _broker(url)
        self.actor: Any = dramatiq.actor(broker=self.broker, actor_name=ACTOR, queue_name=QUEUE)(run)
        self.worker = dramatiq.Worker(self.broker, worker_threads=threads, worker_timeout=IDLE_MILLISECONDS)
        # Twice the threads would only wait here while their leases run.
        self.worker.queue_prefetch = threads

    def start(self) -> None:
        """Start the worker threads."""
        self.worker.start()

    def hand_over(self, ids: Sequence[int], attempt_id: str) -> None:
        """Have borrowed rows executed. Raises whatever the broker raises when it cannot be reached."""
        self.actor.send(list(ids), attempt_id)

    def stop(self, seconds: float) -> None:
        """Stop the threads, waiting up to `seconds` for what runs, and hang up."""
        self.worker.stop(timeout=int(seconds * 1000))
        self.broker.close()


def _broker(url: str) -> Any:
    scheme = url.partition("://")[0]
    if not url:
        return StubBroker(middleware=[])
    if scheme in ("redis", "rediss", "unix"):
        from dramatiq.brokers.redis import RedisBroker

        return RedisBroker(url=url, middleware=[], namespace=QUEUE)  # type: ignore[no-untyped-call]
    if scheme in ("amqp", "amqps"):
        from dramatiq.brokers.rabbitmq import RabbitmqBroker

        return RabbitmqBroker(url=url, middleware=[], confirm_delivery=True)
    raise ValueError(f"no queue for {scheme}://")
