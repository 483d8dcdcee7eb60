"""What a report may rest on beside the plan. Everything is optional; the report names what is absent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from advisor.catalog.history import PriceHistory
    from advisor.catalog.hosted_api import HostedPrice
    from advisor.domain import Accelerator, Offer, QuotaLimit, QuotaPool, Region
    from advisor.plan.plan import Plan
    from advisor.recommendation.sensitivity import CheapestPerSize, Swing
    from advisor.report.answers import Explanation, Frontier, Simulation


@dataclass(frozen=True, slots=True)
class Extras:
    """What takes solving to know; computed elsewhere, shown here. None: not run, and why."""

    swings: tuple[Swing, ...] | None = None
    cheapest_per_size: tuple[CheapestPerSize, ...] | None = None
    frontier: Frontier | None = None
    explanation: Explanation | None = None
    why_not: str = "not run"


@dataclass(frozen=True, slots=True)
class Beside:
    """Facts, other files and wishes."""

    now: datetime  #: when the report is made
    title: str | None = None
    requester: str | None = None
    valid_days: int | None = None
    accelerators: Mapping[str, Accelerator] = field(default_factory=dict)
    regions: Mapping[str, Region] = field(default_factory=dict)
    pools: Sequence[QuotaPool] = ()
    offers: Mapping[str, Offer] = field(default_factory=dict)  #: of the plan's own snapshot, by id
    hosted: Sequence[HostedPrice] = ()
    histories: Sequence[PriceHistory] = ()
    show_quota: bool = False  #: limits held are private: shown only if asked
    limits: Mapping[str, QuotaLimit] | None = None  #: by key; None: no account file
    previous: Plan | None = None
    simulation: Simulation | None = None
    extras: Extras = Extras()
    command: str = ""  #: the command line that makes the report
    files: Mapping[str, str] = field(default_factory=dict)  #: SHA-256 of every file read, by what it is
