"""What an explanation says, apart from how it is found out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Replacement:
    """What would be bought without a line of the plan."""

    offer: str  #: offer id of the line
    instances: int
    usd_per_hour: Decimal
    serves: tuple[str, ...]  #: in words, busiest first
    usd_per_hour_without: Decimal | None  #: of the cheapest fleet without it; None if nothing replaces it
    fleet_without: tuple[str, ...]
    leaves_at_usd_per_hour_each: Decimal | None  #: price above which it is not in the cheapest fleet
    checked: bool  #: whether that price was solved on both sides


@dataclass(frozen=True, slots=True)
class Alternative:
    """A group of offers, and what would have to change for it to be bought, or not to be."""

    grouping: str
    name: str
    in_plan: bool
    candidates: int  #: offers of the group that could be bought
    usd_per_hour_forced: Decimal | None  #: cheapest fleet with at least one instance of it
    usd_per_hour_without: Decimal | None  #: cheapest fleet without it; None if nothing replaces it
    regret_usd_per_hour: Decimal | None  #: forced (or without, if in the plan) minus the optimum
    flip_price_factor: float | None  #: of list price at which it enters (or leaves); None: price is not why
    flip_offer: str | None  #: the offer of the group that is bought there
    flip_usd_per_hour_each: Decimal | None  #: its price there
    flip_checked: bool
    flip_fleet: tuple[str, ...]  #: bought there
    throughput_factor: (
        float | None
    )  #: how much faster it would have to be to enter; None: not asked, or never
    blocked_by: tuple[str, ...]  #: quota pools that forbid even one instance, in words
    enters_with_units: dict[str, Decimal]  #: per such pool, the least free units with which it is bought
    excluded: dict[str, int]  #: its offers that cannot be bought, counted per reason


@dataclass(frozen=True, slots=True)
class QuotaValue:
    """What more of a quota is worth."""

    pool: str  #: ``provider:region:pool``
    name: str  #: the provider's own wording
    unit: str
    free_units: Decimal
    drawn_units: Decimal
    added_units: Decimal  #: the least tried that saves anything; what is asked for
    usd_per_hour_with: Decimal
    usd_per_month_per_unit: Decimal  #: saved per month and unit, of those added
    request_text: str  #: of a quota-increase request


@dataclass(frozen=True, slots=True)
class Tail:
    """What the rarest and largest requests cost."""

    what: str  #: a bucket's label, or a coverage
    share: float  #: of all requests, left out
    usd_per_hour_without: Decimal
    saving_usd_per_hour: Decimal
    fleet: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything `advisor explain` says of a plan."""

    plan_id: str
    usd_per_hour: Decimal
    lines: tuple[Replacement, ...]
    alternatives: tuple[Alternative, ...]
    left_out: dict[str, int]  #: per grouping, groups not gone through
    quotas: tuple[QuotaValue, ...]
    tail: tuple[Tail, ...]
    unanswered: tuple[str, ...] = ()  #: questions there was no time for
    notes: tuple[str, ...] = ()  #: what of the plan's question is held in every figure, in sentences
