"""The schemas say what every field is, and what is written validates."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from plan_builder import a_plan_document, an_infeasible_document
from pydantic import ValidationError

from advisor.cli.schema import Kind, json_schema
from advisor.plan.plan import Plan
from advisor.plan.schema import plan_json_schema
from advisor.profiles.profile_file import ProfileFile, profile_json_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

A_PROFILE: dict[str, Any] = {
    "model": "Llama-3.1-8B-Instruct",
    "accelerator": "l4-24gb",
    "tensor_parallel": 1,
    "precision": "bf16",
    "engine": "vLLM",
    "engine_version": "0.10.0",
    "source": "our bench",
    "date": "2026-10-01",
    "licence": "CC0-1.0",
    "points": [
        {
            "input_tokens": 512,
            "output_tokens": 128,
            "concurrency": 8,
            "requests_per_s": 1.5,
            "tpot_mean_ms": 41.0,
            "ttft_mean_ms": 210.0,
        }
    ],
}


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every named field of a schema, definitions included."""
    if isinstance(schema, dict):
        for name, field in schema.get("properties", {}).items():
            yield f"{path}/{name}", field
        for key, item in schema.items():
            yield from properties(item, f"{path}/{key}")


@pytest.mark.parametrize("kind", list(Kind))
def test_a_schema_is_valid_and_says_what_it_is(kind: Kind) -> None:
    schema = json_schema(kind)
    Draft202012Validator.check_schema(schema)
    assert list(schema)[:4] == ["$schema", "$id", "title", "description"]
    assert schema["$id"] == f"urn:llm-fleet-advisor:schema:{kind.value}:1"
    assert schema["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize("schema", [plan_json_schema(), profile_json_schema()], ids=["plan", "profile"])
def test_every_field_is_described(schema: dict[str, Any]) -> None:
    assert [path for path, field in properties(schema) if not field.get("description")] == []


@pytest.mark.parametrize("document", [a_plan_document(), an_infeasible_document()], ids=["fleet", "no fleet"])
def test_a_written_plan_validates(document: dict[str, Any]) -> None:
    written = json.loads(Plan.model_validate(document).model_dump_json())
    Draft202012Validator(plan_json_schema()).validate(written)


def test_money_is_a_string() -> None:
    schema = plan_json_schema()["$defs"]["Purchase"]["properties"]
    for field in ("usd_per_hour_each", "usd_per_hour", "usd_per_month"):
        assert schema[field]["type"] == "string"


@pytest.mark.parametrize(
    ("field", "value"),
    [("usd_per_hour", 11.6984), ("usd_per_hour", "-1"), ("status", "cheap"), ("colour", "red")],
)
def test_what_is_not_a_plan_does_not_validate(field: str, value: Any) -> None:
    assert not Draft202012Validator(plan_json_schema()).is_valid(a_plan_document() | {field: value})


def test_a_profile_file_is_read_as_its_schema_says() -> None:
    Draft202012Validator(profile_json_schema()).validate(A_PROFILE)
    profile = ProfileFile.model_validate_json(json.dumps(A_PROFILE))
    assert profile.points[0].tpot_mean_ms == 41.0
    assert profile.evidence == "measured"


@pytest.mark.parametrize(
    "change",
    [
        {"tensor_parallel": 0},
        {"points": []},
        {"source": " "},
        {"evidence": "estimated"},
        {"colour": "red"},
        {"date": "last week"},
    ],
    ids=str,
)
def test_a_profile_with_a_bad_field_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ProfileFile.model_validate(A_PROFILE | change)


@pytest.mark.parametrize("figure", [0, -1, "nan", "inf"])
def test_a_rate_that_is_no_rate_is_refused(figure: Any) -> None:
    profile = copy.deepcopy(A_PROFILE)
    profile["points"][0]["requests_per_s"] = figure
    with pytest.raises(ValidationError):
        ProfileFile.model_validate(profile)


def test_a_point_without_any_latency_is_refused() -> None:
    profile = copy.deepcopy(A_PROFILE)
    del profile["points"][0]["tpot_mean_ms"], profile["points"][0]["ttft_mean_ms"]
    with pytest.raises(ValidationError, match="no SLO can be judged"):
        ProfileFile.model_validate(profile)
