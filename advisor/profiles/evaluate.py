"""The one question the planner asks: how fast is one replica, on what evidence, or why is there no figure.

Order of the checks: can the chip compute in the precision; does anything measured or simulated reach the
size; if not, does the model fit and what does the estimator say. A profile that served the model is proof
that it fits. Stronger evidence that no load meets the SLO is final: a weaker kind is not asked for a kinder
answer. TTFT and E2E are those of an open stream (:mod:`advisor.profiles.ttft_limits`), and what traffic does
besides its lengths (:mod:`advisor.profiles.traffic`) is worked into the rate last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.domain import PLAIN_TRAFFIC, EvidenceKind, NoThroughput, Slo, SloStatistic, Throughput
from advisor.profiles import memory, roofline, traffic
from advisor.profiles.calibration import NO_PRECISION, NO_SPECIFICATION
from advisor.profiles.equivalence import precision_class
from advisor.profiles.evidence import ANY_ENGINE, waiting_limits
from advisor.profiles.interpolate import RateGrid, lightest_size, rate_grid
from advisor.profiles.ttft_limits import estimated_rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from advisor.domain import Accelerator, LatencyLimit, Model, Traffic
    from advisor.profiles.calibration import Calibration
    from advisor.profiles.evidence import Profile

    Floats = NDArray[np.float64]
    Answer = Throughput | NoThroughput

Grids = dict[tuple[str, Slo, float], RateGrid]
"""Rates of profiles already worked out, by profile, SLO and arrivals."""

QUEUED: Final = "{metrics} of an open stream by a queueing model"
AS_TAKEN: Final = "{metrics} as taken under open arrivals"
HELD: Final = "held to the {kind} rate of a smaller request"
_REASONS: Final = {NO_SPECIFICATION: "no_specification", NO_PRECISION: "precision_unsupported"}


@dataclass(frozen=True, slots=True)
class Question:
    """One replica and the latency it must keep."""

    model: Model
    precision: str
    engine: str  #: as people write it; ``any`` for every engine's figures
    accelerator: Accelerator
    tensor_parallel: int
    slo: Slo
    weakest: EvidenceKind
    traffic: Traffic = PLAIN_TRAFFIC

    def accepts(self, kind: EvidenceKind) -> bool:
        """Whether evidence of this kind may answer."""
        return kind.rank <= self.weakest.rank

    def concerns(self, profile: Profile) -> bool:
        """Whether a profile is of this very replica."""
        return (
            profile.accelerator == self.accelerator.id
            and profile.tensor_parallel == self.tensor_parallel
            and precision_class(profile.precision) == precision_class(self.precision)
            and self.engine.casefold() in (ANY_ENGINE, profile.engine.casefold())
        )


def estimated_id(question: Question, version: str) -> str:
    """Id of an estimate: everything it depends on but sizes and SLO."""
    return (
        f"{EvidenceKind.ESTIMATED.value}:{version}:{question.model.id}:{question.precision}:any-engine:"
        f"{question.accelerator.id}:tp{question.tensor_parallel}"
    ).casefold()


def answer(
    question: Question,
    sizes: Sequence[tuple[float, float]],
    profiles: Sequence[Profile],
    calibration: Calibration,
    grids: Grids | None = None,
) -> tuple[Answer, ...]:
    """One answer per size. ``profiles`` come strongest first; ``grids`` keeps what is worked out of them."""
    wanted = traffic.lengthened(np.asarray(sizes, dtype=np.float64).reshape(len(sizes), 2), question.traffic)
    if question.precision.casefold() == "bf16" and not question.accelerator.has_bf16:
        reason = f"{question.accelerator.name} computes fp16, not bf16"
        return (NoThroughput("precision_unsupported", reason),) * len(sizes)
    ours = [profile for profile in profiles if question.concerns(profile)]
    known = {} if grids is None else grids
    if question.traffic.is_plain:
        return _answers(question, wanted, ours, calibration, known)
    return _under_traffic(question, wanted, ours, calibration, known)


def _under_traffic(
    question: Question, sizes: Floats, ours: Sequence[Profile], calibration: Calibration, grids: Grids
) -> tuple[Answer, ...]:
    """Answers corrected for prefix hits and adapters. Hits raise no rate above what waiting limits allow."""
    found = _answers(question, sizes, ours, calibration, grids)
    stated = question.traffic
    if stated.lora_adapters:
        fit = memory.fit(
            question.model, question.precision, question.accelerator, question.tensor_parallel,
            traffic=stated,
        )  # fmt: skip
        if not fit.fits:
            return (NoThroughput("does_not_fit", fit.detail),) * len(sizes)
    effects = traffic.effects(
        question.model, question.precision, question.accelerator, question.tensor_parallel, sizes,
        _mean_tpot_ms(question.slo), stated, calibration,
    )  # fmt: skip
    limits = waiting_limits(question.slo)
    caps: Sequence[Answer | None] = (None,) * len(sizes)
    if limits and stated.prefix_cache_hit_rate:
        waiting = replace(question, slo=Slo(further=limits))
        caps = _answers(waiting, sizes, ours, calibration, grids)
    return tuple(
        effects.on(one, place, cap) for place, (one, cap) in enumerate(zip(found, caps, strict=True))
    )


def _answers(
    question: Question, sizes: Floats, ours: Sequence[Profile], calibration: Calibration, grids: Grids
) -> tuple[Answer, ...]:
    """One answer per size as the replica sees it, of profiles that are of this very replica."""
    answers: list[Answer | None] = [None] * len(sizes)
    held: dict[int, tuple[float, EvidenceKind]] = {}
    for profile in ours:
        still_open = [i for i, known in enumerate(answers) if known is None]
        if question.accepts(profile.kind) and still_open:
            _from_profile(profile, question, sizes, still_open, answers, held, grids)
    rest = [i for i, known in enumerate(answers) if known is None]
    for i, found in zip(rest, _without_profile(question, sizes[rest], ours, calibration), strict=True):
        answers[i] = _held(found, held.get(i))
    return tuple(found for found in answers if found is not None)


def _from_profile(
    profile: Profile,
    question: Question,
    sizes: Floats,
    still_open: list[int],
    answers: list[Answer | None],
    held: dict[int, tuple[float, EvidenceKind]],
    grids: Grids,
) -> None:
    """Answer the open sizes a profile reaches; where it only knows a smaller size, note that as a ceiling."""
    simulated = profile.kind is EvidenceKind.SIMULATED
    key = (profile.id, question.slo, question.traffic.arrival_cv)
    if key not in grids:
        grids[key] = rate_grid(
            profile, question.slo, clamp_below=simulated, proves_unreachable=simulated,
            arrival_cv=question.traffic.arrival_cv,
        )  # fmt: skip
    grid = grids[key]
    asked = sizes[still_open]
    (rates, limits), ceilings = grid.with_limits(asked), grid.ceiling(asked)
    source = _source(profile, question)
    for i, rate, ceiling, limited_by in zip(
        still_open, rates.tolist(), ceilings.tolist(), limits, strict=True
    ):
        if rate > 0:
            answers[i] = Throughput(rate, profile.kind, source, profile.id, profile.error_pct, limited_by)
        elif rate == 0 or (simulated and ceiling == 0):
            answers[i] = _unreachable(profile, question.slo, sizes[i])
        elif simulated and ceiling > 0:
            held.setdefault(i, (ceiling, profile.kind))


def _source(profile: Profile, question: Question) -> str:
    limits = waiting_limits(question.slo)
    if not limits:
        return profile.source
    as_taken = question.traffic.arrival_cv <= 1.0 and all(
        size.under_open_arrivals().all() for size in profile.sizes
    )
    return f"{profile.source}; {(AS_TAKEN if as_taken else QUEUED).format(metrics=_metrics(limits))}"


def _metrics(limits: Sequence[LatencyLimit]) -> str:
    return " and ".join(dict.fromkeys(limit.metric.upper() for limit in limits))


def _unreachable(profile: Profile, slo: Slo, size: Floats) -> NoThroughput:
    """What the lightest profiled load of the nearest smaller size takes."""
    nearest = lightest_size(profile, (float(size[0]), float(size[1])))
    tpot, ttft, load = nearest.lightest()
    bound = {limit.metric for limit in slo.limits}
    takes = [f"TPOT {tpot:.1f} ms"] if "tpot" in bound and tpot == tpot else []
    takes += [f"TTFT {ttft:.0f} ms"] if "ttft" in bound and ttft == ttft else []
    e2e = ttft + tpot * (nearest.output_tokens - 1.0)
    takes += [f"E2E {e2e:.0f} ms"] if "e2e" in bound and e2e == e2e else []
    at = f" at concurrency {load:g}" if load == load else ""
    more = " before waiting" if waiting_limits(slo) else ""
    detail = (
        f"{' and '.join(takes) or 'too slow'}{at}{more} for {nearest.input_tokens:g} in, "
        f"{nearest.output_tokens:g} out ({profile.kind.value}, {profile.id}), limit {slo}"
    )
    return NoThroughput("slo_unreachable", detail, best_tpot_ms=tpot if "tpot" in bound else None)


def _held(found: Answer, ceiling: tuple[float, EvidenceKind] | None) -> Answer:
    """An estimate may not beat what stronger evidence says of a smaller request."""
    if ceiling is None or isinstance(found, NoThroughput) or found.requests_per_s <= ceiling[0]:
        return found
    source = f"{found.source}; {HELD.format(kind=ceiling[1].value)}"
    share = ceiling[0] / found.requests_per_s
    return traffic.scaled(found, share, source, found.limited_by)


def _without_profile(
    question: Question, sizes: Floats, ours: Sequence[Profile], calibration: Calibration
) -> tuple[Answer, ...]:
    """Estimates for sizes no accepted profile reaches, or the reason there are none."""
    if not len(sizes):
        return ()
    refusal = _refusal(question, ours, calibration)
    if refusal is not None:
        return (refusal,) * len(sizes)
    return _estimates(question, sizes, calibration)


def _refusal(question: Question, ours: Sequence[Profile], calibration: Calibration) -> NoThroughput | None:
    """Why no size can be estimated, the most fundamental reason first."""
    impossible = memory.unsplittable(question.model, question.tensor_parallel)
    if impossible is not None and not ours:
        return NoThroughput("does_not_fit", impossible)
    fit = memory.fit(question.model, question.precision, question.accelerator, question.tensor_parallel)
    if not fit.fits and not ours:
        return NoThroughput("does_not_fit", fit.detail)
    unsupported = calibration.supports(question.model, question.precision, question.accelerator)
    if unsupported is None and _mean_tpot_ms(question.slo) is not None:
        unsupported = calibration.no_limit(calibration.key(question.model, question.accelerator))
    weaker = sorted(
        {p.kind for p in ours if not question.accepts(p.kind) and p.judges(question.slo)},
        key=lambda kind: kind.rank,
    )
    if weaker:
        return NoThroughput(
            "evidence_too_weak", f"only {weaker[0].value} figures reach it, {question.weakest.value} asked"
        )
    if unsupported is not None:
        head = unsupported.split(":", 1)[0]
        return NoThroughput(
            _REASONS.get(head, "no_throughput_data"), f"{question.accelerator.name}: {unsupported}"
        )
    blind = _beyond_the_estimator(question.slo)
    if blind is not None:
        return NoThroughput("no_throughput_data", blind)
    if not question.accepts(EvidenceKind.ESTIMATED):
        return NoThroughput("evidence_too_weak", f"only an estimate exists, {question.weakest.value} asked")
    return None


def _beyond_the_estimator(slo: Slo) -> str | None:
    for limit in slo.limits:
        if limit.metric != "ttft" and limit.statistic is not SloStatistic.MEAN:
            return (
                f"no measured {limit.statistic.value} {limit.metric.upper()} reaches it; simulated and "
                "estimated figures are means"
            )
    return None


def _mean_tpot_ms(slo: Slo) -> float | None:
    """The tightest limit on mean TPOT."""
    limits = (limit for limit in slo.limits if limit.metric == "tpot")
    return min((limit.ms for limit in limits if limit.statistic is SloStatistic.MEAN), default=None)


def _estimates(question: Question, sizes: Floats, calibration: Calibration) -> tuple[Answer, ...]:
    result = roofline.max_rates(
        question.model, question.precision, question.accelerator, question.tensor_parallel, sizes,
        _mean_tpot_ms(question.slo), calibration,
    )  # fmt: skip
    rates, limited_by = _within_waiting(question, sizes, result, calibration)
    error = calibration.error_pct(question.model, question.accelerator)
    name = estimated_id(question, calibration.version)
    limits = waiting_limits(question.slo)
    queued = f"; {QUEUED.format(metrics=_metrics(limits))}" if limits else ""
    slo = str(question.slo)
    source = f"{calibration.version}{queued}"
    factors = {
        by: calibration.interval(question.model, question.accelerator, within_tpot=by == "tpot")
        for by in set(limited_by)
    }
    return tuple(
        Throughput(
            rate,
            EvidenceKind.ESTIMATED,
            source,
            name,
            error,
            by,
            rate * factors[by][0],
            rate * factors[by][1],
        )
        if rate > 0
        else _no_estimate(question, size, by, alone, slo)
        for rate, size, by, alone in zip(
            rates.tolist(), sizes.tolist(), limited_by, result.tpot_at_one_ms.tolist(), strict=True
        )
    )


def _within_waiting(
    question: Question, sizes: Floats, result: roofline.RooflineRates, calibration: Calibration
) -> tuple[Floats, Sequence[str]]:
    """The estimator's rates as far as TTFT and E2E limits let an open stream go, and what stops each."""
    rates, limited_by = result.requests_per_s, list(result.limited_by)
    limits = waiting_limits(question.slo)
    if not limits:
        return rates, limited_by
    model, chip, degree = question.model, question.accelerator, question.tensor_parallel
    work = roofline.work_of(model, question.precision, chip, degree)
    constants = calibration.constants(model, chip)
    room = memory.fit(model, question.precision, chip, degree).max_tokens
    arrival_cv = question.traffic.arrival_cv
    each = estimated_rates(work, constants, room, sizes, result, limits, arrival_cv)
    for limit, within in zip(limits, each, strict=True):
        tighter = within < rates
        limited_by = [limit.metric if t else by for t, by in zip(tighter.tolist(), limited_by, strict=True)]
        rates = np.where(tighter, within, rates)
    return rates, limited_by


def _no_estimate(
    question: Question, size: Sequence[float], limited_by: str, tpot_at_one_ms: float, limit: str
) -> NoThroughput:
    if limited_by == "memory":
        fit = memory.fit(question.model, question.precision, question.accelerator, question.tensor_parallel)
        return NoThroughput("does_not_fit", f"one request of {size[0] + size[1]:,.0f} tokens; {fit.detail}")
    if limited_by in ("ttft", "e2e"):
        what = f"{limited_by.upper()} for {size[0]:g} in, {size[1]:g} out is longer on an idle replica"
        return NoThroughput("slo_unreachable", f"{what} (estimated), limit {limit}")
    return NoThroughput(
        "slo_unreachable",
        f"TPOT {tpot_at_one_ms:.1f} ms at concurrency 1 for {size[0]:g} in, {size[1]:g} out (estimated), "
        f"limit {limit}",
        best_tpot_ms=float(tpot_at_one_ms),
    )
