"""AIBrix GPU profiles: for each Deployment, the rate one replica sustains per request size, and its price.

All profiles of a service share one grid, as AIBrix demands. A rate is what one replica is planned to take of
that size alone: its capacity within the SLO, less the headroom, so that AIBrix's optimiser counts replicas as
the plan does. It is 0 only where no evidence keeps the SLO: AIBrix reads 0 as a load that no number of
replicas carries. ``plan.json`` says how many replicas and instances the plan has; ``autoscalers.json`` keeps
AIBrix within them.
Source of the fields: AIBrix, gpu_optimizer/optimizer/profiling/gen_profile.py.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from advisor.domain import Throughput
from advisor.export.bundle import Bundle, File
from advisor.plan.demand import BucketLine
from advisor.text import printable, printable_json
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from advisor.export.order import Line, Order, Stand
    from advisor.plan.plan import ServiceLine

FILL_IN: Final = ("store each profile under aibrix:profile_<model>_<deployment> in AIBrix's Redis",)


def aibrix(order: Order) -> Bundle:
    """A profile and an autoscaler per Deployment, and what the plan bought."""
    files = [
        File(f"{stand.name}.profile.json", _text(_profile(order, line, stand)))
        for line in order.lines
        for stand in line.stands
    ]
    if files:
        scaled = [_autoscaler(stand) for line in order.lines for stand in line.stands]
        listed = {"apiVersion": "v1", "kind": "List", "items": scaled}
        files.append(File("autoscalers.json", _text(listed)))
        files.append(File("plan.json", _text(_bought(order))))
    return Bundle(tuple(files), (), FILL_IN if files else ())


def _text(document: object) -> str:
    return printable_json(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)) + "\n"


def _profile(order: Order, line: Line, stand: Stand) -> dict[str, Any]:
    service = stand.service
    inputs = sorted({bucket.input_tokens_max for bucket in service.buckets})
    outputs = sorted({bucket.output_tokens_max for bucket in service.buckets})
    rates = _rates(order, line, stand, [(input_, output) for output in outputs for input_ in inputs])
    return {
        "gpu": stand.name,
        "cost": float(_usd_per_replica(line, stand)),
        "tputs": [[rates[input_, output] for input_ in inputs] for output in outputs],
        "indexes": [outputs, inputs],
        "created": order.plan.created_at.timestamp(),
        "slos": _slos(service),
    }


def _rates(
    order: Order, line: Line, stand: Stand, edges: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], float]:
    """Requests/s a replica is planned to take, by the upper edges of their size: the plan's own figure, else
    what the evidence says of it."""
    service, ask = stand.service, order.facts.capacities
    planned = {
        (load.input_tokens_max, load.output_tokens_max): load.capacity_requests_per_s
        for load in stand.allocation.load
    }
    others = [edge for edge in edges if edge not in planned]
    known_here = service.model in order.facts.models and line.purchase.accelerator in order.facts.accelerators
    if ask is not None and others and known_here:
        known = {(one.input_tokens_max, one.output_tokens_max): one for one in service.buckets}
        buckets = [known.get(edge) or _bucket(*edge) for edge in others]
        degree = stand.allocation.tensor_parallel
        answers = ask(service, line.purchase.accelerator, degree, buckets)
        planned |= {
            edge: answer.requests_per_s
            for edge, answer in zip(others, answers, strict=True)
            if isinstance(answer, Throughput)
        }
    return {edge: planned.get(edge, 0.0) * (1 - service.headroom) for edge in edges}


def _bucket(input_tokens: int, output_tokens: int) -> BucketLine:
    """A size nobody asked for, at its upper edges."""
    return BucketLine(
        input_tokens_min=0,
        input_tokens_max=input_tokens,
        output_tokens_min=0,
        output_tokens_max=output_tokens,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        size_basis="upper_edge",
        share=0.0,
        requests_per_s=0.0,
    )


def _autoscaler(stand: Stand) -> dict[str, Any]:
    """Replicas as AIBrix's optimiser counts them, never more or fewer than the plan bought room for."""
    count = stand.allocation.replicas
    source = {
        "metricSourceType": "domain",
        "protocolType": "http",
        "endpoint": "aibrix-gpu-optimizer.aibrix-system.svc.cluster.local:8080",
        "path": f"/metrics/default/{stand.name}",
        "targetMetric": "vllm:deployment_replicas",
        "targetValue": "1",
    }
    return {
        "apiVersion": "autoscaling.aibrix.ai/v1alpha1",
        "kind": "PodAutoscaler",
        "metadata": {"name": stand.name},
        "spec": {
            "scalingStrategy": "KPA",
            "minReplicas": count,
            "maxReplicas": count,
            "metricsSources": [source],
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": stand.name},
        },
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
