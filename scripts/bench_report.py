"""The tables: printed, and written between the marks in docs/benchmarks.md. Figures are only reported, never judged."""

import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_load import Load

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
MILLION = 1_000_000

# operation → the goal for (SQLite, PostgreSQL), as requests/s ÷ bare
GOALS = {
    "list of 20, the whole firm's": (0.45, 0.28),
    "list of 20, a seller's own": (0.45, 0.28),
    "customer with timeline": (0.30, 0.18),
    "search by a fragment of the name": (0.18, 0.09),
    "create a customer": (0.17, 0.12),
    "log a follow-up": (0.18, 0.12),
    "log a visit": (0.18, 0.12),
}
SPREAD_GOALS = (6, 4)  # p99 ÷ p50
GROWTH_GOAL = 1.3
SENDING_GOAL = 0.8
MEMORY_GOALS = (110, 120)  # MB
START_GOALS = (2, 3)  # seconds
PAGE_GOAL = 80  # KB
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


class Report:
    """Gathers the figures of a run."""

    def __init__(self, path: Path, machine: dict[str, str]) -> None:
        self.path = path
        self.machine = machine
        self.web: dict[str, list[list[str]]] = {}
        self.sql: dict[str, list[list[str]]] = {}
        self.growth: dict[str, list[list[str]]] = {}
        self.sizes: dict[str, list[int]] = {}
        self.single: list[list[str]] = []

    def add_web(self, database: str, name: str, rounds: Sequence[tuple[Load, float]]) -> None:
        """Add an operation under load: each round's figures, and the bare view's rate at the same time."""
        ratio = statistics.median(seen.rate / hello for seen, hello in rounds)
        spread = statistics.median(seen.p99 / seen.p50 for seen, _hello in rounds)
        goals = GOALS.get(name)
        index = list(DATABASES).index(database)
        self.web.setdefault(database, []).append(
            [
                name,
                f"{ratio:.3f}",
                f"{goals[index]:.2f}" if goals else "–",
                f"{statistics.median(seen.rate for seen, _hello in rounds):,.0f}",
                f"{statistics.median(hello for _seen, hello in rounds):,.0f}",
                f"{statistics.median(seen.cpu for seen, _hello in rounds) * 1000:.2f}",
                f"{statistics.median(seen.p50 for seen, _hello in rounds) * 1000:.1f}",
                f"{spread:.1f}",
                f"{SPREAD_GOALS[index]}",
            ]
        )

    def add_sql(self, database: str, alone: dict[str, float], raw: dict[str, dict[str, float]]) -> None:
        """Add each page's latency with a single client beside the time of its SQL on the bare driver."""
        self.sql[database] = [
            [
                name,
                f"{raw[name]['statements']:.0f}",
                f"{raw[name]['seconds'] * 1000:.2f}",
                f"{seconds * 1000:.2f}",
                f"{seconds / raw[name]['seconds']:.1f}",
            ]
            for name, seconds in alone.items()
        ]

    def add_growth(self, database: str, found: dict[int, dict[str, float]]) -> None:
        """Add each operation's latency with a single client by the size of the firm."""
        sizes = list(found)
        self.sizes[database] = sizes
        first = found[sizes[0]]
        self.growth[database] = [
            [name, *(f"{found[size][name] * 1000:.2f}" for size in sizes)]
            + [f"{found[size][name] / first[name]:.2f}" for size in sizes[1:]]
            for name in first
        ]

    def add_memory(self, database: str, workers: Sequence[int]) -> None:
        self._single("memory of a web worker after load (PSS)", database, max(workers) / 1e6, MEMORY_GOALS, "MB")

    def add_start(self, database: str, seconds: Sequence[float]) -> None:
        what = "start of `wsapp serve`" if database == "sqlite" else "start of `wsapp web`"
        self._single(f"{what} to the first answer", database, statistics.median(seconds), START_GOALS, "s")

    def add_page(self, sizes: dict[str, int]) -> None:
        parts = ", ".join(f"{kind} {size / 1000:.1f}" for kind, size in sizes.items())
        total = sum(sizes.values()) / 1000
        self.single.append(
            ["first page over the wire, compressed", "", f"{total:.1f} KB ({parts})", f"≤ {PAGE_GOAL} KB"]
        )

    def add_sending(self, database: str, found: dict[str, Any]) -> None:
        value = f"{found['ratio']:.2f} ({found['ours']:,.0f}/s ÷ {found['bare']:,.0f}/s)"
        name = "messages/s ÷ a bare loop of `requests`, one WeCom corp"
        self.single.append([name, DATABASES[database], value, f"≥ {SENDING_GOAL}"])

    def add_import(self, database: str, found: dict[str, Any]) -> None:
        value = f"{found['ratio']:.2f} ({found['ours']:,.0f}/s ÷ {found['raw']:,.0f}/s)"
        name = "import rows/s ÷ raw read + insert of the same file"
        self.single.append([name, DATABASES[database], value, "≥ 0.4"])

    def _single(self, name: str, database: str, value: float, goals: tuple[float, float], unit: str) -> None:
        goal = goals[list(DATABASES).index(database)]
        self.single.append([name, DATABASES[database], f"{value:.1f} {unit}", f"≤ {goal:g} {unit}"])

    # --- text ------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """Return all tables as Markdown."""
        parts = ["\n".join(f"- {name}: {value}" for name, value in self.machine.items())]
        for database, rows in self.web.items():
            heads = ["operation", "÷ bare", "goal ≥", "per second", "bare per second", "CPU ms each", "p50 ms"]
            parts.append(_titled(f"{DATABASES[database]}, 16 clients", [*heads, "p99 ÷ p50", "goal ≤"], rows))
        for database, rows in self.sql.items():
            heads = ["page", "statements", "raw SQL ms", "page ms, one client", "page ÷ SQL"]
            parts.append(_titled(f"{DATABASES[database]}, against the raw SQL", heads, rows))
        for database, rows in self.growth.items():
            parts.append(self._growth_text(database, rows))
        if self.single:
            parts.append(_titled("Other figures", ["figure", "database", "measured", "goal"], self.single))
        return "\n\n".join(parts) + "\n"

    def _growth_text(self, database: str, rows: list[list[str]]) -> str:
        sizes = self.sizes[database]
        heads = ["operation", *(f"{size:,} ms" for size in sizes)]
        heads += [f"÷ at {sizes[0]:,}, {size:,}" for size in sizes[1:]]
        return _titled(f"{DATABASES[database]}, growth (one client, goal ≤ {GROWTH_GOAL} at {MILLION:,})", heads, rows)

    def write(self) -> None:
        """Replace the measured part of the document."""
        text = self.path.read_text(encoding="utf-8")
        fresh = f"{BEGIN}\n\n{self.text()}\n{END}"
        self.path.write_text(re.sub(f"{BEGIN}.*{END}", lambda _found: fresh, text, flags=re.DOTALL), encoding="utf-8")


def _titled(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"### {title}", "", _line(heads), _line(["---"] * len(heads)), *map(_line, rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
