"""The settings: `config.toml`, overrides from the environment, checked and frozen.

An unknown key is an error that names the nearest known one. What each host's corps need and which base URLs it has is
handed in by whoever knows the hosts: this file knows none.
"""

import os
import re
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from wsapp import config_values as read_as
from wsapp.config_file import Document, KeyPath, SettingsError, nearest, override_name, read

__all__ = [
    "CorpSettings",
    "Database",
    "Drafts",
    "Notifications",
    "Queue",
    "Server",
    "Settings",
    "SettingsError",
    "Webhooks",
    "load",
]

DEFAULT_FILE = "config.toml"
CONFIG_VARIABLE = "WSAPP_CONFIG"


# --- what the settings are ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """`public_url` has no trailing slash; `bind` holds one or more of "host:port", "[v6]:port", "unix:path"."""

    public_url: str
    bind: tuple[str, ...]
    data_dir: Path
    trusted_proxies: int
    workers: int  # of the role `web`; 0: the default of 2. Embedded there is always one
    threads: int  # per worker; 0: 4 in the role `web`, 8 embedded


@dataclass(frozen=True)
class Database:
    url: str = field(repr=False)  # empty: SQLite in data_dir


@dataclass(frozen=True)
class Queue:
    url: str = field(repr=False)  # empty: the database alone


@dataclass(frozen=True)
class Notifications:
    """`quiet_hours` is (from, to), which may run over midnight; None: off."""

    quiet_hours: tuple[time, time] | None
    timezone: str

    @cached_property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.timezone)


@dataclass(frozen=True)
class Webhooks:
    allow_hosts: tuple[str, ...]


@dataclass(frozen=True)
class Drafts:
    """A service that speaks OpenAI's chat completions, and may fill drafts; empty `base_url`: none."""

    base_url: str
    model: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class CorpSettings:
    """A corp of `[[corps]]`: `values` holds its host's credential values by key, all as text."""

    name: str
    host: str
    corp_id: str
    values: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Settings:
    server: Server
    database: Database
    queue: Queue
    notifications: Notifications
    webhooks: Webhooks
    drafts: Drafts
    hosts: Mapping[str, Mapping[str, str]]  # host → base URL by key, only those that differ from the host's default
    corps: tuple[CorpSettings, ...]
    path: Path | None
    secrets: tuple[str, ...] = field(repr=False, default=())  # every secret value, for the log's redaction

    @property
    def database_url(self) -> str:
        """The database to open, as SQLAlchemy writes it: the configured one, else SQLite in data_dir."""
        return self.database.url or f"sqlite:///{self.server.data_dir / 'wsapp.db'}"

    @property
    def is_embedded(self) -> bool:
        """Whether the database is SQLite, so that only one process tree may use it."""
        return self.database_url.startswith("sqlite")


class FieldShape(Protocol):
    """What is asked of a credential field (`wsapp.connectors.base.CredentialField`)."""

    @property
    def key(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def required(self) -> bool: ...
    @property
    def secret(self) -> bool: ...
    @property
    def pattern(self) -> str: ...
    @property
    def hint(self) -> str: ...


class HostShape(Protocol):
    """What is asked of a host: its base URLs and the values that a corp brings (a connector class has both)."""

    @property
    def base_keys(self) -> Mapping[str, str]: ...
    @property
    def credential_fields(self) -> Sequence[FieldShape]: ...


# --- what stands where --------------------------------------------------------------------------------------------

# Section → key → (default as it would stand in the file, how to read it).
SECTIONS: dict[str, dict[str, tuple[Any, read_as.Parser]]] = {
    "server": {
        "public_url": ("", read_as.public_url),
        "bind": ("127.0.0.1:8000", read_as.bind),
        "data_dir": ("data", read_as.folder_name),
        "trusted_proxies": (0, read_as.count(0, 10)),
        "workers": (0, read_as.count(0, 64)),
        "threads": (0, read_as.count(0, 256)),
    },
    "database": {"url": ("", read_as.service_url(read_as.DATABASE_SCHEMES, "postgresql+psycopg://user@host/name"))},
    "queue": {"url": ("", read_as.service_url(read_as.QUEUE_SCHEMES, "redis://host:6379/0 or amqp://user@host/"))},
    "notifications": {
        "quiet_hours": ("21:00-08:00", read_as.quiet_hours),
        "timezone": ("Asia/Shanghai", read_as.timezone),
    },
    "webhooks": {"allow_hosts": ([], read_as.strings)},
    "drafts": {"base_url": ("", read_as.public_url), "model": ("", read_as.text), "key": ("", read_as.text)},
}
CORP_KEYS = ("name", "host", "corp_id")

# Orchestrators add variables of this shape for services that happen to be called wsapp-server and the like.
_SERVICE_VARIABLE = re.compile(r"_(SERVICE_HOST|SERVICE_PORT\w*|PORT(_\w+)?)$")


# --- putting it together ------------------------------------------------------------------------------------------


def load(path: Path | None, environ: Mapping[str, str], hosts: Mapping[str, HostShape]) -> Settings:
    """Read, check and freeze the settings.

    `path` None means the file named by WSAPP_CONFIG, or `./config.toml`, else the defaults. `hosts` are the known ones
    (`wsapp.connectors.connector_classes()`). Raises SettingsError, one line that names the setting and its line.
    """
    path = path or _default_path(environ)
    document = read(path, environ)
    _refuse_unknown(document, document.tree, (), [*SECTIONS, "hosts", "corps"])
    _refuse_unknown_overrides(environ, hosts)
    values = {section: _section(document, section) for section in SECTIONS}
    server = values["server"]
    server["data_dir"] = _usable_folder(document, server["data_dir"])
    server["public_url"] = server["public_url"] or read_as.own_address(server["bind"][0])
    corps, corp_secrets = _corps(document, hosts)
    urls = (values["database"]["url"], values["queue"]["url"])
    return Settings(
        server=Server(**server),
        database=Database(**values["database"]),
        queue=Queue(**values["queue"]),
        notifications=Notifications(**values["notifications"]),
        webhooks=Webhooks(**values["webhooks"]),
        drafts=Drafts(**values["drafts"]),
        hosts={host: _bases(document, host, shape) for host, shape in _known_hosts(document, hosts).items()},
        corps=corps,
        path=path,
        secrets=(
            *corp_secrets,
            *filter(None, [values["drafts"]["key"]]),
            *(secret for url in urls for secret in read_as.passwords(url)),
        ),
    )


def _default_path(environ: Mapping[str, str]) -> Path | None:
    if environ.get(CONFIG_VARIABLE):
        return Path(environ[CONFIG_VARIABLE])
    return Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None


def _refuse_unknown(document: Document, table: Mapping[str, Any], path: KeyPath, known: Iterable[str]) -> None:
    known = list(known)
    for key in table:
        if key not in known:
            document.place((*path, key)).fail(
                f'unknown key, did you mean "{nearest(key, known)}"? (未知的设置项，是不是 {nearest(key, known)}？)'
            )


def _refuse_unknown_overrides(environ: Mapping[str, str], hosts: Mapping[str, HostShape]) -> None:
    """A mistyped override would be ignored in silence: within our sections that is an error, too."""
    known = [override_name((section, key)) for section, keys in SECTIONS.items() for key in keys]
    known += [override_name(("hosts", host, key)) for host, shape in hosts.items() for key in shape.base_keys]
    sections = tuple(override_name((section, "")) for section in (*SECTIONS, "hosts"))
    for name in environ:
        if name.startswith(sections) and name not in known and not _SERVICE_VARIABLE.search(name):
            raise SettingsError(f'environment {name}: unknown setting, did you mean "{nearest(name, known)}"?')


def _table(document: Document, path: KeyPath) -> Mapping[str, Any]:
    table: dict[str, Any] = document.tree
    for part in path:
        inner = table.get(str(part), {})
        if not isinstance(inner, dict):
            document.place(path).fail("expected a table (应为一个小节)")
        table = inner
    return table


def _section(document: Document, section: str) -> dict[str, Any]:
    table = _table(document, (section,))
    _refuse_unknown(document, table, (section,), SECTIONS[section])
    values = {}
    for key, (default, parse) in SECTIONS[section].items():
        path = (section, key)
        value, place = document.override(path) or document.look_up(path, table.get(key, default))
        values[key] = parse(value, place)
    return values


def _usable_folder(document: Document, name: str) -> Path:
    """The data folder, relative to the settings file; it, or the nearest folder above it, must be writable."""
    folder = (document.folder / Path(name).expanduser()).resolve()
    place = document.place(("server", "data_dir"))
    above = next(one for one in (folder, *folder.parents) if one.exists())
    if not above.is_dir():
        place.fail(f"{above} is not a folder (不是目录)")
    if not os.access(above, os.W_OK | os.X_OK):
        place.fail(f"{above} is not writable (目录不可写)")
    return folder


def _known_hosts(document: Document, hosts: Mapping[str, HostShape]) -> Mapping[str, HostShape]:
    _refuse_unknown(document, _table(document, ("hosts",)), ("hosts",), hosts)
    return hosts


def _bases(document: Document, host: str, shape: HostShape) -> dict[str, str]:
    """The base URLs of a host that were set; the others keep the host's own default."""
    table = _table(document, ("hosts", host))
    _refuse_unknown(document, table, ("hosts", host), shape.base_keys)
    bases = {}
    for key in shape.base_keys:
        path = ("hosts", host, key)
        value, place = document.override(path) or document.look_up(path, table.get(key, ""))
        if url := read_as.public_url(value, place):
            bases[key] = url
    return bases


def _corps(document: Document, hosts: Mapping[str, HostShape]) -> tuple[tuple[CorpSettings, ...], list[str]]:
    tables = document.tree.get("corps", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        document.place(("corps",)).fail("expected [[corps]] tables (应为 [[corps]] 小节)")
    corps: list[CorpSettings] = []
    secrets: list[str] = []
    for index, table in enumerate(tables):
        corp, its_secrets = _corp(document, ("corps", index), table, hosts)
        if any((corp.host, corp.corp_id) == (other.host, other.corp_id) for other in corps):
            document.place(("corps", index, "corp_id")).fail("this corp stands here twice (企业重复)")
        corps.append(corp)
        secrets += its_secrets
    return tuple(corps), secrets


def _corp(
    document: Document, path: KeyPath, table: Mapping[str, Any], hosts: Mapping[str, HostShape]
) -> tuple[CorpSettings, list[str]]:
    host, place = document.look_up((*path, "host"), table.get("host", ""))
    if not isinstance(host, str) or host not in hosts:
        place.fail(f"must be one of {', '.join(sorted(hosts))} (宿主须为其中之一)")
    fields = hosts[host].credential_fields
    _refuse_unknown(document, table, path, [*CORP_KEYS, *(one.key for one in fields)])
    corp_id = _credential(document, (*path, "corp_id"), table, None)
    name = read_as.text(*document.look_up((*path, "name"), table.get("name", corp_id)))
    values = {one.key: _credential(document, (*path, one.key), table, one) for one in fields}
    secrets = [values[one.key] for one in fields if one.secret and values[one.key]]
    return CorpSettings(name or corp_id, host, corp_id, values), secrets


def _credential(document: Document, path: KeyPath, table: Mapping[str, Any], field: FieldShape | None) -> str:
    key = str(path[-1])
    value, place = document.look_up(path, table.get(key, ""))
    if field is None:
        text = read_as.credential(value, place, key=key, label="企业 ID")
    else:
        # Hosts change how their secrets look, so only what is no secret is held to the field's own pattern.
        pattern = "" if field.secret else field.pattern
        text = read_as.credential(value, place, key=key, label=field.label, pattern=pattern, hint=field.hint)
    if not text and (field is None or field.required):
        place.fail(f"is missing (请填写{field.label if field else '企业 ID'})")
    return text
