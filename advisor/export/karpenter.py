"""Karpenter on AWS: a NodePool per line, an EC2NodeClass per size of disk, overlays for private prices.

A NodePool's limit is the line's accelerators, so Karpenter never buys more than the plan. A NodeOverlay tells
Karpenter a price it cannot know: that of the user's own price list. Public prices it fetches itself.
Source of the fields: the CRDs of karpenter.sh/v1, v1alpha1 (NodeOverlay) and karpenter.k8s.aws/v1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.export.bundle import Bundle, yaml_file
from advisor.export.cluster import accelerator_resource, by_place, misfit, node_selector, plan_figures
from advisor.export.disk import disk_notes, node_disk_gb
from advisor.export.order import dns_label, heading, held, keep, left_out_notes, price_note, sift
from advisor.units import decimal_text

if TYPE_CHECKING:
    from advisor.export.order import Line, Order

NOT_AWS: Final = "only Karpenter on AWS is written"
PRIVATE_BASIS: Final = "manual"
"""``price_basis`` of prices from the user's own price list."""
NODE_CLASS: Final = "advisor"
ROOT_DEVICE: Final = "/dev/xvda"
"""Of Amazon Linux 2023, whose variant with NVIDIA's drivers EKS chooses for GPU nodes."""
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
        sizes = sorted({node_disk_gb(line, order.facts) for line in lines})
        head += [words for line in lines for words in disk_notes(line, order.facts)]
        objects = (*map(_node_class, sizes), *pools, *overlays)
        files.append(yaml_file(f"{dns_label(place)}.yaml", [*head, TO_FILL_IN, *notes], *objects))
    return Bundle(tuple(files), tuple(left_out), FILL_IN if files else ())


def _class_name(disk_gb: int) -> str:
    return f"{NODE_CLASS}-{disk_gb}gb"


def _node_class(disk_gb: int) -> dict[str, Any]:
    """Nodes with a root disk for images and weights; NVMe of theirs takes the pods' files instead."""
    volume = {
        "volumeSize": f"{disk_gb}G",
        "volumeType": "gp3",
        "encrypted": True,
        "deleteOnTermination": True,
    }
    discovery = {"tags": {"karpenter.sh/discovery": "CLUSTER_NAME"}}
    return {
        "apiVersion": "karpenter.k8s.aws/v1",
        "kind": "EC2NodeClass",
        "metadata": {"name": _class_name(disk_gb)},
        "spec": {
            "role": "KarpenterNodeRole-CLUSTER_NAME",
            "amiSelectorTerms": [{"alias": "al2023@latest"}],
            "subnetSelectorTerms": [discovery],
            "securityGroupSelectorTerms": [discovery],
            "blockDeviceMappings": [{"deviceName": ROOT_DEVICE, "rootVolume": True, "ebs": volume}],
            "instanceStorePolicy": "RAID0",
        },
    }


def _requirements(line: Line) -> list[dict[str, Any]]:
    return [{"key": key, "operator": "In", "values": [value]} for key, value in node_selector(line).items()]


def _pool(order: Order, line: Line) -> dict[str, Any]:
    resource = accelerator_resource(line, order.facts)
    taint = {"key": resource, "value": "true", "effect": "NoSchedule"}
    node_class = _class_name(node_disk_gb(line, order.facts))
    reference = {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": node_class}
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
