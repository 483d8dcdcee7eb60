"""SkyPilot tasks: one per purchase line and kind of work, started once for every instance of it.

Instances are clusters of their own, of one node each: a gang of nodes would start only where all of them are
to be had at once, end together, and be refused where a cloud has no clusters of several nodes (RunPod).

Source of the fields: skypilot 0.14.1, sky/utils/schemas.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.documents.yaml_text import Script
from advisor.export.bundle import Bundle, File, yaml_file
from advisor.export.disk import disk_notes, shared_disk_gb
from advisor.export.engines import with_key
from advisor.export.order import heading, held, keep, left_out_notes, marks, price_note, sift, split_shape
from advisor.export.serving import (
    command,
    crowded,
    has_key,
    kind_of,
    not_served,
    serving_notes,
    shell,
    version_of,
    weights,
    works,
)
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.export.order import Line, Order, Stand
    from advisor.export.serving import Seat, Work
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
FILL_IN: Final = (
    "API_KEY, which callers must show",
    "HF_TOKEN, if the model is gated",
)
_ASK_FOR_KEY: Final = ': "${API_KEY:?say it with --secret API_KEY=...: the ports are open}"'


def skypilot_tasks(order: Order) -> Bundle:
    """A task file per purchase line."""
    kept, left_out = sift(*keep(order, CLOUDS, NOT_NAMED), unnamed, held, not_served)
    kept, left_out = sift(kept, left_out, crowded)
    notes = left_out_notes(left_out)
    files = [_task(order, line, work, notes) for line in kept for work in works(line)]
    return Bundle(tuple(files), tuple(left_out), FILL_IN)


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


def candidate(line: Line, order: Order) -> dict[str, Any]:
    """The one way to get an instance of the line, with a disk for what it runs."""
    purchase = line.purchase
    machine, chip, count = split_shape(shape(purchase) or "")
    infra = [purchase.provider, *([] if purchase.region == ANYWHERE else [purchase.region])]
    if purchase.zone is not None and purchase.provider != "aws":
        infra.append(purchase.zone)
    wanted: dict[str, Any] = {"infra": "/".join(map(printable, infra)), "instance_type": machine}
    if chip is not None:
        wanted["accelerators"] = f"{chip.removeprefix('nvidia-tesla-').upper()}:{count}"
    wanted["use_spot"] = purchase.market.value == "spot"
    wanted["disk_size"] = shared_disk_gb(line, order.facts)
    if line.ceiling_usd_per_hour is not None:
        wanted["max_hourly_cost"] = float(line.ceiling_usd_per_hour)
    return wanted


def candidate_notes(line: Line) -> list[str]:
    """What the line costs, and the zone SkyPilot cannot be told."""
    notes, zone = [price_note(line.purchase)], line.purchase.zone
    if zone is not None and line.purchase.provider == "aws":
        notes.append(f"planned in zone {zone}; SkyPilot takes your account's name of it as a third part")
    return notes


def environment(line: Line, order: Order) -> dict[str, str]:
    """What the user may change: weights, by service."""
    return {name: weights(service, order.facts) for name, service in _models(line).items()}


def environment_notes(line: Line, order: Order) -> list[str]:
    """What to know of weights, engines and disk."""
    notes = {
        f"{stand.service.name}: {words}"
        for stand in line.stands
        for words in serving_notes(stand, order.facts)
    }
    return [*sorted(notes), *disk_notes(line, order.facts)]


def secrets() -> dict[str, str]:
    """What is told at the launch and stands in no file."""
    return {"API_KEY": "", "HF_TOKEN": ""}


def setup(line: Line) -> Script:
    """Installs every engine of the line, at its version."""
    packages = dict.fromkeys(
        kind_of(stand).package.format(version=version_of(stand)) for stand in line.stands
    )
    wanted = shell(map(printable, packages))
    return Script(f"uv pip install {wanted} || pip install {wanted}\n")


def run(starts: Sequence[str]) -> Script:
    """The commands, once there is a key."""
    return Script("".join(f"{words}\n" for words in (_ASK_FOR_KEY, *starts)))


def start(stand: Stand, order: Order, variable: str = "MODEL", **options: int) -> str:
    """The shell command of a replica, its weights named by a variable and its key by another."""
    names = {_WEIGHTS: f'"${variable}"', _KEY: '"$API_KEY"'}
    words = with_key(command(stand, order.facts, model=_WEIGHTS, **options), kind_of(stand), _KEY)
    return " ".join(names.get(word) or shell([word]) for word in words)


_WEIGHTS, _KEY = "\0weights", "\0key"
"""Stand in for variables, which are not quoted as text is; no text of a plan has a NUL once printable."""


def _models(line: Line) -> dict[str, ServiceLine]:
    """The line's services by the variables that name their weights."""
    services = list({stand.service.name: stand.service for stand in line.stands}.values())
    if len(services) == 1:
        return {"MODEL": services[0]}
    return {f"MODEL_{number}": service for number, service in enumerate(services)}


def _task(order: Order, line: Line, work: Work, notes: list[str]) -> File:
    most = max(len(work.seats), 1)
    models = {service.name: variable for variable, service in _models(line).items()}
    keyless = sorted({seat.stand.service.engine for seat in work.seats if not has_key(seat.stand)})
    ports = {} if keyless else {"ports": "8000" if most == 1 else f"8000-{7999 + most}"}
    wanted = {**ports, "any_of": [candidate(line, order)]}
    starts = [_start(order, seat, models) for seat in work.seats] or ["sleep infinity &"]
    task = {
        "name": work.name,
        "resources": wanted,
        "envs": environment(line, order) | marks(line, work.instances),
        "secrets": secrets(),
        "setup": setup(line),
        "run": run([*starts, "wait -n"]),
    }
    name = f"{work.name}.sky.yaml"
    launch = f"sky launch -y -d -c {work.name}-$n --secret API_KEY --secret HF_TOKEN {name}"
    each = f"for n in $(seq {work.instances}); do {launch}; done"
    head = heading(order, "SkyPilot task", f"{work.instances} instances, each a cluster: {each}")
    head += [f"no port is opened: {engine} can ask for no key; reach it by ssh" for engine in keyless]
    head += [*candidate_notes(line), *environment_notes(line, order), *notes]
    return yaml_file(name, head, task)


def _start(order: Order, seat: Seat, models: dict[str, str]) -> str:
    degree = seat.stand.allocation.tensor_parallel
    devices = ",".join(str(seat.first_accelerator + offset) for offset in range(degree))
    words = start(seat.stand, order, models[seat.stand.service.name], port=seat.port)
    return f"CUDA_VISIBLE_DEVICES={devices} {words} &"
