"""The grid of request sizes, and the shares and means of a trace on it.

Lower edges are exclusive, upper edges inclusive. What lies beyond a last edge is never dropped: it forms an
overflow bucket whose upper edge is the largest size seen. A request that generated nothing still costs its
prefill and is counted as one output token.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import TYPE_CHECKING, Final

from advisor.domain import Bucket, Workload
from advisor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DEFAULT_INPUT_EDGES: Final = (25, 100, 250, 500, 1000, 2000, 4000, 8000, 12000, 16000)
"""Upper edges in input tokens. Source: the 10 × 6 grid of Mélange (Griggs et al., arXiv 2404.14527)."""
DEFAULT_OUTPUT_EDGES: Final = (25, 100, 250, 500, 1000, 2000)
"""Upper edges in output tokens. Source: as above."""

MAX_TOKENS: Final = 10_000_000
"""Most tokens one request may have; no published context window is longer."""
MAX_EDGES: Final = 64
"""Most edges per axis: keeps the problem at a few thousand buckets."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Exact sums of the requests in one bucket; shares and means follow from them."""

    input_tokens_min: int
    input_tokens_max: int
    output_tokens_min: int
    output_tokens_max: int
    requests: int
    input_tokens_sum: int
    output_tokens_sum: int


def parse_edges(text: str, option: str) -> tuple[int, ...]:
    """Upper edges from ``"25,100,250"``.

    Raises:
        UsageError: not whole, not increasing, out of bounds, or too many.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) <= 9 for part in parts):
        raise UsageError(
            f"{option}: {text[:60]!r} is not allowed; whole token counts joined by commas, e.g. 25,100"
        )
    return check_edges([int(part) for part in parts], option)


def check_edges(edges: Sequence[int], what: str) -> tuple[int, ...]:
    """The edges as a tuple, known to be usable.

    Raises:
        UsageError: empty, not increasing, outside 1 to ``MAX_TOKENS``, or more than ``MAX_EDGES``.
    """
    if not 1 <= len(edges) <= MAX_EDGES:
        raise UsageError(f"{what}: {len(edges)} edges are not allowed; 1 to {MAX_EDGES}")
    if edges[0] < 1 or edges[-1] > MAX_TOKENS or any(a >= b for a, b in pairwise(edges)):
        shown = ",".join(map(str, edges))[:60]
        raise UsageError(f"{what}: {shown} is not allowed; increasing whole numbers from 1 to {MAX_TOKENS:,}")
    return tuple(edges)


def count_cells(
    input_tokens: Sequence[int],
    output_tokens: Sequence[int],
    input_edges: Sequence[int] = DEFAULT_INPUT_EDGES,
    output_edges: Sequence[int] = DEFAULT_OUTPUT_EDGES,
) -> tuple[Cell, ...]:
    """Every request in exactly one cell, cells by input then output edge; empty cells are left out.

    Raises:
        UsageError: unusable edges, no requests, or lists of different length.
    """
    rows = check_edges(input_edges, "input edges")
    columns = check_edges(output_edges, "output edges")
    if not input_tokens or len(input_tokens) != len(output_tokens):
        raise UsageError(f"cannot fit {len(input_tokens)} input and {len(output_tokens)} output lengths")
    import numpy as np

    sizes_in, sizes_out = np.asarray(input_tokens), np.maximum(output_tokens, 1)
    places = np.searchsorted(rows, sizes_in) * (len(columns) + 1) + np.searchsorted(columns, sizes_out)
    counts = np.bincount(places)
    sums_in, sums_out = np.bincount(places, sizes_in), np.bincount(places, sizes_out)  # exact below 2**53
    bounds = product(_bounds(rows, int(sizes_in.max())), _bounds(columns, int(sizes_out.max())))
    return tuple(
        Cell(*row, *column, int(count), int(sum_in), int(sum_out))
        for (row, column), count, sum_in, sum_out in zip(bounds, counts, sums_in, sums_out, strict=False)
        if count
    )


def buckets_of(cells: Sequence[Cell]) -> tuple[Bucket, ...]:
    """Shares of all requests and mean sizes, from exact sums."""
    total = sum(cell.requests for cell in cells)
    return tuple(
        Bucket(
            cell.input_tokens_min,
            cell.input_tokens_max,
            cell.output_tokens_min,
            cell.output_tokens_max,
            share=cell.requests / total,
            input_tokens=cell.input_tokens_sum / cell.requests,
            output_tokens=cell.output_tokens_sum / cell.requests,
            size_basis="mean",
        )
        for cell in cells
    )


def overflow_requests(cells: Iterable[Cell], input_edges: Sequence[int], output_edges: Sequence[int]) -> int:
    """How many requests lie beyond the last input or the last output edge."""
    return sum(
        cell.requests
        for cell in cells
        if cell.input_tokens_min >= input_edges[-1] or cell.output_tokens_min >= output_edges[-1]
    )


def mix(name: str, parts: Sequence[tuple[float, Workload]], note: str = "") -> Workload:
    """Requests drawn from several workloads on one grid, by weights that sum to 1.

    A bucket's share is the weighted sum of the shares, its size the mean over all requests in it. There is no
    arrival rate: the weights say nothing about time.
    """
    cells: dict[tuple[int, int], list[tuple[float, Bucket]]] = {}
    for weight, workload in parts:
        for bucket in workload.buckets:
            key = (bucket.input_tokens_min, bucket.output_tokens_min)
            cells.setdefault(key, []).append((weight * bucket.share, bucket))
    licences = dict.fromkeys(workload.licence or "none stated" for _, workload in parts)
    counts = [workload.requests for _, workload in parts if workload.requests is not None]
    return Workload(
        name=name,
        buckets=tuple(_merged(cells[key]) for key in sorted(cells)),
        requests=sum(counts) if len(counts) == len(parts) else None,
        rate_requests_per_s=None,
        source=" + ".join(f"{weight:.0%} {workload.name} ({workload.source})" for weight, workload in parts),
        licence=" and ".join(licences),
        note=note,
    )


def _merged(parts: Sequence[tuple[float, Bucket]]) -> Bucket:
    share = sum(weighted for weighted, _ in parts)
    return replace(
        parts[0][1],
        input_tokens_max=max(bucket.input_tokens_max for _, bucket in parts),
        output_tokens_max=max(bucket.output_tokens_max for _, bucket in parts),
        share=share,
        input_tokens=sum(weighted * bucket.input_tokens for weighted, bucket in parts) / share,
        output_tokens=sum(weighted * bucket.output_tokens for weighted, bucket in parts) / share,
    )


def _bounds(edges: Sequence[int], largest: int) -> list[tuple[int, int]]:
    """(exclusive lower, inclusive upper) per cell of one axis, the overflow cell last."""
    lower = (0, *edges)
    upper = (*edges, max(largest, edges[-1] + 1))
    return list(zip(lower, upper, strict=True))
