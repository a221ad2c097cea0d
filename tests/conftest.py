"""What every test may ask for: a database, the emulators, the app, the cast, signed-in browsers.

`WSAPP_TEST_DATABASE` says which database a run is on ("sqlite", the default, or "postgresql"). Nothing here reaches
beyond this machine's loopback.
"""

import gc
import os
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.routing import Rule

from tests.cast import Cast, settings_for
from tests.servers import PostgresServer
from wsapp.connectors.emulator import RunningEmulator
from wsapp.crm.org.models import Member

DATABASE = os.environ.get("WSAPP_TEST_DATABASE", "sqlite")
SOAK = "WSAPP_SOAK" in os.environ
# Begun first: a worker that comes to one of these at the end works on while the others have nothing left to do.
SLOW = (
    "tests/security/test_xss",
    "tests/soak/",
    "tests/security/test_canary.py",
    "tests/h5/test_axe.py",
    "tests/h5/test_browser.py",
    "tests/house/test_routes.py",
)
# What a browser makes of our pages, what words mean, what a request is refused for before anything is looked up: the
# same over either database, and run on SQLite alone.
ALIKE = (
    *("tests/h5/test_axe.py", "tests/h5/test_browser.py", "tests/h5/test_device.py", "tests/h5/test_escaping.py"),
    *("tests/h5/test_english.py", "tests/h5/test_weight.py", "tests/drafts/", "tests/doctor/"),
    *("tests/security/test_bombs.py", "tests/security/test_headers.py", "tests/security/test_host_header.py"),
    *("tests/security/test_redirects.py", "tests/security/test_xss.py", "tests/security/test_xss_browser.py"),
    "tests/connectors/test_contract.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL, run only what touches a database: the rest has run on SQLite. What is long waits for the soak.

    What is slow comes first.
    """
    wanted = [
        item
        for item in items
        if (DATABASE == "sqlite" or _asks_a_database(item)) and (SOAK or item.get_closest_marker("long") is None)
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = sorted(wanted, key=lambda item: not item.nodeid.startswith(SLOW))


def _asks_a_database(item: pytest.Item) -> bool:
    return "database_url" in item.fixturenames and not item.nodeid.startswith(ALIKE)  # type: ignore[attr-defined]


def pytest_collection_finish() -> None:
    """Set what is loaded aside: the collector need not look through all modules and tests again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _only_loopback() -> Iterator[None]:
    """Tests reach this machine and nothing else."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if (
            isinstance(address, tuple)
            and not str(address[0]).startswith("127.")
            and address[0] not in ("::1", "localhost")
        ):
            raise RuntimeError(f"a test reaches out to {address[0]}")
        connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign]
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]


# --- the emulators --------------------------------------------------------------------------------------------------

PUBLIC_URL = "http://127.0.0.1:8000"


@pytest.fixture(scope="session")
def _running_wecom() -> Iterator[RunningEmulator]:
    from wsapp.connectors.wecom.emulator import WeComEmulator

    with WeComEmulator().start() as running:
        yield running


@pytest.fixture(scope="session")
def _running_dingtalk() -> Iterator[RunningEmulator]:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator

    with DingTalkEmulator().start() as running:
        yield running


@pytest.fixture
def wecom(_running_wecom: RunningEmulator) -> RunningEmulator:
    """WeCom's emulator with its sample firm, as new."""
    from wsapp.connectors.wecom.emulator import demo_org

    return _fresh(_running_wecom, demo_org(PUBLIC_URL))


@pytest.fixture
def dingtalk(_running_dingtalk: RunningEmulator) -> RunningEmulator:
    """DingTalk's emulator with its sample firm, as new."""
    from wsapp.connectors.dingtalk.emulator import demo_org

    running = _fresh(_running_dingtalk, demo_org(PUBLIC_URL))
    # The first press of an app just made takes long on a busy machine; how long a card waits has tests of its own.
    running.emulator.knobs["press_seconds"] = 10.0
    return running


def _fresh(running: RunningEmulator, org: dict[str, Any]) -> RunningEmulator:
    emulator: Any = running.emulator
    with emulator.lock:
        emulator.faults.clear()
        emulator.calls.clear()
        emulator.call_counts.clear()
        emulator.knobs = dict(type(emulator).knobs)
        emulator.clock.offset = 0
        emulator.load(org)
        emulator.forget()
    return running


# --- the database and the app ---------------------------------------------------------------------------------------


class _Compiled(BytecodeCache):
    """Templates as they were compiled for an earlier test's app: compiling a page anew takes longer than most tests."""

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.known:
            bucket.bytecode_from_string(self.known[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.known[bucket.key] = bucket.bytecode_to_string()


_compiled = _Compiled()
_builders: dict[Any, Any] = {}
_compile_builder = Rule._compile_builder


def _compile_builder_once(self: Rule, append_unknown: bool = True) -> Any:
    """Compile what writes an address once for all tests' apps: for 300 routes it takes longer than most tests."""
    kinds = tuple((name, type(converter)) for name, converter in self._converters.items())
    key = (tuple(self._trace), kinds, repr(self.defaults), append_unknown)
    if key not in _builders:
        _builders[key] = _compile_builder(self, append_unknown)
    return _builders[key]


_statements: list[tuple[Any, Any]] = []


def _share_statements(engine: sa.Engine) -> None:
    """Let the engine know what was compiled for an earlier one: SQLAlchemy keeps statements by dialect and engine."""
    if not _statements:
        with engine.connect():  # what the server can do is asked for once
            _statements.append((engine.dialect, engine._compiled_cache))
    engine.dialect, engine._compiled_cache = _statements[0]


Rule._compile_builder = _compile_builder_once  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def _postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Any:
    """A migrated, empty database to copy: migrating anew for each test would cost seconds."""
    from wsapp.app import create_app
    from wsapp.db import db
    from wsapp.schema import upgrade

    folder = tmp_path_factory.mktemp("template")
    if DATABASE == "postgresql":
        server: PostgresServer = request.getfixturevalue("_postgres")
        url = server.create("template_" + uuid.uuid4().hex[:8])
    else:
        url = f"sqlite:///{folder / 'wsapp.db'}"
    app = create_app(settings_for(folder, url=url, public_url=PUBLIC_URL))
    upgrade(app)
    with app.app_context():
        if DATABASE == "sqlite":
            with db.engine.connect() as connection:
                connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
        db.engine.dispose()
    return url


@pytest.fixture
def database_url(_template: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty, migrated database that is this test's own."""
    if DATABASE == "postgresql":
        server: PostgresServer = request.getfixturevalue("_postgres")
        name = "test_" + uuid.uuid4().hex[:12]
        yield server.create(name, template=sa.make_url(_template).database or "")
        server.drop(name)
        return
    path = tmp_path / "data" / "wsapp.db"
    path.parent.mkdir()
    shutil.copy(_template.removeprefix("sqlite:///"), path)
    yield f"sqlite:///{path}"


@pytest.fixture
def app(database_url: str, tmp_path: Path, wecom: RunningEmulator, dingtalk: RunningEmulator) -> Iterator[Flask]:
    """The product, connected to both sample firms and to the cast's two corps."""
    from wsapp.app import create_app
    from wsapp.crm.org import standing
    from wsapp.db import db
    from wsapp.doctor import rounds

    standing._kept.clear()  # the corps of another test's database have the same numbers

    settings = settings_for(
        tmp_path / "data", url=database_url, public_url=PUBLIC_URL, wecom_base=wecom.url, dingtalk_base=dingtalk.url
    )
    made = create_app(settings)
    made.testing = False  # errors are answered as in life; the tests look at the answer
    made.jinja_env.bytecode_cache = _compiled
    with made.app_context():
        from wsapp.hosts import connect_configured_corps

        _share_statements(db.engine)
        connect_configured_corps()
    yield made
    rounds.wait()
    with made.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def cast(app: Flask) -> Cast:
    """The cast: 阿丽 (a seller), 老鲍 (who leads her department), 小查 (a stranger), 管姐 (the administrator) at
    森林木业; 艾薇 (a seller) and 安总 (the administrator) at another corp."""
    return Cast(app)


@pytest.fixture
def ali(cast: Cast) -> Member:
    return cast.member("ali")


@pytest.fixture
def bob(cast: Cast) -> Member:
    return cast.member("bob")


@pytest.fixture
def cha(cast: Cast) -> Member:
    return cast.member("cha")


@pytest.fixture
def guan(cast: Cast) -> Member:
    return cast.member("guan")


@pytest.fixture
def ivy(cast: Cast) -> Member:
    return cast.member("ivy")


@pytest.fixture
def sign_in(app: Flask, cast: Cast) -> Callable[..., FlaskClient]:
    """`sign_in(member)` → a test client with that member's session; `sign_in(member, agent=…)` in another client."""
    return cast.sign_in


@pytest.fixture
def here(app: Flask, cast: Cast, ali: Member) -> Iterator[Flask]:
    """An app context inside the cast's first corp, for tests that call the domain directly."""
    from wsapp.db import corp_scope

    with app.app_context(), corp_scope(cast.corp_id):
        yield app
