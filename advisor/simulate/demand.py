"""Requests to replay: when each arrives, for which service, from where, and how long it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Requests:
    """Columns, one element per request, in order of arrival."""

    arrival_s: Floats
    service: Integers  #: position among the plan's services
    origin: Integers  #: position among the service's users; 0 where it names none
    bucket: Integers  #: position among the service's buckets that its true size falls in
    input_tokens: Integers
    output_tokens: Integers

    def __len__(self) -> int:
        return len(self.arrival_s)

    @property
    def span_s(self) -> float:
        """First to last arrival."""
        return float(self.arrival_s[-1] - self.arrival_s[0]) if len(self) else 0.0


def merged(parts: Sequence[Requests]) -> Requests:
    """The requests of several services in order of arrival; ties keep the services' order."""
    joined = [
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("arrival_s", "service", "origin", "bucket", "input_tokens", "output_tokens")
    ]
    order = np.argsort(joined[0], kind="stable")
    return Requests(*(column[order] for column in joined))
