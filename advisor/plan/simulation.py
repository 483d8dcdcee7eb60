"""What came of replaying requests against the plan."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from advisor.domain import SloStatistic
from advisor.plan.record import Rate, Record, Usd

Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class HeadroomTrial(Record):
    """A plan made with some headroom, and whether its replay passed."""

    headroom: Annotated[float, Field(ge=0, lt=1)] = Field(description="share of every replica kept free")
    passes: bool = Field(description="whether its replay reached the target")
    usd_per_hour: Usd | None = Field(description="what that fleet costs; null where there is none")


class LimitVerdict(Record):
    """One latency limit of a service, as its replayed requests saw it."""

    service: str = Field(description="name of the service")
    metric: Literal["tpot", "ttft", "e2e", "itl"] = Field(description="which latency")
    statistic: SloStatistic = Field(description="which statistic of it the limit binds")
    limit_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(description="the limit")
    mean_ms: Rate | None = Field(description="the mean found; null where no request has that latency")
    within_percent: Percent = Field(description="of requests, or of gaps between tokens, within the limit")
    holds: bool = Field(description="whether the statistic is within the limit")


class Simulation(Record):
    """The verdict of a replay, with what it takes to repeat it."""

    verdict: Literal["pass", "fail"] = Field(description="whether every service reached the target")
    target_percent: Percent | None = Field(
        description="of each service's requests that must be within all its limits; null: as they say"
    )
    attained_percent: Percent | None = Field(description="of all requests; null where none completed")
    requests: Annotated[int, Field(ge=0)] = Field(description="replayed")
    duration_s: Rate = Field(description="seconds of arrivals")
    arrivals: list[str] = Field(description="how requests came, per service")
    seed: int = Field(description="of every random draw: the same seed gives the same replay")
    length_error_percent: Percent | None = Field(
        default=None, description="typical error of the router's guess of an answer's length; assumed"
    )
    evidence: str = Field(description="what the replicas' speed in the replay rests on")
    bottleneck: str = Field(description="what ran out first")
    headroom_needed: float | None = Field(
        default=None,
        description="with which such a plan would just pass; null was not searched, or none does",
    )
    limits: list[LimitVerdict] = Field(
        default_factory=list, description="every limit by its own statistic, replicas each replayed alone"
    )
    rounds: Annotated[int, Field(ge=1)] = Field(
        default=1, description="fleets solved for and replayed on the way to this one"
    )
    full_load_usd_per_hour: Usd | None = Field(
        default=None, description="what no fleet serves below, however full its replicas; null is not known"
    )
    trials: list[HeadroomTrial] = Field(
        default_factory=list, description="headrooms tried on the way to this plan, in order"
    )
