"""/reports: work reports over REST, to read."""

from collections.abc import Callable

from flask import Flask

from tests.api.conftest import Rest
from tests.cast import Cast
from wsapp.crm.org.models import Member
from wsapp.crm.reports.actions import hand_in
from wsapp.crm.reports.queries import current
from wsapp.db import corp_scope, db


def test_reports_are_read_by_who_may(
    app: Flask, cast: Cast, rest: Callable[..., Rest], ali: Member, bob: Member, cha: Member
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        values = {"kind": "day", "day": current("day"), "summary": "谈成一单"}
        report = hand_in(values, actor=db.session.merge(ali))
        report_id, day = report.id, report.day.isoformat()
        db.session.commit()
    boss = rest(bob)
    found = boss.get(f"/reports/{report_id}").get_json()
    assert (found["author"], found["kind"], found["day"], found["summary"]) == ("ali", "day", day, "谈成一单")
    assert found["figures"]["visits"] == 0
    assert found["readers"] == [{"member": "bob", "copied": False, "read_at": None}]  # reading here is not that
    assert boss.items(f"/reports?author=ali&kind=day&day={day}") == [found]
    assert boss.items("/reports?kind=week") == []
    assert boss.get("/reports?day=gestern").status_code == 422
    assert rest(cha).items("/reports") == []
    assert rest(cha).get(f"/reports/{report_id}").status_code == 404
