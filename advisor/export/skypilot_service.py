"""SkyServe services: one per purchase line, with the line's own count.

A SkyServe replica is a whole instance behind one endpoint: equal copies on it run as data-parallel ranks. One
service with several candidates would be given one count, of whichever is cheapest; a router between services
(``--to litellm``) keeps the plan's mix.

Source of the fields: skypilot 0.14.1, sky/utils/schemas.py; "instance" there is "replica" here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.export.bundle import Bundle, File, yaml_file
from advisor.export.order import heading, held, keep, left_out_notes, marks, sift
from advisor.export.serving import FIRST_PORT, HEALTH, has_key, not_served, uneven
from advisor.export.skypilot import (
    CLOUDS,
    FILL_IN,
    NOT_NAMED,
    candidate,
    candidate_notes,
    environment,
    environment_notes,
    run,
    secrets,
    setup,
    start,
    unnamed,
)
from advisor.text import printable

if TYPE_CHECKING:
    from advisor.export.order import Line, Order

READY_AFTER_S: Final = 1800
"""Loading a large checkpoint from a hub takes many minutes; SkyServe's own default is 1200."""


def skypilot_services(order: Order) -> Bundle:
    """A service file per line."""
    kept, left_out = sift(*keep(order, CLOUDS, NOT_NAMED), unnamed, held, not_served, uneven, _keyless)
    notes = left_out_notes(left_out)
    return Bundle(tuple(_service(order, line, notes) for line in kept), tuple(left_out), FILL_IN)


def _keyless(line: Line) -> str | None:
    (stand,) = line.stands
    engine = printable(stand.service.engine)
    return (
        None
        if has_key(stand)
        else f"it runs {engine}, which asks for no key, and SkyServe's endpoints are open"
    )


def _service(order: Order, line: Line, notes: list[str]) -> File:
    (stand,) = line.stands
    copies, count = stand.allocation.replicas // line.purchase.instances, line.purchase.instances
    service: dict[str, Any] = {
        "readiness_probe": {"path": HEALTH, "initial_delay_seconds": READY_AFTER_S},
        "replicas": count,
    }
    task = {
        "name": stand.name,
        "service": service,
        "resources": {"ports": str(FIRST_PORT), "any_of": [candidate(line, order)]},
        "envs": environment(line, order) | marks(line, count),
        "secrets": secrets(),
        "setup": setup(line),
        "run": run([start(stand, order, copies=copies)]),
    }
    file = f"{stand.name}.service.yaml"
    launch = f"sky serve up -n {stand.name} --secret API_KEY --secret HF_TOKEN {file}"
    head = heading(order, "SkyServe service", launch)
    return yaml_file(file, [*head, *candidate_notes(line), *environment_notes(line, order), *notes], task)
