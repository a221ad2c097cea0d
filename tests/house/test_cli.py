"""The program: help for everything, one line for every error, exit codes 0, 1 and 2, no secret as an argument."""

import os
import shutil
import subprocess
import sys
import threading

import click
import pytest
import requests

from wsapp import cli, cli_corps, cli_directory
from wsapp.connectors.base import CredentialField

COMMANDS = {
    "serve", "web", "worker", "scheduler", "demo", "emulator", "db upgrade", "db downgrade", "db check",
    "corp list", "corp add", "corp sync", "corp switch", "token create", "seed",
}  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Run in an empty folder, without settings from outside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WSAPP_CONFIG", raising=False)


def wsapp(*words, **options):
    """Run the program as a user does."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "wsapp", *words], capture_output=True, text=True, timeout=60, **options
    )


def run_here(words, capsys):
    """Run the program in this process: (exit code, lines of its errors)."""
    code = cli.run(words)
    return code, capsys.readouterr().err.splitlines()


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    """A folder with a database that the program made."""
    folder = tmp_path_factory.mktemp("made")
    done = wsapp("db", "upgrade", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.fixture
def made(made_once, tmp_path):
    """The same, in the test's own folder."""
    shutil.copytree(made_once, tmp_path, dirs_exist_ok=True)


def leaves(group, path=()):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def test_the_promised_commands_are_there():
    assert cli_directory.corp_sync.name == "sync"  # its own file registers it
    assert {name for name, _ in leaves(cli.program)} >= COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_takes_settings(name, capsys):
    assert cli.run([*name.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert "--config PATH" in out
    assert out.splitlines()[2].startswith("  ")  # what it does, below the usage


def test_help_answers_without_loading_the_product():
    program = (
        "import sys; from wsapp import cli; cli.run(['--help'])\n"
        "print(sorted({'flask', 'sqlalchemy', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["srve"], "'serve'"),
        (["db", "upgrad"], "'upgrade'"),
        (["serve", "--prot", "1"], "--prot"),
        (["emulator", "--host", "feishu", "--port", "9999"], "wecom"),
        (["emulator", "--host", "wecom"], "--port"),
        (["token", "create", "--corp", "x"], "--user"),
        (["db", "check", "--config", "gone.toml"], "gone.toml"),
        (["corp", "add", "--host", "wecom", "--corp-id", "ww1", "--value", "app_secret=canary"], "app_secret"),
        (["corp", "add", "--host", "wecom", "--corp-id", "ww1", "--value", "agent=1"], "agent_id"),
        (["corp", "add", "--host", "wecom", "--corp-id", "ww1", "--value", "agent_id=1"], "WSAPP_CORP_APP_SECRET"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(words, says, capsys, monkeypatch):
    with open(os.devnull) as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        code, err = run_here(words, capsys)
    assert code == 2
    assert len(err) == 1
    assert says in err[0]
    assert "canary" not in err[0]


def test_wrong_settings_are_one_line_and_exit_code_2(tmp_path, capsys):
    (tmp_path / "config.toml").write_text('[server]\nbnd = "x"\n')
    says = 'wsapp: config.toml line 2: server.bnd: unknown key, did you mean "bind"? (未知的设置项，是不是 bind？)'
    for name in ("web", "worker", "scheduler", "demo", "db check", "corp list"):
        assert run_here(name.split(), capsys) == (2, [says])
    done = wsapp("serve")
    assert (done.returncode, done.stderr.splitlines()) == (2, [says])


def test_without_a_command_the_help_is_shown_and_it_is_wrong_usage():
    done = wsapp()
    assert done.returncode == 2
    assert "Commands:" in done.stdout + done.stderr


def test_an_unforeseen_error_is_one_line_without_secrets(capsys, monkeypatch):
    def fail(**options):
        raise RuntimeError("first line\nhttps://x/?access_token=canary-123456")

    monkeypatch.setattr(cli.program, "main", fail)
    assert cli.run(["serve"]) == 1
    err = capsys.readouterr().err
    assert err.splitlines() == ["wsapp: RuntimeError: first line https://x/?access_token=***"]


# --- database -----------------------------------------------------------------------------------------------------


def test_the_database_goes_up_and_down(tmp_path):
    assert wsapp("db", "check").returncode == 1
    assert wsapp("db", "upgrade").returncode == 0
    done = wsapp("db", "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert wsapp("db", "downgrade").returncode == 0
    done = wsapp("db", "check")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "data" / "wsapp.db").exists()


# --- corps --------------------------------------------------------------------------------------------------------

FIELDS = (
    CredentialField("agent_id", "AgentId", pattern=r"\d+"),
    CredentialField("app_secret", "Secret", secret=True),
    CredentialField("callback_token", "Token", required=False, secret=True),
)


def test_values_come_from_option_file_and_environment(tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("canary-secret\n")
    monkeypatch.setenv("WSAPP_CORP_CALLBACK_TOKEN", "abcdef")
    values = cli_corps.collect_values(FIELDS, {"agent_id": "1000002"}, {"app_secret": str(tmp_path / "secret")})
    assert values == {"agent_id": "1000002", "app_secret": "canary-secret", "callback_token": "abcdef"}


@pytest.mark.parametrize(
    ("plain", "files", "says"),
    [
        ({"app_secret": "canary"}, {}, "app_secret is a secret"),
        ({"agent_id": "abc"}, {"app_secret": "secret"}, "agent_id"),
        ({"agent_id": "1"}, {"app_secret": "gone"}, "cannot be read"),
        ({"agent_id": "1"}, {"app_secret": "placeholder"}, "still the example value"),
        ({"other": "1"}, {}, "unknown value 'other'"),
    ],
)
def test_bad_values_are_refused_without_showing_them(tmp_path, plain, files, says):
    (tmp_path / "secret").write_text("canary-secret")
    (tmp_path / "placeholder").write_text("xxxxxxxx")
    with pytest.raises(click.BadParameter) as caught:
        cli_corps.collect_values(FIELDS, plain, files)
    assert says in caught.value.message
    assert "canary" not in caught.value.message


def test_a_corp_is_added_and_listed(made, tmp_path):
    (tmp_path / "secret").write_text("s" * 43)
    added = wsapp(
        "corp", "add", "--host", "wecom", "--corp-id", "ww0123456789abcdef", "--name", "森林木业（深圳）有限公司",
        "--value", "agent_id=1000002", "--secret-file", f"app_secret={tmp_path / 'secret'}", "--no-check",
    )  # fmt: skip
    assert (added.returncode, added.stderr) == (0, "")
    listed = wsapp("corp", "list")
    assert listed.stdout == "wecom\tww0123456789abcdef\ton\t森林木业（深圳）有限公司\n"
    assert "s" * 43 not in added.stdout + listed.stdout


@pytest.fixture
def at_the_host(made, tmp_path, monkeypatch):
    """A database, and the emulator of WeCom; the function adds its sample firm with this secret."""
    from wsapp.connectors.wecom.emulator import WeComEmulator, demo_org
    from wsapp.connectors.wecom.emulator_demo import AGENT_ID, CORP_ID

    emulator = WeComEmulator()
    emulator.load(demo_org("http://127.0.0.1:1"))

    def add(secret, *more):
        (tmp_path / "secret").write_text(secret)
        return wsapp(
            "corp", "add", "--host", "wecom", "--corp-id", CORP_ID, "--value", f"agent_id={AGENT_ID}",
            "--secret-file", f"app_secret={tmp_path / 'secret'}", *more, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    with emulator.start() as running:
        monkeypatch.setenv("WSAPP_HOSTS_WECOM_API_BASE", running.url)
        yield add


def test_the_host_is_asked_before_a_corp_is_added(at_the_host):
    from wsapp.connectors.wecom.emulator_demo import APP_SECRET

    wrong = at_the_host("wrong-secret-0123456789")
    assert wrong.returncode == 1
    assert len(wrong.stderr.splitlines()) == 1
    assert "app_secret" in wrong.stderr
    assert "40001" in wrong.stderr
    assert "wrong-secret" not in wrong.stdout + wrong.stderr
    assert wsapp("corp", "list").stdout == ""
    right = at_the_host(APP_SECRET)
    assert (right.returncode, right.stderr) == (0, "")
    assert wsapp("corp", "list").stdout.count("\ton\t") == 1


def test_a_host_that_does_not_answer_is_told_and_no_reason_to_stop(at_the_host, monkeypatch):
    monkeypatch.setenv("WSAPP_HOSTS_WECOM_API_BASE", "http://127.0.0.1:9")
    added = at_the_host("s" * 43)
    assert added.returncode == 0
    assert "not checked" in added.stderr


def test_a_corp_that_stands_in_the_settings_is_changed_there(tmp_path):
    (tmp_path / "config.toml").write_text(
        '[[corps]]\nname = "森林木业"\nhost = "wecom"\ncorp_id = "ww0123456789abcdef"\n'
        'agent_id = 1\napp_secret = "s1s1s1s1"\n'
    )
    done = wsapp("corp", "add", "--host", "wecom", "--corp-id", "ww0123456789abcdef", "--value", "agent_id=2")
    assert done.returncode == 1
    assert "[[corps]]" in done.stderr


def test_a_corp_is_switched_off_and_on(made, tmp_path):
    (tmp_path / "secret").write_text("s" * 43)
    wsapp(
        "corp", "add", "--host", "wecom", "--corp-id", "ww0123456789abcdef", "--value", "agent_id=1", "--no-check",
        "--secret-file", f"app_secret={tmp_path / 'secret'}",
    )  # fmt: skip
    for state in ("off", "on"):
        assert wsapp("corp", "switch", "ww0123456789abcdef", state).returncode == 0
        assert f"\t{state}\t" in wsapp("corp", "list").stdout


def test_a_token_is_for_a_known_member_of_a_known_corp(made):
    done = wsapp("token", "create", "--corp", "ww0123456789abcdef", "--user", "LinXiaoYan")
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["wsapp: --corp: no corp ww0123456789abcdef is connected (connected: none)"]


# --- emulator -----------------------------------------------------------------------------------------------------


@pytest.mark.server
@pytest.mark.parametrize("host", ["wecom", "dingtalk"])
def test_an_emulator_answers_on_its_own(host):
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "wsapp", "emulator", "--host", host, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    guard = threading.Timer(60, process.kill)
    guard.start()
    try:
        url = process.stdout.readline().split()[-1]
        assert requests.get(f"{url}/_emulator/calls", timeout=20).json()["calls"] == []
        process.terminate()
        assert process.wait(20) == 0
    finally:
        guard.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
