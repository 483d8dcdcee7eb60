"""Many replays, plans × seeds: in turn, in processes or on a cluster, and always the same bytes."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from advisor.profiles.scheduler import AS_IT_CHOOSES, Scheduler
from advisor.simulate.attainment import t_975
from advisor.simulate.document import document_bytes
from advisor.simulate.opening import open_inputs
from advisor.simulate.replaying import prepare, replay_prepared

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from advisor.simulate.options import Options
    from advisor.simulate.replaying import PreparedReplay


@dataclass(frozen=True, slots=True)
class Job:
    """One replay, small enough to be sent elsewhere: the plan as its file, the options, whose profiles."""

    plan: bytes
    options: Options
    own_profiles: Path | None = None  #: folder of the user's own; must be there where the job runs
    scheduler: Scheduler = AS_IT_CHOOSES  #: settings that replace those of profiles and engines


def run_job(job: Job) -> bytes:
    """The replay's document."""
    return document_bytes(replay_prepared(_prepared(job.plan, job.own_profiles, job.scheduler), job.options))


def seeds(job: Job, count: int) -> list[Job]:
    """The same replay with ``count`` seeds, from the job's own on."""
    return [replace(job, options=replace(job.options, seed=job.options.seed + i)) for i in range(count)]


def in_turn(jobs: Sequence[Job]) -> list[bytes]:
    """All jobs here, one after the other."""
    return [run_job(job) for job in jobs]


def in_processes(jobs: Sequence[Job], workers: int) -> list[bytes]:
    """All jobs on the cores of this machine, results in the jobs' order."""
    if workers <= 1 or len(jobs) <= 1:
        return in_turn(jobs)
    from multiprocessing import get_context

    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=get_context("spawn")) as pool:
        return list(pool.map(run_job, jobs))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of independent replications and its 95 % interval by Student's t; needs two."""
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    half = t_975(len(values) - 1) * (variance / len(values)) ** 0.5
    return mean, mean - half, mean + half


@lru_cache(maxsize=8)
def _prepared(plan: bytes, own: Path | None, scheduler: Scheduler) -> PreparedReplay:
    from advisor.plan.read import parse_plan

    return prepare(parse_plan(plan, "the plan"), replace(open_inputs(own), scheduler=scheduler))
