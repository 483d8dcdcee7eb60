"""The config format of the Mélange release: read strictly, solved exactly, answered as promised."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import Infeasible, InputFileError, NoCandidates
from advisor.optimize import melange

pytestmark = pytest.mark.fast

FIXTURES = Path(__file__).parents[2] / "fixtures" / "melange"
EXAMPLE = json.loads((FIXTURES / "example.json").read_text())


def changed(**fields: Any) -> str:
    return json.dumps({**copy.deepcopy(EXAMPLE), **fields})


def with_gpu(**fields: Any) -> str:
    config = copy.deepcopy(EXAMPLE)
    config["gpu_info"]["A10G"].update(fields)
    return json.dumps(config)


def test_whole_buckets_and_free_splits_as_worked_out_by_hand() -> None:
    # Rates 4, 2, 6, 4. An A100 is busy 0.20 + 0.12 + 0.16 with all but the bucket of 2, which takes one A100
    # or two A10G whole. Whole: 2 A10G + 1 A100. Split: 1.04 of it fit the 0.52 of the A100 that are left, and
    # 0.96 one A10G.
    config = melange.read_config(FIXTURES / "example.json")
    whole = melange.answer(config, melange.solve_config(config))
    split = melange.answer(config, melange.solve_config(config, split="fluid"))
    assert (whole["status"], whole["counts"], whole["usd_per_hour"]) == (
        "optimal",
        {"A10G": 2, "A100-80GB": 1},
        5.69,
    )
    assert (split["status"], split["counts"], split["usd_per_hour"]) == (
        "optimal",
        {"A10G": 1, "A100-80GB": 1},
        4.68,
    )
    assert whole["load"] == {"A10G": [[0.0, 2.0], [0.0, 0.0]], "A100-80GB": [[4.0, 0.0], [6.0, 4.0]]}
    two = melange.parse_config(changed(slice_factor=2))
    assert melange.answer(two, melange.solve_config(two))["usd_per_hour"] == 4.68  # 1 + 1 requests/s


def test_the_answer_has_the_promised_fields() -> None:
    config = melange.read_config(FIXTURES / "paper_scale.json")
    answer = melange.answer(config, melange.solve_config(config))
    assert list(answer) == ["status", "counts", "usd_per_hour", "optimality", "load"]
    proof = answer["optimality"]
    assert list(proof) == ["proved", "lower_bound_usd_per_hour", "relative_gap", "solver", "solve_seconds"]
    assert proof["proved"] is True
    assert proof["lower_bound_usd_per_hour"] == pytest.approx(answer["usd_per_hour"], rel=1e-9)
    assert json.loads(json.dumps(answer)) == answer
    rates = [sum(answer["load"][gpu][0][0] for gpu in answer["load"])]
    assert rates[0] == pytest.approx(config.shares[0][0] * config.total_requests_per_s)


def test_a_limit_on_a_gpu_makes_it_infeasible_and_says_what_would_help() -> None:
    # Bucket [0][1] needs two A10G (2 requests/s at 1), the A100 cannot serve it, and one A10G may be had.
    with pytest.raises(Infeasible, match=r"add at least 1 instance to the stock of A10G \(free 1, needs 2\)"):
        melange.solve_config(melange.read_config(FIXTURES / "limited.json"))


def test_a_bucket_nothing_can_serve_is_named() -> None:
    config = copy.deepcopy(EXAMPLE)
    for gpu in config["gpu_info"].values():
        gpu["tputs"][0][1] = 0
    with pytest.raises(NoCandidates, match=r"bucket \[0\]\[1\]"):
        melange.solve_config(melange.parse_config(json.dumps(config)))


def test_shares_are_not_normalised_as_in_the_release_and_a_note_says_so() -> None:
    config = melange.parse_config(changed(workload_distribution=[[0.5, 0.25], [0.75, 0.5]]))
    assert melange.notes(config) == [
        "the shares sum to 2, not 1; like the release, this plans for 32 requests/s in all"
    ]
    assert sum(melange.to_problem(config).demand_requests_per_s) == 32.0
    assert melange.notes(melange.parse_config(changed())) == []


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "line 1"),
        ("{", "line 1"),
        ("[1, 2]", ""),
        ("[" * 100_000, ""),
        (changed().replace("16.0", "1" * 5000), ""),
        ('{"slice_factor": 1, "slice_factor": 2}', "slice_factor"),
        ('{"gpu_info": {"A": {"cost": 1, "tputs": [[1]]}, "A": {"cost": 2, "tputs": [[1]]}}}', "A"),
        (changed(gpu_info={}), "gpu_info"),
        (changed(gpu_info=[]), "gpu_info"),
        (changed(gpu_info={" ": {"cost": 1, "tputs": [[1, 1], [1, 1]]}}), "gpu_info"),
        (changed(gpu_info={"A": 3}), "gpu_info.A"),
        (changed(gpu_info={"A": {"tputs": [[1, 1], [1, 1]]}}), "gpu_info.A.cost"),
        (changed(gpu_info={"A": {"cost": 1}}), "gpu_info.A.tputs"),
        (with_gpu(cost=0), "gpu_info.A10G.cost"),
        (with_gpu(cost=-1), "gpu_info.A10G.cost"),
        (with_gpu(cost="1.01"), "gpu_info.A10G.cost"),
        (with_gpu(cost=True), "gpu_info.A10G.cost"),
        (with_gpu(cost=float("nan")), "gpu_info.A10G.cost"),
        (with_gpu(cost=float("inf")), "gpu_info.A10G.cost"),
        (with_gpu(tputs=[[1, 1]]), "gpu_info.A10G.tputs"),
        (with_gpu(tputs=[[1, 1], [1]]), "gpu_info.A10G.tputs[1]"),
        (with_gpu(tputs=[[1, 1], 7]), "gpu_info.A10G.tputs[1]"),
        (with_gpu(tputs=[[1, -2], [1, 1]]), "gpu_info.A10G.tputs[0][1]"),
        (with_gpu(tputs=[[1, float("-inf")], [1, 1]]), "gpu_info.A10G.tputs[0][1]"),
        (with_gpu(tputs=[[1, None], [1, 1]]), "gpu_info.A10G.tputs[0][1]"),
        (with_gpu(tputs=[[1, 1e300], [1, 1]]), "gpu_info.A10G.tputs[0][1]"),
        (with_gpu(tputs=[[1, 1e-300], [1, 1]]), "gpu_info.A10G.tputs[0][1]"),
        (with_gpu(max_count=-1), "gpu_info.A10G.max_count"),
        (with_gpu(max_count=1.5), "gpu_info.A10G.max_count"),
        (changed(workload_distribution=[]), "workload_distribution"),
        (changed(workload_distribution=[[]]), "workload_distribution[0]"),
        (changed(workload_distribution=[[0, 0], [0, 0]]), "workload_distribution"),
        (changed(workload_distribution=[[0.5, 0.5], [0.5]]), "workload_distribution[1]"),
        (changed(workload_distribution=[["x", 0.5], [0.5, 0]]), "workload_distribution[0][0]"),
        (changed(total_request_rate=0), "total_request_rate"),
        (changed(total_request_rate=10**400), "total_request_rate"),
        (changed(total_request_rate=float("nan")), "total_request_rate"),
        (changed(slice_factor=0), "slice_factor"),
        (changed(slice_factor=2.5), "slice_factor"),
        (changed(slice_factor=10**9), "slice_factor"),
        (json.dumps({k: v for k, v in EXAMPLE.items() if k != "slice_factor"}), "slice_factor"),
    ],
)
def test_a_bad_field_is_named_with_what_is_allowed(text: str, field: str) -> None:
    with pytest.raises(InputFileError) as caught:
        melange.parse_config(text, "my.json")
    assert caught.value.file == "my.json"
    assert caught.value.field.startswith(field)
    assert caught.value.allowed
    assert len(str(caught.value)) < 400


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(melange.MOST_BYTES + 1)
    for path in (tmp_path / "missing.json", tmp_path, binary, huge):
        with pytest.raises(InputFileError):
            melange.read_config(path)
