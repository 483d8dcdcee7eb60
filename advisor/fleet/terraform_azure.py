"""Azure in Terraform state: virtual machines, scale sets and node pools of AKS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.fleet.found import ON_DEMAND, SPOT, Found, Unread, count_of, first_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from advisor.fleet.terraform_state import Resource, State

AZURE: Final = "azure"


def _region(attributes: dict[str, Any]) -> str | None:
    """``East US`` and ``eastus`` are one region."""
    location = text_of(attributes, "location")
    return location.replace(" ", "").casefold() if location else None


def _market(attributes: dict[str, Any]) -> str:
    return SPOT if (text_of(attributes, "priority") or "").casefold() == SPOT else ON_DEMAND


def _machine(resource: Resource, _: State) -> Found:
    attributes = resource.attributes
    return Found(
        what=resource.address,
        provider=AZURE,
        region=_region(attributes),
        zone=text_of(attributes, "zone"),
        instance_type=text_of(attributes, "size"),
        market=_market(attributes),
        instances=1,
    )


def _scale_set(resource: Resource, _: State) -> Found | Unread | None:
    attributes = resource.attributes
    wanted = count_of(attributes, "instances")
    sku = text_of(attributes, "sku") or text_of(attributes, "sku_name")
    if wanted is None or sku in (None, "Mix"):
        return Unread(resource.address, wanted, "the state does not say how many of which size run")
    zones = attributes.get("zones")
    named = [zone for zone in zones if isinstance(zone, str)] if isinstance(zones, list) else []
    zone = named[0] if len(named) == 1 else None
    found = Found(resource.address, AZURE, _region(attributes), zone, sku, _market(attributes), wanted)
    return found if wanted else None


def _node_pool(resource: Resource, state: State) -> Found | Unread | None:
    """A node pool of an AKS cluster, whose region its cluster says."""
    cluster = state.template(
        "azurerm_kubernetes_cluster", text_of(resource.attributes, "kubernetes_cluster_id")
    )
    return _pool(resource, resource.attributes, cluster or {})


def _cluster(resource: Resource, _: State) -> Found | Unread | None:
    """The default node pool of an AKS cluster; the others are resources of their own."""
    pool = first_of(resource.attributes, "default_node_pool")
    return _pool(resource, pool, resource.attributes) if pool else None


def _pool(resource: Resource, pool: dict[str, Any], cluster: dict[str, Any]) -> Found | Unread | None:
    size, wanted = text_of(pool, "vm_size"), count_of(pool, "node_count")
    if size is None or wanted is None:
        return Unread(resource.address, wanted, "the state does not say how many nodes of which size run")
    zones = pool.get("zones")
    zone = zones[0] if isinstance(zones, list) and len(zones) == 1 and isinstance(zones[0], str) else None
    found = Found(resource.address, AZURE, _region(cluster), zone, size, _market(pool), wanted)
    return found if wanted else None


READERS: Final[dict[str, Callable[[Resource, State], Found | Unread | list[Found] | None]]] = {
    "azurerm_kubernetes_cluster": _cluster,
    "azurerm_kubernetes_cluster_node_pool": _node_pool,
    "azurerm_linux_virtual_machine": _machine,
    "azurerm_linux_virtual_machine_scale_set": _scale_set,
    "azurerm_orchestrated_virtual_machine_scale_set": _scale_set,
    "azurerm_windows_virtual_machine": _machine,
    "azurerm_windows_virtual_machine_scale_set": _scale_set,
}
