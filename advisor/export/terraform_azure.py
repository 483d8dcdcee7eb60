"""Azure: a virtual machine scale set per purchase line.

Source of the arguments: provider hashicorp/azurerm, as published in @cdktf/provider-azurerm 14.23.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from advisor.export.hcl_text import Block, Expression, quoted
from advisor.export.order import price_note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.export.order import Line


def azure_blocks(lines: Sequence[Line]) -> list[Block]:
    """The module."""
    required = {"azurerm": {"source": "hashicorp/azurerm", "version": ">= 4.0"}}
    regions = ", ".join(sorted({line.purchase.region for line in lines}))
    return [
        Block("terraform", (), {}, (Block("required_providers", (), required),)),
        Block(
            "provider",
            ("azurerm",),
            {"subscription_id": Expression("var.subscription_id")},
            (Block("features"),),
        ),
        *_variables(regions),
        *map(_scale_set, lines),
    ]


def _variables(regions: str) -> list[Block]:
    text, texts = Expression("string"), Expression("map(string)")
    return [
        _variable("subscription_id", text, "Subscription id."),
        _variable("resource_group_name", text, "Resource group of the scale sets."),
        _variable("subnet_ids", texts, f"Subnet, by region: {regions}."),
        _variable("source_image_id", text, "Image with NVIDIA drivers."),
        _variable("admin_ssh_public_key", text, "Public key of the administrator."),
        _variable("user_data", text, "Script each instance runs at its first boot.", ""),
    ]


def _variable(name: str, kind: Expression, description: str, default: object = None) -> Block:
    arguments: dict[str, Any] = {"description": description, "type": kind}
    return Block("variable", (name,), arguments if default is None else arguments | {"default": default})


def _scale_set(line: Line) -> Block:
    purchase = line.purchase
    spot = purchase.market.value == "spot"
    arguments: dict[str, Any] = {
        "name": line.name,
        "computer_name_prefix": line.name[:9].rstrip("-"),
        "resource_group_name": Expression("var.resource_group_name"),
        "location": purchase.region,
        "sku": purchase.instance_type,
        "instances": purchase.instances,
        "priority": "Spot" if spot else "Regular",
    }
    if spot:
        arguments |= {"eviction_policy": "Delete", "max_bid_price": -1}
    if purchase.zone is not None:
        arguments["zones"] = [purchase.zone]
    arguments |= {
        "overprovision": False,
        "admin_username": "advisor",
        "source_image_id": Expression("var.source_image_id"),
        "user_data": Expression('var.user_data == "" ? null : base64encode(var.user_data)'),
    }
    key = {"username": "advisor", "public_key": Expression("var.admin_ssh_public_key")}
    subnet = Expression(f"var.subnet_ids[{quoted(purchase.region)}]")
    address = Block("ip_configuration", (), {"name": "primary", "primary": True, "subnet_id": subnet})
    return Block(
        "resource",
        ("azurerm_linux_virtual_machine_scale_set", line.name),
        arguments,
        (
            Block("admin_ssh_key", (), key),
            Block("network_interface", (), {"name": "primary", "primary": True}, (address,)),
            Block("os_disk", (), {"caching": "ReadWrite", "storage_account_type": "Premium_LRS"}),
        ),
        (price_note(purchase),),
    )
