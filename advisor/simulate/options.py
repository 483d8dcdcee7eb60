"""What a replay is asked: which requests, how long, what goes wrong, and what the router knows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

from advisor.errors import UsageError
from advisor.simulate.faults import START_UP_S, parse_loss
from advisor.simulate.router import Knowledge
from advisor.units import MAX_RATE_REQUESTS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.simulate.arrivals import Steps
    from advisor.workload.trace import Trace

LENGTH_ERROR_PERCENT: Final = 50.0
"""Typical (median) relative error of the router's guess of an output. An assumption that every replay states:
published predictors differ too much to name one, and the same prompt has answers of many lengths."""

MOST_LENGTH_ERROR_PERCENT: Final = 90.0
"""Nothing is guessed too low by more than 100 %, so no spread has a typical error beyond that."""

LONGEST_START_UP_S: Final = 86_400.0

LONGEST_S: Final = 31 * 86_400.0
MOST_REQUESTS: Final = 10_000_000
"""Of one replay: half a kilobyte and a thirtieth of a millisecond each."""

MOST_CV: Final = 20.0

Kind = Literal["trace", "poisson", "gamma"]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How requests come."""

    kind: Kind = "poisson"
    cv: float = 1.0  #: coefficient of variation of the gaps; 1 is Poisson; not used for traces

    def __str__(self) -> str:
        return f"gamma:{self.cv:g}" if self.kind == "gamma" else self.kind


@dataclass(frozen=True, slots=True)
class Options:
    """A replay's question. None means: as the plan or the trace has it."""

    arrivals: Arrivals | None = (
        None  #: None: the trace if one is given, else as the service states, else Poisson
    )
    rate: Steps | None = None  #: requests per second of all services together, over time
    scale: float = 1.0  #: of every rate, the trace's too
    duration_s: float | None = None  #: None: the trace's, else by :func:`default_duration_s`
    seed: int = 0
    lose: str | None = None  #: as ``--lose`` has it
    attain_percent: float | None = None  #: of each service's requests within all limits; None: as they say
    knowledge: Knowledge = Knowledge.PREDICTED
    length_error_percent: float = LENGTH_ERROR_PERCENT
    start_up_s: float = START_UP_S
    traces: Mapping[str, Trace] = field(default_factory=dict)  #: per service name
    compare_ideal: bool = True  #: whether to replay again with a router that knows every output

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed} is not allowed; a whole number from 0")
        if self.duration_s is not None and not 0 < self.duration_s <= LONGEST_S:
            raise UsageError(
                f"--duration-s {self.duration_s:g} is not allowed; above 0, at most {LONGEST_S:.0f} (31 days)"
            )
        if self.attain_percent is not None and not 0 < self.attain_percent <= 100:
            raise UsageError(f"--attain {self.attain_percent:g} is not allowed; above 0, at most 100")
        if not 0 <= self.length_error_percent <= MOST_LENGTH_ERROR_PERCENT:
            raise UsageError(
                f"--length-error-percent {self.length_error_percent:g} is not allowed; "
                f"0 to {MOST_LENGTH_ERROR_PERCENT:g}"
            )
        if not 0 <= self.start_up_s <= LONGEST_START_UP_S:
            raise UsageError(f"--start-up-s {self.start_up_s:g} is not allowed; 0 to {LONGEST_START_UP_S:g}")
        if self.lose is not None:
            parse_loss(self.lose)


def parse_arrivals(text: str) -> Arrivals:
    """``trace``, ``poisson`` or ``gamma:CV``.

    Raises:
        UsageError: none of these.
    """
    kind, _, value = text.partition(":")
    if text in ("trace", "poisson"):
        return Arrivals("trace" if text == "trace" else "poisson")
    if kind == "gamma":
        try:
            cv = float(value)
        except ValueError:
            cv = math.nan
        if 0 < cv <= MOST_CV:
            return Arrivals("gamma", cv)
    raise UsageError(
        f"--arrivals {text!r} is not allowed; trace, poisson, or gamma:CV, CV above 0 and at most {MOST_CV:g}"
    )


def parse_rate(text: str) -> Steps:
    """``20`` or ``0=10,900=30``: requests per second from each second on.

    Raises:
        UsageError: not numbers, not rising from 0, or out of range.
    """
    parts = text.split(",") if "=" in text else [f"0={text}"]
    steps = []
    for part in parts:
        start, _, rate = part.partition("=")
        try:
            steps.append((float(start), float(rate)))
        except ValueError:
            raise _bad_rate(text) from None
    rising = all(a[0] < b[0] for a, b in pairwise(steps))
    fine = all(math.isfinite(t) and 0 <= r <= MAX_RATE_REQUESTS_PER_S for t, r in steps)
    if not (rising and fine and steps[0][0] == 0 and any(rate > 0 for _, rate in steps)):
        raise _bad_rate(text)
    return tuple(steps)


def _bad_rate(text: str) -> UsageError:
    return UsageError(
        f"--rate {text!r} is not allowed; requests per second above 0, at most {MAX_RATE_REQUESTS_PER_S:g}, "
        f"or SECOND=RATE pairs from second 0, e.g. 0=10,900=30"
    )


def default_duration_s(rate_per_s: float) -> float:
    """An hour, less where that is over 60,000 requests, but never under ten minutes."""
    return min(3600.0, max(600.0, 60_000 / max(rate_per_s, 1e-9)))
