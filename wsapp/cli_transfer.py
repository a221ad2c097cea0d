"""The commands `import` and `export`: spreadsheets in and out, within a member's own rights, without a worker."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsapp.cli import Failed, Program, program, with_settings
from wsapp.cli_corps import member_of, unit_of_work

if TYPE_CHECKING:
    from wsapp.config import Settings
    from wsapp.crm.transfer.models import ImportJob

CORP = click.option("--corp", "corp_id", required=True, help="The corp's id at its host.")
USER = click.option("--user", "userid", required=True, help="The member's userid.")


@program.group("import", cls=Program)
def import_() -> None:
    """Bring records in from spreadsheets. 导入。"""


@program.group("export", cls=Program)
def export() -> None:
    """Write records to spreadsheets. 导出。"""


def _import(name: str, obj: str, doc: str) -> None:
    @import_.command(name, help=doc)
    @click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
    @CORP
    @USER
    @click.option("--dry-run", is_flag=True, help="Write nothing; say what would happen.")
    @click.option(
        "--on-duplicate",
        type=click.Choice(["skip", "fill", "update", "add", "fail"]),
        default="skip",
        show_default=True,
        help="Rows that are there already: leave out, fill what is empty, overwrite, add another, or fail.",
    )
    @click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write what became of it as JSON.")
    @with_settings
    def run(settings: "Settings", file: Path, corp_id: str, userid: str, report: Path | None, **how: Any) -> None:
        with unit_of_work(settings), member_of(corp_id, userid) as member:
            from wsapp.problems import Problem

            try:
                job = _take(file, member, obj, **how)
            except Problem as problem:
                raise Failed(f"{file}: {problem}") from None
            found = _report(job)
            if report:
                report.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
            _say(found)


def _take(file: Path, member: Any, obj: str, *, dry_run: bool, on_duplicate: str) -> "ImportJob":
    """Take all rows of a file, committing lot by lot."""
    from wsapp.crm.transfer import imports, running
    from wsapp.crm.transfer.models import QUEUED
    from wsapp.db import db

    with file.open("rb") as body:
        job = imports.upload(body, file.name, actor=member, obj=obj)
    imports.prepare(job, actor=member, on_duplicate=on_duplicate, dry_run=dry_run)
    job.state = QUEUED
    db.session.commit()
    with click.progressbar(length=job.total, label=file.name, file=sys.stderr) as bar:
        lots = running.open_lots(job.id)
        done = 0
        while lots is not None:
            more = running.run_batch(lots)
            db.session.commit()
            bar.update(lots.job.done - done)
            done = lots.job.done
            if not more:
                break
    return job


def _report(job: "ImportJob") -> dict[str, Any]:
    from wsapp.crm.transfer import imports

    numbers = ("total", "done", "created", "updated", "skipped", "failed")
    return {
        **{name: getattr(job, name) for name in ("id", "object", "file_name", "on_duplicate", "dry_run", "state")},
        **{name: getattr(job, name) for name in numbers},
        "errors": imports.told(job),
        "skipped_rows": imports.told(job, ("skipped",)),
    }


def _say(found: dict[str, Any]) -> None:
    for one in found["errors"][:20]:
        click.echo(f"row {one['row']}: {one['field']}: {one['message']}", err=True)
    if len(found["errors"]) > 20:
        click.echo(f"… and {len(found['errors']) - 20} more (--report FILE has all)", err=True)
    would = "would be " if found["dry_run"] else ""
    click.echo(
        f"{found['total']} rows: {found['created']} {would}created, {found['updated']} {would}updated, "
        f"{found['skipped']} skipped, {found['failed']} failed."
    )
    if found["failed"] == found["total"]:
        raise Failed("no row could be taken")


def _export(name: str, obj: str, doc: str) -> None:
    @export.command(name, help=doc)
    @click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
    @CORP
    @USER
    @click.option("--columns", default="", help="Keys in their order with commas between them; else all columns.")
    @with_settings
    def run(settings: "Settings", file: Path, corp_id: str, userid: str, columns: str) -> None:
        format = file.suffix.lower().lstrip(".")
        if format not in ("xlsx", "csv"):
            raise click.BadParameter("the name must end in .xlsx or .csv", param_hint="FILE")
        with unit_of_work(settings), member_of(corp_id, userid) as member:
            from wsapp.crm.transfer import exports
            from wsapp.db import db, reading
            from wsapp.problems import Problem

            try:
                job = exports.request_export(
                    actor=member, obj=obj, format=format, columns=[key for key in columns.split(",") if key], free=True
                )
            except Problem as problem:
                raise Failed(str(problem)) from None
            exports.begin(job.id)
            db.session.commit()
            try:
                with reading():
                    _path, count = exports.make_file(job, file.absolute())
                    db.session.rollback()
            except OSError as error:
                raise Failed(f"{file}: {error.strerror}") from None
            exports.finish(job, count)
            db.session.commit()
            click.echo(f"Wrote {count} rows to {file}.")


_import("customers", "customer", "Bring customers in from FILE (xlsx, or csv in UTF-8 or GBK). 导入客户。")
_import("follow-ups", "follow_up", "Bring follow-ups in from FILE, with their authors and times. 导入跟进。")
_export("customers", "customer", "Write the member's customers to FILE (.xlsx or .csv). 导出客户。")
_export("follow-ups", "follow_up", "Write the member's follow-ups to FILE (.xlsx or .csv). 导出跟进。")
