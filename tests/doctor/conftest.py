"""A product that answers at its own public address, through a front that can spoil what passes."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from tests.cast import settings_for
from wsapp import hosts
from wsapp.connectors.emulator import RunningEmulator
from wsapp.crm.org import actions as org
from wsapp.crm.org.models import ADMIN, Corp
from wsapp.crm.org.queries import corp_at_host
from wsapp.db import corp_scope, db
from wsapp.doctor import heard, rounds

Wsgi = Callable[[dict[str, Any], Any], Any]

ADMINS = {"wecom": "ZhaoMin", "dingtalk": "qianwei"}


class Front:
    """What stands at the public address: the product, or what `spoil` makes of it (a WSGI layer)."""

    def __init__(self) -> None:
        self.app: Any = None
        self.spoil: Callable[[Wsgi], Wsgi] | None = None
        self.server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def _answer(self, environ: dict[str, Any], start: Any) -> Any:
        inner: Wsgi = self.app
        return (self.spoil(inner) if self.spoil else inner)(environ, start)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


class Clinic:
    """The product with both sample firms connected, and everything that can be got wrong."""

    def __init__(self, app: Flask, front: Front, emulators: dict[str, Any], data_dir: Path) -> None:
        self.app, self.front, self.emulators, self.data_dir = app, front, emulators, data_dir

    def corp(self, host: str) -> Corp:
        found = corp_at_host(host, self.org(host)["corps"][0]["corp_id"])
        assert found is not None
        return found

    def org(self, host: str) -> dict[str, Any]:
        if host == "wecom":
            from wsapp.connectors.wecom.emulator import demo_org

            return demo_org(self.front.url)
        from wsapp.connectors.dingtalk.emulator import demo_org as dingtalk_org

        return dingtalk_org(self.front.url)

    def fresh(self, host: str) -> None:
        """Put everything of one host back to a good installation."""
        emulator = self.emulators[host]
        with emulator.lock:
            emulator.faults.clear()
            emulator.knobs = dict(type(emulator).knobs)
            if "send_seconds" in emulator.knobs:
                emulator.knobs["send_seconds"] = 0.0  # the result of a message is known at once
            emulator.clock.offset = 0
            emulator.load(self.org(host))
            emulator.forget()
        self.front.spoil = None
        heard.forget()

    def change(self, host: str, **values: str) -> Corp:
        """Give the corp other credential values; the circuit and the kept tokens go with the old ones."""
        import sqlalchemy as sa

        from wsapp.crm.org.models import HostToken
        from wsapp.doctor.models import CallbackHeard

        settings = self.app.extensions["wsapp"].settings
        plain = next(one for one in settings.corps if one.host == host)
        corp = self.corp(host)
        sealed = hosts.seal_credentials(host, corp.host_corp_id, {**plain.values, **values})
        corp.credentials, corp.fault = sealed, None
        corp.name = corp.name.split("~")[0] + (f"~{len(values)}" if values else "")
        db.session.execute(sa.delete(HostToken).where(HostToken.corp_id == corp.id))
        with corp_scope(corp.id):
            db.session.execute(sa.delete(CallbackHeard).execution_options(synchronize_session=False))
        db.session.commit()
        self.app.extensions["wsapp"].lines.made.clear()
        return corp


@pytest.fixture
def clinic(database_url: str, tmp_path: Path, wecom: RunningEmulator, dingtalk: RunningEmulator) -> Iterator[Clinic]:
    from wsapp.app import create_app

    front = Front()
    settings = settings_for(
        tmp_path / "data", url=database_url, public_url=front.url, wecom_base=wecom.url, dingtalk_base=dingtalk.url
    )
    app = create_app(settings)
    front.app = app
    made = Clinic(app, front, {"wecom": wecom.emulator, "dingtalk": dingtalk.emulator}, tmp_path / "data")
    with app.app_context():
        hosts.connect_configured_corps()
        for host, userid in ADMINS.items():
            made.fresh(host)
            corp = made.corp(host)
            with corp_scope(corp.id):
                facts = SimpleNamespace(
                    userid=userid,
                    unionid="",
                    name="管理员",
                    departments=(),
                    main_department="",
                    leads=(),
                    manager="",
                    position="",
                    avatar="",
                    phone="",
                    is_admin=True,
                    status="active",
                )
                member, _ = org.keep_member(facts, fold=host == "wecom", leads_root=False)
                member.role = ADMIN
            db.session.commit()
    yield made
    rounds.wait()
    front.stop()
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def inside(clinic: Clinic) -> Iterator[Clinic]:
    """The same, in a unit of work of its own: for tests that call the doctor directly."""
    with clinic.app.app_context():
        yield clinic
        db.session.remove()
