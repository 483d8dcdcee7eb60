"""Routing for an inference gateway: an InferencePool per Deployment, an HTTPRoute per service.

Weights are the shares of requests the plan gives each Deployment of a cluster, in ten-thousandths. The plan
also says which sizes go where; a weight cannot, so the shares hold and the sizes mix.
Source of the fields: Gateway API v1 HTTPRoute; inference.networking.k8s.io/v1 InferencePool.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from advisor.export.bundle import Bundle, yaml_file
from advisor.export.cluster import NO_LABELS, PROVIDERS, by_place, misfit, plan_figures
from advisor.export.order import dns_label, heading, keep, left_out_notes, sift
from advisor.export.serving import FIRST_PORT, not_served
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.export.order import Line, Order, Stand

WHOLE: Final = 10_000
"""Sum of a route's weights."""
PICKER_PORT: Final = 9002
GATEWAY: Final = "inference-gateway"
MODEL_HEADER: Final = "X-Gateway-Model-Name"
"""Set from the request's body by the gateway's body-based router."""
FILL_IN: Final = (
    f"the Gateway's name, if it is not {GATEWAY}",
    "an endpoint picker per InferencePool, named as its endpointPickerRef says",
)


def gateway(order: Order) -> Bundle:
    """A file of pools and routes per cloud and region."""
    kept, left_out = sift(*keep(order, PROVIDERS, NO_LABELS), not_served, misfit)
    files = []
    for place, lines in by_place(kept).items():
        stands = [(line, stand) for line in lines for stand in line.stands]
        pools = [_pool(order, line, stand) for line, stand in stands]
        routes = _routes(order, [stand for _, stand in stands])
        head = heading(order, "Inference gateway", f"For a cluster in {place}; beside --to kubernetes.")
        head += [_sends(stand) for _, stand in stands] + left_out_notes(left_out)
        files.append(yaml_file(f"{dns_label(place)}.gateway.yaml", head, *pools, *routes))
    return Bundle(tuple(files), tuple(left_out), FILL_IN if files else ())


def _pool(order: Order, line: Line, stand: Stand) -> dict[str, Any]:
    return {
        "apiVersion": "inference.networking.k8s.io/v1",
        "kind": "InferencePool",
        "metadata": {"name": stand.name, "annotations": plan_figures(order, line)},
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/name": stand.name}},
            "targetPorts": [{"number": FIRST_PORT}],
            "endpointPickerRef": {"name": f"{stand.name}-epp", "port": {"number": PICKER_PORT}},
        },
    }


def _routes(order: Order, stands: Sequence[Stand]) -> list[dict[str, Any]]:
    by_service: dict[str, list[Stand]] = {}
    for stand in stands:
        by_service.setdefault(stand.service.name, []).append(stand)
    return [_route(order, here, several=len(by_service) > 1) for here in by_service.values()]


def _route(order: Order, stands: list[Stand], *, several: bool) -> dict[str, Any]:
    service = stands[0].service
    match: dict[str, Any] = {"path": {"type": "PathPrefix", "value": "/"}}
    if several:
        match["headers"] = [
            {"type": "Exact", "name": MODEL_HEADER, "value": printable(stands[0].served_name)}
        ]
    rule = {"matches": [match], "backendRefs": _backends(stands)}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": dns_label(service.name)},
        "spec": {"parentRefs": [{"name": GATEWAY}], "rules": [rule]},
    }


def _backends(stands: Sequence[Stand]) -> list[dict[str, Any]]:
    weights = shares([stand.requests_per_s for stand in stands])
    return [
        {
            "group": "inference.networking.k8s.io",
            "kind": "InferencePool",
            "name": stand.name,
            "weight": weight,
        }
        for stand, weight in zip(stands, weights, strict=True)
    ]


def _sends(stand: Stand) -> str:
    return f"{stand.name}: {stand.requests_per_s:.6g} requests/s, {stand.allocation.replicas} replicas"


def shares(rates: Sequence[float]) -> list[int]:
    """Ten-thousandths that sum to the whole, by largest remainder; equal where no rate is stated."""
    parts = [Fraction(rate) for rate in rates]
    total = sum(parts) or Fraction(len(parts))
    parts = parts if any(parts) else [Fraction(1)] * len(parts)
    exact = [part / total * WHOLE for part in parts]
    floors = [int(value) for value in exact]
    order_of_rest = sorted(range(len(exact)), key=lambda i: (floors[i] - exact[i], i))
    for index in order_of_rest[: WHOLE - sum(floors)]:
        floors[index] += 1
    return floors
