"""The command `search rebuild`: write the search index anew for what is there, with progress."""

import sys
from typing import TYPE_CHECKING

import click

from wsapp.cli import Program, program, with_settings
from wsapp.cli_corps import corp_at, unit_of_work

if TYPE_CHECKING:
    from wsapp.config import Settings


@program.group(cls=Program)
def search() -> None:
    """The search index. 搜索索引。"""


@search.command("rebuild")
@click.option("--corp", "corp_id", help="The corp's id at its host [all].")
@with_settings
def search_rebuild(settings: "Settings", corp_id: str | None) -> None:
    """Put into the index what is missing or different. May be stopped and started again. 重建搜索索引。"""
    with unit_of_work(settings):
        from wsapp.crm.org.queries import corps

        for host_corp_id in [corp_id] if corp_id else [one.host_corp_id for one in corps()]:
            with corp_at(host_corp_id) as found:
                click.echo(f"{found.name}: {_rebuild(found.name)} records are in the index.")


def _rebuild(name: str) -> int:
    from wsapp.crm.search import building
    from wsapp.crm.search.sounds import keep_readings
    from wsapp.db import db, gather_statistics

    keep_readings()
    db.session.commit()
    with click.progressbar(length=building.records_count(), label=name, file=sys.stderr) as bar:
        following: tuple[str, str, int] | None = (building.ORDER[0], "", 0)
        while following is not None:
            following = building.build_next(following[0], following[1], spell=True)
            db.session.commit()
            db.session.expunge_all()
            bar.update(following[2] if following else 0)
    gather_statistics()
    db.session.commit()
    return building.entries_count()
