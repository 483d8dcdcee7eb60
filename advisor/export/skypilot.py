"""SkyPilot tasks: one per purchase line, of as many nodes as the line has instances.

Source of the fields: skypilot 0.14.1, sky/utils/schemas.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.export.bundle import Bundle, File, LeftOut
from advisor.export.order import heading, held, keep, left_out_notes, price_note, sift, split_shape
from advisor.export.serving import arguments, checkpoint_note, not_served, seats, shell, weights
from advisor.export.yaml_text import Note, Script, documents
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.export.order import Line, Order
    from advisor.export.serving import Seat
    from advisor.plan.plan import Purchase

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
        tuple(File(f"{line.name}.sky.yaml", _task(order, line, placed, notes)) for line, placed in files),
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


def resources(line: Line) -> Note:
    """The one way to get the line, with its price."""
    purchase = line.purchase
    machine, chip, count = split_shape(shape(purchase) or "")
    infra = [purchase.provider, *([] if purchase.region == ANYWHERE else [purchase.region])]
    comments = [price_note(purchase)]
    if purchase.zone is not None and purchase.provider == "aws":
        comments.append(
            f"planned in zone {purchase.zone}; SkyPilot takes your account's name of it as a third part"
        )
    elif purchase.zone is not None:
        infra.append(purchase.zone)
    wanted: dict[str, Any] = {"infra": "/".join(map(printable, infra)), "instance_type": machine}
    if chip is not None:
        wanted["accelerators"] = f"{chip.removeprefix('nvidia-tesla-').upper()}:{count}"
    wanted["use_spot"] = purchase.market.value == "spot"
    return Note(tuple(comments), wanted)


def environment(line: Line, order: Order) -> dict[str, Any]:
    """What the user may change: weights by service, the engine's version, the hub's token."""
    services = {stand.service.name: stand.service for stand in line.stands}
    values: dict[str, Any] = {"VLLM_VERSION": "", "HF_TOKEN": ""}
    for number, service in enumerate(services.values()):
        name = "MODEL" if len(services) == 1 else f"MODEL_{number}"
        noted = checkpoint_note(service)
        text = weights(service, order.facts)
        values[name] = Note(noted, text) if noted else text
    return values


def _task(order: Order, line: Line, placed: Sequence[Sequence[Seat]], notes: list[str]) -> str:
    most = max(len(here) for here in placed)
    models = {stand.service.name: number for number, stand in enumerate(_first_of_each(line))}
    wanted = {
        "ports": "8000" if most == 1 else f"8000-{7999 + most}",
        "any_of": [resources(line)],
    }
    task = {
        "name": line.name,
        "num_nodes": line.purchase.instances,
        "resources": wanted,
        "envs": environment(line, order),
        "setup": Script((SETUP,)),
        "run": Script(tuple(_run(order, placed, models))),
    }
    head = heading(order, "SkyPilot task", f"sky launch -c {line.name} {line.name}.sky.yaml")
    return documents([*head, *notes], task)


def _first_of_each(line: Line) -> list[Any]:
    return list({stand.service.name: stand for stand in line.stands}.values())


def _run(order: Order, placed: Sequence[Sequence[Seat]], models: dict[str, int]) -> list[str]:
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


def _start(order: Order, seat: Seat, models: dict[str, int]) -> str:
    degree = seat.stand.allocation.tensor_parallel
    devices = ",".join(str(seat.first_accelerator + offset) for offset in range(degree))
    model = "MODEL" if len(models) == 1 else f"MODEL_{models[seat.stand.service.name]}"
    flags = shell(arguments(seat.stand, order.facts, port=seat.port))
    return f'CUDA_VISIBLE_DEVICES={devices} vllm serve "${model}" {flags} &'
