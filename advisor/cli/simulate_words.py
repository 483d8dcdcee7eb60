"""What a replay found, in sentences: the verdict first, then what it is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advisor.simulate.basis import basis
from advisor.simulate.bottleneck import MEANINGS
from advisor.text import printable
from advisor.units import usd_text

if TYPE_CHECKING:
    from advisor.simulate import Headroom, Replay
    from advisor.simulate.aftermath import Aftermath
    from advisor.simulate.attainment import Attained, StatedLimit


def percent(value: float | None) -> str:
    """As many digits as tell it from 100."""
    if value is None:
        return "–"
    if value < 99:
        return f"{value:.1f}%"
    digits = 2 if value < 99.99 else 3
    shown = f"{value:.{digits}f}"
    return "100%" if float(shown) == 100 else f"{shown}%"


def attained_text(found: Attained) -> str:
    """Share and interval."""
    if found.percent is None:
        return "no requests"
    return f"{percent(found.percent)} ({percent(found.low_percent)} to {percent(found.high_percent)})"


def verdict(replay: Replay) -> str:
    """One line: pass or fail, by how much."""
    overall = percent(replay.breakdown.overall.attained.percent)
    target = replay.options.attain_percent
    asked = "each as its own statistic asks" if target is None else f"{target:g}% asked"
    if replay.passes:
        return f"PASS: every limit holds; {overall} of requests are within all their limits, {asked}"
    failing = [limit for limit in replay.limits if not limit.holds]
    if failing:
        worst = max(failing, key=lambda limit: limit.lacks_percent)
        whose = f"{printable(worst.service)}: " if len(replay.services) > 1 else ""
        return f"FAIL: {whose}{_limit_alone(worst)}"
    if target is not None and replay.misses_by_percent > 0:
        known = [part for part in replay.breakdown.per_service if part.attained.percent is not None]
        part = min(known, key=lambda part: part.attained.percent or 0.0)
        whose = f"{printable(part.name)}: " if len(replay.services) > 1 else ""
        return (
            f"FAIL: {whose}{percent(part.attained.percent)} of requests are within all their limits, "
            f"{replay.misses_by_percent:.3g} points below the {target:g}% asked"
        )
    return f"FAIL: the fleet does not keep up: {replay.queue.at_end:,} requests wait when the last arrives"


def findings(replay: Replay, headroom: Headroom | None) -> list[str]:
    """Sentences below the verdict."""
    said = [f"95% confidence interval {_interval(replay.breakdown.overall.attained)}."]
    if not replay.certain:
        said.append(
            "The interval crosses the target: replay longer (--duration-s) or more seeds (--replications)."
        )
    said += [_limit(limit) for limit in replay.limits]
    if headroom is not None:
        said.append(_headroom(replay, headroom))
    said.append(_bottleneck(replay))
    said += _router(replay)
    if replay.queue.grows:
        said.append(f"The queue grows: {replay.queue.at_end:,} requests wait when the last one arrives.")
    if replay.preempted:
        said.append(f"Requests were put back {replay.preempted:,} times for want of KV cache.")
    if replay.completed < replay.requests:
        said.append(f"{replay.requests - replay.completed:,} requests were never served.")
    return said


def _interval(found: Attained) -> str:
    return f"{percent(found.low_percent)} to {percent(found.high_percent)}"


def _limit(limit: StatedLimit) -> str:
    return f"{printable(limit.service)}: {_limit_alone(limit)}."


def _limit_alone(limit: StatedLimit) -> str:
    seen = "nothing observed" if limit.observed_ms is None else f"{limit.observed_ms:,.1f} ms"
    within = "" if limit.within is None else f"; {percent(limit.within.percent)} of requests within"
    stated = f"{limit.statistic} {limit.metric.upper()} ≤ {limit.limit_ms:g} ms"
    return f"{stated} {'holds' if limit.holds else 'does not hold'} ({seen}{within})"


def _headroom(replay: Replay, found: Headroom) -> str:
    if found.headroom is None:
        return "No headroom up to 90% makes it pass: the limits are out of this fleet's reach."
    scale = f"{found.rate_scale:.2f} times the replayed rate"
    if replay.passes:
        return f"It passes up to {scale}: {found.headroom:.0%} headroom would be enough."
    return f"It would pass at {scale}: plan with --headroom {found.headroom:.2f}."


def _bottleneck(replay: Replay) -> str:
    first = replay.bottleneck
    where = f"{first.accelerator} ({printable(first.offer)})"
    full = f"fullest batch {first.peak_batch:.0%}, fullest KV cache {first.peak_kv:.0%}"
    if first.what == "nothing":
        return f"No request missed its limits; closest to its limits is {where}: {full}."
    return f"First to give way: {first.what.replace('_', ' ')} on {where}: {MEANINGS[first.what]}; {full}."


def _router(replay: Replay) -> list[str]:
    """What the router knows of answers, and what knowing all would give."""
    if replay.ideal is None:
        return []
    if not replay.routes_by_length:
        return [
            "Where a request goes does not depend on its answer's length: ideal knowledge changes nothing."
        ]
    error = replay.options.length_error_percent
    if error == 0:
        return ["The router knows every answer's length, as no real one does."]
    said = (
        f"The router guesses answers' lengths, typically {error:g}% off (assumed); with ideal knowledge "
        f"{percent(replay.ideal.percent)} would be within limits."
    )
    return [said]


def loss_words(found: Aftermath) -> list[str]:
    """What a loss cost."""
    said = [f"Lost: {printable(found.detail)}."]
    if found.at_s is not None:
        back = "nothing came back" if found.back_at_s is None else f"back at {found.back_at_s:,.0f} s"
        warned = f" after {found.warning_s:g} s warning" if found.warning_s else ""
        said.append(f"At {found.at_s:,.0f} s{warned}; {back}. Capacity kept: {found.capacity_kept:.0%}.")
        said.append(
            f"Within limits before {attained_text(found.before)}, meanwhile "
            f"{attained_text(found.meanwhile)}, after {attained_text(found.after)}."
        )
        said.append(f"{found.retried:,} requests were sent again, {found.never_served:,} never served.")
    usd = found.fallback_usd_per_hour
    unpriced = "none" if found.start_up_s is None or found.at_s is None else "price unknown"
    price = unpriced if usd is None else f"${usd_text(usd, 4)}/h"
    said.append(f"Fallback: {price}: {printable(found.fallback_detail)}.")
    return said


def worth(replay: Replay) -> list[str]:
    """What the verdict rests on and takes for granted."""
    found, options = basis(replay.fleet), replay.options
    said = [found.sentence, *found.notes]
    if options.lose is not None and replay.aftermath is not None and replay.aftermath.start_up_s is not None:
        said.append(f"Start-up of a replacement: {options.start_up_s:g} s (assumed).")
    if replay.unplanned:
        said.append(f"{replay.unplanned:,} requests have sizes the plan has no bucket for.")
    said += [printable(line) for line in replay.notes]
    said.append(
        "The fleet starts empty; time on the network is not included. An interval knows only the rushes that "
        "its replay saw: --replications shows more."
    )
    return said
