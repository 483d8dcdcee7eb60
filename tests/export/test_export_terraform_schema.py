"""Terraform modules use arguments the providers have, and all that they demand.

``fixtures/export/terraform_schema.json`` holds the argument names of hashicorp/aws 6.25.0, google 6.50.0 and
azurerm 4.55.0, taken from the @cdktf packages by ``docs/validate_exports.py --write-schema``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from export_plans import a_wide_plan, some_facts

from advisor.export.targets import Target, export

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "fixtures" / "export" / "terraform_schema.json").read_text())
META = {"provider", "lifecycle", "//"}
"""Arguments every resource has, and its comment."""


def faults(body: dict[str, Any], schema: dict[str, Any], place: str) -> list[str]:
    given = set(body) - META
    found = [f"{place}.{key} is unknown" for key in given - set(schema["all"])]
    found += [f"{place}.{key} is missing" for key in set(schema["required"]) - given]
    for key in given & set(schema["all"]):
        inner = schema["all"][key]
        if inner is not None:
            blocks = body[key] if isinstance(body[key], list) else [body[key]]
            found += [fault for one in blocks for fault in faults(one, inner, f"{place}.{key}")]
    return found


def resources() -> list[tuple[str, dict[str, Any]]]:
    return [
        (kind, body)
        for file in export(a_wide_plan(), Target.TERRAFORM, some_facts()).files
        for kind, named in json.loads(file.text)["resource"].items()
        for body in named.values()
    ]


def test_every_argument_is_one_the_provider_has() -> None:
    found = resources()
    assert {kind for kind, _ in found} == set(SCHEMA)
    assert [fault for kind, body in found for fault in faults(body, SCHEMA[kind], kind)] == []


@pytest.mark.parametrize("number", range(len(SCHEMA)))
def test_the_check_finds_a_misspelt_and_a_missing_argument(number: int) -> None:
    kind = sorted(SCHEMA)[number]
    body = next(dict(body) for found, body in resources() if found == kind)
    assert faults(body | {"desired_capacty": 1}, SCHEMA[kind], kind) == [f"{kind}.desired_capacty is unknown"]
    for required in SCHEMA[kind]["required"]:
        less = {key: value for key, value in body.items() if key != required}
        assert faults(less, SCHEMA[kind], kind) == [f"{kind}.{required} is missing"]


def test_every_reference_is_to_something_in_the_module() -> None:
    for file in export(a_wide_plan(), Target.TERRAFORM, some_facts()).files:
        document = json.loads(file.text)
        assert set(re.findall(r"\bvar\.(\w+)", file.text)) == set(document["variable"])
        declared = {f"{kind}.{name}" for kind, named in document["resource"].items() for name in named}
        used = set(re.findall(r"\$\{((?:aws|google)_\w+\.[\w-]+)\.", file.text))
        assert used <= declared
        aliases = document["provider"].get("aws", [])
        assert {f"aws.{one['alias']}" for one in aliases} == set(
            re.findall(r'"provider": "(aws\.\w+)"', file.text)
        )


def test_an_aws_group_holds_exactly_what_is_planned() -> None:
    """Least, most and wanted are one number: the plan's, of every line."""
    groups = [body for kind, body in resources() if kind == "aws_autoscaling_group"]
    sizes = [(body["min_size"], body["desired_capacity"], body["max_size"]) for body in groups]
    assert all(least == wanted == most for least, wanted, most in sizes)
    # Line I's five replicas stand three and two on its instances: two groups of one.
    planned = [line.instances for line in a_wide_plan().purchase if line.provider == "aws"]
    assert sorted(most for _, _, most in sizes) == sorted([*planned[:-1], 1, 1])
    assert sum(most for _, _, most in sizes) == sum(planned)
