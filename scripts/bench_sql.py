"""The raw SQL of a page: what the product really sends, replayed on the driver alone."""

import statistics
import time
from typing import Any

import sqlalchemy as sa
from bench_world import AGENT, in_corp

REPEATS = 200
Statement = tuple[str, Any]


def raw_seconds(app: Any, pages: dict[str, dict[str, str]]) -> dict[str, dict[str, float]]:
    """Return, for each page ({"path", "cookie" or "token"}), how many statements it sends and the median seconds of
    all of them together on a bare connection of the driver, in one transaction."""
    return {name: _measure(app, page) for name, page in pages.items()}


def _measure(app: Any, page: dict[str, str]) -> dict[str, float]:
    statements = _statements(app, page)
    from wsapp.db import db, reading

    with in_corp(app), reading():
        connection = db.engine.raw_connection()
        try:
            seconds = [_replay(connection, statements) for _number in range(REPEATS)]
        finally:
            connection.close()
    return {"statements": len(statements), "seconds": statistics.median(seconds)}


def _statements(app: Any, page: dict[str, str]) -> list[Statement]:
    from wsapp.db import db

    found: list[Statement] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA")):
            found.append((statement, parameters))

    client = app.test_client(use_cookies=False)
    headers = {"User-Agent": AGENT, "Host": "127.0.0.1:8000"}
    headers |= {"Cookie": page["cookie"]} if "cookie" in page else {"Authorization": f"Bearer {page['token']}"}
    client.get(page["path"], headers=headers)  # warms caches, as any server is
    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        answer = client.get(page["path"], headers=headers)
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    if answer.status_code != 200:
        raise SystemExit(f"{page['path']} answers {answer.status_code}")
    return found


def _replay(connection: Any, statements: list[Statement]) -> float:
    cursor = connection.cursor()
    began = time.perf_counter()
    if type(connection.driver_connection).__module__.startswith("sqlite3"):
        cursor.execute("BEGIN")
    for statement, parameters in statements:
        cursor.execute(statement, parameters)
        cursor.fetchall()
    connection.rollback()
    took = time.perf_counter() - began
    cursor.close()
    return took
