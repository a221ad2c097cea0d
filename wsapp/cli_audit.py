"""The command `audit verify`: does every corp's chain of events hold; exit 1 and the first bad record if not."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsapp.cli import FAILED, Failed, Program, program, with_settings
from wsapp.cli_corps import unit_of_work

if TYPE_CHECKING:
    from wsapp.config import Settings
    from wsapp.crm.audit.chain import Anchor

FIELDS = ("corp", "seq", "mac", "at")


@program.group(cls=Program)
def audit() -> None:
    """The audit log. 操作日志。"""


@audit.command("verify")
@click.option("--corp", "corp_id", metavar="CORP_ID", help="One corp's id at its host [all of them].")
@click.option(
    "--anchors",
    "anchors_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Anchors kept elsewhere: JSON lines, also straight from the logs [audit/anchors.jsonl in data_dir].",
)
@with_settings
def verify(settings: "Settings", corp_id: str | None, anchors_file: Path | None) -> int:
    """Check that no event was changed, left out, moved or cut off. 校验操作日志。

    Exits 1 and names the first bad record when a chain does not hold.
    """
    with unit_of_work(settings):
        from wsapp.crm.audit.chain import verify as check
        from wsapp.crm.org.queries import corps
        from wsapp.db import corp_scope, reading

        found = [one for one in corps() if corp_id in (None, one.host_corp_id)]
        if not found:
            raise Failed(f"--corp: no corp {corp_id} is connected")
        anchors = _read(anchors_file or settings.server.data_dir / "audit" / "anchors.jsonl")
        broken = False
        for one in found:
            with reading(), corp_scope(one.id):
                report = check([anchor for anchor in anchors if anchor.corp == one.host_corp_id])
            if report.bad is None:
                click.echo(f"{one.host_corp_id}: {report.count} records hold, {report.first} to {report.last}.")
            else:
                click.echo(f"{one.host_corp_id}: broken at {report.bad}: {report.why}.", err=True)
                broken = True
    return FAILED if broken else 0


def _read(path: Path) -> "list[Anchor]":
    from wsapp.crm.audit.chain import Anchor, is_genuine

    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        data = _data(line)
        if data is None:
            continue
        signature = str(data.get("signature") or data.get("sign") or "")
        one = Anchor(data["corp"], data["seq"], data["mac"], data["at"], signature)
        if not is_genuine(one):
            raise Failed(f"{path}, line {number}: this anchor was not signed here, or was changed")
        found.append(one)
    return found


def _data(line: str) -> dict[str, Any] | None:
    """Return the anchor of a line; None for a line of the log that is about something else."""
    try:
        data = json.loads(line)
    except ValueError:
        return None
    return data if isinstance(data, dict) and all(name in data for name in FIELDS) else None
