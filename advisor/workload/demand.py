"""From shares to requests per second, and what a plan may leave out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from advisor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.domain import Bucket, Workload


def demands(workload: Workload, rate_requests_per_s: float) -> list[tuple[Bucket, float]]:
    """Every bucket with its request rate: share times the service's rate."""
    return [(bucket, bucket.share * rate_requests_per_s) for bucket in workload.buckets]


def cover(workload: Workload, coverage_percent: float) -> tuple[Workload, float, tuple[Bucket, ...]]:
    """The workload without its rarest buckets, the share left out, and the buckets left out, rarest first.

    Buckets go rarest first, of equally rare ones the one with the most tokens first, for as long as at least
    ``coverage_percent`` of the requests stay; 100 keeps everything. The shares of what stays are *not* scaled
    up: its request rates are what they were, and the requests left out are not planned for.

    Raises:
        UsageError: not above 0 and at most 100.
    """
    if not (math.isfinite(coverage_percent) and 0 < coverage_percent <= 100):
        raise UsageError(
            f"--coverage: {coverage_percent:g} is not allowed; a percentage above 0 and at most 100"
        )
    spare = 1 - coverage_percent / 100
    left_out: list[Bucket] = []
    for bucket in sorted(workload.buckets, key=_rarest_then_largest):
        if math.fsum([*(gone.share for gone in left_out), bucket.share]) > spare + 1e-12:
            break
        left_out.append(bucket)
    gone = set(left_out)
    kept = tuple(bucket for bucket in workload.buckets if bucket not in gone)
    return replace(workload, buckets=kept), math.fsum(bucket.share for bucket in left_out), tuple(left_out)


def coverage_without(workload: Workload, unwanted: Sequence[Bucket]) -> float:
    """The largest ``coverage_percent``, to 0.01, with which :func:`cover` leaves out all unwanted buckets.

    0.0 where that would leave nothing: no coverage helps.
    """
    waiting = set(unwanted)
    share = 0.0
    for bucket in sorted(workload.buckets, key=_rarest_then_largest):
        if not waiting:
            break
        share += bucket.share
        waiting.discard(bucket)
    percent = math.floor(100 * 100 * (1 - share)) / 100
    return max(percent, 0.0)


def _rarest_then_largest(bucket: Bucket) -> tuple[float, float, float]:
    return bucket.share, -(bucket.input_tokens + bucket.output_tokens), -bucket.input_tokens
