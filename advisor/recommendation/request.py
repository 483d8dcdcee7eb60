"""What is asked for: a service, where and how it may be bought, and how strong the evidence must be."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from advisor.catalog.freshness import ON_DEMAND_LIMIT, SPOT_LIMIT
from advisor.domain import EvidenceKind, Market, Service, Slo, SloStatistic
from advisor.errors import UsageError
from advisor.recommendation.policy import Policy

if TYPE_CHECKING:
    from datetime import timedelta
    from decimal import Decimal

DEFAULT_MODEL: Final = "Llama-3.1-8B-Instruct"
DEFAULT_PRECISION: Final = "bf16"
DEFAULT_ENGINE: Final = "vLLM"
ENGINES: Final = ("vLLM", "SGLang", "TensorRT-LLM", "llama.cpp", "TGI", "Deepspeed", "any")
"""Engines the evidence names; the estimator does not tell them apart. ``any`` takes the figures of all."""

DEFAULT_WORKLOAD: Final = "azure-2023-conv"
DEFAULT_RATE_REQUESTS_PER_S: Final = 16.0
DEFAULT_SLO: Final = Slo(tpot_ms=60.0, ttft_ms=1000.0, statistic=SloStatistic("p95"))
"""95 % of requests begin within a second and then read on faster than people do."""

DEFAULT_MEAN_SLO: Final = Slo(tpot_ms=60.0)
"""Where the mean is asked for: the question of the Mélange paper (arXiv:2404.14527, section 6)."""

DEFAULT_HEADROOM: Final = 0.15
"""Share of capacity kept free. Load of different sizes does not add up exactly: a mixed batch reached between
0.87 and 1.22 of the additive prediction on memory-bound 24 GB cards (5th to 95th percentile of 500 random
mixes), which asks for 10 to 15 %; the larger end also leaves a small fleet some room for bursts."""

DEFAULT_TIME_LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """One question to the advisor; everything in it is resolved to canonical names."""

    services: tuple[Service, ...]  #: one or more, with names of their own
    regions: tuple[str, ...] = ()  #: patterns as given; empty is every region
    near: tuple[str, ...] = ()  #: ``REGION`` or ``REGION=KM``
    providers: tuple[str, ...] = ()
    markets: tuple[Market, ...] = (Market.ON_DEMAND, Market.SPOT)
    accelerators: tuple[str, ...] = ()  #: patterns as given; empty is every accelerator
    exclude_accelerators: tuple[str, ...] = ()
    instance_types: tuple[str, ...] = ()  #: patterns as given; ``!`` before one leaves out
    evidence: EvidenceKind = EvidenceKind.ESTIMATED  #: the weakest that counts
    include: frozenset[str] = frozenset()  #: of ``catalog.buyable.INCLUDABLE``
    allow_unknown_availability: bool = False
    max_usd_per_hour: Decimal | None = None  #: per instance
    coverage_percent: float = 100.0
    time_limit_s: float = DEFAULT_TIME_LIMIT_S  #: for the whole answer, comparisons included
    on_demand_limit: timedelta = ON_DEMAND_LIMIT  #: older list prices are stale
    spot_limit: timedelta = SPOT_LIMIT  #: older spot prices are stale
    refuse_stale: bool = False  #: whether a fleet at stale prices is no answer
    command: str = ""  #: the command line that asked
    policy: Policy = field(default_factory=Policy)  #: what the fleet obeys besides
    attain_percent: float | None = None  #: of each service's requests within all limits; None: as they say
    notes: tuple[str, ...] = ()  #: sentences on how the question was understood

    @property
    def service(self) -> Service:
        """The first service, for questions that are about one alone."""
        return self.services[0]


def checked_number(
    name: str, value: float, *, above: float, at_most: float, inclusive: bool = False
) -> float:
    """The value, if it is a finite number in range.

    Raises:
        UsageError: it is not; the message names the option, the value and the range.
    """
    too_low = value < above if inclusive else value <= above
    if not math.isfinite(value) or too_low or value > at_most:
        low = f"at least {above:g}" if inclusive else f"above {above:g}"
        raise UsageError(f"{name} {value:g} is not allowed; it must be {low} and at most {at_most:g}")
    return value
