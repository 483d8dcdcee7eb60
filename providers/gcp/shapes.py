"""Google Cloud's GPU shapes: what the documentation states of them, and which parts their price is made of.

Without Google credentials this table is all that is known of a shape; a shape that is not in it is then not
priced. With credentials the Compute API's own figures stand and the table only says how a shape is sold.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Final

from advisor.domain import Market

NAME: Final = "gcp"
SOURCE: Final = (
    "Compute Engine documentation, GPU machine types (cloud.google.com/compute/docs/gpus), 2026-05-13"
)

ALIASES: Final[dict[str, tuple[str, str]]] = {
    # guestAcceleratorType: (our accelerator, the GPU part of its price)
    "nvidia-a100-40gb": ("a100-sxm-40gb", "gpu:a100-40gb"),
    "nvidia-a100-80gb": ("a100-sxm-80gb", "gpu:a100-80gb"),
    "nvidia-b200": ("b200-sxm-180gb", "vm:b200"),
    "nvidia-gb200": ("gb200-186gb", "vm:gb200"),
    "nvidia-gb300": ("gb300-288gb", "vm:gb300"),
    "nvidia-h100-80gb": ("h100-sxm-80gb", "gpu:h100"),
    "nvidia-h100-mega-80gb": ("h100-sxm-80gb", "gpu:h100-mega"),
    "nvidia-h200-141gb": ("h200-sxm-141gb", "gpu:h200"),
    "nvidia-l4": ("l4-24gb", "gpu:l4"),
    "nvidia-rtx-pro-6000": ("rtx-pro-6000-96gb", "gpu:rtx-pro-6000"),
    "nvidia-tesla-a100": ("a100-sxm-40gb", "gpu:a100-40gb"),
    "nvidia-tesla-t4": ("t4-16gb", "gpu:t4"),
    "nvidia-tesla-v100": ("v100-sxm-16gb", "gpu:v100"),
}
"""Without P100, P4 and K80: no accelerator of ours is that chip. A part ``vm:`` is the whole machine (W5)."""

GIB_PER_PARTITION: Final = 375
"""One local SSD partition of the A and G series (cloud.google.com/compute/docs/disks/local-ssd)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One machine type, with its accelerators."""

    name: str
    vcpus: int
    memory_gib: Decimal
    accelerator_type: str  #: Google's name, a key of :data:`ALIASES`
    accelerators: Decimal
    ssd_partitions: int  #: local SSD that comes with the machine and is billed with it

    @property
    def attached(self) -> bool:
        """Whether it is a general-purpose machine with GPUs attached to it."""
        return "+" in self.name


def _shape(name: str, vcpus: int, memory_gib: int, chip: str, count: str, partitions: int = 0) -> Shape:
    return Shape(name, vcpus, Decimal(memory_gib), f"nvidia-{chip}", Decimal(count), partitions)


DOCUMENTED: Final = (
    _shape("a2-highgpu-1g", 12, 85, "tesla-a100", "1"),
    _shape("a2-highgpu-2g", 24, 170, "tesla-a100", "2"),
    _shape("a2-highgpu-4g", 48, 340, "tesla-a100", "4"),
    _shape("a2-highgpu-8g", 96, 680, "tesla-a100", "8"),
    _shape("a2-megagpu-16g", 96, 1360, "tesla-a100", "16"),
    _shape("a2-ultragpu-1g", 12, 170, "a100-80gb", "1", 1),
    _shape("a2-ultragpu-2g", 24, 340, "a100-80gb", "2", 2),
    _shape("a2-ultragpu-4g", 48, 680, "a100-80gb", "4", 4),
    _shape("a2-ultragpu-8g", 96, 1360, "a100-80gb", "8", 8),
    _shape("a3-edgegpu-8g", 208, 1872, "h100-80gb", "8", 16),
    _shape("a3-highgpu-1g", 26, 234, "h100-80gb", "1", 2),
    _shape("a3-highgpu-2g", 52, 468, "h100-80gb", "2", 4),
    _shape("a3-highgpu-4g", 104, 936, "h100-80gb", "4", 8),
    _shape("a3-highgpu-8g", 208, 1872, "h100-80gb", "8", 16),
    _shape("a3-megagpu-8g", 208, 1872, "h100-mega-80gb", "8", 16),
    _shape("a3-ultragpu-8g", 224, 2952, "h200-141gb", "8", 32),
    _shape("a4-highgpu-8g", 224, 3968, "b200", "8", 32),
    _shape("a4x-highgpu-4g", 140, 884, "gb200", "4", 32),
    _shape("g2-standard-4", 4, 16, "l4", "1"),
    _shape("g2-standard-8", 8, 32, "l4", "1"),
    _shape("g2-standard-12", 12, 48, "l4", "1"),
    _shape("g2-standard-16", 16, 64, "l4", "1"),
    _shape("g2-standard-24", 24, 96, "l4", "2"),
    _shape("g2-standard-32", 32, 128, "l4", "1"),
    _shape("g2-standard-48", 48, 192, "l4", "4"),
    _shape("g2-standard-96", 96, 384, "l4", "8"),
    _shape("g4-standard-6", 6, 22, "rtx-pro-6000", "0.125"),
    _shape("g4-standard-12", 12, 45, "rtx-pro-6000", "0.25"),
    _shape("g4-standard-24", 24, 90, "rtx-pro-6000", "0.5"),
    _shape("g4-standard-48", 48, 180, "rtx-pro-6000", "1"),
    _shape("g4-standard-96", 96, 360, "rtx-pro-6000", "2"),
    _shape("g4-standard-192", 192, 720, "rtx-pro-6000", "4"),
    _shape("g4-standard-384", 384, 1440, "rtx-pro-6000", "8"),
    _shape("n1-standard-4+1xt4", 4, 15, "tesla-t4", "1"),
    _shape("n1-standard-8+1xt4", 8, 30, "tesla-t4", "1"),
    _shape("n1-standard-16+2xt4", 16, 60, "tesla-t4", "2"),
    _shape("n1-standard-32+4xt4", 32, 120, "tesla-t4", "4"),
    _shape("n1-standard-8+1xv100", 8, 30, "tesla-v100", "1"),
    _shape("n1-standard-16+2xv100", 16, 60, "tesla-v100", "2"),
    _shape("n1-standard-32+4xv100", 32, 120, "tesla-v100", "4"),
    _shape("n1-standard-64+8xv100", 64, 240, "tesla-v100", "8"),
)
"""From :data:`SOURCE`. SSD is stated as attached (A2 Ultra, A3, A4) or as possible (A2, G2, G4: none here).

Of the many N1 machines GPUs may be attached to, the standard ones within the limits of every GPU count.
"""

BY_NAME: Final = {shape.name: shape for shape in DOCUMENTED}

_SERIES: Final = {
    # machine type prefix: its vCPU and memory parts; None where the GPU part is the whole machine
    "a2-highgpu-": "a2",
    "a2-megagpu-": "a2",
    "a2-ultragpu-": "a2",
    "a3-edgegpu-": "a3",
    "a3-highgpu-": "a3",
    "a3-megagpu-": "a3plus",
    "a3-ultragpu-": "a3ultra",
    "a4-highgpu-": None,
    "a4x-highgpu-": None,
    "a4x-maxgpu-": None,
    "g2-standard-": "g2",
    "g4-standard-": "g4",
    "n1-standard-": "n1predefined",
}

_NOT_SOLD: Final = (
    # spot, flex-start or reservation only; A4X by reservation only
    ("a3-highgpu-[124]g*", Market.ON_DEMAND),
    ("a3-ultragpu-*", Market.ON_DEMAND),
    ("a4-*", Market.ON_DEMAND),
    ("a4x-*", Market.ON_DEMAND),
    ("a4x-*", Market.SPOT),
)


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the bill of a machine."""

    name: str  #: in words, for messages
    keys: tuple[str, ...]  #: price parts that may stand for it, the most specific first
    quantity: Decimal


def sold(shape_name: str, market: Market) -> bool:
    """Whether the documentation lets one buy the shape in this market without a reservation (W7)."""
    return not any(unsold is market and fnmatchcase(shape_name, pattern) for pattern, unsold in _NOT_SOLD)


def parts_of(shape: Shape) -> tuple[Part, ...] | None:
    """What its price is made of; None for a series nobody documented the billing of."""
    series = [family for prefix, family in _SERIES.items() if shape.name.startswith(prefix)]
    if not series:
        return None
    gpu = Part("GPU", (ALIASES[shape.accelerator_type][1],), shape.accelerators)
    family = series[0]
    whole_machine = gpu.keys[0].startswith("vm:")
    if whole_machine != (family is None):
        return None
    if family is None:
        return (gpu,)
    parts = [
        gpu,
        Part("vCPU", (f"core:{family}",), Decimal(shape.vcpus)),
        Part("memory", (f"ram:{family}",), shape.memory_gib),
    ]
    if shape.ssd_partitions:
        gib = Decimal(shape.ssd_partitions * GIB_PER_PARTITION)
        parts.append(Part("local SSD", (f"ssd:{family}", "ssd"), gib))
    return tuple(parts)
