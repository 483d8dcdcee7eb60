"""LiteLLM proxy: a deployment per group of replicas, weighted by the requests the plan sends there.

The router between lines, regions and clouds, in place of clusters' own gateways. It keeps shares of requests;
the plan's split by size it cannot.
Source of the fields: LiteLLM 1.80, "Config.yaml" and "Load Balancing" (``weight`` of simple-shuffle).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.export.bundle import Bundle, yaml_file
from advisor.export.cluster import plan_figures
from advisor.export.gateway import shares
from advisor.export.order import heading, left_out_notes, price_note, sift
from advisor.export.serving import not_served

if TYPE_CHECKING:
    from advisor.export.order import Line, Order, Stand

FILL_IN: Final = (
    "the variables …_URL: where each group of replicas answers, ending in /v1",
    "API_KEY, which the engines ask for, and LITELLM_MASTER_KEY, which callers show",
)


def litellm(order: Order) -> Bundle:
    """One proxy configuration for the whole plan."""
    kept, left_out = sift(order.lines, (), not_served)
    stands = [(line, stand) for line in kept for stand in line.stands]
    if not stands:
        return Bundle((), tuple(left_out))
    weights = _weights([stand for _, stand in stands])
    document = {
        "model_list": [_deployment(order, line, stand, weights[stand.name]) for line, stand in stands],
        "router_settings": {"routing_strategy": "simple-shuffle", "num_retries": 2},
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
    }
    head = heading(order, "LiteLLM proxy", "litellm --config litellm.yaml")
    head += [price_note(line.purchase) for line in kept]
    head += [f"{variable(stand)}: {_sends(stand)}" for _, stand in stands]
    return Bundle(
        (yaml_file("litellm.yaml", [*head, *left_out_notes(left_out)], document),), tuple(left_out), FILL_IN
    )


def variable(stand: Stand) -> str:
    """The environment variable that says where the replicas answer."""
    return f"{stand.name.replace('-', '_').upper()}_URL"


def _weights(stands: list[Stand]) -> dict[str, int]:
    """Per service, ten-thousandths of its requests."""
    by_service: dict[str, list[Stand]] = {}
    for stand in stands:
        by_service.setdefault(stand.service.name, []).append(stand)
    return {
        stand.name: weight
        for here in by_service.values()
        for stand, weight in zip(here, shares([one.requests_per_s for one in here]), strict=True)
    }


def _deployment(order: Order, line: Line, stand: Stand, weight: int) -> dict[str, Any]:
    return {
        "model_name": stand.served_name,
        "litellm_params": {
            "model": f"hosted_vllm/{stand.served_name}",
            "api_base": f"os.environ/{variable(stand)}",
            "api_key": "os.environ/API_KEY",
            "weight": weight,
        },
        "model_info": {"id": stand.name, **plan_figures(order, line)},
    }


def _sends(stand: Stand) -> str:
    return f"{stand.requests_per_s:.6g} requests/s, {stand.allocation.replicas} replicas"
