"""What a load point says besides its rate: TPOT and TTFT at the rate an SLO allows, or at a given load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.domain import EvidenceKind
from advisor.profiles.interpolate import RateGrid
from advisor.profiles.ttft_limits import rate_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from advisor.domain import Slo
    from advisor.profiles.evidence import Profile, SizePoints

    Floats = NDArray[np.float64]

_SAME: Final = 1e-9  # relative; below it two rates are one


def readings(
    profile: Profile, sizes: Sequence[tuple[float, float]], slo: Slo, concurrency: float | None
) -> Floats:
    """Rows rate, mean TPOT, mean TTFT and a column per size, NaN where the profile does not reach.

    At the largest rate within the SLO, or at so many requests in flight. Between profiled sizes like the
    rates themselves: bilinear in the logarithms, bounded by the neighbours.
    """
    inputs, outputs = profile.inputs, profile.outputs
    values = np.full((3, len(inputs), len(outputs)), np.nan)
    for size in profile.sizes:
        row, column = np.searchsorted(inputs, size.input_tokens), np.searchsorted(outputs, size.output_tokens)
        values[:, row, column] = _of_size(size, slo, concurrency)
    simulated = profile.kind is EvidenceKind.SIMULATED
    limits = np.full(values.shape[1:], "load")
    wanted = np.asarray(sizes, dtype=np.float64).reshape(-1, 2)
    return np.stack([RateGrid(inputs, outputs, v, limits, simulated).at(wanted) for v in values])


def _of_size(points: SizePoints, slo: Slo, concurrency: float | None) -> tuple[float, float, float]:
    """Rate, TPOT and TTFT of one profiled size; NaN where no load around the condition was run."""
    if concurrency is not None:
        return _at_concurrency(points, concurrency)
    rate, _ = rate_of(points, slo)
    if not rate > 0.0:
        return np.nan, np.nan, np.nan
    best = np.maximum.accumulate(points.requests_per_s)
    reached = int(np.argmax(best >= rate * (1 - _SAME)))
    tpot = float(points.tpot_ms[reached])
    if reached > 0 and best[reached] > rate * (1 + _SAME):  # between two loads, where a limit bites
        way = (rate - best[reached - 1]) / (best[reached] - best[reached - 1])
        tpot = float(points.tpot_ms[reached - 1] + way * (tpot - points.tpot_ms[reached - 1]))
    return rate, tpot, float(np.interp(tpot, points.tpot_ms, points.ttft_ms))


def _at_concurrency(points: SizePoints, in_flight: float) -> tuple[float, float, float]:
    order = np.argsort(points.concurrency)
    order = order[~np.isnan(points.concurrency[order])]
    loads = points.concurrency[order]
    if not len(loads) or not loads[0] <= in_flight <= loads[-1]:
        return np.nan, np.nan, np.nan
    columns = points.requests_per_s, points.tpot_ms, points.ttft_ms
    rate, tpot, ttft = (float(np.interp(in_flight, loads, column[order])) for column in columns)
    return rate, tpot, ttft
