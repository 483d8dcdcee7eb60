"""Charts as SVG: plain, honest axes, every mark labelled, nothing said by colour alone."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from advisor.report.figures import (
    Bars,
    Curve,
    HeatMap,
    PriceLines,
    Tornado,
)
from advisor.report.svg import (
    SERIES,
    WIDTH,
    drawing,
    path,
    scale,
    shape,
    shortened,
    source,
    ticks,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from xml.etree.ElementTree import Element

    from advisor.report.blocks import (
        Figure,
    )
    from advisor.report.figures import (
        PriceLine,
        Swing,
    )

    Scale = Callable[[float], float]

_LABEL_CHARACTERS: Final = 75
_MEMORY: Final = re.compile(r"-\d+gb$")
_WIDEST_CELL_TEXT: Final = 13


def draw(figure: Figure) -> str:
    """The figure's chart as an SVG element."""
    chart = figure.chart
    if isinstance(chart, Bars):
        return _bars(figure, chart)
    if isinstance(chart, Tornado):
        return _tornado(figure, chart)
    if isinstance(chart, HeatMap):
        return _heat_map(figure, chart)
    if isinstance(chart, Curve):
        return _curve(figure, chart)
    return _price_lines(figure, chart)


def _bars(figure: Figure, chart: Bars) -> str:
    row = 46.0
    root = drawing(figure.key, figure.title, figure.description, row * len(chart.bars) + 8)
    most = max((bar.value for bar in chart.bars), default=1.0)
    across = scale(0, most, 0, WIDTH)
    for place, bar in enumerate(chart.bars):
        top = place * row
        words(root, f"{bar.words}  {shortened(bar.label, _LABEL_CHARACTERS)}", 0, top + 16, css="value")
        shape(root, "rect", "fill0", x=0, y=top + 22, width=max(across(bar.value), 2.0), height=16)
    return source(root)


def _tornado(figure: Figure, chart: Tornado) -> str:
    row, margin = 50.0, 120.0
    known = [value for s in chart.swings for value in (s.low, s.high) if value is not None]
    low, high = min([chart.base, *known]), max([chart.base, *known])
    across = scale(low, high, margin, WIDTH - margin)
    height = row * len(chart.swings) + 34
    root = drawing(figure.key, figure.title, figure.description, height)
    for place, swing in enumerate(chart.swings):
        top = place * row + 18
        words(root, shortened(swing.label, _LABEL_CHARACTERS), 0, top)
        _swing(root, swing, top + 8, across(chart.base), across)
    words(
        root,
        f"the line is the plan: {chart.base:,.2f} {chart.unit}",
        across(chart.base),
        height - 4,
        anchor="middle",
        css="value",
    )
    return source(root)


def _swing(root: Element, swing: Swing, top: float, middle: float, across: Scale) -> None:
    ends = [(swing.low, swing.low_label, "fill0"), (swing.high, swing.high_label, "fill1")]
    for value, _, css in ends:
        if value is None:
            continue
        x = across(value)
        shape(root, "rect", css, x=min(x, middle), y=top, width=max(abs(x - middle), 1.5), height=18)
    shape(root, "line", "axis", x1=middle, y1=top - 2, x2=middle, y2=top + 20)
    for value, label, _ in ends:
        x = middle if value is None else across(value)
        text = f"{label}: none" if value is None else f"{label}: {value:,.2f}"
        if (label == swing.low_label) != _falls(swing):
            words(root, text, min(x, middle) - 6, top + 14, anchor="end", css="value")
        else:
            words(root, text, max(x, middle) + 6, top + 14, css="value")


def _falls(swing: Swing) -> bool:
    """Whether more of the input costs less, so that its low end is the right one."""
    return swing.low is not None and swing.high is not None and swing.low > swing.high


def _heat_map(figure: Figure, chart: HeatMap) -> str:
    left, top, row = 96.0, 46.0, 36.0
    width = (WIDTH - left) / max(len(chart.column_labels), 1)
    names = sorted({cell.accelerator for line in chart.cells for cell in line if cell.accelerator})
    colour = {name: place % SERIES for place, name in enumerate(names)}
    short = _short_names(names)
    height = top + row * len(chart.cells) + 6
    root = drawing(figure.key, figure.title, figure.description, height)
    words(root, chart.column_title, left + (WIDTH - left) / 2, 14, anchor="middle", css="value")
    words(root, chart.row_title, 0, top - 8, css="value")
    for place, label in enumerate(chart.column_labels):
        words(root, label, left + width * (place + 0.5), 34, anchor="middle")
    for number, (label, line) in enumerate(zip(chart.row_labels, chart.cells, strict=True)):
        y = top + row * number
        words(root, label, left - 8, y + 22, anchor="end")
        for place, cell in enumerate(line):
            x = left + width * place
            css = f"cell{colour[cell.accelerator]}" if cell.accelerator else "nothing"
            shape(root, "rect", css, x=x + 1, y=y + 1, width=width - 2, height=row - 2)
            middle = x + width / 2
            if cell.accelerator:
                words(root, short[cell.accelerator], middle, y + 16, anchor="middle", css="ink")
                words(root, cell.words, middle, y + 29, anchor="middle", css="ink small")
    return source(root)


def _short_names(names: list[str]) -> dict[str, str]:
    """Accelerator ids without their memory, where that leaves them apart."""
    cut = {name: _MEMORY.sub("", name) for name in names}
    clear = len(set(cut.values())) == len(cut)
    return {name: shortened(cut[name] if clear else name, _WIDEST_CELL_TEXT) for name in names}


def _curve(figure: Figure, chart: Curve) -> str:
    height, left, bottom = 300.0, 70.0, 250.0
    points = sorted(chart.points, key=lambda point: point.x)
    across_ticks = ticks(min(p.x for p in points), max(p.x for p in points))
    up_ticks = ticks(0, max(p.y for p in points))
    x = scale(across_ticks[0], across_ticks[-1], left, WIDTH - 20)
    y = scale(up_ticks[0], up_ticks[-1], bottom, 30)
    root = drawing(figure.key, figure.title, figure.description, height)
    _grid(root, up_ticks, y, left)
    for tick in across_ticks:
        words(root, f"{tick:,g}", x(tick), bottom + 18, anchor="middle")
    words(root, chart.x_title, (left + WIDTH) / 2, bottom + 40, anchor="middle", css="value")
    words(root, chart.y_title, 0, 12, css="value")
    path(root, "line0", [(x(p.x), y(p.y)) for p in points])
    for point in points:
        shape(root, "circle", "fill0", cx=x(point.x), cy=y(point.y), r=3)
        if point.here:
            shape(root, "circle", "ring", cx=x(point.x), cy=y(point.y), r=8)
            words(root, "this plan", x(point.x), y(point.y) - 14, anchor="middle", css="value")
    return source(root)


def _price_lines(figure: Figure, chart: PriceLines) -> str:
    left, bottom, legend = 64.0, 230.0, 22.0
    steps = [step for line in chart.lines for step in line.steps]
    first, last = min(step.start for step in steps), max(step.until for step in steps)
    if first == last:
        first -= timedelta(days=1)
    up_ticks = ticks(0, max(step.value for step in steps))
    y = scale(up_ticks[0], up_ticks[-1], bottom, 24)
    x = scale(first.toordinal(), last.toordinal(), left, WIDTH - 20)
    height = bottom + 34 + legend * len(chart.lines)
    root = drawing(figure.key, figure.title, figure.description, height)
    words(root, chart.unit, 0, 12, css="value")
    _grid(root, up_ticks, y, left)
    for day, anchor in ((first, "start"), (last, "end")):
        words(root, day.isoformat(), x(day.toordinal()), bottom + 18, anchor=anchor)
    for number, line in enumerate(chart.lines):
        _price_line(root, line, number, last, lambda day: x(day.toordinal()), y)
        mark = bottom + 34 + legend * number
        dash = f"line{number % SERIES} dash{number % 4}"
        path(root, dash, [(left, mark - 4), (left + 34, mark - 4)])
        words(root, shortened(line.label, _LABEL_CHARACTERS), left + 44, mark)
    return source(root)


def _price_line(
    root: Element, line: PriceLine, number: int, last: date, x: Callable[[date], float], y: Scale
) -> None:
    """Steps: each price holds until the next one."""
    points: list[tuple[float, float]] = []
    ends = [*(step.start for step in line.steps[1:]), last]
    for step, end in zip(line.steps, ends, strict=True):
        points += [(x(step.start), y(step.value)), (x(max(end, step.until)), y(step.value))]
    path(root, f"line{number % SERIES} dash{number % 4}", points)
    shape(root, "circle", f"fill{number % SERIES}", cx=points[-1][0], cy=points[-1][1], r=3)


def _grid(root: Element, up_ticks: list[float], y: Scale, left: float) -> None:
    for tick in up_ticks:
        shape(root, "line", "grid", x1=left, y1=y(tick), x2=WIDTH - 20, y2=y(tick))
        words(root, f"{tick:,g}", left - 8, y(tick) + 4, anchor="end")
