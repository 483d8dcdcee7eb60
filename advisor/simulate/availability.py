"""Spot capacity that comes and goes as it once did: probes of AWS zones, replayed from a random start."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

from advisor import database
from advisor.errors import DataError

if TYPE_CHECKING:
    import numpy as np

FILE: Final = ("history", "availability", "aws_spot_2022.parquet")
"""Source: Michaelvll/skypilot-spot-strategy; see catalogs/history/SOURCES.md."""


@dataclass(frozen=True, slots=True)
class SpotRun:
    """A stretch in which every probe gave the same answer."""

    start_s: float
    available: bool


def spot_runs(rng: np.random.Generator, duration_s: float, zones: int) -> list[list[SpotRun]]:
    """One replayed history per zone, each of another probed series and from another moment.

    Every history begins with capacity: a fleet that could not be bought cannot be replayed.

    Raises:
        DataError: the probes are not in the package.
    """
    series = _series()
    histories = []
    for zone in range(zones):
        runs, gap_s = series[zone % len(series)]
        starts = [place for place, (available, _) in enumerate(runs) if available]
        place = int(starts[int(rng.integers(len(starts)))])
        at_s, found = 0.0, []
        while at_s < duration_s:
            available, samples = runs[place % len(runs)]
            found.append(SpotRun(at_s, available))
            at_s += samples * gap_s
            place += 1
        histories.append(found)
    return histories


def _series() -> list[tuple[list[tuple[bool, int]], float]]:
    """Per probed series, its runs (available, probes) in order, and the seconds between probes."""

    path = resources.files("catalogs").joinpath(*FILE)
    if not path.is_file():
        raise DataError(f"{'/'.join(FILE)} is missing: the installation is incomplete")
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT zone, accelerators, gap_seconds, available, samples FROM read_parquet(?) "
            "ORDER BY zone, accelerators, run",
            [str(path)],
        ).fetchall()
    series: dict[tuple[str, object], tuple[list[tuple[bool, int]], float]] = {}
    for zone, accelerators, gap_s, available, samples in rows:
        series.setdefault((zone, accelerators), ([], float(gap_s)))[0].append((bool(available), int(samples)))
    return list(series.values())
