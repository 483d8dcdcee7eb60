"""Names from outside are data: in no dress do they become markup, formulas, rows or commands."""

from __future__ import annotations

import copy
import csv
import io
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt
from openpyxl import load_workbook
from pydantic import ValidationError
from report_builder import FULL, a_plan_document, a_report, beside, stamped
from test_report_html import Page

from advisor.plan.plan import Plan
from advisor.report.content import report_of
from advisor.report.focus import focus_csv, focus_json
from advisor.report.html import html
from advisor.report.markdown import markdown
from advisor.report.workbook import workbook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.report.blocks import Report

HOSTILE = {
    "formula": '=HYPERLINK("http://evil.test","pay")',
    "plus": "+1+cmd|' /C calc'!A0",
    "minus": "-2+3",
    "at": "@SUM(1)",
    "tab": "\t=1+1",
    "script": '"><script>alert(1)</script><b x="',
    "entity": "&lt;script&gt; &#x3c;b&#x3e;",
    "svg": "</text></svg><script>1</script>",
    "template": "{{ 7*7 }}{% raw %}",
    "bars": "| a | b |",
    "newline": "one\n\n# two\n\n| x |\n| - |\n",
    "heading": "# heading",
    "list": "1. one",
    "ruler": "---",
    "backticks": "``` code ```` ~~~",
    "link": "[pay](javascript:alert(1)) ![x](http://evil.test/x.png)",
    "backslash": "\\| \\[x](y) \\",
    "autolink": "<http://evil.test>",
    "escape": "\x1b[31mred\x07\x00",
    "direction": "\u202egnp.exe",
    "quote": "'\"`",
}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Every string of a document, by path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from leaves(item, (*path, place))
    elif isinstance(value, str):
        yield path, value


def put(document: dict[str, Any], path: tuple[Any, ...], text: str) -> str:
    """Change one string of the document; what it was."""
    part: Any = document
    for key in path[:-1]:
        part = part[key]
    before, part[path[-1]] = part[path[-1]], text
    return before


def _accepts(document: dict[str, Any], path: tuple[Any, ...]) -> bool:
    before = put(document, path, "=free text")
    try:
        Plan.model_validate(document)
    except ValidationError:
        return False
    finally:
        put(document, path, before)
    return True


DOCUMENT = a_plan_document() | copy.deepcopy(FULL)
FREE = [path for path, _ in leaves(DOCUMENT) if _accepts(DOCUMENT, path)]
"""Every field of a plan that takes any text at all."""


@cache
def hostile_report(text: str) -> Report:
    """Every free field of the plan, and every wish, says the same hostile thing."""
    document = copy.deepcopy(DOCUMENT)
    for path in FREE:
        put(document, path, text)
    plan = Plan.model_validate(stamped(document))
    return report_of(plan, beside(title=text, requester=text, command=text, files={text: text}))


def clean_report() -> Report:
    """The same with harmless words, as alike in shape as can be."""
    return hostile_report("harmless")


@pytest.fixture(scope="module")
def clean() -> Report:
    return clean_report()


def test_the_fields_that_take_any_text_were_found() -> None:
    names = {path[-1] for path in FREE}
    assert {"provider", "region", "zone", "instance_type", "accelerator", "price_source", "name", "text",
            "basis", "command", "solver", "workload_source", "interruption", "detail"} <= names  # fmt: skip
    assert len(FREE) > 90


def elements(page: Page) -> list[tuple[str, tuple[str, ...]]]:
    return [(tag, tuple(sorted(set(a) - {"class"}))) for tag, a, _ in page.elements]


@pytest.fixture(scope="module")
def clean_elements(clean: Report) -> list[tuple[str, tuple[str, ...]]]:
    return elements(Page(html(clean)))


@pytest.mark.parametrize("name", HOSTILE)
def test_html_keeps_its_shape(name: str, clean_elements: list[tuple[str, tuple[str, ...]]]) -> None:
    text = html(hostile_report(HOSTILE[name]))
    assert text.replace("\n", "").isprintable()
    page = Page(text)
    assert elements(page) == clean_elements
    assert page.open == []


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_keeps_its_shape(name: str, clean: Report) -> None:
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")

    def shape(text: str) -> list[str]:
        return [token.type for token in reader.parse(text)]

    def inline(text: str) -> set[str]:
        return {child.type for token in reader.parse(text) for child in token.children or ()}

    text = markdown(hostile_report(HOSTILE[name]))
    assert text.replace("\n", "").isprintable()
    assert shape(text) == shape(markdown(clean))
    assert not {"html_inline", "link_open", "image"} & inline(text)


def formulas(report: Report) -> dict[str, str]:
    """The formulas of the workbook, which has no link."""
    book = load_workbook(io.BytesIO(workbook(report)))
    assert all(cell.hyperlink is None for sheet in book for row in sheet.iter_rows() for cell in row)
    return {
        f"{sheet.title}!{cell.coordinate}": cell.value
        for sheet in book
        for row in sheet.iter_rows()
        for cell in row
        if cell.data_type == "f"
    }


@pytest.fixture(scope="module")
def clean_formulas(clean: Report) -> dict[str, str]:
    return formulas(clean)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_cell_of_the_workbook_becomes_a_formula_or_a_link(
    name: str, clean_formulas: dict[str, str]
) -> None:
    assert formulas(hostile_report(HOSTILE[name])) == clean_formulas


@pytest.mark.parametrize("name", HOSTILE)
def test_csv_keeps_its_rows_and_starts_no_cell_like_a_formula(name: str, clean: Report) -> None:
    found = list(csv.reader(io.StringIO(focus_csv(hostile_report(HOSTILE[name])), newline="")))
    expected = list(csv.reader(io.StringIO(focus_csv(clean), newline="")))
    assert [len(row) for row in found] == [len(row) for row in expected]
    for row in found:
        for cell in row:
            assert cell[:1] not in ("=", "+", "-", "@", "\t", "\r"), cell
            assert cell.isprintable()


@pytest.mark.parametrize("name", HOSTILE)
def test_json_says_exactly_what_was_said(name: str) -> None:
    text = focus_json(hostile_report(HOSTILE[name]))
    assert text.replace("\n", "").isprintable()
    document = json.loads(text)
    assert document["title"] == HOSTILE[name]
    assert [part["id"] for part in document["sections"]] == [part.key for part in a_report().sections]
