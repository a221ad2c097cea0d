"""Everything that the tests get wrong on purpose: how, and which check has to name it.

A mistake is made on a good installation (`Clinic.fresh`). What a mistake changes beyond the clinic's reach (files, the
process) it puts back through the exit stack.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa

from tests.doctor.conftest import Clinic
from tests.doctor.fronts import Authority, answering, changing, tls
from wsapp import clock, outbox
from wsapp.crm.org.models import OwnershipFile
from wsapp.db import db
from wsapp.outbox import Outbox

Deed = Callable[[Clinic, str, ExitStack], None]


@dataclass(frozen=True)
class Mistake:
    """`check` is the one that must fail first; `code` the host's code that it must show, where there is one."""

    name: str
    check: str
    deed: Deed
    code: str = ""


def _values(**values: str) -> Deed:
    return lambda clinic, host, stack: clinic.change(host, **values) and None


def _knobs(**knobs: Any) -> Deed:
    return lambda clinic, host, stack: clinic.emulators[host].knobs.update(knobs)


def _faults(api: str, fault: str, **options: Any) -> Deed:
    from wsapp.connectors.emulator import Fault

    def deed(clinic: Clinic, host: str, stack: ExitStack) -> None:
        clinic.emulators[host].faults.append(Fault(api, fault, times=1000, options=options))

    return deed


def _front(layer: Any) -> Deed:
    def deed(clinic: Clinic, host: str, stack: ExitStack) -> None:
        clinic.front.spoil = layer

    return deed


def app_of(clinic: Clinic, host: str) -> Any:
    """Return the emulated app, to be changed as in the host's console."""
    emulator = clinic.emulators[host]
    corp_id = clinic.org(host)["corps"][0]["corp_id"]
    corps = emulator.corps if host == "wecom" else emulator.world.corps
    return next(iter(corps[corp_id].apps.values()))


def _app(**values: Any) -> Deed:
    def deed(clinic: Clinic, host: str, stack: ExitStack) -> None:
        app = app_of(clinic, host)
        for name, value in values.items():
            setattr(app, name, value)

    return deed


# --- the installation, the same on both hosts ---------------------------------------------------------------------


def _public_url(clinic: Clinic, url: str, stack: ExitStack) -> None:
    """Run under another public address, with the hosts' consoles agreeing."""
    from dataclasses import replace

    house = clinic.app.extensions["wsapp"]
    before = house.settings
    house.settings = replace(before, server=replace(before.server, public_url=url))
    house.lines.made.clear()

    def back() -> None:
        house.settings = before
        house.lines.made.clear()

    stack.callback(back)


def _certificate(trusted: bool = True, **options: Any) -> Deed:
    def deed(clinic: Clinic, host: str, stack: ExitStack) -> None:
        authority = Authority(clinic.data_dir)
        if trusted:
            stack.enter_context(patch.dict(os.environ, SSL_CERT_FILE=str(authority.path)))
        url = stack.enter_context(tls(clinic.app, authority.issue(**options)))
        _public_url(clinic, url, stack)

    return deed


def _plain_http(clinic: Clinic, host: str, stack: ExitStack) -> None:
    _public_url(clinic, "http://crm.invalid", stack)


def _no_name(clinic: Clinic, host: str, stack: ExitStack) -> None:
    _public_url(clinic, "https://crm.invalid", stack)


def _nobody_there(clinic: Clinic, host: str, stack: ExitStack) -> None:
    _public_url(clinic, "http://127.0.0.1:9", stack)


def _open_key(clinic: Clinic, host: str, stack: ExitStack) -> None:
    path = clinic.data_dir / "master.key"
    path.chmod(0o644)
    stack.callback(path.chmod, 0o600)


def _late_queue(clinic: Clinic, host: str, stack: ExitStack) -> None:
    outbox.enqueue("nothing", {}, due_at=clock.now() - timedelta(hours=1), corp=False)
    db.session.commit()

    def back() -> None:
        db.session.execute(sa.delete(Outbox).where(Outbox.kind == "nothing"))
        db.session.commit()

    stack.callback(back)


def _debug(clinic: Clinic, host: str, stack: ExitStack) -> None:
    clinic.app.debug = True
    stack.callback(setattr, clinic.app, "debug", False)


def _old_schema(clinic: Clinic, host: str, stack: ExitStack) -> None:
    def at(version: str) -> None:
        db.session.execute(sa.text("UPDATE alembic_version SET version_num = :version"), {"version": version})
        db.session.commit()

    now = db.session.scalar(sa.text("SELECT version_num FROM alembic_version"))
    at("0001")
    stack.callback(at, now)


def _clock(clinic: Clinic, host: str, stack: ExitStack) -> None:
    clinic.emulators[host].clock.offset = 600


OWN = (
    Mistake("the address is plain http", "own.url", _plain_http),
    Mistake("the name does not resolve", "own.dns", _no_name),
    Mistake("the certificate ran out", "own.tls", _certificate(days=(-90, -1))),
    Mistake("the certificate is signed by nobody", "own.tls", _certificate(self_signed=True)),
    Mistake("the chain is incomplete", "own.tls", _certificate(trusted=False)),
    Mistake("the certificate is of another name", "own.tls", _certificate(ip="127.0.0.2")),
    Mistake("nothing listens at the address", "own.public", _nobody_there),
    Mistake("another site answers", "own.public", _front(answering("200 OK", b"<h1>Welcome to nginx!</h1>"))),
    Mistake("the proxy hides the host", "own.proxy", _front(changing(HTTP_HOST="127.0.0.1:5000"))),
    Mistake("the key can be read", "own.key", _open_key),
    Mistake("no worker runs", "own.queue", _late_queue),
    Mistake("debugging is on", "own.debug", _debug),
    Mistake("the schema is behind", "own.schema", _old_schema),
    Mistake("the clock is off", "clock", _clock),
    Mistake("the host is down", "reach", _faults("*", "status", status=503)),
    Mistake("the host cuts us off", "reach", _faults("*", "reset_before")),
)


# --- WeCom --------------------------------------------------------------------------------------------------------


def _file(body: bytes | None, status: str = "200 OK") -> Deed:
    """The ownership file is here, and what answers at its address is something else."""

    def deed(clinic: Clinic, host: str, stack: ExitStack) -> None:
        name, corp_id = "WW_verify_a1B2c3.txt", clinic.corp(host).id
        db.session.add(OwnershipFile(name=name, owner_id=corp_id, content="a1B2c3", created_at=clock.now()))
        db.session.commit()
        clinic.front.spoil = answering(status, body or b"", under=f"/{name}")

        def back() -> None:
            db.session.execute(sa.delete(OwnershipFile))
            db.session.commit()

        stack.callback(back)

    return deed


def _pushed_with(**door: str) -> Deed:
    """The console has another token or key than we; then the host pushes an event."""

    def deed(clinic: Clinic, host: str, stack: ExitStack) -> None:
        emulator = clinic.emulators[host]
        emulator.knobs["callback_tries"] = 1
        app = app_of(clinic, host)
        for name, value in door.items():
            setattr(app.door, name, value)
        db.session.rollback()  # no lock of ours may keep the door from writing
        emulator.callbacks.app_event(app, "ZhaoMin", "enter_agent")
        emulator.wait_for_callbacks()

    return deed


def _unlicensed(clinic: Clinic, host: str, stack: ExitStack) -> None:
    app_of(clinic, host).corp.user("ZhaoMin").unlicensed = True


def _no_door(clinic: Clinic, host: str, stack: ExitStack) -> None:
    app_of(clinic, host).door.url = ""


def _another_corps_secret(clinic: Clinic, host: str, stack: ExitStack) -> None:
    emulator = clinic.emulators[host]
    org = clinic.org(host)
    other = {**org["corps"][0], "corp_id": "ww0000000000000other"}
    other["apps"] = [{**other["apps"][0], "secret": "secret-of-another-corp"}]
    emulator.load({"corps": [other]})
    stack.callback(emulator.corps.pop, "ww0000000000000other")
    clinic.change(host, app_secret="secret-of-another-corp")


WECOM = (
    Mistake("the secret is wrong", "token", _values(app_secret="wrong" * 8), "40001"),
    Mistake("the secret is another corp's", "token", _another_corps_secret, "40091"),
    Mistake("the corp is unknown", "token", lambda clinic, host, stack: clinic.emulators[host].corps.clear(), "40013"),
    Mistake("the IP is barred from tokens", "ip", _faults("/cgi-bin/gettoken", "code", code=60020), "60020"),
    Mistake("too many wrong secrets", "quota", _faults("/cgi-bin/gettoken", "code", code=45009), "45009"),
    Mistake("the IP is not trusted", "ip", _app(ips={"192.0.2.1": 0.0}), "60020"),
    Mistake("the app is off", "enabled", _app(disabled=True), "50003"),
    Mistake("the app was withdrawn", "enabled", _faults("/cgi-bin/agent/get", "code", code=48006), "48006"),
    Mistake("the agent is another app", "agent", _values(agent_id="1000099"), "301002"),
    Mistake("nobody may see the app", "range", _app(users=set(), departments=set())),
    Mistake("the administrator is outside", "range_admin", _app(users=set()), "60111"),
    Mistake("departments may not be read", "departments", _app(forbidden={"department/list"}), "48002"),
    Mistake("members may not be read", "members", _app(forbidden={"user/list"}), "48002"),
    Mistake("one member may not be read", "range_admin", _app(forbidden={"user/get"}), "48002"),
    Mistake("nobody may sign in", "sign_in", _app(forbidden={"auth/getuserinfo"}), "48002"),
    Mistake("photos may not be read", "media", _app(forbidden={"media/get"}), "48002"),
    Mistake("no ticket of the corp", "ticket_corp", _app(forbidden={"get_jsapi_ticket"}), "48002"),
    Mistake("no ticket of the app", "ticket_app", _app(forbidden={"ticket/get"}), "48002"),
    Mistake("messages may not be sent", "message", _app(forbidden={"message/send"}), "48002"),
    Mistake("no home page", "home_url", _app(home_url="")),
    Mistake("the home page is elsewhere", "home_url", _app(home_url="https://old.example.com/h5/")),
    Mistake("no trusted domain", "trusted_domain", _app(trusted_domains=[])),
    Mistake("another domain is trusted", "trusted_domain", _app(trusted_domains=["old.example.com"])),
    Mistake("the ownership file is missing", "domain_file", _file(b"not found", "404 Not Found")),
    Mistake("the ownership file was changed", "domain_file", _file(b"<html>a1B2c3</html>")),
    Mistake("the ownership file redirects", "domain_file", _file(b"", "302 Found")),
    Mistake("the AES key is malformed", "callback_keys", _values(callback_aes_key="short")),
    Mistake("the token is malformed", "callback_keys", _values(callback_token="a b")),
    Mistake("callbacks do not pass", "callback", _front(answering("404 Not Found", b"", under="/callbacks/"))),
    Mistake("the query is lost", "callback", _front(changing(QUERY_STRING=""))),
    Mistake("the AES key differs", "callback_heard", _pushed_with(aes_key="A" * 43)),
    Mistake("the token differs", "callback_heard", _pushed_with(token="anotherToken")),
    Mistake("the contacts' secret is wrong", "contacts", _values(contacts_secret="wrong" * 8), "40001"),
    Mistake("the quota is used up", "quota", _knobs(sends_per_day=-1), "45009"),
    Mistake("the administrator has no licence", "message", _unlicensed, "701008"),
    Mistake("cards have nowhere to call", "card", _no_door, "43012"),
)


# --- DingTalk -----------------------------------------------------------------------------------------------------


def _subscribed_with(**values: str) -> Deed:
    def deed(clinic: Clinic, host: str, stack: ExitStack) -> None:
        emulator, app = clinic.emulators[host], app_of(clinic, host)
        for name, value in values.items():
            setattr(app.subscription, name, value)
        db.session.rollback()
        emulator.events.check_url(app)  # what the console does on saving

    return deed


def _range(*, departments: list[int], users: list[str]) -> Deed:
    def deed(clinic: Clinic, host: str, stack: ExitStack) -> None:
        app = app_of(clinic, host)
        app.visible, app.seen = {"departments": departments, "users": users}, None

    return deed


def _another_corps_app(clinic: Clinic, host: str, stack: ExitStack) -> None:
    """The app turns out to be another corp's than the one that was typed."""
    corp = app_of(clinic, host).corp
    stack.callback(setattr, corp, "corp_id", corp.corp_id)
    corp.corp_id = "dinganothercorp00001"


def _lost(*permissions: str) -> Deed:
    return _app(missing_permissions=set(permissions))


def _template(**values: Any) -> Deed:
    def deed(clinic: Clinic, host: str, stack: ExitStack) -> None:
        for template in app_of(clinic, host).templates.values():
            for name, value in values.items():
                setattr(template, name, value)

    return deed


DENIED = "Forbidden.AccessDenied.AccessTokenPermissionDenied"
NOTICE = "/topapi/message/corpconversation/asyncsend_v2"

DINGTALK = (
    Mistake("the secret is wrong", "token", _values(client_secret="wrong" * 8), "invalidClientIdOrSecret"),
    Mistake("the client id is wrong", "token", _values(client_id="dingwrongapp0key0001"), "invalidClientIdOrSecret"),
    Mistake("the corp is another one", "corp", _another_corps_app, "unknownError"),
    Mistake("the IP is not listed", "ip", _app(ips=["192.0.2.1"]), "60020"),
    Mistake("the app is off", "enabled", _app(stopped=True), "50003"),
    Mistake("the agent is another app", "agent", _values(agent_id="1"), "40056"),
    Mistake("nobody may use the app", "range", _range(departments=[], users=[])),
    Mistake("the administrator is outside", "range_admin", _range(departments=[2], users=[]), "50002"),
    Mistake("members may not be read", "get_member", _lost("qyapi_get_member"), "60011"),
    Mistake("departments may not be read", "get_department", _lost("qyapi_get_department_list"), "60011"),
    Mistake(
        "a department's members may not be read",
        "get_department_member",
        _lost("qyapi_get_department_member"),
        "60011",
    ),
    Mistake("cards may not be sent", "card_permission", _lost("Card.Instance.Write"), DENIED),
    Mistake("no ticket", "ticket", _faults("/v1.0/oauth2/jsapiTickets", "code", code=DENIED), DENIED),
    Mistake("nobody may sign in", "sign_in", _faults("/topapi/v2/user/getuserinfo", "code", code="60011"), "60011"),
    Mistake("the AES key is malformed", "event_mode", _values(callback_aes_key="short")),
    Mistake("the token is malformed", "event_mode", _values(callback_token="a")),
    Mistake("callbacks do not pass", "callback", _front(answering("404 Not Found", b"", under="/callbacks/"))),
    Mistake("the query is lost", "callback", _front(changing(QUERY_STRING=""))),
    Mistake("the AES key differs", "callback_heard", _subscribed_with(aes_key="A" * 43)),
    Mistake("the token differs", "callback_heard", _subscribed_with(token="anotherToken")),
    Mistake("the events are another app's", "callback_heard", _subscribed_with(owner="dinganotherapp000001")),
    Mistake("the stream is not connected", "stream", _values(event_mode="stream")),
    Mistake("the month is used up", "quota", _knobs(monthly_limit=-1), "90020"),
    Mistake("the day is used up", "message", _knobs(per_day=0), "143105"),
    Mistake("calls come too fast", "quota", _faults(NOTICE, "code", code="90018"), "90018"),
    Mistake("forbidden words", "message", _faults(NOTICE, "code", code="1430002"), "1430002"),
    Mistake("the template is missing", "card", _values(card_template_id="none.schema"), "param.templateNotExist"),
    Mistake("the template is a draft", "card", _template(published=False), "param.templateUnpublished"),
    Mistake("the robot's code is wrong", "card", _values(robot_code="dingnorobot"), "robot.notExist"),
    Mistake("cards are not delivered", "card", _knobs(card_delivery="机器人不存在")),
    Mistake("the address is banned", "reach", _knobs(ip_calls=1), "IP_BANNED"),
    Mistake("the address is banned in HTML", "reach", _knobs(ip_calls=1, ban_page="html"), "IP_BANNED"),
)
