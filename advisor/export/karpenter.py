"""Karpenter on AWS: a NodePool per purchase line, one EC2NodeClass per region, overlays for private prices.

A NodePool's limit is the line's accelerators, so Karpenter never buys more than the plan. A NodeOverlay tells
Karpenter a price it cannot know: that of the user's own price list. Public prices it fetches itself.
Source of the fields: the CRDs of karpenter.sh/v1, v1alpha1 (NodeOverlay) and karpenter.k8s.aws/v1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.export.bundle import Bundle, yaml_file
from advisor.export.cluster import accelerator_resource, by_place, misfit, node_selector, plan_figures
from advisor.export.order import dns_label, heading, held, keep, left_out_notes, price_note, sift
from advisor.units import decimal_text

if TYPE_CHECKING:
    from advisor.export.order import Line, Order

NOT_AWS: Final = "only Karpenter on AWS is written"
PRIVATE_BASIS: Final = "manual"
"""``price_basis`` of prices from the user's own price list."""
NODE_CLASS: Final = "advisor"
TO_FILL_IN: Final = (
    "EC2NodeClass: put in the role of the nodes, and the tags of the cluster's subnets and security groups."
)
FILL_IN: Final = ("in EC2NodeClass: role, and CLUSTER_NAME in the two selectors",)


def karpenter(order: Order) -> Bundle:
    """A file per region."""
    kept, left_out = sift(*keep(order, ("aws",), NOT_AWS), held, misfit)
    notes = left_out_notes(left_out)
    files = []
    for place, lines in by_place(kept).items():
        pools = [_pool(order, line) for line in lines]
        overlays = [_overlay(order, line) for line in lines if line.purchase.price_basis == PRIVATE_BASIS]
        head = heading(order, "Karpenter node pools", f"For a cluster in {place}.")
        head += [price_note(line.purchase) for line in lines]
        objects = (_node_class(), *pools, *overlays)
        files.append(yaml_file(f"{dns_label(place)}.yaml", [*head, TO_FILL_IN, *notes], *objects))
    return Bundle(tuple(files), tuple(left_out), FILL_IN if files else ())


def _node_class() -> dict[str, Any]:
    discovery = {"tags": {"karpenter.sh/discovery": "CLUSTER_NAME"}}
    return {
        "apiVersion": "karpenter.k8s.aws/v1",
        "kind": "EC2NodeClass",
        "metadata": {"name": NODE_CLASS},
        "spec": {
            "role": "KarpenterNodeRole-CLUSTER_NAME",
            "amiSelectorTerms": [{"alias": "al2023@latest"}],
            "subnetSelectorTerms": [discovery],
            "securityGroupSelectorTerms": [discovery],
        },
    }


def _requirements(line: Line) -> list[dict[str, Any]]:
    return [{"key": key, "operator": "In", "values": [value]} for key, value in node_selector(line).items()]


def _pool(order: Order, line: Line) -> dict[str, Any]:
    resource = accelerator_resource(line, order.facts)
    taint = {"key": resource, "value": "true", "effect": "NoSchedule"}
    reference = {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": NODE_CLASS}
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": line.name, "annotations": plan_figures(order, line)},
        "spec": {
            "template": {
                "spec": {
                    "nodeClassRef": reference,
                    "requirements": _requirements(line),
                    "taints": [taint],
                    "expireAfter": "Never",
                }
            },
            "limits": {resource: str(line.accelerators)},
            "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "10m"},
        },
    }


def _overlay(order: Order, line: Line) -> dict[str, Any]:
    return {
        "apiVersion": "karpenter.sh/v1alpha1",
        "kind": "NodeOverlay",
        "metadata": {"name": line.name, "annotations": plan_figures(order, line)},
        "spec": {
            "requirements": _requirements(line),
            "price": decimal_text(line.purchase.usd_per_hour_each),
            "weight": 10,
        },
    }
