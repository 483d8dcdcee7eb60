"""`advisor profile next`: what measuring a replica is worth."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import replace
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from recommendation_builders import a_price
from typer.testing import CliRunner

import catalogs
from advisor.cli.profile import app
from advisor.domain import EvidenceKind, NoThroughput, QuotaDraw, QuotaUnit, Throughput
from advisor.errors import InputFileError, NoCandidates, UsageError
from advisor.optimize.candidates import Candidate, Degree, Demand, Joined
from advisor.optimize.problem import Column, Problem
from advisor.recommendation.doubt import Cell, Doubt, doubt_of
from advisor.recommendation.next_benchmark import (
    WEIGHT_OF_AN_END,
    Benchmark,
    Ranking,
    measure_command,
    next_benchmarks,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.recommendation.findings import Catalog

ESTIMATED, MEASURED = EvidenceKind.ESTIMATED, EvidenceKind.MEASURED


def a_rate(
    rate: float, low: float | None = None, high: float | None = None, kind: EvidenceKind = ESTIMATED
) -> Throughput:
    return Throughput(rate, kind, "test", "test", None, "tpot", low, high)


def a_candidate(
    chip: str, usd: str, *answers: Throughput | NoThroughput, draws: tuple[QuotaDraw, ...] = ()
) -> Candidate:
    offer = a_price(accelerator=chip, usd_per_hour=usd, instance_type=f"type-{chip}")
    return Candidate(offer, (Degree(1, answers),), draws)


def a_doubt(
    *candidates: Candidate, rates: Sequence[float] = (10.0,), free: dict[str, Decimal] | None = None
) -> Doubt:
    demands = tuple(Demand(f"size {i}", 100.0 * (i + 1), 50.0, rate) for i, rate in enumerate(rates))
    columns = tuple(
        Column(
            c.offer.id,
            c.offer.usd_per_hour,
            1,
            tuple(degree.option(len(demands)) for degree in c.degrees),
            tuple((draw.key, draw.units_per_instance) for draw in c.draws),
        )
        for c in candidates
    )
    wanted = tuple(demand.requests_per_s for demand in demands)
    problem = Problem(wanted, tuple(demand.label for demand in demands), columns, free or {})
    return doubt_of(Joined(demands, candidates, {}, ()), problem, {})


def by_chip(ranking: Ranking) -> dict[str, Benchmark]:
    return {found.accelerator: found for found in ranking.benchmarks}


def test_a_benchmark_is_worth_what_knowing_saves_on_average() -> None:
    # Ten requests a second: today 2 × l40s at $2 (5 each), not the h100 at $7.
    # Slow (2.5 each): buying l40s blindly ends at 4 of them, $8, where the h100 would have been $7: 1 saved.
    # Fast (10 each): one is enough, $2 instead of $4: 2 saved.
    ranking = next_benchmarks(
        a_doubt(
            a_candidate("l40s-48gb", "2", a_rate(5, 2.5, 10)),
            a_candidate("h100-sxm-80gb", "7", a_rate(20, kind=MEASURED)),
        )
    )
    (found,) = ranking.benchmarks
    assert ranking.fleet_usd_per_hour == 4
    assert found.value_usd_per_hour == Decimal("0.185") * (1 + 2)
    assert found.risk_usd_per_hour == 4
    assert (found.optimum_if_slow_usd_per_hour, found.optimum_if_fast_usd_per_hour) == (7, 2)
    assert (found.slow, found.fast) == (0.5, 2.0)
    assert found.in_fleet
    assert found.load_share == ranking.unmeasured_share == 1.0
    assert found.weakest is ESTIMATED


def test_what_is_bought_is_kept_when_it_turns_out_slow() -> None:
    # 3 × l40s at $2 serve 5, 5 each of 12. Slow (4 each): $6 buys 12, nothing is missing: no risk.
    (found,) = next_benchmarks(
        a_doubt(a_candidate("l40s-48gb", "2", a_rate(5, 4, 6)), rates=(12.0,))
    ).benchmarks
    assert found.risk_usd_per_hour == 0


def test_a_cell_outside_the_fleet_counts_if_its_fast_end_enters() -> None:
    # Today 2 × l40s, $4. The a100 at $3 needs 2 at 6 each; at its fast end, 12, one does: 1 saved.
    # The h200 at $5 needs 2 at 4 each and still 2 at 8: it cannot enter.
    ranking = next_benchmarks(
        a_doubt(
            a_candidate("l40s-48gb", "2", a_rate(5, kind=MEASURED)),
            a_candidate("a100-sxm-80gb", "3", a_rate(6, 3, 12)),
            a_candidate("h200-sxm-141gb", "5", a_rate(4, 2, 8)),
        )
    )
    (found,) = ranking.benchmarks
    assert found.accelerator == "a100-sxm-80gb"
    assert found.value_usd_per_hour == Decimal("0.185")
    assert (found.in_fleet, found.load_share, found.risk_usd_per_hour) == (False, 0.0, 0)
    assert (ranking.tried, ranking.untried, ranking.unmeasured_share) == (2, 0, 0.0)


def test_what_was_measured_is_never_proposed() -> None:
    measured = a_candidate("l40s-48gb", "2", a_rate(5, 1, 50, kind=MEASURED))
    assert next_benchmarks(a_doubt(measured)).benchmarks == ()


def test_only_the_sizes_nobody_measured_are_in_doubt() -> None:
    answers = a_rate(5, 1, 50, kind=MEASURED), a_rate(5, 2.5, 10)
    doubt = a_doubt(a_candidate("l40s-48gb", "2", *answers), rates=(10.0, 30.0))
    (found,) = next_benchmarks(doubt).benchmarks
    assert found.sizes == ((200, 50),)
    assert found.load_share == pytest.approx(0.75)
    # 8 instances today. Slow: the 30 need 12 instead of 6, 6 × $2 more.
    assert found.risk_usd_per_hour == 12


def test_where_no_topping_up_is_allowed_the_cell_comes_first() -> None:
    draw = QuotaDraw("aws", "us-east-1", "L-1", QuotaUnit.GPU, Decimal(1))
    doubt = a_doubt(
        a_candidate("l40s-48gb", "2", a_rate(5, 2.5, 10), NoThroughput("x", "x"), draws=(draw,)),
        a_candidate("a10g-24gb", "1", NoThroughput("x", "x"), a_rate(1, 0.1, 10)),
        rates=(10.0, 10.0),
        free={draw.key: Decimal(2)},
    )
    ranking = next_benchmarks(doubt)
    assert [found.accelerator for found in ranking.benchmarks] == ["l40s-48gb", "a10g-24gb"]
    first, second = ranking.benchmarks
    assert first.risk_usd_per_hour is None
    assert first.optimum_if_slow_usd_per_hour is None
    assert second.value_usd_per_hour > first.value_usd_per_hour


def test_a_figure_of_unknown_error_is_named_not_ranked() -> None:
    ranking = next_benchmarks(a_doubt(a_candidate("l40s-48gb", "2", a_rate(5))))
    assert ranking.benchmarks == ()
    assert ranking.unknown_error == (Cell("l40s-48gb", 1),)
    assert ranking.unmeasured_share == 1.0


def test_cells_beyond_the_number_allowed_are_counted() -> None:
    chips = "a10g-24gb", "l4-24gb", "h100-sxm-80gb"
    others = [a_candidate(chip, "50", a_rate(5, 4, 6)) for chip in chips]
    doubt = a_doubt(a_candidate("l40s-48gb", "2", a_rate(5, kind=MEASURED)), *others)
    ranking = next_benchmarks(doubt, most_cells=1)
    assert (ranking.tried, ranking.untried) == (1, 2)


def test_nobody_serves_nothing_is_ranked() -> None:
    with pytest.raises(NoCandidates):
        next_benchmarks(a_doubt(a_candidate("l40s-48gb", "2", NoThroughput("x", "x"))))


def cheapest(prices: Sequence[int], rates: Sequence[float], demand: float, held: Sequence[int]) -> int:
    """Brute force over counts: the cheapest addition to the instances held."""
    most = [math.ceil(demand / rate) for rate in rates]
    return min(
        sum(usd * count for usd, count in zip(prices, counts, strict=True))
        for counts in product(*(range(n + 1) for n in most))
        if sum((c + h) * r for c, h, r in zip(counts, held, rates, strict=True)) >= demand * (1 - 1e-9)
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 9), st.integers(1, 9), st.sampled_from((0.5, 0.7)), st.sampled_from((1.3, 2.0))
        ),
        min_size=1,
        max_size=2,
    ),
    st.integers(3, 20),
)
def test_values_equal_brute_force_over_all_fleets(
    cells: list[tuple[int, int, float, float]], demand: int
) -> None:
    chips = ("l40s-48gb", "a10g-24gb")
    candidates = [
        a_candidate(chip, str(usd), a_rate(rate, rate * slow, rate * fast))
        for chip, (usd, rate, slow, fast) in zip(chips, cells, strict=False)
    ]
    doubt = a_doubt(*candidates, rates=(float(demand),))
    ranking = next_benchmarks(doubt)
    prices, rates = [cell[0] for cell in cells], [float(cell[1]) for cell in cells]
    nothing = [0] * len(cells)
    today = cheapest(prices, rates, demand, nothing)
    assert ranking.fleet_usd_per_hour == today
    from advisor.optimize.solve import solve

    bought = solve(doubt.problem).instances
    held = [bought.get(c.offer.id, 0) for c in candidates]
    found = by_chip(ranking)
    for place, (chip, (_, rate, slow, fast)) in enumerate(zip(chips, cells, strict=False)):
        at_slow, at_fast = list(rates), list(rates)
        at_slow[place], at_fast[place] = rate * slow, rate * fast
        gain = today - cheapest(prices, at_fast, demand, nothing)
        if not held[place]:
            assert (chip in found) == (gain > 0)
            if gain > 0:
                assert found[chip].value_usd_per_hour == WEIGHT_OF_AN_END * gain
            continue
        repaired = today + cheapest(prices, at_slow, demand, held)
        gain += repaired - cheapest(prices, at_slow, demand, nothing)
        assert found[chip].value_usd_per_hour == WEIGHT_OF_AN_END * gain
        assert found[chip].risk_usd_per_hour == repaired - today


def test_the_command_it_prints_is_one_that_measure_takes(catalog: Catalog) -> None:
    from advisor.api import make_request

    service = make_request(catalog.facts, model="Llama-3.1-8B", ttft_ms=900.0).service
    (found,) = next_benchmarks(a_doubt(a_candidate("l40s-48gb", "2", a_rate(5, 2.5, 10)))).benchmarks
    words = shlex.split(measure_command(service, found))
    command = typer.main.get_command(app).commands["measure"]  # type: ignore[attr-defined]
    context = command.make_context("measure", words[3:])
    given = context.params
    assert words[:3] == ["advisor", "profile", "measure"]
    assert (given["model"], given["accelerator"], given["tp"]) == ("Llama-3.1-8B", "l40s-48gb", 1)
    assert (given["precision"], given["tpot_ms"], given["ttft_ms"]) == ("bf16", 60.0, 900.0)
    assert given["sizes"] == "100x50"
    any_engine = replace(service, engine="any")
    assert "--engine ENGINE" in measure_command(any_engine, found)


(SNAPSHOT,) = (Path(catalogs.__file__).parent / "snapshots").glob("*.parquet")
QUESTION = (
    *("--region", "aws:us-east-1", "--accelerator", "l40s-48gb", "--accelerator", "h100-sxm-80gb"),
    *("--accelerator", "a10g-24gb", "--snapshot", str(SNAPSHOT)),
)


def run(*arguments: str, columns: int = 120) -> Any:
    result = CliRunner().invoke(app, ["next", *arguments], env={"COLUMNS": str(columns)})
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1793000000")


def test_the_shipped_question_ranks_by_dollars_and_says_what_to_run() -> None:
    records = json.loads(run(*QUESTION, "--format", "json"))
    values = [float(record["value_usd_per_month"]) for record in records]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0
    text = run(*QUESTION, columns=80)
    assert max(map(len, text.splitlines())) <= 80
    shown = text[text.index("Run first:") :].splitlines()[1:]
    assert all(line.endswith("\\") for line in shown[:-1])
    joined = " ".join(line.rstrip("\\").strip() for line in shown)
    assert joined == records[0]["command"]


def test_a_plan_is_ranked_like_the_question_it_answers(tmp_path: Path, catalog: Catalog) -> None:
    from advisor.api import recommend

    plan = recommend(
        catalog,
        regions=["aws:us-east-1"],
        accelerators=["l40s-48gb", "h100-sxm-80gb", "a10g-24gb"],
    )
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan.model_dump(mode="json")))
    assert json.loads(run(str(path), "--format", "json")) == json.loads(run(*QUESTION, "--format", "json"))
    with pytest.raises(UsageError, match="a plan says what is asked"):
        run(str(path), "--rate", "3")
    path.write_text("{}")
    with pytest.raises(InputFileError, match=r"plan\.json"):
        run(str(path))


def test_no_fleet_to_begin_with_says_why() -> None:
    with pytest.raises(NoCandidates, match="no fleet to begin with"):
        run(*QUESTION, "--tpot-ms", "1")
