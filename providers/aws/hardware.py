"""Which regions there are, which shapes hold which accelerators, and which zones offer them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.errors import PayloadError
from advisor.units import MIB_PER_GIB
from providers._payload import is_object, memory_fits, name, quantity, shown, text, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.provider import Ledger

NAME: Final = "aws"

ALIASES: Final[dict[str, tuple[str, ...]]] = {
    # EC2's Gpus[].Name or NeuronDevices[].Name: our accelerators of that name, told apart by memory
    "A10G": ("a10g-24gb",),
    "A100": ("a100-sxm-40gb", "a100-sxm-80gb"),
    "B200": ("b200-sxm-180gb",),
    "B300": ("b300-sxm-288gb",),
    "GB200": ("gb200-186gb",),
    "H100": ("h100-sxm-80gb",),
    "H200": ("h200-sxm-141gb",),
    "Inferentia": ("inferentia1-8gb",),
    "Inferentia2": ("inferentia2-32gb",),
    "L4": ("l4-24gb",),
    "L40S": ("l40s-48gb",),
    "RTX PRO 4500": ("rtx-pro-4500-32gb",),
    "RTX PRO Server 6000": ("rtx-pro-6000-96gb",),
    "T4": ("t4-16gb",),
    "T4g": ("t4g-16gb",),
    "Trainium": ("trainium1-32gb",),
    "Trainium2": ("trainium2-96gb",),
    "V100": ("v100-sxm-16gb", "v100-sxm-32gb"),
}

FAMILIES: Final[dict[str, str]] = {
    # what stands before the dot of an instance type: its accelerator; for the price list names no chip.
    # Source: EC2's DescribeInstanceTypes as recorded 2026, p6e-gb200, p3 and trn2u: AWS's product pages.
    "g4dn": "t4-16gb",
    "g5": "a10g-24gb",
    "g5g": "t4g-16gb",
    "g6": "l4-24gb",
    "g6e": "l40s-48gb",
    "g6f": "l4-24gb",
    "g7": "rtx-pro-4500-32gb",
    "g7e": "rtx-pro-6000-96gb",
    "gr6": "l4-24gb",
    "gr6f": "l4-24gb",
    "inf1": "inferentia1-8gb",
    "inf2": "inferentia2-32gb",
    "p3": "v100-sxm-16gb",
    "p3dn": "v100-sxm-32gb",
    "p4d": "a100-sxm-40gb",
    "p4de": "a100-sxm-80gb",
    "p5": "h100-sxm-80gb",
    "p5e": "h200-sxm-141gb",
    "p5en": "h200-sxm-141gb",
    "p6-b200": "b200-sxm-180gb",
    "p6-b300": "b300-sxm-288gb",
    "p6e-gb200": "gb200-186gb",
    "trn1": "trainium1-32gb",
    "trn1n": "trainium1-32gb",
    "trn2": "trainium2-96gb",
    "trn2u": "trainium2-96gb",
}

_NOT_THE_CHIPS_MEMORY: Final = {"Trainium2": 524_288}
"""MiB that EC2 states (recorded 2026); AWS's product page says 96 GB a chip. Not checked against."""
_ENABLED: Final = ("opt-in-not-required", "opted-in")
_STATED_MEMORY: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) ?(GB|GiB|TB|TiB)\b.*")
_MIN_COUNT: Final = Decimal("0.000001")
"""A snapshot holds counts as DECIMAL(9, 6)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """An instance type as far as planning needs it."""

    instance_type: str
    accelerator: str
    accelerators: Decimal
    vcpus: int | None
    memory_gib: float | None
    usage_classes: frozenset[str] | None  #: ``on-demand``, ``spot``, ``capacity-block``; None is not stated


def listing(payload: object, operation: str, key: str) -> list[object]:
    """The list an answer is about.

    Raises:
        PayloadError: there is none.
    """
    items = payload.get(key) if is_object(payload) else None
    if not isinstance(items, list):
        raise PayloadError(f"{NAME}: {operation}: not the documented answer (no {key})")
    return items


def parse_regions(payload: object, ledger: Ledger) -> tuple[str, ...]:
    """Regions the account may use; the others are rejections."""
    enabled = []
    for item in listing(payload, "describe_regions", "Regions"):
        region = name(item.get("RegionName")) if is_object(item) else None
        if region is None or not is_object(item):
            ledger.reject("malformed_item", "describe_regions", f"no region name: {shown(item)}")
        elif item.get("OptInStatus") in _ENABLED:
            enabled.append(region)
        else:
            stated = shown(item.get("OptInStatus"))
            ledger.reject(
                "region_not_enabled", region, f"OptInStatus is {stated}; enable it to see it", region
            )
    return tuple(sorted(set(enabled)))


def parse_instance_types(payload: object, ledger: Ledger) -> tuple[dict[str, Shape], frozenset[str]]:
    """Shapes that hold an accelerator we know, and all types that are told about, usable or not."""
    shapes: dict[str, Shape] = {}
    told: set[str] = set()
    for item in listing(payload, "describe_instance_types", "InstanceTypes"):
        instance_type = name(item.get("InstanceType")) if is_object(item) else None
        if instance_type is None or not is_object(item):
            ledger.reject("malformed_item", "describe_instance_types", f"no instance type: {shown(item)}")
            continue
        told.add(instance_type)
        shape = _read_shape(ledger, instance_type, item)
        if shape is not None:
            shapes[instance_type] = shape
    return shapes, frozenset(told)


def _read_shape(ledger: Ledger, instance_type: str, item: dict[str, object]) -> Shape | None:
    devices = _devices(item)
    if devices is None:
        return None  # no accelerator, and none was asked for
    if len(devices) != 1 or not is_object(devices[0]):
        ledger.reject("malformed_item", instance_type, f"not one kind of accelerator: {shown(devices)}")
        return None
    device = devices[0]
    chip = text(device.get("Name"))
    if chip not in ALIASES:
        ledger.reject("unknown_accelerator", instance_type, f"EC2 names it {shown(device.get('Name'))}")
        return None
    count, partition = _count(device)
    if count is None:
        counts = ", ".join(f"{key} {shown(device.get(key))}" for key in ("Count", "LogicalGpuCount"))
        ledger.reject("malformed_item", instance_type, f"{counts}: no number of accelerators")
        return None
    accelerator = _identified(chip, device, partition)
    if accelerator is None:
        stated = shown(device.get("MemoryInfo"))
        ledger.reject("memory_mismatch", instance_type, f"{chip} with {stated}, partition {partition}")
        return None
    return Shape(instance_type, accelerator, count, _vcpus(item), _memory_gib(item), _usage_classes(item))


def _devices(item: dict[str, object]) -> list[object] | None:
    """The accelerators as EC2 lists them; None for a shape without."""
    for outer, inner in (
        ("GpuInfo", "Gpus"),
        ("NeuronInfo", "NeuronDevices"),
        ("InferenceAcceleratorInfo", "Accelerators"),
    ):
        info = item.get(outer)
        if is_object(info):
            devices = info.get(inner)
            return devices if isinstance(devices, list) else []
        if info is not None:
            return []
    return None


def _count(device: dict[str, object]) -> tuple[Decimal | None, Decimal]:
    """Whole chips, or the part of one (g6f: Count 0, LogicalGpuCount x GpuPartitionSize); and that part."""
    chips = whole(device.get("Count"), at_most=512)
    if chips is not None:
        return Decimal(chips), Decimal(1)
    partition = quantity(device.get("GpuPartitionSize"), at_most=1)
    logical = whole(device.get("LogicalGpuCount"), at_most=512)
    stated = device.get("Count")
    if type(stated) is not int or stated != 0 or partition is None or logical is None:
        return None, Decimal(1)
    if partition < _MIN_COUNT or partition % _MIN_COUNT:
        return None, Decimal(1)
    return (partition * logical).normalize(), partition


def _identified(chip: str, device: dict[str, object], partition: Decimal) -> str | None:
    info = device.get("MemoryInfo")
    mib = quantity(info.get("SizeInMiB"), at_most=10**8) if is_object(info) else None
    if mib is None:
        return None
    candidates = ALIASES[chip]
    if mib == _NOT_THE_CHIPS_MEMORY.get(chip):
        return candidates[0]
    fitting = [one for one in candidates if memory_fits(one, mib / partition / MIB_PER_GIB)]
    return fitting[0] if len(fitting) == 1 else None


def _vcpus(item: dict[str, object]) -> int | None:
    info = item.get("VCpuInfo")
    return whole(info.get("DefaultVCpus"), at_most=100_000) if is_object(info) else None


def _memory_gib(item: dict[str, object]) -> float | None:
    info = item.get("MemoryInfo")
    mib = quantity(info.get("SizeInMiB"), at_most=10**10) if is_object(info) else None
    return None if mib is None else float(round(mib / MIB_PER_GIB, 3))


def _usage_classes(item: dict[str, object]) -> frozenset[str] | None:
    stated = item.get("SupportedUsageClasses")
    return frozenset(one for one in stated if isinstance(one, str)) if isinstance(stated, list) else None


def shape_from_attributes(
    ledger: Ledger, instance_type: str, attributes: Mapping[str, str], region: str
) -> Shape | None:
    """The shape as the price list tells it, whose chip follows from the family; None is a rejection."""
    family = instance_type.partition(".")[0]
    if family not in FAMILIES:
        detail = f"the price list names no chip, and family {shown(family)} is not mapped"
        ledger.reject("unknown_accelerator", instance_type, detail)
        return None
    accelerator = FAMILIES[family]
    count = _stated_count(attributes.get("gpu"))
    if count is None:
        ledger.reject("malformed_item", instance_type, f"gpu is {shown(attributes.get('gpu'))}", region)
        return None
    if not _memory_agrees(accelerator, count, attributes.get("gpuMemory")):
        detail = f"{count} x {accelerator} with gpuMemory {shown(attributes.get('gpuMemory'))}"
        ledger.reject("memory_mismatch", instance_type, detail, region)
        return None
    vcpu = attributes.get("vcpu") or ""
    gib = _gigabytes(attributes.get("memory"))
    return Shape(
        instance_type,
        accelerator,
        count,
        int(vcpu) if re.fullmatch(r"[1-9][0-9]{0,4}", vcpu) else None,
        None if gib is None else float(gib),
        None,
    )


def _stated_count(stated: str | None) -> Decimal | None:
    if stated is None or not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", stated):
        return None
    return quantity(Decimal(stated), at_most=512)


def _memory_agrees(accelerator: str, count: Decimal, stated: str | None) -> bool:
    """The list states the sum, for some types the memory of one chip; a blank or NA states nothing."""
    if not stated or stated == "NA" or accelerator.startswith("trainium2"):
        return True
    total = _gigabytes(stated)
    return total is not None and any(memory_fits(accelerator, one) for one in (total / count, total))


def _gigabytes(stated: str | None) -> Decimal | None:
    form = _STATED_MEMORY.fullmatch((stated or "").replace(",", ""))
    if form is None:
        return None
    return Decimal(form[1]) * (1024 if form[2].startswith("T") else 1) or None


def parse_offerings(payload: object, ledger: Ledger, region: str) -> dict[str, frozenset[str]]:
    """Instance type to the ids of the zones that offer it."""
    zones: dict[str, set[str]] = {}
    for item in listing(payload, "describe_instance_type_offerings", "InstanceTypeOfferings"):
        instance_type = name(item.get("InstanceType")) if is_object(item) else None
        zone = name(item.get("Location")) if is_object(item) else None
        if instance_type is None or zone is None:
            ledger.reject("malformed_item", "describe_instance_type_offerings", shown(item), region)
            continue
        zones.setdefault(instance_type, set()).add(zone)
    return {instance_type: frozenset(found) for instance_type, found in zones.items()}
