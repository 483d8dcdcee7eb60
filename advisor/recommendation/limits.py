"""Latency limits as a question states them: numbers at one statistic, or ``p95=1000`` with their own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from advisor.domain import LATENCIES, LatencyLimit, Slo, SloStatistic
from advisor.errors import UsageError
from advisor.recommendation.request import DEFAULT_MEAN_SLO, DEFAULT_SLO, checked_number
from advisor.units import MAX_LATENCY_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PLAIN: Final = ("tpot", "ttft", "e2e")
"""Those that have a field of their own in an :class:`~advisor.domain.Slo`."""


@dataclass(slots=True)
class _Stated:
    """What a question says of one metric."""

    plain_ms: float | None = None  #: at the statistic of the whole question
    own: list[tuple[SloStatistic, float]] = field(default_factory=list)


def asked_slo(question: Mapping[str, Any], filed: Slo | None) -> Slo:
    """Limits of the question replace the file's metric by metric; the default stands where neither speaks.

    A question may give, under ``tpot_ms`` and the like, milliseconds or a list of texts such as ``60`` and
    ``p99=120``.

    Raises:
        UsageError: a limit or a statistic that is not allowed.
    """
    default = DEFAULT_MEAN_SLO if question.get("slo_statistic") == SloStatistic.MEAN else DEFAULT_SLO
    base = filed or default
    given = {m: stated for m in LATENCIES if (stated := _stated(m, question.get(f"{m}_ms"))) is not None}
    statistic = question.get("slo_statistic") or base.statistic
    further = [limit for limit in base.further if limit.metric not in given]
    plain = {m: getattr(base, f"{m}_ms") for m in _PLAIN if m not in given}
    for metric, stated in given.items():
        if metric in _PLAIN:
            plain[metric] = stated.plain_ms
        elif stated.plain_ms is not None:
            further.append(LatencyLimit(metric, stated.plain_ms, statistic))
        further += [LatencyLimit(metric, ms, own) for own, ms in stated.own]
    return replace(
        base, tpot_ms=plain["tpot"], ttft_ms=plain["ttft"], e2e_ms=plain["e2e"], statistic=statistic,
        further=tuple(dict.fromkeys(further)),
    )  # fmt: skip


def _stated(metric: str, given: float | str | Sequence[float | str] | None) -> _Stated | None:
    if given is None or given == []:
        return None
    found, option = _Stated(), f"--{metric}-ms"
    for one in [given] if isinstance(given, int | float | str) else given:
        name, equals, number = str(one).rpartition("=")
        ms = checked_number(option, _number(option, one, number), above=0, at_most=MAX_LATENCY_MS)
        if not equals:
            found.plain_ms = ms
            continue
        try:
            found.own.append((SloStatistic(name), ms))
        except ValueError as error:
            raise UsageError(f"{option} {one}: {error}") from None
    return found


def _number(option: str, given: float | str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        said = f"{option} {given!r} is not allowed; milliseconds, or STATISTIC=MS such as p95=1000"
        raise UsageError(said) from None
