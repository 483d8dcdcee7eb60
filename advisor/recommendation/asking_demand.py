"""How many requests a second: what was asked for in the words people have for it, else what the trace had.

Users who wait for their answers are a closed system. A fleet just large enough for its limits answers as
slowly as they allow, so each user's round is think time plus that answer, and N of them ask N / round times a
second (interactive response time law: Denning and Buzen, "The operational analysis of queueing network
models", ACM Computing Surveys 10(3), 1978; Little's law where nobody thinks).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import fsum
from typing import TYPE_CHECKING, Any, Final

from advisor.domain import ClosedLoop
from advisor.errors import InputFileError, UsageError
from advisor.recommendation import request as defaults
from advisor.recommendation.request import checked_number
from advisor.units import MAX_RATE_REQUESTS_PER_S
from advisor.workload.service_demand import MAX_COUNT, MAX_GROWTH_FACTOR, MAX_THINK_TIME_S

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from advisor.domain import Slo, Traffic, Workload
    from advisor.workload.service_record import ServiceRecord

SMALLEST_RATE_REQUESTS_PER_S: Final = 1e-4
"""One request in three hours; below that an instance by the hour is the wrong thing to buy."""
SECONDS_PER_DAY: Final = 86_400

WAYS: Final = {
    "rate_requests_per_s": "--rate",
    "requests_per_minute": "--requests-per-minute",
    "users": "--users",
    "concurrency": "--concurrency",
    "tokens_per_day": "--tokens-per-day",
}
"""Ways to say how much is asked for, and the option of each."""
OPTIONS: Final = {**WAYS, "think_time_s": "--think-time-s"}


@dataclass(frozen=True, slots=True)
class Demand:
    """A request rate, and where it comes from."""

    rate_requests_per_s: float
    basis: str = ""  #: short, behind the rate; empty where the rate itself was said
    notes: tuple[str, ...] = ()  #: sentences
    closed_loop: ClosedLoop | None = None  #: where the rate follows from how long answers take


def demand_of(
    question: Mapping[str, Any],
    filed: ServiceRecord | None,
    path: Path | None,
    workload: Workload,
    traffic: Traffic,
    slo: Slo,
) -> Demand:
    """The option, else the service file, else the trace's own rate, else the documented default.

    Raises:
        UsageError: a number out of range, or two options that contradict each other.
        InputFileError: the service file gives no rate and neither does its workload.
    """
    stated = _options(question) or _filed(filed)
    own = _translated(stated, workload, traffic, slo) if stated else _own(question, filed, path, workload)
    demand = _grown(own, _growth(question, filed))
    checked_number(
        "--rate" if not demand.basis else f"{demand.basis}: requests per second",
        demand.rate_requests_per_s,
        above=SMALLEST_RATE_REQUESTS_PER_S,
        at_most=MAX_RATE_REQUESTS_PER_S,
        inclusive=True,
    )
    return demand


def _options(question: Mapping[str, Any]) -> dict[str, float]:
    """What the options say of demand: one of the ways, users with a think time."""
    said = {key: question[key] for key in WAYS if question.get(key) is not None}
    if len(said) > 1:
        first, second, *_ = (WAYS[key] for key in said)
        raise UsageError(f"{first} and {second} both say how much is asked for: give one of them")
    for key, value in said.items():
        if key != "rate_requests_per_s":
            checked_number(WAYS[key], value, above=0, at_most=MAX_COUNT)
    think_time_s = question.get("think_time_s")
    if (think_time_s is None) == ("users" in said):
        raise UsageError(
            "--users and --think-time-s go together: how many, and the seconds from an answer to the same "
            "user's next request"
        )
    if think_time_s is not None:
        checked_number("--think-time-s", think_time_s, above=0, at_most=MAX_THINK_TIME_S, inclusive=True)
        said["think_time_s"] = think_time_s
    return said


def _filed(filed: ServiceRecord | None) -> dict[str, float]:
    if filed is None:
        return {}
    if filed.rate_requests_per_s is not None:
        return {"rate_requests_per_s": filed.rate_requests_per_s}
    stated = filed.demand.model_dump(exclude_none=True) if filed.demand is not None else {}
    return {key: value for key, value in stated.items() if key in OPTIONS}


def _translated(stated: Mapping[str, float], workload: Workload, traffic: Traffic, slo: Slo) -> Demand:
    users = stated.get("users") or stated.get("concurrency")
    if users is not None:
        return closed_loop_demand(_waiting(users, stated.get("think_time_s", 0.0), workload, traffic, slo))
    if "tokens_per_day" in stated:
        return _of_tokens(stated["tokens_per_day"], workload)
    if "requests_per_minute" in stated:
        count = stated["requests_per_minute"]
        return Demand(count / 60, f"{_short(count)} a minute")
    return Demand(stated["rate_requests_per_s"])


def closed_loop_demand(loop: ClosedLoop) -> Demand:
    """What users who wait ask for, and how that is said."""
    if loop.think_time_s:
        basis = f"{_short(loop.users)} users, each asking every {_short(loop.round_s)} s"
    else:
        basis = f"{_short(loop.users)} at a time, {_short(loop.answer_s)} s each"
    grown = "" if loop.growth_factor == 1 else f", × {_short(loop.growth_factor)}"
    return Demand(loop.rate_requests_per_s, basis + grown, closed_loop=loop)


def _waiting(users: float, think_time_s: float, workload: Workload, traffic: Traffic, slo: Slo) -> ClosedLoop:
    """As slow answers as the limits allow; where only percentiles are limited, the mean is quicker."""
    mean = answer_s(workload, traffic, slo, mean_only=True)
    if mean is not None:
        return ClosedLoop(users, think_time_s, mean, "as long as the limits on the mean allow")
    bound = answer_s(workload, traffic, slo, mean_only=False)
    if bound is None and think_time_s:
        return ClosedLoop(
            users, think_time_s, 0.0, "as no limit bounds it, which makes requests more, not fewer"
        )
    if bound is None:
        raise UsageError(
            "--concurrency is translated by the time an answer takes, which needs a limit on TPOT or E2E"
        )
    words = "as long as the limits allow; the mean is quicker, and more is asked then"
    return ClosedLoop(users, think_time_s, bound, words)


def _of_tokens(tokens_per_day: float, workload: Workload) -> Demand:
    each = fsum(bucket.share * (bucket.input_tokens + bucket.output_tokens) for bucket in workload.buckets)
    basis = f"{_short(tokens_per_day)} tokens a day, {_short(each)} each"
    words = (
        f"A request of {workload.name} has {_short(each)} tokens, input and output together; a day's are "
        "spread evenly over its 24 hours (a busiest hour above that: --growth-factor)."
    )
    return Demand(tokens_per_day / each / SECONDS_PER_DAY, basis, (words,))


def answer_s(workload: Workload, traffic: Traffic, slo: Slo, *, mean_only: bool) -> float | None:
    """Seconds from a request to its last token, if every answer takes as long as the limits allow.

    None where none bounds it. The mean is not bound by limits on percentiles: ``mean_only`` leaves them out.
    """
    ms: dict[str, float] = {}
    for limit in slo.limits:
        if not mean_only or limit.statistic == "mean":
            ms[limit.metric] = min(limit.ms, ms.get(limit.metric, limit.ms))
    outputs = mean_outputs(workload, traffic)
    per_token = min((ms[metric] for metric in ("tpot", "itl") if metric in ms), default=None)
    bounds = [ms["e2e"]] if "e2e" in ms else []
    if per_token is not None:
        bounds.append(ms.get("ttft", 0.0) + per_token * max(outputs - 1, 0.0))
    return min(bounds) / 1000 if bounds and min(bounds) > 0 else None


def mean_outputs(workload: Workload, traffic: Traffic) -> float:
    """Tokens of a mean answer, hidden ones included."""
    visible = fsum(bucket.share * bucket.output_tokens for bucket in workload.buckets)
    return visible + traffic.reasoning_tokens


def _own(
    question: Mapping[str, Any], filed: ServiceRecord | None, path: Path | None, workload: Workload
) -> Demand:
    """What the workload itself had, if it is the user's own; a shipped one is somebody else's."""
    from advisor.workload.named import is_path

    named = question.get("workload") or (filed.workload if filed is not None else None)
    mine = named is not None and (not isinstance(named, str) or is_path(named))
    if mine and workload.rate_requests_per_s is not None:
        return Demand(workload.rate_requests_per_s, "its own rate")
    if filed is not None:
        allowed = f"it is required, or demand: workload {workload.name} has no rate of its own"
        raise InputFileError(str(path), f"{filed.name}: rate_requests_per_s", None, allowed)
    return Demand(defaults.DEFAULT_RATE_REQUESTS_PER_S, "the default, as it has no rate" if mine else "")


def _growth(question: Mapping[str, Any], filed: ServiceRecord | None) -> float:
    given = question.get("growth_factor")
    if given is not None:
        return checked_number("--growth-factor", given, above=0, at_most=MAX_GROWTH_FACTOR)
    return (filed.demand.growth_factor if filed is not None and filed.demand is not None else None) or 1.0


def _grown(demand: Demand, factor: float) -> Demand:
    if factor == 1:
        return demand
    if demand.closed_loop is not None:
        return closed_loop_demand(replace(demand.closed_loop, growth_factor=factor))
    basis = demand.basis or f"{_short(demand.rate_requests_per_s)}/s"
    return Demand(demand.rate_requests_per_s * factor, f"{basis}, × {_short(factor)}", demand.notes)


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.4g}"
