"""The command `corp sync`: read a corp's whole directory now, with progress, whether or not a worker runs."""

import secrets
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from wsapp.cli import Failed, with_settings
from wsapp.cli_corps import corp, corp_at, unit_of_work

if TYPE_CHECKING:
    from wsapp.config import Settings
    from wsapp.crm.org.models import DirectoryRun

SLICE = 1.0  # seconds between two lines of progress
PATIENCE = 4  # times in a row that the host may ask for a rest
LONGEST_REST = 15.0  # seconds


@corp.command("sync")
@click.argument("corp_id")
@click.option("--accept-leavers", is_flag=True, help="Go on even when more than a fifth of the members would leave.")
@with_settings
def corp_sync(settings: "Settings", corp_id: str, accept_leavers: bool) -> None:
    """Read the directory of the corp CORP_ID now. 立即同步通讯录。

    Prints the number of members. Exits 1 when the host shows nobody, or when more than a fifth would leave.
    """
    with unit_of_work(settings), corp_at(corp_id) as found:
        name = found.name
        run = sync_now(found, accept_leavers=accept_leavers, tell=_tell)
        click.echo(file=sys.stderr)
        _judge(run, corp_id)
        click.echo(
            f"{name}: {run.people} members, {run.departments} departments, {run.roots} roots visible; "
            f"{run.joined} new, {run.returned} back, {run.leavers} left."
        )


def _tell(run: "DirectoryRun") -> None:
    line = f"{run.stage}: {run.departments_read}/{run.departments} departments, {run.people} people, {run.calls} calls"
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{line}", nl=False, err=True)
    else:
        click.echo(line, err=True)


def _judge(run: "DirectoryRun", corp_id: str) -> None:
    """Raise Failed when a run did not end well, in words that say what to do."""
    if run.state == "asking":
        raise Failed(
            f"{corp_id}: {run.leavers} of {run.known} members would leave, so nobody was marked; check the app's "
            "visible range, then run it again with --accept-leavers"
        )
    if run.code == "empty":
        raise Failed(f"{corp_id}: the host shows no members at all; check the app's visible range")
    if run.state != "done":
        raise Failed(f"{corp_id}: {run.code} {run.reason}".strip())


def sync_now(corp: Any, *, accept_leavers: bool, tell: "Callable[[DirectoryRun], None]") -> "DirectoryRun":
    """Run a synchronisation to its end, or look on while a worker does; returns the run. Commits.

    Raises Failed when the host does not answer, again and again: a worker goes on with it later.
    """
    from wsapp import hosts
    from wsapp.connectors.base import TryLater
    from wsapp.crm.org import directory
    from wsapp.db import db
    from wsapp.jobs.directory import Walker, begin

    connector = hosts.lines().of(corp)
    run_id = begin("command", accept_leavers=accept_leavers).id
    db.session.commit()
    walker = Walker(corp, connector, run_id, f"command:{secrets.token_hex(12)}")
    rests = 0
    while True:
        wait = SLICE
        if walker.take():
            try:
                walker.go_on(SLICE)
                wait, rests = 0.0, 0
            except directory.HoldLost:
                db.session.rollback()
            except TryLater as error:
                rests += 1
                wait = min(LONGEST_REST, max(1.0, error.after))
                walker.give_back()
                if rests > PATIENCE:
                    raise Failed(f"the host does not answer ({error})") from None
        run = directory.find(run_id)
        assert run is not None  # runs are kept
        db.session.commit()
        tell(run)
        if run.state != directory.RUNNING:
            return run
        time.sleep(wait)
