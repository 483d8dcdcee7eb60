"""Whoever asks how fast a replica is gets one answer: every model, chip, engine and precision shipped."""

from __future__ import annotations

import csv
import io
import json
import random
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from throughput_builders import facts
from typer.testing import CliRunner

from advisor import load_catalog, recommend
from advisor.cli.profile import app
from advisor.domain import EvidenceKind, NoThroughput, Slo, SloStatistic, Throughput
from advisor.plan.verify import check
from advisor.profiles import calibration
from advisor.profiles.compare import Condition, compare
from advisor.profiles.curve import Curve
from advisor.profiles.engines import BEHIND_THE_CONSTANTS, Engine
from advisor.profiles.estimate import Deployment, LoadMode, estimate, refusal
from advisor.profiles.estimate_batch import BatchNames, estimated_text
from advisor.profiles.evaluate import Evaluation, evaluate
from advisor.profiles.memory import PRECISIONS
from advisor.profiles.replica import Replica, Shape
from advisor.simulate.drive import _estimated_points, drive
from advisor.verification import inputs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

KNOWN = calibration.load()
SIZES = ((1000.0, 250.0), (8000.0, 500.0))
LIMIT_MS = 60.0
ENGINES = (None, *sorted(BEHIND_THE_CONSTANTS), "llama.cpp", "LMDeploy")
COLUMNS = (
    *("model", "gpu", "tp", "precision", "engine", "date", "input_tokens", "output_tokens"),
    *("slo_tpot_ms", "load_mode"),
)
STORE: Any = SimpleNamespace(calibration=KNOWN, errors={}, profiles=lambda *_: ())


def everywhere(more: int = 150) -> Iterator[Replica]:
    """Every model, every chip, every engine and every precision, each with others drawn by lot; and more."""
    dice, known = random.Random(11), facts()
    pools = list(known.models), list(known.accelerators), list(ENGINES), list(PRECISIONS)
    draws = max(map(len, pools)) + more
    columns = [[*pool, *dice.choices(pool, k=draws - len(pool))] for pool in pools]
    for column in columns:
        dice.shuffle(column)
    for model, chip, engine, precision in zip(*columns, strict=True):
        shape = Shape(dice.choice((1, 2, 4, 8, 16)))
        engine_of = Engine.named(engine, date=dice.choice(("2024", None)))
        yield Replica(known.models[model], precision, known.accelerators[chip], shape, engine_of)


REPLICAS = tuple(everywhere())


def planned(replica: Replica, slo: Slo) -> tuple[Throughput | NoThroughput, ...]:
    """As recommend and profile show have it, where nothing measured or simulated reaches the sizes."""
    return evaluate(Evaluation(replica, slo, EvidenceKind.ESTIMATED, (), KNOWN), SIZES)


@pytest.fixture(scope="module")
def answered() -> list[tuple[Replica, tuple[Throughput | NoThroughput, ...]]]:
    return [(replica, planned(replica, Slo(tpot_ms=LIMIT_MS))) for replica in REPLICAS]


def rates(answers: tuple[Throughput | NoThroughput, ...]) -> list[float | None]:
    return [answer.requests_per_s if isinstance(answer, Throughput) else None for answer in answers]


def test_enough_of_it_can_be_answered_to_say_something(answered: Any) -> None:
    figures = [answer for _, answers in answered for answer in answers if isinstance(answer, Throughput)]
    assert len(figures) > 100
    assert {replica.engine.name for replica, answers in answered if any(rates(answers))} > {None, "vLLM"}


def test_profile_estimate_says_what_the_planner_says(answered: Any) -> None:
    for replica, answers in answered:
        refused = refusal(replica, KNOWN, within_tpot=True)
        if refused is not None:
            assert answers == (refused,) * len(SIZES)
            continue
        limits = np.full(len(SIZES), LIMIT_MS)
        found = estimate(Deployment(replica), LoadMode.WITHIN_SLO, np.array(SIZES), limits, KNOWN)
        for place, answer in enumerate(answers):
            figures = [found.requests_per_s, found.low_requests_per_s, found.high_requests_per_s]
            if isinstance(answer, Throughput):
                ours = [answer.requests_per_s, answer.low_requests_per_s, answer.high_requests_per_s]
                assert ours == pytest.approx([float(each[place]) for each in figures], rel=1e-12)
                assert answer.limited_by == found.limited_by[place]
            else:
                assert np.isnan(found.requests_per_s[place]), answer


def test_profile_compare_says_what_the_planner_says(answered: Any) -> None:
    for replica, answers in answered:
        cells = compare(STORE, [replica], SIZES, Condition(Slo(tpot_ms=LIMIT_MS)))
        figures = [cell.figures[-1] for cell in cells]
        assert {figure.kind for figure in figures} == {EvidenceKind.ESTIMATED}
        assert [figure.requests_per_s for figure in figures] == rates(answers)


def test_a_file_of_runs_gets_what_the_planner_says(answered: Any) -> None:
    table, known = io.StringIO(), facts()
    writer = csv.writer(table)
    writer.writerow(COLUMNS)
    for replica, _ in answered:
        what = replica.model.id, replica.accelerator.id, replica.tensor_parallel, replica.precision
        who = replica.engine.name or "", replica.engine.era
        for size in SIZES:
            writer.writerow((*what, *who, *size, LIMIT_MS, "server-slo"))
    names = BatchNames(cache(known.model), cache(known.accelerator), lambda _: None)
    text, _, _ = estimated_text(table.getvalue(), "runs.csv", names, KNOWN)
    cells = [row["predicted_requests_per_s"] for row in csv.DictReader(io.StringIO(text))]
    wanted = [rate or 0.0 for _, answers in answered for rate in rates(answers)]
    assert np.allclose([float(cell or 0.0) for cell in cells], wanted, rtol=1e-5)


def test_a_replay_is_driven_by_what_the_planner_reads() -> None:
    part = [(SimpleNamespace(input_tokens=size[0], output_tokens=size[1]), 1.0) for size in SIZES]
    for replica in (replica for replica in REPLICAS if refusal(replica, KNOWN) is None):
        for point in _estimated_points(replica, STORE, part):  # type: ignore[arg-type]
            size, load = np.array([[point.input_tokens, point.output_tokens]]), np.array([point.concurrency])
            found = estimate(Deployment(replica), LoadMode.CLOSED_LOOP, size, load, KNOWN)
            assert point.requests_per_s == pytest.approx(found.requests_per_s[0], rel=1e-9, nan_ok=True) or (
                np.isnan(found.requests_per_s[0])
            )
            assert point.tpot_ms == pytest.approx(found.tpot_ms[0], rel=1e-9) or np.isnan(found.tpot_ms[0])


def test_profile_fit_shows_the_room_the_planner_counts_on() -> None:
    for replica in (replica for replica in REPLICAS if refusal(replica, KNOWN) is None):
        curve = Curve.of(replica, np.array(SIZES), KNOWN)
        room = replica.memory()
        assert curve.room_tokens == room.max_tokens
        whole = [sum(size) for size in SIZES]
        assert curve.fits.tolist() == [room.largest_batch(tokens) >= 1 for tokens in whole]


@pytest.mark.parametrize("statistic", ["mean", "p99"])
def test_the_rate_a_ttft_limit_allows_keeps_it_by_profile_estimates_own_figure(statistic: str) -> None:
    from advisor.domain import LatencyLimit, SloStatistic

    slo = Slo(further=(LatencyLimit("ttft", 2000.0, SloStatistic(statistic)),))
    for replica in (replica for replica in REPLICAS if refusal(replica, KNOWN) is None):
        for size, answer in zip(SIZES, planned(replica, slo), strict=True):
            if not isinstance(answer, Throughput):
                continue
            offered = np.array([answer.requests_per_s])
            found = estimate(Deployment(replica), LoadMode.OPEN, np.array([size]), offered, KNOWN)
            assert found.limited_by == ("offered",) or answer.limited_by in ("memory", "engine")
            assert found.ttft_ms[0] <= 2000.0 or np.isnan(found.ttft_ms[0])


def of_the_size(cells: list[dict[str, Any]]) -> dict[str, Any]:
    (cell,) = (c for c in cells if (c["input_tokens"], c["output_tokens"]) == (1000, 250))
    return cell


@pytest.mark.parametrize("engine", ["SGLang", "TensorRT-LLM"])
def test_the_commands_agree_on_a_mixture_at_eight(engine: str) -> None:
    """DeepSeek-V3.2 on eight H200s within 60 ms: the commands once said three different rates."""
    replica = ["--model", "DeepSeek-V3.2", "--accelerator", "h200-sxm-141gb", "--precision", "fp8"]
    asked = [*replica, "--tp", "8", "--engine", engine, "--tpot-ms", "60", "--format", "json"]

    def run(*words: str) -> list[dict[str, Any]]:
        result = CliRunner().invoke(app, list(words))
        assert result.exception is None, result.output
        found: list[dict[str, Any]] = json.loads(result.stdout)
        return found

    shown = of_the_size(run("show", *asked))
    assert shown["kind"] == "estimated"
    (estimated,) = run("estimate", *asked, "--input-tokens", "1000", "--output-tokens", "250")
    (compared,) = (c for c in run("compare", *asked, "--sizes", "1000x250") if c["kind"] == "estimated")
    assert estimated["requests_per_s"] == pytest.approx(shown["requests_per_s"], rel=1e-3)
    assert compared["requests_per_s"] == pytest.approx(shown["requests_per_s"], rel=1e-12)
    by_id = of_the_size(run("show", shown["profile_id"], "--tpot-ms", "60", "--format", "json"))
    assert by_id["requests_per_s"] == shown["requests_per_s"]


@pytest.mark.parametrize("engine", ["SGLang", "TensorRT-LLM"])
def test_a_plan_its_check_and_its_replay_rest_on_the_same_rates(engine: str) -> None:
    """Of a model nobody measured on these chips; each engine is as fast as it is, not as any is."""
    catalog = load_catalog()
    service_of = {"model": "Qwen3-32B", "precision": "fp8", "engine": engine}
    where = {"regions": ["us-east-1"], "markets": ["on_demand"], "slo_statistic": SloStatistic.MEAN}
    plan = recommend(catalog, **where, **service_of, replay=False)  # type: ignore[arg-type]
    inputs = inputs_of(plan, catalog.snapshot, catalog.facts, catalog.profiles, None)
    assert list(check(plan, inputs)) == []
    (service,), model = plan.services, catalog.facts.models["Qwen3-32B"]
    buckets = {(b.input_tokens_max, b.output_tokens_max): b for b in service.buckets}
    for allocation in plan.allocations:
        chip = next(p.accelerator for p in plan.purchase if p.instance_type == allocation.instance_type)
        shape, chosen = Shape(allocation.tensor_parallel), Engine(engine)
        replica = Replica(model, "fp8", catalog.facts.accelerators[chip], shape, chosen)
        for load in allocation.load:
            bucket = buckets[load.input_tokens_max, load.output_tokens_max]
            asked = Evaluation(replica, service.stated_slo(), EvidenceKind.ESTIMATED, (), KNOWN)
            (answer,) = evaluate(asked, [(bucket.input_tokens, bucket.output_tokens)])
            assert isinstance(answer, Throughput)
            assert load.capacity_requests_per_s == pytest.approx(answer.requests_per_s)
            assert load.profile.id == replica.estimate_id(KNOWN.version)
        driven = drive(allocation, chip, service, catalog.facts, catalog.profiles).spec
        assert driven.kv_tokens >= replica.memory().max_tokens
        alone = Curve.of(replica, np.array([[1000.0, 200.0]]), KNOWN).step_s(1.0)[0]
        assert driven.steps.decode_s(1, 1100.0) == pytest.approx(alone, rel=0.1)
