"""What can be wrong with a request, said by the domain and answered by the doors."""

from collections.abc import Sequence
from typing import Any

from wsapp.texts import _


class Problem(Exception):
    """Base: a clear reason in the user's language."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class NotFound(Problem):
    """No such record, or none that the actor may see: nobody can tell which."""


class Forbidden(Problem):
    """The actor sees the record but may not do this."""


class Invalid(Problem):
    """Input that cannot be taken: `fields` maps each field to what is wrong with it and what to do."""

    def __init__(self, fields: dict[str, str], detail: str = "") -> None:
        super().__init__(detail or _("；").join(fields.values()))
        self.fields = fields


class Duplicate(Problem):
    """A unique value is taken: `fields` says which. Never tells whose it is unless the actor may see it.

    `told` says more of each record that is there already; `asked` is what this tells of records that the actor may not
    see: a door counts it before it answers.
    """

    def __init__(
        self,
        fields: dict[str, str],
        *,
        record_id: str = "",
        told: Sequence[dict[str, Any]] = (),
        asked: Sequence[str] = (),
    ) -> None:
        super().__init__(_("；").join(fields.values()))
        self.fields = fields
        self.record_id = record_id
        self.told = list(told)
        self.asked = asked


class TooMany(Problem):
    """The actor did this too often; it may be done again `after` so many seconds."""

    def __init__(self, detail: str, *, after: int) -> None:
        super().__init__(detail)
        self.after = after


class Stale(Problem):
    """The record was changed since the actor read it: `changes` maps field → (value now, value the actor wanted)."""

    def __init__(self, detail: str, *, record: Any, changes: dict[str, tuple[Any, Any]]) -> None:
        super().__init__(detail)
        self.record = record
        self.changes = changes


class Conflict(Problem):
    """The record is not as the deed needs it, or a limit is reached: `fields` says which."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(_("；").join(fields.values()))
        self.fields = fields
