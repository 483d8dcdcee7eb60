"""SkyServe services: one per service and shape of replica, its purchase lines in ``any_of``.

A SkyServe replica is a whole instance behind one endpoint: equal copies on it run as vLLM's data-parallel
ranks. SkyServe starts the number of replicas asked for on whichever of ``any_of`` it finds cheapest; how many
of each the plan bought stands in the comments.

Source of the fields: skypilot 0.14.1, sky/utils/schemas.py; "instance" there is "replica" here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.documents.yaml_text import Script
from advisor.export.bundle import Bundle, File, LeftOut, yaml_file
from advisor.export.order import heading, held, keep, left_out_notes, sift, unique
from advisor.export.serving import FIRST_PORT, arguments, not_served, shell
from advisor.export.skypilot import (
    CLOUDS,
    FILL_IN,
    NOT_NAMED,
    SETUP,
    candidate,
    candidate_notes,
    environment,
    environment_notes,
    unnamed,
)

if TYPE_CHECKING:
    from advisor.export.order import Line, Order

READY_AFTER_S: Final = 1800
"""Loading a large checkpoint from a hub takes many minutes; SkyServe's own default is 1200."""

_Shape = tuple[str, int, int]
"""Service, tensor-parallel degree, copies per instance."""


def skypilot_services(order: Order) -> Bundle:
    """A service file per service and shape of replica."""
    kept, left_out = sift(*keep(order, CLOUDS, NOT_NAMED), unnamed, held, not_served)
    groups: dict[_Shape, list[Line]] = {}
    for line in kept:
        shape = _shape(line)
        if isinstance(shape, str):
            left_out.append(LeftOut(line.purchase.offer_id, shape))
        else:
            groups.setdefault(shape, []).append(line)
    notes, names = left_out_notes(left_out), set[str]()
    files = []
    for (service, degree, copies), lines in groups.items():
        name = unique(f"{service}-tp{degree}x{copies}", names)
        files.append(_service(order, name, lines, copies, notes))
    return Bundle(tuple(files), tuple(left_out), FILL_IN)


def _shape(line: Line) -> _Shape | str:
    """What every instance of the line runs, or why that is not one thing."""
    if len(line.stands) > 1:
        return "its instances run several services or degrees; use --to skypilot"
    (stand,) = line.stands
    copies, rest = divmod(stand.allocation.replicas, line.purchase.instances)
    if rest:
        return "its instances do not all run the same number of replicas; use --to skypilot"
    return stand.service.name, stand.allocation.tensor_parallel, copies


def _service(order: Order, name: str, lines: list[Line], copies: int, notes: list[str]) -> File:
    (stand,) = lines[0].stands
    flags = shell(arguments(stand, order.facts, copies=copies))
    count = sum(line.purchase.instances for line in lines)
    cheapest_first = sorted(lines, key=lambda line: line.purchase.usd_per_hour_each)
    service: dict[str, Any] = {
        "readiness_probe": {"path": "/v1/models", "initial_delay_seconds": READY_AFTER_S},
        "replicas": count,
    }
    said = [words for line in cheapest_first for words in candidate_notes(line)]
    if len(lines) > 1:
        said.insert(0, "SkyServe chooses among its candidates; the plan bought these counts of them:")
    task = {
        "name": name,
        "service": service,
        "resources": {"ports": str(FIRST_PORT), "any_of": [candidate(line) for line in cheapest_first]},
        "envs": environment(lines[0], order),
        "setup": Script(f"{SETUP}\n"),
        "run": Script(f'vllm serve "$MODEL" {flags}\n'),
    }
    file = f"{name}.service.yaml"
    head = heading(order, "SkyServe service", f"sky serve up -n {name} {file}")
    return yaml_file(file, [*head, *said, *environment_notes(lines[0]), *notes], task)
