"""Statements of the hottest pages: put together and compiled once, with the corp wall in them, asked by the driver.

SQLAlchemy builds, keys and looks up a statement at every use, which costs four times what short queries cost. What is
kept here is one `select` of columns; it sees what the session sees, inside the same transaction.
"""

import json
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import with_loader_criteria
from sqlalchemy.sql.functions import FunctionElement

from wsapp.db import CorpScoped, current_corp, db, flush_if_written

WALL = "corp_of_the_wall"
_ONLY_OF_PARAMETER = with_loader_criteria(
    CorpScoped,
    lambda cls: cls.corp_id == sa.bindparam("corp_of_the_wall"),  # said again: SQLAlchemy wraps names from outside
    include_aliases=True,
)

Convert = Callable[[Any], Any]


def columns_of(model: Any) -> list[Any]:
    """Return all columns of a model, to be selected one by one."""
    return [getattr(model, column.key) for column in sa.inspect(model).column_attrs]


class Texts(sa.types.TypeDecorator[list[str]]):
    """A parameter that is a list of texts: an array on PostgreSQL, a JSON text on SQLite."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        kind = sa.Text() if dialect.name == "sqlite" else sa.ARRAY(sa.Text())
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: list[str] | None, dialect: sa.Dialect) -> Any:
        return json.dumps(value) if dialect.name == "sqlite" else value


class one_of(FunctionElement[bool]):
    """The condition that a column is one of the texts of a parameter: `one_of(Member.id, "ids")`, of any length.

    Instead of the parameter's name, a parameter of type `Texts` may be given.
    """

    type = sa.Boolean()
    inherit_cache = True
    _is_implicitly_boolean = True  # else SQLAlchemy appends "= 1" on SQLite, and no index is used

    def __init__(self, column: Any, texts: str | sa.BindParameter[Any]) -> None:
        super().__init__(column, sa.bindparam(texts, type_=Texts) if isinstance(texts, str) else texts)


@compiles(one_of, "sqlite")
def _one_of_json(element: Any, compiler: Any, **more: Any) -> str:
    column, texts = (compiler.process(one, **more) for one in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({texts}))"


@compiles(one_of, "postgresql")
def _one_of_array(element: Any, compiler: Any, **more: Any) -> str:
    column, texts = (compiler.process(one, **more) for one in element.clauses)
    return f"{column} = ANY ({texts})"


class one_of_rows(FunctionElement[bool]):
    """The condition that a column is one of those of a short select of one column: `one_of_rows(Customer.id, shared)`.

    As IN. But of IN in an OR, PostgreSQL believes that half of all rows are meant, and reads all of them.
    """

    type = sa.Boolean()
    inherit_cache = True
    _is_implicitly_boolean = True

    def __init__(self, column: Any, rows: sa.Select[*tuple[Any, ...]]) -> None:
        super().__init__(column, rows.scalar_subquery())


@compiles(one_of_rows, "sqlite")
def _one_of_rows_in(element: Any, compiler: Any, **more: Any) -> str:
    column, rows = (compiler.process(one, **more) for one in element.clauses)
    return f"{column} IN {rows}"


@compiles(one_of_rows, "postgresql")
def _one_of_rows_array(element: Any, compiler: Any, **more: Any) -> str:
    column, rows = (compiler.process(one, **more) for one in element.clauses)
    return f"{column} = ANY (ARRAY{rows})"


class Kept:
    """A select of columns with named parameters (`sa.bindparam`), for the current corp alone.

    A list of values is asked for with `one_of`. Rows are named tuples of the selected columns.
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
        self.dialect = dialect
        self.errors: Any = dialect.loaded_dbapi.Error
        self.columns = list(statement.selected_columns)
        self.row: Any = namedtuple("Row", [column.key for column in self.columns])  # type: ignore[misc]
        self.converts: list[tuple[int, Convert]] | None = None  # known once the driver told its types

    def read(self, values: Mapping[str, Any]) -> list[Any]:
        flush_if_written()
        given = self._parameters({**values, WALL: current_corp()})
        description, found = self._ask(db.session.connection(), given)
        if self.converts is None:
            self.converts = self._read_types(description)
        return [self._converted(one, self.converts) for one in found]

    def _ask(self, connection: sa.Connection, given: Any) -> tuple[Any, Sequence[Any]]:
        """Ask the driver itself, which takes a tenth off a page; SQLAlchemy where somebody listens to it."""
        listened_to: Any = connection.dispatch.before_cursor_execute
        if not listened_to:
            try:
                with closing(connection.connection.cursor()) as cursor:
                    cursor.execute(self.sql, given)
                    return cursor.description, cursor.fetchall()
            except self.errors:  # asked again: the error is then SQLAlchemy's, and a dead connection leaves the pool
                return self._ask_slowly(connection, given)
        return self._ask_slowly(connection, given)

    def _ask_slowly(self, connection: sa.Connection, given: Any) -> tuple[Any, Sequence[Any]]:
        result = connection.exec_driver_sql(self.sql, given)
        return result.cursor.description, result.fetchall()

    def _parameters(self, values: Mapping[str, Any]) -> Any:
        given = [one.value(values) for one in self.parameters]
        if self.is_positional:
            return tuple(given)
        return dict(zip((one.name for one in self.parameters), given, strict=True))

    def _read_types(self, description: Any) -> list[tuple[int, Convert]]:
        converts = (
            column.type.dialect_impl(self.dialect).result_processor(self.dialect, told[1])
            for column, told in zip(self.columns, description, strict=True)
        )
        return [(at, convert) for at, convert in enumerate(converts) if convert is not None]

    def _converted(self, found: Any, converts: list[tuple[int, Convert]]) -> Any:
        cells = list(found)
        for at, convert in converts:
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
