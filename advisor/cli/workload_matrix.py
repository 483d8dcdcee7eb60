"""A workload as people look at it: percent of requests per input and output range."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from advisor.cli.output import Col, Listing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.domain import Bucket, Workload

EMPTY_CELL = "·"

Edges = tuple[int, int]


def matrix(workload: Workload, edges: Edges | None = None) -> Listing:
    """Percent of requests per cell and in all; a row per input range, a column per output range.

    Args:
        workload: what to show.
        edges: the last input and output edge, beyond which lies overflow; the default grid's if None.
    """
    rows = _ranges({(bucket.input_tokens_min, bucket.input_tokens_max) for bucket in workload.buckets})
    columns = _ranges({(bucket.output_tokens_min, bucket.output_tokens_max) for bucket in workload.buckets})
    last_row, last_column = edges or _last_default_edges()
    shares = {_cell(bucket): bucket.share for bucket in workload.buckets}
    records: list[dict[str, Any]] = []
    for row, label in zip(rows, _labels(rows, last_row), strict=True):
        cells = {_key(column): shares.get((row, column)) for column in columns}
        total = sum(share for share in cells.values() if share)
        inside = [bucket for bucket in workload.buckets if _cell(bucket)[0] == row]
        records.append({"input": label, **cells, "sum": total, "mean": _mean_text(inside, "input_tokens")})
    sums = {_key(column): sum(shares.get((row, column), 0.0) for row in rows) for column in columns}
    mean_input = _mean_text(workload.buckets, "input_tokens")
    records.append({"input": "all", **sums, "sum": sum(shares.values()), "mean": mean_input})
    means = {
        _key(column): _mean_text([b for b in workload.buckets if _cell(b)[1] == column], "output_tokens")
        for column in columns
    }
    mean_output = _mean_text(workload.buckets, "output_tokens")
    records.append({"input": "mean out", **means, "sum": mean_output, "mean": ""})
    listed = [
        Col(_key(column), label, numeric=True, text=_percent)
        for column, label in zip(columns, _labels(columns, last_column), strict=True)
    ]
    title = f"{workload.name}: % of requests by input (down) and output (across) tokens"
    first, total_column = Col("input", "in \\ out"), Col("sum", "all", numeric=True, text=_percent)
    mean_column = Col("mean", "mean in", numeric=True)
    return Listing(
        title,
        (first, *listed, total_column, mean_column),
        records,
        _matrix_footer(workload, (last_row, last_column)),
    )


def _matrix_footer(workload: Workload, edges: Edges) -> tuple[str, ...]:
    bases = " and ".join(sorted({bucket.size_basis.replace("_", " ") for bucket in workload.buckets}))
    count = f"{workload.requests:,} requests" if workload.requests else "number of requests not known"
    rate = workload.rate_requests_per_s
    lines = [
        f"Means are over requests, in tokens, by each bucket's {bases}.",
        f"{count}, {f'{rate:.4g} requests/s' if rate else 'rate not known'}. {EMPTY_CELL} is no request.",
    ]
    lines += [
        f">{edge} {word} is beyond the grid's last edge; the largest seen is {largest:,}."
        for word, edge, largest in _overflow(workload, edges)
    ]
    lines.append(f"Source: {workload.source}. Licence: {workload.licence or 'not stated'}.")
    if workload.note:
        lines.append(f"Note: {workload.note.rstrip('.')}.")
    return tuple(lines)


def _overflow(workload: Workload, edges: Edges) -> list[tuple[str, int, int]]:
    """(input or output, last edge, largest size) of each axis that has requests beyond its last edge."""
    found = []
    for word, edge in zip(("input", "output"), edges, strict=True):
        beyond = [
            getattr(bucket, f"{word}_tokens_max")
            for bucket in workload.buckets
            if getattr(bucket, f"{word}_tokens_min") == edge
        ]
        if beyond:
            found.append((word, edge, max(beyond)))
    return found


def _last_default_edges() -> Edges:
    from advisor.workload.buckets import DEFAULT_INPUT_EDGES, DEFAULT_OUTPUT_EDGES

    return DEFAULT_INPUT_EDGES[-1], DEFAULT_OUTPUT_EDGES[-1]


def _ranges(found: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges in order, and the empty ones between them."""
    ranges: list[tuple[int, int]] = []
    reached = 0
    for low, high in sorted(found):
        if low > reached:
            ranges.append((reached, low))
        ranges.append((low, high))
        reached = max(reached, high)
    return ranges


def _labels(ranges: list[tuple[int, int]], last_edge: int) -> list[str]:
    """Upper edges where the ranges follow one another, else both ends."""
    if any(low != before for (_, before), (low, _) in pairwise(ranges)):
        return [f"{low + 1}-{high}" for low, high in ranges]
    return [f">{low}" if low == last_edge else f"≤{high}" for low, high in ranges]


def _cell(bucket: Bucket) -> tuple[tuple[int, int], tuple[int, int]]:
    return (bucket.input_tokens_min, bucket.input_tokens_max), (
        bucket.output_tokens_min,
        bucket.output_tokens_max,
    )


def _key(edges: tuple[int, int]) -> str:
    return f"share_output_{edges[0] + 1}_{edges[1]}"


def _mean_text(buckets: Sequence[Bucket], field: str) -> str:
    """Mean size over the requests of some buckets."""
    share = sum(bucket.share for bucket in buckets)
    return (
        f"{sum(bucket.share * getattr(bucket, field) for bucket in buckets) / share:,.0f}"
        if share
        else EMPTY_CELL
    )


def _percent(share: float | str | None) -> str:
    """``26.37``; a share too small for two digits is ``<0.01``, never 0."""
    if isinstance(share, str):
        return share
    if not share:
        return EMPTY_CELL
    return "<0.01" if share < 0.00005 else f"{100 * share:.2f}"
