"""Engines that are not fitted but measured against the constants: a factor and an interval of their own.

Deepspeed-MII alone has rows enough: 153 of four dense models, all of one chip and source, static batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.profiles.roofline import Effect
from catalogs.build.estimator_held_out import KEYS, spread
from catalogs.build.estimator_runs import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.profiles.calibration import Spread
    from catalogs.build.estimator_runs import Fitted, Run

ENGINE: Final = "Deepspeed-MII"
COVERED_PCT: Final = 90.0


def factor(runs: Sequence[Run], fitted: Fitted) -> tuple[Effect, Spread]:
    """How much longer everything takes than by the constants, and how far held-out models are from that."""
    table = Table(runs)
    found = np.log(table.rate_ratio(table.constants(fitted)))
    shapes = np.array([KEYS["leave-one-model-out"](run) for run in runs])
    groups = {
        str(name): np.median(found[shapes != name]) - found[shapes == name] for name in np.unique(shapes)
    }
    return Effect(float(np.exp(np.median(found)))), spread(groups, COVERED_PCT)
