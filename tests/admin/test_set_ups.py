"""The wizard: from nothing to a connected corp, wrong values named at once, nothing typed lost, no secret shown."""

import time
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.admin.conftest import DINGTALK, WECOM, Wizard
from tests.cast import Cast
from tests.h5.test_queries import statements
from wsapp import arrivals, clock, hosts
from wsapp.connecting import Draft
from wsapp.connectors import connector_classes
from wsapp.connectors.emulator import Fault, RunningEmulator
from wsapp.crm.org.models import CorpSetUp, Member
from wsapp.crm.org.queries import corps
from wsapp.db import db, rows

FILE = {"file_name": "WW_verify_aBcD1234EfGh5678.txt", "file_content": "aBcD1234EfGh5678"}


def connected(app: Flask) -> dict[str, dict[str, str]]:
    with app.app_context():
        return {one.host: hosts.open_credentials(one) for one in corps()}


@pytest.mark.parametrize(("host", "values"), [("wecom", WECOM), ("dingtalk", DINGTALK)])
def test_the_first_page_connects_a_corp_with_values_that_we_make(
    wizard: Wizard, host: str, values: dict[str, str]
) -> None:
    wizard.begin(host)
    answer = wizard.save("app", **values)
    assert answer.status_code == 303, answer.text
    found = connected(wizard.app)[host]
    assert {key: found[key] for key in values if key in found} == {
        key: value for key, value in values.items() if key in found
    }
    assert len(found["callback_aes_key"]) == 43
    events = "callback" if host == "wecom" else "events"
    page = wizard.page(events)
    assert found["callback_token"] in page
    assert found["callback_aes_key"] in page
    assert f"http://127.0.0.1:8000/callbacks/{host}/{values['corp_id']}" in page


def test_no_host_asks_for_more_than_seven_typed_values() -> None:
    for host, kind in connector_classes().items():
        typed = [one.key for one in kind.credential_fields if one.is_typed]
        files = sum(1 for step in kind.set_up_steps if step.file)
        assert len(typed) + files + len(("corp_id", "name")) <= 7, host


def test_every_field_stands_on_a_step_and_every_step_says_where() -> None:
    for kind in connector_classes().values():
        steps = {step.key for step in kind.set_up_steps}
        assert {one.step for one in kind.credential_fields} <= steps
        assert all(step.place for step in kind.set_up_steps)


WRONG = [
    ("wecom", {"corp_id": "ww0000000000000000"}, "corp_id", "企业 ID 不对"),
    ("wecom", {"app_secret": "wrong-secret-wrong-secret"}, "app_secret", "Secret"),
    ("wecom", {"agent_id": "1000009"}, "agent_id", "AgentId"),
    ("wecom", {"agent_id": "abc"}, "agent_id", "格式不对"),
    ("wecom", {"corp_id": ""}, "corp_id", "请填写"),
    ("dingtalk", {"client_secret": "wrong-secret-wrong-secret"}, "client_secret", "Client Secret"),
    ("dingtalk", {"client_id": "dingwrongwrongwrong"}, "client_secret", "Client ID"),
    ("dingtalk", {"corp_id": "ding00000000000000"}, "corp_id", "CorpId"),
    ("dingtalk", {"agent_id": "1"}, "agent_id", "AgentId"),
]


@pytest.mark.parametrize(("host", "wrong", "field", "words"), WRONG)
def test_a_wrong_value_is_named_and_nothing_typed_is_lost(
    wizard: Wizard, host: str, wrong: dict[str, str], field: str, words: str
) -> None:
    values = {**(WECOM if host == "wecom" else DINGTALK), **wrong}
    wizard.begin(host)
    answer = wizard.save("app", **values)
    assert answer.status_code == 422
    assert f'id="f-{field}-error"' in answer.text
    assert words in answer.text.split(f'id="f-{field}-error"')[1][:400]
    assert values["name"] in answer.text
    secret = values.get("app_secret") or values["client_secret"]
    assert secret not in answer.text
    assert connected(wizard.app) == {}
    right = WECOM if host == "wecom" else DINGTALK
    kept = {key: "" if "secret" in key else value for key, value in values.items()}
    assert wizard.save("app", **{**kept, **{key: right[key] for key in wrong}}).status_code == 303


def test_the_host_is_asked_while_the_page_is_filled_in(wizard: Wizard, wecom: RunningEmulator) -> None:
    wizard.begin("wecom")
    assert "已确认" not in wizard.check("app", corp_id=WECOM["corp_id"])
    assert wecom.emulator.call_counts == {}
    told = wizard.check("app", **{**WECOM, "app_secret": "wrong-secret-wrong-secret"})
    assert "应用 Secret：" in told
    assert "wrong-secret" not in told
    assert "已确认" in wizard.check("app", **WECOM)
    asked = wecom.emulator.call_counts["/cgi-bin/gettoken"]
    assert wizard.save("app", **WECOM).status_code == 303
    assert wecom.emulator.call_counts["/cgi-bin/gettoken"] == asked, "what was confirmed is not asked again"


def test_the_same_wrong_secret_is_not_sent_to_the_host_again(wizard: Wizard, wecom: RunningEmulator) -> None:
    wizard.begin("wecom")
    wrong = {**WECOM, "app_secret": "wrong-secret-wrong-secret"}
    for _try in range(5):
        assert wizard.save("app", **wrong).status_code == 422
    assert wecom.emulator.call_counts["/cgi-bin/gettoken"] == 1
    for number in range(30):
        assert wizard.save("app", **{**WECOM, "app_secret": f"wrong-secret-{number:04d}"}).status_code == 422
    assert wecom.emulator.call_counts["/cgi-bin/gettoken"] == 20
    assert "一小时内" in wizard.save("app", **WECOM).text


def test_a_host_that_hangs_is_given_up_before_the_person_gives_up(wizard: Wizard, wecom: RunningEmulator) -> None:
    wecom.emulator.faults.append(Fault("/cgi-bin/gettoken", "delay", options={"seconds": 20}))
    wizard.begin("wecom")
    began = time.monotonic()
    answer = wizard.save("app", **WECOM)
    assert time.monotonic() - began < 15
    assert answer.status_code == 422
    assert "没有回应" in answer.text
    assert wizard.save("app", **{**WECOM, "app_secret": ""}).status_code == 303, "the typed secret is still there"


def test_an_address_that_is_not_trusted_yet_is_no_fault_before_its_step(wizard: Wizard, wecom: RunningEmulator) -> None:
    app = next(iter(wecom.emulator.corps[WECOM["corp_id"]].apps.values()))
    app.ips = {"10.9.8.7": 0.0}
    wizard.begin("wecom")
    assert wizard.save("app", **WECOM).status_code == 303
    refused = wizard.save("ip")
    assert refused.status_code == 422
    assert "企业可信 IP" in refused.text
    assert "127.0.0.1" in refused.text, "the host's words say which address it saw"
    app.ips = {}
    assert wizard.save("ip").status_code == 303


def test_one_may_leave_and_come_back(wizard: Wizard) -> None:
    wizard.begin("wecom")
    wizard.check("app", corp_id=WECOM["corp_id"], name=WECOM["name"], app_secret="half-typed-secret")
    overview = wizard.client.get("/admin/corps").text
    assert WECOM["name"] in overview
    page = wizard.client.get(wizard.url, follow_redirects=True).text
    assert WECOM["corp_id"] in page
    assert "half-typed-secret" not in page
    assert "已填写" in page
    assert wizard.save("app", **{**WECOM, "corp_id": ""}).status_code == 422
    with wizard.app.app_context():
        sealed = rows(CorpSetUp.__table__.select().with_only_columns(CorpSetUp.sealed))
        assert not [one for one in sealed if "half-typed-secret" in one or WECOM["name"] in one]


def test_the_ownership_file_is_served_exactly(wizard: Wizard) -> None:
    wizard.begin("wecom")
    assert wizard.client.get("/WW_verify_aBcD1234EfGh5678.txt").status_code == 404
    wizard.save("app", **WECOM)
    assert wizard.post(f"{wizard.url}/domain/file", **FILE).status_code == 303
    answer = wizard.app.test_client().get("/WW_verify_aBcD1234EfGh5678.txt")
    assert (answer.status_code, answer.data) == (200, b"aBcD1234EfGh5678")
    assert answer.mimetype == "text/plain"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("verify.txt", "aBcD"),
        ("WW_verify_../../x.txt", "aBcD"),
        ("WW_verify_aBcD.html", "aBcD"),
        ("WW_verify_aBcD.txt", ""),
        ("WW_verify_aBcD.txt", "<script>alert(1)</script> x"),
        ("WW_verify_aBcD.txt", "a" * 500),
        ("WW_verify_aBcD.txt", "a\nb"),
    ],
)
def test_other_files_are_refused(wizard: Wizard, name: str, content: str) -> None:
    wizard.begin("wecom")
    wizard.save("app", **WECOM)
    answer = wizard.post(f"{wizard.url}/domain/file", file_name=name, file_content=content)
    assert answer.status_code == 422


def test_nobody_without_the_code_sees_the_wizard(wizard: Wizard) -> None:
    wizard.begin("wecom")
    wizard.save("app", **WECOM)
    stranger = wizard.app.test_client()
    for path in ("/admin/corps", wizard.url, f"{wizard.url}/callback", f"{wizard.url}/finish"):
        assert stranger.get(path).status_code == 302
    assert stranger.post("/admin/corps", data={"host": "wecom"}).status_code in (400, 401)


def test_a_corp_is_connected_once(wizard: Wizard) -> None:
    wizard.begin("wecom")
    wizard.save("app", **WECOM)
    wizard.begin("wecom")
    answer = wizard.save("app", **WECOM)
    assert answer.status_code == 422
    assert "已经接入" in answer.text
    assert len(connected(wizard.app)) == 1


def test_a_set_up_that_nobody_goes_on_with_is_forgotten(wizard: Wizard) -> None:
    from wsapp.crm.org.setups import forget_set_ups

    wizard.begin("wecom")
    with wizard.app.app_context():
        forget_set_ups(clock.now())
        db.session.commit()
        assert rows(CorpSetUp.__table__.select().with_only_columns(CorpSetUp.id)) == []


def test_a_corp_of_the_settings_takes_its_file_and_keeps_its_values(
    app: Flask, cast: Cast, guan: Member, sign_in: Callable[..., FlaskClient]
) -> None:
    client = sign_in(guan)
    page = client.get("/admin/corps")
    assert page.status_code == 200
    assert "测试企业" in page.text
    token = page.text.split('name="csrf-token" content="')[1].split('"')[0]
    answer = client.post("/admin/corps/file", data={"csrf_token": token, **FILE})
    assert answer.status_code == 303
    assert app.test_client().get(f"/{FILE['file_name']}").data == FILE["file_content"].encode()


def test_an_administrator_changes_their_own_corp_and_sees_no_other(
    app: Flask, cast: Cast, guan: Member, sign_in: Callable[..., FlaskClient]
) -> None:
    client, other = sign_in(guan), sign_in(cast.member("an"))
    token = client.get("/admin/corps").text.split('name="csrf-token" content="')[1].split('"')[0]
    began = client.post("/admin/corps", data={"csrf_token": token, "own": "1"})
    assert began.status_code == 303
    page = client.get(began.location, follow_redirects=True)
    assert page.status_code == 200
    assert "已填写，留空则不变" in page.text
    assert other.get(began.location).status_code == 404
    assert "set-ups" not in other.get("/admin/corps").text


def test_who_connects_another_corp_may_go_on_until_it_has_an_administrator(
    app: Flask, cast: Cast, guan: Member, sign_in: Callable[..., FlaskClient], wecom: RunningEmulator
) -> None:
    """The sample firm has no administrator yet. Once it has one, the set-up is theirs alone."""
    from wsapp.crm.org import setups
    from wsapp.crm.org.queries import corp_at_host

    with app.app_context():
        corp = corp_at_host("wecom", WECOM["corp_id"])
        assert corp
        row = setups.begin_set_up("wecom", actor=guan)
        row.connected_id = corp.id
        Draft(row).keep()
        db.session.commit()
        url = f"/admin/corps/set-ups/{row.id}/callback"
    client = sign_in(guan)
    assert client.get(url).status_code == 200
    with app.app_context():
        corp = corp_at_host("wecom", WECOM["corp_id"])
        assert corp
        db.session.rollback()
        member = arrivals.arrive(corp, "ZhaoMin")
        assert member.is_admin, "who leads the root is administrator"
    assert client.get(url).status_code == 404


def test_the_overview_costs_the_same_however_many_set_ups_wait(
    app: Flask, cast: Cast, guan: Member, sign_in: Callable[..., FlaskClient]
) -> None:
    client, counts = sign_in(guan), []
    for many in (1, 6):
        token = client.get("/admin/corps").text.split('name="csrf-token" content="')[1].split('"')[0]
        for _one in range(many):
            assert client.post("/admin/corps", data={"csrf_token": token, "host": "wecom"}).status_code == 303
        with statements(app) as seen:
            assert client.get("/admin/corps").status_code == 200
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 9, counts


def test_so_many_set_ups_wait_and_no_more(wizard: Wizard) -> None:
    from wsapp.crm.org.setups import MOST_OPEN

    for _one in range(MOST_OPEN):
        assert "/set-ups/" in wizard.post("/admin/corps", host="wecom").location
    assert wizard.post("/admin/corps", host="wecom").location == "/admin/corps"


def test_giving_up_forgets_what_was_typed(wizard: Wizard) -> None:
    wizard.begin("dingtalk")
    wizard.check("app", corp_id=DINGTALK["corp_id"])
    assert wizard.post(f"{wizard.url}/end").status_code == 303
    assert wizard.client.get(wizard.url).status_code == 404


def test_a_finished_set_up_shows_no_made_value_any_more(wizard: Wizard) -> None:
    wizard.begin("wecom")
    wizard.save("app", **WECOM)
    token = connected(wizard.app)["wecom"]["callback_token"]
    assert token in wizard.page("callback")
    wizard.post(f"{wizard.url}/end")
    with wizard.app.app_context():
        from wsapp.crm.org import setups

        row = setups.begin_set_up("wecom", actor=None, corp=corps()[0])
        Draft(row).keep()
        db.session.commit()
        wizard.url = f"/admin/corps/set-ups/{row.id}"
    page = wizard.page("callback")
    assert token not in page
    assert "不再显示" in page
