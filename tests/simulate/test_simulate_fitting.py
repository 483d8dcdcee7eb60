"""Step times: those behind load points are found again, and points that did not drive the fit are met."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulate_builders import PROFILE, Profiles, a_plan, a_profile, a_spec, step_law

from advisor.catalog.facts import load_facts
from advisor.domain import EvidenceKind
from advisor.profiles.query import ProfileStore
from advisor.profiles.scheduler import Scheduler, default_scheduler
from advisor.simulate.closed_loop import ROUNDS, benchmark_run, closed_loop
from advisor.simulate.drive import drive
from advisor.simulate.fitting import DrivePoint, fit_steps, nonnegative

if TYPE_CHECKING:
    from advisor.simulate.replica import ReplicaSpec

pytestmark = pytest.mark.fast

FACTS = load_facts()


def points() -> list[DrivePoint]:
    return [
        DrivePoint(size.input_tokens, size.output_tokens, *row)
        for size in a_profile().sizes
        for row in zip(size.concurrency, size.tpot_ms, size.ttft_ms, size.requests_per_s, strict=True)
    ]


def test_the_law_behind_the_points_is_found_again() -> None:
    fit = fit_steps(points(), 128)
    assert fit.median_error_pct < 1
    assert fit.steps.token_s == pytest.approx(2e-5, rel=0.1)
    assert fit.steps.context_s == pytest.approx(4e-8, rel=0.1)
    assert fit.steps.base_s[1] == pytest.approx(0.0081, rel=0.02)
    assert fit.steps.base_s[100] == pytest.approx(0.018, rel=0.05)


@pytest.mark.parametrize(("size_in", "size_out", "load"), [(200, 400, 32), (1000, 400, 8), (4000, 400, 24)])
def test_a_replica_meets_load_points_that_did_not_drive_it(size_in: int, size_out: int, load: int) -> None:
    plan = a_plan()
    found = drive(plan.allocations[0], "h100-sxm-80gb", plan.services[0], FACTS, Profiles(a_profile()))  # type: ignore[arg-type]
    seen = closed_loop(found.spec, size_in, size_out, load)
    assert seen.tpot_ms == pytest.approx(float(step_law(load, size_in, size_out)), rel=0.08)


def a_run(load: int, size_in: int, wave: float) -> DrivePoint:
    seen = benchmark_run(a_spec(context_s=0.0, pair_s=0.0), size_in, 800, load)
    return DrivePoint(size_in, 800, load, seen.tpot_ms, seen.ttft_ms, seen.requests_per_s, first_wave=wave)


def test_prompts_of_a_run_that_began_all_at_once_are_not_taken_for_slower_than_they_are() -> None:
    def token_s(wave: float) -> float:
        runs = [a_run(load, size_in, wave) for load in (4, 16) for size_in in (500, 2000, 4000)]
        return fit_steps(runs, 32).steps.token_s

    knowing, not_knowing = token_s(1 / ROUNDS), token_s(0.0)
    assert knowing == pytest.approx(2e-5, rel=0.15)
    assert not_knowing - 2e-5 > 2 * (knowing - 2e-5)


def test_prompts_of_one_length_are_told_from_what_comes_before_them_by_the_wave_under_load() -> None:
    truth = a_spec(context_s=0.0, pair_s=0.0, front_s=0.03)
    seen = {load: benchmark_run(truth, 2000, 800, load) for load in (4, 16, 24, 32)}
    runs = [
        DrivePoint(2000, 800, load, run.tpot_ms, run.ttft_ms, run.requests_per_s, first_wave=1 / ROUNDS)
        for load, run in seen.items()
        if load != 24
    ]
    fitted = replace(truth, steps=fit_steps(runs, 32).steps)
    assert fitted.steps.token_s > 1e-5, "and not all of it in front"
    assert benchmark_run(fitted, 2000, 800, 24).ttft_ms == pytest.approx(seen[24].ttft_ms, rel=0.1)


def test_the_first_wave_of_a_run_waits_for_itself() -> None:
    clients, prompt_s, step_s = 16, 0.02, 0.01
    spec = a_spec(context_s=0.0, pair_s=0.0, chunk_tokens=1000)  # a prompt a step
    seen, steady = benchmark_run(spec, 1000, 200, clients), closed_loop(spec, 1000, 200, clients)
    wave_s = (clients + 1) / 2 * (prompt_s + step_s)  # the k-th waits for k prompts and their steps
    assert seen.ttft_ms - steady.ttft_ms == pytest.approx(wave_s / ROUNDS * 1e3, rel=0.5)
    assert seen.requests_per_s == pytest.approx(clients / (seen.ttft_ms + seen.tpot_ms * 199) * 1e3)


def test_a_run_over_many_workers_does_not_drive_a_replica() -> None:
    plan = a_plan()
    many = Profiles(a_profile(tensor_parallel=12))  # of 32 heads
    many.calibration = ProfileStore.load().calibration  # type: ignore[assignment]
    found = drive(plan.allocations[0], "h100-sxm-80gb", plan.services[0], FACTS, many)  # type: ignore[arg-type]
    assert found.evidence.weakest is EvidenceKind.ESTIMATED
    assert "several workers" in found.evidence.notes[0]


@pytest.mark.parametrize(
    ("chip", "tokens"), [("h100-sxm-80gb", 8192), ("a100-sxm-80gb", 2048), ("l40s-48gb", 2048)]
)
def test_a_step_reads_as_much_as_the_engine_would_let_it(chip: str, tokens: int) -> None:
    assert default_scheduler(FACTS.accelerators[chip]).max_num_batched_tokens == tokens


def test_step_times_are_never_below_nothing_and_never_fall_with_the_batch() -> None:
    steps = fit_steps(points()[:3], 256).steps
    assert min(steps.base_s) > 0
    assert (np.diff(steps.base_s) >= 0).all()


@given(st.integers(2, 5), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_nonnegative_least_squares_agrees_with_scipy(columns: int, seed: int) -> None:
    from scipy.optimize import nnls

    rng = np.random.default_rng(seed)
    matrix, target = rng.normal(size=(12, columns)), rng.normal(size=12)
    ours, (theirs, _) = nonnegative(matrix, target), nnls(matrix, target)
    assert (ours >= 0).all()
    assert np.linalg.norm(matrix @ ours - target) == pytest.approx(
        np.linalg.norm(matrix @ theirs - target), abs=1e-8
    )


def test_the_evidence_says_what_the_steps_rest_on() -> None:
    plan = a_plan()
    found = drive(plan.allocations[0], "h100-sxm-80gb", plan.services[0], FACTS, Profiles(a_profile()))  # type: ignore[arg-type]
    assert found.evidence.shares == {EvidenceKind.MEASURED: pytest.approx(1.0)}
    assert found.evidence.profiles == (PROFILE,)
    assert found.known_sequences == 128


def test_a_profile_that_is_gone_is_estimated_and_the_evidence_says_so() -> None:
    plan = a_plan()
    found = drive(plan.allocations[0], "h100-sxm-80gb", plan.services[0], FACTS, ProfileStore.load())
    assert found.evidence.shares == {EvidenceKind.ESTIMATED: pytest.approx(1.0)}
    assert PROFILE in found.evidence.notes[0]
    assert found.evidence.weakest is EvidenceKind.ESTIMATED


def test_batch_and_step_are_capped_as_asked_else_as_profiled_else_as_the_engine_chooses() -> None:
    plan = a_plan()
    profile = a_profile(scheduler=Scheduler(max_num_seqs=64, chunked_prefill=False))

    def spec(asked: Scheduler) -> ReplicaSpec:
        store: Any = Profiles(profile)
        return drive(plan.allocations[0], "h100-sxm-80gb", plan.services[0], FACTS, store, asked).spec

    said, replaced = spec(Scheduler()), spec(Scheduler(max_num_seqs=32, max_num_batched_tokens=1024))
    assert (said.max_sequences, said.chunk_tokens, said.chunked) == (64, 8192, False)
    assert (replaced.max_sequences, replaced.chunk_tokens, replaced.chunked) == (32, 1024, False)


def test_beyond_the_heaviest_load_steps_go_on_rising() -> None:
    light = [point for point in points() if point.concurrency <= 16]
    steps = fit_steps(light, 256).steps
    heaviest = int(max(point.decoding for point in light))
    average = (steps.base_s[heaviest] - steps.base_s[0]) / heaviest
    beyond = np.diff(steps.base_s[heaviest + 1 :])
    assert (beyond >= average * 0.99).all()  # the load is no whole number of sequences
    assert beyond == pytest.approx(beyond[0])
