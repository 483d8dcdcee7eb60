"""How wrong the estimator is on rows its constants had not seen, and how wide an interval that makes.

Every test leaves one thing out in turn, all rows of a GPU, of a model's shape or of a source, fits the rest
and looks at what was left out. An interval spans measured over estimated for nine held-out rows in ten;
whether it does is counted group by group, by what all the other groups say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.profiles.calibration import ASKED, UNSEEN, Spread
from advisor.profiles.curve import Curve
from advisor.profiles.equivalence import shape_key
from catalogs.build.estimator_fit import fit
from catalogs.build.estimator_runs import Fitted, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from advisor.profiles.roofline import Floats
    from catalogs.build.estimator_runs import Run

KEYS: Final[dict[str, Callable[[Run], str]]] = {
    "leave-one-gpu-out": lambda run: run.accelerator.id,
    "leave-one-model-out": lambda run: shape_key(run.model),
    "leave-one-source-out": lambda run: run.source,
}
TEST_OF: Final = dict(
    zip(UNSEEN, ("leave-one-source-out", "leave-one-gpu-out", "leave-one-model-out"), strict=True)
)

SLO_LIMITS_MS: Final = (20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 120.0, 150.0, 200.0)
FARTHEST: Final = 20.0
"""A rate of nothing, or further off than this, counts as this far off."""

TAIL: Final = 0.05
"""Share of held-out rows left beyond either end of an interval, before it is stretched."""

COVERED_PCT: Final = {
    "dense": dict(zip(ASKED, (90.0, 90.0), strict=True)),
    "moe": dict(zip(ASKED, (90.0, 85.0), strict=True)),
}
"""Of held-out rows, at least. Mixtures of experts within a TPOT limit are judged in sweeps of three sources,
each of another engine: to cover nine in ten, the interval would reach down to an eighth of the estimate."""

STRETCHES: Final = tuple(0.8 + 0.02 * step for step in range(120))


@dataclass(frozen=True, slots=True)
class Part:
    """What was left out together, and constants that had not seen it."""

    name: str
    runs: tuple[Run, ...]
    fitted: Fitted


@dataclass(frozen=True, slots=True)
class Score:
    """How a set of ratios (estimated over measured) looks."""

    rows: int
    median_abs_pct: float
    p90_abs_pct: float
    median_ratio: float


def score(ratios: Floats) -> Score:
    """Median and 90th percentile of |ratio − 1| in percent, and the median ratio."""
    error = np.abs(ratios - 1.0) * 100.0
    p50, p90 = (round(float(np.percentile(error, q)), 1) for q in (50, 90))
    return Score(len(ratios), p50, p90, round(float(np.median(ratios)), 2))


def held_out(
    runs: Sequence[Run], test: str, fitted: Callable[[Sequence[Run], Sequence[Run]], Fitted] | None = None
) -> tuple[Part, ...]:
    """Every value of the test's key: its runs, and constants fitted without them.

    ``fitted``: constants for the second runs out of the first; by default :func:`fit` of the first.
    """
    key = KEYS[test]
    parts = []
    for value in sorted({key(run) for run in runs}):
        mine = tuple(run for run in runs if key(run) == value)
        rest = [run for run in runs if key(run) != value]
        parts.append(Part(_name(test, value, mine), mine, fitted(rest, mine) if fitted else fit(rest)))
    return tuple(parts)


def ratios(parts: Iterable[Part], of: str = "rate") -> dict[str, Floats]:
    """Estimated over measured, per part: of the ``rate`` at the measured load, ``tpot``, ``ttft`` or ``slo``.

    ``slo`` is the largest rate within a TPOT limit, read from measured sweeps: what a plan rests on.
    """
    found = {part.name: _ratios(part, of) for part in parts}
    return {name: values for name, values in found.items() if len(values)}


def distances(parts: Iterable[Part], of: str = "rate") -> dict[str, Floats]:
    """log(measured / estimated) per part."""
    return {name: _distance(values) for name, values in ratios(parts, of).items()}


def scores(parts: Iterable[Part], of: str = "rate") -> dict[str, Score]:
    """Errors per part and pooled."""
    found = ratios(parts, of)
    pooled = {"(pooled)": score(np.concatenate(list(found.values())))} if found else {}
    return {name: score(values) for name, values in found.items()} | pooled


def spreads(parts_of: Mapping[str, Sequence[Part]], family: str) -> dict[tuple[str, str], Spread]:
    """Intervals by what was unseen and what is asked, from the parts of each test."""
    found = {}
    for unseen, test in TEST_OF.items():
        for asked, of in zip(ASKED, ("rate", "slo"), strict=True):
            groups = distances(parts_of[test], of)
            if len(groups) > 1:
                found[unseen, asked] = spread(groups, COVERED_PCT[family][asked])
    return found


def spread(groups: Mapping[str, Floats], least_covered_pct: float) -> Spread:
    """The interval of log(measured / estimated) over groups, and how many rows it covers unseen.

    Groups differ more than rows within one, so the ends that leave ``TAIL`` out are stretched by the least of
    ``STRETCHES`` at which enough rows lie within the ends of all groups but their own.
    """
    ends = {name: _ends([values for other, values in groups.items() if other != name]) for name in groups}
    rows = sum(map(len, groups.values()))

    def covered_pct(stretch: float) -> float:
        inside = [
            ((ends[name][0] * stretch <= mine) & (mine <= ends[name][1] * stretch)).sum()
            for name, mine in groups.items()
        ]
        return 100.0 * float(sum(inside)) / rows

    enough = (stretch for stretch in STRETCHES if covered_pct(stretch) >= least_covered_pct)
    chosen = next(enough, STRETCHES[-1])
    low, high = (chosen * end for end in _ends(list(groups.values())))
    return Spread(rows, float(np.exp(low)), float(np.exp(high)), round(covered_pct(chosen), 1))


def sweeps(runs: Iterable[Run]) -> list[list[Run]]:
    """Closed-loop runs of one deployment and size at two loads or more, by rising TPOT."""
    groups: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        if run.batch is not None and run.tpot_ms is not None:
            key = (run.profile_id, run.kv_precision, run.flags, run.input_tokens, run.output_tokens)
            groups.setdefault(key, []).append(run)
    ordered = [sorted(group, key=lambda run: (run.tpot_ms, run.batch)) for group in groups.values()]
    return [group for group in ordered if len(group) > 1]


def _name(test: str, value: str, runs: Sequence[Run]) -> str:
    """Models of one shape are left out together and named together."""
    return value if test != "leave-one-model-out" else ", ".join(sorted({run.model.id for run in runs}))


def _distance(found: Floats) -> Floats:
    """log(measured / estimated)."""
    return -np.log(np.clip(found, 1.0 / FARTHEST, FARTHEST))


def _ends(distances: Sequence[Floats]) -> tuple[float, float]:
    low, high = np.quantile(np.concatenate(distances), (TAIL, 1.0 - TAIL))
    return min(float(low), 0.0), max(float(high), 0.0)


def _ratios(part: Part, of: str) -> Floats:
    if of == "slo":
        return np.array(list(_slo_ratios(part)))
    table = Table(part.runs)
    equation = {"rate": table.rate_ratio, "tpot": table.tpot_ratio, "ttft": table.ttft_ratio}[of]
    found: Floats = equation(table.constants(part.fitted))
    return np.asarray(found[~np.isnan(found)])


def _slo_ratios(part: Part) -> Iterator[float]:
    for sweep in sweeps(part.runs):
        tpots = [run.tpot_ms or 0.0 for run in sweep]
        rates = np.maximum.accumulate([run.requests_per_s for run in sweep])
        run, room = sweep[0], sweep[0].replica.memory()
        size = np.array([run.input_tokens]), np.array([run.output_tokens])
        curve = Curve(run.replica.work(), part.fitted.of(run), room.max_tokens, *size, room.window)
        for limit in SLO_LIMITS_MS:
            if tpots[0] <= limit <= tpots[-1]:
                found = curve.within_tpot(limit)
                yield float(found.requests_per_s[0] / np.interp(limit, tpots, rates))
