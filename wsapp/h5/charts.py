"""Small charts as inline SVG: where bars, rings and marks stand, worked out here; templates draw, without a script."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 340, 120
LEFT, RIGHT, TOP, BOTTOM = 28, 14, 10, 22  # room for labels
GAP = 0.3  # of a day's width


@dataclass(frozen=True)
class Bar:
    """One bar, in the drawing's own units."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Chart:
    """A chart of days: bars, a line over them as SVG points, the label of each day ("" for none), the highest value."""

    bars: Sequence[Bar]
    line: str
    days: Sequence[tuple[float, str]]
    top: int
    width: int = WIDTH
    height: int = HEIGHT
    base: int = HEIGHT - BOTTOM
    left: int = LEFT
    head: int = TOP


def chart(bars: Sequence[int], line: Sequence[int], labels: Sequence[str]) -> Chart:
    """Return where the bars and the line of two rows of figures stand. All three are of one length."""
    top = max(1, *bars, *line)
    each = (WIDTH - LEFT - RIGHT) / len(bars)
    high = HEIGHT - BOTTOM - TOP

    def y(value: int) -> float:
        return round(HEIGHT - BOTTOM - high * value / top, 1)

    def middle(at: int) -> float:
        return round(LEFT + each * (at + 0.5), 1)

    drawn = [
        Bar(round(LEFT + each * (at + GAP / 2), 1), y(value), round(each * (1 - GAP), 1), round(high * value / top, 1))
        for at, value in enumerate(bars)
    ]
    points = " ".join(f"{middle(at)},{y(value)}" for at, value in enumerate(line))
    return Chart(drawn, points, [(middle(at), text) for at, text in enumerate(labels)], top)


# --- a ring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ring:
    """How far something is: the part of a ring that is filled, in hundredths, and where its mark stands, in degrees.

    `mark` is None where there is nothing to be marked.
    """

    filled: int
    mark: int | None


def ring(done: float, whole: float, mark: float) -> Ring:
    """Return the ring of `done` out of `whole`, with a mark at `mark`. What has begun shows, and only all is full."""
    filled = 100 if done >= whole else min(99, max(round(100 * done / whole), 1 if done else 0))
    return Ring(filled, round(360 * mark / whole) if 0 < mark < whole else None)
