"""Secrets change while the host goes on calling: nothing valid is refused, and after a day the old ones are dead."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from tests.admin.conftest import DINGTALK, WECOM, Wizard
from wsapp import clock, connecting, hosts
from wsapp.connectors.dingtalk.crypto import robot_signature
from wsapp.connectors.dingtalk.emulator_world import Subscription
from wsapp.connectors.emulator import RunningEmulator
from wsapp.connectors.wecom.emulator_callbacks import event_xml, sealed
from wsapp.connectors.wecom.emulator_org import Door
from wsapp.crm.org.models import Corp, HostToken
from wsapp.crm.org.queries import corps
from wsapp.crm.org.setups import forget_former
from wsapp.db import db, first

Push = Callable[[dict[str, str]], int]

WAYS = ("wecom", "dingtalk", "robot")
THREADS = 3
AT_LEAST = 40  # callbacks before and after each change


def push_wecom(app: Flask, emulator: Any, values: dict[str, str]) -> int:
    """Seal an event as the host does with these values and push it; the status of our answer."""
    corp_id, at = WECOM["corp_id"], emulator.clock.time()
    door = Door("", values["callback_token"], values["callback_aes_key"])
    query, body = sealed(door, corp_id, event_xml(corp_id, "sys", at, "enter_agent", ""), 1000002, at)
    answer = app.test_client().post(f"/callbacks/wecom/{corp_id}/app", query_string=query, data=body)
    return answer.status_code


def push_dingtalk(app: Flask, emulator: Any, values: dict[str, str]) -> int:
    owner = Subscription("", values["callback_token"], values["callback_aes_key"], DINGTALK["client_id"])
    query, body = emulator.events.seal(owner, {"EventType": "check_url"})
    path = f"/callbacks/dingtalk/{DINGTALK['corp_id']}"
    answer = app.test_client().post(path, query_string=query, data=body, content_type="application/json")
    return answer.status_code


def push_robot(app: Flask, emulator: Any, values: dict[str, str]) -> int:
    """A message to the robot, which the app's own secret signs."""
    stamp = str(int(emulator.clock.time() * 1000))
    headers = {"timestamp": stamp, "sign": robot_signature(values["client_secret"], stamp)}
    number = next(_numbers)
    body = {"msgId": f"m{number}", "text": {"content": ""}, "conversationType": "1"}
    path = f"/callbacks/dingtalk/{DINGTALK['corp_id']}/robot"
    return app.test_client().post(path, json=body, headers=headers).status_code


_numbers = iter(range(1, 10**9))
PUSHES: dict[str, Callable[[Flask, Any, dict[str, str]], int]] = {
    "wecom": push_wecom,
    "dingtalk": push_dingtalk,
    "robot": push_robot,
}


@dataclass
class Stream:
    """Callbacks without a pause, from several threads, with the values that the host's console holds by now."""

    push: Push
    values: dict[str, str]

    def __post_init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.changed = threading.Condition()
        self.over = False

    def run(self) -> None:
        while not self.over:
            status = self.push(self.values)
            with self.changed:
                self.statuses[status] += 1
                self.changed.notify_all()

    def wait_for_more(self) -> None:
        """Let some callbacks pass that began after now."""
        with self.changed:
            wanted = sum(self.statuses.values()) + AT_LEAST
            assert self.changed.wait_for(lambda: sum(self.statuses.values()) >= wanted, timeout=60)


@contextmanager
def streaming(push: Push, values: dict[str, str]) -> Iterator[Stream]:
    stream = Stream(push, values)
    threads = [threading.Thread(target=stream.run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield stream
    finally:
        stream.over = True
        for thread in threads:
            thread.join(60)


def present(app: Flask, host: str) -> dict[str, str]:
    with app.app_context():
        return hosts.open_credentials(next(one for one in corps() if one.host == host))


def connect(wizard: Wizard, host: str) -> None:
    wizard.begin(host)
    answer = wizard.save("app", **(WECOM if host == "wecom" else DINGTALK))
    assert answer.status_code == 303, answer.text


@pytest.mark.parametrize("way", WAYS)
def test_no_valid_callback_is_refused_while_secrets_change(
    wizard: Wizard, wecom: RunningEmulator, dingtalk: RunningEmulator, way: str
) -> None:
    host = "wecom" if way == "wecom" else "dingtalk"
    emulator = (wecom if host == "wecom" else dingtalk).emulator
    connect(wizard, host)
    with streaming(lambda values: PUSHES[way](wizard.app, emulator, values), present(wizard.app, host)) as stream:
        stream.wait_for_more()
        if way == "robot":
            next(iter(emulator.world.apps.values())).client_secret = "fresh-" + "s" * 40
            answer = wizard.save("app", **{**DINGTALK, "client_secret": "fresh-" + "s" * 40})
        else:
            answer = wizard.post(f"{wizard.url}/{'callback' if way == 'wecom' else 'events'}/renewal")
        assert answer.status_code == 303, answer.text
        stream.wait_for_more()  # the host still signs with the old values
        stream.values = present(wizard.app, host)
        stream.wait_for_more()
    assert set(stream.statuses) == {200}


def test_after_a_day_the_old_values_are_dead(wizard: Wizard, wecom: RunningEmulator) -> None:
    connect(wizard, "wecom")
    old = present(wizard.app, "wecom")
    assert wizard.post(f"{wizard.url}/callback/renewal").status_code == 303
    fresh = present(wizard.app, "wecom")
    assert old["callback_token"] != fresh["callback_token"]
    mixed = {**old, "callback_token": fresh["callback_token"]}
    for values in (old, fresh, mixed):
        assert push_wecom(wizard.app, wecom.emulator, values) == 200
    for hours, alive in ((23, 200), (25, 403)):
        with time_machine.travel(clock.wall() + timedelta(hours=hours)):
            assert push_wecom(wizard.app, wecom.emulator, old) == alive
            assert push_wecom(wizard.app, wecom.emulator, fresh) == 200
    with wizard.app.app_context():
        forget_former(clock.now() + timedelta(hours=25))
        db.session.commit()
        assert corps()[0].former is None
        assert corps()[0].former_until is None


def test_the_console_says_until_when_the_old_values_hold(wizard: Wizard) -> None:
    connect(wizard, "wecom")
    wizard.post(f"{wizard.url}/callback/renewal")
    with wizard.app.app_context():
        corp = corps()[0]
        dates = hosts.former_dates(corp)
        assert set(dates) == {"callback_token", "callback_aes_key"}
        assert all(until - at == hosts.OVERLAP for at, until in dates.values())
        assert "callback_token" not in (corp.former or "")


def test_a_wrong_new_secret_changes_nothing(wizard: Wizard, wecom: RunningEmulator) -> None:
    connect(wizard, "wecom")
    before = present(wizard.app, "wecom")
    again = {**WECOM, "app_secret": "wrong-secret-0123456789"}
    assert wizard.save("app", **again).status_code == 422
    assert present(wizard.app, "wecom") == before


def test_a_right_new_secret_clears_the_fault_and_the_circuit(wizard: Wizard, wecom: RunningEmulator) -> None:
    connect(wizard, "wecom")
    with wizard.app.app_context():
        corp = db.session.get_one(Corp, corps()[0].id)
        corp.fault = "40001 app secret wrong"
        blocked = clock.now() + timedelta(hours=1)
        db.session.add(HostToken(corp_id=corp.id, kind="app", failures=2, blocked_until=blocked))
        db.session.commit()
    next(iter(wecom.emulator.corps[WECOM["corp_id"]].apps.values())).secret = "brand-new-secret-0123456789"
    answer = wizard.save("app", **{**WECOM, "app_secret": "brand-new-secret-0123456789"})
    assert answer.status_code == 303, answer.text
    with wizard.app.app_context():
        corp = corps()[0]
        assert corp.fault is None
        assert first(HostToken.__table__.select().with_only_columns(HostToken.kind)) is None
        db.session.commit()
        assert hosts.lines().of(corp).person("WangJianGuo").name == "王建国"


def test_values_changed_in_the_settings_file_overlap_as_well(bare: Flask, wecom: RunningEmulator) -> None:
    from dataclasses import replace

    from wsapp.config import CorpSettings

    house = bare.extensions["wsapp"]

    def start(**values: str) -> None:
        given = {"agent_id": WECOM["agent_id"], "app_secret": WECOM["app_secret"], **values}
        corp = CorpSettings("森林木业", "wecom", WECOM["corp_id"], given)
        house.settings = replace(house.settings, corps=(corp,))
        with bare.app_context():
            hosts.connect_configured_corps()

    old = {"callback_token": "oldToken", "callback_aes_key": "o" * 43}
    fresh = {"callback_token": "newToken", "callback_aes_key": "n" * 43}
    start(**old)
    start(**fresh)
    for values in (old, fresh):
        assert push_wecom(bare, wecom.emulator, values) == 200
    start(**fresh)  # a restart without a change keeps the end of the old ones
    assert push_wecom(bare, wecom.emulator, old) == 200


def test_other_processes_see_new_values_without_a_restart(
    wizard: Wizard, wecom: RunningEmulator, database_url: str
) -> None:
    """A second process of the installation has made its connector; it is made anew when the values change."""
    from wsapp.app import create_app

    other = create_app(wizard.app.extensions["wsapp"].settings)
    try:
        connect(wizard, "wecom")
        assert push_wecom(other, wecom.emulator, present(wizard.app, "wecom")) == 200
        wizard.post(f"{wizard.url}/callback/renewal")
        assert push_wecom(other, wecom.emulator, present(wizard.app, "wecom")) == 200
    finally:
        with other.app_context():
            db.session.remove()
            db.engine.dispose()


def test_made_values_fit_what_the_hosts_take() -> None:
    import re

    from wsapp.connectors import connector_classes

    for kind in connector_classes().values():
        for one in kind.credential_fields:
            if one.made:
                made = {connecting.make(one) for _try in range(50)}
                assert len(made) == 50
                assert all(re.fullmatch(one.pattern, text) for text in made)
