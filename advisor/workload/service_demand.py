"""Demand as people know it: in a service file under ``demand``, or as options of one question."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, model_validator

from advisor.workload.workload_file import StrictRecord

MAX_COUNT: Final = 1e12
MAX_THINK_TIME_S: Final = 86_400.0
MAX_GROWTH_FACTOR: Final = 1_000.0

_Many = Annotated[
    float,
    Field(
        gt=0, le=MAX_COUNT, allow_inf_nan=False, description=f"a number above 0 and at most {MAX_COUNT:,.0f}"
    ),
]


class DemandRecord(StrictRecord):
    """How much is asked for, in one of four ways, and by how much it will grow."""

    requests_per_minute: _Many | None = None
    users: _Many | None = None
    think_time_s: float | None = Field(
        default=None,
        ge=0,
        le=MAX_THINK_TIME_S,
        allow_inf_nan=False,
        description="seconds from an answer to the same user's next request, a number from 0 to "
        f"{MAX_THINK_TIME_S:,.0f}; with users",
    )
    concurrency: _Many | None = None
    tokens_per_day: _Many | None = None
    growth_factor: float | None = Field(
        default=None,
        gt=0,
        le=MAX_GROWTH_FACTOR,
        allow_inf_nan=False,
        description=f"what demand is multiplied by, a number above 0 and at most {MAX_GROWTH_FACTOR:,.0f}",
    )

    @property
    def stated(self) -> tuple[str, ...]:
        """Which of the four ways are used."""
        ways = ("requests_per_minute", "users", "concurrency", "tokens_per_day")
        return tuple(way for way in ways if getattr(self, way) is not None)

    @model_validator(mode="after")
    def _says_one_thing(self) -> DemandRecord:
        if len(self.stated) > 1:
            raise ValueError(f"one of {' and '.join(self.stated)}, not both")
        if (self.users is None) != (self.think_time_s is None):
            raise ValueError("users and think_time_s are needed together")
        return self
