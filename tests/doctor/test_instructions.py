"""The tables of codes: whole, in two languages, and shown wherever an administrator meets a code."""

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.doctor.conftest import Clinic
from wsapp import clock
from wsapp.connectors import connector_classes
from wsapp.connectors.base import Refused
from wsapp.connectors.checks import Result
from wsapp.connectors.dingtalk import codes as dingtalk_codes
from wsapp.connectors.dingtalk.instructions import INSTRUCTIONS as DINGTALK
from wsapp.connectors.wecom import codes as wecom_codes
from wsapp.connectors.wecom.instructions import INSTRUCTIONS as WECOM
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Corp, Member
from wsapp.db import corp_scope, db, first
from wsapp.doctor import plan
from wsapp.doctor.findings import of_error, said_by_host
from wsapp.texts import speaking

KINDS = connector_classes()


def test_every_code_that_the_program_acts_on_for_an_administrator_has_an_instruction() -> None:
    acted = {str(code) for code, rule in wecom_codes.CODES.items() if rule.verdict.name in ("CREDENTIALS", "RANGE")}
    assert not acted - WECOM.keys()
    acted = {code for code, kind in dingtalk_codes.REACTIONS.items() if kind.kind == "credentials"}
    assert not acted - DINGTALK.keys()


def test_instructions_name_checks_that_exist(inside: Clinic) -> None:
    from wsapp import hosts

    for host, table in (("wecom", WECOM), ("dingtalk", DINGTALK)):
        keys = {one.key for one in plan(hosts.lines().of(inside.corp(host)))}
        assert {one.check for one in table.values()} - {""} <= keys
        assert all(set(one.needs) <= keys for one in plan(hosts.lines().of(inside.corp(host))))


def test_everything_is_said_in_english_as_well(inside: Clinic) -> None:
    from wsapp import hosts

    texts = [one.fix for table in (WECOM, DINGTALK) for one in table.values()]
    texts += [one.place for table in (WECOM, DINGTALK) for one in table.values()]
    for host in KINDS:
        for check in plan(hosts.lines().of(inside.corp(host))):
            texts += [check.title, check.place]
    with speaking("en"):
        said = {str(text) for text in texts}
    chinese = [one for one in said if re.fullmatch(r"[^A-Za-z]+", one) and re.search(r"[\u4e00-\u9fff]", one)]
    assert not chinese


def test_an_unknown_code_comes_with_the_hosts_words_and_where_to_look_it_up() -> None:
    for host, kind in KINDS.items():
        error = Refused("refused", code="987654")
        error.told("something new", "req-1")
        result: Result = of_error(error, kind)
        assert (result.state, result.code) == ("fail", "987654")
        assert "something new" in str(result.evidence)
        assert "req-1" in str(result.evidence)
        told = said_by_host(kind, "987654")
        assert "987654" in told["lookup"], host
        assert str(told["fix"])


def test_the_ledger_and_the_overview_say_what_to_do(
    cast: Cast, guan: Member, sign_in: Callable[..., FlaskClient]
) -> None:
    with cast.app.app_context(), corp_scope(cast.corp_id):
        owner = db.session.merge(guan)
        card = {"title": "催一催报价", "text": "", "lines": [], "url": "", "buttons": [], "source": "", "state": ""}
        tell(owner, "task.due", card, key="dropped", subject_id="x")
        db.session.flush()
        dropped = first(db.select(Notification).where(Notification.key == "dropped"))
        dropped.state, dropped.host_code, dropped.settled_at = "dropped", "81013", clock.now()
        corp = db.session.get_one(Corp, cast.corp_id)
        corp.fault = "60020 our IP is not among the corp's trusted IPs"
        db.session.commit()
    client = sign_in(guan)
    assert "请在可见范围中加入" in client.get("/admin/deliveries").text
    overview = client.get("/admin/").text
    assert "企业可信 IP" in overview
    assert 'href="/admin/doctor"' in overview


@pytest.mark.parametrize("host", ["wecom", "dingtalk"])
def test_there_are_about_thirty_checks_a_host(inside: Clinic, host: str) -> None:
    from wsapp import hosts

    checks = plan(hosts.lines().of(inside.corp(host)))
    keys = [one.key for one in checks]
    assert len(keys) == len(set(keys))
    assert len(keys) >= 30
