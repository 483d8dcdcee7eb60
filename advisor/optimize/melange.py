"""The allocation problem in the config format of the Mélange release, and its answer.

Semantics are the release's: a bucket's rate is its share times ``total_request_rate``. Shares are not
normalised, so shares that sum to 1.2 plan for 1.2 times the total; :func:`notes` says so. A throughput of 0
means that the GPU cannot serve the bucket (the release divides by it).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from advisor.errors import InputFileError
from advisor.optimize.infeasibility.diagnose import solve_or_say_why
from advisor.optimize.problem import Column, Problem, ServingOption

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from advisor.optimize.problem import Solution

MOST_BYTES: Final = 64 * 2**20
MOST_SLICES: Final = 10_000
MOST: Final = 1e9
"""Largest cost, rate or throughput accepted; beyond it the solver's tolerances mean nothing."""

LEAST: Final = 1e-9
"""Smallest positive one, for the same reason."""

_SHARES_ABOUT_ONE: Final = 1e-3

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Gpu:
    """One entry of ``gpu_info``."""

    name: str
    usd_per_hour: Decimal
    requests_per_s: Matrix  #: rows input sizes, columns output sizes; 0 cannot serve
    max_count: int | None


@dataclass(frozen=True, slots=True)
class MelangeConfig:
    """A config that may be planned on."""

    gpus: tuple[Gpu, ...]  #: in the file's order
    shares: Matrix
    total_requests_per_s: float
    slice_factor: int


def read_config(path: Path) -> MelangeConfig:
    """Read and check a config file.

    Raises:
        InputFileError: with the field that is wrong.
    """
    name = str(path)
    try:
        if not path.is_file():
            raise InputFileError(name, "", "no such file", "give a Mélange config (JSON)")
        if path.stat().st_size > MOST_BYTES:
            raise InputFileError(name, "", f"{path.stat().st_size} bytes", f"at most {MOST_BYTES} are read")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputFileError(name, "", error.strerror or str(error), "the file must be readable") from error
    except UnicodeDecodeError as error:
        raise InputFileError(name, "", f"byte {error.start}", "the file must be UTF-8 text") from error
    return parse_config(text, name)


def parse_config(text: str, name: str = "config") -> MelangeConfig:
    """The checked config in a JSON text; ``name`` is what messages call the file."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise InputFileError(name, key, key, "a name may stand once in an object")
            found[key] = value
        return found

    try:
        raw = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise InputFileError(
            name, at, text[error.pos : error.pos + 20], f"the file must be JSON: {error.msg}"
        ) from error
    except (RecursionError, ValueError) as error:
        if isinstance(error, InputFileError):
            raise
        raise InputFileError(
            name, "", str(error), "the file must be JSON of sane depth and numbers"
        ) from error
    return _Reader(name).config(raw)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Checks one file's values; knows its name for messages."""

    file: str

    def config(self, raw: object) -> MelangeConfig:
        root = self._object(
            raw, "", "an object with gpu_info, workload_distribution, total_request_rate, slice_factor"
        )
        shares = self._matrix(self._get(root, "workload_distribution"), "workload_distribution", None)
        total = self._number(self._get(root, "total_request_rate"), "total_request_rate", positive=True)
        if sum(map(sum, shares)) <= 0:
            raise self._bad("workload_distribution", "all zero", "at least one share must be positive")
        return MelangeConfig(
            self._gpus(self._get(root, "gpu_info"), (len(shares), len(shares[0]))),
            shares,
            total,
            self._whole(self._get(root, "slice_factor"), "slice_factor", 1, MOST_SLICES),
        )

    def _gpus(self, raw: object, size: tuple[int, int]) -> tuple[Gpu, ...]:
        info = self._object(raw, "gpu_info", "an object of GPUs by name")
        if not info:
            raise self._bad("gpu_info", info, "at least one GPU")
        return tuple(self._gpu(name, entry, size) for name, entry in info.items())

    def _gpu(self, name: str, raw: object, size: tuple[int, int]) -> Gpu:
        at = f"gpu_info.{name}"
        entry = self._object(raw, at, "an object with cost and tputs")
        if not name.strip():
            raise self._bad(at, name, "a GPU needs a name")
        cost = self._number(self._get(entry, "cost", at), f"{at}.cost", positive=True)
        tputs = self._matrix(self._get(entry, "tputs", at), f"{at}.tputs", size)
        count = entry.get("max_count")
        most = None if count is None else self._whole(count, f"{at}.max_count", 0, int(MOST))
        return Gpu(name, Decimal(repr(cost)), tputs, most)

    def _matrix(self, raw: object, at: str, size: tuple[int, int] | None) -> Matrix:
        rows = self._list(raw, at)
        if size is not None and len(rows) != size[0]:
            raise self._bad(at, f"{len(rows)} rows", f"{size[0]} rows, as in workload_distribution")
        width = size[1] if size is not None else len(self._list(rows[0], f"{at}[0]"))
        matrix = []
        for i, row in enumerate(rows):
            cells = self._list(row, f"{at}[{i}]")
            if len(cells) != width:
                raise self._bad(f"{at}[{i}]", f"{len(cells)} columns", f"{width} columns in every row")
            matrix.append(
                tuple(self._number(x, f"{at}[{i}][{j}]", positive=False) for j, x in enumerate(cells))
            )
        return tuple(matrix)

    def _number(self, raw: object, at: str, *, positive: bool) -> float:
        allowed = (
            f"a number from {LEAST:g} to {MOST:g}"
            if positive
            else f"0, or a number from {LEAST:g} to {MOST:g}"
        )
        if isinstance(raw, bool) or not isinstance(raw, int | float):
            raise self._bad(at, raw, allowed)
        if isinstance(raw, float) and not math.isfinite(raw):
            raise self._bad(at, raw, allowed)
        if not (LEAST <= raw <= MOST or (raw == 0 and not positive)):
            raise self._bad(at, raw, allowed)
        return float(raw)

    def _whole(self, raw: object, at: str, least: int, most: int) -> int:
        if isinstance(raw, bool) or not isinstance(raw, int) or not least <= raw <= most:
            raise self._bad(at, raw, f"a whole number from {least} to {most}")
        return raw

    def _list(self, raw: object, at: str) -> list[object]:
        if not isinstance(raw, list) or not raw:
            raise self._bad(at, raw, "a list that is not empty")
        return raw

    def _object(self, raw: object, at: str, allowed: str) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise self._bad(at, raw, allowed)
        return raw

    def _get(self, entry: dict[str, Any], key: str, at: str = "") -> object:
        if key not in entry:
            raise self._bad(f"{at}.{key}" if at else key, "missing", f"'{key}' is required")
        return entry[key]

    def _bad(self, at: str, value: object, allowed: str) -> InputFileError:
        return InputFileError(self.file, at, value, allowed)


def notes(config: MelangeConfig) -> list[str]:
    """What a reader of the answer should know about the config."""
    total = sum(map(sum, config.shares))
    if abs(total - 1) <= _SHARES_ABOUT_ONE:
        return []
    planned = f"{total * config.total_requests_per_s:g} requests/s in all"
    return [f"the shares sum to {total:g}, not 1; like the release, this plans for {planned}"]


def to_problem(config: MelangeConfig) -> Problem:
    """The config as a problem: one demand per bucket, one single-accelerator column per GPU, by its name."""
    cells = [(i, j) for i, row in enumerate(config.shares) for j in range(len(row))]
    return Problem(
        tuple(config.shares[i][j] * config.total_requests_per_s for i, j in cells),
        tuple(f"bucket [{i}][{j}]" for i, j in cells),
        tuple(
            Column(
                gpu.name,
                gpu.usd_per_hour,
                1,
                (ServingOption(1, tuple(gpu.requests_per_s[i][j] for i, j in cells)),),
                max_instances=gpu.max_count,
            )
            for gpu in config.gpus
        ),
        {},
    )


def solve_config(config: MelangeConfig, *, split: str = "slices", time_limit_s: float = 60) -> Solution:
    """The cheapest fleet, each bucket cut in ``slice_factor`` slices or (``fluid``) split freely.

    Raises:
        NoCandidates, Infeasible, SolverFailed: as :func:`~advisor.optimize.diagnose.solve_or_say_why`.
    """
    slices = config.slice_factor if split == "slices" else None
    return solve_or_say_why(to_problem(config), time_limit_s=time_limit_s, slices=slices)


def answer(config: MelangeConfig, solution: Solution) -> dict[str, Any]:
    """The answer as the interface promises it, ready for JSON."""
    width = len(config.shares[0])
    load = {gpu: [[0.0] * width for _ in config.shares] for gpu in solution.instances}
    for (gpu, _, b), rate in solution.load_requests_per_s.items():
        load[gpu][b // width][b % width] += rate
    return {
        "status": solution.status.value,
        "counts": _in_order(config, solution.instances),
        "usd_per_hour": float(solution.usd_per_hour),
        "optimality": {
            "proved": solution.proved,
            "lower_bound_usd_per_hour": solution.lower_bound_usd_per_hour,
            "relative_gap": solution.relative_gap,
            "solver": solution.solver,
            "solve_seconds": round(solution.solve_seconds, 6),
        },
        "load": _in_order(config, load),
    }


def _in_order(config: MelangeConfig, per_gpu: Mapping[str, Any]) -> dict[str, Any]:
    return {gpu.name: per_gpu[gpu.name] for gpu in config.gpus if gpu.name in per_gpu}
