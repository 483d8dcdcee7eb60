"""The one question the planner asks: how fast is one replica, on what evidence, or why is there no figure.

Order of the checks: can the chip compute in the precision; does anything measured or simulated reach the
size; if not, does the model fit and what does the estimator say. A profile that served the model is proof
that it fits. Stronger evidence that no load meets the SLO is final: a weaker kind is not asked for a kinder
answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.domain import EvidenceKind, NoThroughput, SloStatistic, Throughput
from advisor.profiles import memory, roofline
from advisor.profiles.calibration import NO_PRECISION, NO_SPECIFICATION
from advisor.profiles.evidence import ANY_ENGINE, precision_class
from advisor.profiles.interpolate import lightest_size, rate_grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from advisor.domain import Accelerator, Model, Slo
    from advisor.profiles.calibration import Calibration
    from advisor.profiles.evidence import Profile

    Floats = NDArray[np.float64]
    Answer = Throughput | NoThroughput

CLOSED_LOOP_TTFT: Final = "TTFT is that of a closed loop, without queueing for an open stream"
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
) -> tuple[Answer, ...]:
    """One answer per size. ``profiles`` come strongest first."""
    wanted = np.asarray(sizes, dtype=np.float64).reshape(len(sizes), 2)
    if question.precision.casefold() == "bf16" and not question.accelerator.has_bf16:
        reason = f"{question.accelerator.name} computes fp16, not bf16"
        return (NoThroughput("precision_unsupported", reason),) * len(sizes)
    ours = [profile for profile in profiles if question.concerns(profile)]
    answers: list[Answer | None] = [None] * len(sizes)
    held: dict[int, tuple[float, EvidenceKind]] = {}
    for profile in ours:
        still_open = [i for i, known in enumerate(answers) if known is None]
        if question.accepts(profile.kind) and still_open:
            _from_profile(profile, question, wanted, still_open, answers, held)
    rest = [i for i, known in enumerate(answers) if known is None]
    for i, found in zip(rest, _without_profile(question, wanted[rest], ours, calibration), strict=True):
        answers[i] = _held(found, held.get(i))
    return tuple(found for found in answers if found is not None)


def _from_profile(
    profile: Profile,
    question: Question,
    sizes: Floats,
    still_open: list[int],
    answers: list[Answer | None],
    held: dict[int, tuple[float, EvidenceKind]],
) -> None:
    """Answer the open sizes a profile reaches; where it only knows a smaller size, note that as a ceiling."""
    simulated = profile.kind is EvidenceKind.SIMULATED
    grid = rate_grid(profile, question.slo, clamp_below=simulated, proves_unreachable=simulated)
    asked = sizes[still_open]
    rates, ceilings, limits = grid.at(asked), grid.ceiling(asked), grid.limits(asked)
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
    return profile.source if question.slo.ttft_ms is None else f"{profile.source}; {CLOSED_LOOP_TTFT}"


def _unreachable(profile: Profile, slo: Slo, size: Floats) -> NoThroughput:
    """What the lightest profiled load of the nearest smaller size takes."""
    nearest = lightest_size(profile, (float(size[0]), float(size[1])))
    tpot, ttft, load = nearest.lightest()
    takes = [f"TPOT {tpot:.1f} ms"] if slo.tpot_ms is not None else []
    takes += [f"TTFT {ttft:.0f} ms"] if slo.ttft_ms is not None else []
    at = f" at concurrency {load:g}" if load == load else ""
    detail = (
        f"{' and '.join(takes)}{at} for {nearest.input_tokens:g} in, {nearest.output_tokens:g} out "
        f"({profile.kind.value}, {profile.id}), limit {slo}"
    )
    return NoThroughput("slo_unreachable", detail, best_tpot_ms=tpot if slo.tpot_ms is not None else None)


def _held(found: Answer, ceiling: tuple[float, EvidenceKind] | None) -> Answer:
    """An estimate may not beat what stronger evidence says of a smaller request."""
    if ceiling is None or isinstance(found, NoThroughput) or found.requests_per_s <= ceiling[0]:
        return found
    source = f"{found.source}; {HELD.format(kind=ceiling[1].value)}"
    return Throughput(ceiling[0], found.kind, source, found.profile_id, found.error_pct, found.limited_by)


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
    fit = memory.fit(question.model, question.precision, question.accelerator, question.tensor_parallel)
    if not fit.fits and not ours:
        return NoThroughput("does_not_fit", fit.detail)
    unsupported = calibration.supports(question.model, question.precision, question.accelerator)
    weaker = sorted(
        {profile.kind for profile in ours if not question.accepts(profile.kind)}, key=lambda kind: kind.rank
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
    if slo.ttft_ms is not None:
        return "the estimator cannot predict TTFT under load, and nothing measured or simulated reaches it"
    if slo.tpot_ms is not None and slo.statistic is not SloStatistic.MEAN:
        return f"no measured {slo.statistic.value} TPOT reaches it; simulated and estimated figures are means"
    return None


def _estimates(question: Question, sizes: Floats, calibration: Calibration) -> tuple[Answer, ...]:
    result = roofline.max_rates(
        question.model, question.precision, question.accelerator, question.tensor_parallel, sizes,
        question.slo.tpot_ms, calibration,
    )  # fmt: skip
    error = calibration.error_pct(question.model, question.accelerator)
    name = estimated_id(question, calibration.version)
    return tuple(
        Throughput(rate, EvidenceKind.ESTIMATED, calibration.version, name, error, limited_by)
        if rate > 0
        else _no_estimate(question, size, limited_by, alone)
        for rate, size, limited_by, alone in zip(
            result.requests_per_s.tolist(),
            sizes.tolist(),
            result.limited_by,
            result.tpot_at_one_ms.tolist(),
            strict=True,
        )
    )


def _no_estimate(
    question: Question, size: Sequence[float], limited_by: str, tpot_at_one_ms: float
) -> NoThroughput:
    if limited_by == "memory":
        fit = memory.fit(question.model, question.precision, question.accelerator, question.tensor_parallel)
        return NoThroughput("does_not_fit", f"one request of {size[0] + size[1]:,.0f} tokens; {fit.detail}")
    return NoThroughput(
        "slo_unreachable",
        f"TPOT {tpot_at_one_ms:.1f} ms at concurrency 1 for {size[0]:g} in, {size[1]:g} out (estimated), "
        f"limit {question.slo}",
        best_tpot_ms=float(tpot_at_one_ms),
    )
