"""What a commitment says: lines, hours, scenarios and other ways to buy, apart from how it is found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.errors import UsageError

if TYPE_CHECKING:
    from advisor.catalog.terms import Term
    from advisor.domain import Offer
    from advisor.optimize.commitments.levels import DemandLevels
    from advisor.optimize.commitments.search import CommitmentSolution

MOST_SCENARIOS: Final = 12
MOST_GROWTH: Final = 100.0

Growth = tuple[tuple[float, Decimal], ...]
"""(factor, weight) per scenario; the weights sum to 1."""

FLAT: Final[Growth] = ((1.0, Decimal(1)),)


@dataclass(frozen=True, slots=True)
class CommittedLine:
    """So many instances of one kind in one place under one term."""

    offer: Offer  #: whose kind and place it is
    term: Term
    count: int
    usd_per_hour_each: Decimal
    on_demand_usd_per_hour_each: Decimal | None
    usd_per_hour: Decimal
    usd_over_term: Decimal
    upfront_usd: Decimal
    saves_usd_per_hour: (
        Decimal | None
    )  #: expected, against the same plan without the line; None: there is none
    pays_after_months: Decimal | None  #: when renting instead would have cost the whole term; None: never
    break_even_utilisation: float | None  #: share of hours one instance must replace an on-demand one
    last_needed_share: (
        float | None
    )  #: expected share of hours in which one instance less would cost something


@dataclass(frozen=True, slots=True)
class TypicalHour:
    """What runs at one level of demand."""

    name: str
    factor: float
    requests_per_s: float
    committed: int
    on_demand: int
    spot: int
    held: int  #: reservations of the account
    rented_usd_per_hour: Decimal
    fleet: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Beside:
    """Another way to buy the same hours."""

    name: str
    usd_per_hour: Decimal | None
    reason: str = ""  #: why there is none


@dataclass(frozen=True, slots=True)
class Outcome:
    """One scenario: what the commitments cost there, and what would have been best."""

    growth: float
    weight: Decimal
    usd_per_hour: Decimal
    on_demand_usd_per_hour: Decimal | None
    foresight_usd_per_hour: Decimal
    foresight_bound_usd_per_hour: float
    foresight: tuple[str, ...]  #: what would have been committed

    @property
    def regret_usd_per_hour(self) -> Decimal:
        """Dearer than the best commitments found for it."""
        return self.usd_per_hour - self.foresight_usd_per_hour


@dataclass(frozen=True, slots=True)
class Commitment:
    """The answer."""

    lines: tuple[CommittedLine, ...]
    committed: CommitmentSolution
    hours: tuple[TypicalHour, ...]  #: lowest, median, highest
    beside: tuple[Beside, ...]
    outcomes: tuple[Outcome, ...]  #: by growth
    levels: DemandLevels
    week_hours: int
    week_source: str
    requests_per_s: float  #: at factor 1
    snapshot_id: str
    notes: tuple[str, ...]  #: what was not taken into account, terms without an offer


def parse_growth(text: str) -> Growth:
    """``0.8:0.25,1.0:0.5,1.3:0.25``, or factors alone, which then weigh the same.

    Raises:
        UsageError: not numbers, out of range, twice, or weights that do not sum to 1.
    """
    allowed = "factors with weights that sum to 1, e.g. 0.8:0.25,1.0:0.5,1.3:0.25"
    parts = [part.split(":") for part in text.split(",")]
    try:
        factors = [float(part[0]) for part in parts]
        weights = [Decimal(part[1].strip()) for part in parts if len(part) == 2]
    except (ValueError, ArithmeticError):
        raise UsageError(f"--growth {text!r} is not allowed; {allowed}") from None
    if not weights and all(len(part) == 1 for part in parts):
        weights = [Decimal(1) / len(parts)] * len(parts)
        weights[-1] = 1 - sum(weights[:-1], Decimal(0))
    good = (
        len(weights) == len(parts) <= MOST_SCENARIOS
        and all(0 < factor <= MOST_GROWTH and math.isfinite(factor) for factor in factors)
        and all(weight.is_finite() and weight > 0 for weight in weights)
        and sum(weights) == 1
        and len(set(factors)) == len(factors)
    )
    if not good:
        raise UsageError(
            f"--growth {text!r} is not allowed; {allowed}; at most {MOST_SCENARIOS} factors, each once, "
            f"above 0 and at most {MOST_GROWTH:g}"
        )
    return tuple(sorted(zip(factors, weights, strict=True)))
