"""Measured, simulated and estimated figures of one replica side by side, each kind asked alone.

The planner's question stops at the strongest evidence; here every kind answers for the same cell: at the
same latency limit, or at the same number of requests in flight. Nothing is extrapolated: a kind that does
not reach the cell says why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from advisor.domain import EvidenceKind, NoThroughput, Slo, Throughput
from advisor.profiles.curve import Curve
from advisor.profiles.estimate import Deployment, LoadMode, estimate, within
from advisor.profiles.evaluate import Evaluation, evaluate
from advisor.profiles.interval import Interval, interval_of
from advisor.profiles.readings import readings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from advisor.profiles.evidence import Profile
    from advisor.profiles.query import ProfileStore
    from advisor.profiles.replica import Replica

    Floats = NDArray[np.float64]
    Size = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Condition:
    """What is held equal: the latency limits, or the requests in flight."""

    slo: Slo
    concurrency: float | None = None  #: where given, the limits do not matter


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """What one kind of evidence, or one profile of it, says of a cell."""

    kind: EvidenceKind
    requests_per_s: float | None = None  #: of the replica; None where it says nothing
    interval: Interval | None = None  #: 90 %; None is not known
    tpot_ms: float | None = None  #: mean at that rate, unless the limit binds another statistic
    ttft_ms: float | None = None
    limited_by: str | None = (
        None  #: as of :class:`~advisor.domain.Throughput`; ``load``: nothing higher was run
    )
    engine: str | None = None
    engine_version: str | None = None
    date: str | None = None
    source: str | None = None
    profile_id: str | None = None
    reason: str | None = None  #: why there is no figure


@dataclass(frozen=True, slots=True)
class ComparedCell:
    """One replica and one request size, with what every kind says of it, strongest kind first."""

    replica: Replica
    size: Size
    figures: tuple[ComparedFigure, ...]

    @property
    def measured(self) -> ComparedFigure | None:
        """What the others are held against."""
        return next((f for f in self.figures if f.kind is EvidenceKind.MEASURED and f.requests_per_s), None)

    @property
    def strongest(self) -> ComparedFigure | None:
        """What the planner would take."""
        return next((figure for figure in self.figures if figure.requests_per_s), None)


def measured_sizes(store: ProfileStore, replicas: Iterable[Replica], most: int) -> tuple[Size, ...]:
    """Request sizes that were measured on the replicas, those of most replicas first, at most ``most``."""
    seen: dict[Size, int] = {}
    for replica in replicas:
        mine = {
            (size.input_tokens, size.output_tokens)
            for profile in store.profiles(replica.model)
            if profile.kind is EvidenceKind.MEASURED and replica.is_of(profile)
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
) -> tuple[ComparedCell, ...]:
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
) -> Iterator[ComparedCell]:
    columns = [
        column
        for kind in EvidenceKind
        for column in _columns(store, replica, kind, sizes, condition, every_profile=every_profile)
    ]
    for place, size in enumerate(sizes):
        figures = tuple(column[place] for column in columns)
        said = {figure.kind for figure in figures if figure.requests_per_s}
        kept = [f for f in figures if f.requests_per_s or (f.kind not in said)]
        yield ComparedCell(replica, size, tuple(_first_refusal_only(kept)))


def _first_refusal_only(figures: Iterable[ComparedFigure]) -> Iterator[ComparedFigure]:
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
) -> Iterator[list[ComparedFigure]]:
    """One list of figures, in the order of the sizes, per voice of a kind."""
    if kind is EvidenceKind.ESTIMATED:
        yield _estimated(store, replica, sizes, condition)
        return
    heard = [p for p in store.profiles(replica.model, condition.slo) if p.kind is kind and replica.is_of(p)]
    for voice in [[profile] for profile in heard] if every_profile and heard else [heard]:
        asked = Evaluation(replica, condition.slo, kind, voice, store.calibration)
        yield _profiled(store, asked, sizes, condition)


def _profiled(
    store: ProfileStore, asked: Evaluation, sizes: list[Size], condition: Condition
) -> list[ComparedFigure]:
    """What these profiles say; the first that reaches a size speaks for it."""
    by_id = {profile.id: profile for profile in asked.profiles}
    read = {
        name: readings(profile, sizes, condition.slo, condition.concurrency)
        for name, profile in by_id.items()
    }
    if condition.concurrency is not None:
        answers = [_at_load(asked, read, place) for place in range(len(sizes))]
    else:
        answers = list(evaluate(asked, sizes))
    found = []
    for place, given in enumerate(answers):
        if isinstance(given, NoThroughput):
            found.append(ComparedFigure(asked.weakest, reason=_why_not(given, asked.profiles)))
            continue
        profile, reading = by_id[given.profile_id], read[given.profile_id][:, place]
        figure = _figure(given, asked.replica, store, reading[1], reading[2])
        found.append(
            replace(
                figure,
                limited_by=given.limited_by if condition.concurrency is None else None,
                engine=profile.engine,
                engine_version=profile.engine_version,
                date=profile.date,
            )
        )
    return found


def _figure(
    given: Throughput, replica: Replica, store: ProfileStore, tpot_ms: float, ttft_ms: float
) -> ComparedFigure:
    return ComparedFigure(
        kind=given.kind,
        requests_per_s=given.requests_per_s,
        interval=interval_of(given, replica.accelerator.id, store.errors),
        tpot_ms=_known(tpot_ms),
        ttft_ms=_known(ttft_ms),
        source=given.source,
        profile_id=given.profile_id,
    )


def _why_not(given: NoThroughput, profiles: Sequence[Profile]) -> str:
    if not profiles:
        return "no such figures"
    unreached = given.reason in ("evidence_too_weak", "no_throughput_data")
    return "not profiled at this size" if unreached else f"{given.reason}: {given.detail}"


def _at_load(asked: Evaluation, read: dict[str, Floats], place: int) -> Throughput | NoThroughput:
    for profile in asked.profiles:
        rate = float(read[profile.id][0, place])
        if rate > 0:
            return Throughput(rate, asked.weakest, profile.source, profile.id, profile.error_pct, "load")
    return NoThroughput("no_throughput_data", "no load of this size around that concurrency")


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _estimated(
    store: ProfileStore, replica: Replica, sizes: list[Size], condition: Condition
) -> list[ComparedFigure]:
    """What the estimator says: within the limits as the planner asks it, or at the load."""
    slo = condition.slo if condition.concurrency is None else Slo()
    answers = evaluate(Evaluation(replica, slo, EvidenceKind.ESTIMATED, (), store.calibration), sizes)
    figures = [
        _figure(given, replica, store, np.nan, np.nan)
        if isinstance(given, Throughput)
        else ComparedFigure(EvidenceKind.ESTIMATED, reason=f"{given.reason}: {given.detail}")
        for given in answers
    ]
    if not any(figure.requests_per_s for figure in figures):
        return figures
    wanted = np.asarray(sizes, dtype=np.float64)
    if condition.concurrency is not None:
        return list(_estimated_at(store, replica, wanted, condition.concurrency, figures))
    curve = Curve.of(replica, wanted, store.calibration)
    found = within(curve, slo)
    tpot = (curve.tpot_s(found.batch) * 1e3).tolist()
    return [
        replace(figure, tpot_ms=ms, limited_by=by) if figure.requests_per_s else figure
        for figure, ms, by in zip(figures, tpot, found.limited_by.tolist(), strict=True)
    ]


def _estimated_at(
    store: ProfileStore, replica: Replica, sizes: Floats, load: float, figures: list[ComparedFigure]
) -> Iterator[ComparedFigure]:
    """The estimates with so many in flight."""
    loads = np.full(len(sizes), load)
    found = estimate(Deployment(replica), LoadMode.CLOSED_LOOP, sizes, loads, store.calibration)
    for place, figure in enumerate(figures):
        rate = float(found.requests_per_s[place])
        if not figure.requests_per_s:
            yield figure
        elif np.isnan(rate):
            yield ComparedFigure(EvidenceKind.ESTIMATED, reason=found.reasons[place])
        else:
            low, high = float(found.low_requests_per_s[place]), float(found.high_requests_per_s[place])
            yield replace(
                figure,
                requests_per_s=rate,
                interval=Interval(min(low, rate), max(high, rate)),
                tpot_ms=_known(found.tpot_ms[place]),
                ttft_ms=_known(found.ttft_ms[place]),
            )
