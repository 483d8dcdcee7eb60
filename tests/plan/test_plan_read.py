"""A file that is not a plan is refused by file, field, value and what is allowed."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_builder import a_plan_document

from advisor.errors import InputFileError
from advisor.plan import read as reading
from advisor.plan.plan import Plan
from advisor.plan.read import DECIMAL_FIELDS, parse_plan, read_plan
from advisor.plan.schema import plan_json_schema

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast


def refusal(content: bytes | str) -> InputFileError:
    """What reading the content as ``plan.json`` is refused with."""
    with pytest.raises(InputFileError) as caught:
        parse_plan(content.encode() if isinstance(content, str) else content, "plan.json")
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("plan.json")
    return caught.value


def spoiled(path: str, value: Any) -> str:
    """The hand-made plan as text with one field set."""
    document = a_plan_document()
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    target: Any = document
    for part in parents:
        target = target[part]
    target[last] = value
    return json.dumps(document)


def test_a_written_plan_is_read_back(tmp_path: Path, document: dict[str, Any]) -> None:
    file = tmp_path / "plan.json"
    file.write_text(Plan.model_validate(document).model_dump_json(indent=2))
    assert read_plan(file).model_dump(mode="json") == document


def test_a_byte_order_mark_is_no_trouble(document: dict[str, Any]) -> None:
    assert (
        parse_plan(b"\xef\xbb\xbf" + json.dumps(document).encode(), "plan.json").plan_id
        == document["plan_id"]
    )


def test_a_dash_reads_standard_input(monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]) -> None:
    piped = io.TextIOWrapper(io.BytesIO(json.dumps(document).encode()))
    monkeypatch.setattr(sys, "stdin", piped)
    assert read_plan("-").plan_id == document["plan_id"]


@pytest.mark.parametrize("name", ["absent.json", ".", "nul\0.json"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputFileError, match="a readable file is needed"):
        read_plan(str(tmp_path / name) if name != "." else str(tmp_path))


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 10)
    (tmp_path / "big.json").write_bytes(b" " * 11)
    with pytest.raises(InputFileError, match="far smaller"):
        read_plan(tmp_path / "big.json")


def test_broken_json_is_placed_by_line_and_column() -> None:
    error = refusal('{\n  "kind": "plan",\n  "plan_id": oops\n}')
    assert error.field == "line 3, column 14"
    assert error.value == '"plan_id": oops'


@pytest.mark.parametrize("content", ["", "{", "[1, 2", '"half'])
def test_half_a_file_is_broken_json(content: str) -> None:
    assert refusal(content).field.startswith("line 1, column ")


def test_text_that_is_not_utf_8_is_placed_by_byte() -> None:
    assert refusal(b'{"kind": "\xff"}').field == "byte 10"


@pytest.mark.parametrize("content", ["[]", "3", "null", '"plan"'])
def test_json_that_is_no_object_is_refused(content: str) -> None:
    assert "JSON object" in refusal(content).allowed


def test_deep_nesting_is_refused_without_a_traceback() -> None:
    assert "nested" in refusal("[" * 200_000).allowed


def test_an_integer_of_thousands_of_digits_is_refused() -> None:
    assert "integers up to" in refusal('{"kind": ' + "9" * 5000 + "}").allowed


def test_a_field_given_twice_is_refused() -> None:
    assert refusal('{"kind": "plan", "kind": "plan"}').field == "kind"


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("kind", "account", "kind"),
        ("schema_version", 2, "schema_version"),
        ("schema_version", True, "schema_version"),
        ("status", "cheap", "status"),
        ("usd_per_hour", 11.6984, "usd_per_hour"),
        ("usd_per_hour", "-1", "usd_per_hour"),
        ("usd_per_hour", "1e3", "usd_per_hour"),
        ("usd_per_hour", "NaN", "usd_per_hour"),
        ("purchase.0.usd_per_hour_each", "9" * 30, "purchase[0].usd_per_hour_each"),
        ("purchase.0.quota_draw.0.units", 96, "purchase[0].quota_draw[0].units"),
        ("purchase.0.instances", 0, "purchase[0].instances"),
        ("purchase.0.instances", 1.5, "purchase[0].instances"),
        ("purchase.0.instances", "2", "purchase[0].instances"),
        ("purchase.0.instances", 2**60, "purchase[0].instances"),
        ("purchase.0.market", "auction", "purchase[0].market"),
        ("purchase.0.price_collected_at", "2026-10-27T00:00:00", "purchase[0].price_collected_at"),
        ("allocations.0.utilization", 1.2, "allocations[0].utilization"),
        ("allocations.0.load.0.requests_per_s", -1.0, "allocations[0].load[0].requests_per_s"),
        ("allocations.0.load.0.requests_per_s", float("nan"), "allocations[0].load[0].requests_per_s"),
        ("services.0.tpot_ms", float("inf"), "services[0].tpot_ms"),
        ("services.0.colour", "red", "services[0].colour"),
        ("hours_per_month", 720, "hours_per_month"),
    ],
)
def test_a_bad_field_is_named_with_its_value(path: str, value: Any, field: str) -> None:
    error = refusal(spoiled(path, value))
    assert error.field == field
    assert error.value == value or value != value


def test_a_missing_field_is_named() -> None:
    document = a_plan_document()
    del document["purchase"][1]["accelerator"]
    error = refusal(json.dumps(document))
    assert (error.field, error.allowed) == ("purchase[1].accelerator", "the field is missing")


def test_a_field_name_cannot_write_to_the_terminal() -> None:
    document = a_plan_document()
    document["exclusions"] = {"\x1b[2J\n": None}
    assert refusal(json.dumps(document)).field == "exclusions.\\x1b[2J\\n"


def test_half_a_character_is_refused() -> None:
    assert "\ud800" not in str(refusal(spoiled("command", "\ud800")))


def test_only_the_first_of_many_complaints_is_told_and_the_rest_counted() -> None:
    document = a_plan_document()
    del document["status"], document["services"], document["inputs"]
    error = refusal(json.dumps(document))
    assert error.field == "status"
    assert error.allowed.endswith("(and 2 more)")


def test_every_decimal_string_of_the_format_is_guarded() -> None:
    found: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for name, field in value.get("properties", {}).items():
                if any(part.get("format") == "decimal" for part in (field, *field.get("anyOf", []))):
                    found.add(name)
            for item in value.values():
                walk(item)

    walk(plan_json_schema())
    assert found == DECIMAL_FIELDS


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_end_in_a_traceback(content: bytes) -> None:
    with pytest.raises(InputFileError):
        parse_plan(content, "plan.json")


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(field=st.sampled_from(sorted(a_plan_document())), value=_JSON)
def test_no_value_of_any_field_ends_in_a_traceback(field: str, value: Any) -> None:
    try:
        parse_plan(spoiled(field, value).encode(), "plan.json")
    except InputFileError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right, a traceback is not
