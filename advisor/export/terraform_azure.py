"""Azure: a virtual machine scale set per purchase line.

Source of the arguments: provider hashicorp/azurerm, as published in @cdktf/provider-azurerm 14.23.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from advisor.export.order import price_note
from advisor.export.terraform_json import COMMENT, Body, Expression, quoted, variables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.export.order import Line


def azure_module(lines: Sequence[Line]) -> dict[str, Any]:
    """The module's blocks."""
    regions = ", ".join(sorted({line.purchase.region for line in lines}))
    source = {"source": "hashicorp/azurerm", "version": ">= 4.0"}
    return {
        "terraform": {"required_providers": {"azurerm": source}},
        "provider": {"azurerm": {"subscription_id": Expression("var.subscription_id"), "features": {}}},
        "variable": variables(
            subscription_id=("string", "Subscription id."),
            resource_group_name=("string", "Resource group of the scale sets."),
            subnet_ids=("map(string)", f"Subnet, by region: {regions}."),
            source_image_id=("string", "Image with NVIDIA drivers."),
            admin_ssh_public_key=("string", "Public key of the administrator."),
            user_data=("string", "Script each instance runs at its first boot.", ""),
        ),
        "resource": {
            "azurerm_linux_virtual_machine_scale_set": {line.name: _scale_set(line) for line in lines}
        },
    }


def _scale_set(line: Line) -> Body:
    purchase = line.purchase
    spot = purchase.market.value == "spot"
    return {
        COMMENT: price_note(purchase),
        "name": line.name,
        "computer_name_prefix": line.name[:9].rstrip("-"),
        "resource_group_name": Expression("var.resource_group_name"),
        "location": purchase.region,
        "sku": purchase.instance_type,
        "instances": purchase.instances,
        "priority": "Spot" if spot else "Regular",
        **({"eviction_policy": "Delete", "max_bid_price": -1} if spot else {}),
        **({} if purchase.zone is None else {"zones": [purchase.zone]}),
        "overprovision": False,
        "admin_username": "advisor",
        "source_image_id": Expression("var.source_image_id"),
        "user_data": Expression('var.user_data == "" ? null : base64encode(var.user_data)'),
        "admin_ssh_key": {"username": "advisor", "public_key": Expression("var.admin_ssh_public_key")},
        "network_interface": _network(purchase.region),
        "os_disk": {"caching": "ReadWrite", "storage_account_type": "Premium_LRS"},
    }


def _network(region: str) -> Body:
    subnet = Expression(f"var.subnet_ids[{quoted(region)}]")
    address = {"name": "primary", "primary": True, "subnet_id": subnet}
    return {"name": "primary", "primary": True, "ip_configuration": address}
