"""`explain`, `frontier` and `quota` as they are used: piped, in every dress, and with wrong input."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from cli_harness import FIXTURES, call

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ("--region", "us-east-1", "--market", "on_demand", "--accelerator", "L40S", "--accelerator", "H100")
ACCOUNT = str(FIXTURES / "account" / "small.yaml")


@pytest.fixture(scope="module")
def plan() -> str:
    said = call("recommend", *SMALL, "--format", "json")
    assert said.code == 0
    return said.out


@pytest.fixture(scope="module")
def plan_within_quota() -> str:
    said = call("recommend", *SMALL, "--rate", "2", "--quota", ACCOUNT, "--format", "json")
    assert said.code == 0
    return said.out


def test_an_explanation_in_json_names_what_was_bought_and_every_alternative(plan: str) -> None:
    document: dict[str, Any] = json.loads(call("explain", "-", "--format", "json", piped=plan).out)
    assert document["kind"] == "explanation"
    assert document["plan_id"] == json.loads(plan)["plan_id"]
    bought = {line["offer"] for line in document["lines"]}
    assert len(bought) == len(json.loads(plan)["purchase"])
    chips = {a["name"] for a in document["alternatives"] if a["grouping"] == "accelerator"}
    assert chips == {"l40s-48gb", "h100-sxm-80gb"}


def test_the_table_and_markdown_name_the_same_alternatives(plan: str) -> None:
    table = call("explain", "-", piped=plan).out
    markdown = call("explain", "-", "--format", "markdown", piped=plan).out
    for word in ("l40s-48gb", "h100-sxm-80gb", "Quotas", "--coverage 99.9"):
        assert word in table
        assert word in markdown
    assert max(map(len, table.splitlines())) <= 120


def test_no_line_of_an_explanation_is_wider_than_a_narrow_terminal(plan: str) -> None:
    narrow = call("explain", "-", piped=plan, COLUMNS="80").out
    assert max(map(len, narrow.splitlines())) <= 80


def test_csv_has_a_row_per_alternative(plan: str) -> None:
    rows = list(csv.DictReader(io.StringIO(call("explain", "-", "--format", "csv", piped=plan).out)))
    assert {row["name"] for row in rows if row["grouping"] == "accelerator"} == {"l40s-48gb", "h100-sxm-80gb"}


def test_why_not_answers_for_what_was_asked_and_nothing_else(plan: str) -> None:
    said = call("explain", "-", "--why-not", "h100-sxm-80gb", "--why-not", "g6e.xlarge", piped=plan)
    assert said.code == 0
    assert said.out.count("Why") == 2


def test_a_name_nobody_knows_is_one_line_and_exit_2(plan: str) -> None:
    said = call("explain", "-", "--why-not", "h1000", piped=plan)
    assert (said.code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
    assert "h1000" in said.err


def test_a_file_that_is_no_plan_is_one_line_and_exit_2() -> None:
    for command in ("explain", "quota", "frontier"):
        said = call(command, "-", piped="{}")
        assert (said.code, said.out) == (2, ""), command
        assert len(said.err.splitlines()) == 1


def test_a_frontier_of_rates_never_falls(plan: str) -> None:
    said = call("frontier", "-", "--over", "rate", "--values", "1,4,16,32", "--format", "json", piped=plan)
    points = json.loads(said.out)["points"]
    assert [point["value"] for point in points] == [1.0, 4.0, 16.0, 32.0]
    costs = [Decimal(point["usd_per_hour"]) for point in points]
    assert costs == sorted(costs)
    assert costs[2] == Decimal(json.loads(plan)["usd_per_hour"])


def test_a_frontier_of_limits_never_rises_as_they_loosen() -> None:
    said = call("frontier", *SMALL[:4], "--over", "tpot", "--values", "20,40,80", "--format", "json")
    costs = [Decimal(point["usd_per_hour"]) for point in json.loads(said.out)["points"]]
    assert costs == sorted(costs, reverse=True)


def test_a_budget_frontier_serves_more_for_more(plan: str) -> None:
    said = call("frontier", "-", "--over", "budget", "--values", "2,4,8", "--format", "json", piped=plan)
    served = [point["served_share"] for point in json.loads(said.out)["points"]]
    assert served == sorted(served)
    assert served[0] < 1


def test_a_value_that_makes_no_sense_is_refused(plan: str) -> None:
    for values, word in (("1,two", "'1,two'"), ("0", "0 is not allowed"), ("1.5", "whole number")):
        said = call("frontier", "-", "--over", "providers", "--values", values, piped=plan)
        assert (said.code, said.out) == (2, "")
        assert word in said.err


def test_a_plan_and_a_question_at_once_are_refused(plan: str) -> None:
    said = call("frontier", "-", "--region", "us-east-1", piped=plan)
    assert said.code == 2
    assert "not both" in said.err


def test_quota_adds_up_what_the_lines_draw(plan_within_quota: str) -> None:
    said = call("quota", "-", "--quota", ACCOUNT, "--format", "json", piped=plan_within_quota)
    assert said.code == 0
    document = json.loads(said.out)
    drawn = {pool["pool"]: Decimal(pool["drawn"]) for pool in document["pools"]}
    lines = json.loads(plan_within_quota)["purchase"]
    total = sum(
        Decimal(d["units"]) for line in lines for d in line["quota_draw"] if d["pool"] == "L-DB2E81BA"
    )
    assert drawn["L-DB2E81BA"] == total > 0
    (pool,) = [pool for pool in document["pools"] if pool["pool"] == "L-DB2E81BA"]
    assert (pool["limit"], pool["used"], pool["free"]) == ("16", "4", "12")
    assert Decimal(pool["left"]) == 12 - total


def test_a_plan_that_takes_more_than_is_free_is_exit_3(plan: str, tmp_path: Path) -> None:
    nothing = str(FIXTURES / "account" / "nothing-granted.yaml")
    said = call("quota", "-", "--quota", nothing, piped=plan)
    assert said.code == 3
    assert "is overdrawn by" in said.err


def test_without_plan_or_account_the_pools_are_listed(tmp_path: Path) -> None:
    said = call("quota", "--provider", "aws", ADVISOR_HOME=str(tmp_path))
    assert said.code == 0
    assert "L-DB2E81BA" in said.out
    assert "NVIDIA_L4_GPUS" not in said.out
