"""`kubectl get nodes -o json`: every node is one rented instance, whatever its state.

Labels, each from its project's documentation: node.kubernetes.io/instance-type, topology.kubernetes.io/region
and zone (Kubernetes well-known labels); topology.k8s.aws/zone-id (AWS cloud provider);
karpenter.sh/capacity-type; eks.amazonaws.com/capacityType; cloud.google.com/gke-spot, gke-preemptible,
gke-provisioning and gke-accelerator; kubernetes.azure.com/scalesetpriority. The scheme of ``spec.providerID``
names the cloud.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.errors import InputFileError
from advisor.fleet.found import ON_DEMAND, SPOT, Found, count_of, gcp_shape, items_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROVIDERS: Final = {"aws": "aws", "azure": "azure", "gce": "gcp"}
"""Schemes of ``providerID`` by our provider ids; any other scheme is taken as it stands."""

ACCELERATOR_RESOURCES: Final = (
    "nvidia.com/gpu", "amd.com/gpu", "aws.amazon.com/neuron", "google.com/tpu", "habana.ai/gaudi",
)  # fmt: skip
"""Names under which device plugins report whole accelerators in a node's capacity."""

MARKETS: Final = {
    "on-demand": ON_DEMAND, "on_demand": ON_DEMAND, "standard": ON_DEMAND, "regular": ON_DEMAND,
    "spot": SPOT, "preemptible": SPOT,
}  # fmt: skip
"""What the labels say, in our words; anything else, as ``reserved``, is kept as it stands."""

_MARKET_LABELS: Final = (
    "karpenter.sh/capacity-type",
    "eks.amazonaws.com/capacityType",
    "kubernetes.azure.com/scalesetpriority",
    "cloud.google.com/gke-provisioning",
)
_SPOT_LABELS: Final = ("cloud.google.com/gke-spot", "cloud.google.com/gke-preemptible")


def is_node_list(document: object) -> bool:
    """Whether a document is a list of Kubernetes objects, or one node."""
    return isinstance(document, dict) and document.get("kind") in ("List", "NodeList", "Node")


def read_nodes(document: Any, file: str) -> Iterator[Found]:
    """What the nodes are.

    Raises:
        InputFileError: it is no node list.
    """
    nodes = [document] if isinstance(document, dict) and document.get("kind") == "Node" else None
    if nodes is None:
        if not is_node_list(document) or not isinstance(document.get("items"), list):
            allowed = "a list of nodes, as `kubectl get nodes -o json` writes it"
            found = document.get("kind") if isinstance(document, dict) else document
            raise InputFileError(file, "kind", found, allowed)
        nodes = items_of(document, "items")
    for number, node in enumerate(nodes):
        if node.get("kind", "Node") != "Node":
            raise InputFileError(file, f"items[{number}].kind", node.get("kind"), "Node: list nodes only")
        yield _node(node, number)


def _node(node: dict[str, Any], number: int) -> Found:
    metadata = _object(node, "metadata")
    labels = _object(metadata, "labels")
    capacity = _object(_object(node, "status"), "capacity")
    counts = [count_of(capacity, name) or 0 for name in ACCELERATOR_RESOURCES]
    provider = _provider(text_of(_object(node, "spec"), "providerID"))
    zone, unnamed = _zone(labels, provider)
    return Found(
        what=f"node {text_of(metadata, 'name') or number}",
        provider=provider,
        region=_label(labels, "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"),
        zone=zone,
        instance_type=_shape(labels, provider, sum(counts)),
        market=_market(labels),
        instances=1,
        accelerators=sum(counts),
        unnamed_zone=unnamed,
    )


def _provider(provider_id: str | None) -> str | None:
    scheme, mark, _ = (provider_id or "").partition("://")
    return PROVIDERS.get(scheme, scheme) if mark and scheme else None


def _shape(labels: Mapping[str, Any], provider: str | None, accelerators: int) -> str | None:
    named = _label(labels, "node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")
    if provider != "gcp":
        return named
    return gcp_shape(named, text_of(labels, "cloud.google.com/gke-accelerator"), accelerators)


def _zone(labels: Mapping[str, Any], provider: str | None) -> tuple[str | None, str | None]:
    """The zone's id, and its name where the id is not known.

    AWS zone names differ between accounts. AKS writes the zone's number after the region, 0 for none.
    """
    name = _label(labels, "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
    if provider == "aws":
        id_ = text_of(labels, "topology.k8s.aws/zone-id")
        return (id_, None) if id_ else (None, name)
    if provider == "azure" and name is not None:
        number = name.rpartition("-")[2]
        return (number if number != "0" else None), None
    return name, None


def _market(labels: Mapping[str, Any]) -> str | None:
    if any(text_of(labels, label) == "true" for label in _SPOT_LABELS):
        return SPOT
    said = _label(labels, *_MARKET_LABELS)
    return None if said is None else MARKETS.get(said.casefold(), said.casefold())


def _label(labels: Mapping[str, Any], *names: str) -> str | None:
    return next((value for name in names if (value := text_of(labels, name))), None)


def _object(record: Any, key: str) -> dict[str, Any]:
    value = record.get(key) if isinstance(record, dict) else None
    return value if isinstance(value, dict) else {}
