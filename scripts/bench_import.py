"""Rows per second of an import against reading the same file and inserting its rows raw.

ours   an uploaded workbook → read in the child, mapped, checked, compared, written with phones and events; the worker
       follows with the search index
raw    python-calamine in this process, then the same customers and phones inserted as they stand, 500 at a time
"""

import io
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench_world import CACHE, POSTGRES, ROOT, Place, build_app, in_corp, keep_person, write_config, wsapp

ROWS = 5_000  # a round
LOT = 500
HEADING = ("客户名称", "手机", "级别", "来源", "行业", "省份", "城市", "地址", "备注")


def measure(database: str, rounds: int) -> dict[str, Any]:
    """Return rows/s of both, and the median of the rounds' ratios."""
    folder = CACHE / "importing"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    url = ""
    if database == "postgresql":
        POSTGRES.run('DROP DATABASE IF EXISTS "work_import" WITH (FORCE)', 'CREATE DATABASE "work_import"')
        url = POSTGRES.url("work_import")
    place = Place(database, 0, folder, write_config(folder, url=url))
    wsapp(place, "db", "upgrade")
    command = [sys.executable, str(Path(__file__)), str(place.config), str(rounds)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found = [tuple(map(float, line.split())) for line in done.stdout.splitlines() if line]
    shutil.rmtree(folder, ignore_errors=True)
    return {
        "ours": statistics.median(ours for ours, _raw in found),
        "raw": statistics.median(raw for _ours, raw in found),
        "ratio": statistics.median(ours / raw for ours, raw in found),
    }


def book(number: int) -> bytes:
    """Return a workbook of real-looking customers that no other round has."""
    import xlsxwriter

    body = io.BytesIO()
    with xlsxwriter.Workbook(body, {"in_memory": True}) as made:
        sheet = made.add_worksheet()
        sheet.write_row(0, 0, HEADING)
        for row in range(1, ROWS + 1):
            key = f"{number:02}{row:06}"
            who = (f"青岛海天{key}塑胶机械有限公司", f"138{key}", "ABCD"[row % 4], "展会", "机械制造")
            where = ("山东省", "青岛市", f"山东省青岛市市南区香港中路{row}号")
            sheet.write_row(row, 0, (*who, *where, "老客户介绍，要样品"))
    return body.getvalue()


def ours(body: bytes, actor: Any) -> float:
    """Import a workbook; returns rows/s."""
    from wsapp.crm.transfer import imports, running
    from wsapp.db import db

    began = time.perf_counter()
    job = imports.upload(io.BytesIO(body), "a.xlsx", actor=actor)
    imports.prepare(job, actor=actor)
    job.state = "queued"
    db.session.commit()
    lots = running.open_lots(job.id)
    while running.run_batch(lots):
        db.session.commit()
    db.session.commit()
    took = time.perf_counter() - began
    assert lots.job.created == ROWS, (lots.job.created, lots.job.skipped, lots.job.failed)
    return ROWS / took


def raw(body: bytes, actor: Any) -> float:
    """Read and insert a workbook; returns rows/s."""
    from python_calamine import CalamineWorkbook

    from wsapp import clock
    from wsapp.crm.customers.models import Customer, CustomerPhone
    from wsapp.db import db, insert_rows, new_id

    began = time.perf_counter()
    rows = CalamineWorkbook.from_filelike(io.BytesIO(body)).get_sheet_by_index(0).to_python()[1:]
    names = ("name", "phone", "level", "source", "industry", "province", "city", "address", "note")
    for start in range(0, len(rows), LOT):
        now = clock.now()
        stamps = {"owner_id": actor.id, "creator_id": actor.id, "created_at": now, "updated_at": now}
        lot = [{**dict(zip(names, row, strict=True)), "id": new_id()} for row in rows[start : start + LOT]]
        phones = [{"customer_id": one["id"], "number": one.pop("phone"), "position": 0} for one in lot]
        insert_rows(Customer, [{**one, "name_key": one["name"], **stamps} for one in lot])
        insert_rows(CustomerPhone, phones)
        db.session.commit()
    return ROWS / (time.perf_counter() - began)


def main(config: Path, rounds: int) -> None:
    app = build_app(config)
    with in_corp(app):
        from wsapp.crm.org import actions as org
        from wsapp.crm.org.queries import member_by_userid
        from wsapp.db import db

        class Root:
            id, name, parent, order = "1", "总部", "", 0

        keep_person("seller", "林小燕", org.keep_department(Root(), parent=None).id)  # type: ignore[arg-type]
        db.session.commit()
        actor = member_by_userid("seller", fold=True)
        for number in range(rounds):
            print(ours(book(2 * number), actor), raw(book(2 * number + 1), actor), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
