"""Azure in Terraform state: virtual machines and scale sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.fleet.found import ON_DEMAND, SPOT, Found, Unread, count_of, text_of

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


READERS: Final[dict[str, Callable[[Resource, State], Found | Unread | list[Found] | None]]] = {
    "azurerm_linux_virtual_machine": _machine,
    "azurerm_linux_virtual_machine_scale_set": _scale_set,
    "azurerm_orchestrated_virtual_machine_scale_set": _scale_set,
    "azurerm_windows_virtual_machine": _machine,
    "azurerm_windows_virtual_machine_scale_set": _scale_set,
}
