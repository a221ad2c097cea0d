"""The look for secrets in all that came out of a product: logs, answers, process titles, files and rows."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tests.browser.stack import children_of
from tests.security.product import Product


def look_at_processes(product: Product) -> None:
    assert product.process is not None
    for pid in (product.process.pid, *children_of(product.process.pid)):
        title = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        product.seen.append((f"title of {pid}", title))


def assert_nothing_left(product: Product) -> None:
    wanted = {name: value for name, value in product.secrets().items() if value}
    assert len(product.issued) >= 8
    assert len(wanted) >= 30
    places = [*product.seen, *log_of(product), *files_of(product), *rows_of(product)]
    assert len(places) > 200
    hits = sorted({f"{name} in {place}" for place, text in places for name, value in wanted.items() if value in text})
    assert not hits, "\n".join(hits)
    assert_the_look_sees(product, places)


def assert_the_look_sees(product: Product, places: list[tuple[str, str]]) -> None:
    """What is there to be found is found: else this test would pass on nothing."""
    texts = "\n".join(text for _place, text in places)
    for known in (
        "林晓燕",
        "周小雨",
        "寄样品 好",
        "sign-in refused",
        "wsapp_http_requests_total",
        "wwcanary0000000001",
    ):
        assert known in texts, known


def log_of(product: Product) -> Iterator[tuple[str, str]]:
    """The log, line by line, without the one event that shows the first run's code; it must be the only one."""
    shown = 0
    for number, line in enumerate((product.folder / "log").read_text().splitlines()):
        event = json.loads(line)
        if event["event"] == "first_run.code":
            shown += 1
            continue
        yield f"line {number} of the log: {event['event']}", line
    assert shown == 1


def files_of(product: Product) -> Iterator[tuple[str, str]]:
    """Every file of the data folder as it lies on the disk, but for the master key."""
    for path in (product.folder / "data").rglob("*"):
        if path.is_file() and path.name != "master.key":
            yield str(path.relative_to(product.folder)), path.read_bytes().decode("latin-1")


# A virtual table cannot be read through; what it holds lies in tables of its own, which are read.
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"


def rows_of(product: Product) -> Iterator[tuple[str, str]]:
    """Every row of the database."""
    with sqlite3.connect(product.folder / "data" / "wsapp.db") as connection:
        for (table,) in connection.execute(TABLES).fetchall():
            for number, row in enumerate(connection.execute(f'SELECT * FROM "{table}"')):
                yield f"row {number} of {table}", "\n".join(map(str, row))
