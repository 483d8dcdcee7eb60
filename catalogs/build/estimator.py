"""Fits the analytical estimator to measured runs: ``estimator.toml`` and ``estimator_residuals.parquet``.

Runs after the facts and the profiles: it reads ``measured.parquet``, ``models.csv`` and ``accelerators.toml``
of the catalogs folder. MLPerf rows are never fitted. Deterministic: fixed start, no random numbers.
"""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Final

from advisor.catalog.facts import load_facts
from advisor.profiles.calibration import ASKED, family_of
from advisor.profiles.equivalence import shape_key
from advisor.profiles.roofline import Constants
from catalogs.build import estimator_amd, estimator_engines
from catalogs.build.estimator_amd import EARLY, GENERATIONS, TODAY
from catalogs.build.estimator_fit import fit
from catalogs.build.estimator_held_out import KEYS, TEST_OF, distances, held_out, scores, spreads
from catalogs.build.estimator_runs import Fitted, read_runs
from catalogs.build.source import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from advisor.catalog.facts import Facts
    from advisor.profiles.calibration import Spread
    from catalogs.build.estimator_held_out import Part, Score
    from catalogs.build.estimator_runs import Run

FAMILIES: Final = ("dense", "moe")
RESIDUALS: Final = "estimator_residuals.parquet"
Parts = dict[str, dict[str, tuple["Part", ...]]]
"""By family and test."""


NVIDIA: Final = "nvidia"


def build(source: Path, catalogs: Path) -> None:
    """Write both files from what the folder already holds; ``source`` is not read."""
    facts = load_facts(catalogs)
    runs = read_runs(catalogs, facts)
    mine = {family: [run for run in runs if family_of(run.model) == family] for family in FAMILIES}
    parts = {family: {test: held_out(mine[family], test) for test in KEYS} for family in FAMILIES}
    fitted = {family: fit(mine[family]) for family in FAMILIES}
    text = render(mine, fitted, parts)
    added, amd_parts = _beyond_nvidia(catalogs, facts, fitted, parts)
    folder = catalogs / "profiles"
    write_text(folder / "estimator.toml", text + added)
    _write_residuals(folder / RESIDUALS, {NVIDIA: parts, TODAY: amd_parts})


def render(runs: Mapping[str, Sequence[Run]], fitted: Mapping[str, Fitted], parts: Parts) -> str:
    """The text of estimator.toml: constants, what scales them, intervals, errors on held-out rows."""
    lines = [_HEADER]
    for family in FAMILIES:
        lines += _constant_lines(NVIDIA, family, runs[family], fitted[family])
    for family in FAMILIES:
        lines += _seen_lines(NVIDIA, family, runs[family])
    for family in FAMILIES:
        lines += _effect_lines(family, runs[family], fitted[family])
    for family in FAMILIES:
        lines += _interval_lines(NVIDIA, family, spreads(parts[family], family))
    for family in FAMILIES:
        lines += _test_lines(NVIDIA, family, parts[family])
    return "\n".join(lines)


def _beyond_nvidia(
    catalogs: Path, facts: Facts, fitted: Mapping[str, Fitted], parts: Parts
) -> tuple[str, Parts]:
    """AMD's lines and Deepspeed-MII's, and the held-out parts of today's AMD constants."""
    bases = {family: fitted[family].constants for family in FAMILIES}
    every = estimator_amd.read_amd_runs(catalogs, facts, bases)
    early = [run for run in every if estimator_amd.is_early(run)]
    listed = ", ".join(f'"{name}"' for name in GENERATIONS)
    lines, found = ["[generations]", f"{TODAY} = [{listed}]", ""], Parts()
    nvidia = {family: spreads(parts[family], family) for family in FAMILIES}
    for family in FAMILIES:
        today = [r for r in every if family_of(r.model) == family and not estimator_amd.is_early(r)]
        for vendor, runs in ((TODAY, today), (EARLY, early)):
            tests = estimator_amd.parts_of(runs, bases)
            shown = [run for run in runs if family_of(run.model) == family]
            slower = estimator_amd.slowed(runs, bases).of(bases[family])
            lines += _constant_lines(vendor, family, shown, Fitted(slower, {}))
            lines += _seen_lines(vendor, family, shown)
            like = nvidia[family] if vendor == TODAY else nvidia["dense"]  # early families: fitted together
            lines += _interval_lines(vendor, family, estimator_amd.spreads(tests, like, family))
            lines += _test_lines(vendor, family, _of_family(tests, family))
            if vendor == TODAY:
                found[family] = tests
    return "\n".join([*lines, *_engine_lines(catalogs, facts, fitted)]), found


def _of_family(tests: Mapping[str, tuple[Part, ...]], family: str) -> dict[str, tuple[Part, ...]]:
    """Without the parts of the other family, where both were fitted together."""
    return {
        test: tuple(part for part in parts if family_of(part.runs[0].model) == family)
        for test, parts in tests.items()
    }


def _engine_lines(catalogs: Path, facts: Facts, fitted: Mapping[str, Fitted]) -> list[str]:
    """Of the engine with a factor of its own; its runs of mixtures are of one model, and have none."""
    runs = read_runs(catalogs, facts, engines=frozenset({estimator_engines.ENGINE}))
    dense = [run for run in runs if not run.model.is_moe]
    effect, spread = estimator_engines.factor(dense, fitted["dense"])
    named = Fitted(fitted["dense"].constants, {("engine", estimator_engines.ENGINE): effect})
    asked = {(f"engine {estimator_engines.ENGINE}", ASKED[0]): spread}
    return [*_effect_lines("dense", dense, named), *_interval_lines(NVIDIA, "dense", asked)]


_HEADER: Final = """\
# Constants of the analytical estimator (advisor/profiles/roofline.py has the equations) and how wrong it is.
# Written by catalogs/build/estimator.py from measured.parquet; do not edit. Shares are of peak figures.
# effects: what an engine, its year, a model's shape or a chip does to every time and to overheads besides.
# intervals: factors of the estimate between which nine in ten held-out measurements lie; covered_pct counts
# each group by what all the others say. errors: estimated against measured, on rows the constants had not
# seen. slo-limited: the largest rate within a mean TPOT limit, interpolated in measured sweeps; tpot, ttft:
# at the measured batch, in a closed loop; the other tests: the rate at the measured batch.
# amd: NVIDIA's constants, slowed; where its runs cannot tell an interval, it is widened as NVIDIA's is.
version = "roofline-4"
source = "fitted on measured.parquet: NVIDIA, up to 8 accelerators, without MLPerf and flagged rows"
"""


def _constant_lines(vendor: str, family: str, runs: Sequence[Run], fitted: Fitted) -> list[str]:
    lines = [f"[constants.{_key(vendor)}.{family}]  # {len(runs)} rows"]
    return [
        *lines,
        *(f"{f.name} = {_number(getattr(fitted.constants, f.name))}" for f in fields(Constants)),
        "",
    ]


def _seen_lines(vendor: str, family: str, runs: Sequence[Run]) -> list[str]:
    chips = sorted({run.accelerator.id for run in runs})
    shapes = sorted({shape_key(run.model) for run in runs})
    each = [f'    "{shape}",  # {_models(runs, shape)}' for shape in shapes]
    listed = ", ".join(f'"{chip}"' for chip in chips)
    return [f"[seen.{_key(vendor)}.{family}]", f"accelerators = [{listed}]", "shapes = [", *each, "]", ""]


def _effect_lines(family: str, runs: Sequence[Run], fitted: Fitted) -> list[str]:
    lines = []
    for (of, name), effect in sorted(fitted.effects.items()):
        whose = f"  # {_models(runs, name)}" if of == "shape" else ""
        lines += [
            "[[effects]]",
            'vendor = "nvidia"',
            f'family = "{family}"',
            f'of = "{of}"',
            f'name = "{name}"{whose}',
            f"time = {_number(effect.time)}",
            f"overhead = {_number(effect.overhead)}",
            "",
        ]
    return lines


def _interval_lines(vendor: str, family: str, found: Mapping[tuple[str, str], Spread]) -> list[str]:
    lines = []
    for (unseen, asked), spread in found.items():
        lines += [
            "[[intervals]]",
            f'vendor = "{vendor}"',
            f'family = "{family}"',
            f'unseen = "{unseen}"',
            f'asked = "{asked}"',
            f"rows = {spread.rows}",
            f"low = {_number(spread.low)}",
            f"high = {_number(spread.high)}",
            f"covered_pct = {spread.covered_pct}",
            "",
        ]
    return lines


def _test_lines(vendor: str, family: str, parts: Mapping[str, tuple[Part, ...]]) -> list[str]:
    lines = []
    for test, each in parts.items():
        lines += _error_lines(vendor, test, family, scores(each))
        lines += _error_lines(vendor, f"slo-limited, {test}", family, scores(each, "slo"))
        for of in ("tpot", "ttft"):
            lines += _error_lines(vendor, f"{of}, {test}", family, scores(each, of))
    return lines


def _error_lines(vendor: str, test: str, family: str, found: Mapping[str, Score]) -> list[str]:
    lines = []
    for name, each in found.items():
        rows, median, p90, ratio = astuple(each)
        lines += [
            "[[errors]]",
            f'test = "{test}"',
            f'vendor = "{vendor}"',
            f'family = "{family}"',
            f'held_out = "{name}"',
            f"rows = {rows}",
            f"median_abs_pct = {median}",
            f"p90_abs_pct = {p90}",
            f"median_ratio = {ratio}",
            "",
        ]
    return lines


def _write_residuals(path: Path, parts: Mapping[str, Parts]) -> None:
    """One row per held-out measurement; the same rows give the same bytes."""
    import duckdb

    temporary = path.with_suffix(".part")
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(
            "CREATE TABLE residuals (vendor VARCHAR, family VARCHAR, unseen VARCHAR, asked VARCHAR,"
            " held_out VARCHAR, log_measured_over_estimated FLOAT)"
        )
        connection.executemany("INSERT INTO residuals VALUES (?, ?, ?, ?, ?, ?)", list(_residuals(parts)))
        connection.execute(
            f"COPY (SELECT * FROM residuals ORDER BY ALL) TO '{temporary}' (FORMAT parquet, COMPRESSION zstd)"  # noqa: S608
        )
    temporary.replace(path)


def _residuals(parts: Mapping[str, Parts]) -> Iterator[tuple[str, str, str, str, str, float]]:
    for vendor, families in parts.items():
        for family, tests in families.items():
            for unseen, test in TEST_OF.items():
                for asked, of in zip(ASKED, ("rate", "slo"), strict=True):
                    for name, found in distances(tests.get(test, ()), of).items():
                        for value in found:  # rounded, so that another processor's last bit changes nothing
                            yield vendor, family, unseen, asked, name, round(float(value), 4)


def _models(runs: Sequence[Run], shape: str) -> str:
    return ", ".join(sorted({run.model.id for run in runs if shape_key(run.model) == shape}))


def _key(vendor: str) -> str:
    return f'"{vendor}"' if " " in vendor else vendor


def _number(value: float) -> str:
    return f"{value:.4g}"
