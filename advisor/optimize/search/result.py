"""What a search comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.optimize.formulation import Case
    from advisor.optimize.search.rounding import RoutedFleet
    from advisor.optimize.search.scenarios import CaseResult

OUT_OF_TIME: Final = "no fleet was found in the time allowed; allow more with --time-limit-s"


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A fleet that holds, what is proved about it, and the cases it was put through."""

    fleet: RoutedFleet
    bound: float  #: on the cost of any fleet that serves as much
    certified: bool = False  #: the bound was added up here and rests on no solver's word
    served_at_most: float | None = None  #: with a budget: a bound on the requests served, by weight
    tried: Sequence[CaseResult] = ()
    enforced: Sequence[Case] = ()
