"""The HTML report: one file, no request, accessible, printable, small, and legible in both themes."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from typing import Any

import pytest
from report_builder import FULL, a_plan, a_report

from advisor.report.blocks import Figure
from advisor.report.html import html

pytestmark = pytest.mark.fast

VOID = {"meta", "br", "hr", "img", "link", "input"}
CSS = files("advisor.report").joinpath("report.css").read_text("utf-8")


class Page(HTMLParser):
    """Elements with their attributes and ancestors, and what is left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], tuple[str, ...]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}, tuple(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}, tuple(self.open)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self.open[-1:]):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes, _ in self.elements if name == tag]


@pytest.fixture(scope="module")
def text() -> str:
    return html(a_report(a_plan(**FULL)))


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_every_element_is_closed_where_it_should_be(page: Page) -> None:
    assert page.open == []


def test_nothing_is_asked_of_any_host(page: Page, text: str) -> None:
    for tag, attributes, _ in page.elements:
        assert tag not in {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
        for name in ("src", "srcset", "xlink:href", "action", "background", "poster", "style"):
            assert name not in attributes, (tag, name)
        assert not [name for name in attributes if name.startswith("on")]
    assert all(link["href"].startswith("#") for link in page.all("a"))
    assert "url(" not in CSS
    assert "@import" not in CSS
    assert "default-src 'none'" in text


def test_a_page_has_its_landmarks_one_title_and_headings_in_order(page: Page) -> None:
    tags = [tag for tag, _, _ in page.elements]
    for landmark in ("header", "nav", "main", "footer", "h1"):
        assert tags.count(landmark) == 1
    assert page.all("html")[0]["lang"] == "en"
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {link["href"][1:] for link in page.all("a")}
    assert targets <= set(ids)
    for _, attributes, _ in page.elements:
        assert set(attributes.get("aria-labelledby", "").split()) <= set(ids)


def test_every_table_has_a_caption_and_headers_with_a_scope(page: Page) -> None:
    tables = [place for place, (tag, _, _) in enumerate(page.elements) if tag == "table"]
    assert len(tables) > 15
    assert len(page.all("caption")) == len(tables)
    assert {header["scope"] for header in page.all("th")} == {"row", "col"}
    for tag, _, ancestors in page.elements:
        if tag == "th" and "thead" in ancestors:
            assert "table" in ancestors


def test_what_scrolls_can_be_reached_by_keyboard_and_has_a_name(page: Page) -> None:
    regions = [a for _, a, _ in page.elements if "scroll" in a.get("class", "").split()]
    assert regions
    assert all(region["tabindex"] == "0" and region["aria-label"] for region in regions)


def test_every_chart_has_a_title_and_a_description_and_its_numbers(page: Page) -> None:
    report = a_report(a_plan(**FULL))
    figures = [block for part in report.sections for block in part.blocks if isinstance(block, Figure)]
    assert {figure.key for figure in figures} >= {"cost_by_line", "tornado", "heat_map_1", "frontier_curve"}
    svgs = page.all("svg")
    assert len(svgs) == len(figures)
    assert all(svg["role"] == "img" and len(svg["aria-labelledby"].split()) == 2 for svg in svgs)
    words = " ".join(page.words)
    for figure in figures:
        assert figure.description in words


def test_charts_say_in_words_what_they_say_in_colour(page: Page) -> None:
    words = page.words
    for needed in ("−30%: 8.00", "+30%: 15.50", "+20%: none", "l40s", "a100-sxm", "this plan"):
        assert any(needed in said for said in words), needed


def test_a_report_is_small(text: str) -> None:
    assert len(text.encode()) < 200_000


def test_it_prints_light_repeats_header_rows_and_breaks_between_rows() -> None:
    printed = CSS[CSS.index("@media print") :]
    for rule in ("table-header-group", "break-inside: avoid", "break-after: avoid", "color-scheme: light"):
        assert rule in printed
    assert not re.search(r"@page[^}]*size", CSS)  # the printer's paper, A4 or Letter


def palette(theme: str) -> dict[str, str]:
    """Custom properties of a theme; dark ones stand over the light ones."""
    blocks = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    chosen = {"light": blocks[:1], "dark": blocks[:2], "print": [blocks[0], blocks[2]]}[theme]
    found: dict[str, str] = {}
    for block in chosen:
        found |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", block))
    return found


def contrast(one: str, other: str) -> float:
    """WCAG 2.2: (L1 + 0.05) / (L2 + 0.05)."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_text_and_marks_stand_out(theme: str) -> None:
    colours = palette(theme)
    for text_colour in ("ink", "soft", "accent", "warn"):
        assert contrast(colours[text_colour], colours["paper"]) >= 4.5, text_colour
    assert contrast(colours["warn"], colours["warn-paper"]) >= 4.5
    assert contrast(colours["ink"], colours["band"]) >= 4.5
    for number in range(8):  # graphical objects, WCAG 1.4.11
        assert contrast(colours[f"c{number}"], colours["paper"]) >= 3, number


def test_text_on_heat_map_cells_stands_out_in_every_theme() -> None:
    fills: dict[str, Any] = dict(re.findall(r"\.(cell\d) \{ fill: (#[0-9a-f]{6})", CSS))
    assert len(fills) == 8
    assert all(contrast("#111111", fill) >= 7 for fill in fills.values())
