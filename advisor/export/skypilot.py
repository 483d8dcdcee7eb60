"""SkyPilot tasks: one per purchase line, of as many nodes as the line has instances.

Source of the fields: skypilot 0.14.1, sky/utils/schemas.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.documents.yaml_text import Script
from advisor.export.bundle import Bundle, File, LeftOut, yaml_file
from advisor.export.order import heading, held, keep, left_out_notes, price_note, sift, split_shape
from advisor.export.serving import arguments, checkpoint_note, not_served, seats, shell, weights
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.export.order import Line, Order
    from advisor.export.serving import Seat
    from advisor.plan.plan import Purchase, ServiceLine

CLOUDS: Final = ("aws", "azure", "gcp", "lambda", "nebius", "runpod")
"""Providers whose instance types SkyPilot calls by the name we do; RunPod's it calls :data:`RUNPOD`."""
RUNPOD: Final = {
    "a100-pcie-80gb": "A100-80GB",
    "a100-sxm-80gb": "A100-80GB-SXM",
    "b200-sxm-180gb": "B200",
    "h100-nvl-94gb": "H100-NVL",
    "h100-pcie-80gb": "H100",
    "h100-sxm-80gb": "H100-SXM",
    "h200-sxm-141gb": "H200-SXM",
    "l4-24gb": "L4",
    "l40-48gb": "L40",
    "l40s-48gb": "L40S",
    "mi300x-192gb": "MI300X",
    "rtx-4090-24gb": "RTX4090",
    "rtx-5090-32gb": "RTX5090",
    "rtx-pro-6000-96gb": "RTXPRO6000",
}
"""Names of accelerators in sky/provision/runpod/utils.py; SkyPilot rents in RunPod's Secure Cloud only."""
ANYWHERE: Final = "global"
"""The region of providers that have none."""
NOT_NAMED: Final = "SkyPilot does not know it under this instance type"
SETUP: Final = 'uv pip install "vllm$VLLM_VERSION" || pip install "vllm$VLLM_VERSION"'
FILL_IN: Final = (
    "MODEL, where not the base weights but their instruct version is to be served",
    "HF_TOKEN, if the model is gated",
    "VLLM_VERSION, e.g. ==0.20.0: the one your throughput was measured with",
)


def skypilot_tasks(order: Order) -> Bundle:
    """A task file per purchase line."""
    kept, left_out = sift(*keep(order, CLOUDS, NOT_NAMED), unnamed, held, not_served)
    files = []
    for line in kept:
        placed = seats(line)
        if placed is None:
            why = "its replicas do not fit its instances one after the other"
            left_out.append(LeftOut(line.purchase.offer_id, why))
            continue
        files.append((line, placed))
    notes = left_out_notes(left_out)
    return Bundle(
        tuple(_task(order, line, placed, notes) for line, placed in files),
        tuple(left_out),
        FILL_IN,
    )


def shape(purchase: Purchase) -> str | None:
    """SkyPilot's name of the instance type; None where it has none."""
    if purchase.provider != "runpod":
        return purchase.instance_type
    name = RUNPOD.get(purchase.accelerator)
    if name is None or not purchase.instance_type.startswith("secure_"):
        return None
    return f"{purchase.accelerators_per_instance}x_{name}_SECURE"


def unnamed(line: Line) -> str | None:
    """Why SkyPilot cannot be asked for the line's instance type, if so."""
    return None if shape(line.purchase) else NOT_NAMED


def candidate(line: Line) -> dict[str, Any]:
    """The one way to get the line."""
    purchase = line.purchase
    machine, chip, count = split_shape(shape(purchase) or "")
    infra = [purchase.provider, *([] if purchase.region == ANYWHERE else [purchase.region])]
    if purchase.zone is not None and purchase.provider != "aws":
        infra.append(purchase.zone)
    wanted: dict[str, Any] = {"infra": "/".join(map(printable, infra)), "instance_type": machine}
    if chip is not None:
        wanted["accelerators"] = f"{chip.removeprefix('nvidia-tesla-').upper()}:{count}"
    wanted["use_spot"] = purchase.market.value == "spot"
    return wanted


def candidate_notes(line: Line) -> list[str]:
    """What the line costs, and the zone SkyPilot cannot be told."""
    notes, zone = [price_note(line.purchase)], line.purchase.zone
    if zone is not None and line.purchase.provider == "aws":
        notes.append(f"planned in zone {zone}; SkyPilot takes your account's name of it as a third part")
    return notes


def environment(line: Line, order: Order) -> dict[str, str]:
    """What the user may change: weights by service, the engine's version, the hub's token."""
    models = {name: weights(service, order.facts) for name, service in _models(line).items()}
    return {"VLLM_VERSION": "", "HF_TOKEN": "", **models}


def environment_notes(line: Line) -> list[str]:
    """What to know of the weights."""
    return [f"{name}: {words}" for name, one in _models(line).items() for words in checkpoint_note(one)]


def _models(line: Line) -> dict[str, ServiceLine]:
    """The line's services by the variables that name their weights."""
    services = list({stand.service.name: stand.service for stand in line.stands}.values())
    if len(services) == 1:
        return {"MODEL": services[0]}
    return {f"MODEL_{number}": service for number, service in enumerate(services)}


def _task(order: Order, line: Line, placed: Sequence[Sequence[Seat]], notes: list[str]) -> File:
    most = max(len(here) for here in placed)
    models = {service.name: variable for variable, service in _models(line).items()}
    wanted = {
        "ports": "8000" if most == 1 else f"8000-{7999 + most}",
        "any_of": [candidate(line)],
    }
    task = {
        "name": line.name,
        "num_nodes": line.purchase.instances,
        "resources": wanted,
        "envs": environment(line, order),
        "setup": Script(f"{SETUP}\n"),
        "run": Script("".join(f"{words}\n" for words in _run(order, placed, models))),
    }
    name = f"{line.name}.sky.yaml"
    head = heading(order, "SkyPilot task", f"sky launch -c {line.name} {name}")
    return yaml_file(name, [*head, *candidate_notes(line), *environment_notes(line), *notes], task)


def _run(order: Order, placed: Sequence[Sequence[Seat]], models: dict[str, str]) -> list[str]:
    """Each node starts its own replicas and ends when the first of them does."""
    by_work: dict[tuple[str, ...], list[int]] = {}
    for rank, here in enumerate(placed):
        work = tuple(_start(order, seat, models) for seat in here) or ("sleep infinity &",)
        by_work.setdefault(work, []).append(rank)
    if len(by_work) == 1:
        return [*next(iter(by_work)), "wait -n"]
    lines = ['case "$SKYPILOT_NODE_RANK" in']
    for work, ranks in by_work.items():
        lines.append(f"  {'|'.join(map(str, ranks))})")
        lines.extend(f"    {start}" for start in work)
        lines.append("    ;;")
    return [*lines, "esac", "wait -n"]


def _start(order: Order, seat: Seat, models: dict[str, str]) -> str:
    degree = seat.stand.allocation.tensor_parallel
    devices = ",".join(str(seat.first_accelerator + offset) for offset in range(degree))
    model = models[seat.stand.service.name]
    flags = shell(arguments(seat.stand, order.facts, port=seat.port))
    return f'CUDA_VISIBLE_DEVICES={devices} vllm serve "${model}" {flags} &'
