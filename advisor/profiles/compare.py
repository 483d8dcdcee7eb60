"""Measured, simulated and estimated figures of one replica side by side, each kind asked alone.

The planner's question stops at the strongest evidence; here every kind answers for the same cell: at the
same latency limit, or at the same number of requests in flight. Nothing is extrapolated: a kind that does
not reach the cell says why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.domain import EvidenceKind, NoThroughput, Slo, Throughput
from advisor.profiles.estimate import Deployment, LoadMode, estimate
from advisor.profiles.evaluate import Question, answer
from advisor.profiles.interval import Interval, interval_of
from advisor.profiles.readings import readings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from advisor.domain import Accelerator, Model
    from advisor.profiles.estimate import Estimates
    from advisor.profiles.evidence import Profile
    from advisor.profiles.query import ProfileStore

    Floats = NDArray[np.float64]
    Size = tuple[float, float]


_SAME: Final = 1e-6  # relative; below it two rates are one


@dataclass(frozen=True, slots=True)
class Replica:
    """One copy of a model and where it runs."""

    model: Model
    precision: str
    engine: str
    accelerator: Accelerator
    tensor_parallel: int


@dataclass(frozen=True, slots=True)
class Condition:
    """What is held equal: the latency limits, or the requests in flight."""

    slo: Slo
    concurrency: float | None = None  #: where given, the limits do not matter


@dataclass(frozen=True, slots=True)
class Figure:
    """What one kind of evidence, or one profile of it, says of a cell."""

    kind: EvidenceKind
    requests_per_s: float | None  #: of the replica; None where it says nothing
    interval: Interval | None  #: 90 %; None is not known
    tpot_ms: float | None  #: mean at that rate, unless the limit binds another statistic
    ttft_ms: float | None
    limited_by: str | None  #: as of :class:`~advisor.domain.Throughput`; ``load``: nothing higher was run
    engine: str | None
    engine_version: str | None
    date: str | None
    source: str | None
    profile_id: str | None
    reason: str | None = None  #: why there is no figure


@dataclass(frozen=True, slots=True)
class Cell:
    """One replica and one request size, with what every kind says of it, strongest kind first."""

    replica: Replica
    size: Size
    figures: tuple[Figure, ...]

    @property
    def measured(self) -> Figure | None:
        """What the others are held against."""
        return next((f for f in self.figures if f.kind is EvidenceKind.MEASURED and f.requests_per_s), None)

    @property
    def strongest(self) -> Figure | None:
        """What the planner would take."""
        return next((figure for figure in self.figures if figure.requests_per_s), None)


def measured_sizes(store: ProfileStore, replicas: Iterable[Replica], most: int) -> tuple[Size, ...]:
    """Request sizes that were measured on the replicas, those of most replicas first, at most ``most``."""
    seen: dict[Size, int] = {}
    for replica in replicas:
        question = _question(replica, Slo(), EvidenceKind.MEASURED)
        mine = {
            (size.input_tokens, size.output_tokens)
            for profile in store.profiles(replica.model)
            if profile.kind is EvidenceKind.MEASURED and question.concerns(profile)
            for size in profile.sizes
        }
        for size in mine:
            seen[size] = seen.get(size, 0) + 1
    kept = sorted(seen, key=lambda size: (-seen[size], size))[:most]
    return tuple(sorted(kept))


def compare(
    store: ProfileStore,
    replicas: Sequence[Replica],
    sizes: Sequence[Size],
    condition: Condition,
    *,
    every_profile: bool = False,
) -> tuple[Cell, ...]:
    """One cell per replica and size.

    Args:
        store: the evidence.
        replicas: what is compared.
        sizes: (input, output) tokens.
        condition: what is held equal.
        every_profile: every profile speaks for itself, not the first of its kind that reaches the cell.
    """
    return tuple(
        cell
        for replica in replicas
        for cell in _cells(store, replica, list(sizes), condition, every_profile=every_profile)
    )


def _cells(
    store: ProfileStore, replica: Replica, sizes: list[Size], condition: Condition, *, every_profile: bool
) -> Iterator[Cell]:
    columns = [
        column
        for kind in EvidenceKind
        for column in _columns(store, replica, kind, sizes, condition, every_profile=every_profile)
    ]
    for place, size in enumerate(sizes):
        figures = tuple(column[place] for column in columns)
        said = {figure.kind for figure in figures if figure.requests_per_s}
        kept = [f for f in figures if f.requests_per_s or (f.kind not in said)]
        yield Cell(replica, size, tuple(_first_refusal_only(kept)))


def _first_refusal_only(figures: Iterable[Figure]) -> Iterator[Figure]:
    refused: set[EvidenceKind] = set()
    for figure in figures:
        if figure.requests_per_s is not None:
            yield figure
        elif figure.kind not in refused:
            refused.add(figure.kind)
            yield figure


def _columns(
    store: ProfileStore,
    replica: Replica,
    kind: EvidenceKind,
    sizes: list[Size],
    condition: Condition,
    *,
    every_profile: bool,
) -> Iterator[list[Figure]]:
    """One list of figures, in the order of the sizes, per voice of a kind."""
    if kind is EvidenceKind.ESTIMATED:
        yield _estimated(store, replica, sizes, condition)
        return
    question = _question(replica, condition.slo, kind)
    heard = [p for p in store.profiles(replica.model, condition.slo) if p.kind is kind]
    profiles = [profile for profile in heard if question.concerns(profile)]
    voices = [[profile] for profile in profiles] if every_profile and profiles else [profiles]
    for voice in voices:
        yield _profiled(store, question, voice, sizes, condition)


def _question(replica: Replica, slo: Slo, weakest: EvidenceKind) -> Question:
    return Question(
        model=replica.model,
        precision=replica.precision,
        engine=replica.engine,
        accelerator=replica.accelerator,
        tensor_parallel=replica.tensor_parallel,
        slo=slo,
        weakest=weakest,
    )


def _profiled(
    store: ProfileStore, question: Question, profiles: list[Profile], sizes: list[Size], condition: Condition
) -> list[Figure]:
    """What these profiles say; the first that reaches a size speaks for it."""
    read = {
        profile.id: readings(profile, sizes, condition.slo, condition.concurrency) for profile in profiles
    }
    if condition.concurrency is not None:
        answers = [_at_load(question.weakest, profiles, read, place) for place in range(len(sizes))]
    else:
        answers = list(answer(question, sizes, profiles, store.calibration))
    by_id = {profile.id: profile for profile in profiles}
    found = []
    for place, given in enumerate(answers):
        if isinstance(given, NoThroughput):
            found.append(_silent(question.weakest, _why_not(given, profiles)))
            continue
        profile, reading = by_id[given.profile_id], read[given.profile_id][:, place]
        found.append(
            Figure(
                kind=given.kind,
                requests_per_s=given.requests_per_s,
                interval=interval_of(given, question.accelerator.id, store.errors),
                tpot_ms=_known(reading[1]),
                ttft_ms=_known(reading[2]),
                limited_by=given.limited_by if condition.concurrency is None else None,
                engine=profile.engine,
                engine_version=profile.engine_version,
                date=profile.date,
                source=given.source,
                profile_id=profile.id,
            )
        )
    return found


def _why_not(given: NoThroughput, profiles: list[Profile]) -> str:
    if not profiles:
        return "no such figures"
    unreached = given.reason in ("evidence_too_weak", "no_throughput_data")
    return "not profiled at this size" if unreached else f"{given.reason}: {given.detail}"


def _at_load(
    kind: EvidenceKind, profiles: list[Profile], read: dict[str, Floats], place: int
) -> Throughput | NoThroughput:
    for profile in profiles:
        rate = float(read[profile.id][0, place])
        if rate > 0:
            return Throughput(rate, kind, profile.source, profile.id, profile.error_pct, "load")
    return NoThroughput("no_throughput_data", "no load of this size around that concurrency")


def _silent(kind: EvidenceKind, reason: str) -> Figure:
    return Figure(kind, *(None,) * 10, reason)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _estimated(
    store: ProfileStore, replica: Replica, sizes: list[Size], condition: Condition
) -> list[Figure]:
    """What the estimator says where it may be asked: at the limit as the planner asks it, or at the load."""
    held = condition.concurrency
    question = _question(replica, condition.slo if held is None else Slo(), EvidenceKind.ESTIMATED)
    answers = answer(question, sizes, [], store.calibration)
    if not any(isinstance(given, Throughput) for given in answers):
        return [_declined(given) for given in answers]
    mode, load = LoadMode.CLOSED_LOOP, held
    if load is None:
        load = condition.slo.tpot_ms
        mode = LoadMode.SATURATED if load is None else LoadMode.WITHIN_SLO
    deployment = Deployment(replica.model, replica.precision, replica.accelerator, replica.tensor_parallel)
    loads = np.full(len(sizes), 1.0 if load is None else load)
    found = estimate(deployment, mode, np.asarray(sizes, dtype=np.float64), loads, store.calibration)
    return [
        _estimate(given, found, place, replica, store, at_load=held is not None)
        if isinstance(given, Throughput)
        else _declined(given)
        for place, given in enumerate(answers)
    ]


def _declined(given: Throughput | NoThroughput) -> Figure:
    reason = f"{given.reason}: {given.detail}" if isinstance(given, NoThroughput) else ""
    return _silent(EvidenceKind.ESTIMATED, reason)


def _estimate(
    given: Throughput, found: Estimates, place: int, replica: Replica, store: ProfileStore, *, at_load: bool
) -> Figure:
    """The planner's figure with its latencies, or the one at the load."""
    if at_load:
        rate, low, high = (
            float(values[place])
            for values in (found.requests_per_s, found.low_requests_per_s, found.high_requests_per_s)
        )
        if np.isnan(rate):
            return _silent(EvidenceKind.ESTIMATED, found.reasons[place])
        given = replace(given, requests_per_s=rate, low_requests_per_s=low, high_requests_per_s=high)
    same = abs(found.requests_per_s[place] / given.requests_per_s - 1) <= _SAME  # no other limit binds
    return Figure(
        kind=EvidenceKind.ESTIMATED,
        requests_per_s=given.requests_per_s,
        interval=interval_of(given, replica.accelerator.id, store.errors),
        tpot_ms=_known(found.tpot_ms[place]) if same else None,
        ttft_ms=_known(found.ttft_ms[place]) if same else None,
        limited_by=None if at_load else given.limited_by,
        engine=None,
        engine_version=None,
        date=None,
        source=given.source,
        profile_id=given.profile_id,
    )
