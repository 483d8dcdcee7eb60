"""What a chart shows, free of any drawing: bars, a tornado, a heat map, a curve, prices over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart."""

    label: str
    value: float
    words: str  #: the value as it is written at the bar


@dataclass(frozen=True, slots=True)
class Bars:
    """Horizontal bars from zero."""

    bars: tuple[Bar, ...]
    unit: str


@dataclass(frozen=True, slots=True)
class Swing:
    """What the cheapest fleet costs when one input is lower, and when it is higher."""

    label: str
    low_label: str
    low: float | None  #: None: no fleet exists there
    high_label: str
    high: float | None


@dataclass(frozen=True, slots=True)
class Tornado:
    """Swings around what the plan costs, widest first."""

    base: float
    swings: tuple[Swing, ...]
    unit: str


@dataclass(frozen=True, slots=True)
class HeatCell:
    """The cheapest accelerator for one request size."""

    accelerator: str | None  #: None: nothing in scope serves the size
    words: str  #: what it costs there, as it is written in the cell


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Cheapest accelerator per request size: rows are input sizes, columns output sizes."""

    row_title: str
    column_title: str
    row_labels: tuple[str, ...]
    column_labels: tuple[str, ...]
    cells: tuple[tuple[HeatCell, ...], ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve."""

    x: float
    y: float
    here: bool = False  #: the plan itself


@dataclass(frozen=True, slots=True)
class Curve:
    """Cost against one thing that can be chosen."""

    points: tuple[Point, ...]
    x_title: str
    y_title: str


@dataclass(frozen=True, slots=True)
class Step:
    """One price, from the day it was first seen to the day it was last seen."""

    start: date
    until: date
    value: float


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One price over time."""

    label: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class PriceLines:
    """Prices over time on one axis."""

    lines: tuple[PriceLine, ...]
    unit: str


Chart = Bars | Tornado | HeatMap | Curve | PriceLines
