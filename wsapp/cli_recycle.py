"""The command `recycle`: run the pools' recycling now, or print what it would move and why."""

import sys
from typing import TYPE_CHECKING, Any

import click

from wsapp.cli import program, with_settings
from wsapp.cli_corps import corp_at, unit_of_work

if TYPE_CHECKING:
    from wsapp.config import Settings


@program.command()
@click.option("--corp", "corp_id", metavar="CORP_ID", help="The corp's id at its host [all].")
@click.option("--dry-run", is_flag=True, help="Print what would move and why, and change nothing.")
@with_settings
def recycle(settings: "Settings", corp_id: str | None, dry_run: bool) -> None:
    """Run the pools' recycling now, in the way it runs every night. 立即执行公海回收。

    A customer moves only after its owner was warned: what is due and was not, is warned of now. May be stopped and
    started again.
    """
    with unit_of_work(settings):
        from wsapp.crm.org.queries import corps
        from wsapp.db import db

        for host_corp_id in [corp_id] if corp_id else [one.host_corp_id for one in corps()]:
            with corp_at(host_corp_id) as found:
                (_foretell if dry_run else _run)(found)
            db.session.rollback()


def _foretell(corp: Any) -> None:
    from wsapp.crm.org.queries import names
    from wsapp.crm.pools.clocks import today
    from wsapp.crm.pools.recycling import foretell
    from wsapp.crm.pools.terms import rulebook
    from wsapp.crm.pools.words import why
    from wsapp.db import reading

    moves = warnings = 0
    with reading():
        for row, one, fate, pool in foretell(rulebook(), today()):
            owner = names([row.owner_id]).get(row.owner_id, row.owner_id)
            if fate.lead is not None:
                warnings += 1
                click.echo(f"warn\t{row.id}\t{row.name}\t{owner}\t{fate.on}\t{why(one)}")
            elif pool is not None:
                moves += 1
                click.echo(f"move\t{row.id}\t{row.name}\t{owner} → {pool.name}\t{fate.on}\t{why(one)}")
    click.echo(f"{corp.name}: {moves} customers would move, owners would be warned of {warnings}.")


def _run(corp: Any) -> None:
    from wsapp.crm.pools.clocks import today
    from wsapp.crm.pools.models import SORTING, RecycleRun
    from wsapp.crm.pools.recycling import LOT, begin_run, candidates, go_on
    from wsapp.crm.pools.terms import rulebook
    from wsapp.db import current_corp, db

    run = begin_run(again=True)
    if run is None:
        click.echo(f"{corp.name}: recycling is switched off.")
        return
    run_id, moved, warned = run.id, run.moved, run.warned
    db.session.commit()
    with click.progressbar(length=candidates(rulebook(), today()), label=corp.name, file=sys.stderr) as bar:
        more = True
        while more:
            more = go_on(run_id)
            db.session.commit()
            run = db.session.get_one(RecycleRun, (current_corp(), run_id))
            if run.state == SORTING:
                bar.update(LOT)
            db.session.expunge_all()
    click.echo(f"{corp.name}: {run.moved - moved} customers moved, owners warned of {run.warned - warned}.")
