"""Storage: engine set-up, the base model, opaque ids, and the corp wall (租户隔离).

Every table of a corp leads its keys with `corp_id`. The wall adds the current corp to every ORM statement and raises
when none is set, so a query that forgets the corp cannot exist. One unit of work = one app context = one session =
one corp.
"""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy as sa
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    ORMExecuteState,
    Session,
    declared_attr,
    make_transient_to_detached,
    mapped_column,
    with_loader_criteria,
)
from sqlalchemy.orm.util import identity_key
from sqlalchemy.sql.base import ExecutableOption

BUSY_MILLISECONDS = 20_000
IDLE_MILLISECONDS = 60_000
SAMPLED = 4_000  # rows of each index, see `gather_statistics`
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PAIRS = [first + second for first in ALPHABET for second in ALPHABET]  # by ten bits
SHIFTS = range(90, -1, -10)  # of 100 bits

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = sa.MetaData(naming_convention=NAMING)


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
migrate = Migrate()


# --- column types -------------------------------------------------------------------------------------------------


class Moment(sa.types.TypeDecorator[datetime]):
    """A point in time: aware UTC in Python, timestamptz in PostgreSQL, UTC text in SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # only INTEGER counts up by itself there


def new_id() -> str:
    """Return an opaque public id of 20 letters and digits: 9 of time (for index locality), 11 of chance (55 bits)."""
    value = (int(time.time() * 1000) << 55) | int.from_bytes(os.urandom(7), "big") >> 1
    return "".join([PAIRS[value >> shift & 1023] for shift in SHIFTS])


class CorpScoped:
    """Mixin of every table that belongs to a corp: composite key (corp_id, id), opaque id."""

    @declared_attr
    def corp_id(cls) -> Mapped[int]:
        return mapped_column(sa.ForeignKey("corp.id"), primary_key=True, sort_order=-20)

    @declared_attr
    def id(cls) -> Mapped[str]:
        return mapped_column(sa.String(40), primary_key=True, default=new_id, sort_order=-19)


Model = TypeVar("Model", bound=Base)


def corp_key(
    local: str, table: str, *, name: str | None = None, ondelete: str | None = None
) -> sa.ForeignKeyConstraint:
    """Return the foreign key (corp_id, `local`) → `table` (corp_id, id): a reference that cannot leave the corp."""
    return sa.ForeignKeyConstraint(
        ["corp_id", local], [f"{table}.corp_id", f"{table}.id"], name=name, ondelete=ondelete
    )


# --- the corp wall ------------------------------------------------------------------------------------------------


class NoCorp(RuntimeError):
    """A statement touches a corp's table while no corp is set: a bug, never answered with data."""


EVERY_CORP = -1
_corp: ContextVar[int | None] = ContextVar("corp", default=None)
_reading: ContextVar[bool] = ContextVar("reading", default=False)


def current_corp() -> int:
    """Return the id of the corp that this unit of work belongs to; raises NoCorp when none is set."""
    corp_id = _corp.get()
    if corp_id is None or corp_id == EVERY_CORP:
        raise NoCorp("no corp is set for this unit of work")
    return corp_id


def enter_corp(corp_id: int | None) -> None:
    """Set the corp of this unit of work from here on (doors call it once the session or token is known)."""
    _corp.set(corp_id)


@contextmanager
def corp_scope(corp_id: int) -> Iterator[None]:
    """Work inside one corp for the length of the block."""
    before = _corp.set(corp_id)
    try:
        yield
    finally:
        _corp.reset(before)


@contextmanager
def every_corp() -> Iterator[None]:
    """Look across all corps: for the worker's own upkeep only, never on behalf of a person."""
    with corp_scope(EVERY_CORP):
        yield


def _is_scoped(state: ORMExecuteState) -> bool:
    return any(issubclass(mapper.class_, CorpScoped) for mapper in state.all_mappers)


@lru_cache(maxsize=1024)
def _only_of(corp_id: int) -> ExecutableOption:
    """The wall's criterion for one corp, kept: making it anew costs more than the shorter queries do."""
    return with_loader_criteria(CorpScoped, lambda cls: cls.corp_id == corp_id, include_aliases=True)


@event.listens_for(Session, "do_orm_execute")
def _wall(state: ORMExecuteState) -> None:
    corp_id = _corp.get()
    if corp_id == EVERY_CORP:
        return
    if state.is_insert:
        if _is_scoped(state) and not state.execution_options.get("stamped"):
            raise NoCorp("insert into a corp's table through insert_rows()")
        return
    if corp_id is None:
        if _is_scoped(state):
            raise NoCorp(f"no corp is set for {state.all_mappers[0].class_.__name__}")
        corp_id = 0  # matches no corp, should a scoped table be joined from elsewhere
    state.statement = state.statement.options(_only_of(corp_id))


@event.listens_for(Session, "before_flush")
def _stamp(session: Session, flush_context: Any, instances: Any) -> None:
    if _reading.get() and (session.new or session.dirty or session.deleted):
        raise RuntimeError("a reading unit of work writes: wrap it in writing()")
    for row in session.new:
        if isinstance(row, CorpScoped):
            if getattr(row, "corp_id", None) is None:
                row.corp_id = current_corp()
            elif _corp.get() not in (row.corp_id, EVERY_CORP):
                raise NoCorp("a row of one corp is written in another")


def insert_rows(model: type[CorpScoped], rows: Iterable[Mapping[str, Any]], *, ignore: bool = False) -> int:
    """Insert many rows of the current corp in one statement; returns how many went in.

    With `ignore`, rows that break a unique key are left out. Raises ValueError for rows that name different columns:
    the statement is made for the first one, and would leave out what only others have.
    """
    corp_id = current_corp()
    stamped = [{"id": new_id(), **row, "corp_id": corp_id} for row in rows]
    if not stamped:
        return 0
    columns = stamped[0].keys()
    if any(row.keys() != columns for row in stamped):
        raise ValueError(f"rows of {model.__name__} with different columns")
    statement = dialect_insert(sa.inspect(model).local_table)
    if ignore:
        statement = statement.on_conflict_do_nothing()
    result: Any = db.session.execute(statement, stamped, execution_options={"preserve_rowcount": True})
    return max(result.rowcount, 0)


def insert_unless_there(model: type[Base], row: Mapping[str, Any]) -> bool:
    """Insert one row, unless it breaks a unique key; says whether it went in. Goes beside the ORM, which is not told.

    A row of a corp's table names its corp itself, and must be of the current one.
    """
    if issubclass(model, CorpScoped) and row.get("corp_id") != current_corp():
        raise NoCorp("a row of one corp is written in another")
    done: Any = db.session.execute(_unless_there(model, db.engine.dialect.name), dict(row))
    return bool(done.rowcount == 1)


@lru_cache
def _unless_there(model: type[Base], dialect: str) -> Any:
    return dialect_insert(sa.inspect(model).local_table).on_conflict_do_nothing()


def dialect_insert(model: Any) -> Any:
    """Return the dialect's own `insert`, which knows `on_conflict_do_nothing` and `on_conflict_do_update`.

    Its result tells how many rows went in (`rowcount`), which SQLAlchemy otherwise forgets on PostgreSQL.
    """
    dialect = postgresql if is_postgresql() else sqlite
    return dialect.insert(model).execution_options(preserve_rowcount=True)


def is_postgresql() -> bool:
    return db.engine.dialect.name == "postgresql"


# --- units of work ------------------------------------------------------------------------------------------------


@contextmanager
def reading() -> Iterator[None]:
    """A unit that only reads: on SQLite it takes no write lock. A flush inside it raises."""
    before = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(before)


def start_reading(value: bool) -> None:
    """Say for the rest of this unit of work whether it only reads (a door says so for GET and HEAD)."""
    _reading.set(value)


def flush_if_written() -> None:
    """Write down what this unit of work changed, so that a statement beside the ORM sees it."""
    session = db.session()
    if session.new or session.dirty or session.deleted:
        session.flush()


@contextmanager
def writing() -> Iterator[None]:
    """A short write inside a unit that otherwise reads: its own transaction, committed at the end."""
    db.session.rollback()
    before = _reading.set(False)
    try:
        yield
        db.session.commit()
    except BaseException:
        db.session.rollback()
        raise
    finally:
        _reading.reset(before)


@contextmanager
def separate() -> Iterator[sa.Connection]:
    """A short write transaction on a connection of its own, beside whatever the session does. Commits at the end."""
    before = _reading.set(False)
    try:
        with db.engine.begin() as connection:
            yield connection
    finally:
        _reading.reset(before)


def database_now() -> datetime:
    """Return the database's own clock (leases are measured on it, not on any machine's)."""
    if is_postgresql():
        return db.session.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    text = db.session.execute(sa.select(sa.func.strftime("%Y-%m-%d %H:%M:%f", "now"))).scalar_one()
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- engines ------------------------------------------------------------------------------------------------------


def engine_options(url: str, threads: int) -> dict[str, Any]:
    """Return the engine options for a database URL and the number of threads that share the pool.

    A worker frozen inside a transaction would hold its row locks for ever: PostgreSQL ends such sessions.
    """
    common = {"hide_parameters": True}  # errors reach the log without what people typed
    if url.startswith("sqlite"):
        timeout = {"timeout": BUSY_MILLISECONDS / 1000}
        return {**common, "pool_size": threads + 4, "max_overflow": 8, "connect_args": timeout}
    stop_idle = {"options": f"-c idle_in_transaction_session_timeout={IDLE_MILLISECONDS}"}
    pool = {"pool_size": threads + 2, "max_overflow": 4, "pool_pre_ping": True, "pool_recycle": 1800}
    return {**common, **pool, "connect_args": stop_idle}


@event.listens_for(sa.Engine, "connect")
def _prepare_sqlite(connection: Any, record: Any) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    connection.isolation_level = None  # the driver must not begin by itself: _begin does
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_MILLISECONDS}",
        "journal_mode=WAL",
        "synchronous=FULL",  # WAL with NORMAL loses acknowledged commits on power loss
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-4000",  # kilobytes for each connection, of which each thread has one; the system caches the file
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@event.listens_for(sa.Engine, "begin")
def _begin(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":
        # Read-then-write under a deferred BEGIN fails "database is locked" whatever the busy timeout.
        connection.exec_driver_sql("BEGIN" if _reading.get() else "BEGIN IMMEDIATE")


def gather_statistics() -> None:
    """Have SQLite look at a sample of each index, in the caller's transaction; PostgreSQL does so by itself.

    Without, it believes that any corp has ten rows, and reads a whole table in order where few rows are asked for by
    their ids. It takes a twentieth of a second, whatever the size.
    """
    if is_postgresql():
        return
    for statement in (
        f"PRAGMA analysis_limit={SAMPLED}",
        "ANALYZE",
        "CREATE TABLE IF NOT EXISTS seen_anew (id INTEGER)",  # other connections read statistics with the schema
        "DROP TABLE seen_anew",
    ):
        db.session.connection().exec_driver_sql(statement)


def after_fork() -> None:
    """Forget connections inherited from the parent process; call in every child."""
    db.engine.dispose(close=False)


def as_loaded(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Return the object of the session for a row that was read beside the ORM, as if the ORM had loaded it.

    `values` holds the primary key, and of the other columns those that need not be asked for again.
    """
    keys = tuple(values[str(column.key)] for column in sa.inspect(model).primary_key)
    present: Model | None = db.session().identity_map.get(identity_key(model, keys))
    if present is not None:
        return present
    fresh = model(**values)
    make_transient_to_detached(fresh)
    db.session.add(fresh)
    return fresh


def first(statement: Any) -> Any:
    """Return the first scalar of a select, or None."""
    return db.session.execute(statement).scalars().first()


def rows(statement: Any) -> Sequence[Any]:
    """Return all scalars of a select."""
    return db.session.execute(statement).scalars().all()
