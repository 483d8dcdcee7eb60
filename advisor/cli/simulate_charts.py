"""A replay drawn in plain text: the fleet over time, and how latencies are distributed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.simulate.histogram import Histogram
    from advisor.simulate.timeline import Timeline

_LEVELS: Final = " ▁▂▃▄▅▆▇█"
_BAR: Final = "█"
_LEAST_SHARE: Final = 5e-4  # a bin with less than this gets no line


def over_time(found: Timeline, width: int) -> list[str]:
    """One line per quantity, highest column full, its mean and peak beside it; then the axis of time."""
    rows = [
        ("arrivals/s", found.arrivals_per_s, "{:.3g}", 1.0),
        ("busy %", found.busy, "{:.0f}", 100.0),
        ("batch %", found.batch, "{:.0f}", 100.0),
        ("running", found.running, "{:.3g}", 1.0),
        ("waiting", found.waiting, "{:.3g}", 1.0),
    ]
    margin = max(len(name) for name, *_ in rows)
    told = [_mean_and_peak(values, text, factor) for _, values, text, factor in rows]
    columns = max(20, min(len(found.start_s), width - margin - 2 - max(map(len, told)) - 1))
    lines = []
    for (name, values, _, _), words in zip(rows, told, strict=True):
        lines.append(f"{name:<{margin}}  {_columns(values, columns)} {words}")
    end = f"{found.start_s[-1] + found.start_s[1]:,.0f} s"
    lines.append(f"{'':<{margin}}  {'0 s':<{columns - len(end)}}{end}")
    return lines


def _mean_and_peak(values: Sequence[float], text: str, factor: float) -> str:
    mean, peak = sum(values) / len(values) * factor, max(values) * factor
    return f"mean {text.format(mean)}, peak {text.format(peak)}"


def _columns(values: Sequence[float], columns: int) -> str:
    peak = max(values) or 1.0
    size = len(values) / columns
    means = []
    for column in range(columns):
        start, stop = int(column * size), max(int((column + 1) * size), int(column * size) + 1)
        means.append(sum(values[start:stop]) / (stop - start))
    return "".join(_LEVELS[round(mean / peak * (len(_LEVELS) - 1))] for mean in means)


def distribution(found: Histogram, limit_ms: float | None, width: int) -> list[str]:
    """One bar per bin, lengths in proportion to shares; bins beyond the limit are marked."""
    shown = [place for place, share in enumerate(found.shares) if share >= _LEAST_SHARE]
    if not shown:
        return ["  no request has it"]
    labels = {p: f"{milliseconds(found.edges_ms[p])} – {milliseconds(found.edges_ms[p + 1])}" for p in shown}
    margin = max(map(len, labels.values()))
    most = max(found.shares)
    room = min(max(10, width - margin - 22), 60)
    lines = []
    for place in range(shown[0], shown[-1] + 1):
        label = f"{milliseconds(found.edges_ms[place])} – {milliseconds(found.edges_ms[place + 1])}"
        share = found.shares[place]
        beyond = limit_ms is not None and found.edges_ms[place] >= limit_ms
        bar = _BAR * round(share / most * room)
        lines.append(f"  {label:>{margin}}  {bar} {share:.1%}{' over limit' if beyond else ''}")
    return lines


def milliseconds(value: float) -> str:
    """In the unit that reads best."""
    return f"{value:g} ms" if value < 1000 else f"{value / 1000:g} s"
