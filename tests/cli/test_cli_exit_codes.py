"""Exit codes 0, 2, 3 and 4, and what goes where: results to stdout, one line of trouble to stderr."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from cli_harness import FIXTURES, call

if TYPE_CHECKING:
    from pathlib import Path

    from cli_harness import Said

REGION = ("--region", "aws:us-east-1")
EXAMPLE = str(FIXTURES / "melange" / "example.json")


def refused(said: Said, *words: str) -> None:
    """Exit 2, nothing on stdout, one line on stderr that holds the words."""
    assert said.code == 2, (said.code, said.out[:300], said.err)
    assert said.out == ""
    assert said.err.startswith("advisor: ")
    assert said.err.count("\n") == 1, said.err
    for word in words:
        assert word in said.err, said.err


WORKS: dict[str, tuple[str, ...]] = {
    "recommend": ("recommend", *REGION),
    "offers": ("offers", *REGION),
    "offers grouped": ("offers", "--group-by", "accelerator"),
    "catalog status": ("catalog", "status"),
    "profile list": ("profile", "list", "--limit", "3"),
    "workload list": ("workload", "list"),
    "workload show": ("workload", "show", "azure-2023-conv"),
    "workload fit": ("workload", "fit", str(FIXTURES / "workload" / "tiny.csv")),
    "solve": ("solve", EXAMPLE),
    "solve fluid": ("solve", EXAMPLE, "--split", "fluid"),
    "schema plan": ("schema", "plan"),
    "schema service": ("schema", "service"),
    "schema account": ("schema", "account"),
    "schema profile": ("schema", "profile"),
    "version": ("--version",),
}


@pytest.mark.parametrize("name", WORKS)
def test_what_works_exits_0(name: str) -> None:
    said = call(*WORKS[name])
    assert said.code == 0, said.err
    assert said.out.strip()
    assert "\x1b" not in said.out
    assert "Traceback" not in said.err


FORMATTED = {name: WORKS[name] for name in WORKS if not name.startswith(("schema", "version"))}


@pytest.mark.parametrize("name", FORMATTED)
def test_every_result_comes_in_four_dresses(name: str) -> None:
    words = FORMATTED[name]
    assert json.loads(call(*words, "--format", "json").out)
    rows = list(csv.reader(io.StringIO(call(*words, "--format", "csv").out)))
    assert len(rows) > 1
    assert len({len(row) for row in rows}) == 1
    assert "\n| " in call(*words, "--format", "markdown").out
    assert call(*words, "--format", "table").out.strip()


# 3: a correct no


def test_an_infeasible_question_exits_3_and_says_why() -> None:
    said = call("recommend", *REGION, "--tpot-ms", "0.5")
    assert said.code == 3
    assert "No fleet can serve this" in said.out
    assert "--tpot-ms" in said.out


def test_an_infeasible_answer_in_json_says_why_on_stderr_too() -> None:
    said = call("recommend", *REGION, "--tpot-ms", "0.5", "--format", "json")
    assert said.code == 3
    assert json.loads(said.out)["status"] == "infeasible"
    assert said.err.startswith("advisor: no fleet: ")
    assert said.err.count("\n") == 1


def test_quotas_that_forbid_every_fleet_exit_3_and_name_the_pools() -> None:
    account = str(FIXTURES / "account" / "nothing-granted.yaml")
    said = call("recommend", *REGION, "--market", "on-demand", "--quota", account, "--format", "csv")
    assert said.code == 3
    assert "L-DB2E81BA" in said.err or "L-417A185B" in said.err


def test_an_infeasible_melange_config_exits_3(tmp_path: Path) -> None:
    config = {
        "gpu_info": {"A": {"cost": 1.0, "tputs": [[1.0]], "max_count": 1}},
        "workload_distribution": [[1.0]],
        "total_request_rate": 5.0,
        "slice_factor": 1,
    }
    (tmp_path / "c.json").write_text(json.dumps(config))
    said = call("solve", str(tmp_path / "c.json"))
    assert said.code == 3
    assert json.loads(said.out)["status"] == "infeasible"
    assert json.loads(said.out)["reason"]


def test_a_plan_that_does_not_hold_exits_3() -> None:
    plan = json.loads(call("recommend", *REGION, "--format", "json").out)
    plan["usd_per_hour"] = "0.01"
    assert call("verify", "-", piped=json.dumps(plan)).code == 3


def test_what_recommend_writes_verify_accepts() -> None:
    plan = call("recommend", *REGION, "--format", "json").out
    said = call("verify", "-", piped=plan)
    assert said.code == 0, said.out
    assert "holds" in said.out


# 4: our own data


@pytest.fixture
def truncated(home: Path) -> Path:
    """A newer snapshot in the user's folder of which half is missing, under its right name."""
    import hashlib

    import catalogs

    (sound,) = (FIXTURES.parent / "catalogs" / "snapshots").glob("*.parquet")
    assert catalogs.__file__
    content = sound.read_bytes()
    name = f"2099-01-01-{hashlib.sha256(content).hexdigest()[:12]}.parquet"
    folder = home / "snapshots"
    folder.mkdir()
    (folder / name).write_bytes(content[: len(content) // 2])
    return folder / name


@pytest.mark.parametrize("words", [("recommend", *REGION), ("offers",), ("catalog", "status")])
def test_a_truncated_snapshot_is_refused_by_name(truncated: Path, words: tuple[str, ...]) -> None:
    said = call(*words)
    assert (said.code, said.out) == (4, "")
    assert truncated.name in said.err
    assert "--snapshot" in said.err
    assert said.err.count("\n") == 1


def test_the_one_before_is_used_if_the_user_says_so(truncated: Path) -> None:
    offered = call("catalog", "status").err.rpartition("--snapshot ")[2].strip()
    assert truncated.is_file()
    said = call("recommend", *REGION, "--snapshot", offered, "--format", "json")
    assert said.code == 0
    assert json.loads(said.out)["inputs"]["snapshot_id"] == offered


# 2: names nobody knows, with the nearest that exist

SLIPS: dict[str, tuple[tuple[str, ...], str]] = {
    "region": (("recommend", "--region", "us-eats-1"), "us-east-1"),
    "qualified region": (("recommend", "--region", "aws:us-eats-1"), "aws:us-east-1"),
    "glob": (("recommend", "--region", "mars-*"), "mars-*"),
    "near": (("recommend", "--near", "us-eats-1"), "us-east-1"),
    "provider": (("recommend", "--provider", "asw"), "aws"),
    "model": (("recommend", *REGION, "--model", "Llama-3.1-9B"), "Llama-3.1-8B"),
    "precision": (("recommend", *REGION, "--precision", "bf15"), "bf16"),
    "accelerator": (("recommend", *REGION, "--accelerator", "a100-smx-80gb"), "a100-sxm-80gb"),
    "short accelerator": (("recommend", *REGION, "--accelerator", "h10"), "h100"),
    "excluded accelerator": (("recommend", *REGION, "--exclude-accelerator", "l40s-84gb"), "l40s-48gb"),
    "workload": (("recommend", *REGION, "--workload", "azure-2023-cov"), "azure-2023-conv"),
    "market": (("recommend", *REGION, "--market", "spott"), "spot"),
    "include": (("recommend", *REGION, "--include", "local-zones"), "local-zone"),
    "snapshot": (("recommend", *REGION, "--snapshot", "2020-01-01-000000000000"), "2020-01-01-000000000000"),
    "offers region": (("offers", "--region", "us-eats-1"), "us-east-1"),
    "offers accelerator": (("offers", "--accelerator", "a100-smx-80gb"), "a100-sxm-80gb"),
    "offers provider": (("offers", "--provider", "gpc"), "gcp"),
    "workload show": (("workload", "show", "sharegtp"), "sharegpt"),
    "profile model": (("profile", "list", "--model", "Llama-3.1-9B"), "Llama-3.1-8B"),
    "command": (("reccomend",), "recommend"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_gets_the_nearest_name(slip: str) -> None:
    words, near = SLIPS[slip]
    refused(call(*words), near)


BAD_NUMBERS: dict[str, tuple[str, ...]] = {
    "--rate": ("0", "-3", "nan", "inf", "1e300"),
    "--tpot-ms": ("0", "-3", "nan", "inf", "1e300"),
    "--ttft-ms": ("0", "-3", "nan", "1e300"),
    "--headroom": ("1", "-0.1", "nan", "2"),
    "--coverage": ("0", "-3", "nan", "101"),
    "--max-usd-per-hour": ("0", "-3", "nan", "inf"),
    "--time-limit-s": ("0", "-3", "nan", "inf"),
}


@pytest.mark.parametrize("option", BAD_NUMBERS)
def test_a_number_out_of_range_names_option_and_range(option: str) -> None:
    for value in BAD_NUMBERS[option]:
        refused(call("recommend", *REGION, option, value), option, "not allowed")


@pytest.mark.parametrize(
    "words",
    [
        ("recommend", "--rate", "many"),
        ("recommend", "--format", "xml"),
        ("recommend", "--evidence", "mesured"),
        ("recommend", "--slo-stat", "p100"),
        ("recommend", "--nonsense"),
        ("recommend", "surplus"),
        ("offers", "--sort", "colour"),
        ("offers", "--limit", "0"),
        ("schema", "plam"),
        ("solve",),
        ("verify",),
        ("catalog", "statsu"),
    ],
    ids=" ".join,
)
def test_bad_usage_exits_2_and_points_to_help(words: tuple[str, ...]) -> None:
    said = call(*words)
    assert (said.code, said.out) == (2, "")
    assert said.err
    assert "Traceback" not in said.err


def test_an_empty_workload_is_not_the_default_one() -> None:
    assert call("recommend", *REGION, "--workload", "").code == 2


def test_several_regions_and_globs_may_be_named() -> None:
    said = call("recommend", "--region", "aws:us-east-1", "--region", "gcp:us-east?", "--format", "json")
    regions = set(json.loads(said.out)["inputs"]["regions"])
    assert {"aws:us-east-1", "gcp:us-east4"} <= regions
    assert all(region == "aws:us-east-1" or region.startswith("gcp:us-east") for region in regions)


def test_a_region_id_of_two_providers_is_both_unless_qualified() -> None:
    def providers(region: str) -> set[str]:
        plan: dict[str, Any] = json.loads(call("recommend", "--region", region, "--format", "json").out)
        return {state["provider"] for state in plan["catalog"]}

    assert providers("us-east-1") >= {"aws", "lambda"}
    assert providers("aws:us-east-1") == {"aws"}
