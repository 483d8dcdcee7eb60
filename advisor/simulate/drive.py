"""What drives a replica of an allocation: the load points behind the plan's own throughput figures.

Every load of an allocation names the profile its capacity rests on. Points of measured and simulated
profiles are taken as published; where the plan rests on an estimate, points are worked out from the
estimator's roofline, and the evidence says so. Points of sizes near those the allocation serves weigh more.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.domain import EvidenceKind
from advisor.errors import ProfileMissing
from advisor.profiles.curve import Curve
from advisor.profiles.engines import Engine
from advisor.profiles.replica import Replica, Shape
from advisor.profiles.scheduler import AS_IT_CHOOSES, Scheduler, default_scheduler, strictest
from advisor.simulate.closed_loop import ROUNDS
from advisor.simulate.fitting import DrivePoint, StepFit, fit_steps
from advisor.simulate.replica import ReplicaSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.catalog.facts import Facts
    from advisor.domain import Model
    from advisor.plan.plan import Allocation, BucketLine, ServiceLine
    from advisor.profiles.evidence import Profile
    from advisor.profiles.query import ProfileStore

_OCTAVES: Final = 1.0
"""How far away, in doublings of a size, a point weighs as little as 1/e."""

_FAR_WEIGHT: Final = 0.02
"""What a point of a far-off size still weighs, so that every term of the step is held by some."""

_BATCHES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an allocation's step times rest on."""

    shares: dict[EvidenceKind, float]  #: of the planned work
    points: int  #: load points that drove the fit
    median_error_pct: float  #: of the fitted TPOT on those points
    profiles: tuple[str, ...]
    notes: tuple[str, ...]  #: sentences

    @property
    def weakest(self) -> EvidenceKind:
        """The weakest kind any of the work rests on."""
        return max(self.shares, key=lambda kind: kind.rank)


@dataclass(frozen=True, slots=True)
class Drive:
    """A replica's behaviour and where it comes from."""

    spec: ReplicaSpec
    evidence: Evidence
    known_sequences: int  #: the heaviest load there is evidence for; steps of larger batches are extended


def drive(
    allocation: Allocation, accelerator: str, service: ServiceLine, facts: Facts, profiles: ProfileStore,
    asked: Scheduler = AS_IT_CHOOSES,
) -> Drive:  # fmt: skip
    """How the replicas of an allocation behave, started as ``asked``, else as profiles say or engines choose.

    Raises:
        ProfileMissing: neither load points nor an estimate.
    """
    model, work = facts.models[service.model], _work(allocation, service)
    replica = Replica(
        model, service.precision, facts.accelerators[accelerator], Shape(allocation.tensor_parallel),
        Engine.named(service.engine), traffic=service.traffic.traffic(),
    )  # fmt: skip
    shares: defaultdict[EvidenceKind, float] = defaultdict(float)
    by_id = {profile.id: profile for profile in profiles.profiles(model)}
    points: list[DrivePoint] = []
    notes: list[str] = []
    started: list[Scheduler] = []
    for profile_id, part in work.items():
        profile = by_id.get(profile_id)
        found, kind = [], EvidenceKind.ESTIMATED
        if profile is not None and not one_replica(profile, model):
            notes.append(
                f"{profile_id} counts several workers as one replica (its degree does not divide the model's "
                f"attention heads): estimated instead."
            )
        elif profile is not None:
            found, kind = _profile_points(profile, part), profile.kind
            started.append(profile.scheduler)
        elif not profile_id.startswith(EvidenceKind.ESTIMATED.value):
            notes.append(f"{profile_id} is not at hand with load points: estimated instead.")
        if not found:
            kind = EvidenceKind.ESTIMATED
            found = _estimated_points(replica, profiles, part)
        points += found
        shares[kind] += sum(share for _, share in part)
    profiled = strictest(started).over(default_scheduler(replica.accelerator))
    fit, spec = _spec(points, replica, service, profiled, asked)
    total = sum(shares.values())
    return Drive(
        spec,
        Evidence(
            {kind: share / total for kind, share in sorted(shares.items(), key=lambda item: item[0].rank)},
            fit.points, fit.median_error_pct, tuple(sorted(work)), tuple(notes),
        ),
        max(int(max(point.concurrency for point in points)), 1),
    )  # fmt: skip


def _work(allocation: Allocation, service: ServiceLine) -> dict[str, list[tuple[BucketLine, float]]]:
    """Per profile, the buckets it answers for and the share of replica time each takes."""
    lines = {(line.input_tokens_max, line.output_tokens_max): line for line in service.buckets}
    work: defaultdict[str, list[tuple[BucketLine, float]]] = defaultdict(list)
    for load in allocation.load:
        share = load.requests_per_s / max(load.capacity_requests_per_s, 1e-12)
        work[load.profile.id].append((lines[load.input_tokens_max, load.output_tokens_max], max(share, 1e-9)))
    return dict(work)


def one_replica(profile: Profile, model: Model) -> bool:
    """Whether one replica can have been behind a profile: its degree divides the attention heads.

    Runs over many workers that are published as one, prefill here and decoding there, have loads at which no
    single replica was; what they queue for is not what a replica queues for.
    """
    return model.heads % profile.tensor_parallel == 0


def first_wave(profile: Profile) -> float:
    """Share of a run's requests that were sent all at once; simulated profiles are of no run."""
    return 1 / ROUNDS if profile.kind is EvidenceKind.MEASURED else 0.0


def _profile_points(profile: Profile, part: Sequence[tuple[BucketLine, float]]) -> list[DrivePoint]:
    """The profile's load points, sizes like the buckets' weighing most; in all they weigh the part's work."""
    wanted = np.log2([[line.input_tokens, line.output_tokens] for line, _ in part])
    work = np.array([share for _, share in part])
    points = []
    for size in profile.sizes:
        here = np.log2([size.input_tokens, size.output_tokens])
        near = np.exp(-(((wanted - here) / _OCTAVES) ** 2).sum(axis=1)) + _FAR_WEIGHT
        weight = float((near * work).sum())
        columns = zip(size.concurrency, size.tpot_ms, size.ttft_ms, size.requests_per_s, strict=True)
        points += [
            DrivePoint(
                size.input_tokens,
                size.output_tokens,
                float(load),
                float(tpot),
                float(ttft),
                float(rate),
                weight,
                first_wave(profile),
            )
            for load, tpot, ttft, rate in columns
            if load >= 1 and tpot > 0 and rate > 0
        ]
    total = sum(point.weight for point in points)
    return [replace(point, weight=point.weight * work.sum() / total) for point in points]


def _estimated_points(
    replica: Replica, profiles: ProfileStore, part: Sequence[tuple[BucketLine, float]]
) -> list[DrivePoint]:
    """What the estimator says of the part's sizes under rising load, within memory."""
    sizes = np.array([[max(line.input_tokens, 1.0), max(line.output_tokens, 2.0)] for line, _ in part])
    try:
        curve = Curve.of(replica, sizes, profiles.calibration)
    except ValueError as error:
        raise ProfileMissing(f"nothing to drive a replica with: {error}") from error
    batches = np.array(_BATCHES)[:, None]
    within = (batches <= curve.slots) | (batches == 1.0)
    loads = within.sum(axis=0)
    tpot, rate, ttft = curve.tpot_s(batches) * 1e3, curve.rate_per_s(batches), curve.ttft_s(1.0) * 1e3
    return [
        DrivePoint(
            float(sizes[place, 0]),
            float(sizes[place, 1]),
            batch,
            float(tpot[step, place]),
            float(ttft[place]) if batch == 1 else nan,
            float(rate[step, place]),
            max(share, 1e-9) / int(loads[place]),
        )
        for place, (_, share) in enumerate(part)
        for step, batch in enumerate(_BATCHES[: loads[place]])
    ]


def _spec(
    points: Sequence[DrivePoint],
    replica: Replica,
    service: ServiceLine,
    profiled: Scheduler,
    asked: Scheduler,
) -> tuple[StepFit, ReplicaSpec]:
    """Step times and limits; a cache the points prove to be larger than memory arithmetic says is larger.

    Points are read as the engine ran that gave them, ``profiled``; a replay may be ``asked`` to differ.
    """
    started = asked.over(profiled)
    batch, chunk = started.max_num_seqs or 1, started.max_num_batched_tokens or 1
    fit = fit_steps(points, batch, profiled.max_num_batched_tokens or 1)
    held = max(point.decoding * (point.input_tokens + point.output_tokens / 2) for point in points)
    cached = service.traffic.prefix_cache_hit_rate if started.prefix_caching else 0.0
    room = max(_room(replica, points), int(held))
    return fit, ReplicaSpec(fit.steps, room, batch, chunk, cached, bool(started.chunked_prefill))


def _room(replica: Replica, points: Sequence[DrivePoint]) -> int:
    """Tokens of context that fit beside weights and adapters; of layers that slide, at the points' sizes."""
    room = replica.memory()
    weight = sum(point.weight for point in points)
    context = sum(p.weight * (p.input_tokens + p.output_tokens / 2) for p in points) / weight
    return int(room.max_tokens * context / room.window.kept(context))
