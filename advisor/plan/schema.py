"""The JSON Schema of the plan file, generated from the models that read and write it."""

from __future__ import annotations

from typing import Any, Final

from advisor.plan.plan import SCHEMA_VERSION, Plan

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def plan_json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) that every emitted plan validates against."""
    schema = Plan.model_json_schema(mode="serialization")
    title = {
        "$schema": DIALECT,
        "$id": f"urn:llm-fleet-advisor:schema:plan:{SCHEMA_VERSION}",
        "title": "Plan of the LLM fleet advisor",
        "description": "What to rent, what it serves, what is proved, and where every number comes from. "
        "Money is a decimal string, rates are requests per second, times are ISO 8601 with a time zone.",
    }
    return {**schema, **title}
