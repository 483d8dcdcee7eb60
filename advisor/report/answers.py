"""Answers of other commands, as their JSON files hold them: simulation, explanation, frontier.

Only what a report shows is read; what else the files hold is theirs.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from advisor.documents import decoded, parse, read_bytes
from advisor.documents.records import check
from advisor.errors import InputFileError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 50 * 2**20


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Attained(_Answer):
    """Requests within every limit of the SLO."""

    percent: float | None = Field(ge=0, le=100, description="a number from 0 to 100, or null: no requests")
    interval_percent: list[float] | None = None  #: 95 %, low and high


class Attainment(_Answer):
    """Of all requests, and per service."""

    overall: Attained = Field(description="a mapping with percent")
    per_service: dict[str, Attained] = Field(default_factory=dict)


class Statement(_Answer):
    """What the simulation's latencies rest on."""

    statement: str | None = None


class Routing(_Answer):
    """What the simulated router knew of output lengths."""

    length_error_percent: float | None = None  #: typical error of its guess
    ideal_knowledge: Attained | None = None  #: had it known them all


class Simulation(_Answer):
    """What `advisor simulate` found."""

    plan_id: str
    verdict: str
    attain_percent: float | None = None  #: what the verdict asks for
    requests: int | None = Field(default=None, ge=0, description="how many were replayed")
    completed: int | None = Field(default=None, ge=0, description="how many were finished")
    seed: int | None = None
    attainment: Attainment = Field(description="a mapping with overall")
    ttft_ms: dict[str, float | None] = Field(default_factory=dict)
    tpot_ms: dict[str, float | None] = Field(default_factory=dict)
    itl_ms: dict[str, float | None] = Field(default_factory=dict)
    e2e_ms: dict[str, float | None] = Field(default_factory=dict)
    headroom_needed: float | None = None
    routing: Routing = Routing()
    evidence: Statement = Statement()


class ExplainedAlternative(_Answer):
    """A group of offers, and what would bring it in."""

    grouping: str
    name: str
    in_plan: bool
    usd_per_hour_forced: Decimal | None = None
    regret_usd_per_hour: Decimal | None = None
    flip_price_factor: float | None = None
    flip_offer: str | None = None
    flip_usd_per_hour_each: Decimal | None = None
    blocked_by: list[str] = Field(default_factory=list)
    excluded: dict[str, int] = Field(default_factory=dict)


class Explanation(_Answer):
    """What `advisor explain` found."""

    plan_id: str
    alternatives: list[ExplainedAlternative] = Field(default_factory=list)
    asked: int | None = None  #: how many the report itself asked about; None: the whole explanation


class FrontierPoint(_Answer):
    """One fleet along the curve; no cost where none exists."""

    value: float
    usd_per_hour: Decimal | None = None


class Frontier(_Answer):
    """What `advisor frontier` found."""

    meaning: str
    unit: str
    asked_value: float | None = None  #: where the plan itself stands
    points: list[FrontierPoint]

    @property
    def against(self) -> str:
        """What varies, with its unit."""
        return f"{self.meaning}, {self.unit}" if self.unit else self.meaning

    def is_here(self, point: FrontierPoint, usd_per_hour: Decimal | None) -> bool:
        """Whether the point is the plan: by its value where that is known, else by its cost."""
        if self.asked_value is None:
            return point.usd_per_hour == usd_per_hour
        return math.isclose(point.value, self.asked_value, rel_tol=1e-6)


_Told = TypeVar("_Told", Simulation, Explanation)


def read_simulation(path: Path, plan_id: str) -> Simulation:
    """A simulation of this very plan.

    Raises:
        InputFileError: unreadable, not such a file, or of another plan.
    """
    return _of_plan(check(Simulation, _document(path, "a simulation"), str(path)), path, plan_id)


def read_explanation(path: Path, plan_id: str) -> Explanation:
    """An explanation of this very plan.

    Raises:
        InputFileError: unreadable, not such a file, or of another plan.
    """
    return _of_plan(check(Explanation, _document(path, "an explanation"), str(path)), path, plan_id)


def read_frontier(path: Path) -> Frontier:
    """A frontier.

    Raises:
        InputFileError: unreadable, or not such a file.
    """
    return check(Frontier, _document(path, "a frontier"), str(path))


def _document(path: Path, what: str) -> Any:
    return parse(decoded(read_bytes(path, MAX_BYTES, what), str(path)), str(path), "json")


def _of_plan(answer: _Told, path: Path, plan_id: str) -> _Told:
    if answer.plan_id != plan_id:
        raise InputFileError(str(path), "plan_id", answer.plan_id, f"this report is of plan {plan_id}")
    return answer
