"""Both sample firms with a product that answers, and people who write to its robot over HTTP."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from flask import Flask
from werkzeug.serving import make_server

from tests.cast import settings_for
from tests.connectors.hosts_under_test import load_sample
from tests.jobs.conftest import SELLERS, run_due
from wsapp import arrivals, hosts
from wsapp.app import create_app
from wsapp.connectors.emulator import RunningEmulator
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.org.models import Corp, Member
from wsapp.crm.org.queries import corps, member_by_userid
from wsapp.db import corp_scope, db

COLLEAGUES = {"wecom": "ChenZiHao", "dingtalk": "wulei"}
MANAGERS = {"wecom": "WangJianGuo", "dingtalk": "sunlihua"}
GROUPS = {"dingtalk": "cidLanhaiSales0001"}


@dataclass
class Office:
    """A sample firm at one host, its product reachable for the host's callbacks."""

    app: Flask
    corp_id: int
    host: str
    running: RunningEmulator

    @property
    def seller(self) -> str:
        return SELLERS[self.host]

    @property
    def colleague(self) -> str:
        return COLLEAGUES[self.host]

    @property
    def manager(self) -> str:
        return MANAGERS[self.host]

    @property
    def emulator(self) -> Any:
        return self.running.emulator

    def post(self, path: str, body: dict[str, Any]) -> Any:
        db.session.rollback()  # the product answers in a thread of its own
        return requests.post(f"{self.running.url}{path}", json=body, timeout=20).json()

    def say(self, text: str, *, user: str = "", **more: Any) -> Any:
        """Write to the robot, and let the product do what is due."""
        answer = self.post("/phone/say", {"user": user or self.seller, "text": text, **more})
        assert answer["status"] == 200, answer
        run_due(self.app)
        return answer

    def chat(self, user: str = "") -> list[dict[str, Any]]:
        """What a person sees, oldest first, without what they wrote themselves."""
        items = requests.get(f"{self.running.url}/_emulator/chats", {"user": user or self.seller}, timeout=10).json()
        return [one for one in items["items"] if not one.get("mine") and not one.get("dropped")]

    def last(self, user: str = "") -> dict[str, Any]:
        return self.chat(user)[-1]

    def words(self, user: str = "") -> str:
        """All words of the newest message."""
        last = self.last(user)
        lines = [f"{label}：{value}" for label, value in last["lines"]]
        return "\n".join([last["title"], last["text"], *lines, *(one["text"] for one in last["buttons"])])

    def press(self, key: str, *, user: str = "", card: str = "") -> Any:
        """Press a button of the newest card (or of `card`), and let the product do what is due."""
        card = card or self.last(user)["card"]
        answer = self.post("/phone/press", {"user": user or self.seller, "card": card, "key": key})
        run_due(self.app)
        return answer

    def member(self, userid: str) -> Member:
        with corp_scope(self.corp_id):
            found = member_by_userid(userid, fold=self.host == "wecom")
        assert found is not None
        return found

    def customer(self, name: str, *, owner: str = "", **more: Any) -> str:
        """Create a customer of the seller's (or of `owner`'s); returns its id."""
        made = create_customer({"name": name, **more}, actor=self.member(owner or self.seller))
        made_id = made.id
        db.session.commit()
        return made_id

    def rows(self, model: Any) -> list[Any]:
        db.session.rollback()
        found = sa.select(model).order_by(model.id).execution_options(populate_existing=True)
        return list(db.session.execute(found).scalars())


@pytest.fixture(params=["wecom", "dingtalk"])
def office(
    request: pytest.FixtureRequest,
    database_url: str,
    tmp_path: Any,
    wecom: RunningEmulator,
    dingtalk: RunningEmulator,
) -> Iterator[Office]:
    """A firm at each host in turn, inside an app context of its corp; seller, colleague and manager have been here."""
    running = {"wecom": wecom, "dingtalk": dingtalk}[request.param]
    served: dict[str, Any] = {}
    server = make_server("127.0.0.1", 0, lambda environ, start: served["app"](environ, start), threaded=True)
    address = f"http://127.0.0.1:{server.server_port}"
    load_sample(running.emulator, address)
    app = create_app(
        settings_for(
            tmp_path / "data",
            url=database_url,
            public_url=address,
            wecom_base=wecom.url,
            dingtalk_base=dingtalk.url,
        )
    )
    served["app"] = app
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with app.app_context():
            hosts.connect_configured_corps()
            corp: Corp = next(one for one in corps() if one.host == request.param)
            for userid in (SELLERS[corp.host], COLLEAGUES[corp.host], MANAGERS[corp.host]):
                arrivals.arrive(corp, userid)
            corp_id = corp.id
        with app.app_context(), corp_scope(corp_id):
            run_due(app)
            yield Office(app, corp_id, request.param, running)
            db.session.rollback()
    finally:
        server.shutdown()
        thread.join(10)
        with app.app_context():
            db.session.remove()
            db.engine.dispose()
