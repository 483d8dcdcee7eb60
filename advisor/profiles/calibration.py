"""Constants of the analytical estimator, and how wrong it was on data it had not seen."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from advisor.errors import DataError
from advisor.profiles.equivalence import shape_key
from advisor.profiles.roofline import Constants, Effect

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from advisor.domain import Accelerator, Model
    from advisor.profiles.replica import Replica

FILE: Final = ("profiles", "estimator.toml")

ENOUGH_ROWS: Final = 8
"""Held-out rows from which an accelerator's own error is quoted; one sweep, of 7 loads or so, is too few."""

QUOTED_TESTS: Final = ("leave-one-gpu-out", "slo-limited, leave-one-gpu-out")
"""Where an estimate's error comes from: the rate at a given batch, and the largest within a TPOT limit."""

UNSEEN: Final = ("source", "accelerator", "shape")
"""What the constants had not seen of a held-out row. Nobody's own deployment is among the sources, so the
first applies always."""

ASKED: Final = ("rate at a load", "rate within a TPOT limit")
"""What an interval is of."""

NO_SPECIFICATION: Final = "no specification"
NO_TRANSFER: Final = "constants fitted on NVIDIA and AMD do not transfer; no calibrated data"
NO_PRECISION: Final = "precision unsupported"


@dataclass(frozen=True, slots=True)
class Spread:
    """Where nine in ten held-out measurements lay, as factors of the estimate."""

    rows: int
    low: float
    high: float
    covered_pct: float  #: of held-out rows, by quantiles of all groups but their own


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


@dataclass(frozen=True)
class Calibration:
    """Everything in estimator.toml."""

    version: str  #: names the constants in a plan's sources
    source: str
    fitted: dict[tuple[str, str], Constants]  #: by vendor and family
    errors: tuple[HeldOut, ...]
    effects: dict[tuple[str, str, str, str], Effect] = field(default_factory=dict)
    """By vendor, family, what, which; :func:`levels` names them."""
    spreads: dict[tuple[str, str, str, str], Spread] = field(default_factory=dict)
    """By vendor, family, what the constants had not seen, what is asked (:data:`ASKED`)."""
    seen: dict[tuple[str, str], Seen] = field(default_factory=dict)  #: by vendor and family
    generations: dict[str, frozenset[str]] = field(default_factory=dict)
    """The only generations of a vendor's chips that its constants are of; all, where it is not here."""

    def constants(self, replica: Replica) -> Constants:
        """The constants that apply to a replica's chip, model, engine and its age.

        Raises:
            ValueError: none do; ``supports`` says so in words.
        """
        key, engine = self.key(replica), replica.engine
        try:
            base = self.fitted[key]
        except KeyError:
            raise ValueError(f"{replica.accelerator.id}: {NO_TRANSFER}") from None
        effect = Effect()
        for which in levels(engine.name, engine.era, shape_key(replica.model), replica.accelerator.id):
            effect = effect * self.effects.get((*key, *which), _NO_EFFECT)
        return base if effect == _NO_EFFECT else base.scaled(effect)

    def key(self, replica: Replica) -> tuple[str, str]:
        """Vendor and family whose constants apply; the vendor as ``amd 2024 16-bit`` where those differ."""
        vendor, family = replica.accelerator.vendor, family_of(replica.model)
        apart = f"{vendor} {replica.engine.era} {replica.bits}-bit"
        return (apart if (apart, family) in self.fitted else vendor), family

    def caution(self, replica: Replica) -> str:
        """Why a vendor's interval is wider than NVIDIA's, whose runs are the many; blank for NVIDIA."""
        key = self.key(replica)
        spread = self.spreads.get((*key, UNSEEN[0], ASKED[0]))
        seen = self.seen.get(key)
        if key[0].startswith("nvidia") or spread is None or seen is None:
            return ""
        few = f"{spread.rows} runs, chips {len(seen.accelerators)}, shapes of models {len(seen.shapes)},"
        return (
            f"interval of {key[0].upper().replace('-BIT', '-bit')}, wider than NVIDIA's: {few} are behind it"
        )

    def unseen(self, replica: Replica) -> tuple[str, ...]:
        """What no run behind the constants was of: the chip, a model of this shape."""
        seen = self.seen.get(self.key(replica), Seen(frozenset(), frozenset()))
        known = replica.accelerator.id in seen.accelerators, shape_key(replica.model) in seen.shapes
        return tuple(what for what, there in zip(UNSEEN[1:], known, strict=True) if not there)

    def interval(self, replica: Replica, *, within_tpot: bool = False) -> tuple[float, float]:
        """Factors (low, high) of an estimated rate between which nine in ten measurements lie.

        They depend on what the constants have seen: a chip or a model of another shape widens them, and so
        does an engine with a spread of its own. A rate ``within_tpot`` is the largest within a limit on TPOT,
        which is further off than a rate at a load.

        Raises:
            ValueError: nothing was held out that says so.
        """
        key, asked = self.key(replica), ASKED[within_tpot]
        what = (UNSEEN[0], *self.unseen(replica), f"engine {replica.engine.name}")
        known = [self.spreads[at] for one in what if (at := (*key, one, asked)) in self.spreads]
        if not known:
            raise ValueError(f"{replica.accelerator.id}: no held-out rows say how far an estimate may be off")
        return min(spread.low for spread in known), max(spread.high for spread in known)

    def supports(self, replica: Replica) -> str | None:
        """Why there is no estimate, or None where there is one."""
        accelerator = replica.accelerator
        if (accelerator.vendor, family_of(replica.model)) not in self.fitted:
            return NO_TRANSFER
        known = self.generations.get(accelerator.vendor)
        if known is not None and accelerator.family not in known:
            only = " and ".join(sorted(known))
            return (
                f"no calibrated data: the constants are of {accelerator.vendor.upper()}'s {only} chips alone"
            )
        missing = _missing_specification(accelerator)
        if missing:
            return f"{NO_SPECIFICATION}: {accelerator.name} has no {missing} on record"
        return _unsupported_precision(replica.precision, accelerator)

    def no_limit(self, replica: Replica) -> str | None:
        """Why there is no rate within a TPOT limit where there is one at a load; None where there may be."""
        key = self.key(replica)
        at_load, within = ((*key, UNSEEN[0], asked) in self.spreads for asked in ASKED)
        if within or not at_load:
            return None
        return (
            f"no interval of a rate within a TPOT limit holds for {key[0].upper()}, {key[1]}; ask at a load"
        )

    def error_pct(self, replica: Replica) -> float | None:
        """Median absolute error in percent by constants that had not seen the accelerator.

        The larger of the two :data:`QUOTED_TESTS`: on the accelerator's own rows where it has enough, else on
        those of all its vendor's.
        """
        family = family_of(replica.model)
        found = [self._quoted(test, family, replica.accelerator) for test in QUOTED_TESTS]
        return max((error.median_abs_pct for error in found if error), default=None)

    def _quoted(self, test: str, family: str, accelerator: Accelerator) -> HeldOut | None:
        own = self._error_of.get((test, accelerator.vendor, family, accelerator.id))
        pooled = self._error_of.get((test, accelerator.vendor, family, "(pooled)"))
        return own if own and own.rows >= ENOUGH_ROWS else pooled

    @cached_property
    def _error_of(self) -> dict[tuple[str, str, str, str], HeldOut]:
        return {(e.test, e.vendor, e.family, e.held_out): e for e in self.errors}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the constants of a family have seen."""

    accelerators: frozenset[str]
    shapes: frozenset[str]


_NO_EFFECT: Final = Effect()


def levels(engine: str | None, era: str, shape: str, accelerator: str) -> tuple[tuple[str, str], ...]:
    """What may scale the constants of a run: (what, which) pairs."""
    of_engine = (("engine", engine), ("engine of year", f"{engine} {era}")) if engine else ()
    return ("year", era), *of_engine, ("shape", shape), ("accelerator", accelerator)


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


@lru_cache(maxsize=4)
def parse(text: str) -> Calibration:
    """A calibration from the text of estimator.toml."""
    raw: dict[str, Any] = tomllib.loads(text)
    fitted = {
        (vendor, family): Constants(**{name: float(value) for name, value in constants.items()})
        for vendor, families in raw["constants"].items()
        for family, constants in families.items()
    }
    errors = tuple(HeldOut(**row) for row in raw.get("errors", ()))
    effects = {
        (row["vendor"], row["family"], row["of"], row["name"]): Effect(
            float(row["time"]), float(row["overhead"])
        )
        for row in raw.get("effects", ())
    }
    spreads = {
        (row["vendor"], row["family"], row["unseen"], row["asked"]): Spread(
            row["rows"], float(row["low"]), float(row["high"]), float(row["covered_pct"])
        )
        for row in raw.get("intervals", ())
    }
    seen = {
        (vendor, family): Seen(frozenset(known["accelerators"]), frozenset(known["shapes"]))
        for vendor, families in raw.get("seen", {}).items()
        for family, known in families.items()
    }
    generations = {vendor: frozenset(names) for vendor, names in raw.get("generations", {}).items()}
    return Calibration(raw["version"], raw["source"], fitted, errors, effects, spreads, seen, generations)


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
