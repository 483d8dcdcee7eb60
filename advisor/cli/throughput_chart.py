"""Figures and their intervals on one logarithmic axis, in plain text: a mark per figure, a bar per interval.

The axis is logarithmic because ratios are what is compared; a length from zero would mean nothing on it, so
there are marks and no columns. Its ends carry their values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

BAR, LEFT, RIGHT = "─", "├", "┤"
_LEAST_COLUMNS: Final = 16
_NICE: Final = (1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Line:
    """One figure to draw."""

    label: str
    mark: str  #: one character
    value: float  #: above 0
    low: float | None = None
    high: float | None = None


def throughput_chart(lines: Sequence[Line], width: int, unit: str, key: str) -> list[str]:
    """Lines of the chart, at most ``width`` wide; the last says how to read it.

    Args:
        lines: what is drawn, from above.
        width: of the whole chart.
        unit: of the values, in words.
        key: what the marks mean.
    """
    labels = [printable(line.label) for line in lines]
    texts = [f"{line.value:.3g}" for line in lines]
    margin, last = max(map(len, labels)), max(map(len, texts))
    columns = max(_LEAST_COLUMNS, width - margin - last - 4)
    start, end = _ends(lines)

    def column(value: float) -> int:
        way = math.log(value / start) / math.log(end / start)
        return round(min(max(way, 0.0), 1.0) * (columns - 1))

    body = [
        f"{label:<{margin}} │{_drawn(line, columns, column)}│ {text:>{last}}"
        for label, line, text in zip(labels, lines, texts, strict=True)
    ]
    low, high = f"{start:g}", f"{end:g}"
    ends = f"{'':<{margin}}  {low}{high:>{columns - len(low)}}"
    return [*body, ends, f"{unit}, logarithmic axis; {key}."]


def _drawn(line: Line, columns: int, column: object) -> str:
    assert callable(column)
    cells = [" "] * columns
    if line.low is not None and line.high is not None:
        first, final = column(line.low), column(line.high)
        for place in range(first, final + 1):
            cells[place] = BAR
        cells[first], cells[final] = LEFT, RIGHT
    cells[column(line.value)] = line.mark
    return "".join(cells)


def _ends(lines: Sequence[Line]) -> tuple[float, float]:
    """Round numbers around everything that is drawn."""
    values = [v for line in lines for v in (line.value, line.low, line.high) if v is not None and v > 0]
    start, end = _below(min(values)), _above(max(values))
    return start, end if end > start else start * 2


def _below(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return max(power * nice for nice in _NICE if power * nice <= value * (1 + 1e-12))


def _above(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    steps = (*_NICE, 10.0)
    return min(power * nice for nice in steps if power * nice >= value * (1 - 1e-12))
