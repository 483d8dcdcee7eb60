"""Constants of the analytical estimator, and how wrong it was on data it had not seen."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from advisor.errors import DataError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from advisor.domain import Accelerator, Model

FILE: Final = ("profiles", "estimator.toml")

ENOUGH_ROWS: Final = 8
"""Held-out rows from which an accelerator's own error is quoted; one sweep, of 7 loads or so, is too few."""

QUOTED_TESTS: Final = ("leave-one-gpu-out", "slo-limited, leave-one-gpu-out")
"""Where an estimate's error comes from: the rate at a given batch, and the largest within a TPOT limit."""

NO_SPECIFICATION: Final = "no specification"
NO_TRANSFER: Final = "constants fitted on NVIDIA do not transfer; no calibrated data"
NO_PRECISION: Final = "precision unsupported"


@dataclass(frozen=True, slots=True)
class Constants:
    """Efficiencies and overheads of one family of models on one vendor's chips; see ``roofline``."""

    mfu_16: float  #: share of peak dense 16-bit arithmetic
    mfu_8: float
    mfu_4: float
    mbu: float  #: share of peak memory bandwidth
    step_ms: float  #: c0, per engine step
    sequence_us: float  #: c1, per sequence per step
    link_share: float  #: le, share of one-way link bandwidth
    allreduce_us_fast: float  #: a, NVLink class
    allreduce_us_slow: float  #: a, PCIe class
    max_sequences: float  #: largest batch the constants are used for


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Error on rows of one thing the constants had not seen."""

    test: str  #: ``leave-one-gpu-out``, ``…-model-out``, ``…-source-out``, ``slo-limited, …``
    vendor: str
    family: str  #: ``dense`` or ``moe``
    held_out: str  #: what was left out; ``(pooled)`` for all of them in turn
    rows: int
    median_abs_pct: float
    p90_abs_pct: float
    median_ratio: float  #: estimated over measured


@dataclass(frozen=True, slots=True)
class Calibration:
    """Everything in estimator.toml."""

    version: str  #: names the constants in a plan's sources
    source: str
    fitted: dict[tuple[str, str], Constants]  #: by vendor and family
    errors: tuple[HeldOut, ...]

    def constants(self, model: Model, accelerator: Accelerator) -> Constants:
        """The constants that apply.

        Raises:
            ValueError: none do; ``supports`` says so in words.
        """
        try:
            return self.fitted[accelerator.vendor, family_of(model)]
        except KeyError:
            raise ValueError(f"{accelerator.id}: {NO_TRANSFER}") from None

    def supports(self, model: Model, precision: str, accelerator: Accelerator) -> str | None:
        """Why there is no estimate, or None where there is one."""
        if (accelerator.vendor, family_of(model)) not in self.fitted:
            return NO_TRANSFER
        missing = _missing_specification(accelerator)
        if missing:
            return f"{NO_SPECIFICATION}: {accelerator.name} has no {missing} on record"
        return _unsupported_precision(precision, accelerator)

    def error_pct(self, model: Model, accelerator: Accelerator) -> float | None:
        """Median absolute error in percent by constants that had not seen the accelerator.

        The larger of the two :data:`QUOTED_TESTS`: on the accelerator's own rows where it has enough, else on
        those of all its vendor's.
        """
        family = family_of(model)
        found = [self._quoted(test, family, accelerator) for test in QUOTED_TESTS]
        return max((error.median_abs_pct for error in found if error), default=None)

    def _quoted(self, test: str, family: str, accelerator: Accelerator) -> HeldOut | None:
        mine = [e for e in self.errors if (e.test, e.vendor, e.family) == (test, accelerator.vendor, family)]
        by_name = {e.held_out: e for e in mine}
        own = by_name.get(accelerator.id)
        return own if own and own.rows >= ENOUGH_ROWS else by_name.get("(pooled)")


def family_of(model: Model) -> str:
    """``moe`` or ``dense``: the constants differ."""
    return "moe" if model.is_moe else "dense"


def load(root: Path | None = None) -> Calibration:
    """The calibration in ``root`` (a catalogs directory), by default the one in the package.

    Raises:
        DataError: the file is missing or not what it should be.
    """
    base: Traversable | Path = resources.files("catalogs") if root is None else root
    file = base.joinpath(*FILE)
    try:
        return parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{'/'.join(FILE)}: {error}") from error


def parse(text: str) -> Calibration:
    """A calibration from the text of estimator.toml."""
    raw: dict[str, Any] = tomllib.loads(text)
    fitted = {
        (vendor, family): Constants(**{name: float(value) for name, value in constants.items()})
        for vendor, families in raw["constants"].items()
        for family, constants in families.items()
    }
    errors = tuple(HeldOut(**row) for row in raw.get("errors", ()))
    return Calibration(raw["version"], raw["source"], fitted, errors)


def _missing_specification(accelerator: Accelerator) -> str | None:
    if accelerator.memory_bandwidth_gb_per_s is None:
        return "memory bandwidth"
    if accelerator.bf16_dense_tflops is None:
        return "16-bit arithmetic"
    return None


def _unsupported_precision(precision: str, accelerator: Accelerator) -> str | None:
    """bf16 where only fp16 is computed, and 8 bits without 8-bit units: no measured row is behind them."""
    if precision == "bf16" and not accelerator.has_bf16:
        return f"{NO_PRECISION}: {accelerator.name} computes fp16, not bf16"
    if precision in ("fp8", "int8") and accelerator.fp8_dense_tflops is None:
        return f"{NO_PRECISION}: {accelerator.name} has no 8-bit arithmetic on record"
    return None
