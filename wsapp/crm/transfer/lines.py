"""One row of a sheet on its way into the book: what it says, what is wrong with it, what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from wsapp.crm.transfer.cells import Unreadable, read
from wsapp.crm.transfer.headings import COLUMNS
from wsapp.crm.transfer.models import ImportJob

CREATED, UPDATED, SKIPPED, FAILED = "created", "updated", "skipped", "failed"
WATERMARKS = ("水印：", "Watermark: ")  # how the last line of our own exports begins


@dataclass
class Line:
    """A row: its number in the sheet, its values by field, what is wrong (field → words)."""

    number: int
    values: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    outcome: str = ""
    record_id: str = ""
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    new_tags: Sequence[str] = ()  # that this lot put on the corp's list
    since: datetime | None = None  # when the customer whom it changes was created

    def fail(self, field_: str, words: str) -> None:
        self.errors[field_] = words
        self.outcome = FAILED

    def skip(self, field_: str, words: str) -> None:
        self.errors[field_] = words
        self.outcome = SKIPPED

    def start_over(self, values: dict[str, Any], errors: dict[str, str], outcome: str) -> None:
        """Forget what was decided."""
        self.values, self.errors, self.outcome = values, errors, outcome
        self.record_id, self.before, self.after, self.since = "", None, None, None

    def entry(self) -> dict[str, Any]:
        """Return what an ImportBatch keeps of it."""
        found: dict[str, Any] = {"row": self.number, "outcome": self.outcome}
        if self.record_id:
            found["id"] = self.record_id
        if self.errors:
            found["errors"] = [[name, words] for name, words in self.errors.items()]
        if self.new_tags:
            found["tags"] = list(self.new_tags)
        if self.before is not None:
            found["before"], found["after"] = frozen(self.before), frozen(self.after)
        return found


def read_line(number: int, cells: Sequence[Any], job: ImportJob) -> Line | None:
    """Return a row's values by the job's mapping; None for the watermark of an export."""
    if is_watermark(cells):
        return None
    line = Line(number)
    kinds = kinds_of(job.object)
    from_csv = job.format == "csv"
    for key, cell in zip(job.mapping, cells, strict=False):
        if not key or cell is None or cell == "":
            continue
        try:
            value = read(cell, kinds.get(key, "custom"), from_csv=from_csv)
        except Unreadable as error:
            line.fail(key, str(error))
            continue
        if value is None:
            continue
        if isinstance(value, list) and key in line.values:
            line.values[key] = [*line.values[key], *value]
        else:
            line.values[key] = value
    return line


def is_watermark(cells: Sequence[Any]) -> bool:
    filled = [cell for cell in cells if cell not in (None, "")]
    return len(filled) == 1 and isinstance(filled[0], str) and filled[0].startswith(WATERMARKS)


def may_be_watermark(line: bytes) -> bool:
    """Say whether a row as it was parsed is worth a look for `is_watermark`."""
    return any(words in line for words in _WATERMARKS)


_WATERMARKS = tuple(words.encode() for words in WATERMARKS)
_KINDS = {obj: {column.key: column.kind for column in columns} for obj, columns in COLUMNS.items()}


def kinds_of(obj: str) -> Mapping[str, str]:
    """Return how the cells of each field of an object are read."""
    return _KINDS[obj]


MOMENTS = frozenset({"updated_at", "next_follow_at", "last_followed_at", "stage_since", "last_deal_at", "clock_at"})


def frozen(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return values as JSON keeps them."""
    if values is None:
        return None
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in values.items()}


def thawed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as columns take them."""
    return {
        key: datetime.fromisoformat(value) if key in MOMENTS and value is not None else value
        for key, value in values.items()
    }
