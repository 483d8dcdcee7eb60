"""The report as one HTML file that asks no other host for anything."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from advisor.report.blocks import Kind
from advisor.report.charts import draw
from advisor.report.spell import spell, spell_rows

if TYPE_CHECKING:
    from advisor.report.blocks import Figure, Report, Value


def html(report: Report) -> str:
    """The whole page, styles and charts included; every text is escaped on its way in."""
    from jinja2 import Environment
    from markupsafe import Markup

    def said(value: Value, kind: str = Kind.TEXT) -> str:
        return spell(value, Kind(kind))

    def drawn(figure: Figure) -> Markup:
        return Markup(draw(figure))  # noqa: S704 - an element tree writes it, which escapes every text

    room = files("advisor.report")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"spell": said, "draw": drawn, "rows": spell_rows, "longest_word": _longest_word}
    template = environment.from_string(room.joinpath("report.html.j2").read_text("utf-8"))
    styles = Markup(room.joinpath("report.css").read_text("utf-8"))  # noqa: S704 - our own file
    return template.render(report=report, styles=styles)


def _longest_word(text: str) -> int:
    """Characters of the longest word: what a narrow page would have to break."""
    return max(map(len, text.split()), default=0)
