"""The one question the planner asks: how fast is one replica, on what evidence, or why is there no figure.

Order of the checks: can the chip compute in the precision; does anything measured or simulated reach the
size; if not, does the model fit and what does the estimator say. A profile that served the model is proof
that it fits. Stronger evidence that no load meets the SLO is final: a weaker kind is not asked for a kinder
answer. TTFT, E2E and percentiles of ITL are those of an open stream (:mod:`advisor.profiles.ttft_limits`),
and what traffic does besides its lengths (:mod:`advisor.profiles.traffic`) is worked into the rate last.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import isnan
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.domain import EvidenceKind, NoThroughput, Slo, Throughput
from advisor.profiles import traffic
from advisor.profiles.curve import Curve
from advisor.profiles.estimate import caution, interval, not_computed, refusal, within
from advisor.profiles.interpolate import RateGrid, lightest_size, rate_grid
from advisor.profiles.latency_metrics import (
    METRICS,
    busy_and_idle,
    plannable,
    stream_limits,
    taken_at_the_mean,
    tightest_pace,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from advisor.domain import LatencyLimit
    from advisor.profiles.calibration import Calibration
    from advisor.profiles.evidence import Profile
    from advisor.profiles.replica import Replica

    Floats = NDArray[np.float64]
    Answer = Throughput | NoThroughput

Grids = dict[tuple[str, Slo, float], RateGrid]
"""Rates of profiles already worked out, by profile, SLO and arrivals."""

QUEUED: Final = "{metrics} of an open stream by a queueing model"
AS_TAKEN: Final = "{metrics} as taken under open arrivals"
AT_MEAN: Final = "{limit} planned at the mean"
HELD: Final = "held to the {kind} rate of a smaller request"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One replica, the limits it must keep, and what may say how fast it is."""

    replica: Replica
    slo: Slo
    weakest: EvidenceKind
    profiles: Sequence[Profile]  #: strongest first
    calibration: Calibration
    grids: Grids = field(default_factory=dict)  #: keeps what is worked out of the profiles

    def accepts(self, kind: EvidenceKind) -> bool:
        """Whether evidence of this kind may answer."""
        return kind.rank <= self.weakest.rank


def evaluate(asked: Evaluation, sizes: Sequence[tuple[float, float]]) -> tuple[Answer, ...]:
    """One answer per (input, output) size in visible tokens; profiles of another replica are passed over."""
    replica = asked.replica
    wanted = traffic.lengthened(np.asarray(sizes, dtype=np.float64).reshape(len(sizes), 2), replica.traffic)
    if (refused := not_computed(replica)) is not None:
        return (refused,) * len(sizes)
    mine = [profile for profile in asked.profiles if replica.is_of(profile)]
    mine.sort(key=lambda profile: (profile.kind.rank, not profile.judges(asked.slo)))  # stable: newest first
    ours = replace(asked, profiles=mine)
    return _answers(ours, wanted) if replica.traffic.is_plain else _under_traffic(ours, wanted)


def evaluate_for_replay(
    asked: Evaluation, sizes: Sequence[tuple[float, float]], idle: Sequence[bool] = ()
) -> tuple[Answer, ...]:
    """The same for a plan that a replay will hold to the SLO: rates of a busy replica, whatever waits.

    How long requests queue under load, and percentiles, are for the replay to tell. ``idle`` names the sizes
    that are refused where an idle replica is too slow for them already.
    """
    busy, alone = busy_and_idle(asked.slo)
    answers = evaluate(replace(asked, slo=busy), sizes)
    if not alone.limits or not any(idle):
        return answers
    reached = evaluate(replace(asked, slo=alone), sizes)
    return tuple(
        why if binds and isinstance(why, NoThroughput) and why.reason == "slo_unreachable" else answer
        for answer, why, binds in zip(answers, reached, idle, strict=True)
    )


def _under_traffic(asked: Evaluation, sizes: Floats) -> tuple[Answer, ...]:
    """Answers corrected for prefix hits and adapters. Hits raise no rate above what waiting limits allow."""
    found, replica = _answers(asked, sizes), asked.replica
    if replica.traffic.lora_adapters and not (room := replica.memory()).fits:
        return (NoThroughput("does_not_fit", room.detail),) * len(sizes)
    effects = traffic.effects(replica, sizes, tightest_pace(asked.slo), asked.calibration)
    limits = stream_limits(asked.slo)
    caps: Sequence[Answer | None] = (None,) * len(sizes)
    if limits and replica.traffic.prefix_cache_hit_rate:
        caps = _answers(replace(asked, slo=Slo(further=limits)), sizes)
    return tuple(
        effects.on(one, place, cap) for place, (one, cap) in enumerate(zip(found, caps, strict=True))
    )


def _answers(asked: Evaluation, sizes: Floats) -> tuple[Answer, ...]:
    """One answer per size as the replica sees it, of profiles that are of this very replica."""
    answers: list[Answer | None] = [None] * len(sizes)
    held: dict[int, tuple[float, EvidenceKind]] = {}
    for profile in asked.profiles:
        still_open = [i for i, known in enumerate(answers) if known is None]
        if asked.accepts(profile.kind) and still_open:
            _from_profile(profile, asked, sizes, still_open, answers, held)
    rest = [i for i, known in enumerate(answers) if known is None]
    for i, found in zip(rest, _without_profile(asked, sizes[rest]), strict=True):
        answers[i] = _held(found, held.get(i))
    return tuple(found for found in answers if found is not None)


def _from_profile(
    profile: Profile,
    asked: Evaluation,
    sizes: Floats,
    still_open: list[int],
    answers: list[Answer | None],
    held: dict[int, tuple[float, EvidenceKind]],
) -> None:
    """Answer the open sizes a profile reaches; where it only knows a smaller size, note that as a ceiling."""
    simulated = profile.kind is EvidenceKind.SIMULATED
    grid, wanted = _grid(profile, asked), sizes[still_open]
    (rates, limits), ceilings = grid.with_limits(wanted), grid.ceiling(wanted)
    source = _source(profile, asked)
    for i, rate, ceiling, limited_by in zip(
        still_open, rates.tolist(), ceilings.tolist(), limits, strict=True
    ):
        if rate > 0:
            answers[i] = Throughput(rate, profile.kind, source, profile.id, profile.error_pct, limited_by)
        elif rate == 0 or (simulated and ceiling == 0):
            answers[i] = _unreachable(profile, asked.slo, sizes[i])
        elif simulated and ceiling > 0:
            held.setdefault(i, (ceiling, profile.kind))


def _grid(profile: Profile, asked: Evaluation) -> RateGrid:
    simulated, arrival_cv = profile.kind is EvidenceKind.SIMULATED, asked.replica.traffic.arrival_cv
    key = (profile.id, asked.slo, arrival_cv)
    if key not in asked.grids:
        asked.grids[key] = rate_grid(
            profile,
            _planned(profile, asked.slo),
            clamp_below=simulated,
            proves_unreachable=simulated,
            arrival_cv=arrival_cv,
        )
    return asked.grids[key]


def _planned(profile: Profile, slo: Slo) -> Slo:
    """The limits as the profile can judge them."""
    return plannable(slo, lambda limit: profile.judges(Slo(further=(limit,))))


def _source(profile: Profile, asked: Evaluation) -> str:
    planned = _planned(profile, asked.slo)
    as_taken = asked.replica.traffic.arrival_cv <= 1.0 and all(
        size.under_open_arrivals().all() for size in profile.sizes
    )
    return "; ".join((profile.source, *_how(asked.slo, planned, AS_TAKEN if as_taken else QUEUED)))


def _how(slo: Slo, planned: Slo, queued: str) -> list[str]:
    """What a rate rests on besides its profile, in words."""
    limits, at_mean = stream_limits(planned), taken_at_the_mean(slo, planned)
    said = [queued.format(metrics=_metrics(limits))] if limits else []
    return said + [AT_MEAN.format(limit=f"{one.statistic} {METRICS[one.metric].label}") for one in at_mean]


def _metrics(limits: Sequence[LatencyLimit]) -> str:
    return " and ".join(dict.fromkeys(METRICS[limit.metric].label for limit in limits))


def _unreachable(profile: Profile, slo: Slo, size: Floats) -> NoThroughput:
    """What the lightest profiled load of the nearest smaller size takes."""
    nearest = lightest_size(profile, (float(size[0]), float(size[1])))
    bound, load = {limit.metric for limit in slo.limits}, nearest.lightest_load
    least = {name: ms for name in METRICS if name in bound and not isnan(ms := nearest.least_ms(name))}
    takes = [f"{METRICS[name].label} {ms:.{METRICS[name].decimals}f} ms" for name, ms in least.items()]
    at = "" if isnan(load) else f" at concurrency {load:g}"
    more = " before waiting" if stream_limits(slo) else ""
    detail = (
        f"{' and '.join(takes) or 'too slow'}{at}{more} for {nearest.input_tokens:g} in, "
        f"{nearest.output_tokens:g} out ({profile.kind.value}, {profile.id}), limit {slo}"
    )
    return NoThroughput("slo_unreachable", detail, best_tpot_ms=least.get("tpot"))


def _held(found: Answer, ceiling: tuple[float, EvidenceKind] | None) -> Answer:
    """An estimate may not beat what stronger evidence says of a smaller request."""
    if ceiling is None or isinstance(found, NoThroughput) or found.requests_per_s <= ceiling[0]:
        return found
    source = f"{found.source}; {HELD.format(kind=ceiling[1].value)}"
    share = ceiling[0] / found.requests_per_s
    return traffic.scaled(found, share, source, found.limited_by)


def _without_profile(asked: Evaluation, sizes: Floats) -> tuple[Answer, ...]:
    """Estimates for sizes no accepted profile reaches, or the reason there are none."""
    if not len(sizes):
        return ()
    refused = _refusal(asked)
    return _estimates(asked, sizes) if refused is None else (refused,) * len(sizes)


def _refusal(asked: Evaluation) -> NoThroughput | None:
    """Why no size can be estimated, the most fundamental reason first."""
    refused = refusal(
        asked.replica,
        asked.calibration,
        within_tpot=tightest_pace(asked.slo) is not None,
        proven=bool(asked.profiles),
    )
    if refused is not None and refused.reason == "does_not_fit":
        return refused
    weaker = [p.kind for p in asked.profiles if not asked.accepts(p.kind) and p.judges(asked.slo)]
    if weaker:
        strongest = min(weaker, key=lambda kind: kind.rank)
        detail = f"only {strongest.value} figures reach it, {asked.weakest.value} asked"
        return NoThroughput("evidence_too_weak", detail)
    if refused is None and not asked.accepts(EvidenceKind.ESTIMATED):
        return NoThroughput("evidence_too_weak", f"only an estimate exists, {asked.weakest.value} asked")
    return refused


def _estimates(asked: Evaluation, sizes: Floats) -> tuple[Answer, ...]:
    """What the step-time model sustains within the limits."""
    replica, known = asked.replica, asked.calibration
    curve, planned = Curve.of(replica, sizes, known), plannable(asked.slo)
    found = within(curve, planned, replica.traffic.arrival_cv)
    limited_by = found.limited_by.tolist()
    how = (known.version, caution(replica, known), *_how(asked.slo, planned, QUEUED))
    source = "; ".join(filter(None, how))
    name, error = replica.estimate_id(known.version), known.error_pct(replica)
    low, high = (ends.tolist() for ends in interval(replica, limited_by, known))
    return tuple(
        Throughput(
            rate, EvidenceKind.ESTIMATED, source, name, error, by, rate * low[place], rate * high[place]
        )
        if rate > 0
        else _no_estimate(asked, curve, place, by)
        for place, (rate, by) in enumerate(zip(found.requests_per_s.tolist(), limited_by, strict=True))
    )


def _no_estimate(asked: Evaluation, curve: Curve, place: int, limited_by: str) -> NoThroughput:
    """Why one size cannot be served."""
    tokens_in, tokens_out = float(curve.tokens_in[place]), float(curve.tokens_out[place])
    size = f"{tokens_in:g} in, {tokens_out:g} out"
    if limited_by == "memory":
        room = asked.replica.with_plain_traffic().memory()
        return NoThroughput(
            "does_not_fit", f"one request of {tokens_in + tokens_out:,.0f} tokens; {room.detail}"
        )
    metric = METRICS[limited_by]
    if metric.of_stream == "always":
        what = f"{metric.label} for {size} is longer on an idle replica"
        return NoThroughput("slo_unreachable", f"{what} (estimated), limit {asked.slo}")
    alone = float(curve.tpot_s(1.0)[place]) * 1e3
    what = f"{metric.label} {alone:.{metric.decimals}f} ms at concurrency 1 for {size} (estimated)"
    return NoThroughput("slo_unreachable", f"{what}, limit {asked.slo}", best_tpot_ms=alone)
