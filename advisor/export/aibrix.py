"""AIBrix GPU profiles: for each Deployment, the rate one replica sustains per request size, and its price.

All profiles of a service share one grid, as AIBrix demands. A rate of 0 is, as in AIBrix's own profiles, "do
not send this size here": the plan states capacities only for what it sends. ``plan.json`` says how many
replicas and instances the plan has, for which a profile has no place.
Source of the fields: AIBrix, gpu_optimizer/optimizer/profiling/gen_profile.py.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from advisor.export.bundle import Bundle, File
from advisor.text import printable, printable_json
from advisor.units import decimal_text

if TYPE_CHECKING:
    from decimal import Decimal

    from advisor.export.order import Line, Order, Stand
    from advisor.plan.plan import ServiceLine

FILL_IN: Final = ("store each profile under aibrix:profile_<model>_<deployment> in AIBrix's Redis",)


def aibrix(order: Order) -> Bundle:
    """A profile per Deployment, and what the plan bought."""
    files = [
        File(f"{stand.name}.profile.json", _text(_profile(order, line, stand)))
        for line in order.lines
        for stand in line.stands
    ]
    if files:
        files.append(File("plan.json", _text(_bought(order))))
    return Bundle(tuple(files), (), FILL_IN if files else ())


def _text(document: object) -> str:
    return printable_json(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)) + "\n"


def _profile(order: Order, line: Line, stand: Stand) -> dict[str, Any]:
    service = stand.service
    inputs = sorted({bucket.input_tokens_max for bucket in service.buckets})
    outputs = sorted({bucket.output_tokens_max for bucket in service.buckets})
    rates = {
        (load.output_tokens_max, load.input_tokens_max): load.capacity_requests_per_s
        for load in stand.allocation.load
    }
    return {
        "gpu": stand.name,
        "cost": float(_usd_per_replica(line, stand)),
        "tputs": [[rates.get((output, input_), 0.0) for input_ in inputs] for output in outputs],
        "indexes": [outputs, inputs],
        "created": order.plan.created_at.timestamp(),
        "slos": _slos(service),
    }


def _usd_per_replica(line: Line, stand: Stand) -> Decimal:
    """A replica's part of its instance, per hour."""
    part = stand.allocation.tensor_parallel * line.purchase.usd_per_hour_each
    return part / line.purchase.accelerators_per_instance


def _slos(service: ServiceLine) -> dict[str, float]:
    """Seconds, as AIBrix has them."""
    said: dict[str, float] = {"percentile": round(100 * (service.slo_statistic.share or 0.0), 6)}
    if service.ttft_ms is not None:
        said["ttft"] = service.ttft_ms / 1000
    if service.tpot_ms is not None:
        said["tpot"] = service.tpot_ms / 1000
    return said


def _bought(order: Order) -> dict[str, Any]:
    return {
        "plan_id": printable(order.plan.plan_id),
        "lines": [
            {
                "line": printable(line.purchase.offer_id),
                "instances": line.purchase.instances,
                "accelerators_per_instance": line.purchase.accelerators_per_instance,
                "usd_per_hour_each": decimal_text(line.purchase.usd_per_hour_each),
                "usd_per_hour": decimal_text(line.purchase.usd_per_hour),
                "replicas": {stand.name: stand.allocation.replicas for stand in line.stands},
            }
            for line in order.lines
        ],
    }
