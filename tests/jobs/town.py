"""A firm of any size at either host, with the product as a real server that the host's events reach."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa
from flask import Flask
from werkzeug.serving import make_server

from tests.cast import settings_for
from wsapp.connectors.emulator import Fault, RunningEmulator
from wsapp.crm.org import access
from wsapp.crm.org import directory as runs
from wsapp.crm.org.models import Corp, Department, DirectoryRun, Member, Membership
from wsapp.db import corp_scope, db
from wsapp.jobs import directory
from wsapp.jobs.pace import PACE
from wsapp.jobs.runner import Desk, Runner
from wsapp.leases import claim
from wsapp.outbox import Outbox

QUICK = PACE.compressed(1000)
PEOPLE_PAGE = {"wecom": "/cgi-bin/user/list", "dingtalk": "/topapi/v2/user/list"}
PERSON = {"wecom": "/cgi-bin/user/get", "dingtalk": "/topapi/v2/user/get"}
TOKENS = ("/cgi-bin/gettoken", "/v1.0/oauth2/accessToken")
GONE = {"wecom": 60111, "dingtalk": 33012}


@dataclass
class Layout:
    """Who is where. Departments: id → (name, parent); people: userid → more about them."""

    departments: dict[int, tuple[str, int]]
    people: dict[str, dict[str, Any]]
    roots: list[int] = field(default_factory=lambda: [1])
    singles: list[str] = field(default_factory=list)


def small() -> Layout:
    """A dozen people: 销售部 with two groups below, 财务部 beside it, a boss at the top."""
    departments = {1: ("森林集团", 0), 2: ("销售部", 1), 3: ("华南一组", 2), 4: ("华南二组", 2), 5: ("财务部", 1)}
    people: dict[str, dict[str, Any]] = {
        "boss": {"name": "赵敏", "departments": [1], "leads": [1]},
        "lead": {"name": "王建国", "departments": [2], "leads": [2]},
        "both": {"name": "欧阳慕容", "departments": [3, 5], "leads": [5]},
        "money": {"name": "司马相如", "departments": [5]},
    }
    for number in range(1, 9):
        people[f"s{number}"] = {"name": "李伟" if number < 3 else f"陈子豪{number}", "departments": [3 + number % 2]}
    return Layout(departments, people)


def large(people: int, *, each: int = 30) -> Layout:
    """Thousands of people in a tree of departments five wide, every tenth of them in a second one."""
    count = people // each
    departments = {one: (f"第{one}业务部", (one - 2) // 5 + 1 if one > 1 else 0) for one in range(1, count + 1)}
    found: dict[str, dict[str, Any]] = {}
    for number in range(people):
        own = number % count + 1
        row: dict[str, Any] = {"name": f"员工{number:05d}", "departments": [own]}
        if number % 10 == 0:
            row["departments"].append((own * 7) % count + 1)
            row["departments"] = list(dict.fromkeys(row["departments"]))
        if number < count:
            row["leads"] = [own]
        found[f"u{number:05d}"] = row
    return Layout(departments, found)


@dataclass
class Town:
    """A running emulator with a firm in it, the product connected to it, and where both answer."""

    host: str
    running: RunningEmulator
    app: Flask
    address: str
    corp_id: int
    host_corp_id: str
    layout: Layout

    @property
    def emulator(self) -> Any:
        return self.running.emulator

    # --- at the host

    def change(self, userid: str, action: str, **more: Any) -> None:
        """Change a person in the host's console; returns once the events were delivered."""
        corp = {"corp": self.host_corp_id} if self.host == "wecom" else {"corp_id": self.host_corp_id}
        self._post("people", {**corp, "userid": userid, "action": action, **more})

    def change_department(self, number: int, action: str, **more: Any) -> None:
        self._post("departments", {"id": number, "action": action, **more})

    def change_range(self, **more: Any) -> None:
        self._post("range", more)

    def disable(self, userid: str) -> None:
        """Switch a person off. DingTalk has no such state: there they leave the app's range instead."""
        if self.host == "wecom":
            self.change(userid, "disable")
        else:
            self.change(userid, "move", departments=[99])

    def enable(self, userid: str) -> None:
        if self.host == "wecom":
            self.change(userid, "enable")
        else:
            self.change(userid, "move", departments=self.layout.people[userid]["departments"])

    def _post(self, what: str, body: dict[str, Any]) -> None:
        answer = requests.post(f"{self.running.url}/_emulator/{what}", json=body, timeout=30)
        assert answer.ok, answer.text
        self.emulator.wait_for_callbacks()

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Lose every event of the block, as if the callback address were wrong."""
        doors = self._doors()
        kept = [one.url for one in doors]
        for one in doors:
            one.url = ""
        yield
        for one, url in zip(doors, kept, strict=True):
            one.url = url

    def _doors(self) -> list[Any]:
        if self.host == "wecom":
            corp = self.emulator.corps[self.host_corp_id]
            return [corp.contacts_door, *(app.door for app in corp.apps.values())]
        return [app.subscription for app in self.emulator.world.corps[self.host_corp_id].apps.values()]

    def fault(self, api: str, fault: str, *, times: int = 1, skip: int = 0, **options: Any) -> None:
        self.emulator.faults.append(Fault(api, fault, times=times, skip=skip, options=options))

    def calls(self) -> int:
        """Return how many calls the host has had, without those that fetch tokens."""
        return sum(count for api, count in self.emulator.call_counts.items() if api not in TOKENS)

    def fewest_calls(self) -> int:
        """Return the fewest calls by which the host tells its whole directory."""
        return sum(self.fewest_by_api().values())

    def fewest_by_api(self) -> dict[str, int]:
        departments = len(self.layout.departments)
        if self.host == "wecom":  # the range, each root's whole tree, each department's people
            return {"/cgi-bin/agent/get": 1, "/cgi-bin/department/list": 1, "/cgi-bin/user/list": departments}
        sizes = dict.fromkeys(self.layout.departments, 0)
        for row in self.layout.people.values():
            for one in row["departments"]:
                sizes[one] += 1
        pages = sum(max(1, -(-size // 100)) for size in sizes.values())
        return {
            "/auth/scopes": 1,
            "/topapi/v2/department/get": 1,
            "/topapi/v2/department/listsub": departments,
            "/topapi/v2/user/list": pages,
        }

    # --- here

    def sync(self, *, accept: bool = False, cause: str = "console") -> DirectoryRun:
        """Run a whole synchronisation; returns the run as it ended."""
        run_id = self.begin(accept=accept, cause=cause)
        self.work()
        return self.run(run_id)

    def begin(self, *, accept: bool = False, cause: str = "console") -> str:
        run_id = directory.begin(cause, accept_leavers=accept).id
        db.session.commit()
        return run_id

    def run(self, run_id: str) -> DirectoryRun:
        db.session.rollback()
        found = runs.find(run_id)
        assert found is not None
        db.session.commit()
        return found

    def work(self, desk: Desk | None = None, *, rounds: int = 10_000) -> int:
        """Do what is due, and what follows from it; returns how many pieces of work that was."""
        db.session.rollback()
        runner = Runner(self.app, desk or Desk(QUICK))
        count = 0
        while count < rounds:
            claims = claim(1)
            if not claims:
                break
            runner.run((claims[0].attempt_id, (claims[0].id,)))
            count += 1
        db.session.rollback()
        return count

    def make_due(self, kind: str) -> int:
        """Let the waiting work of a kind be due now; returns how much there is."""
        due = sa.update(Outbox).where(Outbox.kind == kind, Outbox.state == "ready").values(due_at=sa.func.now())
        done = db.session.execute(due.execution_options(synchronize_session=False))
        db.session.commit()
        return int(done.rowcount)  # type: ignore[attr-defined]

    def member(self, userid: str) -> Member | None:
        db.session.rollback()
        wanted = sa.select(Member).where(Member.userid == userid).execution_options(populate_existing=True)
        found: Member | None = db.session.execute(wanted).scalar_one_or_none()
        db.session.commit()
        return found

    def status(self, userid: str) -> str:
        found = self.member(userid)
        return found.status if found else "unknown"

    def statuses(self) -> dict[str, str]:
        db.session.rollback()
        found = dict(db.session.execute(sa.select(Member.userid, Member.status)).all())
        db.session.commit()
        return {str(userid): str(status) for userid, status in found.items()}

    def memberships(self) -> set[tuple[str, str, bool]]:
        """Return (userid, department, leads) of everybody who has not left."""
        db.session.rollback()
        joined = sa.and_(Member.id == Membership.member_id, Member.corp_id == Membership.corp_id)
        wanted = sa.select(Member.userid, Membership.department_id, Membership.leads).join(Membership, joined)
        found = {tuple(row) for row in db.session.execute(wanted.where(Member.status != "left"))}
        db.session.commit()
        return found  # type: ignore[return-value]

    def paths(self) -> dict[str, str]:
        db.session.rollback()
        wanted = sa.select(Department.id, Department.path).where(Department.gone_at.is_(None))
        found = {str(row[0]): str(row[1]) for row in db.session.execute(wanted)}
        db.session.commit()
        return found

    def browser(self, userid: str) -> requests.Session:
        """Return a browser with a live session of a member's, that talks to the running product."""
        member = self.member(userid)
        assert member is not None
        token = access.open_session(member, device="test")
        db.session.commit()
        serializer = self.app.session_interface.get_signing_serializer(self.app)  # type: ignore[attr-defined]
        browser = requests.Session()
        browser.cookies.set(
            self.app.config["SESSION_COOKIE_NAME"], serializer.dumps({"corp": self.corp_id, "token": token})
        )
        browser.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0"
        return browser

    def gets_in(self, browser: requests.Session) -> bool:
        """Say whether a browser's session still opens a page."""
        answer = browser.get(f"{self.address}/h5/me", allow_redirects=False, timeout=20)
        assert answer.status_code in (200, 302), answer.text
        return answer.status_code == 200


@contextmanager
def town(host: str, layout: Layout, database_url: str, folder: Path) -> Iterator[Town]:
    """Found a firm at a host, and connect the product to it. Inside, the firm's corp is set."""
    from wsapp.app import create_app
    from wsapp.hosts import connect_configured_corps

    app: Any = None
    server = make_server("127.0.0.1", 0, lambda environ, start: app(environ, start), threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]
    address = f"http://127.0.0.1:{server.server_port}"
    with _emulator(host, layout, address) as running:
        bases = {f"{host}_base": running.url}
        app = create_app(settings_for(folder, url=database_url, public_url=address, **bases))
        import threading

        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        with app.app_context():
            connect_configured_corps()
            db.session.execute(sa.update(Corp).where(Corp.host != host).values(enabled=False))
            corp = db.session.scalars(sa.select(Corp).where(Corp.host == host)).one()
            db.session.commit()
            with corp_scope(corp.id):
                yield Town(host, running, app, address, corp.id, corp.host_corp_id, layout)
            db.session.remove()
        server.shutdown()
        server.server_close()
        thread.join(10)
        with app.app_context():
            db.engine.dispose()


@contextmanager
def _emulator(host: str, layout: Layout, address: str) -> Iterator[RunningEmulator]:
    if host == "wecom":
        from wsapp.connectors.wecom.emulator import WeComEmulator as Made
        from wsapp.connectors.wecom.emulator import demo_org
    else:
        from wsapp.connectors.dingtalk.emulator import DingTalkEmulator as Made  # type: ignore[assignment]
        from wsapp.connectors.dingtalk.emulator import demo_org
    with Made().start() as running:
        firm = demo_org(address)
        corp = firm["corps"][0]
        parent = "parentid" if host == "wecom" else "parent"
        corp["departments"] = [
            {"id": number, "name": name, parent: above} for number, (name, above) in layout.departments.items()
        ]
        corp["users"] = [{"userid": userid, **row} for userid, row in layout.people.items()]
        corp["apps"][0]["visible"] = {"departments": layout.roots, "users": layout.singles}
        running.emulator.load(firm)  # type: ignore[attr-defined]
        yield running
