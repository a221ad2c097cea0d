"""The program `wsapp`: its commands, and the one line that every error gets.

Exit codes: 0 done, 1 the job failed, 2 wrong usage or settings. Everything heavy is imported only by the command that
needs it, so that `--help` answers at once.
"""

import difflib
import functools
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from wsapp import __version__

if TYPE_CHECKING:
    from wsapp.config import Settings

FAILED, WRONG = 1, 2
LONGEST_REASON = 400


class Program(click.Group):
    """A group of commands that names the nearest one when it does not know the one asked for."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1, cutoff=0.0)
            ctx.fail(f"unknown command {args[0]!r}, did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)


class Failed(click.ClickException):
    """The job failed: one line, exit code 1."""

    exit_code = FAILED


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="wsapp", message="%(prog)s %(version)s")
def program() -> None:
    """A self-hosted CRM that lives inside DingTalk and WeCom. 钉钉与企业微信里的客户管理。"""


def with_settings(command: Callable[..., Any] | None = None, *, level: int = logging.WARNING) -> Callable[..., Any]:
    """Give a command the option --config, and the loaded settings as its first argument."""
    if command is None:
        return functools.partial(with_settings, level=level)

    @click.option(
        "--config", "path", type=click.Path(path_type=Path), metavar="PATH", help="The settings [./config.toml]."
    )
    @functools.wraps(command)
    def run(*args: Any, path: Path | None, **options: Any) -> Any:
        settings = load_settings(path)
        from wsapp import logs

        logs.setup(level=level, secrets=settings.secrets)
        return command(settings, *args, **options)

    return run


def load_settings(path: Path | None) -> "Settings":
    """Read the settings for all registered hosts. Raises SettingsError."""
    from wsapp import config
    from wsapp.connectors import connector_classes

    return config.load(path, os.environ, connector_classes())


# --- roles --------------------------------------------------------------------------------------------------------


@program.command()
@with_settings(level=logging.INFO)
def serve(settings: "Settings") -> int:
    """Run everything in one process tree: web, worker and scheduler.

    Migrates the database first. SIGTERM or Ctrl-C stops in order, SIGHUP reloads the web.
    """
    from wsapp import serving

    return serving.serve(settings, rebuild=lambda: load_settings(settings.path))


@program.command()
@with_settings(level=logging.INFO)
def web(settings: "Settings") -> int:
    """Run the web alone; any number of copies on PostgreSQL."""
    from wsapp import serving

    return serving.web(settings, rebuild=lambda: load_settings(settings.path))


@program.command()
@with_settings(level=logging.INFO)
def worker(settings: "Settings") -> int:
    """Execute background work alone; any number of copies on PostgreSQL."""
    from wsapp import serving

    return serving.worker(settings)


@program.command()
@with_settings(level=logging.INFO)
def scheduler(settings: "Settings") -> int:
    """Tick for reminders and upkeep alone; any number of copies on PostgreSQL, one leads."""
    from wsapp import serving

    return serving.scheduler(settings)


@program.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="The first of five ports; 0: any."
)
@click.option("--fresh", is_flag=True, help="Forget the data of the last time.")
@click.option("--stream", is_flag=True, help="DingTalk pushes over a stream (Stream mode) instead of HTTP.")
@with_settings(level=logging.ERROR)
def demo(settings: "Settings", port: int, fresh: bool, stream: bool) -> int:
    """Run everything with emulators of both hosts and demo data; open /demo."""
    from wsapp import metrics_folder

    metrics_folder.share(settings.server.data_dir)
    return import_module("wsapp.demo").main(settings, port, fresh=fresh, streams=stream) or 0


@program.command()
@click.option("--host", "host", required=True, metavar="wecom|dingtalk", help="Which host.")
@click.option("--port", required=True, type=click.IntRange(0, 65535), help="Where to listen; 0: any free port.")
@click.option("--bind", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--org", type=click.File(encoding="utf-8"), help="Companies, apps and people as JSON [a demo firm].")
@with_settings
def emulator(settings: "Settings", host: str, port: int, bind: str, org: Any) -> int:
    """Run one host's emulator on its own."""
    import json

    from wsapp import serving
    from wsapp.connectors import CONNECTORS

    if host not in CONNECTORS:
        raise click.BadParameter(f"{host!r} is none of {', '.join(CONNECTORS)}", param_hint="--host")
    module = import_module(f"wsapp.connectors.{host}.emulator")
    try:
        people = json.load(org) if org else module.demo_org(settings.server.public_url)
        running = module.EMULATOR()
        running.load(people)
    except (ValueError, KeyError, TypeError) as error:
        raise click.BadParameter(f"not an organisation: {type(error).__name__} {error}", param_hint="--org") from None
    serving.listen(f"{bind}:{port}").close()  # a taken port is one clear line
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with running.start(port, bind) as server:
        click.echo(f"The emulator of {host} answers at {server.url}")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


# --- database -----------------------------------------------------------------------------------------------------


@program.group(cls=Program)
def db() -> None:
    """Migrate and check the database."""


@db.command("upgrade")
@with_settings
def db_upgrade(settings: "Settings") -> None:
    """Migrate to the newest version."""
    from wsapp import schema, serving

    with serving.claim(settings, "db"):
        schema.upgrade(serving.build(settings))
    click.echo("The database is at the newest version.")


@db.command("downgrade")
@with_settings
def db_downgrade(settings: "Settings") -> None:
    """Step back one version."""
    from wsapp import schema, serving

    with serving.claim(settings, "db"):
        schema.downgrade(serving.build(settings))
    click.echo("The database is one version back.")


@db.command("check")
@with_settings
def db_check(settings: "Settings") -> int:
    """Exit 1 when the schema is behind or differs."""
    from wsapp import schema, serving

    problems = schema.check(serving.build(settings))
    if not problems:
        click.echo("The database is at the newest version, and nothing differs.")
        return 0
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    raise Failed(problems[0] + more)


# --- from the outside in ------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and exit with its code; every error is one line on stderr."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    # For its side effect: these commands register themselves, and import nothing heavy either.
    import_module("wsapp.cli_corps")
    import_module("wsapp.cli_doctor")
    import_module("wsapp.cli_directory")
    import_module("wsapp.cli_audit")
    import_module("wsapp.cli_transfer")
    import_module("wsapp.cli_search")
    import_module("wsapp.cli_recycle")
    try:
        code = program.main(args=list(arguments), prog_name="wsapp", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return WRONG
    except click.ClickException as error:
        return _say(error.format_message(), error.exit_code, getattr(error, "ctx", None))
    except (click.Abort, KeyboardInterrupt):
        return _say("stopped", FAILED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the exit flush fails again
        return FAILED
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line instead of a traceback
        return _explain(error)
    return code if isinstance(code, int) else 0


def _explain(error: Exception) -> int:
    from wsapp import logs
    from wsapp.config import SettingsError
    from wsapp.serving import CannotServe

    if os.environ.get("WSAPP_TRACEBACK"):
        logs.get_logger().exception("command.failed")
    if isinstance(error, SettingsError):
        return _say(str(error), WRONG)
    if isinstance(error, CannotServe):
        return _say(str(error), FAILED)
    return _say(f"{type(error).__name__}: {logs.redact(str(error))}", FAILED)


def _say(reason: str, code: int, context: click.Context | None = None) -> int:
    command = context.command_path if context else "wsapp"
    line = " ".join(reason.split())
    click.echo(f"{command}: {line[:LONGEST_REASON]}", err=True)
    return code
