"""The corp wall, the ids, the two kinds of unit of work, and the migrations on both databases."""

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.cast import Cast, settings_for
from wsapp.clock import now
from wsapp.crm.customers.models import Customer
from wsapp.crm.org.models import Corp, Department, Member
from wsapp.db import (
    Base,
    NoCorp,
    corp_scope,
    current_corp,
    db,
    every_corp,
    insert_rows,
    new_id,
    reading,
    writing,
)
from wsapp.schema import check, downgrade, upgrade

RELEASED = "0002"  # the last version that a release has
UNCOMPARED = ("fts_", "sqlite_", "alembic_", "outbox")  # into which upgrades put work


def test_without_a_corp_every_statement_on_its_tables_raises(app: Flask, cast: Cast) -> None:
    with app.app_context():
        for statement in (
            sa.select(Member),
            sa.select(Member.name),
            sa.update(Member).values(name="x"),
            sa.delete(Member),
        ):
            with pytest.raises(NoCorp):
                db.session.execute(statement)
        db.session.add(Customer(id="x", name="x"))
        with pytest.raises(NoCorp):
            db.session.flush()


def test_a_corp_sees_changes_and_deletes_only_its_own(app: Flask, cast: Cast) -> None:
    with app.app_context():
        with corp_scope(cast.corp_id):
            assert set(db.session.scalars(sa.select(Member.name))) == {"阿丽", "老鲍", "小查", "管姐"}
            db.session.execute(sa.update(Member).values(position="销售"))
            db.session.commit()
        with corp_scope(cast.other_corp_id):
            assert set(db.session.scalars(sa.select(Member.position))) == {""}
        with every_corp():
            assert db.session.scalar(sa.select(sa.func.count()).select_from(Member)) == 6


def test_a_join_from_elsewhere_without_a_corp_finds_nothing(app: Flask, cast: Cast) -> None:
    with app.app_context(), pytest.raises(NoCorp):
        db.session.execute(sa.select(Corp.name, Member.name).join(Member, Member.corp_id == Corp.id)).all()


def test_rows_of_one_corp_cannot_be_written_in_another(app: Flask, cast: Cast, ali: Member) -> None:
    with app.app_context(), corp_scope(cast.other_corp_id):
        db.session.add(Customer(corp_id=cast.corp_id, id="x", name="x"))
        with pytest.raises(NoCorp):
            db.session.flush()
        db.session.rollback()
        with pytest.raises(NoCorp):
            db.session.execute(sa.insert(Member).values(id="x"))


def test_bulk_inserts_are_stamped(app: Flask, cast: Cast) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        row = {"id": "9", "name": "仓库", "path": "/1/9/", "sort": 0, "checked_at": now()}
        assert insert_rows(Department, [row]) == 1
        assert insert_rows(Department, [row], ignore=True) == 0
        db.session.commit()
        assert db.session.scalar(sa.select(Department.corp_id).where(Department.id == "9")) == cast.corp_id


def test_bulk_inserts_lose_no_column_that_only_some_rows_have(app: Flask, cast: Cast) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        row = {"id": "9", "name": "仓库", "path": "/1/9/", "sort": 0, "checked_at": now()}
        with pytest.raises(ValueError, match="Department"):
            insert_rows(Department, [row, {**row, "id": "10", "gone_at": now()}])


def test_the_corp_is_gone_after_the_block(app: Flask, cast: Cast) -> None:
    with app.app_context():
        with corp_scope(cast.corp_id):
            assert current_corp() == cast.corp_id
        with pytest.raises(NoCorp):
            current_corp()


def test_a_reading_unit_cannot_write(app: Flask, cast: Cast) -> None:
    with app.app_context(), corp_scope(cast.corp_id), reading():
        member = db.session.scalars(sa.select(Member)).first()
        assert member is not None
        member.position = "x"
        with pytest.raises(RuntimeError, match="writing"):
            db.session.flush()
        db.session.rollback()
        with writing():
            db.session.execute(sa.update(Member).values(position="y"))
        assert set(db.session.scalars(sa.select(Member.position))) == {"y"}


def test_readers_do_not_wait_for_a_writer(app: Flask, cast: Cast) -> None:
    """On SQLite a writer holds the write lock; a reader in the meantime reads the state before."""
    started, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with app.app_context(), corp_scope(cast.corp_id):
            db.session.execute(sa.update(Member).values(position="later"))
            started.set()
            go_on.wait(10)
            db.session.commit()

    writer = threading.Thread(target=write)
    writer.start()
    assert started.wait(10)
    with app.app_context(), corp_scope(cast.corp_id), reading():
        assert set(db.session.scalars(sa.select(Member.position))) == {""}
    go_on.set()
    writer.join(10)


def test_concurrent_read_then_write_never_finds_the_database_locked(app: Flask, cast: Cast) -> None:
    """Eight writers that read before they write: under a deferred BEGIN most would fail."""
    from wsapp.crm.org.models import FirstRun

    with app.app_context():
        db.session.add(FirstRun(id=1, code_hash="x", failures=0, created_at=now()))
        db.session.commit()
    errors: list[Exception] = []

    def work() -> None:
        try:
            for _round in range(25):
                with app.app_context():
                    row = db.session.get(FirstRun, 1, with_for_update=True)
                    assert row is not None
                    row.failures += 1
                    db.session.commit()
        except Exception as error:  # noqa: BLE001 - whatever a thread meets is looked at afterwards
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    with app.app_context():
        row = db.session.get(FirstRun, 1)
        assert row is not None
        assert row.failures == 200


def test_ids_are_opaque_unique_and_grow_with_time() -> None:
    ids = [new_id() for _ in range(5000)]
    assert len(set(ids)) == 5000
    assert all(len(one) == 20 for one in ids)
    assert ids[0][:7] <= ids[-1][:7]


def test_every_table_of_a_corp_leads_its_key_and_indexes_with_the_corp(app: Flask) -> None:
    shared = {"corp", "outbox", "sign_in_state", "first_run", "host_token", "seen_callback"}
    shared |= {"corp_set_up", "ownership_file", "host_stream", "host_usage", "search_reading"}
    for table in Base.metadata.sorted_tables:
        if table.name in shared:
            continue
        assert [column.name for column in table.primary_key][:2] == ["corp_id", "id"], table.name
        for constraint in table.constraints:
            if isinstance(constraint, sa.UniqueConstraint):
                assert next(iter(constraint.columns)).name == "corp_id", constraint.name


def test_migrations_go_up_and_down_and_match_the_models(database_url: str, tmp_path: Path) -> None:
    from wsapp.app import create_app

    app = create_app(settings_for(tmp_path / "data", url=database_url, public_url="http://127.0.0.1:8000"))
    assert check(app) == []
    downgrade(app, "base")
    assert check(app) != []
    with app.app_context():
        left = set(sa.inspect(db.engine).get_table_names()) - {"alembic_version"}
        db.engine.dispose()
    assert left == set()
    upgrade(app)
    assert check(app) == []
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE corp ADD COLUMN surprise INTEGER"))
    assert any("surprise" in line for line in check(app))
    with app.app_context():
        db.engine.dispose()


def test_the_head_is_named_in_a_file_so_that_branches_collide_early() -> None:
    from alembic.script import ScriptDirectory

    from wsapp.schema import migrations_folder

    folder = migrations_folder()
    assert ScriptDirectory(str(folder)).get_current_head() == (folder / ".head").read_text().strip()


@pytest.fixture
def old_app(database_url: str, tmp_path: Path) -> Iterator[Flask]:
    """An app whose database stands where the last release left it."""
    from wsapp.app import create_app

    app = create_app(settings_for(tmp_path / "data", url=database_url, public_url="http://127.0.0.1:8000"))
    downgrade(app, RELEASED)
    yield app
    with app.app_context():
        db.engine.dispose()


def test_an_upgrade_keeps_every_row_and_a_step_back_brings_the_old_tables_back(old_app: Flask) -> None:
    """Each table holds rows that refer to each other, so that no table can be copied without its children."""
    with old_app.app_context():
        _fill_old_tables()
        before = _rows_of_all_tables()
    assert len(before) > 15
    assert [name for name, found in before.items() if not found] == []
    upgrade(old_app)
    assert check(old_app) == []
    with old_app.app_context():
        now_there = _rows_of_all_tables()
        for name, found in before.items():
            kept = [{key: row[key] for key in found[0] if key in row} for row in now_there[name]]
            assert all(row in kept for row in found), name
    downgrade(old_app, RELEASED)
    with old_app.app_context():
        after = _rows_of_all_tables()
        assert after == before


def _reflected() -> sa.MetaData:
    found = sa.MetaData()
    found.reflect(db.engine, only=lambda name, _metadata: not name.startswith(UNCOMPARED))
    return found


def _fill_old_tables() -> None:
    """Put a row into each table, which refers to those of the others."""
    tables = _reflected().sorted_tables
    with db.engine.begin() as connection:
        for table in tables:
            connection.execute(table.insert().values(_row_for(table)))


def _row_for(table: sa.Table) -> dict[str, Any]:
    # The corp's column belongs to several keys: one that leads elsewhere says more than one that leads back.
    keys = sorted(table.foreign_keys, key=lambda key: key.column.table is not table)
    referring = {key.parent.name: key.column for key in keys}
    row = {}
    for column in table.columns:
        target = referring.get(column.name)
        if target is not None and target.table is table:
            continue  # a tree: these are roots
        row[column.name] = _value_for(target if target is not None else column)
    return row


def _value_for(column: sa.Column[Any]) -> Any:
    if isinstance(column.type, sa.JSON):
        return []
    if isinstance(column.type, sa.DateTime):
        return datetime(2026, 1, 1, tzinfo=UTC)
    if isinstance(column.type, sa.Date):
        return date(2026, 1, 1)
    if isinstance(column.type, sa.Boolean):
        return False
    if isinstance(column.type, sa.LargeBinary):
        return b"x"
    return 1 if isinstance(column.type, sa.Integer | sa.Numeric) else "1"


def _rows_of_all_tables() -> dict[str, list[dict[str, Any]]]:
    tables = _reflected().sorted_tables
    with db.engine.connect() as connection:
        return {
            table.name: sorted((dict(row._mapping) for row in connection.execute(sa.select(table))), key=str)
            for table in tables
        }
