"""The command `doctor`: every set-up check on the terminal or as JSON; exit 1 when any fails."""

import json
from typing import TYPE_CHECKING, Any

import click

from wsapp.cli import FAILED, program, with_settings
from wsapp.cli_corps import corp_at, unit_of_work

if TYPE_CHECKING:
    from wsapp.config import Settings
    from wsapp.doctor import Finding

MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red"), "skip": ("-", "bright_black")}
OWN = "own."
TEXTS = ("title", "evidence", "fix", "place")


@program.command()
@click.option("--corp", "corp_id", metavar="CORP_ID", help="One corp's id at its host [all of them].")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--no-message", is_flag=True, help="Send no test message to the administrator.")
@click.option("--lang", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="Of the table.")
@with_settings
def doctor(settings: "Settings", corp_id: str | None, as_json: bool, no_message: bool, lang: str) -> int:
    """Check the installation and each corp's set-up, and say how to mend it. 安装体检。

    Exits 1 when any check fails.
    """
    with unit_of_work(settings):
        reports = _reports(corp_id, sends=not no_message)
        found = [one for report in reports for one in report["checks"]]
        failed = [one for one in found if one["state"] == "fail"]
        if as_json:
            click.echo(json.dumps({"ok": not failed, "checks": _flat(reports)}, ensure_ascii=False, indent=2))
        else:
            for report in reports:
                _show(report, lang)
    return FAILED if failed else 0


def _reports(corp_id: str | None, *, sends: bool) -> list[dict[str, Any]]:
    """Return a report for the installation and one for each corp: {"corp", "host", "name", "checks"}."""
    from wsapp.crm.org.queries import corps
    from wsapp.db import corp_scope, db

    if corp_id is not None:
        with corp_at(corp_id) as corp:
            return [_of_installation(), _of_corp(corp, sends)]
    found = [one for one in corps() if one.enabled]
    reports = [_of_installation()]
    for corp in found:
        with corp_scope(corp.id):
            reports.append(_of_corp(corp, sends))
        db.session.rollback()
    return reports


def _of_installation() -> dict[str, Any]:
    from wsapp.doctor import examine

    return _report("", "", "wsapp", examine(None))


def _of_corp(corp: Any, sends: bool) -> dict[str, Any]:
    from wsapp.doctor import examine
    from wsapp.doctor.rounds import with_last_good

    corp_id, host, host_corp_id, name = corp.id, corp.host, corp.host_corp_id, corp.name
    found = with_last_good(corp_id, examine(corp, sends=sends))
    return _report(host_corp_id, host, name, [one for one in found if not one.check.startswith(OWN)])


def _report(corp_id: str, host: str, name: str, found: "list[Finding]") -> dict[str, Any]:
    return {"corp": corp_id, "host": host, "name": name, "checks": [one.as_data() for one in found]}


def _flat(reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every check of every report with its corp; texts as {"zh", "en"}."""
    rows = []
    for report in reports:
        for one in report["checks"]:
            texts = {name: {"zh": one[f"{name}_zh"], "en": one[f"{name}_en"]} for name in TEXTS}
            plain = {name: value for name, value in one.items() if not name.endswith(("_zh", "_en"))}
            rows.append({"corp": report["corp"], "host": report["host"], **plain, **texts})
    return rows


def _show(report: dict[str, Any], lang: str) -> None:
    click.secho(f"{report['name']} {report['host']} {report['corp']}".rstrip(), bold=True)
    for one in report["checks"]:
        mark, colour = MARKS[one["state"]]
        code = f" [{one['code']}]" if one["code"] else ""
        evidence = f" · {one[f'evidence_{lang}']}" if one[f"evidence_{lang}"] else ""
        click.echo(click.style(f"  {mark} {one['state']:<4} ", fg=colour) + f"{one[f'title_{lang}']}{code}{evidence}")
        if one["state"] in ("warn", "fail"):
            place = f"（{one[f'place_{lang}']}）" if one[f"place_{lang}"] else ""
            click.echo(f"           → {one[f'fix_{lang}']}{place}")
            if one["lookup"]:
                click.echo(f"             {one['lookup']}")
    click.echo()
