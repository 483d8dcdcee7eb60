"""How far prices move while nobody looks, by provider, market and age. Pure.

Learned from the history that ships: of all pairs of prices of one offer so many days apart, nine in ten were
within a factor of each other, up or down. A longer age never has a smaller factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from advisor.domain import Market  # noqa: TC001  read by csv_records

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE: Final = "price_moves.csv"


@dataclass(frozen=True, slots=True)
class PriceMove:
    """What nine in ten prices stayed within."""

    provider: str
    market: Market
    age_days: int  #: between the two prices of a pair
    factor: float  #: at least 1: the later price is between 1/factor and factor times the earlier one
    pairs: int  #: how many it was learned from

    @property
    def key(self) -> str:
        """``provider:market:age_days``."""
        return f"{self.provider}:{self.market.value}:{self.age_days}"


def factor_at(moves: Iterable[PriceMove], provider: str, market: Market, age_days: float) -> float | None:
    """The factor that nine in ten prices of that age are within; None where no history tells.

    Between two ages its logarithm is linear. Below the shortest and beyond the longest it follows the square
    root of the age, as that of a random walk.
    """
    known = sorted(
        (move.age_days, move.factor) for move in moves if (move.provider, move.market) == (provider, market)
    )
    if not known:
        return None
    (first, factor), (last, most) = known[0], known[-1]
    age = max(age_days, 0.0)
    if age <= first:
        return math.pow(factor, math.sqrt(age / first))
    if age >= last:
        return math.pow(most, math.sqrt(age / last))
    (before, low), (after, high) = next(two for two in pairwise(known) if two[0][0] <= age < two[1][0])
    share = (age - before) / (after - before)
    return math.exp((1 - share) * math.log(low) + share * math.log(high))
