"""Small pieces of SVG: elements whose text is always escaped, an axis with round ticks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element, SubElement, tostring

from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH: Final = 640.0
SERIES: Final = 8
"""Colours of the palette, ``c0`` to ``c7``; the sheet of styles says which."""

_NICE: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


def drawing(key: str, title: str, description: str, height: float) -> Element:
    """An SVG with a title and a description that a screen reader reads in its place."""
    root = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH:g} {height:g}",
            "role": "img",
            "aria-labelledby": f"{key}-title {key}-words",
            "class": "chart",
        },
    )
    SubElement(root, "title", {"id": f"{key}-title"}).text = printable(title)
    SubElement(root, "desc", {"id": f"{key}-words"}).text = printable(description)
    return root


def shape(parent: Element, tag: str, css: str, **numbers: float) -> Element:
    """One shape; numbers are rounded to a tenth of a pixel, which keeps files small and equal."""
    given = {name: f"{value:.1f}".removesuffix(".0") for name, value in numbers.items()}
    return SubElement(parent, tag, {"class": css, **given})


def path(parent: Element, css: str, points: list[tuple[float, float]]) -> Element:
    """A line through points."""
    steps = " ".join(f"{'L' if place else 'M'}{x:.1f} {y:.1f}" for place, (x, y) in enumerate(points))
    return SubElement(parent, "path", {"class": css, "d": steps})


def words(
    parent: Element, text: str, x: float, y: float, *, anchor: str = "start", css: str = "label"
) -> Element:
    """One line of text, its baseline at ``y``."""
    found = shape(parent, "text", css, x=x, y=y)
    found.set("text-anchor", anchor)
    found.text = printable(text)
    return found


def source(root: Element) -> str:
    """The drawing as text."""
    return tostring(root, encoding="unicode", short_empty_elements=True)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round values from at most ``low`` to at least ``high``."""
    span = max(high - low, abs(high) / 20, 1e-9)
    rough = span / most
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * nice for nice in _NICE if power * nice >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * place, 12) for place in range(first, max(last, first + 1) + 1)]


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """From values to pixels."""
    span = high - low or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def shortened(text: str, most: int) -> str:
    """At most so many characters; the cut shows."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
