"""What stands between a transaction and the hosts: whoever talks to one holds no locks meanwhile."""

from collections.abc import Callable
from typing import Any

from wsapp.connectors.base import Answer
from wsapp.connectors.http import HttpTransport
from wsapp.db import db


class GuardedTransport:
    """A transport that refuses to talk to a host while a transaction is open: it would hold locks for seconds.

    `count` hears of each call that the host answered: those are the ones that hosts bill.
    """

    def __init__(self, inner: HttpTransport) -> None:
        self.inner = inner
        self.count: Callable[[str], None] = lambda api: None

    def request(self, method: str, url: str, **options: Any) -> Answer:
        refuse_in_transaction()
        answer = self.inner.request(method, url, **options)
        if answer.status < 400:
            self.count(str(options.get("api", "")))
        return answer


def refuse_in_transaction() -> None:
    """Raise while this unit of work has a transaction open: whoever talks to a host commits or rolls back first."""
    if db.session().in_transaction():
        raise RuntimeError("commit or roll back before talking to a host")
