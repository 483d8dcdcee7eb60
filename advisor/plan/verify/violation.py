"""What can be wrong with a plan, and how near two numbers must be to count as equal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

SAME_RATE: Final = 1e-6
"""Relative. A solver's own feasibility tolerance is 1e-7; one request in a million is not an outage."""

SAME_SHARE: Final = 1e-6
"""Absolute, for shares, utilisations and savings, which are between 0 and 1."""

CEILING_SLACK: Final = 1e-9
"""Absolute. Optima at exactly the ceiling are common; only rounding of the last digits is forgiven."""

SAME_AGE_HOURS: Final = 0.1
"""Ages are stated for people; six minutes are a rounding, not a lie."""

PROVED_GAP: Final = 1e-4
"""Largest relative gap that may be called proved: the default of HiGHS (``mip_rel_gap``)."""

MEANINGS: Final[dict[str, str]] = {
    "plan_id": "the id is not the digest of the content: the file was edited",
    "status": "the status contradicts the rest of the plan",
    "proof": "optimal and proved must go together, within the gap",
    "lower_bound": "the lower bound is above a fleet that exists",
    "gap": "the gap is not (cost - bound) / cost",
    "warning": "something the reader must be warned of is not said",
    "saving": "the saving in words is not the baseline's",
    "interval": "not the interval the profiles give",
    "baseline": "a baseline's figures contradict each other or the plan's cost",
    "exclusions": "an exclusion has an unknown reason or fewer offers than examples",
    "source": "a number without a source",
    "catalog_age": "the stated age of the prices is not their age",
    "catalog_missing": "nothing is said about the age of prices that are paid",
    "catalog_state": "the stated catalog contradicts the snapshot or itself",
    "total": "the total is not the sum of the lines",
    "month": "the monthly figure is not 730 hours of the hourly one",
    "line_total": "a line's cost is not instances × price",
    "duplicate": "the same thing is listed twice",
    "region": "outside the regions asked for",
    "provider": "outside the providers asked for",
    "market": "outside the markets asked for",
    "accelerator": "an accelerator that was left out",
    "over_price_limit": "dearer than the limit asked for",
    "not_buyable": "cannot be bought under the plan's own rules",
    "snapshot": "not the snapshot the plan was made from",
    "unknown_offer": "the snapshot has no such offer",
    "price": "not the price in the snapshot",
    "offer_facts": "not what the snapshot says about the offer",
    "service": "the service line contradicts itself",
    "workload": "not the named workload's share",
    "unknown_purchase": "serves from something that is not bought",
    "unknown_service": "serves a service that is not in the plan",
    "unknown_bucket": "serves a request size that has no demand",
    "idle": "bought or run, but serves nothing",
    "packing": "the replicas do not fit in the instances",
    "demand": "the load does not add up to the demand",
    "utilization": "the stated utilisation is not load / capacity",
    "headroom": "busier than the headroom allows",
    "capacity": "not the capacity the profile gives",
    "no_capacity": "the profiles give no capacity here",
    "profile": "not the evidence the profiles give",
    "evidence": "weaker evidence than the plan accepts, or stated as stronger than it is",
    "degree": "the model cannot be split this way",
    "memory": "the model does not fit",
    "quota_draw": "not what the line takes from the pool",
    "quota_free": "not what the account has free",
    "quota_exceeded": "takes more than is free",
    "held": "not what the account pays already, or not added up",
    "reservation": "more than the account holds reserved",
    "rule": "a rule that contradicts itself or the plan",
    "not_survived": "the fleet does not get through a case of a rule",
    "case": "a case cannot be what the plan says it is",
    "over_budget": "dearer than the budget",
    "too_many": "more different ones than the rule allows",
    "elsewhere": "outside the places the fleet is said to stay in",
    "emissions": "emits more than the rule allows, or nobody knows how much",
    "served": "not all is served, and not for want of budget, or the share is wrong",
    "min_replicas": "fewer replicas than the service asks for",
    "users": "users are served from where they may not be, or do not add up",
    "risk": "the cost of lost spot capacity is not what the fallbacks cost",
    "side_cost": "a cost beside the instances contradicts itself",
    "carbon": "the stated emissions are not power times intensity",
    "migration": "the way from the fleet held contradicts itself or the plan",
}
"""Every code a violation can carry, and what it means in words."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that does not hold."""

    code: str  #: one of ``MEANINGS``
    where: str  #: path in the plan file
    expected: str  #: what would hold
    found: str  #: what the plan says

    @property
    def message(self) -> str:
        """The whole finding in one line."""
        return f"{self.where}: {MEANINGS[self.code]}; expected {self.expected}, found {self.found}"


def same_rate(found: float, expected: float) -> bool:
    """Equal within ``SAME_RATE``; zero equals only zero, or what rounding leaves of it."""
    return math.isclose(found, expected, rel_tol=SAME_RATE, abs_tol=1e-12)


def same_share(found: float, expected: float) -> bool:
    """Equal within ``SAME_SHARE``."""
    return abs(found - expected) <= SAME_SHARE
