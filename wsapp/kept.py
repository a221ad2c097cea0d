"""Statements of the hottest pages: put together and compiled once, with the corp wall in them, asked by the driver.

SQLAlchemy builds, keys and looks up a statement at every use, which costs four times what short queries cost. What is
kept here is one `select` of columns; it sees what the session sees, inside the same transaction.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import with_loader_criteria

from wsapp.db import CorpScoped, current_corp, db, flush_if_written

WALL = "corp_of_the_wall"
_ONLY_OF_PARAMETER = with_loader_criteria(
    CorpScoped,
    lambda cls: cls.corp_id == sa.bindparam("corp_of_the_wall"),  # said again: SQLAlchemy wraps names from outside
    include_aliases=True,
)

Convert = Callable[[Any], Any]


class Kept:
    """A select of columns with named parameters (`sa.bindparam`), for the current corp alone.

    Lists of values are no parameters, and rows are named tuples of the selected columns.
    """

    def __init__(self, statement: sa.Select[*tuple[Any, ...]]) -> None:
        self.statement = statement
        self.ready: dict[str, _Ready] = {}  # by dialect

    def all(self, **values: Any) -> list[Any]:
        """Return all rows for the named values. Raises NoCorp when no corp is set, KeyError for a missing value."""
        return self._for_this_database().read(values)

    def first(self, **values: Any) -> Any:
        """Return the first row, or None."""
        found = self._for_this_database().read(values)
        return found[0] if found else None

    def _for_this_database(self) -> "_Ready":
        dialect = db.engine.dialect
        found = self.ready.get(dialect.name)
        if found is None:
            found = self.ready[dialect.name] = _Ready(self.statement, dialect)
        return found


class _Ready:
    """The statement in the database's own words, with what turns values into them and back."""

    def __init__(self, statement: sa.Select[*tuple[Any, ...]], dialect: sa.Dialect) -> None:
        compiled: Any = statement.options(_ONLY_OF_PARAMETER).compile(dialect=dialect)
        asked = {name: bind.key for name, bind in compiled.binds.items() if bind.required}
        expanded = compiled.construct_expanded_state(dict.fromkeys(asked.values()))
        converts = {
            name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in compiled.binds.items()
        }
        converts |= expanded.processors
        self.sql: str = expanded.statement
        self.is_positional = dialect.positional
        names = expanded.positiontup if self.is_positional else list(expanded.parameters)
        self.parameters = [
            _Parameter(name, asked.get(name), expanded.parameters[name], converts.get(name)) for name in names
        ]
        columns = statement.selected_columns
        self.row: Any = namedtuple("Row", [column.key for column in columns])  # type: ignore[misc]
        self.converts = [
            (at, convert) for at, column in enumerate(columns) if (convert := _result(column.type, dialect)) is not None
        ]

    def read(self, values: Mapping[str, Any]) -> list[Any]:
        found = self._execute({**values, WALL: current_corp()})
        if not self.converts:
            return [self.row._make(one) for one in found]
        return [self._converted(one) for one in found]

    def _execute(self, values: Mapping[str, Any]) -> Any:
        flush_if_written()
        given = [one.value(values) for one in self.parameters]
        names = (one.name for one in self.parameters)
        parameters: Any = tuple(given) if self.is_positional else dict(zip(names, given, strict=True))
        return db.session.connection().exec_driver_sql(self.sql, parameters).fetchall()

    def _converted(self, found: Any) -> Any:
        cells = list(found)
        for at, convert in self.converts:
            if cells[at] is not None:
                cells[at] = convert(cells[at])
        return self.row._make(cells)


class _Parameter(NamedTuple):
    """A place in the statement: filled with the value named `key`, or always with `constant`."""

    name: str
    key: str | None
    constant: Any
    convert: Convert | None

    def value(self, values: Mapping[str, Any]) -> Any:
        value = self.constant if self.key is None else values[self.key]
        return value if self.convert is None else self.convert(value)


def _result(kind: Any, dialect: sa.Dialect) -> Convert | None:
    convert: Convert | None = kind.dialect_impl(dialect).result_processor(dialect, None)
    return convert
