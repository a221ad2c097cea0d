"""Reading `config.toml`: its text, the line of every key, values kept elsewhere (`env:`, `file:`), overrides.

Knows nothing of what the settings mean: `wsapp.config` does.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

OVERRIDE_PREFIX = "WSAPP_"

_HEADER = re.compile(r"^\s*\[(\[)?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]{0,20}(_[A-Z0-9]{1,20})*")
_AT_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")

KeyPath = tuple[str | int, ...]  # ("server", "bind"), ("corps", 0, "app_secret")


class SettingsError(Exception):
    """The settings cannot be used. The text is one line that names the setting and where it stands, never a secret."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that looks most like `name`, or an empty string where nothing is known."""
    return max(known, key=lambda one: difflib.SequenceMatcher(None, name.lower(), one.lower()).ratio(), default="")


@dataclass(frozen=True)
class Place:
    """Where a value stands: the setting's name as people write it, and the file's line or the variable it came from."""

    setting: str
    origin: str
    loose: bool = False  # the value came as text from outside TOML, so numbers may be text too

    def fail(self, message: str) -> NoReturn:
        """Refuse the value: raises SettingsError, one line, naming setting and place."""
        raise SettingsError(f"{self.origin}: {self.setting}: {' '.join(message.split())}")


@dataclass(frozen=True)
class Document:
    """A settings file as read: nested tables, and on which line each key stands."""

    name: str
    folder: Path
    tree: dict[str, Any] = field(default_factory=dict, repr=False)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def place(self, path: KeyPath, *, loose: bool = False) -> Place:
        """Return the place of a key; a key without a line of its own stands where its table does."""
        known = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in self.lines), None)
        origin = f"{self.name} line {self.lines[known]}" if known else self.name
        return Place(spell(path), origin, loose)

    def look_up(self, path: KeyPath, value: Any) -> tuple[Any, Place]:
        """Return a value with `env:NAME` and `file:PATH` replaced by what they name, and its place."""
        place = self.place(path)
        if not isinstance(value, str):
            return value, place
        return self._fetch(value, place)

    def override(self, path: KeyPath) -> tuple[str, Place] | None:
        """Return the value of `WSAPP_<SECTION>_<KEY>` for a key, where the environment has it."""
        name = override_name(path)
        if name not in self.environ:
            return None
        return self._fetch(self.environ[name], Place(spell(path), f"environment {name}", loose=True))

    def _fetch(self, value: str, place: Place) -> tuple[str, Place]:
        kind, colon, rest = value.partition(":")
        if not colon or kind not in ("env", "file"):
            return value, place
        outside = Place(place.setting, place.origin, loose=True)
        if kind == "env":
            if rest not in self.environ:
                # A secret written where its variable's name belongs must not be repeated.
                name = f" {rest}" if _VARIABLE.fullmatch(rest) else ""
                place.fail(f"the environment variable{name} is not set (环境变量{name} 未设置)")
            return self.environ[rest].strip("\r\n"), outside
        try:
            return (self.folder / rest).read_text(encoding="utf-8").rstrip("\r\n"), outside
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            place.fail(f"the file {rest} cannot be read: {reason} (文件无法读取)")


def override_name(path: KeyPath) -> str:
    """Return the environment variable that overrides a key: ("server", "bind") → WSAPP_SERVER_BIND."""
    return OVERRIDE_PREFIX + "_".join(str(part) for part in path).upper()


def spell(path: KeyPath) -> str:
    """Write a key as people do: server.bind, corps[1].app_secret (the first corp is 1)."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read(path: Path | None, environ: Mapping[str, str]) -> Document:
    """Read a settings file (None: an empty one). Raises SettingsError when it is no UTF-8 TOML."""
    if path is None:
        return Document("settings", Path.cwd(), environ=environ)
    text = _read_text(path)
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        line = found[1] if found and found[1] else str(text.count("\n") + 1)
        # The reason names at most one character of the file, so no secret can be in it.
        reason = _AT_LINE.sub("", str(error))
        raise SettingsError(f"{path} line {line}: not valid TOML: {reason} (TOML 语法错误)") from None
    return Document(str(path), path.resolve().parent, tree, find_lines(text), environ)


def _read_text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: the settings file cannot be read: {error.strerror} (配置文件无法读取)") from None
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise SettingsError(
            f"{path} line 1: starts with a byte order mark, save it as UTF-8 without BOM (请另存为 UTF-8 无 BOM)"
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingsError(
            f"{path} line {line}: not UTF-8 (perhaps GBK), save it as UTF-8 (请另存为 UTF-8 编码)"
        ) from None


def find_lines(text: str) -> dict[KeyPath, int]:
    """Return the line of every table and key of a TOML text.

    The TOML reader tells no lines, so the text is scanned for headers and assignments; a key inside an inline table or
    behind a multi-line value has no line of its own, and its table's line is used instead.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    quote = ""
    for number, line in enumerate(text.splitlines(), 1):
        if quote:
            quote = "" if quote in line else quote
            continue
        if header := _HEADER.match(line):
            table = _parts(header[2])
            if header[1]:
                counts[table] = counts.get(table, -1) + 1
                lines.setdefault(table, number)
                table = (*table, counts[table])
            lines.setdefault(table, number)
        elif assignment := _ASSIGNMENT.match(line):
            lines.setdefault((*table, *_parts(assignment[1])), number)
            quote = next((mark for mark in ('"""', "'''") if line.count(mark) % 2), "")
    return lines


def _parts(dotted: str) -> KeyPath:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
