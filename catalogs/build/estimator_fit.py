"""Constants of the estimator from measured runs: robust least squares with shrinkage.

Residuals are logarithms of estimated over measured request rate, mean TPOT and mean TTFT. Each counts
linearly beyond ``ROBUST_FROM``, so one bad table cannot pull the fit, and a source's rows together weigh far
less than their number, so the largest does not decide alone. What an engine, its year, a model's shape or a
chip does to the constants is fitted with them and pulled towards nothing: a level that few rows know stays
near 1. Deterministic: fixed start, no random numbers.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.optimize import least_squares

from advisor.profiles.calibration import family_of
from advisor.profiles.roofline import Constants, Effect
from catalogs.build.estimator_runs import Fitted, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.profiles.roofline import Floats
    from catalogs.build.estimator_runs import Run

MAX_SEQUENCES: Final = 512.0
"""Largest closed-loop batch on at most eight accelerators among the fitted runs; the product stops there."""

ROBUST_FROM: Final = 0.05
"""Log ratio from which a residual counts linearly."""

PRIOR_WEIGHT: Final = 0.2
"""Pull of a constant towards its start per natural-log unit; a source of 1,000 rows weighs about 32."""

EFFECT_WEIGHT: Final = 0.1
"""Pull of an effect towards none, per standard deviation of ``EFFECTS``."""

TPOT_WEIGHT: Final = {"dense": 0.5, "moe": 1.0}
"""Of a TPOT residual against the same run's rate residual: the two are not independent."""

TTFT_WEIGHT: Final = {"dense": 0.2, "moe": 0.1}
"""Of a TTFT residual: it scatters several times more than the rate."""

SOURCE_POWER: Final = {"dense": 0.4, "moe": 0.25}
"""0.5 gives every source the same weight, 0 every row. A third of the dense rows are static batches of 2024,
of one source."""

EFFECTS: Final[dict[str, dict[str, tuple[float, float]]]] = {
    "dense": {"year": (0.1, 0.3), "engine": (0.05, 0.2), "engine of year": (0.05, 0.2)},
    "moe": {"engine": (0.05, 0.1), "shape": (0.1, 0.0), "accelerator": (0.03, 0.0)},
}
"""What scales the constants of a family, and how far it is expected to: standard deviations in the logarithm
of all times and of overheads besides. A mixture's shape decides which kernels an engine has for it, hence
its larger deviation: held-out GPUs are 35.0 % off within a TPOT limit at 0.03, 32.8 % at 0.1."""

BOUNDS: Final[dict[str, tuple[float, float, float]]] = {  # start (textbook values), least, most
    "mfu_16": (0.60, 0.2, 0.95),
    "mfu_8": (0.50, 0.2, 0.95),
    "mfu_4": (0.35, 0.1, 0.95),
    "mbu": (0.75, 0.4, 0.97),
    "step_ms": (2.0, 0.05, 10.0),
    "layer_us": (10.0, 0.05, 200.0),
    "sequence_us": (10.0, 0.1, 150.0),
    "link_share": (0.60, 0.1, 0.95),
    "allreduce_us_fast": (12.0, 0.5, 120.0),
    "allreduce_us_slow": (40.0, 1.0, 600.0),
    "expert_tokens": (8.0, 0.5, 128.0),
    "wait_share": (0.2, 0.001, 0.95),
    "saturated_sequences": (1024.0, 256.0, 4096.0),
}
FIXED: Final[dict[str, dict[str, float]]] = {"dense": {"expert_tokens": 0.0}, "moe": {}}


def fit(runs: Sequence[Run]) -> Fitted:
    """Constants and effects that fit runs of one family best."""
    family = family_of(runs[0].model)
    table = Table(runs, SOURCE_POWER[family])
    free = [name for name in BOUNDS if name not in FIXED[family]]
    start, least, most = (np.log([BOUNDS[name][i] for name in free]) for i in range(3))
    design = _Design(table, EFFECTS[family])
    tpot_known, ttft_known = ~np.isnan(table.measured_tpot), ~np.isnan(table.measured_ttft)
    shrink = EFFECT_WEIGHT / design.deviations

    def residuals(x: Floats) -> Floats:
        base = _constants(free, x[: len(free)], FIXED[family])
        constants = base.scaled(design.effect(x[len(free) :]))
        rate = _softened(np.log(table.rate_ratio(constants))) * table.weight
        tpot = _softened(np.log(table.tpot_ratio(constants)[tpot_known])) * table.weight[tpot_known]
        ttft = _softened(np.log(table.ttft_ratio(constants)[ttft_known])) * table.weight[ttft_known]
        pulled = PRIOR_WEIGHT * (x[: len(free)] - start)
        rest = (tpot * TPOT_WEIGHT[family], ttft * TTFT_WEIGHT[family], pulled, shrink * x[len(free) :])
        return np.concatenate([rate, *rest])

    none = np.zeros(len(shrink))
    found = least_squares(
        residuals,
        np.concatenate([start, none]),
        bounds=(np.concatenate([least, none - 2.0]), np.concatenate([most, none + 2.0])),
        max_nfev=80,
    ).x
    return Fitted(_constants(free, found[: len(free)], FIXED[family]), design.named(found[len(free) :]))


class _Design:
    """Which effects scale which rows."""

    def __init__(self, table: Table, deviations: dict[str, tuple[float, float]]) -> None:
        self._columns: list[tuple[str, str, int]] = []  # what, which, 0 for time and 1 for overhead
        each = [dict(run.levels) for run in table.runs]
        sizes: list[float] = []
        for what, pair in deviations.items():
            for which in sorted({mine[what] for mine in each}):
                for target, deviation in enumerate(pair):
                    if deviation > 0:
                        self._columns.append((what, which, target))
                        sizes.append(deviation)
        self.deviations = np.array(sizes)
        member = np.array([[mine[what] == which for what, which, _ in self._columns] for mine in each])
        moved = np.array([target for _, _, target in self._columns])
        self._time, self._overhead = member * (moved == 0), member * (moved == 1)

    def effect(self, x: Floats) -> Effect:
        """Of every row: arrays in the place of numbers."""
        time: Any = np.exp(self._time @ x)
        overhead: Any = np.exp(self._overhead @ x)
        return Effect(time, overhead)

    def named(self, x: Floats) -> dict[tuple[str, str], Effect]:
        """By what and which."""
        found: dict[tuple[str, str], list[float]] = {}
        for (what, which, target), value in zip(self._columns, np.exp(x), strict=True):
            found.setdefault((what, which), [1.0, 1.0])[target] = float(value)
        return {key: Effect(time, overhead) for key, (time, overhead) in found.items()}


def _softened(residuals: Floats) -> Floats:
    """Squares to soft L1: near zero the residual itself, beyond ``ROBUST_FROM`` the root of its size."""
    relative = residuals / ROBUST_FROM
    return np.asarray(ROBUST_FROM * np.sign(residuals) * np.sqrt(2.0 * (np.sqrt(1.0 + relative**2) - 1.0)))


def _constants(free: Sequence[str], x: Floats, fixed: dict[str, float]) -> Constants:
    named = dict(zip(free, map(float, np.exp(x)), strict=True)) | fixed | {"max_sequences": MAX_SEQUENCES}
    return Constants(**{f.name: named[f.name] for f in fields(Constants)})
