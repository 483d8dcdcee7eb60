"""`advisor profile compare`: every kind of evidence on the same cell."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from throughput_builders import a_replica, a_store, a_sweep, ask
from typer.testing import CliRunner

from advisor.cli.profile import app
from advisor.domain import EvidenceKind, Slo
from advisor.errors import UsageError
from advisor.profiles.compare import ComparedFigure, Condition, compare, measured_sizes
from advisor.profiles.interval import Interval
from advisor.profiles.verdict import FASTER, FASTEST, OPEN, SLOWER, TIE, against_fastest, ratio, verdict

if TYPE_CHECKING:
    from pathlib import Path

    from advisor.profiles.compare import ComparedCell
    from advisor.profiles.query import ProfileStore

AT_50_MS = Condition(Slo(tpot_ms=50))
SIZE = (1000.0, 100.0)


def both_kinds(tmp_path: Path) -> ProfileStore:
    """Measured up to 90 ms, simulated up to 80 ms; at 50 ms they sustain 5 and 8 requests a second."""
    measured = a_sweep((1, 10, 1), (8, 30, 3), (32, 70, 7), (64, 90, 8))
    simulated = a_sweep((1, 8, 2), (8, 40, 7), (32, 60, 9), (64, 80, 10), kind="simulated")
    return a_store(tmp_path, [*measured, *simulated])


def figures(cell: ComparedCell) -> dict[EvidenceKind, ComparedFigure]:
    return {figure.kind: figure for figure in cell.figures}


def a_figure(rate: float, low: float, high: float, **given: Any) -> ComparedFigure:
    fields: dict[str, Any] = dict.fromkeys(
        ("tpot_ms", "ttft_ms", "engine", "engine_version", "date", "source", "profile_id")
    )
    fields |= {"kind": EvidenceKind.SIMULATED, "limited_by": "tpot"} | given
    return ComparedFigure(requests_per_s=rate, interval=Interval(low, high), **fields)


def test_every_kind_answers_for_the_same_cell(tmp_path: Path) -> None:
    (cell,) = compare(both_kinds(tmp_path), [a_replica()], [SIZE], AT_50_MS)
    found = figures(cell)
    # Halfway between 30 and 70 ms, and between 40 and 60 ms.
    assert found[EvidenceKind.MEASURED].requests_per_s == pytest.approx(5.0)
    assert found[EvidenceKind.SIMULATED].requests_per_s == pytest.approx(8.0)
    assert ratio(found[EvidenceKind.SIMULATED], cell.measured) == pytest.approx(1.6)
    assert [figure.tpot_ms for figure in found.values()] == pytest.approx([50.0] * 3)
    assert cell.strongest is found[EvidenceKind.MEASURED]


def test_each_kind_is_the_planners_own_answer_where_nothing_stronger_speaks(tmp_path: Path) -> None:
    (cell,) = compare(both_kinds(tmp_path), [a_replica()], [SIZE], AT_50_MS)
    (tmp_path / "alone").mkdir()
    (alone,) = ask(a_store(tmp_path / "alone"), SIZE)
    assert figures(cell)[EvidenceKind.ESTIMATED].requests_per_s == alone.requests_per_s  # type: ignore[union-attr]


def test_at_the_same_load_figures_lie_between_the_loads_around_it(tmp_path: Path) -> None:
    condition = Condition(Slo(), concurrency=20)
    (cell,) = compare(both_kinds(tmp_path), [a_replica()], [SIZE], condition)
    measured = figures(cell)[EvidenceKind.MEASURED]
    # 20 is halfway between 8 and 32 in flight: 3 and 7 requests a second, 30 and 70 ms.
    assert measured.requests_per_s == pytest.approx(5.0)
    assert measured.tpot_ms == pytest.approx(50.0)


def test_the_estimate_at_a_load_is_the_estimators_own(tmp_path: Path) -> None:
    import numpy as np

    from advisor.profiles.estimate import Deployment, LoadMode, estimate

    store = both_kinds(tmp_path)
    (cell,) = compare(store, [a_replica()], [SIZE], Condition(Slo(), concurrency=20))
    deployment = Deployment(a_replica())
    own = estimate(deployment, LoadMode.CLOSED_LOOP, np.array([SIZE]), np.array([20.0]), store.calibration)
    found = figures(cell)[EvidenceKind.ESTIMATED]
    assert found.interval is not None
    assert (found.requests_per_s, found.tpot_ms, found.ttft_ms, found.interval.low) == (
        own.requests_per_s[0],
        own.tpot_ms[0],
        own.ttft_ms[0],
        own.low_requests_per_s[0],
    )


def test_a_load_beyond_the_profile_is_not_extrapolated(tmp_path: Path) -> None:
    (cell,) = compare(both_kinds(tmp_path), [a_replica()], [SIZE], Condition(Slo(), concurrency=65))
    measured = figures(cell)[EvidenceKind.MEASURED]
    assert measured.requests_per_s is None
    assert measured.reason == "not profiled at this size"


def test_a_size_nobody_profiled_says_so(tmp_path: Path) -> None:
    (cell,) = compare(both_kinds(tmp_path), [a_replica()], [(3000.0, 100.0)], AT_50_MS)
    found = figures(cell)
    assert found[EvidenceKind.MEASURED].reason == "not profiled at this size"
    assert found[EvidenceKind.ESTIMATED].requests_per_s
    assert cell.measured is None
    assert ratio(found[EvidenceKind.ESTIMATED], cell.measured) is None


def test_another_chip_has_no_such_figures(tmp_path: Path) -> None:
    (cell,) = compare(both_kinds(tmp_path), [a_replica(chip="a100-sxm-80gb")], [SIZE], AT_50_MS)
    assert {f.kind: f.reason for f in cell.figures if f.reason} == {
        EvidenceKind.MEASURED: "no such figures",
        EvidenceKind.SIMULATED: "no such figures",
    }


def test_every_profile_may_speak_for_itself(tmp_path: Path) -> None:
    old = a_sweep((1, 10, 1), (64, 90, 5), date="2024-01-01", engine_version="0.4")
    new = a_sweep((1, 10, 1), (64, 90, 9), date="2026-01-01", engine_version="0.20")
    store = a_store(tmp_path, [*old, *new])
    (one,) = compare(store, [a_replica()], [SIZE], AT_50_MS)
    (every,) = compare(store, [a_replica()], [SIZE], AT_50_MS, every_profile=True)
    versions = [f.engine_version for f in every.figures if f.kind is EvidenceKind.MEASURED]
    assert versions == ["0.20", "0.4"]
    assert [f.engine_version for f in one.figures if f.kind is EvidenceKind.MEASURED] == ["0.20"]


@pytest.mark.parametrize(
    ("rate", "low", "high", "expected"),
    [(9, 8.5, 10, FASTER), (3, 2, 3.5, SLOWER), (6, 5.5, 7, TIE), (4.5, 3, 20, TIE)],
)
def test_overlapping_intervals_are_a_tie(rate: float, low: float, high: float, expected: str) -> None:
    measured = a_figure(5, 4, 6, kind=EvidenceKind.MEASURED)
    assert verdict(a_figure(rate, low, high), measured, AT_50_MS) == expected


def test_a_lower_bound_decides_nothing_but_that_a_figure_is_below_it() -> None:
    bound = a_figure(5, 4, 6, kind=EvidenceKind.MEASURED, limited_by="load")
    assert verdict(a_figure(9, 8, 10), bound, AT_50_MS) == OPEN
    assert verdict(a_figure(5, 4, 6), bound, AT_50_MS) == OPEN
    assert verdict(a_figure(3, 2, 3.5), bound, AT_50_MS) == SLOWER
    assert verdict(a_figure(9, 8, 10), bound, Condition(Slo(), concurrency=8)) == FASTER


def test_a_figure_of_unknown_error_counts_as_exact() -> None:
    import dataclasses

    exact = dataclasses.replace(a_figure(5, 1, 9, kind=EvidenceKind.MEASURED), interval=None)
    assert verdict(a_figure(6, 5.5, 7), exact, AT_50_MS) == FASTER
    assert verdict(a_figure(6, 4.5, 7), exact, AT_50_MS) == TIE


def test_of_two_chips_the_one_whose_interval_reaches_the_fastest_is_a_tie(tmp_path: Path) -> None:
    fast = a_sweep((1, 10, 4), (8, 60, 20))
    close = a_sweep((1, 10, 4), (8, 60, 18), accelerator="h200-sxm-141gb")
    slow = a_sweep((1, 10, 0.4), (8, 60, 2), accelerator="a100-sxm-80gb")
    store = a_store(tmp_path, [*fast, *close, *slow])
    (tmp_path / "profiles" / "errors.toml").write_text("[measured]\nmedian_abs_pct = 5\np90_abs_pct = 20\n")
    chips = ("h100-sxm-80gb", "h200-sxm-141gb", "a100-sxm-80gb")
    cells = compare(store, [a_replica(chip=chip) for chip in chips], [SIZE], AT_50_MS)
    places = against_fastest(cells, AT_50_MS)
    assert [places[chip, 1, SIZE] for chip in chips] == [FASTEST, TIE, SLOWER]
    assert against_fastest(cells[:1], AT_50_MS) == {}


def test_sizes_measured_on_most_replicas_come_first(tmp_path: Path) -> None:
    loads = (1, 10, 1), (8, 30, 3)
    store = a_store(
        tmp_path,
        [
            *a_sweep(*loads),
            *a_sweep(*loads, accelerator="a100-sxm-80gb"),
            *a_sweep(*loads, input_tokens=50.0),
        ],
    )
    replicas = [a_replica(), a_replica(chip="a100-sxm-80gb")]
    assert measured_sizes(store, replicas, 1) == (SIZE,)
    assert measured_sizes(store, replicas, 9) == ((50.0, 100.0), SIZE)


SHIPPED = (
    *("compare", "--model", "Llama-3.3-70B", "--precision", "fp8", "--accelerator", "h100-sxm-80gb"),
    *("--tp", "4", "--tp", "2", "--sizes", "1000x1000"),
)


def run(*arguments: str, columns: int = 120) -> str:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": str(columns)})
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_the_command_shows_all_kinds_and_draws_them() -> None:
    text = run(*SHIPPED, "--concurrency", "32", columns=80)
    assert max(map(len, text.splitlines())) <= 80
    for word in ("measured", "simulated", "estimated", "1000 × 1000", "32 requests in flight"):
        assert word in text
    chart = [line for line in text.splitlines() if "│" in line]
    assert len(chart) == 6
    assert {mark for line in chart for mark in "●◆○" if mark in line} == set("●◆○")
    assert "│" not in run(*SHIPPED, "--no-chart")


def test_json_and_csv_say_the_same_whole() -> None:
    records = json.loads(run(*SHIPPED, "--format", "json"))
    rows = list(csv.DictReader(io.StringIO(run(*SHIPPED, "--format", "csv"))))
    assert [row["kind"] for row in rows] == [record["kind"] for record in records]
    for record in records:
        if record["requests_per_s"] is not None and record["low_requests_per_s"] is not None:
            assert record["low_requests_per_s"] <= record["requests_per_s"] <= record["high_requests_per_s"]
    measured = next(r for r in records if r["kind"] == "measured")
    estimated = next(r for r in records if r["kind"] == "estimated")
    assert estimated["ratio_to_measured"] == pytest.approx(
        estimated["requests_per_s"] / measured["requests_per_s"]
    )


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (("--concurrency", "8", "--tpot-ms", "40"), "--concurrency"),
        (("--concurrency", "0"), "--concurrency"),
        (("--tpot-ms", "nan"), "--tpot-ms"),
        (("--workload", "openorca"), "--workload"),
    ],
)
def test_what_contradicts_itself_is_refused_by_name(more: tuple[str, ...], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        run(*SHIPPED, *more)


def test_where_nothing_was_measured_sizes_must_be_given() -> None:
    with pytest.raises(UsageError, match="--sizes"):
        run("compare", "--model", "Llama-3.1-8B", "--accelerator", "l4-24gb")


def test_no_measured_size_names_the_engine_and_the_way_on() -> None:
    with pytest.raises(UsageError, match=r"bf16 on vLLM .*--engine any"):
        run("compare", "--model", "Llama-3.1-8B", "--accelerator", "h100-sxm-80gb")
