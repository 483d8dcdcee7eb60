"""dstack: a fleet per purchase line, and a service that fills it; the ready way to Vast, RunPod and Lambda.

Source of the fields: dstack 0.22, core/models/fleets.py and configurations.py; names of accelerators: gpuhunt
0.1, its list of known ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.export.bundle import Bundle, File, yaml_file
from advisor.export.disk import disk_notes, shared_disk_gb
from advisor.export.order import (
    heading,
    held,
    keep,
    left_out_notes,
    marks,
    price_note,
    sift,
    split_shape,
    unique,
)
from advisor.export.serving import (
    FIRST_PORT,
    HEALTH,
    command,
    image_of,
    not_served,
    serving_notes,
    shell,
    uneven,
)

if TYPE_CHECKING:
    from advisor.export.order import Line, Order

BACKENDS: Final = {
    "aws": "aws", "azure": "azure", "crusoe": "crusoe", "gcp": "gcp", "lambda": "lambda", "nebius": "nebius",
    "runpod": "runpod", "vast": "vastai",
}  # fmt: skip
"""dstack's names of the providers."""
BY_ACCELERATOR: Final = ("runpod", "vast")
"""Where instance types are this catalog's own names: asked for by accelerator and count."""
CHIPS: Final = {
    "a10-24gb": "A10", "a100-pcie-40gb": "A100", "a100-pcie-80gb": "A100", "a100-sxm-40gb": "A100",
    "a100-sxm-80gb": "A100", "a10g-24gb": "A10G", "a40-48gb": "A40", "b200-sxm-180gb": "B200",
    "gh200-96gb": "GH200", "h100-nvl-94gb": "H100NVL", "h100-pcie-80gb": "H100", "h100-sxm-80gb": "H100",
    "h200-nvl-141gb": "H200NVL", "h200-sxm-141gb": "H200", "l4-24gb": "L4", "l40-48gb": "L40",
    "l40s-48gb": "L40S", "rtx-3090-24gb": "RTX3090", "rtx-4090-24gb": "RTX4090", "rtx-5090-32gb": "RTX5090",
    "rtx-6000-ada-48gb": "RTX6000Ada", "rtx-a6000-48gb": "A6000", "rtx-pro-6000-96gb": "RTXPRO6000",
    "t4-16gb": "T4", "v100-sxm-16gb": "V100", "v100-sxm-32gb": "V100",
}  # fmt: skip
NAME_LENGTH: Final = 35
"""dstack's names have at most 41 characters; the rest is for endings."""
NOT_RENTED: Final = "dstack rents nothing at this provider"
FILL_IN: Final = ("HF_TOKEN in your environment, if the model is gated",)


def dstack(order: Order) -> Bundle:
    """A fleet and a service per line."""
    kept, left_out = sift(*keep(order, BACKENDS, NOT_RENTED), held, _unnamed, not_served, uneven)
    notes, names = left_out_notes(left_out), set[str]()
    files = []
    for line in kept:
        (stand,) = line.stands
        name = unique(stand.name[:NAME_LENGTH].rstrip("-"), names)
        files += [_fleet(order, line, name, notes), _service(order, line, name, notes)]
    return Bundle(tuple(files), tuple(left_out), FILL_IN if files else ())


def _unnamed(line: Line) -> str | None:
    known = line.purchase.accelerator in CHIPS
    return None if known else "dstack's name of its accelerator is not known here"


def _place(line: Line) -> dict[str, Any]:
    """Where and as what an instance is asked for, and what it may cost."""
    purchase = line.purchase
    wanted: dict[str, Any] = {"backends": [BACKENDS[purchase.provider]]}
    if purchase.provider not in BY_ACCELERATOR:
        wanted["regions"] = [purchase.region]
        machine, chip, _ = split_shape(purchase.instance_type)
        wanted["instance_types"] = [machine] if chip is None else []
    if purchase.zone is not None and purchase.provider == "gcp":
        wanted["availability_zones"] = [purchase.zone]
    wanted["spot_policy"] = "spot" if purchase.market.value == "spot" else "on-demand"
    if line.ceiling_usd_per_hour is not None:
        wanted["max_price"] = float(line.ceiling_usd_per_hour)
    return {key: value for key, value in wanted.items() if value}


def _resources(order: Order, line: Line) -> dict[str, Any]:
    purchase = line.purchase
    chip = order.facts.accelerators.get(purchase.accelerator)
    gpu: dict[str, Any] = {"name": CHIPS[purchase.accelerator], "count": purchase.accelerators_per_instance}
    if chip is not None and gpu["name"] in ("A100", "V100"):
        gpu["memory"] = f"{chip.memory_gb:.0f}GB"
    return {"gpu": gpu, "disk": f"{shared_disk_gb(line, order.facts)}GB.."}


def _fleet(order: Order, line: Line, name: str, notes: list[str]) -> File:
    count = line.purchase.instances
    document = {
        "type": "fleet",
        "name": name,
        "nodes": {"min": 0, "target": 0, "max": count},  # the service's replicas fill it
        **_place(line),
        "resources": _resources(order, line),
    }
    file = f"{name}.fleet.dstack.yaml"
    head = heading(order, "dstack fleet", f"dstack apply -f {file}")
    return yaml_file(file, [*head, price_note(line.purchase), *_zone_note(line), *notes], document)


def _service(order: Order, line: Line, name: str, notes: list[str]) -> File:
    (stand,) = line.stands
    count = line.purchase.instances
    words = command(stand, order.facts, copies=stand.allocation.replicas // count)
    document = {
        "type": "service",
        "name": f"{name}-run",
        "fleets": [name],
        "image": image_of(stand),
        "env": ["HF_TOKEN", *(f"{key}={value}" for key, value in marks(line, count).items())],
        "commands": [shell(words)],
        "port": FIRST_PORT,
        "model": {"type": "chat", "name": stand.served_name, "format": "openai"},
        "auth": True,
        "replicas": count,
        "probes": [{"type": "http", "url": HEALTH}],
        **_place(line),
        "resources": _resources(order, line),
    }
    file = f"{name}.service.dstack.yaml"
    head = heading(order, "dstack service", f"dstack apply -f {file}; its fleet first")
    said = [f"{stand.name}: {words}" for words in serving_notes(stand, order.facts)]
    said += disk_notes(line, order.facts)
    return yaml_file(file, [*head, price_note(line.purchase), *said, *notes], document)


def _zone_note(line: Line) -> list[str]:
    zone = line.purchase.zone
    return [f"planned in zone {zone}"] if zone is not None and line.purchase.provider != "gcp" else []
