"""What Kubernetes objects of every target share: where nodes are found, what the plan said of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from advisor.domain import Market
from advisor.export.order import RENTED, split_shape
from advisor.text import printable
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.export.order import Facts, Line, Order

PROVIDERS: Final = ("aws", "azure", "gcp")
"""Clouds whose node labels are known: EKS with Karpenter, AKS, GKE."""
NO_LABELS: Final = "how a Kubernetes node of this provider is labelled is not known"
PREFIX: Final = "llm-fleet-advisor"
"""Of annotations and labels."""

_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_RESOURCES: Final = {"amd": "amd.com/gpu", "aws": "aws.amazon.com/neuron", "google": "google.com/tpu",
                     "intel": "habana.ai/gaudi", "nvidia": "nvidia.com/gpu"}  # fmt: skip
"""By vendor, the name under which its device plugin offers whole accelerators."""


def accelerator_resource(line: Line, facts: Facts) -> str:
    """The extended resource a pod asks for."""
    chip = facts.accelerators.get(line.purchase.accelerator)
    return _RESOURCES.get(chip.vendor if chip else "nvidia", "nvidia.com/gpu")


def by_place(lines: Iterable[Line]) -> dict[str, list[Line]]:
    """Lines by provider and region, which is what one cluster spans."""
    places: dict[str, list[Line]] = {}
    for line in lines:
        places.setdefault(line.place, []).append(line)
    return places


def plan_figures(order: Order, line: Line) -> dict[str, str]:
    """The plan's own figures for the line."""
    purchase = line.purchase
    said = {
        "plan": order.plan.plan_id,
        "line": purchase.offer_id,
        "instances": str(purchase.instances),
        "accelerators-per-instance": str(purchase.accelerators_per_instance),
        "usd-per-hour-each": decimal_text(purchase.usd_per_hour_each),
        "usd-per-hour": decimal_text(purchase.usd_per_hour),
        "price-collected-at": purchase.price_collected_at.isoformat(),
    }
    return {f"{PREFIX}/{key}": printable(value) for key, value in said.items()}


def misfit(line: Line) -> str | None:
    """Why the line cannot be asked for by labels, if it cannot."""
    odd = next((value for value in node_selector(line).values() if not _LABEL_VALUE.fullmatch(value)), None)
    return None if odd is None else f"{printable(odd)!r} is no value of a Kubernetes label"


def node_selector(line: Line) -> dict[str, str]:
    """Labels that the line's nodes carry."""
    purchase = line.purchase
    machine, chip, _ = split_shape(purchase.instance_type)
    labels = {
        "node.kubernetes.io/instance-type": machine,
        "topology.kubernetes.io/region": purchase.region,
        **_zone(line),
        **_market(purchase.provider, purchase.market),
    }
    return labels | ({"cloud.google.com/gke-accelerator": chip} if chip else {})


def _zone(line: Line) -> dict[str, str]:
    zone, provider = line.purchase.zone, line.purchase.provider
    if zone is None:
        return {}
    if provider == "aws":
        return {"topology.k8s.aws/zone-id": zone}
    return {"topology.kubernetes.io/zone": f"{line.purchase.region}-{zone}" if provider == "azure" else zone}


def _market(provider: str, market: Market) -> dict[str, str]:
    """AKS labels spot nodes alone; how nodes held otherwise are labelled is the account's own affair."""
    spot = market is Market.SPOT
    if provider == "azure":
        return {"kubernetes.azure.com/scalesetpriority": "spot"} if spot else {}
    if market not in RENTED:
        return {}
    if provider == "aws":
        return {"karpenter.sh/capacity-type": "spot" if spot else "on-demand"}
    return {"cloud.google.com/gke-provisioning": "spot" if spot else "standard"}


def tolerations(line: Line, resource: str) -> list[dict[str, Any]]:
    """Taints that GPU nodes commonly carry, and the one AKS puts on spot nodes."""
    found = [{"key": resource, "operator": "Exists", "effect": "NoSchedule"}]
    if line.purchase.provider == "azure" and line.purchase.market.value == "spot":
        taint = "kubernetes.azure.com/scalesetpriority"
        found.append({"key": taint, "operator": "Equal", "value": "spot", "effect": "NoSchedule"})
    return found
