"""Large corps: 3,000 people always, 30,000 at length; calls counted at the host, memory measured."""

import tracemalloc
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.jobs.town import Town, large, town
from wsapp.crm.org.models import DirectoryStep, Membership
from wsapp.db import db

MEGABYTE = 1024 * 1024
HOSTS = ["wecom", "dingtalk"]


def _is_whole(firm: Town) -> None:
    """Everybody is there, with all departments and leaderships, and nothing is left to do."""
    assert set(firm.statuses().items()) == {(userid, "active") for userid in firm.layout.people}
    memberships = {
        (userid, str(one), one in row.get("leads", ()))
        for userid, row in firm.layout.people.items()
        for one in row["departments"]
    }
    assert firm.memberships() == memberships
    assert db.session.scalar(sa.select(sa.func.count()).select_from(DirectoryStep)) == 0
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Membership)) == len(memberships)


@pytest.mark.parametrize("host", HOSTS)
def test_three_thousand_people_in_the_fewest_calls(host: str, database_url: str, tmp_path: Path) -> None:
    with town(host, large(3000), database_url, tmp_path / "data") as firm:
        run = firm.sync()
        assert (run.state, run.people, run.departments) == ("done", 3000, 100)
        assert firm.calls() <= firm.fewest_calls() * 1.05
        _is_whole(firm)


@pytest.mark.parametrize("host", ["wecom"])
def test_a_department_of_three_thousand_comes_as_one_answer_and_goes_in_by_lots(
    host: str, database_url: str, tmp_path: Path
) -> None:
    layout = large(3000)
    for row in layout.people.values():
        row["departments"], row["leads"] = [1], []
    with town(host, layout, database_url, tmp_path / "data") as firm:
        run = firm.sync()
        assert (run.state, run.people) == ("done", 3000)
        assert firm.calls() == firm.fewest_calls()


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("host", HOSTS)
def test_thirty_thousand_people_in_bounded_memory(host: str, database_url: str, tmp_path: Path) -> None:
    """What a run holds at a time does not grow with the corp: the emulator's own people are there before the count."""
    with town(host, large(30_000), database_url, tmp_path / "data") as firm:
        run_id = firm.begin()
        tracemalloc.start()
        try:
            firm.work()
            _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        run = firm.run(run_id)
        assert (run.state, run.people, run.departments) == ("done", 30_000, 1000)
        assert firm.calls() <= firm.fewest_calls() * 1.05
        assert peak < 64 * MEGABYTE
        _is_whole(firm)
        again = firm.sync()
        assert (again.state, again.joined, again.leavers) == ("done", 0, 0)
