"""What came of replaying requests against the plan."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from advisor.plan.record import Rate, Record, Usd

Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class HeadroomTrial(Record):
    """A plan made with some headroom, and whether its replay passed."""

    headroom: Annotated[float, Field(ge=0, lt=1)] = Field(description="share of every replica kept free")
    passes: bool = Field(description="whether its replay reached the target")
    usd_per_hour: Usd | None = Field(description="what that fleet costs; null where there is none")


class Simulation(Record):
    """The verdict of a replay, with what it takes to repeat it."""

    verdict: Literal["pass", "fail"] = Field(description="whether every service reached the target")
    target_percent: Percent = Field(description="of each service's requests that must be within its limits")
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
    trials: list[HeadroomTrial] = Field(
        default_factory=list, description="headrooms tried on the way to this plan, in order"
    )
