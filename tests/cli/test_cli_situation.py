"""How a plan with rules, services, users and a fleet held reads, at two widths and in every format."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from cli_harness import call
from rich.cells import cell_len

if TYPE_CHECKING:
    from pathlib import Path

SIZES = (
    "{buckets: [{input_tokens_min: 0, input_tokens_max: 500, output_tokens_min: 0, output_tokens_max: 250, "
    "share: 1}]}"
)
FILE = f"""\
schema_version: 1
services:
  - {{name: chat, model: Llama-3.1-8B, workload: {SIZES}, rate_requests_per_s: 8, slo: {{tpot_ms: 60}},
     users: [{{at: aws:eu-central-1, share: 0.5}}, {{at: aws:us-east-1, share: 0.5}}], network_ms: 45}}
  - {{name: code, model: Qwen2.5-7B, workload: {SIZES}, rate_requests_per_s: 2, slo: {{tpot_ms: 60}}}}
regions: ["aws:eu-central-1", "aws:us-east-1"]
accelerators: [L40S]
markets: [on_demand]
survive: [{{lose: instance, keeps: 0.5}}]
at_most: {{instance_types: 3}}
current: {{fleet: fleet.yaml}}
carbon: {{}}
"""
FLEET = """\
schema_version: 1
kind: fleet
source: by hand
lines:
  - {provider: aws, region: us-east-1, instance_type: g6e.2xlarge, market: on_demand, instances: 9}
"""
TITLES = (
    "Change (fleet held: by hand)",
    "In this order",
    "Who serves what",
    "Rules, and what each costs",
    "Users, and where they are served from",
    "Emissions, estimated",
)


@pytest.fixture(scope="module")
def situation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("situation")
    (folder / "service.yaml").write_text(FILE)
    (folder / "fleet.yaml").write_text(FLEET)
    return folder / "service.yaml"


@pytest.mark.parametrize("width", [80, 160])
def test_everything_is_said_within_the_width(situation: Path, width: int) -> None:
    said = call("recommend", "--service", str(situation), COLUMNS=str(width))
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert max(map(cell_len, lines)) <= width
    for title in TITLES:
        assert title in lines
    for words in ("chat: Llama-3.1-8B", "code: Qwen2.5-7B", "Egress $", "Stop 9 × aws:us-east-1:g6e.2xlarge"):
        assert words in said.out


def test_markdown_holds_the_same_sections(situation: Path) -> None:
    out = call("recommend", "--service", str(situation), "--format", "markdown").out
    assert [title for title in TITLES if f"### {title}" not in out] == []


def test_csv_and_json_hold_the_lines(situation: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(call("recommend", "--service", str(situation), "-f", "csv").out)))
    plan = json.loads(call("recommend", "--service", str(situation), "-f", "json").out)
    assert [row["instances"] for row in rows] == [str(line["instances"]) for line in plan["purchase"]]
    assert [service["name"] for service in plan["services"]] == ["chat", "code"]
    assert plan["migration"]["changes"][0].keys() == {"offer", "before", "after"}


def test_a_plain_answer_says_nothing_of_rules() -> None:
    out = call("recommend", "--region", "aws:us-east-1", "--accelerator", "L40S").out
    assert [title for title in TITLES if title in out] == []
    assert "If spot capacity goes" not in out


@pytest.mark.parametrize(
    "words",
    [
        ("--survive", "moon"),
        ("--at-most", "clouds=1"),
        ("--prefer", "eu-*"),
        ("--budget", "0"),
        ("--current", "no-such-fleet.yaml"),
        ("--change-threshold", "5"),
        ("--doubt", "-1"),
        ("--demand-error", "nan"),
    ],
)
def test_a_slip_gets_one_line_and_no_answer(words: tuple[str, ...]) -> None:
    said = call("recommend", "--region", "aws:us-east-1", *words)
    assert (said.code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1


def test_hostile_names_are_shown_harmlessly(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET.replace("by hand", '"by \\e[31mhand [bold]"'))
    (tmp_path / "service.yaml").write_text(FILE)
    said = call("recommend", "--service", str(tmp_path / "service.yaml"))
    assert said.code == 0
    assert "\x1b" not in said.out
    assert "[bold]" in said.out
