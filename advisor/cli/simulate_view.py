"""A replay as tables and charts for a terminal, as CSV and as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from advisor.cli.output import Col, Listing, listing_csv, listing_markdown, listing_table
from advisor.cli.simulate_charts import distribution, over_time
from advisor.cli.simulate_words import attained_text, findings, loss_words, percent, verdict, worth
from advisor.profiles.latency_metrics import METRICS, STATISTICS
from advisor.simulate.document import rounded
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from advisor.simulate import Headroom, Replay
    from advisor.simulate.attainment import Slice

_WORST_BUCKETS = 5


def replay_renderables(
    replay: Replay, headroom: Headroom | None, repeated: dict[str, Any] | None, width: int
) -> Sequence[RenderableType]:
    """Verdict, latencies, attainment, the fleet over time, distributions, and what it is worth."""
    from rich.padding import Padding
    from rich.text import Text

    def heading(words: str) -> RenderableType:
        return Padding(Text(words, style="bold"), (1, 0, 0, 0))

    def lines(said: Sequence[str]) -> list[RenderableType]:
        return [Text(line) for line in said]

    parts: list[RenderableType] = [
        Text(verdict(replay), style="bold green" if replay.passes else "bold red"), Text(asked(replay)),
        *lines(findings(replay, headroom)),
    ]  # fmt: skip
    if repeated is not None:
        low, high = repeated["interval_percent"]
        parts.append(
            Text(
                f"{repeated['passed']} of {repeated['replications']} seeds pass; attainment over seeds "
                f"{percent(repeated['percent'])} ({percent(low)} to {percent(high)})."
            )
        )
    if replay.aftermath is not None:
        parts += [heading("The loss"), *lines(loss_words(replay.aftermath))]
    parts += [heading("Latencies"), listing_table(latencies_listing(replay), width)]
    parts += [heading("Within limits"), listing_table(attainment_listing(replay, worst=True), width)]
    parts += [heading("Over time"), *lines(over_time(replay.timeline, width))]
    drawn = {"ttft", "tpot"} | {limit.metric for limit in replay.limits}
    for name, metric in METRICS.items():
        if name in drawn:
            parts += [heading(f"Distribution of {metric.label}")]
            parts += lines(distribution(replay.histograms[name], loosest_limit_ms(replay, name), width))
    parts += [heading("What this is worth"), *lines(worth(replay))]
    return parts


def loosest_limit_ms(replay: Replay, metric: str) -> float | None:
    """What no request of any service may exceed; None where a service has no such limit."""
    stated = {
        name: [limit.limit_ms for limit in replay.limits if (limit.service, limit.metric) == (name, metric)]
        for name in replay.services
    }
    return max(map(max, stated.values())) if all(stated.values()) else None


def asked(replay: Replay) -> str:
    arrivals = ", ".join(dict.fromkeys(replay.arrivals))
    return (
        f"Plan {printable(replay.plan_id)} · {replay.requests:,} requests ({arrivals} arrivals) in "
        f"{replay.duration_s:,.0f} s, {replay.rate_requests_per_s:.4g}/s · "
        f"{replay.fleet.replicas:,} replicas · seed {replay.options.seed}"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def latencies_listing(replay: Replay) -> Listing:
    """Mean and percentiles of all requests."""
    overall = replay.breakdown.overall
    records = [
        {"metric": metric.label, "definition": metric.definition}
        | {statistic: getattr(overall.latencies[name], statistic) for statistic in STATISTICS}
        for name, metric in METRICS.items()
    ]
    figures = [Col(name, f"{name} ms", numeric=True, text=_number) for name in STATISTICS]
    meaning = Col("definition", "what is timed", importance=9, wrap=True)
    return Listing("", (Col("metric", ""), *figures, meaning), records)


def attainment_listing(replay: Replay, *, worst: bool = False) -> Listing:
    """Every slice of the requests; ``worst``: of buckets, only those with the most misses."""
    cut = replay.breakdown
    buckets = list(cut.per_bucket)
    footer: tuple[str, ...] = ()
    if worst and len(buckets) > _WORST_BUCKETS:
        buckets.sort(key=lambda part: (part.attained.percent or 0.0, -part.attained.requests))
        footer = (f"Buckets: the {_WORST_BUCKETS} worst of {len(buckets)}; --format csv has all.",)
        buckets = buckets[:_WORST_BUCKETS]
    slices = [("all", cut.overall)] if len(cut.per_service) > 1 or not worst else []
    slices += [("service", part) for part in cut.per_service]
    slices += [("region", part) for part in cut.per_region]
    slices += [("accelerator", part) for part in cut.per_accelerator]
    slices += [("bucket", part) for part in buckets]
    return Listing("", _SLICE_COLUMNS, [_record(kind, part) for kind, part in slices], footer)


_SLICE_COLUMNS = (
    Col("of", "Of"),
    Col("name", "", wrap=False),
    Col("requests", "Requests", numeric=True, text=lambda value: f"{value:,}"),
    Col("attained_percent", "Within", numeric=True, text=percent),
    Col("interval_low_percent", "from", numeric=True, text=percent, importance=3),
    Col("interval_high_percent", "to", numeric=True, text=percent, importance=3),
    *(
        Col(
            f"{name}_p99_ms",
            f"{metric.label} p99",
            numeric=True,
            text=_number,
            importance=2 if name in ("ttft", "tpot") else 4,
        )
        for name, metric in METRICS.items()
    ),
)


def _record(kind: str, part: Slice) -> dict[str, Any]:
    figures = {
        "attained_percent": part.attained.percent,
        "interval_low_percent": part.attained.low_percent,
        "interval_high_percent": part.attained.high_percent,
        **{f"{name}_p99_ms": found.p99 for name, found in part.latencies.items()},
    }
    told = {name: None if value is None else rounded(value) for name, value in figures.items()}
    return {"of": kind, "name": part.name, "requests": part.attained.requests, **told}


def replay_csv(replay: Replay) -> str:
    """One row per slice of the requests."""
    return listing_csv(attainment_listing(replay))


def replay_markdown(replay: Replay, headroom: Headroom | None) -> str:
    """Verdict, findings and tables."""
    said = [*findings(replay, headroom)]
    if replay.aftermath is not None:
        said += loss_words(replay.aftermath)
    said += worth(replay)
    listing = attainment_listing(replay)
    tables = [
        listing_markdown(
            Listing("Latencies", latencies_listing(replay).columns, latencies_listing(replay).records)
        ),
        listing_markdown(Listing("Within limits", listing.columns, listing.records)),
    ]
    points = "\n".join(f"- {line}" for line in [asked(replay), *said])
    return "\n\n".join([f"## {verdict(replay)}", points, *tables])


__all__ = [
    "asked", "attained_text", "attainment_listing", "latencies_listing", "loosest_limit_ms", "replay_csv",
    "replay_markdown", "replay_renderables",
]  # fmt: skip
