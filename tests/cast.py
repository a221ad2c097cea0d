"""The people of the tests, and the settings they live under."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from wsapp import clock, config
from wsapp.connectors import connector_classes
from wsapp.crm.org import access
from wsapp.crm.org import actions as org
from wsapp.crm.org.models import Corp, Member
from wsapp.crm.org.queries import member_by_userid
from wsapp.crm.visits.models import LocationConsent
from wsapp.db import corp_scope, db

WECOM_AGENT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 16_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Mobile/15E148 wxwork/4.1.0 MicroMessenger/7.0.1 Language/zh"
)
DINGTALK_AGENT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
    "AliApp(DingTalk/7.8.1) com.laiwang.DingTalk/40000000 Channel/201200 language/zh-Hans-CN UT4Aplus/0.0.6 WK"
)
BROWSER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"

CORP, OTHER_CORP = "ww00000000000000aa", "ww00000000000000bb"

# key → (userid, name, department, leads, administers)
PEOPLE: dict[str, dict[str, tuple[str, str, str, tuple[str, ...], bool]]] = {
    CORP: {
        "ali": ("ali", "阿丽", "2", (), False),
        "bob": ("bob", "老鲍", "2", ("2",), False),
        "cha": ("cha", "小查", "3", (), False),
        "guan": ("guan", "管姐", "1", (), True),
    },
    OTHER_CORP: {
        "ivy": ("ivy", "艾薇", "2", (), False),
        "an": ("an", "安总", "1", (), True),
    },
}
DEPARTMENTS = (("1", "森林木业", ""), ("2", "华南销售部", "1"), ("3", "财务部", "1"))


def settings_for(
    data_dir: Path, *, url: str, public_url: str, wecom_base: str = "", dingtalk_base: str = "", extra: str = ""
) -> config.Settings:
    """Return settings with both sample firms of the emulators connected, read from a real config.toml.

    An SQLite `url` must be `data_dir`/wsapp.db: the settings have no other place for it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / "config.toml"
    wecom_base = wecom_base or "http://127.0.0.1:9"
    dingtalk_base = dingtalk_base or "http://127.0.0.1:9"
    text = f"""
[server]
public_url = "{public_url}"
data_dir = "{data_dir}"
[database]
url = "{"" if url.startswith("sqlite") else url}"
[notifications]
quiet_hours = ""
[hosts.wecom]
api_base = "{wecom_base}"
oauth_base = "{wecom_base}"
login_base = "{wecom_base}"
[hosts.dingtalk]
oapi_base = "{dingtalk_base}"
api_base = "{dingtalk_base}"
login_base = "{dingtalk_base}"
{extra}
{_sample_corps(public_url)}
"""
    path.write_text(text)
    return config.load(path, {}, connector_classes())


def _sample_corps(public_url: str) -> str:
    from wsapp.connectors.dingtalk.emulator import demo_org as dingtalk_org
    from wsapp.connectors.wecom.emulator import demo_org as wecom_org

    wecom, dingtalk = wecom_org(public_url)["corps"][0], dingtalk_org(public_url)["corps"][0]
    ours, theirs = wecom["apps"][0], dingtalk["apps"][0]
    contacts = wecom["contacts_callback"]
    return f"""
[[corps]]
name = "{wecom["name"]}"
host = "wecom"
corp_id = "{wecom["corp_id"]}"
agent_id = {ours["agent_id"]}
app_secret = "{ours["secret"]}"
contacts_secret = "{wecom["contacts_secret"]}"
callback_token = "{ours["token"]}"
callback_aes_key = "{ours["aes_key"]}"
contacts_callback_token = "{contacts["token"]}"
contacts_callback_aes_key = "{contacts["aes_key"]}"
[[corps]]
name = "{dingtalk["name"]}"
host = "dingtalk"
corp_id = "{dingtalk["corp_id"]}"
agent_id = {theirs["agent_id"]}
client_id = "{theirs["client_id"]}"
client_secret = "{theirs["client_secret"]}"
card_template_id = "{next(iter(theirs["templates"]))}"
callback_token = "{theirs["callback"]["token"]}"
callback_aes_key = "{theirs["callback"]["aes_key"]}"
"""


class Cast:
    """The people of both corps, written down as if their host had named them."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.corp_ids: dict[str, int] = {}
        with app.app_context():
            for host_corp_id, people in PEOPLE.items():
                self.corp_ids[host_corp_id] = _write_corp(host_corp_id, people)
            db.session.commit()

    @property
    def corp_id(self) -> int:
        return self.corp_ids[CORP]

    @property
    def other_corp_id(self) -> int:
        return self.corp_ids[OTHER_CORP]

    def member(self, key: str) -> Member:
        """Return a member of the cast, detached from any session."""
        host_corp_id = next(corp for corp, people in PEOPLE.items() if key in people)
        with self.app.app_context(), corp_scope(self.corp_ids[host_corp_id]):
            found = member_by_userid(key, fold=True)
            assert found is not None
            db.session.expunge(found)
            return found

    def sign_in(self, member: Member, *, agent: str = WECOM_AGENT) -> FlaskClient:
        """Return a test client with a session of the member's."""
        client = self.app.test_client()
        client.environ_base["HTTP_USER_AGENT"] = agent
        with self.app.app_context(), corp_scope(member.corp_id):
            own = db.session.execute(sa.select(Member).where(Member.id == member.id)).scalar_one()
            token = access.open_session(own, device="test")
            db.session.commit()
        with client.session_transaction() as cookie:
            cookie["corp"], cookie["token"] = member.corp_id, token
        client.environ_base["HTTP_HOST"] = "127.0.0.1:8000"
        return client

    def token(self, member: Member, *, scopes: tuple[str, ...] = ("read", "write")) -> str:
        """Return an API token of the member's."""
        with self.app.app_context(), corp_scope(member.corp_id):
            own = db.session.execute(sa.select(Member).where(Member.id == member.id)).scalar_one()
            token = access.create_token(own, scopes=scopes, days=1)
            db.session.commit()
            return token


def _write_corp(host_corp_id: str, people: dict[str, tuple[str, str, str, tuple[str, ...], bool]]) -> int:
    from wsapp.hosts import seal_credentials

    values = {"agent_id": "1", "app_secret": "x", "callback_token": "t" * 8, "callback_aes_key": "a" * 43}
    sealed = seal_credentials("wecom", host_corp_id, values)
    corp: Corp = org.connect_corp("wecom", host_corp_id, "测试企业", sealed)
    with corp_scope(corp.id):
        kept: dict[str, Any] = {}
        for department_id, name, parent in DEPARTMENTS:
            facts = SimpleNamespace(id=department_id, name=name, parent=parent, order=0)
            kept[department_id] = org.keep_department(facts, parent=kept.get(parent))
        for userid, name, department, leads, administers in people.values():
            org.keep_member(
                SimpleNamespace(
                    userid=userid,
                    unionid="",
                    name=name,
                    departments=(department,),
                    main_department=department,
                    leads=leads,
                    manager="",
                    position="",
                    avatar="",
                    phone="",
                    is_admin=administers,
                    status="active",
                ),
                fold=True,
                leads_root=False,
            )
        db.session.flush()
        for one in db.session.scalars(sa.select(Member)):
            db.session.add(LocationConsent(id=one.id, given_at=clock.now()))
        db.session.flush()
        db.session.flush()
    return corp.id
