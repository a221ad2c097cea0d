"""Settings: what is read, what overrides what, and the one line that every mistake gets."""

import re
import tomllib
from datetime import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from wsapp import config
from wsapp.config_file import find_lines, nearest, spell
from wsapp.connectors import connector_classes
from wsapp.connectors.base import CredentialField

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"

FAKE = SimpleNamespace(
    base_keys={"api_base": "https://api.fake.example"},
    credential_fields=(
        CredentialField("agent_id", "应用编号", pattern=r"\d+"),
        CredentialField("app_secret", "应用密钥", secret=True, hint="“应用详情”中的"),
        CredentialField("callback_token", "Token", required=False, secret=True),
        CredentialField("callback_aes_key", "AESKey", required=False, secret=True),
        CredentialField("contacts_callback_aes_key", "AESKey", required=False, secret=True),
    ),
)
CORP = """[[corps]]
name = "森林木业（深圳）有限公司"
host = "fake"
corp_id = "ww0123456789abcdef"
agent_id = 1000002
app_secret = "env:FAKE_SECRET"
"""
ENVIRON = {"FAKE_SECRET": "canary-secret-value"}


@pytest.fixture
def load(tmp_path):
    """Load a settings file of this text."""

    def load(text="", environ=ENVIRON, raw=None):
        path = tmp_path / "config.toml"
        path.write_bytes(raw if raw is not None else text.encode())
        return config.load(path, environ, {"fake": FAKE})

    return load


@pytest.fixture
def refusal(load):
    """Load settings that must be refused; return the reason."""

    def refusal(text="", environ=ENVIRON, raw=None):
        with pytest.raises(config.SettingsError) as caught:
            load(text, environ, raw)
        reason = str(caught.value)
        assert len(reason.splitlines()) == 1
        assert "canary" not in reason
        return reason

    return refusal


# --- what is read -------------------------------------------------------------------------------------------------


def test_without_a_file_the_defaults_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = config.load(None, {}, {"fake": FAKE})
    assert settings.server.public_url == "http://127.0.0.1:8000"
    assert settings.server.data_dir == tmp_path / "data"
    assert settings.database_url == f"sqlite:///{tmp_path}/data/wsapp.db"
    assert settings.notifications.quiet_hours == (time(21), time(8))
    assert settings.is_embedded
    assert settings.corps == ()
    assert settings.path is None


def test_the_file_in_the_working_directory_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text('[notifications]\nquiet_hours = ""')
    assert config.load(None, {}, {}).notifications.quiet_hours is None


def test_the_environment_names_the_file(tmp_path):
    path = tmp_path / "elsewhere.toml"
    path.write_text("[server]\ntrusted_proxies = 2")
    assert config.load(None, {"WSAPP_CONFIG": str(path)}, {}).server.trusted_proxies == 2


def test_a_file_that_was_named_must_exist(tmp_path):
    with pytest.raises(config.SettingsError, match=r"gone\.toml: .*cannot be read"):
        config.load(tmp_path / "gone.toml", {}, {})


def test_a_corp_is_read_with_its_values_as_text(load):
    (corp,) = load(CORP).corps
    assert (corp.name, corp.host, corp.corp_id) == ("森林木业（深圳）有限公司", "fake", "ww0123456789abcdef")
    assert corp.values["agent_id"] == "1000002"
    assert corp.values["app_secret"] == "canary-secret-value"
    assert corp.values["callback_token"] == ""


def test_secrets_never_show_in_the_representation(load):
    text = '[database]\nurl = "postgresql+psycopg://app:canary-db@db/crm"\n[queue]\nurl = "amqp://u:canary-q@mq/"\n'
    settings = load(text + CORP)
    assert "canary" not in repr(settings)
    assert {"canary-secret-value", "canary-db", "canary-q"} <= set(settings.secrets)


@pytest.mark.parametrize(
    ("text", "binds"),
    [
        ('"0.0.0.0:80"', ("0.0.0.0:80",)),
        ('"127.0.0.1:8000, [::1]:8000"', ("127.0.0.1:8000", "[::1]:8000")),
        ('["127.0.0.1:1", "unix:/run/w.sock"]', ("127.0.0.1:1", "unix:/run/w.sock")),
    ],
)
def test_several_addresses_to_listen_on(load, text, binds):
    assert load(f"[server]\nbind = {text}").server.bind == binds


def test_a_base_url_loses_its_slash_and_may_be_plain_on_this_machine(load):
    settings = load('[hosts.fake]\napi_base = "http://127.0.0.1:9001/"\n')
    assert settings.hosts == {"fake": {"api_base": "http://127.0.0.1:9001"}}


# --- values kept elsewhere, overrides -----------------------------------------------------------------------------


def test_any_value_may_come_from_a_file_beside_the_settings(load, tmp_path):
    (tmp_path / "secret").write_text("canary-from-file\r\n")
    (tmp_path / "proxies").write_text("3\n")
    settings = load('[server]\ntrusted_proxies = "file:proxies"\n' + CORP.replace("env:FAKE_SECRET", "file:secret"))
    assert settings.corps[0].values["app_secret"] == "canary-from-file"
    assert settings.server.trusted_proxies == 3


def test_any_single_value_can_be_overridden(load):
    environ = {
        "WSAPP_SERVER_BIND": "0.0.0.0:9000",
        "WSAPP_SERVER_TRUSTED_PROXIES": "1",
        "WSAPP_DATABASE_URL": "env:DB",
        "DB": "postgresql+psycopg:///crm?host=/run/pg",
        "WSAPP_WEBHOOKS_ALLOW_HOSTS": "127.0.0.1:9000,10.0.0.1",
        "WSAPP_HOSTS_FAKE_API_BASE": "http://localhost:7000",
        "WSAPP_FUZZ": "2000",
        "WSAPP_SERVER_SERVICE_PORT": "80",
    }
    settings = load('[server]\nbind = "127.0.0.1:1"\n[hosts.fake]\napi_base = "https://x.example"', environ)
    assert settings.server.bind == ("0.0.0.0:9000",)
    assert settings.server.trusted_proxies == 1
    assert settings.database_url == "postgresql+psycopg:///crm?host=/run/pg"
    assert not settings.is_embedded
    assert settings.webhooks.allow_hosts == ("127.0.0.1:9000", "10.0.0.1")
    assert settings.hosts["fake"]["api_base"] == "http://localhost:7000"


def test_a_mistyped_override_is_refused(refusal):
    reason = refusal(environ={"WSAPP_SERVER_BNID": "0.0.0.0:1"})
    assert "WSAPP_SERVER_BNID" in reason
    assert "WSAPP_SERVER_BIND" in reason


# --- mistakes -----------------------------------------------------------------------------------------------------

MISTAKES = {
    "unknown key": ('[server]\n\npublic_ulr = "https://a.b"', ["line 3", "server.public_ulr", '"public_url"']),
    "unknown section": ("[servr]", ["line 1", "servr", '"server"']),
    "unknown key outside": ("bind = 1", ["line 1", "bind"]),
    "unknown host": ("[hosts.fakee]", ["line 1", "hosts.fakee", '"fake"']),
    "unknown base": ('[hosts.fake]\napi_bse = "x"', ["line 2", "hosts.fake.api_bse", '"api_base"']),
    "unknown key of a corp": (CORP + 'app_secrt = "x"', ["line 7", "corps[1].app_secrt", '"app_secret"']),
    "second corp": (
        CORP + CORP.replace("ww0", "ww1").replace("agent_id", "agentid"),
        ["line 11", "corps[2].agentid", '"agent_id"'],
    ),
    "the same corp twice": (CORP + CORP, ["line 10", "corps[2].corp_id", "twice"]),
    "corp of an unknown host": (CORP.replace('"fake"', '"feishu"'), ["line 3", "corps[1].host", "fake"]),
    "corp without id": (CORP.replace('"ww0123456789abcdef"', '""'), ["line 4", "corps[1].corp_id", "missing"]),
    "corp without a required value": (CORP.replace("agent_id = 1000002\n", ""), ["line 1", "corps[1].agent_id"]),
    "missing variable": (CORP.replace("FAKE_SECRET", "NOT_SET"), ["line 6", "corps[1].app_secret", "NOT_SET"]),
    "missing file": (CORP.replace("env:FAKE_SECRET", "file:no"), ["line 6", "corps[1].app_secret", "No such file"]),
    "placeholder": (
        CORP.replace("env:FAKE_SECRET", "xxxxxxxx"),
        ["line 6", "corps[1].app_secret", "仍是示例值，请填写“应用详情”中的应用密钥"],
    ),
    "placeholder of the corp": (CORP.replace("0123456789abcdef", "xxxxxxxxxxxxxxxx"), ["line 4", "corps[1].corp_id"]),
    "space in a secret": (CORP.replace("env:FAKE_SECRET", "canary value"), ["line 6", "corps[1].app_secret", "space"]),
    "newline in a secret": (CORP.replace("env:FAKE_SECRET", "canary\\nvalue"), ["line 6", "line break"]),
    "agent id in letters": (CORP.replace("1000002", '"abc"'), ["line 5", "corps[1].agent_id"]),
    "short AES key": (CORP + f'callback_aes_key = "{"k" * 42}"', ["line 7", "corps[1].callback_aes_key", "43"]),
    "long AES key": (CORP + f'contacts_callback_aes_key = "{"k" * 44}"', ["line 7", "43"]),
    "odd AES key": (CORP + f'callback_aes_key = "{"k" * 42}+"', ["line 7", "43"]),
    "short token": (CORP + 'callback_token = "ab"', ["line 7", "corps[1].callback_token", "3 to 32"]),
    "long token": (CORP + f'callback_token = "{"t" * 33}"', ["line 7", "3 to 32"]),
    "number for text": ("[server]\nbind = 8000", ["line 2", "server.bind", "a number"]),
    "text for number": ('[server]\ntrusted_proxies = "1"', ["line 2", "server.trusted_proxies", "text"]),
    "true for number": ("[server]\ntrusted_proxies = true", ["line 2", "true or false"]),
    "negative number": ("[server]\ntrusted_proxies = -1", ["line 2", "between"]),
    "no port": ('[server]\nbind = "127.0.0.1"', ["line 2", "server.bind", "host:port"]),
    "text for list": ('[webhooks]\nallow_hosts = "a:1"', ["line 2", "webhooks.allow_hosts", "a list"]),
    "plain http": ('[server]\npublic_url = "http://crm.example.com"', ["line 2", "server.public_url", "https://"]),
    "no URL": ('[server]\npublic_url = "crm.example.com"', ["line 2", "server.public_url"]),
    "bad port": ('[server]\npublic_url = "https://a.example:99999"', ["line 2", "server.public_url"]),
    "wrong database": ('[database]\nurl = "mysql://u:canary@h/d"', ["line 2", "database.url", "postgresql+psycopg"]),
    "wrong queue": ('[queue]\nurl = "kafka://u:canary@h"', ["line 2", "queue.url", "redis://"]),
    "time zone": ('[notifications]\ntimezone = "Asia/Shangai"', ["line 2", "timezone", '"Asia/Shanghai"']),
    "quiet hours": ('[notifications]\nquiet_hours = "21-8"', ["line 2", "quiet_hours"]),
    "quiet for ever": ('[notifications]\nquiet_hours = "08:00-08:00"', ["line 2", "quiet_hours"]),
    "impossible hour": ('[notifications]\nquiet_hours = "25:00-08:00"', ["line 2", "quiet_hours"]),
    "a value where a section belongs": ("server = 1", ["line 1", "server"]),
    "corps as one table": ("[corps]", ["line 1", "corps"]),
    "syntax": ("[server]\nbind = ", ["line 2", "TOML"]),
    "cut in the middle": ('[server]\nbind = "127', ["line 2", "TOML"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_line(refusal, name):
    text, expected = MISTAKES[name]
    reason = refusal(text)
    assert "config.toml" in reason
    for part in expected:
        assert part in reason


def test_a_file_saved_by_a_windows_editor_is_named(refusal):
    assert "UTF-8 无 BOM" in refusal(raw=b"\xef\xbb\xbf[server]")
    assert "line 2: not UTF-8" in refusal(raw='[server]\nbind = "中文"'.encode("gbk"))


def test_the_data_folder_must_be_a_folder(refusal, tmp_path):
    (tmp_path / "taken").write_text("")
    assert "server.data_dir" in refusal('[server]\ndata_dir = "taken/inside"')


# --- lines and names ----------------------------------------------------------------------------------------------


def test_lines_are_found_behind_values_that_span_lines():
    lines = find_lines(
        'a = """\nb = 1\n"""\n[t]\nlist = [\n  "x",\n]\n"quoted key" = 1\n[[c]]\nk = 1\n[[c]]\nk.j = 2\n'
    )
    assert lines[("a",)] == 1
    assert ("b",) not in lines
    assert lines[("t", "list")] == 5
    assert lines[("t", "quoted key")] == 8
    assert lines[("c", 0, "k")] == 10
    assert lines[("c", 1, "k", "j")] == 12


def test_names_are_written_as_people_do():
    assert spell(("corps", 0, "app_secret")) == "corps[1].app_secret"
    assert nearest("Tiemzone", ["timezone", "quiet_hours"]) == "timezone"


# --- the example --------------------------------------------------------------------------------------------------


def uncommented():
    """The example with its commented corps switched on."""
    return re.sub(r"(?m)^#(?=\[|[a-z_]+ = )", "", EXAMPLE.read_text())


def test_the_example_loads_as_it_stands_and_says_the_defaults(tmp_path):
    settings = config.load(EXAMPLE, {}, connector_classes())
    assert settings.corps == ()
    tree = tomllib.loads(EXAMPLE.read_text())
    for section, keys in config.SECTIONS.items():
        assert tree[section] == {key: default for key, (default, _) in keys.items()}
    for host, connector in connector_classes().items():
        assert tree["hosts"][host] == dict(connector.base_keys)


def test_the_example_documents_every_key_and_no_other():
    tree = tomllib.loads(uncommented())
    assert set(tree) == {*config.SECTIONS, "hosts", "corps"}
    corps = {corp["host"]: set(corp) for corp in tree["corps"]}
    for host, connector in connector_classes().items():
        assert corps[host] == {*config.CORP_KEYS, *(one.key for one in connector.credential_fields)}


def test_the_example_explains_every_key():
    lines = EXAMPLE.read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r"[a-z_]+ = ", line)]
    bare = [lines[n] for n in keys if not lines[n - 1].startswith("# ") and "_base = " not in lines[n]]
    assert bare == []


def test_the_example_corps_load_once_they_are_filled_in(tmp_path):
    text = uncommented().replace("wwxxxxxxxxxxxxxxxx", "ww0123456789abcdef").replace("xxxxxxxx", "0123")
    path = tmp_path / "config.toml"
    path.write_text(text)
    secret = "s" * 43
    settings = config.load(path, {"WECOM_SECRET": secret, "DINGTALK_SECRET": secret}, connector_classes())
    assert [corp.name for corp in settings.corps] == ["森林木业", "蓝海科技"]


def test_the_example_corps_are_refused_while_they_are_examples(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(uncommented())
    with pytest.raises(config.SettingsError, match=r"corps\[1\]\.corp_id: still the example value"):
        config.load(path, {}, connector_classes())
