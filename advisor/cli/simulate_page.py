"""A replay as one HTML page that asks no other host for anything."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from advisor.cli.simulate_charts import milliseconds
from advisor.cli.simulate_view import asked, attainment_listing, latencies_listing, loosest_limit_ms
from advisor.cli.simulate_words import findings, loss_words, verdict, worth
from advisor.report.svg import WIDTH, drawing, path, scale, shape, source, ticks, words
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.cli.output import Listing
    from advisor.simulate import Headroom, Replay
    from advisor.simulate.histogram import Histogram

_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}
h1{font-size:1.3rem}h2{font-size:1.05rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.2rem .6rem .2rem 0;border-bottom:1px solid #ddd}td.n,th.n{text-align:right}
td:nth-child(2){white-space:nowrap}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(26rem,1fr));gap:0 2rem}
.chart{width:100%;height:auto}.label{font:11px system-ui,sans-serif;fill:#444}.grid{stroke:#ddd}
.line{fill:none;stroke:#0b61a4;stroke-width:1.6}.bar{fill:#0b61a4}.over{fill:#b3261e}.limit{stroke:#b3261e}
"""
_LEFT: Final = 52.0
_TOP, _HEIGHT = 8.0, 150.0


def replay_page(replay: Replay, headroom: Headroom | None) -> str:
    """The whole page, styles and charts included; every text is escaped."""
    said = [asked(replay), *findings(replay, headroom)]
    if replay.aftermath is not None:
        said += loss_words(replay.aftermath)
    time = replay.timeline
    span = time.start_s[-1] + time.start_s[1]
    busy, batch = ([100 * value for value in values] for values in (time.busy, time.batch))
    charts = [
        ("Replicas busy, %", _lines("busy", "Share of replicas at work over time", busy, span)),
        ("Sequences running, % of the largest batches", _lines("batch", "Batch over time", batch, span)),
        ("Requests waiting", _lines("waiting", "Waiting requests over time", time.waiting, span)),
        ("Arrivals per second", _lines("arrivals", "Arrivals over time", time.arrivals_per_s, span)),
    ]
    for metric, histogram in replay.histograms.items():
        limit = loosest_limit_ms(replay, metric)
        charts.append((f"Distribution of {metric.upper()}", _bars(metric, histogram, limit)))
    body = [
        f"<h1>{escape(verdict(replay))}</h1>",
        _list(said),
        "<h2>Latencies</h2>",
        _table(latencies_listing(replay)),
        '<div class="charts">',
        *(f"<section><h2>{escape(title)}</h2>{svg}</section>" for title, svg in charts),
        "</div>",
        "<h2>Within limits</h2>",
        _table(attainment_listing(replay)),
        "<h2>What this is worth</h2>",
        _list(worth(replay)),
    ]
    title = escape(f"Replay of plan {printable(replay.plan_id)}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body>{''.join(body)}</body></html>\n"
    )


def _list(said: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in said)}</ul>"


def _table(listing: Listing) -> str:
    def cell(tag: str, numeric: bool, text: str) -> str:
        return f"<{tag}{' class=n' if numeric else ''}>{escape(printable(text))}</{tag}>"

    head = "".join(cell("th", column.numeric, column.header) for column in listing.columns)
    rows = (
        "".join(cell("td", column.numeric, column.text(record[column.key])) for column in listing.columns)
        for record in listing.records
    )
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _lines(key: str, title: str, values: Sequence[float], span_s: float) -> str:
    """A quantity over the replay; the axis starts at 0."""
    peak = max([*values, 1e-9])
    described = f"{title}: mean {sum(values) / len(values):.3g}, peak {peak:.3g}, over {span_s:.0f} seconds."
    root = drawing(key, title, described, _TOP + _HEIGHT + 24)
    marks = ticks(0.0, peak, 4)
    up = scale(0.0, marks[-1], _TOP + _HEIGHT, _TOP)
    across = scale(0.0, span_s, _LEFT, WIDTH - 8)
    for mark in marks:
        shape(root, "line", "grid", x1=_LEFT, x2=WIDTH - 8, y1=up(mark), y2=up(mark))
        words(root, f"{mark:g}", _LEFT - 6, up(mark) + 4, anchor="end")
    step = span_s / len(values)
    path(root, "line", [(across((place + 0.5) * step), up(value)) for place, value in enumerate(values)])
    for second in ticks(0.0, span_s, 6):
        if second <= span_s:
            words(root, f"{second:g} s", across(second), _TOP + _HEIGHT + 16, anchor="middle")
    return source(root)


def _bars(key: str, found: Histogram, limit_ms: float | None) -> str:
    """Shares of requests per bin; bins beyond the limit in another colour, and said so in words."""
    if not found.shares:
        return "<p>No request has it.</p>"
    row = 20.0
    over = sum(s for s, edge in zip(found.shares, found.edges_ms[:-1], strict=True)
               if limit_ms is not None and edge >= limit_ms)  # fmt: skip
    described = f"Shares of requests by {key.upper()}; {over:.2%} in bins beyond the limit."
    root = drawing(f"{key}-bars", f"Distribution of {key.upper()}", described, row * len(found.shares) + 8)
    across = scale(0.0, max(found.shares), 0.0, WIDTH - 200)
    for place, share in enumerate(found.shares):
        low, high = found.edges_ms[place], found.edges_ms[place + 1]
        beyond = limit_ms is not None and low >= limit_ms
        words(root, f"{milliseconds(low)} – {milliseconds(high)}", 120, place * row + 14, anchor="end")
        shape(
            root,
            "rect",
            "over" if beyond else "bar",
            x=128,
            y=place * row + 3,
            width=across(share),
            height=row - 6,
        )
        text = f"{share:.1%}{' over limit' if beyond else ''}"
        words(root, text, 134 + across(share), place * row + 14)
    return source(root)
