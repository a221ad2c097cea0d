"""Commands about corps and their people: `corp list`, `corp add`, `token create`, `seed`."""

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from wsapp.cli import Failed, Program, program, with_settings

if TYPE_CHECKING:
    from wsapp.config import Settings
    from wsapp.connectors.base import CredentialField

# --- corps --------------------------------------------------------------------------------------------------------


@program.group(cls=Program)
def corp() -> None:
    """Connected corps. 已接入的企业。"""


@corp.command("list")
@with_settings
def corp_list(settings: "Settings") -> None:
    """List the connected corps: host, corp id, state, name."""
    with unit_of_work(settings):
        from wsapp.crm.org.queries import corps

        for one in corps():
            state = "off" if not one.enabled else "fault" if one.fault else "on"
            click.echo(f"{one.host}\t{one.host_corp_id}\t{state}\t{one.name}")


@corp.command("add")
@click.option("--host", metavar="wecom|dingtalk", help="The corp's host.")
@click.option("--corp-id", help="The corp's id at its host.")
@click.option("--name", help="What people here call it [the corp id].")
@click.option(
    "--value", "plain", multiple=True, metavar="KEY=VALUE", help="A value that is no secret (agent_id=1000002)."
)
@click.option(
    "--secret-file",
    "files",
    multiple=True,
    metavar="KEY=PATH",
    help="A secret's file; else it is taken from the environment (WSAPP_CORP_<KEY>) or asked for.",
)
@click.option("--check/--no-check", "checks", default=True, help="Ask the host whether the values fit [yes].")
@with_settings(level=logging.ERROR)
def corp_add(
    settings: "Settings",
    host: str | None,
    corp_id: str | None,
    name: str | None,
    plain: tuple[str, ...],
    files: tuple[str, ...],
    checks: bool,
) -> None:
    """Connect a corp, or give a connected one new values. Secrets never stand on the command line.

    At a terminal everything that is missing is asked for. What a corp has and is not named stays; secrets that are
    replaced are accepted for a day more.
    """
    from wsapp.connectors import CONNECTORS, connector_class

    host = host or _ask("--host", f"Host ({', '.join(CONNECTORS)})")
    if host not in CONNECTORS:
        raise click.BadParameter(f"{host!r} is none of {', '.join(CONNECTORS)}", param_hint="--host")
    kind = connector_class(host)
    corp_id = corp_id or _ask("--corp-id", f"{kind.corp_id_field.label}（{kind.corp_id_field.hint}）")
    has = _present_values(settings, host, corp_id)
    given, secrets = _pairs(plain, "--value"), _pairs(files, "--secret-file")
    values = collect_values(kind.credential_fields, given, secrets, has=has)
    with unit_of_work(settings):
        if checks:
            _check_at_host(host, corp_id, name or corp_id, values)
        _keep(host, corp_id, name, values)
    click.echo(f"Connected {host} {corp_id}.")


@corp.command("switch")
@click.argument("corp_id")
@click.argument("state", type=click.Choice(["on", "off"]))
@with_settings
def corp_switch(settings: "Settings", corp_id: str, state: str) -> None:
    """Switch a corp off (nobody signs in, nothing is sent, its data stays) or on again."""
    with unit_of_work(settings), corp_at(corp_id) as found:
        from wsapp.connecting import note
        from wsapp.crm.org.setups import switch_corp
        from wsapp.db import db

        switch_corp(found, state == "on")
        note("corp.switched", found, None, state=state)
        db.session.commit()
        click.echo(f"{found.name} is {state}.")


def _ask(option: str, words: str) -> str:
    if not sys.stdin.isatty():
        raise click.UsageError(f"Missing option '{option}'.")
    answer: str = click.prompt(words, err=True)
    return answer


def _present_values(settings: "Settings", host: str, corp_id: str) -> dict[str, str]:
    """The values of a corp that is connected already; empty for a new one, and before the database is there."""
    if any((one.host, one.corp_id) == (host, corp_id) for one in settings.corps):
        raise Failed(f"--corp-id: {corp_id} stands in the settings file ([[corps]]); change its values there")
    try:
        with unit_of_work(settings):
            from wsapp.crm.org.queries import corp_at_host
            from wsapp.hosts import open_credentials

            found = corp_at_host(host, corp_id)
            return {key: str(value) for key, value in open_credentials(found).items()} if found else {}
    except Failed:
        return {}  # the wrong usage is told first; what is wrong with the database, when the values are kept


def _check_at_host(host: str, corp_id: str, name: str, values: dict[str, str]) -> None:
    """Have the host confirm the values. One that cannot be reached is told, and no reason to stop."""
    from wsapp import connecting
    from wsapp.connectors import connector_class
    from wsapp.connectors.base import HostError, TryLater
    from wsapp.db import db

    kind = connector_class(host)
    db.session.rollback()
    steps = {one.step for one in kind.credential_fields if values.get(one.key) and not one.made}
    for step in kind.set_up_steps:
        if not step.proves or (step.key not in steps):
            continue
        try:
            connecting.prove(host, corp_id, name, values, step.key)
        except HostError as error:
            blame = kind.blame(error)
            words = f"{blame.field or host}: {blame.fix} {blame.place} [{error.code}]"
            if not isinstance(error, TryLater):
                raise Failed(f"{words}; --no-check connects all the same") from None
            click.echo(f"wsapp: not checked, the host does not answer ({error.code})", err=True)
            return


def _keep(host: str, corp_id: str, name: str | None, values: dict[str, str]) -> None:
    from wsapp import connecting, hosts
    from wsapp.crm.org.actions import connect_corp
    from wsapp.crm.org.queries import corp_at_host
    from wsapp.db import db

    found = corp_at_host(host, corp_id)
    if found is None:
        found = connect_corp(host, corp_id, name or corp_id, hosts.seal_credentials(host, corp_id, values))
        connecting.note("corp.connected", found, None, host=host)
    else:
        found.name = name or found.name
        if hosts.open_credentials(found) != values:
            hosts.keep_credentials(found, values)
        connecting.note("corp.changed", found, None)
    db.session.commit()


def collect_values(
    fields: "tuple[CredentialField, ...]",
    plain: dict[str, str],
    files: dict[str, str],
    *,
    has: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Gather a corp's values from options, files, environment and, at a terminal, questions; each checked.

    What it `has` already and nobody names stays. Raises click.BadParameter, naming the value and never showing it.
    """
    known = {one.key: one for one in fields}
    for key in (*plain, *files):
        if key not in known:
            raise click.BadParameter(f"unknown value {key!r}; known are {', '.join(known)}")
    for key in plain:
        if known[key].secret:
            raise click.BadParameter(f"{key} is a secret: use --secret-file {key}=PATH, the environment or the prompt")
    return {one.key: _checked(one, _collect(one, plain, files, (has or {}).get(one.key, ""))) for one in fields}


def _collect(field: "CredentialField", plain: dict[str, str], files: dict[str, str], present: str) -> str:
    if field.key in plain:
        return plain[field.key]
    if field.key in files:
        try:
            with open(files[field.key], encoding="utf-8") as file:
                return file.read().strip("\r\n")
        except (OSError, ValueError) as error:
            raise click.BadParameter(f"{field.key}: {files[field.key]} cannot be read: {error}") from None
    variable = f"WSAPP_CORP_{field.key.upper()}"
    if variable in os.environ:
        return os.environ[variable]
    asks = sys.stdin.isatty() and field.is_typed
    if present or (not field.required and not asks):
        return present
    if not asks:
        raise click.BadParameter(f"{field.key} is missing: set {variable} or give it as an option")
    empty = None if field.required else ""
    words = f"{field.label} ({field.key}；{field.hint})" if field.hint else f"{field.label} ({field.key})"
    answer: str = click.prompt(words, default=empty, show_default=False, hide_input=field.secret, err=True)
    return answer


def _checked(field: "CredentialField", value: str) -> str:
    from wsapp import config_values
    from wsapp.config import SettingsError
    from wsapp.config_file import Place

    pattern = "" if field.secret else field.pattern
    try:
        return config_values.credential(
            value, Place(field.key, "corp add"), key=field.key, label=field.label, pattern=pattern, hint=field.hint
        )
    except SettingsError as error:
        raise click.BadParameter(str(error)) from None


def _pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"expected KEY={'PATH' if 'file' in option else 'VALUE'}", param_hint=option)
        pairs[key.strip()] = value
    return pairs


# --- tokens -------------------------------------------------------------------------------------------------------


@program.group(cls=Program)
def token() -> None:
    """Personal API tokens."""


@token.command("create")
@click.option("--corp", "corp_id", required=True, help="The corp's id at its host.")
@click.option("--user", "userid", required=True, help="The member's userid.")
@click.option("--scope", default="read,write", show_default=True, help="What it may do: read, write.")
@click.option("--days", type=click.IntRange(min=1), default=90, show_default=True, help="How long it lives.")
@with_settings
def token_create(settings: "Settings", corp_id: str, userid: str, scope: str, days: int) -> None:
    """Print a personal API token once, as the last word of stdout."""
    from wsapp.problems import Problem

    with unit_of_work(settings), member_of(corp_id, userid) as member:
        from wsapp.crm.org.access import create_token
        from wsapp.db import db

        scopes = [one.strip() for one in scope.split(",") if one.strip()]
        try:
            text = create_token(member, scopes=scopes, days=days)
        except Problem as problem:
            raise click.BadParameter(str(problem)) from None
        db.session.commit()
        click.echo(f"A token of {member.name} for {days} days ({', '.join(scopes)}): {text}")


# --- sample data --------------------------------------------------------------------------------------------------


@program.command()
@click.option("--customers", type=click.IntRange(min=1), required=True, help="How many customers.")
@click.option("--corp", "corp_id", required=True, help="The corp's id at its host.")
@with_settings
def seed(settings: "Settings", customers: int, corp_id: str) -> None:
    """Add realistic sample data of any size, for benchmarks and trials. Nobody is told of it."""
    with unit_of_work(settings), corp_at(corp_id) as found:
        from wsapp.seeding import NobodyThere
        from wsapp.seeding import seed as add

        try:
            with click.progressbar(length=customers, label=found.name, file=sys.stderr) as bar:
                made = add(found, customers, progress=bar.update)
        except NobodyThere as error:
            raise Failed(f"--corp: {error}") from None
        click.echo(f"Added {made} customers to {found.name}.")


# --- shared -------------------------------------------------------------------------------------------------------


@contextmanager
def unit_of_work(settings: "Settings") -> Iterator[Any]:
    """One unit of work of the app, with the corps of the settings connected."""
    from sqlalchemy.exc import OperationalError, ProgrammingError

    from wsapp import serving

    app = serving.build(settings)
    with app.app_context():
        from wsapp.hosts import connect_configured_corps

        try:
            connect_configured_corps()
            yield app
        except (OperationalError, ProgrammingError) as error:
            raise Failed(f"the database cannot be used ({error.orig}); has `wsapp db upgrade` been run?") from None


@contextmanager
def corp_at(host_corp_id: str) -> Iterator[Any]:
    """Work inside the corp with this id at its host."""
    from wsapp.crm.org.queries import corps
    from wsapp.db import corp_scope

    found = next((one for one in corps() if one.host_corp_id == host_corp_id), None)
    if found is None:
        known = ", ".join(one.host_corp_id for one in corps()) or "none"
        raise Failed(f"--corp: no corp {host_corp_id} is connected (connected: {known})")
    with corp_scope(found.id):
        yield found


@contextmanager
def member_of(host_corp_id: str, userid: str) -> Iterator[Any]:
    """Work inside a corp as one of its active members."""
    from wsapp.connectors import connector_class
    from wsapp.crm.org.queries import member_by_userid

    with corp_at(host_corp_id) as corp:
        member = member_by_userid(userid, fold=connector_class(corp.host).userid_case == "fold")
        member = member or _arrived(corp, userid)
        if not member.is_active:
            raise Failed(f"--user: {userid} has left {host_corp_id}")
        yield member


def _arrived(corp: Any, userid: str) -> Any:
    """Ask the host for somebody who has not opened the app yet."""
    from wsapp import arrivals
    from wsapp.connectors.base import HostError, OutOfRange

    try:
        return arrivals.arrive(corp, userid)
    except OutOfRange:
        raise Failed(f"--user: {corp.host_corp_id} has no member {userid} whom the app may see") from None
    except HostError as error:
        raise Failed(f"--user: {userid} is not known here, and the host does not answer ({error})") from None
