"""Growth curves as one SVG: a panel per thing that grows, seconds against its number, both axes from 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import SubElement

from advisor.report.svg import WIDTH, drawing, path, scale, shape, source, ticks, words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from xml.etree.ElementTree import Element

    Curve = Sequence[tuple[int, float]]

HEIGHT: Final = 200.0
COLUMNS: Final = 2
LABEL: Final = 40.0  # pixels that a number on the lower axis takes
STYLE: Final = """
svg { background: #fff; font: 12px sans-serif; } .title { font-weight: 600; } .line { fill: none; stroke: #0b5fa5; stroke-width: 2; }
.dot { fill: #0b5fa5; } .grid { stroke: #ddd; } .label { fill: #333; }
"""  # noqa: E501


def growth_plot(curves: Mapping[str, Curve]) -> str:
    """The drawing as text; seconds per number of what grows, by its name."""
    rows = -(-len(curves) // COLUMNS)
    said = "; ".join(
        f"{what}: " + ", ".join(f"{count:,} in {seconds:.1f} s" for count, seconds in curve)
        for what, curve in curves.items()
    )
    root = drawing("growth", "Seconds to solve, one thing growing at a time", said, rows * HEIGHT)
    SubElement(root, "style").text = STYLE
    for place, (what, curve) in enumerate(curves.items()):
        _panel(root, what, curve, place % COLUMNS * WIDTH / COLUMNS, place // COLUMNS * HEIGHT)
    return source(root) + "\n"


def _panel(root: Element, what: str, curve: Curve, left: float, top: float) -> None:
    x_ticks = [float(count) for count, _ in curve]
    y_ticks = ticks(0.0, max(seconds for _, seconds in curve), 4)
    x = scale(0.0, max(x_ticks), left + 45, left + WIDTH / COLUMNS - 30)
    y = scale(0.0, y_ticks[-1], top + HEIGHT - 35, top + 35)
    words(root, f"seconds by number of {what}", left + 10, top + 18, css="title")
    for tick in y_ticks:
        shape(root, "line", "grid", x1=x(0.0), x2=x(max(x_ticks)), y1=y(tick), y2=y(tick))
        words(root, f"{tick:g}", x(0.0) - 6, y(tick) + 4, anchor="end")
    beyond = float("inf")
    for tick in reversed(x_ticks):
        if beyond - x(tick) >= LABEL:
            words(root, f"{tick:,.0f}", x(tick), top + HEIGHT - 16, anchor="middle")
            beyond = x(tick)
    path(root, "line", [(x(count), y(seconds)) for count, seconds in curve])
    for count, seconds in curve:
        shape(root, "circle", "dot", cx=x(count), cy=y(seconds), r=3)
        words(root, f"{seconds:.1f}", x(count), y(seconds) - 7, anchor="middle")
