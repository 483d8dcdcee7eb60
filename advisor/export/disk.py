"""How much disk an instance or a pod needs: the system, the engine's image, the weights, and slack.

The weights are those of the checkpoint as it is stored: fp8 made of 16-bit weights at the start is 16 bits
wide on disk.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from advisor.errors import AdvisorError
from advisor.export.engines import ENGINES
from advisor.export.serving import seats, stored_precision, weights
from advisor.profiles.memory import weight_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.export.order import Facts, Line
    from advisor.plan.plan import ServiceLine

SYSTEM_GB: Final = 20
"""Allowed for the operating system and its drivers."""
PACKED_PART: Final = 0.5
"""Of an image's unpacked size, allowed for its packed layers while they are pulled."""
SLACK_PART: Final = 0.15
"""Of everything: logs, compiled kernels, and what a file system keeps for itself."""
STEP_GB: Final = 10
"""Disks are asked for in whole tens."""


def weights_gb(service: ServiceLine, facts: Facts) -> float | None:
    """Gigabytes (10⁹ bytes) of the checkpoint; None for a model the catalog does not know."""
    model = facts.models.get(service.model)
    if model is None:
        return None
    try:
        return sum(weight_bytes(model, stored_precision(service, facts))) / 1e9
    except AdvisorError:
        return None


def shared_disk_gb(line: Line, facts: Facts) -> int:
    """Of an instance whose replicas read one copy of each checkpoint."""
    services = {weights(stand.service, facts): stand.service for stand in line.stands}
    return _disk_gb(line, (weights_gb(service, facts) or 0.0 for service in services.values()))


def node_disk_gb(line: Line, facts: Facts) -> int:
    """Of a Kubernetes node, on which every pod has a copy of its own."""
    placed = seats(line) or ()
    copies = [[weights_gb(seat.stand.service, facts) or 0.0 for seat in here] for here in placed]
    return _disk_gb(line, max(copies, key=sum, default=[]))


def pod_disk_gb(service: ServiceLine, facts: Facts) -> int | None:
    """Of a pod beside its image: weights and slack; None where the weights' size is not known."""
    size = weights_gb(service, facts)
    return None if size is None else _rounded(size)


def disk_notes(line: Line, facts: Facts) -> list[str]:
    """Whose weights no disk was counted for."""
    unknown = {weights(s.service, facts) for s in line.stands if weights_gb(s.service, facts) is None}
    return [f"how large {name} is, is not known: add it to the disk" for name in sorted(unknown)]


def _disk_gb(line: Line, sizes: Iterable[float]) -> int:
    engines = {stand.service.engine for stand in line.stands} & set(ENGINES)
    images = sum(ENGINES[engine].image_gb for engine in sorted(engines))
    return _rounded(SYSTEM_GB + images * (1 + PACKED_PART) + sum(sizes))


def _rounded(gigabytes: float) -> int:
    return math.ceil(gigabytes * (1 + SLACK_PART) / STEP_GB) * STEP_GB
